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

/// One bit for each of 64 bytes, the first one lowest. (So aligned that one of several is found by a
/// shift.)
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(128))]
pub(crate) struct Kinds {
    /// Digits.
    pub(crate) digit: u64,
    /// Letters and `_`.
    pub(crate) letter: u64,
    /// `@` and `%`.
    pub(crate) sign: u64,
    /// `:`.
    pub(crate) colon: u64,
    /// Everything above the space.
    pub(crate) solid: u64,
    /// `-`, if asked for, and so are all that follow.
    pub(crate) dash: u64,
    /// `.`.
    pub(crate) dot: u64,
    /// Capitals and digits.
    pub(crate) capital: u64,
    /// Where one of [`Tables::literals`] may begin, if these are looked for first.
    pub(crate) literal: u64,
    /// `:`, `=` and `>`.
    pub(crate) assign: u64,
    /// `,`.
    pub(crate) comma: u64,
    /// The bytes of [`Tables::set`].
    pub(crate) set: u64,
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
            literal: of(|kinds| kinds.literal),
            assign: of(|kinds| kinds.assign),
            comma: of(|kinds| kinds.comma),
            set: of(|kinds| kinds.set),
        }
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

const ODD: [u8; 4] = [b'\\', b'%', b'&', b'*'];

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
        Tables {
            assigns: true,
            dashes: true,
            dots: true,
            capitals: true,
            literals: Some(literals),
            literals_first: true,
            set: Some(set),
        }
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
                    .filter(|at| !text[*at].is_ascii() || ODD.contains(&text[*at]));
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
