//! Is an unmodified FastAPI service safe behind the gateway, and none the worse for it?

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::gateway::{Gateway, folder_with, is_end, ran};
use crate::http::{PATIENCE, ask};
use crate::python::Service;
use crate::websocket;

/// What the gateway itself shows to the service.
const CREDENTIAL: &str = "upstream-credential-5f0c";

/// A service, a gateway in front of it, and a key that opens it.
struct Guarded {
    service: Service,
    gateway: Gateway,
    key: String,
}

impl Guarded {
    fn start() -> Self {
        let service = Service::start();
        let folder = folder_with(&configuration(service.address));
        let key = create_key(folder.path());
        let gateway = Gateway::in_folder(&folder, &[("UPSTREAM_KEY", CREDENTIAL)]);
        Self { service, gateway, key }
    }

    async fn asked(&self) -> Value {
        ask("GET", "/asked").at(self.service.address).await.json()
    }
}

/// Makes a key that may do everything here.
fn create_key(folder: &std::path::Path) -> String {
    let args =
        ["keys", "create", "ci", "--tenant", "acme & co", "--scopes", "data:read,notify:send"];
    let made = ran(folder, &[&args[..], &["--roles", "user", "--format", "json"]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let shown: Value = serde_json::from_slice(&made.stdout).unwrap();
    shown["key"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned()
}

fn configuration(service: SocketAddr) -> String {
    // Nobody listens where somebody has just stopped to.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!(
        r#"
access: {{ roles: {{ user: {{ permissions: [{{ resource: document, actions: [summarize] }}] }} }} }}
endpoints:
  - path: /document
    verbs: [SUMMARIZE]
    scopes: ["data:read"]
    resource: document
    schema:
      type: object
      required: [document_id]
      properties:
        document_id: {{ type: string }}
        format: {{ enum: [text, bullets] }}
        max_words: {{ type: integer, minimum: 1 }}
      additionalProperties: false
    upstream: {{ url: "http://{service}", credential: "${{UPSTREAM_KEY:-none}}" }}
  - {{ path: /echo, verbs: [GET, POST], authenticated: true, upstream: {{ url: "http://{service}" }} }}
  - {{ path: /upper, verbs: [POST], authenticated: true, upstream: {{ url: "http://{service}" }} }}
  - {{ path: /socket, verbs: [GET], authenticated: true, upstream: {{ url: "http://{service}" }} }}
  - path: /letter
    verbs: [POST]
    authenticated: true
    pii:
      request: {{ detect: [EMAIL, PHONE, SSN, CREDIT_CARD], action: mask }}
      response: {{ detect: [EMAIL, PHONE], action: mask }}
    upstream: {{ url: "http://{service}" }}
  - {{ path: /slow, verbs: [GET], authenticated: true, timeouts: {{ upstream: 300ms }}, upstream: {{ url: "http://{service}" }} }}
  - {{ path: /nobody, verbs: [GET], authenticated: true, upstream: {{ url: "http://{nobody}" }} }}
"#
    )
}

#[tokio::test]
async fn a_verb_of_one_s_own_arrives_as_post_and_only_if_it_is_sound() {
    let guarded = Guarded::start();
    let summarize = |body: Value| ask("SUMMARIZE", "/document").bearer(&guarded.key).json(&body);
    let body = json!({"document_id": "good", "max_words": 7});
    for answer in [
        summarize(body.clone()).at(guarded.gateway.address).await,
        summarize(body).at_h2(guarded.gateway.address).await,
    ] {
        let expected = json!({"summary": "7 words", "verb": "SUMMARIZE"});
        assert_eq!((answer.status, answer.json()), (200, expected));
    }
    for (body, pointer) in [
        (json!({"document_id": "bad", "max_words": 0}), "/max_words"),
        (json!({"document_id": "bad", "format": "pdf"}), "/format"),
        (json!({"document_id": 7}), "/document_id"),
    ] {
        let problem = summarize(body).at(guarded.gateway.address).await;
        let problem = problem.is_problem(422, "invalid-body");
        assert_eq!(problem["violations"][0]["pointer"], pointer, "{problem}");
    }
    let media = ask("SUMMARIZE", "/document").bearer(&guarded.key).body("text/plain", "{}");
    media.at(guarded.gateway.address).await.is_problem(415, "unsupported-media-type");
    let anonymous = ask("SUMMARIZE", "/document").json(&json!({"document_id": "bad"}));
    anonymous.at(guarded.gateway.address).await.is_problem(401, "unauthenticated");
    assert_eq!(guarded.asked().await, json!(["good", "good"]));
}

#[tokio::test]
async fn the_service_learns_who_calls_from_the_gateway_alone() {
    let guarded = Guarded::start();
    let spoofed = [
        "x-bartizan-subject",
        "X_Bartizan_Subject",
        "x-bartizan_roles",
        "X-Bartizan-Tenant",
        "x-bartizan-anything",
        "x-forwarded-for",
        "x_forwarded_for",
        "forwarded",
        "x-real-ip",
        "x-original-url",
        "x-http-method-override",
        "proxy-authorization",
        "keep-alive",
        "x-once",
    ];
    let with = |place: &str, value: String| {
        let asked = ask("POST", "/echo").header(place, value).body("text/plain", "x");
        let asked = asked.header("connection", "x-once, keep-alive").header("te", "gzip");
        let asked = asked.header("x-kept", "1");
        spoofed.iter().fold(asked, |asked, name| asked.header(name, "spoofed"))
    };
    for asked in [
        with("authorization", format!("Bearer {}", guarded.key)),
        with("x-api-key", guarded.key.clone()),
    ] {
        let answer = asked.at(guarded.gateway.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(!answer.text().contains("spoofed"), "{}", answer.text());
        assert!(!answer.text().contains(&guarded.key), "the caller's credential went on");
        let seen = answer.json();
        let field = |name: &str| {
            let all = seen["headers"].as_array().unwrap().iter();
            let values: Vec<_> = all.filter(|f| f[0] == name).map(|f| f[1].clone()).collect();
            values
        };
        assert_eq!(field("x-bartizan-subject"), ["key:ci"], "{seen}");
        assert_eq!(field("x-bartizan-tenant"), ["acme%20&%20co"], "{seen}");
        assert_eq!(field("x-bartizan-scopes"), ["data:read notify:send"], "{seen}");
        assert_eq!(field("x-bartizan-roles"), ["user"], "{seen}");
        assert_eq!(field("x-forwarded-for"), ["127.0.0.1"], "{seen}");
        assert_eq!(field("x-kept"), ["1"], "{seen}");
        for gone in ["authorization", "x-api-key", "te", "proxy-authorization"] {
            assert_eq!(field(gone), [""; 0], "{seen}");
        }
        assert_eq!(field("host"), [guarded.service.address.to_string()], "{seen}");
    }
    // Nobody is not named, and cannot name himself.
    let claim = with("x-bartizan-scopes", "admin".into()).at(guarded.gateway.address).await;
    claim.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_body_passes_piece_by_piece_in_both_directions() {
    let guarded = Guarded::start();
    let (send, pieces) = mpsc::channel::<Bytes>(1);
    let frames = stream::unfold(pieces, |mut pieces| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(piece)), pieces))
    });
    let tcp = TcpStream::connect(guarded.gateway.address).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(tcp)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("/upper")
        .header("host", guarded.gateway.address.to_string())
        .header("authorization", format!("Bearer {}", guarded.key))
        .header("content-type", "text/plain")
        .body(StreamBody::new(frames))
        .unwrap();
    send.send("one".into()).await.unwrap();
    let answer = timeout(PATIENCE, client.send_request(request)).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    // What concerns only the connection of the service to the gateway ends there.
    assert!(!answer.headers().contains_key("x-hop"), "{:?}", answer.headers());
    let mut body = answer.into_body();
    // Each piece comes back before the next is sent: nobody waits for the whole.
    let mut got = String::new();
    for (expected, next) in [("ONE", Some("two")), ("ONETWO", Some("three")), ("ONETWOTHREE", None)]
    {
        while got.len() < expected.len() {
            let frame = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
            got.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
        assert_eq!(got, expected);
        if let Some(next) = next {
            send.send(next.into()).await.unwrap();
        }
    }
    drop(send);
    let rest = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    assert!(rest.is_empty(), "{rest:?}");
}

#[tokio::test]
async fn a_service_that_is_away_or_asleep_is_told_from_one_that_answers() {
    let guarded = Guarded::start();
    let get = |path: &str| ask("GET", path).bearer(&guarded.key).at(guarded.gateway.address);
    let away = get("/nobody").await;
    away.is_problem(502, "upstream-failed");
    let asleep = get("/slow").await;
    asleep.is_problem(504, "upstream-timeout");
    for answer in [&away, &asleep] {
        assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    }
    assert_eq!(get("/echo").await.status, 200);
    let statuses: Vec<_> = guarded.gateway.records().into_iter().filter(is_end).collect();
    let statuses: Vec<_> = statuses.iter().map(|end| end["details"]["status"].clone()).collect();
    assert_eq!(statuses, [502, 504, 200]);
}

#[tokio::test]
async fn personal_data_is_masked_in_requests_and_in_answers() {
    let guarded = Guarded::start();
    let letter = json!({
        "from": "alice@example.com",
        "text": "Ring +1 212 555 0187; my SSN is 219-09-9999, the card 4111 1111 1111 1111.",
        "count": 3,
    });
    let answer = ask("POST", "/letter").bearer(&guarded.key).json(&letter);
    let answer = answer.at(guarded.gateway.address).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    for datum in ["alice@", "555", "219-09-9999", "1111", "carol@", "2671"] {
        assert!(!text.contains(datum), "{datum}: {text}");
    }
    assert_eq!(answer.json()["seen"]["count"], 3, "{text}");
    assert!(answer.json()["seen"]["text"].as_str().unwrap().starts_with("Ring *"), "{text}");

    let log = guarded.gateway.records();
    let found: Vec<_> = log.iter().filter(|record| record["event"] == "PII_DETECTED").collect();
    assert!(!found.is_empty());
    let told = format!("{found:?}");
    for (datum, there) in [("EMAIL_ADDRESS", true), ("US_SSN", true), ("alice@", false)] {
        assert_eq!(told.contains(datum), there, "{datum}: {told}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_does_not_pass_where_it_must_be_masked() {
    let guarded = Guarded::start();
    let utf_16: Vec<u8> =
        "{\"a\":\"alice@example.com\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let letter = || ask("POST", "/letter").bearer(&guarded.key);
    for (how, asked) in [
        ("UTF-16", letter().body("application/json", utf_16.clone())),
        ("UTF-16, said so", letter().body("application/json; charset=utf-16le", utf_16)),
        ("UTF-7", letter().body("text/plain; charset=utf-7", "alice+AEA-example.com")),
        (
            "gzip",
            letter().body("application/json", "\u{1f}\u{8b}").header("content-encoding", "gzip"),
        ),
        (
            "gzip that is none",
            letter().body("text/plain", "alice").header("content-encoding", "gzip"),
        ),
        (
            "a part of many",
            letter().body("multipart/form-data; boundary=x", "--x\r\n\r\na@b.com\r\n--x--"),
        ),
        ("bytes", letter().body("application/octet-stream", "alice@example.com")),
    ] {
        let answer = asked.at(guarded.gateway.address).await;
        assert!(
            [400, 415, 422].contains(&answer.status),
            "{how}: {} {}",
            answer.status,
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_web_socket_passes_once_the_service_has_agreed() {
    let guarded = Guarded::start();
    let mut socket = websocket::open(guarded.gateway.address, "/socket", Some(&guarded.key)).await;
    assert_eq!(socket.status, 101);
    for text in ["hello", "again"] {
        socket.send(text).await;
        assert_eq!(socket.receive().await, text.to_uppercase());
    }
    let refused = websocket::open(guarded.gateway.address, "/socket", None).await;
    assert_eq!(refused.status, 401);
}
