//! Smooth at a rate, and a burst on top: how much of it has not drained yet?

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::room::Room;
use crate::time::Timestamp;

/// The generic cell rate algorithm (ITU-T I.371), as a queue that drains.
///
/// Every unit of a draw fills in `length` parts, every microsecond drains `limit` parts: so the
/// rate `limit / length` is kept in whole numbers and cannot drift. There is room while the queue
/// holds at most `burst + 1` units. In a window of the length less than `limit` units drain, so
/// none holds more than `limit + burst`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Gcra {
    pub(super) limit: u64,
    /// Microseconds.
    pub(super) length: u64,
    pub(super) burst: u64,
    /// The latest instant it was told; a clock that goes back drains nothing.
    pub(super) at: Timestamp,
    /// When the queue was last empty.
    pub(super) since: Timestamp,
    /// Parts that came in since then.
    #[serde(with = "decimal")]
    pub(super) added: u128,
    /// Parts that have drained or were given back since then.
    #[serde(with = "decimal")]
    pub(super) gone: u128,
}

/// Where a draw stands in the queue.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Place {
    /// Which stretch without emptiness.
    since: Timestamp,
    /// Its end, in parts that came in since then.
    #[serde(with = "decimal")]
    end: u128,
}

impl Gcra {
    pub(super) fn new(limit: u64, length: Duration, burst: u64) -> Self {
        let (at, length) = (Timestamp(0), micros(length));
        Self { limit, length, burst, at, since: at, added: 0, gone: 0 }
    }

    pub(super) fn fit(&mut self, limit: u64, length: Duration, burst: u64) {
        if micros(length) == self.length {
            (self.limit, self.burst) = (limit, burst);
        } else {
            // Parts of another length cannot be compared: what is held stays held, in units.
            let held = self.held();
            let (at, since) = (self.at, self.at);
            *self = Self { at, since, ..Self::new(limit, length, burst) };
            self.added = self.parts(held);
        }
    }

    pub(super) fn room(&mut self, amount: u64, now: Timestamp) -> Room {
        self.advance(now);
        let (cost, capacity) = (self.parts(amount), self.capacity());
        if cost > capacity || self.limit == 0 {
            return Room::Never;
        }
        match self.backlog().saturating_add(cost).saturating_sub(capacity) {
            0 => Room::Free,
            over => Room::At(self.after(over)),
        }
    }

    /// Counts a draw for which there is room; the answer finds it again.
    pub(super) fn take(&mut self, amount: u64, now: Timestamp) -> Place {
        self.advance(now);
        self.add(amount)
    }

    /// What was `reserved` at `place` was really `actual`. More is counted now. Less is given back
    /// as far as it has not drained: what has drained already made room for others, and giving it
    /// back a second time would admit more than limit and burst.
    pub(super) fn settle(&mut self, place: Place, reserved: u64, actual: u64, now: Timestamp) {
        self.advance(now);
        if place.since == self.since {
            let left = place.end.saturating_sub(self.gone);
            let back = self.parts(reserved.saturating_sub(actual)).min(left);
            self.gone = self.gone.saturating_add(back).min(self.added);
        }
        self.add(actual.saturating_sub(reserved));
        self.rest();
    }

    pub(super) fn is_idle(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        self.backlog() == 0
    }

    pub(super) fn idle_at(&self) -> Timestamp {
        self.after(self.backlog())
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn length(&self) -> Duration {
        Duration::from_micros(self.length)
    }

    /// Units that have not drained yet, a broken one counted whole.
    pub(super) fn held(&self) -> u64 {
        let units = self.backlog().div_ceil(u128::from(self.length.max(1)));
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    pub(super) fn remaining(&self) -> u64 {
        let free = self.capacity().saturating_sub(self.backlog());
        u64::try_from(free / u128::from(self.length.max(1))).unwrap_or(u64::MAX)
    }

    /// Has more come in than there was room for?
    pub(super) fn overdrawn(&self) -> bool {
        self.backlog() > self.capacity()
    }

    /// When one unit more will be free; now if nothing is held.
    pub(super) fn reset(&self) -> Timestamp {
        let one_more = self.parts(self.remaining().saturating_add(1));
        let over = self.backlog().saturating_add(one_more).saturating_sub(self.capacity());
        self.after(over.min(self.backlog()))
    }

    fn advance(&mut self, now: Timestamp) {
        let elapsed = now.0.saturating_sub(self.at.0);
        self.at = self.at.max(now);
        let drained = u128::from(elapsed) * u128::from(self.limit);
        self.gone = self.gone.saturating_add(drained).min(self.added);
        self.rest();
    }

    /// An empty queue starts anew; places in the old one mean nothing any more.
    fn rest(&mut self) {
        if self.gone == self.added {
            (self.added, self.gone) = (0, 0);
        }
    }

    fn add(&mut self, amount: u64) -> Place {
        if self.added == 0 {
            self.since = self.at;
        }
        self.added = self.added.saturating_add(self.parts(amount));
        Place { since: self.since, end: self.added }
    }

    fn parts(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.length)
    }

    fn capacity(&self) -> u128 {
        (u128::from(self.burst) + 1).saturating_mul(u128::from(self.length))
    }

    fn backlog(&self) -> u128 {
        self.added.saturating_sub(self.gone)
    }

    /// When that many parts more will have drained.
    fn after(&self, parts: u128) -> Timestamp {
        let wait = parts.div_ceil(u128::from(self.limit.max(1)));
        Timestamp(self.at.0.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX)))
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}

/// JSON numbers end at 64 bits: larger ones are written as text.
mod decimal {
    use super::{Deserialize, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_string().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(source: D) -> Result<u128, D::Error> {
        String::deserialize(source)?.parse().map_err(serde::de::Error::custom)
    }
}
