//! What does a refusal look like from outside? RFC 9457, and the only place that knows statuses.

mod a2a;
pub mod closing;
mod dialect;
mod fields;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::admit::Misdirected;
use crate::authenticate::Rejection;
use crate::authorize::Denial;
use crate::id::RequestId;
use crate::limit::Kind;
use crate::refusal::{Outage, Refusal, Upstream, Waiting};
use crate::validate::echo::Echo;
use crate::validate::{Invalid, Protocol, jsonrpc};
use dialect::{answers, as_anthropic, as_jsonrpc, as_oauth, as_openai, as_problem};
use fields::{advise, put};
pub use fields::{openai_standings, standings, verbs};

/// One kind of problem: a row of `docs/problems.md`.
#[derive(Debug, Eq, PartialEq)]
pub struct Problem {
    /// The last part of `urn:bartizan:problem:NAME`.
    pub name: &'static str,
    /// The status.
    pub status: StatusCode,
    /// One line, the same for every occurrence.
    pub title: &'static str,
    /// Who must act, and how.
    pub remedy: &'static str,
}

macro_rules! problems {
    ($($id:ident $name:literal $status:ident $title:literal $remedy:literal;)*) => {
        $(static $id: Problem = Problem {
            name: $name,
            status: StatusCode::$status,
            title: $title,
            remedy: $remedy,
        };)*

        /// Every kind of problem there is.
        pub static ALL: &[&Problem] = &[$(&$id,)*];
    };
}

problems! {
    MALFORMED "malformed-request" BAD_REQUEST "Malformed request"
        "Send a request that can be read in one way only: one Host, a canonical path, one length.";
    MISDIRECTED "misdirected-request" MISDIRECTED_REQUEST "Wrong host for this connection"
        "Open a connection to the host that is asked for.";
    AMBIGUOUS "ambiguous-credential" BAD_REQUEST "More than one credential"
        "Send exactly one credential: a token or a key, once.";
    HEAD_TOO_LARGE "headers-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "Header section too large"
        "Send fewer or shorter header fields.";
    TOO_SLOW "request-timeout" REQUEST_TIMEOUT "Request too slow"
        "Send the whole request in time.";
    METHOD_REFUSED "method-not-served" METHOD_NOT_ALLOWED "Method not served"
        "Use a verb that Allow names.";
    INQUIRY "inquiry-refused" FORBIDDEN "Nobody may ask so"
        "Ask from a proxy that the operator lists in server.trusted_proxies, and name the call in one way only.";
    UNAUTHENTICATED "unauthenticated" UNAUTHORIZED "Not authenticated"
        "Send a valid credential; see WWW-Authenticate.";
    FORBIDDEN "forbidden" FORBIDDEN "Not authorized"
        "Ask the operator for the scope or role that the endpoint needs.";
    APPROVAL "approval-needed" ACCEPTED "Approval needed"
        "Wait until somebody agrees, then repeat the call with X-Approval-Id.";
    APPROVAL_LAPSED "approval-not-usable" FORBIDDEN "Approval not usable"
        "Ask again, by the same call without X-Approval-Id.";
    NOT_FOUND "not-found" NOT_FOUND "Not found"
        "Ask DISCOVER /actions for what there is.";
    INVALID_JSON "invalid-json" BAD_REQUEST "Body is not sound JSON"
        "Send JSON without duplicate members, nested at most 128 deep.";
    INCOMPLETE "incomplete-body" BAD_REQUEST "Body incomplete"
        "Send the whole body.";
    TOO_LARGE "too-large" PAYLOAD_TOO_LARGE "Body too large"
        "Send less, or ask the operator to raise max_request_size.";
    MEDIA "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "Media type not supported"
        "Send JSON, or the media type that the endpoint takes, and do not compress it.";
    WEBSOCKET_VERSION "websocket-version" UPGRADE_REQUIRED "Version of WebSocket not spoken"
        "Open it with `Sec-WebSocket-Version: 13`.";
    INVALID "invalid-body" UNPROCESSABLE_ENTITY "Body does not conform"
        "Mend what `violations` names.";
    MESSAGE "invalid-message" BAD_REQUEST "Not a message of the protocol"
        "Send what the protocol asks for; the error says what is missing.";
    UNKNOWN_METHOD "unknown-method" NOT_FOUND "Method not found"
        "Use a method of the protocol's revision.";
    SESSION "unknown-session" NOT_FOUND "Session not found"
        "Open a session of your own.";
    ORIGIN "origin-not-allowed" FORBIDDEN "Origin not allowed"
        "Ask the operator to allow the web page that calls (mcp.origins).";
    PII_BLOCKED "pii-blocked" UNPROCESSABLE_ENTITY "Personal data not allowed"
        "Remove what `detections` names.";
    OBJECTED "hook-blocked" UNPROCESSABLE_ENTITY "Call not allowed"
        "Change the call as the detail says, or ask the operator.";
    PROMPT_BLOCKED "prompt-blocked" UNPROCESSABLE_ENTITY "Orders to the model not allowed"
        "Remove what reads as orders to the model; `detections` says where it stands.";
    RATE_LIMITED "rate-limited" TOO_MANY_REQUESTS "Too many requests"
        "Wait as long as Retry-After says. Without it the call is larger than the limit ever allows: ask for less, or the operator for more.";
    BUDGET_EXHAUSTED "budget-exhausted" TOO_MANY_REQUESTS "Budget used up"
        "Wait as long as Retry-After says, or ask the operator for more. Without it waiting does not help: ask for less, as by a smaller max_tokens.";
    UNPRICED "model-unpriced" FORBIDDEN "Model without a price"
        "Use another model, or ask the operator to write its price under `prices`.";
    UNAVAILABLE "unavailable" SERVICE_UNAVAILABLE "Temporarily unavailable"
        "Try again after Retry-After. If it lasts, tell the operator the request_id: the log has the reason.";
    INTERNAL "internal" INTERNAL_SERVER_ERROR "Internal error"
        "Tell the operator the request_id: the log has the reason.";
    UPSTREAM "upstream-failed" BAD_GATEWAY "No answer from the upstream"
        "Try again later. If it lasts, tell the operator the request_id: the log has the reason.";
    UPSTREAM_SLOW "upstream-timeout" GATEWAY_TIMEOUT "Upstream too slow"
        "Ask for less at a time, or ask the operator to raise timeouts.upstream.";
    RESPONSE_BLOCKED "response-blocked" BAD_GATEWAY "Answer withheld"
        "Tell the operator the request_id: the audit log says what the answer held that must not pass, or why nobody could look into it.";
}

/// What wording an answer needs to know beside the refusal.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The exchange.
    pub request_id: RequestId,
    /// The dialect of the endpoint.
    pub protocol: Protocol,
    /// The realm of challenges.
    pub realm: &'a str,
    /// Where protected resource metadata lies (RFC 9728).
    pub resource_metadata: Option<&'a str>,
    /// Whether DPoP is spoken here (RFC 9449).
    pub dpop: bool,
    /// What of the call stands in an error about it, where its dialect has that.
    pub echo: Option<&'a Echo>,
}

/// The kind of problem that a refusal is.
#[must_use]
pub fn kind(refusal: &Refusal) -> &'static Problem {
    match refusal {
        Refusal::Misdirected(misdirected) => match misdirected {
            Misdirected::ServerName => &MISDIRECTED,
            Misdirected::HeadTooLarge => &HEAD_TOO_LARGE,
            Misdirected::TooSlow => &TOO_SLOW,
            Misdirected::MethodRefused => &METHOD_REFUSED,
            Misdirected::Asker | Misdirected::Inquiry => &INQUIRY,
            Misdirected::Host
            | Misdirected::Path
            | Misdirected::MethodCase
            | Misdirected::Override
            | Misdirected::Framing
            | Misdirected::Unreadable => &MALFORMED,
        },
        Refusal::Unauthenticated { rejection, .. } => match rejection {
            Rejection::Ambiguous => &AMBIGUOUS,
            Rejection::Expired
            | Rejection::Forged
            | Rejection::InQuery
            | Rejection::Malformed
            | Rejection::Missing
            | Rejection::Nonce(_)
            | Rejection::NotExchangeable
            | Rejection::NotYetValid
            | Rejection::Proof(_)
            | Rejection::Revoked
            | Rejection::Scheme
            | Rejection::Unknown
            | Rejection::Untrusted(_) => &UNAUTHENTICATED,
        },
        Refusal::Forbidden(denial) => match denial {
            Denial::Arguments { .. }
            | Denial::Cedar(_)
            | Denial::Method(_)
            | Denial::Model(_)
            | Denial::NotAllowed
            | Denial::NotPermitted { .. }
            | Denial::Notifications
            | Denial::Prompt(_)
            | Denial::Resource(_)
            | Denial::Role(_)
            | Denial::Scope { .. }
            | Denial::Skill(_)
            | Denial::Statement(_)
            | Denial::Target
            | Denial::Tenant
            | Denial::Tool(_)
            | Denial::Unseen => &FORBIDDEN,
            Denial::Approval(_) => &APPROVAL_LAPSED,
            Denial::Host => &MISDIRECTED,
            Denial::Origin => &ORIGIN,
            Denial::Session => &SESSION,
            Denial::Override => &MALFORMED,
            Denial::Api | Denial::Task | Denial::UnknownPath => &NOT_FOUND,
            Denial::UnknownVerb(_) => &METHOD_REFUSED,
        },
        Refusal::Invalid(invalid) => match invalid {
            Invalid::Incomplete => &INCOMPLETE,
            Invalid::Json(_) => &INVALID_JSON,
            Invalid::Illegible | Invalid::Media => &MEDIA,
            Invalid::Member(_)
            | Invalid::Message(_)
            | Invalid::Method
            | Invalid::Routing(_)
            | Invalid::Steered(_)
            | Invalid::Schema(_)
            | Invalid::Unseen(_) => &INVALID,
            Invalid::Rpc(fault) if fault.code == jsonrpc::METHOD_NOT_FOUND => &UNKNOWN_METHOD,
            Invalid::Rpc(_) => &MESSAGE,
            Invalid::TooLarge(_) => &TOO_LARGE,
            Invalid::TooSlow => &TOO_SLOW,
            Invalid::WebSocketVersion { upgrades: true } => &WEBSOCKET_VERSION,
            Invalid::WebSocketVersion { upgrades: false } => &MALFORMED,
            Invalid::Unread => &INTERNAL,
        },
        Refusal::Blocked(_) => &PII_BLOCKED,
        Refusal::Objected { objection, .. } if objection.prompt.is_some() => &PROMPT_BLOCKED,
        Refusal::Objected { .. } => &OBJECTED,
        Refusal::Withheld { .. } => &RESPONSE_BLOCKED,
        Refusal::Exhausted(exhausted) => match exhausted.kind {
            Kind::Budget => &BUDGET_EXHAUSTED,
            Kind::Concurrency | Kind::Rate => &RATE_LIMITED,
        },
        Refusal::Unpriced(_) => &UNPRICED,
        Refusal::Waiting(_) => &APPROVAL,
        Refusal::Unavailable(_) => &UNAVAILABLE,
        Refusal::Failed => &INTERNAL,
        Refusal::Upstream(upstream) => match upstream {
            Upstream::Blocked | Upstream::Unreadable(_) => &RESPONSE_BLOCKED,
            Upstream::Garbled
            | Upstream::Unauthorized
            | Upstream::Ungranted
            | Upstream::Unreachable => &UPSTREAM,
            Upstream::TooSlow => &UPSTREAM_SLOW,
        },
    }
}

/// The answer that a refused client gets, in the dialect of the endpoint.
#[must_use]
pub fn answer(refusal: &Refusal, context: &Context<'_>) -> Response<Bytes> {
    if let (Refusal::Waiting(waiting), false) = (refusal, context.protocol == Protocol::Mcp) {
        return waits(waiting, context);
    }
    let problem = kind(refusal);
    let body = match context.protocol {
        Protocol::Http => as_problem(problem, refusal, context),
        Protocol::OAuth => as_oauth(problem, refusal),
        Protocol::OpenAi => as_openai(problem, refusal),
        Protocol::Anthropic => as_anthropic(problem, refusal, context),
        Protocol::Mcp => as_jsonrpc(problem, refusal, context),
        Protocol::A2a => return a2a::answer(refusal, context),
    };
    let media = match context.protocol {
        Protocol::Http => "application/problem+json",
        Protocol::OAuth
        | Protocol::OpenAi
        | Protocol::Anthropic
        | Protocol::Mcp
        | Protocol::A2a => "application/json",
    };
    worded(&body, told(problem.status, refusal, context.protocol), media, refusal, context)
}

/// The answer with this body, and what its header fields advise.
fn worded(
    body: &Value,
    status: StatusCode,
    media: &'static str,
    refusal: &Refusal,
    context: &Context<'_>,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    advise(refusal, context, headers);
    response
}

/// The call was taken note of and not made: the same answer in every dialect, for none of them
/// has one of its own.
fn waits(Waiting { approval, .. }: &Waiting, context: &Context<'_>) -> Response<Bytes> {
    let id = approval.id.to_string();
    let body = json!({
        "approval_id": id,
        "status": approval.state.as_str(),
        "expires_at": String::from_utf8_lossy(&approval.expires.rfc3339()),
        "request_id": context.request_id.to_string(),
    });
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = APPROVAL.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    put(headers, header::LOCATION, format!("/approvals/{id}").as_bytes());
    response
}

/// An RFC 9457 document for something that is not the road's to refuse: a handler's own error.
#[must_use]
pub fn document(name: &str, title: &str, status: StatusCode, detail: &str) -> Value {
    json!({
        "type": format!("urn:bartizan:problem:{name}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
    })
}

/// What a client may read of the reason. What the operator reads is in the audit log.
fn detail(refusal: &Refusal) -> String {
    match refusal {
        // Which role or scope is missing is told to those who are known, in the challenge.
        Refusal::Forbidden(
            Denial::Cedar(_)
            | Denial::NotAllowed
            | Denial::NotPermitted { .. }
            | Denial::Role(_)
            | Denial::Scope { .. }
            | Denial::Statement(_)
            | Denial::Tenant,
        ) => "Not authorized".into(),
        // Which policy asks for it is the operator's business.
        Refusal::Waiting(_) => "somebody must agree first".into(),
        // How a token failed helps whoever forges tokens.
        Refusal::Unauthenticated { rejection, .. } => match rejection {
            Rejection::Missing => "Not authenticated".into(),
            Rejection::Ambiguous
            | Rejection::InQuery
            | Rejection::Nonce(_)
            | Rejection::NotExchangeable
            | Rejection::Scheme => rejection.to_string(),
            Rejection::Proof(_) => "the DPoP proof is not valid".into(),
            Rejection::Expired
            | Rejection::Forged
            | Rejection::Malformed
            | Rejection::NotYetValid
            | Rejection::Revoked
            | Rejection::Unknown
            | Rejection::Untrusted(_) => "the credential is not valid".into(),
        },
        Refusal::Unavailable(outage) => match outage {
            Outage::Overload => "too much is under way; try again later".into(),
            Outage::ShuttingDown => "the gateway is shutting down; try again".into(),
            Outage::Approvals(_)
            | Outage::Audit
            | Outage::Credential
            | Outage::Identities
            | Outage::Meter(_)
            | Outage::Upstream => {
                "something this request depends on cannot be reached; try again later".into()
            }
        },
        Refusal::Objected { objection, .. } if objection.prompt.is_some() => {
            "the call holds a text that reads as orders to the model".into()
        }
        Refusal::Objected { objection, .. } if objection.detail.is_empty() => {
            "the call is not allowed".into()
        }
        Refusal::Withheld { objection, .. } if objection.detail.is_empty() => {
            Upstream::Blocked.to_string()
        }
        // Of what the upstream answers the operator is told.
        Refusal::Upstream(Upstream::Unreadable(_)) => Upstream::Blocked.to_string(),
        Refusal::Objected { objection, .. } | Refusal::Withheld { objection, .. } => {
            objection.detail.clone()
        }
        Refusal::Invalid(Invalid::Unread) | Refusal::Failed => "the request failed".into(),
        Refusal::Misdirected(_)
        | Refusal::Forbidden(
            Denial::Api
            | Denial::Approval(_)
            | Denial::Arguments { .. }
            | Denial::Host
            | Denial::Method(_)
            | Denial::Model(_)
            | Denial::Notifications
            | Denial::Origin
            | Denial::Override
            | Denial::Prompt(_)
            | Denial::Resource(_)
            | Denial::Session
            | Denial::Skill(_)
            | Denial::Target
            | Denial::Task
            | Denial::Tool(_)
            | Denial::UnknownPath
            | Denial::UnknownVerb(_)
            | Denial::Unseen,
        )
        | Refusal::Invalid(_)
        | Refusal::Blocked(_)
        | Refusal::Exhausted(_)
        | Refusal::Unpriced(_)
        | Refusal::Upstream(_) => refusal.to_string(),
    }
}

/// The event by which a stream of that protocol ends that may not go on; `None` where the protocol
/// has none, so that breaking it off is all that can be done.
#[must_use]
pub fn event(refusal: &Refusal, context: &Context<'_>) -> Option<Bytes> {
    let problem = kind(refusal);
    let text = match context.protocol {
        Protocol::Http | Protocol::OAuth => return None,
        Protocol::OpenAi => format!("data: {}\n\n", as_openai(problem, refusal)),
        Protocol::Anthropic => {
            format!("event: error\ndata: {}\n\n", as_anthropic(problem, refusal, context))
        }
        // A stream that answers no message ends without a word.
        Protocol::Mcp => {
            context.echo?.id()?;
            format!("event: message\ndata: {}\n\n", as_jsonrpc(problem, refusal, context))
        }
        Protocol::A2a => return a2a::event(refusal, context),
    };
    Some(text.into())
}

/// The status as the dialect has it: the APIs of models know no 422, and their SDKs no typed error
/// for it but that of 400.
fn told(status: StatusCode, refusal: &Refusal, protocol: Protocol) -> StatusCode {
    match protocol {
        Protocol::Mcp if answers(refusal) => StatusCode::OK,
        // It is about the call and not about the caller: as the answer of a tool that fails.
        Protocol::Mcp
            if matches!(
                refusal,
                Refusal::Blocked(_) | Refusal::Objected { .. } | Refusal::Waiting(_)
            ) =>
        {
            StatusCode::OK
        }
        Protocol::OpenAi | Protocol::Anthropic | Protocol::Mcp
            if status == StatusCode::UNPROCESSABLE_ENTITY =>
        {
            StatusCode::BAD_REQUEST
        }
        Protocol::Http
        | Protocol::OAuth
        | Protocol::OpenAi
        | Protocol::Anthropic
        | Protocol::Mcp
        | Protocol::A2a => status,
    }
}
