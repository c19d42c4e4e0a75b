//! What is said of a request that cannot be read, and remembered? No road sees it: the parser turns
//! it away.
//!
//! hyper answers it with a status and nothing else. It does so while no request is open, when
//! nobody else writes: so its words can be told from those of an answer, and ours are sent in their
//! place. See `docs/decisions/0085-what-cannot-be-read-is-answered-too.md`.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use bartizan_core::admit::Misdirected;
use bartizan_core::audit::{Dossier, Ending, Facts, Outcome, Trail, Usage};
use bartizan_core::id::RequestId;
use bartizan_core::problem::{self, Context};
use bartizan_core::refusal::Refusal;
use bartizan_core::validate::Protocol;
use bytes::Bytes;
use h2::Reason;
use http::Response;

use crate::clock;

/// A request that could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unread {
    /// Its name, which its answer tells.
    pub id: RequestId,
    /// The status of its answer; absent where none could be given.
    pub status: Option<u16>,
    /// Why, in the parser's words: nothing of the request stands in them.
    pub why: String,
}

/// What its client was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    id: RequestId,
    wrong: Misdirected,
    status: u16,
}

impl Unread {
    /// What a connection leaves to be remembered that has told its client so, or that ended so.
    pub(super) fn of(told: Option<Told>, ended: Option<&(dyn Error + 'static)>) -> Option<Self> {
        let why = ended.and_then(words);
        match told {
            Some(Told { id, wrong, status }) => {
                let why = why.unwrap_or_else(|| wrong.to_string());
                Some(Self { id, status: Some(status), why })
            }
            None => Some(Self { id: name(), status: None, why: why? }),
        }
    }

    /// Writes it into the log, where a flood of them shares records as other refusals do.
    pub(crate) fn record(self, peer: IpAddr, trail: Arc<dyn Trail>) {
        let Self { id, status, why } = self;
        let now = clock::now();
        let dossier = Dossier::open(Facts::of_unread(id, peer.into()), now, trail);
        let reason = Some(format!("the request could not be read: {why}"));
        let (outcome, usage) = (Outcome::Deny, Usage::default());
        drop(dossier.close(Ending { outcome, time: now, status, reason, usage }));
    }
}

/// What is to be sent in place of `bytes`, where they are how hyper turns a request away.
pub(super) fn instead(bytes: &[u8]) -> Option<(Told, Bytes)> {
    let head = str::from_utf8(bytes).ok()?.strip_suffix("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.splitn(3, ' ');
    let version = first.next().filter(|version| version.starts_with("HTTP/1."))?;
    let wrong = match first.next()? {
        "400" => Misdirected::Unreadable,
        // A target that is too long is too much of a head, too.
        "414" | "431" => Misdirected::HeadTooLarge,
        _ => return None,
    };
    let (told, answer) = answer(wrong);
    let mut out = format!("{version} {}\r\n", answer.status()).into_bytes();
    let is_length = |line: &&str| line.get(..15).is_some_and(|n| n.eq_ignore_ascii_case(LENGTH));
    for line in lines.filter(|line| !is_length(line)) {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in answer.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let (id, length) = (told.id, answer.body().len());
    out.extend_from_slice(format!("x-request-id: {id}\r\n{LENGTH} {length}\r\n\r\n").as_bytes());
    out.extend_from_slice(answer.body());
    Some((told, out.into()))
}

const LENGTH: &str = "content-length:";

fn answer(wrong: Misdirected) -> (Told, Response<Bytes>) {
    let context = Context {
        request_id: name(),
        protocol: Protocol::Http,
        realm: "",
        resource_metadata: None,
        dpop: false,
        echo: None,
    };
    let answer = problem::answer(&Refusal::Misdirected(wrong), &context);
    let status = answer.status().as_u16();
    (Told { id: context.request_id, wrong, status }, answer)
}

fn name() -> RequestId {
    RequestId::new(clock::now(), clock::chance())
}

/// Why a connection ended, where that is since a request could not be read.
fn words(ended: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(ended);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse()) {
            return Some(error.to_string());
        }
        if let Some(error) = error.downcast_ref::<h2::Error>().filter(|error| error.is_library()) {
            let reason = error.reason().filter(|reason| *reason != Reason::NO_ERROR)?;
            return Some(format!("HTTP/2: {}", reason.description()));
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_parsers_words_become_a_problem_with_its_own_name_and_length() {
        for (line, status) in [
            ("400 Bad Request", 400),
            ("431 Request Header Fields Too Large", 431),
            ("414 URI Too Long", 431),
        ] {
            let own = format!(
                "HTTP/1.1 {line}\r\nconnection: close\r\nContent-Length: 0\r\ndate: now\r\n\r\n"
            );
            let (told, bytes) = instead(own.as_bytes()).unwrap();
            let text = str::from_utf8(&bytes).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains("\r\nconnection: close\r\n") && head.contains("\r\ndate: now"));
            assert!(head.contains("\r\ncontent-type: application/problem+json"), "{head}");
            assert_eq!(head.to_ascii_lowercase().matches("content-length:").count(), 1);
            assert!(head.ends_with(&format!("content-length: {}", body.len())), "{head}");
            let problem: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(problem["status"], status);
            assert_eq!(problem["request_id"], told.id.to_string());
            assert!(head.contains(&format!("x-request-id: {}", told.id)));
        }
    }

    #[test]
    fn what_is_not_the_parsers_is_left_alone() {
        for bytes in [
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "PRI * HTTP/2.0\r\n\r\n",
            "\0\0\u{12}\u{4}\0",
            "",
        ] {
            assert!(instead(bytes.as_bytes()).is_none(), "{bytes}");
        }
    }
}
