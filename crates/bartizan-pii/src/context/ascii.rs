//! Where are the words of a short text of ASCII? All bytes at a time, then as bits.

use crate::simd::{BLOCK, Isa, Kernel, Set, Tables, Work, with_block};

/// The most bytes that are looked at.
pub(super) const MOST: usize = BLOCK;

/// What tells letters, capitals and `_` apart.
pub(super) fn tables() -> Tables {
    Tables { set: Some(Set::new(|byte| byte == b'_')), ..Tables::default() }
}

/// The words of a short text, in the sense of [`mentions`](super::mentions): bits for where they begin
/// and end.
pub(super) struct Words<'t> {
    text: &'t [u8],
    starts: u64,
    ends: u64,
}

impl<'t> Words<'t> {
    /// Those of two letters and more that begin at `earliest` or later among the first `length` bytes.
    pub(super) fn of(
        isa: Isa,
        tables: &Tables,
        text: &'t [u8],
        length: usize,
        earliest: usize,
    ) -> Self {
        let Bits { letter, small, digit } = isa.run(Classify { tables, text, length });
        let inside = letter | digit;
        // Digits before a word are no part of it; a sum carries a bit through all of them.
        let leading = digit & !(inside << 1);
        let behind_digits = digit.wrapping_add(leading) & !digit;
        let capital_behind_small = letter & !small & small << 1;
        let starts = letter & (!(inside << 1) | behind_digits) | capital_behind_small;
        let ends = !inside | capital_behind_small;
        // One that ends with its first letter is none.
        let starts = starts & !(ends >> 1 | 1 << (BLOCK - 1)) & u64::MAX << earliest;
        Self { text, starts, ends }
    }

    /// Those of them for which `holds`, which is asked for the first three letters of each; of a word of
    /// two the third is no letter. (Without a branch: of most texts no word is left.)
    #[inline]
    pub(super) fn beginning_with(mut self, holds: impl Fn([u8; 3]) -> bool) -> Self {
        let mut rest = std::mem::take(&mut self.starts);
        while rest != 0 {
            let start = rest.trailing_zeros();
            rest &= rest - 1;
            let here = self.text.get(start as usize..).unwrap_or_default();
            let [first, second, third] = match here {
                [first, second, third, ..] => [*first, *second, *third],
                [first, second] => [*first, *second, 0],
                _ => [0; 3],
            };
            let third = if self.ends >> start >> 2 & 1 == 1 { 0 } else { third };
            self.starts |= u64::from(holds([first, second, third])) << start;
        }
        self
    }

    /// Gives all of them.
    #[inline]
    pub(super) fn each(self, mut take: impl FnMut(&[u8])) {
        let mut starts = self.starts;
        while starts != 0 {
            let start = starts.trailing_zeros();
            starts &= starts - 1;
            let length = 1 + (self.ends >> start >> 1).trailing_zeros();
            let end = (start + length).min(u64::BITS);
            take(self.text.get(start as usize..end as usize).unwrap_or_default());
        }
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
