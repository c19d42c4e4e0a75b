//! A shared meter whose hot counters are used without asking it: slices of them are taken ahead.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::limit::lease::{Act, Leases};
use bartizan_core::limit::{
    Draw, Expired, Meter, MeterKey, ReservationId, Settlement, Standing, Told, Unavailable,
    Verdict, spend_in_two,
};
use bartizan_core::time::Timestamp;
use futures_util::future::join_all;
use parking_lot::{Mutex, RwLock};
use tokio::task::AbortHandle;

/// Where the time comes from that slices are told by.
type Clock = fn() -> Timestamp;

/// A shared meter, and slices of those counters whose limits are named. A decision all of whose
/// counters have a slice asks nobody; every other one asks the shared meter, which refuses what
/// is to be refused. See [`bartizan_core::limit::lease`] for what that costs.
#[derive(Debug)]
pub struct Leased {
    inner: Arc<Inner>,
    worker: AbortHandle,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<dyn Meter>,
    leases: Mutex<Leases>,
    names: RwLock<HashSet<Arc<str>>>,
    clock: Clock,
}

/// How often slices are looked after.
const TICK: Duration = Duration::from_millis(20);
/// How often giving back a slice is tried; in vain, it is charged in full at its deadline.
const TRIES: u32 = 50;

impl Leased {
    /// Takes slices of `shared`, of nothing until told so. Must be called within a tokio runtime.
    #[must_use]
    pub fn new(shared: Arc<dyn Meter>, clock: Clock) -> Self {
        let (leases, names) = (Mutex::default(), RwLock::default());
        let inner = Arc::new(Inner { shared, leases, names, clock });
        let worker = tokio::spawn(look_after(Arc::clone(&inner))).abort_handle();
        Self { inner, worker }
    }

    /// From now on slices are taken for limits and budgets of these names.
    pub fn set(&self, names: impl IntoIterator<Item = Arc<str>>) {
        *self.inner.names.write() = names.into_iter().collect();
    }

    /// Gives back every slice: this gate stops, and nothing is under way any more.
    pub async fn close(&self) {
        self.worker.abort();
        let acts = self.inner.leases.lock().close_all();
        join_all(acts.into_iter().map(|act| self.inner.act(act))).await;
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Inner {
    /// Whether every draw may be taken from slices.
    fn may(&self, draws: &[Draw]) -> bool {
        let names = self.names.read();
        !draws.is_empty() && draws.iter().all(|draw| names.contains(&draw.rule.name))
    }

    async fn act(&self, act: Act) {
        match act {
            Act::Ask { draw, deadline } => self.ask(draw, deadline).await,
            Act::Report { id, used } => self.report(id, used).await,
            Act::Return { id, actual } => self.give_back(id, actual).await,
        }
    }

    async fn ask(&self, draw: Draw, deadline: Timestamp) {
        let asked = (self.clock)();
        match self.slice(&draw, deadline, asked).await {
            Ok((id, standing)) => {
                self.leases.lock().granted(id, &draw, deadline, standing, asked);
            }
            Err((key, standing)) => self.leases.lock().refused(&key, standing, (self.clock)()),
        }
    }

    /// A reservation that has departed: nobody can use it but us, and it is charged if we die.
    async fn slice(
        &self,
        draw: &Draw,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(ReservationId, Option<Standing>), (MeterKey, Option<Standing>)> {
        let none = || (draw.key.clone(), None);
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|_| none())?;
        let id = ReservationId(u128::from_ne_bytes(name));
        let draws = std::slice::from_ref(draw);
        match self.shared.reserve(id, draws, deadline, now).await {
            Ok(Verdict::Taken { standings }) => {
                if self.shared.depart(id, now).await.is_err() {
                    // Nobody will draw on it: it is not held until its deadline.
                    self.give_back(id, Draw { amount: 0, ..draw.clone() }).await;
                    return Err(none());
                }
                Ok((id, standings.of(draws).into_iter().next()))
            }
            Ok(Verdict::Short(short)) => {
                Err((draw.key.clone(), short.standings.into_iter().next()))
            }
            Err(_) => Err(none()),
        }
    }

    /// In vain, it is told again a little later.
    async fn report(&self, id: ReservationId, used: Draw) {
        let used = [used];
        match self.shared.report(id, &used, (self.clock)()).await {
            Ok(settlement) => {
                let [used] = &used;
                self.leases.lock().reported(id, used);
                tell(&settlement);
            }
            Err(error) => tracing::debug!(%error, "what was used of a slice is not told yet"),
        }
    }

    async fn give_back(&self, id: ReservationId, actual: Draw) {
        let actual = [actual];
        for _ in 0..TRIES {
            match self.shared.settle(id, &actual, (self.clock)()).await {
                Ok(settlement) => return tell(&settlement),
                Err(error) => tracing::debug!(%error, "a slice is not given back yet"),
            }
            tokio::time::sleep(TICK * 5).await;
        }
        tracing::error!("a slice could not be given back: it is charged in full at its deadline");
    }
}

fn tell(settlement: &Settlement) {
    for charge in settlement.charges.iter().filter(|charge| charge.overdraft() > 0) {
        let (limit, by) = (&charge.name, charge.overdraft());
        tracing::warn!(%limit, by, "overdrawn: more was used than was reserved");
    }
}

/// Looks after the slices until it is dropped.
async fn look_after(inner: Arc<Inner>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let acts = inner.leases.lock().tick((inner.clock)());
        for act in acts {
            // A store that is slow holds up no other slice.
            let inner = Arc::clone(&inner);
            tokio::spawn(async move { inner.act(act).await });
        }
    }
}

impl Meter for Leased {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        if !self.inner.may(draws) {
            return self.inner.shared.reserve(id, draws, deadline, now);
        }
        {
            let mut leases = self.inner.leases.lock();
            if leases.is_closed(id) {
                let why = "the reservation is closed: reserve under a new id";
                return Told::now(Err(Unavailable::new(why)));
            }
            if let Some(standings) = leases.take(id, draws, deadline, now) {
                return Told::now(Ok(Verdict::Taken { standings: standings.into() }));
            }
        }
        Told::later(async move {
            let verdict = self.inner.shared.reserve(id, draws, deadline, now).await?;
            let standings = match &verdict {
                Verdict::Short(short) => short.standings.clone(),
                Verdict::Taken { standings } => standings.clone().of(draws),
            };
            self.inner.leases.lock().told(draws, &standings, now);
            Ok(verdict)
        })
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        if self.inner.may(draws) {
            return spend_in_two(self, id, draws, now);
        }
        self.inner.shared.spend(id, draws, now)
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        if self.inner.leases.lock().depart(id) {
            return Told::now(Ok(()));
        }
        self.inner.shared.depart(id, now)
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        let Some(slices) = self.inner.leases.lock().to_extend(id, deadline) else {
            return self.inner.shared.extend(id, deadline, now);
        };
        Told::later(async move {
            for slice in slices {
                if !self.inner.shared.extend(slice, deadline, now).await? {
                    return Ok(false);
                }
            }
            Ok(self.inner.leases.lock().extend(id, deadline))
        })
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        if let Some(settlement) = self.inner.leases.lock().settle(id, actual) {
            return Told::now(Ok(settlement));
        }
        self.inner.shared.settle(id, actual, now)
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        self.inner.shared.expire(now)
    }
}
