//! How many bytes of an answer in events are screened in a second?

#![allow(
    missing_docs,
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

/// About a megabyte of what a model says, a word in each event, as the providers write it.
fn answer() -> String {
    let mut out = String::new();
    for word in WORDS.iter().cycle().take(4000) {
        let _ = write!(
            out,
            "data: {{\"id\":\"chatcmpl-1DcBo9RLwYLs5zQyNys074mAbyjpI7Xc\",\"object\":\"chat.completion.chunk\",\"created\":1795338169,\"model\":\"gpt-4o-mini-2024-07-18\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n"
        );
    }
    out.push_str("data: [DONE]\n\n");
    out
}

fn streams(criterion: &mut Criterion) {
    let answer = answer();
    let place = Place::new(Protocol::OpenAi);
    let grant = place.grant();
    let scanner = Arc::new(Scanner::new(&Config::default()).unwrap());
    let guard = Arc::new(Guard::new(Masker::new(scanner, Action::MASK)));
    let mut group = criterion.benchmark_group("streams");
    group.throughput(Throughput::Bytes(answer.len() as u64));
    for (name, guard) in [("counted", None), ("masked", Some(guard))] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let asked =
                    r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
                let mut call = place.read("/v1/chat/completions", asked).unwrap();
                let listener = call.take_listener();
                let mut stream = AnswerStream::new(listener, guard.clone(), &grant);
                let mut out = Vec::with_capacity(answer.len());
                for chunk in answer.as_bytes().chunks(1400) {
                    stream.feed(chunk, &grant, &mut out).unwrap();
                }
                stream.finish(&grant, &mut out).unwrap();
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, streams);
criterion_main!(benches);
