//! One connection: handshake, requests, end.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::certificate::{Certificate, Unreadable};
use futures_util::FutureExt as _;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::arrive::arrive;
use super::extended::{self, Hold};
use super::handshakes::Handshakes;
use super::stream::taken;
use super::unread::Unread;
use super::vigil::{Limits, UnderWay, Vigil, Watched};
use super::{MAX_HANDSHAKES, Options, SILENCE, Service};
use crate::body::Attended;
use crate::clock;
use crate::peer::{Peer, Tls};

/// What all connections of one listener share.
pub(super) struct Listener<S> {
    service: S,
    options: Options,
    one: http1::Builder,
    either: auto::Builder<Streams>,
    handshakes: Handshakes,
    shutdown: CancellationToken,
}

/// Runs HTTP/2 streams where shutting down finds them.
#[derive(Clone, Debug)]
struct Streams {
    tasks: TaskTracker,
    abort: CancellationToken,
    /// How long a client may take nothing of its answer.
    patience: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        let (abort, patience) = (self.abort.clone(), self.patience);
        self.tasks.spawn(async move { abort.run_until_cancelled(taken(stream, patience)).await });
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
        let patience = options.idle_timeout;
        let streams = Streams { tasks: tasks.clone(), abort: abort.clone(), patience };
        let (one, either) = (one(&options), either(&options, streams));
        let handshakes = Handshakes::new(MAX_HANDSHAKES);
        Self { service, options, one, either, handshakes, shutdown: shutdown.clone() }
    }

    /// Serves one connection to its end.
    ///
    /// What it needs meanwhile lies in boxes, each as large as this kind of connection needs it: a
    /// future that is handed on is there twice, and that of HTTP/2 in TLS is five times the plain one.
    pub(super) fn serve(
        self: Arc<Self>,
        socket: TcpStream,
        address: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        // Small answers must not wait for the acknowledgement of earlier ones.
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        match self.options.tls.as_ref().and_then(|tls| tls.load_full()) {
            Some(tls) => Box::pin(async move { self.secure(tls, socket, address).await }),
            None => Box::pin(async move { self.plain(socket, address).await }),
        }
    }

    /// Takes requests as they are. Nothing is set up for who says nothing.
    async fn plain(&self, socket: TcpStream, address: SocketAddr) {
        let first = tokio::time::timeout(self.options.header_timeout, begins_like_two(&socket));
        let peer = Peer::plain(address);
        match self.shutdown.run_until_cancelled(first).await {
            Some(Ok(Ok(false))) => Box::pin(self.converse(socket, peer)).await,
            Some(Ok(Ok(true))) => Box::pin(self.converse_either(socket, peer)).await,
            Some(Ok(Err(error))) => tracing::debug!(%address, %error, "a connection broke off"),
            Some(Err(_)) => tracing::trace!(%address, "it said nothing"),
            None => {}
        }
    }

    /// Takes requests behind a TLS handshake.
    async fn secure(&self, tls: Arc<ServerConfig>, socket: TcpStream, address: SocketAddr) {
        let handshake = self.shake_hands(tls, socket, address);
        let handshake = tokio::time::timeout(self.options.header_timeout, handshake);
        match self.shutdown.run_until_cancelled(Box::pin(handshake)).await {
            Some(Ok(Ok(stream))) => {
                let Ok(tls) = agreed(&stream) else {
                    // Verified, and not to be read all the same: who it is nobody can say.
                    return tracing::debug!(%address, "a client certificate that is not read");
                };
                let peer = Peer { address, tls: Some(Arc::new(tls)) };
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"http/1.1") => Box::pin(self.converse(stream, peer)).await,
                    _ => Box::pin(self.converse_either(stream, peer)).await,
                }
            }
            Some(Ok(Err(error))) => tracing::debug!(%address, %error, "no TLS"),
            Some(Err(_)) => tracing::debug!(%address, "the TLS handshake took too long"),
            None => {}
        }
    }

    /// Nothing is set up, and no place taken, for who says nothing.
    async fn shake_hands(
        &self,
        tls: Arc<ServerConfig>,
        socket: TcpStream,
        address: SocketAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        tokio::time::timeout(SILENCE, socket.readable()).await??;
        let (place, full) = self.handshakes.begin(address.ip());
        if full && let Some(times) = self.options.pressure.handshakes.reach(clock::now()) {
            tracing::warn!(
                times,
                "{MAX_HANDSHAKES} TLS handshakes are under way: the oldest of the address with most gives way"
            );
        }
        tokio::select! {
            biased;
            done = TlsAcceptor::from(tls).accept(socket) => done,
            () = place.gives_way() => Err(io::Error::other("the handshake gave way to others")),
        }
    }

    /// Takes requests of HTTP/1.1.
    async fn converse<T>(&self, socket: T, peer: Peer)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let vigil = self.vigil();
        let io = TokioIo::new(Watched::new(socket, Arc::clone(&vigil)));
        let answer =
            answerer(self.service.clone(), peer.clone(), Arc::clone(&vigil), self.shutdown.clone());
        let connection = pin!(self.one.serve_connection(io, answer).with_upgrades());
        let ended = self.attend(&vigil, connection, |connection| connection.graceful_shutdown());
        self.remember(&peer, &vigil, ended.await.as_deref());
    }

    /// Takes requests of HTTP/2, or of HTTP/1.1 if that is what comes.
    async fn converse_either<T>(&self, socket: T, peer: Peer)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let vigil = self.vigil();
        let io = TokioIo::new(Watched::new(socket, Arc::clone(&vigil)));
        let answer =
            answerer(self.service.clone(), peer.clone(), Arc::clone(&vigil), self.shutdown.clone());
        let connection = pin!(self.either.serve_connection_with_upgrades(io, answer));
        let ended = self.attend(&vigil, connection, |connection| connection.graceful_shutdown());
        self.remember(&peer, &vigil, ended.await.as_deref());
    }

    fn vigil(&self) -> Arc<Vigil> {
        let Options { header_timeout, idle_timeout, stuck_timeout, .. } = self.options;
        Vigil::new(Limits { header: header_timeout, idle: idle_timeout, stuck: stuck_timeout })
    }

    /// Lets a connection go on until one side has had enough; the error with which it ended.
    async fn attend<C, E>(
        &self,
        vigil: &Vigil,
        mut connection: Pin<&mut C>,
        close: impl Fn(Pin<&mut C>),
    ) -> Option<Box<dyn Error + Send + Sync>>
    where
        C: Future<Output = Result<(), E>>,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let why = tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.err().map(Into::into),
            () = vigil.still() => "it stood still",
            () = self.shutdown.cancelled() => "the server stops",
        };
        tracing::trace!(why, "closing a connection");
        close(connection.as_mut());
        let gone = async {
            vigil.still().await;
            tokio::time::sleep(GOODBYE).await;
        };
        tokio::select! {
            biased;
            ended = connection => ended.err().map(Into::into),
            () = gone => None,
        }
    }

    /// Tells how a connection ended, and remembers where that was a request which nobody could read.
    fn remember(
        &self,
        peer: &Peer,
        vigil: &Vigil,
        error: Option<&(dyn Error + Send + Sync + 'static)>,
    ) {
        if let Some(error) = error {
            tracing::debug!(address = %peer.address, %error, "a connection broke off");
        }
        let error = error.map(|error| error as &(dyn Error + 'static));
        if let Some(unread) = Unread::of(vigil.unread(), error) {
            self.options.pressure.unread();
            self.service.unread(peer, unread);
        }
    }
}

/// What hyper asks for the answer to each request of a connection.
fn answerer<S: Service>(
    service: S,
    peer: Peer,
    vigil: Arc<Vigil>,
    shutdown: CancellationToken,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Attended<UnderWay>>,
    Error = Infallible,
    Future: Send + 'static,
> {
    service_fn(move |mut request: Request<Incoming>| {
        let mut under_way = vigil.begin();
        if request.version() == Version::HTTP_2 {
            under_way.speaks_frames();
        }
        let extended = extended::is_extended(&request);
        if extended {
            extended::rewrite(&mut request, Hold::new(vigil.begin(), shutdown.clone()));
        }
        // In a box, for hyper keeps the place of it as long as the connection.
        let answer = Box::pin(service.clone().answer(arrive(request), peer.clone()));
        answer.map(move |answer| {
            if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
                under_way.hands_over();
            }
            let answer = if extended { extended::answer(answer) } else { answer };
            Ok::<_, Infallible>(answer.map(|body| Attended { body, by: under_way }))
        })
    })
}

/// Whether what comes begins as HTTP/2 does (RFC 9113 section 3.4). It stays to be read: what is read
/// ahead doubles what hyper keeps to read into.
async fn begins_like_two(socket: &TcpStream) -> io::Result<bool> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut first = [0; PREFACE.len()];
    let length = socket.peek(&mut first).await?;
    let first = first.get(..length).unwrap_or_default();
    Ok(!first.is_empty() && PREFACE.starts_with(first))
}

fn agreed(stream: &TlsStream<TcpStream>) -> Result<Tls, Unreadable> {
    let (_, session) = stream.get_ref();
    let own = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = own.map(|der| Certificate::parse(der)).transpose()?.map(Arc::new);
    Ok(Tls { server_name: session.server_name().map(Into::into), certificate })
}

/// hyper with every bound set. Without a timer its own would be silently off.
fn one(options: &Options) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        // The vigil does it: see there.
        .header_read_timeout(None)
        .max_buf_size(options.max_header_bytes.max(8192));
    if options.max_headers != MAX_HEADERS_BY_DEFAULT {
        http.max_headers(options.max_headers);
    }
    http
}

/// The same for both versions.
fn either(options: &Options, streams: Streams) -> auto::Builder<Streams> {
    let mut http = auto::Builder::new(streams);
    http.http1()
        .timer(TokioTimer::new())
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
