//! What does a model cost on this machine? `cargo run --release -p bartizan-names --features runtime
//! --example cost -- FOLDER [RUNTIME]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a tool talks to whoever started it, and may stop"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bartizan_names::Model;

/// Chat, as people write it.
const SENTENCE: &str = "Hi Grace, could you ask Charles whether the train from Lisbon is on time? ";

/// How often each length is read; the least time counts.
const TIMES: u32 = 15;

fn main() {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = args.next().unwrap();
    let before = resident();
    let began = Instant::now();
    let mut model = Model::open(&folder, args.next().as_deref()).unwrap();
    println!("opened in {:?}, {} MB more in memory", began.elapsed(), resident() - before);
    for pieces in [16, 32, 64, 126, 512, 2048] {
        let text = text(&model, pieces);
        let least = (0..TIMES).map(|_| time(&mut model, &text)).min().unwrap();
        println!(
            "{pieces} pieces, {} bytes: {least:.1?}, {:.1} kB/s",
            text.len(),
            text.len() as f64 / 1e3 / least.as_secs_f64()
        );
    }
    println!("{} MB more in memory in the end", resident() - before);
}

fn time(model: &mut Model, text: &str) -> Duration {
    let began = Instant::now();
    model.find(text, 0.5, &mut || true).unwrap();
    began.elapsed()
}

/// A text of so many pieces, or a word more.
fn text(model: &Model, pieces: usize) -> String {
    let long = SENTENCE.repeat(pieces);
    let read = model.folder().reader.read(&long);
    let last = read.words.iter().find(|word| word.pieces.end >= pieces).unwrap();
    long.get(..last.place.end).unwrap().to_owned()
}

/// What of this process is in memory, in MB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
