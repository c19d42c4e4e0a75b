//! What do `1MB`, `15m` and `0.25` mean? Sizes, durations and fractions, read from their text.

use std::time::Duration;

use thiserror::Error;

/// Why a text is no size or duration. The text itself is left out: it may have come from a secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum BadUnit {
    /// Not a size.
    #[error(
        "is no size: write a whole number of bytes, or one with a unit such as `64KB`, `1MB` or `1MiB`"
    )]
    Size,
    /// Not a duration.
    #[error(
        "is no duration: write a whole number with a unit, such as `500ms`, `10s`, `5m`, `1h` or `30d`"
    )]
    Duration,
    /// Not a whole number.
    #[error("is no whole number")]
    Whole,
    /// Not a fraction.
    #[error("must be a number from 0 to 1, such as `0.5`")]
    Fraction,
    /// Nothing, where there must be something.
    #[error("must be more than 0")]
    Zero,
    /// Too large to be counted.
    #[error("is too large")]
    TooLarge,
}

const SIZE_UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

const DURATION_UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// A number of bytes: `1MB` is 1,000,000, `1MiB` is 1,048,576.
///
/// # Errors
///
/// [`BadUnit::Size`], [`BadUnit::TooLarge`].
pub fn size(text: &str) -> Result<u64, BadUnit> {
    scaled(text, SIZE_UNITS, BadUnit::Size)
}

/// A length of time: a whole number and a unit. A bare number is refused, because nobody knows its
/// unit.
///
/// # Errors
///
/// [`BadUnit::Duration`], [`BadUnit::TooLarge`].
pub fn duration(text: &str) -> Result<Duration, BadUnit> {
    scaled(text, DURATION_UNITS, BadUnit::Duration).map(Duration::from_millis)
}

/// A whole number without sign.
///
/// # Errors
///
/// [`BadUnit::Whole`], [`BadUnit::TooLarge`].
pub fn whole(text: &str) -> Result<u64, BadUnit> {
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    if plain.is_empty() || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadUnit::Whole);
    }
    plain.parse().map_err(|_| BadUnit::TooLarge)
}

/// A number from 0 to 1.
///
/// # Errors
///
/// [`BadUnit::Fraction`].
pub fn fraction(text: &str) -> Result<f32, BadUnit> {
    text.parse::<f32>().ok().filter(|value| (0.0..=1.0).contains(value)).ok_or(BadUnit::Fraction)
}

fn scaled(text: &str, units: &[(&str, u64)], error: BadUnit) -> Result<u64, BadUnit> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(split).ok_or(error)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim()).ok_or(error)?;
    if digits.is_empty() {
        return Err(error);
    }
    digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*factor)).ok_or(BadUnit::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_know_thousands_from_powers_of_two() {
        assert_eq!(size("1MB"), Ok(1_000_000));
        assert_eq!(size("1MiB"), Ok(1_048_576));
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("10 KB"), Ok(10_000));
        for bad in ["", "MB", "1.5MB", "-1", "1mb", "1TB", "0x10"] {
            assert_eq!(size(bad), Err(BadUnit::Size), "{bad}");
        }
        assert_eq!(size("99999999999999999999"), Err(BadUnit::TooLarge));
        assert_eq!(size("99999999999GB"), Err(BadUnit::TooLarge));
    }

    #[test]
    fn a_duration_without_unit_is_refused() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(2_592_000)));
        for bad in ["10", "", "s", "1.5h", "-1s", "5 minutes", "5min"] {
            assert_eq!(duration(bad), Err(BadUnit::Duration), "{bad}");
        }
    }

    #[test]
    fn fractions_end_at_one() {
        assert_eq!(fraction("0.5"), Ok(0.5));
        assert_eq!(fraction("1"), Ok(1.0));
        assert_eq!(fraction("1.01"), Err(BadUnit::Fraction));
        assert_eq!(fraction("NaN"), Err(BadUnit::Fraction));
    }
}
