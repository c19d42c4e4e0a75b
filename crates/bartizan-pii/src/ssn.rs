//! Is this a United States social security number?
//!
//! The Social Security Administration never issued area 000, 666 or 900–999, group 00 or serial
//! 0000; since the randomisation of 2011 everything else is possible. Numbers of 9xx areas are tax
//! numbers (ITIN) or mistakes: they count only beside a word.

use crate::{End, Peek, Window, digits};

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
    if !digits::may_begin(window, at) || digits::run(window, at, 10)? != 9 {
        return Ok(None);
    }
    let end = at + 9;
    let first = digits::values(window, at, end).next();
    let uniform = digits::values(window, at, end).all(|digit| Some(digit) == first);
    let sound = !uniform && issuable(window, at, end, |_| true);
    Ok((sound && digits::may_end(window, end)?).then_some(End::At(end)))
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
