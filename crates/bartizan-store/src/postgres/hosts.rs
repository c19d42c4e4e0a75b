//! Which of several servers may write?
//!
//! A primary and those that follow it are named together, as `postgres://HOST:PORT,HOST:PORT/NAME`.
//! Whoever leads when a connection is made is asked, so that a standby that was promoted is found
//! without a restart. A server that stops to lead ends its connections: none is asked twice.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::select_ok;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Error};

use super::OpenError;
use super::address::{Address, BadAddress};

/// How long the one that led last is asked alone.
const HEAD_START: Duration = Duration::from_millis(150);
/// The most connections of one gateway, beside the one that writes money.
const CONNECTIONS: u32 = 8;

/// The servers of an address, none of which is asked yet.
pub(super) struct Named {
    each: Vec<PgConnectOptions>,
    /// Hosts, ports and name, for messages.
    pub(super) at: String,
}

/// The servers, which of them led last, and connections to that one.
pub(super) struct Hosts {
    each: Vec<PgConnectOptions>,
    leads: AtomicUsize,
    pool: PgPool,
}

impl Named {
    /// Reads an address.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        let mut each = Vec::new();
        for one in Address::parse(url)?.each() {
            let options = PgConnectOptions::from_str(&one).map_err(|_| BadAddress::FORM)?;
            each.push(options.application_name("bartizan").disable_statement_logging());
        }
        let at = |one: &PgConnectOptions| format!("{}:{}", one.get_host(), one.get_port());
        let hosts: Vec<String> = each.iter().map(at).collect();
        let first = each.first().ok_or(BadAddress::FORM)?;
        let name = first.get_database().unwrap_or_else(|| first.get_username());
        let at = format!("{}/{name}", hosts.join(","));
        Ok(Self { each, at })
    }

    /// The same, with parameters of the session.
    pub(super) fn with(&self, parameters: &[(&str, &str)]) -> Self {
        let each = self.each.iter().cloned();
        let each = each.map(|one| one.options(parameters.iter().copied())).collect();
        Self { each, at: self.at.clone() }
    }

    /// A connection to the one that may write, and which that is.
    pub(super) async fn connect(&self) -> sqlx::Result<(PgConnection, usize)> {
        connect(&self.each, 0).await
    }

    /// Connections to them; at first to the one that `leads`.
    pub(super) fn pooled(self, leads: usize, patience: Duration) -> Option<Hosts> {
        let options = self.each.get(leads)?.clone();
        let mut pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(patience);
        if self.each.len() > 1 {
            pool = pool.after_connect(|connection, _| Box::pin(may_write(connection)));
        }
        let pool = pool.connect_lazy_with(options);
        Some(Hosts { each: self.each, leads: AtomicUsize::new(leads), pool })
    }
}

impl Hosts {
    /// A connection to the one that may write. The pool follows.
    pub(super) async fn connect(&self) -> sqlx::Result<PgConnection> {
        let last = self.leads.load(Ordering::Relaxed);
        let (connection, leads) = connect(&self.each, last).await?;
        if leads != last
            && let Some(options) = self.each.get(leads)
        {
            let (host, port) = (options.get_host(), options.get_port());
            tracing::warn!(host, port, "another PostgreSQL server leads now");
            self.leads.store(leads, Ordering::Relaxed);
            self.pool.set_connect_options(options.clone());
        }
        Ok(connection)
    }

    /// Connections for everything but money.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The one that led last.
    pub(super) fn leader(&self) -> Option<&PgConnectOptions> {
        self.each.get(self.leads.load(Ordering::Relaxed))
    }
}

/// The first that answers and may write. One server alone is taken as it is: what it refuses to
/// write it says by itself.
async fn connect(each: &[PgConnectOptions], last: usize) -> sqlx::Result<(PgConnection, usize)> {
    if let [only] = each {
        return Ok((PgConnection::connect_with(only).await?, 0));
    }
    let tries = each.iter().enumerate().map(|(number, options)| {
        Box::pin(async move {
            if number != last {
                tokio::time::sleep(HEAD_START).await;
            }
            let mut connection = PgConnection::connect_with(options).await?;
            may_write(&mut connection).await?;
            Ok((connection, number))
        })
    });
    select_ok(tries).await.map(|(found, _)| found)
}

/// Whether it is no standby.
async fn may_write(connection: &mut PgConnection) -> sqlx::Result<()> {
    let question = sqlx::query_scalar("SELECT pg_is_in_recovery()");
    if question.fetch_one(connection).await? {
        let why = "it is a standby, which may not write, and no other server leads";
        return Err(Error::Configuration(why.into()));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn messages_name_all_servers_and_no_password() {
        let named = Named::parse("postgres://ann:secret@a,b:7/money").unwrap();
        assert_eq!(named.at, "a:5432,b:7/money");
    }
}
