//! What may a recognizer know? Only what has arrived: the seam that makes streams equal wholes.
//!
//! A recognizer reads the text through [`Window`]. A question about a byte that has not arrived yet
//! is answered with [`More`], which travels up by `?` and makes the stream wait. So an answer, once
//! given, was given from bytes that nothing can change any more, and is the answer for the whole
//! text too, however that text was cut.

use crate::context;

/// How many bytes before a position a recognizer may look at; a [`Stream`](crate::Stream) keeps as
/// many of the text that it has already handed out.
pub const LOOK_BEHIND: usize = 64;

/// The answer depends on bytes that have not arrived yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct More;

/// An answer that holds for every continuation of the text, or [`More`].
pub type Peek<T> = Result<T, More>;

/// The part of a text that is known: some of what was before, and what has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Window<'t> {
    bytes: &'t [u8],
    complete: bool,
    hint: &'t str,
    /// Nothing before this place is seen.
    floor: usize,
}

impl<'t> Window<'t> {
    /// A text of which nothing more will come.
    pub fn whole(bytes: &'t [u8]) -> Self {
        Self { bytes, complete: true, hint: "", floor: 0 }
    }

    /// A text of which more may come.
    pub fn partial(bytes: &'t [u8]) -> Self {
        Self { bytes, complete: false, hint: "", floor: 0 }
    }

    /// The same window, with words that count as if they stood before every position: the name of
    /// the JSON member that holds the text, say.
    #[must_use]
    pub fn with_hint(self, hint: &'t str) -> Self {
        Self { hint, ..self }
    }

    /// The same window, from `floor` on: what stands before it is not seen.
    pub(crate) fn with_floor(self, floor: usize) -> Self {
        Self { floor, ..self }
    }

    /// Whether nothing more will come.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// The bytes that are known.
    pub fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    /// The byte at `at`, `None` behind the end of the text.
    #[inline]
    pub fn byte(&self, at: usize) -> Peek<Option<u8>> {
        #[cfg(test)]
        tests::work(1);
        match self.bytes.get(at) {
            Some(byte) => Ok(Some(*byte)),
            None if self.complete => Ok(None),
            None => Err(More),
        }
    }

    /// Whether the byte at `at` exists and satisfies `test`.
    #[inline]
    pub fn is(&self, at: usize, test: impl Fn(u8) -> bool) -> Peek<bool> {
        Ok(self.byte(at)?.is_some_and(test))
    }

    /// Whether `literal` stands at `at`; known as soon as one byte differs.
    pub fn starts_with(&self, at: usize, literal: &[u8]) -> Peek<bool> {
        for (offset, expected) in literal.iter().enumerate() {
            if self.byte(at + offset)? != Some(*expected) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many bytes from `at` on satisfy `test`, counted up to `most`.
    #[inline]
    pub fn count(&self, at: usize, most: usize, test: impl Fn(u8) -> bool) -> Peek<usize> {
        let known = self.bytes.get(at..).unwrap_or_default();
        let count = known.iter().take(most).take_while(|byte| test(**byte)).count();
        #[cfg(test)]
        tests::work(count);
        let undecided = count == known.len() && count < most && !self.complete;
        if undecided { Err(More) } else { Ok(count) }
    }

    /// The byte `distance` before `at` (1 is the neighbour), `None` before the beginning. No
    /// recognizer may ask further back than [`LOOK_BEHIND`].
    #[inline]
    pub fn before(&self, at: usize, distance: usize) -> Option<u8> {
        debug_assert!(distance <= LOOK_BEHIND);
        let place = at.checked_sub(distance).filter(|place| *place >= self.floor)?;
        self.bytes.get(place).copied()
    }

    /// What stands closely before `at`: as much as context may be in.
    pub(crate) fn left(&self, at: usize) -> &'t [u8] {
        let from = at.saturating_sub(LOOK_BEHIND).max(self.floor);
        let left = self.bytes.get(from..at).unwrap_or_default();
        #[cfg(test)]
        tests::work(left.len());
        left
    }

    /// The words that count as if they stood before every position.
    pub(crate) fn hint(&self) -> &'t str {
        self.hint
    }

    /// Whether one of `words` stands, as a whole word, closely before `at` or in the hint.
    pub fn near<W: AsRef<str>>(&self, at: usize, words: &[W]) -> bool {
        if words.is_empty() {
            return false;
        }
        context::mentions(self.left(at), words) || context::mentions(self.hint.as_bytes(), words)
    }
}

/// Letters, digits and `_`: what a value must not touch on either side.
#[inline]
pub(crate) fn is_word(byte: u8) -> bool {
    WORD.get(usize::from(byte)).copied().unwrap_or_default()
}

/// A table, because this is asked of every byte of every text.
static WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut rest: &mut [bool] = &mut table;
    let mut byte = 0_u8;
    while let [first, others @ ..] = rest {
        *first = byte.is_ascii_alphanumeric() || byte == b'_';
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::{Config, CustomPattern, Entity, Scanner};

    thread_local! {
        /// How many bytes were looked at.
        static WORK: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn work(bytes: usize) {
        WORK.set(WORK.get() + bytes);
    }

    fn work_for(scanner: &Scanner, text: &str) -> usize {
        WORK.set(0);
        scanner.scan(text);
        WORK.get()
    }

    /// Inputs that make scanners of this kind quadratic.
    const HOSTILE: &[&str] = &[
        "1 ",
        "12-",
        "a@",
        "@",
        "a.",
        "a--",
        "::",
        "1:",
        "a:",
        "-",
        "-----BEGIN ",
        "(",
        "+1",
        "+1 ",
        "x",
        "eyJ",
        "sk-",
        "sk-a1",
        "1.1.",
        "4111 ",
        "4111-",
        "GB29 ",
        "GB29NWBK",
        "phone 1 ",
        "phone 555-",
        "card 4",
        "123456789 ",
        "é",
        "é@",
        "'a",
        "a'",
        "a%",
        "fe80::",
        "0",
        "_",
        "a-.",
    ];

    #[test]
    fn the_work_is_linear_in_the_text_whatever_stands_in_it() {
        let scanner = Scanner::new(&Config::default()).expect("the default is sound");
        for unit in HOSTILE {
            let [once, twice] =
                [4_000, 8_000].map(|n| work_for(&scanner, &unit.repeat(n / unit.len())));
            assert!(twice <= 2 * once + once / 10, "{unit:?}: {once} then {twice}");
            assert!(twice <= 8_000 * 150, "{unit:?}: {} for each byte", twice / 8_000);
        }
    }

    #[test]
    fn a_pattern_of_the_users_looks_no_further_than_its_longest_match() {
        let entity: Entity = "GREEDY".parse().expect("a name");
        let custom = vec![CustomPattern::new(entity, "a+b|(a|aa)+c")];
        let scanner = Scanner::new(&Config { custom, ..Config::default() }).expect("sound");
        let [once, twice] = [4_000, 8_000].map(|n| work_for(&scanner, &"a".repeat(n)));
        assert!(twice <= 2 * once + once / 10, "{once} then {twice}");
    }

    #[test]
    fn what_has_not_arrived_is_never_answered() {
        let part = Window::partial(b"ab");
        assert_eq!(part.byte(1), Ok(Some(b'b')));
        assert_eq!(part.byte(2), Err(More));
        assert_eq!(part.starts_with(0, b"abc"), Err(More));
        assert_eq!(part.starts_with(0, b"ax"), Ok(false));
        assert_eq!(part.count(0, 2, is_word), Ok(2));
        assert_eq!(part.count(0, 3, is_word), Err(More));
        assert_eq!(Window::whole(b"ab").byte(2), Ok(None));
    }
}
