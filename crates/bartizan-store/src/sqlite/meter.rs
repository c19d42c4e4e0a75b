//! The meter in the file: a batch of calls is one transaction, and survives the process.

use bartizan_core::limit::{BoxFuture, MeterKey, Unavailable};
use bartizan_core::time::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::write;
use crate::durable::rows::{amount, bytes, id, integer, json, parse, reservation, unavailable};
use crate::durable::{Before, Call, Done, Pages, Touched, Written};

/// Counters and reservations in a [`super::Sqlite`] file. Processes that share the file share the limits.
pub(super) struct SqlitePages {
    writer: SqlitePool,
    /// The latest instant that any call brought.
    clock: Timestamp,
    /// How many batches there were: now and then one of them clears up.
    turns: u64,
}

/// One batch in so many clears up in passing.
const CLEAR_UP_EVERY: u64 = 64;
/// How many rows of a kind are cleared up at once.
const CLEAR_UP: i64 = 512;
/// How long a closed reservation is remembered, so that a second word on it is recognised.
const REMEMBERED: u64 = 3_600_000_000;

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
            let before = load(&mut transaction, &Touched::by(calls), self.clock).await?;
            let (done, written) = before.decide(calls, self.clock, None);
            write_back(&mut transaction, &written).await?;
            if self.turns.is_multiple_of(CLEAR_UP_EVERY) {
                clear_up(&mut transaction, self.clock).await.map_err(unavailable)?;
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
    let rows: Vec<(Vec<u8>, String, i64, String)> = sqlx::query_as(
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
    for (key, state, deadline, takes) in rows {
        before.reservations.insert(id(&key)?, reservation(&state, deadline, &takes)?);
    }
    let keys = json(&touched.all_keys(&before))?;
    let rows: Vec<(String, Option<String>, Option<i64>)> = sqlx::query_as(
        "SELECT value, counters.state, budget_limits.amount FROM json_each($1)
         LEFT JOIN counters ON counters.key = value
         LEFT JOIN budget_limits ON budget_limits.key = value
         WHERE counters.state IS NOT NULL OR budget_limits.amount IS NOT NULL",
    )
    .bind(keys)
    .fetch_all(&mut *connection)
    .await
    .map_err(unavailable)?;
    for (key, state, limit) in rows {
        let key = MeterKey::from(&*key);
        if let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()) {
            before.limits.insert(key.clone(), limit);
        }
        if let Some(state) = state {
            before.counters.insert(key, parse(&state)?);
        }
    }
    Ok(before)
}

/// Writes what has changed.
pub(super) async fn write_back(
    connection: &mut SqliteConnection,
    written: &Written,
) -> Result<(), Unavailable> {
    for (key, counter) in &written.counters {
        sqlx::query(
            "INSERT INTO counters (key, state, idle_at) VALUES ($1, $2, $3)
             ON CONFLICT (key) DO UPDATE SET state = excluded.state, idle_at = excluded.idle_at",
        )
        .bind(key.as_str())
        .bind(json(counter)?)
        .bind(counter.idle_at().map(integer))
        .execute(&mut *connection)
        .await
        .map_err(unavailable)?;
    }
    for (id, reservation) in &written.reservations {
        sqlx::query(
            "INSERT INTO reservations (id, state, deadline, closed_at, takes)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET
             state = excluded.state, closed_at = excluded.closed_at, takes = excluded.takes",
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

/// Forgets counters that are idle and reservations that were closed long ago, a bounded number.
async fn clear_up(connection: &mut SqliteConnection, clock: Timestamp) -> sqlx::Result<()> {
    sqlx::query(
        "DELETE FROM counters WHERE key IN
         (SELECT key FROM counters WHERE idle_at <= $1 ORDER BY idle_at LIMIT $2)",
    )
    .bind(integer(clock))
    .bind(CLEAR_UP)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM reservations WHERE id IN
         (SELECT id FROM reservations WHERE closed_at <= $1 ORDER BY closed_at LIMIT $2)",
    )
    .bind(integer(Timestamp(clock.0.saturating_sub(REMEMBERED))))
    .bind(CLEAR_UP)
    .execute(connection)
    .await?;
    Ok(())
}
