//! What is drawn on each counter?

use super::table::Digest;
use super::{Draw, MeterKey};
use crate::time::Timestamp;

/// What one decision is about: draws, the digests of their keys, and when.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) draws: &'a [Draw],
    pub(super) digests: &'a [Digest],
    /// The book's clock.
    pub(super) at: Timestamp,
    /// The caller's.
    pub(super) now: Timestamp,
}

/// All draws on one key: the first of them, and the sum.
#[derive(Clone, Copy)]
pub(super) struct Merged<'a> {
    pub(super) draw: &'a Draw,
    pub(super) digest: Digest,
    pub(super) amount: u64,
}

impl<'a> Asked<'a> {
    pub(super) fn each(self) -> impl Iterator<Item = (&'a Draw, Digest)> {
        self.draws.iter().zip(self.digests.iter().copied())
    }

    /// Draws on the same key count together: each key once, with the sum.
    pub(super) fn merged(self) -> impl Iterator<Item = Merged<'a>> {
        let merge = move |(index, (draw, digest))| {
            if self.digests.iter().take(index).any(|earlier| *earlier == digest) {
                return None;
            }
            let same = self.each().skip(index).filter(|(_, other)| *other == digest);
            let amount = same.fold(0_u64, |sum, (draw, _)| sum.saturating_add(draw.amount));
            Some(Merged { draw, digest, amount })
        };
        self.each().enumerate().filter_map(merge)
    }
}

/// What is said of that key: the first draw on it, and the sum of all.
pub(super) fn said<'a>(draws: &'a [Draw], key: &MeterKey) -> Option<(&'a Draw, u64)> {
    let same = || draws.iter().filter(|draw| draw.key == *key);
    Some((same().next()?, same().fold(0_u64, |sum, draw| sum.saturating_add(draw.amount))))
}
