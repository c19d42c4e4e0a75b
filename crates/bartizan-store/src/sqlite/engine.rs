//! How does the file run statements?

use std::time::Duration;

use bartizan_core::limit::{BoxFuture, Unavailable};
use bartizan_core::time::Timestamp;
use sqlx::{SqliteExecutor, Transaction};

use super::{PATIENCE, Sqlite, meter};
use crate::durable::Written;
use crate::durable::engine::{Change, Dialect, Engine, Row, Statement, Work};

impl Engine for Sqlite {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    // For a connection, and for another process that writes.
    fn patience(&self) -> Duration {
        PATIENCE.saturating_mul(2)
    }

    fn ask(&self, question: Statement) -> Work<'_, Vec<Row>> {
        Box::pin(rows(&self.readers, question))
    }

    fn change(&self, statement: Statement) -> Work<'_, u64> {
        Box::pin(run(&self.writer, statement))
    }

    fn changed(&self, statement: Statement) -> Work<'_, Vec<Row>> {
        Box::pin(rows(&self.writer, statement))
    }

    fn begin(&self) -> Work<'_, Box<dyn Change>> {
        Box::pin(async move { Ok(Box::new(self.write().await?) as Box<dyn Change>) })
    }
}

impl Change for Transaction<'static, sqlx::Sqlite> {
    fn ask(&mut self, question: Statement) -> Work<'_, Vec<Row>> {
        Box::pin(rows(&mut **self, question))
    }

    fn run(&mut self, statement: Statement) -> Work<'_, u64> {
        Box::pin(run(&mut **self, statement))
    }

    // A transaction that may write holds all of the file.
    fn hold<'a>(&'a mut self, _name: &'a str) -> Work<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn clock(&mut self) -> Work<'_, Option<Timestamp>> {
        Box::pin(async { Ok(None) })
    }

    fn write<'a>(&'a mut self, written: &'a Written) -> BoxFuture<'a, Result<(), Unavailable>> {
        Box::pin(meter::write_back(&mut *self, written))
    }

    fn commit(self: Box<Self>) -> Work<'static, ()> {
        Box::pin(async move { Transaction::commit(*self).await })
    }
}

async fn rows<'e>(
    executor: impl SqliteExecutor<'e>,
    question: Statement,
) -> sqlx::Result<Vec<Row>> {
    let rows = question.query().fetch_all(executor).await?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

async fn run<'e>(executor: impl SqliteExecutor<'e>, statement: Statement) -> sqlx::Result<u64> {
    Ok(statement.query().execute(executor).await?.rows_affected())
}
