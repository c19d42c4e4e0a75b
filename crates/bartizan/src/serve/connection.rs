//! One connection: handshake, requests, end.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::certificate::{Certificate, Unreadable};
use futures_util::FutureExt as _;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::arrive::arrive;
use super::extended::{self, Hold};
use super::vigil::{Counted, Limits, Vigil, Watched};
use super::{MAX_HANDSHAKES, Options, Service};
use crate::peer::{Peer, Tls};

/// What all connections of one listener share.
pub(super) struct Listener<S> {
    service: S,
    options: Options,
    http: auto::Builder<Streams>,
    handshakes: Semaphore,
    shutdown: CancellationToken,
}

/// Runs HTTP/2 streams where shutting down finds them.
#[derive(Clone, Debug)]
struct Streams {
    tasks: TaskTracker,
    abort: CancellationToken,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let abort = self.abort.clone();
        self.tasks.spawn(async move { abort.run_until_cancelled(stream).await });
    }
}

/// How long a connection that is sent away may take to go.
const GOODBYE: Duration = Duration::from_secs(2);

/// What hyper keeps on its stack; asking for it explicitly would move it to the heap.
const MAX_HEADERS_BY_DEFAULT: usize = 100;

impl<S: Service> Listener<S> {
    pub(super) fn new(
        service: S,
        options: Options,
        tasks: &TaskTracker,
        shutdown: &CancellationToken,
        abort: &CancellationToken,
    ) -> Self {
        let streams = Streams { tasks: tasks.clone(), abort: abort.clone() };
        let http = http(&options, streams);
        let handshakes = Semaphore::new(MAX_HANDSHAKES);
        Self { service, options, http, handshakes, shutdown: shutdown.clone() }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(&self, socket: TcpStream, address: SocketAddr) {
        // Small answers must not wait for the acknowledgement of earlier ones.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let Some(tls) = self.options.tls.as_ref().and_then(|tls| tls.load_full()) else {
            return self.converse(socket, Peer::plain(address)).await;
        };
        let acceptor = TlsAcceptor::from(tls);
        let handshake = async {
            let _room = self.handshakes.acquire().await;
            acceptor.accept(socket).await
        };
        let handshake = tokio::time::timeout(self.options.header_timeout, handshake);
        match self.shutdown.run_until_cancelled(handshake).await {
            Some(Ok(Ok(stream))) => {
                let Ok(tls) = agreed(&stream) else {
                    // Verified, and not to be read all the same: who it is nobody can say.
                    return tracing::debug!(%address, "a client certificate that is not read");
                };
                let tls = Some(Arc::new(tls));
                self.converse(stream, Peer { address, tls }).await;
            }
            Some(Ok(Err(error))) => tracing::debug!(%address, %error, "no TLS"),
            Some(Err(_)) => tracing::debug!(%address, "the TLS handshake took too long"),
            None => {}
        }
    }

    /// Takes requests until one side has had enough.
    async fn converse<T>(&self, socket: T, peer: Peer)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Options { header_timeout, idle_timeout, stuck_timeout, .. } = self.options;
        let limits = Limits { header: header_timeout, idle: idle_timeout, stuck: stuck_timeout };
        let vigil = Vigil::new(limits);
        let io = TokioIo::new(Watched { io: socket, vigil: Arc::clone(&vigil) });
        let (service, watch) = (self.service.clone(), Arc::clone(&vigil));
        let shutdown = self.shutdown.clone();
        let answer = service_fn(move |mut request: Request<Incoming>| {
            let under_way = watch.begin();
            if request.version() == Version::HTTP_2 {
                under_way.speaks_frames();
            }
            let extended = extended::is_extended(&request);
            if extended {
                extended::rewrite(&mut request, Hold::new(watch.begin(), shutdown.clone()));
            }
            let answer = service.clone().answer(arrive(request), peer.clone());
            answer.map(move |answer| {
                let answer = if extended { extended::answer(answer) } else { answer };
                Ok::<_, Infallible>(answer.map(|body| Counted { body, under_way }))
            })
        });
        let mut connection = pin!(self.http.serve_connection_with_upgrades(io, answer));
        let why = tokio::select! {
            biased;
            ended = connection.as_mut() => return log(ended),
            () = vigil.still() => "it stood still",
            () = self.shutdown.cancelled() => "the server stops",
        };
        tracing::trace!(why, "closing a connection");
        connection.as_mut().graceful_shutdown();
        let gone = async {
            vigil.still().await;
            tokio::time::sleep(GOODBYE).await;
        };
        tokio::select! {
            biased;
            ended = connection => log(ended),
            () = gone => {}
        }
    }
}

fn log(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

fn agreed(stream: &TlsStream<TcpStream>) -> Result<Tls, Unreadable> {
    let (_, session) = stream.get_ref();
    let own = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = own.map(|der| Certificate::parse(der)).transpose()?.map(Arc::new);
    Ok(Tls { server_name: session.server_name().map(Into::into), certificate })
}

/// hyper with every bound set. Without a timer its own would be silently off.
fn http(options: &Options, streams: Streams) -> auto::Builder<Streams> {
    let mut http = auto::Builder::new(streams);
    http.http1()
        .timer(TokioTimer::new())
        // The vigil does it: see there.
        .header_read_timeout(None)
        .max_buf_size(options.max_header_bytes.max(8192));
    if options.max_headers != MAX_HEADERS_BY_DEFAULT {
        http.http1().max_headers(options.max_headers);
    }
    http.http2()
        .timer(TokioTimer::new())
        // WebSockets (RFC 8441).
        .enable_connect_protocol()
        .max_concurrent_streams(options.max_streams)
        .max_header_list_size(u32::try_from(options.max_header_bytes).unwrap_or(u32::MAX))
        // Streams that are opened and reset at once (CVE-2023-44487, CVE-2025-8671).
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    http
}
