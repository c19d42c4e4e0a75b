//! Where does it last? One of the databases, behind one name.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authorize::approval::Approvals;
use bartizan_core::issue::Identities;
use bartizan_core::limit::Treasury;
use bartizan_core::time::Timestamp;

use crate::durable::DurableMeter;
use crate::postgres::{self, Postgres};
use crate::sqlite::{self, Sqlite};

/// A durable store. Cloning gives another handle to the same one.
#[derive(Clone, Debug)]
pub enum Database {
    /// On a server, for many gateways.
    Postgres(Postgres),
    /// In a file: the embedded default.
    Sqlite(Sqlite),
}

/// Why a durable store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither of the two.
    #[error("it is no durable store: write `sqlite:PATH` or `postgres://…`")]
    Address,
    /// The server.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// The file.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
}

impl Database {
    /// Opens the store at `sqlite:PATH` or `postgres://…`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] says what cannot be opened and why.
    pub async fn open(address: &str) -> Result<Self, OpenError> {
        match address.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Self::file(path.trim_start_matches("//")).await,
            Some(_) => Err(OpenError::Address),
            None if is_server(address) => Ok(Postgres::open(address).await?.into()),
            None => Err(OpenError::Address),
        }
    }

    /// Opens the file.
    ///
    /// # Errors
    /// [`OpenError`] says why it cannot be opened.
    pub async fn file(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Ok(Sqlite::open(path).await?.into())
    }

    /// Opens it for a command, which is more patient than a request.
    ///
    /// # Errors
    /// [`OpenError`] says what cannot be opened and why.
    pub async fn server(url: &str, patience: Duration) -> Result<Self, OpenError> {
        Ok(Postgres::open_with(url, patience).await?.into())
    }

    /// Budgets that outlive the process.
    #[must_use]
    pub fn meter(&self) -> DurableMeter {
        match self {
            Self::Postgres(postgres) => postgres.meter(),
            Self::Sqlite(sqlite) => sqlite.meter(),
        }
    }

    /// The budgets and their ledger; `now` is the clock of an embedded one.
    #[must_use]
    pub fn treasury(&self, now: Timestamp) -> Arc<dyn Treasury> {
        match self {
            Self::Postgres(postgres) => Arc::new(postgres.treasury()),
            Self::Sqlite(sqlite) => Arc::new(sqlite.treasury(now)),
        }
    }

    /// Users, clients, keys and sessions.
    #[must_use]
    pub fn identities(&self) -> Arc<dyn Identities> {
        match self {
            Self::Postgres(postgres) => Arc::new(postgres.identities()),
            Self::Sqlite(sqlite) => Arc::new(sqlite.identities()),
        }
    }

    /// Calls that wait for somebody to agree.
    #[must_use]
    pub fn approvals(&self) -> Arc<dyn Approvals> {
        match self {
            Self::Postgres(postgres) => Arc::new(postgres.approvals()),
            Self::Sqlite(sqlite) => Arc::new(sqlite.approvals()),
        }
    }

    /// Waits until what is under way is done, and lets it go.
    pub async fn close(&self) {
        match self {
            Self::Postgres(postgres) => postgres.close().await,
            Self::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}

impl From<Postgres> for Database {
    fn from(postgres: Postgres) -> Self {
        Self::Postgres(postgres)
    }
}

impl From<Sqlite> for Database {
    fn from(sqlite: Sqlite) -> Self {
        Self::Sqlite(sqlite)
    }
}

/// Whether an address is that of a PostgreSQL server.
#[must_use]
pub fn is_server(address: &str) -> bool {
    address.starts_with("postgres://") || address.starts_with("postgresql://")
}

/// The address of a server. It may hold a password, so it prints as `***`.
#[derive(Clone, Eq, PartialEq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The address, where `url` is one that can be read in one way only.
    ///
    /// # Errors
    /// [`postgres::BadAddress`] says how to write it, without repeating what may be a password.
    pub fn parse(url: &str) -> Result<Self, postgres::BadAddress> {
        postgres::check(url)?;
        Ok(Self(url.to_owned()))
    }

    /// What it says, password and all.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
