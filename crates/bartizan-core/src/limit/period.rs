//! When does a budget start again?

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

use crate::time::Timestamp;

/// For how long a budget counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Period {
    /// A stretch of the calendar, in a time zone.
    Calendar(Calendar, TimeZone),
    /// The last so much time, whenever it is asked: a sliding window over money.
    Rolling(Duration),
}

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Calendar {
    /// From midnight to midnight; 23 or 25 hours where the clocks change.
    Day,
    /// A full hour.
    Hour,
    /// A full minute.
    Minute,
    /// From the first of a month to the first of the next.
    Month,
    /// From Monday to Monday (ISO 8601).
    Week,
}

impl Period {
    /// A stretch of the calendar in UTC.
    #[must_use]
    pub fn utc(calendar: Calendar) -> Self {
        Self::Calendar(calendar, TimeZone::UTC)
    }

    /// Start and end of the period that holds `now`. Beyond the calendar's years the period has
    /// no end: a budget then stays spent.
    #[must_use]
    pub fn bounds(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        match self {
            Self::Calendar(calendar, zone) => {
                calendar.bounds(zone, now).unwrap_or((Timestamp(0), Timestamp(u64::MAX)))
            }
            Self::Rolling(length) => (now.minus(*length), now),
        }
    }

    /// The word for it in keys.
    pub(super) fn code(&self) -> String {
        match self {
            Self::Calendar(calendar, _) => calendar.code().to_owned(),
            Self::Rolling(length) => format!("rolling.{}", Seconds(*length)),
        }
    }
}

/// In UTC.
impl From<Calendar> for Period {
    fn from(calendar: Calendar) -> Self {
        Self::utc(calendar)
    }
}

impl Calendar {
    fn code(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Month => "month",
            Self::Week => "week",
        }
    }

    fn bounds(self, zone: &TimeZone, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let instant = jiff::Timestamp::from_microsecond(i64::try_from(now.0).ok()?).ok()?;
        let local = instant.to_zoned(zone.clone());
        let midnight = local.start_of_day().ok()?;
        let (start, end) = match self {
            Self::Hour => return stretch(&local, now, 3_600),
            Self::Minute => return stretch(&local, now, 60),
            Self::Day => (midnight.clone(), midnight.checked_add(1.day()).ok()?),
            Self::Month => {
                let first = midnight.first_of_month().ok()?;
                (first.clone(), first.checked_add(1.month()).ok()?)
            }
            Self::Week => {
                let back = i32::from(local.weekday().since(Weekday::Monday));
                let monday = midnight.checked_sub(back.days()).ok()?;
                (monday.clone(), monday.checked_add(7.days()).ok()?)
            }
        };
        // Adding a day keeps the hour: where midnight does not exist the day starts later.
        Some((instant_of(&start.start_of_day().ok()?)?, instant_of(&end.start_of_day().ok()?)?))
    }
}

impl FromStr for Calendar {
    type Err = UnknownPeriod;

    fn from_str(word: &str) -> Result<Self, UnknownPeriod> {
        match word {
            "day" => Ok(Self::Day),
            "hour" => Ok(Self::Hour),
            "minute" => Ok(Self::Minute),
            "month" => Ok(Self::Month),
            "week" => Ok(Self::Week),
            _ => Err(UnknownPeriod(word.chars().take(32).collect())),
        }
    }
}

/// A word that names no period.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no period: write `minute`, `hour`, `day`, `week` or `month`")]
pub struct UnknownPeriod(String);

/// A length in whole seconds, or in microseconds where it has parts of one.
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_nanos() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}us", self.0.as_micros()),
        }
    }
}

/// The full hour or minute of the local clock. The offset of the moment decides, so that the hour
/// that comes twice in autumn is two hours.
fn stretch(local: &Zoned, now: Timestamp, seconds: i64) -> Option<(Timestamp, Timestamp)> {
    let offset = i64::from(local.offset().seconds());
    let clock = i64::try_from(now.as_secs()).ok()?.checked_add(offset)?;
    let start = clock.checked_sub(clock.rem_euclid(seconds))?.checked_sub(offset)?;
    let start = u64::try_from(start).unwrap_or(0);
    Some((
        Timestamp::from_secs(start),
        Timestamp::from_secs(start.saturating_add(seconds.unsigned_abs())),
    ))
}

fn instant_of(zoned: &Zoned) -> Option<Timestamp> {
    // Before 1970 only by the offset of the zone, on the first day of the calendar.
    Some(Timestamp(u64::try_from(zoned.timestamp().as_microsecond()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond().unsigned_abs())
    }

    // Spelled out, so that the test needs no database of time zones.
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    const CAIRO: &str = "EET-2EEST,M4.5.5/0,M10.5.4/24";
    const KOLKATA: &str = "IST-5:30";
    const UTC: &str = "UTC0";

    fn check(calendar: Calendar, zone: &str, now: &str, start: &str, end: &str) {
        let period = Period::Calendar(calendar, TimeZone::posix(zone).unwrap());
        assert_eq!(period.bounds(at(now)), (at(start), at(end)), "{calendar:?} of {now} in {zone}");
    }

    #[test]
    fn a_period_holds_its_first_instant_and_not_the_next_ones() {
        for calendar in
            [Calendar::Minute, Calendar::Hour, Calendar::Day, Calendar::Week, Calendar::Month]
        {
            let period = Period::utc(calendar);
            let (start, end) = period.bounds(at("2026-02-28T23:59:59.999999Z"));
            assert_eq!(period.bounds(start), (start, end), "{calendar:?}");
            assert_eq!(period.bounds(Timestamp(end.0 - 1)), (start, end), "{calendar:?}");
            assert_eq!(period.bounds(end).0, end, "{calendar:?}");
        }
    }

    #[test]
    fn calendar_periods_in_utc() {
        let now = "2028-02-29T13:37:42.5Z";
        check(Calendar::Minute, UTC, now, "2028-02-29T13:37:00Z", "2028-02-29T13:38:00Z");
        check(Calendar::Hour, UTC, now, "2028-02-29T13:00:00Z", "2028-02-29T14:00:00Z");
        check(Calendar::Day, UTC, now, "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z");
        check(Calendar::Week, UTC, now, "2028-02-28T00:00:00Z", "2028-03-06T00:00:00Z");
        check(Calendar::Month, UTC, now, "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z");
    }

    #[test]
    fn a_local_day_follows_the_clocks_when_they_change() {
        let (zone, day) = (BERLIN, Calendar::Day);
        check(day, zone, "2026-03-29T10:00:00Z", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
        check(day, zone, "2026-10-25T10:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        // Midnight of that day does not exist in Cairo: the clock goes from 23:59 to 01:00.
        check(day, CAIRO, "2026-04-23T12:00:00Z", "2026-04-22T22:00:00Z", "2026-04-23T22:00:00Z");
        check(
            Calendar::Hour,
            KOLKATA,
            "2026-01-01T00:10:00Z",
            "2025-12-31T23:30:00Z",
            "2026-01-01T00:30:00Z",
        );
    }

    #[test]
    fn beyond_the_calendar_a_budget_never_starts_again() {
        let (start, end) = Period::utc(Calendar::Month).bounds(Timestamp(u64::MAX));
        assert_eq!((start, end), (Timestamp(0), Timestamp(u64::MAX)));
    }
}
