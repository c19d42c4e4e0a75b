//! What does a window hold beside its newest entry?

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Draws that are remembered as one: first and last instant, and how much.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Entry(pub(super) Timestamp, pub(super) Timestamp, pub(super) u64);

/// Entries, the oldest first. A few single draws that lie within an hour stand here as they are, in
/// five bytes each: that is all of what most keys have. Anything else stands elsewhere, in full.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// What the offsets count from.
    base: Timestamp,
    offsets: [u32; FEW],
    amounts: [u8; FEW],
    few: u8,
    /// All of them, if it is there.
    #[expect(clippy::box_collection, reason = "a deque is four times as large as the way to it")]
    many: Option<Box<VecDeque<Entry>>>,
}

/// As many as fit a line of the cache beside what a decision reads.
const FEW: usize = 12;

impl Log {
    pub(super) fn len(&self) -> usize {
        self.many.as_ref().map_or(self.few.into(), |many| many.len())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> {
        let many = self.many.iter().flat_map(|many| many.iter().copied());
        self.few().chain(many)
    }

    pub(super) fn front(&self) -> Option<Entry> {
        match &self.many {
            Some(many) => many.front().copied(),
            None => self.few().next(),
        }
    }

    pub(super) fn push_back(&mut self, entry: Entry) {
        if self.many.is_some() || !self.hold(entry) {
            self.in_full().push_back(entry);
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Entry> {
        let front = self.front();
        if let Some(many) = &mut self.many {
            many.pop_front();
            if many.is_empty() {
                self.many = None;
            }
        } else if front.is_some() {
            self.offsets.copy_within(1.., 0);
            self.amounts.copy_within(1.., 0);
            self.few -= 1;
        }
        front
    }

    pub(super) fn pop_back(&mut self) -> Option<Entry> {
        if let Some(many) = &mut self.many {
            let back = many.pop_back();
            if many.is_empty() {
                self.many = None;
            }
            return back;
        }
        let back = self.few().last();
        self.few = self.few.saturating_sub(1);
        back
    }

    /// Takes as much as there is of `amount` from the entry that began at `mark`; how much it was.
    pub(super) fn reduce(&mut self, mark: Timestamp, amount: u64) -> u64 {
        if self.is_empty() {
            return 0;
        }
        let many = self.in_full();
        let Ok(place) = many.binary_search_by_key(&mark, |entry| entry.0) else { return 0 };
        let Some(entry) = many.get_mut(place) else { return 0 };
        let back = amount.min(entry.2);
        entry.2 -= back;
        if entry.2 == 0 {
            many.remove(place);
        }
        if many.is_empty() {
            self.many = None;
        }
        back
    }

    /// All entries in full, to change any of them. What was few stays in full until it is gone.
    fn in_full(&mut self) -> &mut VecDeque<Entry> {
        let few = self.few();
        let few = if self.few > 0 { few.collect() } else { VecDeque::new() };
        self.few = 0;
        let many = self.many.get_or_insert_default();
        many.extend(few);
        many
    }

    fn few(&self) -> impl Iterator<Item = Entry> + use<> {
        let Self { base, offsets, amounts, few, .. } = *self;
        let entry = move |(offset, amount): (u32, u8)| {
            let at = Timestamp(base.0.saturating_add(u64::from(offset)));
            Entry(at, at, u64::from(amount))
        };
        offsets.into_iter().zip(amounts).take(few.into()).map(entry)
    }

    /// Keeps an entry among the few; false where it does not fit.
    fn hold(&mut self, Entry(first, last, amount): Entry) -> bool {
        let few = usize::from(self.few);
        if few == 0 {
            self.base = first;
        }
        let offset = match u32::try_from(first.0.saturating_sub(self.base.0)) {
            Ok(offset) => offset,
            Err(_) => match self.rebased(first) {
                Some(offset) => offset,
                None => return false,
            },
        };
        let room = (self.offsets.get_mut(few), self.amounts.get_mut(few), u8::try_from(amount));
        let (Some(to), Some(sum), Ok(amount)) = room else { return false };
        if first != last || first < self.base {
            return false;
        }
        (*to, *sum) = (offset, amount);
        self.few += 1;
        true
    }

    /// Counts from the oldest that is still there; the offset of `first` then, if that fits.
    fn rebased(&mut self, first: Timestamp) -> Option<u32> {
        let [oldest, ..] = self.offsets;
        self.base = Timestamp(self.base.0.saturating_add(u64::from(oldest)));
        for offset in self.offsets.iter_mut().take(self.few.into()) {
            *offset = offset.saturating_sub(oldest);
        }
        u32::try_from(first.0.saturating_sub(self.base.0)).ok()
    }
}

/// The same entries are the same log, wherever they stand.
impl PartialEq for Log {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Log {}
