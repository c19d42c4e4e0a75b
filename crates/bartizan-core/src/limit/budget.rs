//! Is there money left in this period?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::period::Period;
use super::room::Room;
use crate::time::Timestamp;

/// A budget of one calendar period. Money is charged to the period in which it was reserved.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Budget {
    limit: u64,
    current: Ledger,
    /// Periods that were over with something still reserved, the oldest first.
    past: Vec<Ledger>,
}

/// What one period holds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Ledger {
    /// Its first instant.
    pub start: Timestamp,
    /// The first instant that is no longer in it.
    pub end: Timestamp,
    /// What was really spent. Only usage reported above a reservation carries it past the limit.
    pub settled: u64,
    /// What calls under way may still spend.
    pub reserved: u64,
}

/// A call outlives few periods; of those further back only the newest are kept.
const MOST_PAST: usize = 16;
/// Money that others have reserved may come back at any moment: ask again after this.
const SOON: Duration = Duration::from_secs(1);

impl Budget {
    pub(super) fn new(limit: u64, period: &Period, now: Timestamp) -> Self {
        Self { limit, current: Ledger::of(period, now), past: Vec::new() }
    }

    /// Takes over a changed limit, and opens the next period when the current one is over. A clock
    /// that goes back opens none.
    pub(super) fn fit(&mut self, limit: u64, period: &Period, now: Timestamp) {
        self.limit = limit;
        if now < self.current.end {
            return;
        }
        let over = std::mem::replace(&mut self.current, Ledger::of(period, now));
        self.past.push(over);
        self.past.retain(|ledger| ledger.reserved > 0);
        if self.past.len() > MOST_PAST {
            self.past.remove(0);
        }
    }

    pub(super) fn room(&self, amount: u64, now: Timestamp) -> Room {
        let Ledger { end, settled, reserved, .. } = self.current;
        let spent = settled.saturating_add(amount);
        if amount > self.limit {
            Room::Never
        } else if spent.saturating_add(reserved) <= self.limit {
            Room::Free
        } else if spent <= self.limit {
            Room::At(end.min(now.plus(SOON)))
        } else {
            Room::At(end)
        }
    }

    /// Reserves an amount for which there is room; the answer names the period.
    pub(super) fn take(&mut self, amount: u64) -> Timestamp {
        self.current.reserved = self.current.reserved.saturating_add(amount);
        self.current.start
    }

    /// Turns a reservation into a charge, and gives the rest back.
    pub(super) fn settle(&mut self, start: Timestamp, reserved: u64, actual: u64) {
        if let Some(ledger) = self.ledger_mut(start) {
            ledger.reserved = ledger.reserved.saturating_sub(reserved);
            ledger.settled = ledger.settled.saturating_add(actual);
        }
    }

    /// Puts another charge in the place of one that was made too early, as long as it matters:
    /// nobody asks any more what a period that is over has left.
    pub(super) fn correct(&mut self, start: Timestamp, charged: u64, actual: u64, now: Timestamp) {
        let Ledger { start: current, end, settled, .. } = &mut self.current;
        if *current == start && now < *end {
            *settled = settled.saturating_sub(charged).saturating_add(actual);
        }
    }

    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        let Ledger { end, settled, reserved, .. } = self.current;
        let under_way = self.past.iter().any(|ledger| ledger.reserved > 0);
        reserved == 0 && !under_way && (settled == 0 || now >= end)
    }

    /// The period that is counted now.
    #[must_use]
    pub fn current(&self) -> Ledger {
        self.current
    }

    /// A budget that a ledger says stands so; `past` are earlier periods with something reserved.
    #[must_use]
    pub fn restored(limit: u64, current: Ledger, past: Vec<Ledger>) -> Self {
        Self { limit, current, past }
    }

    /// Forgets what was settled in the current period; how much it was.
    pub fn forgive(&mut self) -> u64 {
        std::mem::take(&mut self.current.settled)
    }

    /// The period that is counted now, and those that were over with something still reserved.
    pub fn ledgers(&self) -> impl Iterator<Item = &Ledger> {
        std::iter::once(&self.current).chain(&self.past)
    }

    /// The most that may be settled and reserved together.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What is left to reserve.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        let Ledger { settled, reserved, .. } = self.current;
        self.limit.saturating_sub(settled).saturating_sub(reserved)
    }

    /// What was settled in the period that began at `start`; nothing if it is over and closed.
    pub(super) fn settled_in(&self, start: Timestamp) -> u64 {
        self.ledgers().find(|ledger| ledger.start == start).map_or(0, |ledger| ledger.settled)
    }

    fn ledger_mut(&mut self, start: Timestamp) -> Option<&mut Ledger> {
        let mut ledgers = std::iter::once(&mut self.current).chain(&mut self.past);
        ledgers.find(|ledger| ledger.start == start)
    }
}

impl Ledger {
    fn of(period: &Period, now: Timestamp) -> Self {
        let (start, end) = period.bounds(now);
        Self { start, end, settled: 0, reserved: 0 }
    }

    /// How long the period is.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }
}
