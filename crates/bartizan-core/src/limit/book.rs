//! What have all counters counted, and what is still reserved?

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::asked::{Asked, Merged, said};
use super::counter::Counter;
use super::meter::{Charge, Expired, Order, ReservationId, Settlement, Unavailable};
use super::reservation::{Reservation, State, Take};
use super::room::Room;
use super::table::{Digest, Table};
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
    counters: Table,
    reservations: ChanceMap<ReservationId, Reservation>,
    /// The open ones, the next to expire first.
    deadlines: BTreeSet<(Timestamp, ReservationId)>,
    /// How many open ones draw on a budget. Its counter stays as long, to say what they came to: they
    /// may outlive the window of one that rolls.
    held: ChanceMap<Digest, usize>,
    /// Those that were settled in time, the first to be forgotten first.
    settled: VecDeque<ReservationId>,
    /// Those that expired, the first to be forgotten first.
    lapsed: VecDeque<ReservationId>,
    /// When to look whether a counter is idle: one appointment for each that was made here. They are
    /// made near the end and kept at the beginning, and both stay at hand in a tree.
    appointments: BTreeSet<(Timestamp, Digest)>,
    /// What expired and nobody has been told of.
    expired: VecDeque<Expired>,
    /// Room for the digests of one decision, kept so that none asks for memory.
    digests: Vec<Digest>,
}

/// How much a book holds. When it is full of counters or of open reservations it is unavailable
/// for new ones, and so closed: forgetting one that counts would admit more than its limit.
/// A refused draw leaves no counter behind, and an idle counter is forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capacity {
    /// Counters; each takes 400 bytes to 7 kB, its key and its appointment included.
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
        Self { capacity, counters: Table::large(), ..Self::default() }
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
        let digests = self.digests(draws);
        let verdict = self.reserve_at(id, Asked { draws, digests: &digests, at, now }, deadline);
        self.digests = digests;
        verdict
    }

    /// Takes every draw for good, or none: see [`super::Meter::spend`]. Nothing is remembered of it
    /// but what the counters say.
    ///
    /// # Errors
    /// [`Unavailable`] if the book is full.
    pub fn spend(&mut self, draws: &[Draw], now: Timestamp) -> Result<Verdict, Unavailable> {
        let at = self.tick(now);
        let digests = self.digests(draws);
        let verdict = self.spend_at(Asked { draws, digests: &digests, at, now });
        self.digests = digests;
        verdict
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

    /// What was used so far: see [`super::Meter::report`].
    pub fn report(&mut self, id: ReservationId, used: &[Draw], now: Timestamp) -> Settlement {
        let at = self.tick(now);
        let open = self.reservations.get_mut(&id).filter(|one| one.is_open());
        let Some(reservation) = open else {
            return Settlement { order: Order::Unknown, charges: Vec::new() };
        };
        let mut takes = std::mem::take(&mut reservation.takes);
        let part = |take: &mut Take| {
            let counter = self.counters.get_mut(Digest::of(&take.key))?;
            let (_, sum) = said(used, &take.key)?;
            take.charge_part(counter, sum, at)
        };
        let charges = takes.iter_mut().filter_map(part).collect();
        if let Some(reservation) = self.reservations.get_mut(&id) {
            reservation.takes = takes;
        }
        Settlement { order: Order::First, charges }
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
        self.counters.get(Digest::of(key))
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
        let digest = Digest::of(&key);
        self.counters.insert(digest, key, counter);
    }

    /// Puts in a reservation, as a store has kept it.
    pub fn hold_reservation(&mut self, id: ReservationId, reservation: Reservation) {
        if reservation.is_open() {
            self.deadlines.insert((reservation.deadline, id));
            for take in reservation.takes.iter().filter(|take| take.kind == Kind::Budget) {
                *self.held.entry(Digest::of(&take.key)).or_default() += 1;
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

    /// The digests of the keys, in the order of the draws.
    fn digests(&mut self, draws: &[Draw]) -> Vec<Digest> {
        let mut digests = std::mem::take(&mut self.digests);
        digests.clear();
        digests.extend(draws.iter().map(|draw| Digest::of(&draw.key)));
        digests
    }

    fn reserve_at(
        &mut self,
        id: ReservationId,
        asked: Asked<'_>,
        deadline: Timestamp,
    ) -> Result<Verdict, Unavailable> {
        if let Some(reservation) = self.reservations.get(&id) {
            if reservation.is_open() {
                return Ok(Verdict::Taken { standings: self.standings(asked) });
            }
            return Err(Unavailable::new("the reservation is closed: reserve under a new id"));
        }
        if let Some(exhausted) = self.exhausted(asked) {
            return Ok(Verdict::Short(exhausted));
        }
        self.make_room(asked)?;
        let takes = asked.merged().map(|draw| self.take(draw, asked.at)).collect();
        // The deadline is a distance from the caller's clock, which may be behind ours.
        let deadline = asked.at.plus(deadline.since(asked.now));
        self.hold_reservation(id, Reservation { deadline, state: State::Held, takes });
        Ok(Verdict::Taken { standings: self.standings(asked) })
    }

    fn spend_at(&mut self, asked: Asked<'_>) -> Result<Verdict, Unavailable> {
        if let Some(exhausted) = self.exhausted(asked) {
            return Ok(Verdict::Short(exhausted));
        }
        self.make_room(asked)?;
        for Merged { draw, digest, amount } in asked.merged() {
            self.change((draw, digest), asked.at, |counter| {
                let mark = counter.take(amount, asked.at);
                counter.settle(mark, amount, amount, asked.at);
            });
        }
        Ok(Verdict::Taken { standings: self.standings(asked) })
    }

    /// Why the draws cannot all be taken, if they cannot.
    fn exhausted(&mut self, asked: Asked<'_>) -> Option<Exhausted> {
        let Asked { draws, at, now, .. } = asked;
        let mut worst: Option<(&Draw, Timestamp)> = None;
        for Merged { draw, digest, amount } in asked.merged() {
            let until = match self.ask(digest, &draw.rule, at, |counter| counter.room(amount, at)) {
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
        let standings = self.standings(asked);
        let whole = draws.iter().zip(&standings).find(|(other, _)| *other == draw);
        let window = whole.map_or(Duration::ZERO, |(_, standing)| standing.window);
        let retry_after = if never { window } else { until.since(now) };
        let (name, kind) = (draw.rule.name.clone(), draw.rule.kind());
        Some(Exhausted { name, kind, retry_after, never, standings })
    }

    /// How the counters of the draws stand.
    fn standings(&mut self, asked: Asked<'_>) -> Vec<Standing> {
        let Asked { at, now, .. } = asked;
        let standing = |(draw, digest): (&Draw, Digest)| {
            self.ask(digest, &draw.rule, at, |counter| {
                counter.room(0, at);
                counter.standing(&draw.rule, now)
            })
        };
        asked.each().map(standing).collect()
    }

    /// Asks a counter, or a fresh one where there is none: asking leaves nothing behind.
    fn ask<T>(
        &mut self,
        digest: Digest,
        rule: &Rule,
        at: Timestamp,
        question: impl FnOnce(&mut Counter) -> T,
    ) -> T {
        match self.counters.get_mut(digest) {
            Some(counter) => {
                counter.fit(&rule.shape, at);
                question(counter)
            }
            None => question(&mut Counter::new(&rule.shape, at)),
        }
    }

    fn take(&mut self, merged: Merged<'_>, at: Timestamp) -> Take {
        let Merged { draw, digest, amount } = merged;
        let mark = self.change((draw, digest), at, |counter| counter.take(amount, at));
        let (name, measure, kind) = (draw.rule.name.clone(), draw.rule.measure, draw.rule.kind());
        let (key, on_crash) = (draw.key.clone(), draw.rule.on_crash);
        Take { key, name, measure, kind, amount, used: 0, mark, on_crash }
    }

    /// Changes the counter of a draw, made if there is none.
    fn change<T>(
        &mut self,
        (draw, digest): (&Draw, Digest),
        at: Timestamp,
        change: impl FnOnce(&mut Counter) -> T,
    ) -> T {
        if let Some(counter) = self.counters.get_mut(digest) {
            return change(counter);
        }
        let mut counter = Counter::new(&draw.rule.shape, at);
        let said = change(&mut counter);
        self.appointments.insert((at.plus(look_after(&draw.rule)), digest));
        self.counters.insert(digest, draw.key.clone(), counter);
        said
    }

    /// Is there memory for what these draws would add?
    fn make_room(&mut self, asked: Asked<'_>) -> Result<(), Unavailable> {
        if self.counters.len() + asked.draws.len() > self.capacity.counters {
            let known = |merged: &Merged<'_>| self.counters.get(merged.digest).is_some();
            let new = asked.merged().filter(|merged| !known(merged)).count();
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
            let said = said(actual, &take.key);
            // What nobody speaks of stays as it stands.
            let left = |(_, amount): (_, u64)| amount.saturating_sub(take.used);
            let amount = said.map_or(take.stands(was), left);
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
        let (stands, digest) = (take.stands(was), Digest::of(&take.key));
        let charge = |counter: &mut Counter| take.charge(counter, was, actual, at);
        match draw {
            // The window it was counted in may be long past, and the counter forgotten: what goes
            // beyond the reservation counts all the same.
            Some(draw) if actual > stands => self.change((draw, digest), at, charge),
            _ => self.counters.get_mut(digest).and_then(charge),
        }
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
            if let Entry::Occupied(mut held) = self.held.entry(Digest::of(&take.key)) {
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
            let Some((_, digest)) = self.appointments.pop_first() else { break };
            let Some(counter) = self.counters.get_mut(digest) else { continue };
            if self.held.contains_key(&digest) {
                self.appointments.insert((self.clock.plus(LOOK_AGAIN), digest));
            } else if counter.is_idle(self.clock) {
                self.counters.remove(digest);
            } else {
                let later = counter.idle_at().unwrap_or_else(|| self.clock.plus(LOOK_AGAIN));
                self.appointments.insert((later, digest));
            }
        }
    }
}

/// When a new counter is looked at for the first time.
fn look_after(rule: &Rule) -> Duration {
    match rule.shape {
        Shape::Window { length, .. } | Shape::Gcra { length, .. } => length,
        Shape::Budget { .. } | Shape::Concurrency { .. } => LOOK_AGAIN,
    }
}
