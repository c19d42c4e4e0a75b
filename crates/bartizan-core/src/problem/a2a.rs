//! What does a refusal look like to a client of an agent? An error by JSON-RPC, or a status of
//! google.rpc where it came by HTTP+JSON; both name the protocol's own errors.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::dialect::{as_problem, detections};
use super::{Context, detail, kind, worded};
use crate::authorize::Denial;
use crate::refusal::{Refusal, Upstream};
use crate::validate::Invalid;
use crate::validate::echo::Echo;

/// An error of the protocol.
struct Fault {
    /// JSON-RPC's number for it.
    code: i32,
    /// Its name in google.rpc.ErrorInfo.
    reason: &'static str,
    /// Its status in google.rpc.
    status: &'static str,
}

const fn fault(code: i32, reason: &'static str, status: &'static str) -> Fault {
    Fault { code, reason, status }
}

const TASK: Fault = fault(-32001, "TASK_NOT_FOUND", "NOT_FOUND");
const PUSH: Fault = fault(-32003, "PUSH_NOTIFICATION_NOT_SUPPORTED", "FAILED_PRECONDITION");
const OPERATION: Fault = fault(-32004, "UNSUPPORTED_OPERATION", "FAILED_PRECONDITION");
const ANSWER: Fault = fault(-32006, "INVALID_AGENT_RESPONSE", "INTERNAL");
const REQUEST: Fault = fault(-32600, "INVALID_REQUEST", "INVALID_ARGUMENT");
const METHOD: Fault = fault(-32601, "METHOD_NOT_FOUND", "NOT_FOUND");
const PARAMS: Fault = fault(-32602, "INVALID_PARAMS", "INVALID_ARGUMENT");
const INTERNAL: Fault = fault(-32603, "INTERNAL_ERROR", "INTERNAL");
const PARSE: Fault = fault(-32700, "INVALID_REQUEST", "INVALID_ARGUMENT");

fn of(refusal: &Refusal) -> Fault {
    match refusal {
        Refusal::Invalid(invalid) => match invalid {
            Invalid::Json(_) | Invalid::Incomplete => PARSE,
            Invalid::Method => METHOD,
            Invalid::Rpc(_) => REQUEST,
            Invalid::Member(_) | Invalid::Schema(_) => PARAMS,
            Invalid::Illegible
            | Invalid::Media
            | Invalid::Message(_)
            | Invalid::Routing(_)
            | Invalid::Steered(_)
            | Invalid::TooLarge(_)
            | Invalid::TooSlow
            | Invalid::Unread
            | Invalid::Unseen(_)
            | Invalid::WebSocketVersion { .. } => REQUEST,
        },
        Refusal::Forbidden(Denial::Task) => TASK,
        Refusal::Forbidden(Denial::Notifications) => PUSH,
        Refusal::Forbidden(Denial::Target) | Refusal::Blocked(_) | Refusal::Objected { .. } => {
            PARAMS
        }
        Refusal::Forbidden(Denial::Api | Denial::UnknownPath) => METHOD,
        Refusal::Forbidden(_) => OPERATION,
        Refusal::Upstream(Upstream::Blocked | Upstream::Garbled | Upstream::Unreadable(_))
        | Refusal::Withheld { .. } => ANSWER,
        Refusal::Misdirected(_) => REQUEST,
        Refusal::Unauthenticated { .. }
        | Refusal::Exhausted(_)
        | Refusal::Unpriced(_)
        | Refusal::Waiting(_)
        | Refusal::Unavailable(_)
        | Refusal::Failed
        | Refusal::Upstream(_) => INTERNAL,
    }
}

/// The status under which it is told. What the call itself is about has one of its own by HTTP+JSON,
/// and by JSON-RPC none: clients look into no body but that of a 200.
fn status(refusal: &Refusal, echo: &Echo) -> StatusCode {
    let about_the_call = matches!(
        refusal,
        Refusal::Blocked(_)
            | Refusal::Objected { .. }
            | Refusal::Forbidden(
                Denial::Task
                    | Denial::Notifications
                    | Denial::Target
                    | Denial::Method(_)
                    | Denial::Skill(_)
            )
            | Refusal::Invalid(
                Invalid::Json(_) | Invalid::Method | Invalid::Member(_) | Invalid::Schema(_)
            )
    );
    match (about_the_call, echo) {
        (true, Echo::Rpc(_)) => StatusCode::OK,
        (true, Echo::Rest) => match of(refusal).code {
            -32001 | -32601 => StatusCode::NOT_FOUND,
            -32004 => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        },
        (false, _) => kind(refusal).status,
    }
}

/// The answer to a refused call; where none was read yet it is a plain problem.
pub(super) fn answer(refusal: &Refusal, context: &Context<'_>) -> Response<Bytes> {
    let Some(echo) = context.echo else {
        let problem = kind(refusal);
        let body = as_problem(problem, refusal, context);
        return worded(&body, problem.status, "application/problem+json", refusal, context);
    };
    let status = status(refusal, echo);
    let body = error(refusal, echo, status, context);
    worded(&body, status, "application/json", refusal, context)
}

/// The event by which a stream ends that may not go on.
pub(super) fn event(refusal: &Refusal, context: &Context<'_>) -> Option<Bytes> {
    let echo = context.echo?;
    let error = error(refusal, echo, status(refusal, echo), context);
    let text = match echo {
        Echo::Rpc(_) => format!("data: {error}\n\n"),
        Echo::Rest => format!("event: error\ndata: {error}\n\n"),
    };
    Some(text.into())
}

fn error(refusal: &Refusal, echo: &Echo, status: StatusCode, context: &Context<'_>) -> Value {
    let fault = of(refusal);
    let message = match refusal {
        // In the protocol's own words: nobody learns whether it is somebody else's.
        Refusal::Forbidden(Denial::Task) => "Task not found".into(),
        _ => detail(refusal),
    };
    let mut metadata = Map::new();
    metadata.insert("request_id".into(), context.request_id.to_string().into());
    if let Refusal::Blocked(blocked) = refusal {
        metadata.insert("detections".into(), detections(&blocked.detections));
    }
    let details = json!([{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": fault.reason,
        "domain": "a2a-protocol.org",
        "metadata": metadata,
    }]);
    match echo {
        Echo::Rpc(id) => json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": { "code": fault.code, "message": message, "data": details },
        }),
        Echo::Rest => json!({
            "error": {
                "code": status.as_u16(),
                "status": fault.status,
                "message": message,
                "details": details,
            }
        }),
    }
}
