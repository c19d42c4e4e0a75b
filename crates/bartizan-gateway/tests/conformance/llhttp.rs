//! Does anything malformed pass the real gateway? The request corpus of llhttp, sent as raw bytes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::gateway::Gateway;
use crate::origin::Origin;

/// What llhttp refuses and the gateway passes on, framed anew: how the name of a case goes on, and why.
const ON_PURPOSE: &[(&str, &str)] = &[
    ("No restart when keep-alive is off", "the first request is whole, and the second is not read"),
    ("CRLF between requests, implicit", "the first request is whole, and the second is refused"),
    ("Headers separated by LF", LONE_LF),
    ("Empty headers separated by LF", LONE_LF),
    ("Missing CR between headers", LONE_LF),
    ("No extension after semicolon", EXTENSION),
    ("Unbalanced chunk extensions", EXTENSION),
    ("Space after chunk header", EXTENSION),
    ("Missing last-chunk", BODY),
    ("Chunk header not terminated by", BODY),
    ("Chunk data not terminated by", BODY),
];
const LONE_LF: &str = "a lone LF ends a line, as RFC 9112 section 2.2 allows";
const EXTENSION: &str =
    "extensions of chunks are skipped and never passed on (RFC 9112 section 7.1.1)";
const BODY: &str =
    "the head may depart before the body breaks; the upstream never sees the end of a broken one";

/// A request of the corpus, in one of the forms in which it is sent.
struct Case {
    name: String,
    /// Whether llhttp refuses it. A pause for an upgrade is no refusal.
    refused: bool,
    bytes: Vec<u8>,
}

/// How many gateways share the work: what is incomplete is waited for until the gateway gives up.
const SHARDS: usize = 8;

#[test]
fn nothing_malformed_reaches_the_upstream_and_nothing_brings_the_gateway_down() {
    let cases = cases();
    let shards: Vec<Judged> = std::thread::scope(|scope| {
        let shards =
            cases.chunks(cases.len().div_ceil(SHARDS)).map(|shard| scope.spawn(|| judge(shard)));
        shards.collect::<Vec<_>>().into_iter().map(|shard| shard.join().unwrap()).collect()
    });
    let wrong: Vec<String> = shards.iter().flat_map(|shard| shard.wrong.clone()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let forwarded: usize = shards.iter().map(|shard| shard.forwarded).sum();
    assert!(
        forwarded > 40,
        "only {forwarded} of {} were forwarded: this proves nothing",
        cases.len()
    );
}

/// What came of some cases.
#[derive(Default)]
struct Judged {
    forwarded: usize,
    wrong: Vec<String>,
}

/// Sends cases to a gateway and an origin of their own, and a good request after each.
fn judge(cases: &[Case]) -> Judged {
    let origin = Origin::start();
    let gateway = Gateway::start(origin.address);
    let mut judged = Judged::default();
    for case in cases {
        let answer = send(gateway.address, &case.bytes);
        let seen = origin.take();
        judged.forwarded += usize::from(seen.requests > 0);
        let wrong = &mut judged.wrong;
        wrong.extend(seen.malformed.iter().map(|how| format!("{} | upstream: {how}", case.name)));
        wrong.extend(bad_answer(&answer).map(|how| format!("{} | client: {how}", case.name)));
        if seen.requests > 0 && case.refused && !on_purpose(&case.name) {
            wrong.push(format!("{} | passed on, though llhttp refuses it", case.name));
        }
        if seen.requests > heads(&case.bytes) {
            wrong.push(format!(
                "{} | {} requests out of {:?}",
                case.name,
                seen.requests,
                show(&case.bytes)
            ));
        }
        let good =
            send(gateway.address, b"GET /good HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n");
        assert!(good.starts_with(b"HTTP/1.1 200 "), "after {}: {:?}", case.name, show(&good));
        assert_eq!(origin.take().requests, 1, "after {}", case.name);
    }
    judged
}

fn on_purpose(name: &str) -> bool {
    let (_, name) = name.split_once(".md ").unwrap();
    ON_PURPOSE.iter().any(|(beginning, _)| name.starts_with(beginning))
}

/// What is wrong with an answer: a client's mistake is never the server's fault.
fn bad_answer(answer: &[u8]) -> Option<String> {
    let status = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "));
    match status {
        _ if answer.is_empty() => None,
        Some([b'2'..=b'4', ..] | b"505" | [b'5', b'0', b'5', ..]) => None,
        _ => Some(show(answer)),
    }
}

/// How many request lines a reader could find at the most.
fn heads(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).matches("HTTP/1.").count()
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(300).collect()
}

/// Sends all of it, and reads until the gateway closes: at once, or when it has waited long enough for more.
fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = Vec::new();
    // A gateway that refuses may close while we are still writing: both may fail.
    let _ = stream.write_all(bytes);
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Every request as it stands, with the end of its head, and with a Host as well: many of the corpus lack both,
/// and would be refused for that alone.
fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(crate::data("http/llhttp_requests.jsonl")).unwrap();
    let mut cases = Vec::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let bytes = unhex(row["hex"].as_str().unwrap());
        let name = row["what"].as_str().unwrap();
        let refused =
            row["llhttp_error"].as_str().is_some_and(|error| !error.starts_with("Pause on"));
        let ended = [&bytes[..], b"\r\n\r\n"].concat();
        let hosted = with_host(&ended);
        for (form, bytes) in [("as it stands", bytes), ("ended", ended), ("with a Host", hosted)] {
            cases.push(Case { name: format!("{name} ({form})"), refused, bytes });
        }
    }
    assert!(cases.len() > 400, "only {} cases were read", cases.len());
    cases
}

/// A Host behind the first line that ends as a line should.
fn with_host(bytes: &[u8]) -> Vec<u8> {
    let has = String::from_utf8_lossy(bytes).to_ascii_lowercase().contains("\r\nhost:");
    match bytes.windows(2).position(|window| window == b"\r\n") {
        Some(end) if !has => [&bytes[..end + 2], b"Host: gate\r\n", &bytes[end + 2..]].concat(),
        _ => bytes.to_vec(),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}
