//! What waits for the writer, and for what is there room?

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bartizan_core::audit::record::{self, Outline};
use bartizan_core::audit::{Entry, Event, Lost, Outcome};
use bartizan_core::id::{ChanceMap, RequestId};
use bartizan_core::time::Timestamp;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::refusals::Refusals;
use super::{Durability, Settings};

/// How often merged refusals are written, an unsynced file is synced, and a failing disk is tried.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// How long a batch gathers before it is written.
const GATHER: Duration = Duration::from_millis(2);

/// Records that wait, as far as they are written without their place in the chain: by those who
/// caused them, so that nothing of an exchange is handed from thread to thread but its bytes.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) items: Vec<Item>,
    bytes: Vec<u8>,
}

/// A record that waits, and whom to tell.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) outline: Outline,
    pub(super) part: Part,
    pub(super) time: Timestamp,
    receipt: Option<Honour>,
}

/// Who waits for a record to be on its medium.
pub(super) type Honour = oneshot::Sender<Result<(), Lost>>;

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
    /// Whether somebody waited for too long, and nothing was written since.
    stuck: AtomicBool,
}

#[derive(Debug)]
struct Queue {
    capacity: usize,
    group: Group,
    /// How many ends are owed, and to which exchanges. An id may come twice: a trusted proxy
    /// gives them.
    owed: usize,
    open: ChanceMap<RequestId, usize>,
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
    /// Records that many refusals share.
    pub(super) merged: Vec<Entry>,
    /// Nothing comes after this.
    pub(super) last: bool,
}

/// How much room a group keeps once it is empty, in bytes.
const KEPT_ROOM: usize = 1 << 20;

impl Group {
    /// Adds the record that was outlined as `bytes`.
    fn push(&mut self, item: Item, bytes: &[u8]) {
        self.items.push(item);
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds the record of an entry that nobody waits for.
    pub(super) fn write(&mut self, entry: &Entry) {
        let outline = record::outline(entry, &mut self.bytes);
        self.items.push(Item { outline, part: Part::Aside, time: entry.time, receipt: None });
    }

    /// Adds a record of another group, of which everybody has been told.
    pub(super) fn copy(&mut self, item: &Item, bytes: &[u8]) {
        let Item { outline, part, time, .. } = *item;
        self.push(Item { outline, part, time, receipt: None }, bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The records with their bytes, in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Item, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.items.iter().map(move |item| {
            let (bytes, after) = rest.split_at_checked(item.outline.len()).unwrap_or_default();
            rest = after;
            (item, bytes)
        })
    }

    /// Forgets the records.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_ROOM);
    }
}

impl Item {
    /// Tells whoever waits.
    pub(super) fn tell(&mut self, result: Result<(), Lost>) {
        tell(self.receipt.take(), result);
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
            group: Group::default(),
            owed: 0,
            open: ChanceMap::default(),
            refusals: Refusals::new(settings.refusals_per_second),
            flushed: Instant::now(),
            loss: None,
            writer: Doing::Writing,
            closed: false,
        };
        let gathers = settings.durability == Durability::Batch;
        let (failing, stuck) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { queue: Mutex::new(queue), wake: Condvar::new(), gathers, failing, stuck }
    }

    /// Takes an entry, if there is room for it.
    pub(super) fn push(&self, entry: &Entry, receipt: Option<Honour>) -> Result<(), Lost> {
        if entry.outcome != Outcome::Allow && self.change(|queue| queue.merges(entry)) {
            tell(receipt, Ok(()));
            return Ok(());
        }
        // Written before the lock is taken: others need not wait for that.
        let mut bytes = Vec::with_capacity(1024);
        let outline = record::outline(entry, &mut bytes);
        let item = Item { outline, part: Part::Aside, time: entry.time, receipt };
        self.change(|queue| queue.push(entry, item, &bytes))
    }

    /// Changes the queue, and wakes the writer if that is a reason to. Waking costs a system
    /// call: only for the first, and when a batch must not wait.
    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let mut queue = self.queue.lock();
        let (idle, quiet) = (queue.group.is_empty(), queue.is_quiet());
        let result = change(&mut queue);
        let wake = match queue.writer {
            Doing::Asleep => quiet && !queue.is_quiet() || idle && !queue.group.is_empty(),
            Doing::Gathering => queue.is_urgent(),
            Doing::Writing => false,
        };
        if wake {
            queue.writer = Doing::Writing;
            self.wake.notify_one();
        }
        result
    }

    /// Waits for work and moves it into `group`. With `pending` something is left to do after a
    /// while even if nothing comes.
    pub(super) fn take(&self, group: &mut Group, pending: bool) -> Work {
        let mut queue = self.queue.lock();
        if queue.group.is_empty() && !queue.closed {
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
        self.failing.load(Ordering::Acquire) || self.is_stuck()
    }

    pub(super) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Acquire)
    }

    /// Nothing is promised until something was written.
    pub(super) fn set_stuck(&self) {
        if !self.stuck.swap(true, Ordering::AcqRel) {
            tracing::error!("the audit log takes nothing: requests are refused until it does");
        }
    }

    /// Something was written.
    pub(super) fn set_moving(&self) {
        if self.is_stuck() && self.stuck.swap(false, Ordering::AcqRel) {
            tracing::info!("the audit log is written again");
        }
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
        queue.group = Group::default();
    }
}

impl Queue {
    fn is_quiet(&self) -> bool {
        self.group.is_empty() && self.refusals.is_empty()
    }

    /// Whether a batch must not grow any more.
    fn is_urgent(&self) -> bool {
        self.group.items.len() >= self.capacity / 2
    }

    fn push(&mut self, entry: &Entry, mut item: Item, bytes: &[u8]) -> Result<(), Lost> {
        if self.closed {
            return Err(Lost);
        }
        let id = entry.facts.as_ref().map(|facts| facts.request_id);
        let terminal = matches!(entry.event, Event::RequestEnd | Event::RequestError);
        item.part = match (entry.event, id) {
            (Event::RequestStart, Some(id)) => Part::Start(id),
            // Its place was taken together with the START's: it is always free.
            (_, Some(id)) if terminal && self.end(id) => Part::End,
            _ => Part::Aside,
        };
        let room = self.capacity.saturating_sub(self.group.items.len() + self.owed);
        match item.part {
            Part::End => {}
            Part::Start(id) if room >= 2 => self.start(id),
            Part::Aside if terminal && room == 0 => {
                self.refusals.merge(entry);
                item.tell(Ok(()));
                return Ok(());
            }
            Part::Aside if room >= 1 => {}
            Part::Start(_) | Part::Aside => {
                Loss::add(&mut self.loss, Loss::one(item.time));
                return Err(Lost);
            }
        }
        self.group.push(item, bytes);
        Ok(())
    }

    /// Whether the entry is one of a flood, and has become part of a record that many share. What
    /// belongs to an exchange on its way does not: it was let through.
    fn merges(&mut self, entry: &Entry) -> bool {
        let departed = entry.facts.as_ref().is_some_and(|f| self.open.contains_key(&f.request_id));
        let merges = !self.closed && !departed && self.refusals.is_flood(entry);
        if merges {
            self.refusals.merge(entry);
        }
        merges
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

    /// Gives all that waits for `group`, which is empty.
    fn hand_over(&mut self, group: &mut Group) -> Work {
        std::mem::swap(group, &mut self.group);
        let mut merged = Vec::new();
        if !self.refusals.is_empty() && (self.closed || self.flushed.elapsed() >= TICK) {
            self.flushed = Instant::now();
            merged.extend(self.refusals.take());
        }
        Work { loss: self.loss.take(), merged, last: self.closed }
    }
}

fn tell(receipt: Option<Honour>, result: Result<(), Lost>) {
    if let Some(receipt) = receipt {
        // Who does not wait any more does not need to know.
        let _ = receipt.send(result);
    }
}
