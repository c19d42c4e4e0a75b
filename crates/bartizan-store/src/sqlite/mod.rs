//! What is kept in one file: the embedded default.
//!
//! Writes go through a single connection and wait for each other there; reads have connections of
//! their own and wait for nobody (write-ahead log). Whoever reads and then writes begins with
//! `BEGIN IMMEDIATE`: a transaction that began as a reader cannot wait for its turn to write.
//! What is committed survives a power cut (`synchronous = FULL`).

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::time::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqlSafeStr as _, Transaction};

mod engine;
mod meter;

use crate::durable::{
    self, DurableApprovals, DurableIdentities, DurableMeter, DurableTreasury, Turns,
};
use crate::told;

/// The schema, step by step. A step that was released is never changed; the next one is added.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "meter", include_str!("migrations/0001_meter.sql")),
    (2, "identities", include_str!("migrations/0002_identities.sql")),
    (3, "tokens", include_str!("migrations/0003_tokens.sql")),
    (4, "changes", include_str!("migrations/0004_changes.sql")),
    (5, "account", include_str!("migrations/0005_account.sql")),
    (10, "approvals", include_str!("migrations/0010_approvals.sql")),
    (20, "ledger", include_str!("migrations/0020_ledger.sql")),
    (21, "shown", include_str!("migrations/0021_shown.sql")),
];

const READERS: u32 = 4;
/// How long a write waits for another process that writes, and any call for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database in one file. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    turns: Turns,
}

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be made or opened.
    #[error("the database `{path}` cannot be opened: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why, and what helps.
        why: String,
    },
    /// It is no database, or cannot be read.
    #[error("`{path}` cannot be used as a database: {why}")]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why, and what helps.
        why: String,
    },
    /// Its schema cannot be brought up to date; it may be that of a newer version.
    #[error("the schema of `{path}` does not fit this version: {why}")]
    Schema {
        /// Which file.
        path: PathBuf,
        /// Why, and what helps.
        why: String,
    },
}

impl Sqlite {
    /// Opens the database in the file at `path`, makes it if there is none (readable by its owner
    /// only), and brings its schema up to date. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] says which file and why.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(path, durable::PATIENCE).await
    }

    /// The same, with calls on the meter that wait so long and no longer.
    ///
    /// # Errors
    /// [`OpenError`] says which file and why.
    pub async fn open_with(path: impl AsRef<Path>, patience: Duration) -> Result<Self, OpenError> {
        let path = path.as_ref();
        create(path)
            .map_err(|error| OpenError::File { path: path.to_owned(), why: missing(&error) })?;
        let broken = |error| OpenError::Database { path: path.to_owned(), why: told::why(&error) };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new().acquire_timeout(PATIENCE).max_lifetime(None);
        let single = pool.clone().max_connections(1).min_connections(1).idle_timeout(None);
        let writer = single.connect_with(options.clone()).await.map_err(broken)?;
        let schema = |error| OpenError::Schema { path: path.to_owned(), why: told::schema(&error) };
        migrations().run(&writer).await.map_err(schema)?;
        let reading = options.pragma("query_only", "on");
        let many = pool.max_connections(READERS);
        let readers = many.connect_with(reading).await.map_err(broken)?;
        let turns = Turns::start(meter::SqlitePages::new(writer.clone()), patience);
        Ok(Self { writer, readers, turns })
    }

    /// Limits and budgets that outlive the process. Processes that share the file share them.
    #[must_use]
    pub fn meter(&self) -> DurableMeter {
        DurableMeter::new(self.turns.clone())
    }

    /// The budgets and their ledger, for commands.
    #[must_use]
    pub fn treasury(&self, now: Timestamp) -> DurableTreasury {
        DurableTreasury::new(Arc::new(self.clone()), now)
    }

    /// Users, clients, keys and sessions that outlive the process.
    #[must_use]
    pub fn identities(&self) -> DurableIdentities {
        DurableIdentities::new(Arc::new(self.clone()))
    }

    /// Approvals that outlive the process.
    #[must_use]
    pub fn approvals(&self) -> DurableApprovals {
        DurableApprovals::new(Arc::new(self.clone()))
    }

    /// Waits until what is under way is done, and closes the file.
    pub async fn close(&self) {
        self.turns.finish().await;
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that may write, when it is its turn. Dropped before `commit` it never was.
    async fn write(&self) -> sqlx::Result<Transaction<'static, sqlx::Sqlite>> {
        write(&self.writer).await
    }
}

async fn write(writer: &SqlitePool) -> sqlx::Result<Transaction<'static, sqlx::Sqlite>> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match writer.begin_with(BEGIN).await {
        // A full disk makes SQLite end a transaction by itself, and the connection never learns
        // of it: another one takes its place.
        Err(sqlx::Error::InvalidSavePointStatement) => {
            writer.acquire().await?.close().await?;
            writer.begin_with(BEGIN).await
        }
        begun => begun,
    }
}

fn migrations() -> Migrator {
    let step = |(version, name, sql): &(i64, &'static str, &'static str)| {
        let (name, sql) = (Cow::Borrowed(*name), (*sql).into_sql_str());
        Migration::new(*version, name, MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(MIGRATIONS.iter().map(step).collect())
}

/// Why a file cannot be made, and what helps.
fn missing(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such folder; make it".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            "permission denied; may this user write the file and its folder?".to_owned()
        }
        std::io::ErrorKind::IsADirectory => "it is a folder; name a file in it".to_owned(),
        _ => error.to_string(),
    }
}

/// SQLite would make the file with the rights that the umask leaves, and it holds hashes and keys.
/// Its companions (`-wal`, `-shm`) take over the rights of the file.
fn create(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
