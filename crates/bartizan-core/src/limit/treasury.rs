//! What do commands ask of a store that keeps a ledger? And do its counters agree with it?

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::alert::Alert;
use super::budget::{Budget, Ledger};
use super::counter::{Counter, Mark};
use super::meter::{ReservationId, Unavailable};
use super::reservation::Reservation;
use super::window::Window;
use super::{Cause, MeterKey, Transfer};
use crate::seam::BoxFuture;
use crate::time::Timestamp;

/// What a treasury answers, in time.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Unavailable>>;

/// The most that one page of a list holds.
pub const MAX_PAGE: usize = 1000;

/// A store that keeps budgets and their ledger. The ledger is only added to, and is the truth:
/// counters are a quick way to its sums.
///
/// Every method fails with [`Unavailable`] where the store is, and only then.
pub trait Treasury: Send + Sync + fmt::Debug {
    /// The counters of budgets, in the order of their keys, from behind `after` (the empty text
    /// for the beginning), at most [`MAX_PAGE`].
    fn holdings<'a>(&'a self, after: &'a str) -> Answer<'a, Vec<Holding>>;
    /// Limits that an operator has set for counters that no call has drawn on, in the order of their
    /// keys, at most [`MAX_PAGE`].
    fn limits_ahead(&self) -> Answer<'_, Vec<(MeterKey, u64)>>;
    /// The newest movements of a counter, at most [`MAX_PAGE`].
    fn posted<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, Vec<Posted>>;
    /// The reservations of a counter that wait to be settled, at most [`MAX_PAGE`].
    fn open<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, Vec<(ReservationId, Reservation)>>;
    /// Puts a limit in the place of the configured one, or takes it away again.
    fn set_limit<'a>(&'a self, key: &'a MeterKey, limit: Option<u64>) -> Answer<'a, ()>;
    /// Forgives what was settled in the current period; how much it was. A budget that rolls
    /// forgives nothing: it frees itself.
    fn reset<'a>(&'a self, key: &'a MeterKey) -> Answer<'a, u64>;
    /// Where counters and ledger differ. What is over and closed is not looked at.
    fn verify(&self) -> Answer<'_, Vec<Difference>>;
    /// Writes down that something is to be told, unless that was done before; whether it was new.
    /// From `due` on it is sent, where it is sent anywhere.
    fn raise<'a>(
        &'a self,
        alert: &'a Alert,
        body: &'a str,
        due: Option<Timestamp>,
    ) -> Answer<'a, bool>;
    /// Takes what is due to be sent at `now`; nobody else is given it before `again`.
    fn due(&self, now: Timestamp, again: Timestamp) -> Answer<'_, Vec<Due>>;
    /// When it is to be sent again; none where it has arrived, or is given up.
    fn sent(&self, id: i64, again: Option<Timestamp>) -> Answer<'_, ()>;
    /// Writes every counter anew from the ledger; what was different before.
    fn rebuild(&self) -> Answer<'_, Vec<Difference>>;
}

/// A counter of a budget, as it is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holding {
    /// Which.
    pub key: MeterKey,
    /// How it stands.
    pub counter: Counter,
    /// The limit that an operator has set in the place of the configured one.
    pub limit: Option<u64>,
}

/// Something that is due to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// Its number.
    pub id: i64,
    /// What is sent: JSON.
    pub body: String,
    /// How often it was tried before.
    pub tries: u32,
}

/// A movement as the ledger has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Posted {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What moved.
    pub transfer: Transfer,
}

/// What the ledger says of one counter in one period.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sum {
    /// The counter.
    pub key: MeterKey,
    /// The first instant of the period; where a budget rolls, the entry.
    pub start: Timestamp,
    /// The first instant that is no longer in it.
    pub end: Timestamp,
    /// When something was taken from what is free last.
    pub last: Timestamp,
    /// What stands reserved. Less than nothing where the ledger is broken.
    pub reserved: i128,
    /// What was settled.
    pub settled: i128,
}

/// Where a counter and the ledger differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The counter.
    pub key: MeterKey,
    /// The first instant of the period.
    pub start: Timestamp,
    /// What the counter says is reserved and settled; where a budget rolls, both together stand as
    /// settled.
    pub counter: (u64, u64),
    /// What the ledger says is.
    pub ledger: (i128, i128),
}

/// Compares counters with the sums of their transfers. `now` decides what is over.
#[must_use]
pub fn differences(
    counters: &BTreeMap<MeterKey, Counter>,
    sums: &[Sum],
    now: Timestamp,
) -> Vec<Difference> {
    let mut said: BTreeMap<(&MeterKey, Timestamp), (u64, u64)> = BTreeMap::new();
    for (key, counter) in counters {
        if let Counter::Budget(budget) = counter {
            let ledgers = budget.ledgers();
            said.extend(ledgers.map(|one| ((key, one.start), (one.reserved, one.settled))));
        }
    }
    let mut wrong = Vec::new();
    for sum in sums.iter().filter(|sum| sum.end > sum.start) {
        let counter = said.remove(&(&sum.key, sum.start));
        // A period that is over and closed is forgotten by its counter, and so is an idle one. Over
        // is also what a later one has followed: no counter goes back with a clock that does.
        let followed = || match counters.get(&sum.key) {
            Some(Counter::Budget(budget)) => budget.current().start >= sum.end,
            _ => false,
        };
        let past = sum.end <= now || sum.settled == 0 || followed();
        let forgotten = counter.is_none() && sum.reserved == 0 && past;
        let (reserved, settled) = counter.unwrap_or_default();
        let agree = (i128::from(reserved), i128::from(settled)) == (sum.reserved, sum.settled);
        if !agree && !forgotten {
            let (key, ledger) = (sum.key.clone(), (sum.reserved, sum.settled));
            wrong.push(Difference { key, start: sum.start, counter: (reserved, settled), ledger });
        }
    }
    // What a counter says and no transfer explains.
    let unexplained = said.into_iter().filter(|(_, said)| *said != (0, 0));
    wrong.extend(unexplained.map(|((key, start), counter)| {
        let key = key.clone();
        Difference { key, start, counter, ledger: (0, 0) }
    }));
    wrong.extend(counters.iter().filter_map(|(key, counter)| rolling(key, counter, sums, now)));
    wrong
}

/// Where a budget that rolls differs. The counter remembers draws that came close together as
/// one, so what it may say lies between what is surely in the window and what may be.
fn rolling(key: &MeterKey, counter: &Counter, sums: &[Sum], now: Timestamp) -> Option<Difference> {
    let length = key.of_budget()?.rolling()?;
    let mut counter = counter.clone();
    counter.room(0, now);
    let total = counter.spent(Mark::Window(now));
    let of = |at: fn(&Sum) -> Timestamp| {
        let stand = sums.iter().filter(|sum| sum.key == *key && at(sum).plus(length) > now);
        stand.map(|sum| sum.reserved + sum.settled).sum::<i128>()
    };
    let (surely, perhaps) = (of(|sum| sum.start), of(|sum| sum.last));
    let agree = (surely.min(perhaps)..=surely.max(perhaps)).contains(&i128::from(total));
    (!agree).then(|| Difference {
        key: key.clone(),
        start: now.minus(length),
        counter: (0, total),
        ledger: (0, perhaps),
    })
}

/// The counters as the ledger says they stand. Limits are taken over from `counters`; where there
/// is none it is zero until the next call brings the configured one.
#[must_use]
pub fn rebuilt(
    counters: &BTreeMap<MeterKey, Counter>,
    sums: &[Sum],
    now: Timestamp,
) -> BTreeMap<MeterKey, Counter> {
    let mut periods: BTreeMap<&MeterKey, Vec<&Sum>> = BTreeMap::new();
    for sum in sums {
        periods.entry(&sum.key).or_default().push(sum);
    }
    let mut made = BTreeMap::new();
    for (key, mut sums) in periods {
        sums.sort_by_key(|sum| sum.start);
        let old = counters.get(key);
        let limit = old.map_or(0, Counter::limit);
        let counter = match key.of_budget().and_then(|key| key.rolling()) {
            Some(length) => Some(Counter::Window(window(limit, length, &sums, now))),
            None => {
                let made = budget(limit, &sums, now, old.is_some());
                made.map(|budget| Counter::Budget(Box::new(budget)))
            }
        };
        made.extend(counter.map(|counter| (key.clone(), counter)));
    }
    made
}

fn window(limit: u64, length: Duration, sums: &[&Sum], now: Timestamp) -> Window {
    let stand = sums.iter().filter(|sum| sum.last.plus(length) > now);
    let stand = stand.filter(|sum| sum.reserved + sum.settled > 0);
    let entries = stand.map(|sum| (sum.start, sum.last, whole(sum.reserved + sum.settled)));
    Window::restored(limit, length, entries)
}

/// None for what is over and closed, and has no counter.
fn budget(limit: u64, sums: &[&Sum], now: Timestamp, known: bool) -> Option<Budget> {
    let ledger = |sum: &&Sum| {
        let (settled, reserved) = (whole(sum.settled), whole(sum.reserved));
        Ledger { start: sum.start, end: sum.end, settled, reserved }
    };
    let mut ledgers: Vec<Ledger> = sums.iter().map(ledger).collect();
    let current = ledgers.pop()?;
    ledgers.retain(|ledger| ledger.reserved > 0);
    let over = now >= current.end && current.reserved == 0 && ledgers.is_empty();
    (!over || known).then(|| Budget::restored(limit, current, ledgers))
}

fn whole(amount: i128) -> u64 {
    u64::try_from(amount.max(0)).unwrap_or(u64::MAX)
}

impl Cause {
    /// The cause that a store wrote.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        let all = [
            Self::Corrected,
            Self::Expired,
            Self::Overdrawn,
            Self::Reserved,
            Self::Reset,
            Self::Settled,
        ];
        all.into_iter().find(|cause| cause.code() == code)
    }
}
