//! How many in any stretch of this length, wherever it begins?

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::room::Room;
use crate::time::Timestamp;

/// A sliding window. Up to a limit of 128 it remembers every draw; above, draws that came within
/// a 64th of the length are remembered as one that came at the last of them. That errs on the side
/// of the limit: such a draw is held in the window for up to a 64th too long, never too short.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Window {
    limit: u64,
    length: Duration,
    /// The latest instant it was told. A clock that goes back is not followed: what has left the
    /// window by then is forgotten, and could not be counted again.
    latest: Timestamp,
    total: u64,
    entries: VecDeque<Entry>,
}

/// Draws that are remembered as one: first and last instant, and how much.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Entry(Timestamp, Timestamp, u64);

/// Up to this limit every draw is remembered.
const EXACT: u64 = 128;
/// Above it, into how many parts the window is divided.
const PARTS: u32 = 64;
/// Overdrafts may add entries beyond the limit. From here on they are merged into the last one.
const MOST_ENTRIES: usize = 256;

impl Window {
    pub(super) fn new(limit: u64, length: Duration) -> Self {
        let (latest, total, entries) = (Timestamp(0), 0, VecDeque::new());
        Self { limit, length, latest, total, entries }
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
            window.entries.push_back(Entry(first, last, amount));
        }
        window
    }

    pub(super) fn fit(&mut self, limit: u64, length: Duration) {
        (self.limit, self.length) = (limit, length);
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
        let mut freed = 0_u64;
        for Entry(_, last, amount) in &self.entries {
            freed = freed.saturating_add(*amount);
            if freed >= over {
                return Room::At(last.plus(self.length));
            }
        }
        Room::At(self.latest.plus(self.length))
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
        self.entries.is_empty()
    }

    pub(super) fn idle_at(&self) -> Timestamp {
        self.entries.back().map_or(Timestamp(0), |Entry(_, last, _)| last.plus(self.length))
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// When the oldest of what is in it leaves.
    pub(super) fn reset(&self) -> Timestamp {
        self.entries.front().map_or(Timestamp(0), |Entry(_, last, _)| last.plus(self.length))
    }

    fn advance(&mut self, now: Timestamp) {
        self.latest = self.latest.max(now);
        while let Some(Entry(_, last, amount)) = self.entries.front() {
            if last.plus(self.length) > self.latest {
                break;
            }
            self.total = self.total.saturating_sub(*amount);
            self.entries.pop_front();
        }
    }

    fn add(&mut self, amount: u64) -> Timestamp {
        let now = self.latest;
        if amount == 0 {
            return now;
        }
        self.total = self.total.saturating_add(amount);
        let (width, full) = (self.width(), self.entries.len() >= MOST_ENTRIES);
        match self.entries.back_mut() {
            Some(Entry(first, last, sum)) if full || now.since(*first) < width => {
                (*last, *sum) = (now, sum.saturating_add(amount));
                *first
            }
            _ => {
                self.entries.push_back(Entry(now, now, amount));
                now
            }
        }
    }

    fn reduce(&mut self, mark: Timestamp, amount: u64) {
        if amount == 0 {
            return;
        }
        let Ok(index) = self.entries.binary_search_by_key(&mark, |entry| entry.0) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        let back = amount.min(entry.2);
        entry.2 -= back;
        self.total = self.total.saturating_sub(back);
        if entry.2 == 0 {
            self.entries.remove(index);
        }
    }

    /// Draws closer than this to the first of an entry belong to it.
    fn width(&self) -> Duration {
        if self.limit <= EXACT { Duration::from_micros(1) } else { self.length / PARTS }
    }
}
