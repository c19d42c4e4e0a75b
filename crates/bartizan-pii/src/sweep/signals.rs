//! Can anything begin in a block at all? The whole answer in some lines of bit arithmetic without a
//! branch: most blocks of most texts are quiet, and nothing more is asked of them.
//!
//! A block is loud where any of the conditions holds that [`mark`](super::mark) begins with, or a
//! wider one that is cheaper. Whoever runs this with debug assertions marks quiet blocks, too, and
//! sees that nothing is noted.

use super::{Ring, Sweep, assign::near_the_end, hidden::LONG_WORD};
use crate::{
    Window,
    dispatch::Dispatch,
    encoded,
    simd::{BLOCK, Kinds},
};

/// What the rows of a scanner make of these conditions.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Signals {
    /// Some literals begin with five dashes.
    pub(crate) framed: bool,
    /// Digits count behind letters; all bits if one letter is enough,
    pub(crate) codes: bool,
    pub(crate) one_letter: u64,
    /// and those that begin a word do.
    pub(crate) gaps: bool,
    /// The farthest two `:` or `.` of which both count: 4 to 8.
    pub(crate) apart: u32,
    /// How far from each other two dashes count, if there is one such distance.
    pub(crate) dashes: Option<u32>,
    /// Values may begin with a dash or dot.
    pub(crate) lone: bool,
    /// The fewest digits of a number.
    pub(crate) number: u32,
    /// The fewest bytes without a blank that count: 8 or 16.
    pub(crate) solid: u32,
    /// Short values are assigned.
    pub(crate) assigned: bool,
    /// Every block may hold something.
    pub(crate) always: bool,
}

/// What a block may hold: nothing where nothing is set. The bits are not exact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loud {
    /// Literals, signs, codes, and the bytes of the user's own patterns.
    pub(super) rare: u64,
    pub(super) numbers: u64,
    pub(super) marks: u64,
    /// Long runs without a blank.
    pub(super) solid: u64,
    /// Words that may be encoded, and letters one by one.
    pub(super) hidden: u64,
}

impl Loud {
    /// Nothing is known of the block.
    pub(super) const ALL: Self = Self {
        rare: u64::MAX,
        numbers: u64::MAX,
        marks: u64::MAX,
        solid: u64::MAX,
        hidden: u64::MAX,
    };

    #[inline(always)]
    pub(super) fn is_any(&self) -> bool {
        self.rare | self.numbers | self.marks | self.solid | self.hidden != 0
    }
}

impl Sweep {
    /// What a block may hold, or show in the block before.
    #[inline(always)]
    pub(super) fn loud(&self, dispatch: &Dispatch, window: &Window<'_>, block: usize) -> Loud {
        let signals = &dispatch.signals;
        if signals.always || self.at_end(block) {
            return Loud::ALL;
        }
        let [before, here, next] =
            [block.wrapping_sub(1), block, block + 1].map(|block| self.kinds.at(block));
        let (word, next_word) = (here.word(), next.word());
        let behind = behind(before.word(), word);
        let begins = word & !behind;
        let long = begins & (run(word, LONG_WORD) | crosses(word, next_word, LONG_WORD));
        let encoded = long != 0 && self.any_encoded(window, block, long);
        Loud {
            rare: rare(signals, before, here, next, begins),
            numbers: numbers(signals, here, next),
            marks: marks(signals, here, next, behind),
            solid: solid(signals, here, next),
            hidden: singles(word, next_word, begins) | u64::from(encoded),
        }
    }

    /// Whether something is not known yet of a block or of the next one: all may begin there.
    #[inline(always)]
    pub(super) fn at_end(&self, block: usize) -> bool {
        self.partial && block + 1 >= self.last()
    }

    /// Whether one of some long words may say something.
    #[inline(always)]
    fn any_encoded(&self, window: &Window<'_>, block: usize, long: u64) -> bool {
        let text = window.bytes().get(self.origin + block * BLOCK..).unwrap_or_default();
        let mut long = long;
        while long != 0 {
            let at = long.trailing_zeros() as usize;
            if text.get(at..).is_none_or(encoded::may_begin_quickly) {
                return true;
            }
            long &= long - 1;
        }
        false
    }
}

/// Literals, signs, codes, and the bytes of the user's own patterns.
#[inline(always)]
fn rare(signals: &Signals, before: &Kinds, here: &Kinds, next: &Kinds, begins: u64) -> u64 {
    let inside = here.word() & !begins;
    let letters = here.letter << 2 | before.letter >> 62 | signals.one_letter;
    let joined = here.digit & !begins & !behind(before.digit, here.digit) & letters;
    let assigned = here.assign | here.literal | near_the_end(before);
    // Of what begins with five dashes, these show it, with a letter behind them.
    let dashes = here.dash & (here.dash >> 1 | next.dash << 63);
    let four = dashes & (dashes >> 2 | 0b11 << 62);
    let framed = four & (here.letter >> 5 | u64::MAX << 59);
    here.literal & !inside
        | if signals.framed { framed } else { 0 }
        | here.sign
        | here.set
        | if signals.codes { joined } else { 0 }
        | if signals.gaps { here.digit & begins } else { 0 }
        | if signals.assigned { assigned } else { 0 }
}

/// The bits of a block, one place up. (Turned round, as two words are shifted together slowly on some
/// machines.)
#[inline(always)]
fn behind(before: u64, here: u64) -> u64 {
    const LAST: u64 = 1 << 63;
    (here ^ (here ^ before) & LAST).rotate_left(1)
}

/// Digits, if there are enough of them for a number that begins in this block.
#[inline(always)]
fn numbers(signals: &Signals, here: &Kinds, next: &Kinds) -> u64 {
    let digits = here.digit.count_ones() + (next.digit as u32).count_ones();
    if digits >= signals.number { here.digit } else { 0 }
}

/// Marks with another one closely behind, and a word before, where no value begins with a mark.
#[inline(always)]
fn marks(signals: &Signals, here: &Kinds, next: &Kinds, behind: u64) -> u64 {
    let led = behind | if signals.lone { u64::MAX } else { 0 };
    let all = here.colon | here.dot;
    let two = all >> 1 | all >> 2;
    let four = two | two >> 2;
    let near = four | four >> (signals.apart - 4);
    let dashed = match signals.dashes {
        Some(apart) => here.dash >> apart,
        None => near_dashes(here.dash),
    };
    let behind_all = (next.colon | next.dot | next.dash) & 0xFF != 0;
    let last = if behind_all { u64::MAX << 56 } else { 0 };
    (near | last) & (here.colon | here.dot & led) | (dashed | last) & here.dash & led
}

/// Where a dash stands at most eight bytes later.
#[inline(always)]
fn near_dashes(dash: u64) -> u64 {
    let two = dash >> 1 | dash >> 2;
    let four = two | two >> 2;
    four | four >> 4
}

/// Long runs without a blank.
#[inline(always)]
fn solid(signals: &Signals, here: &Kinds, next: &Kinds) -> u64 {
    let eight = twice(twice(twice(here.solid, 1), 2), 4);
    twice(eight, signals.solid - 8) | crosses(here.solid, next.solid, signals.solid)
}

/// Three letters or digits that stand one by one.
#[inline(always)]
fn singles(word: u64, next: u64, begins: u64) -> u64 {
    let ahead = (word ^ (word ^ next) & 1).rotate_right(1);
    let alone = begins & !ahead;
    let next_alone = next & !(next << 1) & !(next >> 1) & 0b1111;
    let last = if next_alone != 0 { alone & u64::MAX << 60 } else { 0 };
    alone & alone >> 2 & alone >> 4 | last
}

/// Where `least` bits follow each other within a block: 10 at most.
#[inline(always)]
fn run(bits: u64, least: u32) -> u64 {
    twice(twice(twice(twice(bits, 1), 2), 4), least - 8)
}

/// Of bits from which so many follow, or more: those from which `by` more do.
#[inline(always)]
fn twice(run: u64, by: u32) -> u64 {
    run & run >> by
}

/// The last bits of a block, if they are a run of `least` together with the first of the next one.
/// (Bits of two blocks are not shifted together: that is slow on some machines.)
#[inline(always)]
fn crosses(here: u64, next: u64, least: u32) -> u64 {
    let (last, first) = (here.leading_ones(), next.trailing_ones());
    let run = !(u64::MAX.checked_shr(last).unwrap_or(0));
    if last + first >= least { run } else { 0 }
}

impl<T> Ring<T> {
    /// One of the last blocks, where it lies.
    #[inline(always)]
    pub(super) fn at(&self, block: usize) -> &T {
        let Self(all) = self;
        let [first, ..] = all;
        all.get(block % super::RING).unwrap_or(first)
    }
}
