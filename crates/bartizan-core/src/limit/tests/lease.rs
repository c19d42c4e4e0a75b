//! Do slices that gates take ahead add up to no more than the limit, whatever happens to a gate?

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::limit::lease::{Act, LIFE, Leases, widened};
use crate::limit::{
    Book, Calendar, Counter, Draw, Measure, Period, ReservationId, Rule, Shape, Verdict,
};
use crate::time::Timestamp;

const SECOND: u64 = 1_000_000;
const WINDOW: Duration = Duration::from_secs(10);
const MONEY: u64 = 40_000;
const CALLS: u64 = 300;
const PLACES: u64 = 300;

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Some gates, what they share, and everything that happened.
struct World {
    shared: Book,
    gates: Vec<Leases>,
    rules: [Arc<Rule>; 3],
    next: u128,
    now: Timestamp,
    /// Gate, reservation, amount, whether it was taken from slices.
    under_way: Vec<(usize, ReservationId, u64, bool)>,
    /// When calls were admitted.
    admitted: Vec<Timestamp>,
    /// What calls really cost, and what those under way may cost.
    spent: u64,
    dead: HashSet<ReservationId>,
    local: usize,
}

impl World {
    fn new(gates: usize, wide: bool) -> Self {
        let window = Shape::Window { limit: CALLS, length: WINDOW };
        let window = if wide { widened(window) } else { window };
        let month = Shape::Budget { limit: MONEY, period: Period::utc(Calendar::Month) };
        let rules = [
            Arc::new(Rule::new("money", Measure::NanoUsd, month)),
            Arc::new(Rule::new("calls", Measure::Requests, window)),
            Arc::new(Rule::new(
                "places",
                Measure::Concurrent,
                Shape::Concurrency { limit: PLACES },
            )),
        ];
        Self {
            shared: Book::default(),
            gates: (0..gates).map(|_| Leases::default()).collect(),
            rules,
            next: 0,
            now: Timestamp(1_795_000_000 * SECOND),
            under_way: Vec::new(),
            admitted: Vec::new(),
            spent: 0,
            dead: HashSet::new(),
            local: 0,
        }
    }

    fn draws(&self, amount: u64) -> [Draw; 3] {
        let [money, calls, places] = self.rules.each_ref().map(Arc::clone);
        [Draw::new(money, "-", amount), Draw::new(calls, "-", 1), Draw::new(places, "-", 1)]
    }

    fn id(&mut self) -> ReservationId {
        self.next += 1;
        ReservationId(self.next)
    }

    fn call(&mut self, gate: usize, amount: u64) {
        let (id, draws, now) = (self.id(), self.draws(amount), self.now);
        let deadline = now.plus(Duration::from_secs(600));
        let local = self.gates[gate].take(id, &draws, deadline, now).is_some();
        if local {
            assert!(self.gates[gate].depart(id));
            self.local += 1;
        } else {
            match self.shared.reserve(id, &draws, deadline, now).unwrap() {
                Verdict::Short(short) => {
                    self.gates[gate].told(&draws, &short.standings, now);
                    return;
                }
                Verdict::Taken { standings } => {
                    self.gates[gate].told(&draws, &standings.of(&draws), now)
                }
            }
            self.shared.depart(id, now).unwrap();
        }
        self.admitted.push(now);
        self.under_way.push((gate, id, amount, local));
    }

    fn end(&mut self, which: usize, share: u64) {
        let (gate, id, amount, local) = self.under_way.swap_remove(which);
        let actual = amount * share / 100;
        self.spent += actual;
        let mut draws = self.draws(actual);
        draws[2].amount = 0;
        if local {
            assert!(self.gates[gate].settle(id, &draws).is_some());
        } else {
            self.shared.settle(id, &draws, self.now);
        }
    }

    fn tick(&mut self, gate: usize) {
        for act in self.gates[gate].tick(self.now) {
            self.act(gate, act);
        }
    }

    fn act(&mut self, gate: usize, act: Act) {
        let now = self.now;
        match act {
            Act::Report { id, used } => {
                self.shared.report(id, std::slice::from_ref(&used), now);
                // Now and then the answer is lost: then it is reported again.
                if !now.0.is_multiple_of(3) {
                    self.gates[gate].reported(id, &used);
                }
            }
            Act::Return { id, actual } => {
                self.shared.settle(id, &[actual], now);
            }
            Act::Ask { draw, deadline } => {
                let id = self.id();
                let verdict = self.shared.reserve(id, std::slice::from_ref(&draw), deadline, now);
                match verdict.unwrap() {
                    Verdict::Taken { standings } => {
                        self.shared.depart(id, now).unwrap();
                        let standing = standings.of(&[]).into_iter().next();
                        self.gates[gate].granted(id, &draw, deadline, standing, now);
                    }
                    Verdict::Short(short) => {
                        let standing = short.standings.into_iter().next();
                        self.gates[gate].refused(&draw.key, standing, now);
                    }
                }
            }
        }
    }

    /// `kill -9`: nobody settles anything. What departed calls cost is known to the provider alone.
    fn kill(&mut self, gate: usize) {
        self.gates[gate] = Leases::default();
        for (_, id, amount, _) in self.under_way.extract_if(.., |(at, ..)| *at == gate) {
            self.spent += amount;
            self.dead.insert(id);
        }
    }

    fn check(&self, context: &str) {
        let open: u64 = self.under_way.iter().map(|(_, _, amount, _)| *amount).sum();
        assert!(self.spent + open <= MONEY, "{context}: {} spent, {open} open", self.spent);
        assert!(self.under_way.len() as u64 <= PLACES, "{context}: too many under way");
        for (place, first) in self.admitted.iter().enumerate() {
            let beyond = place + usize::try_from(CALLS).unwrap();
            if let Some(later) = self.admitted.get(beyond) {
                assert!(later.since(*first) >= WINDOW, "{context}: a window holds too many");
            }
        }
    }
}

/// One schedule: calls, ends, ticks, deaths, and time.
fn run(seed: u64, wide: bool) -> World {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut world = World::new(1 + usize::try_from(dice.below(4)).unwrap(), wide);
    let gates = world.gates.len() as u64;
    let (dies, price) = (dice.below(3) == 0, 1 + dice.below(40));
    for _ in 0..2_500 {
        let gate = usize::try_from(dice.below(gates)).unwrap();
        match dice.below(100) {
            0..=69 => world.call(gate, price),
            70..=89 if !world.under_way.is_empty() => {
                let which = dice.below(world.under_way.len() as u64);
                world.end(usize::try_from(which).unwrap(), dice.below(101));
            }
            90..=98 => world.tick(gate),
            _ if dies => world.kill(gate),
            _ => {}
        }
        world.now = world.now.plus(Duration::from_micros(dice.below(20_000)));
    }
    world
}

#[test]
fn slices_of_many_gates_never_add_up_to_more_than_the_limit() {
    let mut local = 0;
    for seed in 1..=120 {
        let world = run(seed, true);
        world.check(&format!("seed {seed}"));
        local += world.local;
    }
    assert!(local > 10_000, "few calls were taken from slices: {local}");
}

#[test]
fn a_window_that_is_not_widened_is_found_to_hold_too_many() {
    let caught = (1..=120).any(|seed| {
        let world = run(seed, false);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.check("narrow"))).is_err()
    });
    assert!(caught, "the test would not notice");
}

#[test]
fn what_is_not_used_goes_back_when_a_slice_is_over() {
    let mut world = World::new(1, true);
    for _ in 0..200 {
        world.call(0, 10);
        world.tick(0);
        world.now = world.now.plus(Duration::from_millis(2));
        world.end(0, 50);
    }
    assert!(world.local > 100);
    world.now = world.now.plus(LIFE);
    world.tick(0);
    let held: Vec<_> = world.shared.reservations().filter(|(_, one)| one.is_open()).collect();
    assert!(held.is_empty(), "{held:?}");
    let key = &world.draws(0)[0].key;
    let verdict = world.shared.reserve(
        ReservationId(u128::MAX),
        &[Draw { amount: MONEY - world.spent, ..world.draws(0)[0].clone() }],
        world.now,
        world.now,
    );
    assert!(matches!(verdict, Ok(Verdict::Taken { .. })), "{key}: {verdict:?}");
}

/// What short calls have used is known, though long ones still draw on their slices.
#[test]
fn what_was_used_is_told_within_two_lives_of_a_slice_however_long_one_call_takes() {
    let mut world = World::new(1, true);
    let mut long = 0;
    for step in 0..600 {
        let (id, now) = (world.id(), world.now);
        let [most, actual] = [10, 5].map(|amount| [world.draws(amount)[0].clone()]);
        let deadline = now.plus(Duration::from_secs(600));
        if world.gates[0].take(id, &most, deadline, now).is_none() {
            let verdict = world.shared.reserve(id, &most, deadline, now).unwrap();
            let Verdict::Taken { standings } = verdict else { panic!("{verdict:?}") };
            world.gates[0].told(&most, &standings.of(&most), now);
            world.shared.settle(id, &actual, now);
            world.spent += 5;
        } else if step % 20 == 19 {
            assert!(world.gates[0].depart(id));
            long += 1;
        } else {
            assert!(world.gates[0].settle(id, &actual).is_some());
            world.spent += 5;
        }
        world.tick(0);
        world.now = world.now.plus(Duration::from_millis(5));
    }
    for _ in 0..200 {
        world.now = world.now.plus(LIFE / 100);
        world.tick(0);
    }
    let key = world.draws(0)[0].key.clone();
    let Some(Counter::Budget(budget)) = world.shared.counter(&key) else { panic!("no budget") };
    assert_eq!(budget.current().settled, world.spent, "it waits for those that take long");
    assert!(long > 5 && budget.current().reserved > 0, "{long} take long");
}

#[test]
fn what_is_settled_twice_is_charged_once_and_a_gate_that_stops_gives_everything_back() {
    let mut world = World::new(1, true);
    for _ in 0..100 {
        world.call(0, 10);
        world.tick(0);
        world.now = world.now.plus(Duration::from_millis(2));
    }
    let (_, id, amount, _) = *world.under_way.iter().find(|(.., local)| *local).unwrap();
    let draws = world.draws(amount);
    assert!(world.gates[0].settle(id, &draws).unwrap().order == crate::limit::Order::First);
    assert!(world.gates[0].settle(id, &draws).unwrap().order == crate::limit::Order::Repeated);
    assert!(world.gates[0].is_closed(id));
    for act in world.gates[0].close_all() {
        world.act(0, act);
    }
    let slices =
        world.shared.reservations().filter(|(_, one)| one.is_open() && one.takes.len() == 1);
    assert_eq!(slices.count(), 0, "a slice is still held");
}
