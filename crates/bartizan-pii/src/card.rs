//! Is this the number of a payment card?
//!
//! ISO/IEC 7812-1: the first digits are the issuer's, the last is Luhn's check digit. One random
//! number in ten has a right check digit, so a bare run of digits needs an issuer's range in its
//! usual length as well, or a word that says `card`.

use crate::{End, Peek, Window, digits};

pub(crate) const MAX_LEN: usize = 26;

const LONGEST: usize = 19;
const SHORTEST: usize = 12;

/// The groupings that are embossed on cards.
const SHAPES: &[&[usize]] = &[&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3]];

/// A range of the first four digits, and the lengths that its issuers hand out: those that are
/// usual enough to be believed without a word of context, then the others.
struct Range {
    first: u64,
    last: u64,
    usual: &'static [usize],
    other: &'static [usize],
}

const fn range(first: u64, last: u64, usual: &'static [usize], other: &'static [usize]) -> Range {
    Range { first, last, usual, other }
}

const RANGES: &[Range] = &[
    range(1000, 1999, &[], &[15]),                             // UATP
    range(2014, 2014, &[], &[15]),                             // enRoute
    range(2131, 2131, &[], &[15]),                             // JCB, old
    range(2149, 2149, &[], &[15]),                             // enRoute
    range(2200, 2204, &[], &[16, 17, 18, 19]),                 // Mir
    range(2221, 2720, &[16], &[]),                             // Mastercard
    range(3000, 3059, &[], &[14, 16, 17, 18, 19]),             // Diners Club
    range(3095, 3095, &[], &[14, 16, 17, 18, 19]),             // Diners Club
    range(3400, 3499, &[15], &[]),                             // American Express
    range(3528, 3589, &[16], &[17, 18, 19]),                   // JCB
    range(3600, 3699, &[], &[14, 15, 16, 17, 18, 19]),         // Diners Club
    range(3700, 3799, &[15], &[]),                             // American Express
    range(3800, 3999, &[], &[14, 16, 17, 18, 19]),             // Diners Club
    range(4000, 4999, &[16], &[13, 19]),                       // Visa
    range(5000, 5099, &[], &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro
    range(5100, 5599, &[16], &[]),                             // Mastercard
    range(5600, 5999, &[], &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro
    range(6011, 6011, &[16], &[17, 18, 19]),                   // Discover
    range(6221, 6229, &[16], &[17, 18, 19]),                   // UnionPay with Discover
    range(6440, 6599, &[16], &[17, 18, 19]),                   // Discover
    range(6000, 6999, &[], &[12, 13, 14, 15, 16, 17, 18, 19]), // Maestro, UnionPay, RuPay, Troy
];

/// The first digits of the ranges.
pub(crate) fn starts(byte: u8) -> bool {
    matches!(byte, b'1'..=b'6')
}

pub(crate) fn grouped(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if !digits::may_begin(window, at) {
        return Ok(None);
    }
    for shape in SHAPES {
        let separator = |b| b == b' ' || b == b'-';
        if let Some(end) = digits::groups(window, at, shape, separator)? {
            let known = issuer(window, at, end).is_some();
            return Ok((known && luhn(window, at, end)).then_some(End::At(end)));
        }
    }
    Ok(None)
}

pub(crate) fn bare_usual(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    bare_or_floating(window, at, true)
}

pub(crate) fn bare_other(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    bare_or_floating(window, at, false)
}

/// `4111111111111111`, and `4111111111111111.0`.
fn bare_or_floating(window: &Window<'_>, at: usize, usual: bool) -> Peek<Option<End>> {
    match bare(window, at, usual)? {
        None => digits::floating(window, at, SHORTEST, |digits| bare(digits, 0, usual)),
        found => Ok(found),
    }
}

fn bare(window: &Window<'_>, at: usize, usual: bool) -> Peek<Option<End>> {
    if !digits::may_begin(window, at) {
        return Ok(None);
    }
    let length = digits::run(window, at, LONGEST + 1)?;
    let end = at + length;
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Ok(None);
    }
    // Milliseconds since 1970 are no card, whatever word stands before them.
    let moment = length == 13 && window.is(at, |b| b == b'1')?;
    // Beside a word the issuer need not be known.
    let fits = !moment && issuer(window, at, end).unwrap_or(false) == usual;
    Ok((fits && luhn(window, at, end) && digits::may_end(window, end)?).then_some(End::At(end)))
}

/// Whether some issuer hands out such numbers, and whether in this length usually.
fn issuer(window: &Window<'_>, at: usize, end: usize) -> Option<bool> {
    let prefix = digits::values(window, at, end).take(4).fold(0, |n, d| n * 10 + u64::from(d));
    let range = RANGES.iter().find(|range| (range.first..=range.last).contains(&prefix))?;
    let length = digits::values(window, at, end).count();
    if range.usual.contains(&length) {
        Some(true)
    } else {
        range.other.contains(&length).then_some(false)
    }
}

/// ISO/IEC 7812-1, annex B.
fn luhn(window: &Window<'_>, at: usize, end: usize) -> bool {
    let sum: u32 = digits::values(window, at, end)
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(digit)) {
            (0, digit) => digit,
            (_, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_single_wrong_digit_is_noticed() {
        let right = "5555555555554444";
        assert!(luhn(&Window::whole(right.as_bytes()), 0, right.len()));
        for place in 0..right.len() {
            for step in 1..10 {
                let mut wrong = right.as_bytes().to_vec();
                wrong[place] = b'0' + (wrong[place] - b'0' + step) % 10;
                assert!(!luhn(&Window::whole(&wrong), 0, wrong.len()));
            }
        }
    }

    #[test]
    fn every_range_begins_with_a_digit_that_a_card_may_begin_with() {
        for range in RANGES {
            let [first, last] = [range.first, range.last].map(|n| b'0' + (n / 1000) as u8);
            assert!((first..=last).all(starts));
        }
    }

    #[test]
    fn the_first_range_that_holds_a_prefix_is_the_narrowest() {
        for (index, outer) in RANGES.iter().enumerate() {
            for inner in RANGES.iter().skip(index + 1) {
                let hidden = outer.first <= inner.first && inner.last <= outer.last;
                assert!(!hidden, "{}..{} is never reached", inner.first, inner.last);
            }
        }
    }
}
