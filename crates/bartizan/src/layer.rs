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

use std::task::{Context, Poll};

use bartizan_core::limit::BoxFuture;
use bytes::Bytes;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::app::App;
use crate::body::Body;
use crate::peer::Peer;
use crate::within::{BoxError, Inner};

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
        Guarded { app: self.0.clone(), inner: Inner::new(inner) }
    }
}

impl Guarded {
    /// The app in front.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers a request that came from `peer`.
    pub fn handle(
        &self,
        mut request: Request<Body>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        request.extensions_mut().insert(self.inner.clone());
        self.app.handle(request, peer)
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
