//! What shall be remembered, and where? The audit log, as a program writes it.

use bartizan_core::audit::Event;

use crate::audit::{Destination, Durability, Settings, UnknownDestination};

/// The audit log of an app.
#[derive(Clone, Debug)]
#[must_use = "a log that no app is given remembers nothing"]
pub struct Audit {
    destination: String,
    durability: Durability,
    events: Option<Vec<String>>,
}

/// Where the log goes where nothing is said. There is no app without one.
pub const DEFAULT_DESTINATION: &str = "file://logs/audit.jsonl";

/// Why a log cannot be written so.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum BadLog {
    #[error(transparent)]
    Destination(#[from] UnknownDestination),
    #[error("`{0}` is no event; known are {known}", known = known())]
    Event(String),
}

impl Default for Audit {
    fn default() -> Self {
        Self::to(DEFAULT_DESTINATION)
    }
}

impl Audit {
    /// A log that goes to `file://PATH`, or to `stdout:`.
    pub fn to(destination: &str) -> Self {
        let destination = destination.to_owned();
        Self { destination, durability: Durability::default(), events: None }
    }

    /// When an entry counts as written: on the disk, unless this says otherwise.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Keeps these events alone, beside those that always are: the beginning and the end of every
    /// request, checkpoints, and what operators do.
    pub fn events<'a>(mut self, events: impl IntoIterator<Item = &'a str>) -> Self {
        self.events = Some(events.into_iter().map(str::to_owned).collect());
        self
    }

    pub(super) fn settings(&self) -> Result<Settings, BadLog> {
        let destination: Destination = self.destination.parse()?;
        let event = |name: &String| Event::parse(name).ok_or_else(|| BadLog::Event(name.clone()));
        let events = self.events.as_ref().map(|names| names.iter().map(event).collect());
        let events = events.transpose()?;
        Ok(Settings { durability: self.durability, events, ..Settings::new(destination) })
    }
}

fn known() -> String {
    Event::ALL.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(", ")
}
