//! A journey that is charged, and then charged again.

use bartizan::core::exchange::Journey;
use bartizan::core::settle::Spent;
use bartizan::core::time::Timestamp;

fn twice(journey: Journey, now: Timestamp) {
    let _ = journey.end(200, &Spent::Unknown, now);
    let _ = journey.end(200, &Spent::Nothing, now);
}

fn main() {}
