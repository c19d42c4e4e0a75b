//! How fast is the eye, and what does it cost? Prints the tables of `README.md`.
//!
//! Every figure is the best of several runs on one core. An argument names the part to run: `text`,
//! `json`, `delta`, `size`, `rows`, `memory` or `others`; without one all of them run.
//! `BARTIZAN_BENCH_MB` megabytes of each text are made (default 4).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark may panic, prints its results, and asks what time it is"
)]

mod corpus;

use std::{alloc::System, hint::black_box, time::Instant};

use bartizan_pii::{Action, Config, Entity, Masker, RECOGNIZERS, Scanner};
use corpus::{CHAT, GERMAN, deltas, json, numbers, prose};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let parts: [(&str, fn()); 7] = [
        ("text", texts),
        ("json", documents),
        ("delta", streams),
        ("size", sizes),
        ("rows", rows),
        ("memory", memory),
        ("others", others),
    ];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part();
        }
    }
}

/// The seconds of the fastest of many runs: of at least `least`, and about a third of a second.
fn best<T>(least: usize, mut work: impl FnMut() -> T) -> f64 {
    let (mut fastest, begun) = (f64::MAX, Instant::now());
    let mut runs = 0;
    while runs < least || begun.elapsed().as_secs_f64() < 0.3 {
        let start = Instant::now();
        black_box(work());
        fastest = fastest.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    fastest
}

/// The seconds of the median of many runs.
fn median<T>(runs: usize, mut work: impl FnMut() -> T) -> f64 {
    let mut all: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64()
        })
        .collect();
    all.sort_by(f64::total_cmp);
    *all.get(all.len() / 2).unwrap()
}

fn gigabytes(bytes: usize, seconds: f64) -> String {
    format!("{:.3}", bytes as f64 / seconds / 1e9)
}

fn size() -> usize {
    std::env::var("BARTIZAN_BENCH_MB").map_or(4, |mb| mb.parse().unwrap()) * 1_000_000
}

fn masker() -> Masker {
    Masker::new(Scanner::new(&Config::default()).unwrap().into(), Action::MASK)
}

fn all_entities() -> Scanner {
    Scanner::new(&Config { entities: Some(Config::all_entities()), ..Config::default() }).unwrap()
}

fn corpora() -> Vec<(&'static str, String)> {
    let size = size();
    vec![
        ("clean chat", prose(CHAT, size, 0)),
        ("a value every 300 bytes", prose(CHAT, size, 300)),
        ("a value every 30 bytes", prose(CHAT, size, 30)),
        ("log of numbers", numbers(size)),
        ("German", prose(GERMAN, size, 0)),
    ]
}

fn texts() {
    let (masker, all) = (masker(), all_entities());
    println!(
        "\n| text | scan, GB/s | mask, GB/s | scan for all entities, GB/s |\n|---|---|---|---|"
    );
    for (name, text) in corpora() {
        let scan = best(5, || masker.scanner().scan(black_box(&text)));
        let mask = best(5, || masker.mask_text(black_box(&text)).text.len());
        let everything = best(2, || all.scan(black_box(&text)));
        let [scan, mask, everything] =
            [scan, mask, everything].map(|seconds| gigabytes(text.len(), seconds));
        println!("| {name} | {scan} | {mask} | {everything} |");
    }
}

fn documents() {
    let (masker, json) = (masker(), json(size()));
    let seconds = best(5, || masker.mask_json(black_box(json.as_bytes())).unwrap());
    println!("\nJSON documents, masked: {} GB/s", gigabytes(json.len(), seconds));
}

fn streams() {
    let masker = masker();
    println!("\n| stream | ns per delta | held back, mean | p99 | most |\n|---|---|---|---|---|");
    for (name, every) in
        [("clean chat", 0), ("a value every 300 bytes", 300), ("a value every 30 bytes", 30)]
    {
        let input = prose(CHAT, 400_000, every);
        let deltas = deltas(&input);
        let (mut stream, mut out, mut held) = (masker.stream(), Vec::new(), Vec::new());
        for delta in &deltas {
            stream.feed(delta, &mut out);
            held.push(stream.held());
        }
        held.sort_unstable();
        let at = |share: usize| held.get((held.len() - 1) * share / 100).unwrap();
        let mean = held.iter().sum::<usize>() as f64 / held.len() as f64;
        let seconds = best(5, || {
            let (mut stream, mut out) = (masker.stream(), Vec::with_capacity(input.len()));
            deltas.iter().for_each(|delta| stream.feed(delta, &mut out));
            stream.finish(&mut out);
            out
        });
        let each = seconds * 1e9 / deltas.len() as f64;
        println!("| {name} | {each:.1} | {mean:.1} | {} | {} |", at(99), at(100));
    }
}

fn sizes() {
    let masker = masker();
    println!(
        "\n| size | clean, p50 | GB/s | a value every 300 bytes, p50 | GB/s |\n|---|---|---|---|---|"
    );
    for size in [100, 1_000, 2_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        let cells = [0, 300].map(|every| {
            let mut text = prose(CHAT, size, every);
            text.truncate(size);
            let runs = (2_000_000 / size).clamp(9, 2_000);
            let seconds = median(runs, || masker.mask_text(black_box(&text)).text.len());
            format!("{:.2} µs | {}", seconds * 1e6, gigabytes(size, seconds))
        });
        println!("| {size} | {} | {} |", cells[0], cells[1]);
    }
}

/// What more rows cost: the first ones of the table, by their entities.
fn rows() {
    let text = prose(CHAT, size(), 300);
    println!("\n| rows | scan, GB/s |\n|---|---|");
    for wanted in [1, 10, 20, 50, 100, 200, 1_000] {
        let mut entities: Vec<Entity> = Vec::new();
        let order = Entity::DEFAULT.iter().cloned();
        for entity in order.chain(RECOGNIZERS.iter().map(|row| row.entity.clone())) {
            let rows = |entities: &[Entity]| {
                RECOGNIZERS.iter().filter(|row| entities.contains(&row.entity)).count()
            };
            if !entities.contains(&entity) && rows(&entities) < wanted {
                entities.push(entity);
            }
        }
        let count = RECOGNIZERS.iter().filter(|row| entities.contains(&row.entity)).count();
        let scanner =
            Scanner::new(&Config { entities: Some(entities), ..Config::default() }).unwrap();
        let seconds = best(2, || scanner.scan(black_box(&text)));
        println!("| {count} | {} |", gigabytes(text.len(), seconds));
    }
}

fn memory() {
    let kilobytes = |bytes: usize| bytes.div_ceil(1_000);
    let held = |region: &Region<'_, System>| {
        let stats = region.change();
        stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
    };
    let region = Region::new(ALLOCATOR);
    let masker = masker();
    let scanner = held(&region);
    let region = Region::new(ALLOCATOR);
    let all = all_entities();
    let everything = held(&region);
    let region = Region::new(ALLOCATOR);
    let (mut stream, mut out) = (masker.stream(), Vec::with_capacity(64));
    stream.feed(b"It waits for what comes behind +1 (423) 99", &mut out);
    let of_stream = size_of_val(&stream) + held(&region).saturating_sub(out.capacity());
    let [clean, dense] = [0, 300].map(|every| prose(CHAT, 100_000, every));
    let scanned = |text: &str| {
        let region = Region::new(ALLOCATOR);
        let found = black_box(masker.scanner().scan(text)).len();
        (found, region.change())
    };
    let ((_, of_clean), (found, of_dense)) = (scanned(&clean), scanned(&dense));
    println!("\n| memory | |\n|---|---|");
    println!("| a scanner for the default entities | {} KB |", kilobytes(scanner));
    println!("| a scanner for all entities | {} KB |", kilobytes(everything));
    println!("| a stream that holds a piece back | {of_stream} bytes |");
    println!("| a scan without a find, allocations | {} |", of_clean.allocations);
    println!(
        "| a scan that finds {found} values, allocations for their list | {} |",
        of_dense.allocations + of_dense.reallocations
    );
    drop((all, stream));
}

/// The same texts through others: one byte looked for, and the patterns of ten entities as one
/// regular expression, which tells neither checksums nor context.
fn others() {
    let pattern = [
        r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\.[A-Za-z]{2,24}",
        r"\b\d{3}-\d{2}-\d{4}\b",
        r"\b(?:\d{4}[ -]?){3}\d{1,7}\b",
        r"\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d[\d .-]{5,14}\d",
        r"\(?\b[2-9]\d{2}\)?[ .-][2-9]\d{2}[ .-]\d{4}\b",
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
        r"\b[A-Za-z]{2}\d{2}(?:[ ]?[A-Za-z0-9]{4}){2,7}[ ]?[A-Za-z0-9]{0,3}\b",
        r"\b(?:[0-9A-Fa-f]{1,4}:){2,7}[0-9A-Fa-f:]{1,20}\b",
        r"\b(?:sk-|ghp_|AKIA|xox[abp]-)[A-Za-z0-9_-]{16,200}",
        r"\beyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,2000}",
    ]
    .join("|");
    let regex = regex::bytes::Regex::new(&pattern).unwrap();
    println!("\n| text | memchr of `@`, GB/s | ten patterns as one, GB/s |\n|---|---|---|");
    for (name, text) in corpora() {
        let bytes = text.as_bytes();
        let sign = best(5, || memchr::memchr_iter(b'@', black_box(bytes)).count());
        let joined = best(1, || regex.find_iter(black_box(bytes)).count());
        println!(
            "| {name} | {} | {} |",
            gigabytes(bytes.len(), sign),
            gigabytes(bytes.len(), joined)
        );
    }
}
