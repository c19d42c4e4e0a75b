//! How do counters, reservations and transfers stand in a table?

use std::collections::BTreeMap;

use bartizan_core::limit::treasury::Due;
use bartizan_core::limit::{
    Account, Cause, Counter, Holding, MeterKey, Posted, Reservation, ReservationId, State, Sum,
    Take, Transfer, Unavailable,
};
use bartizan_core::time::Timestamp;

/// What the ledger comes to, for each counter and period: the key, first and last instant, when
/// something was taken from what is free last, what is reserved and what is settled.
pub(crate) const SUMS: &str = "SELECT key, period_start, max(period_end), \
    max(CASE WHEN debit = 'free' THEN at ELSE period_start END), \
    CAST(sum(CASE WHEN credit = 'reserved' THEN amount WHEN debit = 'reserved' THEN -amount ELSE 0 END) AS TEXT), \
    CAST(sum(CASE WHEN credit = 'settled' THEN amount WHEN debit = 'settled' THEN -amount ELSE 0 END) AS TEXT) \
    FROM ledger GROUP BY key, period_start ORDER BY key, period_start";

/// A row of [`SUMS`].
pub(crate) type SumRow = (String, i64, i64, i64, String, String);

/// A row of the ledger: its number, when, whose, of what, and what moved.
pub(crate) type LedgerRow = (i64, i64, Option<Vec<u8>>, i64, i64, String, String, i64, String);

pub(crate) fn sum((key, start, end, last, reserved, settled): SumRow) -> Result<Sum, Unavailable> {
    let whole = |text: &str| text.parse::<i128>().map_err(|_| broken("a sum of the ledger"));
    Ok(Sum {
        key: MeterKey::from(&*key),
        start: instant(start),
        end: instant(end),
        last: instant(last),
        reserved: whole(&reserved)?,
        settled: whole(&settled)?,
    })
}

pub(crate) fn posted(key: &MeterKey, row: LedgerRow) -> Result<Posted, Unavailable> {
    let (seq, at, reservation, start, end, debit, credit, amount, cause) = row;
    let broken = || broken("a row of the ledger");
    let transfer = Transfer {
        reservation: reservation.as_deref().map(id).transpose()?,
        key: key.clone(),
        start: instant(start),
        end: instant(end),
        debit: Account::from_code(&debit).ok_or_else(broken)?,
        credit: Account::from_code(&credit).ok_or_else(broken)?,
        amount: u64::try_from(amount).map_err(|_| broken())?,
        cause: Cause::from_code(&cause).ok_or_else(broken)?,
    };
    let seq = u64::try_from(seq).map_err(|_| broken())?;
    Ok(Posted { seq, at: instant(at), transfer })
}

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
    Unavailable::new(error.to_string())
}

fn broken(what: &str) -> Unavailable {
    Unavailable::new(format!("{what} cannot be read"))
}

/// All counters of budgets.
pub(crate) const COUNTERS: &str =
    "SELECT key, state FROM counters WHERE key LIKE '%/%.budget.%' ORDER BY key";

/// A row of the reservations: id, state, deadline and takes.
pub(crate) type ReservationRow = (Vec<u8>, String, i64, String);

pub(crate) fn opened(
    (key, state, deadline, takes): ReservationRow,
) -> Result<(ReservationId, Reservation), Unavailable> {
    Ok((id(&key)?, reservation(&state, deadline, &takes)?))
}

pub(crate) fn counters(
    rows: Vec<(String, String)>,
) -> Result<BTreeMap<MeterKey, Counter>, Unavailable> {
    let counter = |(key, state): (String, String)| Ok((MeterKey::from(&*key), parse(&state)?));
    // The name of another limit may read like the form of a budget.
    let ours = |row: &Result<(MeterKey, Counter), Unavailable>| {
        row.as_ref().map_or(true, |(key, _)| key.of_budget().is_some())
    };
    rows.into_iter().map(counter).filter(ours).collect()
}

pub(crate) fn holding(
    (key, state, limit): (String, String, Option<i64>),
) -> Result<Holding, Unavailable> {
    let limit = limit.and_then(|limit| u64::try_from(limit).ok());
    Ok(Holding { key: MeterKey::from(&*key), counter: parse(&state)?, limit })
}

/// Writes an alert down, once.
pub(crate) const RAISE: &str = "INSERT INTO budget_alerts (key, period_start, percent, body, due) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key, period_start, percent) DO NOTHING";

/// When it is sent again, if it is.
pub(crate) const SENT: &str = "UPDATE budget_alerts SET due = $2 WHERE id = $1";

pub(crate) fn due((id, body, tries): (i64, String, i64)) -> Due {
    Due { id, body, tries: u32::try_from(tries).unwrap_or(u32::MAX) }
}
