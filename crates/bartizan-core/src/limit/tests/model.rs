//! Does the book agree with a list of everything that ever happened?

use std::sync::Arc;

use proptest::prelude::*;

use super::{SECOND, at, draw, rule, secs};
use crate::limit::{
    Book, Calendar, Draw, Measure, Order, Period, ReservationId, Rule, Shape, Verdict,
};
use crate::time::Timestamp;

const WINDOW: u64 = 10 * SECOND;
const LIFE: u64 = 30 * SECOND;
const MINUTE: u64 = 60 * SECOND;

/// Move the clock, then do it.
#[derive(Clone, Debug)]
struct Step {
    clock: i64,
    act: Act,
}

#[derive(Clone, Debug)]
enum Act {
    Again(usize),
    Depart(usize),
    Expire,
    Reserve { subject: usize, tokens: u64, usd: u64 },
    Settle { which: usize, tokens: u64, usd: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let second = i64::try_from(SECOND).unwrap();
    let clock = prop_oneof![
        4 => Just(0),
        4 => 0..3 * second,
        2 => (0..40_i64).prop_map(move |seconds| seconds * second),
        1 => -5 * second..0,
    ];
    let which = 0..200_usize;
    let act = prop_oneof![
        5 => (0..2_usize, 0..5_u64, 0..40_u64)
            .prop_map(|(subject, tokens, usd)| Act::Reserve { subject, tokens, usd }),
        3 => which.clone().prop_map(Act::Depart),
        4 => (which.clone(), 0..6_u64, 0..60_u64)
            .prop_map(|(which, tokens, usd)| Act::Settle { which, tokens, usd }),
        1 => which.prop_map(Act::Again),
        1 => Just(Act::Expire),
    ];
    prop::collection::vec((clock, act).prop_map(|(clock, act)| Step { clock, act }), 1..120)
}

/// Four limits of every kind that can be told exactly, apart for each subject.
struct Rules {
    calls: Arc<Rule>,
    tokens: Arc<Rule>,
    money: Arc<Rule>,
    places: Arc<Rule>,
}

const CALLS: u64 = 5;
const TOKENS: u64 = 12;
const MONEY: u64 = 100;
const PLACES: u64 = 3;

impl Rules {
    fn new() -> Self {
        let window = |limit| Shape::Window { limit, length: secs(10) };
        let money = Shape::Budget { limit: MONEY, period: Period::utc(Calendar::Minute) };
        Self {
            calls: rule("calls", Measure::Requests, window(CALLS)),
            tokens: rule("tokens", Measure::Tokens, window(TOKENS)),
            money: rule("money", Measure::NanoUsd, money),
            places: rule("places", Measure::Concurrent, Shape::Concurrency { limit: PLACES }),
        }
    }

    fn draws(&self, subject: usize, tokens: u64, usd: u64) -> Vec<Draw> {
        let subject = ["ann", "bob"][subject];
        vec![
            draw(&self.calls, subject, 1),
            draw(&self.tokens, subject, tokens),
            draw(&self.money, subject, usd),
            draw(&self.places, subject, 1),
        ]
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    Held,
    Departed,
    Settled,
    Charged,
    GivenBack,
}

/// A reservation as it was made, and what stands of it now.
#[derive(Clone, Debug)]
struct Deal {
    subject: usize,
    at: u64,
    deadline: u64,
    reserved: (u64, u64),
    calls: u64,
    tokens: u64,
    usd: u64,
    life: Life,
}

/// Everything that ever happened.
#[derive(Default)]
struct Model {
    clock: u64,
    deals: Vec<Deal>,
    /// Tokens beyond a reservation: whose, when, how many.
    beyond: Vec<(usize, u64, u64)>,
    /// Calls that were given back and did happen: whose, and when that became known.
    late: Vec<(usize, u64)>,
}

impl Model {
    fn tick(&mut self, raw: u64) {
        self.clock = self.clock.max(raw);
    }

    fn run_out(&mut self) {
        for deal in self.deals.iter_mut().filter(|deal| deal.deadline <= self.clock) {
            match deal.life {
                Life::Held => {
                    deal.life = Life::GivenBack;
                    (deal.calls, deal.tokens, deal.usd) = (0, 0, 0);
                }
                Life::Departed => deal.life = Life::Charged,
                Life::Settled | Life::Charged | Life::GivenBack => {}
            }
        }
    }

    fn of(&self, subject: usize) -> impl Iterator<Item = &Deal> {
        self.deals.iter().filter(move |deal| deal.subject == subject)
    }

    fn recent(&self, then: u64) -> bool {
        then + WINDOW > self.clock
    }

    fn calls(&self, subject: usize) -> u64 {
        let late = self.late.iter().filter(|(who, then)| *who == subject && self.recent(*then));
        let calls = self.of(subject).filter(|deal| self.recent(deal.at)).map(|deal| deal.calls);
        calls.sum::<u64>() + u64::try_from(late.count()).unwrap()
    }

    fn tokens(&self, subject: usize) -> u64 {
        let beyond =
            self.beyond.iter().filter(|(who, then, _)| *who == subject && self.recent(*then));
        let reserved = self.of(subject).filter(|deal| self.recent(deal.at));
        reserved.map(|deal| deal.tokens).sum::<u64>() + beyond.map(|(_, _, more)| more).sum::<u64>()
    }

    fn money(&self, subject: usize) -> u64 {
        let this = |deal: &&Deal| deal.at / MINUTE == self.clock / MINUTE;
        self.of(subject).filter(this).map(|deal| deal.usd).sum()
    }

    fn places(&self, subject: usize) -> u64 {
        let open = |deal: &&Deal| matches!(deal.life, Life::Held | Life::Departed);
        u64::try_from(self.of(subject).filter(open).count()).unwrap()
    }

    fn has_room(&self, subject: usize, tokens: u64, usd: u64) -> bool {
        self.calls(subject) < CALLS
            && self.tokens(subject) + tokens <= TOKENS
            && self.money(subject) + usd <= MONEY
            && self.places(subject) < PLACES
    }

    fn settle(&mut self, which: usize, tokens: u64, usd: u64) -> Order {
        let clock = self.clock;
        let deal = &mut self.deals[which];
        let order = match deal.life {
            Life::Held | Life::Departed => Order::First,
            Life::Charged | Life::GivenBack => Order::Late,
            Life::Settled => return Order::Repeated,
        };
        let stands = if deal.life == Life::GivenBack { 0 } else { deal.reserved.0 };
        (deal.tokens, deal.usd) = (tokens.min(stands), usd);
        self.beyond.push((deal.subject, clock, tokens.saturating_sub(stands)));
        if deal.life == Life::GivenBack {
            self.late.push((deal.subject, clock));
        }
        deal.life = Life::Settled;
        order
    }
}

/// Does one step on both, and compares.
fn play(book: &mut Book, model: &mut Model, rules: &Rules, raw: u64, act: &Act) {
    model.tick(raw);
    let (now, known) = (at(raw), model.deals.len());
    let id = |which: usize| ReservationId(u128::try_from(which).unwrap());
    match *act {
        Act::Reserve { subject, tokens, usd } => {
            model.run_out();
            let draws = rules.draws(subject, tokens, usd);
            let verdict = book.reserve(id(known), &draws, at(raw + LIFE), now).unwrap();
            let taken = matches!(verdict, Verdict::Taken { .. });
            assert_eq!(
                taken,
                model.has_room(subject, tokens, usd),
                "{act:?} at {raw}: {verdict:?}"
            );
            if taken {
                let (at, deadline) = (model.clock, model.clock + LIFE);
                let (reserved, calls, life) = ((tokens, usd), 1, Life::Held);
                model.deals.push(Deal {
                    subject,
                    at,
                    deadline,
                    reserved,
                    calls,
                    tokens,
                    usd,
                    life,
                });
            }
        }
        _ if known == 0 => {}
        Act::Again(which) => {
            model.run_out();
            let which = which % known;
            let Deal { subject, reserved: (tokens, usd), life, .. } = model.deals[which];
            let draws = rules.draws(subject, tokens, usd);
            let again = book.reserve(id(which), &draws, at(raw + LIFE), now);
            assert_eq!(again.is_ok(), matches!(life, Life::Held | Life::Departed), "{again:?}");
        }
        Act::Depart(which) => {
            model.run_out();
            let deal = &mut model.deals[which % known];
            let departed = book.depart(id(which % known), now).is_ok();
            assert_eq!(departed, matches!(deal.life, Life::Held | Life::Departed), "{deal:?}");
            if departed {
                deal.life = Life::Departed;
            }
        }
        Act::Settle { which, tokens, usd } => {
            let which = which % known;
            let actual = rules.draws(model.deals[which].subject, tokens, usd);
            let settlement = book.settle(id(which), &actual, now);
            assert_eq!(settlement.order, model.settle(which, tokens, usd));
            model.run_out();
        }
        Act::Expire => {
            model.run_out();
            book.expire(now);
        }
    }
}

/// Every counter of the book says what the list of everything says.
fn compare(book: &mut Book, model: &Model, rules: &Rules) {
    for subject in 0..2 {
        let said = [
            (&rules.calls, model.calls(subject), CALLS),
            (&rules.tokens, model.tokens(subject), TOKENS),
            (&rules.money, model.money(subject), MONEY),
            (&rules.places, model.places(subject), PLACES),
        ];
        let name = ["ann", "bob"][subject];
        for (rule, used, limit) in said {
            // A draw that never fits takes nothing and tells how the counter stands.
            let ask = [draw(rule, name, limit + 1)];
            let clock = at(model.clock);
            let verdict = book.reserve(ReservationId(u128::MAX), &ask, clock, clock).unwrap();
            let Verdict::Short(short) = verdict else { panic!("more than {limit} was taken") };
            assert!(short.never);
            let left = short.standings[0].remaining;
            assert_eq!(left, limit.saturating_sub(used), "{} of {name}", rule.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn every_order_of_calls_ends_where_a_list_of_them_does(steps in steps()) {
        let (mut book, mut model, rules) = (Book::default(), Model::default(), Rules::new());
        let mut raw = 1_000 * SECOND;
        for step in &steps {
            raw = raw.saturating_add_signed(step.clock);
            play(&mut book, &mut model, &rules, raw, &step.act);
            compare(&mut book, &model, &rules);
        }
        // Long after, everything is given back or past, and nothing is remembered of it.
        let later = Timestamp(raw + 10 * MINUTE);
        book.expire(later);
        book.expire(later);
        prop_assert_eq!(book.counters().count(), 0);
    }
}
