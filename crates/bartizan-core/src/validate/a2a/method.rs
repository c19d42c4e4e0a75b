//! Which method of the protocol is it, by either of its names?

/// A method of A2A. The names are those of version 1.0; 0.3 has others for the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// `message/send`.
    SendMessage,
    /// `message/stream`.
    SendStreamingMessage,
    /// `tasks/get`.
    GetTask,
    /// `tasks/list`.
    ListTasks,
    /// `tasks/cancel`.
    CancelTask,
    /// `tasks/resubscribe`.
    SubscribeToTask,
    /// `tasks/pushNotificationConfig/set`.
    CreateTaskPushNotificationConfig,
    /// `tasks/pushNotificationConfig/get`.
    GetTaskPushNotificationConfig,
    /// `tasks/pushNotificationConfig/list`.
    ListTaskPushNotificationConfigs,
    /// `tasks/pushNotificationConfig/delete`.
    DeleteTaskPushNotificationConfig,
    /// `agent/getAuthenticatedExtendedCard`.
    GetExtendedAgentCard,
}

/// By which version's name a method was called: their parameters differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    /// 0.3.
    Old,
    /// 1.0.
    One,
}

const METHODS: [(Method, &str, &str); 11] = [
    (Method::SendMessage, "SendMessage", "message/send"),
    (Method::SendStreamingMessage, "SendStreamingMessage", "message/stream"),
    (Method::GetTask, "GetTask", "tasks/get"),
    (Method::ListTasks, "ListTasks", "tasks/list"),
    (Method::CancelTask, "CancelTask", "tasks/cancel"),
    (Method::SubscribeToTask, "SubscribeToTask", "tasks/resubscribe"),
    (
        Method::CreateTaskPushNotificationConfig,
        "CreateTaskPushNotificationConfig",
        "tasks/pushNotificationConfig/set",
    ),
    (
        Method::GetTaskPushNotificationConfig,
        "GetTaskPushNotificationConfig",
        "tasks/pushNotificationConfig/get",
    ),
    (
        Method::ListTaskPushNotificationConfigs,
        "ListTaskPushNotificationConfigs",
        "tasks/pushNotificationConfig/list",
    ),
    (
        Method::DeleteTaskPushNotificationConfig,
        "DeleteTaskPushNotificationConfig",
        "tasks/pushNotificationConfig/delete",
    ),
    (Method::GetExtendedAgentCard, "GetExtendedAgentCard", "agent/getAuthenticatedExtendedCard"),
];

impl Method {
    /// The method of this name in either version.
    pub(super) fn read(text: &str) -> Option<(Self, Version)> {
        METHODS.iter().find_map(|(method, name, old)| match text {
            _ if text == *name => Some((*method, Version::One)),
            _ if text == *old => Some((*method, Version::Old)),
            _ => None,
        })
    }

    /// Its name in version 1.0, by which rights are written.
    #[must_use]
    pub fn name(self) -> &'static str {
        METHODS.iter().find(|(method, ..)| *method == self).map_or("", |(_, name, _)| name)
    }

    /// All names of version 1.0.
    pub fn names() -> impl Iterator<Item = &'static str> {
        METHODS.iter().map(|(_, name, _)| *name)
    }

    /// Whether it begins or goes on with work of the agent.
    pub(super) fn sends(self) -> bool {
        matches!(self, Self::SendMessage | Self::SendStreamingMessage)
    }

    /// Whether its answer comes in events.
    pub(super) fn streams(self) -> bool {
        matches!(self, Self::SendStreamingMessage | Self::SubscribeToTask)
    }
}
