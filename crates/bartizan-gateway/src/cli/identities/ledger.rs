//! Who changed an identity from the command line? A chain of its own beside the gateway's.
//!
//! A chain has one writer, and the gateway's is locked while it runs; so what is done here stands
//! in `audit.admin.jsonl` beside `audit.jsonl`. What cannot be recorded is not done.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use bartizan::audit::{Destination, FileTrail, OpenError, Settings};
use bartizan_core::audit::{Entry, Event, Note, Outcome, Trail as _};
use bartizan_core::time::Timestamp;
use serde_json::{Map, Value};

use crate::config::settings::{self, Durable, personal};

/// How often, and how long apart, it is tried to open a log that another command writes.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// The log of what commands change.
#[derive(Debug)]
pub(super) struct Ledger {
    file: PathBuf,
    open: Option<(FileTrail, Event, Map<String, Value>)>,
}

impl Ledger {
    /// The log that belongs to a configuration: beside the gateway's, or beside the store where
    /// that goes to standard output; in the working folder where that is on a server.
    pub(super) fn of(desk: &settings::Desk) -> Self {
        let beside: &Path = match (&desk.audit, &desk.durable) {
            (personal::Destination::File(log), _) => log,
            (personal::Destination::Stdout, Durable::Sqlite(store)) => store,
            (personal::Destination::Stdout, Durable::Postgres(_)) => Path::new("bartizan.db"),
        };
        Self { file: beside.with_extension("admin.jsonl"), open: None }
    }

    /// Records what is about to be changed. It is on the disk when this returns.
    pub(super) async fn record(&mut self, note: Note, now: Timestamp) -> anyhow::Result<()> {
        let Note { event, outcome, reason, details } = note;
        let mut facts = operator();
        facts.extend(details);
        if self.open.is_none() {
            self.open = Some((self.trail(now).await?, event, Map::new()));
        }
        let Some((trail, last, known)) = &mut self.open else { return Ok(()) };
        *last = event;
        known.clone_from(&facts);
        write(trail, Note { event, outcome, reason, details: facts }, now).await
    }

    /// Records that the last change did not come about, and closes the log.
    pub(super) async fn close(self, failed: Option<&anyhow::Error>, now: Timestamp) {
        let Some((trail, event, details)) = self.open else { return };
        if let Some(error) = failed {
            let reason = Some(format!("{error:#}"));
            let note = Note { event, outcome: Outcome::Error, reason, details };
            if let Err(error) = write(&trail, note, now).await {
                tracing::error!(%error, "that the command failed is not recorded");
            }
        }
        trail.close();
    }

    /// Two commands at once wait for each other.
    async fn trail(&self, now: Timestamp) -> anyhow::Result<FileTrail> {
        let settings = Settings {
            chain: "admin".into(),
            ..Settings::new(Destination::File(self.file.clone()))
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match FileTrail::open(settings.clone(), now) {
                Err(OpenError::Locked(_)) if tries < TRIES => tokio::time::sleep(PAUSE).await,
                opened => return opened.context("nothing is changed that cannot be recorded"),
            }
        }
    }
}

async fn write(trail: &FileTrail, note: Note, time: Timestamp) -> anyhow::Result<()> {
    let Note { event, outcome, reason, details } = note;
    let entry = Entry { event, outcome, time, facts: None, reason, details, end: None };
    trail.append(&entry).durable().await.context("nothing is changed that cannot be recorded")
}

/// Who it is, as far as the machine knows: the number cannot be chosen, the names can.
fn operator() -> Map<String, Value> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = std::fs::metadata("/proc/self").ok().map(|process| process.uid());
    let name = |variable: &str| std::env::var(variable).ok().filter(|name| name.len() <= 64);
    let members = [
        ("by", Some("command line".into())),
        ("uid", uid.map(Value::from)),
        ("user", name("USER").map(Value::from)),
        ("sudo_user", name("SUDO_USER").map(Value::from)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
