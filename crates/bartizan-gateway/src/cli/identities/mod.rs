//! Who may come in? `bartizan keys`, `users` and `clients`, on the durable store.

mod approvals;
mod clients;
mod keys;
mod ledger;
mod shown;
mod users;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use bartizan::clock;
use bartizan_core::audit::{Event, Note, Outcome};
use bartizan_core::authenticate::api_key::Pepper;
use bartizan_core::issue::identities::Identities;
use bartizan_core::time::Timestamp;

pub use approvals::Approvals;
pub use clients::Clients;
pub use keys::Keys;
pub use users::Users;

use super::budgets::{self, Budgets};
use super::tokens::{self, Tokens};
use crate::config::settings::{Budget, is_scope};
use crate::config::{self, Paint, Part, units};
use ledger::Ledger;

/// Which configuration names the store.
#[derive(clap::Args, Clone, Debug)]
pub struct Store {
    /// The configuration that names the store.
    #[arg(long, global = true, value_name = "FILE", default_value = "bartizan.yaml")]
    pub config: PathBuf,
    /// How the result is written.
    #[arg(long, global = true, value_enum, default_value = "text")]
    pub format: Format,
}

/// How a result is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What an identity may do.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Rights {
    /// The scopes, such as `data:read,notify:send`.
    #[arg(long, value_parser = scope, value_delimiter = ',', value_name = "SCOPES")]
    pub scopes: Vec<Arc<str>>,
    /// The roles.
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    pub roles: Vec<Arc<str>>,
    /// The tenant.
    #[arg(long)]
    pub tenant: Option<Arc<str>>,
}

/// What a command works on.
pub(super) struct Desk<'a> {
    pub(super) store: Arc<dyn Identities>,
    /// The roles that the configuration defines.
    roles: Vec<Arc<str>>,
    /// The budgets that it defines.
    pub(super) budgets: Vec<Budget>,
    pepper: Option<Pepper>,
    format: Format,
    ledger: Ledger,
    pub(super) now: Timestamp,
    out: &'a mut dyn Write,
}

/// One of the commands.
#[derive(Clone, Debug)]
pub enum Command {
    /// Calls that wait for somebody to agree.
    Approvals(Approvals),
    /// Budgets and their ledger.
    Budgets(Budgets),
    /// API keys.
    Keys(Keys),
    /// Users of the token endpoint.
    Users(Users),
    /// Clients of the token endpoint.
    Clients(Clients),
    /// Its tokens.
    Tokens(Tokens),
}

/// Runs a command on the store that the configuration names.
///
/// The exit code: 1 where a command that looks for something wrong has found it.
///
/// # Errors
/// The configuration is not sound, the store cannot be opened, or the command asks for what
/// cannot be done.
pub async fn run(command: &Command, place: &Store, out: &mut dyn Write) -> anyhow::Result<u8> {
    if let Command::Users(Users::Hash(secret)) = command {
        users::hash(secret, place.format, out)?;
        return Ok(0);
    }
    let part = match command {
        Command::Approvals(_) => Part::Approvals,
        Command::Budgets(_) => Part::Budgets,
        Command::Keys(_) | Command::Users(_) | Command::Clients(_) | Command::Tokens(_) => {
            Part::Identities
        }
    };
    let settings = config::desk(&place.config, part, &config::process_environment);
    let settings = settings.map_err(|findings| {
        let text = findings.to_text(&place.config.display().to_string(), Paint::Plain);
        anyhow!("{}", text.trim_end().to_owned())
    })?;
    let database = settings.durable.open_for_command().await?;
    let mut desk = Desk {
        store: database.identities(),
        ledger: Ledger::of(&settings),
        roles: settings.roles.iter().cloned().collect(),
        budgets: settings.budgets.clone(),
        pepper: settings.pepper.clone(),
        format: place.format,
        now: clock::now(),
        out,
    };
    let mut code = 0;
    let done = match command {
        Command::Budgets(budgets) => {
            let done = budgets::run(budgets, &*database.treasury(desk.now), &mut desk).await;
            done.map(|found| code = found)
        }
        Command::Approvals(approvals) => {
            approvals::run(approvals, database.approvals(), &settings.deciders, &mut desk).await
        }
        Command::Keys(keys) => keys::run(keys, &mut desk).await,
        Command::Users(users) => users::run(users, &mut desk).await,
        Command::Clients(clients) => clients::run(clients, &mut desk).await,
        Command::Tokens(tokens) => match tokens::run(tokens, &mut desk).await {
            Ok((text, json)) => desk.tell(&text, &json),
            Err(error) => Err(error),
        },
    };
    desk.ledger.close(done.as_ref().err(), desk.now).await;
    database.close().await;
    done.map(|()| code)
}

impl Desk<'_> {
    /// Roles that nothing defines would never permit anything: a typing error.
    fn check(&self, rights: &Rights) -> anyhow::Result<()> {
        match rights.roles.iter().find(|role| !self.roles.contains(role)) {
            None => Ok(()),
            Some(role) if self.roles.is_empty() => bail!(
                "the role `{role}` is not defined: the configuration defines none; write it under \
                 `access.roles`"
            ),
            Some(role) => bail!(
                "the role `{role}` is not defined; the configuration defines {}",
                self.roles.iter().map(|r| format!("`{r}`")).collect::<Vec<_>>().join(", ")
            ),
        }
    }

    /// What new digests are keyed with: the operator's own, or what is in the store.
    async fn pepper(&self) -> anyhow::Result<Pepper> {
        let fresh = random()?;
        let stored = self.store.pepper(&fresh).await?;
        Ok(self.pepper.clone().unwrap_or_else(|| Pepper::new(&stored)))
    }

    /// Records what is about to be changed: `keys.create` and the like. Without a record nothing is
    /// changed.
    pub(super) async fn record(
        &mut self,
        action: &str,
        details: serde_json::Value,
    ) -> anyhow::Result<()> {
        let mut members = serde_json::Map::new();
        members.insert("action".into(), action.into());
        members.extend(details.as_object().cloned().unwrap_or_default());
        let (event, outcome) = (Event::AdminAction, Outcome::Allow);
        self.note(Note { event, outcome, reason: None, details: members }).await
    }

    /// Records what is about to be changed and has an event of its own.
    async fn note(&mut self, note: Note) -> anyhow::Result<()> {
        self.ledger.record(note, self.now).await
    }

    /// One line for people; programs get it otherwise.
    pub(super) fn tell_people(&mut self, text: &str) -> anyhow::Result<()> {
        if self.format == Format::Text {
            writeln!(self.out, "{text}")?;
        }
        Ok(())
    }

    /// One object for programs; people have read it already.
    pub(super) fn tell_programs(&mut self, json: &serde_json::Value) -> anyhow::Result<()> {
        if self.format == Format::Json {
            writeln!(self.out, "{json}")?;
        }
        Ok(())
    }

    /// One line for people beside the result, which may go into a file or another program.
    pub(super) fn hint(&self, text: &str) {
        if self.format == Format::Text {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// One line: what was done, or a JSON object.
    pub(super) fn tell(&mut self, text: &str, json: &serde_json::Value) -> anyhow::Result<()> {
        match self.format {
            Format::Text => writeln!(self.out, "{text}")?,
            Format::Json => writeln!(self.out, "{json}")?,
        }
        Ok(())
    }
}

/// 256 bits that nobody guesses.
fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow!("the kernel gives no randomness: {error}"))?;
    Ok(bytes)
}

/// A generated secret: 64 hexadecimal digits.
fn secret() -> anyhow::Result<String> {
    Ok(random()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// An instant of RFC 3339, or how long from now, such as `90d`; one that is still to come.
fn later(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    let instant = match units::duration(text) {
        Ok(span) => now.plus(span),
        Err(_) => {
            let instant: Result<jiff::Timestamp, _> = text.parse();
            let instant = instant.map_err(|_| {
                anyhow!(
                    "`{text}` is no time to come: write how long from now, as `90d`, `12h` or `30m`, \
                     or an instant with its offset, as `2027-01-01T00:00:00Z`"
                )
            })?;
            Timestamp(u64::try_from(instant.as_microsecond()).unwrap_or_default())
        }
    };
    if instant <= now {
        bail!("`{text}` is over already: write a time to come, as `90d` or `2027-01-01T00:00:00Z`");
    }
    Ok(instant)
}

/// One scope, as `data:read`.
pub(super) fn scope(text: &str) -> Result<Arc<str>, String> {
    if is_scope(text) {
        return Ok(text.into());
    }
    Err("no scope has blanks, quotation marks or backslashes, and none is empty: write \
         `--scopes data:read,notify:send`"
        .into())
}

/// How long, such as `24h`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    units::duration(text).map_err(|error| error.to_string())
}
