//! Where are the words of a short text of ASCII? All bytes at a time, then as bits.

use crate::simd::{BLOCK, Isa, Kernel, Set, Tables, Work, with_block};

/// The most bytes that are looked at.
pub(super) const MOST: usize = BLOCK;

/// What tells letters, capitals and `_` apart.
pub(super) fn tables() -> Tables {
    Tables { set: Some(Set::new(|byte| byte == b'_')), ..Tables::default() }
}

/// Gives the words of two letters and more, in the sense of [`mentions`](super::mentions), that begin at
/// `earliest` or later among the first `length` bytes of a text.
pub(super) fn each_word(
    isa: Isa,
    tables: &Tables,
    text: &[u8],
    length: usize,
    earliest: usize,
    mut take: impl FnMut(&[u8]),
) {
    let Bits { letter, small, digit } = isa.run(Classify { tables, text, length });
    let inside = letter | digit;
    // Digits before a word are no part of it; a sum carries a bit through all of them.
    let leading = digit & !(inside << 1);
    let behind_digits = digit.wrapping_add(leading) & !digit;
    let capital_behind_small = letter & !small & small << 1;
    let starts = letter & (!(inside << 1) | behind_digits) | capital_behind_small;
    let ends = !inside | capital_behind_small;
    // One that ends with its first letter is none.
    let mut starts = starts & !(ends >> 1 | 1 << (BLOCK - 1)) & u64::MAX << earliest;
    while starts != 0 {
        let start = starts.trailing_zeros();
        starts &= starts - 1;
        let length = 1 + (ends >> start >> 1).trailing_zeros();
        let end = (start + length).min(u64::BITS);
        take(text.get(start as usize..end as usize).unwrap_or_default());
    }
}

/// One bit for each byte, the first one lowest.
struct Bits {
    letter: u64,
    small: u64,
    digit: u64,
}

/// Tells the letters and digits among the first `length` bytes of a text.
struct Classify<'a> {
    tables: &'a Tables,
    text: &'a [u8],
    length: usize,
}

impl Work for Classify<'_> {
    type Output = Bits;

    #[inline(always)]
    fn run(self, kernel: impl Kernel) -> Bits {
        let kinds = with_block(self.text, |block| kernel.kinds(block, self.tables));
        let known = if self.length < BLOCK { !(u64::MAX << self.length) } else { u64::MAX };
        let letter = kinds.letter & !kinds.set & known;
        Bits { letter, small: letter & !kinds.capital, digit: kinds.digit & known }
    }
}
