//! How many bytes a second does the eye see, and what does a piece of a stream cost?
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may panic, and is no API")]

use std::{fmt::Write, hint::black_box};

use bartizan_pii::{Action, Config, Masker, Scanner};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Chat as people and models write it: prose with numbers, names and a bit of code in it.
const CHAT: &str = "Sure! Here is how I would approach the migration: first, export the 3 tables \
    (orders, customers and invoices), then run `cargo test --workspace` on the new branch. In 2024 we \
    saw about 1,250 requests per minute at peak; the p99 was 4.7 ms. If that's fine with you, I'll \
    open a pull request tomorrow at 10:30 and ask Maria to review it. ";

const VALUES: &[&str] = &[
    "jane.doe@example.com",
    "+1 (423) 996-1370",
    "123-45-6789",
    "4111 1111 1111 1111",
    "GB29 NWBK 6016 1331 9268 19",
    "192.168.13.7",
    "sk-proj-4f9aK2LmN8pQ7rS6tU5v",
];

/// A text of about 64 KiB, with a value after every `every`-th copy of the prose; 0 is none.
fn text(every: usize) -> String {
    let mut text = String::new();
    for index in 0..64 * 1024 / CHAT.len() {
        text.push_str(CHAT);
        if every > 0 && index % every == 0 {
            let value = VALUES.get(index / every % VALUES.len()).unwrap();
            write!(text, "Write to {value}, please. ").unwrap();
        }
    }
    text
}

fn whole(criterion: &mut Criterion) {
    let masker = Masker::new(Scanner::new(&Config::default()).unwrap().into(), Action::MASK);
    let inputs =
        [("clean", text(0)), ("dense", text(1)), ("numbers", "1 23 456 7890,".repeat(4_096))];
    for (name, input) in inputs {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(input.len() as u64));
        group.bench_function("scan", |b| b.iter(|| masker.scanner().scan(black_box(&input))));
        group.bench_function("mask", |b| b.iter(|| masker.mask_text(black_box(&input)).text.len()));
        group.finish();
    }
}

fn stream(criterion: &mut Criterion) {
    let masker = Masker::new(Scanner::new(&Config::default()).unwrap().into(), Action::MASK);
    let input = text(1);
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Elements(input.len().div_ceil(4) as u64));
    group.bench_function("pieces of 4 bytes", |b| {
        b.iter(|| {
            let (mut stream, mut out) = (masker.stream(), Vec::with_capacity(input.len()));
            input.as_bytes().chunks(4).for_each(|piece| stream.feed(piece, &mut out));
            stream.finish(&mut out);
            out
        });
    });
    group.finish();
}

criterion_group!(benches, whole, stream);
criterion_main!(benches);
