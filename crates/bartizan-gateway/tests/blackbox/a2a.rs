//! Do clients and agents of the official A2A SDK work through the gateway, by both bindings and in both
//! versions, and does each caller reach what is their own and nothing else?

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::gateway::{Gateway, folder_with};
use crate::http::ask;
use crate::python::{here, python};

const ANN: &str = "btz-ann-3f6a1c9e5b7d4820a1f3";
const BOB: &str = "btz-bob-90b1c2d3e4f5a6b7c8d9";

/// The agent. It is killed when this is dropped.
struct Agent {
    child: Child,
    address: SocketAddr,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    /// On a port that was free a moment ago.
    fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new(python())
            .args(["-B", "a2a_server.py", &address.port().to_string()])
            .current_dir(here())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let agent = Self { child, address };
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "the agent does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        agent
    }

    async fn seen(&self) -> Vec<Value> {
        let answer = ask("GET", "/seen").at(self.address).await;
        serde_json::from_slice(&answer.body).unwrap()
    }
}

fn configuration(own: &str, agent: SocketAddr) -> String {
    let [ann, bob] = [ANN, BOB].map(|key| {
        Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    });
    format!(
        r#"
server: {{ public_url: "{own}" }}
auth:
  api_keys:
    keys:
      - {{ id: ann, hash: "sha256:{ann}", scopes: ["agents:call"] }}
      - {{ id: bob, hash: "sha256:{bob}", scopes: ["agents:call"] }}
access: {{ roles: {{ admin: {{ permissions: [] }} }} }}
actions: {{ enabled: false }}
pii: {{ request: {{ detect: [EMAIL], action: mask }}, response: {{ detect: [EMAIL], action: mask }} }}
endpoints:
  - path: "/hello/{{*rest}}"
    protocol: a2a
    scopes: ["agents:call"]
    skills: {{ echo: {{}}, wipe: {{ roles: [admin] }} }}
    push_hosts: [hooks.example.com]
    upstream: {{ url: "http://{agent}" }}
  - path: "/reader/{{*rest}}"
    protocol: a2a
    scopes: ["agents:call"]
    methods: {{ "Get*": {{}} }}
    upstream: {{ url: "http://{agent}" }}
  - path: "/strict/{{*rest}}"
    protocol: a2a
    scopes: ["agents:call"]
    pii: {{ request: {{ detect: [CREDIT_CARD], action: block }}, response: {{ detect: [EMAIL], action: block }} }}
    upstream: {{ url: "http://{agent}" }}
"#
    )
}

async fn card(gateway: &Gateway) -> Value {
    let asked = ask("GET", "/hello/.well-known/agent-card.json").header("x-api-key", ANN);
    asked.at(gateway.address).await.json()
}

/// A gateway in front of the agent. Its own address is known only when it listens, so it is told it by
/// a reload.
async fn gateway(agent: &Agent) -> (Gateway, String) {
    let folder = folder_with(&configuration("http://127.0.0.1:1", agent.address));
    let gateway = Gateway::in_folder(&folder, &[]);
    let url = format!("http://{}", gateway.address);
    let configuration = configuration(&url, agent.address);
    std::fs::write(folder.path().join("bartizan.yaml"), configuration).unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    while !card(&gateway).await.to_string().contains(&url) {
        assert!(Instant::now() < end, "the gateway does not learn its address");
    }
    (gateway, url)
}

const MASKED: &str = "***************";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_sdk_works_unchanged_and_raises_its_own_errors() {
    let agent = Agent::start();
    let (gateway, url) = gateway(&agent).await;
    let base = format!("{url}/hello");
    let client = tokio::task::spawn_blocking({
        let base = base.clone();
        move || {
            let client = Command::new(python())
                .args(["-B", "a2a_client.py", &base, ANN, BOB])
                .current_dir(here())
                .output();
            client.unwrap()
        }
    });
    let client = client.await.unwrap();
    assert!(client.status.success(), "{}", String::from_utf8_lossy(&client.stderr));
    let told: Value = serde_json::from_slice(&client.stdout).unwrap();

    let urls = [format!("{base}/~rpc"), base.clone(), format!("{base}/rpc")];
    assert_eq!(
        told["card"],
        json!({ "urls": urls, "skills": ["echo"], "schemes": ["apiKey", "bearer"], "push": true,
            "signatures": 0 })
    );
    assert_eq!(told["older card"], json!(urls));
    assert_eq!(told["extended card"], json!([urls, 1]));
    assert_eq!(told["bad key"], "AgentCardResolutionError");
    for name in ["rpc", "rest", "old"] {
        let said = |key: &str| &told[format!("{name} {key}")];
        let echo = format!("heard: I am {MASKED}");
        assert_eq!(said("echo"), &json!([["message", echo]]), "{name}");
        let artifact = format!("Ask {MASKED} about it.");
        assert_eq!((said("streamed"), said("artifact")), (&json!(artifact), &json!(artifact)));
        assert_eq!(said("same"), true);
        for other in ["get", "cancel", "subscribe", "continue", "refer", "notify"] {
            assert_eq!(said(&format!("other {other}")), "TaskNotFoundError", "{name} {other}");
        }
        assert_eq!(said("unknown get"), "TaskNotFoundError");
        let target = "https://hooks.example.com/x";
        assert_eq!(said("notify"), &json!([true, target]));
        assert_eq!(said("notified"), &json!([true, target]));
        assert_eq!(said("notify inside"), "InvalidParamsError");
        for denied in ["skill", "no skill"] {
            assert_eq!(said(denied), "UnsupportedOperationError", "{name} {denied}");
        }
        assert_eq!(said("cancelled"), "TASK_STATE_CANCELED");
        if name != "old" {
            assert_eq!(
                (said("listed"), said("other lists")),
                (&json!(true), &json!("InvalidParamsError"))
            );
        }
    }
    for call in agent.seen().await {
        let text = call.to_string();
        assert!(!text.contains("btz-") && !text.contains("bob@"), "{text}");
        assert!(!text.contains("169.254"), "{text}");
    }
    audited(&gateway);
}

/// What the log says of it.
fn audited(gateway: &Gateway) {
    let records = gateway.records();
    let events =
        |event: &str| records.iter().filter(|one| one["event"] == event).collect::<Vec<_>>();
    let calls = events("TOOL_CALL");
    let sent =
        calls.iter().find(|call| call["details"]["method"] == "SendStreamingMessage").unwrap();
    assert_eq!(sent["details"]["tool"], "echo");
    assert_eq!(sent["details"]["arguments_sha256"].as_str().unwrap().len(), 64);
    assert!(!events("TOOL_SUCCESS").is_empty());
    let reasons: Vec<_> =
        events("ACCESS_DENIED").iter().filter_map(|denied| denied["reason"].as_str()).collect();
    for reason in [
        "the task is not known",
        "the skill `wipe` is not granted",
        "the message names no skill, and not all skills are granted: name one by `skillId`",
    ] {
        assert!(reasons.contains(&reason), "{reason}: {reasons:?}");
    }
}

/// A call by JSON-RPC; the status, and the answer.
async fn rpc(
    gateway: &Gateway,
    key: &str,
    path: &str,
    method: &str,
    params: Value,
) -> (u16, Value) {
    let mut call = json!({ "jsonrpc": "2.0", "id": "seven", "method": method });
    call["params"] = params;
    let asked = ask("POST", path).header("x-api-key", key).header("a2a-version", "1.0").json(&call);
    let answer = asked.at(gateway.address).await;
    (answer.status, answer.json())
}

fn message(text: &str) -> Value {
    let parts = json!([{ "text": text }]);
    json!({ "message": { "messageId": "m", "role": "ROLE_USER", "parts": parts } })
}

#[tokio::test]
async fn refusals_are_errors_of_the_call_and_tell_nothing_of_what_is_there() {
    let agent = Agent::start();
    let (gateway, _) = gateway(&agent).await;
    let (_, open) = rpc(&gateway, ANN, "/reader/~rpc", "SendMessage", message("x")).await;
    assert_eq!((&open["id"], &open["error"]["code"]), (&json!("seven"), &json!(-32004)));
    let (status, unknown) = rpc(&gateway, ANN, "/reader/~rpc", "tasks/erase", json!({})).await;
    assert_eq!((status, &unknown["error"]["code"]), (200, &json!(-32601)));

    let (_, begun) = rpc(&gateway, ANN, "/strict/~rpc", "SendMessage", message("x")).await;
    assert_eq!(begun["result"]["message"]["parts"][0]["text"], "heard: x");
    let (status, card) =
        rpc(&gateway, ANN, "/strict/~rpc", "SendMessage", message("4012888888881881")).await;
    assert_eq!((status, &card["error"]["code"]), (200, &json!(-32602)), "{card}");
    assert!(!card.to_string().contains("4012"));
    let (status, withheld) =
        rpc(&gateway, ANN, "/strict/~rpc", "SendMessage", message("a task")).await;
    assert_eq!((status, &withheld["error"]["code"]), (502, &json!(-32006)), "{withheld}");

    let not_found = |answer: Value| answer["error"]["message"].clone();
    let (_, made_up) = rpc(&gateway, BOB, "/hello/~rpc", "GetTask", json!({ "id": "x" })).await;
    let other = "3c5f0f3e-8d67-4d3e-9a53-8f7a4d1b2c3e.abcdefghijklmnopabcdefghijklmnop";
    let (_, foreign) = rpc(&gateway, BOB, "/hello/~rpc", "GetTask", json!({ "id": other })).await;
    assert_eq!(not_found(made_up), not_found(foreign));

    let rest = ask("GET", "/hello/tasks/x").header("x-api-key", BOB).at(gateway.address).await;
    let body = rest.json();
    assert_eq!((rest.status, &body["error"]["status"]), (404, &json!("NOT_FOUND")));
    assert_eq!(body["error"]["details"][0]["reason"], "TASK_NOT_FOUND");
    let stranger = ask("POST", "/hello/~rpc").json(&json!({})).at(gateway.address).await;
    assert_eq!(stranger.status, 401);
    for path in ["/hello/docs", "/hello/tasks/x/files", "/hello/seen"] {
        let answer = ask("GET", path).header("x-api-key", ANN).at(gateway.address).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_stream_ends_before_what_must_not_pass_with_an_error_of_its_call() {
    let agent = Agent::start();
    let (gateway, _) = gateway(&agent).await;
    let call = json!({ "jsonrpc": "2.0", "id": 9, "method": "SendStreamingMessage",
        "params": message("a task") });
    let asked = ask("POST", "/strict/~rpc").header("x-api-key", ANN).header("a2a-version", "1.0");
    let answer = asked.json(&call).at(gateway.address).await;
    let text = answer.text();
    assert!(!text.contains("ple.org") && text.contains("\"Ask "), "{text}");
    let last = text.trim_end().rsplit("data: ").next().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(9), &json!(-32006)), "{last}");
}

#[tokio::test]
async fn tasks_stay_their_callers_own_over_a_restart() {
    let agent = Agent::start();
    let (mut gateway, url) = gateway(&agent).await;
    let path = "/hello/~rpc";
    let mut params = message("a task that stays open");
    params["message"]["metadata"] = json!({ "skillId": "echo" });
    let (_, begun) = rpc(&gateway, ANN, path, "SendMessage", params).await;
    let task = begun["result"]["task"]["id"].as_str().unwrap().to_owned();
    let folder = std::sync::Arc::clone(gateway.folder());
    gateway.kill();
    let again = Gateway::in_folder(&folder, &[]);
    assert_ne!(url, format!("http://{}", again.address), "only the address is another one");
    let get = |key| rpc(&again, key, path, "GetTask", json!({ "id": task }));
    assert_eq!(get(ANN).await.1["result"]["id"], task.as_str());
    assert_eq!(get(BOB).await.1["error"]["code"], -32001);
}
