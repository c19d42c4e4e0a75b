//! What have all counters counted, and what is still reserved?

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::counter::Counter;
use super::meter::{Charge, Expired, Order, ReservationId, Settlement, Unavailable};
use super::reservation::{Reservation, State, Take};
use super::room::Room;
use super::{Draw, Exhausted, Kind, MeterKey, Rule, Shape, Standing, Verdict};
use crate::id::ChanceMap;
use crate::time::Timestamp;

/// The state of a meter as a value. A meter in memory is a book behind a lock; one on a disk loads
/// the counters that a call touches into a book, asks it, and writes them back.
#[derive(Debug, Default)]
pub struct Book {
    capacity: Capacity,
    /// The latest instant it was told; it never goes back.
    clock: Timestamp,
    counters: HashMap<MeterKey, Counter, ahash::RandomState>,
    reservations: ChanceMap<ReservationId, Reservation>,
    /// The open ones, the next to expire first.
    deadlines: BTreeSet<(Timestamp, ReservationId)>,
    /// How many open ones draw on a budget. Its counter stays as long, to say what they came to: they
    /// may outlive the window of one that rolls.
    held: HashMap<MeterKey, usize, ahash::RandomState>,
    /// Those that were settled in time, the first to be forgotten first.
    settled: VecDeque<ReservationId>,
    /// Those that expired, the first to be forgotten first.
    lapsed: VecDeque<ReservationId>,
    /// When to look whether a counter is idle: one appointment for each that was made here. They are
    /// made near the end and kept at the beginning, and both stay at hand in a tree.
    appointments: BTreeSet<(Timestamp, MeterKey)>,
    /// What expired and nobody has been told of.
    expired: VecDeque<Expired>,
}

/// How much a book holds. When it is full of counters or of open reservations it is unavailable
/// for new ones, and so closed: forgetting one that counts would admit more than its limit.
/// A refused draw leaves no counter behind, and an idle counter is forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capacity {
    /// Counters; each takes 200 bytes to 6 kB.
    pub counters: usize,
    /// Open reservations.
    pub open: usize,
    /// Settled reservations that are remembered, so that a second word on them is recognised.
    pub settled: usize,
    /// Expired reservations that are remembered, so that a late word can correct them.
    pub expired: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { counters: 1 << 18, open: 1 << 17, settled: 1 << 10, expired: 1 << 16 }
    }
}

/// How much of what is due any call does in passing: the cost of a call stays bounded.
const IN_PASSING: usize = 8;
/// How much of it a call for that purpose does.
const IN_BULK: usize = 4096;
/// How many expired reservations wait to be told; the oldest are dropped first.
const MOST_UNTOLD: usize = 4096;
/// A counter that only settling makes idle is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

impl Book {
    /// An empty book that holds so much.
    #[must_use]
    pub fn with_capacity(capacity: Capacity) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// An empty book whose clock stands at `clock`: a page, on which a store puts what a call
    /// touches before it asks, and reads what became of it.
    #[must_use]
    pub fn page(clock: Timestamp) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Takes every draw, or none: see [`super::Meter::reserve`].
    ///
    /// # Errors
    /// [`Unavailable`] if the book is full, or the id was closed already.
    pub fn reserve(
        &mut self,
        id: ReservationId,
        draws: &[Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Verdict, Unavailable> {
        let at = self.tick(now);
        if let Some(reservation) = self.reservations.get(&id) {
            if reservation.is_open() {
                return Ok(Verdict::Taken { standings: self.standings(draws, at, now) });
            }
            return Err(Unavailable::new("the reservation is closed: reserve under a new id"));
        }
        if let Some(exhausted) = self.exhausted(draws, at, now) {
            return Ok(Verdict::Short(exhausted));
        }
        self.make_room(draws)?;
        let takes = merged(draws).map(|(draw, amount)| self.take(draw, amount, at)).collect();
        // The deadline is a distance from the caller's clock, which may be behind ours.
        let deadline = at.plus(deadline.since(now));
        self.hold_reservation(id, Reservation { deadline, state: State::Held, takes });
        Ok(Verdict::Taken { standings: self.standings(draws, at, now) })
    }

    /// Takes every draw for good, or none: see [`super::Meter::spend`]. Nothing is remembered of it
    /// but what the counters say.
    ///
    /// # Errors
    /// [`Unavailable`] if the book is full.
    pub fn spend(&mut self, draws: &[Draw], now: Timestamp) -> Result<Verdict, Unavailable> {
        let at = self.tick(now);
        if let Some(exhausted) = self.exhausted(draws, at, now) {
            return Ok(Verdict::Short(exhausted));
        }
        self.make_room(draws)?;
        for (draw, amount) in merged(draws) {
            let counter = self.counter_mut(draw, at);
            let mark = counter.take(amount, at);
            counter.settle(mark, amount, amount, at);
        }
        Ok(Verdict::Taken { standings: self.standings(draws, at, now) })
    }

    /// Marks the call as sent: see [`super::Meter::depart`].
    ///
    /// # Errors
    /// [`Unavailable`] if the reservation is not open any more.
    pub fn depart(&mut self, id: ReservationId, now: Timestamp) -> Result<(), Unavailable> {
        let at = self.tick(now);
        match self.reservations.get_mut(&id) {
            Some(Reservation { state: State::Departed, .. }) => Ok(()),
            Some(Reservation { state: state @ State::Held, deadline, .. }) if at < *deadline => {
                *state = State::Departed;
                Ok(())
            }
            _ => Err(Unavailable::new("the reservation is not open any more: reserve again")),
        }
    }

    /// Moves the deadline of an open reservation: see [`super::Meter::extend`].
    pub fn extend(&mut self, id: ReservationId, deadline: Timestamp, now: Timestamp) -> bool {
        let at = self.tick(now);
        match self.reservations.get_mut(&id) {
            Some(reservation) if reservation.is_open() && at < reservation.deadline => {
                // A distance from the caller's clock, as it was when it was reserved.
                let later = at.plus(deadline.since(now)).max(reservation.deadline);
                self.deadlines.remove(&(reservation.deadline, id));
                self.deadlines.insert((later, id));
                reservation.deadline = later;
                true
            }
            _ => false,
        }
    }

    /// What it really was: see [`super::Meter::settle`].
    pub fn settle(&mut self, id: ReservationId, actual: &[Draw], now: Timestamp) -> Settlement {
        self.clock = self.clock.max(now);
        let settlement = self.close(id, actual, self.clock);
        self.sweep(IN_PASSING);
        settlement
    }

    /// Closes what has run out of time: see [`super::Meter::expire`].
    pub fn expire(&mut self, now: Timestamp) -> Vec<Expired> {
        self.clock = self.clock.max(now);
        self.sweep(IN_BULK);
        self.expired.drain(..).collect()
    }

    /// The counter of that key, if it counts anything.
    #[must_use]
    pub fn counter(&self, key: &MeterKey) -> Option<&Counter> {
        self.counters.get(key)
    }

    /// Every counter that counts something, in no order.
    pub fn counters(&self) -> impl Iterator<Item = (&MeterKey, &Counter)> {
        self.counters.iter()
    }

    /// The reservation of that id, if it is open or not yet forgotten.
    #[must_use]
    pub fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.reservations.get(&id)
    }

    /// Every reservation that is open or not yet forgotten, in no order.
    pub fn reservations(&self) -> impl Iterator<Item = (ReservationId, &Reservation)> {
        self.reservations.iter().map(|(id, reservation)| (*id, reservation))
    }

    /// Puts in a counter that a store has kept. It is never forgotten here: that is the store's.
    pub fn hold_counter(&mut self, key: MeterKey, counter: Counter) {
        self.counters.insert(key, counter);
    }

    /// Puts in a reservation, as a store has kept it.
    pub fn hold_reservation(&mut self, id: ReservationId, reservation: Reservation) {
        if reservation.is_open() {
            self.deadlines.insert((reservation.deadline, id));
            for take in reservation.takes.iter().filter(|take| take.kind == Kind::Budget) {
                *self.held.entry(take.key.clone()).or_default() += 1;
            }
        }
        self.reservations.insert(id, reservation);
    }

    /// Moves the clock, never back, and does a little of what is due.
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.clock = self.clock.max(now);
        self.sweep(IN_PASSING);
        self.clock
    }

    /// Why the draws cannot all be taken, if they cannot.
    fn exhausted(&mut self, draws: &[Draw], at: Timestamp, now: Timestamp) -> Option<Exhausted> {
        let mut worst: Option<(&Draw, Timestamp)> = None;
        for (draw, amount) in merged(draws) {
            let until =
                match self.ask(&draw.key, &draw.rule, at, |counter| counter.room(amount, at)) {
                    Room::Free => continue,
                    Room::At(_) | Room::Never if draw.rule.soft => continue,
                    Room::At(until) => until,
                    Room::Never => Timestamp(u64::MAX),
                };
            if worst.is_none_or(|(_, latest)| latest < until) {
                worst = Some((draw, until));
            }
        }
        let (draw, until) = worst?;
        let never = until == Timestamp(u64::MAX);
        let standings = self.standings(draws, at, now);
        let whole = draws.iter().zip(&standings).find(|(other, _)| *other == draw);
        let window = whole.map_or(Duration::ZERO, |(_, standing)| standing.window);
        let retry_after = if never { window } else { until.since(now) };
        let (name, kind) = (draw.rule.name.clone(), draw.rule.kind());
        Some(Exhausted { name, kind, retry_after, never, standings })
    }

    /// How the counters of `draws` stand.
    fn standings(&mut self, draws: &[Draw], at: Timestamp, now: Timestamp) -> Vec<Standing> {
        let standing = |draw: &Draw| {
            self.ask(&draw.key, &draw.rule, at, |counter| {
                counter.room(0, at);
                counter.standing(&draw.rule, now)
            })
        };
        draws.iter().map(standing).collect()
    }

    /// Asks a counter, or a fresh one where there is none: asking leaves nothing behind.
    fn ask<T>(
        &mut self,
        key: &MeterKey,
        rule: &Rule,
        at: Timestamp,
        question: impl FnOnce(&mut Counter) -> T,
    ) -> T {
        match self.counters.get_mut(key) {
            Some(counter) => {
                counter.fit(&rule.shape, at);
                question(counter)
            }
            None => question(&mut Counter::new(&rule.shape, at)),
        }
    }

    fn take(&mut self, draw: &Draw, amount: u64, at: Timestamp) -> Take {
        let mark = self.counter_mut(draw, at).take(amount, at);
        let (name, measure, kind) = (draw.rule.name.clone(), draw.rule.measure, draw.rule.kind());
        let (key, on_crash) = (draw.key.clone(), draw.rule.on_crash);
        Take { key, name, measure, kind, amount, mark, on_crash }
    }

    /// The counter of a draw, made if there is none.
    fn counter_mut(&mut self, draw: &Draw, at: Timestamp) -> &mut Counter {
        match self.counters.entry(draw.key.clone()) {
            Entry::Occupied(counter) => counter.into_mut(),
            Entry::Vacant(place) => {
                let look = at.plus(look_after(&draw.rule));
                self.appointments.insert((look, draw.key.clone()));
                place.insert(Counter::new(&draw.rule.shape, at))
            }
        }
    }

    /// Is there memory for what these draws would add?
    fn make_room(&mut self, draws: &[Draw]) -> Result<(), Unavailable> {
        if self.counters.len() + draws.len() > self.capacity.counters {
            let known = |draw: &Draw| self.counters.contains_key(&draw.key);
            let new = merged(draws).filter(|(draw, _)| !known(draw)).count();
            if self.counters.len() + new > self.capacity.counters {
                self.forget_idle(IN_BULK);
            }
            if self.counters.len() + new > self.capacity.counters {
                return Err(Unavailable::new("it has no memory for another counter"));
            }
        }
        if self.deadlines.len() >= self.capacity.open {
            return Err(Unavailable::new("it has no memory for another reservation"));
        }
        Ok(())
    }

    fn close(&mut self, id: ReservationId, actual: &[Draw], at: Timestamp) -> Settlement {
        let Some(reservation) = self.reservations.get_mut(&id) else {
            return Settlement { order: Order::Unknown, charges: Vec::new() };
        };
        let was = std::mem::replace(&mut reservation.state, State::Settled);
        let takes = std::mem::take(&mut reservation.takes);
        let order = match was {
            State::Held | State::Departed => Order::First,
            State::Charged | State::GivenBack => Order::Late,
            State::Settled => Order::Repeated,
        };
        if order == Order::First {
            self.deadlines.remove(&(reservation.deadline, id));
            self.let_go(&takes);
            self.remember(id, State::Settled);
        }
        let charge = |take: &Take| {
            let said = merged(actual).find(|(draw, _)| draw.key == take.key);
            // What nobody speaks of stays as it stands.
            let amount = said.map_or(take.stands(was), |(_, amount)| amount);
            self.charge(take, was, amount, said.map(|(draw, _)| draw), at)
        };
        Settlement { order, charges: takes.iter().filter_map(charge).collect() }
    }

    /// Charges `actual` for one take. Told are the charges of budgets, late ones only if they
    /// changed something, and overdrafts of others.
    fn charge(
        &mut self,
        take: &Take,
        was: State,
        actual: u64,
        draw: Option<&Draw>,
        at: Timestamp,
    ) -> Option<Charge> {
        let stands = take.stands(was);
        let counter = match draw {
            // The window it was counted in may be long past, and the counter forgotten: what goes
            // beyond the reservation counts all the same.
            Some(draw) if actual > stands => self.counter_mut(draw, at),
            _ => self.counters.get_mut(&take.key)?,
        };
        // What has left the window since it was looked at last is not spent any more.
        counter.room(0, at);
        let (before, first) = match was {
            State::Held | State::Departed => (counter.spent_before(take.mark, stands), true),
            State::Charged | State::GivenBack | State::Settled => (counter.spent(take.mark), false),
        };
        if first {
            counter.settle(take.mark, stands, actual, at);
        } else {
            counter.correct(take.mark, stands, actual, at);
        }
        let after = counter.spent(take.mark);
        let charged = if first { take.amount > 0 || actual > 0 } else { before != after };
        let overdrawn = actual > stands && counter.overdrawn(take.mark);
        ((take.kind == Kind::Budget && charged) || overdrawn).then(|| Charge {
            key: take.key.clone(),
            name: take.name.clone(),
            measure: take.measure,
            kind: take.kind,
            limit: counter.limit(),
            reserved: take.amount,
            actual,
            before,
            after,
            period: take.mark.period().unwrap_or(at),
        })
    }

    /// Puts a closed reservation where it is remembered for a while, and forgets the oldest there.
    fn remember(&mut self, id: ReservationId, state: State) {
        let (queue, most) = match state {
            State::Charged | State::GivenBack => (&mut self.lapsed, self.capacity.expired),
            State::Departed | State::Held | State::Settled => {
                (&mut self.settled, self.capacity.settled)
            }
        };
        queue.push_back(id);
        if queue.len() > most
            && let Some(oldest) = queue.pop_front()
        {
            self.reservations.remove(&oldest);
        }
    }

    fn sweep(&mut self, many: usize) {
        for _ in 0..many {
            match self.deadlines.first() {
                Some((deadline, id)) if *deadline <= self.clock => self.run_out(*id),
                _ => break,
            }
        }
        self.forget_idle(many);
    }

    /// The deadline of an open reservation has passed.
    fn run_out(&mut self, id: ReservationId) {
        let Some(reservation) = self.reservations.get_mut(&id) else { return };
        self.deadlines.remove(&(reservation.deadline, id));
        let (was, departed) = (reservation.state, reservation.state == State::Departed);
        let state = if departed { State::Charged } else { State::GivenBack };
        reservation.state = state;
        let (takes, at) = (reservation.takes.clone(), self.clock);
        self.let_go(&takes);
        let amount = |take: &Take| take.stands(state);
        let charge = |take| self.charge(take, was, amount(take), None, at);
        let charges = takes.iter().filter_map(charge).collect();
        self.remember(id, state);
        self.tell(Expired { id, departed, charges });
    }

    /// The reservation of these takes is open no more.
    fn let_go(&mut self, takes: &[Take]) {
        for take in takes.iter().filter(|take| take.kind == Kind::Budget) {
            if let Entry::Occupied(mut held) = self.held.entry(take.key.clone()) {
                *held.get_mut() -= 1;
                if *held.get() == 0 {
                    held.remove();
                }
            }
        }
    }

    fn tell(&mut self, expired: Expired) {
        self.expired.push_back(expired);
        if self.expired.len() > MOST_UNTOLD {
            self.expired.pop_front();
        }
    }

    /// Keeps the appointments that are due: an idle counter goes, another is looked at later.
    fn forget_idle(&mut self, many: usize) {
        for _ in 0..many {
            match self.appointments.first() {
                Some((due, _)) if *due <= self.clock => {}
                _ => break,
            }
            let Some((_, key)) = self.appointments.pop_first() else { break };
            let Some(counter) = self.counters.get_mut(&key) else { continue };
            if self.held.contains_key(&key) {
                self.appointments.insert((self.clock.plus(LOOK_AGAIN), key));
            } else if counter.is_idle(self.clock) {
                self.counters.remove(&key);
            } else {
                let later = counter.idle_at().unwrap_or_else(|| self.clock.plus(LOOK_AGAIN));
                self.appointments.insert((later, key));
            }
        }
    }
}

/// Draws on the same key count together: each key once, with the sum.
fn merged(draws: &[Draw]) -> impl Iterator<Item = (&Draw, u64)> {
    let sum = |key: &MeterKey| {
        let same = draws.iter().filter(|draw| draw.key == *key);
        same.fold(0_u64, |sum, draw| sum.saturating_add(draw.amount))
    };
    let first = |(index, draw): &(usize, &Draw)| {
        !draws.iter().take(*index).any(|earlier| earlier.key == draw.key)
    };
    draws.iter().enumerate().filter(first).map(move |(_, draw)| (draw, sum(&draw.key)))
}

/// When a new counter is looked at for the first time.
fn look_after(rule: &Rule) -> Duration {
    match rule.shape {
        Shape::Window { length, .. } | Shape::Gcra { length, .. } => length,
        Shape::Budget { .. } | Shape::Concurrency { .. } => LOOK_AGAIN,
    }
}
