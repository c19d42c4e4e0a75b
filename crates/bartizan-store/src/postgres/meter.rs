//! The meter on the server: a batch of calls is one transaction, and all gateways share it.
//!
//! One gateway writes at a time: it holds the row of the clock from the beginning of its
//! transaction to the end. So nothing waits in a circle, the rules see every counter as the last
//! one left it, and the clock that decides is one and never goes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::limit::{BoxFuture, MeterKey, Sum, Unavailable};
use bartizan_core::time::Timestamp;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::hosts::Hosts;
use crate::durable::engine::Row;
use crate::durable::rows::{
    CLEAR_UP_EVERY, CounterRow, ReservationRow, SUMS_ON_A_SERVER, amount, bytes, cleared_up,
    instant, integer, json, sum, unavailable,
};
use crate::durable::{Before, Call, Clock, Done, Pages, Touched, Written, forgotten};

/// Counters and reservations on a server, and the connection that writes them.
pub(super) struct PostgresPages {
    hosts: Arc<Hosts>,
    clock: Clock,
    /// None before the first call, and after one that was cut short.
    connection: Option<PgConnection>,
    /// How many batches there were: now and then one of them clears up.
    turns: u64,
}

impl PostgresPages {
    pub(super) fn new(hosts: Arc<Hosts>, clock: Clock) -> Self {
        Self { hosts, clock, connection: None, turns: 0 }
    }
}

impl Pages for PostgresPages {
    fn turn<'a>(&'a mut self, calls: &'a [Call]) -> BoxFuture<'a, Result<Done, Unavailable>> {
        Box::pin(async move {
            // Taken out: dropped with this future, it is not used again.
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.hosts.connect().await.map_err(unavailable)?,
            };
            let mut transaction = connection.begin().await.map_err(unavailable)?;
            let latest = calls.iter().map(Call::now).max().unwrap_or_default();
            let told = (self.clock == Clock::Callers).then_some(latest);
            let clock = hold(&mut transaction, told).await.map_err(unavailable)?;
            let own = (self.clock == Clock::Own).then_some(clock);
            let mut before = load(&mut transaction, &Touched::by(calls), clock).await?;
            recall(&mut transaction, &forgotten(calls, &before, clock), &mut before, clock).await?;
            let (done, written) = before.decide(calls, clock, own);
            write_back(&mut transaction, &written).await?;
            if self.turns.is_multiple_of(CLEAR_UP_EVERY) {
                for statement in cleared_up(clock) {
                    let done = statement.query().execute(&mut *transaction).await;
                    done.map_err(unavailable)?;
                }
            }
            transaction.commit().await.map_err(unavailable)?;
            self.turns += 1;
            self.connection = Some(connection);
            Ok(done)
        })
    }

    fn cut(&mut self) {
        self.connection = None;
    }
}

/// Waits for one's turn, and reads the clock: the server's, or the latest instant that was told.
pub(super) async fn hold(
    connection: &mut PgConnection,
    told: Option<Timestamp>,
) -> sqlx::Result<Timestamp> {
    let held: i64 = sqlx::query_scalar(
        "UPDATE meter_clock SET instant = greatest(instant,
             coalesce($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint))
         RETURNING instant",
    )
    .bind(told.map(integer))
    .fetch_one(connection)
    .await?;
    Ok(instant(held))
}

async fn load(
    connection: &mut PgConnection,
    touched: &Touched,
    clock: Timestamp,
) -> Result<Before, Unavailable> {
    let mut before = Before::default();
    let ids: Vec<Vec<u8>> = touched.ids.iter().copied().map(bytes).collect();
    let rows: Vec<ReservationRow> = sqlx::query_as(
        "SELECT id, state, deadline, takes FROM reservations WHERE id = ANY($1)
         UNION
         (SELECT id, state, deadline, takes FROM reservations
          WHERE closed_at IS NULL AND deadline <= $2 ORDER BY deadline LIMIT $3)",
    )
    .bind(ids)
    .bind(integer(clock))
    .bind(touched.overdue)
    .fetch_all(&mut *connection)
    .await
    .map_err(unavailable)?;
    before.hold_reservations(rows)?;
    let rows: Vec<CounterRow> = sqlx::query_as(
        "SELECT asked.key, counters.state, budget_limits.amount FROM unnest($1::text[]) AS asked(key)
         LEFT JOIN counters ON counters.key = asked.key
         LEFT JOIN budget_limits ON budget_limits.key = asked.key
         WHERE counters.state IS NOT NULL OR budget_limits.amount IS NOT NULL",
    )
    .bind(touched.all_keys(&before))
    .fetch_all(&mut *connection)
    .await
    .map_err(unavailable)?;
    before.hold_counters(rows)?;
    Ok(before)
}

/// What the ledger knows of budgets whose counters are gone.
async fn recall(
    connection: &mut PgConnection,
    forgotten: &BTreeMap<MeterKey, Timestamp>,
    before: &mut Before,
    clock: Timestamp,
) -> Result<(), Unavailable> {
    if forgotten.is_empty() {
        return Ok(());
    }
    let (keys, since): (Vec<&str>, Vec<i64>) =
        forgotten.iter().map(|(key, since)| (key.as_str(), integer(*since))).unzip();
    let rows = sqlx::query(SUMS_ON_A_SERVER).bind(keys).bind(since).fetch_all(connection).await;
    let rows = rows.map_err(unavailable)?.into_iter().map(Row::Postgres);
    let sums: Vec<Sum> = rows.map(|row| sum(&row)).collect::<Result<_, _>>()?;
    before.hold_sums(&sums, clock);
    Ok(())
}

/// Writes what has changed: one statement for each table, whatever the number of rows.
pub(super) async fn write_back(
    connection: &mut PgConnection,
    written: &Written,
) -> Result<(), Unavailable> {
    write_counters(connection, written).await?;
    hold_counters(connection, written).await?;
    write_reservations(connection, written).await?;
    write_ledger(connection, written).await
}

async fn write_counters(
    connection: &mut PgConnection,
    written: &Written,
) -> Result<(), Unavailable> {
    if written.counters.is_empty() {
        return Ok(());
    }
    let states = written.counters.iter().map(|(_, counter)| json(counter));
    let keys: Vec<&str> = written.counters.iter().map(|(key, _)| key.as_str()).collect();
    let idle = written.counters.iter().map(|(_, counter)| counter.idle_at().map(integer));
    // It may be held for longer by a call that another batch has reserved.
    sqlx::query(
        "INSERT INTO counters (key, state, idle_at)
         SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
         ON CONFLICT (key) DO UPDATE SET state = excluded.state, idle_at =
         CASE WHEN excluded.idle_at < counters.idle_at THEN counters.idle_at ELSE excluded.idle_at END",
    )
    .bind(keys)
    .bind(states.collect::<Result<Vec<_>, _>>()?)
    .bind(idle.collect::<Vec<Option<i64>>>())
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

/// Keeps the counters on which open reservations draw.
async fn hold_counters(
    connection: &mut PgConnection,
    written: &Written,
) -> Result<(), Unavailable> {
    if written.held.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = written.held.iter().map(|(key, _)| key.as_str()).collect();
    let until: Vec<i64> = written.held.iter().map(|(_, until)| integer(*until)).collect();
    sqlx::query(
        "UPDATE counters SET idle_at = held.until
         FROM (SELECT key, max(until) AS until FROM unnest($1::text[], $2::bigint[]) AS one(key, until)
               GROUP BY key) AS held
         WHERE counters.key = held.key AND counters.idle_at < held.until",
    )
    .bind(keys)
    .bind(until)
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

async fn write_reservations(
    connection: &mut PgConnection,
    written: &Written,
) -> Result<(), Unavailable> {
    if written.reservations.is_empty() {
        return Ok(());
    }
    let reservations = || written.reservations.iter();
    let takes = reservations().map(|(_, reservation)| json(&reservation.takes));
    let takes = takes.collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<Vec<u8>> = reservations().map(|(id, _)| bytes(*id)).collect();
    let states: Vec<&str> = reservations().map(|(_, one)| one.state.code()).collect();
    let deadlines: Vec<i64> = reservations().map(|(_, one)| integer(one.deadline)).collect();
    let closed = |open: bool| (!open).then(|| integer(written.clock));
    let closed: Vec<Option<i64>> = reservations().map(|(_, one)| closed(one.is_open())).collect();
    sqlx::query(
        "INSERT INTO reservations (id, state, deadline, closed_at, takes)
         SELECT * FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[], $5::text[])
         ON CONFLICT (id) DO UPDATE SET
         state = excluded.state, deadline = excluded.deadline, closed_at = excluded.closed_at, takes = excluded.takes",
    )
    .bind(ids)
    .bind(states)
    .bind(deadlines)
    .bind(closed)
    .bind(takes)
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}

async fn write_ledger(connection: &mut PgConnection, written: &Written) -> Result<(), Unavailable> {
    if written.transfers.is_empty() {
        return Ok(());
    }
    let transfers = || written.transfers.iter();
    let of: Vec<Option<Vec<u8>>> = transfers().map(|one| one.reservation.map(bytes)).collect();
    let keys: Vec<&str> = transfers().map(|one| one.key.as_str()).collect();
    let starts: Vec<i64> = transfers().map(|one| integer(one.start)).collect();
    let ends: Vec<i64> = transfers().map(|one| integer(one.end)).collect();
    let debits: Vec<&str> = transfers().map(|one| one.debit.code()).collect();
    let credits: Vec<&str> = transfers().map(|one| one.credit.code()).collect();
    let amounts: Vec<i64> = transfers().map(|one| amount(one.amount)).collect();
    let causes: Vec<&str> = transfers().map(|one| one.cause.code()).collect();
    sqlx::query(
        "INSERT INTO ledger
         (at, reservation, key, period_start, period_end, debit, credit, amount, cause)
         SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::bigint[], $5::bigint[],
             $6::text[], $7::text[], $8::bigint[], $9::text[])",
    )
    .bind(integer(written.clock))
    .bind(of)
    .bind(keys)
    .bind(starts)
    .bind(ends)
    .bind(debits)
    .bind(credits)
    .bind(amounts)
    .bind(causes)
    .execute(connection)
    .await
    .map_err(unavailable)?;
    Ok(())
}
