//! Which bits of a block make places? For each kind of anchor a few lines of bit arithmetic.
//!
//! A block is marked with what stands in the one before and in the next, and may mark places in the
//! one before. Whatever most blocks have not is asked first.

use super::{Kind, MARKS, Sweep, assign::assigns_from_before, bits, signals::Loud};
use crate::{
    Window,
    dispatch::{Dispatch, MOST_LETTERS, Marks, Next, Rows},
    recognizer::name::may_be_announced,
    simd::{BLOCK, Kinds},
    window::is_word,
};

/// The longest local part of an e-mail address, and what else may stand before an `@`.
const SIGN_REACH: usize = 64;
/// The most of an address of IPv6 before `::`.
const PAIR_REACH: usize = 40;
/// The dashes of a frame.
pub(super) const FRAME: u32 = 5;

/// A block, and what stands around it. All of it lies in registers: nothing borrows it.
#[derive(Clone, Copy)]
pub(super) struct Near {
    pub(super) block: usize,
    pub(super) before: Kinds,
    pub(super) here: Kinds,
    pub(super) next: Kinds,
    /// The bytes that are known, and the first one behind them: what may begin further on tells
    /// nothing of what is known.
    pub(super) known: u64,
}

impl Near {
    /// The place of a bit of this block, by its distance from the origin.
    #[inline(always)]
    pub(super) fn at(self, bit: u32) -> usize {
        self.block * BLOCK + bit as usize
    }

    /// Bytes behind a letter, a digit or `_`.
    #[inline(always)]
    pub(super) fn behind_word(self) -> u64 {
        bits::behind(self.before.word(), self.here.word())
    }

    /// The dots of this block and of the next that may count.
    #[inline(always)]
    fn dots(self, dispatch: &Dispatch) -> (u64, u64) {
        let Self { before, here, next, .. } = self;
        let [.., dots] = &dispatch.marks;
        if !dots.between_digits {
            return (here.dot, next.dot);
        }
        let of_next = bits::behind(here.digit, next.digit) & bits::ahead(next.digit, u64::MAX);
        let of_this = bits::behind(before.digit, here.digit) & bits::ahead(here.digit, next.digit);
        (here.dot & of_this, next.dot & of_next)
    }

    /// How many letters and digits stand directly before a bit.
    #[inline(always)]
    fn word_before(self, bit: u32) -> usize {
        bits::before(self.before.word(), self.here.word(), bit)
    }
}

impl Sweep {
    /// Marks what begins in a block, and what is seen in it of the one before.
    #[inline(always)]
    pub(super) fn mark(
        &mut self,
        dispatch: &Dispatch,
        window: &Window<'_>,
        near: Near,
        loud: Loud,
    ) {
        let Near { here, next, .. } = near;
        if loud.has(Loud::NUMBERS) {
            self.numbers(dispatch, window, near);
        }
        if loud.has(Loud::RARE) && dispatch.has_codes() {
            self.codes(dispatch, near);
        }
        if here.sign != 0 {
            self.signs(window, near);
        }
        if loud.has(Loud::MARKS) {
            let pairs = here.colon & bits::ahead(here.colon, next.colon) & near.known;
            if pairs != 0 && dispatch.pairs {
                bits::each(pairs, |bit| self.pair(dispatch, window, near.at(bit)));
            }
            self.marks(dispatch, window, near, 0, (here.colon, next.colon));
            self.marks(dispatch, window, near, 1, (here.dash, next.dash));
            self.marks(dispatch, window, near, 2, near.dots(dispatch));
        }
        if loud.has(Loud::RARE) || loud.has(Loud::SOLID) {
            self.others(dispatch, window, near);
        }
        if loud.has(Loud::HIDDEN) && !self.decoded {
            self.encoded(window, near);
        }
    }

    /// Every digit that begins a word, and up to two marks before it.
    #[inline(always)]
    fn numbers(&mut self, dispatch: &Dispatch, window: &Window<'_>, near: Near) {
        let digit = near.here.digit;
        let (ends, next_ends) = (near.here.ends_number(), near.next.ends_number());
        bits::each(digit & !near.behind_word() & near.known, |bit| {
            let digits = bits::from(digit, near.next.digit, bit);
            let ends = bits::from(ends, next_ends, bit);
            if digits_of_number(digits, ends) >= dispatch.fewest_number {
                self.number(dispatch, window, near.at(bit), (digits, ends));
            }
        });
    }

    /// Marks a number, and the marks that it may begin with. The bits tell of its first byte, and those
    /// behind it, which are digits and which end a number.
    #[inline(never)]
    fn number(&mut self, dispatch: &Dispatch, window: &Window<'_>, at: usize, bits: (u64, u64)) {
        let (text, place) = (window.bytes(), self.origin + at);
        let rows = self.rows_of_number(dispatch, text, at, bits);
        let rows = self.audible(dispatch, place, rows);
        // They will be asked at its places.
        self.number = (at, rows);
        if rows.is_empty() {
            return;
        }
        let undated = rows.and(dispatch.undated);
        let day = !undated.is_empty() && self.is_day(text, place);
        let rows = if day { rows.without(undated) } else { rows };
        let fits = |place: usize| {
            text.get(place).is_none_or(|byte| !rows.and(dispatch.starts(*byte)).is_empty())
        };
        if fits(place) {
            self.found.note(Kind::Number, at);
        }
        for distance in 1..=2.min(at) {
            match text.get(place - distance) {
                Some(byte) if is_word(*byte) => break,
                Some(byte) if !dispatch.leads_number(*byte) => {}
                _ if fits(place - distance) => self.found.note(Kind::Number, at - distance),
                _ => {}
            }
        }
    }

    /// The length of a run of digits as far as it is known, and what follows it.
    #[inline(always)]
    pub(super) fn behind_run(&self, text: &[u8], at: usize, run: usize) -> (usize, Next) {
        let known = self.known.saturating_sub(at);
        if run >= known {
            return (known, if self.partial { Next::Unknown } else { Next::End });
        }
        let byte = text.get(self.origin + at + run).copied();
        (run, byte.map_or(Next::End, Next::Byte))
    }

    /// Letters and then a digit, perhaps with a separator between.
    #[inline(always)]
    fn codes(&mut self, dispatch: &Dispatch, near: Near) {
        let behind_digit = bits::behind(near.before.digit, near.here.digit);
        let joined = near.here.digit & near.behind_word() & !behind_digit & near.known;
        if joined != 0 {
            let both = |before: u64, here: u64| u128::from(before) | u128::from(here) << 64;
            let letters = both(near.before.letter, near.here.letter);
            let digits = both(near.before.digit, near.here.digit);
            let mut behind = letters & !((letters | digits) << 1);
            for length in 1..=dispatch.most_letters() {
                behind <<= 1;
                if dispatch.code_lengths >> length & 1 == 1 {
                    let ends = ((behind & digits) >> 64) as u64 & near.known;
                    bits::each(ends, |bit| {
                        if let Some(start) = near.at(bit).checked_sub(length) {
                            self.found.note(Kind::Number, start);
                        }
                    });
                }
                behind &= letters;
            }
        }
        if dispatch.has_gaps() {
            let starts = near.here.digit & !near.behind_word() & near.known;
            bits::each(starts, |bit| self.code_before_gap(near, bit));
        }
    }

    /// Marks the beginning of the word that ends before the separator before a digit, if it is short
    /// enough for a code.
    #[inline(always)]
    fn code_before_gap(&mut self, near: Near, bit: u32) {
        let separator = near.at(bit).checked_sub(1);
        let length = match bit.checked_sub(1) {
            Some(bit) => near.word_before(bit),
            None => (near.before.word() << 1).leading_ones() as usize,
        };
        let start = separator.and_then(|separator| separator.checked_sub(length));
        if let Some(start) = start.filter(|_| (1..=MOST_LETTERS).contains(&length)) {
            self.found.note(Kind::Number, start);
        }
    }

    /// Every beginning of a word, or other letter, in what may be a local part before an `@`.
    #[inline(always)]
    fn signs(&mut self, window: &Window<'_>, near: Near) {
        bits::each(near.here.sign & near.known, |bit| self.sign(window, near.at(bit)));
    }

    #[inline(never)]
    fn sign(&mut self, window: &Window<'_>, at: usize) {
        let (text, place) = (window.bytes(), self.origin + at);
        let next = |offset| text.get(place + offset).copied();
        let follows = |byte: u8| match next(0) {
            Some(b'%') => byte == b'4',
            _ => is_word(byte) || byte >= 0x80,
        };
        if !next(1).map_or(self.partial, follows) {
            return;
        }
        let before = text.get(place.saturating_sub(SIGN_REACH).max(self.origin)..place);
        let mut letters = before.unwrap_or_default().iter().rev().copied().peekable();
        let mut distance = 0;
        while let Some(byte) = letters.next_if(|byte| is_local(*byte)) {
            distance += 1;
            let previous = letters.peek().is_some_and(|byte| is_word(*byte));
            if !(previous && is_word(byte)) {
                self.found.note(Kind::Sign, at - distance);
            }
        }
    }

    /// The word before two `:` side by side, and what stands before it without a blank.
    #[inline(never)]
    fn pair(&mut self, dispatch: &Dispatch, window: &Window<'_>, at: usize) {
        let [Marks { rows, .. }, ..] = &dispatch.marks;
        let place = self.origin + at;
        let before = window.bytes().get(place.saturating_sub(PAIR_REACH).max(self.origin)..place);
        let before = before.unwrap_or_default();
        let count = |of: fn(u8) -> bool| before.iter().rev().take_while(|byte| of(**byte)).count();
        let (word, joined) = (count(is_word), count(|byte| is_word(byte) || byte == b':'));
        let inner = (word < joined).then_some(at - word);
        for start in [Some(at - joined), inner].into_iter().flatten() {
            if self.may_start(dispatch, window, start, rows) {
                self.found.note(Kind::Colons, start);
            }
        }
    }

    /// So many marks in a row, and the word before the first of them: the marks of the dispatch's
    /// `index`.
    #[inline(always)]
    fn marks(
        &mut self,
        dispatch: &Dispatch,
        window: &Window<'_>,
        near: Near,
        index: usize,
        (here, next): (u64, u64),
    ) {
        if here == 0 {
            return;
        }
        let (Some(kind), Some(marks)) = (MARKS.get(index), dispatch.marks.get(index)) else {
            return;
        };
        let Marks { rows, apart, count, word, .. } = marks;
        let mut chains = 0;
        bits::each((*apart).into(), |distance| chains |= bits::from(here, next, distance));
        chains &= here & near.known;
        // Where anything may come, two are as good as more.
        if chains != 0 && *count > 2 && !self.at_end(near.block) {
            chains &= bits::chains(here, next, *apart, *count);
        }
        bits::each(chains, |bit| {
            let at = near.at(bit);
            let length = near.word_before(bit);
            if (usize::from(word.0)..=usize::from(word.1)).contains(&length)
                && let Some(start) = at.checked_sub(length)
                && self.may_start(dispatch, window, start, rows)
            {
                self.found.note(*kind, start);
            }
            if self.may_start(dispatch, window, at, rows) {
                self.found.note(*kind, at);
            }
        });
    }

    /// Whether a value of one of some rows may begin at a place, by its byte and the words before.
    #[inline(never)]
    fn may_start(&self, dispatch: &Dispatch, window: &Window<'_>, at: usize, rows: &Rows) -> bool {
        let place = self.origin + at;
        let Some(byte) = window.bytes().get(place) else { return true };
        let rows = rows.and(dispatch.starts(*byte));
        !self.audible(dispatch, place, rows).is_empty()
    }

    /// Literals, long runs, what is assigned, and the bytes of what is asked everywhere.
    #[inline(always)]
    fn others(&mut self, dispatch: &Dispatch, window: &Window<'_>, near: Near) {
        let Near { here, next, .. } = near;
        let outside = !(here.word() & near.behind_word()) & near.known;
        let solid = bits::about_runs(here.solid, next.solid, dispatch.shortest_solid);
        let mut other = 0;
        let mut literal = here.literal & outside;
        if !dispatch.tables.literals_first {
            literal &= solid | here.dash;
        }
        // A ruled line is no frame of a key: that has a letter behind its dashes.
        if literal & here.dash != 0 && dispatch.letter_behind_dashes {
            let dashes = bits::runs(here.dash, next.dash, FRAME);
            literal &= !here.dash | dashes & bits::from(here.letter, next.letter, FRAME);
        }
        bits::each(literal, |bit| {
            let holds = self.has_literal(dispatch, window, self.origin + near.at(bit));
            other |= u64::from(holds) << bit;
        });
        if solid != 0 {
            if let Some(least) = dispatch.shortest_token {
                other |= bits::runs(here.word() | here.dash, next.word() | next.dash, least);
            }
            if let Some(least) = dispatch.shortest_capitals {
                other |= bits::runs(here.capital, next.capital, least);
            }
        }
        if dispatch.assigns && (solid != 0 || assigns_from_before(dispatch, near)) {
            self.assigned(dispatch, window, near, solid);
        }
        if here.set != 0 {
            if dispatch.custom {
                self.found.note_all(Kind::Custom, near.block, here.set);
            }
            other |= if dispatch.anywhere.is_empty() { 0 } else { here.set };
            other |= self.of_words(dispatch, window, near, here.set & outside & !other);
        }
        if other & outside != 0 {
            self.found.note_all(Kind::Other, near.block, other & outside);
        }
    }

    /// Those words that stand before a digit, or behind what announces a person.
    #[inline(always)]
    fn of_words(&self, dispatch: &Dispatch, window: &Window<'_>, near: Near, words: u64) -> u64 {
        let mut some = 0;
        if let Some(most) = dispatch.most_before_digit {
            let Near { here, next, .. } = near;
            bits::each(words, |bit| {
                let behind = bits::from(here.digit, next.digit, bit).trailing_zeros();
                some |= u64::from(behind < most) << bit;
            });
        }
        if !dispatch.announced.is_empty() {
            bits::each(words & !some, |bit| {
                let place = self.origin + near.at(bit);
                some |= u64::from(may_be_announced(window.bytes(), place)) << bit;
            });
        }
        some
    }

    #[inline(never)]
    fn has_literal(&self, dispatch: &Dispatch, window: &Window<'_>, at: usize) -> bool {
        !self.literal_rows(dispatch, window.bytes(), at).is_empty()
    }

    /// The bits of a block that lie behind what is known, where more may come.
    #[inline(always)]
    pub(super) fn unknown(&self, block: usize) -> u64 {
        match self.known.checked_sub(block * BLOCK) {
            _ if !self.partial => 0,
            Some(known @ 0..BLOCK) => u64::MAX << known,
            Some(_) => 0,
            None => u64::MAX,
        }
    }
}

/// The digits of a number: those within 32 bytes of its first one and before whatever ends it.
#[inline(always)]
pub(super) fn digits_of_number(digits: u64, ends: u64) -> u32 {
    ((digits & bits::below_first(ends)) as u32).count_ones()
}

fn is_local(byte: u8) -> bool {
    is_word(byte) || byte >= 0x80 || matches!(byte, b'.' | b'-' | b'+' | b'%' | b'\'')
}
