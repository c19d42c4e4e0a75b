//! What does `5/minute` mean?

use std::time::Duration;

/// A number of draws in a length of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// How many.
    pub limit: u64,
    /// In which length.
    pub length: Duration,
}

/// Why a text is no rate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadRate {
    /// There is nothing in it.
    #[error("a rate is missing: write it like {FORMS}")]
    Empty,
    /// It cannot be read.
    #[error("`{0}` is no rate: write it like {FORMS}")]
    Form(String),
    /// It allows nothing, or in no time.
    #[error("`{0}` allows nothing: both numbers must be at least 1")]
    Zero(String),
    /// The number or the length is beyond all measure.
    #[error("`{0}` is too large: at most 10^12 in at most 366 days")]
    TooLarge(String),
    /// It holds more rates than anybody means.
    #[error("more than 8 rates in one text: write them as separate limits")]
    TooMany,
}

const FORMS: &str = "`5/minute`, `60/m`, `10 per 2 hours` or `10/minute; 100/day` (second, minute, hour, day, week, month, year)";
const MOST: usize = 8;
const LARGEST: u64 = 1_000_000_000_000;
const DAY: u64 = 86_400;

/// The units and their seconds. A month is 30 days and a year 365: these are lengths of a sliding
/// window, which knows no calendar.
const UNITS: &[(&[&str], u64)] = &[
    (&["s", "sec", "second", "seconds"], 1),
    (&["m", "min", "minute", "minutes"], 60),
    (&["h", "hr", "hour", "hours"], 3_600),
    (&["d", "day", "days"], DAY),
    (&["w", "week", "weeks"], 7 * DAY),
    (&["month", "months"], 30 * DAY),
    (&["y", "year", "years"], 365 * DAY),
];

impl Rate {
    /// Reads one or several rates in the notation of slowapi: `5/minute`, `10 per 2 hours; 100/day`.
    /// All of them apply together. They are separated by `;`, `,` or `|`.
    ///
    /// # Errors
    /// [`BadRate`] says what is wrong and how to write it.
    pub fn parse(text: &str) -> Result<Vec<Self>, BadRate> {
        if text.trim().is_empty() {
            return Err(BadRate::Empty);
        }
        let parts: Vec<_> = text.split([';', ',', '|']).map(str::trim).collect();
        if parts.len() > MOST {
            return Err(BadRate::TooMany);
        }
        parts.into_iter().map(Self::parse_one).collect()
    }

    /// Reads a single rate.
    ///
    /// # Errors
    /// As [`Rate::parse`].
    pub fn parse_one(text: &str) -> Result<Self, BadRate> {
        let shown = || text.chars().take(64).collect::<String>();
        let (limit, count, unit) = split(text).ok_or_else(|| BadRate::Form(shown()))?;
        let seconds = UNITS.iter().find(|(names, _)| names.contains(&unit.as_str()));
        let (_, seconds) = seconds.ok_or_else(|| BadRate::Form(shown()))?;
        let length = count.saturating_mul(*seconds);
        if limit == 0 || count == 0 {
            return Err(BadRate::Zero(shown()));
        }
        if limit > LARGEST || length > 366 * DAY {
            return Err(BadRate::TooLarge(shown()));
        }
        Ok(Self { limit, length: Duration::from_secs(length) })
    }
}

/// Number, how many units, which unit.
fn split(text: &str) -> Option<(u64, u64, String)> {
    let text = text.trim().to_ascii_lowercase();
    let (limit, rest) = match text.split_once('/') {
        Some(parts) => parts,
        None => text.split_once(|c: char| c.is_ascii_whitespace()).and_then(|(limit, rest)| {
            let rest = rest.trim_start().strip_prefix("per")?;
            rest.starts_with(|c: char| c.is_ascii_whitespace()).then_some((limit, rest))
        })?,
    };
    let rest = rest.trim();
    let digits = rest.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = rest.split_at_checked(digits)?;
    let count = if count.is_empty() { 1 } else { number(count)? };
    Some((number(limit.trim())?, count, unit.trim().to_owned()))
}

/// Digits only: `parse` alone would take a sign.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // A number of more digits than fit is too large, and is told so.
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(limit: u64, seconds: u64) -> Rate {
        Rate { limit, length: Duration::from_secs(seconds) }
    }

    #[test]
    fn the_forms_of_slowapi_and_the_short_ones() {
        for (text, expected) in [
            ("5/minute", vec![rate(5, 60)]),
            ("5 / minutes", vec![rate(5, 60)]),
            ("60/m", vec![rate(60, 60)]),
            ("10/2minutes", vec![rate(10, 120)]),
            ("10 per 2 Hours; 100/day", vec![rate(10, 7_200), rate(100, DAY)]),
            (
                "1 per second, 20 per hour|100/week",
                vec![rate(1, 1), rate(20, 3_600), rate(100, 7 * DAY)],
            ),
            ("1000000000000/year", vec![rate(LARGEST, 365 * DAY)]),
            ("7 per month", vec![rate(7, 30 * DAY)]),
        ] {
            assert_eq!(Rate::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_the_forms_that_are() {
        for text in [
            "5",
            "five/minute",
            "5/fortnight",
            "5 minute",
            "5perminute",
            "-5/minute",
            "+5/m",
            "5/-1 minute",
            "5/minute;",
            "5//m",
            "5/",
            "/m",
            "5/2",
            "5.5/m",
            "٥/m",
        ] {
            let error = Rate::parse(text).unwrap_err();
            assert!(matches!(error, BadRate::Form(_)), "{text}: {error}");
            assert!(error.to_string().contains("`5/minute`"), "{error}");
        }
        assert_eq!(Rate::parse("  "), Err(BadRate::Empty));
        assert!(matches!(Rate::parse("0/minute"), Err(BadRate::Zero(_))));
        assert!(matches!(Rate::parse("5/0 minutes"), Err(BadRate::Zero(_))));
        assert!(matches!(Rate::parse("99999999999999999999999/m"), Err(BadRate::TooLarge(_))));
        assert!(matches!(Rate::parse("1/2 years"), Err(BadRate::TooLarge(_))));
        assert_eq!(Rate::parse(&"1/s;".repeat(9)), Err(BadRate::TooMany));
    }
}
