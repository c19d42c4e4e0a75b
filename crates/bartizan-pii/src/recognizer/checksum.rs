//! Is this number well-formed by its own arithmetic? The check-digit schemes that issuers share.
//!
//! Every function takes the characters of a value without its separators, in ASCII and in capitals,
//! and says no to what is not of its alphabet.

/// The value of a digit, or nothing.
pub(crate) fn digit(byte: u8) -> Option<u32> {
    byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
}

/// The value of a digit, or of a letter: A is 10, Z is 35.
pub(crate) fn alphanumeric(byte: u8) -> Option<u32> {
    match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A') + 10),
        other => digit(other),
    }
}

/// `length` digits from `from` on, read as a number; at most nine. `None` where there are none.
pub(crate) fn number(text: &[u8], from: usize, length: usize) -> Option<u32> {
    let part = text.get(from..from + length)?;
    part.iter().try_fold(0, |n, byte| Some(n * 10 + digit(*byte)?))
}

/// All of the text read as a number; at most 18 digits.
pub(crate) fn whole(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |n: u64, byte| n.checked_mul(10)?.checked_add(digit(*byte)?.into()))
}

/// The sum of the digits, each times its weight; what has no weight does not count.
pub(crate) fn weighted(text: &[u8], weights: &[u32]) -> Option<u32> {
    text.iter().zip(weights).try_fold(0, |sum, (byte, weight)| Some(sum + digit(*byte)? * weight))
}

/// Whether the last digit is `check` of the weighted sum of those before it.
pub(crate) fn ends_with(text: &[u8], weights: &[u32], check: impl Fn(u32) -> u32) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    body.len() == weights.len()
        && weighted(body, weights).is_some_and(|sum| digit(*last) == Some(check(sum)))
}

/// Whether the weighted sum of all digits, the check digit with them, is a multiple of `modulus`.
pub(crate) fn divides(text: &[u8], weights: &[u32], modulus: u32) -> bool {
    text.len() == weights.len()
        && weighted(text, weights).is_some_and(|sum| sum.is_multiple_of(modulus))
}

/// Whether all digits are the same: such numbers have right check digits and belong to nobody.
pub(crate) fn uniform(text: &[u8]) -> bool {
    text.first().is_some_and(|first| text.iter().all(|byte| byte == first))
}

/// Luhn's formula (ISO/IEC 7812-1, annex B).
pub(crate) fn luhn(text: &[u8]) -> bool {
    luhn_sum(text).is_some_and(|sum| !text.is_empty() && sum.is_multiple_of(10))
}

/// The sum that Luhn's formula wants to be a multiple of ten.
pub(crate) fn luhn_sum(text: &[u8]) -> Option<u32> {
    text.iter().rev().enumerate().try_fold(0, |sum, (place, byte)| {
        let value = digit(*byte)?;
        Some(sum + if place % 2 == 0 { value } else { value * 2 / 10 + value * 2 % 10 })
    })
}

/// ISO/IEC 7064, MOD 11,10.
pub(crate) fn mod_11_10(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let remainder = body.iter().try_fold(10, |product, byte| {
        let sum = (digit(*byte)? + product) % 10;
        Some(if sum == 0 { 10 } else { sum } * 2 % 11)
    });
    remainder.is_some_and(|product| digit(*last) == Some((11 - product) % 10))
}

/// The remainder by 97 of the number that digits and letters mean (ISO/IEC 7064, MOD 97-10).
pub(crate) fn mod_97(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |remainder, byte| {
        let value = alphanumeric(*byte)?;
        Some((remainder * if value > 9 { 100 } else { 10 } + value) % 97)
    })
}

/// J. Verhoeff's scheme over the dihedral group of order ten.
pub(crate) fn verhoeff(text: &[u8]) -> bool {
    let check = text.iter().rev().enumerate().try_fold(0, |state, (place, byte)| {
        let permuted = permute(digit(*byte)?, place % 8);
        Some(dihedral(state, permuted))
    });
    check == Some(0) && !text.is_empty()
}

/// The product of the group D5, whose elements 0 to 4 turn and 5 to 9 mirror.
fn dihedral(left: u32, right: u32) -> u32 {
    match (left < 5, right < 5) {
        (true, true) => (left + right) % 5,
        (true, false) => 5 + (left + right) % 5,
        (false, true) => 5 + (left + 5 - right) % 5,
        (false, false) => (left + 5 - right % 5) % 5,
    }
}

/// Verhoeff's permutation, applied so many times.
fn permute(digit: u32, times: usize) -> u32 {
    (0..times).fold(digit, |digit, _| match digit {
        0 => 1,
        1 => 5,
        2 => 7,
        3 => 6,
        4 => 2,
        5 => 8,
        6 => 3,
        7 => 0,
        8 => 9,
        _ => 4,
    })
}

/// Whether there is such a day; a year of `None` is any.
pub(crate) fn is_date(year: Option<u32>, month: Option<u32>, day: Option<u32>) -> bool {
    let (Some(month), Some(day)) = (month, day) else { return false };
    let leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_none_or(leap) => 29,
        2 => 28,
        _ => 0,
    };
    (1..=last).contains(&day)
}

/// Whether `text` begins at `from` with six digits of a day: year, month, day.
pub(crate) fn is_yymmdd(text: &[u8], from: usize) -> bool {
    let day = |century| {
        let year = number(text, from, 2).map(|year| century + year);
        year.is_some() && is_date(year, number(text, from + 2, 2), number(text, from + 4, 2))
    };
    day(1900) || day(2000)
}

/// Whether `text` begins at `from` with six digits of a day: day, month, year.
pub(crate) fn is_ddmmyy(text: &[u8], from: usize) -> bool {
    let day = |century| {
        let year = number(text, from + 4, 2).map(|year| century + year);
        year.is_some() && is_date(year, number(text, from + 2, 2), number(text, from, 2))
    };
    day(1900) || day(2000)
}

/// Whether `text` begins at `from` with eight digits of a day since 1850: year, month, day.
pub(crate) fn is_yyyymmdd(text: &[u8], from: usize) -> bool {
    let year = number(text, from, 4).filter(|year| (1850..2100).contains(year));
    year.is_some() && is_date(year, number(text, from + 4, 2), number(text, from + 6, 2))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::*;

    /// A scheme, and a number that it accepts.
    type Scheme = (&'static str, fn(&[u8]) -> bool, &'static [u8]);

    const SCHEMES: &[Scheme] = &[
        ("Luhn", luhn, b"4111111111111111"),
        ("MOD 11,10", mod_11_10, b"86095742719"),
        ("MOD 97-10", |text| mod_97(text) == Some(1), b"79444"),
        ("Verhoeff", verhoeff, b"399876543211"),
    ];

    #[test]
    fn any_single_wrong_digit_is_noticed() {
        for (name, scheme, right) in SCHEMES {
            assert!(scheme(right), "{name}");
            for place in 0..right.len() {
                for step in 1..10 {
                    let mut wrong = right.to_vec();
                    wrong[place] = b'0' + (wrong[place] - b'0' + step) % 10;
                    assert!(!scheme(&wrong), "{name}: digit {place} of {wrong:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_digit_or_not_there_is_refused() {
        for (name, scheme, right) in SCHEMES {
            let mut wrong = right.to_vec();
            wrong[1] = b'?';
            assert!(!scheme(&wrong) && !scheme(b""), "{name}");
        }
    }

    #[test]
    fn verhoeff_notices_every_swap_of_neighbours() {
        let right = b"399876543211";
        for place in 0..right.len() - 1 {
            let mut wrong = right.to_vec();
            wrong.swap(place, place + 1);
            assert_eq!(verhoeff(&wrong), wrong == right, "{place}");
        }
    }

    #[test]
    fn the_calendar_knows_its_months_and_leap_years() {
        assert!(is_yyyymmdd(b"20000229", 0) && !is_yyyymmdd(b"19000229", 0));
        assert!(is_yyyymmdd(b"20240430", 0) && !is_yyyymmdd(b"20240431", 0));
        assert!(is_yymmdd(b"000229", 0) && !is_yymmdd(b"010229", 0) && !is_yymmdd(b"001301", 0));
        assert!(is_ddmmyy(b"310199", 0) && !is_ddmmyy(b"320199", 0));
    }
}
