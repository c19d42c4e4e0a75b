//! Which words does a model see in a text, where do they stand, and of which pieces are they?
//!
//! As the models of the BERT family were taught to read: what cannot be seen is left out, accents and
//! case as well where the model knows neither, and a word ends at blanks, at marks and at ideograms.
//! Each word knows its place in the text as it was written.

use std::ops::Range;

use unicode_normalization::char::decompose_canonical;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

use crate::vocabulary::Vocabulary;

/// The longest word, in characters; a longer one is unknown as a whole. So a word has no more pieces.
pub const MAX_WORD: usize = 100;

/// So many of the characters of base64 in a row, in bytes, are no prose but a picture or a key, and
/// count as one unknown word: a model would spend its time on them.
pub const BLOB: usize = 256;

/// Cuts texts into words, and words into pieces.
#[derive(Clone, Debug)]
pub struct Reader {
    vocabulary: Vocabulary,
    plain: bool,
}

/// A text as a model reads it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reading {
    /// The words, in their order; none overlaps another.
    pub words: Vec<Word>,
    /// The numbers of all their pieces.
    pub pieces: Vec<i64>,
}

/// A word, or a mark that stands for itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Word {
    /// Its place in the text, in bytes.
    pub place: Range<usize>,
    /// Its pieces among those of the text; at least one, and at most [`MAX_WORD`].
    pub pieces: Range<usize>,
}

impl Reader {
    /// A reader with a vocabulary of one piece a line; `plain` where the model knows neither case
    /// nor accents. `None` where the vocabulary lacks `[UNK]`, `[CLS]` or `[SEP]`.
    #[must_use]
    pub fn new(vocabulary: &str, plain: bool) -> Option<Self> {
        Some(Self { vocabulary: Vocabulary::new(vocabulary)?, plain })
    }

    /// The numbers of the marks before and behind what a model is shown.
    #[must_use]
    pub fn marks(&self) -> (i64, i64) {
        (self.vocabulary.first, self.vocabulary.last)
    }

    /// The words of a text.
    #[must_use]
    pub fn read(&self, text: &str) -> Reading {
        let mut writing = Writing { reader: self, reading: Reading::default(), open: None };
        let mut looked = 0;
        for (start, letter) in text.char_indices() {
            if start >= looked {
                let run = run(text.as_bytes().get(start..).unwrap_or_default());
                looked = start + run.max(1);
                if run >= BLOB {
                    writing.unknown(start..looked);
                }
            }
            if writing.reading.words.last().is_some_and(|word| word.place.end > start) {
                continue;
            }
            let place = start..start + letter.len_utf8();
            match sort(letter) {
                Sort::Unseen => {}
                Sort::Blank => writing.end(),
                Sort::Ideogram => writing.alone(letter, place),
                Sort::Other => self.letters(letter, |letter| {
                    if is_mark(letter) {
                        writing.alone(letter, place.clone());
                    } else {
                        writing.letter(letter, place.clone());
                    }
                }),
            }
            // An accent belongs to what it stands on, also where the model does not see it.
            if let Some(word) = &mut writing.open
                && word.place.end == start
                && letter.general_category() == GeneralCategory::NonspacingMark
            {
                word.place.end = start + letter.len_utf8();
            }
        }
        writing.end();
        writing.reading
    }

    /// What the model sees of a character.
    fn letters(&self, letter: char, mut give: impl FnMut(char)) {
        if !self.plain || letter.is_ascii() {
            return give(if self.plain { letter.to_ascii_lowercase() } else { letter });
        }
        decompose_canonical(letter, |part| {
            if part.general_category() != GeneralCategory::NonspacingMark {
                part.to_lowercase().for_each(&mut give);
            }
        });
    }
}

/// How many characters of base64 stand here in a row.
fn run(text: &[u8]) -> usize {
    let of_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(byte);
    text.iter().take_while(of_base64).count()
}

enum Sort {
    Unseen,
    Blank,
    Ideogram,
    Other,
}

fn sort(letter: char) -> Sort {
    match letter {
        '\t' | '\n' | '\r' | ' ' => Sort::Blank,
        '\0'..='\u{1f}' | '\u{7f}' | '\u{fffd}' => Sort::Unseen,
        '!'..='~' => Sort::Other,
        _ if letter.general_category_group() == GeneralCategoryGroup::Other => Sort::Unseen,
        _ if letter.is_whitespace() => Sort::Blank,
        '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2a6df}'
        | '\u{2a700}'..='\u{2ceaf}'
        | '\u{2f800}'..='\u{2fa1f}' => Sort::Ideogram,
        _ => Sort::Other,
    }
}

/// Whether a character ends a word and is one by itself.
fn is_mark(letter: char) -> bool {
    letter.is_ascii_punctuation()
        || !letter.is_ascii()
            && letter.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// A reading under way.
struct Writing<'r> {
    reader: &'r Reader,
    reading: Reading,
    open: Option<Open>,
}

/// A word that has not ended.
struct Open {
    letters: String,
    count: usize,
    place: Range<usize>,
}

impl Writing<'_> {
    fn letter(&mut self, letter: char, place: Range<usize>) {
        // Where one character is several for the model, the first that ended a word has its place.
        let taken = self.reading.words.last().is_some_and(|word| word.place.end > place.start);
        if self.open.is_none() && taken {
            return;
        }
        let fresh = || Open { letters: String::new(), count: 0, place: place.clone() };
        let word = self.open.get_or_insert_with(fresh);
        word.place.end = place.end;
        word.count += 1;
        // Of a word that is too long nothing more is needed.
        if word.count <= MAX_WORD {
            word.letters.push(letter);
        }
    }

    fn unknown(&mut self, place: Range<usize>) {
        self.end();
        let start = self.reading.pieces.len();
        self.reading.pieces.push(self.reader.vocabulary.unknown);
        self.reading.words.push(Word { place, pieces: start..start + 1 });
    }

    fn alone(&mut self, letter: char, place: Range<usize>) {
        self.end();
        self.letter(letter, place);
        self.end();
    }

    fn end(&mut self) {
        let Some(Open { letters, count, place }) = self.open.take() else { return };
        let (vocabulary, pieces) = (&self.reader.vocabulary, &mut self.reading.pieces);
        let start = pieces.len();
        match count {
            0..=MAX_WORD => vocabulary.pieces(&letters, pieces),
            _ => pieces.push(vocabulary.unknown),
        }
        self.reading.words.push(Word { place, pieces: start..pieces.len() });
    }
}
