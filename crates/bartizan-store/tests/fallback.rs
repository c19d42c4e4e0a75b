//! What does each limit do while the shared store is down, and when it is back?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bartizan_core::limit::{
    Calendar, Draw, Expired, Measure, Meter, Order, Period, ReservationId, Rule, Settlement, Shape,
    Told, Unavailable, Verdict, spend_in_two,
};
use bartizan_core::time::Timestamp;
use bartizan_store::fallback::{Fallback, OnFailure};
use bartizan_store::memory::MemoryMeter;
use bartizan_testkit::meter;

/// A store that can be switched off.
#[derive(Debug, Default)]
struct Switch {
    off: AtomicBool,
    meter: MemoryMeter,
}

impl Switch {
    fn on<'a, T>(
        &self,
        answer: Told<'a, Result<T, Unavailable>>,
    ) -> Told<'a, Result<T, Unavailable>> {
        match self.off.load(Ordering::Relaxed) {
            true => Told::now(Err(Unavailable::new("switched off"))),
            false => answer,
        }
    }
}

impl Meter for Switch {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        if self.off.load(Ordering::Relaxed) {
            return Told::now(Err(Unavailable::new("switched off")));
        }
        self.meter.reserve(id, draws, deadline, now)
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        spend_in_two(self, id, draws, now)
    }

    fn depart<'a>(&'a self, id: ReservationId, at: Timestamp) -> Told<'a, Result<(), Unavailable>> {
        self.on(self.meter.depart(id, at))
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        self.on(self.meter.extend(id, deadline, now))
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        self.on(self.meter.settle(id, actual, now))
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        self.on(self.meter.expire(now))
    }
}

const NOW: Timestamp = Timestamp(1_000_000_000);

fn calls(name: &str) -> Draw {
    let shape = Shape::Window { limit: 2, length: Duration::from_secs(60) };
    Draw::new(Arc::new(Rule::new(name, Measure::Requests, shape)), "ann", 1)
}

fn money() -> Draw {
    let shape = Shape::Budget { limit: 9, period: Period::utc(Calendar::Day) };
    Draw::new(Arc::new(Rule::new("money", Measure::NanoUsd, shape)), "ann", 1)
}

fn fallback() -> (Arc<Switch>, Fallback) {
    let switch = Arc::new(Switch::default());
    let fallback = Fallback::new(Arc::clone(&switch) as Arc<_>);
    fallback.set([("open".into(), OnFailure::Open), ("local".into(), OnFailure::Local)]);
    (switch, fallback)
}

async fn reserve(meter: &Fallback, id: u128, draws: &[Draw]) -> Result<Verdict, Unavailable> {
    meter.reserve(ReservationId(id), draws, NOW.plus(Duration::from_secs(9)), NOW).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_store_is_up_it_is_the_store() {
    meter::suite(|| async { Fallback::new(Arc::new(MemoryMeter::new())) }).await;
}

#[tokio::test]
async fn each_limit_does_what_is_written_and_budgets_stay_closed() {
    let (switch, meter) = fallback();
    switch.off.store(true, Ordering::Relaxed);
    for id in 0..9 {
        let verdict = reserve(&meter, id, &[calls("open")]).await.unwrap();
        let Verdict::Taken { standings } = verdict else { panic!("{verdict:?}") };
        assert_eq!(standings.of(&[calls("open")]).len(), 1);
    }
    assert!(matches!(reserve(&meter, 10, &[calls("local")]).await, Ok(Verdict::Taken { .. })));
    assert!(matches!(reserve(&meter, 11, &[calls("local")]).await, Ok(Verdict::Taken { .. })));
    // All or nothing: the open one is told, and nothing passes.
    let short = reserve(&meter, 12, &[calls("open"), calls("local")]).await.unwrap();
    let Verdict::Short(short) = short else { panic!("{short:?}") };
    assert_eq!((&*short.name, short.standings.len()), ("local", 2));
    for closed in [calls("closed"), money()] {
        assert!(reserve(&meter, 20, &[calls("open"), closed]).await.is_err());
    }
    assert_eq!(meter.decisions(), 12);
}

#[tokio::test]
async fn what_began_without_the_store_ends_without_it() {
    let (switch, meter) = fallback();
    switch.off.store(true, Ordering::Relaxed);
    assert!(reserve(&meter, 1, &[calls("local")]).await.is_ok());
    switch.off.store(false, Ordering::Relaxed);
    assert!(meter.depart(ReservationId(1), NOW).await.is_ok());
    let settled = meter.settle(ReservationId(1), &[calls("local")], NOW).await.unwrap();
    assert_eq!(settled.order, Order::First);
    // And what began with it waits for it.
    assert!(reserve(&meter, 2, &[calls("local")]).await.is_ok());
    switch.off.store(true, Ordering::Relaxed);
    assert!(meter.depart(ReservationId(2), NOW).await.is_err());
    switch.off.store(false, Ordering::Relaxed);
    assert!(meter.depart(ReservationId(2), NOW).await.is_ok());
}

#[tokio::test]
async fn what_is_spent_at_the_door_without_the_store_counts_and_is_never_given_back() {
    let (switch, meter) = fallback();
    switch.off.store(true, Ordering::Relaxed);
    let spend = async |id: u128, draws: &[Draw], now: Timestamp| {
        meter.spend(ReservationId(id), draws, now).await
    };
    let local = [calls("local")];
    for id in 1..=2 {
        let verdict = spend(id, &local, NOW).await;
        assert!(matches!(verdict, Ok(Verdict::Taken { .. })), "{verdict:?}");
    }
    // Spent is spent: no deadline gives it back within its minute.
    let later = NOW.plus(Duration::from_secs(50));
    assert!(meter.expire(later).await.is_err(), "the store is off");
    let verdict = spend(3, &local, later).await;
    assert!(matches!(verdict, Ok(Verdict::Short(_))), "{verdict:?}");
    let verdict = spend(4, &local, NOW.plus(Duration::from_secs(61))).await;
    assert!(matches!(verdict, Ok(Verdict::Taken { .. })), "{verdict:?}");
    // What counts nowhere passes, and what must be counted does not.
    for id in 5..=9 {
        let verdict = spend(id, &[calls("open")], NOW).await;
        assert!(matches!(verdict, Ok(Verdict::Taken { .. })), "{verdict:?}");
    }
    assert!(spend(10, &[calls("open"), money()], NOW).await.is_err());
    assert!(spend(11, &[calls("closed")], NOW).await.is_err());
    // Nothing is left open here, which would be settled here when the store is back.
    switch.off.store(false, Ordering::Relaxed);
    let again = meter.settle(ReservationId(1), &local, NOW).await.unwrap();
    assert_eq!(again.order, Order::Unknown, "the store never knew it");
}
