//! Which calls still live? Their reservations are extended, so that only those of a gateway that
//! died run out.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::id::ChanceMap;
use bartizan_core::limit::{Meter, ReservationId};
use bartizan_core::time::Timestamp;
use futures_util::StreamExt as _;
use parking_lot::Mutex;

use crate::clock;

/// The calls that are away with something reserved.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// How much longer than its answer may take to begin a reservation stands.
    settle_timeout: Duration,
    calls: Mutex<ChanceMap<ReservationId, Beat>>,
}

#[derive(Clone, Copy, Debug)]
struct Beat {
    /// How long its reservation stands.
    life: Duration,
    next: Timestamp,
}

/// How many calls are kept alive. Beyond that a reservation runs into its deadline.
const MOST: usize = 1 << 17;
/// How many reservations are extended at once.
const AT_ONCE: usize = 64;

impl Heartbeat {
    pub(super) fn new(settle_timeout: Duration) -> Self {
        Self { settle_timeout, calls: Mutex::default() }
    }

    /// A call lives, whose answer may take so long to begin.
    pub(super) fn begin(&self, id: ReservationId, timeout: Duration) {
        let life = timeout + self.settle_timeout;
        let mut calls = self.calls.lock();
        if calls.len() < MOST {
            calls.insert(id, Beat { life, next: clock::now().plus(life / 3) });
        }
    }

    /// It lives no more: it is settled by now, or handed over to be.
    pub(super) fn end(&self, id: ReservationId) {
        self.calls.lock().remove(&id);
    }

    /// Beats until it is dropped: every reservation when a third of its time is over, so that two
    /// more tries fit in before its deadline should the meter not answer.
    pub(super) async fn run(&self, meter: &Arc<dyn Meter>) {
        let pause = (self.settle_timeout / 12).clamp(Duration::from_millis(20), LONGEST_PAUSE);
        loop {
            tokio::time::sleep(pause).await;
            let due = futures_util::stream::iter(self.due(clock::now()));
            due.for_each_concurrent(AT_ONCE, |(id, beat)| self.extend(&**meter, id, beat)).await;
        }
    }

    fn due(&self, now: Timestamp) -> Vec<(ReservationId, Beat)> {
        let calls = self.calls.lock();
        calls.iter().filter(|(_, beat)| beat.next <= now).map(|(id, beat)| (*id, *beat)).collect()
    }

    async fn extend(&self, meter: &dyn Meter, id: ReservationId, beat: Beat) {
        let now = clock::now();
        match meter.extend(id, now.plus(beat.life), now).await {
            Ok(true) => {
                if let Some(beat) = self.calls.lock().get_mut(&id) {
                    beat.next = now.plus(beat.life / 3);
                }
            }
            // Settled at this moment; or it ran out while the meter could not be asked.
            Ok(false) => self.end(id),
            Err(error) => tracing::warn!(%error, "a reservation was not extended: tried again"),
        }
    }
}

/// However long reservations stand, they are looked at so often.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
