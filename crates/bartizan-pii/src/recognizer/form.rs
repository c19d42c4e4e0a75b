//! Does a value of a fixed form stand here? Most numbers of offices are so many digits and letters.
//!
//! A form is written as its value looks, one character for each place:
//!
//! | place | stands for |
//! |---|---|
//! | `9` | a digit |
//! | `A` | a letter |
//! | `X` | a letter or a digit |
//! | `_` | the separator of this value: a space, `-` or `.`, everywhere the same, or nowhere any |
//! | `~` | a space, `-`, `.` or `/`, or nothing |
//! | `?` behind a place | that place may be missing |
//! | anything else | itself; small letters in any case |

use crate::{End, Peek, Window, window::is_word};

/// The most digits and letters of a form.
const MOST: usize = 40;

/// The digits and letters of a value, in capitals, without its separators.
struct Plain {
    bytes: [u8; MOST],
    length: usize,
}

impl Plain {
    #[inline]
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte.to_ascii_uppercase();
            self.length += 1;
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The end of the first of `forms` that stands at `at`, touches no other word or number, and whose
/// digits and letters, in capitals and without separators, are `valid`.
pub(crate) fn find(
    window: &Window<'_>,
    at: usize,
    forms: &[&str],
    valid: impl Fn(&[u8]) -> bool,
) -> Peek<Option<End>> {
    if !may_begin(window, at) {
        return Ok(None);
    }
    let Some(byte) = window.byte(at)? else { return Ok(None) };
    for form in forms.iter().filter(|form| may_begin_with(form.as_bytes(), byte)) {
        let mut plain = Plain { bytes: [0; MOST], length: 0 };
        if let Some(end) = follow(window, at, form.as_bytes(), &mut plain)?
            && valid(plain.as_bytes())
            && let Some(end) = last(window, at, end)?
        {
            return Ok(Some(End::At(end)));
        }
    }
    Ok(None)
}

/// Where a value from `at` on ends whose form ends before `end`. Digits in one run may have `.0` behind
/// them, as spreadsheets and tables of data write whole numbers; `.00` is an amount of money.
fn last(window: &Window<'_>, at: usize, end: usize) -> Peek<Option<usize>> {
    if may_end(window, end)? {
        return Ok(Some(end));
    }
    let is_float = window.is(end, |byte| byte == b'.')?
        && window.is(end + 1, |byte| byte == b'0')?
        && may_end(window, end + 2)?
        && window.bytes().get(at..end).is_some_and(|value| value.iter().all(u8::is_ascii_digit));
    Ok(is_float.then_some(end + 2))
}

/// Whether a value of one of `forms` may begin with this byte.
pub(crate) fn may_start(forms: &[&str], byte: u8) -> bool {
    forms.iter().any(|form| may_begin_with(form.as_bytes(), byte))
}

fn may_begin_with(form: &[u8], byte: u8) -> bool {
    let optional = form.get(1) == Some(&b'?');
    form.first().is_some_and(|place| fits(*place, byte))
        || (optional && form.get(2).is_some_and(|place| fits(*place, byte)))
}

/// The most bytes that a value of one of `forms` needs to be decided, `.0` and the two behind it with it.
pub(crate) const fn longest(mut forms: &[&str]) -> usize {
    let mut longest = 0;
    while let Some((form, rest)) = forms.split_first() {
        if form.len() > longest {
            longest = form.len();
        }
        forms = rest;
    }
    longest + 4
}

fn follow(window: &Window<'_>, at: usize, form: &[u8], plain: &mut Plain) -> Peek<Option<usize>> {
    let Some(digits) = leading_digits(window, at, form, plain) else { return Ok(None) };
    let (mut end, mut rest) = (at + digits, form.get(digits..).unwrap_or_default());
    // The separator of this value, once its first place was passed.
    let mut common: Option<Option<u8>> = None;
    while let [place, others @ ..] = rest {
        let (place, optional) = (*place, others.first() == Some(&b'?'));
        rest = if optional { others.get(1..).unwrap_or_default() } else { others };
        let byte = window.byte(end)?;
        if let Some(byte) = byte.filter(|byte| fits(place, *byte)) {
            if class(byte) & (DIGIT | LETTER) != 0 {
                plain.push(byte);
            }
            if place == b'_' && *common.get_or_insert(Some(byte)) != Some(byte) {
                return Ok(None);
            }
            end += 1;
        } else if place == b'_' {
            if common.get_or_insert(None).is_some() {
                return Ok(None);
            }
        } else if place != b'~' && !optional {
            return Ok(None);
        }
    }
    Ok(Some(end))
}

/// How many places for digits at the beginning of a form are taken by some, as all of them are known;
/// `None` if others stand there. Most forms are refused here, all places at once.
#[inline]
fn leading_digits(window: &Window<'_>, at: usize, form: &[u8], plain: &mut Plain) -> Option<usize> {
    let places = form.iter().take_while(|place| **place == b'9').count();
    let places = places - usize::from(places > 0 && form.get(places) == Some(&b'?'));
    if places == 0 {
        return Some(0);
    }
    let Some(text) = window.bytes().get(at..at + places) else { return Some(0) };
    plain.bytes.get_mut(..places)?.copy_from_slice(text);
    plain.length = places;
    text.iter().all(u8::is_ascii_digit).then_some(places)
}

/// Whether a byte is one for a place of a form.
#[inline]
pub(crate) fn fits(place: u8, byte: u8) -> bool {
    match place {
        b'9' => class(byte) & DIGIT != 0,
        b'A' => class(byte) & LETTER != 0,
        b'X' => class(byte) & (DIGIT | LETTER) != 0,
        b'_' => class(byte) & GAP != 0,
        b'~' => class(byte) & (GAP | SLASH) != 0,
        small if small.is_ascii_lowercase() => byte.eq_ignore_ascii_case(&small),
        other => byte == other,
    }
}

const DIGIT: u8 = 1;
const LETTER: u8 = 2;
const GAP: u8 = 4;
const SLASH: u8 = 8;

#[inline]
fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// A table, because this is asked of every place of every form.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0_u8;
    while let [first, others @ ..] = rest {
        *first = match byte {
            b'0'..=b'9' => DIGIT,
            b'A'..=b'Z' | b'a'..=b'z' => LETTER,
            b' ' | b'-' | b'.' => GAP,
            b'/' => SLASH,
            _ => 0,
        };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

/// Not inside a word, nor as a part of something longer that is joined by `-`, `.` or `/`.
fn may_begin(window: &Window<'_>, at: usize) -> bool {
    match window.before(at, 1) {
        None => true,
        Some(b'-' | b'.' | b'/') => !window.before(at, 2).is_some_and(|b| b.is_ascii_digit()),
        Some(before) => !is_word(before),
    }
}

/// No word goes on here, and nothing is joined by `-`, or by `.` and a digit.
fn may_end(window: &Window<'_>, end: usize) -> Peek<bool> {
    match window.byte(end)? {
        None => Ok(true),
        Some(b'-') => Ok(!window.is(end + 1, is_word)?),
        Some(b'.' | b'/') => Ok(!window.is(end + 1, |b| b.is_ascii_digit())?),
        Some(next) => Ok(!is_word(next)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(form: &str, text: &str) -> Option<usize> {
        match find(&Window::whole(text.as_bytes()), 0, &[form], |_| true) {
            Ok(Some(End::At(end))) => Some(end),
            _ => None,
        }
    }

    #[test]
    fn a_common_separator_is_the_same_everywhere() {
        for good in ["123 45 6", "123-45-6", "123456"] {
            assert_eq!(end("999_99_9", good), Some(good.len()), "{good}");
        }
        for bad in ["123-45 6", "12345-6", "123 456", "123  45  6", "1234567", "123-45-6-7"] {
            assert_eq!(end("999_99_9", bad), None, "{bad}");
        }
        assert_eq!(end("de~99~9", "DE-12 3."), Some(7));
        assert_eq!(end("A?999", "123"), Some(3));
    }

    #[test]
    fn a_number_may_have_come_out_of_a_spreadsheet() {
        assert_eq!(end("999_99_9", "123456.0"), Some(8));
        assert_eq!(end("999_99_9", "123456.0, 1"), Some(8));
        for other in ["123456.00", "123456.5", "123456.0.1", "123456.0x", "123-45-6.0"] {
            assert_eq!(end("999_99_9", other), None, "{other}");
        }
        assert_eq!(end("A999", "A123.0"), None);
    }

    #[test]
    fn the_validator_sees_capitals_and_no_separators() {
        let seen = |text: &[u8]| text == b"AB12";
        let window = Window::whole(b"ab-12");
        assert_eq!(find(&window, 0, &["AA_99"], seen), Ok(Some(End::At(5))));
    }
}
