//! What time is it? An argument, always.

use std::fmt;
use std::time::Duration;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    Hash,
    Ord,
    PartialEq,
    PartialOrd,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Timestamp(pub u64);

/// Something that goes on, and is told at first, and then once a minute with how often it was not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repeated {
    told: Option<Timestamp>,
    untold: u64,
}

impl Repeated {
    const EVERY: Duration = Duration::from_secs(60);

    /// It was so again: how often it was not told since it was, where it is to be told now.
    pub fn again(&mut self, now: Timestamp) -> Option<u64> {
        if self.told.is_some_and(|told| now.since(told) < Self::EVERY) {
            self.untold += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }

    /// It is over: whether it was ever so.
    pub fn over(&mut self) -> bool {
        std::mem::take(self).told.is_some()
    }
}

impl Timestamp {
    /// The instant `later` after this one; the end of time where that does not exist.
    #[must_use]
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(micros(later)))
    }

    /// The instant `earlier` before this one; the epoch where that does not exist.
    #[must_use]
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(micros(earlier)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// The instant of a NumericDate (RFC 7519 section 2), whole seconds.
    #[must_use]
    pub fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// RFC 3339, UTC, microseconds, in ASCII; the last instant of the year 9999 for all after it.
    #[must_use]
    pub fn rfc3339(self) -> [u8; 27] {
        let mut text = *b"9999-12-31T23:59:59.999999Z";
        let micros = i64::try_from(self.0).unwrap_or(i64::MAX);
        let Ok(at) = jiff::Timestamp::from_microsecond(micros) else { return text };
        let at = jiff::tz::Offset::UTC.to_datetime(at);
        let parts = [
            (4, 4, at.year().unsigned_abs().into()),
            (7, 2, at.month().unsigned_abs().into()),
            (10, 2, at.day().unsigned_abs().into()),
            (13, 2, at.hour().unsigned_abs().into()),
            (16, 2, at.minute().unsigned_abs().into()),
            (19, 2, at.second().unsigned_abs().into()),
            (26, 6, self.0 % 1_000_000),
        ];
        for (end, digits, mut left) in parts {
            for place in text.iter_mut().take(end).rev().take(digits) {
                *place = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        text
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub fn as_secs(self) -> u64 {
        self.0 / 1_000_000
    }
}

/// RFC 3339, UTC, microseconds: `2026-11-22T02:03:04.000005Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.rfc3339()).unwrap_or_default())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told_once_and_then_each_minute_with_a_count() {
        let mut down = Repeated::default();
        assert!(!down.over());
        let told: Vec<_> = (0..122).map(|secs| down.again(Timestamp::from_secs(secs))).collect();
        let said: Vec<_> =
            told.iter().enumerate().filter_map(|(at, n)| Some((at, (*n)?))).collect();
        assert_eq!(said, [(0, 0), (60, 59), (120, 59)]);
        assert!(down.over());
        assert_eq!(down.again(Timestamp::from_secs(122)), Some(0));
    }

    #[test]
    fn written_as_rfc_3339_in_utc_with_microseconds() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp(1_795_305_895_000_005).to_string(), "2026-11-22T00:04:55.000005Z");
        assert_eq!(Timestamp(u64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
    }
}
