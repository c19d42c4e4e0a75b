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
    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length).filter(|_| byte.is_ascii_alphanumeric())
        {
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
            && may_end(window, end)?
        {
            return Ok(Some(End::At(end)));
        }
    }
    Ok(None)
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

/// The most bytes that a value of one of `forms` needs to be decided, the two behind it with it.
pub(crate) const fn longest(mut forms: &[&str]) -> usize {
    let mut longest = 0;
    while let Some((form, rest)) = forms.split_first() {
        if form.len() > longest {
            longest = form.len();
        }
        forms = rest;
    }
    longest + 2
}

fn follow(window: &Window<'_>, at: usize, form: &[u8], plain: &mut Plain) -> Peek<Option<usize>> {
    let mut end = at;
    // The separator of this value, once its first place was passed.
    let mut common: Option<Option<u8>> = None;
    let mut places = form.iter().peekable();
    while let Some(&place) = places.next() {
        let optional = places.next_if_eq(&&b'?').is_some();
        let byte = window.byte(end)?;
        if place == b'_' || place == b'~' {
            let here = byte.filter(|byte| fits(place, *byte));
            if place == b'_' && *common.get_or_insert(here) != here {
                return Ok(None);
            }
            end += usize::from(here.is_some());
        } else if let Some(byte) = byte.filter(|byte| fits(place, *byte)) {
            plain.push(byte);
            end += 1;
        } else if !optional {
            return Ok(None);
        }
    }
    Ok(Some(end))
}

fn fits(place: u8, byte: u8) -> bool {
    match place {
        b'9' => byte.is_ascii_digit(),
        b'A' => byte.is_ascii_alphabetic(),
        b'X' => byte.is_ascii_alphanumeric(),
        b'_' => matches!(byte, b' ' | b'-' | b'.'),
        b'~' => matches!(byte, b' ' | b'-' | b'.' | b'/'),
        small if small.is_ascii_lowercase() => byte.eq_ignore_ascii_case(&small),
        other => byte == other,
    }
}

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
    fn the_validator_sees_capitals_and_no_separators() {
        let seen = |text: &[u8]| text == b"AB12";
        let window = Window::whole(b"ab-12");
        assert_eq!(find(&window, 0, &["AA_99"], seen), Ok(Some(End::At(5))));
    }
}
