//! How many instructions does a request take on the road? Counted under valgrind: unlike a time, the
//! same on every day. `cargo xtask bench` installs what that needs.

#![expect(missing_docs, reason = "the macros of the benchmark make items without documentation")]

mod common;

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use http::Request;
use tokio::runtime::Runtime;

use bartizan::body::Body;
use common::Bench;

/// A road that has seen such a request, and the next one.
struct Ready {
    runtime: Runtime,
    bench: Bench,
    request: Request<Body>,
}

/// So many come before the one that is counted: maps have grown, and what is made once is made.
const BEFORE: usize = 100;

#[expect(clippy::unwrap_used, reason = "nothing can be counted without a runtime")]
fn ready(verb: &str, path: &str) -> Ready {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::build());
    runtime.block_on(async {
        for _ in 0..BEFORE {
            drop(bench.answer(bench.request(verb, path)).await);
        }
    });
    let request = bench.request(verb, path);
    Ready { runtime, bench, request }
}

#[library_benchmark(setup = ready)]
#[bench::public_no_body("GET", "/bare")]
#[bench::cached_token_scope("GET", "/known")]
#[bench::one_rate_limit("GET", "/limited")]
#[bench::body_checked_by_schema("SUMMARIZE", "/document")]
#[bench::personal_data_searched("SCREENED", "/document")]
fn road(ready: Ready) -> (Runtime, Bench) {
    let Ready { runtime, bench, request } = ready;
    black_box(runtime.block_on(bench.answer(request)));
    (runtime, bench)
}

library_benchmark_group!(name = requests, benchmarks = road);
main!(library_benchmark_groups = requests);
