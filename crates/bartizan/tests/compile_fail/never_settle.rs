//! A journey that is left lying, and a refusal that nobody is told.
#![deny(unused_must_use)]

use bartizan::body::Body;
use bartizan::core::exchange::{Announced, Exchange, Journey, Refused};
use bartizan::core::refusal::Refusal;
use bartizan::core::settle::Spent;

fn lose(exchange: Exchange<Announced<Body>>) -> Result<(), Refused> {
    exchange.depart(Ok(()), Ok(()))?;
    Ok(())
}

fn forget(journey: Journey) {
    journey.refuse(Refusal::Failed, &Spent::Unknown);
}

fn main() {}
