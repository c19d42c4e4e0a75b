//! How do counters, reservations and transfers stand in a table?

use std::collections::BTreeMap;
use std::time::Duration;

use bartizan_core::limit::treasury::Due;
use bartizan_core::limit::{
    Account, Cause, Counter, Holding, MeterKey, Posted, Reservation, ReservationId, State, Sum,
    Take, Transfer, Unavailable,
};
use bartizan_core::time::Timestamp;

use super::engine::{Row, Statement, unreadable};
use crate::told;

/// What the rows of a question `$from` come to, for each counter and period: the key, first and last
/// instant, when something was taken from what is free last, what is reserved and what is settled.
macro_rules! sums {
    ($from:literal) => {
        concat!(
            "SELECT ledger.key AS key, period_start, max(period_end) AS period_end, \
             max(CASE WHEN debit = 'free' THEN at ELSE period_start END) AS last, \
             CAST(sum(CASE WHEN credit = 'reserved' THEN amount \
             WHEN debit = 'reserved' THEN -amount ELSE 0 END) AS TEXT) AS reserved, \
             CAST(sum(CASE WHEN credit = 'settled' THEN amount \
             WHEN debit = 'settled' THEN -amount ELSE 0 END) AS TEXT) AS settled FROM ",
            $from,
            " GROUP BY ledger.key, period_start ORDER BY ledger.key, period_start"
        )
    };
}

/// What all of the ledger comes to.
pub(crate) const SUMS: &str = sums!("ledger");

/// What it comes to for these keys, each from an instant on.
pub(crate) const SUMS_ON_A_SERVER: &str = sums!(
    "unnest($1::text[], $2::bigint[]) AS asked(name, since) \
     JOIN ledger ON ledger.key = asked.name AND period_start >= asked.since"
);

/// The same where the keys and instants stand in a JSON object.
pub(crate) const SUMS_IN_A_FILE: &str = sums!(
    "json_each($1) AS asked JOIN ledger ON ledger.key = asked.key AND period_start >= asked.value"
);

/// A row of [`SUMS`].
pub(crate) fn sum(row: &Row) -> Result<Sum, Unavailable> {
    let read = || {
        Ok(Sum {
            key: MeterKey::from(&*row.text("key")?),
            start: row.instant("period_start")?,
            end: row.instant("period_end")?,
            last: row.instant("last")?,
            reserved: row.parsed("reserved")?,
            settled: row.parsed("settled")?,
        })
    };
    read().map_err(unavailable)
}

/// A row of the ledger.
pub(crate) fn posted(key: &MeterKey, row: &Row) -> Result<Posted, Unavailable> {
    let broken = || unreadable("a row of the ledger cannot be read");
    let account =
        |column| row.string(column).and_then(|code| Account::from_code(&code).ok_or_else(broken));
    let whole = |column| row.integer(column).and_then(|n| u64::try_from(n).map_err(|_| broken()));
    let read = || {
        let transfer = Transfer {
            reservation: None,
            key: key.clone(),
            start: row.instant("period_start")?,
            end: row.instant("period_end")?,
            debit: account("debit")?,
            credit: account("credit")?,
            amount: whole("amount")?,
            cause: Cause::from_code(&row.string("cause")?).ok_or_else(broken)?,
        };
        Ok((
            Posted { seq: whole("seq")?, at: row.instant("at")?, transfer },
            row.maybe_bytes("reservation")?,
        ))
    };
    let (mut posted, reservation) = read().map_err(unavailable)?;
    posted.transfer.reservation = reservation.as_deref().map(id).transpose()?;
    Ok(posted)
}

/// A row of the reservations: id, state, deadline and takes.
pub(crate) type ReservationRow = (Vec<u8>, String, i64, String);
/// A row of the counters: key, state if there is one, and the limit that an operator has set.
pub(crate) type CounterRow = (String, Option<String>, Option<i64>);

pub(crate) fn reservation(
    state: &str,
    deadline: i64,
    takes: &str,
) -> Result<Reservation, Unavailable> {
    let state = State::from_code(state).ok_or_else(|| broken("the state of a reservation"))?;
    let takes: Vec<Take> = parse(takes)?;
    Ok(Reservation { deadline: instant(deadline), state, takes })
}

pub(crate) fn id(bytes: &[u8]) -> Result<ReservationId, Unavailable> {
    let bytes = bytes.try_into().map_err(|_| broken("the id of a reservation"))?;
    Ok(ReservationId(u128::from_be_bytes(bytes)))
}

pub(crate) fn bytes(id: ReservationId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// A database's integers are signed: the year 294,000 is the end of time.
pub(crate) fn integer(instant: Timestamp) -> i64 {
    i64::try_from(instant.0).unwrap_or(i64::MAX)
}

pub(crate) fn instant(micros: i64) -> Timestamp {
    Timestamp(u64::try_from(micros).unwrap_or(0))
}

pub(crate) fn amount(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, Unavailable> {
    serde_json::to_string(value).map_err(|error| Unavailable::new(error.to_string()))
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Unavailable> {
    serde_json::from_str(text)
        .map_err(|error| Unavailable::new(format!("a stored counter cannot be read: {error}")))
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
pub(crate) fn unavailable(error: sqlx::Error) -> Unavailable {
    Unavailable::new(told::why(&error))
}

fn broken(what: &str) -> Unavailable {
    Unavailable::new(format!("{what} cannot be read"))
}

/// All counters of budgets.
pub(crate) const COUNTERS: &str =
    "SELECT key, state FROM counters WHERE key LIKE '%/%.budget.%' ORDER BY key";

/// A row of the reservations: id, state, deadline and takes.
pub(crate) fn opened(row: &Row) -> Result<(ReservationId, Reservation), Unavailable> {
    let read = || {
        Ok((row.bytes("id")?, row.string("state")?, row.integer("deadline")?, row.string("takes")?))
    };
    let (key, state, deadline, takes) = read().map_err(unavailable)?;
    Ok((id(&key)?, reservation(&state, deadline, &takes)?))
}

pub(crate) fn counters(rows: &[Row]) -> Result<BTreeMap<MeterKey, Counter>, Unavailable> {
    let counter = |row: &Row| Ok((key(row)?, parse(&row.string("state").map_err(unavailable)?)?));
    // The name of another limit may read like the form of a budget.
    let ours = |row: &Result<(MeterKey, Counter), Unavailable>| {
        row.as_ref().map_or(true, |(key, _)| key.of_budget().is_some())
    };
    rows.iter().map(counter).filter(ours).collect()
}

pub(crate) fn holding(row: &Row) -> Result<Holding, Unavailable> {
    let state = row.string("state").map_err(unavailable)?;
    let limit = row.maybe_integer("amount").map_err(unavailable)?;
    let limit = limit.and_then(|limit| u64::try_from(limit).ok());
    Ok(Holding { key: key(row)?, counter: parse(&state)?, limit })
}

/// A limit that was set for a counter that nobody has drawn on.
pub(crate) fn ahead(row: &Row) -> Result<(MeterKey, u64), Unavailable> {
    let limit = row.integer("amount").map_err(unavailable)?;
    Ok((key(row)?, u64::try_from(limit).unwrap_or(u64::MAX)))
}

pub(crate) fn due(row: &Row) -> Result<Due, Unavailable> {
    let read = || Ok((row.integer("id")?, row.string("body")?, row.integer("tries")?));
    let (id, body, tries) = read().map_err(unavailable)?;
    Ok(Due { id, body, tries: u32::try_from(tries).unwrap_or(u32::MAX) })
}

fn key(row: &Row) -> Result<MeterKey, Unavailable> {
    Ok(MeterKey::from(&*row.text("key").map_err(unavailable)?))
}

/// One batch of calls in so many clears up in passing.
pub(crate) const CLEAR_UP_EVERY: u64 = 64;
/// How many rows of a kind are cleared up at once.
const CLEAR_UP: usize = 512;
/// How long a closed reservation is remembered, so that a second word on it is recognised.
const REMEMBERED: Duration = Duration::from_hours(1);

/// What forgets counters that are idle and reservations that were closed long ago, a bounded
/// number.
pub(crate) fn cleared_up(clock: Timestamp) -> [Statement; 2] {
    const IDLE: &str = "DELETE FROM counters WHERE key IN \
        (SELECT key FROM counters WHERE idle_at <= $1 ORDER BY idle_at LIMIT $2)";
    const CLOSED: &str = "DELETE FROM reservations WHERE id IN \
        (SELECT id FROM reservations WHERE closed_at <= $1 ORDER BY closed_at LIMIT $2)";
    [
        Statement::new(IDLE).bind(clock).bind(CLEAR_UP),
        Statement::new(CLOSED).bind(clock.minus(REMEMBERED)).bind(CLEAR_UP),
    ]
}
