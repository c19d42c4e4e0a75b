//! What becomes of slices when the store falters?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bartizan_core::limit::{
    Calendar, Draw, Expired, Measure, Meter, Period, ReservationId, Rule, Settlement, Shape, Told,
    Unavailable, Verdict,
};
use bartizan_core::time::Timestamp;
use bartizan_store::leased::Leased;
use bartizan_store::memory::MemoryMeter;

/// A store that takes slices, and then cannot be told that they are used.
#[derive(Debug, Default)]
struct Deaf {
    meter: MemoryMeter,
    slices: AtomicUsize,
}

const SLICES: u128 = 1 << 64;

impl Meter for Deaf {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        self.slices.fetch_add(usize::from(id.0 > SLICES), Ordering::Relaxed);
        self.meter.reserve(id, draws, deadline, now)
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        if id.0 > SLICES {
            return Told::now(Err(Unavailable::new("it hears nothing")));
        }
        self.meter.depart(id, now)
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        self.meter.extend(id, deadline, now)
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        self.meter.settle(id, actual, now)
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        self.meter.spend(id, draws, now)
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        self.meter.expire(now)
    }
}

fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "slices live by the clock of the machine")]
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_micros()).unwrap())
}

/// A slice that nobody can use must not hold money until the deadline of the longest call.
#[tokio::test]
async fn a_slice_that_cannot_be_used_goes_back_at_once() {
    let store = Arc::new(Deaf::default());
    let gate = Leased::new(Arc::clone(&store) as Arc<_>, now);
    gate.set(["money".into()]);
    let shape = Shape::Budget { limit: 1 << 20, period: Period::utc(Calendar::Month) };
    let rule = Arc::new(Rule::new("money", Measure::NanoUsd, shape));
    let draw = |amount| [Draw::new(Arc::clone(&rule), "-", amount)];
    let (begun, mut spent) = (Instant::now(), 0);
    for id in 1.. {
        let at = now();
        let verdict = gate.reserve(ReservationId(id), &draw(1), at.plus(HOUR), at).await;
        assert!(matches!(verdict, Ok(Verdict::Taken { .. })), "{verdict:?}");
        gate.settle(ReservationId(id), &draw(1), at).await.unwrap();
        spent += 1;
        if store.slices.load(Ordering::Relaxed) >= 3 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no slice is asked for");
        tokio::task::yield_now().await;
    }
    let rest = draw((1 << 20) - spent);
    let id = ReservationId(SLICES - 1);
    while !matches!(
        gate.reserve(id, &rest, now().plus(HOUR), now()).await,
        Ok(Verdict::Taken { .. })
    ) {
        assert!(begun.elapsed() < Duration::from_secs(30), "a slice holds what nobody can use");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const HOUR: Duration = Duration::from_secs(3_600);
