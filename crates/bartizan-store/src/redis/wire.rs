//! How does a call read to the script, and what does its answer mean?

use std::sync::Arc;

use bartizan_core::limit::{
    Book, Charge, Counter, Draw, Expired, Kind, Measure, MeterKey, Order, Period, Reservation,
    ReservationId, Settlement, Shape, State, Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use redis::Value;

use super::script::Words;

/// What the script writes first of every answer, and what follows.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) what: String,
    /// The instant that the store decided on.
    pub(super) at: Timestamp,
    /// Which memory it decided from.
    pub(super) epoch: String,
    pub(super) more: Vec<String>,
}

impl Answer {
    pub(super) fn read(value: Value) -> Result<Self, Unavailable> {
        let words: Vec<String> =
            redis::from_redis_value(value).map_err(|error| strange(&error.to_string()))?;
        let mut words = words.into_iter();
        let (Some(what), Some(at), Some(epoch), Some(_lost)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(strange("it is too short"));
        };
        let at = Timestamp(at.parse().map_err(|_| strange("it has no time"))?);
        Ok(Self { what, at, epoch, more: words.collect() })
    }
}

/// An answer that the script does not give: somebody else's keys, or another version of it.
pub(super) fn strange(why: &str) -> Unavailable {
    Unavailable::new(format!("Redis gave an answer that cannot be read: {why}"))
}

/// The draws of each counter once, with their sum.
pub(super) fn merged(draws: &[Draw]) -> Vec<Draw> {
    let mut sums: Vec<Draw> = Vec::with_capacity(draws.len());
    for draw in draws {
        match sums.iter_mut().find(|sum| sum.key == draw.key) {
            Some(sum) => sum.amount = sum.amount.saturating_add(draw.amount),
            None => sums.push(draw.clone()),
        }
    }
    sums
}

/// Adds what the script must know of each draw; `at` is the instant it will probably decide on.
pub(super) fn add_draws(words: &mut Words, prefix: &str, draws: &[Draw], at: Timestamp) {
    for draw in draws {
        words.keys.push(format!("{prefix}c:{}", draw.key));
        let micros = |length: std::time::Duration| length.as_micros().to_string();
        let (form, limit, length, burst, period) = match &draw.rule.shape {
            Shape::Budget { limit, period: Period::Rolling(length) }
            | Shape::Window { limit, length } => ("w", limit, micros(*length), 0, None),
            Shape::Budget { limit, period } => ("b", limit, String::new(), 0, Some(period)),
            Shape::Concurrency { limit } => ("c", limit, String::new(), 0, None),
            Shape::Gcra { limit, length, burst } => ("g", limit, micros(*length), *burst, None),
        };
        let bounds = period.map(|period| period.bounds(at));
        let bound = |instant: Option<Timestamp>| {
            instant.map_or_else(String::new, |instant| instant.0.min(END_OF_TIME).to_string())
        };
        words.arguments.extend([
            form.to_owned(),
            limit.to_string(),
            if length.is_empty() { "0".to_owned() } else { length },
            burst.to_string(),
            bound(bounds.map(|(start, _)| start)),
            bound(bounds.map(|(_, end)| end)),
            draw.amount.to_string(),
            draw.rule.name.to_string(),
            draw.rule.measure.code().to_owned(),
            code(draw.rule.kind()).to_owned(),
        ]);
    }
}

/// The script counts instants in doubles: the year 2255 is the end of time.
const END_OF_TIME: u64 = 8_999_999_999_999_999;

/// What the counters that the script tells of mean for the draws: worked out by the rules, which
/// are the same for every store. `taken`: the script has taken them, and they are counted.
pub(super) fn verdict(
    answer: &Answer,
    id: ReservationId,
    (draws, merged): (&[Draw], &[Draw]),
    now: Timestamp,
) -> Result<Verdict, Unavailable> {
    let mut book = Book::page(answer.at);
    if answer.more.len() != merged.len() {
        return Err(strange("a counter is missing"));
    }
    for (draw, told) in merged.iter().zip(&answer.more) {
        let counter: Counter =
            serde_json::from_str(told).map_err(|error| strange(&error.to_string()))?;
        book.hold_counter(&draw.key, counter);
    }
    let taken = answer.what == "taken";
    if taken {
        // A reservation that is open already is told how its counters stand.
        let open = Reservation { deadline: Timestamp(u64::MAX), state: State::Held, takes: vec![] };
        book.hold_reservation(id, open);
    }
    match book.reserve(id, draws, Timestamp(u64::MAX), now)? {
        verdict @ Verdict::Taken { .. } if taken => Ok(verdict),
        verdict @ Verdict::Short(_) if !taken => Ok(verdict),
        _ => Err(strange("it and the rules do not agree")),
    }
}

/// What settling did.
pub(super) fn settlement(answer: &Answer) -> Result<Settlement, Unavailable> {
    let order = match answer.what.as_str() {
        "first" => Order::First,
        "late" => Order::Late,
        "repeated" => Order::Repeated,
        "unknown" => Order::Unknown,
        _ => return Err(strange("it is none to a settlement")),
    };
    let read = |told: &String| {
        let told: Told = serde_json::from_str(told).map_err(|error| strange(&error.to_string()))?;
        told.charge().ok_or_else(|| strange("a charge is broken"))
    };
    Ok(Settlement { order, charges: answer.more.iter().map(read).collect::<Result<_, _>>()? })
}

/// A reservation whose time was over.
pub(super) fn expired(told: &str) -> Result<Expired, Unavailable> {
    let told: serde_json::Value =
        serde_json::from_str(told).map_err(|error| strange(&error.to_string()))?;
    let broken = || strange("an expired reservation is broken");
    let mut parts = told.as_array().ok_or_else(broken)?.iter();
    let id = parts.next().and_then(|id| u128::from_str_radix(id.as_str()?, 16).ok());
    let departed = parts.next().and_then(|flag| flag.as_str()).map(|flag| flag == "1");
    let (Some(id), Some(departed)) = (id, departed) else { return Err(broken()) };
    let charge = |told: &serde_json::Value| {
        let told: Option<Told> = serde_json::from_value(told.clone()).ok();
        told.and_then(|told| told.charge()).ok_or_else(broken)
    };
    let charges = parts.map(charge).collect::<Result<_, _>>()?;
    Ok(Expired { id: ReservationId(id), departed, charges })
}

/// A charge as the script tells it: key, name, measure, kind, limit, reserved, actual, before,
/// after, how many parts make a unit, what of it `before` still holds, and the instant that it
/// belongs to.
#[derive(serde::Deserialize)]
struct Told([String; 12]);

impl Told {
    fn charge(&self) -> Option<Charge> {
        let Self([key, name, measure, kind, limit, reserved, actual, ..]) = self;
        let Self([.., before, after, unit, own, began]) = self;
        let (unit, own): (u128, u64) = (unit.parse().ok()?, own.parse().ok()?);
        let units = |parts: &str| {
            let parts: u128 = parts.parse().ok()?;
            Some(u64::try_from(parts.div_ceil(unit.max(1))).unwrap_or(u64::MAX))
        };
        Some(Charge {
            key: MeterKey::from(&**key),
            name: Arc::from(&**name),
            measure: measure_of(measure)?,
            kind: kind_of(kind)?,
            limit: limit.parse().ok()?,
            reserved: reserved.parse().ok()?,
            actual: actual.parse().ok()?,
            before: units(before)?.saturating_sub(own),
            after: units(after)?,
            period: Timestamp(began.parse().ok()?),
        })
    }
}

fn measure_of(code: &str) -> Option<Measure> {
    use Measure::{Concurrent, Messages, NanoUsd, Requests, Tokens};
    [Concurrent, Messages, NanoUsd, Requests, Tokens]
        .into_iter()
        .find(|measure| measure.code() == code)
}

fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::Budget => "budget",
        Kind::Concurrency => "concurrency",
        Kind::Rate => "rate",
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    [Kind::Budget, Kind::Concurrency, Kind::Rate].into_iter().find(|kind| code(*kind) == word)
}
