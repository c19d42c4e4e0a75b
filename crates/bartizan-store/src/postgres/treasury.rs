//! What commands ask of the budgets on the server.

use std::collections::BTreeMap;

use bartizan_core::limit::treasury::{Answer, Due, MAX_PAGE, differences, rebuilt};
use bartizan_core::limit::{
    Alert, Counter, Difference, Holding, MeterKey, Posted, Reservation, ReservationId, Sum,
    Treasury, Unavailable, transfer,
};
use bartizan_core::time::Timestamp;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::Postgres;
use super::meter::{hold, write_back};
use crate::durable::Written;
use crate::durable::rows::{self, LedgerRow, SUMS, SumRow, amount, parse, unavailable};

/// The budgets of a [`Postgres`] database and their ledger, by the clock of the server.
#[derive(Clone, Debug)]
pub struct PostgresTreasury {
    postgres: Postgres,
}

impl PostgresTreasury {
    pub(super) fn new(postgres: Postgres) -> Self {
        Self { postgres }
    }
}

const DUE: &str = "UPDATE budget_alerts SET due = $2, tries = tries + 1 WHERE id IN \
    (SELECT id FROM budget_alerts WHERE due <= $1 ORDER BY due LIMIT 32 FOR UPDATE SKIP LOCKED) \
    RETURNING id, body, tries";
const LEDGER: &str = "SELECT seq, at, reservation, period_start, period_end, debit, credit, \
    amount, cause FROM ledger WHERE key = $1 ORDER BY seq DESC LIMIT $2";
const OPEN: &str = "SELECT id, state, deadline, takes FROM reservations WHERE closed_at IS NULL \
    AND id IN (SELECT reservation FROM ledger WHERE key = $1) ORDER BY deadline LIMIT $2";
const SET: &str = "INSERT INTO budget_limits (key, amount) VALUES ($1, $2) \
    ON CONFLICT (key) DO UPDATE SET amount = excluded.amount";
const UNSET: &str = "DELETE FROM budget_limits WHERE key = $1";
const HOLDINGS: &str = "SELECT counters.key, state, amount FROM counters \
    LEFT JOIN budget_limits ON budget_limits.key = counters.key \
    WHERE counters.key > $1 AND counters.key LIKE '%/%.budget.%' ORDER BY counters.key LIMIT $2";

impl Treasury for PostgresTreasury {
    fn holdings<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Holding>> {
        Box::pin(async move {
            let query = sqlx::query_as::<_, (String, String, Option<i64>)>(HOLDINGS);
            let rows = query.bind(after).bind(most()).fetch_all(&self.postgres.pool);
            let rows = self.postgres.within(rows).await.map_err(unavailable)?;
            rows.into_iter().map(rows::holding).collect()
        })
    }

    fn posted<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, Vec<Posted>> {
        Box::pin(async move {
            let query = sqlx::query_as::<_, LedgerRow>(LEDGER).bind(key.as_str()).bind(most());
            let rows = self.postgres.within(query.fetch_all(&self.postgres.pool)).await;
            rows.map_err(unavailable)?.into_iter().map(|row| rows::posted(key, row)).collect()
        })
    }

    fn open<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, Vec<(ReservationId, Reservation)>> {
        Box::pin(async move {
            let query = sqlx::query_as::<_, rows::ReservationRow>(OPEN);
            let rows = query.bind(key.as_str()).bind(most()).fetch_all(&self.postgres.pool);
            let rows = self.postgres.within(rows).await.map_err(unavailable)?;
            rows.into_iter().map(rows::opened).collect()
        })
    }

    fn set_limit<'a>(&'a self, key: &'a MeterKey, limit: Option<u64>) -> Answer<'a, ()> {
        Box::pin(async move {
            let query = match limit {
                Some(limit) => sqlx::query(SET).bind(key.as_str()).bind(amount(limit)),
                None => sqlx::query(UNSET).bind(key.as_str()),
            };
            let done = self.postgres.within(query.execute(&self.postgres.pool)).await;
            done.map(drop).map_err(unavailable)
        })
    }

    fn reset<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, u64> {
        const ONE: &str = "SELECT state FROM counters WHERE key = $1";
        Box::pin(async move {
            let mut link = self.postgres.link().await.map_err(unavailable)?;
            let connection = link.connection().map_err(unavailable)?;
            let mut change = connection.begin().await.map_err(unavailable)?;
            let clock = hold(&mut change, None).await.map_err(unavailable)?;
            let state = sqlx::query_scalar::<_, String>(ONE).bind(key.as_str());
            let state = state.fetch_optional(&mut *change).await.map_err(unavailable)?;
            let Some(Counter::Budget(mut budget)) = state.as_deref().map(parse).transpose()? else {
                return Ok(0);
            };
            let (current, forgiven) = (budget.current(), budget.forgive());
            let transfer = transfer::forgiven(key, current.start, current.end, forgiven);
            let written = Written {
                counters: vec![(key.clone(), Counter::Budget(budget))],
                transfers: transfer.into_iter().collect(),
                clock,
                ..Written::default()
            };
            write_back(&mut change, &written).await?;
            change.commit().await.map_err(unavailable)?;
            link.done();
            Ok(forgiven)
        })
    }

    fn verify(&self) -> Answer<'_, Vec<Difference>> {
        Box::pin(async move {
            let mut link = self.postgres.link().await.map_err(unavailable)?;
            let connection = link.connection().map_err(unavailable)?;
            let mut change = connection.begin().await.map_err(unavailable)?;
            // Nobody writes between the two questions.
            let clock = hold(&mut change, None).await.map_err(unavailable)?;
            let (counters, sums) = read(&mut change).await?;
            change.rollback().await.map_err(unavailable)?;
            link.done();
            Ok(differences(&counters, &sums, clock))
        })
    }

    fn rebuild(&self) -> Answer<'_, Vec<Difference>> {
        const OTHERS: &str = "DELETE FROM counters WHERE key = ANY($1)";
        Box::pin(async move {
            let mut link = self.postgres.link().await.map_err(unavailable)?;
            let connection = link.connection().map_err(unavailable)?;
            let mut change = connection.begin().await.map_err(unavailable)?;
            let clock = hold(&mut change, None).await.map_err(unavailable)?;
            let (counters, sums) = read(&mut change).await?;
            let found = differences(&counters, &sums, clock);
            let made = rebuilt(&counters, &sums, clock);
            let gone = counters.keys().filter(|key| !made.contains_key(*key));
            let gone: Vec<&str> = gone.map(MeterKey::as_str).collect();
            sqlx::query(OTHERS).bind(gone).execute(&mut *change).await.map_err(unavailable)?;
            let counters = made.into_iter().collect();
            write_back(&mut change, &Written { counters, clock, ..Written::default() }).await?;
            change.commit().await.map_err(unavailable)?;
            link.done();
            Ok(found)
        })
    }

    fn raise<'a>(
        &'a self,
        alert: &'a Alert,
        body: &'a str,
        due: Option<Timestamp>,
    ) -> Answer<'a, bool> {
        Box::pin(async move {
            let query = sqlx::query(rows::RAISE)
                .bind(alert.key.as_str())
                .bind(rows::integer(alert.period))
                .bind(i64::from(alert.what.code()))
                .bind(body)
                .bind(due.map(rows::integer));
            let done = self.postgres.within(query.execute(&self.postgres.pool)).await;
            Ok(done.map_err(unavailable)?.rows_affected() > 0)
        })
    }

    fn due(&self, now: Timestamp, again: Timestamp) -> Answer<'_, Vec<Due>> {
        Box::pin(async move {
            let query = sqlx::query_as::<_, (i64, String, i64)>(DUE);
            let query = query.bind(rows::integer(now)).bind(rows::integer(again));
            let rows = self.postgres.within(query.fetch_all(&self.postgres.pool)).await;
            Ok(rows.map_err(unavailable)?.into_iter().map(rows::due).collect())
        })
    }

    fn sent(&self, id: i64, again: Option<Timestamp>) -> Answer<'_, ()> {
        Box::pin(async move {
            let query = sqlx::query(rows::SENT).bind(id).bind(again.map(rows::integer));
            let done = self.postgres.within(query.execute(&self.postgres.pool)).await;
            done.map(drop).map_err(unavailable)
        })
    }
}

/// All counters of budgets, and what the ledger says they are.
async fn read(
    connection: &mut PgConnection,
) -> Result<(BTreeMap<MeterKey, Counter>, Vec<Sum>), Unavailable> {
    let all = sqlx::query_as::<_, (String, String)>(rows::COUNTERS).fetch_all(&mut *connection);
    let counters = rows::counters(all.await.map_err(unavailable)?)?;
    let sums = sqlx::query_as::<_, SumRow>(SUMS).fetch_all(connection).await;
    let sums = sums.map_err(unavailable)?.into_iter().map(rows::sum).collect::<Result<_, _>>()?;
    Ok((counters, sums))
}

fn most() -> i64 {
    i64::try_from(MAX_PAGE).unwrap_or(i64::MAX)
}
