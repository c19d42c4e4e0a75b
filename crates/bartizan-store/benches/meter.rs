//! How quick is a decision: in memory against the number of keys, in Redis beside the same script
//! sent by `redis-benchmark`, and on slices that were taken ahead?
//!
//! `cargo bench -p bartizan-store --bench meter [-- local|redis|leased]`

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a benchmark may panic, and prints"
)]

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan_core::limit::{
    Calendar, Capacity, Draw, Measure, Meter, MeterKey, Period, ReservationId, Rule, Shape, Told,
    Verdict,
};
use bartizan_core::time::Timestamp;
use bartizan_store::leased::Leased;
use bartizan_store::memory::MemoryMeter;
use bartizan_store::redis::{Address, RedisMeter};
use bartizan_testkit::redis::RedisServer;
use futures_util::FutureExt as _;
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// The allocator of the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each figure is measured.
const SPAN: Duration = Duration::from_secs(2);

fn main() {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if wanted("local") {
        local();
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    if wanted("redis") {
        runtime.block_on(redis());
    }
    if wanted("leased") {
        runtime.block_on(leased());
    }
}

fn window(limit: u64) -> Arc<Rule> {
    let shape = Shape::Window { limit, length: Duration::from_secs(60) };
    Arc::new(Rule::new("calls", Measure::Requests, shape))
}

fn burst(limit: u64) -> Arc<Rule> {
    let shape = Shape::Gcra { limit, length: Duration::from_secs(60), burst: limit };
    Arc::new(Rule::new("smooth", Measure::Requests, shape))
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(u64::try_from(since.expect("a clock").as_micros()).unwrap_or(u64::MAX))
}

/// One decision after the other, each on a key by chance, on one core.
fn local() {
    println!("\nOne wait for memory takes {:.0} ns here.\n", wait_for_memory());
    println!(
        "| keys | decision ns | decisions/s | with a burst ns | reserved, departed and settled ns | bytes a key |"
    );
    println!("|---:|---:|---:|---:|---:|---:|");
    let mut rows = Vec::new();
    for keys in [1_000_u64, 10_000, 100_000, 1_000_000] {
        let (decision, whole, bytes) = measured(keys, &window(100));
        let (smooth, _, _) = measured(keys, &burst(100));
        let millions = 1e3 / decision;
        println!(
            "| {keys} | {decision:.0} | {millions:.1} M | {smooth:.0} | {whole:.0} | {bytes:.0} |"
        );
        rows.push((keys, decision));
    }
    println!("\n```text");
    for (keys, decision) in rows {
        let bar = "█".repeat((decision / 10.0).round() as usize);
        println!("{keys:>9} keys {bar} {decision:.0} ns");
    }
    println!("```");
}

/// Nanoseconds of a decision, nanoseconds of a whole reservation, and bytes of a key.
fn measured(keys: u64, rule: &Arc<Rule>) -> (f64, f64, f64) {
    // Rules are shared, as those of a configuration are.
    let draw = |key: u64| {
        let key = MeterKey::new(rule, &format!("local:user-{key}"));
        [Draw { key, rule: Arc::clone(rule), amount: 1 }]
    };
    let before = resident();
    let capacity = Capacity { counters: 1 << 21, ..Capacity::default() };
    let meter = MemoryMeter::with_capacity(capacity);
    let mut clock = Timestamp(1_795_000_000_000_000);
    for key in 0..keys {
        assert!(told(meter.spend(ReservationId(0), &draw(key), clock)).is_ok());
    }
    let bytes = resident().saturating_sub(before) as f64 / keys as f64;
    let decision = nanoseconds(keys, draw, &mut clock, |_, draw, at| {
        assert!(told(meter.spend(ReservationId(0), draw, at)).is_ok());
    });
    let whole = nanoseconds(keys, draw, &mut clock, |number, draw, at| {
        let id = ReservationId(number);
        assert!(told(meter.reserve(id, draw, at.plus(SPAN), at)).is_ok());
        let _ = told(meter.depart(id, at));
        assert!(told(meter.settle(id, draw, at)).is_ok());
    });
    (decision, whole, bytes)
}

/// How long it takes to read a word of which nobody knew where it is, in 256 MB: no decision on a
/// million keys can be quicker. In a machine that others share it is another at every hour.
fn wait_for_memory() -> f64 {
    const LINES: usize = 1 << 22;
    const STEPS: u32 = 1 << 21;
    // One way through all lines (Sattolo).
    let mut way: Vec<[usize; 8]> = (0..LINES).map(|line| [line; 8]).collect();
    let mut chance = Chance::new();
    for line in (1..LINES).rev() {
        way.swap(line, chance.next() as usize % line);
    }
    let (start, mut at) = (Instant::now(), 0);
    for _ in 0..STEPS {
        at = way[at][0];
    }
    let took = start.elapsed();
    assert!(at < LINES);
    took.as_nanos() as f64 / f64::from(STEPS)
}

/// xorshift64: quick, and its lower bits are good enough for an index.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// What a meter answers at once.
fn told<T: Unpin>(answer: Told<'_, T>) -> T {
    answer.now_or_never().expect("a meter in memory waits for nothing")
}

/// How long one call of `decide` takes, on keys by chance. Time goes on by a second in 200,000
/// calls, so that windows move. As on the road, who asks has just written down the key: what is
/// timed is the meter, and not how its caller finds a key among a million.
fn nanoseconds(
    keys: u64,
    draw: impl Fn(u64) -> [Draw; 1],
    clock: &mut Timestamp,
    mut decide: impl FnMut(u128, &[Draw; 1], Timestamp),
) -> f64 {
    const BATCH: u64 = 1024;
    let (begun, mut made, mut chance) = (Instant::now(), 0_u64, Chance::new());
    let mut took = Duration::ZERO;
    while begun.elapsed() < SPAN {
        let draws: Vec<(u64, [Draw; 1])> =
            (0..BATCH).map(|_| chance.next()).map(|chance| (chance, draw(chance % keys))).collect();
        let start = Instant::now();
        for (chance, draw) in &draws {
            made += 1;
            clock.0 += 5;
            decide(u128::from(made) << 64 | u128::from(*chance), draw, *clock);
        }
        took += start.elapsed();
    }
    took.as_nanos() as f64 / made as f64
}

/// Resident memory, in bytes.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

/// The meter beside `redis-benchmark`: the same call of the same script, as many at once.
async fn redis() {
    const AT_ONCE: u128 = 64;
    let server = RedisServer::forgetful();
    let meter =
        RedisMeter::open(Address::parse(&server.url()).expect("an address")).expect("chance");
    meter.up().await;
    let draws = [Draw::new(window(1_000_000_000), "local:ann", 1)];
    // What the meter sends, as the server notes it.
    server.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    assert!(meter.spend(ReservationId(1), &draws, now()).await.is_ok());
    let words = noted(&server.cli(&["SLOWLOG", "GET", "8"]));
    server.cli(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    println!("\n| decisions in Redis, {AT_ONCE} at once | a second |\n|---|---|");
    for _ in 0..3 {
        let (mut calls, begun) = (JoinSet::new(), Instant::now());
        for task in 0..AT_ONCE {
            let (meter, draws) = (meter.clone(), draws.clone());
            calls.spawn(async move {
                let mut made = 0_u128;
                while begun.elapsed() < SPAN {
                    made += 1;
                    let id = ReservationId(task << 64 | made);
                    let said = meter.spend(id, &draws, now()).await;
                    assert!(matches!(said, Ok(Verdict::Taken { .. })), "{said:?}");
                }
                made
            });
        }
        let made: u128 = calls.join_all().await.into_iter().sum();
        println!("| the meter | {:.0} |", made as f64 / begun.elapsed().as_secs_f64());
        for (name, options) in
            [("one connection", ["-c", "1", "-P", "64"]), ("64", ["-c", "64", "-P", "1"])]
        {
            println!(
                "| redis-benchmark, {name} | {:.0} |",
                benchmarked(server.port, &options, &words)
            );
        }
    }
}

/// The words of the first `EVALSHA` in what `SLOWLOG GET` tells.
fn noted(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().collect();
    let begin = lines.iter().position(|line| line.eq_ignore_ascii_case("evalsha"));
    let words = lines.get(begin.expect("a call of the script")..).unwrap_or_default();
    // Name, script and number of keys; clock, deadlines, told, reservation and counter; 15 more.
    words.iter().take(3 + 5 + 15).map(|word| (*word).to_owned()).collect()
}

/// Requests a second, as `redis-benchmark` measures them.
fn benchmarked(port: u16, options: &[&str], words: &[String]) -> f64 {
    let out = Command::new("redis-benchmark")
        .args(["-p", &port.to_string(), "-n", "60000", "--csv"])
        .args(options)
        .args(words)
        .output()
        .expect("redis-benchmark runs");
    let text = String::from_utf8_lossy(&out.stdout);
    let last = text.lines().last().unwrap_or_default();
    let rate = last.rsplit("\",\"").nth(6).or_else(|| last.split("\",\"").nth(1));
    rate.and_then(|rate| rate.parse().ok()).unwrap_or(f64::NAN)
}

/// Reservations on slices: a budget and a limit, reserved, departed and settled, by one task.
async fn leased() {
    let server = RedisServer::forgetful();
    let meter =
        RedisMeter::open(Address::parse(&server.url()).expect("an address")).expect("chance");
    meter.up().await;
    let gate = Leased::new(Arc::new(meter), now);
    gate.set(["calls".into(), "money".into()]);
    let month = Shape::Budget { limit: u64::MAX / 2, period: Period::utc(Calendar::Month) };
    let money = Arc::new(Rule::new("money", Measure::NanoUsd, month));
    let draws =
        |amount| [Draw::new(window(1 << 40), "-", 1), Draw::new(Arc::clone(&money), "-", amount)];
    let (reserved, used) = (draws(1_000), draws(900));
    let commands = || {
        let info = server.cli(&["INFO", "commandstats"]);
        let line = info.lines().find(|line| line.starts_with("cmdstat_evalsha:calls="));
        line.and_then(|line| line.split(['=', ',']).nth(1)?.parse::<u64>().ok()).unwrap_or(0)
    };
    println!(
        "\n| reservations on slices, a budget and a limit | a second | calls of the script |\n|---|---|---|"
    );
    for _ in 0..3 {
        let (begun, before, mut made) = (Instant::now(), commands(), 0_u128);
        while begun.elapsed() < SPAN {
            for _ in 0..64 {
                made += 1;
                let (id, at) = (ReservationId(u128::from(now().0) << 32 | made), now());
                let said = gate.reserve(id, &reserved, at.plus(SPAN * 30), at).await;
                assert!(matches!(said, Ok(Verdict::Taken { .. })), "{said:?}");
                assert!(gate.depart(id, at).await.is_ok());
                assert!(gate.settle(id, &used, at).await.is_ok());
            }
            tokio::task::yield_now().await;
        }
        let rate = made as f64 / begun.elapsed().as_secs_f64();
        println!("| one task, one core | {rate:.0} | {} |", commands() - before);
    }
    gate.close().await;
}
