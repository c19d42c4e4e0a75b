//! Which refusals get a record of their own? So many a second from one address; the others share
//! one, so that a flood cannot drive the disk.

use std::collections::HashMap;
use std::net::IpAddr;

use bartizan_core::audit::{Entry, Event, Outcome};
use bartizan_core::authenticate::Caller;
use bartizan_core::time::Timestamp;

/// How many addresses are counted in one second, and how many kinds of refusals are kept apart.
/// Those beyond share one record that names no address.
const MAX_KEPT: usize = 1024;

/// Counts refusals by address, and merges those beyond the limit.
#[derive(Debug)]
pub(super) struct Refusals {
    per_second: u32,
    second: u64,
    seen: HashMap<(IpAddr, Event), u32>,
    merged: HashMap<Kind, Merged>,
    others: Option<Merged>,
}

/// Refusals that share a record are alike in this.
#[derive(Debug, Eq, Hash, PartialEq)]
struct Kind {
    address: IpAddr,
    event: Event,
    outcome: &'static str,
    reason: Option<String>,
    status: Option<u16>,
}

#[derive(Debug)]
struct Merged {
    first: Entry,
    count: u64,
    earliest: Timestamp,
    latest: Timestamp,
}

impl Refusals {
    pub(super) fn new(per_second: u32) -> Self {
        let (seen, merged) = (HashMap::new(), HashMap::new());
        Self { per_second, second: 0, seen, merged, others: None }
    }

    /// Whether this entry must share a record: nobody was authenticated, nothing was let through,
    /// and its address has had its number of records in this second.
    pub(super) fn is_flood(&mut self, entry: &Entry) -> bool {
        let Some(facts) = &entry.facts else { return false };
        let somebody = facts.caller.as_ref().is_some_and(|caller| !Caller::is_anonymous(caller));
        if somebody || entry.outcome == Outcome::Allow {
            return false;
        }
        if self.second != entry.time.as_secs() {
            self.second = entry.time.as_secs();
            self.seen.clear();
        }
        let key = (facts.client.bucket(), entry.event);
        if self.seen.len() >= MAX_KEPT && !self.seen.contains_key(&key) {
            return true;
        }
        let seen = self.seen.entry(key).or_default();
        *seen = seen.saturating_add(1);
        *seen > self.per_second
    }

    /// Adds the entry to the record of its kind.
    pub(super) fn merge(&mut self, entry: &Entry) {
        let merged = match Kind::of(entry) {
            Some(kind) if self.merged.len() < MAX_KEPT || self.merged.contains_key(&kind) => {
                self.merged.entry(kind).or_insert_with(|| Merged::new(entry.clone()))
            }
            Some(_) | None => self.others.get_or_insert_with(|| Merged::new(nobodys(entry))),
        };
        merged.add(entry.time);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.merged.is_empty() && self.others.is_none()
    }

    /// The shared records so far; from here on new ones begin.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Entry> {
        self.merged.drain().map(|(_, merged)| merged).chain(self.others.take()).map(Merged::entry)
    }
}

impl Kind {
    fn of(entry: &Entry) -> Option<Self> {
        let address = entry.facts.as_ref()?.client.bucket();
        let status = entry.end.and_then(|end| end.status);
        let (event, outcome) = (entry.event, entry.outcome.as_str());
        Some(Self { address, event, outcome, reason: entry.reason.clone(), status })
    }
}

impl Merged {
    fn new(first: Entry) -> Self {
        let at = first.time;
        Self { first, count: 0, earliest: at, latest: at }
    }

    fn add(&mut self, at: Timestamp) {
        self.count += 1;
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
    }

    /// The first entry as it was, unless there were more of its kind.
    fn entry(self) -> Entry {
        let mut entry = self.first;
        if self.count > 1 {
            entry.time = self.latest;
            entry.details.insert("count".into(), self.count.into());
            entry.details.insert("first".into(), self.earliest.to_string().into());
            entry.details.insert("last".into(), self.latest.to_string().into());
        }
        entry
    }
}

/// The same without anything that belongs to one exchange.
fn nobodys(entry: &Entry) -> Entry {
    let Entry { event, outcome, time, .. } = *entry;
    let reason = Some("refusals of more addresses than are kept apart".into());
    let details = serde_json::Map::new();
    Entry { event, outcome, time, facts: None, reason, details, end: None }
}
