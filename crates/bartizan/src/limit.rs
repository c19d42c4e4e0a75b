//! Is there room and money for it? Takes the draws from the meter.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::exchange::{Exchange, Permitted, Refused, Validated};
use bartizan_core::limit::permit::{Demand, Returns};
use bartizan_core::limit::{Meter, ReservationId, Standings, Verdict};

use crate::clock;
use crate::stage::Stage;

/// The fifth stage.
#[derive(Clone, Debug)]
pub struct Limit {
    pub(crate) meter: Arc<dyn Meter>,
    /// Who takes back what was reserved for a call that never departs.
    pub(crate) returns_to: Arc<dyn Returns>,
    /// How much longer than its answer may take to begin a reservation stands, before it is charged
    /// or given back by itself.
    pub(crate) settle_timeout: Duration,
}

impl<B: Send> Stage<Exchange<Validated<B>>> for Limit {
    type Out = Exchange<Permitted<B>>;

    async fn pass(&self, exchange: Exchange<Validated<B>>) -> Result<Self::Out, Refused> {
        let (exchange, demand) = exchange.demand()?;
        let (id, now) = (ReservationId(clock::chance()), exchange.now());
        let verdict = match &demand {
            Demand::ForGood(draws) if draws.is_empty() => {
                Ok(Verdict::Taken { standings: Standings::default() })
            }
            Demand::ForGood(draws) => self.meter.spend(id, draws, now).await,
            Demand::Reserved(draws) => {
                let deadline = now.plus(exchange.grant().endpoint().timeout + self.settle_timeout);
                self.meter.reserve(id, draws, deadline, now).await
            }
        };
        exchange.permit(id, demand, verdict, Arc::clone(&self.returns_to))
    }
}
