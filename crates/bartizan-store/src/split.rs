//! Which store counts what? Budgets where it lasts, everything else where it is quick.
//!
//! One reservation, two meters: limits are taken first, since that costs nothing and turns away
//! most of what is turned away; then the budgets, on the disk. All or nothing holds for both
//! together: what the budgets refuse, the limits get back.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bartizan_core::limit::{
    Draw, Exhausted, Expired, Kind, Meter, Order, ReservationId, Settlement, Standing, Told,
    Unavailable, Verdict, nothing_used, spend_in_two,
};
use bartizan_core::time::Timestamp;
use parking_lot::Mutex;

/// Two meters that answer as one.
#[derive(Clone, Debug)]
pub struct SplitMeter {
    limits: Arc<dyn Meter>,
    budgets: Arc<dyn Meter>,
    funded: Arc<Funded>,
}

/// The open reservations of this process that have money behind them: only those must be told to
/// the budgets when they depart.
#[derive(Debug, Default)]
struct Funded {
    many: AtomicUsize,
    ids: Mutex<HashSet<ReservationId>>,
}

impl Funded {
    fn add(&self, id: ReservationId) {
        let mut ids = self.ids.lock();
        ids.insert(id);
        self.many.store(ids.len(), Ordering::Release);
    }

    fn holds(&self, id: ReservationId) -> bool {
        self.many.load(Ordering::Acquire) > 0 && self.ids.lock().contains(&id)
    }

    fn remove(&self, id: ReservationId) {
        let mut ids = self.ids.lock();
        ids.remove(&id);
        self.many.store(ids.len(), Ordering::Release);
    }
}

impl SplitMeter {
    /// Counts budgets with `budgets`, and everything else with `limits`.
    #[must_use]
    pub fn new(limits: Arc<dyn Meter>, budgets: Arc<dyn Meter>) -> Self {
        Self { limits, budgets, funded: Arc::default() }
    }

    async fn reserve_both(
        &self,
        id: ReservationId,
        draws: &[Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Verdict, Unavailable> {
        let (budgets, limits) = parted(draws);
        let mut taken = Taken { limits: &self.limits, id, draws: limits, now };
        let mut standings = Vec::new();
        if !taken.draws.is_empty() {
            match self.limits.reserve(id, &taken.draws, deadline, now).await {
                Ok(Verdict::Taken { standings: limits }) => standings = limits.of(&taken.draws),
                refused => {
                    taken.draws.clear();
                    return refused;
                }
            }
        }
        match self.budgets.reserve(id, &budgets, deadline, now).await {
            Ok(Verdict::Taken { standings: money }) => {
                self.funded.add(id);
                taken.draws.clear();
                let standings = in_order(draws, standings, money.of(&budgets));
                Ok(Verdict::Taken { standings: standings.into() })
            }
            Ok(Verdict::Short(short)) => {
                taken.give_back().await;
                let standings = in_order(draws, standings, short.standings);
                Ok(Verdict::Short(Exhausted { standings, ..short }))
            }
            Err(error) => {
                taken.give_back().await;
                Err(error)
            }
        }
    }
}

/// What the limits have taken while the budgets are asked. Dropped with it inside, because the
/// client hung up, it is given back all the same.
struct Taken<'a> {
    limits: &'a Arc<dyn Meter>,
    id: ReservationId,
    draws: Vec<Draw>,
    now: Timestamp,
}

impl Taken<'_> {
    async fn give_back(&mut self) {
        if self.draws.is_empty() {
            return;
        }
        let nothing = nothing_used(&self.draws);
        if let Err(error) = self.limits.settle(self.id, &nothing, self.now).await {
            tracing::error!(%error, "not given back: the reservation runs to its deadline");
        }
        self.draws.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.draws.is_empty() {
            return;
        }
        let (limits, id, now) = (Arc::clone(self.limits), self.id, self.now);
        let nothing = nothing_used(&self.draws);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { limits.settle(id, &nothing, now).await.map(drop) });
        }
    }
}

impl Meter for SplitMeter {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        if draws.iter().any(is_budget) {
            return Told::later(self.reserve_both(id, draws, deadline, now));
        }
        self.limits.reserve(id, draws, deadline, now)
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        if draws.iter().any(is_budget) {
            return spend_in_two(self, id, draws, now);
        }
        self.limits.spend(id, draws, now)
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        if !self.funded.holds(id) {
            return self.limits.depart(id, now);
        }
        Told::later(async move {
            self.budgets.depart(id, now).await?;
            // A call that draws on budgets alone is unknown to the limits.
            let _ = self.limits.depart(id, now).await;
            Ok(())
        })
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        if !self.funded.holds(id) {
            return self.limits.extend(id, deadline, now);
        }
        Told::later(async move {
            // Limits that cannot be asked are no reason to let go of the money.
            let (limits, budgets) = (
                self.limits.extend(id, deadline, now).await,
                self.budgets.extend(id, deadline, now).await?,
            );
            // A call that draws on budgets alone is unknown to the limits.
            limits.map(|_| budgets)
        })
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        if !actual.iter().any(is_budget) {
            return self.limits.settle(id, actual, now);
        }
        Told::later(async move {
            let (budgets, limits) = parted(actual);
            let settled = if limits.is_empty() {
                Settlement { order: Order::Unknown, charges: Vec::new() }
            } else {
                self.limits.settle(id, &limits, now).await?
            };
            let Settlement { order, mut charges } = self.budgets.settle(id, &budgets, now).await?;
            self.funded.remove(id);
            charges.extend(settled.charges);
            Ok(Settlement { order, charges })
        })
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        Told::later(async move {
            // Both are asked, though one of them may be down; what the other closed is told.
            let (limits, budgets) = (self.limits.expire(now).await, self.budgets.expire(now).await);
            budgets.iter().flatten().for_each(|expired| self.funded.remove(expired.id));
            match (limits, budgets) {
                (Ok(mut limits), Ok(budgets)) => {
                    limits.extend(budgets);
                    Ok(limits)
                }
                (Ok(told), Err(error)) | (Err(error), Ok(told)) if !told.is_empty() => {
                    tracing::error!(%error, "reservations could not be swept");
                    Ok(told)
                }
                (Err(error), _) | (_, Err(error)) => Err(error),
            }
        })
    }
}

fn is_budget(draw: &Draw) -> bool {
    draw.rule.kind() == Kind::Budget
}

fn parted(draws: &[Draw]) -> (Vec<Draw>, Vec<Draw>) {
    draws.iter().cloned().partition(is_budget)
}

/// The standings in the order of the draws, as far as they are known.
fn in_order(draws: &[Draw], limits: Vec<Standing>, budgets: Vec<Standing>) -> Vec<Standing> {
    let (mut limits, mut budgets) = (limits.into_iter(), budgets.into_iter());
    let next = |draw: &Draw| if is_budget(draw) { budgets.next() } else { limits.next() };
    draws.iter().filter_map(next).collect()
}
