//! Bodies pass as they come, both ways at once.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::time::timeout;

use crate::program::{PATIENCE, Program};
use crate::upstream::Upstream;
use crate::wire::{ask, raw, status};

type Chunk = Result<Frame<Bytes>, Infallible>;

/// A body that is written chunk by chunk while its request is under way.
fn body() -> (UnboundedSender<Chunk>, StreamBody<impl Stream<Item = Chunk>>) {
    let (sender, chunks) = mpsc::unbounded_channel();
    let chunks = stream::unfold(chunks, |mut chunks| async {
        chunks.recv().await.map(|chunk| (chunk, chunks))
    });
    (sender, StreamBody::new(chunks))
}

/// Sends chunks, each only when the one before it has come back.
async fn converse(program: &Program, version_2: bool) {
    let io = TokioIo::new(TcpStream::connect(program.address).await.unwrap());
    let (sender, body) = body();
    let body = Box::pin(body);
    let uri = if version_2 {
        format!("http://{}/open/mirror", program.address)
    } else {
        "/open/mirror".into()
    };
    let request = Request::builder()
        .method("POST")
        .uri(uri)
        .header("host", program.address.to_string())
        .body(body)
        .unwrap();
    sender.send(Ok(Frame::data(Bytes::from("chunk 0")))).unwrap();
    let answering = async {
        if version_2 {
            let (mut client, connection) =
                http2::handshake(TokioExecutor::new(), io).await.unwrap();
            tokio::spawn(connection);
            client.send_request(request).await.unwrap()
        } else {
            let (mut client, connection) = http1::handshake(io).await.unwrap();
            tokio::spawn(connection);
            client.send_request(request).await.unwrap()
        }
    };
    let mut answer = timeout(PATIENCE, answering).await.unwrap();
    assert_eq!(answer.status(), 200);
    for number in 0..5 {
        let frame = timeout(PATIENCE, answer.frame()).await.expect("no chunk before the end");
        let data = frame.unwrap().unwrap().into_data().unwrap();
        assert_eq!(data, format!("chunk {number}"));
        sender.send(Ok(Frame::data(format!("chunk {}", number + 1).into()))).unwrap();
    }
    drop(sender);
    let rest = timeout(PATIENCE, answer.collect()).await.unwrap().unwrap();
    assert_eq!(rest.to_bytes(), "chunk 5");
}

#[tokio::test]
async fn chunks_pass_one_by_one_in_both_directions() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    converse(&program, false).await;
    converse(&program, true).await;
}

#[tokio::test]
async fn an_answer_that_stands_still_is_broken_off_and_not_taken_for_whole() {
    let upstream = Upstream::start().await;
    let faster = |configuration: String| configuration.replace("upstream: 5s", "upstream: 1s");
    let program = Program::with(upstream.address, &[], faster);
    let answer = ask(program.address, "GET /open/standstill", &[]).await;
    assert_eq!(status(&answer), 200);
    assert!(answer.contains("first") && !answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_body_that_comes_in_chunks_with_a_get_is_not_lost_on_the_way() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let request = format!(
        "GET /open/length HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\
         connection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        program.address
    );
    let answer = raw(program.address, request).await;
    assert!(answer.contains("5 bytes"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_nobody_takes_is_reset_alone_although_its_client_answers_pings() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let io = TokioIo::new(TcpStream::connect(program.address).await.unwrap());
    let shut =
        http2::Builder::new(TokioExecutor::new()).initial_stream_window_size(0).handshake(io);
    let (client, connection) = shut.await.unwrap();
    tokio::spawn(connection);
    let request = |path: &str, body: &'static str| {
        let uri = format!("http://{}{path}", program.address);
        let body = http_body_util::Full::new(Bytes::from(body));
        let sending = client.clone().send_request(Request::post(uri).body(body).unwrap());
        async { timeout(PATIENCE, sending).await.unwrap().unwrap() }
    };
    // Still under way when the others have been given up: only its own answer counts against a stream.
    let waiting = tokio::spawn(request("/open/wait", ""));
    let (first, second) = tokio::join!(request("/open/x", ""), request("/open/mirror", "much"));
    for mut answer in [first, second] {
        assert_eq!(answer.status(), 200);
        let frame = timeout(PATIENCE / 2, answer.frame()).await.expect("it is held for ever");
        assert!(frame.is_some_and(|frame| frame.is_err()));
    }
    upstream.gate.add_permits(1);
    assert_eq!(waiting.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_long_answer_passes_whole_through_small_windows() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let io = TokioIo::new(TcpStream::connect(program.address).await.unwrap());
    let narrow =
        http2::Builder::new(TokioExecutor::new()).initial_stream_window_size(1_000).handshake(io);
    let (mut client, connection) = narrow.await.unwrap();
    tokio::spawn(connection);
    let whole: Bytes = (0..60_000_u32).map(|number| (number % 251) as u8).collect();
    let uri = format!("http://{}/open/mirror", program.address);
    let request = Request::post(uri).body(http_body_util::Full::new(whole.clone())).unwrap();
    let answer = timeout(PATIENCE, client.send_request(request)).await.unwrap().unwrap();
    let read = timeout(PATIENCE, answer.collect()).await.unwrap().unwrap();
    assert_eq!(read.to_bytes(), whole);
}
