//! What does an agent answer? Identifiers get the tag of their caller, cards the gate's addresses, and
//! the texts of artifacts that come in pieces are named.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::ids::{Binder, Kind as Id};
use super::{Agent, Method, card};
use crate::audit::{Event, Note, Outcome};
use crate::authorize::Grant;
use crate::validate::listener::{Channel, Ends, Heard, Kind, Piece};

/// What an answer is, by what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wants {
    /// A card.
    Card,
    /// A task, a message, or news of a task.
    Reply,
    /// A task.
    Task,
    /// A list of tasks.
    Tasks,
    /// Where to notify.
    Push,
}

impl Wants {
    pub(super) fn of(method: Method) -> Self {
        match method {
            Method::SendMessage | Method::SendStreamingMessage | Method::SubscribeToTask => {
                Self::Reply
            }
            Method::GetTask | Method::CancelTask => Self::Task,
            Method::ListTasks => Self::Tasks,
            Method::CreateTaskPushNotificationConfig
            | Method::GetTaskPushNotificationConfig
            | Method::ListTaskPushNotificationConfigs
            | Method::DeleteTaskPushNotificationConfig => Self::Push,
            Method::GetExtendedAgentCard => Self::Card,
        }
    }
}

/// What an error says: by JSON-RPC, or as a problem (RFC 9457). Everything else in it could be a task of somebody
/// else, or a card.
fn belongs_to_an_error(name: &str, value: &Value) -> bool {
    match name {
        "error" => true,
        "jsonrpc" | "id" | "status" | "code" => !value.is_object() && !value.is_array(),
        "type" | "title" | "detail" | "instance" | "message" => value.is_string(),
        _ => false,
    }
}

/// Who listens to an agent.
#[derive(Clone, Debug)]
pub struct Listener {
    agent: Arc<Agent>,
    binder: Binder,
    wants: Wants,
    /// Whether it answers by JSON-RPC.
    rpc: bool,
    /// The context that is listed, as the agent knows it.
    context: Option<String>,
    /// Whether it is an answer to a call, and no card for everybody.
    called: bool,
    /// Whether the log knows how it ends.
    told: bool,
    /// Whether the status of the answer says that the call has failed.
    fails: bool,
    artifacts: Vec<Artifact>,
}

/// An artifact of which pieces have come.
#[derive(Clone, Debug)]
struct Artifact {
    name: String,
    /// How often it began anew.
    edition: u64,
}

/// How many artifacts of one answer may be followed. Of further ones every piece is a text of its own.
const MOST_ARTIFACTS: usize = 64;

type Members = Map<String, Value>;

impl Listener {
    pub(super) fn new(
        agent: Arc<Agent>,
        binder: Binder,
        wants: Wants,
        rpc: bool,
        context: Option<String>,
    ) -> Self {
        let (called, told, fails, artifacts) = (true, false, false, Vec::new());
        Self { agent, binder, wants, rpc, context, called, told, fails, artifacts }
    }

    /// For a card that anybody may fetch.
    pub(super) fn of_a_card(agent: Arc<Agent>, binder: Binder) -> Self {
        Self { called: false, ..Self::new(agent, binder, Wants::Card, false, None) }
    }

    /// The status of the answer says that the call has failed.
    pub(in crate::validate) fn expect_failure(&mut self) {
        self.fails = true;
    }

    pub(in crate::validate) fn hear_whole(&mut self, document: &[u8], grant: &Grant) -> Heard {
        if document.trim_ascii().is_empty() {
            // What was deleted has nothing to say, and some errors.
            let unsound = self.wants != Wants::Push && !self.fails;
            return Heard { unsound, ..Heard::default() };
        }
        let Some((mut heard, message)) = self.heard(document, grant) else {
            return Heard::unsound();
        };
        let result = match self.rpc {
            true => message.get("result").and_then(Value::as_object),
            false => Some(&message),
        };
        let path = if self.rpc { "/result" } else { "" };
        if grant.endpoint().profile.response.is_some() {
            heard.pieces = result.map(|result| all_pieces(path, result)).unwrap_or_default();
        }
        heard
    }

    pub(in crate::validate) fn hear(&mut self, data: &[u8], grant: &Grant) -> Heard {
        let Some((mut heard, message)) = self.heard(data, grant) else { return Heard::unsound() };
        let (path, result) = match self.rpc {
            true => ("/result", message.get("result").and_then(Value::as_object)),
            false => ("", Some(&message)),
        };
        match result {
            Some(result) => self.news(path, result, &mut heard),
            None => heard.ends = Ends::All,
        }
        heard
    }

    /// What is heard of a message, and the message as it goes on.
    fn heard(&mut self, data: &[u8], grant: &Grant) -> Option<(Heard, Members)> {
        let Value::Object(mut message) = serde_json::from_slice(data).ok()? else {
            // What was deleted is answered by `null`.
            let null = self.wants == Wants::Push && data.trim_ascii() == b"null";
            return null.then(|| (Heard::default(), Map::new()));
        };
        let failed = self.fails || message.contains_key("error");
        if failed {
            message.retain(|name, value| belongs_to_an_error(name, value));
        } else if self.rpc {
            let result = message.get_mut("result").map(Value::take).unwrap_or_default();
            let result = match result {
                Value::Object(result) => Value::Object(self.result(result, grant)?),
                Value::Null if self.wants == Wants::Push => Value::Null,
                Value::Array(all) if self.wants == Wants::Push => self.configs(all)?,
                _ => return None,
            };
            message.insert("result".into(), result);
        } else {
            message = self.result(message, grant)?;
        }
        let notes = self.note(failed, &message);
        let instead = Some(Value::Object(message.clone()).to_string().into_bytes());
        Some((Heard { instead, notes, ..Heard::default() }, message))
    }

    /// What the log is told of how a call ended; it was told of the call when it departed.
    fn note(&mut self, failed: bool, message: &Members) -> Vec<Note> {
        if !self.called || (self.told && !failed) {
            return Vec::new();
        }
        self.told = true;
        let code = message.get("error").and_then(|error| error.get("code")).and_then(Value::as_i64);
        let details = code.map(|code| ("code".to_owned(), code.into())).into_iter().collect();
        let (event, outcome) = match failed {
            true => (Event::ToolFailure, Outcome::Error),
            false => (Event::ToolSuccess, Outcome::Allow),
        };
        vec![Note { event, outcome, reason: None, details }]
    }

    fn result(&self, mut result: Members, grant: &Grant) -> Option<Members> {
        match self.wants {
            Wants::Card => return card::rewrite(result, &self.agent, grant),
            Wants::Reply => self.reply(&mut result)?,
            Wants::Task => self.task(&mut result)?,
            Wants::Tasks => self.tasks(&mut result)?,
            Wants::Push => self.push(&mut result)?,
        }
        Some(result)
    }

    /// A task, a message or news, bare or in the member that says which.
    fn reply(&self, reply: &mut Members) -> Option<()> {
        let kinds = ["task", "message", "msg", "statusUpdate", "artifactUpdate"];
        for kind in kinds {
            if let Some(Value::Object(inner)) = reply.get_mut(kind) {
                match kind {
                    "task" => self.task(inner)?,
                    "statusUpdate" => self.status(inner)?,
                    _ => self.names(inner)?,
                }
                return Some(());
            }
        }
        match reply.get("kind").and_then(Value::as_str) {
            Some("task") => self.task(reply),
            Some("status-update") => self.status(reply),
            Some("message" | "artifact-update") => self.names(reply),
            Some(_) => None,
            None if reply.contains_key("status") && reply.contains_key("id") => self.task(reply),
            None if reply.contains_key("status") => self.status(reply),
            None => self.names(reply),
        }
    }

    fn task(&self, task: &mut Members) -> Option<()> {
        self.bind(task, "id", Id::Task)?;
        self.status(task)?;
        match task.get_mut("history") {
            None | Some(Value::Null) => {}
            Some(Value::Array(history)) => {
                for message in history {
                    self.names(message.as_object_mut()?)?;
                }
            }
            Some(_) => return None,
        }
        Some(())
    }

    /// What has a status, with a message in it.
    fn status(&self, members: &mut Members) -> Option<()> {
        self.names(members)?;
        let status = members.get_mut("status").and_then(Value::as_object_mut);
        match status.and_then(|status| status.get_mut("message")) {
            None | Some(Value::Null) => Some(()),
            Some(Value::Object(message)) => self.names(message),
            Some(_) => None,
        }
    }

    /// The members by which messages and news name tasks and contexts.
    fn names(&self, members: &mut Members) -> Option<()> {
        self.bind(members, "taskId", Id::Task)?;
        self.bind(members, "contextId", Id::Context)?;
        match members.get_mut("referenceTaskIds") {
            None | Some(Value::Null) => {}
            Some(Value::Array(all)) => {
                for id in all {
                    *id = self.binder.bind(Id::Task, id.as_str()?).into();
                }
            }
            Some(_) => return None,
        }
        Some(())
    }

    /// A list: what is not of the context that was asked for is somebody else's.
    fn tasks(&self, list: &mut Members) -> Option<()> {
        let Some(tasks) = list.get_mut("tasks") else { return Some(()) };
        let tasks = tasks.as_array_mut()?;
        let before = tasks.len();
        tasks.retain(|task| {
            let context = task.get("contextId").and_then(Value::as_str);
            context.is_some() && context == self.context.as_deref()
        });
        for task in tasks.iter_mut() {
            self.task(task.as_object_mut()?)?;
        }
        let left = tasks.len();
        if left < before {
            list.insert("totalSize".into(), left.into());
            list.insert("nextPageToken".into(), "".into());
        }
        Some(())
    }

    fn push(&self, push: &mut Members) -> Option<()> {
        self.bind(push, "taskId", Id::Task)?;
        if let Some(name) = push.get("name").and_then(Value::as_str) {
            let rest = name.strip_prefix("tasks/")?;
            let (id, behind) = rest.split_once('/')?;
            let name = format!("tasks/{}/{behind}", self.binder.bind(Id::Task, id));
            push.insert("name".into(), name.into());
        }
        if let Some(configs) = push.get_mut("configs") {
            *configs = self.configs(configs.as_array().cloned()?)?;
        }
        Some(())
    }

    fn configs(&self, mut all: Vec<Value>) -> Option<Value> {
        for config in &mut all {
            let config = config.as_object_mut()?;
            if config.contains_key("configs") {
                return None;
            }
            self.push(config)?;
        }
        Some(all.into())
    }

    fn bind(&self, members: &mut Members, member: &str, kind: Id) -> Option<()> {
        match members.get_mut(member) {
            None | Some(Value::Null) => Some(()),
            Some(Value::String(id)) if id.is_empty() => Some(()),
            Some(Value::String(id)) => {
                *id = self.binder.bind(kind, id);
                Some(())
            }
            Some(_) => None,
        }
    }

    /// The texts that stand in news of a task, and those that are over.
    fn news(&mut self, path: &str, result: &Members, heard: &mut Heard) {
        let (path, update) = match result.get("artifactUpdate").and_then(Value::as_object) {
            Some(update) => (format!("{path}/artifactUpdate"), update),
            None => (path.to_owned(), result),
        };
        let Some(artifact) = update.get("artifact").and_then(Value::as_object) else {
            if is_over(result) {
                heard.ends = Ends::All;
            }
            return;
        };
        let flag = |name: &str| update.get(name).and_then(Value::as_bool).unwrap_or(false);
        let (append, last) = (flag("append"), flag("lastChunk"));
        let name = artifact.get("artifactId").and_then(Value::as_str).unwrap_or_default();
        let Some((channel, before)) = self.artifact(name, append) else { return };
        heard.pieces = pieces(&format!("{path}/artifact"), artifact, channel);
        heard.ends = match before {
            Some(before) => Ends::One(before),
            None if last => Ends::One(channel),
            None => Ends::None,
        };
    }

    /// The text of an artifact, and the one that stood there before, where it begins anew.
    fn artifact(&mut self, name: &str, append: bool) -> Option<(Channel, Option<Channel>)> {
        let channel = |item: usize, part| Channel { kind: Kind::Text, item: item as u64, part };
        if let Some(item) = self.artifacts.iter().position(|artifact| artifact.name == name) {
            let artifact = self.artifacts.get_mut(item)?;
            let before = channel(item, artifact.edition);
            if append {
                return Some((before, None));
            }
            artifact.edition += 1;
            return Some((channel(item, artifact.edition), Some(before)));
        }
        if self.artifacts.len() >= MOST_ARTIFACTS || name.len() > super::ids::LONGEST {
            return None;
        }
        self.artifacts.push(Artifact { name: name.to_owned(), edition: 0 });
        Some((channel(self.artifacts.len() - 1, 0), None))
    }
}

/// The texts among the parts of an artifact, which is one text in pieces: an agent goes on with an
/// artifact by further parts.
fn pieces(path: &str, artifact: &Members, channel: Channel) -> Vec<Piece> {
    let parts = artifact.get("parts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is_text = |(_, part): &(usize, &Value)| part.get("text").is_some_and(Value::is_string);
    let texts = parts.iter().enumerate().filter(is_text);
    texts.map(|(at, _)| Piece { pointer: format!("{path}/parts/{at}/text"), channel }).collect()
}

/// The texts of all artifacts of a task that stands at `path`, of which the first is the one of this
/// number.
fn artifacts(path: &str, task: &Members, first: usize) -> Vec<Piece> {
    let all = task.get("artifacts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let each = all.iter().enumerate().filter_map(|(at, artifact)| {
        let channel = Channel { kind: Kind::Text, item: (first + at) as u64, part: 0 };
        Some(pieces(&format!("{path}/artifacts/{at}"), artifact.as_object()?, channel))
    });
    each.flatten().collect()
}

/// The texts that stand in pieces in a whole answer.
fn all_pieces(path: &str, result: &Members) -> Vec<Piece> {
    if let Some(task) = result.get("task").and_then(Value::as_object) {
        return artifacts(&format!("{path}/task"), task, 0);
    }
    let Some(tasks) = result.get("tasks").and_then(Value::as_array) else {
        return artifacts(path, result, 0);
    };
    let (mut all, mut first) = (Vec::new(), 0);
    for (at, task) in tasks.iter().enumerate() {
        let Some(task) = task.as_object() else { continue };
        all.extend(artifacts(&format!("{path}/tasks/{at}"), task, first));
        first += task.get("artifacts").and_then(Value::as_array).map_or(0, Vec::len);
    }
    all
}

/// Whether news says that a task is at its end.
fn is_over(result: &Members) -> bool {
    let update = result.get("statusUpdate").and_then(Value::as_object).unwrap_or(result);
    let state = update.get("status").and_then(|status| status.get("state")).and_then(Value::as_str);
    let state = state.unwrap_or_default().trim_start_matches("TASK_STATE_").to_ascii_lowercase();
    let over = ["completed", "canceled", "cancelled", "failed", "rejected"];
    update.get("final").and_then(Value::as_bool).unwrap_or(false) || over.contains(&state.as_str())
}

/// An event of the form of `event`, with a piece at `pointer`, that brings nothing but `text`: the
/// artifact goes on with it.
pub(in crate::validate) fn went_on(mut event: Value, pointer: &str, text: &str) -> Value {
    let Some((parts, _)) = pointer.rsplit_once("/parts/") else { return event };
    if let Some(artifact) = event.pointer_mut(parts).and_then(Value::as_object_mut) {
        let old = artifact.get("parts").and_then(|parts| parts.get(0));
        let kind = old.and_then(|part| part.get("kind")).cloned();
        let mut part = json!({ "text": text });
        if let (Some(part), Some(kind)) = (part.as_object_mut(), kind) {
            part.insert("kind".into(), kind);
        }
        artifact.insert("parts".into(), Value::Array(vec![part]));
    }
    let update = parts.rsplit_once("/artifact").map_or("", |(update, _)| update);
    if let Some(update) = event.pointer_mut(update).and_then(Value::as_object_mut) {
        update.insert("append".into(), true.into());
    }
    event
}
