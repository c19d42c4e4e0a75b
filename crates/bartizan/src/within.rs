//! Which service stands behind a layer, and how does a call reach it?

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;

use bartizan_core::exchange::{Departure, claims_identity};
use bartizan_core::limit::BoxFuture;
use bartizan_core::refusal::Refusal;
use bartizan_core::validate::Payload;
use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;
use tower_service::Service;

use crate::body::Body;
use crate::endpoint::{Draft, Policed, Served};
use crate::handler::{Answer, Failure, Handler, Work};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The service, found by the handler among the extensions of the request: one app may stand in
/// front of many services, as axum does with the layers of a router.
#[derive(Clone)]
pub(crate) struct Inner(Arc<dyn Call>);

trait Call: Send + Sync {
    fn call(&self, request: Request<Body>) -> BoxFuture<'static, Result<Response<Body>, BoxError>>;
}

/// Services are cloned for each call; not all of them can be shared.
struct Slot<S>(Mutex<S>);

impl Inner {
    pub(crate) fn new<S, B>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Arc::new(Slot(Mutex::new(service))))
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
            let response = inner.call(Request::from_parts(*head, body)).await;
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
