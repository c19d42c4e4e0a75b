//! What is asked for at a path? The card, a method of the HTTP+JSON binding, or whatever the JSON-RPC
//! call in the body names.

use http::Method as Verb;

use super::method::Method;

/// The path by which an interface is reached that lies at the agent's own address.
pub(super) const ROOT: &str = "~rpc";

/// Segments before the first one that belongs to the protocol: a version, a tenant.
const MOST_BEFORE: usize = 4;

/// What a path asks for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Place<'a> {
    /// The public card.
    Card,
    /// A call by JSON-RPC, at the agent's own address or below it.
    Rpc(&'a str),
    /// A call by HTTP+JSON.
    Rest(Rest<'a>),
}

/// A call by HTTP+JSON, as far as its path says it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Rest<'a> {
    pub(super) method: Method,
    pub(super) task: Option<Task<'a>>,
}

/// A task that a path names.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Task<'a> {
    /// What stands before its identifier.
    pub(super) before: &'a str,
    pub(super) id: &'a str,
    /// What stands behind it.
    pub(super) behind: &'a str,
}

/// Reads `path`, which begins behind the agent's own address. The first segment that means something
/// decides, and all behind it must be as the protocol has it: nobody reads another call in it. `None`
/// where it is none.
pub(super) fn read<'a>(verb: &Verb, path: &'a str) -> Option<Place<'a>> {
    let whole: Vec<&str> = path.split('/').skip(1).collect();
    if whole == [ROOT] {
        return (verb == Verb::POST).then_some(Place::Rpc(""));
    }
    let Some(at) = whole.iter().position(is_reserved) else {
        // An interface may end in a slash.
        let plain = whole.iter().rev().skip(1).all(|segment| !segment.is_empty());
        // What is encoded here an agent decodes, and may find a word of the protocol in it.
        let plain = plain && !path.contains('%');
        return (verb == Verb::POST && plain).then_some(Place::Rpc(path));
    };
    let (before, ours) = whole.split_at_checked(at)?;
    let odd = |segment: &&str| segment.is_empty() || segment.contains('%');
    if before.len() > MOST_BEFORE || before.iter().any(odd) || ours.iter().any(|s| s.is_empty()) {
        return None;
    }
    let (get, post) = (verb == Verb::GET, verb == Verb::POST);
    let rest = |method| Some(Place::Rest(Rest { method, task: None }));
    match ours {
        [".well-known", "agent-card.json" | "agent.json"] if get => Some(Place::Card),
        ["message:send"] if post => rest(Method::SendMessage),
        ["message:stream"] if post => rest(Method::SendStreamingMessage),
        ["extendedAgentCard" | "authenticatedExtendedCard" | "card"] if get => {
            rest(Method::GetExtendedAgentCard)
        }
        ["tasks"] if get => rest(Method::ListTasks),
        ["tasks", id, behind @ ..] => of_task(verb, path, id, behind),
        _ => None,
    }
}

fn of_task<'a>(verb: &Verb, path: &'a str, id: &'a str, behind: &[&str]) -> Option<Place<'a>> {
    let (get, post) = (verb == Verb::GET, verb == Verb::POST);
    let (id, action) = id.split_once(':').map_or((id, None), |(id, action)| (id, Some(action)));
    let method = match (action, behind) {
        (None, []) if get => Method::GetTask,
        (Some("cancel"), []) if post => Method::CancelTask,
        (Some("subscribe"), []) if get || post => Method::SubscribeToTask,
        (None, ["pushNotificationConfigs"]) if get => Method::ListTaskPushNotificationConfigs,
        (None, ["pushNotificationConfigs"]) if post => Method::CreateTaskPushNotificationConfig,
        (None, ["pushNotificationConfigs", name]) if !name.contains(':') => match verb {
            _ if get => Method::GetTaskPushNotificationConfig,
            _ if *verb == Verb::DELETE => Method::DeleteTaskPushNotificationConfig,
            _ => return None,
        },
        _ => return None,
    };
    let (before, rest) = path.split_at_checked(path.find("tasks/")? + "tasks/".len())?;
    let behind = rest.strip_prefix(id)?;
    Some(Place::Rest(Rest { method, task: Some(Task { before, id, behind }) }))
}

/// Whether a segment belongs to the protocol, in whatever case: some agents do not care for it.
fn is_reserved(segment: &&str) -> bool {
    let words = ["tasks", ".well-known", "extendedAgentCard", "authenticatedExtendedCard", "card"];
    segment.contains(':') || words.iter().any(|word| word.eq_ignore_ascii_case(segment))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]
mod tests {
    use super::*;

    fn method(verb: &Verb, path: &str) -> Option<Method> {
        match read(verb, path)? {
            Place::Rest(rest) => Some(rest.method),
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn no_call_by_json_rpc_goes_where_an_agent_may_read_another() {
        for path in [
            "/message%3Asend",
            "/message%3asend",
            "/m%65ssage:send",
            "/%74asks/t",
            "/Tasks/t/pushNotificationConfigs",
            "/TASKS",
            "/a%2Fb",
            "/x%3Ay/message:send",
        ] {
            assert_eq!(read(&Verb::POST, path), None, "{path}");
        }
    }

    #[test]
    fn every_path_of_both_versions_is_read() {
        for (verb, path, expected) in [
            (Verb::POST, "/v1/message:send", Method::SendMessage),
            (Verb::POST, "/message:stream", Method::SendStreamingMessage),
            (Verb::POST, "/acme/message:send", Method::SendMessage),
            (Verb::GET, "/v1/tasks/t-1", Method::GetTask),
            (Verb::GET, "/tasks", Method::ListTasks),
            (Verb::POST, "/tasks/t:cancel", Method::CancelTask),
            (Verb::GET, "/tasks/t:subscribe", Method::SubscribeToTask),
            (Verb::POST, "/tasks/t:subscribe", Method::SubscribeToTask),
            (
                Verb::POST,
                "/tasks/t/pushNotificationConfigs",
                Method::CreateTaskPushNotificationConfig,
            ),
            (
                Verb::DELETE,
                "/tasks/t/pushNotificationConfigs/c",
                Method::DeleteTaskPushNotificationConfig,
            ),
            (Verb::GET, "/extendedAgentCard", Method::GetExtendedAgentCard),
            (Verb::GET, "/v1/card", Method::GetExtendedAgentCard),
        ] {
            assert_eq!(method(&verb, path), Some(expected), "{path}");
        }
        assert_eq!(read(&Verb::GET, "/.well-known/agent.json"), Some(Place::Card));
        assert_eq!(read(&Verb::POST, "/a2a"), Some(Place::Rpc("/a2a")));
        assert_eq!(read(&Verb::POST, "/a2a/"), Some(Place::Rpc("/a2a/")));
        assert_eq!(read(&Verb::POST, "/~rpc"), Some(Place::Rpc("")));
        assert_eq!(read(&Verb::POST, ""), Some(Place::Rpc("")));
    }

    #[test]
    fn a_path_that_another_reader_may_read_otherwise_is_none() {
        for (verb, path) in [
            (Verb::GET, "/tasks/t/pushNotificationConfigs/tasks/u"),
            (Verb::GET, "/tasks/t/tasks/u"),
            (Verb::POST, "/tasks/message:send"),
            (Verb::POST, "/tasks/t:cancel:cancel"),
            (Verb::POST, "/x:y/message:send"),
            (Verb::GET, "/tasks/"),
            (Verb::GET, "/tasks//t"),
            (Verb::GET, "/a2a"),
            (Verb::POST, "//a2a"),
            (Verb::DELETE, "/tasks/t"),
            (Verb::GET, "/message:send"),
            (Verb::POST, "/a/b/c/d/e/message:send"),
            (Verb::POST, "/.well-known/agent.json"),
        ] {
            assert_eq!(read(&verb, path), None, "{verb} {path}");
        }
    }

    #[test]
    fn a_task_is_found_where_it_stands() {
        let Some(Place::Rest(Rest { task: Some(task), .. })) =
            read(&Verb::POST, "/x/tasks/t.1:cancel")
        else {
            panic!("it names a task")
        };
        assert_eq!((task.before, task.id, task.behind), ("/x/tasks/", "t.1", ":cancel"));
    }
}
