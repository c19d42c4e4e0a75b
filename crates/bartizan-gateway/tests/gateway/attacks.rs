//! Requests that mean two things, that are too large, or that never end.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::program::{PATIENCE, Program};
use crate::upstream::Upstream;
use crate::wire::{ask, raw, read_until, rest, status};

/// Requests, each with the status it gets; none of them may reach the upstream.
const REFUSED: &[(u16, &str)] = &[
    // RFC 9112 section 3.2: exactly one host.
    (400, "GET /open/x HTTP/1.1\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/x HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/x HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/x HTTP/1.1\r\nHost: a, b\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/x HTTP/1.1\r\nHost: user@a\r\nConnection: close\r\n\r\n"),
    (400, "GET http://a/open/x HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"),
    // Methods that another reader may take for known ones, and tunnels.
    (400, "post /open/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "Get /open/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (405, "TRACE /open/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n"),
    // Paths with two readings.
    (400, "GET /open/../guarded HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/%2e%2e/guarded HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/a%2fb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/a%5cb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open//x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/%252e%252e/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/x%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (400, "GET /open/..;/guarded HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    // Lengths with two readings.
    (400, "POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    (400, "POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na"),
    (400, "POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /open/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
    (400, "POST /open/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    // Lines with two readings.
    (400, "GET /open/x HTTP/1.1\r\nHost : a\r\n\r\n"),
    (400, "GET /open/x HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n"),
    // A verb where it does not count.
    (
        400,
        "GET /open/x HTTP/1.1\r\nHost: a\r\nX-AGIS-Method: SUMMARIZE\r\nConnection: close\r\n\r\n",
    ),
    (400, "POST /open/x HTTP/1.1\r\nHost: a\r\nX-AGIS-Method: DELETE\r\nConnection: close\r\n\r\n"),
    // No credential, and one in the query.
    (401, "GET /guarded HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    (401, "GET /guarded?access_token=x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
];

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused_and_never_reaches_the_upstream() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    for (expected, request) in REFUSED {
        let answer = raw(program.address, request).await;
        assert_eq!(status(&answer), *expected, "{request:?}\n{answer}");
    }
    let seen = upstream.seen();
    assert!(seen.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn an_absolute_target_with_the_same_host_is_the_same_request() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let request = "GET http://gate/open/%78 HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&raw(program.address, request).await), 200);
    assert_eq!(upstream.only().target, "/open/x");
}

#[tokio::test]
async fn a_request_hidden_in_the_body_of_another_is_not_served() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let hidden = "GET /open/hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let both = format!(
        "POST /open/x HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\n{hidden}",
        hidden.len() + 5
    );
    raw(program.address, both).await;
    let targets: Vec<_> = upstream.seen().into_iter().map(|seen| seen.target).collect();
    assert!(!targets.contains(&"/open/hidden".to_owned()), "{targets:?}");
}

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let large = format!("X: {}\r\n", "x".repeat(100_000));
    for fields in [many, large] {
        let request = format!("GET /open/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let answer = raw(program.address, request).await;
        assert_eq!(status(&answer), 431, "{answer}");
    }
    assert!(upstream.seen().is_empty());
    // The program is none the worse for it.
    assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 200);
}

#[tokio::test]
async fn who_sends_nothing_or_a_head_in_drops_is_sent_away() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let beginnings = ["", "G", "GET /open/x HTTP/1.1\r\nHo", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    let sent_away = beginnings.map(|beginning| {
        let address = program.address;
        tokio::spawn(async move {
            let began = Instant::now();
            let mut socket = TcpStream::connect(address).await.unwrap();
            socket.write_all(beginning.as_bytes()).await.unwrap();
            let answer = rest(&mut socket).await;
            assert!(began.elapsed() < PATIENCE / 2, "{beginning:?} {answer:?}");
        })
    });
    for beginning in sent_away {
        beginning.await.unwrap();
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_body_that_stands_still_is_told_so_whether_it_is_read_or_passed_on() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    for path in ["/schema", "/open/x"] {
        let mut socket = TcpStream::connect(program.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: 100\r\n\r\n{{"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(&mut socket).await;
        assert_eq!(status(&answer), 408, "{path} {answer}");
    }
}

#[tokio::test]
async fn an_endpoint_may_wait_longer_for_a_body_than_others_do() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |usual| {
        let patient = "  - path: /schema\n    timeouts: { body: 10s }\n";
        usual.replacen("  - path: /schema\n", patient, 1)
    });
    let begin = async |path: &str| {
        let mut socket = TcpStream::connect(program.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\nConnection: close\r\n\r\n{{"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        socket
    };
    let (mut patient, mut hurried) = (begin("/schema").await, begin("/open/x").await);
    assert_eq!(status(&rest(&mut hurried).await), 408);
    // The other has been waited for as long.
    patient.write_all(b"}").await.unwrap();
    assert_eq!(status(&rest(&mut patient).await), 200);
}

#[tokio::test]
async fn a_body_is_as_large_as_it_may_be_declared_or_not() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let chunks = |length: usize| {
        let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
        let body = chunk.repeat(length / 0x400);
        format!("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{body}0\r\n\r\n")
    };
    let declared = |length: usize| {
        format!("Content-Length: {length}\r\nConnection: close\r\n\r\n{}", "x".repeat(length))
    };
    for (expected, rest) in [
        (200, declared(0x10000)),
        (413, declared(0x10001)),
        (200, chunks(0x10000)),
        (413, chunks(0x10400)),
    ] {
        let request = format!("POST /open/x HTTP/1.1\r\nHost: a\r\n{rest}");
        let answer = raw(program.address, request).await;
        assert_eq!(status(&answer), expected, "{answer}");
    }
}

#[tokio::test]
async fn an_address_that_takes_connections_leaves_some_to_others_and_gets_its_own_back() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        let http = "server:\n  http: { max_connections_per_address: 2 }";
        configuration.replacen("server:", http, 1)
    });
    let line = "GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(program.address).await.unwrap();
        socket.write_all(line.as_bytes()).await.unwrap();
        read_until(&mut socket, "\r\n\r\n").await;
        held.push(socket);
    }
    // One more is closed without a word.
    let mut third = TcpStream::connect(program.address).await.unwrap();
    let mut nothing = [0; 1];
    let read = tokio::time::timeout(PATIENCE, third.read(&mut nothing)).await.unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    // The operator is told, by what the bound is called.
    let metrics = ask(program.admin, "GET /metrics", &[]).await;
    let counted =
        "bartizan_connection_bounds_reached_total{bound=\"max_connections_per_address\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    drop(held);
    let begun = Instant::now();
    while status(&ask(program.address, "GET /open/x", &[]).await) != 200 {
        assert!(begun.elapsed() < PATIENCE, "places were not given back");
    }
}

#[tokio::test]
async fn bodies_that_do_not_end_leave_room_for_those_of_others_and_give_it_back() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        let room = "server:\n  http: { max_body_memory: 256KiB }";
        configuration.replacen("server:", room, 1).replace("body: 1s", "body: 15s")
    });
    let head = |length: usize| {
        format!(
            "POST /schema HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    let whole = format!("{}{{\"a\":\"{}\"}}", head(60_000), "x".repeat(59_992));
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = TcpStream::connect(program.address).await.unwrap();
        socket.write_all(&whole.as_bytes()[..50_000]).await.unwrap();
        held.push(socket);
    }
    let begun = Instant::now();
    loop {
        let metrics = ask(program.admin, "GET /metrics", &[]).await;
        if metrics.contains("bartizan_body_memory_bytes 120000\n") {
            break;
        }
        assert!(begun.elapsed() < PATIENCE / 2, "{metrics}");
    }
    // They hold nearly half. What this address sends beyond that is told to come later.
    let answer = raw(program.address, &whole).await;
    assert!(status(&answer) == 503 && answer.contains("retry-after: 1\r\n"), "{answer}");
    let metrics = ask(program.admin, "GET /metrics", &[]).await;
    assert!(metrics.contains("bartizan_bodies_without_room_total 1\n"), "{metrics}");
    program.says("`max_body_memory`");
    // Small calls go on, and so does whoever comes from elsewhere.
    let small = format!("{}{{}}", head(2));
    assert_eq!(status(&raw(program.address, &small).await), 200);
    let mut elsewhere = from_elsewhere(&program).await;
    elsewhere.write_all(whole.as_bytes()).await.unwrap();
    let answer = rest(&mut elsewhere).await;
    assert_eq!(status(&answer), 200, "{answer}");
    drop(held);
    let begun = Instant::now();
    while status(&raw(program.address, &whole).await) != 200 {
        assert!(begun.elapsed() < PATIENCE / 2, "the room was not given back");
    }
}

#[tokio::test]
async fn a_body_that_never_finds_room_is_too_large_and_no_reason_to_come_back() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        configuration.replacen("server:", "server:\n  http: { max_body_memory: 64KiB }", 1)
    });
    program.says("half of `max_body_memory`");
    let request = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{{\"a\":\"{}\"}}",
            "x".repeat(length - 8)
        )
    };
    for (path, length, expected) in
        [("/schema", 40_000, 413), ("/schema", 30_000, 200), ("/open/x", 60_000, 200)]
    {
        let answer = raw(program.address, request(path, length)).await;
        assert_eq!(status(&answer), expected, "{path} {length} {answer}");
    }
}

/// A connection from another address of this machine.
async fn from_elsewhere(program: &Program) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(program.address).await.unwrap()
}

#[tokio::test]
async fn idle_connections_of_one_address_leave_descriptors_and_connections_to_others() {
    let upstream = Upstream::start().await;
    // Raised at the start: 32 would not even do for the program itself.
    let program = Program::within(upstream.address, 32, 292);
    program.says("`max_connections` is 50, not 10000");
    let line = "GET /open/x HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held = Vec::new();
    let mut open = 0;
    for _ in 0..60 {
        let mut socket = TcpStream::connect(program.address).await.unwrap();
        let _ = socket.write_all(line.as_bytes()).await;
        let mut piece = [0; 12];
        let read = tokio::time::timeout(PATIENCE, socket.read_exact(&mut piece)).await.unwrap();
        open += usize::from(read.is_ok_and(|_| &piece == b"HTTP/1.1 200"));
        held.push(socket);
    }
    assert_eq!(open, 25, "half of all connections");
    let mut other = from_elsewhere(&program).await;
    let last = "GET /open/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    other.write_all(last.as_bytes()).await.unwrap();
    let answer = rest(&mut other).await;
    assert_eq!(status(&answer), 200, "{answer}");
}
