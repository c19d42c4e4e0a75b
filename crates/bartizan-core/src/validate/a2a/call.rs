//! What does a call name? Tasks, contexts, skills and places to notify, wherever either version of the
//! protocol has them; what the agent is told is put in their place.

use serde_json::{Map, Value};

use super::super::Invalid;
use super::super::said::Unfit;
use super::ids::{Binder, Kind};
use super::method::{Method, Version};
use super::push::{self, PushHost};
use crate::authorize::Denial;
use crate::authorize::named::fold;

/// Members on which something is decided. Some readers take other spellings of them for the same
/// (`task_id`, `TaskID`): those are refused.
const MEANT: [&str; 17] = [
    "config",
    "configuration",
    "contextId",
    "id",
    "message",
    "metadata",
    "name",
    "parent",
    "params",
    "pushNotification",
    "pushNotificationConfig",
    "referenceTaskIds",
    "skillId",
    "taskId",
    "taskPushNotificationConfig",
    "url",
    "method",
];

/// All that a call to send a message may have. Readers of version 0.3 have a second name for its
/// `message`, `request`, and whoever reads that reads another message.
const SENT: [&str; 5] = ["configuration", "message", "metadata", "taskId", "tenant"];

/// The most tasks that a message may refer to.
const MOST_REFERENCES: usize = 64;

/// The members under which a call says where to notify, by version and binding.
const PUSH: [&str; 3] =
    ["pushNotificationConfig", "taskPushNotificationConfig", "pushNotification"];

/// A call while it is read.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) binder: &'a Binder,
    pub(super) hosts: &'a [PushHost],
    /// What it was found to name.
    pub(super) named: Named,
}

/// What a call names besides its method.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The context that it lists, as the agent knows it.
    pub(super) context: Option<String>,
    /// The skills that it asks for.
    pub(super) skills: Vec<String>,
    /// Whether it says where to notify.
    pub(super) notifies: bool,
}

type Members = Map<String, Value>;

impl Call<'_> {
    /// Reads the parameters, and puts in what the agent is to be told.
    pub(super) fn read(&mut self, params: &mut Members) -> Result<(), Unfit> {
        exact(params)?;
        self.metadata(params)?;
        match self.method {
            Method::SendMessage | Method::SendStreamingMessage => {
                if params.keys().any(|name| !SENT.contains(&name.as_str())) {
                    return Err(Invalid::Member("params").into());
                }
                self.message(object(params, "message")?.ok_or(Invalid::Member("message"))?)?;
                if let Some(configuration) = object(params, "configuration")? {
                    self.configuration(configuration)?;
                }
                self.task(params, "taskId")
            }
            Method::GetTask | Method::CancelTask | Method::SubscribeToTask => {
                self.task(params, "id")?;
                self.task(params, "taskId")?;
                self.resource(params, "name")
            }
            Method::ListTasks => {
                self.context(params)?;
                self.named.context = text(params, "contextId")?.map(str::to_owned);
                Ok(())
            }
            Method::CreateTaskPushNotificationConfig
            | Method::GetTaskPushNotificationConfig
            | Method::ListTaskPushNotificationConfigs
            | Method::DeleteTaskPushNotificationConfig => self.notification(params),
            Method::GetExtendedAgentCard => Ok(()),
        }
    }

    fn notification(&mut self, params: &mut Members) -> Result<(), Unfit> {
        self.task(params, "taskId")?;
        if self.version == Version::Old && self.method != Method::CreateTaskPushNotificationConfig {
            self.task(params, "id")?;
        }
        self.resource(params, "name")?;
        self.resource(params, "parent")?;
        if self.method == Method::CreateTaskPushNotificationConfig {
            self.target(params)?;
        }
        Ok(())
    }

    fn message(&mut self, message: &mut Members) -> Result<(), Unfit> {
        exact(message)?;
        self.metadata(message)?;
        self.task(message, "taskId")?;
        self.context(message)?;
        let references = match message.get_mut("referenceTaskIds") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(all)) if all.len() <= MOST_REFERENCES => all,
            Some(_) => return Err(Invalid::Member("referenceTaskIds").into()),
        };
        for reference in references {
            let id = reference.as_str().ok_or(Invalid::Member("referenceTaskIds"))?;
            *reference = self.open(id)?.into();
        }
        Ok(())
    }

    fn configuration(&mut self, configuration: &mut Members) -> Result<(), Unfit> {
        exact(configuration)?;
        for member in PUSH {
            if let Some(push) = object(configuration, member)? {
                self.task(push, "taskId")?;
                self.target(push)?;
            }
        }
        Ok(())
    }

    /// Where to notify, in whichever of its shapes.
    fn target(&mut self, push: &mut Members) -> Result<(), Unfit> {
        exact(push)?;
        self.resource(push, "name")?;
        for inner in ["config", "pushNotificationConfig"] {
            if let Some(inner) = object(push, inner)? {
                self.target(inner)?;
            }
        }
        if let Some(url) = text(push, "url")? {
            if self.hosts.is_empty() {
                return Err(Denial::Notifications.into());
            }
            let target = push::target(url, self.hosts).ok_or(Denial::Target)?;
            push.insert("url".into(), target.into());
            self.named.notifies = true;
        }
        Ok(())
    }

    fn metadata(&mut self, members: &mut Members) -> Result<(), Unfit> {
        let Some(metadata) = object(members, "metadata")? else { return Ok(()) };
        let other = |name: &&String| plain(name) == "skillid" && *name != "skillId";
        if metadata.keys().any(|name| other(&name)) {
            return Err(Invalid::Member("skillId").into());
        }
        self.named.skills.extend(text(metadata, "skillId")?.map(str::to_owned));
        Ok(())
    }

    fn task(&self, members: &mut Members, member: &'static str) -> Result<(), Unfit> {
        let Some(id) = text(members, member)? else { return Ok(()) };
        let id = self.open(id)?;
        members.insert(member.into(), id.into());
        Ok(())
    }

    /// The name of a resource, `tasks/ID/pushNotificationConfigs/NAME`, as version 0.3 has it in its
    /// HTTP+JSON binding.
    fn resource(&self, members: &mut Members, member: &'static str) -> Result<(), Unfit> {
        let Some(name) = text(members, member)? else { return Ok(()) };
        let Some(rest) = name.strip_prefix("tasks/") else {
            return Err(Invalid::Member(member).into());
        };
        let (id, behind) =
            rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let name = format!("tasks/{}{behind}", self.open(id)?);
        members.insert(member.into(), name.into());
        Ok(())
    }

    fn context(&self, members: &mut Members) -> Result<(), Unfit> {
        let Some(id) = text(members, "contextId")? else { return Ok(()) };
        let id = self.binder.context(id).ok_or(Invalid::Member("contextId"))?;
        members.insert("contextId".into(), id.into());
        Ok(())
    }

    /// A task of the caller, as the agent knows it.
    pub(super) fn open(&self, id: &str) -> Result<String, Unfit> {
        let own = self.binder.open(Kind::Task, id);
        own.map(str::to_owned).ok_or_else(|| Denial::Task.into())
    }
}

/// Refuses other spellings of names that mean something.
fn exact(members: &Members) -> Result<(), Invalid> {
    for name in members.keys() {
        let plain_name = plain(name);
        let meant = MEANT.iter().find(|meant| plain(meant) == plain_name);
        if let Some(meant) = meant.filter(|meant| *meant != name) {
            return Err(Invalid::Member(meant));
        }
    }
    Ok(())
}

/// A name without what some readers do not tell apart.
pub(super) fn plain(name: &str) -> String {
    fold(name).replace(['_', '-'], "")
}

/// Whether a name means something, in any spelling.
pub(super) fn is_meant(name: &str) -> bool {
    let name = plain(name);
    MEANT.iter().any(|meant| plain(meant) == name)
}

/// A member that is an object, or not there.
pub(super) fn object<'a>(
    members: &'a mut Members,
    name: &'static str,
) -> Result<Option<&'a mut Members>, Invalid> {
    match members.get_mut(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(_) => Err(Invalid::Member(name)),
    }
}

/// A member that is a text, or not there; an empty one is not.
pub(super) fn text<'a>(
    members: &'a Members,
    name: &'static str,
) -> Result<Option<&'a str>, Invalid> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Invalid::Member(name)),
    }
}
