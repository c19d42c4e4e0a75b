//! Is there a call to an agent that names a task of somebody else, and passes? And an answer that goes out with an
//! identifier that is not its caller's?
#![no_main]

use std::sync::Arc;

use bartizan_core::authenticate::api_key::Pepper;
use bartizan_core::authorize::{Grant, OnDeniedTool};
use bartizan_core::validate::a2a::{Agent, IdKey};
use bartizan_core::validate::{Call, Payload, Protocol};
use bytes::Bytes;
use http::{Method, Request};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

#[path = "../model.rs"]
mod model;

/// What the agent calls a task of somebody else, which no fuzzed call can have the tag of.
const FOREIGN: &str = "theirs";

const PATHS: [(&str, &str); 5] = [
    ("POST", "/v1/rpc"),
    ("POST", "/v1/message:send"),
    ("POST", "/v1/tasks/theirs:cancel"),
    ("GET", "/v1/tasks/theirs"),
    ("POST", "/v1/tasks/theirs/pushNotificationConfigs"),
];

fuzz_target!(|input: (u8, &str, &[u8])| {
    let (which, query, body) = input;
    let agent = Agent {
        url: "https://gate.example/v1".into(),
        below: true,
        path: "".into(),
        key: IdKey::derive(&Pepper::new(&[7; 32])),
        push: Vec::new(),
        schemes: Vec::new(),
    };
    let grant = model::grant_to(Protocol::A2a, OnDeniedTool::Refuse, Some(Arc::new(agent)));
    let (verb, path) = PATHS[usize::from(which) % PATHS.len()];
    let Some(mut call) = read(&grant, verb, &format!("{path}?{query}"), body) else { return };
    let target = call.take_target().expect("it goes somewhere").to_string();
    assert!(!target.starts_with("/tasks/theirs"), "a task without a tag passes: {target}");
    if let Payload::Whole(sent) = call.body()
        && !sent.is_empty()
    {
        let sent: Value = serde_json::from_slice(sent).expect("what goes on is JSON");
        let params = sent.get("params").unwrap_or(&sent);
        let message = params.get("message").unwrap_or(&Value::Null);
        for place in [&params["id"], &params["taskId"], &message["taskId"], &message["contextId"]] {
            let push = sent["method"].as_str().is_some_and(|method| method.contains("ush"));
            assert!(push || place != FOREIGN, "{sent}");
        }
    }
    let mut listener = call.take_listener().expect("somebody listens");
    let heard = listener.hear_whole(body, &grant);
    let Some(answer) = heard.instead else { return };
    let answer: Value = serde_json::from_slice(&answer).expect("what goes out is JSON");
    let result = answer.get("result").unwrap_or(&answer);
    if answer.get("error").is_none() && result.get("supportedInterfaces").is_none() {
        assert_ne!(result["taskId"], FOREIGN, "{answer}");
        assert_ne!(result["task"]["id"], FOREIGN, "{answer}");
    }
});

fn read(grant: &Grant, verb: &str, target: &str, body: &[u8]) -> Option<Call<()>> {
    let request = Request::builder().method(verb.parse::<Method>().ok()?).uri(target);
    let (head, ()) = request.header("content-type", "application/json").body(()).ok()?.into_parts();
    Call::parse(grant, &head, Payload::Whole(Bytes::copy_from_slice(body))).ok()
}
