//! How much of what gives orders to a model is found, and how often is it found where there is none?
//!
//! `cargo run --release -p bartizan-core --example injection -- [--list] FILE…` reads JSON lines with `text` and
//! `label`, `malicious` or `benign`, and prints for some thresholds what share of each is suspected.

#![allow(clippy::print_stdout, reason = "a tool talks to whoever started it")]

use std::io::{self, BufRead as _};
use std::time::Instant;

use bartizan_core::mask::injection::Detector;
use serde_json::Value;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let list = args.iter().any(|arg| arg == "--list");
    let detector = Detector::new();
    for path in args.iter().filter(|arg| !arg.starts_with("--")) {
        let (mut scores, mut bytes) = ([Vec::new(), Vec::new()], 0);
        let began = Instant::now();
        for line in io::BufReader::new(std::fs::File::open(path)?).lines() {
            let row: Value = serde_json::from_str(&line?).unwrap_or_default();
            let text = row.get("text").and_then(Value::as_str).unwrap_or_default();
            let attack = row.get("label").and_then(Value::as_str) == Some("malicious");
            let suspicion = detector.look(text);
            bytes += text.len();
            let [benign, malicious] = &mut scores;
            if list && attack == (suspicion.score < 50) {
                let start: String = text.chars().take(160).collect();
                println!("{attack} {} {:?} {start:?}", suspicion.score, suspicion.features);
            }
            if attack { malicious.push(suspicion.score) } else { benign.push(suspicion.score) }
        }
        let rate = bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
        let [benign, malicious] = &scores;
        println!("{path}: {} malicious, {} benign, {rate:.0} MB/s", malicious.len(), benign.len());
        for threshold in [40, 50, 60, 70, 80] {
            let share = |scores: &[u8]| {
                let over = scores.iter().filter(|score| **score >= threshold).count();
                100.0 * over as f64 / scores.len().max(1) as f64
            };
            println!(
                "  at {threshold}: {:.1} % found, {:.1} % false",
                share(malicious),
                share(benign)
            );
        }
    }
    Ok(())
}
