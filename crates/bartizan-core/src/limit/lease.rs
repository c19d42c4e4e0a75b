//! How does a gate admit without asking, and nobody more than the limit? It takes slices ahead.
//!
//! A slice is an ordinary reservation of a shared meter, departed as soon as it is made: whatever
//! happens to this gate, no more than the slice can have been used, and the meter has counted all
//! of it. Calls draw on slices in memory. When a slice is over, what was really used of it is
//! settled and the rest goes back. A call that slices cannot carry asks the shared meter itself:
//! nobody is refused here.
//!
//! What it costs: what lies in the slices of other gates cannot be used here until they give it
//! back, at most [`PART`] of what is left for each gate and [`LIFE`] long; budgets learn what calls
//! really cost when a slice is over, and once in a [`LIFE`] from then on while some call still draws
//! on it; a gate that is killed is charged its slices in full.
//!
//! A window counts a slice from when it was taken, and its units are used up to a [`LIFE`] later:
//! a rule that is leased must be [`widened`] by as much, or its window would hold too many.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{
    Draw, Kind, Measure, MeterKey, Order, Period, ReservationId, Rule, Settlement, Shape, Standing,
};
use crate::id::ChanceMap;
use crate::time::Timestamp;

/// How long calls may draw on a slice.
pub const LIFE: Duration = Duration::from_secs(1);
/// The largest slice: one part of so many of what is left.
pub const PART: u64 = 16;
/// A slice that does not carry so many calls is not worth a round trip.
const WORTH: u64 = 8;
/// How soon a counter is asked again that gave no slice.
const PAUSE: Duration = Duration::from_millis(100);
/// Rates are told from no shorter time than this.
const SHORTEST: Duration = Duration::from_millis(20);
/// A counter that nobody draws on is forgotten after this.
const IDLE: Duration = Duration::from_secs(10);
/// How many counters, slices of one, open calls and closed calls are kept; beyond that calls ask
/// the shared meter, which knows them all.
const MOST_SHARES: usize = 4096;
const MOST_SLICES: usize = 256;
const MOST_OPEN: usize = 1 << 17;
const MOST_CLOSED: usize = 1 << 13;

/// What one gate has taken ahead, and which calls draw on it. A value: time is an argument.
#[derive(Debug, Default)]
pub struct Leases {
    shares: HashMap<MeterKey, Share>,
    open: ChanceMap<ReservationId, Local>,
    deadlines: BTreeSet<(Timestamp, ReservationId)>,
    /// Calls that were settled here, the first to be forgotten first.
    closed: VecDeque<ReservationId>,
    known: ChanceMap<ReservationId, ()>,
}

/// What a gate has of one counter.
#[derive(Debug)]
struct Share {
    rule: Arc<Rule>,
    slices: Vec<Slice>,
    /// What was drawn since `since`, here or at the shared meter.
    drawn: u64,
    since: Timestamp,
    /// The largest single draw, and the longest that a call waited to be settled.
    largest: u64,
    longest: Duration,
    /// How the shared counter stood when it was asked last.
    standing: Option<(Standing, Timestamp)>,
    /// A slice is being asked for.
    asking: bool,
    /// Not before.
    next: Timestamp,
    last: Timestamp,
}

/// A reservation of the shared meter that calls draw on.
#[derive(Debug)]
struct Slice {
    id: ReservationId,
    size: u64,
    spent: u64,
    held: u64,
    /// What of `spent` the shared meter knows of, and when it is told next.
    reported: u64,
    next: Timestamp,
    until: Timestamp,
    deadline: Timestamp,
}

/// A call that draws on slices.
#[derive(Debug)]
struct Local {
    takes: Vec<(MeterKey, ReservationId, u64)>,
    deadline: Timestamp,
    departed: bool,
}

/// What is to be done at the shared meter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// Reserve this, and let it depart; then say [`Leases::granted`] or [`Leases::refused`].
    Ask {
        /// How much of which counter.
        draw: Draw,
        /// Until when the reservation must stand.
        deadline: Timestamp,
    },
    /// Report what was used of a slice that some call still draws on; then say
    /// [`Leases::reported`].
    Report {
        /// Its reservation.
        id: ReservationId,
        /// What was really used, from the beginning.
        used: Draw,
    },
    /// Settle a slice: nobody draws on it any more.
    Return {
        /// Its reservation.
        id: ReservationId,
        /// What was really used.
        actual: Draw,
    },
}

/// The shape that a rule needs whose units are taken ahead: a window longer by a [`LIFE`].
#[must_use]
pub fn widened(shape: Shape) -> Shape {
    match shape {
        Shape::Window { limit, length } => Shape::Window { limit, length: length + LIFE },
        Shape::Budget { limit, period: Period::Rolling(length) } => {
            Shape::Budget { limit, period: Period::Rolling(length + LIFE) }
        }
        Shape::Budget { .. } | Shape::Concurrency { .. } | Shape::Gcra { .. } => shape,
    }
}

/// Whether slices of it can be taken ahead. What drains cannot: it would drain unused.
#[must_use]
pub fn is_leasable(rule: &Rule) -> bool {
    !matches!(rule.shape, Shape::Gcra { .. })
}

impl Leases {
    /// Takes every draw from slices, or none: then the shared meter must be asked.
    pub fn take(
        &mut self,
        id: ReservationId,
        draws: &[Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Option<Vec<Standing>> {
        if let Some(local) = self.open.get(&id) {
            let known = local.takes.iter().all(|(key, ..)| draws.iter().any(|d| d.key == *key));
            return known.then(|| self.standings(draws, now));
        }
        for draw in draws {
            self.note(draw, deadline, now);
        }
        if self.open.len() >= MOST_OPEN || draws.is_empty() {
            return None;
        }
        let mut takes = Vec::with_capacity(draws.len());
        for draw in draws {
            let place = self.hold(draw, deadline, now);
            let Some(slice) = place else {
                self.put_back(&takes);
                return None;
            };
            takes.push((draw.key.clone(), slice, draw.amount));
        }
        self.deadlines.insert((deadline, id));
        self.open.insert(id, Local { takes, deadline, departed: false });
        Some(self.standings(draws, now))
    }

    /// Marks a call as sent. False if it does not draw on slices.
    pub fn depart(&mut self, id: ReservationId) -> bool {
        self.open.get_mut(&id).is_some_and(|local| {
            local.departed = true;
            true
        })
    }

    /// The slices that must stand longer before a call may live until `deadline`; nothing if the
    /// call does not draw on slices.
    #[must_use]
    pub fn to_extend(&self, id: ReservationId, deadline: Timestamp) -> Option<Vec<ReservationId>> {
        let local = self.open.get(&id)?;
        let sooner = |(key, id, _): &(MeterKey, ReservationId, u64)| {
            let mut slices = self.shares.get(key)?.slices.iter();
            slices.find(|slice| slice.id == *id && slice.deadline < deadline).map(|slice| slice.id)
        };
        Some(local.takes.iter().filter_map(sooner).collect())
    }

    /// Its slices stand until `deadline`, and so may the call. False if it is not open any more.
    pub fn extend(&mut self, id: ReservationId, deadline: Timestamp) -> bool {
        let Some(local) = self.open.get_mut(&id) else { return false };
        self.deadlines.remove(&(local.deadline, id));
        local.deadline = local.deadline.max(deadline);
        self.deadlines.insert((local.deadline, id));
        for (key, slice, _) in &local.takes {
            let share = self.shares.get_mut(key);
            let mut slices = share.into_iter().flat_map(|share| &mut share.slices);
            if let Some(slice) = slices.find(|one| one.id == *slice) {
                slice.deadline = slice.deadline.max(deadline);
            }
        }
        true
    }

    /// What a call really was; nothing if it does not draw on slices.
    pub fn settle(&mut self, id: ReservationId, actual: &[Draw]) -> Option<Settlement> {
        let Some(local) = self.open.remove(&id) else {
            let order = Order::Repeated;
            return self.known.contains_key(&id).then(|| Settlement { order, charges: Vec::new() });
        };
        self.deadlines.remove(&(local.deadline, id));
        self.close(&local, |key, amount| {
            let said = actual.iter().filter(|draw| draw.key == *key);
            let sum = said.fold(None, |sum: Option<u64>, draw| {
                Some(sum.unwrap_or(0).saturating_add(draw.amount))
            });
            sum.unwrap_or(amount)
        });
        self.remember(id);
        Some(Settlement { order: Order::First, charges: Vec::new() })
    }

    /// Whether a call was settled here.
    #[must_use]
    pub fn is_closed(&self, id: ReservationId) -> bool {
        self.known.contains_key(&id)
    }

    /// What is to be done now: a few times a second.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Act> {
        self.run_out(now);
        let mut acts = Vec::new();
        for (key, share) in &mut self.shares {
            share.give_back(key, now, &mut acts);
            share.report(key, now, &mut acts);
            acts.extend(share.ask(key, now));
        }
        self.shares.retain(|_, share| !share.is_idle(now));
        acts
    }

    /// A slice was reserved and has departed. `asked` is when [`Act::Ask`] was told: its life
    /// counts from there, for the shared meter cannot have counted it earlier.
    pub fn granted(
        &mut self,
        id: ReservationId,
        draw: &Draw,
        deadline: Timestamp,
        standing: Option<Standing>,
        asked: Timestamp,
    ) {
        let Some(share) = self.shares.get_mut(&draw.key) else { return };
        let (size, until) = (draw.amount, asked.plus(LIFE));
        share.slices.push(Slice {
            id,
            size,
            spent: 0,
            held: 0,
            reported: 0,
            next: until,
            until,
            deadline,
        });
        (share.asking, share.drawn, share.since) = (false, 0, asked);
        share.standing = standing.map(|standing| (standing, asked));
    }

    /// The shared meter knows of what was used of a slice.
    pub fn reported(&mut self, id: ReservationId, used: &Draw) {
        if let Some(slice) = self.slice(&used.key, id) {
            slice.reported = slice.reported.max(used.amount);
        }
    }

    /// There is no slice; and this is how the counter stands, where it was told.
    pub fn refused(&mut self, key: &MeterKey, standing: Option<Standing>, now: Timestamp) {
        let Some(share) = self.shares.get_mut(key) else { return };
        (share.asking, share.next) = (false, now.plus(PAUSE));
        share.standing = standing.map(|standing| (standing, now)).or(share.standing.take());
    }

    /// How a counter stands at the shared meter: a call has asked it.
    pub fn told(&mut self, draws: &[Draw], standings: &[Standing], now: Timestamp) {
        for (draw, standing) in draws.iter().zip(standings) {
            if let Some(share) = self.shares.get_mut(&draw.key) {
                share.standing = Some((standing.clone(), now));
            }
        }
    }

    /// Everything that is held here is to be settled: this gate stops. Calls under way are charged
    /// as they were reserved.
    pub fn close_all(&mut self) -> Vec<Act> {
        let open: Vec<_> = self.open.drain().collect();
        self.deadlines.clear();
        for (_, local) in open {
            self.close(&local, |_, amount| if local.departed { amount } else { 0 });
        }
        let mut acts = Vec::new();
        for (key, mut share) in self.shares.drain() {
            share.give_back(&key, Timestamp(u64::MAX), &mut acts);
        }
        acts
    }

    /// Remembers what is drawn: the next slice is as large as that.
    fn note(&mut self, draw: &Draw, deadline: Timestamp, now: Timestamp) {
        if !self.shares.contains_key(&draw.key) {
            if self.shares.len() >= MOST_SHARES || !is_leasable(&draw.rule) {
                return;
            }
            self.shares.insert(draw.key.clone(), Share::new(&draw.rule, now));
        }
        let Some(share) = self.shares.get_mut(&draw.key) else { return };
        if share.rule != draw.rule {
            share.rule = Arc::clone(&draw.rule);
        }
        share.drawn = share.drawn.saturating_add(draw.amount);
        share.largest = share.largest.max(draw.amount);
        share.longest = share.longest.max(deadline.since(now));
        share.last = share.last.max(now);
    }

    fn hold(&mut self, draw: &Draw, deadline: Timestamp, now: Timestamp) -> Option<ReservationId> {
        let share = self.shares.get_mut(&draw.key)?;
        let carries = |slice: &&mut Slice| {
            now < slice.until && deadline <= slice.deadline && draw.amount <= slice.free()
        };
        // The newest first: older ones wait for their calls to end.
        let slice = share.slices.iter_mut().rev().find(carries)?;
        slice.held += draw.amount;
        Some(slice.id)
    }

    fn put_back(&mut self, takes: &[(MeterKey, ReservationId, u64)]) {
        for (key, id, amount) in takes {
            if let Some(slice) = self.slice(key, *id) {
                slice.held = slice.held.saturating_sub(*amount);
            }
        }
    }

    fn close(&mut self, local: &Local, actual: impl Fn(&MeterKey, u64) -> u64) {
        for (key, id, amount) in &local.takes {
            let used = actual(key, *amount);
            let Some(share) = self.shares.get_mut(key) else { continue };
            // A place is free again, whatever the call was.
            let used = if share.rule.measure == Measure::Concurrent { 0 } else { used };
            if let Some(slice) = share.slices.iter_mut().find(|slice| slice.id == *id) {
                slice.held = slice.held.saturating_sub(*amount);
                slice.spent = slice.spent.saturating_add(used);
            }
        }
    }

    fn slice(&mut self, key: &MeterKey, id: ReservationId) -> Option<&mut Slice> {
        self.shares.get_mut(key)?.slices.iter_mut().find(|slice| slice.id == id)
    }

    /// Calls whose time is over: charged if they had departed, else given back.
    fn run_out(&mut self, now: Timestamp) {
        while let Some((deadline, id)) = self.deadlines.first().copied() {
            if deadline > now {
                return;
            }
            self.deadlines.pop_first();
            if let Some(local) = self.open.remove(&id) {
                self.close(&local, |_, amount| if local.departed { amount } else { 0 });
                self.remember(id);
            }
        }
    }

    fn remember(&mut self, id: ReservationId) {
        self.known.insert(id, ());
        self.closed.push_back(id);
        if self.closed.len() > MOST_CLOSED
            && let Some(oldest) = self.closed.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn standings(&self, draws: &[Draw], now: Timestamp) -> Vec<Standing> {
        let standing = |draw: &Draw| {
            let share = self.shares.get(&draw.key)?;
            let (told, at) = share.standing.as_ref()?;
            let free =
                share.slices.iter().fold(0, |sum: u64, slice| sum.saturating_add(slice.free()));
            let remaining = told.remaining.saturating_add(free).min(told.limit);
            let reset = told.reset.saturating_sub(now.since(*at));
            Some(Standing { remaining, reset, ..told.clone() })
        };
        draws.iter().filter_map(standing).collect()
    }
}

impl Share {
    fn new(rule: &Arc<Rule>, now: Timestamp) -> Self {
        Self {
            rule: Arc::clone(rule),
            slices: Vec::new(),
            drawn: 0,
            since: now,
            largest: 0,
            longest: Duration::ZERO,
            standing: None,
            asking: false,
            next: now,
            last: now,
        }
    }

    /// Slices that nobody may draw on any more, and nobody does.
    fn give_back(&mut self, key: &MeterKey, now: Timestamp, acts: &mut Vec<Act>) {
        let rule = &self.rule;
        self.slices.retain(|slice| {
            let over = slice.held == 0 && (now >= slice.until || slice.free() == 0);
            if over {
                let actual = Draw { key: key.clone(), rule: Arc::clone(rule), amount: slice.spent };
                acts.push(Act::Return { id: slice.id, actual });
            }
            !over
        });
    }

    /// What was used of slices of a budget that are over, and wait for calls that take long: those
    /// who watch it shall not wait, too.
    fn report(&mut self, key: &MeterKey, now: Timestamp, acts: &mut Vec<Act>) {
        if self.rule.kind() != Kind::Budget {
            return;
        }
        let late = |slice: &&mut Slice| now >= slice.next && slice.spent > slice.reported;
        for slice in self.slices.iter_mut().filter(late) {
            slice.next = now.plus(LIFE);
            let rule = Arc::clone(&self.rule);
            let used = Draw { key: key.clone(), rule, amount: slice.spent };
            acts.push(Act::Report { id: slice.id, used });
        }
    }

    /// As much as will be drawn in the life of a slice, if half of what is at hand is used.
    fn ask(&mut self, key: &MeterKey, now: Timestamp) -> Option<Act> {
        let idle = self.drawn == 0 || now.since(self.last) >= LIFE;
        if self.asking || idle || now < self.next || self.slices.len() >= MOST_SLICES {
            return None;
        }
        let elapsed = now.since(self.since).max(SHORTEST);
        let rate = u128::from(self.drawn) * LIFE.as_micros() / elapsed.as_micros().max(1);
        let live = self.slices.iter().filter(|slice| now.plus(LIFE / 4) < slice.until);
        let free = live.fold(0, |sum: u64, slice| sum.saturating_add(slice.free()));
        let (standing, _) = self.standing.as_ref()?;
        let wanted = u64::try_from(rate).unwrap_or(u64::MAX).min(standing.remaining / PART);
        if wanted / WORTH < self.largest.max(1) || free > wanted / 2 {
            return None;
        }
        self.asking = true;
        let draw = Draw { key: key.clone(), rule: Arc::clone(&self.rule), amount: wanted };
        Some(Act::Ask { draw, deadline: now.plus(LIFE).plus(self.longest) })
    }

    fn is_idle(&self, now: Timestamp) -> bool {
        self.slices.is_empty() && !self.asking && now.since(self.last) > IDLE
    }
}

impl Slice {
    fn free(&self) -> u64 {
        self.size.saturating_sub(self.spent).saturating_sub(self.held)
    }
}
