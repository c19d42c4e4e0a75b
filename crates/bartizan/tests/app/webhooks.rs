//! Does another service's word count, and does its silence? A real server answers here.

use std::sync::Arc;
use std::time::Duration;

use bartizan::hook::{OnFailure, Remit, Webhook};
use bartizan::pii::{Action, Pii};
use bartizan::{App, Json, endpoint};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::house::{House, key};

const SECRET: &[u8] = b"0123456789abcdef01234567";

/// What the server was asked, and what it answers.
type Asked = Arc<Mutex<Vec<Value>>>;
type Answers = fn(&Value) -> Option<Value>;

/// A webhook server; `None` is silence. It takes nothing that is not signed.
async fn server(answers: Answers) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/check", listener.local_addr().unwrap());
    let asked = Asked::default();
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, answers, Arc::clone(&kept)));
        }
    });
    (address, asked)
}

async fn serve(socket: TcpStream, answers: Answers, asked: Asked) {
    let mut socket = BufReader::new(socket);
    loop {
        let Some((head, body)) = read(&mut socket).await else { return };
        let field = |name: &str| {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(name))?;
            Some(line.split_once(": ")?.1.trim().to_owned())
        };
        let (id, time) = (field("webhook-id").unwrap(), field("webhook-timestamp").unwrap());
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(SECRET).unwrap();
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(&body);
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(field("webhook-signature").unwrap(), format!("v1,{signature}"));
        let question: Value = serde_json::from_slice(&body).unwrap();
        let answer = answers(&question);
        asked.lock().push(question);
        let Some(answer) = answer else { return std::future::pending().await };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        socket.write_all(format!("{head}{answer}").as_bytes()).await.unwrap();
    }
}

async fn read(socket: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if socket.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| {
        line.to_lowercase().strip_prefix("content-length: ").and_then(|n| n.parse().ok())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    socket.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

#[derive(Deserialize, JsonSchema)]
struct Text {
    text: String,
}

fn webhook(url: &str) -> Webhook {
    Webhook::new("dlp", url, str::from_utf8(SECRET).unwrap()).unwrap()
}

async fn house(webhook: Webhook) -> House {
    let echo =
        |_, input: Text| async move { Ok(Json(json!({ "text": input.text, "own": "Eve" }))) };
    let app = App::builder("Checked")
        .endpoint(endpoint("ECHO", "/").authenticated().json(echo))
        .endpoint(endpoint("ECHO", "/other").authenticated().json(echo))
        .pii(&Pii::new().detect(["EMAIL"]).requests(Action::Tokenise).responses(Action::Replace))
        .hook(webhook)
        .api_key(key("ann"));
    House::build(app).await
}

fn text(text: &str) -> Value {
    json!({ "text": text })
}

#[tokio::test]
async fn a_webhook_denies_masks_and_allows_and_sees_no_personal_data() {
    let (url, asked) = server(|question| {
        let body = question["body"].as_str().unwrap();
        Some(if body.contains("poison") {
            json!({ "result": "deny", "detail": "not this" })
        } else {
            let found = ["Ada", "Eve"].iter().filter(|name| body.contains(*name));
            let row = |name: &&str| json!({ "entity": "PERSON", "text": name });
            json!({ "result": "mask", "findings": found.map(row).collect::<Vec<_>>() })
        })
    })
    .await;
    let house = house(webhook(&url).remit(Remit::default().at(true, true))).await;
    let denied = house.ask("ann", "ECHO", "/", &text("poison")).await;
    assert_eq!((denied.status.as_u16(), &denied.body["detail"]), (422, &json!("not this")));
    let masked = house.ask("ann", "ECHO", "/", &text("Ada, a@b.example")).await;
    assert_eq!(masked.body, json!({ "text": "Ada, a@b.example", "own": "<PERSON>" }));
    let asked = asked.lock().clone();
    let directions: Vec<_> = asked.iter().map(|q| q["direction"].as_str().unwrap()).collect();
    assert_eq!(directions, ["request", "request", "response"]);
    assert!(asked.iter().all(|q| q["principal"] == "key:ann" && q["endpoint"] == "/"));
    assert!(!asked.iter().any(|q| q.to_string().contains("a@b")), "{asked:?}");
    house.ends(2).await;
}

#[tokio::test]
async fn silence_is_no_unless_its_owner_says_otherwise() {
    let (url, _) = server(|_| None).await;
    let quick = Remit::default().deadline(Duration::from_millis(50));
    let strict = house(webhook(&url).remit(quick.clone())).await;
    let seen = strict.ask("ann", "ECHO", "/", &text("hello")).await;
    assert_eq!(seen.status, 422);
    let unchecked = "a check could not be made; send less at once, or try again later";
    assert_eq!(seen.body["detail"], unchecked);
    strict.ends(1).await;
    let lenient = house(webhook(&url).remit(quick.on_failure(OnFailure::Allow))).await;
    let seen = lenient.ask("ann", "ECHO", "/", &text("hello")).await;
    assert_eq!(seen.status, 200);
    let alerts = lenient.events("SECURITY_ALERT");
    assert_eq!(alerts[0]["reason"], "the hook `dlp` could not look: it did not answer in time");
    lenient.ends(1).await;
}

#[tokio::test]
async fn what_is_too_large_or_nonsense_counts_as_silence() {
    let (url, asked) = server(|_| Some(json!({ "result": "perhaps" }))).await;
    let nonsense = house(webhook(&url)).await;
    assert_eq!(nonsense.ask("ann", "ECHO", "/", &text("hello")).await.status, 422);
    nonsense.ends(1).await;
    assert_eq!(asked.lock().len(), 1);
    let small = house(webhook(&url).remit(Remit::default().max_body(10))).await;
    assert_eq!(small.ask("ann", "ECHO", "/", &text("a longer text")).await.status, 422);
    small.ends(1).await;
    assert_eq!(asked.lock().len(), 1, "a body that is too large is not sent");
    let unreachable = house(webhook("http://127.0.0.1:1/")).await;
    assert_eq!(unreachable.ask("ann", "ECHO", "/", &text("hello")).await.status, 422);
    unreachable.ends(1).await;
}

#[tokio::test]
async fn it_is_asked_about_its_own_endpoints_alone() {
    let (url, asked) = server(|_| Some(json!({ "result": "deny" }))).await;
    let other = Remit::default().only(Vec::new(), vec!["/other".into()]);
    let house = house(webhook(&url).remit(other)).await;
    assert_eq!(house.ask("ann", "ECHO", "/", &text("hello")).await.status, 200);
    assert_eq!(house.ask("ann", "ECHO", "/other", &text("hello")).await.status, 422);
    assert_eq!(asked.lock().len(), 1);
    house.ends(2).await;
}
