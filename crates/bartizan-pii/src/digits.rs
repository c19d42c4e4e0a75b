//! How are numbers written? In runs of digits, perhaps with separators between.

use crate::{Peek, Window, window::is_word};

/// Whether a number may begin at `at`: not inside a word, and not behind `4.` or `4-`, where it
/// would be the tail of a longer number.
pub(crate) fn may_begin(window: &Window<'_>, at: usize) -> bool {
    match window.before(at, 1) {
        None => true,
        Some(b'.' | b'-') => !window.before(at, 2).is_some_and(|b| b.is_ascii_digit()),
        Some(before) => !is_word(before),
    }
}

/// Whether a number may end before `end`: no word goes on there, and no `.4` or `-4`.
pub(crate) fn may_end(window: &Window<'_>, end: usize) -> Peek<bool> {
    match window.byte(end)? {
        None => Ok(true),
        Some(b'.' | b'-') => Ok(!window.is(end + 1, |b| b.is_ascii_digit())?),
        Some(next) => Ok(!is_word(next)),
    }
}

/// The length of the run of digits at `at`, counted up to `most`.
pub(crate) fn run(window: &Window<'_>, at: usize, most: usize) -> Peek<usize> {
    window.count(at, most, |b| b.is_ascii_digit())
}

/// The end of groups of exactly these lengths with the same separator between them, if they stand
/// at `at` and nothing continues them.
pub(crate) fn groups(
    window: &Window<'_>,
    at: usize,
    lengths: &[usize],
    separator: impl Fn(u8) -> bool,
) -> Peek<Option<usize>> {
    let mut end = at;
    let mut common = None;
    for (index, &length) in lengths.iter().enumerate() {
        if index > 0 {
            let Some(byte) = window.byte(end)? else { return Ok(None) };
            if !separator(byte) || *common.get_or_insert(byte) != byte {
                return Ok(None);
            }
            end += 1;
        }
        if run(window, end, length + 1)? != length {
            return Ok(None);
        }
        end += length;
    }
    Ok(may_end(window, end)?.then_some(end))
}

/// The values of the digits between `at` and `end`, separators left out.
pub(crate) fn values<'t>(
    window: &Window<'t>,
    at: usize,
    end: usize,
) -> impl DoubleEndedIterator<Item = u8> + use<'t> {
    let bytes = window.bytes().get(at..end).unwrap_or_default();
    bytes.iter().filter(|b| b.is_ascii_digit()).map(|b| b - b'0')
}

/// The digits between `at` and `end` read as one number; at most 19 of them.
pub(crate) fn number(window: &Window<'_>, at: usize, end: usize) -> u64 {
    values(window, at, end).take(19).fold(0, |n, digit| n * 10 + u64::from(digit))
}
