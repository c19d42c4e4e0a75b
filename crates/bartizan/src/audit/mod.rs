//! Where does the audit log go? To one file, in one chain, by one thread.
//!
//! [`FileTrail`] takes entries without ever blocking, and a thread of its own writes them: it
//! takes all that wait, numbers and chains them, writes them at once and, where the durability is
//! [`Sync`](Durability::Sync), has them on the disk before any of their receipts is honoured.
//!
//! # When there is no room, or no disk
//!
//! The queue is bounded, and its places are counted by exchange: a `REQUEST_START` is taken only
//! if there is room for its end as well, so that an exchange that departed can always be closed.
//! Without room its receipt is [`Lost`], and the caller must refuse the request. The end of an
//! exchange that never started is merged with its like instead (see below). When the disk fails,
//! everything that should have been written is [`Lost`]; the ends of started exchanges are kept
//! in memory until it works again. The log then goes on with a record of the gap.
//!
//! # Floods
//!
//! What an address is refused before anybody is authenticated costs it nothing. Beyond
//! `refusals_per_second` such entries are merged: one record a second for each kind, with
//! `details.count`, `first` and `last`. They are not waited for, and a killed process loses those
//! of its last second.
//!
//! # After a crash
//!
//! Opening a file reads it once, from beginning to end. A last line that is not whole is moved
//! to a file of its own beside the log, and every `REQUEST_START` without an end gets a
//! `REQUEST_ERROR` with the outcome `abandoned`.
//!
//! # When the file is moved away
//!
//! Whoever keeps logs moves the file away, and the chain goes on in a new one of the same name. It is
//! looked for before each time that something must be on the disk: a file that is deleted or emptied
//! loses what stood in it, and nothing that comes later.

mod queue;
mod refusals;
mod writer;
mod sink;
mod recover;
mod interrupted;

use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bartizan_core::audit::chain::{Chain, Head};
use bartizan_core::audit::{Entry, Event, Lost, Receipt, Trail};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use queue::Shared;
use sink::{Sink, StdoutSink};
use writer::Writer;

/// How long an entry is waited for. A medium that takes longer, such as a pipe that nobody reads or a disk
/// far away that is gone, counts as one that fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// What an audit log is to be.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it goes.
    pub destination: Destination,
    /// When an entry counts as written.
    pub durability: Durability,
    /// Which events are kept beside those that always are; absent: all.
    pub events: Option<Vec<Event>>,
    /// The name of the gateway in every record.
    pub gateway: Arc<str>,
    /// The name of the chain.
    pub chain: Arc<str>,
    /// How many refusals of one kind an address gets records of its own for, each second.
    pub refusals_per_second: u32,
    /// How many entries may wait.
    pub capacity: usize,
}

/// Where the log goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// To this file: `file://PATH`.
    File(PathBuf),
    /// To standard output, in a new chain for each process: `stdout:`.
    Stdout,
}

/// When an entry counts as written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// As soon as it waits to be written. It is written within milliseconds and on the disk
    /// within a second, unless the process or the machine dies first.
    Batch,
    /// When it is on the disk.
    #[default]
    Sync,
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Reading or writing failed.
    #[error("the audit log `{path}` cannot be opened: {error}{}", remedy(error))]
    Io {
        /// The file, or the folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another process writes it.
    #[error(
        "the audit log `{0}` is in use by another process; a chain has one writer: stop the \
         other, or choose another `audit.destination`"
    )]
    Locked(PathBuf),
    /// Its end is no record, and nothing that a crash leaves behind either.
    #[error(
        "`{0}` does not end like an audit log; see `bartizan audit verify`, then move it away or \
         choose another `audit.destination`"
    )]
    NotALog(PathBuf),
    /// The thread that writes could not be started.
    #[error("the thread that writes the audit log cannot be started: {0}")]
    Thread(io::Error),
}

/// What to do about a file that cannot be opened, where that is known.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "; let the user that this runs as write the file and its folder, or name another with \
             `audit.destination`"
        }
        _ => "",
    }
}

/// Not a destination.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no audit destination; write `file://PATH` or `stdout:`")]
pub struct UnknownDestination(String);

impl Settings {
    /// A log that goes to `destination`, durable, with every event.
    #[must_use]
    pub fn new(destination: Destination) -> Self {
        Self {
            destination,
            durability: Durability::default(),
            events: None,
            gateway: Arc::from("bartizan"),
            chain: Arc::from("main"),
            refusals_per_second: 10,
            capacity: 65_536,
        }
    }

    fn keeps(&self, event: Event) -> bool {
        event.always_kept() || self.events.as_ref().is_none_or(|events| events.contains(&event))
    }
}

impl FromStr for Destination {
    type Err = UnknownDestination;

    fn from_str(text: &str) -> Result<Self, UnknownDestination> {
        match text.strip_prefix("file://") {
            Some(path) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            None if text == "stdout:" => Ok(Self::Stdout),
            Some(_) | None => Err(UnknownDestination(text.to_owned())),
        }
    }
}

/// The audit log of this process. Closing or dropping it writes what still waits.
#[derive(Debug)]
pub struct FileTrail {
    settings: Settings,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl FileTrail {
    /// Opens the log, puts its end in order if the last process was killed, and starts the
    /// thread that writes. Blocks for as long as reading the file takes.
    ///
    /// # Errors
    /// The file cannot be read or written, is another process's, or is no log.
    pub fn open(settings: Settings, now: Timestamp) -> Result<Self, OpenError> {
        let chain = Chain::new(settings.gateway.clone(), settings.chain.clone(), Head::EMPTY);
        let (sink, chain): (Box<dyn Sink>, Chain) = match &settings.destination {
            Destination::File(path) => {
                let (sink, chain) = recover::open(path, chain, now)?;
                (Box::new(sink), chain)
            }
            Destination::Stdout => (Box::new(StdoutSink), chain),
        };
        Self::start(settings, chain, sink)
    }

    fn start(settings: Settings, chain: Chain, sink: Box<dyn Sink>) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::new(&settings));
        let writer = Writer::new(Arc::clone(&shared), chain, sink, settings.durability);
        let builder = std::thread::Builder::new().name("audit".into());
        let thread = builder.spawn(move || writer.run()).map_err(OpenError::Thread)?;
        Ok(Self { settings, shared, thread: Mutex::new(Some(thread)) })
    }

    /// Writes what waits, and no more after that. Blocks until it is on the disk.
    pub fn close(&self) {
        self.shared.close();
        if let Some(thread) = self.thread.lock().take() {
            // A writer that panicked has said so, and all its receipts are lost.
            let _ = thread.join();
        }
    }

    /// Whether the last attempt to write failed, or does not end. Everything is [`Lost`] until one works.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.shared.is_failing()
    }
}

impl Trail for FileTrail {
    fn append(&self, entry: &Entry) -> Receipt {
        if !self.settings.keeps(entry.event) {
            return Receipt::Done;
        }
        // While the disk fails nobody may be told that an entry will be written.
        if self.settings.durability == Durability::Batch && !self.shared.is_failing() {
            let taken = self.shared.push(entry, None);
            return if taken.is_ok() { Receipt::Done } else { lost() };
        }
        let (honour, receipt) = oneshot::channel();
        match self.shared.push(entry, Some(honour)) {
            // It is kept all the same: should the medium move again, it is written.
            Ok(()) if self.shared.is_stuck() => lost(),
            Ok(()) => Receipt::Pending(Box::pin(in_time(receipt, Arc::clone(&self.shared)))),
            Err(Lost) => lost(),
        }
    }

    fn keeps(&self, event: Event) -> bool {
        self.settings.keeps(event)
    }
}

impl Drop for FileTrail {
    fn drop(&mut self) {
        self.close();
    }
}

/// What becomes of an entry, or that nobody knows it in time.
async fn in_time(
    receipt: oneshot::Receiver<Result<(), Lost>>,
    shared: Arc<Shared>,
) -> Result<(), Lost> {
    match tokio::time::timeout(PATIENCE, receipt).await {
        Ok(told) => told.unwrap_or(Err(Lost)),
        Err(_elapsed) => {
            shared.set_stuck();
            Err(Lost)
        }
    }
}

fn lost() -> Receipt {
    Receipt::Pending(Box::pin(std::future::ready(Err(Lost))))
}

#[cfg(test)]
mod tests;
