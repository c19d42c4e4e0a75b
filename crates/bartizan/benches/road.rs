//! How long does a request take on the road, without a network?
//!
//! The target is at most 5 µs for a cached token, one rate limit, and a body of 1 KB that is
//! checked by a schema, where no personal data is searched for.

mod common;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Runtime;

use common::{Bench, ROADS};

/// The one that the gateway has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many requests are made ahead, so that making them is not measured: so few that they are
/// still in the cache when their turn comes, as they are behind a listener that has just read them.
const BATCH: u64 = 32;

fn road(criterion: &mut Criterion) {
    #[expect(clippy::unwrap_used, reason = "nothing can be measured without a runtime")]
    let runtime: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::build());
    let mut group = criterion.benchmark_group("road");
    for (name, verb, path) in ROADS {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| measure(&runtime, &bench, verb, path, iterations));
        });
    }
    group.finish();
}

fn measure(runtime: &Runtime, bench: &Bench, verb: &str, path: &str, iterations: u64) -> Duration {
    let (mut spent, mut left) = (Duration::ZERO, iterations);
    while left > 0 {
        let batch = left.min(BATCH);
        left -= batch;
        let requests: Vec<_> = (0..batch).map(|_| bench.request(verb, path)).collect();
        spent += runtime.block_on(async {
            let begun = Instant::now();
            for request in requests {
                black_box(bench.answer(request).await);
            }
            begun.elapsed()
        });
    }
    spent
}

criterion_group!(benches, road);
criterion_main!(benches);
