//! Is an agent reached only by calls that were understood, and are its tasks its callers' own?

use std::sync::Arc;

use bartizan_core::authenticate::api_key::Pepper;
use bartizan_core::authorize::{Denial, Grant, Named};
use bartizan_core::mask::{AnswerStream, Guard, Profile, screen_pieces};
use bartizan_core::validate::a2a::{Agent, IdKey, PushHost, Scheme};
use bartizan_core::validate::{Call, Heard, Invalid, Listener, Payload, Protocol, Unfit};
use bartizan_pii::{Action, Config, Masker, Scanner};
use bytes::Bytes;
use http::{Method, Request};
use serde_json::{Value, json};

use super::place::{Place, rules, sent};

/// The agent lies at `http://inside:9000/svc`, and is reached at `https://gate.example/v1`.
fn agent() -> Agent {
    Agent {
        url: "https://gate.example/v1".into(),
        below: true,
        path: "/svc".into(),
        key: IdKey::derive(&Pepper::new(&[7; 32])),
        push: vec![PushHost::parse("hooks.example.com").unwrap()],
        schemes: vec![
            Scheme::Bearer,
            Scheme::ApiKey("x-api-key".into()),
            Scheme::OpenId("https://id.example/.well-known/openid-configuration".into()),
        ],
    }
}

fn place() -> Place {
    Place { agent: Some(Arc::new(agent())), ..Place::new(Protocol::A2a) }
}

struct Read {
    grant: Grant,
    target: String,
    call: Call<()>,
}

fn read(place: &Place, caller: &str, verb: Method, path: &str, body: &str) -> Result<Read, Unfit> {
    let grant = place.grant_to(caller);
    let request =
        Request::builder().method(verb).uri(path).header("content-type", "application/json");
    let (head, ()) = request.body(()).unwrap().into_parts();
    let mut call = Call::parse(&grant, &head, Payload::Whole(Bytes::from(body.to_owned())))?;
    let target = call.take_target().map(|target| target.to_string()).unwrap_or_default();
    Ok(Read { grant, target, call })
}

impl Read {
    fn listener(&mut self) -> Listener {
        self.call.take_listener().unwrap()
    }

    fn answer(&mut self, answer: &Value) -> Value {
        let heard = self.listener().hear_whole(answer.to_string().as_bytes(), &self.grant);
        serde_json::from_slice(&heard.instead.unwrap()).unwrap()
    }
}

fn rpc(place: &Place, caller: &str, method: &str, params: Value) -> Result<Read, Unfit> {
    let mut call = json!({ "jsonrpc": "2.0", "id": 1, "method": method });
    call["params"] = params;
    read(place, caller, Method::POST, "/v1/a2a", &call.to_string())
}

/// What the caller gets to know of the task `t-1` in the context `c-1`, after a message.
fn own(caller: &str) -> (String, String) {
    let message =
        json!({ "message": { "messageId": "m", "role": "ROLE_USER", "parts": [{ "text": "x" }] } });
    let mut read = rpc(&place(), caller, "SendMessage", message).unwrap();
    let task =
        json!({ "id": "t-1", "contextId": "c-1", "status": { "state": "TASK_STATE_WORKING" } });
    let told = read.answer(&json!({ "jsonrpc": "2.0", "id": 1, "result": { "task": task } }));
    let text = |at| told.pointer(at).unwrap().as_str().unwrap().to_owned();
    (text("/result/task/id"), text("/result/task/contextId"))
}

fn denial<T>(read: Result<T, Unfit>) -> Denial {
    match read {
        Err(Unfit::Denied(denial)) => denial,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it passes"),
    }
}

fn invalid<T>(read: Result<T, Unfit>) -> Invalid {
    match read {
        Err(Unfit::Invalid(invalid)) => invalid,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it passes"),
    }
}

#[test]
fn a_task_is_reached_by_whoever_began_it_and_by_nobody_else() {
    let (ann, place) = (own("ann").0, place());
    for (method, member) in [
        ("GetTask", "id"),
        ("tasks/get", "id"),
        ("CancelTask", "id"),
        ("tasks/cancel", "id"),
        ("SubscribeToTask", "id"),
        ("tasks/resubscribe", "id"),
        ("GetTaskPushNotificationConfig", "taskId"),
        ("tasks/pushNotificationConfig/get", "id"),
        ("tasks/pushNotificationConfig/list", "id"),
        ("DeleteTaskPushNotificationConfig", "taskId"),
        ("CreateTaskPushNotificationConfig", "taskId"),
        ("tasks/pushNotificationConfig/set", "taskId"),
    ] {
        let with = |caller: &str, id: &str| rpc(&place, caller, method, json!({ member: id }));
        let read = with("ann", &ann).unwrap();
        assert_eq!(sent(&read.call)["params"][member], "t-1", "{method}");
        assert_eq!(read.target, "/svc/a2a");
        for (caller, id) in
            [("bob", ann.as_str()), ("ann", "t-1"), ("bob", "t-1"), ("ann", "made-up")]
        {
            assert_eq!(denial(with(caller, id)), Denial::Task, "{method} {caller} {id}");
        }
    }
}

#[test]
fn a_message_names_no_task_of_another_caller_in_any_place() {
    let ((ann, context), place) = (own("ann"), place());
    let (bob, _) = own("bob");
    let message = |member: &str, value: Value| {
        let mut message = json!({ "messageId": "m", "role": "user", "parts": [] });
        message[member] = value;
        rpc(&place, "ann", "message/send", json!({ "message": message }))
    };
    let read = message("taskId", json!(ann)).unwrap();
    assert_eq!(sent(&read.call)["params"]["message"]["taskId"], "t-1");
    let read = message("referenceTaskIds", json!([ann])).unwrap();
    assert_eq!(sent(&read.call)["params"]["message"]["referenceTaskIds"], json!(["t-1"]));
    assert_eq!(denial(message("taskId", json!(bob))), Denial::Task);
    assert_eq!(denial(message("referenceTaskIds", json!([ann, bob]))), Denial::Task);
    let read = message("contextId", json!(context)).unwrap();
    assert_eq!(sent(&read.call)["params"]["message"]["contextId"], "c-1");
    let read = message("contextId", json!("c-1")).unwrap();
    assert_ne!(sent(&read.call)["params"]["message"]["contextId"], "c-1", "it is one of ann's own");
}

#[test]
fn another_spelling_that_some_readers_take_is_refused() {
    let place = place();
    for (member, value) in [
        ("task_id", json!("t-1")),
        ("TaskId", json!("t-1")),
        ("context_id", json!("c-1")),
        ("reference_task_ids", json!(["t-1"])),
        ("taskId", json!(["t-1"])),
        ("taskId", json!({ "x": "t-1" })),
    ] {
        let mut message = json!({ "messageId": "m", "parts": [] });
        message[member] = value;
        let read = rpc(&place, "ann", "SendMessage", json!({ "message": message }));
        assert!(matches!(invalid(read), Invalid::Member(_)), "{member}");
    }
    let push = json!({ "message": { "parts": [] },
        "configuration": { "push_notification_config": { "url": "https://evil.example/" } } });
    assert!(matches!(invalid(rpc(&place, "ann", "SendMessage", push)), Invalid::Member(_)));
    for call in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "GetTask", "Params": { "id": "t-1" } }),
        json!({ "jsonrpc": "2.0", "id": 1, "Method": "x", "method": "GetExtendedAgentCard" }),
        json!({ "jsonrpc": "1.0", "id": 1, "method": "GetExtendedAgentCard" }),
        json!({ "jsonrpc": "2.0", "id": {}, "method": "GetExtendedAgentCard" }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": ["t-1"] }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {} }),
        json!([{ "jsonrpc": "2.0", "id": 1, "method": "GetExtendedAgentCard" }]),
    ] {
        let read = read(&place, "ann", Method::POST, "/v1/a2a", &call.to_string());
        assert!(matches!(invalid(read), Invalid::Member(_)), "{call}");
    }
}

#[test]
fn what_nobody_can_read_does_not_pass() {
    let place = place();
    assert_eq!(invalid(rpc(&place, "ann", "tasks/delete", json!({}))), Invalid::Method);
    assert_eq!(invalid(rpc(&place, "ann", "sendmessage", json!({}))), Invalid::Method);
    for (verb, path) in [
        (Method::GET, "/v1/a2a"),
        (Method::DELETE, "/v1/tasks/t"),
        (Method::GET, "/v1/tasks/t/artifacts"),
        (Method::GET, "/v1/docs:all"),
    ] {
        assert_eq!(denial(read(&place, "ann", verb, path, "")), Denial::Api, "{path}");
    }
    let unknown = Place { agent: None, ..Place::new(Protocol::A2a) };
    assert_eq!(denial(rpc(&unknown, "ann", "GetTask", json!({}))), Denial::Api);
}

#[test]
fn http_json_is_bound_in_paths_bodies_and_queries_alike() {
    let ((ann, context), place) = (own("ann"), place());
    let (bob, _) = own("bob");
    let get = |path: String| read(&place, "ann", Method::GET, &path, "");
    assert_eq!(
        get(format!("/v1/tasks/{ann}?historyLength=2")).unwrap().target,
        "/svc/tasks/t-1?historyLength=2"
    );
    assert_eq!(
        get(format!("/v1/acme/tasks/{ann}:subscribe")).unwrap().target,
        "/svc/acme/tasks/t-1:subscribe"
    );
    assert_eq!(denial(get(format!("/v1/tasks/{bob}"))), Denial::Task);
    for query in ["id=t-1", "taskId=t-1", "task%5Fid=t-1", "name=tasks/t-1", "message.taskId=t"] {
        let read = get(format!("/v1/tasks/{ann}?{query}"));
        assert_eq!(invalid(read), Invalid::Member("query"), "{query}");
    }
    let cancel = |id: &str| {
        let body = json!({ "id": id }).to_string();
        read(&place, "ann", Method::POST, &format!("/v1/tasks/{ann}:cancel"), &body)
    };
    assert_eq!(sent(&cancel(&ann).unwrap().call)["id"], "t-1");
    assert_eq!(denial(cancel(&bob)), Denial::Task);
    let list = get(format!("/v1/tasks?contextId={context}&pageSize=3")).unwrap();
    assert_eq!(list.target, "/svc/tasks?contextId=c-1&pageSize=3");
    assert_eq!(invalid(get("/v1/tasks".into())), Invalid::Member("contextId"));
    assert_eq!(
        invalid(get(format!("/v1/tasks?contextId={context}&contextId={context}"))),
        Invalid::Member("query")
    );
    let body = json!({ "parent": format!("tasks/{ann}"), "config": { "name": format!("tasks/{bob}/pushNotificationConfigs/c") } });
    let path = format!("/v1/tasks/{ann}/pushNotificationConfigs");
    assert_eq!(denial(read(&place, "ann", Method::POST, &path, &body.to_string())), Denial::Task);
}

#[test]
fn a_list_holds_only_what_is_of_the_context_that_was_asked_for() {
    let (_, context) = own("ann");
    let mut read = rpc(&place(), "ann", "ListTasks", json!({ "contextId": context })).unwrap();
    let task = |id: &str, context: &str| json!({ "id": id, "contextId": context, "status": {} });
    let told = read.answer(&json!({ "jsonrpc": "2.0", "id": 1, "result": {
        "tasks": [task("t-1", "c-1"), task("t-9", "c-9"), { "id": "t-8", "status": {} }], "totalSize": 3 } }));
    let ids: Vec<_> =
        told["result"]["tasks"].as_array().unwrap().iter().map(|t| &t["id"]).collect();
    assert_eq!(ids, [&json!(own("ann").0)]);
    assert_eq!(told["result"]["totalSize"], 1);
    assert_eq!(invalid(rpc(&place(), "ann", "ListTasks", json!({}))), Invalid::Member("contextId"));
}

#[test]
fn identifiers_are_the_callers_wherever_an_answer_has_them() {
    let (task, context) = own("ann");
    let message = json!({ "kind": "message", "messageId": "m", "taskId": "t-1", "contextId": "c-1",
        "referenceTaskIds": ["t-1"], "parts": [{ "kind": "data", "data": { "taskId": "t-1" } }] });
    let bound = json!({ "kind": "message", "messageId": "m", "taskId": task, "contextId": context,
        "referenceTaskIds": [task], "parts": [{ "kind": "data", "data": { "taskId": "t-1" } }] });
    let old = json!({ "kind": "task", "id": "t-1", "contextId": "c-1", "history": [message],
        "status": { "state": "working", "message": message } });
    let send = json!({ "message": { "parts": [] } });
    for (answer, expected) in [
        (message.clone(), bound.clone()),
        (json!({ "message": message }), json!({ "message": bound })),
        (
            old,
            json!({ "kind": "task", "id": task, "contextId": context, "history": [bound],
            "status": { "state": "working", "message": bound } }),
        ),
        (
            json!({ "statusUpdate": { "taskId": "t-1", "contextId": "c-1", "status": { "message": message } } }),
            json!({ "statusUpdate": { "taskId": task, "contextId": context, "status": { "message": bound } } }),
        ),
        (
            json!({ "kind": "artifact-update", "taskId": "t-1", "artifact": {} }),
            json!({ "kind": "artifact-update", "taskId": task, "artifact": {} }),
        ),
    ] {
        let mut read = rpc(&place(), "ann", "message/send", send.clone()).unwrap();
        let told = read.answer(&json!({ "jsonrpc": "2.0", "id": 1, "result": answer }));
        assert_eq!(told["result"], expected);
    }
    let mut read = rpc(&place(), "ann", "message/send", send).unwrap();
    let failed = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32001, "message": "no" } });
    assert_eq!(read.answer(&failed), failed);
}

/// What an agent that says `{"status":…,"id":…}` of a text of the caller's cannot be made to do.
#[test]
fn a_caller_cannot_have_an_identifier_of_its_choice_bound() {
    let mut read = rpc(&place(), "ann", "GetTask", json!({ "id": own("ann").0 })).unwrap();
    let echoed = json!({ "messageId": "m", "id": "t-9", "status": {}, "task": { "id": "t-9", "status": {} },
        "parts": [{ "text": "x", "metadata": { "taskId": "t-9" } }], "metadata": { "taskId": "t-9" } });
    let task = json!({ "id": "t-1", "status": {}, "history": [echoed], "artifacts": [echoed] });
    let told = read.answer(&json!({ "jsonrpc": "2.0", "id": 1, "result": task }));
    assert!(!told.to_string().contains("t-9."), "{told}");
}

#[test]
fn what_is_no_answer_of_the_protocol_does_not_pass() {
    for answer in [
        "",
        "[]",
        "7",
        "{",
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"result":{"kind":"other"}}"#,
        r#"{"result":{"task":{"id":7,"status":{}}}}"#,
        r#"{"result":{"taskId":["t-1"]}}"#,
    ] {
        let send = json!({ "message": { "parts": [] } });
        let mut read = rpc(&place(), "ann", "SendMessage", send).unwrap();
        let heard = read.listener().hear_whole(answer.as_bytes(), &read.grant);
        assert!(heard.unsound && heard.instead.is_none(), "{answer}");
    }
}

#[test]
fn notifications_go_where_the_operator_says_and_only_by_a_right_to_them() {
    let (ann, place) = (own("ann").0, place());
    let shapes = |url: &str| {
        [
            ("CreateTaskPushNotificationConfig", json!({ "taskId": ann, "url": url })),
            (
                "tasks/pushNotificationConfig/set",
                json!({ "taskId": ann, "pushNotificationConfig": { "url": url } }),
            ),
            (
                "message/send",
                json!({ "message": { "parts": [] }, "configuration": { "pushNotificationConfig": { "url": url } } }),
            ),
            (
                "SendMessage",
                json!({ "message": { "parts": [] }, "configuration": { "taskPushNotificationConfig": { "url": url } } }),
            ),
        ]
    };
    for (method, params) in shapes("https://Hooks.example.com/x") {
        let read = rpc(&place, "ann", method, params).unwrap();
        assert!(sent(&read.call).to_string().contains("\"https://hooks.example.com/x\""));
    }
    for (method, params) in shapes("https://169.254.169.254/") {
        assert_eq!(denial(rpc(&place, "ann", method, params)), Denial::Target, "{method}");
    }
    let mut silent = Place::new(Protocol::A2a);
    silent.agent = Some(Arc::new(Agent { push: Vec::new(), ..agent() }));
    for (method, params) in shapes("https://hooks.example.com/x") {
        assert_eq!(denial(rpc(&silent, "ann", method, params)), Denial::Notifications);
    }
    let mut sends = self::place();
    sends.names.methods = Some(Arc::new(Named::new(rules(&["Send*"]))));
    let (_, params) = shapes("https://hooks.example.com/x")[3].clone();
    let denied = denial(rpc(&sends, "ann", "SendMessage", params));
    assert_eq!(denied, Denial::Method("CreateTaskPushNotificationConfig".into()));
}

#[test]
fn methods_and_skills_need_a_right_where_some_have_one() {
    let mut place = place();
    let mut skills = rules(&["echo", "admin.*"]);
    skills[1].roles = vec!["admin".into()];
    place.names.skills = Some(Arc::new(Named::new(skills)));
    place.names.methods = Some(Arc::new(Named::new(rules(&["Send*", "GetTask"]))));
    let send = |metadata: Value| {
        rpc(
            &place,
            "ann",
            "message/send",
            json!({ "message": { "parts": [], "metadata": metadata } }),
        )
    };
    let read = send(json!({ "skillId": "echo" })).unwrap();
    assert_eq!(read.call.tool().map(|tool| &**tool), Some("echo"));
    for skill in ["admin.wipe", "other"] {
        assert_eq!(denial(send(json!({ "skillId": skill }))), Denial::Skill(skill.into()));
    }
    assert_eq!(denial(send(json!({}))), Denial::Skill("*".into()), "it may want any");
    assert_eq!(invalid(send(json!({ "skill_id": "admin.wipe" }))), Invalid::Member("skillId"));
    let cancel = rpc(&place, "ann", "tasks/cancel", json!({ "id": own("ann").0 }));
    assert_eq!(denial(cancel), Denial::Method("CancelTask".into()));
    let both = json!({ "metadata": { "skillId": "admin.wipe" },
        "message": { "parts": [], "metadata": { "skillId": "echo" } } });
    assert_eq!(denial(rpc(&place, "ann", "SendMessage", both)), Denial::Skill("admin.wipe".into()));
}

fn card(place: &Place, card: &Value) -> Heard {
    let path = "/v1/.well-known/agent-card.json";
    let mut read = read(place, "ann", Method::GET, path, "").unwrap();
    assert_eq!(read.target, "/svc/.well-known/agent-card.json");
    read.listener().hear_whole(card.to_string().as_bytes(), &read.grant)
}

#[test]
fn a_card_leads_to_the_gate_and_shows_what_the_caller_may_use() {
    let mut place = place();
    place.names.skills = Some(Arc::new(Named::new(rules(&["echo"]))));
    place.names.methods = Some(Arc::new(Named::new(rules(&["Send*"]))));
    let heard = card(
        &place,
        &json!({
            "name": "hello", "url": "http://inside:9000/svc/", "preferredTransport": "JSONRPC",
            "additionalInterfaces": [
                { "url": "http://inside:9000/svc/a2a", "transport": "JSONRPC" },
                { "url": "inside:9001", "transport": "GRPC" }],
            "supportedInterfaces": [
                { "url": "http://inside:9000/svc/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0" },
                { "url": "http://inside:9000/svc", "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0" },
                { "url": "http://inside:9000/other", "protocolBinding": "JSONRPC" },
                { "url": "http://inside:9001", "protocolBinding": "GRPC" }],
            "iconUrl": "http://inside:9000/icon.png", "documentationUrl": "https://docs.example/",
            "capabilities": { "streaming": true, "pushNotifications": true, "extendedAgentCard": true },
            "supportsAuthenticatedExtendedCard": true,
            "securitySchemes": { "own": { "type": "http", "scheme": "basic" } }, "security": [{ "own": [] }],
            "skills": [{ "id": "echo", "security": [{ "own": [] }] }, { "id": "wipe" }, {}],
            "signatures": [{ "protected": "x", "signature": "y" }], "unknown": 7
        }),
    );
    let told: Value = serde_json::from_slice(&heard.instead.unwrap()).unwrap();
    assert_eq!(told["url"], "https://gate.example/v1/~rpc");
    assert_eq!(
        told["additionalInterfaces"],
        json!([{ "url": "https://gate.example/v1/a2a", "transport": "JSONRPC" }])
    );
    let urls: Vec<_> =
        told["supportedInterfaces"].as_array().unwrap().iter().map(|i| &i["url"]).collect();
    assert_eq!(urls, ["https://gate.example/v1/a2a", "https://gate.example/v1"]);
    assert_eq!(told["skills"], json!([{ "id": "echo" }]));
    assert_eq!(
        told["capabilities"],
        json!({ "streaming": true, "pushNotifications": false, "extendedAgentCard": false })
    );
    assert_eq!(told["supportsAuthenticatedExtendedCard"], false);
    let schemes = told["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer", "apiKey", "openId2"]);
    assert_eq!(schemes["bearer"]["type"], "http");
    assert_eq!(schemes["bearer"]["httpAuthSecurityScheme"], json!({ "scheme": "bearer" }));
    assert_eq!(told["security"][0], json!({ "bearer": [] }));
    assert_eq!(told["securityRequirements"][1], json!({ "schemes": { "apiKey": { "list": [] } } }));
    assert_eq!(
        (&told["unknown"], &told["documentationUrl"]),
        (&json!(7), &json!("https://docs.example/"))
    );
    let text = told.to_string();
    assert!(!text.contains("inside") && told.get("signatures").is_none(), "{text}");
}

#[test]
fn an_address_of_the_agent_is_found_in_whatever_member_and_spelling_it_stands() {
    let told = |said: &Value| -> Value {
        serde_json::from_slice(&card(&place(), said).instead.unwrap()).unwrap()
    };
    let spelled = json!({
        "name": "x",
        "url": "http://inside:9000/svc",
        "URL": "http://inside:9000/svc",
        "supported_interfaces": [{ "url": "http://inside:9000/svc", "protocol_binding": "JSONRPC" }],
        "additional_interfaces": [{ "url": "http://inside:9000/svc", "transport": "JSONRPC" }],
        "documentation_url": "http://inside:9000/docs",
        "icon-url": "http://inside:9000/icon.png",
        "security_schemes": { "own": { "type": "http" } },
        "provider": { "organization": "Acme", "url": "http://inside:9000/" },
        "additionalInterfaces": [
            { "URL": "http://inside:9000/svc", "url": "http://inside:9000/svc", "transport": "JSONRPC" },
        ],
        "skills": [{ "id": "echo", "manual": "http://inside:9000/manual", "see": ["http://INSIDE:9000/a", "b"] }],
        "capabilities": { "extensions": [{ "uri": "https://ext.example/1", "params": { "at": "http://inside:9000/x" } }] },
        "x-own": { "kept": true },
    });
    let seen = told(&spelled);
    let text = seen.to_string();
    assert!(!text.to_lowercase().contains("inside"), "{text}");
    assert_eq!(seen["provider"]["url"], "https://gate.example/v1");
    assert_eq!(seen["additionalInterfaces"][0]["transport"], "JSONRPC");
    assert_eq!(seen["capabilities"]["extensions"][0]["uri"], "https://ext.example/1");
    assert_eq!(seen["x-own"]["kept"], true);
    assert_eq!(seen["skills"], json!([{ "id": "echo", "see": ["b"] }]));
    let hidden = json!({
        "name": "x",
        "url": "http://inside:9000/svc",
        "additionalInterfaces": [{ "address": "http://deeper:9000/svc" }],
        "provider": { "organization": "Acme", "url": "http://deeper:9000/" },
    });
    let text = told(&hidden).to_string();
    assert!(!text.contains("deeper"), "{text}");
}

#[test]
fn a_card_by_which_nobody_could_call_through_the_gate_does_not_pass() {
    for bad in [
        json!({ "name": "x" }),
        json!({ "url": "http://inside:9000/svc" }),
        json!({ "name": "x", "url": "http://inside:9000/elsewhere" }),
        json!({ "name": "x", "url": "http://inside:9001", "preferredTransport": "GRPC" }),
        json!({ "name": "x", "supportedInterfaces": [] }),
        json!({ "name": "x", "supportedInterfaces": [{ "url": "http://inside:9000/svc" }] }),
        json!({ "name": "x", "url": "http://inside:9000/svc", "skills": {} }),
        json!([]),
    ] {
        assert!(card(&place(), &bad).unsound, "{bad}");
    }
}

#[test]
fn a_path_that_was_taken_from_a_card_leads_where_the_card_meant() {
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "GetExtendedAgentCard" }).to_string();
    let target = |path: &str, agent: Agent| {
        let place = Place { agent: Some(Arc::new(agent)), ..Place::new(Protocol::A2a) };
        read(&place, "ann", Method::POST, path, &call).unwrap().target
    };
    assert_eq!(target("/v1/~rpc", agent()), "/svc");
    assert_eq!(target("/v1/a2a/", agent()), "/svc/a2a/");
    assert_eq!(target("/v1/~rpc", Agent { path: "".into(), ..agent() }), "/");
    assert_eq!(target("/v1/a2a", Agent { path: "".into(), ..agent() }), "/a2a");
}

#[test]
fn a_card_for_everybody_may_have_an_endpoint_of_its_own() {
    let path = "/v1/.well-known/agent-card.json";
    let own = Place { path, ..place() };
    let mut read = read(&own, "ann", Method::GET, path, "").unwrap();
    assert_eq!(read.target, "/svc/.well-known/agent-card.json");
    let told = read.answer(&json!({ "name": "x", "url": "http://inside/svc/a2a" }));
    assert_eq!(told["url"], "https://gate.example/v1/a2a");
}

/// A stream of an artifact that comes in pieces of so many letters, and is begun anew once.
fn script(text: &str, pieces: usize, old: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mut push = |result: Value| {
        let event = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        out.extend(format!("data: {event}\r\n\r\n").into_bytes());
    };
    let update = |artifact: Value, append: bool, last: bool| match old {
        true => json!({ "kind": "artifact-update", "taskId": "t-1", "contextId": "c-1",
            "append": append, "lastChunk": last, "artifact": artifact }),
        false => json!({ "artifactUpdate": { "taskId": "t-1", "contextId": "c-1",
            "append": append, "lastChunk": last, "artifact": artifact } }),
    };
    let part = |text: &str| match old {
        true => json!({ "kind": "text", "text": text }),
        false => json!({ "text": text }),
    };
    push(json!({ "id": "t-1", "contextId": "c-1", "status": { "state": "working" } }));
    push(update(
        json!({ "artifactId": "a", "parts": [part("draft for carl@exam")] }),
        false,
        false,
    ));
    let letters: Vec<char> = text.chars().collect();
    let all: Vec<String> = letters.chunks(pieces).map(String::from_iter).collect();
    for (at, piece) in all.iter().enumerate() {
        let last = at + 1 == all.len() && pieces.is_multiple_of(2);
        let parts = [part(piece), part("")];
        push(update(json!({ "artifactId": "a", "parts": parts }), at > 0, last));
    }
    push(match old {
        true => {
            json!({ "kind": "status-update", "taskId": "t-1", "final": true, "status": { "state": "completed" } })
        }
        false => {
            json!({ "statusUpdate": { "taskId": "t-1", "status": { "state": "TASK_STATE_COMPLETED" } } })
        }
    });
    out
}

/// The text of the artifact as a client puts it together, and whether it all is its own.
fn artifact(stream: &[u8], (task, context): &(String, String)) -> String {
    let (mut text, stream) = (String::new(), String::from_utf8(stream.to_vec()).unwrap());
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let event: Value = serde_json::from_str(data).unwrap();
        assert_eq!((&event["jsonrpc"], &event["id"]), (&json!("2.0"), &json!(1)));
        let result = &event["result"];
        let update = result.get("artifactUpdate").unwrap_or(result);
        if let Some(parts) = update["artifact"]["parts"].as_array() {
            assert_eq!((&update["taskId"], &update["contextId"]), (&json!(task), &json!(context)));
            assert_eq!(update["artifact"]["artifactId"], "a");
            if update["append"] == false {
                text.clear();
            }
            text.extend(parts.iter().map(|part| part["text"].as_str().unwrap()));
        }
    }
    text
}

fn masker() -> Masker {
    Masker::new(Arc::new(Scanner::new(&Config::default()).unwrap()), Action::MASK)
}

fn streamed(raw: &[&[u8]]) -> Vec<u8> {
    let call = json!({ "message": { "parts": [] } });
    let mut read = rpc(&place(), "ann", "message/stream", call).unwrap();
    let guard = Some(Arc::new(Guard::new(masker())));
    let mut stream = AnswerStream::new(read.call.take_listener(), guard, &read.grant);
    let mut out = Vec::new();
    for chunk in raw {
        stream.feed(chunk, &read.grant, &mut out).unwrap();
    }
    stream.finish(&read.grant, &mut out).unwrap();
    out
}

const SAID: &str =
    "write to ann@example.org, or 078-05-1121 — naïve \"x\\y\"; a half: bob@example.co";

#[test]
fn a_value_spread_over_the_parts_of_an_artifact_is_masked_as_in_the_whole_text() {
    let own = own("ann");
    for (pieces, old) in [(1, true), (1, false), (2, true), (3, false), (6, false), (200, true)] {
        let out = streamed(&[&script(SAID, pieces, old)]);
        let expected = masker().mask_text(SAID).text.into_owned();
        assert_eq!(artifact(&out, &own), expected, "{pieces} {old}");
        let text = String::from_utf8_lossy(&out);
        assert!(!text.contains("example.org") && text.contains("draft for "), "{text}");
    }
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let raw = script("é ann@example.org \"", 4, false);
    let whole = streamed(&[&raw]);
    for cut in 0..raw.len() {
        let (left, right) = raw.split_at(cut);
        assert_eq!(streamed(&[left, right]), whole, "{cut}");
    }
}

#[test]
fn a_value_spread_over_the_parts_of_a_whole_task_is_masked() {
    let guard = Arc::new(Guard::new(masker()));
    let mut place = place();
    place.profile = Profile { response: Some(Arc::clone(&guard)), ..Profile::default() };
    let parts: Vec<_> = SAID.chars().map(|c| json!({ "text": c.to_string() })).collect();
    let task = json!({ "id": "t-1", "status": {}, "artifacts": [{ "parts": parts }, { "parts": [{ "text": "@x" }] }] });
    for (answer, at) in [
        (task.clone(), "/result/artifacts/0/parts"),
        (json!({ "task": task }), "/result/task/artifacts/0/parts"),
    ] {
        let mut read =
            rpc(&place, "ann", "message/send", json!({ "message": { "parts": [] } })).unwrap();
        let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": answer }).to_string();
        let heard = read.listener().hear_whole(answer.as_bytes(), &read.grant);
        let (document, pieces) = (heard.instead.unwrap(), heard.pieces);
        let screened = screen_pieces(&guard, &document, &pieces, &read.grant).unwrap();
        let told: Value = serde_json::from_slice(&screened.bytes).unwrap();
        let parts = told.pointer(at).unwrap().as_array().unwrap();
        let text: String = parts.iter().map(|part| part["text"].as_str().unwrap()).collect();
        assert_eq!(text, masker().mask_text(SAID).text);
        assert!(!screened.detections.is_empty());
    }
}

#[test]
fn no_recognizer_takes_an_identifier_for_something_of_a_person() {
    for n in 0..20 {
        let caller = format!("caller-{n}");
        let (task, context) = own(&caller);
        let text = json!({ "id": task, "contextId": context }).to_string();
        let all = Masker::new(Arc::new(Scanner::new(&Config::default()).unwrap()), Action::MASK);
        assert_eq!(all.mask_text(&text).text, text, "{caller}");
    }
}

#[test]
fn nothing_beside_a_call_is_read_as_another_call() {
    let place = place();
    let sent = |more: Value| {
        let mut params =
            json!({ "message": { "messageId": "m", "role": "ROLE_USER", "parts": [] } });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let other = json!({ "messageId": "m", "taskId": "t-of-bob" });
    for name in ["request", "Request", "req_uest", "parts"] {
        let body = sent(json!({ name: other })).to_string();
        let refused =
            invalid(read(&place, "ann", Method::POST, "/v1/message:send", &body).map(drop));
        assert_eq!(refused, Invalid::Member("params"), "{name}");
    }
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": sent(json!({})),
        "message": other });
    assert_eq!(
        invalid(read(&place, "ann", Method::POST, "/v1/a2a", &call.to_string()).map(drop)),
        Invalid::Member("id")
    );
}
