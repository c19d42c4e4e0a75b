//! Is the gateway alive, is it ready, and what has it done? A listener of its own, on loopback.

mod metrics;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bartizan::audit::FileTrail;
use bartizan::body::Body;
use bartizan_store::durable::DurableMeter;
use http::header::{CONTENT_TYPE, HOST, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};

pub use metrics::{Counted, Metrics};

use crate::shared::SharedStore;

/// What the admin listener shows.
#[derive(Debug)]
pub struct Admin {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The log, without which no request may pass.
    pub trail: Arc<FileTrail>,
    /// The durable store, without which no call that costs money may pass.
    pub budgets: DurableMeter,
    /// The store that gateways share, if they do.
    pub shared: Option<Arc<SharedStore>>,
    /// Set when the gateway begins to stop.
    pub stopping: AtomicBool,
}

impl Admin {
    /// Answers one request.
    pub fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        if !is_local(request) {
            return plain(StatusCode::MISDIRECTED_REQUEST, "ask 127.0.0.1 or localhost\n");
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/livez" => plain(StatusCode::OK, "live\n"),
            "/readyz" => match self.unready() {
                None => plain(StatusCode::OK, self.ready()),
                Some(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
            },
            "/metrics" => {
                let mut page = plain(StatusCode::OK, "");
                *page.body_mut() = Body::full(self.metrics.render(self.shared.as_deref()));
                let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                page.headers_mut().insert(CONTENT_TYPE, kind);
                page
            }
            _ => plain(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics\n"),
        }
    }

    fn unready(&self) -> Option<&'static str> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some("stopping\n");
        }
        if self.trail.is_failing() {
            return Some("the audit log cannot be written\n");
        }
        if !self.budgets.is_answering() {
            return Some("the durable store does not answer\n");
        }
        let refuses = self.shared.as_ref().is_some_and(|shared| shared.refuses());
        refuses.then_some("the shared store cannot be used\n")
    }

    /// Ready, and whether it is so in full.
    fn ready(&self) -> &'static str {
        match &self.shared {
            Some(shared) if shared.health().down.is_some() => {
                "ready, without the shared store: limits are local or open\n"
            }
            Some(_) | None => "ready\n",
        }
    }
}

/// Whether the request names this machine: a web page whose name was bound anew to a loopback
/// address (DNS rebinding) does not.
fn is_local<B>(request: &Request<B>) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse::<IpAddr>().is_ok()
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
