//! How are numbers written? In runs of digits, perhaps with separators between, or as floating-point
//! numbers: `4111111111111111.0` and `4.111111111111111e15` are what many writers make of a card.

use std::{borrow::Cow, ops::RangeInclusive};

use crate::{End, Peek, Window, window::is_word};

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

/// Shorter numbers hold no entity that this crate finds, longer ones are no integers anywhere.
const DIGITS: RangeInclusive<usize> = 7..=19;

/// The digits of a number that is a whole one of 7 to 19 digits, without its sign, however it is
/// written. The text is a number by RFC 8259, section 6.
pub(crate) fn integer(number: &str) -> Option<Cow<'_, str>> {
    let number = number.strip_prefix('-').unwrap_or(number);
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        return DIGITS.contains(&number.len()).then_some(Cow::Borrowed(number));
    }
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // One that does not fit is no exponent of a number that is looked for.
    let exponent: i64 = exponent.parse().ok()?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() && exponent == 0 {
        return DIGITS.contains(&whole.len()).then_some(Cow::Borrowed(whole));
    }
    let digits = [whole, fraction].concat();
    let digits = digits.trim_start_matches('0');
    let zeros = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let length = i64::try_from(digits.len()).ok()?.checked_add(zeros)?;
    let length = usize::try_from(length).ok().filter(|length| DIGITS.contains(length))?;
    if digits.is_empty() {
        return None;
    }
    // Of one with a fraction the digits before it mean nothing that is looked for.
    let (digits, rest) = digits.split_at(length.min(digits.len()));
    let is_whole = rest.bytes().all(|digit| digit == b'0');
    is_whole.then(|| Cow::Owned(format!("{digits:0<length$}")))
}

/// The most digits of a part of a floating-point number that is looked for in texts.
const PART: usize = 20;

/// No writer needs more digits for the exponent of a number of [`DIGITS`].
const EXPONENT: usize = 3;

/// The most bytes that decide on a [`floating`] number.
pub(crate) const LONGEST_FLOATING: usize = PART + 1 + PART + 2 + EXPONENT + 2;

/// All of the whole number that stands at `at` as a floating-point number, with a point or an exponent,
/// where its digits by themselves are what `check` looks for; so many of them at least are written.
pub(crate) fn floating(
    window: &Window<'_>,
    at: usize,
    least: usize,
    check: impl Fn(&Window<'_>) -> Peek<Option<End>>,
) -> Peek<Option<End>> {
    if !may_begin(window, at) {
        return Ok(None);
    }
    let whole = run(window, at, PART)?;
    let (mut written, mut end) = (whole, at + whole);
    if window.is(end, |b| b == b'.')? {
        let fraction = run(window, end + 1, PART)?;
        written += fraction;
        end += if fraction > 0 { 1 + fraction } else { 0 };
    }
    if window.is(end, |b| matches!(b, b'e' | b'E'))? {
        let digits = end + 1 + usize::from(window.is(end + 1, |b| matches!(b, b'+' | b'-'))?);
        let exponent = run(window, digits, EXPONENT)?;
        end = if exponent > 0 { digits + exponent } else { end };
    }
    let is_plain = whole == 0 || end == at + whole;
    if is_plain || written < least || !may_end(window, end)? {
        return Ok(None);
    }
    let number = window.bytes().get(at..end).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let Some(digits) = number.and_then(integer) else { return Ok(None) };
    let found = check(&Window::whole(digits.as_bytes()))?;
    Ok((found == Some(End::At(digits.len()))).then_some(End::At(end)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_whole_number_is_known_however_it_is_written() {
        let card = Some("4111111111111111");
        for written in [
            "4111111111111111",
            "-4111111111111111",
            "4111111111111111.0",
            "4111111111111111.000",
            "4111111111111111e0",
            "4111111111111111E+00",
            "-4111111111111111.0e-0",
            "4.111111111111111e15",
            "41111111111111110e-1",
            "411111111111111100000e-5",
            "0.0004111111111111111e19",
            "411111111111.11110000E4",
        ] {
            assert_eq!(integer(written).as_deref(), card, "{written}");
        }
        assert_eq!(integer("4e9").as_deref(), Some("4000000000"));
        for other in [
            "4111111111111111.5",
            "4111111111111111e1000",
            "4111111111111111e99999999999999999999",
            "4111111111111111e-9223372036854775808",
            "0e9",
            "0.0",
            "123456",
            "123456e-1",
            "12345678901234567890",
            "1e19",
        ] {
            assert_eq!(integer(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn the_point_may_stand_anywhere(
            digits in "[1-9][0-9]{6,18}", point in 0_usize..19, zeros in 0_usize..5, minus: bool,
        ) {
            let digits = digits.as_str();
            let (whole, fraction) = digits.split_at(point.min(digits.len()));
            let whole = if whole.is_empty() { "0" } else { whole };
            let sign = if minus { "-" } else { "" };
            let written = format!("{sign}{whole}.{fraction}0{}e{}", "0".repeat(zeros), fraction.len());
            prop_assert_eq!(integer(&written).unwrap(), digits);
            let smaller = format!("{sign}{digits}{}e-{zeros}", "0".repeat(zeros));
            prop_assert_eq!(integer(&smaller).unwrap(), digits);
        }
    }
}
