//! Would this call pass? Everything is decided, and nothing is sent.

use std::net::IpAddr;

use bartizan_core::authorize::Denial;
use bartizan_core::exchange::Departure;
use bartizan_core::problem;
use bartizan_core::refusal::Refusal;
use bartizan_core::validate::{Invalid, Payload};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Live;
use crate::body::Body;
use crate::handler::{Answer, Failure, Handler, Work};
use crate::peer::Peer;
use crate::pipeline::{AwaitsApproval, Origin};
use crate::reply;

/// `TEST /action`.
#[derive(Debug)]
pub(super) struct Rehearse(pub(super) Live);

/// The call that is asked about.
#[derive(Deserialize)]
struct Question {
    verb: String,
    path: String,
    #[serde(default)]
    payload: Map<String, Value>,
}

/// The schema of the body.
pub(super) fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["verb", "path"],
        "properties": {
            "verb": { "type": "string", "minLength": 1, "maxLength": 32 },
            "path": { "type": "string", "pattern": "^/", "maxLength": 8192 },
            "payload": { "type": "object" },
        },
        "additionalProperties": false,
    })
}

impl Handler for Rehearse {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let live = self.0.clone();
        Box::pin(async move {
            let road = live.road()?;
            let Question { verb, path, payload } = read(&departure.body)?;
            let request = step(&departure, &verb, &path, &Value::Object(payload))?;
            let origin = Origin::rehearsal(departure.caller.clone());
            let response = road.travel(request, peer(&departure), origin).await;
            if response.status() == StatusCode::NO_CONTENT {
                let valid = match response.extensions().get::<AwaitsApproval>() {
                    Some(AwaitsApproval { .. }) => {
                        json!({ "status": "valid", "approval": "required" })
                    }
                    None => json!({ "status": "valid" }),
                };
                return Ok(Answer::new(reply::json(&valid)));
            }
            let status = response.status();
            let problem = veiled(status, document(response.into_body()).await);
            Ok(Answer::new(reply::json(&json!({ "status": "invalid", "error": problem }))))
        })
    }
}

/// A problem as it may be told. A target that the caller may not use looks like an unknown one.
fn veiled(status: StatusCode, problem: Value) -> Value {
    let kind = problem.get("type").and_then(Value::as_str);
    let forbidden = kind == Some("urn:bartizan:problem:forbidden");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {}
        _ if forbidden => {}
        _ => return problem,
    }
    let detail = Denial::UnknownPath.to_string();
    problem::document("not-found", "Not found", StatusCode::NOT_FOUND, &detail)
}

/// Reads a body whose schema has been checked.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &Payload<Body>) -> Result<T, Failure> {
    let bytes: &[u8] = match body {
        Payload::Whole(bytes) => bytes,
        Payload::Stream(_) => &[],
    };
    serde_json::from_slice(bytes).map_err(|_| refused(Invalid::Member("body")))
}

/// A request of its own for one call, on behalf of the caller of another.
pub(super) fn step(
    departure: &Departure<Body>,
    verb: &str,
    path: &str,
    params: &Value,
) -> Result<Request<Body>, Failure> {
    let method = Method::from_bytes(verb.as_bytes());
    let method = method.map_err(|_| refused(Invalid::Member("verb")))?;
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::full(params.to_string()))
        .map_err(|_| refused(Invalid::Member("path")))?;
    for name in [header::HOST, header::USER_AGENT, header::HeaderName::from_static("traceparent")] {
        if let Some(value) = departure.head.headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    if !request.headers().contains_key(header::HOST)
        && let Some(authority) = departure.head.uri.authority()
        && let Ok(host) = authority.as_str().parse()
    {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(known) = departure.head.extensions.get::<Peer>() {
        let mut known = known.clone();
        known.address.set_ip(peer(departure));
        request.extensions_mut().insert(known);
    }
    if let Some(inner) = departure.head.extensions.get::<crate::within::Inner>() {
        request.extensions_mut().insert(inner.clone());
    }
    Ok(request)
}

/// From where the outer request came, as was decided for it: the steps have no forwarded fields,
/// so behind a trusted proxy its address would be counted for everybody's.
pub(super) fn peer(departure: &Departure<Body>) -> IpAddr {
    departure.client.ip()
}

/// A body as JSON; anything else is a string.
pub(super) async fn document(body: Body) -> Value {
    match body.collect().await {
        Ok(all) => {
            let bytes = all.to_bytes();
            serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into())
        }
        Err(_) => Value::Null,
    }
}

pub(super) fn refused(invalid: Invalid) -> Failure {
    Failure { refusal: Refusal::Invalid(invalid), departed: false }
}
