//! Does all or nothing hold for limits and budgets together, though two meters count them?

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::limit::{
    Calendar, Draw, Expired, Measure, Meter, Period, ReservationId, Rule, Settlement, Shape, Told,
    Unavailable, Verdict, spend_in_two,
};
use bartizan_core::time::Timestamp;
use bartizan_store::SplitMeter;
use bartizan_store::memory::MemoryMeter;
use bartizan_store::sqlite::Sqlite;

const SECOND: u64 = 1_000_000;
const START: u64 = 1_795_000_000 * SECOND;

fn at(seconds: u64) -> Timestamp {
    Timestamp(START + seconds * SECOND)
}

/// A place of one, a call of two in a minute, and so much money of a hundred.
fn draws(amount: u64) -> [Draw; 3] {
    let minute = Duration::from_secs(60);
    let rule = |name: &str, measure, shape| Arc::new(Rule::new(name, measure, shape));
    let money = Shape::Budget { limit: 100, period: Period::utc(Calendar::Day) };
    [
        Draw::new(rule("money", Measure::NanoUsd, money), "ann", amount),
        Draw::new(rule("place", Measure::Concurrent, Shape::Concurrency { limit: 1 }), "ann", 1),
        Draw::new(
            rule("calls", Measure::Requests, Shape::Window { limit: 2, length: minute }),
            "ann",
            1,
        ),
    ]
}

async fn reserve(meter: &dyn Meter, number: u128, amount: u64) -> Result<Verdict, Unavailable> {
    meter.reserve(ReservationId(number), &draws(amount), at(30), at(0)).await
}

/// A meter for budgets that is down, or says nothing.
#[derive(Debug)]
enum Failing {
    Down,
    Silent,
}

impl Failing {
    fn answer<'a, T: Send + 'a>(&self) -> Told<'a, Result<T, Unavailable>> {
        match self {
            Self::Down => Told::now(Err(Unavailable::new("down"))),
            Self::Silent => Told::later(std::future::pending()),
        }
    }
}

impl Meter for Failing {
    fn reserve<'a>(
        &'a self,
        _: ReservationId,
        _: &'a [Draw],
        _: Timestamp,
        _: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        self.answer()
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        spend_in_two(self, id, draws, now)
    }

    fn depart<'a>(&'a self, _: ReservationId, _: Timestamp) -> Told<'a, Result<(), Unavailable>> {
        self.answer()
    }

    fn extend<'a>(
        &'a self,
        _: ReservationId,
        _: Timestamp,
        _: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        self.answer()
    }

    fn settle<'a>(
        &'a self,
        _: ReservationId,
        _: &'a [Draw],
        _: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        self.answer()
    }

    fn expire(&self, _: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        self.answer()
    }
}

#[tokio::test]
async fn what_a_budget_refuses_the_limits_get_back() {
    let meter = SplitMeter::new(Arc::new(MemoryMeter::new()), Arc::new(MemoryMeter::new()));
    for number in 1..=5 {
        let Verdict::Short(short) = reserve(&meter, number, 101).await.unwrap() else {
            panic!("more than the budget was taken");
        };
        assert_eq!(&*short.name, "money");
    }
    let Verdict::Taken { standings } = reserve(&meter, 6, 60).await.unwrap() else {
        panic!("refusals have used up the limits");
    };
    let standings = standings.of(&[]);
    let left: Vec<_> = standings.iter().map(|one| (&*one.name, one.remaining)).collect();
    assert_eq!(left, [("money", 40), ("place", 0), ("calls", 1)]);
    // What the limits refuse costs no money.
    assert!(matches!(reserve(&meter, 7, 1).await.unwrap(), Verdict::Short(_)));
    let settled = meter.settle(ReservationId(6), &draws(0), at(1)).await.unwrap();
    assert_eq!(settled.charges.len(), 1);
    assert!(matches!(reserve(&meter, 8, 100).await.unwrap(), Verdict::Taken { .. }));
}

#[tokio::test]
async fn a_call_that_departed_has_departed_for_both() {
    let meter = SplitMeter::new(Arc::new(MemoryMeter::new()), Arc::new(MemoryMeter::new()));
    reserve(&meter, 1, 60).await.unwrap();
    meter.depart(ReservationId(1), at(1)).await.unwrap();
    let expired = meter.expire(at(31)).await.unwrap();
    assert!(expired.iter().all(|one| one.departed) && expired.len() == 2, "{expired:?}");
    let charged: Vec<_> = expired.iter().flat_map(|one| &one.charges).map(|c| c.after).collect();
    assert_eq!(charged, [60]);
}

#[tokio::test]
async fn a_budget_that_cannot_be_asked_refuses_and_holds_no_place() {
    let limits = Arc::new(MemoryMeter::new());
    for (number, failing) in [(1, Failing::Down), (2, Failing::Down), (3, Failing::Down)] {
        let meter = SplitMeter::new(Arc::clone(&limits) as Arc<_>, Arc::new(failing));
        assert!(reserve(&meter, number, 1).await.is_err());
    }
    let whole = SplitMeter::new(limits, Arc::new(MemoryMeter::new()));
    assert!(matches!(reserve(&whole, 9, 1).await.unwrap(), Verdict::Taken { .. }));
}

#[tokio::test]
async fn a_client_that_hangs_up_while_a_budget_is_asked_holds_no_place() {
    let limits = Arc::new(MemoryMeter::new());
    let silent = SplitMeter::new(Arc::clone(&limits) as Arc<_>, Arc::new(Failing::Silent));
    let asked = reserve(&silent, 1, 1);
    assert!(tokio::time::timeout(Duration::from_millis(5), asked).await.is_err());
    // Given back by a task of its own: it has run when this one has waited for its turn.
    let whole = SplitMeter::new(limits, Arc::new(MemoryMeter::new()));
    for number in 2..1_000 {
        if matches!(reserve(&whole, number, 1).await.unwrap(), Verdict::Taken { .. }) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the place is held by nobody");
}

#[tokio::test]
async fn what_a_client_that_hung_up_had_asked_both_for_comes_back_from_both() {
    let folder = tempfile::tempdir().unwrap();
    let patience = Duration::from_secs(90);
    let path = folder.path().join("bartizan.db");
    let budgets = Sqlite::open_with(path, patience).await.unwrap().meter();
    let meter = SplitMeter::new(Arc::new(MemoryMeter::new()), Arc::new(budgets));
    bartizan_testkit::meter::gives_back_what_nobody_waits_for(&meter).await;
}
