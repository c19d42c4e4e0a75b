//! Which rows are asked at a place?

use super::{Kind, MARKS, Place, Sweep, bits, mark::digits_of_number};
use crate::{
    Window,
    dispatch::{Dispatch, MOST_LETTERS, NUMBER_REACH, Rows},
    phone,
    recognizer::name::may_be_announced,
    simd::{BLOCK, Kinds},
    window::is_word,
};

impl Sweep {
    /// The rows of which a value may begin at a place, the last one that was given.
    /// (Some may need a word before: of these nobody asked here.)
    pub(crate) fn rows(&self, dispatch: &Dispatch, window: &Window<'_>, place: Place) -> Rows {
        let at = place.at;
        let bytes = window.bytes();
        let Some(&byte) = bytes.get(at) else { return Rows::default() };
        if is_word(byte) && window.before(at, 1).is_some_and(is_word) {
            return Rows::default();
        }
        let mut rows = Rows::default();
        if self.is(place, Kind::Number) {
            rows = self.number_rows(dispatch, bytes, at, byte);
        }
        if self.is(place, Kind::Sign) {
            rows = rows.or(dispatch.sign);
        }
        for (kind, around) in MARKS.into_iter().zip(&dispatch.marks) {
            if self.is(place, kind) {
                rows = rows.or(around.rows);
            }
        }
        if self.is(place, Kind::Assigned) {
            rows = rows.or(self.assigned_rows(dispatch, bytes, at));
        }
        if self.is(place, Kind::Other) {
            rows = rows.or(self.other_rows(dispatch, bytes, at));
        }
        rows.and(dispatch.begins(byte, bytes.get(at + 1).copied()))
    }

    /// Those of some rows that may speak here: others need a word before.
    #[inline(always)]
    pub(super) fn audible(&self, dispatch: &Dispatch, at: usize, rows: Rows) -> Rows {
        let weak = rows.and(dispatch.weak);
        let all = weak.is_empty() || self.hinted || self.words_before(at);
        if all { rows } else { rows.without(weak) }
    }

    /// Whether words may stand closely before `at`: two letters side by side, or other scripts.
    #[inline]
    pub(crate) fn words_before(&self, at: usize) -> bool {
        let Some(first) = (at - self.origin).checked_sub(BLOCK) else { return true };
        let letters = self.bits_from(first, |kinds| kinds.letter);
        letters & letters >> 1 | self.bits_from(first, |kinds| kinds.beyond) != 0
    }

    /// The 64 bits of a kind from a distance from the origin on.
    #[inline]
    fn bits_from(&self, at: usize, kind: impl Fn(&Kinds) -> u64) -> u64 {
        let (block, bit) = (at / BLOCK, (at % BLOCK) as u32);
        let of = |block: usize| kind(&self.blocks.one(block));
        bits::from(of(block), of(block + 1), bit)
    }

    fn number_rows(&self, dispatch: &Dispatch, bytes: &[u8], at: usize, byte: u8) -> Rows {
        let place = at - self.origin;
        if byte.is_ascii_alphabetic() {
            return self.code_rows(dispatch, bytes, place);
        }
        let lead = self.bits_from(place, |kinds| kinds.digit).trailing_zeros() as usize;
        if lead > 2 {
            return Rows::default();
        }
        let first = place + lead;
        if first == self.number.0 {
            return self.number.1;
        }
        let digits = self.bits_from(first, |kinds| kinds.digit);
        let ends = self.bits_from(first, Kinds::ends_number);
        self.rows_of_number(dispatch, bytes, first, (digits, ends))
    }

    /// The rows of which a value may be a number, by the bits from its first one on that are digits and
    /// that end a number.
    #[inline(always)]
    pub(super) fn rows_of_number(
        &self,
        dispatch: &Dispatch,
        text: &[u8],
        first: usize,
        (digits, ends): (u64, u64),
    ) -> Rows {
        let (run, next) = self.behind_run(text, first, digits.trailing_ones() as usize);
        let rows = dispatch.number(run, next, digits_of_number(digits, ends) as usize);
        let labelled = rows.and(dispatch.labelled);
        let all = labelled.is_empty() || self.may_be_labelled(text, first, ends);
        if all { rows } else { rows.without(labelled) }
    }

    /// Whether a day certainly begins at a place.
    #[inline]
    pub(super) fn is_day(&self, text: &[u8], at: usize) -> bool {
        // The separator stands behind two or four digits.
        let separator =
            |at: usize| text.get(at).is_some_and(|b| matches!(b, b'-' | b'.' | b'/' | b' '));
        let window = if self.partial { Window::partial(text) } else { Window::whole(text) };
        (separator(at + 4) || separator(at + 2)) && phone::is_date(&window, at) == Ok(true)
    }

    /// Whether a label may stand behind a number: what ends its digits, by the bits from its first one
    /// on, is a word of its own, or the mark of an extension.
    #[inline]
    fn may_be_labelled(&self, text: &[u8], first: usize, ends: u64) -> bool {
        let end = first + ends.trailing_zeros() as usize;
        if ends == 0 || end >= self.known {
            return self.partial && end >= self.known;
        }
        let place = self.origin + end;
        let Some(letter) = text.get(place).filter(|byte| byte.is_ascii_alphabetic()) else {
            return false;
        };
        let known = text.get(..place).unwrap_or_default();
        match known {
            [.., b'0'..=b'9'] => matches!(letter, b'x' | b'e'),
            [.., b'0'..=b'9', b' ' | b'-' | b'('] => true,
            [.., b'0'..=b'9', b' ' | b'-' | b'(', b' ' | b'-' | b'('] => true,
            _ => false,
        }
    }

    fn code_rows(&self, dispatch: &Dispatch, bytes: &[u8], place: usize) -> Rows {
        let rest = bytes.get(self.origin + place..).unwrap_or_default();
        let letters = rest.iter().take(MOST_LETTERS + 1).take_while(|b| b.is_ascii_alphabetic());
        let letters = letters.count();
        let behind = place + letters;
        if behind >= self.known && self.partial {
            // More letters may come, and then a digit.
            let lengths = letters..=MOST_LETTERS;
            return lengths.fold(Rows::default(), |all, letters| {
                let [joined, spaced] =
                    [false, true].map(|gap| dispatch.code(letters, gap, NUMBER_REACH));
                all.or(joined).or(spaced)
            });
        }
        let digits = |at: usize| self.bits_from(at, |kinds| kinds.digit);
        let count = |at: usize| (digits(at) as u32).count_ones() as usize;
        match rest.get(letters) {
            Some(b'0'..=b'9') => dispatch.code(letters, false, count(behind)),
            Some(b' ' | b'-' | b'.' | b'/' | b':') if digits(behind + 1) & 1 == 1 => {
                dispatch.code(letters, true, count(behind + 1))
            }
            _ => Rows::default(),
        }
    }

    fn other_rows(&self, dispatch: &Dispatch, bytes: &[u8], at: usize) -> Rows {
        let place = at - self.origin;
        let mut rows = dispatch.anywhere;
        if !dispatch.announced.is_empty() && may_be_announced(bytes, at) {
            rows = rows.or(dispatch.announced);
        }
        if dispatch.most_before_digit.is_some() {
            let distance = self.bits_from(place, |kinds| kinds.digit).trailing_zeros();
            rows = rows.or(dispatch.before_digit(distance));
        }
        if self.bits_from(place, |kinds| kinds.literal) & 1 == 1 {
            rows = rows.or(self.literal_rows(dispatch, bytes, at));
        }
        if dispatch.shortest_token.is_some() {
            let run = self.bits_from(place, |kinds| kinds.word() | kinds.dash).trailing_ones();
            rows = rows.or(dispatch.token(run));
        }
        if dispatch.shortest_capitals.is_some() {
            let run = self.bits_from(place, |kinds| kinds.capital).trailing_ones();
            rows = rows.or(dispatch.capitals(run));
        }
        rows
    }

    /// The rows with a literal that may stand at `at`.
    pub(super) fn literal_rows(&self, dispatch: &Dispatch, bytes: &[u8], at: usize) -> Rows {
        let Some(&first) = bytes.get(at) else { return Rows::default() };
        // A byte behind the end of the text is no literal's; one that may come is any's.
        let byte = |offset: usize| match bytes.get(at + offset) {
            None if !self.partial => Some(0),
            byte => byte.copied(),
        };
        let rows = dispatch.literal([Some(first), byte(1), byte(2), byte(5)]);
        rows.and(dispatch.starts(first))
    }

    /// The rows whose values may begin behind a sign, at `at`.
    pub(super) fn assigned_rows(&self, dispatch: &Dispatch, text: &[u8], at: usize) -> Rows {
        let Some(byte) = text.get(at) else { return Rows::default() };
        let mut rows = dispatch.assigned;
        if let Some((least, long)) = dispatch.assigned_long {
            let known = text.get(at..).unwrap_or_default();
            let run = known.iter().take(least as usize).take_while(|byte| **byte > b' ').count();
            if run == least as usize || (self.partial && run == known.len()) {
                rows = rows.or(long);
            }
        }
        rows.and(dispatch.starts(*byte))
    }
}
