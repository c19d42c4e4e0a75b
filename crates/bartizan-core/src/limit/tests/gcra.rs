//! Does any window hold more than limit and burst, and does the rate drift?

use std::time::Duration;

use proptest::prelude::*;

use super::{at, secs};
use crate::limit::{Gcra, Room};

#[derive(Clone, Debug)]
struct Step {
    clock: i64,
    amount: u64,
    settle: Option<(usize, u64)>,
}

fn steps(length: i64, amounts: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Vec<Step>> {
    let clock =
        prop_oneof![3 => Just(0), 4 => 0..length / 3, 1 => 0..2 * length, 1 => -length / 2..0];
    let settle = prop::option::weighted(0.4, (0..40_usize, 0..=*amounts.end()));
    let step =
        (clock, amounts, settle).prop_map(|(clock, amount, settle)| Step { clock, amount, settle });
    prop::collection::vec(step, 1..80)
}

/// Replays the steps against the whole history: at every admission, every window that ends there.
fn replay(limit: u64, length: u64, burst: u64, steps: &[Step]) {
    let mut gcra = Gcra::new(limit, Duration::from_micros(length), burst);
    let mut history: Vec<(u64, u64)> = Vec::new();
    let mut places = Vec::new();
    let (mut raw, mut now) = (1_000 * length, 0);
    for step in steps {
        raw = raw.saturating_add_signed(step.clock);
        now = now.max(raw);
        match gcra.room(step.amount, at(raw)) {
            Room::Free => {
                places.push((gcra.take(step.amount, at(raw)), history.len(), step.amount));
                history.push((now, step.amount));
                let inside = history.iter().filter(|(then, _)| then + length > now);
                let held: u64 = inside.map(|(_, amount)| amount).sum();
                assert!(held <= limit + burst, "{held} in a window of {limit} and {burst}");
            }
            Room::Never => assert!(step.amount > burst + 1, "{} always fits", step.amount),
            Room::At(free) => {
                assert!(free.0 > now, "told to come back at once");
                let mut later = gcra.clone();
                assert_ne!(
                    later.room(step.amount, at(free.0 - 1)),
                    Room::Free,
                    "could come earlier"
                );
                assert_eq!(later.room(step.amount, free), Room::Free, "told to come too early");
            }
        }
        if let Some((which, actual)) = step.settle
            && !places.is_empty()
        {
            let (place, index, reserved) = places.remove(which % places.len());
            gcra.settle(place, reserved, actual, at(raw));
            history[index].1 = reserved.min(actual);
            history.push((now, actual.saturating_sub(reserved)));
        }
        let text = serde_json::to_string(&gcra).unwrap();
        assert_eq!(serde_json::from_str::<Gcra>(&text).unwrap(), gcra, "written and read");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_window_holds_more_than_a_small_limit_and_its_burst(
        limit in 1_u64..=5,
        burst in 0_u64..=5,
        length in 1_u64..50,
        steps in steps(40, 1..=4),
    ) {
        replay(limit, length, burst, &steps);
    }

    #[test]
    fn no_window_holds_more_than_a_large_limit_and_its_burst(
        limit in 5_000_u64..=10_000,
        burst in 0_u64..=10_000,
        steps in steps(7_000_001, 1..=6_000),
    ) {
        replay(limit, 7_000_001, burst, &steps);
    }
}

#[test]
fn giving_back_what_has_drained_does_not_make_room_twice() {
    // Ten at once drain in a second; they made room for ten more. Giving them back as well would
    // admit thirty in that second.
    let mut gcra = Gcra::new(10, secs(1), 9);
    let first = gcra.take(10, at(0));
    assert_eq!(gcra.room(10, at(1_000_000)), Room::Free);
    gcra.take(10, at(1_000_000));
    gcra.settle(first, 10, 0, at(1_000_000));
    assert_eq!(gcra.room(1, at(1_000_000)), Room::At(at(1_100_000)));
}

#[test]
fn a_rate_that_is_no_whole_number_of_microseconds_does_not_drift() {
    // Seven per second, asked every 100 µs for a hundred seconds: a truncated interval would let
    // more through, a rounded one fewer.
    let (mut gcra, mut admitted) = (Gcra::new(7, secs(1), 0), 0_u64);
    for tick in 0..1_000_000_u64 {
        if gcra.room(1, at(tick * 100)) == Room::Free {
            gcra.take(1, at(tick * 100));
            admitted += 1;
        }
    }
    assert!((699..=700).contains(&admitted), "{admitted}");
}

#[test]
fn numbers_at_the_edge_of_what_fits_do_not_wrap() {
    let mut gcra = Gcra::new(u64::MAX, Duration::MAX, u64::MAX);
    assert_eq!(gcra.room(u64::MAX, at(u64::MAX)), Room::Free);
    let place = gcra.take(u64::MAX, at(u64::MAX));
    gcra.settle(place, u64::MAX, 0, at(u64::MAX));
    assert_eq!(gcra.remaining(), u64::MAX);
    assert_eq!(Gcra::new(0, secs(1), 5).room(1, at(0)), Room::Never);
}
