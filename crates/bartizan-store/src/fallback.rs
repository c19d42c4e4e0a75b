//! What does a limit do while the store that gates share cannot be used?

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bartizan_core::limit::{
    Book, Draw, Expired, Meter, ReservationId, Settlement, Standing, Told, Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use parking_lot::{Mutex, RwLock};

use crate::memory::MemoryMeter;

/// What a limit does while its store is down.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnFailure {
    /// Nobody passes.
    #[default]
    Closed,
    /// This gate counts alone: N gates may admit N times the limit.
    Local,
    /// Everybody passes.
    Open,
}

/// A shared meter, and what happens while it cannot be used. Closed is what is not named: budgets
/// never are. A call passes without the store only where every limit that it draws on allows it;
/// it is then never charged there.
#[derive(Debug)]
pub struct Fallback {
    shared: Arc<dyn Meter>,
    local: MemoryMeter,
    /// By the name of the limit.
    rules: RwLock<HashMap<Arc<str>, OnFailure>>,
    /// What was reserved here and not there.
    degraded: Mutex<HashSet<ReservationId>>,
    /// How many those are, so that nobody waits for the lock while all is well.
    open: AtomicUsize,
    /// How many decisions were made without the store.
    decisions: AtomicU64,
}

impl Fallback {
    /// Asks `shared`, and is closed without it until told otherwise.
    #[must_use]
    pub fn new(shared: Arc<dyn Meter>) -> Self {
        Self {
            shared,
            local: MemoryMeter::new(),
            rules: RwLock::default(),
            degraded: Mutex::default(),
            open: AtomicUsize::new(0),
            decisions: AtomicU64::new(0),
        }
    }

    /// From now on limits of these names do so; all others are closed.
    pub fn set(&self, rules: impl IntoIterator<Item = (Arc<str>, OnFailure)>) {
        *self.rules.write() = rules.into_iter().collect();
    }

    /// How many decisions were made without the store.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions.load(Ordering::Relaxed)
    }

    fn rule(&self, draw: &Draw) -> OnFailure {
        self.rules.read().get(&draw.rule.name).copied().unwrap_or_default()
    }

    /// Decides here, if every limit allows it.
    fn decide(
        &self,
        (id, draws): (ReservationId, &[Draw]),
        (deadline, now): (Timestamp, Timestamp),
        why: Unavailable,
    ) -> Result<Verdict, Unavailable> {
        let rules: Vec<_> = draws.iter().map(|draw| self.rule(draw)).collect();
        if rules.contains(&OnFailure::Closed) {
            return Err(why);
        }
        let counted = draws.iter().zip(&rules).filter(|(_, rule)| **rule == OnFailure::Local);
        let counted: Vec<Draw> = counted.map(|(draw, _)| draw.clone()).collect();
        let verdict = told(self.local.reserve(id, &counted, deadline, now))?;
        self.decisions.fetch_add(1, Ordering::Relaxed);
        Ok(match verdict {
            Verdict::Taken { standings } => {
                if self.degraded.lock().insert(id) {
                    self.open.fetch_add(1, Ordering::Release);
                }
                let standings = every(draws, &rules, standings.of(&counted), now);
                Verdict::Taken { standings: standings.into() }
            }
            Verdict::Short(mut exhausted) => {
                exhausted.standings = every(draws, &rules, exhausted.standings, now);
                Verdict::Short(exhausted)
            }
        })
    }

    /// Whether it was reserved here.
    fn is_here(&self, id: ReservationId) -> bool {
        self.open.load(Ordering::Acquire) > 0 && self.degraded.lock().contains(&id)
    }

    fn forget(&self, id: ReservationId) {
        if self.degraded.lock().remove(&id) {
            self.open.fetch_sub(1, Ordering::Release);
        }
    }
}

impl Meter for Fallback {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        Told::later(async move {
            match self.shared.reserve(id, draws, deadline, now).await {
                Err(why) => self.decide((id, draws), (deadline, now), why),
                said => said,
            }
        })
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        Told::later(async move {
            match self.shared.spend(id, draws, now).await {
                Err(why) => {
                    let verdict = self.decide((id, draws), (now, now), why);
                    if self.is_here(id) {
                        self.settle(id, draws, now).await?;
                    }
                    verdict
                }
                said => said,
            }
        })
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        if self.is_here(id) { self.local.depart(id, now) } else { self.shared.depart(id, now) }
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        let meter: &dyn Meter = if self.is_here(id) { &self.local } else { &*self.shared };
        meter.extend(id, deadline, now)
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        if self.is_here(id) {
            self.forget(id);
            return self.local.settle(id, actual, now);
        }
        self.shared.settle(id, actual, now)
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        Told::later(async move {
            let here = told(self.local.expire(now))?;
            here.iter().for_each(|expired| self.forget(expired.id));
            let mut all = self.shared.expire(now).await?;
            all.extend(here);
            Ok(all)
        })
    }
}

/// What a meter in memory says: it never waits.
fn told<T>(answer: Told<'_, Result<T, Unavailable>>) -> Result<T, Unavailable> {
    match answer {
        Told::Now(Some(answer)) => answer,
        Told::Now(None) | Told::Later(_) => Err(Unavailable::new("memory does not answer")),
    }
}

/// How every counter stands: those that are counted here, and fresh ones for the others.
fn every(
    draws: &[Draw],
    rules: &[OnFailure],
    counted: Vec<Standing>,
    now: Timestamp,
) -> Vec<Standing> {
    let mut counted = counted.into_iter();
    let fresh = |draw: &Draw| {
        let draws = [Draw { amount: 0, ..draw.clone() }];
        match Book::page(now).reserve(ReservationId(0), &draws, now, now) {
            Ok(Verdict::Taken { standings }) => standings.of(&draws).into_iter().next(),
            Ok(Verdict::Short(_)) | Err(_) => None,
        }
    };
    let standing = |(draw, rule): (&Draw, &OnFailure)| match rule {
        OnFailure::Local => counted.next(),
        OnFailure::Closed | OnFailure::Open => fresh(draw),
    };
    draws.iter().zip(rules).filter_map(standing).collect()
}
