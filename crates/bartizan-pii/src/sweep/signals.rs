//! Can anything begin in a block at all? The whole answer in some lines of bit arithmetic without a
//! branch: most blocks of most texts are quiet, and nothing more is asked of them.
//!
//! A block is loud where any of the conditions holds that [`mark`](super::mark) begins with, or a
//! wider one that is cheaper; of many blocks this is reckoned at once. Whoever runs this with debug
//! assertions marks quiet blocks, too, and sees that nothing is noted.

use super::{Sweep, assign::assignable, bits, blocks::Blocks, hidden::LONG_WORD, mark::FRAME};
use crate::{
    dispatch::Dispatch,
    encoded,
    simd::{BLOCK, Kernel, Kinds, with_block},
};

/// Numbers with so many digits go on for so many bytes.
pub(crate) const FEWEST_LONG: u32 = 7;

/// What the rows of a scanner make of these conditions. What holds or not is all bits or none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Signals {
    /// Some literals begin with five dashes.
    pub(crate) framed: u64,
    /// Digits count behind letters; if one letter is enough,
    pub(crate) codes: u64,
    pub(crate) one_letter: u64,
    /// and those that begin a word do.
    pub(crate) gaps: u64,
    /// The farthest two `:` or `.` of which both count: 4 to 8.
    pub(crate) apart: u32,
    /// Dots count that have no digit on each side.
    pub(crate) free_dots: u64,
    /// How far from each other two dashes count, if there is only one such distance.
    pub(crate) dashes: (u32, bool),
    /// Values may begin with a dash or dot.
    pub(crate) lone: u64,
    /// The fewest digits of a number, and whether some have less than [`FEWEST_LONG`].
    pub(crate) number: u32,
    pub(crate) short_numbers: u64,
    /// The fewest letters of a key that count: 8 or 16. Where they may be anything else than tokens and
    /// what is assigned, all bits;
    pub(crate) solid: u32,
    pub(crate) any_solid: u64,
    /// and the fewest bytes of a token, if there are any.
    pub(crate) token: u32,
    pub(crate) tokens: u64,
    /// Every block may hold something: where short values are assigned, say.
    pub(crate) always: bool,
}

/// So many blocks are told of at once.
pub(super) const MANY: usize = 8;

/// What a block may hold: some of the conditions, as bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Loud(u8);

impl Loud {
    /// Literals, signs, codes, and the bytes of the user's own patterns.
    pub(super) const RARE: Self = Self(1);
    pub(super) const NUMBERS: Self = Self(2);
    pub(super) const MARKS: Self = Self(4);
    /// Long runs of what keys are made of.
    pub(super) const SOLID: Self = Self(8);
    /// Words that may be encoded, and letters one by one.
    pub(super) const HIDDEN: Self = Self(16);
    /// Nothing is known of the block.
    pub(super) const ALL: Self = Self(31);

    #[inline(always)]
    pub(super) fn is_any(self) -> bool {
        self.0 != 0
    }

    #[inline(always)]
    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What some blocks may hold.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The first of them, plus one: none is told of at first.
    behind_first: usize,
    loud: [Loud; MANY],
    /// Nothing is known of them but what those before them were.
    guessed: bool,
}

impl Told {
    /// The same of the next blocks, where all of these are loud: so are the next ones, mostly.
    fn guess(&mut self, first: usize) -> bool {
        let all =
            self.behind_first + MANY == first + 1 && self.loud.iter().all(|loud| loud.is_any());
        self.guessed = all && !self.guessed;
        if self.guessed {
            (self.behind_first, self.loud) = (first + 1, [Loud::ALL; MANY]);
        }
        self.guessed
    }

    /// Forgets all blocks.
    pub(super) fn forget(&mut self) {
        self.behind_first = 0;
    }

    /// What a block may hold, if it is told of.
    #[inline(always)]
    pub(super) fn of(&self, block: usize) -> Option<Loud> {
        let place = (block + 1).checked_sub(self.behind_first)?;
        self.loud.get(place).copied().filter(|_| self.behind_first > 0)
    }
}

impl Sweep {
    /// Tells what the blocks from `first` on may hold, or show in the block before.
    #[inline(always)]
    pub(super) fn tell(
        &mut self,
        kernel: impl Kernel,
        dispatch: &Dispatch,
        text: &[u8],
        first: usize,
    ) {
        if self.told.guess(first) {
            return;
        }
        self.classify(kernel, dispatch, text, first + MANY);
        let Heard { loud, long, prefixed } = Heard::all(&dispatch.signals, &self.blocks);
        let loud = loud.map(|bits| Loud(bits as u8));
        self.told = Told { behind_first: first + 1, loud, guessed: false };
        let blocks = long.into_iter().zip(prefixed).zip(&mut self.told.loud).zip(first..);
        for (((long, prefixed), told), block) in blocks {
            if long | prefixed == 0 {
                continue;
            }
            let rest = text.get(self.origin + block * BLOCK..).unwrap_or_default();
            if long != 0 && any_encoded(rest, long) {
                told.0 |= Loud::HIDDEN.0;
            }
            if prefixed != 0 && any_literal(kernel, dispatch, rest, prefixed) {
                told.0 |= Loud::SOLID.0;
            }
        }
    }

    /// Whether something is not known yet of a block or of the next one: all may begin there.
    #[inline(always)]
    pub(super) fn at_end(&self, block: usize) -> bool {
        self.partial && block + 1 >= self.last()
    }
}

/// What each of some blocks may hold, its long words that may be encoded, and those that may begin with
/// a literal.
struct Heard {
    loud: [u64; MANY],
    long: [u64; MANY],
    prefixed: [u64; MANY],
}

impl Heard {
    /// Of the blocks that are told of together.
    ///
    /// The loop has no branch and no call, so that it is done for as many blocks at once as a register
    /// holds.
    #[inline(always)]
    fn all(signals: &Signals, blocks: &Blocks) -> Self {
        let [mut loud, mut long, mut prefixed] = [[0; MANY]; 3];
        let slots = loud.iter_mut().zip(&mut long).zip(&mut prefixed);
        for (index, ((loud, long), prefixed)) in slots.enumerate() {
            let [before, here, next] = blocks.around(index);
            let near = Near { before, here, next };
            *loud = near.loud(signals);
            *long = near.long();
            *prefixed = near.prefixed(signals);
        }
        Self { loud, long, prefixed }
    }
}

/// Whether one of some long words of a block may say something.
#[inline(always)]
fn any_encoded(block: &[u8], long: u64) -> bool {
    let mut any = false;
    bits::each(long, |bit| {
        any |= block.get(bit as usize..).is_none_or(encoded::may_begin_quickly);
    });
    any
}

/// Whether a literal may begin at one of some bits.
#[inline(always)]
fn any_literal(kernel: impl Kernel, dispatch: &Dispatch, block: &[u8], at: u64) -> bool {
    let literals = dispatch.tables.literals.as_ref();
    literals.is_some_and(|literals| {
        with_block(block, |bytes| kernel.literals(bytes, literals)) & at != 0
    })
}

/// A block, and those around it.
struct Near {
    before: Kinds,
    here: Kinds,
    next: Kinds,
}

impl Near {
    /// The conditions that hold, as the bits of [`Loud`].
    #[inline(always)]
    fn loud(&self, signals: &Signals) -> u64 {
        let all = [
            (Loud::RARE, self.rare(signals)),
            (Loud::NUMBERS, self.numbers(signals)),
            (Loud::MARKS, self.marks(signals)),
            (Loud::SOLID, self.solid(signals)),
            (Loud::HIDDEN, self.singles()),
        ];
        all.iter()
            .fold(0, |bits, (loud, holds)| bits | if *holds == 0 { 0 } else { u64::from(loud.0) })
    }

    /// Bytes behind a letter, a digit or `_`.
    #[inline(always)]
    fn behind_word(&self) -> u64 {
        bits::behind(self.before.word(), self.here.word())
    }

    #[inline(always)]
    fn begins(&self) -> u64 {
        self.here.word() & !self.behind_word()
    }

    /// Long words with a capital or digit among their first letters, as all that is encoded has.
    #[inline(always)]
    fn long(&self) -> u64 {
        let (here, next) = (self.here.capital, self.next.capital);
        let two = (here | bits::ahead(here, next), next | next >> 1);
        let four = either(two, 2);
        let (eight, next) = either(four, 4);
        let marked = eight | bits::from(eight, next, LONG_WORD - 8);
        self.begins() & run(self.here.word(), self.next.word(), LONG_WORD) & marked
    }

    /// Literals, signs, codes, and the bytes of the user's own patterns.
    #[inline(always)]
    fn rare(&self, signals: &Signals) -> u64 {
        let Self { before, here, next } = self;
        let (begins, inside) = (self.begins(), here.word() & self.behind_word());
        let letters = here.letter << 2 | before.letter >> 62 | signals.one_letter;
        let joined = here.digit & inside & !bits::behind(before.digit, here.digit) & letters;
        // Behind a sign stands a letter or digit, of whatever script.
        let signs = here.sign & bits::ahead(here.word() | here.beyond, next.word() | next.beyond);
        here.literal & !inside
            | self.framed() & signals.framed
            | signs
            | here.set
            | joined & signals.codes
            | here.digit & begins & signals.gaps
    }

    /// Five dashes before a letter.
    #[inline(always)]
    fn framed(&self) -> u64 {
        let Self { here, next, .. } = self;
        run(here.dash, next.dash, FRAME) & bits::from(here.letter, next.letter, FRAME)
    }

    /// Digits that begin a number, if there are enough of them: nothing ends it before so many bytes.
    #[inline(always)]
    fn numbers(&self, signals: &Signals) -> u64 {
        let Self { here, next, .. } = self;
        let digits = here.digit.count_ones() + (next.digit as u32).count_ones();
        let goes_on = |kinds: &Kinds| !(kinds.letter | kinds.comma);
        let long = run(goes_on(here), goes_on(next), FEWEST_LONG) | signals.short_numbers;
        let enough = if digits >= signals.number { u64::MAX } else { 0 };
        here.digit & self.begins() & long & enough
    }

    /// Marks with another one closely behind, and a word before, where no value begins with a mark.
    #[inline(always)]
    fn marks(&self, signals: &Signals) -> u64 {
        let Self { before, here, next } = self;
        let led = self.behind_word() | signals.lone;
        let between = bits::behind(before.digit, here.digit) & bits::ahead(here.digit, next.digit);
        let of_next = bits::behind(here.digit, next.digit);
        let marks = here.colon | here.dot & led & (between | signals.free_dots);
        let next_marks = next.colon | next.dot & (of_next | signals.free_dots);
        let near = closely(marks, next_marks, signals.apart);
        let dashed = match signals.dashes {
            (apart, true) => bits::from(here.dash, next.dash, apart),
            (_, false) => closely(here.dash, next.dash, 8),
        };
        near & marks | dashed & here.dash & led
    }

    /// Long runs of what keys are made of: those that may be tokens, and those that may be assigned.
    #[inline(always)]
    fn solid(&self, signals: &Signals) -> u64 {
        let Self { here, next, .. } = self;
        let (token, of_next) = (here.word() | here.dash, next.word() | next.dash);
        let tokens = run(token, of_next, signals.token) & signals.tokens;
        let long = run(here.solid, next.solid, signals.solid);
        tokens | long & (assignable(&self.before, here) | signals.any_solid)
    }

    /// Words at which a literal counts, if one begins there.
    #[inline(always)]
    fn prefixed(&self, signals: &Signals) -> u64 {
        let long = run(self.here.solid, self.next.solid, signals.solid);
        self.begins() & long & signals.framed
    }

    /// Three letters or digits that stand one by one.
    #[inline(always)]
    fn singles(&self) -> u64 {
        let (word, next) = (self.here.word(), self.next.word());
        let alone = self.begins() & !bits::ahead(word, next);
        // Whether the last of the next block stands alone does not matter.
        let next_alone = next & !bits::behind(word, next) & !(next >> 1);
        alone & bits::from(alone, next_alone, 2) & bits::from(alone, next_alone, 4)
    }
}

/// Bits of this block and of the next one, joined with those so many places behind.
#[inline(always)]
fn either((here, next): (u64, u64), by: u32) -> (u64, u64) {
    (here | bits::from(here, next, by), next | next >> by)
}

/// Where a mark stands behind another one, `apart` bytes at most: 4 to 8.
#[inline(always)]
fn closely(here: u64, next: u64, apart: u32) -> u64 {
    let two = (bits::ahead(here, next) | bits::from(here, next, 2), next >> 1 | next >> 2);
    let (four, behind) = either(two, 2);
    four | bits::from(four, behind, apart - 4)
}

/// Where so many bits follow each other: 4 to 32.
#[inline(always)]
fn run(here: u64, next: u64, least: u32) -> u64 {
    let both =
        |(here, next): (u64, u64), by: u32| (here & bits::from(here, next, by), next & next >> by);
    let four = both(both((here, next), 1), 2);
    if least < 8 {
        return both(four, least - 4).0;
    }
    let eight = both(four, 4);
    let sixteen = both(eight, least.min(16) - 8);
    both(sixteen, least.max(16) - 16).0
}
