//! Is what MCP servers, agents and models say held to what their callers may know, whatever its status, and is every
//! call of a tool on record with its end?

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{Program, until};
use crate::wire::{raw, read_until, status};

const MODERN: &str = "2026-07-28";
const MASKED: &str = "***************";

/// A server that answers as each call says in `x-say`.
struct Server {
    address: SocketAddr,
    /// What has come: the head in small letters, and the body.
    seen: Arc<Mutex<Vec<(String, String)>>>,
    /// How many have hung up before their answer was over.
    left: Arc<Mutex<usize>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, seen: Arc::default(), left: Arc::default() };
        let (seen, left) = (Arc::clone(&server.seen), Arc::clone(&server.left));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, Arc::clone(&seen), Arc::clone(&left)));
            }
        });
        server
    }

    fn last(&self) -> (String, String) {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

async fn serve(
    mut socket: TcpStream,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    left: Arc<Mutex<usize>>,
) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let count = socket.read(&mut piece).await.unwrap_or(0);
        if count == 0 {
            return;
        }
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = field(head, "content-length").and_then(|length| length.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break (head.to_owned(), body.to_owned());
        }
    };
    let say: Value = serde_json::from_str(field(&head, "x-say").unwrap_or("{}")).unwrap();
    seen.lock().unwrap().push((head.to_ascii_lowercase(), body));
    let answered = match say["act"].as_str() {
        Some("hang up") => return,
        Some("silence") => String::new(),
        Some("half") => "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{\"jsonrpc\"".into(),
        Some("drip") => "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"x\"}}\n\n".into(),
        _ => {
            let text = say["body"].as_str().unwrap_or_default();
            let media = say["type"].as_str().unwrap_or("application/json");
            let more = say["fields"].as_str().unwrap_or_default();
            let status = say["status"].as_u64().unwrap_or(200);
            format!("HTTP/1.1 {status} X\r\ncontent-type: {media}\r\ncontent-length: {}\r\n{more}\r\n{text}", text.len())
        }
    };
    socket.write_all(answered.as_bytes()).await.unwrap();
    if matches!(say["act"].as_str(), Some("silence" | "drip")) {
        while socket.read(&mut piece).await.unwrap_or(0) > 0 {}
        *left.lock().unwrap() += 1;
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A program in front of the server, with these endpoints.
fn program(server: &Server, endpoints: &str) -> Program {
    Program::with(server.address, &[], |usual| {
        let (base, _) = usual.split_once("endpoints:").unwrap();
        let base =
            base.replace("server:\n", "server:\n  public_url: \"https://gate.example.com\"\n");
        let endpoints = endpoints.replace("SERVER", &format!("http://{}", server.address));
        format!("{base}endpoints:\n{endpoints}")
    })
}

const ENDPOINTS: &str = r#"
  - path: /mcp
    protocol: mcp
    public: true
    tools: { ok: {}, mail: {} }
    timeouts: { upstream: 1s }
    upstream: { url: "SERVER/mcp" }
  - path: /masked
    protocol: mcp
    public: true
    tools: { "*": {} }
    pii: { request: { detect: [EMAIL], action: mask }, response: { detect: [EMAIL], action: mask } }
    upstream: { url: "SERVER/mcp" }
  - path: /gone
    protocol: mcp
    public: true
    tools: { "*": {} }
    upstream: { url: "http://127.0.0.1:9" }
  - path: "/agent/{*rest}"
    protocol: a2a
    public: true
    skills: { echo: {} }
    methods: { "*": {} }
    timeouts: { upstream: 1s }
    upstream: { url: "SERVER" }
  - path: "/dead/{*rest}"
    protocol: a2a
    public: true
    upstream: { url: "http://127.0.0.1:9" }
  - path: "/v1/{*rest}"
    protocol: openai
    public: true
    models: { a: {}, m: {} }
    tools: { search: {} }
    upstream: { url: "SERVER" }
  - path: "/private/{*rest}"
    protocol: openai
    public: true
    pii: { request: { detect: [EMAIL], action: mask } }
    upstream: { url: "SERVER" }
  - path: "/claude/{*rest}"
    protocol: anthropic
    public: true
    pii: { request: { detect: [EMAIL], action: mask } }
    upstream: { url: "SERVER" }
  - path: /page
    verbs: [GET]
    public: true
    pii: { response: { detect: [EMAIL], action: mask } }
    upstream: { url: "SERVER" }
"#;

/// A call with these header fields, to whose answer the server is told.
async fn call(program: &Program, path: &str, fields: &str, say: &Value, body: &Value) -> String {
    raw(program.address, request(program, path, fields, say, body)).await
}

fn request(program: &Program, path: &str, fields: &str, say: &Value, body: &Value) -> String {
    let (verb, body) = match body {
        Value::Null => ("GET", String::new()),
        body => ("POST", body.to_string()),
    };
    let host = if fields.to_ascii_lowercase().contains("host: ") {
        String::new()
    } else {
        format!("host: {}\r\n", program.address)
    };
    let media = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
    format!(
        "{verb} {path} HTTP/1.1\r\n{host}connection: close\r\naccept: application/json, text/event-stream\r\n\
         {media}x-say: {say}\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn message(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

fn said(result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "result": result }).to_string()
}

/// The records of an event, once there are so many exchanges.
fn told(program: &Program, exchanges: usize, event: &str) -> Vec<Value> {
    let is = |record: &Value, events: &[&str]| events.iter().any(|event| record["event"] == *event);
    let ends = || {
        let records = program.records();
        records.iter().filter(|one| is(one, &["REQUEST_END", "REQUEST_ERROR"])).count()
    };
    until(|| ends() >= exchanges, || "an exchange does not end".to_owned());
    program.records().into_iter().filter(|one| is(one, &[event])).collect()
}

fn digest(bytes: &str) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a10_an_argument_that_is_masked_leaves_in_no_header_field_either() {
    let server = Server::start().await;
    let program = program(&server, ENDPOINTS);
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" }, "io.modelcontextprotocol/clientCapabilities": {} });
    let done = json!({ "body": said(&json!({ "content": [] })) });
    let ask = async |arguments: Value, mirrors: &str| {
        let fields = format!(
            "mcp-protocol-version: {MODERN}\r\nmcp-method: tools/call\r\nmcp-name: mail\r\n{mirrors}"
        );
        let params = json!({ "name": "mail", "arguments": arguments, "_meta": meta });
        call(&program, "/masked", &fields, &done, &message("tools/call", &params)).await
    };
    let coded = format!("=?base64?{}?=", STANDARD.encode("ä ann@example.org"));
    let arguments = || json!({ "to": "ann@example.org", "cc": "ä ann@example.org", "deep": { "n": 42 }, "open": true });
    let before = program.records().len();
    // Nobody has seen a list of tools: a field mirrors what says the same.
    let all = format!(
        "mcp-param-to: ann@example.org\r\nmcp-param-copy: {coded}\r\nmcp-param-n: 42.0\r\nmcp-param-open: true\r\n"
    );
    assert_eq!(status(&ask(arguments(), &all).await), 200);
    let (head, body) = server.last();
    assert!(!head.contains("ann@") && !body.contains("ann@"), "{head}{body}");
    assert_eq!(field(&head, "mcp-param-to"), Some(MASKED));
    let copy = field(&head, "mcp-param-copy").unwrap();
    let sent: Value = serde_json::from_str(&body).unwrap();
    let copied = sent["params"]["arguments"]["cc"].as_str().unwrap();
    // The head was written in small letters to be read here, and so its value is compared so.
    assert_eq!(copy, format!("=?base64?{}?=", STANDARD.encode(copied)).to_ascii_lowercase());
    assert_eq!(
        (field(&head, "mcp-param-n"), field(&head, "mcp-param-open")),
        (Some("42"), Some("true"))
    );
    assert!(program.records().len() > before);
    // What the log has the digest of is what went out.
    let calls = told(&program, 1, "TOOL_CALL");
    let written = body.split_once("\"arguments\":").unwrap().1;
    let written = written.split_once(",\"name\"").or(written.split_once(",\"_meta\"")).unwrap().0;
    assert_eq!(calls[0]["details"]["arguments_sha256"], digest(written), "{body}");
    // What no argument says is no mirror of one.
    for wrong in [
        "mcp-param-to: bob@example.org\r\n",
        "mcp-param-n: 43\r\n",
        "mcp-param-x: =?base64?%?=\r\n",
        "mcp-param-to: ann@example.org\r\nmcp-param-to: ann@example.org\r\n",
    ] {
        let refused = ask(arguments(), wrong).await;
        assert!(status(&refused) == 400 && refused.contains("-32020"), "{wrong}: {refused}");
    }
    // Of two places in which it may stand one is masked and the other not: then it does not go on.
    let twice = json!({ "to": "ann@example.org", "name": "x" });
    assert_eq!(status(&ask(twice, "mcp-param-to: ann@example.org\r\n").await), 200);
    // From a list of tools it is known which argument a field mirrors.
    let property = |field: &str| json!({ "type": "string", "x-mcp-header": field });
    let schema = json!({ "type": "object", "properties": { "to": property("To"), "cc": { "type": "string" },
        "deep": { "type": "object", "properties": { "who": property("Who") } } } });
    let tools = json!({ "tools": [{ "name": "mail", "inputSchema": schema }] });
    let list = message("tools/list", &json!({ "_meta": meta }));
    let fields = format!(
        "mcp-protocol-version: {MODERN}\r\nmcp-method: tools/list\r\nmcp-param-to: ann@example.org\r\n"
    );
    let listed = call(&program, "/masked", &fields, &json!({ "body": said(&tools) }), &list).await;
    assert_eq!(status(&listed), 200);
    assert_eq!(field(&server.last().0, "mcp-param-to"), None, "a list has no arguments");
    let arguments =
        || json!({ "to": "x", "cc": "ann@example.org", "deep": { "who": "bob@example.org" } });
    let refused = ask(arguments(), "mcp-param-to: ann@example.org\r\n").await;
    assert!(status(&refused) == 400 && refused.contains("-32020"), "that is `cc`: {refused}");
    let mirrors =
        "mcp-param-to: x\r\nMcp-Param-Who: bob@example.org\r\nmcp-param-cc: ann@example.org\r\n";
    assert_eq!(status(&ask(arguments(), mirrors).await), 200);
    let (head, _) = server.last();
    assert_eq!(
        (field(&head, "mcp-param-to"), field(&head, "mcp-param-who")),
        (Some("x"), Some(MASKED))
    );
    assert_eq!(field(&head, "mcp-param-cc"), None, "nobody asked for it");
}

#[tokio::test]
async fn what_is_said_with_the_status_of_an_error_is_held_to_the_same_rights() {
    let server = Server::start().await;
    let program = program(&server, ENDPOINTS);
    let tools = said(&json!({ "tools": [{ "name": "ok" }, { "name": "hidden" }] }));
    let task =
        json!({ "id": "raw-task", "contextId": "raw-context", "status": { "state": "working" } });
    let card = json!({ "name": "x", "url": "http://inside/", "skills": [{ "id": "hidden" }] });
    let send = json!({ "jsonrpc": "2.0", "id": 1, "method": "message/send", "params": { "message": { "messageId": "m", "role": "user", "parts": [{ "kind": "text", "text": "x" }], "metadata": { "skillId": "echo" } } } });
    for code in [200, 206, 400, 404, 405, 500, 503] {
        for media in ["application/json", "text/event-stream", "text/html"] {
            let say = |body: &str| {
                let body = if media == "text/event-stream" {
                    format!("data: {body}\n\n")
                } else {
                    body.to_owned()
                };
                json!({ "status": code, "type": media, "body": body })
            };
            let list = message("tools/list", &json!({}));
            let shown = call(&program, "/mcp", "", &say(&tools), &list).await;
            assert!(!shown.contains("hidden"), "{code} {media}: {shown}");
            assert_eq!(shown.contains("ok\""), media != "text/html", "{code} {media}: {shown}");
            let odd = call(&program, "/mcp", "", &say("{\"oops\":1}"), &list).await;
            assert!(!odd.contains("oops"), "{code} {media}: {odd}");
            if code != 200 && code != 206 {
                assert_eq!(status(&odd), code, "{media}: {odd}");
            }
            for body in [said(&task), json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -1, "message": "x" }, "result": task }).to_string()] {
                let seen = call(&program, "/agent/~rpc", "", &say(&body), &send).await;
                assert!(!seen.contains("raw-task\"") && !seen.contains("raw-context\""), "{code} {media}: {seen}");
            }
            let seen = call(
                &program,
                "/agent/.well-known/agent-card.json",
                "",
                &say(&card.to_string()),
                &Value::Null,
            )
            .await;
            assert!(!seen.contains("hidden") && !seen.contains("inside"), "{code} {media}: {seen}");
        }
    }
    // An error is told.
    let problem = json!({ "type": "https://a2a-protocol.org/errors/task-not-found", "title": "no such task", "status": 404, "task": task });
    let say = json!({ "status": 404, "type": "application/json", "body": problem.to_string() });
    let seen = call(&program, "/agent/v1/card", "", &say, &Value::Null).await;
    assert!(!seen.contains("raw-"), "{seen}");
    let say = json!({ "status": 400, "body": json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32001, "message": "Task not found" } }).to_string() });
    let seen = call(&program, "/agent/~rpc", "", &say, &send).await;
    assert!(status(&seen) == 400 && seen.contains("-32001"), "{seen}");
}

#[tokio::test]
async fn no_cache_keeps_an_answer_of_which_somebody_else_may_see_less() {
    let server = Server::start().await;
    let program = program(&server, ENDPOINTS);
    let fields = "cache-control: public, max-age=3600, no-transform\r\ncdn-cache-control: max-age=9\r\nexpires: Mon, 23 Nov 2099 00:00:00 GMT\r\netag: \"v1\"\r\nlast-modified: Mon, 23 Nov 2020 00:00:00 GMT\r\n";
    let models = json!({ "object": "list", "data": [{ "id": "a" }, { "id": "b" }] }).to_string();
    let card = json!({ "name": "x", "url": format!("http://{}/", server.address), "preferredTransport": "JSONRPC", "protocolVersion": "0.3.0", "skills": [{ "id": "echo" }, { "id": "wipe" }], "capabilities": {} }).to_string();
    let page = json!({ "mail": "ann@example.org" }).to_string();
    for (path, body, asked) in [
        ("/v1/models", &*models, Value::Null),
        (
            "/mcp",
            &*said(&json!({ "tools": [{ "name": "ok" }] })),
            message("tools/list", &json!({})),
        ),
        ("/agent/.well-known/agent-card.json", &*card, Value::Null),
        ("/page", &*page, Value::Null),
    ] {
        let say = json!({ "body": body, "fields": fields });
        let answer = call(&program, path, "", &say, &asked).await;
        assert_eq!(status(&answer), 200, "{path}: {answer}");
        let head = answer.split_once("\r\n\r\n").unwrap().0;
        assert_eq!(field(head, "cache-control"), Some("private, no-cache, no-transform"), "{path}");
        assert_eq!(field(head, "vary"), Some("Authorization, X-API-Key"), "{path}");
        for gone in ["cdn-cache-control", "expires", "etag", "last-modified"] {
            assert_eq!(field(head, gone), None, "{path}");
        }
    }
    let say = json!({ "body": models, "fields": "cache-control: no-store\r\nvary: accept\r\n" });
    let answer = call(&program, "/v1/models", "", &say, &Value::Null).await;
    let head = answer.split_once("\r\n\r\n").unwrap().0;
    assert_eq!(field(head, "cache-control"), Some("no-store"));
    assert_eq!(head.matches("vary: ").count(), 2, "{head}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_tool_has_one_end_on_record_however_it_fails() {
    let server = Server::start().await;
    let program = program(&server, ENDPOINTS);
    let ok = message("tools/call", &json!({ "name": "ok", "arguments": {} }));
    let send = json!({ "jsonrpc": "2.0", "id": 1, "method": "message/send", "params": { "message": { "messageId": "m", "role": "user", "parts": [{ "kind": "text", "text": "x" }], "metadata": { "skillId": "echo" } } } });
    let done = said(&json!({ "content": [] }));
    let failed = said(&json!({ "content": [], "isError": true }));
    let waits = said(&json!({ "resultType": "input_required", "inputRequests": {} }));
    let cases = [
        ("/mcp", &ok, json!({ "body": done }), "TOOL_SUCCESS"),
        ("/mcp", &ok, json!({ "body": waits }), "TOOL_SUCCESS"),
        ("/mcp", &ok, json!({ "body": failed }), "TOOL_FAILURE"),
        ("/mcp", &ok, json!({ "body": done, "status": 500 }), "TOOL_FAILURE"),
        ("/mcp", &ok, json!({ "body": "{\"oops\":1}", "status": 500 }), "TOOL_FAILURE"),
        ("/mcp", &ok, json!({ "status": 401 }), "TOOL_FAILURE"),
        ("/mcp", &ok, json!({ "status": 202 }), "TOOL_FAILURE"),
        (
            "/mcp",
            &ok,
            json!({ "status": 502, "type": "text/html", "body": "<p>bad" }),
            "TOOL_FAILURE",
        ),
        ("/mcp", &ok, json!({ "act": "hang up" }), "TOOL_FAILURE"),
        ("/mcp", &ok, json!({ "act": "half" }), "TOOL_FAILURE"),
        ("/mcp", &ok, json!({ "act": "silence" }), "TOOL_FAILURE"),
        (
            "/mcp",
            &ok,
            json!({ "type": "text/event-stream", "body": ": nothing\n\n" }),
            "TOOL_FAILURE",
        ),
        (
            "/mcp",
            &ok,
            json!({ "type": "text/event-stream", "body": format!("data: {done}\n\n") }),
            "TOOL_SUCCESS",
        ),
        ("/gone", &ok, json!({}), "TOOL_FAILURE"),
        ("/dead/~rpc", &send, json!({}), "TOOL_FAILURE"),
        ("/agent/~rpc", &send, json!({ "act": "hang up" }), "TOOL_FAILURE"),
        ("/agent/~rpc", &send, json!({ "status": 500, "body": "{}" }), "TOOL_FAILURE"),
        (
            "/agent/~rpc",
            &send,
            json!({ "status": 502, "type": "text/html", "body": "<p>bad" }),
            "TOOL_FAILURE",
        ),
        (
            "/agent/~rpc",
            &send,
            json!({ "body": said(&json!({ "kind": "message", "messageId": "1", "role": "agent", "parts": [] })) }),
            "TOOL_SUCCESS",
        ),
    ];
    let mut expected = Vec::new();
    for (at, (path, body, say, end)) in cases.iter().enumerate() {
        call(&program, path, "", say, body).await;
        expected.push("TOOL_CALL".to_owned());
        expected.push((*end).to_owned());
        told(&program, at + 1, "");
        let events: Vec<String> = tools(&program);
        assert_eq!(events, expected, "{path} {say}");
    }
    // A client that hangs up, and with it the gateway.
    let mut socket = TcpStream::connect(program.address).await.unwrap();
    let asked = request(&program, "/mcp", "", &json!({ "act": "drip" }), &ok);
    socket.write_all(asked.as_bytes()).await.unwrap();
    read_until(&mut socket, "notifications/message").await;
    let before = *server.left.lock().unwrap();
    drop(socket);
    until(|| *server.left.lock().unwrap() > before, || "the server still waits".to_owned());
    expected.extend(["TOOL_CALL".to_owned(), "TOOL_FAILURE".to_owned()]);
    told(&program, cases.len() + 1, "");
    assert_eq!(tools(&program), expected);
}

/// What the log says of tools, in its order.
fn tools(program: &Program) -> Vec<String> {
    let records = program.records();
    let events = records.iter().filter_map(|record| record["event"].as_str());
    events.filter(|event| event.starts_with("TOOL_")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_call_that_is_not_granted_does_not_pass_whatever_it_is_called_and_is_on_record_once() {
    let server = Server::start().await;
    let program = program(&server, ENDPOINTS);
    let items = [
        (
            "wipe",
            json!({ "type": "function_call", "call_id": "c", "name": "wipe", "arguments": "{}" }),
            "{}",
        ),
        (
            "wipe",
            json!({ "type": "custom_tool_call", "call_id": "c", "name": "wipe", "input": "x" }),
            "x",
        ),
        (
            "wipe",
            json!({ "type": "mcp_call", "name": "wipe", "server_label": "s", "arguments": "{}" }),
            "{}",
        ),
        (
            "wipe",
            json!({ "type": "mcp_approval_request", "name": "wipe", "server_label": "s", "arguments": "{}" }),
            "{}",
        ),
        (
            "local_shell",
            json!({ "type": "local_shell_call", "action": { "command": ["rm"] } }),
            "{\"command\":[\"rm\"]}",
        ),
        (
            "shell",
            json!({ "type": "shell_call", "action": { "commands": ["rm"] } }),
            "{\"commands\":[\"rm\"]}",
        ),
        (
            "apply_patch",
            json!({ "type": "apply_patch_call", "operation": { "path": "x" } }),
            "{\"path\":\"x\"}",
        ),
        (
            "computer",
            json!({ "type": "computer_call", "action": { "type": "click" } }),
            "{\"type\":\"click\"}",
        ),
        (
            "web_search",
            json!({ "type": "web_search_call", "action": { "query": "q" } }),
            "{\"query\":\"q\"}",
        ),
        ("file_search", json!({ "type": "file_search_call", "queries": ["q"] }), ""),
        ("code_interpreter", json!({ "type": "code_interpreter_call", "code": "1" }), "1"),
        ("image_generation", json!({ "type": "image_generation_call", "result": "" }), ""),
        ("brand_new", json!({ "type": "brand_new_call" }), ""),
    ];
    let mut exchanges = 0;
    let mut judged =
        async |path: &str, body: &Value, say: Value, tool: &str, arguments: Option<&str>| {
            let answer = call(&program, path, "", &say, body).await;
            exchanges += 1;
            let all = told(&program, exchanges, "TOOL_CALL");
            assert_eq!(all.len(), exchanges, "once: {say} {answer}");
            let record = all.last().unwrap();
            assert_eq!(
                (&record["outcome"], &record["details"]["tool"]),
                (&json!("deny"), &json!(tool)),
                "{say}"
            );
            if let Some(arguments) = arguments {
                assert_eq!(record["details"]["arguments_sha256"], digest(arguments), "{say}");
            }
            answer
        };
    for (tool, item, arguments) in &items {
        let (item, arguments) = (item.clone(), Some(*arguments));
        let whole = json!({ "id": "r", "model": "m", "output": [item], "usage": { "input_tokens": 1, "output_tokens": 1 } });
        let asked = json!({ "model": "m", "input": "x", "max_output_tokens": 4 });
        let answer =
            judged("/v1/responses", &asked, json!({ "body": whole.to_string() }), tool, arguments)
                .await;
        assert_eq!(status(&answer), 502, "{answer}");
        // In a stream it may be announced, be done at once, or stand in the last event alone.
        let asked = json!({ "model": "m", "input": "x", "max_output_tokens": 4, "stream": true });
        let event = |kind: &str, member: &str, value: &Value| {
            let mut event = json!({ "type": format!("response.{kind}"), "output_index": 0 });
            event[member] = value.clone();
            format!("event: response.{kind}\ndata: {event}\n\n")
        };
        for (events, arguments) in [
            (event("output_item.added", "item", &item), None),
            (event("output_item.done", "item", &item), arguments),
            (event("completed", "response", &whole), arguments),
        ] {
            let say = json!({ "type": "text/event-stream", "body": events });
            let answer = judged("/v1/responses", &asked, say, tool, arguments).await;
            assert!(
                !answer.contains("_call\"") && !answer.contains("approval_request"),
                "{answer}"
            );
        }
    }
    let calls = json!([{ "index": 0, "id": "1", "type": "function", "function": { "name": "wipe", "arguments": "{}" } }]);
    let asked = json!({ "model": "m", "messages": [], "max_tokens": 4, "stream": true });
    for choice in [
        json!({ "index": 0, "delta": { "tool_calls": calls }, "finish_reason": "tool_calls" }),
        json!({ "index": 0, "message": { "tool_calls": calls }, "finish_reason": "tool_calls" }),
        json!({ "index": 0, "delta": {}, "message": { "tool_calls": calls } }),
        json!({ "index": 0, "message": { "function_call": { "name": "wipe", "arguments": "{}" } } }),
    ] {
        let events =
            format!("data: {}\n\ndata: [DONE]\n\n", json!({ "id": "x", "choices": [choice] }));
        let say = json!({ "type": "text/event-stream", "body": events });
        let answer = judged("/v1/chat/completions", &asked, say, "wipe", Some("{}")).await;
        assert!(!answer.contains("\"wipe\""), "{answer}");
    }
}

#[tokio::test]
async fn a9_a_page_that_takes_our_address_for_its_own_name_is_not_answered() {
    let server = Server::start().await;
    let program = program(
        &server,
        &ENDPOINTS.replace(
            "tools: { ok: {}, mail: {} }",
            "tools: { ok: {} }\n    mcp: { hosts: [gateway.internal] }",
        ),
    );
    let ping = message("tools/list", &json!({}));
    let say = json!({ "body": said(&json!({ "tools": [] })) });
    for (host, code) in [
        ("evil.example", 421),
        ("gate.example.com.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example:8000", 421),
        ("gate.example.com", 200),
        ("GATE.example.com:8443", 200),
        ("gateway.internal:8000", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
    ] {
        let answer = call(&program, "/mcp", &format!("host: {host}\r\n"), &say, &ping).await;
        assert_eq!(status(&answer), code, "{host}: {answer}");
        let opened = call(&program, "/mcp", &format!("host: {host}\r\n"), &say, &Value::Null).await;
        assert_eq!(status(&opened) == 421, code == 421, "GET {host}: {opened}");
    }
}

#[tokio::test]
async fn what_a_person_or_a_tool_wrote_into_a_call_is_masked_wherever_it_stands() {
    let server = Server::start().await;
    let program = program(&server, ENDPOINTS);
    let who = "ann@example.org";
    let user = |content: Value| json!({ "role": "user", "content": content });
    let (chat, responses) = ("/private/chat/completions", "/private/responses");
    let messages = "/claude/messages";
    let file = json!({ "filename": format!("{who}.pdf"), "file_data": "data:application/pdf;base64,AAAA" });
    let call = json!({ "id": "1", "type": "function", "function": { "name": "f", "arguments": json!({ "to": who }).to_string() } });
    let source = json!({ "type": "text", "media_type": "text/plain", "data": "x" });
    for (path, body) in [
        (chat, json!({ "messages": [user(json!([{ "type": "file", "file": file }]))] })),
        (chat, json!({ "messages": [{ "role": "system", "content": who }] })),
        (chat, json!({ "messages": [{ "role": "tool", "tool_call_id": "1", "content": who }] })),
        (chat, json!({ "messages": [{ "role": "assistant", "tool_calls": [call] }] })),
        (responses, json!({ "instructions": format!("You help {who}."), "input": "x" })),
        (
            responses,
            json!({ "input": [{ "type": "function_call_output", "call_id": "1", "output": who }] }),
        ),
        (
            responses,
            json!({ "input": [{ "type": "function_call_output", "call_id": "1", "output": [{ "type": "input_text", "text": who }] }] }),
        ),
        (
            responses,
            json!({ "input": [{ "type": "function_call", "call_id": "1", "name": "f", "arguments": json!({ "to": who }).to_string() }] }),
        ),
        (
            responses,
            json!({ "input": [user(json!([{ "type": "input_file", "filename": who, "file_data": "AAAA" }]))] }),
        ),
        (messages, json!({ "system": who, "messages": [] })),
        (messages, json!({ "system": [{ "type": "text", "text": who }], "messages": [] })),
        (
            messages,
            json!({ "messages": [user(json!([{ "type": "tool_result", "tool_use_id": "1", "content": who }]))] }),
        ),
        (
            messages,
            json!({ "messages": [user(json!([{ "type": "tool_result", "tool_use_id": "1", "content": [{ "type": "text", "text": who }] }]))] }),
        ),
        (
            messages,
            json!({ "messages": [user(json!([{ "type": "document", "title": who, "context": who, "source": source }]))] }),
        ),
        (
            messages,
            json!({ "messages": [{ "role": "assistant", "content": [{ "type": "tool_use", "id": "1", "name": "f", "input": { "to": who } }] }] }),
        ),
    ] {
        let mut body = body;
        (body["model"], body["max_tokens"]) = (json!("m"), json!(4));
        let answer = self::call(&program, path, "", &json!({ "body": "{}" }), &body).await;
        assert_eq!(status(&answer), 200, "{body}: {answer}");
        let (_, sent) = server.last();
        assert!(!sent.contains("ann@") && sent.contains("*******"), "{sent}");
        let kept: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(kept["model"], "m");
    }
}
