//! How soon does the first token of a stream come, and how many streams can be held? Both ends of the wire.
//!
//! `streams upstream ADDRESS` answers every POST as a model does, a word in each event; `streams first REQUEST DIRECT
//! PEER…` asks it and everybody in front of it in turn, and prints the microseconds to the first event; `streams hold REQUEST
//! PEER N` opens N streams and keeps them until its input ends. `bench/streams` runs it. The sockets are read by hand, so
//! that a client costs as little as can be.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a tool of benchmarks talks to its script, and may panic"
)]

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How many words an answer has.
const WORDS: usize = 24;

/// The words, and among them what must be masked.
const SAID: [&str; 8] =
    [" The", " report", " was", " written", " by", " Ann", " (ann@example.com)", " today."];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["upstream", address] => upstream(address).await,
        ["first", request, seconds, ref peers @ ..] => {
            first(request, seconds.parse()?, peers).await
        }
        ["hold", request, peer, count] => hold(request, peer, count.parse()?).await,
        _ => bail!("usage: streams upstream ADDRESS | first FILE SECONDS PEER… | hold FILE PEER N"),
    }
}

async fn upstream(address: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        drop(tokio::spawn(speak(socket)));
    }
}

/// Answers one request after the other. A model whose name has `slow` in it says a word each second.
async fn speak(mut socket: TcpStream) -> anyhow::Result<()> {
    let mut read = Vec::new();
    loop {
        let Some(asked) = request(&mut socket, &mut read).await? else { return Ok(()) };
        let slow = asked.windows(4).any(|bytes| bytes == b"slow");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let first = format!("{head}{}", chunk(&event(0)));
        socket.write_all(first.as_bytes()).await?;
        if slow {
            for word in 1.. {
                tokio::time::sleep(Duration::from_secs(1)).await;
                socket.write_all(chunk(&event(word)).as_bytes()).await?;
            }
        }
        let mut rest: String = (1..WORDS).map(|word| chunk(&event(word))).collect();
        rest.push_str(&chunk(r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":24,"total_tokens":33}}"#));
        rest.push_str("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n");
        socket.write_all(rest.as_bytes()).await?;
    }
}

fn event(word: usize) -> String {
    let said = SAID[word % SAID.len()];
    format!(
        r#"{{"id":"chatcmpl-1DcBo9RLwYLs5zQyNys074mAbyjpI7Xc","object":"chat.completion.chunk","created":1795338169,"model":"gpt-4o-mini-2024-07-18","choices":[{{"index":0,"delta":{{"content":"{said}"}},"finish_reason":null}}]}}"#
    )
}

fn chunk(event: &str) -> String {
    format!("{:x}\r\ndata: {event}\n\n\r\n", event.len() + 8)
}

/// The next whole request; nothing at the end of the connection.
async fn request(socket: &mut TcpStream, read: &mut Vec<u8>) -> anyhow::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = find(read, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.map_or(Ok(0), |length| length.trim().parse())?;
            if read.len() >= end + 4 + length {
                return Ok(Some(read.drain(..end + 4 + length).collect()));
            }
        }
        if socket.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A client with one connection that it keeps.
struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    read: Vec<u8>,
}

impl Client {
    async fn open(peer: &str, request: &[u8]) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(peer).await.with_context(|| format!("`{peer}`"))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, request: request.to_vec(), read: Vec::with_capacity(64 * 1024) })
    }

    /// Asks, and waits for the first word; how long that took.
    async fn first(&mut self) -> anyhow::Result<Duration> {
        self.read.clear();
        let began = Instant::now();
        self.socket.write_all(&self.request).await?;
        self.until(b"content\":\"").await?;
        let took = began.elapsed();
        ensure!(self.read.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.read));
        Ok(took)
    }

    /// Reads the answer to its end.
    async fn rest(&mut self) -> anyhow::Result<()> {
        self.until(b"\r\n0\r\n\r\n").await
    }

    async fn until(&mut self, what: &[u8]) -> anyhow::Result<()> {
        let mut from = 0;
        while find(&self.read[from..], what).is_none() {
            from = self.read.len().saturating_sub(what.len());
            let read = self.socket.read_buf(&mut self.read).await?;
            ensure!(read > 0, "closed after {}", String::from_utf8_lossy(&self.read));
        }
        Ok(())
    }
}

/// Everybody in turn, again and again: whatever else the machine does meets all of them alike.
async fn first(request: &str, seconds: u64, peers: &[&str]) -> anyhow::Result<()> {
    let request = std::fs::read(request)?;
    let mut clients = Vec::new();
    for peer in peers {
        clients.push((Client::open(peer, &request).await?, Vec::new()));
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut rounds = 0;
    while Instant::now() < end {
        for (client, took) in &mut clients {
            let first = client.first().await?;
            client.rest().await?;
            // The first ones fill caches.
            if rounds >= 100 {
                took.push(first.as_secs_f64() * 1e6);
            }
        }
        rounds += 1;
    }
    let told: Vec<_> = clients.into_iter().map(|(_, took)| told(took)).collect();
    println!("{}", serde_json::Value::from(told));
    Ok(())
}

fn told(mut took: Vec<f64>) -> serde_json::Value {
    took.sort_by(f64::total_cmp);
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    serde_json::json!({ "count": took.len(), "p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99) })
}

async fn hold(request: &str, peer: &str, count: usize) -> anyhow::Result<()> {
    let request = std::fs::read(request)?;
    let mut opening = JoinSet::new();
    let mut held = Vec::new();
    for _ in 0..count {
        let (peer, request) = (peer.to_owned(), request.clone());
        opening.spawn(async move {
            let mut client = Client::open(&peer, &request).await?;
            client.read = Vec::with_capacity(2048);
            client.first().await?;
            anyhow::Ok(client)
        });
        // As many at a time as a listener's backlog takes.
        if opening.len() >= 64
            && let Some(client) = opening.join_next().await
        {
            held.push(client??);
        }
    }
    while let Some(client) = opening.join_next().await {
        held.push(client??);
    }
    println!("held {}", held.len());
    for mut client in held {
        drop(tokio::spawn(async move {
            let mut sink = [0; 512];
            while matches!(client.socket.read(&mut sink).await, Ok(1..)) {}
        }));
    }
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    std::process::exit(0)
}
