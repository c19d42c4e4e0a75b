//! What commands ask of the budgets in a database.

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::limit::treasury::{Answer, Due, MAX_PAGE, differences, rebuilt};
use bartizan_core::limit::{
    Alert, Counter, Difference, Holding, MeterKey, Posted, Reservation, ReservationId, Sum,
    Treasury, Unavailable, transfer,
};
use bartizan_core::time::Timestamp;

use super::Written;
use super::engine::{Cell, Change, Engine, Row, Statement, within};
use super::rows::{self, amount, parse, unavailable};

/// Budgets in a database and their ledger, by the clock of the store where it has one.
#[derive(Clone, Debug)]
pub struct DurableTreasury {
    engine: Arc<dyn Engine>,
    /// The clock of whoever asks.
    now: Timestamp,
}

impl DurableTreasury {
    pub(crate) fn new(engine: Arc<dyn Engine>, now: Timestamp) -> Self {
        Self { engine, now }
    }

    async fn ask(&self, question: Statement) -> Result<Vec<Row>, Unavailable> {
        within(&*self.engine, self.engine.ask(question)).await.map_err(unavailable)
    }

    async fn change(&self, statement: Statement) -> Result<u64, Unavailable> {
        within(&*self.engine, self.engine.change(statement)).await.map_err(unavailable)
    }

    /// A change during which nobody else writes money, and the time.
    async fn alone(&self) -> Result<(Box<dyn Change>, Timestamp), Unavailable> {
        let mut change = self.engine.begin().await.map_err(unavailable)?;
        let clock = change.clock().await.map_err(unavailable)?;
        Ok((change, clock.unwrap_or(self.now)))
    }
}

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
const AHEAD: &str = "SELECT budget_limits.key, amount FROM budget_limits \
    LEFT JOIN counters ON counters.key = budget_limits.key WHERE counters.key IS NULL \
    ORDER BY budget_limits.key LIMIT $1";
/// Writes an alert down, once.
const RAISE: &str = "INSERT INTO budget_alerts (key, period_start, percent, body, due) \
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (key, period_start, percent) DO NOTHING";
/// When it is sent again, if it is.
const SENT: &str = "UPDATE budget_alerts SET due = $2 WHERE id = $1";

impl Treasury for DurableTreasury {
    fn holdings<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Holding>> {
        Box::pin(async move {
            let question = Statement::new(HOLDINGS).bind(after).bind(MAX_PAGE);
            self.ask(question).await?.iter().map(rows::holding).collect()
        })
    }

    fn limits_ahead(&self) -> Answer<'_, Vec<(MeterKey, u64)>> {
        Box::pin(async move {
            let question = Statement::new(AHEAD).bind(MAX_PAGE);
            self.ask(question).await?.iter().map(rows::ahead).collect()
        })
    }

    fn posted<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, Vec<Posted>> {
        Box::pin(async move {
            let question = Statement::new(LEDGER).bind(key.as_str()).bind(MAX_PAGE);
            self.ask(question).await?.iter().map(|row| rows::posted(key, row)).collect()
        })
    }

    fn open<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, Vec<(ReservationId, Reservation)>> {
        Box::pin(async move {
            let question = Statement::new(OPEN).bind(key.as_str()).bind(MAX_PAGE);
            self.ask(question).await?.iter().map(rows::opened).collect()
        })
    }

    fn set_limit<'a>(&'a self, key: &'a MeterKey, limit: Option<u64>) -> Answer<'a, ()> {
        Box::pin(async move {
            let statement = match limit {
                Some(limit) => Statement::new(SET).bind(key.as_str()).bind(amount(limit)),
                None => Statement::new(UNSET).bind(key.as_str()),
            };
            self.change(statement).await.map(drop)
        })
    }

    fn reset<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, u64> {
        const ONE: &str = "SELECT state FROM counters WHERE key = $1";
        Box::pin(async move {
            let (mut change, clock) = self.alone().await?;
            let found = change.ask(Statement::new(ONE).bind(key.as_str())).await;
            let found = found.map_err(unavailable)?;
            let state = found.first().map(|row| row.string("state")).transpose();
            let counter = state.map_err(unavailable)?.as_deref().map(parse).transpose()?;
            let Some(Counter::Budget(mut budget)) = counter else { return Ok(0) };
            let (current, forgiven) = (budget.current(), budget.forgive());
            let transfer = transfer::forgiven(key, current.start, current.end, forgiven);
            let written = Written {
                counters: vec![(key.clone(), Counter::Budget(budget))],
                transfers: transfer.into_iter().collect(),
                clock,
                ..Written::default()
            };
            change.write(&written).await?;
            change.commit().await.map_err(unavailable)?;
            Ok(forgiven)
        })
    }

    fn verify(&self) -> Answer<'_, Vec<Difference>> {
        Box::pin(async move {
            // Nobody writes between the two questions.
            let (mut change, clock) = self.alone().await?;
            let (counters, sums) = read(&mut *change).await?;
            change.commit().await.map_err(unavailable)?;
            Ok(differences(&counters, &sums, clock))
        })
    }

    fn rebuild(&self) -> Answer<'_, Vec<Difference>> {
        Box::pin(async move {
            let (mut change, clock) = self.alone().await?;
            let (counters, sums) = read(&mut *change).await?;
            let found = differences(&counters, &sums, clock);
            let made = rebuilt(&counters, &sums, clock);
            let gone = counters.keys().filter(|key| !made.contains_key(*key));
            let gone: Vec<&str> = gone.map(MeterKey::as_str).collect();
            let listed = self.engine.dialect().listed();
            let forget =
                Statement::assembled(format!("DELETE FROM counters WHERE key IN {listed}"));
            change.run(forget.bind(Cell::list(&gone))).await.map_err(unavailable)?;
            let counters = made.into_iter().collect();
            change.write(&Written { counters, clock, ..Written::default() }).await?;
            change.commit().await.map_err(unavailable)?;
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
            let statement = Statement::new(RAISE)
                .bind(alert.key.as_str())
                .bind(alert.period)
                .bind(i64::from(alert.what.code()))
                .bind(body)
                .bind(due);
            Ok(self.change(statement).await? > 0)
        })
    }

    fn due(&self, now: Timestamp, again: Timestamp) -> Answer<'_, Vec<Due>> {
        let sql = format!(
            "UPDATE budget_alerts SET due = $2, tries = tries + 1 WHERE id IN \
             (SELECT id FROM budget_alerts WHERE due <= $1 ORDER BY due LIMIT 32{}) \
             RETURNING id, body, tries",
            self.engine.dialect().held_or_skipped()
        );
        Box::pin(async move {
            let statement = Statement::assembled(sql).bind(now).bind(again);
            let rows = within(&*self.engine, self.engine.changed(statement)).await;
            rows.map_err(unavailable)?.iter().map(rows::due).collect()
        })
    }

    fn sent(&self, id: i64, again: Option<Timestamp>) -> Answer<'_, ()> {
        Box::pin(
            async move { self.change(Statement::new(SENT).bind(id).bind(again)).await.map(drop) },
        )
    }
}

/// All counters of budgets, and what the ledger says they are.
async fn read(
    change: &mut dyn Change,
) -> Result<(BTreeMap<MeterKey, Counter>, Vec<Sum>), Unavailable> {
    let all = change.ask(Statement::new(rows::COUNTERS)).await.map_err(unavailable)?;
    let counters = rows::counters(&all)?;
    let sums = change.ask(Statement::new(rows::SUMS)).await.map_err(unavailable)?;
    let sums = sums.iter().map(rows::sum).collect::<Result<_, _>>()?;
    Ok((counters, sums))
}
