//! Is there room at the door? Routes the request and takes the limits by address.

use std::sync::Arc;

use bartizan_core::authorize::Policy;
use bartizan_core::exchange::{Admitted, Exchange, Received, Refused};
use bartizan_core::limit::{Meter, ReservationId, Standings, Verdict};

use crate::clock;
use crate::stage::Stage;

/// The first stage.
#[derive(Clone, Debug)]
pub struct Admit {
    pub(crate) policy: Arc<Policy>,
    pub(crate) meter: Arc<dyn Meter>,
}

impl<B: Send> Stage<Exchange<Received<B>>> for Admit {
    type Out = Exchange<Admitted<B>>;

    async fn pass(&self, exchange: Exchange<Received<B>>) -> Result<Self::Out, Refused> {
        let exchange = exchange.route(&self.policy)?;
        let draws = exchange.door_draws();
        if draws.is_empty() {
            return exchange.admit(&[], Ok(Verdict::Taken { standings: Standings::default() }));
        }
        let (id, now) = (ReservationId(clock::chance()), exchange.now());
        // A draw at the door is never given back.
        let verdict = self.meter.spend(id, &draws, now).await;
        exchange.admit(&draws, verdict)
    }
}
