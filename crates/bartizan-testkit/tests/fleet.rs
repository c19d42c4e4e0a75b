//! Does a budget hold, whatever happens to gateways and messages? Tens of thousands of schedules.

#![allow(clippy::panic, reason = "a test may panic")]

use bartizan_testkit::fleet::{Reserving, Tally, run};

const SCHEDULES: u64 = 10_000;

#[test]
fn no_schedule_of_crashes_delays_and_doubles_overspends_or_unbalances_the_ledger() {
    let mut all = Tally::default();
    for seed in 0..SCHEDULES {
        let tally = run(seed, Reserving::Atomic).unwrap_or_else(|broken| {
            panic!("seed {}, step {}: {}", broken.seed, broken.step, broken.what)
        });
        all.admitted += tally.admitted;
        all.refused += tally.refused;
        all.crashes += tally.crashes;
        all.doubled += tally.doubled;
        all.expired += tally.expired;
        all.late += tally.late;
        all.overdrafts += tally.overdrafts;
        all.extended += tally.extended;
    }
    // Everything that could go wrong did happen, often.
    let Tally { admitted, refused, crashes, doubled, expired, late, overdrafts, extended } = all;
    for many in [admitted, refused, crashes, doubled, expired, late, overdrafts, extended] {
        assert!(many > SCHEDULES / 50, "{all:?}");
    }
}

#[test]
fn the_simulation_finds_a_store_that_looks_first_and_takes_later() {
    let broken = (0..200).filter_map(|seed| run(seed, Reserving::LookThenTake).err());
    let (found, overspent) = broken.fold((0, 0), |(found, overspent), broken| {
        (found + 1, overspent + u32::from(broken.what.contains("pass the limit")))
    });
    assert!(found > 20 && overspent > 20, "{found} found, {overspent} of them overspent");
}
