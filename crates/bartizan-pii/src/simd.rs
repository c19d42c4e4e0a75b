//! What kind of byte stands where? Sixty-four bytes at a time, by the widest registers there are.
//!
//! A [`Kernel`] tells the kinds of a block; there is one for each instruction set, and a scalar twin.
//! A [`Work`] is what is done with them: it is compiled once for each instruction set, with all of
//! its bit arithmetic, and [`Isa::run`] chooses at run time.

mod registers;
mod scalar;
mod tables;

pub(crate) use registers::Isa;
pub(crate) use tables::{Literals, Set, Tables};

/// The bytes of a block, and the two behind it that a literal's beginning may reach into.
pub(crate) const BLOCK: usize = 64;
pub(crate) const READ: usize = BLOCK + 2;

/// One bit for each of 64 bytes, the first one lowest. (Aligned to lines of the cache.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(128))]
pub(crate) struct Kinds<T = u64> {
    /// Digits.
    pub(crate) digit: T,
    /// Letters and `_`.
    pub(crate) letter: T,
    /// `@` and `%`.
    pub(crate) sign: T,
    /// `:`.
    pub(crate) colon: T,
    /// What keys are made of: letters, digits, and `_-.+/=~`.
    pub(crate) solid: T,
    /// `-`.
    pub(crate) dash: T,
    /// `.`.
    pub(crate) dot: T,
    /// Capitals and digits.
    pub(crate) capital: T,
    /// Bytes beyond ASCII.
    pub(crate) beyond: T,
    /// Where one of [`Tables::literals`] may begin, if these are looked for first.
    pub(crate) literal: T,
    /// `:`, `=` and `>`.
    pub(crate) assign: T,
    /// `,`.
    pub(crate) comma: T,
    /// The bytes of [`Tables::set`].
    pub(crate) set: T,
}

impl Kinds {
    /// A block of which every byte may be of any kind.
    pub(crate) const ANY: Self = Self {
        digit: u64::MAX,
        letter: u64::MAX,
        sign: u64::MAX,
        colon: u64::MAX,
        solid: u64::MAX,
        dash: u64::MAX,
        dot: u64::MAX,
        capital: u64::MAX,
        beyond: u64::MAX,
        literal: u64::MAX,
        assign: u64::MAX,
        comma: u64::MAX,
        set: u64::MAX,
    };
    /// A block without any text.
    pub(crate) const NONE: Self = Self {
        digit: 0,
        letter: 0,
        sign: 0,
        colon: 0,
        solid: 0,
        dash: 0,
        dot: 0,
        capital: 0,
        beyond: 0,
        literal: 0,
        assign: 0,
        comma: 0,
        set: 0,
    };

    /// Where a number ends at the latest: letters, `_` and `,`; what is not known yet is of all kinds,
    /// and counts as a digit.
    #[inline(always)]
    pub(crate) fn ends_number(&self) -> u64 {
        (self.letter | self.comma) & !self.digit
    }

    /// Letters, digits and `_`.
    #[inline(always)]
    pub(crate) fn word(&self) -> u64 {
        self.letter | self.digit
    }

    /// Of these kinds the bits that are set in `mask`, of `other` the rest.
    pub(crate) fn blend(&self, mask: u64, other: &Self) -> Self {
        let of = |kind: fn(&Self) -> u64| kind(self) & mask | kind(other) & !mask;
        Self {
            digit: of(|kinds| kinds.digit),
            letter: of(|kinds| kinds.letter),
            sign: of(|kinds| kinds.sign),
            colon: of(|kinds| kinds.colon),
            solid: of(|kinds| kinds.solid),
            dash: of(|kinds| kinds.dash),
            dot: of(|kinds| kinds.dot),
            capital: of(|kinds| kinds.capital),
            beyond: of(|kinds| kinds.beyond),
            literal: of(|kinds| kinds.literal),
            assign: of(|kinds| kinds.assign),
            comma: of(|kinds| kinds.comma),
            set: of(|kinds| kinds.set),
        }
    }
}

/// The kinds of so many blocks, each kind of all of them side by side: what is reckoned for one of them
/// can be reckoned for all at once.
pub(crate) type ManyKinds<const N: usize> = Kinds<[u64; N]>;

impl<const N: usize> ManyKinds<N> {
    /// Blocks without any text.
    pub(crate) const EMPTY: Self = Kinds {
        digit: [0; N],
        letter: [0; N],
        sign: [0; N],
        colon: [0; N],
        solid: [0; N],
        dash: [0; N],
        dot: [0; N],
        capital: [0; N],
        beyond: [0; N],
        literal: [0; N],
        assign: [0; N],
        comma: [0; N],
        set: [0; N],
    };

    /// Those of one block.
    #[inline(always)]
    pub(crate) fn one(&self, index: usize) -> Kinds {
        let of = |kind: &[u64; N]| kind.get(index).copied().unwrap_or_default();
        Kinds {
            digit: of(&self.digit),
            letter: of(&self.letter),
            sign: of(&self.sign),
            colon: of(&self.colon),
            solid: of(&self.solid),
            dash: of(&self.dash),
            dot: of(&self.dot),
            capital: of(&self.capital),
            beyond: of(&self.beyond),
            literal: of(&self.literal),
            assign: of(&self.assign),
            comma: of(&self.comma),
            set: of(&self.set),
        }
    }

    /// Makes the last so many blocks the first ones.
    #[inline(always)]
    pub(crate) fn take_last<const LAST: usize>(&mut self) {
        let take = |all: &mut [u64; N]| all.copy_within(N - LAST.., 0);
        take(&mut self.digit);
        take(&mut self.letter);
        take(&mut self.sign);
        take(&mut self.colon);
        take(&mut self.solid);
        take(&mut self.dash);
        take(&mut self.dot);
        take(&mut self.capital);
        take(&mut self.beyond);
        take(&mut self.literal);
        take(&mut self.assign);
        take(&mut self.comma);
        take(&mut self.set);
    }

    /// Sets those of one block.
    #[inline(always)]
    pub(crate) fn put(&mut self, index: usize, kinds: &Kinds) {
        let to = |all: &mut [u64; N], kind: u64| {
            if let Some(slot) = all.get_mut(index) {
                *slot = kind;
            }
        };
        to(&mut self.digit, kinds.digit);
        to(&mut self.letter, kinds.letter);
        to(&mut self.sign, kinds.sign);
        to(&mut self.colon, kinds.colon);
        to(&mut self.solid, kinds.solid);
        to(&mut self.dash, kinds.dash);
        to(&mut self.dot, kinds.dot);
        to(&mut self.capital, kinds.capital);
        to(&mut self.beyond, kinds.beyond);
        to(&mut self.literal, kinds.literal);
        to(&mut self.assign, kinds.assign);
        to(&mut self.comma, kinds.comma);
        to(&mut self.set, kinds.set);
    }
}

/// Tells the kinds of the bytes of a block.
pub(crate) trait Kernel: Copy {
    /// Of all 64 bytes.
    fn kinds(self, block: &[u8; READ], tables: &Tables) -> Kinds;
    /// Where one of some literals may begin.
    fn literals(self, block: &[u8; READ], literals: &Literals) -> u64;
    /// Where a unit may begin (see `unfold`): at `\\`, `%`, `&`, `*`, and all beyond ASCII.
    fn odd(self, block: &[u8; READ]) -> u64;
}

/// What is done with the kinds of bytes. `run`, and all of its hot parts, are `inline(always)`: so
/// they become a part of the function that is compiled for an instruction set.
pub(crate) trait Work {
    type Output;
    fn run(self, kernel: impl Kernel) -> Self::Output;
}

/// The bytes that stand at the beginning of `rest`, with zeros where it is shorter than a block.
#[inline(always)]
pub(crate) fn with_block<T>(rest: &[u8], take: impl FnOnce(&[u8; READ]) -> T) -> T {
    let end;
    take(match rest.first_chunk() {
        Some(block) => block,
        None => {
            end = padded(rest);
            &end
        }
    })
}

#[cold]
#[inline(never)]
fn padded(rest: &[u8]) -> [u8; READ] {
    let mut block = [0; READ];
    if let Some(start) = block.get_mut(..rest.len()) {
        start.copy_from_slice(rest);
    }
    // What was not in the text is of no kind, but for a set that holds NUL.
    block
}

/// An iterator over the places of odd bytes from a place on.
#[derive(Debug)]
pub(crate) struct Odd<'t> {
    isa: Isa,
    text: &'t [u8],
    next: usize,
    base: usize,
    mask: u64,
}

impl<'t> Odd<'t> {
    pub(crate) fn new(isa: Isa, text: &'t [u8], from: usize) -> Self {
        Self { isa, text, next: from, base: from, mask: 0 }
    }
}

impl Iterator for Odd<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.mask == 0 {
            let next = NextOdd { text: self.text, from: self.next };
            (self.base, self.mask) = self.isa.run(next)?;
            self.next = self.base + BLOCK;
        }
        let place = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(place)
    }
}

/// Looks for the first block with an odd byte.
struct NextOdd<'t> {
    text: &'t [u8],
    from: usize,
}

impl Work for NextOdd<'_> {
    type Output = Option<(usize, u64)>;

    #[inline(always)]
    fn run(self, kernel: impl Kernel) -> Self::Output {
        let mut at = self.from;
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let mask = with_block(rest, |block| kernel.odd(block));
            if mask != 0 {
                return Some((at, mask));
            }
            at += BLOCK;
        }
        None
    }
}

/// Where a unit may begin, beside all beyond ASCII.
const ODD: [u8; 16] = marks(b"\\%&*");
/// What keys are made of, beside letters, digits, `_`, `-` and `.`.
const SOLID: [u8; 16] = marks(b"+/=~");

/// A table of some marks of ASCII by their low nibbles, which differ: a byte is one of them if it stands
/// in the table at its own low nibble.
const fn marks(all: &[u8]) -> [u8; 16] {
    // Where no mark stands, a byte of another nibble does.
    let mut table = [0; 16];
    let [first, ..] = &mut table;
    *first = 1;
    let mut marks = all;
    while let [mark, others @ ..] = marks {
        let (before, behind) = table.split_at_mut((*mark & 15) as usize);
        assert!(before.len() < 16, "a nibble");
        if let [slot, ..] = behind {
            assert!(*slot < 2, "two marks share a nibble");
            *slot = *mark;
        }
        marks = others;
    }
    table
}

/// Whether a unit may begin with a byte.
pub(crate) fn is_odd(byte: u8) -> bool {
    ODD.get(usize::from(byte & 15)).is_some_and(|mark| *mark == byte) || !byte.is_ascii()
}

const DIGIT: u8 = 1;
const LETTER: u8 = 0b1110;
const COLON: u8 = 1 << 4;
const ASSIGN: u8 = 1 << 5;
const PERCENT: u8 = 1 << 6;
const AT: u8 = 1 << 7;

/// The kinds of a byte below 128 are the bits that both of its nibbles have.
const LOW: [u8; 16] = low_nibbles();
const HIGH: [u8; 16] =
    [0, 0, PERCENT, DIGIT | COLON | ASSIGN, 2 | AT, 4 | 8, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0];

/// Bit 1: `A` to `O` and `a` to `o`; bit 2: `P` to `Z` and `p` to `z`; bit 3: `_`.
const fn low_nibbles() -> [u8; 16] {
    let mut table = [0; 16];
    let mut nibble = 0_u8;
    let mut rest: &mut [u8] = &mut table;
    while let [first, others @ ..] = rest {
        *first = match nibble {
            0 => DIGIT | 4 | AT,
            5 => DIGIT | 2 | 4 | PERCENT,
            1..=9 => DIGIT | 2 | 4,
            10 => 2 | 4 | COLON | ASSIGN,
            13 | 14 => 2 | ASSIGN,
            15 => 2 | 8,
            _ => 2,
        };
        nibble += 1;
        rest = others;
    }
    table
}

/// The bit of a high nibble, for [`Set`].
const HIGH_BIT: [u8; 16] = [1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128];

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Tables {
        let mut literals = Literals::default();
        for (bucket, literal) in (0..).zip(["eyJ", "sk-", "ghp", "---", "größe", "PaS"]) {
            for (place, byte) in literal.bytes().take(3).enumerate() {
                literals.add(bucket, place, byte);
            }
        }
        let set = Set::new(|byte| b"aZ09 \xC3\xFF{".contains(&byte));
        Tables { literals: Some(literals), literals_first: true, set: Some(set) }
    }

    fn all(isa: Isa, text: &[u8]) -> Vec<Kinds> {
        let mut all = Vec::new();
        isa.run(Classify { text, all: &mut all });
        all
    }

    struct Classify<'a> {
        text: &'a [u8],
        all: &'a mut Vec<Kinds>,
    }

    impl Work for Classify<'_> {
        type Output = ();

        fn run(self, kernel: impl Kernel) {
            let (tables, blocks) = (tables(), (0..self.text.len()).step_by(BLOCK));
            let rests = blocks.map(|at| &self.text[at..]);
            let literals = tables.literals.as_ref().expect("some");
            self.all.extend(rests.map(|rest| {
                with_block(rest, |block| {
                    let kinds = kernel.kinds(block, &tables);
                    // Asked for alone, they are the same.
                    assert_eq!(kernel.literals(block, literals), kinds.literal);
                    kinds
                })
            }));
        }
    }

    #[test]
    fn every_instruction_set_sees_the_same_at_every_alignment_and_length() {
        // Every byte beside many others, and literals across the borders of blocks.
        let mut text: Vec<u8> = (0..=u8::MAX)
            .flat_map(|byte| [byte, byte.wrapping_mul(31), b'e', b'y', b'J'])
            .collect();
        text.extend((0..2_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
        for isa in Isa::here() {
            for start in 0..=BLOCK {
                for length in [0, 1, 2, 63, 64, 65, 66, 67, 129, 190, 1_000, text.len() - start] {
                    let part = &text[start..start + length];
                    assert_eq!(all(isa, part), all(Isa::Scalar, part), "{isa:?} {start} {length}");
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_sees_the_same_odd_bytes() {
        let text: Vec<u8> =
            (0..4_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 25) as u8).collect();
        let text = [text, b"plain ".repeat(40), (0..=u8::MAX).collect()].concat();
        for isa in Isa::here() {
            for start in (0..=BLOCK).chain([3_990, text.len() - 3, text.len()]) {
                let odd: Vec<usize> = Odd::new(isa, &text, start).collect();
                let expected = (start..text.len())
                    .filter(|at| !text[*at].is_ascii() || b"\\%&*".contains(&text[*at]));
                assert!(odd.iter().copied().eq(expected), "{isa:?} from {start}");
            }
        }
    }

    #[test]
    fn a_literal_is_seen_wherever_it_stands() {
        for isa in Isa::here() {
            for place in 0..200 {
                let text = [&b" ".repeat(place)[..], b"sk-"].concat();
                let seen = all(isa, &text);
                assert_eq!(seen[place / 64].literal >> (place % 64) & 1, 1, "{isa:?} {place}");
            }
        }
    }
}
