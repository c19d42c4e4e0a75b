//! Does a window ever hold more than its limit, or refuse what it has room for?

use std::time::Duration;

use proptest::prelude::*;

use super::{SECOND, at, secs};
use crate::limit::{Room, Window};
use crate::time::Timestamp;

const LENGTH: u64 = 10 * SECOND;

/// One step of a history: move the clock (also back), draw, and settle an earlier draw.
#[derive(Clone, Debug)]
struct Step {
    clock: i64,
    amount: u64,
    settle: Option<(usize, u64)>,
}

/// Draws that come about a `pace` apart.
fn steps(pace: u64, amounts: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Vec<Step>> {
    let second = i64::try_from(SECOND).unwrap();
    let pace = i64::try_from(pace).unwrap();
    // Mostly forward, often not at all, now and then back; whole seconds meet the edges exactly.
    let clock = prop_oneof![
        3 => Just(0),
        6 => 0..pace,
        2 => (0..12_i64).prop_map(move |seconds| seconds * second),
        1 => -3 * second..0,
    ];
    let settle = prop::option::weighted(0.3, (0..40_usize, amounts.clone()));
    let step =
        (clock, amounts, settle).prop_map(|(clock, amount, settle)| Step { clock, amount, settle });
    prop::collection::vec(step, 1..120)
}

/// The whole history, and nothing clever: every draw that was admitted, and when.
#[derive(Default)]
struct Naive {
    history: Vec<(Timestamp, u64)>,
}

impl Naive {
    /// What the window of `length` that ends at `now` holds.
    fn holds(&self, now: Timestamp, length: u64) -> u64 {
        let inside = |(then, _): &&(Timestamp, u64)| then.0 + length > now.0;
        self.history.iter().filter(inside).map(|(_, amount)| amount).sum()
    }

    /// When `amount` would fit if nobody else came.
    fn free_at(&self, amount: u64, limit: u64, now: Timestamp) -> Timestamp {
        let mut leaving: Vec<_> =
            self.history.iter().map(|(then, _)| at(then.0 + LENGTH)).collect();
        leaving.sort();
        let fits = |when: &Timestamp| *when > now && self.holds(*when, LENGTH) + amount <= limit;
        leaving.into_iter().find(fits).unwrap()
    }
}

/// Replays the steps. `slack` is how much longer than true a draw may be held.
fn replay(limit: u64, slack: u64, steps: &[Step]) {
    let mut window = Window::new(limit, Duration::from_micros(LENGTH));
    let mut naive = Naive::default();
    let mut marks = Vec::new();
    let (mut raw, mut now) = (100 * SECOND, at(0));
    for step in steps {
        raw = raw.saturating_add_signed(step.clock);
        // A clock that goes back is not followed.
        now = now.max(at(raw));
        match window.room(step.amount, at(raw)) {
            Room::Free => {
                marks.push((window.take(step.amount, at(raw)), naive.history.len(), step.amount));
                naive.history.push((now, step.amount));
                let held = naive.holds(now, LENGTH);
                assert!(held <= limit, "the window that ends at {now} holds {held} of {limit}");
            }
            Room::Never => assert!(step.amount > limit, "{} of {limit} always fits", step.amount),
            Room::At(free) => {
                let held = naive.holds(now, LENGTH + slack);
                assert!(held + step.amount > limit, "refused {} beside {held}", step.amount);
                assert!(free > now, "told to come back at once");
                if slack == 0 {
                    assert_eq!(free, naive.free_at(step.amount, limit, now), "when to come back");
                }
            }
        }
        if let Some((which, actual)) = step.settle
            && !marks.is_empty()
        {
            let (mark, index, reserved) = marks.remove(which % marks.len());
            window.settle(mark, reserved, actual, at(raw));
            naive.history[index].1 = reserved.min(actual);
            naive.history.push((now, actual.saturating_sub(reserved)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_window_wherever_it_begins_holds_more_than_a_small_limit(
        limit in 1_u64..=5,
        steps in steps(4 * SECOND, 1..=3),
    ) {
        replay(limit, 0, &steps);
    }

    #[test]
    fn no_window_holds_more_than_the_largest_exact_limit(steps in steps(SECOND, 1..=60)) {
        replay(128, 0, &steps);
    }

    // Several draws to a part of the window, so that they are remembered as one.
    #[test]
    fn no_window_holds_more_than_a_large_limit(steps in steps(LENGTH / 100, 1..=1_500)) {
        replay(10_000, LENGTH / 64, &steps);
    }

    #[test]
    fn a_window_that_was_written_and_read_goes_on_as_it_was(steps in steps(4 * SECOND, 1..=3)) {
        let mut window = Window::new(5, Duration::from_micros(LENGTH));
        let mut now = 100 * SECOND;
        for step in steps {
            now = now.saturating_add_signed(step.clock);
            if window.room(step.amount, at(now)) == Room::Free {
                window.take(step.amount, at(now));
            }
            let text = serde_json::to_string(&window).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Window>(&text).unwrap(), &window);
        }
    }
}

#[test]
fn a_large_limit_costs_few_entries_and_little_of_the_rate() {
    // A call every 50 µs against 100,000 in 10 s: twice what is allowed, for a minute.
    let (mut window, mut admitted) = (Window::new(100_000, secs(10)), 0_u64);
    for call in 0..1_200_000_u64 {
        if window.room(1, at(call * 50)) == Room::Free {
            window.take(1, at(call * 50));
            admitted += 1;
        }
    }
    assert!(admitted > 580_000, "only {admitted} of 600,000");
    assert!(serde_json::to_string(&window).unwrap().len() < 4_000);
}

#[test]
fn overdrafts_do_not_make_a_window_grow_without_end() {
    let mut window = Window::new(5, secs(10));
    for micros in 0..100_000 {
        window.settle(at(0), 0, 1, at(micros));
    }
    assert!(serde_json::to_string(&window).unwrap().len() < 20_000);
    assert!(matches!(window.room(1, at(100_000)), Room::At(_)));
    assert_eq!(window.room(1, at(100_000 + 10 * SECOND)), Room::Free);
}

#[test]
fn a_limit_that_is_raised_or_lowered_keeps_what_was_counted() {
    let mut window = Window::new(2, secs(10));
    window.take(2, at(0));
    window.fit(3, secs(10));
    assert_eq!(window.room(1, at(1)), Room::Free);
    window.fit(1, secs(10));
    assert_eq!(window.room(1, at(1)), Room::At(at(10 * SECOND)));
}
