//! What did it really cost? Settles the journey when its answer has ended, however it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::audit::{Note, Outcome, Receipt};
use bartizan_core::exchange::{Departure, Journey, Refused, Release};
use bartizan_core::limit::permit::Returns;
use bartizan_core::limit::{Draw, Meter, ReservationId, Settlement, Unavailable, Verdict};
use bartizan_core::mask::{Detection, Profile, Vault};
use bartizan_core::problem::closing::Closing;
use bartizan_core::refusal::Refusal;
use bartizan_core::settle::Spent;
use bartizan_core::validate::Listener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::body::Body;
use crate::clock;
use crate::presence::Presence;
use crate::resting::Resting;

mod heartbeat;

use heartbeat::Heartbeat;

/// The eighth stage: what was reserved becomes what was used.
#[derive(Clone, Debug)]
pub struct Settle(Arc<Desk>);

/// Where settlements are handed in.
#[derive(Debug)]
struct Desk {
    meter: Arc<dyn Meter>,
    /// For those who cannot wait: a body that is dropped.
    later: mpsc::Sender<Release>,
    heartbeat: Arc<Heartbeat>,
}

/// How many settlements may wait. Beyond that a reservation runs into its deadline, which
/// charges it in full: the budget never loses.
const QUEUE: usize = 4096;

/// The worker that settles for those who cannot wait, and extends the reservations of those who are
/// still away. It ends when the road is gone and the
/// queue is empty.
#[derive(Debug)]
pub struct Settler {
    meter: Arc<dyn Meter>,
    queue: mpsc::Receiver<Release>,
    heartbeat: Arc<Heartbeat>,
}

impl Settle {
    /// A stage, and the worker to be run beside it. `settle_timeout` is how much longer than its
    /// answer may take to begin a reservation stands.
    #[must_use]
    pub fn new(meter: Arc<dyn Meter>, settle_timeout: Duration) -> (Self, Settler) {
        let (later, queue) = mpsc::channel(QUEUE);
        let heartbeat = Arc::new(Heartbeat::new(settle_timeout));
        let desk = Desk { meter: Arc::clone(&meter), later, heartbeat: Arc::clone(&heartbeat) };
        (Self(Arc::new(desk)), Settler { meter, queue, heartbeat })
    }

    /// Settles, and waits for it.
    /// What the meter cannot settle now is tried again: only then is it charged as it was used.
    pub async fn now(&self, release: Option<Release>) {
        if let Some(release) = release
            && let Err(release) = settle(&*self.0.meter, release).await
        {
            self.soon(Some(release));
        }
    }

    /// Settles soon, without waiting.
    fn soon(&self, release: Option<Release>) {
        let Some(release) = release else { return };
        if let Err(error) = self.0.later.try_send(release) {
            tracing::error!(%error, "a settlement was not taken; its reservation is charged in full");
        }
    }
}

impl Returns for Settle {
    fn take_back(&self, id: ReservationId, actual: Vec<Draw>) {
        self.soon(Some(Release { id, actual }));
    }
}

/// How long it waits before it tries again what the meter could not settle.
const AGAIN: Duration = Duration::from_secs(1);

impl Settler {
    /// Settles what is handed over until nobody can hand over any more; from `closing` on nobody
    /// can, and what waits is settled. What the meter cannot settle waits until it can: a late
    /// word corrects what the deadline has charged meanwhile.
    pub async fn run(self, closing: CancellationToken) {
        let (heartbeat, meter) = (Arc::clone(&self.heartbeat), Arc::clone(&self.meter));
        // In its own time: a settlement that waits for the meter holds up no heartbeat.
        tokio::select! {
            () = self.settle_all(closing) => {}
            () = heartbeat.run(&meter) => {}
        }
    }

    async fn settle_all(mut self, closing: CancellationToken) {
        let mut unsettled: VecDeque<Release> = VecDeque::new();
        loop {
            let release = tokio::select! {
                release = self.queue.recv() => release,
                () = tokio::time::sleep(AGAIN), if !unsettled.is_empty() => {
                    self.retry(&mut unsettled).await;
                    continue;
                }
                () = closing.cancelled(), if !self.queue.is_closed() => {
                    self.queue.close();
                    continue;
                }
            };
            let Some(release) = release else { break };
            match settle(&*self.meter, release).await {
                // The meter answers: what waits need not wait longer.
                Ok(()) => self.retry(&mut unsettled).await,
                Err(release) => unsettled.push_back(release),
            }
            // A gateway that stops does not try them one by one on a meter that does not answer.
            while self.queue.is_closed()
                && !unsettled.is_empty()
                && let Ok(release) = self.queue.try_recv()
            {
                unsettled.push_back(release);
            }
            if unsettled.len() > QUEUE {
                unsettled.pop_front();
                tracing::error!("a settlement is given up; its reservation is charged in full");
            }
        }
        self.retry(&mut unsettled).await;
        if !unsettled.is_empty() {
            let many = unsettled.len();
            tracing::error!(many, "not settled: their reservations run to their deadlines");
        }
    }

    /// Settles what waits, until the meter fails again.
    async fn retry(&self, unsettled: &mut VecDeque<Release>) {
        while let Some(release) = unsettled.pop_front() {
            if let Err(release) = settle(&*self.meter, release).await {
                unsettled.push_front(release);
                return;
            }
        }
    }
}

/// Settles, or gives it back to be settled later.
async fn settle(meter: &dyn Meter, release: Release) -> Result<(), Release> {
    let Release { id, actual } = &release;
    match meter.settle(*id, actual, clock::now()).await {
        Ok(Settlement { charges, .. }) => {
            for charge in charges.iter().filter(|charge| charge.overdraft() > 0) {
                let (limit, by) = (&charge.name, charge.overdraft());
                tracing::warn!(%limit, by, "overdrawn: more was used than was reserved");
            }
            Ok(())
        }
        Err(error) => {
            tracing::warn!(%error, "not settled yet: it is tried again");
            Err(release)
        }
    }
}

/// A journey that cannot be forgotten: dropped, it is settled and closed all the same.
#[derive(Debug)]
pub struct Away(Box<Trip>);

/// In a box, because it moves with the answer.
#[derive(Debug)]
struct Trip {
    journey: Option<Journey>,
    /// What is kept alive as long as this.
    reservation: Option<ReservationId>,
    settle: Settle,
    /// Whether the call is in nobody's hand.
    resting: Option<Resting>,
    /// Asked at the end of a call that goes on without its client.
    client: Option<Presence>,
    /// The status that the client has seen.
    status: Option<u16>,
    spent: Spent,
    /// Whether the last word of the answer has gone out: whoever goes then has heard it all.
    told: bool,
}

impl Away {
    pub(crate) fn new(journey: Journey, settle: Settle) -> Self {
        let (reservation, spent) = (journey.reservation(), Spent::Unknown);
        if let Some(id) = reservation {
            settle.0.heartbeat.begin(id, journey.endpoint().timeout);
        }
        let (journey, client, status, told) = (Some(journey), None, None, false);
        let resting = None;
        Self(Box::new(Trip { journey, reservation, settle, resting, client, status, spent, told }))
    }

    /// Knows from here on whether the call is in hand, where something is reserved for it.
    pub(crate) fn watch(&mut self, departure: &mut Departure<Body>) {
        self.0.resting = self.0.reservation.map(|_| Resting::watch(departure));
    }

    /// Goes on without its client.
    pub(crate) fn outlives(&mut self, client: Presence) {
        self.0.client = Some(client);
    }

    /// The client sees the head of the answer now.
    pub(crate) fn answered(&mut self, status: u16) {
        self.0.status = Some(status);
    }

    /// Who listens to the answer, to be taken once.
    pub(crate) fn take_listener(&mut self) -> Option<Listener> {
        self.0.journey.as_mut()?.take_listener()
    }

    /// What the call used is known now.
    pub(crate) fn used(&mut self, spent: Spent) {
        self.0.spent = spent;
    }

    /// Another model was asked for in place of the one that the call names.
    pub(crate) fn asked_instead(&mut self, model: Arc<str>) {
        if let Some(journey) = &mut self.0.journey {
            journey.asked_instead(model);
        }
    }

    pub(crate) fn journey(&self) -> Option<&Journey> {
        self.0.journey.as_ref()
    }

    pub(crate) fn profile(&self) -> Profile {
        self.journey().map(|journey| journey.profile().clone()).unwrap_or_default()
    }

    /// What was put aside of the request, and belongs into the answer.
    pub(crate) fn vault(&self) -> Option<Arc<Vault>> {
        self.journey().and_then(Journey::vault).cloned()
    }

    pub(crate) fn note(&self, note: Note) {
        if let Some(journey) = self.journey() {
            journey.note(note, clock::now());
        }
    }

    pub(crate) fn detected(&self, detections: &[Detection]) {
        if let Some(journey) = self.journey().filter(|_| !detections.is_empty()) {
            journey.detected(detections, clock::now());
        }
    }

    /// Notes that the answer holds what must not pass.
    pub(crate) fn blocked(&self, detections: &[Detection]) {
        if let Some(journey) = self.journey() {
            journey.blocked(detections, clock::now());
        }
    }

    /// The answer went out whole, or came to its end without its client: settles, and closes the
    /// exchange.
    pub(crate) async fn end(mut self) -> Receipt {
        let trip = &mut *self.0;
        let release = trip.journey.as_ref().and_then(|journey| journey.release(&trip.spent));
        // Dropped while it waits, it is settled once more: the meter knows it by its id.
        trip.settle.now(release).await;
        let Some(journey) = trip.journey.take() else { return Receipt::Done };
        let now = clock::now();
        if trip.client.as_ref().is_some_and(Presence::is_gone) {
            journey.break_off(Outcome::Abandoned, trip.status, &trip.spent, now);
            return Receipt::Done;
        }
        journey.end(trip.status.unwrap_or_default(), &trip.spent, now)
    }

    /// The last word of the answer has gone out. Many clients go then, and do not wait for the end of it.
    pub(crate) fn told(&mut self) {
        self.0.told = true;
    }

    /// The call has become a conversation, which does not outlive its client.
    pub(crate) fn stays_with_its_client(&mut self) {
        self.0.client = None;
    }

    /// Notes what was found in what the client has sent since the request.
    pub(crate) fn detected_on_the_way_in(&self, detections: &[Detection]) {
        if let Some(journey) = self.journey() {
            journey.detected_on_the_way_in(detections, clock::now());
        }
    }

    /// Takes what is never given back.
    pub(crate) async fn spend(&self, draws: &[Draw]) -> Result<Verdict, Unavailable> {
        let id = ReservationId(clock::chance());
        self.0.settle.0.meter.spend(id, draws, clock::now()).await
    }

    /// The conversation may not go on: settles, closes the exchange, and words it for the client.
    pub(crate) async fn hang_up(self, refusal: Refusal) -> Option<(Closing, Receipt)> {
        let settle = self.0.settle.clone();
        let mut refused = self.refuse(refusal)?;
        settle.now(refused.take_release()).await;
        Some(refused.hang_up(clock::now()))
    }

    /// No answer may pass: hands the exchange over to be refused, and settled as it is.
    pub(crate) fn refuse(mut self, refusal: Refusal) -> Option<Refused> {
        let journey = self.0.journey.take()?;
        Some(journey.refuse(refusal, &self.0.spent))
    }

    /// The answer broke off on the way.
    pub(crate) fn fail(mut self) {
        self.break_off(Outcome::Error);
    }

    fn break_off(&mut self, outcome: Outcome) {
        let trip = &mut *self.0;
        if let Some(journey) = trip.journey.take() {
            trip.settle.soon(journey.release(&trip.spent));
            journey.break_off(outcome, trip.status, &trip.spent, clock::now());
        }
    }
}

impl Drop for Trip {
    fn drop(&mut self) {
        if let Some(id) = self.reservation {
            self.settle.0.heartbeat.end(id);
        }
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        if self.0.resting.as_ref().is_some_and(Resting::is_on) {
            self.0.spent = Spent::Nothing;
        }
        if !self.0.told {
            return self.break_off(Outcome::Abandoned);
        }
        let trip = &mut *self.0;
        if let Some(journey) = trip.journey.take() {
            trip.settle.soon(journey.release(&trip.spent));
            // Nobody is left to hear that it is on record.
            let _ = journey.end(trip.status.unwrap_or_default(), &trip.spent, clock::now());
        }
    }
}
