//! What must a store do for limits?

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Draw, Kind, Measure, MeterKey, Verdict};
use crate::seam::BoxFuture;
use crate::time::Timestamp;

/// What a meter answers: at once where it has everything at hand, later where it must ask.
pub enum Told<'a, T> {
    /// At once; taken by the first poll.
    Now(Option<T>),
    /// Later.
    Later(BoxFuture<'a, T>),
}

impl<'a, T> Told<'a, T> {
    /// An answer that is known.
    pub fn now(answer: T) -> Self {
        Self::Now(Some(answer))
    }

    /// An answer that must be waited for.
    pub fn later(answer: impl Future<Output = T> + Send + 'a) -> Self {
        Self::Later(Box::pin(answer))
    }
}

impl<T: Unpin> Future for Told<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Self::Now(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Self::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for Told<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

/// Counters that several gates may share. This is the whole of what a store must do for limits.
///
/// The life of a reservation: `reserve` → `depart` → `settle`, with as many `extend` in between as
/// the call takes. One whose deadline passes expires:
/// if it had departed it is charged in full, since somebody bills the call; if not, it is given
/// back. A gate that wants crashed calls given back never calls `depart`.
///
/// `now` is the clock of embedded meters; a shared one uses its own. None follows a clock that
/// goes back. `bartizan-testkit` holds the suite that every meter passes.
pub trait Meter: Send + Sync + fmt::Debug {
    /// Takes every draw, or none. Draws on the same key count together.
    ///
    /// Idempotent by id: asked again while the reservation is open, the answer is `Taken` and
    /// nothing more is taken.
    ///
    /// Whoever asked may hang up: where the answer is dropped before it was ready, and after it was
    /// polled, the meter itself gives back what was taken or is about to be. Only it knows whether
    /// the reservation has been made, so only it can do so in the right order.
    ///
    /// # Errors
    /// [`Unavailable`] if the meter cannot be reached, has no memory for another counter or
    /// reservation, or has closed this id already. The road treats it as a refusal.
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>>;

    /// Marks the call as sent: from now on an expiry is charged.
    ///
    /// # Errors
    /// [`Unavailable`] if the meter cannot be reached, or the reservation is not open any more:
    /// then the call must not be sent, nothing stands behind it.
    fn depart<'a>(&'a self, id: ReservationId, now: Timestamp)
    -> Told<'a, Result<(), Unavailable>>;

    /// Moves the deadline of an open reservation to `deadline`, if that is later: the call behind it
    /// still lives. False where it is not open any more: what expired or was settled is never
    /// opened again.
    ///
    /// Idempotent by id.
    ///
    /// # Errors
    /// [`Unavailable`] if the meter cannot be reached: the deadline then stands as it did.
    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>>;

    /// What was used so far of an open reservation that outlives those who draw on it: it is charged,
    /// so that what it comes to is told, and the rest stays reserved. `used` counts from the
    /// beginning, and so does what is settled in the end.
    ///
    /// Idempotent. A meter whose charges nobody waits for may leave all of it to settling, as this
    /// does.
    ///
    /// # Errors
    /// [`Unavailable`] if the meter cannot be reached: it may be charged all the same.
    fn report<'a>(
        &'a self,
        _id: ReservationId,
        _used: &'a [Draw],
        _now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        Told::now(Ok(Settlement { order: Order::Unknown, charges: Vec::new() }))
    }

    /// What it really was; [`super::actual_draws`] works it out. A reserved draw that `actual`
    /// does not name stays as it stands: charged in full. One that was not reserved is not looked
    /// at.
    ///
    /// Idempotent by id. Of settling and expiring the first wins, the later becomes a correction.
    ///
    /// # Errors
    /// [`Unavailable`] if the meter cannot be reached: the reservation then runs into its deadline.
    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>>;

    /// Takes every draw for good, or none: reserved and settled as it is. For what is never given
    /// back, such as a limit at the door. Not idempotent: `id` is used once.
    ///
    /// A store of which each call is a round trip does it in one; any other may use
    /// [`spend_in_two`].
    ///
    /// # Errors
    /// [`Unavailable`] as for [`Meter::reserve`]; it may have been taken all the same.
    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>>;

    /// Closes what has run out of time, and tells what closed since it was asked last: for the log
    /// and the alarms. The other calls close some of it in passing, so limits do not depend on
    /// this being called; a caller asks every few seconds.
    ///
    /// # Errors
    /// [`Unavailable`] if the meter cannot be reached.
    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>>;
}

/// What is settled at once stands so long, should that fail: until then nobody else who shares the
/// meter may find its time over, and give it back to a third.
const AT_ONCE: Duration = Duration::from_secs(30);

/// [`Meter::spend`] by two calls of the same meter.
pub fn spend_in_two<'a>(
    meter: &'a dyn Meter,
    id: ReservationId,
    draws: &'a [Draw],
    now: Timestamp,
) -> Told<'a, Result<Verdict, Unavailable>> {
    Told::later(async move {
        let verdict = meter.reserve(id, draws, now.plus(AT_ONCE), now).await?;
        if matches!(verdict, Verdict::Taken { .. }) {
            meter.settle(id, draws, now).await?;
        }
        Ok(verdict)
    })
}

/// Which reservation. Chosen by the gate, unguessable and never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReservationId(pub u128);

/// What settling did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settlement {
    /// Was it the first word on this reservation?
    pub order: Order,
    /// What budgets were charged, and which other limits were overdrawn. Of a late word only what
    /// it changed: a period that is over is not changed any more.
    pub charges: Vec<Charge>,
}

/// Which word on a reservation this was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Order {
    /// The first: the reservation was open.
    First,
    /// It had expired: what expiry did was corrected.
    Late,
    /// It had been settled: nothing was done.
    Repeated,
    /// It was never made, or closed so long ago that it is forgotten: nothing was done.
    Unknown,
}

/// A charge to one counter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// The counter.
    pub key: MeterKey,
    /// The rule's name.
    pub name: Arc<str>,
    /// What is counted.
    pub measure: Measure,
    /// Which kind of promise it is.
    pub kind: Kind,
    /// How much the rule allows.
    pub limit: u64,
    /// How much had been reserved.
    pub reserved: u64,
    /// How much it really was.
    pub actual: u64,
    /// What stood settled before this charge.
    pub before: u64,
    /// What stands settled after it.
    pub after: u64,
    /// The start of the period that it belongs to; where a budget rolls, when it was reserved.
    pub period: Timestamp,
}

impl Charge {
    /// By how much what is settled passes the limit. Recorded, alarmed, and blocking until the
    /// period ends.
    #[must_use]
    pub fn overdraft(&self) -> u64 {
        self.after.saturating_sub(self.limit)
    }

    /// Did this charge carry the counter to `percent` of its limit? In a calendar
    /// period every threshold is crossed once: the meter decides the order of charges.
    #[must_use]
    pub fn crosses(&self, percent: u8) -> bool {
        let threshold = u128::from(self.limit) * u128::from(percent);
        let reaches = |spent: u64| spent > 0 && u128::from(spent) * 100 >= threshold;
        reaches(self.after) && !reaches(self.before)
    }
}

/// A reservation whose deadline passed before it was settled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expired {
    /// Which one.
    pub id: ReservationId,
    /// The call had departed: it was charged in full. Otherwise it was given back.
    pub departed: bool,
    /// What budgets were charged, and which other limits were overdrawn.
    pub charges: Vec<Charge>,
}

/// The meter cannot answer; closed by default.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("the meter cannot answer: {reason}")]
pub struct Unavailable {
    /// Why, for the operator. Never for the client.
    pub reason: String,
    /// How long it will last, where that is known: the client is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

impl Unavailable {
    /// Cannot answer, because.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_after: None }
    }

    /// The same, which lasts so long.
    #[must_use]
    pub fn lasts(self, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..self }
    }
}
