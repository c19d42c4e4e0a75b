//! Sends the call to its handler. Nothing but an `Exchange<Agreed>` can be sent:
//!
//! ```compile_fail,E0308
//! # use bartizan::{body::Body, core::exchange::{Arrival, Exchange}, forward::Forward};
//! # async fn f(forward: Forward, request: http::Request<Body>, arrival: Arrival,
//! #     trail: std::sync::Arc<dyn bartizan::core::audit::Trail>) {
//! let stranger = Exchange::open(request, arrival, trail);
//! let _ = forward.send(stranger).await; // expected `Exchange<Agreed<Body>>`, found `Exchange<Received<Body>>`
//! # }
//! ```

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::exchange::{Agreed, Departure, Exchange, Journey, Refused};
use bartizan_core::limit::Meter;
use bartizan_core::refusal::Refusal;
use futures_util::FutureExt as _;

use crate::body::Body;
use crate::handler::{Answer, Failure, Handler, Work};
use crate::owed::Owed;
use crate::settle::{Away, Settle};
use crate::stage::Stage;

/// The eighth stage: the call departs, and an answer comes back.
#[derive(Clone, Debug)]
pub struct Forward {
    /// By the index of their endpoint.
    pub(crate) handlers: Arc<[Arc<dyn Handler>]>,
    pub(crate) meter: Arc<dyn Meter>,
    pub(crate) settle: Settle,
}

/// An answer that has come back, and the journey that is to be settled.
#[derive(Debug)]
pub struct Returned {
    pub(crate) answer: Result<Answer, Failure>,
    pub(crate) away: Away,
}

impl Stage<Exchange<Agreed<Body>>> for Forward {
    type Out = Returned;

    fn pass(
        &self,
        exchange: Exchange<Agreed<Body>>,
    ) -> impl Future<Output = Result<Returned, Refused>> + Send {
        self.send(exchange)
    }
}

impl Forward {
    /// Announces the call, sends it, and waits for the answer to begin.
    ///
    /// # Errors
    /// Refused where what is about to happen cannot be put on record.
    pub async fn send(&self, exchange: Exchange<Agreed<Body>>) -> Result<Returned, Refused> {
        let (mut departure, journey) = self.depart(exchange).await?;
        let mut away = Away::new(journey, self.settle.clone());
        away.watch(&mut departure);
        let Some(handler) = self.handlers.get(departure.endpoint.index) else {
            return Ok(Returned { answer: Err(failed()), away });
        };
        let (patience, owed) = (departure.endpoint.timeout, Owed::watch(&mut departure));
        Ok(Returned { answer: answer(begin(&**handler, departure), patience, owed).await, away })
    }

    async fn depart(
        &self,
        exchange: Exchange<Agreed<Body>>,
    ) -> Result<(Departure<Body>, Journey), Refused> {
        let now = exchange.now();
        let (exchange, receipt) = exchange.announce();
        let announced = receipt.durable().await;
        let departed = match exchange.reservation() {
            Some(id) if announced.is_ok() => self.meter.depart(id, now).await,
            Some(_) | None => Ok(()),
        };
        exchange.depart(announced, departed)
    }
}

/// The handler at work. One that panics fails, and nobody else notices.
fn begin(handler: &dyn Handler, departure: Departure<Body>) -> Result<Work, Failure> {
    catch_unwind(AssertUnwindSafe(|| handler.answer(departure))).map_err(|_panic| panicked())
}

/// What the handler answers, in its time. Where it still waits for its client when that is over, the
/// client is too slow, and nobody behind it.
async fn answer(
    work: Result<Work, Failure>,
    patience: Duration,
    owed: Option<Owed>,
) -> Result<Answer, Failure> {
    let work = AssertUnwindSafe(work?).catch_unwind();
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panic)) => Err(panicked()),
        Err(_elapsed) => Err(Failure::too_slow(owed)),
    }
}

fn panicked() -> Failure {
    tracing::error!("a handler panicked");
    failed()
}

fn failed() -> Failure {
    Failure { refusal: Refusal::Failed, departed: true }
}
