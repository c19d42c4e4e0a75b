//! What does a message of the Model Context Protocol ask for, and may its caller ask for it?
//! Streamable HTTP, revisions 2025-06-18, 2025-11-25 and 2026-07-28.

mod address;
mod answer;
mod headers;
mod mirrors;
pub mod pins;
mod rules;
mod session;
mod structure;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::jsonrpc::{self, Fault, INVALID_PARAMS, Message};
use super::listener::{self, ToolCall};
use super::said::{Asked, Said, Unfit};
use super::{Invalid, json};
use crate::audit::{self, canonical};
use crate::authorize::approval::CallDigest;
use crate::authorize::{Denial, Grant};
use crate::sse::Event;

pub use answer::Listener;
pub use headers::{HEADER_MISMATCH, REVISIONS, UNSUPPORTED_VERSION};
pub use mirrors::{Mirror, Mirrors};
pub use rules::{Rules, Term};
pub use session::{Sealed, SessionKey};
pub(crate) use structure::keep;

use headers::Era;

static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
static LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
static APPROVAL: HeaderName = HeaderName::from_static("x-approval-id");

/// Where a call may show its approval, for clients that set no header field for one call.
const APPROVAL_META: &str = "bartizan/approval-id";

/// What of `_meta` is another one each time: how a client calls the progress of this message, and in which
/// trace it stands (W3C Trace Context).
const EACH_TIME: [&str; 4] = ["baggage", "progressToken", "traceparent", "tracestate"];

/// Where a request of 2026-07-28 says what its client can be asked.
const CAPABILITIES_META: &str = "io.modelcontextprotocol/clientCapabilities";

/// What a client can be asked, and by which method.
const CAPABILITIES: [(&str, &str); 3] = [
    ("sampling", "sampling/createMessage"),
    ("elicitation", "elicitation/create"),
    ("roots", "roots/list"),
];

/// Methods that 2026-07-28 has no more.
const GONE: [&str; 5] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

/// The members of parameters by which something is decided.
const PARAMS: [&str; 8] =
    ["name", "uri", "arguments", "ref", "_meta", "task", "requestState", "notifications"];

/// Bytes in the name of a tool or a prompt, at the most.
const LONGEST_NAME: usize = 256;

/// Bytes in the address of a resource, at the most.
const LONGEST_URI: usize = 8192;

/// What a request is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum About<'a> {
    /// Nothing that has a right of its own.
    Nothing,
    /// This tool.
    Tool(&'a str),
    /// This prompt.
    Prompt(&'a str),
    /// This resource.
    Resource(&'a str),
    /// Those that this template stands for.
    Template(&'a str),
    /// These resources.
    Resources(&'a [Value]),
}

/// Reads a call.
pub(super) fn read(asked: &Asked<'_>) -> Result<Said, Unfit> {
    let Some(rules) = &asked.grant.endpoint().mcp else { return Err(Denial::Api.into()) };
    if !headers::host_fits(asked.head, rules.hosts.as_deref()) {
        return Err(Denial::Host.into());
    }
    if !headers::origin_fits(&asked.head.headers, &rules.origins) {
        return Err(Denial::Origin.into());
    }
    let mut said = match asked.head.method {
        Method::POST => posted(asked, rules)?,
        Method::GET | Method::DELETE => opened_or_ended(asked, rules)?,
        _ => {
            let verbs = vec![Method::GET, Method::POST, Method::DELETE];
            return Err(Denial::UnknownVerb(verbs).into());
        }
    };
    for field in mirrors::names(&asked.head.headers) {
        if !mirrors::hold(&said.mirrors, field) {
            // It mirrors nothing, and could say anything.
            said.fields.push((field.clone(), None));
        }
    }
    if asked.head.headers.contains_key(header::ORIGIN) {
        // It was decided here; the server would hold it against its own address.
        said.fields.push((header::ORIGIN, None));
    }
    Ok(said)
}

/// A stream of what the server has to say, or the end of a session: there is no message.
fn opened_or_ended(asked: &Asked<'_>, rules: &Rules) -> Result<Said, Unfit> {
    let headers = &asked.head.headers;
    if headers::era(headers).map_err(Invalid::Rpc)? == Era::Mirrored {
        return Err(Denial::UnknownVerb(vec![Method::POST]).into());
    }
    if !asked.bytes.is_empty() {
        return Err(Invalid::Member("body").into());
    }
    let mut said = Said { listener: listener(Listener::of_stream()), ..Said::default() };
    let has_session = session(headers, rules, asked.grant, &mut said)?;
    let goes_on = sealed((&LAST_EVENT, Sealed::Event), headers, rules, asked.grant, &mut said)?;
    if goes_on && !has_session {
        // Of which session that was, nobody could say.
        return Err(Denial::Session.into());
    }
    Ok(said)
}

fn posted(asked: &Asked<'_>, rules: &Rules) -> Result<Said, Unfit> {
    let headers = &asked.head.headers;
    let document = json::document(asked.bytes, asked.media)?;
    let id = jsonrpc::id_of(&document).cloned();
    let read = message(asked, rules, document).and_then(|mut said| {
        if said.mirrored {
            said.fields.push((SESSION.clone(), None));
        } else {
            session(headers, rules, asked.grant, &mut said)?;
        }
        if headers.contains_key(&LAST_EVENT) {
            // Streams are taken up again with GET alone.
            said.fields.push((LAST_EVENT.clone(), None));
        }
        Ok(said)
    });
    let id = id.map(Box::new);
    // The answer names the message also where it is refused.
    match read {
        Ok(said) => Ok(Said { id, ..said }),
        Err(unfit) => Err(Unfit::Answered { unfit: Box::new(unfit), id }),
    }
}

fn message(asked: &Asked<'_>, rules: &Rules, document: Value) -> Result<Said, Unfit> {
    let headers = &asked.head.headers;
    match jsonrpc::message(document).map_err(Invalid::Rpc)? {
        Message::Request { id, method, params } => request(asked, rules, id, &method, params),
        Message::Notification { method, params } => {
            let era = headers::check(headers, &method, &params, false).map_err(Invalid::Rpc)?;
            if !method.starts_with("notifications/") {
                // A call that waits for no answer is a call.
                let fault = Fault::new(jsonrpc::INVALID_REQUEST, "not a notification");
                return Err(Invalid::Rpc(fault).into());
            }
            let mirrored = era == Era::Mirrored;
            Ok(Said { mirrored, listener: listener(Listener::of_stream()), ..Said::default() })
        }
        Message::Response { .. } => {
            if headers::era(headers).map_err(Invalid::Rpc)? == Era::Mirrored {
                let fault = Fault::new(jsonrpc::INVALID_REQUEST, "nothing was asked");
                return Err(Invalid::Rpc(fault).into());
            }
            Ok(Said { listener: listener(Listener::of_stream()), ..Said::default() })
        }
    }
}

fn request(
    asked: &Asked<'_>,
    rules: &Rules,
    id: Value,
    method: &str,
    mut params: Map<String, Value>,
) -> Result<Said, Unfit> {
    if !jsonrpc::exact(&params, &PARAMS) {
        return Err(bad("a member differs from its name in case").into());
    }
    let era = headers::check(&asked.head.headers, method, &params, true).map_err(Invalid::Rpc)?;
    let mut said = Said { mirrored: era == Era::Mirrored, ..Said::default() };
    let about = about(method, &params, era)?;
    judge(about, asked.grant, rules)?;
    let mut call = None;
    if let About::Tool(name) = about {
        call = Some(tool(name, &params, asked, rules, &mut said)?);
    }
    let mut changed = bound(&mut params, rules, asked.grant)?;
    changed |= only_what_may_be_asked(method, &mut params, asked.grant);
    changed |= approval(&mut params, &mut said)?;
    if changed {
        let message = serde_json::json!({
            "jsonrpc": "2.0", "id": id, "method": method, "params": params
        });
        said.body = Some(message.to_string().into());
    }
    said.listener = listener(Listener::of_request(id, call));
    Ok(said)
}

fn listener(listener: Listener) -> Option<listener::Listener> {
    Some(listener::Listener::Mcp(Box::new(listener)))
}

/// What a request is about. Methods that nobody here knows might do anything, and are refused.
fn about<'a>(method: &str, params: &'a Map<String, Value>, era: Era) -> Result<About<'a>, Unfit> {
    if era == Era::Mirrored && GONE.contains(&method) {
        return Err(Invalid::Rpc(headers::unknown_method(era)).into());
    }
    match method {
        "initialize"
        | "ping"
        | "tools/list"
        | "resources/list"
        | "resources/templates/list"
        | "prompts/list"
        | "logging/setLevel"
        | "server/discover" => Ok(About::Nothing),
        "tools/call" => {
            if params.contains_key("task") {
                return Err(bad("tasks are not served here").into());
            }
            Ok(About::Tool(text(params, "name", LONGEST_NAME)?))
        }
        "prompts/get" => Ok(About::Prompt(text(params, "name", LONGEST_NAME)?)),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
            Ok(About::Resource(text(params, "uri", LONGEST_URI)?))
        }
        "completion/complete" => completed(params),
        "subscriptions/listen" => listened(params),
        _ => Err(Invalid::Rpc(headers::unknown_method(era)).into()),
    }
}

fn completed(params: &Map<String, Value>) -> Result<About<'_>, Unfit> {
    let reference = params.get("ref").and_then(Value::as_object).ok_or_else(|| bad("`ref`"))?;
    if !jsonrpc::exact(reference, &["type", "name", "uri"]) {
        return Err(bad("a member differs from its name in case").into());
    }
    match reference.get("type").and_then(Value::as_str) {
        Some("ref/prompt") => Ok(About::Prompt(text(reference, "name", LONGEST_NAME)?)),
        Some("ref/resource") => Ok(About::Template(text(reference, "uri", LONGEST_URI)?)),
        _ => Err(bad("`ref` has an unknown type").into()),
    }
}

/// Which resources a stream of changes is to tell about.
fn listened(params: &Map<String, Value>) -> Result<About<'_>, Unfit> {
    let all = params.get("notifications").and_then(Value::as_object);
    if all.is_some_and(|all| !jsonrpc::exact(all, &["resourceSubscriptions"])) {
        return Err(bad("a member differs from its name in case").into());
    }
    let named = all.and_then(|all| all.get("resourceSubscriptions"));
    match named {
        None | Some(Value::Null) => Ok(About::Nothing),
        Some(Value::Array(resources)) => Ok(About::Resources(resources)),
        Some(_) => Err(bad("`resourceSubscriptions` must be a list").into()),
    }
}

/// Whether the caller has a right to it.
fn judge(about: About<'_>, grant: &Grant, rules: &Rules) -> Result<(), Denial> {
    let resource = |uri: &str, template| {
        let granted = address::is_normal(uri, template) && grant.resource(uri).is_some();
        granted.then_some(()).ok_or_else(|| Denial::Resource(uri.into()))
    };
    match about {
        About::Nothing => Ok(()),
        About::Tool(name) if grant.tool(name).is_none() || rules.pins.shut(name) => {
            Err(Denial::Tool(name.into()))
        }
        About::Tool(_) => Ok(()),
        About::Prompt(name) if grant.prompt(name).is_none() => Err(Denial::Prompt(name.into())),
        About::Prompt(_) => Ok(()),
        About::Resource(uri) => resource(uri, false),
        About::Template(uri) => resource(uri, true),
        About::Resources(all) => {
            all.iter().try_for_each(|uri| resource(uri.as_str().unwrap_or_default(), false))
        }
    }
}

/// A call of a tool: what it is called with must be allowed, too.
fn tool(
    name: &str,
    params: &Map<String, Value>,
    asked: &Asked<'_>,
    rules: &Rules,
    said: &mut Said,
) -> Result<ToolCall, Unfit> {
    let none = Map::new();
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => &none,
        Some(Value::Object(arguments)) => arguments,
        Some(_) => return Err(bad("`arguments` must be an object").into()),
    };
    let terms = asked.grant.tool_patterns(name).filter_map(|pattern| rules.terms.get(pattern));
    let wrong = terms.flatten().flat_map(|term| term.check(arguments));
    let pointers: Vec<Arc<str>> = wrong.map(|violation| violation.pointer.into()).collect();
    if !pointers.is_empty() {
        return Err(Denial::Arguments { tool: name.into(), pointers }.into());
    }
    let fields = &asked.head.headers;
    said.mirrors = rules.mirrors.check(fields, name, arguments).map_err(Invalid::Rpc)?;
    let call = ToolCall::new(name, raw_arguments(asked.bytes).unwrap_or_default());
    said.tool = Some(name.into());
    said.notes.push(call.clone().note());
    if asked.grant.tool(name).is_some_and(|right| right.approval) {
        said.approval = Some(format!("tool {name}").into());
    }
    if said.approval.is_some() || asked.grant.need().is_some() {
        said.digest = Some(agreed(name, arguments, params, &asked.head.uri));
    }
    Ok(call)
}

/// To what whoever agrees to a call of a tool agrees.
fn agreed(
    tool: &str,
    arguments: &Map<String, Value>,
    params: &Map<String, Value>,
    uri: &Uri,
) -> CallDigest {
    let (mut text, mut beside) = (Vec::new(), Vec::new());
    canonical::object(arguments, &mut text);
    canonical::object(&agreed_beside(params), &mut beside);
    let [path, query, tool] =
        [uri.path(), uri.query().unwrap_or_default(), tool].map(str::as_bytes);
    CallDigest::of(&[b"mcp tool", path, query, tool, &text, &beside])
}

/// What stands beside the tool and its arguments, but for what is another one each time, as the number of
/// the message is.
fn agreed_beside(params: &Map<String, Value>) -> Map<String, Value> {
    let members = params.iter().filter(|(name, _)| !["name", "arguments"].contains(&name.as_str()));
    let mut beside: Map<_, _> =
        members.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(Value::Object(meta)) = beside.get_mut("_meta") {
        meta.retain(|name, _| name != APPROVAL_META && !EACH_TIME.contains(&name.as_str()));
        if meta.is_empty() {
            beside.remove("_meta");
        }
    }
    beside
}

/// Something was taken out of a call: the log has the digest of the arguments that go out, and the fields that
/// mirror them say the same.
pub(super) fn rewritten(said: &mut Said, bytes: &[u8]) {
    let raw = raw_arguments(bytes).unwrap_or_default();
    if let Some(listener::Listener::Mcp(listener)) = &mut said.listener
        && let Some(call) = listener.call_with(raw)
    {
        said.notes.retain(|note| note.event != audit::Event::ToolCall);
        said.notes.push(call.note());
    }
    if !said.mirrors.is_empty() {
        let arguments = serde_json::from_slice(raw).unwrap_or_default();
        said.fields.extend(said.mirrors.iter().map(|mirror| mirror.of(&arguments)));
    }
}

/// The arguments as they were written: what the log has the digest of.
fn raw_arguments(bytes: &[u8]) -> Option<&[u8]> {
    #[derive(Deserialize)]
    struct Call<'a> {
        #[serde(borrow)]
        params: Params<'a>,
    }
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
    }
    let call: Call<'_> = serde_json::from_slice(bytes).ok()?;
    call.params.arguments.map(|raw| raw.get().as_bytes())
}

/// Takes the seal from what a server wanted to be told again. `true` where there was one.
fn bound(params: &mut Map<String, Value>, rules: &Rules, grant: &Grant) -> Result<bool, Unfit> {
    let Some(state) = params.get_mut("requestState") else { return Ok(false) };
    let open = state.as_str().and_then(|shown| rules.key.open(Sealed::State, shown, grant));
    // Also one of somebody else: none of ours.
    let Some(open) = open else { return Err(bad("`requestState` is not known").into()) };
    *state = Value::from(open);
    Ok(true)
}

/// A server is told of no more than what it may ask of the client. `true` where that is less than the
/// client offers.
fn only_what_may_be_asked(method: &str, params: &mut Map<String, Value>, grant: &Grant) -> bool {
    let offered = match method {
        "initialize" => params.get_mut("capabilities"),
        _ => params.get_mut("_meta").and_then(|meta| meta.get_mut(CAPABILITIES_META)),
    };
    let Some(Value::Object(offered)) = offered else { return false };
    let mut changed = offered.remove("tasks").is_some();
    for (capability, method) in CAPABILITIES {
        if grant.server_request(method).is_none() {
            changed |= offered.remove(capability).is_some();
        }
    }
    changed
}

/// Takes the approval out of the message, and shows it where others show theirs. `true` where there
/// was one.
fn approval(params: &mut Map<String, Value>, said: &mut Said) -> Result<bool, Unfit> {
    let meta = params.get_mut("_meta").and_then(Value::as_object_mut);
    let Some(shown) = meta.and_then(|meta| meta.remove(APPROVAL_META)) else { return Ok(false) };
    let shown = shown.as_str().and_then(|shown| HeaderValue::from_str(shown).ok());
    let shown = shown.ok_or_else(|| bad("the approval must be a text"))?;
    said.fields.push((APPROVAL.clone(), Some(shown)));
    Ok(true)
}

/// Takes the seal from the name of the session; `true` where there is one. The server sees its own
/// name for it.
fn session(
    headers: &HeaderMap,
    rules: &Rules,
    grant: &Grant,
    said: &mut Said,
) -> Result<bool, Denial> {
    sealed((&SESSION, Sealed::Session), headers, rules, grant, said)
}

/// Takes the seal from a field that was told to this caller; `true` where there is one.
fn sealed(
    (field, what): (&HeaderName, Sealed),
    headers: &HeaderMap,
    rules: &Rules,
    grant: &Grant,
    said: &mut Said,
) -> Result<bool, Denial> {
    let mut shown = headers.get_all(field).iter();
    let Some(first) = shown.next() else { return Ok(false) };
    let open = first.to_str().ok().filter(|_| shown.next().is_none());
    let open = open.and_then(|shown| rules.key.open(what, shown, grant));
    let name = open.and_then(|name| HeaderValue::from_str(name).ok()).ok_or(Denial::Session)?;
    said.fields.push((field.clone(), Some(name)));
    Ok(true)
}

/// The event with an id that only this caller can show again.
#[must_use]
pub fn seal_event(event: Event, grant: &Grant) -> Event {
    let Some(rules) = &grant.endpoint().mcp else { return event };
    event.with_id(|id| match rules.key.open(Sealed::Event, id, grant) {
        // An answer in which something is put back is read twice.
        Some(_) => Some(id.to_owned()),
        None => rules.key.seal(Sealed::Event, id, grant),
    })
}

/// What of an answer's header fields may reach the client, and how: the session behind its seal, and no
/// word of where to log in but ours.
pub fn clean_answer(headers: &mut HeaderMap, grant: &Grant) {
    headers.remove(header::WWW_AUTHENTICATE);
    let Some(rules) = &grant.endpoint().mcp else { return };
    let mut names = headers.get_all(&SESSION).iter();
    let name = names.next().filter(|_| names.next().is_none());
    let name = name.and_then(|name| name.to_str().ok());
    let sealed = name.and_then(|name| rules.key.seal(Sealed::Session, name, grant));
    headers.remove(&SESSION);
    if let Some(sealed) = sealed.and_then(|sealed| HeaderValue::from_str(&sealed).ok()) {
        headers.insert(SESSION.clone(), sealed);
    }
}

fn text<'a>(
    params: &'a Map<String, Value>,
    member: &'static str,
    longest: usize,
) -> Result<&'a str, Unfit> {
    let text = params.get(member).and_then(Value::as_str);
    let text = text.filter(|text| !text.is_empty() && text.len() <= longest);
    Ok(text.ok_or_else(|| bad(&format!("`{member}` must be a text, and not too long")))?)
}

/// Parameters that the method does not take.
fn bad(detail: &str) -> Invalid {
    Invalid::Rpc(Fault::new(INVALID_PARAMS, detail.to_owned()).answering())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_agrees_agrees_to_all_that_the_server_reads() {
        let digest = |uri: &'static str, params: &Value| {
            let params = params.as_object().unwrap();
            let arguments = params.get("arguments").and_then(Value::as_object).unwrap();
            agreed("pay", arguments, params, &Uri::from_static(uri))
        };
        let call = json!({ "name": "pay", "arguments": { "to": "ann", "amount": 1 } });
        let first = digest("/mcp", &call);
        let again = json!({
            "_meta": { "progressToken": 7, "bartizan/approval-id": "apr_1", "traceparent": "00-1" },
            "arguments": { "amount": 1, "to": "ann" }, "name": "pay"
        });
        assert_eq!(digest("/mcp", &again), first, "the same call, shown with its approval");
        assert_ne!(digest("/mcp?as=eve", &call), first);
        assert_ne!(digest("/mcp/eve", &call), first);
        for (member, value) in [
            ("arguments", json!({ "to": "eve", "amount": 1 })),
            ("_meta", json!({ "account": "eve" })),
            ("inputResponses", json!({ "confirm": { "action": "accept" } })),
            ("requestState", json!("eve")),
        ] {
            let mut other = call.clone();
            other.as_object_mut().unwrap().insert(member.into(), value);
            assert_ne!(digest("/mcp", &other), first, "{member}");
        }
    }
}
