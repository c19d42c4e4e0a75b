//! What kinds have the bytes around a place? Each block is told once, and kept for as long as anybody
//! looks back at it.

use super::signals::MANY;
use crate::simd::{Kinds, ManyKinds};

/// So many blocks before those that are told of together: rows are asked at a place of the last of
/// them, and look at what stands before it. (With one more, a register holds what is kept of a kind.)
const BEFORE: usize = 3;
/// The last one stands behind those that are told of together.
const KEPT: usize = BEFORE + MANY + 1;

/// The kinds of the last blocks, by their number.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    kinds: ManyKinds<KEPT>,
    /// The first of those that are told of together.
    base: usize,
    /// The first one that is not known yet.
    next: usize,
}

impl Default for Blocks {
    fn default() -> Self {
        Self { kinds: ManyKinds::EMPTY, base: 0, next: 0 }
    }
}

impl Blocks {
    /// Forgets the text; `base` is 0 or 1.
    pub(super) fn begin(&mut self, base: usize) {
        (0..BEFORE).for_each(|index| self.kinds.put(index, &Kinds::NONE));
        (self.base, self.next) = (base, 0);
    }

    /// The blocks up to `last` that are not known yet, each to be [`put`](Self::put) in turn.
    #[inline(always)]
    pub(super) fn missing(&mut self, last: usize) -> std::ops::RangeInclusive<usize> {
        if last > self.base + MANY {
            self.turn();
        }
        self.next..=last
    }

    /// Those that are told of together are the next ones.
    #[inline(always)]
    fn turn(&mut self) {
        self.kinds.take_last::<{ KEPT - MANY }>();
        self.base += MANY;
    }

    #[inline(always)]
    pub(super) fn put(&mut self, block: usize, kinds: &Kinds) {
        self.kinds.put(block + BEFORE - self.base, kinds);
        self.next = block + 1;
    }

    /// The kinds of a block. (What is not asked of them is not read.)
    #[inline(always)]
    pub(super) fn one(&self, block: usize) -> Kinds {
        self.kinds.one(block.wrapping_add(BEFORE).wrapping_sub(self.base))
    }

    /// Adds places where literals may begin.
    #[inline(always)]
    pub(super) fn add_literals(&mut self, block: usize, literals: u64) {
        if let Some(slot) = self.kinds.literal.get_mut(block + BEFORE - self.base) {
            *slot |= literals;
        }
    }

    /// One of the blocks that are told of together, with the one before and the one behind.
    #[inline(always)]
    pub(super) fn around(&self, index: usize) -> [Kinds; 3] {
        [0, 1, 2].map(|offset| self.kinds.one(BEFORE - 1 + index + offset))
    }
}
