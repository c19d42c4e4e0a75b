//! How does a service that exists already come to stand on the road? Behind a tower layer.
//!
//! ```no_run
//! use bartizan::{App, endpoint};
//! use tower_layer::Layer as _;
//!
//! # async fn main_(router: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! let guard = App::builder("Reports")
//!     .endpoint(endpoint("GET", "/reports/{id}").scope("reports:read"))
//!     .endpoint(endpoint("GET", "/health").public())
//!     .layer()
//!     .await?;
//! let guarded = guard.layer(router);
//! # Ok(())
//! # }
//! ```
//!
//! What is not declared is refused: a route of the service that has no endpoint is not reachable.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bartizan_core::exchange::{Departure, claims_identity};
use bartizan_core::limit::BoxFuture;
use bartizan_core::refusal::Refusal;
use bartizan_core::validate::Payload;
use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;
use tower_layer::Layer;
use tower_service::Service;

use crate::app::App;
use crate::body::Body;
use crate::endpoint::{Draft, Policed, Served};
use crate::handler::{Answer, Failure, Handler, Work};
use crate::peer::Peer;

/// The road as a tower layer. Built by [`AppBuilder::layer`](crate::app::AppBuilder::layer).
#[derive(Clone, Debug)]
pub struct Guard(App);

/// A service behind the road. Requests reach it only where an endpoint lets them pass, without
/// the caller's credential and with the [`Caller`](crate::Caller) among their extensions.
#[derive(Clone, Debug)]
pub struct Guarded {
    app: App,
    inner: Inner,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The service, found by the handler among the extensions of the request: one app may stand in
/// front of many services, as axum does with the layers of a router.
#[derive(Clone)]
pub(crate) struct Inner(Arc<dyn Call>);

trait Call: Send + Sync {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, BoxError>>;
}

/// Services are cloned for each call; not all of them can be shared.
struct Slot<S>(Mutex<S>);

impl Guard {
    pub(crate) fn new(app: App) -> Self {
        Self(app)
    }

    /// The app in front.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.0
    }
}

impl<S, B> Layer<S> for Guard
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Service = Guarded;

    fn layer(&self, inner: S) -> Guarded {
        Guarded { app: self.0.clone(), inner: Inner(Arc::new(Slot(Mutex::new(inner)))) }
    }
}

impl<S, B> Call for Slot<S>
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, BoxError>> {
        let mut service = self.0.lock().clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            let response = service.call(request).await.map_err(Into::into)?;
            Ok(response.map(Body::new))
        })
    }
}

impl Guarded {
    /// The app in front.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers a request that came from `peer`.
    pub async fn handle(&self, mut request: Request<Body>, peer: Peer) -> Response<Body> {
        request.extensions_mut().insert(self.inner.clone());
        self.app.handle(request, peer).await
    }
}

/// The peer is taken from the request's extensions: a [`Peer`], or a `SocketAddr`.
impl<B> Service<Request<B>> for Guarded
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, std::convert::Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.inner.clone());
        Service::call(&mut self.app, request)
    }
}

/// An endpoint that says who may use it, and leaves the answer to the service behind the layer.
impl From<Draft<Policed>> for Served {
    fn from(draft: Draft<Policed>) -> Self {
        draft.within(Within)
    }
}

/// Answers by the service behind the layer.
#[derive(Debug)]
struct Within;

impl Handler for Within {
    fn answer(&self, departure: Departure<Body>) -> Work {
        Box::pin(async move {
            let Departure { mut head, body, caller, .. } = departure;
            let inner = head.extensions.remove::<Inner>();
            let Some(Inner(inner)) = inner else { return Err(failed(&"no service", false)) };
            let pretended: Vec<_> =
                head.headers.keys().filter(|name| claims_identity(name)).cloned().collect();
            for name in pretended {
                head.headers.remove(name);
            }
            head.extensions.insert(caller);
            let body = match body {
                Payload::Whole(bytes) => Body::full(bytes),
                Payload::Stream(body) => body,
            };
            let response = inner.call(Request::from_parts(head, body)).await;
            response.map(Answer::new).map_err(|error| failed(&error, true))
        })
    }
}

fn failed(reason: &dyn fmt::Display, departed: bool) -> Failure {
    tracing::error!(%reason, "the service behind the layer failed");
    Failure { refusal: Refusal::Failed, departed }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inner")
    }
}
