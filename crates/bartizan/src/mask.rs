//! What must not leave? Screens the call, and asks the developer's own checks.

use std::sync::Arc;

use bartizan_core::exchange::{Exchange, Masked, Permitted, Refused};
use bartizan_core::refusal::Objection;

use crate::hook::{Hook, Look};
use crate::stage::Stage;

/// The sixth stage.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// In the order in which they are asked.
    pub hooks: Arc<[Arc<dyn Hook>]>,
}

impl<B: Send> Stage<Exchange<Permitted<B>>> for Mask {
    type Out = Exchange<Masked<B>>;

    async fn pass(&self, exchange: Exchange<Permitted<B>>) -> Result<Self::Out, Refused> {
        let exchange = exchange.mask()?;
        if self.hooks.is_empty() {
            return Ok(exchange);
        }
        let (grant, body) = (exchange.grant().clone(), exchange.bytes());
        let look = Look { caller: grant.caller(), endpoint: grant.endpoint(), body: &body };
        for hook in &*self.hooks {
            let asked = tokio::time::timeout(look.endpoint.timeout, hook.before(look)).await;
            // A check that does not answer has not said yes.
            if let Err(objection) = asked.unwrap_or(Err(Objection::default())) {
                return Err(exchange.object(hook.name(), objection));
            }
        }
        Ok(exchange)
    }
}
