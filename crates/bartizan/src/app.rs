//! How does a program become a guarded one? It writes an [`App`].

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bartizan_core::admit::{Purpose, ServerName};
use bartizan_core::audit::Trail;
use bartizan_core::authenticate::Caller;
use bartizan_core::authorize::Policy;
use bartizan_core::limit::Meter;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authenticate::Authenticate;
use crate::body::Body;
use crate::clock;
use crate::inquiry;
use crate::peer::Peer;
use crate::pipeline::{Rehearsal, Road};
use crate::serve::Unread;

mod builder;

pub use builder::{AppBuilder, BadApp, BadPart};

/// A guarded program: endpoints, and the road that leads to them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Running>);

#[derive(Debug)]
struct Running {
    title: Arc<str>,
    road: Arc<Road>,
    tasks: TaskTracker,
    /// Ends the sweeping of reservations.
    stop: CancellationToken,
    /// Ends the settling, once no request is under way.
    closing: CancellationToken,
}

/// An app that was replaced sweeps no more; what is under way on it still settles.
impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What an app is given to work with: who is calling, counters, and the log.
#[derive(Clone, Debug)]
pub struct Works {
    /// Who is calling.
    pub authenticate: Authenticate,
    /// Counters.
    pub meter: Arc<dyn Meter>,
    /// The audit log.
    pub trail: Arc<dyn Trail>,
}

/// The largest request body where nothing else is said, in bytes.
pub const MAX_REQUEST_SIZE: u64 = 1_000_000;

impl App {
    /// Begins an app.
    pub fn builder(title: &str) -> AppBuilder {
        AppBuilder::new(title)
    }

    /// What it is called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        self.0.road.policy()
    }

    /// Answers a request that came from `peer`.
    pub fn handle(
        &self,
        mut request: Request<Body>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let address = peer.address.ip();
        let name = peer.tls.as_ref().and_then(|tls| tls.server_name.clone());
        if let Some(name) = name {
            request.extensions_mut().insert(ServerName(name));
        }
        request.extensions_mut().insert(peer);
        let road = Arc::clone(&self.0.road);
        // Opened here and not in the future, which would carry the whole request from hand to
        // hand.
        let opened = match road.inquires(&request) {
            None => Ok(road.open(request, address, None, false, Purpose::Call)),
            Some(way) => Err((way, Box::new(request))),
        };
        async move {
            match opened {
                Ok(exchange) => road.run(exchange, None).await,
                Err((way, request)) => {
                    Box::pin(inquiry::answer(&road, way, *request, address)).await
                }
            }
        }
    }

    /// Writes into the log that a request from `peer` could not be read.
    pub fn remember(&self, peer: &Peer, unread: Unread) {
        unread.record(peer.address.ip(), self.0.road.trail());
    }

    /// Walks the road with a call of `caller` from `address`, and sends nothing: what `explain`
    /// and `TEST` say is what the road says.
    pub async fn rehearse(
        &self,
        request: Request<Body>,
        address: IpAddr,
        caller: Caller,
    ) -> Rehearsal {
        self.0.road.rehearse(request, address, caller).await
    }

    /// Waits until calls that run on without their client have ended and everything is settled,
    /// at most for `patience`. No request may be under way any more.
    pub async fn close(&self, patience: Duration) {
        self.0.stop.cancel();
        self.0.closing.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(patience, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(
                "not everything was settled in time: reservations run to their deadline"
            );
        }
    }
}

/// How much longer than its answer may take to begin a call may take to be settled, where nothing
/// is said: longer than models take for an answer, and short for whoever waits for what a process
/// that was killed had reserved.
pub const SETTLE_TIMEOUT: Duration = Duration::from_mins(10);

/// How often reservations are looked for whose time is over.
const SWEEP: Duration = Duration::from_secs(5);

/// Closes what has run out of time, until the app is closed.
async fn sweep(meter: Arc<dyn Meter>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match meter.expire(clock::now()).await {
            Ok(expired) => {
                for reservation in expired.iter().filter(|reservation| reservation.departed) {
                    // As `bartizan budgets show` writes it.
                    let id = format!("{:032x}", reservation.id.0);
                    let names: BTreeSet<&str> =
                        reservation.charges.iter().map(|charge| &*charge.name).collect();
                    let limits = names.into_iter().collect::<Vec<_>>().join(", ");
                    tracing::warn!(
                        id,
                        limits,
                        "a reservation ran out of time and was charged in full"
                    );
                }
            }
            Err(error) => tracing::error!(%error, "reservations could not be swept"),
        }
    }
}

/// An app is a tower service: it can be the fallback of an axum router, or be served by hyper.
/// The peer is taken from the request's extensions: a [`Peer`], or a [`SocketAddr`].
impl<B> tower_service::Service<Request<B>> for App
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let app = self.clone();
        let peer = request.extensions().get::<Peer>().cloned();
        let address = request.extensions().get::<SocketAddr>().copied();
        // Without an address everybody shares the counters of this one: never unlimited.
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let peer = peer.unwrap_or_else(|| Peer::plain(address.unwrap_or(unknown)));
        let request = request.map(Body::new);
        Box::pin(app.handle(request, peer).map(Ok))
    }
}
