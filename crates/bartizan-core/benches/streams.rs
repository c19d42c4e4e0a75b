//! How many bytes of an answer in events are screened in a second?

#![allow(
    missing_docs,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a benchmark may panic, its macros make items without documentation, and it needs only a part of what the tests need"
)]

#[path = "../tests/protocols/place.rs"]
mod place;

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use bartizan_core::mask::{AnswerStream, Guard};
use bartizan_core::validate::Protocol;
use bartizan_pii::{Action, Config, Masker, Scanner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use place::Place;

const WORDS: [&str; 12] = [
    "The", " quick", " brown", " fox", " (", "Ann", ")", " said", " that", " it", " jumps", ".\\n",
];

/// About a megabyte of what a model says, a word in each event, as OpenAI writes it in chat completions.
fn chat(padded: bool, line_end: &str) -> String {
    let mut out = String::new();
    for (at, word) in words() {
        let padding = if padded { padding(at) } else { String::new() };
        let _ = write!(
            out,
            "data: {{\"id\":\"chatcmpl-1DcBo9RLwYLs5zQyNys074mAbyjpI7Xc\",\"object\":\"chat.completion.chunk\",\"created\":1795338169,\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":null}}]{padding}}}{line_end}{line_end}"
        );
    }
    out.push_str("data: [DONE]\n\n");
    out
}

/// The same with an identifier and a time of its own in each event, as many servers write it.
fn numbered() -> String {
    words().fold(String::new(), |mut out, (at, word)| {
        let (id, time) = (at.wrapping_mul(2_654_435_761) % 1_000_000_007, 1_795_338_169_000 + at);
        let _ = write!(
            out,
            "data: {{\"id\":\"gen-{id:x}-yNys074mAbyjpI7Xc\",\"object\":\"chat.completion.chunk\",\"created\":{time},\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        );
        out
    })
}

/// The same in its responses API: each event has a number, and padding.
fn responses() -> String {
    words().fold(String::new(), |mut out, (at, word)| {
        let padding = padding(at);
        let _ = write!(
            out,
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{at},\"item_id\":\"msg_68af1d0dd3d48191a52f2d9f3c3c7d0a0c5b0a1b\",\"output_index\":0,\"content_index\":0,\"delta\":\"{word}\",\"logprobs\":[]{padding}}}\n\n"
        );
        out
    })
}

/// The same as Anthropic writes it.
fn messages() -> String {
    words().fold(String::new(), |mut out, (_, word)| {
        let _ = write!(
            out,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word}\"}}}}\n\n"
        );
        out
    })
}

/// The same in blocks of ten words, which clients join: what ends one and begins the next waits for it.
fn blocks() -> String {
    let mut out = String::new();
    for (at, (_, word)) in words().enumerate() {
        let (block, word_in_block) = (at / 10, at % 10);
        let mut event = |name: &str, members: &str| {
            let _ = write!(
                out,
                "event: {name}\ndata: {{\"type\":\"{name}\",\"index\":{block}{members}}}\n\n"
            );
        };
        if word_in_block == 0 {
            event("content_block_start", ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}");
        }
        event(
            "content_block_delta",
            &format!(",\"delta\":{{\"type\":\"text_delta\",\"text\":\"{word}\"}}"),
        );
        if word_in_block == 9 {
            event("content_block_stop", "");
        }
    }
    out
}

fn words() -> impl Iterator<Item = (usize, &'static str)> {
    WORDS.into_iter().cycle().enumerate().take(4000)
}

/// Letters and digits by which every event becomes as long as any other, more or less.
fn padding(at: usize) -> String {
    let letters = "aB3xKq9LmZ0tRw7P";
    let (from, length) = (at * 7 % 8, 1 + at * 5 % 8);
    format!(",\"obfuscation\":\"{}\"", letters.get(from..from + length).unwrap_or_default())
}

fn streams(criterion: &mut Criterion) {
    let scanner = Arc::new(Scanner::new(&Config::default()).unwrap());
    let guard = Some(Arc::new(Guard::new(Masker::new(scanner, Action::MASK))));
    let (open_ai, anthropic) = (Place::new(Protocol::OpenAi), Place::new(Protocol::Anthropic));
    for (name, answer) in [("messages", messages()), ("blocks", blocks())] {
        let held = held_back(&anthropic, &answer, guard.as_ref());
        eprintln!("{name}: {held:.2} bytes of text are held back behind a delta, in the mean");
    }
    let plain = chat(false, "\n");
    let mut group = criterion.benchmark_group("streams");
    for (name, place, path, answer, guard) in [
        ("counted", &open_ai, "/v1/chat/completions", &plain, &None),
        ("masked", &open_ai, "/v1/chat/completions", &plain, &guard),
        ("padded", &open_ai, "/v1/chat/completions", &chat(true, "\n"), &guard),
        ("responses", &open_ai, "/v1/responses", &responses(), &guard),
        ("messages", &anthropic, "/v1/messages", &messages(), &guard),
        ("blocks", &anthropic, "/v1/messages", &blocks(), &guard),
        ("returns", &open_ai, "/v1/chat/completions", &chat(false, "\r\n"), &guard),
        ("numbered", &open_ai, "/v1/chat/completions", &numbered(), &guard),
        // No event of these is of a known form: each is read to its end.
        ("read", &open_ai, "/v1/chat/completions", &chat(false, "\r"), &guard),
    ] {
        group.throughput(Throughput::Bytes(answer.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| through(place, path, answer, guard.as_ref()));
        });
    }
    group.finish();
}

/// Screens one answer, which comes in pieces as large as a packet.
fn through(place: &Place, path: &str, answer: &str, guard: Option<&Arc<Guard>>) -> usize {
    let grant = place.grant();
    let asked = match path {
        "/v1/chat/completions" => {
            r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#
        }
        "/v1/responses" => r#"{"model":"m","stream":true,"input":"hello"}"#,
        _ => r#"{"model":"m","stream":true,"max_tokens":9,"messages":[]}"#,
    };
    let mut call = place.read(path, asked).unwrap();
    let mut stream = AnswerStream::new(call.take_listener(), guard.cloned(), &grant);
    let mut out = Vec::with_capacity(answer.len());
    for chunk in answer.as_bytes().chunks(1400) {
        stream.feed(chunk, &grant, &mut out).unwrap();
    }
    stream.finish(&grant, &mut out).unwrap();
    black_box(out.len())
}

/// How many bytes of the text are not out when its delta is through, in the mean over all deltas.
fn held_back(place: &Place, answer: &str, guard: Option<&Arc<Guard>>) -> f64 {
    let grant = place.grant();
    let asked = r#"{"model":"m","stream":true,"max_tokens":9,"messages":[]}"#;
    let mut call = place.read("/v1/messages", asked).unwrap();
    let mut stream = AnswerStream::new(call.take_listener(), guard.cloned(), &grant);
    let said = |events: &str| {
        let texts = events.split("\"text\":\"").skip(1);
        texts.filter_map(|text| text.split('"').next()).map(str::len).sum::<usize>()
    };
    let (mut came, mut held, mut deltas, mut out) = (0, 0, 0, Vec::new());
    for event in answer.split_inclusive("\n\n") {
        stream.feed(event.as_bytes(), &grant, &mut out).unwrap();
        if event.contains("text_delta") {
            came += said(event);
            deltas += 1;
            held += came - said(str::from_utf8(&out).unwrap());
            (came, out) = (came - said(str::from_utf8(&out).unwrap()), Vec::new());
        }
    }
    f64::from(u32::try_from(held).unwrap()) / f64::from(deltas)
}

criterion_group!(benches, streams);
criterion_main!(benches);
