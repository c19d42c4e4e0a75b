//! Is what was answered on record, whatever happens to the program and to its clients?

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::gateway::{Gateway, folder_with, is_end, ran, records};
use crate::http::{PATIENCE, ask};
use crate::origin;

/// How many clients ask at a time.
const CLIENTS: usize = 32;

/// How many answers have come when the gateway is killed.
const ANSWERS: usize = 400;

fn id(record: &Value) -> String {
    record["request_id"].as_str().unwrap_or_default().to_owned()
}

/// How many terminal records each request has that departed.
fn ends_of_starts(log: &[Value]) -> BTreeMap<String, usize> {
    let starts = log.iter().filter(|record| record["event"] == "REQUEST_START");
    let mut ends: BTreeMap<String, usize> = starts.map(|start| (id(start), 0)).collect();
    for end in log.iter().filter(|record| is_end(record)) {
        *ends.entry(id(end)).or_default() += 1;
    }
    ends
}

#[track_caller]
fn verified(folder: &Path, log: &Path) {
    let run = ran(folder, &["audit", "verify", log.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
    assert_eq!(run.status.code(), Some(0), "{said}");
}

/// Asks until the gateway is gone, and returns the names of the requests that were answered.
async fn ask_on(address: SocketAddr, answers: mpsc::UnboundedSender<()>) -> BTreeSet<String> {
    let mut answered = BTreeSet::new();
    while let Ok(answer) = ask("GET", "/thing").try_at(address).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
        answered.insert(answer.header("x-request-id").to_owned());
        let _ = answers.send(());
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_has_every_answer_on_record() {
    let upstream = origin::start().await;
    let folder = folder_with(&format!(
        "audit: {{ destination: \"file://audit.jsonl\", durability: sync }}
endpoints: [{{ path: /thing, verbs: [GET], public: true, upstream: {{ url: \"http://{upstream}\" }} }}]
"
    ));
    let mut gateway = Gateway::in_folder(&folder, &[]);
    let (answers, mut heard) = mpsc::unbounded_channel();
    let clients: Vec<_> =
        (0..CLIENTS).map(|_| tokio::spawn(ask_on(gateway.address, answers.clone()))).collect();
    for _ in 0..ANSWERS {
        timeout(PATIENCE, heard.recv()).await.unwrap().unwrap();
    }
    gateway.kill();
    let mut answered = BTreeSet::new();
    for client in clients {
        answered.extend(timeout(PATIENCE, client).await.unwrap().unwrap());
    }
    assert!(answered.len() >= ANSWERS);

    let log = gateway.log();
    // The kill may have cut the last line short; whole lines stand as they were written.
    let text = std::fs::read_to_string(&log).unwrap();
    let whole = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ended: BTreeSet<String> = whole.filter(is_end).map(|record| id(&record)).collect();
    let lost: Vec<_> = answered.difference(&ended).collect();
    assert!(lost.is_empty(), "answered, and not on record: {lost:?}");

    let restarted = Gateway::in_folder(&folder, &[]);
    assert_eq!(ask("GET", "/thing").at(restarted.address).await.status, 200);
    assert!(restarted.stop().status.success());
    verified(folder.path(), &log);
    let records = records(&log);
    for (request, ends) in ends_of_starts(&records) {
        assert_eq!(ends, 1, "{request} has {ends} ends");
    }
    let abandoned = records.iter().filter(|record| record["outcome"] == "abandoned").count();
    assert!(abandoned <= CLIENTS, "{abandoned}");
}

#[tokio::test]
async fn every_request_ends_once_on_record_however_it_ends() {
    let upstream = origin::start().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::configured(&format!(
        "server: {{ max_request_size: 1KB }}
audit: {{ destination: \"file://audit.jsonl\" }}
limits: [{{ name: few, by: ip, rate: 2/minute, match: {{ path: /few }} }}]
endpoints:
  - {{ path: /thing, verbs: [GET, POST], public: true, schema: {{ type: object }}, upstream: {{ url: \"http://{upstream}\" }} }}
  - {{ path: /few, verbs: [GET], public: true, upstream: {{ url: \"http://{upstream}\" }} }}
  - {{ path: /guarded, verbs: [GET], authenticated: true, upstream: {{ url: \"http://{upstream}\" }} }}
  - {{ path: /nobody, verbs: [GET], public: true, upstream: {{ url: \"http://{nobody}\" }} }}
"
    ));
    let media = "application/json";
    let mut expected = Vec::new();
    for (status, asked) in [
        (200, ask("GET", "/thing")),
        (200, ask("POST", "/thing").body(media, "{}")),
        (400, ask("POST", "/thing").body(media, "{")),
        (400, ask("post", "/thing")),
        (401, ask("GET", "/guarded")),
        (401, ask("GET", "/thing").bearer("x")),
        (404, ask("GET", "/thing/nowhere")),
        (405, ask("PUT", "/thing")),
        (413, ask("POST", "/thing").body(media, "x".repeat(2000))),
        (415, ask("POST", "/thing").body("text/plain", "{}")),
        (422, ask("POST", "/thing").body(media, "[]")),
        (200, ask("GET", "/few")),
        (200, ask("GET", "/few")),
        (429, ask("GET", "/few")),
        (502, ask("GET", "/nobody")),
    ] {
        let answer = asked.at(gateway.address).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        expected.push((answer.header("x-request-id").to_owned(), json!(status)));
    }
    // A client that goes away with half of its body sent.
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let half = "Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    let head = format!("POST /thing HTTP/1.1\r\nHost: {}\r\n{half}", gateway.address);
    client.write_all(head.as_bytes()).await.unwrap();
    client.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, client.read_to_end(&mut rest)).await.unwrap();

    let (folder, log) = (Arc::clone(gateway.folder()), gateway.log());
    assert!(gateway.stop().status.success());
    verified(folder.path(), &log);
    let ends: Vec<_> = records(&log).into_iter().filter(is_end).collect();
    let told: Vec<_> = ends.iter().map(|end| (id(end), end["details"]["status"].clone())).collect();
    for request in &expected {
        assert_eq!(
            told.iter().filter(|end| end.0 == request.0).count(),
            1,
            "{request:?}: {told:?}"
        );
        assert!(told.contains(request), "{request:?}: {told:?}");
    }
    assert_eq!(ends.len(), expected.len() + 1, "{ends:?}");
    assert!(ends_of_starts(&ends).into_values().all(|ends| ends == 1));
}

/// An upstream that begins an answer and never ends it. It counts the connections that were closed.
async fn endless() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let closed = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
            stream.read_buf(&mut seen).await.unwrap();
        }
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await.unwrap();
        while matches!(stream.read_buf(&mut seen).await, Ok(1..)) {}
    });
    (address, closed)
}

#[tokio::test]
async fn a_client_that_hangs_up_is_on_record_once_and_its_call_ends() {
    let (upstream, closed) = endless().await;
    let gateway = Gateway::configured(&format!(
        "audit: {{ destination: \"file://audit.jsonl\" }}
endpoints: [{{ path: /endless, verbs: [GET], public: true, upstream: {{ url: \"http://{upstream}\" }} }}]
"
    ));
    let mut client = TcpStream::connect(gateway.address).await.unwrap();
    let head = format!("GET /endless HTTP/1.1\r\nHost: {}\r\n\r\n", gateway.address);
    client.write_all(head.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    while !got.windows(5).any(|bytes| bytes == b"first") {
        assert!(timeout(PATIENCE, client.read_buf(&mut got)).await.unwrap().unwrap() > 0);
    }
    drop(client);
    // The upstream is not kept busy for nobody.
    timeout(PATIENCE, closed).await.unwrap().unwrap();
    let (folder, log) = (Arc::clone(gateway.folder()), gateway.log());
    assert!(gateway.stop().status.success());
    verified(folder.path(), &log);
    let records = records(&log);
    let ends: Vec<_> = records.iter().filter(|record| is_end(record)).collect();
    assert_eq!(ends.len(), 1, "{records:?}");
    assert_eq!(ends[0]["outcome"], "abandoned", "{records:?}");
    assert_eq!(ends_of_starts(&records).into_values().collect::<Vec<_>>(), [1]);
}
