//! Is this a United States social security number?
//!
//! The Social Security Administration never issued area 000, 666 or 900–999, group 00 or serial
//! 0000; since the randomisation of 2011 everything else is possible. Numbers of 9xx areas are tax
//! numbers (ITIN) or mistakes: they count only beside a word.

use crate::{End, Peek, Window, digits, window::is_word};

pub(crate) const MAX_LEN: usize = 14;

const SHAPE: &[usize] = &[3, 2, 4];

pub(crate) fn dashed(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    separated(window, at, |b| b == b'-', |area| area < 900)
}

pub(crate) fn spaced(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    separated(window, at, |b| b == b' ' || b == b'.', |area| area < 900)
}

pub(crate) fn weak(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let separator = |b| matches!(b, b'-' | b' ' | b'.');
    if let Some(end) = separated(window, at, separator, |area| area >= 900)? {
        return Ok(Some(end));
    }
    match bare(window, at)? {
        None => digits::floating(window, at, 9, |digits| bare(digits, 0)),
        found => Ok(found),
    }
}

/// Nine digits.
fn bare(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if !digits::may_begin(window, at) || digits::run(window, at, 10)? != 9 {
        return Ok(None);
    }
    let end = at + 9;
    let first = digits::values(window, at, end).next();
    let uniform = digits::values(window, at, end).all(|digit| Some(digit) == first);
    let sound = !uniform && issuable(window, at, end, |_| true);
    Ok((sound && digits::may_end(window, end)?).then_some(End::At(end)))
}

/// With dashes, and beyond the issued areas.
pub(crate) fn unissued(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    separated(window, at, |b| b == b'-', |area| area >= 900)
}

/// With dashes, and with letters in it that a reader of scanned paper takes for digits.
pub(crate) fn misread(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(|b| is_word(b) || b == b'-') {
        return Ok(None);
    }
    let (mut end, mut digits) = (at, 0);
    for (index, length) in SHAPE.iter().enumerate() {
        if index > 0 {
            if !window.is(end, |b| b == b'-')? {
                return Ok(None);
            }
            end += 1;
        }
        if window.count(end, length + 1, looks_like_digit)? != *length {
            return Ok(None);
        }
        let group = window.bytes().get(end..end + length).unwrap_or_default();
        digits += group.iter().filter(|b| b.is_ascii_digit()).count();
        end += length;
    }
    Ok(((5..9).contains(&digits) && !window.is(end, is_word)?).then_some(End::At(end)))
}

pub(crate) fn looks_like_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || b"OoQDIlLiZzSsBbGgqT".contains(&byte)
}

fn separated(
    window: &Window<'_>,
    at: usize,
    separator: impl Fn(u8) -> bool,
    area: impl Fn(u64) -> bool,
) -> Peek<Option<End>> {
    if !digits::may_begin(window, at) {
        return Ok(None);
    }
    let Some(end) = digits::groups(window, at, SHAPE, separator)? else { return Ok(None) };
    Ok(issuable(window, at, end, area).then_some(End::At(end)))
}

fn issuable(window: &Window<'_>, at: usize, end: usize, in_area: impl Fn(u64) -> bool) -> bool {
    let number = digits::number(window, at, end);
    let (area, group, serial) = (number / 1_000_000, number / 10_000 % 100, number % 10_000);
    area != 0 && area != 666 && in_area(area) && group != 0 && serial != 0
}
