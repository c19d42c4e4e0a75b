//! How long does it take to know a key among a million, and how much memory do they need?

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be set up may panic"
)]

use std::alloc::System;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bartizan::authenticate::{Authenticate, Means, Revocations};
use bartizan::clock;
use bartizan::core::authenticate::api_key::{self, Hash, Pepper, Record};
use bartizan::core::authenticate::guessing::Patience;
use bartizan::core::authenticate::{Credential, Places};
use bartizan::core::issue::identities::{Identities, Keys as _};
use bartizan_store::memory::MemoryIdentities;
use criterion::Criterion;
use secrecy::ExposeSecret as _;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many keys there are; the time must not depend on it.
const COUNTS: [u32; 3] = [1_000, 100_000, 1_000_000];

/// How many are asked for between two looks at the clock.
const BATCH: u64 = 64;

/// A key by its number, the same every time.
fn key(number: u32) -> String {
    let mut random = [0x5a; 32];
    random[..4].copy_from_slice(&number.to_be_bytes());
    let key = api_key::generate("live", &format!("k{number}"), &random).unwrap();
    key.expose_secret().to_owned()
}

fn record(number: u32, key: &str, pepper: &Pepper) -> Record {
    Record {
        id: format!("k{number}").into(),
        hash: Hash::of(key, Some(pepper)),
        previous: None,
        subject: "agent".into(),
        scopes: vec!["data:read".into(), "chat:write".into()],
        roles: vec!["user".into()],
        tenant: Some("acme".into()),
        environment: Some("live".into()),
        expires: None,
        revoked: None,
        last_used: Some(clock::now()),
    }
}

/// A gate that remembers as many keys as there are.
fn gate(identities: Arc<dyn Identities>, pepper: Pepper, count: u32) -> Authenticate {
    Authenticate::new(Means {
        places: Places::default(),
        keys: Vec::new(),
        environment: None,
        pepper: Some(pepper),
        identities,
        issuers: Vec::new(),
        revocations: Revocations::default(),
        remembered: usize::try_from(count).unwrap() * 2,
        certificates: None,
        proofs: None,
        patience: Patience::default(),
    })
}

/// The keys in another order than they were made in: caches of the processor do not help.
fn shuffled(keys: &[String]) -> impl Iterator<Item = &str> {
    let step = (keys.len() / 2 + keys.len() / 7) | 1;
    (0..).map(move |turn: usize| &*keys[turn.wrapping_mul(step) % keys.len()])
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, count: u32) {
    let pepper = Pepper::new(&[7; 32]);
    let keys: Vec<String> = (0..count).map(key).collect();
    let store = Arc::new(MemoryIdentities::default());
    let before = Region::new(COUNTED);
    for (number, key) in (0..).zip(&keys) {
        runtime.block_on(store.put_key(record(number, key, &pepper))).unwrap();
    }
    let stored = before.change().bytes_allocated - before.change().bytes_deallocated;
    let gate = gate(Arc::<MemoryIdentities>::clone(&store), pepper, count);
    let stop = CancellationToken::new();
    runtime.spawn(gate.clone().follow(stop.clone()));
    let before = Region::new(COUNTED);
    runtime.block_on(async {
        for key in &keys {
            gate.verify(&Credential::ApiKey(key), clock::now()).await.unwrap();
        }
    });
    let remembered = before.change().bytes_allocated - before.change().bytes_deallocated;
    let mut known = shuffled(&keys);
    criterion.bench_function(&format!("a key among {count}"), |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let (mut took, mut left) = (Duration::ZERO, times);
                while left > 0 {
                    // A request comes with its key at hand: that it is fetched is not measured.
                    let turn: Vec<String> =
                        known.by_ref().take(BATCH.min(left) as usize).map(str::to_owned).collect();
                    let began = Instant::now();
                    for key in &turn {
                        let credential = Credential::ApiKey(key);
                        black_box(gate.verify(&credential, clock::now()).await).unwrap();
                    }
                    took += began.elapsed();
                    left -= turn.len() as u64;
                }
                took
            })
        });
    });
    stop.cancel();
    let each = |bytes: usize| bytes / keys.len();
    let (stored, remembered) = (each(stored), each(remembered));
    eprintln!("{count} keys: {stored} bytes a key in the store, {remembered} remembered");
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut criterion = Criterion::default().configure_from_args();
    for count in COUNTS {
        measure(&mut criterion, &runtime, count);
    }
    criterion.final_summary();
}
