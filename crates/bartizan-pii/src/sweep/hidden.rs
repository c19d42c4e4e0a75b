//! Where may a word begin that says something in another writing? In base64, in hexadecimal digits, or
//! letter by letter.

use super::{Kind, Sweep, bits, mark::Near};
use crate::{Window, encoded};

/// Shorter words are not looked into. (Base64 of text has hardly a `+` or `/` in its first letters.)
pub(super) const LONG_WORD: u32 = 10;

impl Sweep {
    /// The beginnings of long words that may be text in base64 or hexadecimal digits, and of letters
    /// that stand one by one.
    #[inline(always)]
    pub(super) fn encoded(&mut self, window: &Window<'_>, near: Near) {
        let (here, next, behind_word) = (near.here.word(), near.next.word(), near.behind_word());
        let long = bits::runs(here, next, LONG_WORD) & !behind_word & near.known;
        bits::each(long, |bit| {
            let at = near.at(bit);
            let rest = window.bytes().get(self.origin + at..).unwrap_or_default();
            if encoded::may_begin(rest) {
                self.found.note(Kind::Encoded, at);
            }
        });
        // What is not known yet may be letters one by one, too.
        let (unknown, unknown_next) = (self.unknown(near.block), self.unknown(near.block + 1));
        let (here, next) = (here & !unknown, next & !unknown_next);
        let single = here & !behind_word & !bits::ahead(here, next) | unknown;
        if single & single >> 2 != 0 || single >> 60 != 0 {
            // Of the next block the last letter is not known to stand alone; but it does not matter.
            let alone = next & !bits::behind(here, next) & !(next >> 1) | unknown_next;
            let all = u128::from(single) | u128::from(alone) << 64;
            let starts = (all & all >> 2 & all >> 4) as u64 & !unknown;
            bits::each(starts, |bit| self.spread(window, near.at(bit)));
        }
        if unknown != 0 {
            // Any may be the first of three from the next byte on, or from the one behind it.
            self.spread(window, self.known);
            self.spread(window, self.known + 1);
        }
    }

    /// Marks where three letters stand one by one, and what else does so before them.
    #[inline(never)]
    fn spread(&mut self, window: &Window<'_>, at: usize) {
        let text = window.bytes();
        self.found.note(Kind::Encoded, at);
        // The same mark stands between all of them, as far as they are known.
        let mut mark = None;
        for distance in (2..=at.min(encoded::SPREAD_MARKS)).step_by(2) {
            let place = self.origin + at - distance;
            let between = text.get(place + 1).copied();
            let other_mark = between.is_some() && mark.is_some() && between != mark;
            let letter = |b: &u8| b.is_ascii_graphic() || *b == b' ';
            if other_mark || !text.get(place).is_none_or(letter) {
                break;
            }
            mark = mark.or(between);
            self.found.note(Kind::Encoded, at - distance);
        }
    }
}
