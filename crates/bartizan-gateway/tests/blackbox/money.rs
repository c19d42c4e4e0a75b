//! Does money last, and is somebody told when it runs out?

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bartizan_core::limit::alert::{signature, signing_key};
use bartizan_testkit::postgres::PostgresServer;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::gateway::{Gateway, folder_with, ran};
use crate::http::{PATIENCE, ask};
use crate::origin;

fn configuration(upstream: SocketAddr, more: &str) -> String {
    format!(
        "audit: {{ destination: \"file://audit.jsonl\" }}
{more}
endpoints: [{{ path: /thing, verbs: [GET], public: true, upstream: {{ url: \"http://{upstream}\" }} }}]
"
    )
}

/// The answer to a call. A machine with much else to do may keep the store waiting for longer than
/// the gateway has patience: then it is asked again.
async fn status(address: SocketAddr) -> u16 {
    let begun = Instant::now();
    loop {
        match ask("GET", "/thing").at(address).await.status {
            503 if begun.elapsed() < PATIENCE => {}
            status => return status,
        }
    }
}

/// What a command prints, each line an object.
fn printed(folder: &std::path::Path, args: &[&str]) -> (Option<i32>, Vec<Value>) {
    let run = ran(folder, &[args, &["--format", "json"]].concat());
    let said = String::from_utf8(run.stdout).unwrap();
    let lines = said.lines().map(|line| serde_json::from_str(line).unwrap());
    (run.status.code(), lines.collect())
}

#[tokio::test]
async fn a_budget_outlives_a_gateway_that_is_killed() {
    let upstream = origin::start().await;
    let folder = folder_with(&configuration(
        upstream,
        "budgets: [{ name: few, requests: 3, period: month }]",
    ));
    let mut gateway = Gateway::in_folder(&folder, &[]);
    for _ in 0..2 {
        assert_eq!(status(gateway.address).await, 200);
    }
    gateway.kill();
    let gateway = Gateway::in_folder(&folder, &[]);
    assert_eq!(status(gateway.address).await, 200);
    assert_eq!(status(gateway.address).await, 429, "the kill gave the budget back");
    let (code, shown) = printed(folder.path(), &["budgets", "list"]);
    assert_eq!(
        (code, &shown[0]["settled"], &shown[0]["left"]),
        (Some(0), &"3".into(), &"0".into())
    );
    let (code, sound) = printed(folder.path(), &["budgets", "verify"]);
    assert_eq!((code, &sound[0]["sound"]), (Some(0), &true.into()), "{sound:?}");

    // The operator raises the limit, forgives, and puts it back: at once, without a restart.
    let done = |args: &[&str]| assert_eq!(printed(folder.path(), args).0, Some(0), "{args:?}");
    done(&["budgets", "set", "few", "--requests", "4"]);
    assert_eq!(status(gateway.address).await, 200);
    assert_eq!(status(gateway.address).await, 429);
    done(&["budgets", "set", "few", "--configured"]);
    done(&["budgets", "reset", "few"]);
    assert_eq!(status(gateway.address).await, 200);
    let (_, shown) = printed(folder.path(), &["budgets", "show", "few"]);
    let moves = shown[0]["ledger"].as_array().unwrap();
    assert!(moves.len() > 5 * 2, "{moves:?}");
    done(&["budgets", "rebuild"]);
    assert_eq!(printed(folder.path(), &["budgets", "verify"]).0, Some(0));
    let log = std::fs::read_to_string(folder.path().join("audit.admin.jsonl")).unwrap();
    for action in ["budgets.set", "budgets.reset", "budgets.rebuild"] {
        assert!(log.contains(action), "{action} is not on record");
    }
    assert!(gateway.stop().status.success());
}

#[tokio::test]
async fn gateways_on_one_server_share_a_budget_and_refuse_in_a_second_without_it() {
    let upstream = origin::start().await;
    let server = PostgresServer::new();
    let url = server.database();
    let more = "budgets: [{ name: few, requests: 30, period: month }]";
    let gateways: Vec<Gateway> = (0..3)
        .map(|_| {
            let folder = folder_with(&configuration(upstream, more));
            Gateway::in_folder(&folder, &[("DATABASE_URL", &url)])
        })
        .collect();
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..60 {
        let address = gateways[number % 3].address;
        asking.spawn(async move { status(address).await });
    }
    let answers = asking.join_all().await;
    let passed = answers.iter().filter(|status| **status == 200).count();
    assert_eq!(passed, 30, "{answers:?}");
    let folder = gateways[0].folder().path().to_owned();
    let database = format!("store: {{ durable: \"{url}\" }}\n");
    let file = folder.join("bartizan.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(folder.join("command.yaml"), format!("{database}{text}")).unwrap();
    let (code, sound) = printed(&folder, &["budgets", "verify", "--config", "command.yaml"]);
    assert_eq!(code, Some(0), "{sound:?}");

    server.freeze();
    let begun = Instant::now();
    let answer = ask("GET", "/thing").at(gateways[0].address).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(!answer.header("retry-after").is_empty());
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    until(gateways[0].admin, "/readyz", 503).await;
    server.thaw();
    until(gateways[0].admin, "/readyz", 200).await;
    until(gateways[0].address, "/thing", 429).await;
    for gateway in gateways {
        assert!(gateway.stop().status.success());
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_spent_and_when_there_is_room_it_goes_on() {
    let upstream = origin::start().await;
    let more = "budgets: [{ name: many, requests: 100000, period: month }]";
    let folder = folder_with(&configuration(upstream, more));
    // The database is there before the disk is full.
    assert!(Gateway::in_folder(&folder, &[]).stop().status.success());
    let gateway = Gateway::with_room_for(&folder, 2_048);
    let mut passed = 0;
    let mut refusals = 0;
    let refused = loop {
        let begun = Instant::now();
        let answer = ask("GET", "/thing").at(gateway.address).await;
        refusals = if answer.status == 200 { 0 } else { refusals + 1 };
        if refusals == 3 {
            break (answer.status, begun.elapsed());
        }
        passed += 1;
        assert!(passed < 2_000, "the disk never was full");
    };
    assert_eq!(refused.0, 503);
    assert!(refused.1 < Duration::from_millis(1500), "{refused:?}");
    gateway.make_room();
    until(gateway.address, "/thing", 200).await;
    let folder = std::sync::Arc::clone(gateway.folder());
    assert!(gateway.stop().status.success());
    let (code, sound) = printed(folder.path(), &["budgets", "verify"]);
    assert_eq!(code, Some(0), "{sound:?}");
}

/// Asks until that is the answer.
async fn until(address: SocketAddr, path: &str, wanted: u16) {
    let begun = Instant::now();
    while ask("GET", path).at(address).await.status != wanted {
        assert!(begun.elapsed() < PATIENCE, "{path} never was {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A message that came: its headers and body.
type Message = (BTreeMap<String, String>, String);

/// Somebody who is told, and does not understand the first time.
async fn listener() -> (SocketAddr, mpsc::UnboundedReceiver<Message>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (told, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        while let Ok((stream, _)) = socket.accept().await {
            let (told, first) = (told.clone(), std::sync::Arc::clone(&first));
            let hear = service_fn(move |request: Request<Incoming>| {
                let (told, first) = (told.clone(), std::sync::Arc::clone(&first));
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let headers = head.headers.iter();
                    let headers = headers
                        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
                    let text = String::from_utf8(body.to_vec()).unwrap();
                    told.send((headers.collect(), text)).unwrap();
                    let failed = first.swap(false, std::sync::atomic::Ordering::Relaxed);
                    let status = if failed { 500 } else { 204 };
                    Response::builder().status(status).body(Empty::<Bytes>::new())
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), hear));
        }
    });
    (address, messages)
}

#[tokio::test]
async fn a_threshold_is_told_once_signed_and_again_where_it_did_not_arrive() {
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let upstream = origin::start().await;
    let (told, mut messages) = listener().await;
    let folder = folder_with(&configuration(
        upstream,
        &format!(
            "budgets: [{{ name: few, requests: 4, period: month, alert_at: [50, 100] }}]
alerts: {{ webhooks: [{{ url: \"http://{told}/hook\", secret: {{ env: HOOK }} }}] }}"
        ),
    ));
    let gateway = Gateway::in_folder(&folder, &[("HOOK", SECRET)]);
    for _ in 0..3 {
        assert_eq!(status(gateway.address).await, 200);
    }
    let (mut first, mut ids) = (None, Vec::new());
    // Refused the first time, it comes again with the same name.
    for _ in 0..2 {
        let (headers, body) = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
        let (id, seconds) = (&headers["webhook-id"], headers["webhook-timestamp"].parse().unwrap());
        let expected = signature(&signing_key(SECRET), id, seconds, &body);
        assert_eq!(headers["webhook-signature"], expected);
        let said: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((&said["budget"], &said["percent"]), (&"few".into(), &50.into()), "{said}");
        assert_eq!(*first.get_or_insert_with(|| body.clone()), body);
        ids.push(id.clone());
    }
    assert_eq!(ids[0], ids[1]);
    // A restart tells it no second time; the next threshold is told.
    assert!(gateway.stop().status.success());
    let gateway = Gateway::in_folder(&folder, &[("HOOK", SECRET)]);
    assert_eq!(status(gateway.address).await, 200);
    let (_, body) = timeout(PATIENCE, messages.recv()).await.unwrap().unwrap();
    let said: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(said["percent"], 100, "{said}");
    let page = ask("GET", "/metrics").at(gateway.admin).await;
    assert!(page.text().contains("bartizan_events_total{event=\"BUDGET_ALERT\"} 1\n"));
    let alerts: Vec<_> = gateway
        .records()
        .into_iter()
        .filter(|record| record["event"] == "BUDGET_ALERT")
        .map(|record| record["details"]["percent"].clone())
        .collect();
    assert_eq!(alerts, [50, 100]);
    assert!(gateway.stop().status.success());
    assert!(messages.try_recv().is_err(), "told more often than once");
}
