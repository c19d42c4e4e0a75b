//! What every meter must do, run against a real one.
//!
//! A store calls [`suite`] in a test. What it says of one call at a time is compared with
//! [`Book`], the rules as a value; what happens when many call at once is checked here.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bartizan_core::limit::{
    Book, Calendar, Draw, Expired, Measure, Meter, Order, Period, ReservationId, Rule, Shape,
    Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use tokio::task::JoinSet;

/// Runs every check; each asks `make` for a meter that has counted nothing.
///
/// # Panics
/// If the meter breaks one of its promises.
pub async fn suite<M, F>(make: impl Fn() -> F)
where
    M: Meter + 'static,
    F: Future<Output = M>,
{
    takes_all_or_nothing(&make().await).await;
    spends_for_good(&make().await).await;
    does_everything_once(&make().await).await;
    charges_or_gives_back_what_expires(&make().await).await;
    extends_what_still_lives(&make().await).await;
    knows_what_a_call_drew_on_that_outlived_the_window(&make().await).await;
    gives_back_what_nobody_waits_for(&make().await).await;
    corrects_what_is_settled_late(&make().await).await;
    charges_what_was_reported_no_second_time(&make().await).await;
    tells_of_overdrafts(&make().await).await;
    for seed in 1..=8 {
        follows_the_rules(&make().await, seed).await;
    }
    admits_no_more_however_many_ask(Arc::new(make().await)).await;
    holds_at_the_edge_of_a_window(Arc::new(make().await)).await;
    counts_the_largest_amounts_to_the_last_unit(&make().await).await;
    settles_once_however_many_say_so(Arc::new(make().await)).await;
}

const SECOND: u64 = 1_000_000;
/// The clock of the checks starts here: a Thursday in 2026.
const START: u64 = 1_795_000_000 * SECOND;
const LIFE: Duration = Duration::from_secs(30);

fn at(seconds: u64) -> Timestamp {
    Timestamp(START + seconds * SECOND)
}

fn id(number: u64) -> ReservationId {
    ReservationId(u128::from(number))
}

fn window(name: &str, limit: u64) -> Arc<Rule> {
    let shape = Shape::Window { limit, length: Duration::from_secs(10) };
    Arc::new(Rule::new(name, Measure::Requests, shape))
}

fn budget(limit: u64) -> Arc<Rule> {
    let shape = Shape::Budget { limit, period: Period::utc(Calendar::Day) };
    Arc::new(Rule::new("money", Measure::NanoUsd, shape))
}

fn draw(rule: &Arc<Rule>, amount: u64) -> Draw {
    Draw::new(Arc::clone(rule), "ann", amount)
}

/// Reserves for half a minute. Was everything taken?
async fn takes<M: Meter>(meter: &M, number: u64, draws: &[Draw], now: Timestamp) -> bool {
    let verdict = meter.reserve(id(number), draws, now.plus(LIFE), now).await;
    assert!(verdict.is_ok(), "the meter must answer: {verdict:?}");
    matches!(verdict, Ok(Verdict::Taken { .. }))
}

/// Reserves, and settles as reserved: it is not given back when the reservation would expire.
async fn spends<M: Meter>(meter: &M, number: u64, draws: &[Draw], now: Timestamp) -> bool {
    let taken = takes(meter, number, draws, now).await;
    if taken {
        assert!(meter.settle(id(number), draws, now).await.is_ok());
    }
    taken
}

/// How a settlement went: which word it was, and how each counter stood before and after.
async fn settles<M: Meter>(
    meter: &M,
    number: u64,
    actual: &[Draw],
    now: Timestamp,
) -> (Option<Order>, Vec<(u64, u64)>) {
    let Ok(settlement) = meter.settle(id(number), actual, now).await else {
        return (None, Vec::new());
    };
    let charges = settlement.charges.iter().map(|charge| (charge.before, charge.after));
    (Some(settlement.order), charges.collect())
}

async fn takes_all_or_nothing<M: Meter>(meter: &M) {
    let (calls, money) = (window("calls", 1), budget(100));
    assert!(!takes(meter, 1, &[draw(&calls, 1), draw(&money, 101)], at(0)).await);
    assert!(takes(meter, 2, &[draw(&calls, 1), draw(&money, 60)], at(0)).await, "one was taken");
    // The window refuses, and the money it would have cost is still there.
    assert!(!takes(meter, 3, &[draw(&money, 40), draw(&calls, 1)], at(1)).await);
    assert!(takes(meter, 4, &[draw(&money, 40)], at(1)).await, "money was taken for a refusal");
    assert!(!takes(meter, 5, &[draw(&money, 1)], at(1)).await);
}

async fn spends_for_good<M: Meter>(meter: &M) {
    let (calls, money) = (window("calls", 3), budget(100));
    let spends = async |number, draws: &[Draw], seconds| {
        let verdict = meter.spend(id(number), draws, at(seconds)).await;
        assert!(verdict.is_ok(), "the meter must answer: {verdict:?}");
        matches!(verdict, Ok(Verdict::Taken { .. }))
    };
    assert!(spends(1, &[draw(&calls, 2), draw(&money, 60)], 0).await);
    assert!(!spends(2, &[draw(&calls, 1), draw(&money, 41)], 0).await, "beyond the budget");
    assert!(!spends(3, &[draw(&calls, 2), draw(&money, 1)], 0).await, "beyond the window");
    assert!(spends(4, &[draw(&calls, 1), draw(&money, 10)], 1).await, "a refusal has taken");
    // No deadline gives it back.
    assert_eq!(meter.expire(at(300)).await, Ok(Vec::new()));
    assert!(!spends(5, &[draw(&money, 31)], 300).await, "it came back");
    assert!(spends(6, &[draw(&money, 30), draw(&calls, 3)], 300).await);
    assert!(!takes(meter, 7, &[draw(&money, 1)], at(301)).await);
}

async fn does_everything_once<M: Meter>(meter: &M) {
    let money = budget(100);
    for _ in 0..3 {
        assert!(takes(meter, 1, &[draw(&money, 60)], at(0)).await);
        assert!(meter.depart(id(1), at(1)).await.is_ok());
    }
    assert!(takes(meter, 2, &[draw(&money, 40)], at(0)).await, "taken more than once");
    let first = settles(meter, 1, &[draw(&money, 50)], at(2)).await;
    assert_eq!(first, (Some(Order::First), vec![(0, 50)]));
    let again = settles(meter, 1, &[draw(&money, 60)], at(2)).await;
    assert_eq!(again, (Some(Order::Repeated), vec![]));
    assert_eq!(settles(meter, 9, &[draw(&money, 1)], at(2)).await, (Some(Order::Unknown), vec![]));
    // A closed id is not opened again: nobody would settle it.
    let closed = meter.reserve(id(1), &[draw(&money, 1)], at(9), at(2)).await;
    assert!(closed.is_err(), "{closed:?}");
    assert!(meter.depart(id(1), at(2)).await.is_err());
    assert!(meter.depart(id(9), at(2)).await.is_err());
    assert!(takes(meter, 3, &[draw(&money, 10)], at(2)).await, "charged more than once");
    assert!(!takes(meter, 4, &[draw(&money, 1)], at(2)).await, "gave back too much");
}

/// Slices of a budget say what was used of them before they end.
async fn charges_what_was_reported_no_second_time<M: Meter>(meter: &M) {
    let money = budget(100);
    for number in 1..=3 {
        assert!(takes(meter, number, &[draw(&money, 30)], at(0)).await);
        assert!(meter.depart(id(number), at(0)).await.is_ok());
    }
    // A meter may leave all of it to settling.
    for (used, told) in [(10, (0, 10)), (10, (10, 10)), (25, (10, 25)), (20, (25, 25))] {
        let said = meter.report(id(1), &[draw(&money, used)], at(1)).await;
        assert!(said.is_ok(), "the meter must answer: {said:?}");
        let charges = said.iter().flat_map(|said| &said.charges);
        let mut charges = charges.map(|charge| (charge.before, charge.after));
        assert!(charges.all(|charge| charge == told), "{used}: {said:?}");
    }
    assert!(takes(meter, 4, &[draw(&money, 10)], at(1)).await, "a report took something");
    assert!(!takes(meter, 5, &[draw(&money, 1)], at(1)).await, "a report gave something back");
    // Settled is all of it, from the beginning.
    let (order, charges) = settles(meter, 1, &[draw(&money, 28)], at(2)).await;
    assert_eq!((order, charges.last().map(|(_, after)| *after)), (Some(Order::First), Some(28)));
    let late = meter.report(id(1), &[draw(&money, 30)], at(2)).await;
    assert_eq!(late.map(|said| said.charges), Ok(Vec::new()), "it is closed");
    // What its gate reported before it died is charged once, with the rest.
    assert!(meter.report(id(2), &[draw(&money, 12)], at(2)).await.is_ok());
    assert!(meter.report(id(3), &[draw(&money, 12)], at(2)).await.is_ok());
    assert!(meter.expire(at(30)).await.is_ok());
    assert!(takes(meter, 6, &[draw(&money, 12)], at(31)).await, "charged more than all of it");
    assert!(!takes(meter, 7, &[draw(&money, 1)], at(31)).await, "charged less than all of it");
    // And the late word names all of it, too.
    let (order, charges) = settles(meter, 3, &[draw(&money, 15)], at(32)).await;
    assert_eq!((order, charges.last().map(|(_, after)| *after)), (Some(Order::Late), Some(73)));
}

/// A client hangs up while the meter is asked: its reservation holds nothing.
///
/// # Panics
/// If something is held.
pub async fn gives_back_what_nobody_waits_for<M: Meter>(meter: &M) {
    let shape = Shape::Concurrency { limit: 100 };
    let places = Arc::new(Rule::new("places", Measure::Concurrent, shape));
    let money = budget(100);
    let [draws, nothing] = [1, 0].map(|many| [draw(&money, many), draw(&places, many)]);
    for number in 0..40 {
        let now = at(0);
        let mut asked = pin!(meter.reserve(id(number), &draws, now.plus(LIFE), now));
        for moment in 0..=number % 5 {
            let said = poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx))).await;
            if let Poll::Ready(verdict) = said {
                assert!(verdict.is_ok(), "the meter must answer: {verdict:?}");
                settles(meter, number, &nothing, now).await;
                break;
            }
            // What was asked later has its answer: so has this one, and nobody has looked.
            let later = 1_000 + number * 10 + moment;
            assert!(takes(meter, later, &nothing, now).await);
            settles(meter, later, &nothing, now).await;
        }
    }
    let all = [draw(&money, 100), draw(&places, 100)];
    let patience = Instant::now() + Duration::from_secs(10);
    for number in 2_000.. {
        if takes(meter, number, &all, at(1)).await {
            return;
        }
        assert!(Instant::now() < patience, "what nobody waited for is held");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn charges_or_gives_back_what_expires<M: Meter>(meter: &M) {
    let (money, calls) = (budget(100), window("calls", 2));
    let places =
        Arc::new(Rule::new("places", Measure::Concurrent, Shape::Concurrency { limit: 2 }));
    let half = [draw(&money, 50), draw(&calls, 1), draw(&places, 1)];
    assert!(takes(meter, 1, &half, at(0)).await);
    assert!(takes(meter, 2, &half, at(0)).await);
    assert!(meter.depart(id(1), at(1)).await.is_ok());
    assert!(!takes(meter, 3, &[draw(&places, 1)], at(29)).await);
    assert_eq!(told(meter.expire(at(29)).await), Some(vec![]), "expired early");
    assert_eq!(told(meter.expire(at(30)).await), Some(vec![(id(1), true), (id(2), false)]));
    assert_eq!(told(meter.expire(at(31)).await), Some(vec![]), "told twice");
    assert!(meter.depart(id(2), at(31)).await.is_err(), "nothing stands behind that call");
    assert!(takes(meter, 4, &half, at(31)).await, "what had not departed was not given back");
    assert!(!takes(meter, 5, &[draw(&money, 1)], at(31)).await, "what had departed is not charged");
    // Nobody has to call expire for a deadline to hold.
    assert!(takes(meter, 6, &[draw(&money, 50)], at(61)).await);
    assert_eq!(told(meter.expire(at(61)).await), Some(vec![(id(4), false)]));
}

/// Ids and whether they had departed, in order of the ids.
fn told(expired: Result<Vec<Expired>, Unavailable>) -> Option<Vec<(ReservationId, bool)>> {
    let set: BTreeSet<_> = expired.ok()?.iter().map(|one| (one.id, one.departed)).collect();
    Some(set.into_iter().collect())
}

async fn extends_what_still_lives<M: Meter>(meter: &M) {
    let money = budget(100);
    let places =
        Arc::new(Rule::new("places", Measure::Concurrent, Shape::Concurrency { limit: 2 }));
    let half = [draw(&money, 50), draw(&places, 1)];
    for number in [1, 2] {
        assert!(takes(meter, number, &half, at(0)).await);
        assert!(meter.depart(id(number), at(1)).await.is_ok());
    }
    // One lives beyond two deadlines, and told twice it is told once; the other gateway is dead.
    for now in [20, 20, 40, 60] {
        assert_eq!(meter.extend(id(1), at(now).plus(LIFE), at(now)).await, Ok(true), "at {now}");
    }
    // A deadline never comes nearer.
    assert_eq!(meter.extend(id(1), at(62), at(61)).await, Ok(true));
    assert_eq!(told(meter.expire(at(70)).await), Some(vec![(id(2), true)]));
    assert!(takes(meter, 3, &[draw(&places, 1)], at(70)).await, "the dead one keeps its place");
    assert!(!takes(meter, 4, &[draw(&places, 1)], at(70)).await, "the living one lost its place");
    // What is over stays over: expired, settled, or never made.
    assert_eq!(meter.extend(id(2), at(200), at(71)).await, Ok(false));
    assert_eq!(meter.extend(id(9), at(200), at(71)).await, Ok(false));
    let settled = settles(meter, 1, &[draw(&money, 20), draw(&places, 1)], at(80)).await;
    assert_eq!(settled, (Some(Order::First), vec![(50, 70)]));
    assert_eq!(meter.extend(id(1), at(200), at(81)).await, Ok(false));
    assert_eq!(told(meter.expire(at(89)).await), Some(vec![]));
    // Nobody asked whether it was over: it was, and no word brings it back.
    assert_eq!(meter.extend(id(3), at(200), at(100)).await, Ok(false));
    assert_eq!(told(meter.expire(at(101)).await), Some(vec![(id(3), false)]));
    let again = [draw(&money, 30), draw(&places, 2)];
    assert!(takes(meter, 5, &again, at(102)).await, "nothing is held by what is over");
}

/// More calls than any store lets pass before it clears up.
const MANY: u64 = 70;

async fn knows_what_a_call_drew_on_that_outlived_the_window<M: Meter>(meter: &M) {
    let shape = Shape::Budget { limit: 100, period: Period::Rolling(Duration::from_secs(10)) };
    let money = Arc::new(Rule::new("rolling", Measure::NanoUsd, shape));
    let calls = window("calls", 1_000);
    let keep = [draw(&money, 60)];
    assert!(takes(meter, 1, &keep, at(0)).await);
    assert!(meter.depart(id(1), at(1)).await.is_ok());
    // Somebody else draws on it, and is done at once.
    assert!(spends(meter, 2, &[draw(&money, 10)], at(2)).await);
    for (first, now) in [(100, 20), (200, 45)] {
        assert_eq!(meter.extend(id(1), at(now).plus(LIFE), at(now)).await, Ok(true), "at {now}");
        for number in first..first + MANY {
            assert!(spends(meter, number, &[draw(&calls, 1)], at(now + 5)).await);
        }
    }
    let settled = settles(meter, 1, &[draw(&money, 50)], at(51)).await;
    assert_eq!(settled, (Some(Order::First), vec![(0, 0)]), "nobody knows what it drew on");
}

async fn corrects_what_is_settled_late<M: Meter>(meter: &M) {
    let money = budget(100);
    for number in [1, 2] {
        assert!(takes(meter, number, &[draw(&money, 50)], at(0)).await);
    }
    assert!(meter.depart(id(1), at(0)).await.is_ok());
    assert!(meter.expire(at(40)).await.is_ok());
    let charged = settles(meter, 1, &[draw(&money, 20)], at(41)).await;
    assert_eq!(charged, (Some(Order::Late), vec![(50, 20)]));
    let given_back = settles(meter, 2, &[draw(&money, 30)], at(41)).await;
    assert_eq!(given_back, (Some(Order::Late), vec![(20, 50)]));
    let again = settles(meter, 2, &[draw(&money, 0)], at(42)).await;
    assert_eq!(again, (Some(Order::Repeated), vec![]));
}

async fn tells_of_overdrafts<M: Meter>(meter: &M) {
    let money = budget(100);
    assert!(takes(meter, 1, &[draw(&money, 80)], at(0)).await);
    let settlement = meter.settle(id(1), &[draw(&money, 130)], at(1)).await;
    let overdrafts = settlement.map(|settlement| {
        let crossed = settlement.charges.iter().map(|c| (c.overdraft(), c.crosses(100)));
        crossed.collect::<Vec<_>>()
    });
    assert_eq!(overdrafts, Ok(vec![(30, true)]));
    assert!(!takes(meter, 2, &[draw(&money, 0)], at(2)).await, "an overdraft must block");
    assert!(takes(meter, 3, &[draw(&money, 100)], at(86_400)).await, "until the period ends");
}

/// A small generator of numbers (xorshift): the same every time, so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Calls in any order, with clocks that go back, against the rules as a value.
async fn follows_the_rules<M: Meter>(meter: &M, seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let (mut book, rules) = (Book::default(), every_shape());
    let (mut now, mut made) = (START, 0);
    for step in 0..200 {
        now = now + dice.below(6) * SECOND / 2 - dice.below(2) * dice.below(SECOND);
        let (now, which, what) = (Timestamp(now), id(dice.below(made + 1)), dice.below(13));
        let draws = some_draws(&rules, &mut dice);
        let context = format!("seed {seed}, step {step}");
        match what {
            0..=4 => {
                let (id, deadline) = (id(made), now.plus(LIFE));
                made += 1;
                let expected = book.reserve(id, &draws, deadline, now);
                let said = meter.reserve(id, &draws, deadline, now).await;
                assert_eq!(said.is_err(), expected.is_err(), "{context}: {said:?}");
                assert_eq!(said.ok(), expected.ok(), "{context}");
            }
            5..=6 => {
                let expected = book.depart(which, now).is_ok();
                assert_eq!(meter.depart(which, now).await.is_ok(), expected, "{context}");
            }
            7 => {
                let later = now.plus(LIFE * 2);
                let expected = book.extend(which, later, now);
                assert_eq!(meter.extend(which, later, now).await, Ok(expected), "{context}");
            }
            8..=11 => {
                let expected = book.settle(which, &draws, now);
                assert_eq!(meter.settle(which, &draws, now).await, Ok(expected), "{context}");
            }
            _ => {
                let expected = book.expire(now);
                assert_eq!(meter.expire(now).await, Ok(expected), "{context}");
            }
        }
    }
}

fn every_shape() -> Vec<Arc<Rule>> {
    let length = Duration::from_secs(10);
    let shapes = [
        (Measure::Requests, Shape::Window { limit: 5, length }),
        (Measure::Messages, Shape::Window { limit: 5, length }),
        (Measure::Tokens, Shape::Window { limit: 5_000, length }),
        (Measure::Tokens, Shape::Gcra { limit: 700, length, burst: 300 }),
        (Measure::NanoUsd, Shape::Budget { limit: 900, period: Period::utc(Calendar::Minute) }),
        (Measure::NanoUsd, Shape::Budget { limit: 800, period: Period::Rolling(length * 6) }),
        (Measure::Concurrent, Shape::Concurrency { limit: 6 }),
    ];
    let rule =
        |(index, (measure, shape))| Arc::new(Rule::new(format!("rule {index}"), measure, shape));
    shapes.into_iter().enumerate().map(rule).collect()
}

fn some_draws(rules: &[Arc<Rule>], dice: &mut Dice) -> Vec<Draw> {
    let mut draws = Vec::new();
    for rule in rules {
        let most = match rule.measure {
            Measure::Concurrent | Measure::Messages | Measure::Requests => 2,
            Measure::NanoUsd | Measure::Tokens => rule.shape.limit() / 2,
        };
        if dice.below(4) > 0 {
            let subject = if dice.below(3) > 0 { "ann" } else { "bob" };
            draws.push(Draw::new(Arc::clone(rule), subject, dice.below(most)));
        }
    }
    draws
}

async fn admits_no_more_however_many_ask<M: Meter + 'static>(meter: Arc<M>) {
    let (calls, money) = (window("calls", 100), budget(1_000_000));
    let mut asking = JoinSet::new();
    for number in 0..1_000 {
        let (meter, draws) = (Arc::clone(&meter), [draw(&calls, 1), draw(&money, 7)]);
        asking.spawn(async move { takes(&*meter, number, &draws, at(0)).await });
    }
    let admitted = asking.join_all().await.into_iter().filter(|taken| *taken).count();
    assert_eq!(admitted, 100);
    let rest = 1_000_000 - 700;
    assert!(!takes(&*meter, 2_000, &[draw(&money, rest + 1)], at(0)).await);
    assert!(takes(&*meter, 2_001, &[draw(&money, rest)], at(0)).await, "a refusal took money");
}

/// A counter of fixed minutes lets nine pass in 2.3 seconds where five a minute are promised.
async fn holds_at_the_edge_of_a_window<M: Meter + 'static>(meter: Arc<M>) {
    let minute = |name, limit| {
        let shape = Shape::Window { limit, length: Duration::from_secs(60) };
        Arc::new(Rule::new(name, Measure::Requests, shape))
    };
    let five = minute("five", 5);
    let (mut number, mut passed) = (0, Vec::new());
    // One as the minute begins; then as many as will pass about its end.
    for now in [vec![Timestamp(START)], (577..=630).map(tenths).collect()].concat() {
        number += 1;
        if spends(&*meter, number, &[draw(&five, 1)], now).await {
            passed.push(now.0 - START);
        }
    }
    assert_eq!(passed.len(), 6, "{passed:?}");
    assert_eq!(passed.last(), Some(&(60 * SECOND)), "the first had left the window: {passed:?}");
    let hundred = minute("hundred", 100);
    for (instant, most) in [
        (at(119), 100),
        (Timestamp(at(120).0 - 1), 0),
        (at(120), 0),
        (Timestamp(at(179).0 - 1), 0),
        (at(179), 100),
    ] {
        let mut asking = JoinSet::new();
        for _ in 0..100 {
            number += 1;
            let (meter, draws, number) = (Arc::clone(&meter), [draw(&hundred, 1)], number);
            asking.spawn(async move { spends(&*meter, number, &draws, instant).await });
        }
        let admitted = asking.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!(admitted, most, "at {} microseconds", instant.0 - START);
    }
}

fn tenths(tenths: u64) -> Timestamp {
    Timestamp(START + tenths * SECOND / 10)
}

/// A double counts to 2^53, which in nano-dollars are nine million dollars.
async fn counts_the_largest_amounts_to_the_last_unit<M: Meter>(meter: &M) {
    let beyond = (1 << 53) * 100 + 1;
    for (number, rule) in [
        (10, budget(beyond)),
        (
            20,
            Arc::new(Rule::new(
                "window",
                Measure::Tokens,
                Shape::Window { limit: beyond, length: Duration::from_secs(10) },
            )),
        ),
        (
            30,
            Arc::new(Rule::new(
                "smooth",
                Measure::Tokens,
                Shape::Gcra { limit: 1, length: Duration::from_secs(86_400), burst: beyond - 1 },
            )),
        ),
    ] {
        let name = &rule.name;
        assert!(!takes(meter, number, &[draw(&rule, beyond + 1)], at(0)).await, "{name}");
        assert!(takes(meter, number + 1, &[draw(&rule, beyond - 1)], at(0)).await, "{name}");
        assert!(!takes(meter, number + 2, &[draw(&rule, 2)], at(0)).await, "{name}");
        assert!(takes(meter, number + 3, &[draw(&rule, 1)], at(0)).await, "{name}");
        assert!(!takes(meter, number + 4, &[draw(&rule, 1)], at(0)).await, "{name}");
        settles(meter, number + 1, &[draw(&rule, beyond - 4)], at(0)).await;
        assert!(!takes(meter, number + 5, &[draw(&rule, 4)], at(0)).await, "{name}");
        assert!(takes(meter, number + 6, &[draw(&rule, 3)], at(0)).await, "{name}");
    }
}

async fn settles_once_however_many_say_so<M: Meter + 'static>(meter: Arc<M>) {
    let money = budget(100);
    assert!(takes(&*meter, 1, &[draw(&money, 50)], at(0)).await);
    let mut saying = JoinSet::new();
    for amount in 0..40 {
        let (meter, actual) = (Arc::clone(&meter), [draw(&money, amount)]);
        saying.spawn(async move { settles(&*meter, 1, &actual, at(1)).await });
    }
    let said = saying.join_all().await;
    let first: Vec<_> = said.iter().filter(|(order, _)| *order == Some(Order::First)).collect();
    assert_eq!(first.len(), 1, "{said:?}");
    let repeated = said.iter().filter(|(order, _)| *order == Some(Order::Repeated)).count();
    assert_eq!(repeated, 39, "{said:?}");
}
