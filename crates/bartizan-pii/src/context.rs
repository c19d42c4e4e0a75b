//! Do the words around a value say what it is?

mod ascii;

use ascii::Words;

use crate::{
    dispatch::Rows,
    simd::{Isa, Tables},
};

/// A context word must begin within this many bytes before the value. One word less than
/// [`LOOK_BEHIND`](crate::LOOK_BEHIND), so that a word that is cut by the look-behind is seen to be
/// cut, and does not count.
const REACH: usize = 56;

/// Whether `text` holds one of `words` as a whole word, in any case, also with a plural `s`.
///
/// A word ends at everything that is neither letter nor digit, and where a capital follows a small
/// letter: `cardNumber`, `card_number` and `card-number` all hold `card`. Substrings never count
/// (`lic` does not stand in `public`). Words have at least two letters. Where a script has no spaces,
/// a word ends where its kind of characters does: `電話番号は` holds `電話番号`.
pub(crate) fn mentions<W: AsRef<str>>(text: &[u8], words: &[W]) -> bool {
    let mut mentioned = false;
    each_word(text, |word| mentioned |= words.iter().any(|wanted| same(word, wanted.as_ref())));
    mentioned
}

/// The words of all rows, so that each word of a text is looked up once for all of them.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// By hash; a power of two of slots, less than half of them taken.
    slots: Vec<Option<Entry>>,
    /// One bit for each three first letters: most words of a text begin otherwise.
    beginnings: Box<[u64; BEGINNINGS]>,
    /// To tell letters, capitals and `_`.
    tables: Tables,
    isa: Isa,
}

#[derive(Debug, Clone)]
struct Entry {
    word: &'static str,
    said: Said,
}

/// The rows for which something speaks, and those against which something does.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said {
    pub(crate) support: Rows,
    pub(crate) against: Rows,
}

impl Vocabulary {
    /// Of rows in order: the words that speak for each, and those that speak against it.
    pub(crate) fn new(isa: Isa, rows: &[(&[&'static str], &[&'static str])]) -> Self {
        let count: usize =
            rows.iter().map(|(support, against)| support.len() + against.len()).sum();
        let mut vocabulary = Self {
            slots: Vec::new(),
            beginnings: Box::new([0; BEGINNINGS]),
            tables: ascii::tables(),
            isa,
        };
        vocabulary.slots.resize((2 * count + 2).next_power_of_two(), None);
        for (place, (support, against)) in rows.iter().enumerate() {
            support.iter().for_each(|word| vocabulary.add(word, |said| said.support.insert(place)));
            against.iter().for_each(|word| vocabulary.add(word, |said| said.against.insert(place)));
        }
        vocabulary
    }

    /// What `text` says up to `end`, in the sense of [`mentions`].
    pub(crate) fn said(&self, text: &[u8], end: usize, said: &mut Said) {
        let known = text.get(..end).unwrap_or_default();
        if known.is_empty() {
            return;
        }
        if known.is_ascii() {
            return self.said_in_ascii(text, end, said);
        }
        each_word(known, |word| self.look_up_with_stem(word, said));
    }

    /// The same for plain letters.
    fn said_in_ascii(&self, text: &[u8], end: usize, said: &mut Said) {
        let text = text.get(end.saturating_sub(ascii::MOST)..).unwrap_or_default();
        let length = end.min(ascii::MOST);
        let earliest = length.saturating_sub(REACH);
        Words::of(self.isa, &self.tables, text, length, earliest)
            .beginning_with(|letters| self.begins_some(letters))
            .each(|word| self.look_up_with_stem(word, said));
    }

    #[inline(never)]
    fn look_up_with_stem(&self, word: &[u8], said: &mut Said) {
        self.look_up(word, said);
        if let Some(stem) = stem(word) {
            self.look_up(stem, said);
        }
    }

    /// Whether any word, or its plural, begins with the same three letters.
    #[inline]
    fn begins_some(&self, letters: [u8; 3]) -> bool {
        let (place, bit) = beginning(letters);
        self.beginnings.get(place).is_some_and(|bits| bits >> bit & 1 == 1)
    }

    fn look_up(&self, word: &[u8], said: &mut Said) {
        let mut slot = hash(word);
        while let Some(Some(entry)) = self.slots.get(slot & (self.slots.len() - 1)) {
            if entry.word.as_bytes().eq_ignore_ascii_case(word) {
                said.support = said.support.or(entry.said.support);
                said.against = said.against.or(entry.said.against);
                return;
            }
            slot += 1;
        }
    }

    fn add(&mut self, word: &'static str, note: impl Fn(&mut Said)) {
        // A plural begins with other letters where a word has two.
        let [first, second, third] = first_three(word.as_bytes());
        let plural = [first, second, if third == 0 { b's' } else { third }];
        for (place, bit) in [beginning([first, second, third]), beginning(plural)] {
            if let Some(bits) = self.beginnings.get_mut(place) {
                *bits |= 1 << bit;
            }
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(word.as_bytes());
        let taken_by_other = |slots: &[Option<Entry>], slot: usize| {
            let entry = slots.get(slot & mask).and_then(Option::as_ref);
            entry.is_some_and(|entry| !entry.word.eq_ignore_ascii_case(word))
        };
        while taken_by_other(&self.slots, slot) {
            slot += 1;
        }
        let fresh = || Entry { word, said: Said::default() };
        if let Some(slot) = self.slots.get_mut(slot & mask) {
            note(&mut slot.get_or_insert_with(fresh).said);
        }
    }
}

/// Of FNV's kind, on small letters.
fn hash(word: &[u8]) -> usize {
    let hash = word.iter().fold(0x811C_9DC5_u32, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    });
    (hash ^ hash >> 15) as usize
}

/// Three letters of five bits each, 64 of them in each number.
const BEGINNINGS: usize = 1 << 15 >> 6;

/// The first three letters of a word of two and more.
fn first_three(word: &[u8]) -> [u8; 3] {
    [0, 1, 2].map(|place| word.get(place).copied().unwrap_or_default())
}

/// The place of three letters, in any case, in a table of bits.
#[inline]
fn beginning(letters: [u8; 3]) -> (usize, u32) {
    let place = letters.iter().fold(0, |place, letter| place << 5 | usize::from(letter & 31));
    (place / 64, (place % 64) as u32)
}

/// Gives the words of two letters and more that begin within [`REACH`] of the end.
#[inline]
fn each_word(text: &[u8], mut take: impl FnMut(&[u8])) {
    let earliest = text.len().saturating_sub(REACH);
    let mut start = None;
    let mut before = Letter::No;
    let mut script = Script::Alphabet;
    for (at, byte) in text.iter().chain([&b' ']).enumerate() {
        let mut letter = letter(*byte);
        let mut ends = letter == Letter::Capital && before == Letter::Small;
        if letter == Letter::EastAsian {
            let here = Script::of(text.get(at..at + 3).unwrap_or_default());
            letter = if here == Script::Mark { Letter::No } else { Letter::EastAsian };
            ends = here != script;
            script = here;
        } else if letter != Letter::Inside {
            ends |= script != Script::Alphabet;
            script = Script::Alphabet;
        }
        before = letter;
        if let Some(first) = start
            && (letter == Letter::No || ends)
        {
            if first >= earliest && at - first > 1 {
                take(text.get(first..at).unwrap_or_default());
            }
            start = None;
        }
        if start.is_none() && !matches!(letter, Letter::No | Letter::Digit | Letter::Inside) {
            start = Some(at);
        }
    }
}

/// What a byte is in a word. Those of other scripts count as letters, so that a word of one is
/// compared as a whole; but U+0080 to U+00BF, U+2000 to U+2FFF and U+F000 on hold marks, and spaces
/// that do not break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    No,
    Digit,
    Small,
    Capital,
    Other,
    /// The first byte of Kana, Han or Hangul, or of their marks.
    EastAsian,
    /// A further byte of a character.
    Inside,
}

#[inline]
fn letter(byte: u8) -> Letter {
    LETTERS.get(usize::from(byte)).copied().unwrap_or(Letter::No)
}

static LETTERS: [Letter; 256] = {
    let mut table = [Letter::No; 256];
    let mut byte = 0_u8;
    let mut rest: &mut [Letter] = &mut table;
    while let [first, others @ ..] = rest {
        *first = match byte {
            b'0'..=b'9' => Letter::Digit,
            b'a'..=b'z' => Letter::Small,
            b'A'..=b'Z' => Letter::Capital,
            0x80..=0xBF => Letter::Inside,
            0xC2 | 0xE2 | 0xEF => Letter::No,
            0xE3..=0xED => Letter::EastAsian,
            0xC0.. => Letter::Other,
            _ => Letter::No,
        };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

/// What a run of characters without spaces is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Script {
    Alphabet,
    Mark,
    Hiragana,
    Katakana,
    Han,
    Hangul,
}

impl Script {
    /// Of a character of three bytes that begins with E3 to ED.
    fn of(character: &[u8]) -> Self {
        match character {
            [0xE3, 0x80, ..] => Self::Mark,
            [0xE3, 0x81, ..] | [0xE3, 0x82, 0..=0x9F] => Self::Hiragana,
            [0xE3, 0x82 | 0x83, ..] => Self::Katakana,
            [0xE3..=0xE9, ..] => Self::Han,
            _ => Self::Hangul,
        }
    }
}

/// Small words that Korean and Chinese write to the end of a noun: topic, subject, object, `is`.
const PARTICLES: &[&str] = &["는", "은", "이", "가", "을", "를", "是", "为", "為"];

/// The word without its plural `s` or its particle.
fn stem(word: &[u8]) -> Option<&[u8]> {
    match word {
        [singular @ .., b's' | b'S'] => Some(singular),
        [.., 0x80..=0xFF] => {
            PARTICLES.iter().find_map(|particle| word.strip_suffix(particle.as_bytes()))
        }
        _ => None,
    }
}

fn same(word: &[u8], wanted: &str) -> bool {
    let wanted = wanted.as_bytes();
    word.eq_ignore_ascii_case(wanted)
        || stem(word).is_some_and(|stem| stem.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(text: &str, words: &[&'static str]) -> bool {
        let mut said = Said::default();
        let vocabulary = Vocabulary::new(Isa::detect(), &[(&[], &[]), (words, &["order"])]);
        vocabulary.said(text.as_bytes(), text.len(), &mut said);
        assert!(!said.support.has(0) && !said.against.has(0));
        assert_eq!(said.support.has(1), mentions(text.as_bytes(), words), "{text}");
        said.support.has(1)
    }

    #[test]
    fn only_whole_words_count() {
        let words = ["card", "lic", "téléphone"];
        for yes in ["my card is ", "Cards: ", "cardNumber", "CARD_NO", "mon téléphone "] {
            assert!(says(yes, &words), "{yes}");
        }
        for no in ["public ", "cardboard ", "discard ", ""] {
            assert!(!says(no, &words), "{no}");
        }
    }

    #[test]
    fn words_end_at_marks_of_every_script_and_where_the_script_changes() {
        let words = ["id", "telefon", "電話番号", "マイナンバー", "身份证号码", "여권번호"];
        for yes in [
            "ID\u{a0}Number",
            "„Telefon“ ",
            "電話番号は",
            "私のマイナンバーは",
            "（電話番号）：",
            "身份证号码是",
            "여권번호는 ",
            "「電話番号」",
            "電話番号03",
        ] {
            assert!(says(yes, &words), "{yes}");
        }
        for no in ["電話番号簿", "grid\u{a0}", "マイナンバーカード"] {
            assert!(!says(no, &words), "{no}");
        }
    }

    #[test]
    fn words_of_ascii_are_the_same_by_either_way() {
        let letters = b"aB4_- zZ9@[`{/:";
        let mut random = 88_172_645_463_325_252_u64;
        for _ in 0..20_000 {
            let mut text = Vec::new();
            for _ in 0..random % 65 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                text.push(letters[(random >> 32) as usize % letters.len()]);
            }
            random = random.wrapping_mul(3).max(1);
            let mut expected = Vec::new();
            each_word(&text, |word| expected.push(word.to_vec()));
            let (length, earliest) = (text.len(), text.len().saturating_sub(REACH));
            // What stands behind changes nothing.
            for isa in Isa::here() {
                for behind in ["", "next"] {
                    let mut found = Vec::new();
                    let text = [&text, behind.as_bytes()].concat();
                    Words::of(isa, &ascii::tables(), &text, length, earliest)
                        .each(|word| found.push(word.to_vec()));
                    assert_eq!(expected, found, "{isa:?} {}", String::from_utf8_lossy(&text));
                }
            }
        }
    }

    #[test]
    fn a_word_too_far_away_does_not_count() {
        assert!(says(&format!("card{}", " ".repeat(52)), &["card"]));
        assert!(!says(&format!("card{}", " ".repeat(53)), &["card"]));
    }

    #[test]
    fn every_word_of_a_large_vocabulary_is_found_again() {
        let words: Vec<&'static str> =
            crate::RECOGNIZERS.iter().flat_map(|row| row.context).copied().collect();
        for word in &words {
            says(word, &words);
        }
    }
}
