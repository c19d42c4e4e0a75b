//! Does a text in which nothing is found cost memory? It is handed back as it came.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::alloc::System;

use bartizan_pii::{Action, Config, Masker, Scanner};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_text_without_a_find_is_scanned_and_masked_without_an_allocation() {
    let masker = Masker::new(Scanner::new(&Config::default()).unwrap().into(), Action::MASK);
    let text =
        "The 3 tables hold 1,250 rows; see 10:30, café, and order 1234567890123456. ".repeat(99);
    let region = Region::new(ALLOCATOR);
    let (found, masked) = (masker.scanner().scan(&text), masker.mask_text(&text));
    let allocations = region.change().allocations;
    assert_eq!((found.len(), &*masked.text, allocations), (0, &*text, 0));
}
