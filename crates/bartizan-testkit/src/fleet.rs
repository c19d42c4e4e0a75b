//! A fleet of gateways on one store, as a simulation that chance directs and a seed repeats.
//!
//! The store is real in its rules, a [`Book`], and a model in everything else: it takes messages,
//! which are delayed, overtaken, doubled and lost; gateways die in the middle of a call and are
//! born anew without memory. After every step the invariants are checked against the limits
//! and against the ledger of [`Transfer`]s. No clock, no threads, no I/O:
//! tens of thousands of schedules run in a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::limit::{
    Account, Book, Calendar, Counter, Draw, Measure, MeterKey, OnCrash, Period, ReservationId,
    Rule, Shape, Transfer, Verdict, transfer,
};
use bartizan_core::time::Timestamp;

/// How the store reserves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reserving {
    /// As it must: look and take in one step.
    Atomic,
    /// As it must not: look in one step, take in another. A simulation that does not fail with
    /// this proves nothing.
    LookThenTake,
}

/// What a run came to, so that a test can tell that something happened in it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Reservations that were taken.
    pub admitted: u64,
    /// Calls that were refused for want of money.
    pub refused: u64,
    /// Gateways that died with a call under way.
    pub crashes: u64,
    /// Messages that came twice.
    pub doubled: u64,
    /// Reservations that expired.
    pub expired: u64,
    /// Settlements that came after the deadline.
    pub late: u64,
    /// Charges beyond a reservation.
    pub overdrafts: u64,
    /// Reservations of calls that still lived, extended.
    pub extended: u64,
}

/// What is wrong, with the step at which it was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// The seed that shows it again.
    pub seed: u64,
    /// After which step.
    pub step: usize,
    /// What.
    pub what: String,
}

const SECOND: u64 = 1_000_000;
/// A Thursday in 2026, 20 seconds before a minute begins.
const START: u64 = 1_795_000_000 * SECOND;
const LIFE: Duration = Duration::from_secs(30);
const GATEWAYS: u64 = 5;
const STEPS: usize = 100;
const LIMIT: u64 = 1_000;

/// Runs one schedule.
///
/// # Errors
/// [`Broken`] says which invariant did not hold.
pub fn run(seed: u64, reserving: Reserving) -> Result<Tally, Broken> {
    let mut fleet = Fleet::new(seed, reserving);
    for step in 0..STEPS {
        fleet.step();
        fleet.check().map_err(|what| Broken { seed, step, what })?;
    }
    // Everything that is still under way runs into its deadline.
    fleet.now += 10 * LIFE.as_micros() as u64;
    fleet.deliver_expiry();
    fleet.check().map_err(|what| Broken { seed, step: STEPS, what })?;
    fleet.check_closed().map_err(|what| Broken { seed, step: STEPS, what })?;
    Ok(fleet.tally)
}

/// A message on its way to the store.
#[derive(Clone, Debug)]
enum Message {
    /// Of the broken store: there was room when it looked.
    Take {
        call: u64,
    },
    Reserve {
        call: u64,
    },
    Depart {
        call: u64,
    },
    Extend {
        call: u64,
        deadline: Timestamp,
    },
    Settle {
        call: u64,
        amount: u64,
    },
    Expire,
}

/// What a call is at its gateway. A gateway that dies forgets it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Asked,
    Admitted,
    Away,
    Over,
}

#[derive(Clone, Debug)]
struct Call {
    gateway: u64,
    amount: u64,
    stage: Stage,
    made: Timestamp,
}

struct Fleet {
    dice: Dice,
    reserving: Reserving,
    now: u64,
    book: Book,
    budgets: Vec<Arc<Rule>>,
    calls: BTreeMap<u64, Call>,
    made: u64,
    under_way: Vec<Message>,
    /// What moved since the last check.
    transfers: Vec<Transfer>,
    /// What all that moved comes to: reserved and settled, by counter and period.
    ledger: BTreeMap<(MeterKey, Timestamp), (i128, i128)>,
    tally: Tally,
    /// How much was charged beyond a reservation, by counter and period.
    beyond: BTreeMap<(MeterKey, Timestamp), u64>,
    /// What settling said, by reservation: it may say it once.
    first: BTreeMap<u64, u32>,
    /// A deadline that was moved as it must not be.
    bent: Option<String>,
}

impl Fleet {
    fn new(seed: u64, reserving: Reserving) -> Self {
        let budget = |name, limit, on_crash| {
            let shape = Shape::Budget { limit, period: Period::utc(Calendar::Minute) };
            Arc::new(Rule::new(name, Measure::NanoUsd, shape).on_crash(on_crash))
        };
        Self {
            dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            reserving,
            now: START,
            book: Book::default(),
            // A tree: everybody together, and one gateway's share of it.
            budgets: vec![
                budget("all", LIMIT, OnCrash::Charge),
                budget("team", LIMIT / 2, OnCrash::GiveBack),
            ],
            calls: BTreeMap::new(),
            made: 0,
            under_way: Vec::new(),
            transfers: Vec::new(),
            ledger: BTreeMap::new(),
            tally: Tally::default(),
            beyond: BTreeMap::new(),
            first: BTreeMap::new(),
            bent: None,
        }
    }

    /// One thing happens, whichever chance will have.
    fn step(&mut self) {
        match self.dice.below(20) {
            0..=1 => self.begin(),
            2..=9 => self.deliver(),
            10 => self.now += self.dice.below(3) * SECOND,
            11 if self.dice.below(5) == 0 => self.now += self.dice.below(40) * SECOND,
            12 if self.dice.below(4) == 0 => self.crash(),
            13 => self.under_way.push(Message::Expire),
            14 => self.ask_again(),
            15 => self.beat(),
            _ => self.go_on(),
        }
    }

    /// A client calls at some gateway.
    fn begin(&mut self) {
        let (gateway, amount) = (self.dice.below(GATEWAYS), 1 + self.dice.below(LIMIT / 3));
        let call = self.made;
        self.made += 1;
        let made = Timestamp(self.now);
        self.calls.insert(call, Call { gateway, amount, stage: Stage::Asked, made });
        self.under_way.push(Message::Reserve { call });
    }

    /// A gateway whose answer was lost asks the same again, which counts once.
    fn ask_again(&mut self) {
        let Some(call) = self.some_call() else { return };
        let amount = self.amount_used(call);
        let again = match self.calls.get(&call).map(|call| call.stage) {
            Some(Stage::Asked) => Message::Reserve { call },
            Some(Stage::Admitted | Stage::Away) => Message::Depart { call },
            Some(Stage::Over) => Message::Settle { call, amount },
            None => return,
        };
        self.tally.doubled += 1;
        self.under_way.push(again);
    }

    /// A gateway says that a call of its own still lives. The word may come late, twice, or when the
    /// gateway is dead.
    fn beat(&mut self) {
        let Some(id) = self.some_call() else { return };
        let away = self.calls.get(&id).is_some_and(|call| call.stage == Stage::Away);
        if away {
            let deadline = Timestamp(self.now).plus(LIFE);
            self.under_way.push(Message::Extend { call: id, deadline });
        }
    }

    /// What expired or was settled is never opened again.
    fn extend(&mut self, id: u64, deadline: Timestamp) {
        let key = ReservationId(u128::from(id));
        let was = self.book.reservation(key).map(|one| (one.is_open(), one.deadline));
        let extended = self.book.extend(key, deadline, Timestamp(self.now));
        let now = self.book.reservation(key).map(|one| (one.is_open(), one.deadline));
        self.tally.extended += u64::from(extended);
        let revived = was.is_none_or(|(open, _)| !open) && (extended || now != was);
        let nearer = extended && now.map(|(_, at)| at) < was.map(|(_, at)| at);
        if revived || nearer {
            self.bent = Some(format!("call {id} was extended from {was:?} to {now:?}"));
        }
    }

    /// A call that was admitted goes on at its gateway.
    fn go_on(&mut self) {
        let Some(id) = self.some_call() else { return };
        let amount = self.amount_used(id);
        let blocked = self.dice.below(5) == 0;
        let Some(call) = self.calls.get_mut(&id) else { return };
        match call.stage {
            // Blocked after it was admitted: nothing may stay reserved.
            Stage::Admitted if blocked => {
                call.stage = Stage::Over;
                self.under_way.push(Message::Settle { call: id, amount: 0 });
            }
            Stage::Admitted => self.under_way.push(Message::Depart { call: id }),
            Stage::Away => {
                call.stage = Stage::Over;
                self.under_way.push(Message::Settle { call: id, amount });
            }
            Stage::Asked | Stage::Over => {}
        }
    }

    /// What a provider reports: mostly less than was reserved, seldom more.
    fn amount_used(&mut self, call: u64) -> u64 {
        let reserved = self.calls.get(&call).map_or(0, |call| call.amount);
        match self.dice.below(10) {
            0 => reserved + self.dice.below(reserved + 1),
            1 => reserved,
            _ => self.dice.below(reserved + 1),
        }
    }

    /// A gateway dies: its calls are forgotten, what it had sent is still under way.
    fn crash(&mut self) {
        let gateway = self.dice.below(GATEWAYS);
        let before = self.calls.len();
        self.calls.retain(|_, call| call.gateway != gateway);
        self.tally.crashes += u64::from(self.calls.len() < before);
    }

    /// Some message arrives: not the first that was sent, perhaps not for the last time, perhaps
    /// never.
    fn deliver(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let which = self.dice.below(self.under_way.len() as u64) as usize;
        let message = match self.dice.below(10) {
            0 => {
                self.tally.doubled += 1;
                self.under_way.get(which).cloned()
            }
            _ => Some(self.under_way.swap_remove(which)),
        };
        if self.dice.below(12) == 0 {
            return;
        }
        match message {
            Some(Message::Reserve { call }) => self.reserve(call),
            Some(Message::Take { call }) => self.take(call),
            Some(Message::Depart { call }) => self.depart(call),
            Some(Message::Extend { call, deadline }) => self.extend(call, deadline),
            Some(Message::Settle { call, amount }) => self.settle(call, amount),
            Some(Message::Expire) => self.deliver_expiry(),
            None => {}
        }
        self.collect_expired();
    }

    fn draws(&self, gateway: u64, amount: u64) -> Vec<Draw> {
        let subject = format!("team {}", gateway % 2);
        self.budgets
            .iter()
            .map(|rule| {
                let shared = &*rule.name == "all";
                Draw::new(Arc::clone(rule), if shared { "-" } else { &subject }, amount)
            })
            .collect()
    }

    fn reserve(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id).cloned() else { return };
        let draws = self.draws(call.gateway, call.amount);
        match self.reserving {
            Reserving::Atomic => self.admit(id, &draws, call.made),
            Reserving::LookThenTake => {
                let room = draws.iter().all(|draw| self.room(draw));
                if room {
                    self.under_way.push(Message::Take { call: id });
                }
            }
        }
    }

    /// The broken store takes what it saw room for a while ago.
    fn take(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id).cloned() else { return };
        let boundless = |draw: Draw| Draw { rule: Arc::new((*draw.rule).clone().soft()), ..draw };
        let draws: Vec<Draw> =
            self.draws(call.gateway, call.amount).into_iter().map(boundless).collect();
        self.admit(id, &draws, call.made);
    }

    fn room(&self, draw: &Draw) -> bool {
        match self.book.counter(&draw.key) {
            Some(Counter::Budget(budget)) => budget.remaining() >= draw.amount,
            _ => true,
        }
    }

    fn admit(&mut self, id: u64, draws: &[Draw], made: Timestamp) {
        let now = Timestamp(self.now);
        let key = ReservationId(u128::from(id));
        let new = self.book.reservation(key).is_none();
        let verdict = self.book.reserve(key, draws, made.plus(LIFE).max(now), now);
        if let Some(reservation) = self.book.reservation(key).filter(|_| new) {
            self.transfers.extend(transfer::held(key, reservation, &self.book));
            self.tally.admitted += 1;
        }
        let stage = match verdict {
            Ok(Verdict::Taken { .. }) => Stage::Admitted,
            Ok(Verdict::Short(_)) | Err(_) => {
                self.tally.refused += 1;
                Stage::Over
            }
        };
        if let Some(call) = self.calls.get_mut(&id).filter(|call| call.stage == Stage::Asked) {
            call.stage = stage;
        }
    }

    fn depart(&mut self, id: u64) {
        let departed = self.book.depart(ReservationId(u128::from(id)), Timestamp(self.now)).is_ok();
        if let Some(call) = self.calls.get_mut(&id).filter(|call| call.stage == Stage::Admitted) {
            call.stage = if departed { Stage::Away } else { Stage::Over };
        }
    }

    fn settle(&mut self, id: u64, amount: u64) {
        let key = ReservationId(u128::from(id));
        let Some(was) = self.book.reservation(key).cloned() else { return };
        let draws: Vec<Draw> = was
            .takes
            .iter()
            .filter_map(|take| {
                let rule = self.budgets.iter().find(|rule| rule.name == take.name)?;
                Some(Draw { key: take.key.clone(), rule: Arc::clone(rule), amount })
            })
            .collect();
        let settlement = self.book.settle(key, &draws, Timestamp(self.now));
        let moved = transfer::settled(key, &was, &settlement, &self.book);
        let late = !was.is_open() && !was.takes.is_empty();
        self.tally.late += u64::from(late && !moved.is_empty());
        if was.is_open() {
            *self.first.entry(id).or_default() += 1;
        }
        self.note_beyond(&moved, amount, &was);
        self.transfers.extend(moved);
    }

    /// Keeps count of what was charged beyond a reservation: by that much settled may pass.
    fn note_beyond(
        &mut self,
        moved: &[Transfer],
        amount: u64,
        was: &bartizan_core::limit::Reservation,
    ) {
        for one in moved.iter().filter(|one| one.debit == Account::Free) {
            let reserved =
                was.takes.iter().find(|take| take.key == one.key).map_or(0, |take| take.amount);
            // A late word takes back what had been given back: it was reserved once, and somebody
            // may have reserved it since.
            let beyond = if was.is_open() { amount.saturating_sub(reserved) } else { one.amount };
            *self.beyond.entry((one.key.clone(), one.start)).or_default() += beyond;
            self.tally.overdrafts += u64::from(beyond > 0);
        }
    }

    fn deliver_expiry(&mut self) {
        let expired = self.book.expire(Timestamp(self.now));
        self.post_expired(&expired);
    }

    /// What ran out in passing is told with the next question.
    fn collect_expired(&mut self) {
        let expired = self.book.expire(Timestamp(self.now));
        self.post_expired(&expired);
    }

    fn post_expired(&mut self, expired: &[bartizan_core::limit::Expired]) {
        for one in expired {
            let Some(reservation) = self.book.reservation(one.id) else { continue };
            self.transfers.extend(transfer::lapsed(one, reservation, &self.book));
            self.tally.expired += 1;
        }
    }

    /// The invariants, at this instant.
    fn check(&mut self) -> Result<(), String> {
        self.post()?;
        if let Some(bent) = self.bent.take() {
            return Err(bent);
        }
        for (key, counter) in self.book.counters() {
            let Counter::Budget(budget) = counter else { continue };
            for one in budget.ledgers() {
                let (reserved, settled) =
                    self.ledger.get(&(key.clone(), one.start)).copied().unwrap_or_default();
                if (i128::from(one.reserved), i128::from(one.settled)) != (reserved, settled) {
                    return Err(format!(
                        "`{key}`: the counter says {} and {}, its ledger {reserved} and {settled}",
                        one.reserved, one.settled
                    ));
                }
                let beyond = self.beyond.get(&(key.clone(), one.start)).copied().unwrap_or(0);
                let most = budget.limit() + beyond;
                if one.reserved + one.settled > most {
                    return Err(format!(
                        "`{key}`: {} settled and {} reserved pass the limit of {}, {beyond} beyond",
                        one.settled,
                        one.reserved,
                        budget.limit()
                    ));
                }
            }
        }
        match self.first.iter().find(|(_, times)| **times > 1) {
            Some((call, times)) => Err(format!("call {call} was settled {times} times")),
            None => Ok(()),
        }
    }

    /// Adds what moved since the last time to the sums; none of them may be less than nothing.
    fn post(&mut self) -> Result<(), String> {
        for one in self.transfers.drain(..) {
            let sum = self.ledger.entry((one.key.clone(), one.start)).or_default();
            let amount = i128::from(one.amount);
            for (account, sign) in [(one.debit, -amount), (one.credit, amount)] {
                match account {
                    Account::Free => {}
                    Account::Reserved => sum.0 += sign,
                    Account::Settled => sum.1 += sign,
                }
            }
            if sum.0 < 0 || sum.1 < 0 {
                return Err(format!("`{}`: the ledger says {sum:?}", one.key));
            }
        }
        Ok(())
    }

    /// At the end nothing may be reserved, and each reservation's transfers cancel out.
    fn check_closed(&self) -> Result<(), String> {
        match self.ledger.iter().find(|(_, (reserved, _))| *reserved != 0) {
            Some(((key, _), (reserved, _))) => Err(format!("`{key}`: {reserved} stay reserved")),
            None => Ok(()),
        }
    }

    fn some_call(&mut self) -> Option<u64> {
        let many = self.calls.len() as u64;
        if many == 0 {
            return None;
        }
        let which = self.dice.below(many) as usize;
        self.calls.keys().nth(which).copied()
    }
}

/// A small generator of numbers (xorshift): the same every time, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound.max(1)
    }
}
