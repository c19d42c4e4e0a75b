//! What does a call to an agent ask for? Agent2Agent in versions 0.3 and 1.0, by JSON-RPC and by
//! HTTP+JSON.
//!
//! What is decided on must stand where one of the versions has it, and in its spelling; everything
//! else passes as it is. What cannot be read is refused.

mod answer;
mod call;
mod card;
mod echo;
mod ids;
mod method;
mod place;
mod push;

use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::said::{Asked, Said, Unfit};
use super::{Estimate, Invalid, json, listener};
use crate::audit::{Event, Note, Outcome};
use crate::authorize::{Denial, Grant};

pub use answer::Listener;
pub(super) use answer::went_on;
pub use card::Scheme;
pub use echo::echo;
pub use ids::IdKey;
pub use method::Method;
pub use push::PushHost;

use answer::Wants;
use call::{Call, Named};
use ids::Binder;
use method::Version;
use place::{Place, Rest};

/// What an endpoint knows of the agent behind it.
#[derive(Clone, Debug)]
pub struct Agent {
    /// By which address its callers reach it: that of the gate and the fixed part of the endpoint's
    /// path, without a slash at the end.
    pub url: Arc<str>,
    /// Whether what lies below that address is served, and not it alone.
    pub below: bool,
    /// The path of the agent's own address, without a slash at the end; it stands in place of that
    /// fixed part.
    pub path: Arc<str>,
    /// What identifiers are bound to their callers with.
    pub key: IdKey,
    /// Where it may send notifications.
    pub push: Vec<PushHost>,
    /// What the gate asks of callers, for the card.
    pub schemes: Vec<Scheme>,
}

/// What is encoded in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The longest name of a skill, in bytes.
const LONGEST_SKILL: usize = 256;

/// Reads a call.
pub(super) fn read(asked: &Asked<'_>) -> Result<Said, Unfit> {
    let endpoint = asked.grant.endpoint();
    let agent = endpoint.agent.as_ref().ok_or(Denial::Api)?;
    let fixed = fixed(&endpoint.path);
    let path = asked.head.uri.path().strip_prefix(fixed).ok_or(Denial::Api)?;
    let binder = agent.key.binder(fixed, asked.grant.caller().principal());
    let reader = Reader { asked, agent, binder, path };
    match place::read(&asked.head.method, path).ok_or(Denial::Api)? {
        Place::Card => reader.card(),
        Place::Rpc(at) => reader.rpc(at),
        Place::Rest(rest) => reader.rest(&rest),
    }
}

/// What a template has before its first variable or the place of a card, without a slash at the end:
/// the address of the agent.
#[must_use]
pub fn fixed(template: &str) -> &str {
    let before = template.split('{').next().unwrap_or_default();
    let before = before.split("/.well-known/").next().unwrap_or_default();
    before.trim_end_matches('/')
}

struct Reader<'a> {
    asked: &'a Asked<'a>,
    agent: &'a Arc<Agent>,
    binder: Binder,
    path: &'a str,
}

impl Reader<'_> {
    fn grant(&self) -> &Grant {
        self.asked.grant
    }

    fn card(self) -> Result<Said, Unfit> {
        self.without_body()?;
        let target = self.target(self.path, self.asked.head.uri.query())?;
        let listener = Listener::of_a_card(Arc::clone(self.agent), self.binder);
        let listener = Some(listener::Listener::A2a(Box::new(listener)));
        Ok(Said { target, listener, ..Said::default() })
    }

    fn rpc(self, at: &str) -> Result<Said, Unfit> {
        let Value::Object(mut whole) = json::document(self.asked.bytes, self.asked.media)? else {
            return Err(Invalid::Member("body").into());
        };
        if whole.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(Invalid::Member("jsonrpc").into());
        }
        // Nothing beside these, which somebody might read as a call by HTTP+JSON.
        let known = |name: &String| ["jsonrpc", "id", "method", "params"].contains(&name.as_str());
        if !whole.keys().all(known) || !echo::is_id(whole.get("id")) {
            return Err(Invalid::Member("id").into());
        }
        let name = whole.get("method").and_then(Value::as_str).ok_or(Invalid::Member("method"))?;
        let (method, version) = Method::read(name).ok_or(Invalid::Method)?;
        let mut params = match whole.get_mut("params").map(Value::take) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(Invalid::Member("params").into()),
        };
        let named = self.call(method, version, &mut params)?;
        if matches!(method, Method::GetTask | Method::CancelTask | Method::SubscribeToTask)
            && call::text(&params, "id")?.is_none()
        {
            return Err(Invalid::Member("id").into());
        }
        if whole.contains_key("params") {
            whole.insert("params".into(), Value::Object(params));
        }
        let root = if self.agent.path.is_empty() { "/" } else { "" };
        let target =
            self.target(if at.is_empty() { root } else { at }, self.asked.head.uri.query())?;
        self.said(method, named, Some(whole), target, true)
    }

    fn rest(self, rest: &Rest<'_>) -> Result<Said, Unfit> {
        let Rest { method, task } = rest;
        let mut params = match self.asked.bytes.is_empty() {
            true => Map::new(),
            false => match json::document(self.asked.bytes, self.asked.media)? {
                Value::Object(params) => params,
                _ => return Err(Invalid::Member("body").into()),
            },
        };
        let mut named = self.call(*method, Version::One, &mut params)?;
        let mut path = self.path.to_owned();
        if let Some(task) = task {
            let id = self.binder.open(ids::Kind::Task, task.id).ok_or(Denial::Task)?;
            path = format!("{}{id}{}", task.before, task.behind);
            // A body may name it once more, and no other one.
            for member in ["id", "taskId"] {
                let own = *method != Method::CreateTaskPushNotificationConfig || member == "taskId";
                if own && call::text(&params, member)?.is_some_and(|other| other != id) {
                    return Err(Denial::Task.into());
                }
            }
        }
        let query = self.query(*method, &mut named)?;
        let body = (!self.asked.bytes.is_empty()).then_some(params);
        let target = self.target(&path, query.as_deref())?;
        self.said(*method, named, body, target, false)
    }

    /// What the parameters name, once it is seen that the caller may.
    fn call(
        &self,
        method: Method,
        version: Version,
        params: &mut Map<String, Value>,
    ) -> Result<Named, Unfit> {
        let may = |method: Method| {
            let granted = self.grant().method(method.name());
            granted.then_some(()).ok_or_else(|| Denial::Method(method.name().into()))
        };
        may(method)?;
        let (binder, hosts) = (&self.binder, &self.agent.push[..]);
        let mut call = Call { method, version, binder, hosts, named: Named::default() };
        call.read(params)?;
        let named = call.named;
        if named.notifies {
            may(Method::CreateTaskPushNotificationConfig)?;
        }
        if method.sends() {
            self.skills(&named)?;
        }
        Ok(named)
    }

    /// A message that names no skill may want any: its sender needs the right to all.
    fn skills(&self, named: &Named) -> Result<(), Denial> {
        let short = |skill: &str| {
            skill.get(..skill.floor_char_boundary(LONGEST_SKILL)).unwrap_or_default().into()
        };
        let denied = named.skills.iter().find(|skill| !self.grant().skill(skill));
        match denied {
            Some(skill) => Err(Denial::Skill(short(skill))),
            None if named.skills.is_empty() && !self.grant().every_skill() => {
                Err(Denial::Skill("*".into()))
            }
            None => Ok(()),
        }
    }

    /// The query as the agent gets it: a context is put in, and nothing else in it may mean something.
    fn query(&self, method: Method, named: &mut Named) -> Result<Option<String>, Unfit> {
        let Some(query) = self.asked.head.uri.query() else { return Ok(None) };
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let read = |text: &str| {
                let spaced = text.replace('+', " ");
                let read = percent_decode_str(&spaced).decode_utf8().map(|text| text.into_owned());
                read.map_err(|_| Invalid::Member("query"))
            };
            let (key, value) = (read(name)?, read(value)?);
            if method == Method::ListTasks && key == "contextId" && named.context.is_none() {
                let context = self.binder.context(&value).ok_or(Invalid::Member("contextId"))?;
                pairs.push(format!("contextId={}", utf8_percent_encode(&context, QUERY)));
                named.context = Some(context);
            } else if call::is_meant(&key) || key.contains(['.', '[']) {
                return Err(Invalid::Member("query").into());
            } else {
                pairs.push(pair.to_owned());
            }
        }
        Ok(Some(pairs.join("&")))
    }

    fn without_body(&self) -> Result<(), Invalid> {
        self.asked.bytes.is_empty().then_some(()).ok_or(Invalid::Member("body"))
    }

    /// Where the agent has it.
    fn target(&self, path: &str, query: Option<&str>) -> Result<Option<PathAndQuery>, Unfit> {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let text = format!("{}{path}{query}", self.agent.path);
        Ok(Some(text.parse().map_err(|_| Denial::Task)?))
    }

    fn listener(
        &self,
        wants: Wants,
        rpc: bool,
        context: Option<String>,
    ) -> Option<listener::Listener> {
        let (agent, binder) = (Arc::clone(self.agent), self.binder.clone());
        Some(listener::Listener::A2a(Box::new(Listener::new(agent, binder, wants, rpc, context))))
    }

    fn said(
        self,
        method: Method,
        named: Named,
        body: Option<Map<String, Value>>,
        target: Option<PathAndQuery>,
        rpc: bool,
    ) -> Result<Said, Unfit> {
        // What an agent lists may be everybody's: only a context says whose.
        if method == Method::ListTasks && named.context.is_none() {
            return Err(Invalid::Member("contextId").into());
        }
        let body = body.map(|body| Bytes::from(Value::Object(body).to_string()));
        let tool = named.skills.first().map(|skill| Arc::from(skill.as_str()));
        let sent = body.as_ref().unwrap_or(self.asked.bytes);
        let notes = vec![departure(method, tool.as_ref(), sent)];
        let listener = self.listener(Wants::of(method), rpc, named.context);
        let (streams, estimate) = (method.streams(), Estimate::default());
        Ok(Said { estimate, tool, streams, body, notes, listener, target, ..Said::default() })
    }
}

/// Something was taken out of a call: the log has the digest of what goes out.
pub(super) fn rewritten(said: &mut Said, bytes: &[u8]) {
    for note in said.notes.iter_mut().filter(|note| note.event == Event::ToolCall) {
        note.details.insert("arguments_sha256".into(), digest(bytes).into());
    }
}

fn digest(call: &[u8]) -> String {
    Sha256::digest(call).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the log is told about a call.
fn departure(method: Method, skill: Option<&Arc<str>>, call: &[u8]) -> Note {
    let mut details = Map::new();
    details.insert("method".into(), method.name().into());
    if let Some(skill) = skill {
        details.insert("tool".into(), skill.to_string().into());
    }
    details.insert("arguments_sha256".into(), digest(call).into());
    Note { event: Event::ToolCall, outcome: Outcome::Allow, reason: None, details }
}
