//! What may they do here? Asks the policy.

use std::sync::Arc;

use bartizan_core::authorize::Policy;
use bartizan_core::exchange::{Authenticated, Authorized, Exchange, Refused};

use crate::stage::Stage;

/// The third stage.
#[derive(Clone, Debug)]
pub struct Authorize {
    pub(crate) policy: Arc<Policy>,
}

impl<B: Send> Stage<Exchange<Authenticated<B>>> for Authorize {
    type Out = Exchange<Authorized<B>>;

    async fn pass(&self, exchange: Exchange<Authenticated<B>>) -> Result<Self::Out, Refused> {
        exchange.authorize(&self.policy)
    }
}
