//! How much memory does a request ask for on the road? Counted, not timed.

mod common;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use common::{Bench, ROADS};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Enough that what happens once in a while is shared by many.
const REQUESTS: usize = 10_000;

#[expect(clippy::unwrap_used, reason = "nothing can be counted without a runtime")]
fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = runtime.block_on(Bench::build());
    let future = bench.app.handle(bench.request("GET", "/bare"), bench.peer.clone());
    eprintln!("the future of a request: {} bytes", size_of_val(&future));
    drop(future);
    for (name, verb, path) in ROADS {
        let requests: Vec<_> = (0..REQUESTS).map(|_| bench.request(verb, path)).collect();
        let region = Region::new(COUNTED);
        runtime.block_on(async {
            for request in requests {
                drop(bench.answer(request).await);
            }
        });
        let change = region.change();
        let each = |count: usize| count / REQUESTS;
        let (allocations, grown) = (each(change.allocations), each(change.reallocations));
        let bytes = each(change.bytes_allocated);
        eprintln!("{name:<26} {allocations:>4} allocations, {grown:>2} grown, {bytes:>6} bytes");
    }
}
