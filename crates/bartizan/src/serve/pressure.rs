//! How often are the bounds on connections reached, and how often can nobody read what comes? Counted;
//! the bounds are told in the log once a minute at the most, for whoever reaches them may do so a
//! thousand times a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bartizan_core::time::Timestamp;
use parking_lot::Mutex;

/// How often the bounds of a listener were reached, and what it could not read.
#[derive(Debug, Default)]
pub struct Pressure {
    /// `max_connections`: the next connection waits.
    pub(super) all: Bound,
    /// `max_connections_per_address`: the connection was closed.
    pub(super) of_one: Bound,
    /// What the system lets the process have: the next connection waits.
    pub(super) system: Bound,
    /// TLS handshakes: the oldest gave way.
    pub(super) handshakes: Bound,
    unread: AtomicU64,
}

/// One of the bounds.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    reached: AtomicU64,
    told: Mutex<Told>,
}

/// What stands in the log already.
#[derive(Debug, Default)]
struct Told {
    at: Option<Timestamp>,
    reached: u64,
}

/// From one line of the log to the next.
const PAUSE: Duration = Duration::from_secs(60);

impl Pressure {
    /// How often all connections were open that there may be, since the start.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.all.reached()
    }

    /// How many connections were closed since their address had as many as it may, since the start.
    #[must_use]
    pub fn of_one(&self) -> u64 {
        self.of_one.reached()
    }

    /// How often the system had no room for one more connection, since the start.
    #[must_use]
    pub fn system(&self) -> u64 {
        self.system.reached()
    }

    /// How many TLS handshakes gave way to others, since the start.
    #[must_use]
    pub fn handshakes(&self) -> u64 {
        self.handshakes.reached()
    }

    /// How many requests could not be read, since the start.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unread.load(Ordering::Relaxed)
    }

    /// A request could not be read.
    pub(super) fn unread(&self) {
        self.unread.fetch_add(1, Ordering::Relaxed);
    }
}

impl Bound {
    /// It was reached; how often since the last line, where it is time for the next one.
    pub(crate) fn reach(&self, now: Timestamp) -> Option<u64> {
        let reached = self.reached.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = self.told.lock();
        // A clock that goes back silences nothing.
        if told.at.is_some_and(|at| at <= now && now < at.plus(PAUSE)) {
            return None;
        }
        let since = reached.saturating_sub(told.reached);
        *told = Told { at: Some(now), reached };
        Some(since)
    }

    /// How often it was reached, since the start.
    pub(crate) fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_reached_again_and_again_is_told_once_a_minute_with_how_often() {
        let (bound, at) = (Bound::default(), |second: u64| Timestamp(second * 1_000_000));
        assert_eq!(bound.reach(at(100)), Some(1));
        assert_eq!((bound.reach(at(100)), bound.reach(at(159))), (None, None));
        assert_eq!(bound.reach(at(160)), Some(3));
        assert_eq!(bound.reach(at(5)), Some(1), "the clock went back");
        assert_eq!(bound.reached.load(Ordering::Relaxed), 5);
    }
}
