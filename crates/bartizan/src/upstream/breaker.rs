//! Is an upstream worth asking? One that has failed again and again is left alone for a while, and
//! then asked by a few before all come back.

use std::time::Duration;

use bartizan_core::time::Timestamp;
use parking_lot::Mutex;

/// When an upstream is left alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerRules {
    /// After so many failures in a row.
    pub failures: u32,
    /// For so long.
    pub pause: Duration,
    /// How many may ask at the same time after that, until one of them has an answer.
    pub probes: u32,
}

impl Default for BreakerRules {
    fn default() -> Self {
        Self { failures: 5, pause: Duration::from_secs(10), probes: 1 }
    }
}

/// The state of one upstream.
#[derive(Debug)]
pub(super) struct Breaker {
    rules: BreakerRules,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// It is asked.
    Closed { failures: u32 },
    /// It is left alone.
    Open { until: Timestamp },
    /// A few ask whether it is back.
    HalfOpen { under_way: u32 },
}

/// Leave to ask. Whoever drops it without a word leaves things as they were.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    breaker: &'a Breaker,
    probe: bool,
    told: bool,
}

impl Breaker {
    pub(super) fn new(rules: BreakerRules) -> Self {
        Self { rules, state: Mutex::new(State::Closed { failures: 0 }) }
    }

    /// Leave to ask now, if the upstream is not left alone.
    pub(super) fn leave(&self, now: Timestamp) -> Option<Leave<'_>> {
        let mut state = self.state.lock();
        let leave = |probe| Some(Leave { breaker: self, probe, told: false });
        match *state {
            State::Closed { .. } => leave(false),
            State::Open { until } if now < until => None,
            State::Open { .. } => {
                *state = State::HalfOpen { under_way: 1 };
                leave(true)
            }
            State::HalfOpen { under_way } if under_way >= self.rules.probes.max(1) => None,
            State::HalfOpen { under_way } => {
                *state = State::HalfOpen { under_way: under_way + 1 };
                leave(true)
            }
        }
    }
}

impl Leave<'_> {
    /// It answered. Returns whether it is back: nobody was to ask it but for probes.
    pub(super) fn succeeded(mut self) -> bool {
        self.told = true;
        let mut state = self.breaker.state.lock();
        let before = std::mem::replace(&mut *state, State::Closed { failures: 0 });
        !matches!(before, State::Closed { .. })
    }

    /// It failed. Returns whether it is left alone from now on, and was not before.
    pub(super) fn failed(mut self, now: Timestamp) -> bool {
        self.told = true;
        let BreakerRules { failures: most, pause, .. } = self.breaker.rules;
        let mut state = self.breaker.state.lock();
        let open = State::Open { until: now.plus(pause) };
        let before = *state;
        *state = match before {
            State::Closed { failures } if failures + 1 < most => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => open,
            State::HalfOpen { .. } if self.probe => open,
            // One that was asked before all this came too late to say anything new.
            other => other,
        };
        matches!(before, State::Closed { .. }) && *state == open
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.told || !self.probe {
            return;
        }
        let mut state = self.breaker.state.lock();
        if let State::HalfOpen { under_way } = *state {
            *state = State::HalfOpen { under_way: under_way.saturating_sub(1) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp(1).plus(Duration::from_secs(seconds))
    }

    fn breaker(probes: u32) -> Breaker {
        Breaker::new(BreakerRules { failures: 3, pause: Duration::from_secs(10), probes })
    }

    fn open(breaker: &Breaker) {
        let failed = (0..3).map(|_| breaker.leave(at(0)).unwrap().failed(at(0)));
        assert_eq!(failed.collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_after_as_many_in_all() {
        let breaker = breaker(1);
        for _ in 0..5 {
            breaker.leave(at(0)).unwrap().failed(at(0));
            breaker.leave(at(0)).unwrap().failed(at(0));
            breaker.leave(at(0)).unwrap().succeeded();
        }
        open(&breaker);
        assert!(breaker.leave(at(9)).is_none());
        assert!(breaker.leave(at(10)).is_some());
    }

    #[test]
    fn half_open_lets_the_configured_few_through_and_not_fifty() {
        let breaker = breaker(2);
        open(&breaker);
        let mut probes: Vec<_> = (0..50).filter_map(|_| breaker.leave(at(10))).collect();
        assert_eq!(probes.len(), 2);
        // A client that hangs up gives its place back and says nothing about the upstream.
        drop(probes.pop());
        let again = breaker.leave(at(11)).unwrap();
        assert!(breaker.leave(at(11)).is_none());
        again.failed(at(11));
        assert!(breaker.leave(at(20)).is_none(), "the pause begins anew");
        breaker.leave(at(21)).unwrap().succeeded();
        assert!((0..50).all(|_| breaker.leave(at(21)).is_some()));
    }
}
