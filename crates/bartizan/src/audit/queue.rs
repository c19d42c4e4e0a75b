//! What waits for the writer, and for what is there room?

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bartizan_core::audit::{Entry, Event, Lost};
use bartizan_core::id::RequestId;
use bartizan_core::time::Timestamp;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::refusals::Refusals;
use super::{Durability, Settings};

/// How often merged refusals are written, an unsynced file is synced, and a failing disk is tried.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How long a batch gathers before it is written.
const GATHER: Duration = Duration::from_millis(2);

/// An entry that waits, and whom to tell.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) entry: Entry,
    pub(super) part: Part,
    receipt: Option<oneshot::Sender<Result<(), Lost>>>,
}

/// What part an entry plays in its exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// It may depart: an end is owed from here on.
    Start(RequestId),
    /// The end of an exchange that started.
    End,
    /// Anything else.
    Aside,
}

/// Entries that will not be in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// What the callers and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    gathers: bool,
    failing: AtomicBool,
}

#[derive(Debug)]
struct Queue {
    capacity: usize,
    items: Vec<Item>,
    /// How many ends are owed, and to which exchanges. An id may come twice: a trusted proxy
    /// gives them.
    owed: usize,
    open: HashMap<RequestId, usize>,
    refusals: Refusals,
    /// When merged refusals were last written.
    flushed: Instant,
    loss: Option<Loss>,
    writer: Doing,
    closed: bool,
}

/// What the writer is doing, as far as it matters to whoever may have to wake it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Doing {
    /// It waits until there is something to do.
    Asleep,
    /// It waits a moment, so that more can be written at once.
    Gathering,
    /// It writes.
    Writing,
}

/// What the writer is given to do.
#[derive(Debug)]
pub(super) struct Work {
    /// Entries that were turned away since the last time.
    pub(super) loss: Option<Loss>,
    /// Nothing comes after this.
    pub(super) last: bool,
}

impl Item {
    pub(super) fn new(entry: Entry, receipt: Option<oneshot::Sender<Result<(), Lost>>>) -> Self {
        Self { entry, part: Part::Aside, receipt }
    }

    /// Tells whoever waits.
    pub(super) fn tell(&mut self, result: Result<(), Lost>) {
        if let Some(receipt) = self.receipt.take() {
            // Who does not wait any more does not need to know.
            let _ = receipt.send(result);
        }
    }
}

impl Loss {
    pub(super) fn add(loss: &mut Option<Self>, more: Self) {
        *loss = Some(loss.map_or(more, |so_far| Self {
            count: so_far.count + more.count,
            first: so_far.first.min(more.first),
            last: so_far.last.max(more.last),
        }));
    }

    pub(super) fn one(at: Timestamp) -> Self {
        Self { count: 1, first: at, last: at }
    }
}

impl Shared {
    pub(super) fn new(settings: &Settings) -> Self {
        let queue = Queue {
            capacity: settings.capacity,
            items: Vec::new(),
            owed: 0,
            open: HashMap::new(),
            refusals: Refusals::new(settings.refusals_per_second),
            flushed: Instant::now(),
            loss: None,
            writer: Doing::Writing,
            closed: false,
        };
        let gathers = settings.durability == Durability::Batch;
        let failing = AtomicBool::new(false);
        Self { queue: Mutex::new(queue), wake: Condvar::new(), gathers, failing }
    }

    /// Takes an item, if there is room for it.
    pub(super) fn push(&self, item: Item) -> Result<(), Lost> {
        let mut queue = self.queue.lock();
        let (idle, quiet) = (queue.items.is_empty(), queue.is_quiet());
        let taken = queue.push(item);
        // Waking costs a system call: only for the first, and when a batch must not wait.
        let wake = match queue.writer {
            Doing::Asleep => quiet || idle && !queue.items.is_empty(),
            Doing::Gathering => queue.is_urgent(),
            Doing::Writing => false,
        };
        if wake {
            queue.writer = Doing::Writing;
            self.wake.notify_one();
        }
        taken
    }

    /// Waits for work and moves it into `group`. With `pending` something is left to do after a
    /// while even if nothing comes.
    pub(super) fn take(&self, group: &mut Vec<Item>, pending: bool) -> Work {
        let mut queue = self.queue.lock();
        if queue.items.is_empty() && !queue.closed {
            queue.writer = Doing::Asleep;
            if pending || !queue.refusals.is_empty() {
                self.wake.wait_for(&mut queue, TICK);
            } else {
                self.wake.wait(&mut queue);
            }
        }
        if self.gathers && !queue.closed && !queue.is_urgent() {
            queue.writer = Doing::Gathering;
            self.wake.wait_for(&mut queue, GATHER);
        }
        queue.writer = Doing::Writing;
        queue.hand_over(group)
    }

    /// The START of this exchange was lost: it will not depart, and no end is owed.
    pub(super) fn forget(&self, id: RequestId) {
        self.queue.lock().end(id);
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Release);
    }

    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
        self.wake.notify_one();
    }

    /// The writer is gone: nothing that waits will ever be written.
    pub(super) fn abandon(&self) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        queue.items.clear();
    }
}

impl Queue {
    fn is_quiet(&self) -> bool {
        self.items.is_empty() && self.refusals.is_empty()
    }

    /// Whether a batch must not grow any more.
    fn is_urgent(&self) -> bool {
        self.items.len() >= self.capacity / 2
    }

    fn push(&mut self, mut item: Item) -> Result<(), Lost> {
        if self.closed {
            return Err(Lost);
        }
        let id = item.entry.facts.as_ref().map(|facts| facts.request_id);
        let terminal = matches!(item.entry.event, Event::RequestEnd | Event::RequestError);
        item.part = match (item.entry.event, id) {
            (Event::RequestStart, Some(id)) => Part::Start(id),
            // Its place was taken together with the START's: it is always free.
            (_, Some(id)) if terminal && self.end(id) => Part::End,
            _ => Part::Aside,
        };
        let room = self.capacity.saturating_sub(self.items.len() + self.owed);
        match item.part {
            Part::End => {}
            Part::Start(id) if room >= 2 => self.start(id),
            Part::Aside if self.must_share(&item.entry) || terminal && room == 0 => {
                self.refusals.merge(&item.entry);
                item.tell(Ok(()));
                return Ok(());
            }
            Part::Aside if room >= 1 => {}
            Part::Start(_) | Part::Aside => {
                Loss::add(&mut self.loss, Loss::one(item.entry.time));
                return Err(Lost);
            }
        }
        self.items.push(item);
        Ok(())
    }

    /// Whether the entry is one of a flood. What belongs to an exchange on its way is not: it
    /// was let through.
    fn must_share(&mut self, entry: &Entry) -> bool {
        let departed = entry.facts.as_ref().is_some_and(|f| self.open.contains_key(&f.request_id));
        !departed && self.refusals.is_flood(entry)
    }

    fn start(&mut self, id: RequestId) {
        *self.open.entry(id).or_default() += 1;
        self.owed += 1;
    }

    /// Whether an end was owed to this exchange; if so, it is no more.
    fn end(&mut self, id: RequestId) -> bool {
        let Some(count) = self.open.get_mut(&id) else { return false };
        *count -= 1;
        if *count == 0 {
            self.open.remove(&id);
        }
        self.owed -= 1;
        true
    }

    fn hand_over(&mut self, group: &mut Vec<Item>) -> Work {
        group.append(&mut self.items);
        if !self.refusals.is_empty() && (self.closed || self.flushed.elapsed() >= TICK) {
            self.flushed = Instant::now();
            group.extend(self.refusals.take().map(|entry| Item::new(entry, None)));
        }
        Work { loss: self.loss.take(), last: self.closed }
    }
}
