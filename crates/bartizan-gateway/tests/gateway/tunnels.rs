//! Connections that change their protocol: only when the upstream agrees, and only to WebSocket.

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::program::{KEY, PATIENCE, Program};
use crate::upstream::Upstream;
use crate::wire::{raw, read_until, rest, status};

const ASK: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[tokio::test]
async fn a_tunnel_opens_after_the_upstreams_101_and_carries_bytes_both_ways() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let mut socket = TcpStream::connect(program.address).await.unwrap();
    let head = format!("GET /open/socket HTTP/1.1\r\nHost: a\r\n{ASK}");
    socket.write_all(head.as_bytes()).await.unwrap();
    let answer = read_until(&mut socket, "\r\n\r\n").await;
    assert_eq!(status(&answer), 101, "{answer}");
    for word in ["one", "two"] {
        socket.write_all(word.as_bytes()).await.unwrap();
        read_until(&mut socket, &word.repeat(2)).await;
    }
}

#[tokio::test]
async fn bytes_after_a_refused_upgrade_are_no_tunnel() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let hidden = "GET /open/hidden HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let request = format!("GET /open/plain HTTP/1.1\r\nHost: a\r\n{ASK}{hidden}");
    let answer = raw(program.address, request).await;
    assert_eq!(status(&answer), 200, "{answer}");
    // The second one was read as a request of its own, by the gate.
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    let ends = program.records().into_iter().filter(|record| record["event"] == "REQUEST_END");
    crate::program::until(
        || program.records().iter().filter(|r| r["event"] == "REQUEST_END").count() == 2,
        || format!("{:?}", ends.collect::<Vec<_>>()),
    );
}

#[tokio::test]
async fn what_knows_no_messages_is_no_tunnel_and_neither_is_another_protocol() {
    let upstream = Upstream::start().await;
    let checked = |configuration: String| {
        configuration.replace("path: /masked", "path: /socket\n    schema: { type: object }")
    };
    let program = Program::with(upstream.address, &[], checked);
    for (path, ask) in
        [("/socket", ASK.to_owned()), ("/open/socket", ASK.replace("websocket", "h2c"))]
    {
        let ask = ask.replace("Connection: Upgrade", "Connection: Upgrade, close");
        let answer = raw(program.address, format!("GET {path} HTTP/1.1\r\nHost: a\r\n{ask}")).await;
        assert_eq!(status(&answer), 426, "{answer}");
    }
}

#[tokio::test]
async fn a_tunnel_does_not_outlive_the_gate() {
    let upstream = Upstream::start().await;
    let mut program = Program::start(upstream.address);
    let mut socket = TcpStream::connect(program.address).await.unwrap();
    let head = format!("GET /open/socket HTTP/1.1\r\nHost: a\r\n{ASK}");
    socket.write_all(head.as_bytes()).await.unwrap();
    read_until(&mut socket, "\r\n\r\n").await;
    program.signal("TERM");
    assert_eq!(rest(&mut socket).await, "");
    assert!(program.end().success());
}

#[tokio::test]
async fn one_caller_does_not_open_every_tunnel_there_is() {
    bartizan_gateway::descriptors::raise();
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |usual| {
        let socket =
            "endpoints:\n  - path: /socket\n    verbs: [GET]\n    scopes: [\"data:read\"]\n";
        let upstream = format!("    upstream: {{ url: \"http://{}\" }}\n", upstream.address);
        usual.replace("endpoints:\n", &format!("{socket}{upstream}"))
    });
    let open = async |path: &str, credential: &str| {
        let mut socket = TcpStream::connect(program.address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{credential}{ASK}");
        socket.write_all(head.as_bytes()).await.unwrap();
        let answer = read_until(&mut socket, "\r\n\r\n").await;
        (status(&answer), socket)
    };
    let key = format!("X-API-Key: {KEY}\r\n");
    let mut held = Vec::new();
    let refused = loop {
        let (status, socket) = open("/socket", &key).await;
        if status != 101 {
            break status;
        }
        held.push(socket);
    };
    assert_eq!((refused, held.len()), (503, 512), "half of all");
    assert_eq!(open("/open/socket", "").await.0, 101, "somebody else still may");
    // A place is given back with its tunnel.
    drop(held.pop());
    let begun = std::time::Instant::now();
    while open("/socket", &key).await.0 != 101 {
        assert!(begun.elapsed() < PATIENCE / 2, "the place was not given back");
    }
}
