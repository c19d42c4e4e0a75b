//! What does a window hold that has many draws, large ones, or such that lie far apart?

use std::time::Duration;

use super::log::{Entry, Log};
use super::room::Room;
use super::window::{EXACT, PARTS};
use crate::time::Timestamp;

/// A window that holds anything.
///
/// What a decision reads stands in fields of its own; older entries are read when they leave, or when
/// there is no room.
#[derive(Clone, Debug)]
pub(super) struct Full {
    limit: u64,
    /// Microseconds.
    length: u64,
    latest: Timestamp,
    total: u64,
    /// The last instant of the oldest entry, and how much leaves with it.
    oldest: (Timestamp, u64),
    /// What was counted last; an amount of zero where nothing is counted at all.
    newest: Entry,
    /// The entries before it.
    older: Log,
}

/// Overdrafts may add entries beyond the limit. From here on they are merged into the last one.
const MOST_ENTRIES: usize = 256;

impl Full {
    /// An empty one, whose clock stands at `latest`.
    pub(super) fn new(limit: u64, length: u64, latest: Timestamp) -> Self {
        let (total, oldest) = (0, (Timestamp(0), 0));
        let (newest, older) = (Entry::default(), Log::default());
        Self { limit, length, latest, total, oldest, newest, older }
    }

    pub(super) fn fit(&mut self, limit: u64, length: u64) {
        (self.limit, self.length) = (limit, length);
    }

    /// Is there room for `amount`, which the limit allows?
    pub(super) fn room(&self, amount: u64) -> Room {
        let over = self.total.saturating_add(amount).saturating_sub(self.limit);
        if over == 0 {
            return Room::Free;
        }
        // Most often one is enough, and then no other is read.
        if over <= self.oldest.1 {
            return Room::At(self.leaves(self.oldest.0));
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

    /// The last instant of what was counted last.
    pub(super) fn newest(&self) -> Timestamp {
        self.newest.1
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Microseconds.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn latest(&self) -> Timestamp {
        self.latest
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The last instant of the oldest of what is in it.
    pub(super) fn oldest(&self) -> Timestamp {
        self.oldest.0
    }

    /// When a draw of that instant is no longer in it.
    fn leaves(&self, instant: Timestamp) -> Timestamp {
        Timestamp(instant.0.saturating_add(self.length))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.newest.2 == 0
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.older.iter().chain((!self.is_empty()).then_some(self.newest))
    }

    /// Moves the clock, never back. Nothing leaves by it yet.
    pub(super) fn tell(&mut self, now: Timestamp) {
        self.latest = self.latest.max(now);
    }

    /// Moves the clock, never back; what has left is forgotten.
    pub(super) fn advance(&mut self, now: Timestamp) {
        self.tell(now);
        while !self.is_empty() && self.leaves(self.oldest.0) <= self.latest {
            let left = self.older.pop_front().unwrap_or_else(|| std::mem::take(&mut self.newest));
            self.total = self.total.saturating_sub(left.2);
            self.look_for_oldest();
        }
    }

    /// Counts `amount` at the latest instant; the answer finds it again.
    pub(super) fn add(&mut self, amount: u64) -> Timestamp {
        let now = self.latest;
        if amount == 0 {
            return now;
        }
        let (width, full) = (self.width(), self.older.len() + 1 >= MOST_ENTRIES);
        let together = full || now.since(self.newest.0) < width;
        if together && !self.is_empty() {
            let Entry(first, _, sum) = self.newest;
            self.total = self.total.saturating_add(amount);
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
    pub(super) fn push(&mut self, entry: Entry) {
        if entry.2 == 0 {
            return;
        }
        self.total = self.total.saturating_add(entry.2);
        if self.is_empty() {
            self.oldest = (entry.1, entry.2);
        } else {
            self.older.push_back(self.newest);
        }
        self.newest = entry;
    }

    /// Takes as much as there is of `amount` from what was counted at `mark`.
    pub(super) fn reduce(&mut self, mark: Timestamp, amount: u64) {
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
