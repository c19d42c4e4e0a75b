//! Requests that cannot be read: is their sender told why, and the operator that they came?

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::program::{Program, until};
use crate::upstream::Upstream;
use crate::wire::{ask, raw, read_until, rest, status};

/// Beginnings of requests that no reader of RFC 9112 may take, each with the status it gets and what
/// the log says of it.
const UNREADABLE: &[(u16, &str, &str)] = &[
    (400, "G\u{7f}T / HTTP/1.1\r\nHost: a\r\n\r\n", "invalid HTTP method parsed"),
    (400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "invalid HTTP version parsed"),
    (400, "GET / HTTP/3.0\r\nHost: a\r\n\r\n", "invalid HTTP version parsed"),
    (400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "invalid HTTP header parsed"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", "invalid HTTP header parsed"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "invalid content-length parsed",
    ),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "invalid transfer-encoding parsed",
    ),
];

/// The records of requests of which no head could be read.
fn unread(program: &Program) -> Vec<Value> {
    let records = program.records().into_iter();
    records
        .filter(|record| record["event"] == "REQUEST_ERROR" && record["action"].is_null())
        .collect()
}

#[tokio::test]
async fn a_request_that_cannot_be_read_gets_a_problem_by_whose_name_the_log_tells_why() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        configuration.replacen(
            "durability: batch",
            "durability: batch, refusals_per_second: 100",
            1,
        )
    });
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n");
    let large = [long, many].map(|request| (431, request, "message head is too large"));
    let small =
        UNREADABLE.iter().map(|(status, request, why)| (*status, (*request).to_owned(), *why));
    let all: Vec<_> = small.chain(large).collect();
    for (expected, request, why) in &all {
        let answer = raw(program.address, request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(status(head), *expected, "{request:?} {answer}");
        assert!(head.contains("application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], *expected);
        let id = problem["request_id"].as_str().unwrap();
        assert!(head.contains(&format!("x-request-id: {id}")), "{head}");
        let record = || unread(&program).into_iter().find(|record| record["request_id"] == id);
        until(|| record().is_some(), || format!("no record of {id}"));
        let record = record().unwrap();
        assert_eq!(
            (&record["outcome"], &record["client"]["ip"]),
            (&"deny".into(), &"127.0.0.1".into())
        );
        assert_eq!(record["details"]["status"], *expected);
        assert!(record["reason"].as_str().unwrap().ends_with(why), "{record} {request:?}");
    }
    assert!(upstream.seen().is_empty());
    let metrics = ask(program.admin, "GET /metrics", &[]).await;
    let counted = format!("bartizan_unreadable_requests_total {}\n", all.len());
    assert!(metrics.contains(&counted), "{metrics}");
}

#[tokio::test]
async fn a_good_request_before_one_that_cannot_be_read_keeps_its_answer() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let good = "GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n";
    // In one piece, and one after the other.
    let joined = raw(program.address, format!("{good}{good}\r\nno request\r\n\r\n")).await;
    let mut socket = TcpStream::connect(program.address).await.unwrap();
    socket.write_all(good.as_bytes()).await.unwrap();
    let first = read_until(&mut socket, "\r\n\r\n").await;
    assert_eq!(status(&first), 200);
    socket.write_all(b"GET / HTTP/9.9\r\n\r\n").await.unwrap();
    let second = rest(&mut socket).await;
    assert_eq!(joined.matches("HTTP/1.1 200 OK").count(), 2, "{joined}");
    for answer in [&joined, &second] {
        let (_, problem) = answer.rsplit_once("\r\n\r\n").unwrap();
        let problem: Value = serde_json::from_str(problem).unwrap();
        assert_eq!(problem["type"], "urn:bartizan:problem:malformed-request", "{answer}");
    }
    until(|| unread(&program).len() == 2, || format!("{:?}", unread(&program)));
    assert_eq!(upstream.seen().len(), 3);
}

#[tokio::test]
async fn a_flood_of_them_shares_records() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        configuration.replacen("durability: batch", "durability: batch, refusals_per_second: 2", 1)
    });
    const MANY: u64 = 200;
    for _ in 0..MANY {
        let answer = raw(program.address, "no request\r\n\r\n").await;
        assert_eq!(status(&answer), 400);
    }
    let count = |record: &Value| record["details"]["count"].as_u64().unwrap_or(1);
    let all = || unread(&program).iter().map(count).sum::<u64>();
    until(|| all() == MANY, || format!("{} of {MANY}", all()));
    assert!(unread(&program).len() < 50, "{}", unread(&program).len());
}

#[tokio::test]
async fn who_breaks_the_rules_of_http_2_is_remembered_too() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    // A frame of data on a stream that nobody has opened (RFC 9113 section 5.1).
    let data = [0, 0, 1, 0, 0, 0, 0, 0, 1, b'x'];
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    request.extend_from_slice(&data);
    raw(program.address, request).await;
    until(|| unread(&program).len() == 1, || format!("{:?}", program.records()));
    let reason = unread(&program)[0]["reason"].to_string();
    assert!(reason.contains("could not be read: HTTP/2: "), "{reason}");
}
