//! Is what is said over a WebSocket held to the same rules as requests? Between a client and a server
//! of the Python package `websockets`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

use crate::gateway::{Gateway, folder_with, is_end, ran};
use crate::python::{here, python};

/// The server behind the gateway. It is killed when this is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    /// How each of its connections ended.
    ends: Receiver<String>,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(python())
            .args(["-B", "talk_server.py", "0"])
            .current_dir(here())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port: u16 = lines.next().unwrap().unwrap().trim().parse().unwrap();
        let (tell, ends) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, address: ([127, 0, 0, 1], port).into(), ends }
    }

    fn next_end(&self) -> Value {
        let line = self.ends.recv_timeout(Duration::from_secs(20)).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Guarded {
    server: Server,
    gateway: Gateway,
    key: String,
    folder: Arc<TempDir>,
}

impl Guarded {
    fn start() -> Self {
        Self::with(&[])
    }

    fn with(key: &[&str]) -> Self {
        Self::with_server("", key)
    }

    fn with_server(settings: &str, key: &[&str]) -> Self {
        let server = Server::start();
        let folder = folder_with(&[settings, &configuration(server.address)].concat());
        let args = ["keys", "create", "ci", "--format", "json"];
        let made = ran(folder.path(), &[&args[..], key].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let shown: Value = serde_json::from_slice(&made.stdout).unwrap();
        let key = shown["key"].as_str().unwrap().to_owned();
        Self { server, gateway: Gateway::in_folder(&folder, &[]), key, folder }
    }

    /// What the client of this name has seen.
    fn client(&self, name: &str, arguments: &[&str]) -> Value {
        let url = format!("http://{}", self.gateway.address);
        let output = Command::new(python())
            .args(["-B", "talk_client.py", name, &url, &self.key])
            .args(arguments)
            .current_dir(here())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The records of this event, when there are so many ends.
    fn records(&self, event: &str, ends: usize) -> Vec<Value> {
        let mut records = self.gateway.records();
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while records.iter().filter(|record| is_end(record)).count() < ends {
            assert!(std::time::Instant::now() < until, "{records:#?}");
            thread::sleep(Duration::from_millis(20));
            records = self.gateway.records();
        }
        records.into_iter().filter(|record| record["event"] == event).collect()
    }
}

fn configuration(server: SocketAddr) -> String {
    let endpoint = |path: &str, more: &str| {
        format!(
            "  - {{ path: \"/{path}/{{*rest}}\", verbs: [GET], authenticated: true, {more} \
             upstream: {{ url: \"http://{server}\" }} }}\n"
        )
    };
    let pii = |action: &str| {
        format!(
            "pii: {{ request: {{ detect: [EMAIL, SSN], action: {action} }}, \
             response: {{ detect: [EMAIL], action: mask }} }},"
        )
    };
    let endpoints = [
        endpoint("open", ""),
        endpoint("read", "websocket: {},"),
        endpoint("masked", &pii("mask")),
        endpoint("binary", &(pii("mask") + "websocket: { binary: pass },")),
        endpoint("aside", "pii: { request: { detect: [EMAIL], action: tokenise } },"),
        endpoint("blocked", &pii("block")),
        endpoint("limited", ""),
        endpoint("small", "websocket: { max_message_size: 1000 },"),
    ];
    format!(
        "limits: [{{ name: chat, by: user, messages: 3/hour, match: {{ path: /limited/* }} }}]\n\
         endpoints:\n{}",
        endpoints.concat()
    )
}

#[test]
fn who_may_not_is_refused_before_anything_opens() {
    let guarded = Guarded::start();
    guarded.client("refused", &[]);
    assert!(guarded.server.ends.try_recv().is_err());
}

#[test]
fn messages_pass_unchanged_whether_they_are_read_or_not() {
    let guarded = Guarded::start();
    for path in ["/open/echo", "/read/echo"] {
        let told = guarded.client("echo", &[path]);
        assert_eq!(told, json!(["hello", "in three pieces", "", "ff00", 40_000]), "{path}");
    }
    let told = guarded.client("echo", &["/masked/echo"]);
    assert_eq!(told, json!(["hello", "in three pieces", "", 40_000]));
}

#[test]
fn a_value_is_masked_both_ways_also_when_it_is_split_over_fragments() {
    let guarded = Guarded::start();
    let told = guarded.client("masked", &[]);
    assert_eq!(told["whole"], "to ***************");
    assert_eq!(told["pieces"], "to ***************");
    assert_eq!(told["document"], json!({ "to": "***************", "n": 1 }));
    assert_eq!(told["own"], "***************");
    assert_eq!(told["fragments"], "*****************");
    let found = guarded.records("PII_DETECTED", 1);
    let count = |direction: &str| {
        let of = |record: &&Value| record["details"]["direction"] == direction;
        let rows = found.iter().filter(of).flat_map(|r| r["details"]["detections"].as_array());
        rows.flatten().map(|row| row["count"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((count("request"), count("response")), (3, 2), "{found:#?}");
    let ends = guarded.records("REQUEST_END", 1);
    assert_eq!(ends.len(), 1, "one record for all of it");
    assert_eq!(ends[0]["details"]["status"], 101);
}

#[test]
fn what_was_put_aside_comes_back_in_its_own_conversation_alone() {
    let guarded = Guarded::start();
    let told = guarded.client("tokenised", &[]);
    assert_eq!(told["back"], "write to ann@example.org");
    let placeholder = told["placeholder"].as_str().unwrap();
    assert!(placeholder.starts_with("EMAIL_ADDRESS_1_"), "{told}");
    assert_eq!(told["same"], format!(r#"{{"a":"{placeholder}"}}"#));
    assert_eq!(told["foreign"], placeholder, "another vault knows nothing of it");
}

#[test]
fn what_must_not_pass_ends_the_connection_and_is_on_record() {
    let guarded = Guarded::start();
    let told = guarded.client("blocked", &[]);
    assert_eq!(told[0], "nothing");
    assert_eq!(told[1][0], 1008, "{told}");
    assert_eq!(guarded.server.next_end(), json!([1001, ""]));
    let blocked = guarded.records("PII_BLOCKED", 1);
    assert_eq!(blocked[0]["details"]["detections"][0]["entity"], "US_SSN", "{blocked:#?}");
    assert!(!format!("{blocked:?}").contains("6789"));
    let ends = guarded.records("REQUEST_ERROR", 1);
    assert_eq!((&ends[0]["outcome"], &ends[0]["details"]["status"]), (&json!("deny"), &json!(101)));
}

#[test]
fn hooks_look_at_each_message_of_both_sides() {
    let hooks = "hooks: [{ name: prompts, builtin: prompt_injection, at: [request, response] }]\n";
    let guarded = Guarded::with_server(hooks, &[]);
    let told = guarded.client("hooked", &[]);
    assert_eq!((&told["told"], &told["code"]), (&json!("hello"), &json!([1008, 1008])), "{told}");
    assert_eq!(guarded.records("PROMPT_INJECTION", 2).len(), 2);
}

#[test]
fn binary_messages_pass_no_mask_unless_it_is_written() {
    let told = Guarded::start().client("binary", &[]);
    assert_eq!((&told[0][0], &told[1][0], &told[2]), (&json!(1003), &json!(1008), &json!("ff00")));
}

#[test]
fn messages_are_counted_by_caller_and_one_too_many_ends_the_connection() {
    let guarded = Guarded::start();
    let told = guarded.client("limited", &[]);
    assert_eq!(told[0], json!(["0", "1", "third"]));
    assert_eq!(told[1], json!([1008, "`chat` is used up"]));
    assert_eq!(told[2], told[1]);
    let exceeded = guarded.records("RATE_LIMIT_EXCEEDED", 2);
    assert_eq!(exceeded.len(), 2);
    assert_eq!(exceeded[0]["details"]["limit"], "chat");
}

#[test]
fn a_message_that_is_too_large_ends_the_connection_with_words_that_arrive() {
    let told = Guarded::start().client("sizes", &[]);
    assert_eq!(told["fits"], 1000);
    for how in ["large", "pieces", "huge"] {
        assert_eq!(told[how], json!([1009, "the message is larger than 1000 bytes"]), "{how}");
    }
    assert_eq!(told["answer"][0], 1011, "{told}");
}

#[test]
fn pings_are_answered_and_closing_codes_pass_both_ways() {
    let guarded = Guarded::start();
    for path in ["/open/echo", "/read/echo", "/masked/echo"] {
        let told = guarded.client("control", &[path]);
        assert_eq!(told["ponged"], "ponged", "{path}");
        assert_eq!(told["theirs"], json!([4001, "enough"]), "{path}");
        assert_eq!(told["mine"], json!([4002, "mine"]), "{path}");
        let [theirs, mine] = [guarded.server.next_end(), guarded.server.next_end()];
        assert_eq!((theirs[0].clone(), mine), (json!(4001), json!([4002, "mine"])), "{path}");
        assert_eq!(guarded.server.next_end()[0], 1006, "{path}");
        let gone = if path.starts_with("/open") { &Value::Null } else { &json!(1011) };
        assert_eq!(told["gone"].get(0).unwrap_or(&Value::Null), gone, "{path}");
    }
}

#[test]
fn compression_is_never_negotiated_where_messages_are_read() {
    let guarded = Guarded::start();
    for path in ["/read/headers", "/masked/headers"] {
        let told = guarded.client("handshake", &[path]);
        assert_eq!((&told["extensions"], &told["protocol"]), (&Value::Null, &json!("chat")));
        assert_eq!(told["seen"]["sec-websocket-extensions"], Value::Null);
        assert_eq!(told["seen"]["authorization"], Value::Null, "no credential goes on");
        assert_eq!(told["seen"]["x-bartizan-subject"], "key:ci");
    }
    let told = guarded.client("handshake", &["/open/headers"]);
    assert!(told["extensions"].as_str().unwrap().contains("permessage-deflate"), "{told}");
}

#[test]
fn who_does_not_keep_to_the_rules_is_told_which() {
    let told = Guarded::start().client("unruly", &[]);
    for (how, code) in told.as_object().unwrap() {
        let expected = if how.starts_with("utf-8") { 1007 } else { 1002 };
        assert_eq!(code, expected, "{how}");
    }
}

#[test]
fn a_connection_ends_with_its_credential() {
    let guarded = Guarded::with(&["--expires", "8s"]);
    let told = guarded.client("expires", &["/read/echo", "/open/echo"]);
    let (read, tunnel) = (&told[0], &told[1]);
    assert_eq!(*read, json!(["hello", [1008, "the credential is not valid"]]));
    assert_eq!(*tunnel, json!(["hello", null]), "a tunnel has no words, and is cut");
    assert_eq!(guarded.records("AUTH_FAILURE", 2).len(), 1);
}

/// One connection of HTTP/2, as RFC 8441 opens WebSockets on it.
struct Framed(SendRequest<Empty<Bytes>>, JoinHandle<hyper::Result<()>>);

impl Framed {
    async fn connect(guarded: &Guarded) -> Self {
        let socket = TcpStream::connect(guarded.gateway.address).await.unwrap();
        let io = TokioIo::new(socket);
        let (requests, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
        let mut framed = Self(requests, tokio::spawn(connection));
        // The answer comes after the settings that allow an extended CONNECT.
        let first = Request::get("http://localhost/").body(Empty::new()).unwrap();
        framed.0.send_request(first).await.unwrap();
        framed
    }

    async fn ask(&mut self, path: &str, key: &str) -> Response<Incoming> {
        let request = Request::connect(format!("http://localhost{path}"))
            .extension(Protocol::from_static("websocket"))
            .header("authorization", format!("Bearer {key}"))
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", "chat")
            .body(Empty::new());
        self.0.send_request(request.unwrap()).await.unwrap()
    }

    async fn open(&mut self, path: &str, key: &str) -> WebSocketStream<TokioIo<Upgraded>> {
        let response = self.ask(path, key).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
        for name in ["connection", "upgrade", "sec-websocket-accept"] {
            assert!(!response.headers().contains_key(name), "{name}");
        }
        let io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        WebSocketStream::from_raw_socket(io, Role::Client, None).await
    }
}

async fn said(talk: &mut WebSocketStream<TokioIo<Upgraded>>, text: &str) -> String {
    talk.send(Message::text(text)).await.unwrap();
    next(talk).await.to_text().unwrap().to_owned()
}

async fn next(talk: &mut WebSocketStream<TokioIo<Upgraded>>) -> Message {
    timeout(Duration::from_secs(20), talk.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_over_http_2() {
    let guarded = Guarded::start();
    let mut framed = Framed::connect(&guarded).await;
    assert_eq!(framed.ask("/masked/echo", "wrong").await.status(), 401);
    assert_eq!(framed.ask("/nothing", &guarded.key).await.status(), 404);
    let mut open = framed.open("/open/echo", &guarded.key).await;
    let mut masked = framed.open("/masked/backwards", &guarded.key).await;
    assert_eq!(said(&mut open, "ann@example.org").await, "ann@example.org");
    assert_eq!(said(&mut masked, "ann@example.org!").await, "!***************");
    masked.send(Message::text("close")).await.unwrap();
    let Message::Close(Some(frame)) = next(&mut masked).await else { panic!("not closed") };
    assert_eq!((frame.code.into(), frame.reason.as_str()), (4001_u16, "enough"));
    assert_eq!(said(&mut open, "still here").await, "still here");
    guarded.records("PII_DETECTED", 4);
}

/// It would be a way past everything that looks at messages.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_ends_what_it_has_opened() {
    let guarded = Guarded::start();
    let mut framed = Framed::connect(&guarded).await;
    let mut read = framed.open("/read/echo", &guarded.key).await;
    let mut tunnel = framed.open("/open/echo", &guarded.key).await;
    assert_eq!(said(&mut read, "hello").await, "hello");
    assert_eq!(said(&mut tunnel, "hello").await, "hello");
    let revoked = ran(guarded.folder.path(), &["keys", "revoke", "ci"]);
    assert!(revoked.status.success(), "{}", String::from_utf8_lossy(&revoked.stderr));
    let Message::Close(Some(frame)) = next(&mut read).await else { panic!("not closed") };
    assert_eq!(
        (frame.code.into(), frame.reason.as_str()),
        (1008_u16, "the credential is not valid")
    );
    let cut = timeout(Duration::from_secs(20), tunnel.next()).await.unwrap();
    assert!(!matches!(cut, Some(Ok(Message::Text(_)))), "{cut:?}");
    let failures = guarded.records("AUTH_FAILURE", 2);
    let told = failures.iter().filter(|record| record["action"]["path"] == "/read/echo");
    assert_eq!(told.count(), 1, "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_of_another_version_does_not_open() {
    let guarded = Guarded::start();
    let (address, key) = (guarded.gateway.address, &guarded.key);
    for path in ["/read/echo", "/open/echo"] {
        for version in ["", "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 13, 8\r\n"] {
            let head = format!(
                "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 {version}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {key}\r\n\r\n"
            );
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(head.as_bytes()).await.unwrap();
            let mut answer = vec![0; 2048];
            let length = timeout(Duration::from_secs(20), socket.read(&mut answer)).await;
            let answer =
                String::from_utf8_lossy(&answer[..length.unwrap().unwrap()]).to_lowercase();
            assert!(answer.starts_with("http/1.1 426 "), "{answer}");
            assert!(answer.contains("\r\nsec-websocket-version: 13\r\n"), "{answer}");
        }
    }
    let mut framed = Framed::connect(&guarded).await;
    let request = Request::connect("http://localhost/read/echo")
        .extension(Protocol::from_static("websocket"))
        .header("authorization", format!("Bearer {key}"))
        .body(Empty::new());
    let answer = framed.0.send_request(request.unwrap()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["sec-websocket-version"]),
        (400, &"13".parse().unwrap())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_closing_frame_is_masked_as_a_message_is() {
    let guarded = Guarded::start();
    let mut framed = Framed::connect(&guarded).await;
    let mut masked = framed.open("/masked/echo", &guarded.key).await;
    let frame = CloseFrame { code: 4000.into(), reason: "ask ann@example.org".into() };
    masked.send(Message::Close(Some(frame))).await.unwrap();
    assert_eq!(guarded.server.next_end(), json!([4000, "ask ***************"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_still_websocket_keeps_its_connection() {
    let guarded = Guarded::with_server("server: { timeouts: { idle: 1s } }\n", &[]);
    let mut framed = Framed::connect(&guarded).await;
    let mut open = framed.open("/open/echo", &guarded.key).await;
    let mut read = framed.open("/read/echo", &guarded.key).await;
    // As long as three connections without requests may stand, one behind the other, before they go.
    for _ in 0..3 {
        let still = Framed::connect(&guarded).await;
        timeout(Duration::from_secs(20), still.1).await.expect("it goes").unwrap().ok();
    }
    assert_eq!(said(&mut open, "one").await, "one");
    assert_eq!(said(&mut read, "two").await, "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_stops_says_goodbye_and_waits_for_nobody() {
    let guarded = Guarded::start();
    let mut framed = Framed::connect(&guarded).await;
    let mut read = framed.open("/read/echo", &guarded.key).await;
    let mut open = framed.open("/open/echo", &guarded.key).await;
    assert_eq!(said(&mut read, "one").await, "one");
    let Guarded { server, gateway, .. } = guarded;
    let stopping = tokio::task::spawn_blocking(move || gateway.stop());
    let Message::Close(Some(frame)) = next(&mut read).await else { panic!("not closed") };
    assert_eq!(u16::from(frame.code), 1001);
    assert!(!matches!(timeout(Duration::from_secs(20), open.next()).await.unwrap(), Some(Ok(_))));
    let mut ends = [server.next_end(), server.next_end()].map(|end| end[0].as_u64());
    ends.sort_unstable();
    assert_eq!(ends, [Some(1001), Some(1006)], "a tunnel has no words");
    let stopped = timeout(Duration::from_secs(20), stopping).await.unwrap().unwrap();
    assert!(stopped.status.success(), "{}", stopped.said);
}
