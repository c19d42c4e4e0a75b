//! What does a database do for what lasts? The seam between the statements and those who run them.
//!
//! A statement is written once, for both databases, and what goes into it and what comes out are
//! values of few kinds. Where they speak differently, [`Dialect`] has both wordings side by side.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::limit::{BoxFuture, Unavailable};
use bartizan_core::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{
    AssertSqlSafe, Decode, Encode, Postgres, Row as _, SqlSafeStr as _, SqlStr, Sqlite, Type,
};
use zeroize::Zeroizing;

use super::Written;
use super::rows::{instant, integer};

/// What a database does, some time.
pub(crate) type Work<'a, T> = BoxFuture<'a, sqlx::Result<T>>;

/// A database that runs statements.
pub(crate) trait Engine: fmt::Debug + Send + Sync {
    /// How it words what the two word differently.
    fn dialect(&self) -> Dialect;

    /// How long one piece of work may take, all in all.
    fn patience(&self) -> Duration;

    /// Reads rows and changes nothing.
    fn ask(&self, question: Statement) -> Work<'_, Vec<Row>>;

    /// One statement that changes something, committed; how many rows it changed.
    fn change(&self, statement: Statement) -> Work<'_, u64>;

    /// The same for one that returns the rows that it changed.
    fn changed(&self, statement: Statement) -> Work<'_, Vec<Row>>;

    /// Begins a change of several statements.
    fn begin(&self) -> Work<'_, Box<dyn Change>>;
}

/// Several statements that are committed together. Dropped before, they never were.
pub(crate) trait Change: Send {
    /// Reads rows as the change so far has left them.
    fn ask(&mut self, question: Statement) -> Work<'_, Vec<Row>>;

    /// Changes something; how many rows.
    fn run(&mut self, statement: Statement) -> Work<'_, u64>;

    /// Holds the right to change what `name` stands for, until the change ends.
    fn hold<'a>(&'a mut self, name: &'a str) -> Work<'a, ()>;

    /// Holds the right to write money until the change ends, and reads the clock of the store,
    /// where it has one.
    fn clock(&mut self) -> Work<'_, Option<Timestamp>>;

    /// Writes what became of budgets.
    fn write<'a>(&'a mut self, written: &'a Written) -> BoxFuture<'a, Result<(), Unavailable>>;

    /// Makes it so.
    fn commit(self: Box<Self>) -> Work<'static, ()>;
}

/// Does `work` within the patience of the database.
pub(crate) async fn within<T>(
    engine: &dyn Engine,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    match tokio::time::timeout(engine.patience(), work).await {
        Ok(done) => done,
        Err(_elapsed) => Err(silent()),
    }
}

/// What a trait of core answers: `work` within the patience of the database; what that says against it
/// is, as `why` words it, why there is no answer.
pub(crate) fn answer<'a, T, E>(
    engine: &'a dyn Engine,
    why: impl FnOnce(sqlx::Error) -> E + Send + 'a,
    work: impl Future<Output = sqlx::Result<T>> + Send + 'a,
) -> BoxFuture<'a, Result<T, E>> {
    Box::pin(async move { within(engine, work).await.map_err(why) })
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::TimedOut,
        "the database did not answer in time",
    ))
}

/// Which of the two wordings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// The wording of this one.
    pub(crate) fn of(self, postgres: &'static str, sqlite: &'static str) -> &'static str {
        match self {
            Self::Postgres => postgres,
            Self::Sqlite => sqlite,
        }
    }

    /// The texts of the JSON array that is the first value of a statement, as a question.
    pub(crate) fn listed(self) -> &'static str {
        self.of(
            "(SELECT jsonb_array_elements_text($1::jsonb))",
            "(SELECT value FROM json_each($1))",
        )
    }

    /// At the end of a question: its rows are held, and those that somebody else holds left out.
    /// In a file whoever changes something holds all of it.
    pub(crate) fn held_or_skipped(self) -> &'static str {
        self.of(" FOR UPDATE SKIP LOCKED", "")
    }

    /// At the end of a question: nobody else changes its rows until the change ends.
    pub(crate) fn held(self) -> &'static str {
        self.of(" FOR UPDATE", "")
    }
}

/// A statement and the values of its places `$1`, `$2`, ….
pub(crate) struct Statement {
    sql: SqlStr,
    cells: Vec<Cell>,
}

impl Statement {
    pub(crate) fn new(sql: &'static str) -> Self {
        Self { sql: sql.into_sql_str(), cells: Vec::new() }
    }

    /// Put together of our own words; what comes from elsewhere is bound.
    pub(crate) fn assembled(sql: String) -> Self {
        Self { sql: AssertSqlSafe(sql).into_sql_str(), cells: Vec::new() }
    }

    /// The value of the next place.
    #[must_use]
    pub(crate) fn bind(mut self, cell: impl Into<Cell>) -> Self {
        self.cells.push(cell.into());
        self
    }

    /// The form in which a driver takes it.
    pub(crate) fn query<D>(self) -> Query<'static, D, D::Arguments>
    where
        D: sqlx::Database,
        Option<String>: Encode<'static, D> + Type<D>,
        Option<i64>: Encode<'static, D> + Type<D>,
        Vec<u8>: Encode<'static, D> + Type<D>,
        bool: Encode<'static, D> + Type<D>,
    {
        let bound = |query: Query<'static, D, D::Arguments>, cell| match cell {
            Cell::Bytes(mut bytes) => query.bind(std::mem::take(&mut *bytes)),
            Cell::Flag(flag) => query.bind(flag),
            Cell::Integer(integer) => query.bind(integer),
            Cell::Text(text) => query.bind(text),
        };
        self.cells.into_iter().fold(sqlx::query(self.sql), bound)
    }
}

/// A value in a table.
pub(crate) enum Cell {
    Bytes(Zeroizing<Vec<u8>>),
    Flag(bool),
    Integer(Option<i64>),
    Text(Option<String>),
}

impl Cell {
    /// Texts in one: a JSON array.
    pub(crate) fn list<T: AsRef<str>>(texts: &[T]) -> Self {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        Self::Text(Some(serde_json::Value::from(texts).to_string()))
    }
}

impl From<&[u8]> for Cell {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Zeroizing::new(bytes.to_vec()))
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<i64> for Cell {
    fn from(integer: i64) -> Self {
        Self::Integer(Some(integer))
    }
}

impl From<Option<i64>> for Cell {
    fn from(integer: Option<i64>) -> Self {
        Self::Integer(integer)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Integer(Some(i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

impl From<Timestamp> for Cell {
    fn from(at: Timestamp) -> Self {
        Self::Integer(Some(integer(at)))
    }
}

impl From<Option<Timestamp>> for Cell {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Integer(at.map(integer))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Cell {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::Text(text)
    }
}

/// A row that was read. What a column cannot hold as it is is read out of it, and a row that
/// cannot be read is an error: never somebody with fewer, or more, rights.
pub(crate) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Row {
    fn get<T>(&self, column: &str) -> sqlx::Result<T>
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
        T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
    {
        match self {
            Self::Postgres(row) => row.try_get(column),
            Self::Sqlite(row) => row.try_get(column),
        }
    }

    pub(crate) fn bytes(&self, column: &str) -> sqlx::Result<Zeroizing<Vec<u8>>> {
        self.get(column).map(Zeroizing::new)
    }

    pub(crate) fn maybe_bytes(&self, column: &str) -> sqlx::Result<Option<Vec<u8>>> {
        self.get(column)
    }

    pub(crate) fn flag(&self, column: &str) -> sqlx::Result<bool> {
        self.get(column)
    }

    pub(crate) fn integer(&self, column: &str) -> sqlx::Result<i64> {
        self.get(column)
    }

    pub(crate) fn maybe_integer(&self, column: &str) -> sqlx::Result<Option<i64>> {
        self.get(column)
    }

    pub(crate) fn instant(&self, column: &str) -> sqlx::Result<Timestamp> {
        self.integer(column).map(instant)
    }

    pub(crate) fn maybe_instant(&self, column: &str) -> sqlx::Result<Option<Timestamp>> {
        Ok(self.maybe_integer(column)?.map(instant))
    }

    pub(crate) fn string(&self, column: &str) -> sqlx::Result<String> {
        self.get(column)
    }

    pub(crate) fn text(&self, column: &str) -> sqlx::Result<Arc<str>> {
        self.string(column).map(Arc::from)
    }

    pub(crate) fn maybe_text(&self, column: &str) -> sqlx::Result<Option<Arc<str>>> {
        Ok(self.get::<Option<String>>(column)?.map(Arc::from))
    }

    pub(crate) fn parsed<T>(&self, column: &str) -> sqlx::Result<T>
    where
        T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
    {
        self.string(column)?.parse().map_err(unreadable)
    }

    pub(crate) fn strings(&self, column: &str) -> sqlx::Result<Vec<String>> {
        serde_json::from_str(&self.string(column)?).map_err(unreadable)
    }

    pub(crate) fn texts(&self, column: &str) -> sqlx::Result<Vec<Arc<str>>> {
        Ok(self.strings(column)?.into_iter().map(Arc::from).collect())
    }
}

/// A row that does not say what it should, because.
pub(crate) fn unreadable(
    why: impl Into<Box<dyn std::error::Error + Send + Sync + 'static>>,
) -> sqlx::Error {
    sqlx::Error::Decode(why.into())
}
