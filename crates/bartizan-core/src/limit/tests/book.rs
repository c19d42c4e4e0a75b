//! Do reservations hold what they promise: all or nothing, once, and in bounded memory?

use super::{SECOND, at, draw, rule, secs};
use crate::limit::{
    Book, Calendar, Capacity, Counter, Draw, Exhausted, Kind, Measure, MeterKey, NanoUsd, Order,
    Period, ReservationId, Rule, Settlement, Shape, State, Verdict,
};
use crate::time::Timestamp;

fn id(number: u128) -> ReservationId {
    ReservationId(number)
}

fn window(limit: u64, seconds: u64) -> Shape {
    Shape::Window { limit, length: secs(seconds) }
}

fn daily(limit: u64) -> Shape {
    Shape::Budget { limit, period: Period::utc(Calendar::Day) }
}

fn reserve(book: &mut Book, number: u128, draws: &[Draw], now: u64) -> Verdict {
    book.reserve(id(number), draws, at(now + 60 * SECOND), at(now)).unwrap()
}

fn taken(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Taken { .. })
}

fn short(verdict: Verdict) -> Exhausted {
    match verdict {
        Verdict::Short(exhausted) => exhausted,
        Verdict::Taken { standings } => panic!("taken: {standings:?}"),
    }
}

#[test]
fn when_one_draw_is_refused_none_is_taken() {
    let calls = rule("calls", Measure::Requests, window(5, 60));
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    let draws = [draw(&calls, "ann", 1), draw(&money, "ann", 101)];
    let refused = short(reserve(&mut book, 1, &draws, SECOND));
    assert_eq!((&*refused.name, refused.kind, refused.never), ("money", Kind::Budget, true));
    assert_eq!(refused.standings[0].remaining, 5);
    assert_eq!((book.counters().count(), book.reservations().count()), (0, 0));
}

#[test]
fn of_several_refusals_the_longest_wait_is_told() {
    let fast = rule("fast", Measure::Requests, window(1, 10));
    let slow = rule("slow", Measure::Requests, window(1, 3_600));
    let mut book = Book::default();
    let draws = [draw(&fast, "ann", 1), draw(&slow, "ann", 1)];
    assert!(taken(&reserve(&mut book, 1, &draws, 0)));
    let refused = short(reserve(&mut book, 2, &draws, 4 * SECOND));
    assert_eq!((&*refused.name, refused.retry_after), ("slow", secs(3_596)));
}

#[test]
fn draws_on_one_counter_count_together() {
    let tokens = rule("tokens", Measure::Tokens, window(10, 60));
    let mut book = Book::default();
    let twice = [draw(&tokens, "ann", 6), draw(&tokens, "ann", 6)];
    assert!(short(reserve(&mut book, 1, &twice, 0)).never);
    let twice = [draw(&tokens, "ann", 5), draw(&tokens, "ann", 5)];
    assert!(taken(&reserve(&mut book, 2, &twice, 0)));
    book.settle(id(2), &[draw(&tokens, "ann", 1), draw(&tokens, "ann", 2)], at(0));
    assert!(taken(&reserve(&mut book, 3, &[draw(&tokens, "ann", 7)], 0)));
}

#[test]
fn asked_again_nothing_more_is_taken_and_settled_again_nothing_more_is_charged() {
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    let (held, used) = ([draw(&money, "ann", 60)], [draw(&money, "ann", 50)]);
    for _ in 0..3 {
        let Verdict::Taken { standings } = reserve(&mut book, 1, &held, 0) else { panic!() };
        assert_eq!(standings.of(&held)[0].remaining, 40);
    }
    assert_eq!(book.settle(id(1), &used, at(1)).order, Order::First);
    let again = book.settle(id(1), &[draw(&money, "ann", 99)], at(2));
    assert_eq!(again, Settlement { order: Order::Repeated, charges: Vec::new() });
    assert!(taken(&reserve(&mut book, 2, &used, 3)));
    // A closed id is not opened again: nobody would settle it.
    assert!(book.reserve(id(1), &held, at(9), at(3)).is_err());
    assert!(book.depart(id(1), at(3)).is_err());
}

#[test]
fn what_nobody_settles_is_charged_if_it_departed_and_else_given_back() {
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    let half = [draw(&money, "ann", 50)];
    reserve(&mut book, 1, &half, 0);
    reserve(&mut book, 2, &half, 0);
    book.depart(id(1), at(1)).unwrap();
    let expired = book.expire(at(60 * SECOND));
    let told: Vec<_> = expired.iter().map(|one| (one.id.0, one.departed)).collect();
    assert_eq!(told, [(1, true), (2, false)]);
    assert_eq!(expired[0].charges[0].after, 50);
    assert_eq!(book.expire(at(61 * SECOND)), Vec::new(), "told twice");
    // What has run out must not be sent any more.
    assert!(book.depart(id(2), at(61 * SECOND)).is_err());
    assert!(taken(&reserve(&mut book, 3, &half, 62 * SECOND)));
    assert!(!taken(&reserve(&mut book, 4, &[draw(&money, "ann", 1)], 62 * SECOND)));
}

#[test]
fn what_a_call_came_to_is_told_also_where_it_outlives_the_window_of_its_budget() {
    let minute = Shape::Budget { limit: 100, period: Period::Rolling(secs(60)) };
    let money = rule("money", Measure::NanoUsd, minute);
    let half = [draw(&money, "ann", 50)];
    let mut book = Book::default();
    book.reserve(id(1), &half, at(300 * SECOND), at(0)).unwrap();
    book.depart(id(1), at(1)).unwrap();
    for second in [100, 200, 299] {
        assert_eq!(book.expire(at(second * SECOND)), Vec::new());
    }
    let expired = book.expire(at(300 * SECOND));
    let charges: Vec<_> = expired.iter().flat_map(|one| &one.charges).collect();
    assert!(
        matches!(*charges, [charge] if charge.actual == 50 && charge.limit == 100),
        "{expired:?}"
    );
    // And then its counter goes as any other.
    for _ in 0..3 {
        book.expire(at(3000 * SECOND));
    }
    assert_eq!(book.counters().count(), 0);
}

#[test]
fn a_call_whose_time_has_run_out_may_not_depart_even_before_anybody_swept() {
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    for number in 0..40 {
        reserve(&mut book, number, &[draw(&money, "ann", 1)], 0);
    }
    assert!(book.depart(id(39), at(60 * SECOND)).is_err());
    assert_eq!(book.reservation(id(39)).unwrap().state, State::Held);
}

#[test]
fn a_settlement_that_comes_too_late_corrects_what_expiry_did() {
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    reserve(&mut book, 1, &[draw(&money, "ann", 50)], 0);
    reserve(&mut book, 2, &[draw(&money, "ann", 50)], 0);
    book.depart(id(1), at(1)).unwrap();
    book.expire(at(60 * SECOND));
    let charged = book.settle(id(1), &[draw(&money, "ann", 20)], at(61 * SECOND));
    let given_back = book.settle(id(2), &[draw(&money, "ann", 30)], at(61 * SECOND));
    let told = |settlement: &Settlement| {
        let charge = &settlement.charges[0];
        (settlement.order, charge.before, charge.after)
    };
    assert_eq!(told(&charged), (Order::Late, 50, 20));
    assert_eq!(told(&given_back), (Order::Late, 20, 50));
}

#[test]
fn a_late_word_changes_nothing_in_a_period_that_is_over() {
    const DAY: u64 = 86_400 * SECOND;
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    for number in [1, 2] {
        reserve(&mut book, number, &[draw(&money, "ann", 50)], 0);
        book.depart(id(number), at(0)).unwrap();
    }
    book.expire(at(60 * SECOND));
    let late = book.settle(id(1), &[draw(&money, "ann", 10)], at(DAY));
    assert_eq!(late, Settlement { order: Order::Late, charges: Vec::new() });
    // A late word that leaves a draw out leaves it as it stands.
    assert_eq!(book.settle(id(2), &[], at(70 * SECOND)).charges, Vec::new());
    assert!(taken(&reserve(&mut book, 3, &[draw(&money, "ann", 100)], DAY)));
}

#[test]
fn usage_above_the_reservation_is_recorded_and_blocks_until_the_period_ends() {
    const DAY: u64 = 86_400 * SECOND;
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    reserve(&mut book, 1, &[draw(&money, "ann", 80)], DAY);
    let settled = book.settle(id(1), &[draw(&money, "ann", 130)], at(DAY + 1));
    let charge = &settled.charges[0];
    assert_eq!((charge.reserved, charge.actual, charge.overdraft()), (80, 130, 30));
    assert!(charge.crosses(80) && charge.crosses(100) && !charge.crosses(131));
    let refused = short(reserve(&mut book, 2, &[draw(&money, "ann", 0)], DAY + SECOND));
    assert_eq!(refused.retry_after, secs(86_399));
    assert!(taken(&reserve(&mut book, 3, &[draw(&money, "ann", 100)], 2 * DAY)));
}

#[test]
fn a_call_that_crosses_the_edge_of_a_period_is_charged_where_it_was_reserved() {
    const DAY: u64 = 86_400 * SECOND;
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    reserve(&mut book, 1, &[draw(&money, "ann", 100)], DAY - 1);
    // The new day has all its money although the old one's call is still under way.
    assert!(taken(&reserve(&mut book, 2, &[draw(&money, "ann", 70)], DAY)));
    let charge = &book.settle(id(1), &[draw(&money, "ann", 90)], at(DAY + 1)).charges[0];
    assert_eq!((charge.before, charge.after), (0, 90));
    let Some(Counter::Budget(budget)) = book.counter(&draw(&money, "ann", 0).key) else { panic!() };
    let today = budget.current();
    assert_eq!((today.start, today.settled, today.reserved), (at(DAY), 0, 70));
}

#[test]
fn a_call_that_lasts_for_days_finds_its_period_again() {
    const DAY: u64 = 86_400 * SECOND;
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    let (held, other) = ([draw(&money, "ann", 60)], [draw(&money, "ann", 10)]);
    book.reserve(id(1), &held, at(9 * DAY), at(DAY - 1)).unwrap();
    reserve(&mut book, 2, &other, DAY);
    book.settle(id(2), &other, at(DAY));
    // The counter's own period is over and settled; only the long call holds it.
    book.expire(at(4 * DAY));
    let charges = book.settle(id(1), &held, at(5 * DAY)).charges;
    assert_eq!(charges.iter().map(|charge| charge.after).collect::<Vec<_>>(), [60]);
}

#[test]
fn every_threshold_is_crossed_once_whatever_the_order() {
    let money = rule("money", Measure::NanoUsd, daily(100));
    let mut book = Book::default();
    let mut crossed = Vec::new();
    for number in 0..10 {
        reserve(&mut book, number, &[draw(&money, "ann", 10)], 0);
    }
    for number in (0..10).rev() {
        let settled = book.settle(id(number), &[draw(&money, "ann", 10)], at(1));
        let charge = &settled.charges[0];
        crossed.extend([50, 80, 100].into_iter().filter(|percent| charge.crosses(*percent)));
    }
    assert_eq!(crossed, [50, 80, 100]);
}

#[test]
fn a_long_call_that_used_more_tokens_than_it_reserved_pays_for_them_in_the_next_window() {
    let tokens = rule("tokens", Measure::Tokens, window(100, 60));
    let mut book = Book::default();
    book.reserve(id(1), &[draw(&tokens, "ann", 10)], at(900 * SECOND), at(0)).unwrap();
    book.depart(id(1), at(0)).unwrap();
    // The counter is idle by then and forgotten.
    book.expire(at(300 * SECOND));
    assert_eq!(book.counters().count(), 0);
    let settled = book.settle(id(1), &[draw(&tokens, "ann", 150)], at(301 * SECOND));
    assert_eq!(settled.charges[0].overdraft(), 40);
    assert!(!taken(&reserve(&mut book, 2, &[draw(&tokens, "ann", 1)], 302 * SECOND)));
    assert!(taken(&reserve(&mut book, 3, &[draw(&tokens, "ann", 1)], 361 * SECOND)));
}

#[test]
fn a_clock_that_goes_back_opens_nothing_and_expires_nothing_early() {
    let calls = rule("calls", Measure::Requests, window(1, 10));
    let mut book = Book::default();
    assert!(taken(&reserve(&mut book, 1, &[draw(&calls, "ann", 1)], 100 * SECOND)));
    book.settle(id(1), &[draw(&calls, "ann", 1)], at(100 * SECOND));
    // Everything is past and forgotten at 200 s; at 105 s it would still count.
    book.expire(at(200 * SECOND));
    assert!(taken(&reserve(&mut book, 2, &[draw(&calls, "ann", 1)], 105 * SECOND)));
    assert!(!taken(&reserve(&mut book, 3, &[draw(&calls, "ann", 1)], 106 * SECOND)));
    assert!(book.depart(id(2), at(107 * SECOND)).is_ok(), "its deadline lies a minute ahead");
}

#[test]
fn two_hundred_thousand_junk_keys_are_not_kept() {
    let calls = rule("calls", Measure::Requests, window(5, 60));
    let mut book = Book::default();
    for number in 0..200_000_u64 {
        let now = number * 1_000;
        let junk = [draw(&calls, &format!("junk {number}"), 1)];
        assert!(taken(&reserve(&mut book, u128::from(number), &junk, now)));
        book.settle(id(u128::from(number)), &junk, at(now));
    }
    // A minute's worth at a thousand a second, and what came while those who look for idle ones walked
    // once through all; nobody had to ask for the rest to go.
    assert!(book.counters().count() <= 78_000, "{} counters", book.counters().count());
    assert!(book.reservations().count() <= 1 << 10, "{} ids", book.reservations().count());
    book.expire(at(400 * SECOND));
    for _ in 0..60 {
        book.expire(at(400 * SECOND));
    }
    assert_eq!(book.counters().count(), 0);
}

#[test]
fn a_full_book_refuses_new_keys_and_serves_the_known_ones() {
    let calls = rule("calls", Measure::Requests, window(5, 60));
    let mut book = Book::with_capacity(Capacity { counters: 3, open: 4, ..Capacity::default() });
    for (number, name) in ["ann", "bob", "cid"].into_iter().enumerate() {
        let number = u128::try_from(number).unwrap();
        assert!(taken(&reserve(&mut book, number, &[draw(&calls, name, 1)], 0)));
    }
    let dan = [draw(&calls, "dan", 1)];
    assert!(book.reserve(id(10), &dan, at(SECOND), at(0)).is_err());
    assert!(taken(&reserve(&mut book, 11, &[draw(&calls, "ann", 1)], 0)));
    // Four are open now, and a fifth is one too many, also for a known key.
    assert!(book.reserve(id(12), &[draw(&calls, "ann", 1)], at(SECOND), at(0)).is_err());
    // A minute later the old ones are idle and make room.
    assert!(taken(&reserve(&mut book, 13, &dan, 61 * SECOND)));
}

#[test]
fn settled_ids_are_forgotten_in_order_and_then_unknown() {
    let calls = rule("calls", Measure::Requests, window(9, 60));
    let mut book = Book::with_capacity(Capacity { settled: 2, ..Capacity::default() });
    let one = [draw(&calls, "ann", 1)];
    for number in 1..=3 {
        reserve(&mut book, number, &one, 0);
        book.settle(id(number), &one, at(0));
    }
    assert_eq!(book.settle(id(1), &one, at(1)).order, Order::Unknown);
    assert_eq!(book.settle(id(3), &one, at(1)).order, Order::Repeated);
}

#[test]
fn a_rolling_budget_counts_the_last_hours_wherever_they_begin() {
    let period = Period::Rolling(secs(7_200));
    let money = rule("money", Measure::NanoUsd, Shape::Budget { limit: NanoUsd(100).0, period });
    let mut book = Book::default();
    let part = [draw(&money, "ann", 60)];
    assert!(taken(&reserve(&mut book, 1, &part, 3_599 * SECOND)));
    let charges = book.settle(id(1), &part, at(3_599 * SECOND)).charges;
    assert_eq!((charges[0].kind, charges[0].before, charges[0].after), (Kind::Budget, 0, 60));
    let refused = short(reserve(&mut book, 2, &part, 7_200 * SECOND));
    assert_eq!((refused.kind, refused.retry_after.as_secs() / 10), (Kind::Budget, 359));
    let freed = Timestamp(7_200 * SECOND).plus(refused.retry_after);
    assert!(taken(&reserve(&mut book, 3, &part, freed.0)));
}

#[test]
fn rules_do_not_share_a_counter_by_the_spelling_of_names_and_subjects() {
    let one = Rule::new("a", Measure::Requests, window(5, 60));
    let other = Rule::new("a/requests.window.60s", Measure::Requests, window(5, 60));
    let tokens = Rule::new("a", Measure::Tokens, window(5, 60));
    let key = MeterKey::new(&one, "requests.window.60s/x");
    assert_ne!(key, MeterKey::new(&other, "x"));
    assert_ne!(key, MeterKey::new(&tokens, "requests.window.60s/x"));
    // Raising a limit keeps the counter; another length is another counter.
    let raised = Rule::new("a", Measure::Requests, window(9, 60));
    assert_eq!(MeterKey::new(&one, "x"), MeterKey::new(&raised, "x"));
    let longer = Rule::new("a", Measure::Requests, window(5, 61));
    assert_ne!(MeterKey::new(&one, "x"), MeterKey::new(&longer, "x"));
    // A caller cannot choose how much memory a key takes.
    let long = MeterKey::new(&one, &"x".repeat(100_000));
    assert!(long.as_str().len() < 150, "{}", long.as_str().len());
    assert_ne!(long, MeterKey::new(&one, &"x".repeat(100_001)));
}
