//! How do connections become requests? The accept loop, its bounds, and its end.
//!
//! hyper parses; everything that keeps a stranger from taking the server's memory, tasks or
//! time stands here: so many connections, so many handshakes, and none that stands still.

mod app;
mod arrive;
mod connection;
mod extended;
mod farewell;
mod handshakes;
mod pressure;
mod shares;
mod stream;
mod unread;
mod vigil;
mod workers;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bartizan_core::admit::ClientAddress;
use http::{Request, Response};
use hyper::body::Incoming;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::Body;
use crate::clock;
use crate::peer::Peer;
use connection::Listener;
pub(crate) use extended::{Extended, Hold};
pub(crate) use pressure::Bound;
pub use pressure::Pressure;
pub(crate) use shares::{Place, Shares};
pub use unread::Unread;
pub use workers::Workers;
pub(crate) use workers::here;

/// What a listener allows.
#[derive(Clone, Debug)]
pub struct Options {
    /// The TLS configuration in force; `None`, or none in it, for plain HTTP. Each connection takes
    /// the one that is in force when it arrives.
    pub tls: Option<Arc<ArcSwapOption<ServerConfig>>>,
    /// How long a TLS handshake may take, and a request's head from its first byte.
    pub header_timeout: Duration,
    /// How long a connection may wait for its next request, and for a client that does not read.
    pub idle_timeout: Duration,
    /// How long a connection may have requests under way and move no byte.
    pub stuck_timeout: Duration,
    /// How long requests under way may take when the server stops.
    pub drain_timeout: Duration,
    /// The largest head of a request, in bytes. HTTP/1.1 needs at least 8192.
    pub max_header_bytes: usize,
    /// The most header lines of an HTTP/1.1 request.
    pub max_headers: usize,
    /// The most HTTP/2 streams on one connection.
    pub max_streams: u32,
    /// The most connections; further ones wait in the listener's backlog.
    pub max_connections: usize,
    /// The most connections of one address, of IPv6 of a /64; further ones are closed. `None` for as
    /// many as are left for all others: alone half of them, of two each a third.
    pub max_connections_per_address: Option<usize>,
    /// Who serves them; `None` for the runtime that runs [`serve`].
    pub workers: Option<Arc<Workers>>,
    /// How often these bounds are reached.
    pub pressure: Arc<Pressure>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: None,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            stuck_timeout: Duration::from_secs(600),
            drain_timeout: Duration::from_secs(30),
            max_header_bytes: 32 * 1024,
            max_headers: 100,
            max_streams: 100,
            max_connections: 10_000,
            max_connections_per_address: None,
            workers: None,
            pressure: Arc::default(),
        }
    }
}

/// What answers requests.
pub trait Service: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(
        self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// Remembers a request that could not be read, and so was not answered by this; unless it is
    /// written, nothing does.
    fn unread(&self, peer: &Peer, unread: Unread) {
        let _ = (peer, unread);
    }
}

impl<S, F> Service for S
where
    S: Fn(Request<Incoming>, Peer) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send,
{
    fn answer(
        self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send {
        self(request, peer)
    }
}

/// How many TLS handshakes may be under way, of which each may hold 64 KiB of what its client has said so far.
const MAX_HANDSHAKES: usize = 256;

/// How long the first byte of a TLS handshake may take: clients send it as soon as they are connected.
const SILENCE: Duration = Duration::from_secs(5);

/// How long to wait when the system has no more file descriptors.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Serves until `shutdown`; then takes no new connection, lets what is under way come to its
/// end, and breaks off what is not done in time. Returns when no connection is left.
pub async fn serve<S: Service>(
    sockets: TcpListener,
    service: S,
    options: Options,
    shutdown: CancellationToken,
) {
    let (drain, max) = (options.drain_timeout, options.max_connections);
    let room = Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS)));
    let addresses = Shares::new(max.max(1), options.max_connections_per_address);
    let (tasks, abort) = (TaskTracker::new(), CancellationToken::new());
    let (workers, pressure) = (options.workers.clone(), Arc::clone(&options.pressure));
    let listener = Arc::new(Listener::new(service, options, &tasks, &shutdown, &abort));
    while let Some(Ok(place)) = shutdown.run_until_cancelled(one_more(&room, max, &pressure)).await
    {
        let Some((socket, address)) =
            shutdown.run_until_cancelled(accept(&sockets, &pressure)).await
        else {
            break;
        };
        let Some(counted) = addresses.take(ClientAddress::from(address.ip()).bucket()) else {
            if let Some(times) = pressure.of_one.reach(clock::now()) {
                tracing::warn!(
                    %address, times,
                    "closed: the address has all its connections (`max_connections_per_address`)"
                );
            }
            continue;
        };
        let place = (counted, place);
        let (listener, abort) = (Arc::clone(&listener), abort.clone());
        let Some(seat) = workers.as_ref().and_then(|workers| workers.seat()) else {
            tasks.spawn(async move {
                abort.run_until_cancelled(listener.serve(socket, address)).await;
                drop(place);
            });
            continue;
        };
        // What waits for a socket is woken by the runtime in which it was made.
        let Ok(socket) = socket.into_std() else { continue };
        let worker = seat.handle.clone();
        let served = async move {
            match TcpStream::from_std(socket) {
                Ok(socket) => {
                    abort.run_until_cancelled(listener.serve(socket, address)).await;
                }
                Err(error) => tracing::warn!(%error, "a connection cannot be served"),
            }
            drop((place, seat));
        };
        tasks.spawn_on(served, &worker);
    }
    drop(sockets);
    tasks.close();
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!(connections = tasks.len(), "not drained in time: breaking off");
        abort.cancel();
        tasks.wait().await;
    }
}

/// Room for one more connection; where there is none, when one has ended.
async fn one_more(
    room: &Arc<Semaphore>,
    max: usize,
    pressure: &Pressure,
) -> Result<OwnedSemaphorePermit, AcquireError> {
    if let Ok(place) = Arc::clone(room).try_acquire_owned() {
        return Ok(place);
    }
    if let Some(times) = pressure.all.reach(clock::now()) {
        tracing::warn!(
            max,
            times,
            "all connections are open (`max_connections`): the next ones wait"
        );
    }
    Arc::clone(room).acquire_owned().await
}

/// The next connection. Errors of one that was gone before it was taken do not end the loop, and
/// where the system has no room the loop does not spin.
async fn accept(sockets: &TcpListener, pressure: &Pressure) -> (TcpStream, SocketAddr) {
    loop {
        match sockets.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                if let Some(times) = pressure.system.reach(clock::now()) {
                    tracing::warn!(%error, times, "no connection can be taken");
                }
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
