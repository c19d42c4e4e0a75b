//! What does a server say, and what of it may the caller know? Answers whole and in events: lists hold
//! what is granted, and servers ask for what they have a right to.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::pins::{Look, OnChange};
use super::{CAPABILITIES, Rules, Sealed};
use crate::audit::{Event, Note, Outcome};
use crate::authorize::Grant;
use crate::validate::jsonrpc::{self, INTERNAL_ERROR, Message, Reply};
use crate::validate::listener::{Heard, ToolCall};

/// How deep a message of a server may nest.
const MAX_DEPTH: usize = 127;

/// Listens to the answer of one message, or to a stream of what a server has to say.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The request that is answered; `None` for streams that answer none.
    id: Option<Value>,
    /// The tool that it calls, until it is known what became of it.
    call: Option<ToolCall>,
    /// Whether the status of the answer says that the call has failed.
    fails: bool,
}

/// How servers of the official SDKs and of FastMCP say that they have no such tool: what stands before
/// and behind its name.
const UNKNOWN: [(&str, &str); 6] = [
    ("Tool ", " not found"),
    ("Unknown tool: ", ""),
    ("Unknown tool: '", "'"),
    ("Tool not found: ", ""),
    ("Tool '", "' not found"),
    ("Unknown tool '", "'"),
];

/// What of a message goes on.
enum Verdict {
    /// All of it, as it is.
    Same,
    /// This in its place.
    Instead(Value),
    /// Nothing, because of this.
    Withheld(&'static str),
}

impl Listener {
    pub(super) fn of_request(id: Value, call: Option<ToolCall>) -> Self {
        Self { id: Some(id), call, fails: false }
    }

    pub(super) fn of_stream() -> Self {
        Self { id: None, call: None, fails: false }
    }

    /// The call that is waited for, which goes out with other arguments than it came with.
    pub(super) fn call_with(&mut self, arguments: &[u8]) -> Option<ToolCall> {
        let call = self.call.as_mut()?;
        *call = ToolCall::new(&call.name, arguments);
        Some(call.clone())
    }

    /// The status of the answer says that the call has failed.
    pub(in crate::validate) fn expect_failure(&mut self) {
        self.fails = true;
    }

    /// An answer as a whole is one message; what is withheld is an error in its place.
    pub(in crate::validate) fn hear_whole(&mut self, document: &[u8], grant: &Grant) -> Heard {
        let mut heard = Heard::default();
        match self.judge(document, grant, &mut heard) {
            Verdict::Same => {}
            Verdict::Instead(message) => heard.instead = Some(message.to_string().into_bytes()),
            Verdict::Withheld(why) => heard.instead = Some(self.withheld(why)),
        }
        heard
    }

    /// An event is one message; what is withheld of a stream is not there, unless it is the answer
    /// that somebody waits for.
    pub(in crate::validate) fn hear(&mut self, data: &[u8], grant: &Grant) -> Heard {
        let mut heard = Heard::default();
        match self.judge(data, grant, &mut heard) {
            Verdict::Same => {}
            Verdict::Instead(message) => heard.instead = Some(message.to_string().into_bytes()),
            Verdict::Withheld(why) if self.id.is_some() => {
                heard.instead = Some(self.withheld(why));
            }
            Verdict::Withheld(_) => heard.hidden = true,
        }
        heard
    }

    fn withheld(&mut self, why: &str) -> Vec<u8> {
        let error = jsonrpc::error(self.id.as_ref(), INTERNAL_ERROR, why, None);
        error.to_string().into_bytes()
    }

    fn judge(&mut self, data: &[u8], grant: &Grant, heard: &mut Heard) -> Verdict {
        if data.iter().all(u8::is_ascii_whitespace) {
            return Verdict::Same;
        }
        let document = crate::json::value(data, MAX_DEPTH).ok();
        let message = document.and_then(|document| jsonrpc::message(document).ok());
        let (Some(message), Some(rules)) = (message, &grant.endpoint().mcp) else {
            self.failed(heard);
            return Verdict::Withheld("the answer of the server could not be read");
        };
        match message {
            Message::Request { method, .. } => asked(&method, grant, heard),
            Message::Notification { method, params } => told(&method, &params, grant),
            Message::Response { id, reply } => self.answered(&id, reply, (grant, rules), heard),
        }
    }

    fn answered(
        &mut self,
        id: &Value,
        reply: Reply,
        (grant, rules): (&Grant, &Rules),
        heard: &mut Heard,
    ) -> Verdict {
        if let Some(name) = self.unknown(&reply) {
            self.failed(heard);
            let words = format!("Unknown tool: {name}");
            let same = jsonrpc::error(Some(id), jsonrpc::INVALID_PARAMS, &words, None);
            return Verdict::Instead(same);
        }
        let mut result = match reply {
            Reply::Result(Value::Object(result)) => result,
            Reply::Result(_) | Reply::Error(_) => {
                self.failed(heard);
                return Verdict::Same;
            }
        };
        if let Some(method) = asks_without_right(&result, grant) {
            heard.notes.push(overreach(method));
            self.failed(heard);
            return Verdict::Withheld("the server asks for what it has no right to");
        }
        let waits = result.get("resultType").is_some_and(|kind| kind == "input_required");
        let failed = result.get("isError").is_some_and(|failed| *failed == true);
        if failed || self.fails {
            self.failed(heard);
        } else if let Some(call) = self.call.take() {
            let mut note = Note { event: Event::ToolSuccess, ..call.note() };
            if waits {
                // It goes on with another call, which has a record of its own.
                note.details.insert("input_required".into(), true.into());
            }
            heard.notes.push(note);
        }
        let mut changed = tools(&mut result, grant, rules, heard);
        changed |= lists(&mut result, grant);
        changed |= without_tasks(&mut result);
        changed |= sealed(&mut result, grant, rules);
        match changed {
            true => Verdict::Instead(json!({ "jsonrpc": "2.0", "id": id, "result": result })),
            false => Verdict::Same,
        }
    }

    /// The tool that was called, where the server says that it has none of that name. It gets the same
    /// words as one that is hidden, so that the two cannot be told apart.
    fn unknown(&self, reply: &Reply) -> Option<String> {
        let name = &self.call.as_ref()?.name;
        let said = match reply {
            Reply::Error(error) => error.get("message")?.as_str()?,
            Reply::Result(result) if *result.get("isError")? == true => {
                let [Value::Object(only)] = result.get("content")?.as_array()?.as_slice() else {
                    return None;
                };
                only.get("text")?.as_str()?
            }
            Reply::Result(_) => return None,
        };
        let said = said.strip_prefix("MCP error -32602: ").unwrap_or(said);
        let known = UNKNOWN.iter().any(|(before, behind)| {
            let named = said.strip_prefix(before).and_then(|rest| rest.strip_suffix(behind));
            named == Some(&**name)
        });
        known.then(|| name.to_string())
    }

    fn failed(&mut self, heard: &mut Heard) {
        let Some(call) = self.call.take() else { return };
        let note = Note { event: Event::ToolFailure, outcome: Outcome::Error, ..call.note() };
        heard.notes.push(note);
    }
}

/// A request of the server to its client, in a stream.
fn asked(method: &str, grant: &Grant, heard: &mut Heard) -> Verdict {
    if method == "ping" || grant.server_request(method).is_some() {
        return Verdict::Same;
    }
    heard.notes.push(overreach(method));
    heard.hidden = true;
    Verdict::Same
}

/// Something that a server tells. That a resource has changed is for those who may read it.
fn told(method: &str, params: &Map<String, Value>, grant: &Grant) -> Verdict {
    let uri = params.get("uri").and_then(Value::as_str).unwrap_or_default();
    if method == "notifications/resources/updated" && grant.resource(uri).is_none() {
        return Verdict::Withheld("nothing that is granted");
    }
    Verdict::Same
}

/// What a server wants to have done before it goes on (2026-07-28, Multi Round-Trip Requests), as far
/// as it has no right to it.
fn asks_without_right<'a>(result: &'a Map<String, Value>, grant: &Grant) -> Option<&'a str> {
    let requests = result.get("inputRequests")?.as_object()?;
    let method = |asked: &'a Value| asked.get("method").and_then(Value::as_str).unwrap_or("?");
    requests.values().map(method).find(|method| grant.server_request(method).is_none())
}

/// Leaves of a list of tools those that are granted, and that are what they were.
fn tools(result: &mut Map<String, Value>, grant: &Grant, rules: &Rules, heard: &mut Heard) -> bool {
    let Some(Value::Array(tools)) = result.get_mut("tools") else { return false };
    let before = tools.len();
    let mut names = HashSet::new();
    let mut is_shown = |tool: &Value| {
        let Some(name) = tool.get("name").and_then(Value::as_str) else { return false };
        // A second one of the same name would stand in the place of the first.
        if !names.insert(name.to_owned()) {
            return false;
        }
        rules.mirrors.learn(name, tool);
        let look = rules.pins.look(name, tool);
        if let Some(alarm) = alarm(name, look) {
            heard.notes.push(alarm);
        }
        let shut = look != Look::Same && rules.pins.on_change() == OnChange::Block;
        !shut && grant.tool(name).is_some()
    };
    tools.retain(|tool| is_shown(tool));
    tools.len() < before
}

/// The same for prompts, resources and templates.
fn lists(result: &mut Map<String, Value>, grant: &Grant) -> bool {
    let named =
        |value: &Value, member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
    let mut changed = false;
    for (list, member) in
        [("prompts", "name"), ("resources", "uri"), ("resourceTemplates", "uriTemplate")]
    {
        let Some(Value::Array(all)) = result.get_mut(list) else { continue };
        let before = all.len();
        all.retain(|one| {
            named(one, member).is_some_and(|name| match list {
                "prompts" => grant.prompt(&name).is_some(),
                _ => grant.resource(&name).is_some(),
            })
        });
        changed |= all.len() < before;
    }
    changed
}

/// Tasks are not served: a server could not tell whose they are.
fn without_tasks(result: &mut Map<String, Value>) -> bool {
    let capabilities = result.get_mut("capabilities").and_then(Value::as_object_mut);
    capabilities.is_some_and(|capabilities| capabilities.remove("tasks").is_some())
}

/// What the server wants to be told again is for this caller alone.
fn sealed(result: &mut Map<String, Value>, grant: &Grant, rules: &Rules) -> bool {
    let Some(state) = result.get_mut("requestState") else { return false };
    let sealed = state.as_str().and_then(|shown| rules.key.seal(Sealed::State, shown, grant));
    *state = sealed.map_or(Value::Null, Value::from);
    true
}

/// What the log is told about a server that asks its client for what it has no right to.
fn overreach(method: &str) -> Note {
    let known = CAPABILITIES.iter().find(|(_, known)| *known == method);
    let method = known.map_or("another method", |(_, known)| known);
    let details = Map::from_iter([("method".to_owned(), Value::from(method))]);
    let reason = Some("the server asks its client for what it has no right to".to_owned());
    Note { event: Event::SecurityAlert, outcome: Outcome::Deny, reason, details }
}

/// What the log is told about a tool that is not what it was.
fn alarm(name: &str, look: Look) -> Option<Note> {
    let name = name.get(..name.floor_char_boundary(128)).unwrap_or_default();
    let mut details = Map::from_iter([("tool".to_owned(), Value::from(name))]);
    let reason = match look {
        Look::Changed { was, is, news: true } => {
            details.insert("pinned".into(), was.to_string().into());
            details.insert("found".into(), is.to_string().into());
            "the description or the schema of a tool has changed"
        }
        Look::NoRoom => "a server has more tools than are remembered",
        Look::Same | Look::Changed { .. } => return None,
    };
    let (reason, outcome) = (Some(reason.to_owned()), Outcome::Deny);
    Some(Note { event: Event::SecurityAlert, outcome, reason, details })
}
