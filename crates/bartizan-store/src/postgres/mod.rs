//! What many gateways keep together: a PostgreSQL server.
//!
//! No call waits longer than the patience: for a connection, for a lock and for the answer
//! together. A connection whose call was cut short is closed and not used again, so that a server
//! that accepts and stays silent costs no more than that call; the next one connects anew. Writes
//! of money go one at a time, many calls in each: see [`crate::durable`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::time::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, SqlSafeStr as _};

mod address;
mod engine;
mod hosts;
mod meter;

pub use address::BadAddress;

use crate::durable::{
    Clock, DurableApprovals, DurableIdentities, DurableMeter, DurableTreasury, PATIENCE, Turns,
};
use crate::told;
use hosts::{Hosts, Named};

/// The schema, step by step. A step that was released is never changed; the next one is added, and
/// only adds: a gateway of an older version goes on beside it.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "meter", include_str!("migrations/0001_meter.sql")),
    (2, "identities", include_str!("migrations/0002_identities.sql")),
    (10, "approvals", include_str!("migrations/0010_approvals.sql")),
    (20, "ledger", include_str!("migrations/0020_ledger.sql")),
    (21, "shown", include_str!("migrations/0021_shown.sql")),
];

/// How long the schema may take to be brought up to date: another gateway may be at it.
const MIGRATING: Duration = Duration::from_secs(60);

/// A database on a server. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Postgres {
    hosts: Arc<Hosts>,
    patience: Duration,
    turns: Turns,
}

/// Why a database cannot be used. What it says names the server and never the password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be read, or not in one way only.
    #[error("the address of the database cannot be used: {0}")]
    Address(#[from] BadAddress),
    /// It cannot be reached, or lets nobody in.
    #[error("the database at `{at}` cannot be used: {why}")]
    Database {
        /// Host, port and name.
        at: String,
        /// Why, and what helps.
        why: String,
    },
    /// It is not who it should be.
    #[error(
        "the database at `{at}` is not believed: {why}: `sslrootcert` names the file with the certificate of who vouches for it"
    )]
    Stranger {
        /// Host, port and name.
        at: String,
        /// Why.
        why: String,
    },
    /// Its schema cannot be brought up to date.
    #[error("the schema of the database at `{at}` cannot be brought up to date: {why}")]
    Schema {
        /// Host, port and name.
        at: String,
        /// Why, and what helps.
        why: String,
    },
    /// It took too long.
    #[error("the database at `{at}` did not answer in time")]
    Silent {
        /// Host, port and name.
        at: String,
    },
}

impl Postgres {
    /// Connects to the database at `url` and brings its schema up to date. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// [`OpenError`] says which server and why.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_with(url, PATIENCE).await
    }

    /// The same, with calls that wait so long and no longer.
    ///
    /// # Errors
    /// [`OpenError`] says which server and why.
    pub async fn open_with(url: &str, patience: Duration) -> Result<Self, OpenError> {
        let named = Named::parse(url)?;
        let at = named.at.clone();
        let migrated = tokio::time::timeout(MIGRATING, migrate(&named)).await;
        let leads = migrated.map_err(|_elapsed| OpenError::Silent { at })??;
        // The server ends what this side has given up, and what a frozen gateway holds.
        let millis = patience.as_millis().to_string();
        let named = named.with(&[
            ("statement_timeout", millis.as_str()),
            ("lock_timeout", millis.as_str()),
            ("idle_in_transaction_session_timeout", millis.as_str()),
        ]);
        let hosts = Arc::new(named.pooled(leads, patience).ok_or(BadAddress::FORM)?);
        let pages = meter::PostgresPages::new(Arc::clone(&hosts), Clock::Own);
        Ok(Self { hosts, patience, turns: Turns::start(pages, patience) })
    }

    /// Budgets that outlive the process and are shared by all gateways on this database. The
    /// server's clock decides.
    #[must_use]
    pub fn meter(&self) -> DurableMeter {
        DurableMeter::new(self.turns.clone())
    }

    /// The same by the clock of its callers: for tests, whose clock is turned by hand.
    #[must_use]
    pub fn meter_by_its_callers_clock(&self) -> DurableMeter {
        let pages = meter::PostgresPages::new(Arc::clone(&self.hosts), Clock::Callers);
        DurableMeter::new(Turns::start(pages, self.patience))
    }

    /// The budgets and their ledger, for commands.
    #[must_use]
    pub fn treasury(&self) -> DurableTreasury {
        DurableTreasury::new(Arc::new(self.clone()), Timestamp::default())
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

    /// Waits until what is under way is done, and lets the server go.
    pub async fn close(&self) {
        self.turns.finish().await;
        // A silent server is not waited for.
        let _ = tokio::time::timeout(self.patience, self.hosts.pool().close()).await;
    }

    /// A connection to work on.
    async fn link(&self) -> sqlx::Result<Link> {
        self.hosts.pool().acquire().await.map(|connection| Link(Some(connection)))
    }
}

/// Whether an address can be read, and in one way only.
///
/// # Errors
/// [`BadAddress`] says how to write it, without repeating what may be a password.
pub fn check(url: &str) -> Result<(), BadAddress> {
    address::Address::parse(url).map(drop)
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let leader = self.hosts.leader().map(|leader| (leader.get_host(), leader.get_port()));
        let (host, port) = leader.unzip();
        f.debug_struct("Postgres").field("host", &host).field("port", &port).finish_non_exhaustive()
    }
}

/// A connection that goes back to the pool only when its work was done to the end: one that was
/// cut short still waits for an answer, and the pool would wait with it.
struct Link(Option<PoolConnection<sqlx::Postgres>>);

impl Link {
    fn connection(&mut self) -> sqlx::Result<&mut PgConnection> {
        self.0.as_deref_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// The work is done: the connection may be used again.
    fn done(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Brings the schema up to date; which server leads.
async fn migrate(named: &Named) -> Result<usize, OpenError> {
    let broken = |error: sqlx::Error| match &error {
        // What a handshake refuses comes as data that cannot be read.
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            OpenError::Stranger { at: named.at.clone(), why: error.to_string() }
        }
        _ => OpenError::Database { at: named.at.clone(), why: told::why(&error) },
    };
    // A step that must wait for a lock does not make those wait who come after it.
    let patient = named.with(&[("lock_timeout", "5s")]);
    let (mut connection, leads) = patient.connect().await.map_err(broken)?;
    let schema = |error| OpenError::Schema { at: named.at.clone(), why: told::schema(&error) };
    migrations().run(&mut connection).await.map_err(schema)?;
    if let Some(step) = newer(&mut connection).await.map_err(broken)? {
        tracing::warn!(
            at = named.at,
            step,
            "a newer version of bartizan has written to this database: this one works beside it, and knows nothing of what is new"
        );
    }
    connection.close().await.map_err(broken)?;
    Ok(leads)
}

/// The last step that a newer version has taken, where there is one.
async fn newer(connection: &mut PgConnection) -> sqlx::Result<Option<i64>> {
    let question = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations");
    let last: Option<i64> = question.fetch_one(connection).await?;
    let known = MIGRATIONS.iter().map(|(version, ..)| *version).max();
    Ok(last.filter(|last| Some(*last) > known))
}

fn migrations() -> Migrator {
    let step = |(version, name, sql): &(i64, &'static str, &'static str)| {
        let (name, sql) = (Cow::Borrowed(*name), (*sql).into_sql_str());
        Migration::new(*version, name, MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(MIGRATIONS.iter().map(step).collect());
    // Steps that a newer gateway has taken only add: this one works beside them.
    migrator.set_ignore_missing(true);
    migrator
}
