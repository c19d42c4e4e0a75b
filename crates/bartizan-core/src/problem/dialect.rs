//! In which words does each dialect refuse?

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Context, Problem, detail, document};
use crate::authorize::Denial;
use crate::limit::{Exhausted, Kind};
use crate::mask::Detection;
use crate::refusal::{Objection, Refusal, Waiting};
use crate::validate::Invalid;
use crate::validate::echo::Echo;
use crate::validate::jsonrpc::{self, Fault};

/// RFC 9457, with members that say what exactly is wrong.
pub(super) fn as_problem(problem: &Problem, refusal: &Refusal, context: &Context<'_>) -> Value {
    let mut body = document(problem.name, problem.title, problem.status, &detail(refusal));
    let mut add = |name: &str, value: Value| {
        if let Some(members) = body.as_object_mut() {
            members.insert(name.into(), value);
        }
    };
    add("request_id", context.request_id.to_string().into());
    let violated = |name: &str| json!([{ "pointer": format!("/{}", name.replace('.', "/")), "detail": detail(refusal) }]);
    match refusal {
        Refusal::Invalid(Invalid::Schema(violations)) => add("violations", json!(violations)),
        Refusal::Invalid(Invalid::Member(name) | Invalid::Routing(name)) => {
            add("violations", violated(name));
        }
        Refusal::Invalid(Invalid::Unseen(unseen)) => add("violations", violated(unseen.member())),
        Refusal::Blocked(blocked) => add("detections", detections(&blocked.detections)),
        Refusal::Objected { objection: Objection { prompt: Some(prompt), .. }, .. } => {
            let row =
                json!({ "entity": "PROMPT_INJECTION", "pointer": prompt.pointer, "count": 1 });
            add("detections", json!([row]));
        }
        Refusal::Exhausted(exhausted) => add("limit", exhausted.name.to_string().into()),
        _ => {}
    }
    body
}

pub(super) fn detections(found: &[Detection]) -> Value {
    let row = |d: &Detection| {
        let mut row = Map::new();
        row.insert("entity".into(), d.entity.to_string().into());
        row.insert("pointer".into(), d.pointer.clone().into());
        row.insert("count".into(), d.count.into());
        Value::Object(row)
    };
    found.iter().map(row).collect()
}

/// RFC 6749 section 5.2.
pub(super) fn as_oauth(problem: &Problem, refusal: &Refusal) -> Value {
    let error = match problem.status {
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            "temporarily_unavailable"
        }
        _ => "invalid_request",
    };
    json!({ "error": error, "error_description": detail(refusal) })
}

/// The error object that OpenAI's SDKs turn into their typed errors.
pub(super) fn as_openai(problem: &Problem, refusal: &Refusal) -> Value {
    let kind = match problem.status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "server_error",
    };
    let code = match refusal {
        Refusal::Exhausted(Exhausted { kind: Kind::Budget, .. }) => "insufficient_quota",
        _ => problem.name,
    };
    json!({ "error": { "message": detail(refusal), "type": kind, "param": null, "code": code } })
}

/// The error object that Anthropic's SDKs turn into their typed errors.
pub(super) fn as_anthropic(problem: &Problem, refusal: &Refusal, context: &Context<'_>) -> Value {
    let kind = match problem.status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::NOT_FOUND => "not_found_error",
        StatusCode::PAYLOAD_TOO_LARGE => "request_too_large",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        StatusCode::SERVICE_UNAVAILABLE => "overloaded_error",
        status if status.is_client_error() => "invalid_request_error",
        _ => "api_error",
    };
    json!({
        "type": "error",
        "error": { "type": kind, "message": detail(refusal) },
        "request_id": context.request_id.to_string(),
    })
}

/// An error of JSON-RPC. What a caller may not name is answered as what does not exist: by the same
/// words, whatever is behind.
pub(super) fn as_jsonrpc(problem: &Problem, refusal: &Refusal, context: &Context<'_>) -> Value {
    let plain = |code, data| Fault { data, ..Fault::new(code, detail(refusal)) };
    let unknown = |what: String, data| Fault { data, ..Fault::new(jsonrpc::INVALID_PARAMS, what) };
    let fault = match refusal {
        Refusal::Invalid(Invalid::Rpc(fault)) => fault.clone(),
        Refusal::Invalid(Invalid::Json(_)) => plain(jsonrpc::PARSE_ERROR, None),
        Refusal::Invalid(_) | Refusal::Misdirected(_) => plain(jsonrpc::INVALID_REQUEST, None),
        Refusal::Forbidden(Denial::Tool(name)) => unknown(format!("Unknown tool: {name}"), None),
        Refusal::Forbidden(Denial::Prompt(name)) => {
            unknown(format!("Unknown prompt: {name}"), None)
        }
        Refusal::Forbidden(Denial::Resource(uri)) => {
            unknown("Resource not found".into(), Some(Box::new(json!({ "uri": **uri }))))
        }
        Refusal::Forbidden(Denial::Arguments { pointers, .. }) => {
            plain(jsonrpc::INVALID_PARAMS, Some(Box::new(json!({ "pointers": pointers }))))
        }
        Refusal::Waiting(Waiting { approval, .. }) => {
            let data = json!({
                "approval_id": approval.id.to_string(),
                "status": approval.state.as_str(),
                "expires_at": String::from_utf8_lossy(&approval.expires.rfc3339()),
            });
            plain(RPC_REFUSED, Some(Box::new(data)))
        }
        Refusal::Blocked(blocked) => {
            let found = json!({ "detections": detections(&blocked.detections) });
            plain(RPC_REFUSED, Some(Box::new(found)))
        }
        _ if problem.status.is_server_error() => plain(jsonrpc::INTERNAL_ERROR, None),
        _ => plain(RPC_REFUSED, None),
    };
    let Fault { code, detail, data, .. } = fault;
    let mut message =
        jsonrpc::error(context.echo.and_then(Echo::id), code, &detail, data.as_deref());
    // What the gate has refused can be looked up; what looks like the server's own answer must not
    // differ from that.
    if !answers(refusal)
        && let Some(error) = message.get_mut("error").and_then(Value::as_object_mut)
        && let Some(data) = error.entry("data").or_insert_with(|| json!({})).as_object_mut()
    {
        data.insert("type".into(), format!("urn:bartizan:problem:{}", problem.name).into());
        data.insert("request_id".into(), context.request_id.to_string().into());
    }
    message
}

/// The gate has refused it, for a reason that has no number of its own in JSON-RPC.
const RPC_REFUSED: i64 = -32010;

/// Whether a refusal is an answer of the protocol's own, as a server's would be: with the status of a
/// success, because many clients find an error in the body of no other.
pub(super) fn answers(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Invalid(Invalid::Rpc(fault)) => fault.answers,
        Refusal::Forbidden(
            Denial::Arguments { .. } | Denial::Prompt(_) | Denial::Resource(_) | Denial::Tool(_),
        ) => true,
        _ => false,
    }
}
