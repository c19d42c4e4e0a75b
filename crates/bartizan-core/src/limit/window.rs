//! How many in any stretch of this length, wherever it begins?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::log::{Entry, Log};
use super::room::Room;
use crate::time::Timestamp;

/// A sliding window. Up to a limit of 128 it remembers every draw; above, draws that came within
/// a 64th of the length are remembered as one that came at the last of them. That errs on the side
/// of the limit: such a draw is held in the window for up to a 64th too long, never too short.
///
/// What a decision reads stands in fields of its own; older entries are read when they leave, or when
/// there is no room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(from = "Written", into = "Written")]
pub struct Window {
    limit: u64,
    /// Microseconds.
    length: u64,
    /// The latest instant it was told. A clock that goes back is not followed: what has left the
    /// window by then is forgotten, and could not be counted again.
    latest: Timestamp,
    total: u64,
    /// The last instant of the oldest entry, and how much leaves with it.
    oldest: (Timestamp, u64),
    /// What was counted last; an amount of zero where nothing is counted at all.
    newest: Entry,
    /// The entries before it.
    older: Log,
}

/// A window as a store keeps it.
#[derive(Deserialize, Serialize)]
struct Written {
    limit: u64,
    length: Duration,
    latest: Timestamp,
    total: u64,
    entries: Vec<Entry>,
}

/// Up to this limit every draw is remembered.
const EXACT: u64 = 128;
/// Above it, into how many parts the window is divided.
const PARTS: u32 = 64;
/// Overdrafts may add entries beyond the limit. From here on they are merged into the last one.
const MOST_ENTRIES: usize = 256;

impl Window {
    pub(super) fn new(limit: u64, length: Duration) -> Self {
        let (latest, total, oldest) = (Timestamp(0), 0, (Timestamp(0), 0));
        let (newest, older) = (Entry::default(), Log::default());
        Self { limit, length: micros(length), latest, total, oldest, newest, older }
    }

    /// A window that holds what a ledger says: first and last instant of each entry, and how much.
    pub(super) fn restored(
        limit: u64,
        length: Duration,
        entries: impl IntoIterator<Item = (Timestamp, Timestamp, u64)>,
    ) -> Self {
        let mut window = Self::new(limit, length);
        for (first, last, amount) in entries {
            window.latest = window.latest.max(last);
            window.total = window.total.saturating_add(amount);
            window.push(Entry(first, last, amount));
        }
        window
    }

    pub(super) fn fit(&mut self, limit: u64, length: Duration) {
        (self.limit, self.length) = (limit, micros(length));
    }

    pub(super) fn room(&mut self, amount: u64, now: Timestamp) -> Room {
        self.advance(now);
        if amount > self.limit {
            return Room::Never;
        }
        let over = self.total.saturating_add(amount).saturating_sub(self.limit);
        if over == 0 {
            return Room::Free;
        }
        // Most often one is enough, and then no other is read.
        if over <= self.oldest.1 {
            return Room::At(self.reset());
        }
        let mut freed = 0_u64;
        for Entry(_, last, amount) in self.entries() {
            freed = freed.saturating_add(amount);
            if freed >= over {
                return Room::At(self.leaves(last));
            }
        }
        Room::At(self.leaves(self.latest))
    }

    /// Counts a draw for which there is room; the answer finds it again.
    pub(super) fn take(&mut self, amount: u64, now: Timestamp) -> Timestamp {
        self.advance(now);
        self.add(amount)
    }

    /// What was `reserved` at `mark` was really `actual`. Less is given back at the instant it was
    /// taken; more is counted now, since that instant may have left the window already.
    pub(super) fn settle(&mut self, mark: Timestamp, reserved: u64, actual: u64, now: Timestamp) {
        self.advance(now);
        self.reduce(mark, reserved.saturating_sub(actual));
        self.add(actual.saturating_sub(reserved));
    }

    pub(super) fn is_idle(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        self.is_empty()
    }

    pub(super) fn idle_at(&self) -> Timestamp {
        if self.is_empty() { Timestamp(0) } else { self.leaves(self.newest.1) }
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// When the oldest of what is in it leaves.
    pub(super) fn reset(&self) -> Timestamp {
        if self.is_empty() { Timestamp(0) } else { self.leaves(self.oldest.0) }
    }

    /// When a draw of that instant is no longer in it.
    fn leaves(&self, instant: Timestamp) -> Timestamp {
        Timestamp(instant.0.saturating_add(self.length))
    }

    fn is_empty(&self) -> bool {
        self.newest.2 == 0
    }

    fn entries(&self) -> impl Iterator<Item = Entry> {
        self.older.iter().chain((!self.is_empty()).then_some(self.newest))
    }

    fn advance(&mut self, now: Timestamp) {
        self.latest = self.latest.max(now);
        while !self.is_empty() && self.leaves(self.oldest.0) <= self.latest {
            let left = self.older.pop_front().unwrap_or_else(|| std::mem::take(&mut self.newest));
            self.total = self.total.saturating_sub(left.2);
            self.look_for_oldest();
        }
    }

    fn add(&mut self, amount: u64) -> Timestamp {
        let now = self.latest;
        if amount == 0 {
            return now;
        }
        self.total = self.total.saturating_add(amount);
        let (width, full) = (self.width(), self.older.len() + 1 >= MOST_ENTRIES);
        let together = full || now.since(self.newest.0) < width;
        if together && !self.is_empty() {
            let Entry(first, _, sum) = self.newest;
            self.newest = Entry(first, now, sum.saturating_add(amount));
            if self.older.is_empty() {
                self.oldest = (now, self.newest.2);
            }
            first
        } else {
            self.push(Entry(now, now, amount));
            now
        }
    }

    /// One entry more, after all others. One that counts nothing is none.
    fn push(&mut self, entry: Entry) {
        if entry.2 == 0 {
            return;
        }
        if self.is_empty() {
            self.oldest = (entry.1, entry.2);
        } else {
            self.older.push_back(self.newest);
        }
        self.newest = entry;
    }

    fn reduce(&mut self, mark: Timestamp, amount: u64) {
        if amount == 0 || self.is_empty() {
            return;
        }
        if self.newest.0 == mark {
            let back = amount.min(self.newest.2);
            self.newest.2 -= back;
            self.total = self.total.saturating_sub(back);
            if self.newest.2 == 0 {
                self.newest = self.older.pop_back().unwrap_or_default();
            }
        } else {
            self.total = self.total.saturating_sub(self.older.reduce(mark, amount));
        }
        self.look_for_oldest();
    }

    fn look_for_oldest(&mut self) {
        let Entry(_, last, amount) = self.older.front().unwrap_or(self.newest);
        self.oldest = (last, amount);
    }

    /// Draws closer than this to the first of an entry belong to it.
    fn width(&self) -> Duration {
        let length = Duration::from_micros(self.length);
        if self.limit <= EXACT { Duration::from_micros(1) } else { length / PARTS }
    }
}

impl From<Window> for Written {
    fn from(window: Window) -> Self {
        let Window { limit, length, latest, total, .. } = window;
        let entries = window.entries().collect();
        Self { limit, length: Duration::from_micros(length), latest, total, entries }
    }
}

impl From<Written> for Window {
    fn from(written: Written) -> Self {
        let Written { limit, length, latest, total, entries } = written;
        let mut window = Self { latest, total, ..Self::new(limit, length) };
        entries.into_iter().for_each(|entry| window.push(entry));
        window
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
