//! Is this plain prose, in which no value begins? Asked of the most pieces of every stream first.
//!
//! The answer holds for every continuation, and only where every value holds a digit, an `@`, a
//! percent sign or a long word: words of letters, and the marks of sentences, brackets and code around
//! them. It reaches up to the last blank or mark that ends a word, as a value may begin with the word
//! that is not ended; what it is not sure of, it leaves to the search.

use crate::encoded;

/// Longer words may be keys.
const LONGEST: usize = 18;
/// Longer words may be encoded.
const LONGEST_PLAIN: usize = 9;
/// So many letters and marks that stand one by one may be a spread word.
const FEWEST_SPREAD: usize = 3;

/// What a byte is in plain prose.
#[derive(Clone, Copy)]
enum Kind {
    Letter,
    /// Marks beside and inside of words.
    Mark,
    /// A hyphen, which is one of those behind a letter; behind another it may begin a frame.
    Hyphen,
    /// Blanks and marks that end a word.
    End,
    /// Whatever may be of a value.
    Other,
}

/// A table, because this is asked of most bytes of a stream.
static KINDS: [Kind; 256] = {
    let mut table = [Kind::Other; 256];
    let mut rest: &mut [Kind] = &mut table;
    let mut byte = 0_u8;
    while let [first, others @ ..] = rest {
        *first = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Kind::Letter,
            b'.' | b'\'' | b':' | b'`' | b'(' | b')' | b'[' | b']' | b'{' | b'}' => Kind::Mark,
            b'<' | b'>' | b'=' | b'|' | b'#' | b'/' | b'$' | b'~' => Kind::Mark,
            b'-' => Kind::Hyphen,
            b' ' | b'\n' | b',' | b'!' | b'?' | b';' | b'"' => Kind::End,
            _ => Kind::Other,
        };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

/// What stands between two ends: so many letters, and whether marks among them.
#[derive(Clone, Copy, Default)]
struct Word {
    letters: usize,
    marked: bool,
    /// Where it begins.
    start: usize,
}

impl Word {
    /// Whether it may say something in base64: not if it is short, or begins otherwise.
    fn may_be_encoded(self, rest: &[u8]) -> bool {
        let whole = || encoded::may_begin(rest.get(self.start..).unwrap_or_default());
        self.letters > LONGEST_PLAIN && (self.marked || whole())
    }
}

/// How many bytes of `rest` are plain prose; `None` if something else is among them.
pub(crate) fn clear(rest: &[u8]) -> Option<usize> {
    let (mut word, mut singles, mut clear) = (Word::default(), 0, 0);
    let mut behind_letter = false;
    for (at, byte) in rest.iter().enumerate() {
        let letter = match KINDS.get(usize::from(*byte))? {
            Kind::Letter => {
                word.letters += 1;
                true
            }
            Kind::Hyphen if !behind_letter => return None,
            Kind::Mark | Kind::Hyphen => {
                word.marked = true;
                false
            }
            Kind::End => {
                singles = match at - word.start {
                    length @ 0..=1 => singles + length,
                    _ => 0,
                };
                if singles == FEWEST_SPREAD || word.may_be_encoded(rest) {
                    return None;
                }
                if singles == 0 {
                    clear = at + 1;
                }
                word = Word { start: at + 1, ..Word::default() };
                false
            }
            Kind::Other => return None,
        };
        if word.letters > LONGEST {
            return None;
        }
        behind_letter = letter;
    }
    Some(clear)
}
