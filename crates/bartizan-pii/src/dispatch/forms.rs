//! With what do the values of a form begin? A row that is a form gets its anchors from it.

use super::{Dispatch, NUMBER_REACH};
use crate::{Anchor, recognizer::form::fits};

impl Dispatch {
    /// What is common to all values of a form: its first run, and what follows that.
    pub(super) fn add_form(&mut self, row: usize, form: &[u8]) {
        let places = places(form);
        let count = |places: &[(u8, bool)]| {
            let digits = places.iter().filter(|(place, optional)| *place == b'9' && !optional);
            u8::try_from(digits.count()).unwrap_or(u8::MAX).min(NUMBER_REACH as u8)
        };
        let end = places.iter().position(|(place, _)| kinds(*place).1 || *place == b',');
        let before_end = places.get(..end.unwrap_or(places.len())).unwrap_or_default();
        let digits = Digits { all: count(&places), before_end: count(before_end) };
        self.follow_form(row, &places, Begun { digits: 0, letters: 0 }, digits);
    }

    fn follow_form(&mut self, row: usize, rest: &[(u8, bool)], begun: Begun, digits: Digits) {
        let number = digits.before_end;
        let Some(((place, optional), rest)) = rest.split_first() else {
            return match begun {
                Begun { digits: run @ 1.., .. } => {
                    self.add_number(row, (run, run), Anchor::NO_WORD, number);
                }
                Begun { .. } => self.anywhere.insert(row),
            };
        };
        let (digit, letter, marks) = kinds(*place);
        if may_be_missing((*place, *optional)) {
            self.follow_form(row, rest, begun, digits);
        }
        let Begun { digits: run, letters } = begun;
        if digit {
            match letters {
                0 => self.follow_form(row, rest, Begun { digits: run + 1, letters }, digits),
                _ => self.add_code(row, (letters, letters), false, digits.all),
            }
        }
        if letter {
            match run {
                0 => {
                    self.follow_form(row, rest, Begun { digits: run, letters: letters + 1 }, digits)
                }
                _ => self.add_number(row, (run, run), b"a", number),
            }
        }
        match (run, letters) {
            _ if marks.is_empty() => {}
            (1.., _) => self.add_number(row, (run, run), marks, number),
            (_, 1..) => self.gap_in_form(row, rest, letters, digits.all),
            // A mark before the first digit.
            _ => self.follow_form(row, rest, begun, digits),
        }
    }

    /// Behind letters and a separator: a digit, or something that no anchor describes.
    fn gap_in_form(&mut self, row: usize, rest: &[(u8, bool)], letters: u8, digits: u8) {
        let digit_follows = rest.first().is_some_and(|(place, optional)| {
            !optional && kinds(*place) == (true, false, b"".as_slice())
        });
        match digit_follows {
            true => self.add_code(row, (letters, letters), true, digits),
            false => self.anywhere.insert(row),
        }
    }
}

/// Whether a value with such anchors may have a byte behind its first one, which is a mark or none: a quick
/// no for forms, of which many begin with the same mark.
pub(super) fn may_be_second(anchors: &[Anchor], behind_mark: bool, byte: u8) -> bool {
    anchors.iter().any(|anchor| match anchor {
        Anchor::Forms(forms) => {
            forms.iter().any(|form| may_follow(&places(form.as_bytes()), behind_mark, byte))
        }
        _ => true,
    })
}

/// Whether a byte may stand behind the first one of a form.
fn may_follow(places: &[(u8, bool)], behind_mark: bool, byte: u8) -> bool {
    let Some((first, rest)) = places.split_first() else { return false };
    let (digit, letter, _) = kinds(first.0);
    let begins = behind_mark != (digit || letter) && may_stand(rest, byte);
    begins || (may_be_missing(*first) && may_follow(rest, behind_mark, byte))
}

/// Whether a byte may stand where these places of a form begin.
fn may_stand(places: &[(u8, bool)], byte: u8) -> bool {
    places.split_first().is_none_or(|(first, rest)| {
        fits(first.0, byte) || (may_be_missing(*first) && may_stand(rest, byte))
    })
}

fn may_be_missing((place, optional): (u8, bool)) -> bool {
    optional || matches!(place, b'_' | b'~')
}

/// How many digits a form has: in all, and before its first place for a letter or comma.
#[derive(Clone, Copy)]
struct Digits {
    all: u8,
    before_end: u8,
}

/// The first run of a form so far: of digits or of letters.
#[derive(Clone, Copy)]
struct Begun {
    digits: u8,
    letters: u8,
}

/// The places of a form, and whether each may be missing.
fn places(form: &[u8]) -> Vec<(u8, bool)> {
    let mut places: Vec<(u8, bool)> = Vec::new();
    for &byte in form {
        match places.last_mut() {
            Some((_, optional)) if byte == b'?' => *optional = true,
            _ => places.push((byte, false)),
        }
    }
    places
}

/// Whether a digit, whether a letter, and which marks may stand at a place of a form.
fn kinds(place: u8) -> (bool, bool, &'static [u8]) {
    match place {
        b'9' => (true, false, b""),
        b'A' => (false, true, b""),
        b'X' => (true, true, b""),
        b'_' => (false, false, b" -."),
        b'~' => (false, false, b" -./"),
        _ if place.is_ascii_digit() => (true, false, b""),
        _ if place.is_ascii_alphabetic() => (false, true, b""),
        // Any mark that is not told apart stands for itself as one of its kind.
        _ => (false, false, b" -.,:()/?"),
    }
}
