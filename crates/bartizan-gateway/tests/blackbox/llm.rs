//! Do the SDKs of OpenAI and Anthropic, as anybody installs them, work through the gateway? Behind it
//! stands a provider that says again what a real model has said.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gateway::{Gateway, is_end};
use crate::http::ask;
use crate::python::{here, python};

const GOOD: &str = "btz-good-3f6a1c9e5b7d4820a1f3";
const NARROW: &str = "btz-narrow-90b1c2d3e4f5a6b7c8d9";

/// The provider. It is killed when this is dropped.
struct Provider {
    child: Child,
    address: SocketAddr,
}

impl Provider {
    fn start() -> Self {
        let streams = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/streams");
        let mut child = Command::new(python())
            .args(["-B", "llm_upstream.py", "0"])
            .arg(streams)
            .current_dir(here())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = format!("127.0.0.1:{}", line.trim()).parse().unwrap();
        Self { child, address }
    }

    async fn seen(&self) -> Vec<Value> {
        let answer = ask("GET", "/seen").at(self.address).await;
        serde_json::from_slice(&answer.body).unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn digest(key: &str) -> String {
    Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn configuration(upstream: SocketAddr) -> String {
    let [good, narrow] = [GOOD, NARROW].map(digest);
    format!(
        r#"
auth:
  api_keys:
    keys:
      - {{ id: good, hash: "sha256:{good}", scopes: ["chat:write"] }}
      - {{ id: narrow, hash: "sha256:{narrow}", scopes: ["other"] }}
actions: {{ enabled: false }}
prices: {{ smollm2-135m: {{ input_per_million: 1.00, output_per_million: 2.00, cached_input_per_million: 0.50 }} }}
limits:
  - {{ name: many, by: key, rpm: 1000 }}
  - {{ name: once, by: model, rpm: 1, match: {{ model: "poor-*" }} }}
budgets:
  - {{ name: tokens, by: user, tokens: 100000, period: day }}
pii: {{ request: {{ detect: [EMAIL], action: mask }}, response: {{ detect: [EMAIL], action: mask }} }}
endpoints:
  - path: "/v1/{{*rest}}"
    protocol: openai
    scopes: ["chat:write"]
    on_disconnect: cancel
    max_output_tokens: 64
    models: {{ smollm2-135m: {{}}, flaky: {{}}, slow: {{}}, lingers: {{}}, "poor-*": {{}}, fast: {{ stands_for: smollm2-135m }} }}
    tools: {{ search: {{}} }}
    upstream: {{ url: "http://{upstream}", credential: upstream-secret, retries: 2 }}
  - path: "/claude/{{*rest}}"
    protocol: anthropic
    scopes: ["chat:write"]
    models: {{ smollm2-135m: {{}}, lingers: {{}}, "poor-*": {{}} }}
    tools: {{ search: {{}} }}
    upstream: {{ url: "http://{upstream}/claude", credential: upstream-secret }}
  - path: "/finish/{{*rest}}"
    protocol: openai
    scopes: ["chat:write"]
    on_disconnect: finish
    upstream: {{ url: "http://{upstream}/finish" }}
  - path: "/open/{{*rest}}"
    protocol: openai
    scopes: ["chat:write"]
    pii: {{ request: {{ detect: [] }}, response: {{ detect: [] }} }}
    upstream: {{ url: "http://{upstream}/open" }}
  - path: "/blocked/{{*rest}}"
    protocol: openai
    scopes: ["chat:write"]
    pii: {{ response: {{ detect: [EMAIL], action: block }} }}
    upstream: {{ url: "http://{upstream}/blocked" }}
  - path: "/barred/{{*rest}}"
    protocol: anthropic
    scopes: ["chat:write"]
    pii: {{ response: {{ detect: [EMAIL], action: block }} }}
    upstream: {{ url: "http://{upstream}/barred" }}
"#
    )
}

/// The text of a recorded answer, with the address in it masked.
const MASKED: &str = "***************";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdks_work_unchanged_and_raise_their_own_errors() {
    let provider = Provider::start();
    let gateway = Gateway::configured(&configuration(provider.address));
    let url = format!("http://{}", gateway.address);
    let output = tokio::task::spawn_blocking(move || {
        Command::new(python())
            .args(["-B", "llm_client.py", &url, GOOD, NARROW])
            .current_dir(here())
            .output()
            .unwrap()
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    for name in ["openai", "anthropic"] {
        for (case, error) in [
            ("bad key", "AuthenticationError"),
            ("no scope", "PermissionDeniedError"),
            ("model", "PermissionDeniedError"),
            ("tool", "PermissionDeniedError"),
            ("bad request", "BadRequestError"),
            ("rate", "RateLimitError"),
        ] {
            assert_eq!(told[format!("{name} {case}")], error, "{name} {case}: {told}");
        }
        let whole = told[format!("{name} whole")].as_str().unwrap();
        assert!(whole.contains(MASKED) && !whole.contains("example.org"), "{whole}");
        assert_eq!(told[format!("{name} stream")], whole);
    }
    assert_eq!(told["models"], json!(["smollm2-135m", "flaky", "fast"]));
    assert_eq!(told["openai stream usage unasked"], false);
    assert_eq!(told["openai stream usage asked"], json!([44]));
    assert_eq!(told["openai limits"], "1000");
    assert_eq!(told["responses done"][0], told["responses stream"]);
    assert!(told["responses stream"].as_str().unwrap().contains(MASKED));
    assert_eq!(told["flaky"], "stop");
    for name in ["openai blocked", "anthropic blocked"] {
        assert!(told[name].as_str().is_some_and(|error| error.starts_with("API")), "{told}");
    }

    let seen = provider.seen().await;
    for call in &seen {
        let text = call.to_string();
        assert!(!text.contains("btz-") && !text.contains("bob@"), "{text}");
        let shown = if call["path"].as_str().unwrap().starts_with("/claude") {
            call["headers"]["x-api-key"] == "upstream-secret"
        } else if call["path"].as_str().unwrap().starts_with("/v1") {
            call["headers"]["authorization"] == "Bearer upstream-secret"
        } else {
            true
        };
        assert!(shown, "{text}");
    }
    let flaky = seen.iter().filter(|call| call["body"]["model"] == "flaky").count();
    assert_eq!(flaky, 3, "asked again twice");
    let records = gateway.records();
    let ends: Vec<_> = records.iter().filter(|record| record["event"] == "REQUEST_END").collect();
    let flaky = ends.iter().filter(|end| end["action"]["model"] == "flaky").count();
    assert_eq!(flaky, 1, "three attempts are one call");
    let stream = ends.iter().find(|end| end["usage"]["tokens_in"] == 37).unwrap();
    assert_eq!(stream["usage"]["tokens_out"], 44);
}

/// Asks for a stream, and hangs up when so much of it has come.
async fn hang_up(gateway: &Gateway, path: &str, model: &str, last: &str) {
    let body = json!({ "model": model, "stream": true, "max_tokens": 64,
        "messages": [{ "role": "user", "content": "x" }] });
    let (body, address) = (body.to_string(), gateway.address);
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {GOOD}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let (mut seen, mut piece) = (Vec::new(), [0; 512]);
    while !String::from_utf8_lossy(&seen).contains(last) {
        let count = socket.read(&mut piece).await.unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend(&piece[..count]);
    }
}

/// The ends of so many exchanges, once they are on record.
async fn ends(gateway: &Gateway, exchanges: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let ends: Vec<_> = gateway.records().into_iter().filter(is_end).collect();
        if ends.len() >= exchanges {
            return ends;
        }
        assert!(Instant::now() < until, "some exchange does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The end of the only exchange, once it is on record.
async fn only_end(gateway: &Gateway) -> Value {
    ends(gateway, 1).await.swap_remove(0)
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_is_charged_what_had_come_of_it_and_its_provider_stops() {
    let provider = Provider::start();
    let gateway = Gateway::configured(&configuration(provider.address));
    hang_up(&gateway, "/v1/chat/completions", "slow", "Ann").await;
    let end = only_end(&gateway).await;
    assert_eq!(end["outcome"], "abandoned");
    let out = end["usage"]["tokens_out"].as_u64().unwrap();
    assert!((2..40).contains(&out), "neither nothing nor all that was reserved: {end}");
    assert!(end["usage"]["tokens_in"].as_u64().unwrap() > 0);
    // Nobody makes what nobody reads.
    let until = Instant::now() + Duration::from_secs(20);
    while provider.seen().await[0]["left"] != true {
        assert!(Instant::now() < until, "the provider goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_client_that_goes_at_the_last_word_has_had_its_answer() {
    let provider = Provider::start();
    for (path, last) in [
        ("/v1/chat/completions", "data: [DONE]\n\n"),
        ("/v1/responses", "event: response.completed\n"),
        ("/claude/v1/messages", "\"type\":\"message_stop\"}\n\n"),
        // Nothing is looked for in this one.
        ("/open/v1/chat/completions", "data: [DONE]\n\n"),
    ] {
        let gateway = Gateway::configured(&configuration(provider.address));
        hang_up(&gateway, path, "lingers", last).await;
        let end = only_end(&gateway).await;
        assert_eq!(
            (&end["event"], &end["outcome"]),
            (&json!("REQUEST_END"), &json!("allow")),
            "{end}"
        );
        assert!(end["usage"]["tokens_out"].as_u64().unwrap() > 0, "{end}");
    }
}

#[tokio::test]
async fn a_client_that_goes_while_its_end_is_written_has_had_its_answer() {
    let provider = Provider::start();
    let gateway = Gateway::configured(&configuration(provider.address));
    let calls = 20;
    for _ in 0..calls {
        hang_up(&gateway, "/v1/chat/completions", "smollm2-135m", "data: [DONE]\n\n").await;
    }
    for end in ends(&gateway, calls).await {
        assert_eq!(end["outcome"], "allow", "{end}");
    }
}

#[tokio::test]
async fn a_stream_that_may_finish_does_so_without_its_client_and_is_charged_exactly() {
    let provider = Provider::start();
    let gateway = Gateway::configured(&configuration(provider.address));
    hang_up(&gateway, "/finish/v1/chat/completions", "slow", "Ann").await;
    ask("GET", "/go").at(provider.address).await;
    let end = only_end(&gateway).await;
    assert_eq!(end["outcome"], "abandoned");
    assert_eq!((&end["usage"]["tokens_in"], &end["usage"]["tokens_out"]), (&json!(37), &json!(44)));
    assert_eq!(provider.seen().await[0]["ended"], true);
}
