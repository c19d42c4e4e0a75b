//! How does the log grow? In groups: all that waits is numbered, chained, written and synced at
//! once.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bartizan_core::audit::chain::Chain;
use bartizan_core::audit::{Entry, Event, Lost, Outcome};
use bartizan_core::time::Timestamp;
use serde_json::{Map, json};

use super::Durability;
use super::queue::{Group, Loss, Part, Shared, TICK};
use super::sink::{Sink, Whereabouts};
use crate::clock;

/// How many bytes are handed to the system at once.
const CHUNK: usize = 1 << 20;

/// The one who writes.
pub(super) struct Writer {
    shared: Arc<Shared>,
    chain: Chain,
    sink: Box<dyn Sink>,
    durability: Durability,
    buffer: Vec<u8>,
    group: Group,
    /// Ends of exchanges whose START is in the log, which a failing disk did not take.
    kept_back: Group,
    loss: Option<Loss>,
    /// How many bytes somebody took away, until a record says so.
    gone: Option<u64>,
    failing: bool,
    /// Since when something is written and not synced.
    unsynced: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        chain: Chain,
        sink: Box<dyn Sink>,
        durability: Durability,
    ) -> Self {
        Self {
            shared,
            chain,
            sink,
            durability,
            buffer: Vec::new(),
            group: Group::default(),
            kept_back: Group::default(),
            loss: None,
            gone: None,
            failing: false,
            unsynced: None,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _tombstone = Tombstone(Arc::clone(&self.shared));
        loop {
            let pending = self.failing || self.unsynced.is_some();
            let work = self.shared.take(&mut self.group, pending);
            if let Some(loss) = work.loss {
                Loss::add(&mut self.loss, loss);
            }
            work.merged.iter().for_each(|entry| self.group.write(entry));
            self.write(work.last);
            if work.last {
                return;
            }
        }
    }

    fn write(&mut self, last: bool) {
        let overdue = self.unsynced.is_some_and(|since| since.elapsed() >= TICK);
        let sync = self.durability == Durability::Sync || overdue || last;
        let nothing = self.group.is_empty() && self.kept_back.is_empty() && self.loss.is_none();
        if nothing && !self.failing && !(sync && self.unsynced.is_some()) {
            return;
        }
        let head = self.chain.head();
        match self.attempt(sync) {
            Ok(()) => self.succeed(sync),
            Err(error) => {
                self.chain.rewind(head);
                self.fail(&error);
            }
        }
    }

    fn attempt(&mut self, sync: bool) -> io::Result<()> {
        if self.failing {
            self.sink.cut()?;
        }
        self.buffer.clear();
        if sync || self.unsynced.is_none() {
            self.look()?;
        }
        if let Some(loss) = self.loss {
            self.chain.append(&gap(loss), &mut self.buffer);
        }
        for (item, bytes) in self.kept_back.iter().chain(self.group.iter()) {
            self.chain.seal(item.outline, bytes, &mut self.buffer);
            if self.buffer.len() >= CHUNK {
                self.sink.write(&self.buffer)?;
                self.buffer.clear();
            }
        }
        self.sink.write(&self.buffer)?;
        if sync { self.sink.sync() } else { Ok(()) }
    }

    /// Looks whether the log is where it was, and tells what was done to it.
    fn look(&mut self) -> io::Result<()> {
        match self.sink.look()? {
            Whereabouts::Same => {}
            Whereabouts::Moved => {
                tracing::info!("the audit log was moved away: it goes on in a new file")
            }
            Whereabouts::Gone(bytes) => {
                tracing::error!(
                    bytes,
                    "the audit log was emptied or deleted by somebody else; it goes on"
                );
                self.gone = Some(bytes);
            }
        }
        if let Some(bytes) = self.gone {
            self.chain.append(&missing(bytes, clock::now()), &mut self.buffer);
        }
        Ok(())
    }

    fn succeed(&mut self, synced: bool) {
        self.sink.keep();
        self.shared.set_moving();
        self.unsynced = if synced { None } else { self.unsynced.or_else(|| Some(Instant::now())) };
        if self.failing {
            self.failing = false;
            self.shared.set_failing(false);
            tracing::info!("the audit log is written again");
        }
        self.loss = None;
        self.gone = None;
        self.kept_back.clear();
        self.group.items.iter_mut().for_each(|item| item.tell(Ok(())));
        self.group.clear();
    }

    fn fail(&mut self, error: &io::Error) {
        if !self.failing {
            self.failing = true;
            self.shared.set_failing(true);
            tracing::error!(%error, "the audit log cannot be written: requests are refused");
        }
        self.group.items.iter_mut().for_each(|item| item.tell(Err(Lost)));
        for (item, bytes) in self.group.iter() {
            match item.part {
                Part::End => {
                    self.kept_back.copy(item, bytes);
                    continue;
                }
                Part::Start(id) => self.shared.forget(id),
                Part::Aside => {}
            }
            Loss::add(&mut self.loss, Loss::one(item.time));
        }
        self.group.clear();
    }
}

/// Tells the callers when the writer is gone, even if it panicked.
struct Tombstone(Arc<Shared>);

impl Drop for Tombstone {
    fn drop(&mut self) {
        self.0.set_failing(std::thread::panicking());
        self.0.abandon();
    }
}

/// The record of what is no longer in the log.
fn missing(bytes: u64, now: Timestamp) -> Entry {
    let mut details = Map::new();
    details.insert("missing_bytes".into(), bytes.into());
    Entry {
        event: Event::SecurityAlert,
        outcome: Outcome::Error,
        time: now,
        facts: None,
        reason: Some(
            "the log was emptied or deleted while it was written: what stood in it is not here"
                .into(),
        ),
        details,
        end: None,
    }
}

/// The record of what is not in the log.
fn gap(loss: Loss) -> Entry {
    let mut details = Map::new();
    details.insert("gap".into(), true.into());
    details.insert("count".into(), loss.count.into());
    details.insert("first".into(), json!(loss.first.to_string()));
    details.insert("last".into(), json!(loss.last.to_string()));
    Entry {
        event: Event::SecurityAlert,
        outcome: Outcome::Error,
        time: loss.last,
        facts: None,
        reason: Some("entries were lost: there was no room in the queue, or on the disk".into()),
        details,
        end: None,
    }
}
