//! Do the official SDKs see and call through the gateway what is granted, and nothing else? Behind it
//! stand servers as anybody installs them.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::gateway::Gateway;
use crate::http::{Answer, Ask, ask};
use crate::provider::node;
use crate::python::{here, python};

const READER: &str = "mcp-reader-5d0a7c21e94b4c6b8f13";
const ADMIN: &str = "mcp-admin-1f7be0c3a25d49e0b6c4";
const MODERN: &str = "2026-07-28";

/// A process that is killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn waited(mut command: Command, address: SocketAddr) -> Running {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(quiet.spawn().unwrap());
    let end = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "the MCP server does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    running
}

/// npm's server of everything.
fn everything() -> (Running, SocketAddr) {
    let address = free();
    let mut command = node("everything.mjs");
    command.env("PORT", address.port().to_string()).arg("streamableHttp");
    (waited(command, address), address)
}

/// A server of the Python SDK.
fn python_server() -> (Running, SocketAddr) {
    let address = free();
    let mut command = Command::new(python());
    command.arg("-B").arg(here().join("mcp_server.py")).arg(address.port().to_string());
    (waited(command, address), address)
}

fn gateway(upstream: SocketAddr, endpoint: &str) -> Gateway {
    let hash = |key: &str| {
        let digest = Sha256::digest(key);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    Gateway::configured(&format!(
        r#"
auth:
  api_keys:
    keys:
      - {{ id: reader, hash: "sha256:{}", scopes: ["mcp:use"] }}
      - {{ id: admin, hash: "sha256:{}", scopes: ["mcp:use"], roles: [admin] }}
access: {{ roles: {{ admin: {{ permissions: [] }} }} }}
endpoints:
  - path: /mcp
    protocol: mcp
    scopes: ["mcp:use"]
    upstream: {{ url: "http://{upstream}/mcp" }}
{endpoint}"#,
        hash(READER),
        hash(ADMIN)
    ))
}

const RIGHTS: &str = r#"
    tools:
      echo: {}
      "get-*": {}
      get-env: { roles: [admin] }
      get-sum: { arguments: { "/a": { maximum: 100 } } }
      trigger-sampling-request: {}
    resources: { "demo://resource/static/document/f*": {} }
    prompts: { simple-prompt: {} }
    server_requests: { "roots/list": {}, "sampling/createMessage": { roles: [admin] } }
    pii:
      request: { detect: [EMAIL], action: mask }
      response: { detect: [EMAIL], action: mask }
"#;

/// What a client printed, by the first word of each line.
fn printed(mut command: Command) -> Value {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: Vec<_> =
        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
    let all = lines.join("\n");
    assert!(child.wait().unwrap().success(), "{all}");
    let told = lines.iter().filter_map(|line| line.split_once(' '));
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| text.into());
    told.map(|(word, rest)| (word.to_owned(), value(rest)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_javascript_sees_and_calls_what_is_granted_and_nothing_else() {
    let (_server, upstream) = everything();
    let gateway = gateway(upstream, RIGHTS);
    let run = |key: &str| {
        let mut client = node("mcp_client.mjs");
        client.arg(gateway.url("/mcp")).arg(key);
        printed(client)
    };
    let (reader, admin) = (run(READER), run(ADMIN));
    let tools = reader["tools"].to_string();
    assert!(tools.contains("\"echo\"") && tools.contains("\"get-sum\""), "{tools}");
    assert!(!tools.contains("get-env") && !tools.contains("gzip"), "{tools}");
    assert!(admin["tools"].to_string().contains("get-env"));
    // It is not told that the client could be asked, so it does not even offer this.
    assert!(!tools.contains("sampling"), "{tools}");
    assert!(!reader["sampling"].to_string().contains("sampled"), "{reader}");
    // Who may be asked is asked, and what they say is masked on its way in.
    let sampled = admin["sampling"].to_string();
    assert!(sampled.contains("sampled for ***************"), "{sampled}");
    assert!(!sampled.contains("ann@"), "{sampled}");
    assert_eq!(reader["prompts"], json!(["simple-prompt"]));
    assert_eq!(reader["resources"], json!(["demo://resource/static/document/features.md"]));
    assert_eq!(reader["prompt"], 1);

    // What is masked on the way in is masked in the echo; numbers and structure stay what they are.
    assert_eq!(reader["echo"], "Echo: hello ***************");
    assert_eq!(reader["sum"], "The sum of 2 and 3 is 5.");
    assert_eq!(reader["large"]["code"], -32602);
    assert!(reader["structured"]["temperature"].is_number(), "{reader}");

    // A tool that is there and hidden, and one that is nowhere: the same words.
    let told =
        |name: &str| reader[name].to_string().replace("get-env", "X").replace("get-xyz", "X");
    assert_eq!(told("hidden"), told("nowhere"));
    assert_eq!(reader["hidden"]["code"], -32602);
    assert_eq!(
        reader["denied"],
        "prompt {\"code\":-32602,\"message\":\"MCP error -32602: Unknown prompt: args-prompt\"}"
    );

    let records = gateway.records();
    let of = |event: &str, tool: &str| {
        records.iter().filter(|r| r["event"] == event && r["details"]["tool"] == tool).count()
    };
    assert_eq!((of("TOOL_CALL", "echo"), of("TOOL_SUCCESS", "echo")), (2, 2));
    assert_eq!(of("TOOL_CALL", "get-env"), 1, "the reader's call never departed");
    assert_eq!((of("TOOL_CALL", "get-xyz"), of("TOOL_FAILURE", "get-xyz")), (2, 2));
    let denied = records.iter().filter(|r| r["event"] == "ACCESS_DENIED");
    assert!(denied.clone().count() >= 3, "{:?}", denied.collect::<Vec<_>>());
    let log = std::fs::read_to_string(gateway.log()).unwrap();
    assert!(!log.contains("ann@example.org") && !log.contains(READER), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_python_talks_in_the_newest_revision_to_a_server_of_its_own() {
    let (_server, upstream) = python_server();
    let gateway =
        gateway(upstream, "    tools: { add: {}, poison: {} }\n    mcp: { on_change: block }\n");
    let run = || {
        let mut client = Command::new(python());
        client.args(["-B", "mcp_plain_client.py", &gateway.url("/mcp"), READER]);
        client.current_dir(here());
        printed(client)
    };
    let told = run();
    assert_eq!((&told["tools"], &told["sum"]), (&json!("add poison"), &json!(5)), "{told}");
    assert_eq!(told["hidden"], told["nowhere"], "{told}");
    assert_eq!(told["version"], MODERN);
    // The client had it changed: it is gone, and the log says why.
    let told = run();
    assert_eq!(told["tools"], "poison", "{told}");
    let alerts = |records: &[Value]| {
        records
            .iter()
            .filter(|record| record["event"] == "SECURITY_ALERT")
            .cloned()
            .collect::<Vec<_>>()
    };
    let alerts = alerts(&gateway.records());
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0]["details"]["tool"], "add");
    assert!(!alerts[0].to_string().contains("id_rsa"));
}

fn message(key: &str, body: &Value) -> Ask {
    let accept = "application/json, text/event-stream";
    ask("POST", "/mcp").bearer(key).header("accept", accept).json(body)
}

fn asked(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

async fn open(gateway: &Gateway) -> Answer {
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    message(READER, &asked("initialize", &params)).at(gateway.address).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_a_session_is_refused_to_others_as_if_it_were_none() {
    let (_server, upstream) = everything();
    let gateway = gateway(upstream, RIGHTS);
    let opened = open(&gateway).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    let session = opened.header("mcp-session-id").to_owned();
    let list = asked("tools/list", &json!({}));
    let with = async |key: &str, session: &str| {
        let version = ("mcp-protocol-version", "2025-11-25");
        let asked =
            message(key, &list).header("mcp-session-id", session).header(version.0, version.1);
        asked.at(gateway.address).await
    };
    let own = with(READER, &session).await;
    assert!(own.status == 200 && own.text().contains("get-sum"), "{}", own.text());
    let bare = |answer: &Answer| {
        let mut told = answer.json();
        told["error"]["data"]["request_id"] = Value::Null;
        (answer.status, told)
    };
    let (stolen, never) = (with(ADMIN, &session).await, with(ADMIN, "never-was").await);
    assert_eq!(bare(&stolen), bare(&never));
    assert_eq!(stolen.status, 404);
    assert_eq!(stolen.json()["id"], 7);
    // Nor can somebody else listen to it, or end it.
    for verb in ["GET", "DELETE"] {
        let stolen = ask(verb, "/mcp").bearer(ADMIN).header("mcp-session-id", &session);
        assert_eq!(stolen.at(gateway.address).await.status, 404, "{verb}");
    }
    let ended = ask("DELETE", "/mcp").bearer(READER).header("mcp-session-id", &session);
    assert_eq!(ended.at(gateway.address).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_what_the_header_says_and_the_body_does_not_reaches_no_server() {
    let (_server, upstream) = python_server();
    let gateway = gateway(upstream, "    tools: { add: {} }\n");
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" }, "io.modelcontextprotocol/clientCapabilities": {} });
    let call = asked("tools/call", &json!({ "name": "poison", "arguments": {}, "_meta": meta }));
    let with = async |method: &str, name: &str, body: &Value| {
        let asked = message(READER, body).header("mcp-protocol-version", MODERN);
        asked.header("mcp-method", method).header("mcp-name", name).at(gateway.address).await
    };
    // Whoever decides by the header sees a list; the body calls a tool.
    for (method, name) in [("tools/list", "add"), ("tools/call", "add")] {
        let refused = with(method, name, &call).await;
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!(-32020)));
        assert_eq!(refused.json()["id"], 7);
    }
    let hidden = with("tools/call", "poison", &call).await;
    assert_eq!((hidden.status, &hidden.json()["error"]["code"]), (200, &json!(-32602)));
    let added = asked(
        "tools/call",
        &json!({ "name": "add", "arguments": { "a": 2, "b": 3 }, "_meta": meta }),
    );
    let added = with("tools/call", "add", &added).await;
    assert!(added.status == 200 && added.text().contains('5'), "{}", added.text());
    // A11: no streams of its own, and what is not served is said so.
    for verb in ["GET", "DELETE"] {
        let asked = ask(verb, "/mcp").bearer(READER).header("mcp-protocol-version", MODERN);
        assert_eq!(asked.at(gateway.address).await.status, 405, "{verb}");
    }
    let nothing = with("no/such", "", &asked("no/such", &json!({ "_meta": meta }))).await;
    assert_eq!((nothing.status, &nothing.json()["error"]["code"]), (404, &json!(-32601)));
    let calls =
        gateway.records().into_iter().filter(|record| record["event"] == "TOOL_CALL").count();
    assert_eq!(calls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_the_token_of_the_caller_goes_no_further_and_web_pages_are_not_let_in() {
    let (_server, upstream) = python_server();
    let endpoint =
        "    tools: { fields: {} }\n    mcp: { origins: [\"https://app.example.com\"] }\n";
    let gateway = gateway(upstream, endpoint);
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" }, "io.modelcontextprotocol/clientCapabilities": {} });
    let body = asked("tools/call", &json!({ "name": "fields", "arguments": {}, "_meta": meta }));
    let call = || {
        let asked = message(READER, &body).header("mcp-protocol-version", MODERN);
        asked.header("mcp-method", "tools/call").header("mcp-name", "fields")
    };
    let shown = call().at(gateway.address).await;
    assert!(shown.text().contains("x-bartizan-subject=key:reader"), "{}", shown.text());
    assert!(!shown.text().contains(READER) && !shown.text().contains("authorization="));
    for (origin, status) in
        [("https://app.example.com", 200), ("https://evil.example", 403), ("null", 403)]
    {
        let asked = call().header("origin", origin);
        assert_eq!(asked.at(gateway.address).await.status, status, "{origin}");
    }
    // A5 and A7: a session's name opens nothing by itself.
    let nameless = ask("POST", "/mcp").header("mcp-session-id", "x").json(&body);
    let refused = nameless.at(gateway.address).await;
    assert_eq!(refused.status, 401);
    assert!(refused.header("www-authenticate").starts_with("Bearer "), "{}", refused.text());
}
