//! How many in any stretch of this length, wherever it begins?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::few::Few;
use super::full::Full;
use super::log::Entry;
use super::room::Room;
use crate::time::Timestamp;

/// A sliding window. Up to a limit of 128 it remembers every draw; above, draws that came within
/// a 64th of the length may be remembered as one that came at the last of them. That errs on the side
/// of the limit: such a draw is held in the window for up to a 64th too long, never too short.
///
/// A clock that goes back is not followed: what has left the window by then is forgotten, and could not
/// be counted again.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(from = "Written", into = "Written")]
pub struct Window(Form);

/// Most windows are small: a full one becomes small again when it is empty.
#[derive(Clone, Debug)]
enum Form {
    Few(Few),
    Full(Box<Full>),
}

/// A window as a store keeps it.
#[derive(Deserialize, Eq, PartialEq, Serialize)]
struct Written {
    limit: u64,
    length: Duration,
    latest: Timestamp,
    total: u64,
    entries: Vec<Entry>,
}

/// Up to this limit every draw is remembered.
pub(super) const EXACT: u64 = 128;
/// Above it, into how many parts the window is divided.
pub(super) const PARTS: u32 = 64;

impl Window {
    pub(super) fn new(limit: u64, length: Duration) -> Self {
        Self::empty(limit, micros(length), Timestamp(0))
    }

    /// A window that holds what a ledger says: first and last instant of each entry, and how much.
    pub(super) fn restored(
        limit: u64,
        length: Duration,
        entries: impl IntoIterator<Item = (Timestamp, Timestamp, u64)>,
    ) -> Self {
        let mut window = Full::new(limit, micros(length), Timestamp(0));
        for (first, last, amount) in entries {
            window.tell(last);
            window.push(Entry(first, last, amount));
        }
        Self(Form::Full(Box::new(window)))
    }

    pub(super) fn fit(&mut self, limit: u64, length: Duration) {
        let length = micros(length);
        match &mut self.0 {
            Form::Few(few) => {
                if !few.fit(limit, length) {
                    let mut full = Self::in_full(few);
                    full.fit(limit, length);
                    self.0 = Form::Full(full);
                }
            }
            Form::Full(full) => full.fit(limit, length),
        }
    }

    pub(super) fn room(&mut self, amount: u64, now: Timestamp) -> Room {
        self.advance(now);
        match &self.0 {
            _ if amount > self.limit() => Room::Never,
            Form::Few(few) => few.room(amount),
            Form::Full(full) => full.room(amount),
        }
    }

    /// Counts a draw for which there is room; the answer finds it again.
    pub(super) fn take(&mut self, amount: u64, now: Timestamp) -> Timestamp {
        self.advance(now);
        self.add(amount)
    }

    /// Counts one call, where that is simple: how much is held then, and when the oldest of it leaves.
    /// None where it is not, and then nothing is done.
    #[inline(always)]
    pub(super) fn take_one(
        &mut self,
        limit: u64,
        length: Duration,
        now: Timestamp,
    ) -> Option<(u64, Timestamp)> {
        match &mut self.0 {
            Form::Few(few) => few.add_one(limit, micros(length), now),
            Form::Full(_) => None,
        }
    }

    /// What was `reserved` at `mark` was really `actual`. Less is given back at the instant it was
    /// taken; more is counted now, since that instant may have left the window already.
    pub(super) fn settle(&mut self, mark: Timestamp, reserved: u64, actual: u64, now: Timestamp) {
        self.advance(now);
        let less = reserved.saturating_sub(actual);
        match &mut self.0 {
            Form::Few(few) => few.reduce(mark, less),
            Form::Full(full) => full.reduce(mark, less),
        }
        self.add(actual.saturating_sub(reserved));
    }

    pub(super) fn is_idle(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        self.is_empty()
    }

    pub(super) fn idle_at(&self) -> Timestamp {
        match &self.0 {
            _ if self.is_empty() => Timestamp(0),
            Form::Few(few) => self.leaves(few.newest()),
            Form::Full(full) => self.leaves(full.newest()),
        }
    }

    pub(super) fn limit(&self) -> u64 {
        match &self.0 {
            Form::Few(few) => few.limit(),
            Form::Full(full) => full.limit(),
        }
    }

    pub(super) fn total(&self) -> u64 {
        match &self.0 {
            Form::Few(few) => few.total(),
            Form::Full(full) => full.total(),
        }
    }

    /// When the oldest of what is in it leaves.
    pub(super) fn reset(&self) -> Timestamp {
        match &self.0 {
            _ if self.is_empty() => Timestamp(0),
            Form::Few(few) => self.leaves(few.oldest()),
            Form::Full(full) => self.leaves(full.oldest()),
        }
    }

    /// An empty one, whose clock stands at `latest`.
    fn empty(limit: u64, length: u64, latest: Timestamp) -> Self {
        let full = || Form::Full(Box::new(Full::new(limit, length, latest)));
        Self(Few::new(limit, length, latest).map_or_else(full, Form::Few))
    }

    /// When a draw of that instant is no longer in it.
    fn leaves(&self, instant: Timestamp) -> Timestamp {
        Timestamp(instant.0.saturating_add(self.length()))
    }

    /// Microseconds.
    fn length(&self) -> u64 {
        match &self.0 {
            Form::Few(few) => few.length(),
            Form::Full(full) => full.length(),
        }
    }

    fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Few(few) => few.is_empty(),
            Form::Full(full) => full.is_empty(),
        }
    }

    fn advance(&mut self, now: Timestamp) {
        match &mut self.0 {
            Form::Few(few) => few.advance(now),
            Form::Full(full) => {
                let held = !full.is_empty();
                full.advance(now);
                if held && full.is_empty() {
                    *self = Self::empty(full.limit(), full.length(), full.latest());
                }
            }
        }
    }

    fn add(&mut self, amount: u64) -> Timestamp {
        match &mut self.0 {
            Form::Few(few) => {
                if few.add(amount) {
                    return few.latest();
                }
                let mut full = Self::in_full(few);
                let mark = full.add(amount);
                self.0 = Form::Full(full);
                mark
            }
            Form::Full(full) => full.add(amount),
        }
    }

    /// The same in full, to hold what the few cannot.
    #[cold]
    fn in_full(few: &Few) -> Box<Full> {
        let mut full = Full::new(few.limit(), few.length(), few.latest());
        few.entries().for_each(|entry| full.push(entry));
        Box::new(full)
    }
}

impl From<&Window> for Written {
    fn from(window: &Window) -> Self {
        let (latest, entries) = match &window.0 {
            Form::Few(few) => (few.latest(), few.entries().collect()),
            Form::Full(full) => (full.latest(), full.entries().collect()),
        };
        let length = Duration::from_micros(window.length());
        Self { limit: window.limit(), length, latest, total: window.total(), entries }
    }
}

impl From<Window> for Written {
    fn from(window: Window) -> Self {
        Self::from(&window)
    }
}

impl From<Written> for Window {
    fn from(written: Written) -> Self {
        let Written { limit, length, latest, entries, .. } = written;
        if entries.is_empty() {
            return Self::empty(limit, micros(length), latest);
        }
        let mut full = Full::new(limit, micros(length), latest);
        entries.into_iter().for_each(|entry| full.push(entry));
        Self(Form::Full(Box::new(full)))
    }
}

/// The same of both forms is the same window.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        Written::from(self) == Written::from(other)
    }
}

impl Eq for Window {}

pub(super) fn micros(length: Duration) -> u64 {
    let whole = length.as_secs().saturating_mul(1_000_000);
    whole.saturating_add(length.subsec_micros().into())
}
