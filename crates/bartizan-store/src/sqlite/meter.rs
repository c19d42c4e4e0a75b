//! The meter in the file: every call is one transaction, and survives the process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bartizan_core::limit::{
    Book, Counter, Draw, Expired, Meter, MeterKey, Reservation, ReservationId, Settlement, State,
    Take, Told, Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::Sqlite;

type Transaction = sqlx::Transaction<'static, sqlx::Sqlite>;

/// Counters and reservations in a [`Sqlite`] file. Processes that share the file share the limits.
/// Cloning gives another handle to the same meter.
#[derive(Clone, Debug)]
pub struct SqliteMeter {
    sqlite: Sqlite,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The latest instant, in microseconds, that any call brought.
    clock: AtomicU64,
    /// How many calls there were: now and then one of them clears up.
    calls: AtomicU64,
    /// What expired in passing and nobody has been told of.
    expired: Mutex<VecDeque<Expired>>,
}

/// How many overdue reservations any call closes in passing.
const IN_PASSING: i64 = 8;
/// How many a call for that purpose closes, in as many transactions as it takes.
const IN_BULK: i64 = 256;
/// One call in so many clears up in passing.
const CLEAR_UP_EVERY: u64 = 64;
/// How many rows of a kind are cleared up at once.
const CLEAR_UP: i64 = 512;
/// How long a closed reservation is remembered, so that a second word on it is recognised.
const REMEMBERED: u64 = 3_600_000_000;
/// How many expired reservations wait to be told; the oldest are dropped first.
const MOST_UNTOLD: usize = 4096;

impl SqliteMeter {
    pub(super) fn new(sqlite: Sqlite) -> Self {
        Self { sqlite, shared: Arc::default() }
    }

    /// Loads what a call touches, lets `rule` decide on it, and writes back what became of it.
    /// Nothing is told before it is committed.
    async fn turn<T>(
        &self,
        touched: Touched<'_>,
        now: Timestamp,
        rule: impl FnOnce(&mut Book) -> T,
    ) -> Result<T, Unavailable> {
        let clock = Timestamp(self.shared.clock.fetch_max(now.0, Ordering::AcqRel).max(now.0));
        let mut transaction = self.sqlite.write().await.map_err(unavailable)?;
        let before = load(&mut transaction, &touched, clock).await?;
        let mut book = before.book(clock);
        let answer = rule(&mut book);
        let expired = book.expire(now);
        write_back(&mut transaction, &before, &book, clock).await?;
        if self.shared.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(CLEAR_UP_EVERY) {
            clear_up(&mut transaction, clock).await?;
        }
        transaction.commit().await.map_err(unavailable)?;
        self.remember(expired);
        Ok(answer)
    }

    fn remember(&self, expired: Vec<Expired>) {
        if expired.is_empty() {
            return;
        }
        let mut untold = self.shared.expired.lock();
        untold.extend(expired);
        let surplus = untold.len().saturating_sub(MOST_UNTOLD);
        untold.drain(..surplus);
    }
}

impl Meter for SqliteMeter {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        let touched = Touched { id: Some(id), draws, overdue: IN_PASSING };
        Told::later(async move {
            self.turn(touched, now, |book| book.reserve(id, draws, deadline, now)).await?
        })
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        let touched = Touched { id: Some(id), draws: &[], overdue: IN_PASSING };
        Told::later(async move { self.turn(touched, now, |book| book.depart(id, now)).await? })
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        let touched = Touched { id: Some(id), draws: actual, overdue: IN_PASSING };
        Told::later(
            async move { self.turn(touched, now, |book| book.settle(id, actual, now)).await },
        )
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        Told::later(async move {
            loop {
                let touched = Touched { id: None, draws: &[], overdue: IN_BULK };
                let loaded = self.turn(touched, now, |book| book.reservations().count()).await?;
                if i64::try_from(loaded).unwrap_or(i64::MAX) < IN_BULK {
                    break;
                }
            }
            Ok(self.shared.expired.lock().drain(..).collect())
        })
    }
}

/// What a call touches: its reservation, its counters, and a few reservations that are overdue.
struct Touched<'a> {
    id: Option<ReservationId>,
    draws: &'a [Draw],
    overdue: i64,
}

/// What stood in the file.
#[derive(Default)]
struct Before {
    counters: HashMap<MeterKey, Counter>,
    reservations: HashMap<ReservationId, Reservation>,
}

impl Before {
    fn book(&self, clock: Timestamp) -> Book {
        let mut book = Book::page(clock);
        for (key, counter) in &self.counters {
            book.hold_counter(key.clone(), counter.clone());
        }
        for (id, reservation) in &self.reservations {
            book.hold_reservation(*id, reservation.clone());
        }
        book
    }
}

async fn load(
    transaction: &mut Transaction,
    touched: &Touched<'_>,
    clock: Timestamp,
) -> Result<Before, Unavailable> {
    let mut before = Before::default();
    let rows = sqlx::query(
        "SELECT id, state, deadline, takes FROM reservations WHERE id = $1
         UNION
         SELECT * FROM (SELECT id, state, deadline, takes FROM reservations
                        WHERE closed_at IS NULL AND deadline <= $2 ORDER BY deadline LIMIT $3)",
    )
    .bind(touched.id.map(bytes))
    .bind(integer(clock))
    .bind(touched.overdue)
    .fetch_all(&mut **transaction)
    .await
    .map_err(unavailable)?;
    for row in &rows {
        let (id, reservation) = reservation(row)?;
        before.reservations.insert(id, reservation);
    }
    let takes = before.reservations.values().flat_map(|reservation| &reservation.takes);
    let keys = touched.draws.iter().map(|draw| &draw.key).chain(takes.map(|take| &take.key));
    let keys = json(&keys.collect::<Vec<_>>())?;
    let rows = sqlx::query(
        "SELECT key, state FROM counters WHERE key IN (SELECT value FROM json_each($1))",
    )
    .bind(keys)
    .fetch_all(&mut **transaction)
    .await
    .map_err(unavailable)?;
    for row in &rows {
        let key: &str = row.try_get("key").map_err(unavailable)?;
        before.counters.insert(MeterKey::from(key), parse(row.try_get("state"))?);
    }
    Ok(before)
}

/// Writes what has changed.
async fn write_back(
    transaction: &mut Transaction,
    before: &Before,
    book: &Book,
    clock: Timestamp,
) -> Result<(), Unavailable> {
    for (key, counter) in book.counters() {
        if before.counters.get(key) != Some(counter) {
            sqlx::query(
                "INSERT INTO counters (key, state, idle_at) VALUES ($1, $2, $3)
                 ON CONFLICT (key) DO UPDATE SET state = excluded.state, idle_at = excluded.idle_at",
            )
            .bind(key.as_str())
            .bind(json(counter)?)
            .bind(counter.idle_at().map(integer))
            .execute(&mut **transaction)
            .await
            .map_err(unavailable)?;
        }
    }
    for (id, reservation) in book.reservations() {
        if before.reservations.get(&id) != Some(reservation) {
            sqlx::query(
                "INSERT INTO reservations (id, state, deadline, closed_at, takes)
                 VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (id) DO UPDATE SET
                 state = excluded.state, closed_at = excluded.closed_at, takes = excluded.takes",
            )
            .bind(bytes(id))
            .bind(reservation.state.code())
            .bind(integer(reservation.deadline))
            .bind((!reservation.is_open()).then(|| integer(clock)))
            .bind(json(&reservation.takes)?)
            .execute(&mut **transaction)
            .await
            .map_err(unavailable)?;
        }
    }
    Ok(())
}

/// Forgets counters that are idle and reservations that were closed long ago, a bounded number.
async fn clear_up(transaction: &mut Transaction, clock: Timestamp) -> Result<(), Unavailable> {
    sqlx::query(
        "DELETE FROM counters WHERE key IN
         (SELECT key FROM counters WHERE idle_at <= $1 ORDER BY idle_at LIMIT $2)",
    )
    .bind(integer(clock))
    .bind(CLEAR_UP)
    .execute(&mut **transaction)
    .await
    .map_err(unavailable)?;
    sqlx::query(
        "DELETE FROM reservations WHERE id IN
         (SELECT id FROM reservations WHERE closed_at <= $1 ORDER BY closed_at LIMIT $2)",
    )
    .bind(integer(Timestamp(clock.0.saturating_sub(REMEMBERED))))
    .bind(CLEAR_UP)
    .execute(&mut **transaction)
    .await
    .map_err(unavailable)?;
    Ok(())
}

fn reservation(row: &SqliteRow) -> Result<(ReservationId, Reservation), Unavailable> {
    let id: &[u8] = row.try_get("id").map_err(unavailable)?;
    let id = id.try_into().map_err(|_| Unavailable::new("a reservation has a broken id"))?;
    let state: &str = row.try_get("state").map_err(unavailable)?;
    let state = State::from_code(state)
        .ok_or_else(|| Unavailable::new("a reservation is in an unknown state"))?;
    let deadline: i64 = row.try_get("deadline").map_err(unavailable)?;
    let deadline = Timestamp(u64::try_from(deadline).unwrap_or(0));
    let takes: Vec<Take> = parse(row.try_get("takes"))?;
    Ok((ReservationId(u128::from_be_bytes(id)), Reservation { deadline, state, takes }))
}

fn bytes(id: ReservationId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

/// SQLite's integers are signed: the year 294,000 is the end of time.
fn integer(instant: Timestamp) -> i64 {
    i64::try_from(instant.0).unwrap_or(i64::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, Unavailable> {
    serde_json::to_string(value).map_err(|error| Unavailable::new(error.to_string()))
}

fn parse<T: serde::de::DeserializeOwned>(text: sqlx::Result<&str>) -> Result<T, Unavailable> {
    let text = text.map_err(unavailable)?;
    serde_json::from_str(text)
        .map_err(|error| Unavailable::new(format!("a stored counter cannot be read: {error}")))
}

#[allow(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unavailable(error: sqlx::Error) -> Unavailable {
    Unavailable::new(error.to_string())
}
