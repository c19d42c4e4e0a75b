//! What have all counters counted, and what is still reserved?

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::asked::{Asked, Merged, said};
use super::counter::Counter;
use super::digest::Digest;
use super::meter::{Charge, Expired, Order, ReservationId, Settlement, Unavailable};
use super::reservation::{Reservation, State, Take};
use super::room::Room;
use super::table::Table;
use super::{Draw, Exhausted, Kind, MeterKey, Rule, Standing, Standings, Verdict};
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
    /// When the walk that looks for idle counters goes on.
    next_steps: Timestamp,
    /// What stands on a page is forgotten by its store alone.
    page: bool,
    /// What expired and nobody has been told of.
    expired: VecDeque<Expired>,
}

/// How much a book holds. When it is full of counters or of open reservations it is unavailable
/// for new ones, and so closed: forgetting one that counts would admit more than its limit.
/// A refused draw leaves no counter behind, and an idle counter is forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capacity {
    /// Counters; each takes 130 to 160 bytes, and up to 7 kB where a window is full of draws.
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
/// How long one walk through all counters takes, where calls come often enough: so much later than it
/// could be is an idle counter forgotten.
const WALK: Duration = Duration::from_secs(16);

impl Book {
    /// An empty book that holds so much. It does not keep the texts of its keys: [`Book::counters`]
    /// lists none.
    #[must_use]
    pub fn with_capacity(capacity: Capacity) -> Self {
        Self { capacity, counters: Table::large(), ..Self::default() }
    }

    /// An empty book whose clock stands at `clock`: a page, on which a store puts what a call
    /// touches before it asks, and reads what became of it.
    #[must_use]
    pub fn page(clock: Timestamp) -> Self {
        Self { clock, page: true, ..Self::default() }
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
        self.reserve_at(id, Asked { draws, at, now }, deadline)
    }

    /// Takes every draw for good, or none: see [`super::Meter::spend`]. Nothing is remembered of it
    /// but what the counters say.
    ///
    /// # Errors
    /// [`Unavailable`] if the book is full.
    pub fn spend(&mut self, draws: &[Draw], now: Timestamp) -> Result<Verdict, Unavailable> {
        let at = self.tick(now);
        // The most frequent call of all: one draw, on a counter that is there and has room. It is looked
        // for once, and what is told of it is written where the caller reads it, and copied nowhere.
        if let [draw @ Draw { amount: 1, .. }] = draws
            && let Some(counter) = self.counters.get_mut(draw.key.digest)
            && let Some(numbers) = counter.spend_one(&draw.rule.shape, at, now)
        {
            return Ok(Verdict::Taken { standings: Standings::Alone(numbers) });
        }
        self.spend_at(Asked { draws, at, now })
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
        self.walk_on();
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
            let counter = self.counters.get_mut(take.key.digest)?;
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
        self.forget_idle(IN_BULK);
        self.expired.drain(..).collect()
    }

    /// The counter of that key, if it counts anything.
    #[must_use]
    pub fn counter(&self, key: &MeterKey) -> Option<&Counter> {
        self.counters.get(key.digest)
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
    pub fn hold_counter(&mut self, key: &MeterKey, counter: Counter) {
        self.counters.insert(key, counter);
    }

    /// Puts in a reservation, as a store has kept it.
    pub fn hold_reservation(&mut self, id: ReservationId, reservation: Reservation) {
        if reservation.is_open() {
            self.deadlines.insert((reservation.deadline, id));
            for take in reservation.takes.iter().filter(|take| take.kind == Kind::Budget) {
                *self.held.entry(take.key.digest).or_default() += 1;
            }
        }
        self.reservations.insert(id, reservation);
    }

    /// Moves the clock, never back, and does a little of what is due.
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.clock = self.clock.max(now);
        self.sweep(IN_PASSING);
        self.walk_on();
        self.clock
    }

    fn reserve_at(
        &mut self,
        id: ReservationId,
        asked: Asked<'_>,
        deadline: Timestamp,
    ) -> Result<Verdict, Unavailable> {
        if let Some(reservation) = self.reservations.get(&id) {
            if reservation.is_open() {
                return Ok(Verdict::Taken { standings: self.standings(asked).into() });
            }
            return Err(Unavailable::new("the reservation is closed: reserve under a new id"));
        }
        if let Some(exhausted) = self.exhausted(asked) {
            return Ok(Verdict::Short(exhausted));
        }
        self.make_room(asked)?;
        if self.deadlines.len() >= self.capacity.open {
            return Err(Unavailable::new("it has no memory for another reservation"));
        }
        let takes = asked.merged().map(|draw| self.take(draw, asked.at)).collect();
        // The deadline is a distance from the caller's clock, which may be behind ours.
        let deadline = asked.at.plus(deadline.since(asked.now));
        self.hold_reservation(id, Reservation { deadline, state: State::Held, takes });
        Ok(Verdict::Taken { standings: self.standings(asked).into() })
    }

    /// One draw, on a counter that is there: none where it is not.
    fn decide_one(&mut self, draw: &Draw, at: Timestamp, now: Timestamp) -> Option<Verdict> {
        let counter = self.counters.get_mut(draw.key.digest)?;
        counter.fit(&draw.rule.shape, at);
        let room = counter.room(draw.amount, at);
        if room == Room::Free || draw.rule.soft {
            counter.spend(draw.amount, at);
            let standings = Standings::Alone(counter.numbers(&draw.rule.shape, now));
            return Some(Verdict::Taken { standings });
        }
        let standing = counter.standing(&draw.rule, now);
        let window = standing.window;
        Some(Verdict::Short(short(draw, free_at(room), window, vec![standing], now)))
    }

    fn spend_at(&mut self, asked: Asked<'_>) -> Result<Verdict, Unavailable> {
        if let [draw] = asked.draws
            && let Some(verdict) = self.decide_one(draw, asked.at, asked.now)
        {
            return Ok(verdict);
        }
        if let Some(exhausted) = self.exhausted(asked) {
            return Ok(Verdict::Short(exhausted));
        }
        self.make_room(asked)?;
        for Merged { draw, amount } in asked.merged() {
            self.change(draw, asked.at, |counter| counter.spend(amount, asked.at));
        }
        Ok(Verdict::Taken { standings: self.standings(asked).into() })
    }

    /// Why the draws cannot all be taken, if they cannot.
    fn exhausted(&mut self, asked: Asked<'_>) -> Option<Exhausted> {
        let Asked { draws, at, now } = asked;
        let mut worst: Option<(&Draw, Timestamp)> = None;
        for Merged { draw, amount } in asked.merged() {
            let room =
                self.ask(draw.key.digest, &draw.rule, at, |counter| counter.room(amount, at));
            if room == Room::Free || draw.rule.soft {
                continue;
            }
            let until = free_at(room);
            if worst.is_none_or(|(_, latest)| latest < until) {
                worst = Some((draw, until));
            }
        }
        let (draw, until) = worst?;
        let standings = self.standings(asked);
        let place = draws.iter().position(|other| other == draw);
        let window = place.and_then(|place| standings.get(place)).map(|standing| standing.window);
        Some(short(draw, until, window.unwrap_or_default(), standings, now))
    }

    /// How the counters of the draws stand.
    fn standings(&mut self, asked: Asked<'_>) -> Vec<Standing> {
        let Asked { draws, at, now } = asked;
        let standing = |draw: &Draw| {
            self.ask(draw.key.digest, &draw.rule, at, |counter| {
                counter.room(0, at);
                counter.standing(&draw.rule, now)
            })
        };
        draws.iter().map(standing).collect()
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
        let Merged { draw, amount } = merged;
        let mark = self.change(draw, at, |counter| counter.take(amount, at));
        let (name, measure, kind) = (draw.rule.name.clone(), draw.rule.measure, draw.rule.kind());
        let (key, on_crash) = (draw.key.clone(), draw.rule.on_crash);
        Take { key, name, measure, kind, amount, used: 0, mark, on_crash }
    }

    /// Changes the counter of a draw, made if there is none.
    fn change<T>(
        &mut self,
        draw: &Draw,
        at: Timestamp,
        change: impl FnOnce(&mut Counter) -> T,
    ) -> T {
        if let Some(counter) = self.counters.get_mut(draw.key.digest) {
            return change(counter);
        }
        let mut counter = Counter::new(&draw.rule.shape, at);
        let said = change(&mut counter);
        self.counters.insert(&draw.key, counter);
        said
    }

    /// Is there memory for what these draws would add?
    fn make_room(&mut self, asked: Asked<'_>) -> Result<(), Unavailable> {
        if self.counters.len() + asked.draws.len() > self.capacity.counters {
            let known = |merged: &Merged<'_>| self.counters.get(merged.draw.key.digest).is_some();
            let new = asked.merged().filter(|merged| !known(merged)).count();
            if self.counters.len() + new > self.capacity.counters {
                self.forget_idle(IN_BULK);
            }
            if self.counters.len() + new > self.capacity.counters {
                return Err(Unavailable::new("it has no memory for another counter"));
            }
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
        let (stands, digest) = (take.stands(was), take.key.digest);
        let charge = |counter: &mut Counter| take.charge(counter, was, actual, at);
        match draw {
            // The window it was counted in may be long past, and the counter forgotten: what goes
            // beyond the reservation counts all the same.
            Some(draw) if actual > stands => self.change(draw, at, charge),
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
            if let Entry::Occupied(mut held) = self.held.entry(take.key.digest) {
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

    /// Goes on with the walk, if it is time for it: in passing it never takes longer.
    fn walk_on(&mut self) {
        if self.clock < self.next_steps {
            return;
        }
        let steps = u32::try_from(self.counters.steps() / IN_PASSING).unwrap_or(u32::MAX);
        // Who was not asked for long does not make up for it.
        self.next_steps = self.next_steps.max(self.clock.minus(WALK)).plus(WALK / steps.max(1));
        self.forget_idle(IN_PASSING);
    }

    /// Goes on so many steps, through the whole table at the most, and forgets who is idle.
    fn forget_idle(&mut self, many: usize) {
        let (clock, held) = (self.clock, &self.held);
        if !self.page {
            let goes = |digest, counter: &mut Counter| {
                counter.is_idle(clock) && !held.contains_key(&digest)
            };
            self.counters.walk(many.min(self.counters.steps()), goes);
        }
    }
}

/// When there will be room; the end of time where there never is.
fn free_at(room: Room) -> Timestamp {
    match room {
        Room::At(until) => until,
        Room::Free => Timestamp(0),
        Room::Never => Timestamp(u64::MAX),
    }
}

/// The refusal of a draw that has no room until then.
fn short(
    draw: &Draw,
    until: Timestamp,
    window: Duration,
    standings: Vec<Standing>,
    now: Timestamp,
) -> Exhausted {
    let never = until == Timestamp(u64::MAX);
    let retry_after = if never { window } else { until.since(now) };
    let (name, kind) = (draw.rule.name.clone(), draw.rule.kind());
    Exhausted { name, kind, retry_after, never, standings }
}
