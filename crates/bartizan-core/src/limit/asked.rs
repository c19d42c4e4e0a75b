//! What is drawn on each counter?

use super::{Draw, MeterKey};
use crate::time::Timestamp;

/// What one decision is about: draws, and when.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) draws: &'a [Draw],
    /// The book's clock.
    pub(super) at: Timestamp,
    /// The caller's.
    pub(super) now: Timestamp,
}

/// All draws on one key: the first of them, and the sum.
#[derive(Clone, Copy)]
pub(super) struct Merged<'a> {
    pub(super) draw: &'a Draw,
    pub(super) amount: u64,
}

impl<'a> Asked<'a> {
    /// Draws on the same key count together: each key once, with the sum.
    pub(super) fn merged(self) -> impl Iterator<Item = Merged<'a>> {
        let merge = move |(index, draw): (usize, &'a Draw)| {
            let same = |other: &&Draw| other.key.digest == draw.key.digest;
            if self.draws.iter().take(index).any(|earlier| same(&earlier)) {
                return None;
            }
            let all = self.draws.iter().skip(index).filter(same);
            let amount = all.fold(0_u64, |sum, draw| sum.saturating_add(draw.amount));
            Some(Merged { draw, amount })
        };
        self.draws.iter().enumerate().filter_map(merge)
    }
}

/// What is said of that key: the first draw on it, and the sum of all.
pub(super) fn said<'a>(draws: &'a [Draw], key: &MeterKey) -> Option<(&'a Draw, u64)> {
    let same = || draws.iter().filter(|draw| draw.key == *key);
    Some((same().next()?, same().fold(0_u64, |sum, draw| sum.saturating_add(draw.amount))))
}
