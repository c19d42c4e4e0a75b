//! An upstream that notes what reaches it, and behaves as the path says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// What reached the upstream of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
}

/// A running upstream. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<usize>>,
    /// Each permit lets one request to a path with `wait` go on.
    pub(crate) gate: Arc<Semaphore>,
}

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

impl Upstream {
    pub(crate) async fn start() -> Self {
        Self::over(None).await
    }

    /// The same over TLS.
    pub(crate) async fn over(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            connections: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        };
        let this = upstream.clone();
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                *this.connections.lock().unwrap() += 1;
                let (this, tls) = (this.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => this.converse(socket).await,
                        Some(tls) => {
                            let Ok(socket) = tls.accept(socket).await else { return };
                            this.converse(socket).await;
                        }
                    }
                });
            }
        });
        upstream
    }

    async fn converse<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(self, socket: T) {
        let service = service_fn(move |request| self.clone().answer(request));
        let http = auto::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection_with_upgrades(TokioIo::new(socket), service).await;
    }

    /// Everything that has reached it.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request that has reached it.
    pub(crate) fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }

    /// How many connections were opened to it.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        self.seen.lock().unwrap().push(Seen {
            method: request.method().to_string(),
            target: request.uri().path_and_query().unwrap().to_string(),
            version: request.version(),
            headers: request.headers().clone(),
        });
        let path = request.uri().path().to_owned();
        let respond = Response::builder();
        Ok(match path.as_str() {
            path if path.ends_with("/mirror") => {
                respond.body(request.into_body().boxed_unsync()).unwrap()
            }
            path if path.ends_with("/wait") => {
                self.gate.acquire().await.unwrap().forget();
                respond.body(full("waited")).unwrap()
            }
            path if path.ends_with("/redirect") => {
                respond.status(302).header("location", "/open/elsewhere").body(full("")).unwrap()
            }
            path if path.ends_with("/hops") => respond
                .header("connection", "x-once")
                .header("x-once", "1")
                .header("keep-alive", "timeout=9")
                .header("alt-svc", "h3=\":443\"")
                .header("set-cookie", "a=b")
                .body(full("hops"))
                .unwrap(),
            path if path.ends_with("/standstill") => respond.body(standstill()).unwrap(),
            path if path.ends_with("/chat/completions") => {
                respond.header("content-type", "application/json").body(full(COMPLETION)).unwrap()
            }
            path if path.ends_with("/socket") => upgrade(request),
            path if path.ends_with("/masked") => respond
                .header("content-type", "text/plain")
                .body(full("write to jane@example.com"))
                .unwrap(),
            _ => {
                let body = request.into_body().collect().await;
                let length = body.map_or(0, |body| body.to_bytes().len());
                respond.body(full(&format!("{length} bytes"))).unwrap()
            }
        })
    }
}

/// What a model answers: 5 tokens in, 7 out.
const COMPLETION: &str = r#"{"id":"c","object":"chat.completion","model":"my-model","choices":[{"index":0,"message":{"role":"assistant","content":"yes"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;

/// One chunk, and then nothing.
fn standstill() -> UnsyncBoxBody<Bytes, hyper::Error> {
    let chunks = futures_util::stream::unfold(false, |over| async move {
        if over {
            std::future::pending::<()>().await;
        }
        Some((Ok(Frame::data(Bytes::from("first"))), true))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// Changes to a protocol that says everything twice, if it was asked for WebSocket.
fn upgrade(mut request: Request<Incoming>) -> Answer {
    let asked = request.headers().get("upgrade").is_some_and(|value| value == "websocket");
    if !asked {
        return Response::builder().status(426).body(full("upgrade me")).unwrap();
    }
    let changed = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut socket = TokioIo::new(changed.await.unwrap());
        let mut piece = [0; 1024];
        while let Ok(count @ 1..) = socket.read(&mut piece).await {
            let _ = socket.write_all(&piece[..count].repeat(2)).await;
        }
    });
    Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .body(full(""))
        .unwrap()
}

fn full(text: &str) -> UnsyncBoxBody<Bytes, hyper::Error> {
    Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {}).boxed_unsync()
}
