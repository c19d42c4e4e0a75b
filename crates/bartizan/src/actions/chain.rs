//! How are several calls made in one? One after the other, each on the whole road.

use std::net::IpAddr;
use std::sync::Arc;

use bartizan_core::admit::Target;
use bartizan_core::authorize::Route;
use bartizan_core::chain::{Bounds, Chain, Step, resolve};
use bartizan_core::exchange::{Departure, X_APPROVAL_ID, is_event_stream};
use bartizan_core::validate::{Invalid, Violation};
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

use super::Live;
use super::rehearse::{peer, read, refused, step};
use crate::body::Body;
use crate::handler::{Answer, Failure, Handler, Work};
use crate::pipeline::{AwaitsApproval, Origin, Road};
use crate::reply;

/// `POST /chain`.
#[derive(Debug)]
pub(super) struct RunChain {
    pub(super) live: Live,
    pub(super) bounds: Bounds,
}

/// The schema of the body.
pub(super) fn schema(bounds: Bounds) -> Value {
    json!({
        "type": "object",
        "required": ["chain"],
        "properties": {
            "chain": {
                "type": "array",
                "minItems": 1,
                "maxItems": bounds.max_steps,
                "items": {
                    "type": "object",
                    "required": ["verb", "path"],
                    "properties": {
                        "verb": { "type": "string", "minLength": 1, "maxLength": 32 },
                        "path": { "type": "string", "pattern": "^/", "maxLength": 8192 },
                        "params": { "type": "object" },
                        "approval_id": { "type": "string", "maxLength": 64 },
                    },
                    "additionalProperties": false,
                },
            },
            "continue_on_error": { "type": "boolean" },
        },
        "additionalProperties": false,
    })
}

impl Handler for RunChain {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let Self { live, bounds } = self;
        let (live, left) = (live.clone(), bounds.max_result_bytes);
        Box::pin(async move {
            let road = live.road()?;
            let Chain { chain, continue_on_error } = read(&departure.body)?;
            let home = |(index, step)| leads_home(&road, &departure, step).then(|| astray(index));
            let astray: Vec<_> = chain.iter().enumerate().filter_map(home).collect();
            if !astray.is_empty() {
                return Err(refused(Invalid::Schema(astray)));
            }
            let run = Run { road, departure, results: Vec::new(), left };
            Ok(run.all(&chain, continue_on_error).await)
        })
    }
}

/// Whether a step leads to one of the app's own endpoints: to chains, or to tokens. Its target is
/// read as the road reads it, so that no way of writing it gets past.
fn leads_home(road: &Road, departure: &Departure<Body>, step_: &Step) -> bool {
    let Ok(request) = step(departure, &step_.verb, &step_.path, &Value::Null) else { return false };
    let (head, _) = request.into_parts();
    let Ok(target) = Target::parse(&head) else { return false };
    match road.policy().routes.find(&head.method, None, target.path()) {
        Route::Found(endpoint) => endpoint.about.built_in,
        Route::Missing { .. } => false,
    }
}

/// Why a step may not be there.
fn astray(index: usize) -> Violation {
    let detail = "a chain leads neither into chains and actions nor to tokens";
    Violation { pointer: format!("/chain/{index}/path"), detail: detail.to_owned() }
}

/// A chain that is under way.
struct Run {
    road: Arc<Road>,
    departure: Departure<Body>,
    /// What each step answered; nothing where it failed.
    results: Vec<Option<Value>>,
    /// How many bytes further results may hold.
    left: usize,
}

impl Run {
    async fn all(mut self, chain: &[Step], continue_on_error: bool) -> Answer {
        let (mut rows, mut failed) = (Vec::new(), false);
        for (index, step) in chain.iter().enumerate() {
            let outcome = self.one(index, step).await;
            let Step { verb, path, .. } = step;
            let row = match &outcome {
                Ok(result) => {
                    json!({ "status": "completed", "verb": verb, "path": path, "result": result })
                }
                Err(error) => {
                    json!({ "status": "failed", "verb": verb, "path": path, "error": error })
                }
            };
            rows.push(row);
            failed |= outcome.is_err();
            let stop = outcome.is_err() && !continue_on_error;
            self.results.push(outcome.ok());
            if stop {
                break;
            }
        }
        let status = if failed { "failed" } else { "completed" };
        Answer::new(reply::json(&json!({ "status": status, "results": rows })))
    }

    /// One step: its result, or the problem that it ended with.
    async fn one(&mut self, index: usize, step_: &Step) -> Result<Value, Value> {
        let body = resolve(index, &step_.params, &self.results);
        let body = body.map_err(|error| problem(&error.to_string()))?;
        let request = step(&self.departure, &step_.verb, &step_.path, &body);
        let mut request =
            request.map_err(|Failure { refusal, .. }| problem(&refusal.to_string()))?;
        if let Some(id) = &step_.approval_id {
            let id = id.parse().map_err(|_| problem("`approval_id` is none"))?;
            request.headers_mut().insert(&X_APPROVAL_ID, id);
        }
        let origin = Origin::step(self.departure.caller.clone(), self.departure.id, index);
        let address: IpAddr = peer(&self.departure);
        let response = self.road.travel(request, address, origin).await;
        // What waits has not been done: nothing may be built on it.
        let waits = response.extensions().get::<AwaitsApproval>().is_some();
        let (status, value) = self.take(response).await?;
        if status.is_success() && !waits { Ok(value) } else { Err(value) }
    }

    /// The answer of a step, within what all of them may hold together.
    async fn take(&mut self, response: Response<Body>) -> Result<(StatusCode, Value), Value> {
        if is_event_stream(response.headers()) {
            return Err(problem("the step answers with a stream, which a chain cannot hold"));
        }
        let status = response.status();
        let body = Limited::new(response.into_body(), self.left).collect().await;
        let bytes: Bytes = match body {
            Ok(all) => all.to_bytes(),
            Err(_) => return Err(problem("the results of the chain are too large together")),
        };
        self.left = self.left.saturating_sub(bytes.len());
        let value = serde_json::from_slice(&bytes);
        let text = || String::from_utf8_lossy(&bytes).into_owned().into();
        Ok((status, value.unwrap_or_else(|_| text())))
    }
}

fn problem(detail: &str) -> Value {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    bartizan_core::problem::document("invalid-body", "Body does not conform", status, detail)
}
