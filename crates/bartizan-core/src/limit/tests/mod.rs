//! What would break if the limits did not hold, on a clock that is turned by hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod window;
mod gcra;
mod book;
mod model;
mod lease;
mod table;

use std::sync::Arc;
use std::time::Duration;

use super::{Draw, Measure, Rule, Shape};
use crate::time::Timestamp;

const SECOND: u64 = 1_000_000;

fn at(micros: u64) -> Timestamp {
    Timestamp(micros)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rule(name: &str, measure: Measure, shape: Shape) -> Arc<Rule> {
    Arc::new(Rule::new(name, measure, shape))
}

fn draw(rule: &Arc<Rule>, subject: &str, amount: u64) -> Draw {
    Draw::new(Arc::clone(rule), subject, amount)
}
