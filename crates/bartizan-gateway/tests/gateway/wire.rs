//! Bytes as a client writes them, and what comes back.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::program::PATIENCE;

/// Sends bytes as they are, and reads until the other side closes.
pub(crate) async fn raw(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    // The server may close before it has read all of a flood.
    let _ = socket.write_all(bytes.as_ref()).await;
    rest(&mut socket).await
}

/// Everything until the other side closes.
pub(crate) async fn rest(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, socket.read_to_end(&mut answer)).await;
    assert!(read.is_ok(), "still open after: {}", String::from_utf8_lossy(&answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until `end` has come.
pub(crate) async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut answer = String::new();
    let mut piece = [0; 4096];
    while !answer.contains(end) {
        let count = timeout(PATIENCE, socket.read(&mut piece)).await.expect(&answer).unwrap();
        assert!(count > 0, "closed after: {answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    answer
}

/// A request of a well-behaved client that closes its connection.
pub(crate) async fn ask(address: SocketAddr, line: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n");
    raw(address, head).await
}

/// The status of an answer; 0 where there is none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// One request over HTTP/2 with prior knowledge.
pub(crate) async fn h2(address: SocketAddr, request: Request<&'static str>) -> Response<String> {
    let socket = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(socket);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = request.map(|body| Full::new(Bytes::from(body)));
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, String::from_utf8(body.to_vec()).unwrap())
}
