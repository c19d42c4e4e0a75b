//! How does the server run statements?

use std::time::Duration;

use bartizan_core::limit::{BoxFuture, Unavailable};
use bartizan_core::time::Timestamp;
use sqlx::postgres::PgConnection;

use super::{Link, Postgres, meter};
use crate::durable::Written;
use crate::durable::engine::{Change, Dialect, Engine, Row, Statement, Work};

impl Engine for Postgres {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn ask(&self, question: Statement) -> Work<'_, Vec<Row>> {
        Box::pin(async move {
            let mut link = self.link().await?;
            let rows = rows(link.connection()?, question).await?;
            link.done();
            Ok(rows)
        })
    }

    fn change(&self, statement: Statement) -> Work<'_, u64> {
        Box::pin(async move {
            let mut link = self.link().await?;
            let changed = run(link.connection()?, statement).await?;
            link.done();
            Ok(changed)
        })
    }

    fn changed(&self, statement: Statement) -> Work<'_, Vec<Row>> {
        self.ask(statement)
    }

    fn begin(&self) -> Work<'_, Box<dyn Change>> {
        Box::pin(async move {
            let mut link = self.link().await?;
            run(link.connection()?, Statement::new("BEGIN")).await?;
            Ok(Box::new(Transaction(link)) as Box<dyn Change>)
        })
    }
}

/// Statements on one connection, which is closed where they do not come to their end: the server
/// then takes them back.
struct Transaction(Link);

impl Change for Transaction {
    fn ask(&mut self, question: Statement) -> Work<'_, Vec<Row>> {
        Box::pin(async move { rows(self.0.connection()?, question).await })
    }

    fn run(&mut self, statement: Statement) -> Work<'_, u64> {
        Box::pin(async move { run(self.0.connection()?, statement).await })
    }

    // Every gateway that would change it waits here.
    fn hold<'a>(&'a mut self, name: &'a str) -> Work<'a, ()> {
        const SQL: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
        Box::pin(async move {
            run(self.0.connection()?, Statement::new(SQL).bind(name)).await.map(drop)
        })
    }

    fn clock(&mut self) -> Work<'_, Option<Timestamp>> {
        Box::pin(async move { meter::hold(self.0.connection()?, None).await.map(Some) })
    }

    fn write<'a>(&'a mut self, written: &'a Written) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(async move {
            let connection = self.0.connection();
            let connection = connection.map_err(crate::durable::rows::unavailable)?;
            meter::write_back(connection, written).await
        })
    }

    fn commit(mut self: Box<Self>) -> Work<'static, ()> {
        Box::pin(async move {
            run(self.0.connection()?, Statement::new("COMMIT")).await?;
            self.0.done();
            Ok(())
        })
    }
}

async fn rows(connection: &mut PgConnection, question: Statement) -> sqlx::Result<Vec<Row>> {
    let rows = question.query().fetch_all(connection).await?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

async fn run(connection: &mut PgConnection, statement: Statement) -> sqlx::Result<u64> {
    Ok(statement.query().execute(connection).await?.rows_affected())
}
