//! The meter in the file: a batch of calls is one transaction, and survives the process.

use std::collections::BTreeMap;

use bartizan_core::limit::{BoxFuture, MeterKey, Sum, Unavailable};
use bartizan_core::time::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::write;
use crate::durable::engine::Row;
use crate::durable::rows::{
    CLEAR_UP_EVERY, CounterRow, ReservationRow, SUMS_IN_A_FILE, amount, bytes, cleared_up, integer,
    json, sum, unavailable,
};
use crate::durable::{Before, Call, Done, Pages, Touched, Written, forgotten};

/// Counters and reservations in a [`super::Sqlite`] file. Processes that share the file share the limits.
pub(super) struct SqlitePages {
    writer: SqlitePool,
    /// The latest instant that any call brought.
    clock: Timestamp,
    /// How many batches there were: now and then one of them clears up.
    turns: u64,
}

impl SqlitePages {
    pub(super) fn new(writer: SqlitePool) -> Self {
        Self { writer, clock: Timestamp(0), turns: 0 }
    }
}

impl Pages for SqlitePages {
    fn turn<'a>(&'a mut self, calls: &'a [Call]) -> BoxFuture<'a, Result<Done, Unavailable>> {
        Box::pin(async move {
            let latest = calls.iter().map(Call::now).max().unwrap_or_default();
            self.clock = self.clock.max(latest);
            let mut transaction = write(&self.writer).await.map_err(unavailable)?;
            let mut before = load(&mut transaction, &Touched::by(calls), self.clock).await?;
            let gone = forgotten(calls, &before, self.clock);
            recall(&mut transaction, &gone, &mut before, self.clock).await?;
            let (done, written) = before.decide(calls, self.clock, None);
            write_back(&mut transaction, &written).await?;
            if self.turns.is_multiple_of(CLEAR_UP_EVERY) {
                for statement in cleared_up(self.clock) {
                    let done = statement.query().execute(&mut *transaction).await;
                    done.map_err(unavailable)?;
                }
            }
            transaction.commit().await.map_err(unavailable)?;
            self.turns += 1;
            Ok(done)
        })
    }
}

async fn load(
    connection: &mut SqliteConnection,
    touched: &Touched,
    clock: Timestamp,
) -> Result<Before, Unavailable> {
    let mut before = Before::default();
    let ids: Vec<String> = touched.ids.iter().map(|id| format!("{:032X}", id.0)).collect();
    let rows: Vec<ReservationRow> = sqlx::query_as(
        "SELECT id, state, deadline, takes FROM reservations
         WHERE id IN (SELECT unhex(value) FROM json_each($1))
         UNION
         SELECT * FROM (SELECT id, state, deadline, takes FROM reservations
                        WHERE closed_at IS NULL AND deadline <= $2 ORDER BY deadline LIMIT $3)",
    )
    .bind(json(&ids)?)
    .bind(integer(clock))
    .bind(touched.overdue)
    .fetch_all(&mut *connection)
    .await
    .map_err(unavailable)?;
    before.hold_reservations(rows)?;
    let keys = json(&touched.all_keys(&before))?;
    let rows: Vec<CounterRow> = sqlx::query_as(
        "SELECT value, counters.state, budget_limits.amount FROM json_each($1)
         LEFT JOIN counters ON counters.key = value
         LEFT JOIN budget_limits ON budget_limits.key = value
         WHERE counters.state IS NOT NULL OR budget_limits.amount IS NOT NULL",
    )
    .bind(keys)
    .fetch_all(&mut *connection)
    .await
    .map_err(unavailable)?;
    before.hold_counters(rows)?;
    Ok(before)
}

/// What the ledger knows of budgets whose counters are gone.
async fn recall(
    connection: &mut SqliteConnection,
    forgotten: &BTreeMap<MeterKey, Timestamp>,
    before: &mut Before,
    clock: Timestamp,
) -> Result<(), Unavailable> {
    if forgotten.is_empty() {
        return Ok(());
    }
    let since: BTreeMap<&str, i64> =
        forgotten.iter().map(|(key, since)| (key.as_str(), integer(*since))).collect();
    let rows = sqlx::query(SUMS_IN_A_FILE).bind(json(&since)?).fetch_all(connection).await;
    let rows = rows.map_err(unavailable)?.into_iter().map(Row::Sqlite);
    let sums: Vec<Sum> = rows.map(|row| sum(&row)).collect::<Result<_, _>>()?;
    before.hold_sums(&sums, clock);
    Ok(())
}

/// Writes what has changed.
pub(super) async fn write_back(
    connection: &mut SqliteConnection,
    written: &Written,
) -> Result<(), Unavailable> {
    for (key, counter) in &written.counters {
        sqlx::query(
            // It may be held for longer by a call that another batch has reserved.
            "INSERT INTO counters (key, state, idle_at) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO UPDATE SET state = excluded.state, idle_at =
             CASE WHEN excluded.idle_at < counters.idle_at THEN counters.idle_at ELSE excluded.idle_at END",
        )
        .bind(key.as_str())
        .bind(json(counter)?)
        .bind(counter.idle_at().map(integer))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    }
    for (key, until) in &written.held {
        sqlx::query("UPDATE counters SET idle_at = $2 WHERE key = $1 AND idle_at < $2")
            .bind(key.as_str())
            .bind(integer(*until))
            .execute(&mut *connection)
            .await
            .map_err(unavailable)?;
    }
    for (id, reservation) in &written.reservations {
        sqlx::query(
            "INSERT INTO reservations (id, state, deadline, closed_at, takes)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, deadline = excluded.deadline, closed_at = excluded.closed_at, takes = excluded.takes",
        )
        .bind(bytes(*id))
        .bind(reservation.state.code())
        .bind(integer(reservation.deadline))
        .bind((!reservation.is_open()).then(|| integer(written.clock)))
        .bind(json(&reservation.takes)?)
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    }
    for transfer in &written.transfers {
        sqlx::query(
            "INSERT INTO ledger
             (at, reservation, key, period_start, period_end, debit, credit, amount, cause)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(integer(written.clock))
        .bind(transfer.reservation.map(bytes))
        .bind(transfer.key.as_str())
        .bind(integer(transfer.start))
        .bind(integer(transfer.end))
        .bind(transfer.debit.code())
        .bind(transfer.credit.code())
        .bind(amount(transfer.amount))
        .bind(transfer.cause.code())
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    }
    Ok(())
}
