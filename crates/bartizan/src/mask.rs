//! What must not leave? Screens the call, and asks the developer's own checks.

use std::sync::Arc;

use bartizan_core::exchange::{Exchange, Masked, Permitted, Refused};
use bartizan_core::refusal::Objection;
use http::header;

use crate::aside::aside;
use crate::clock;
use crate::hook::{Hook, Look, Opinion, suspected, unseen};
use crate::stage::Stage;

/// The sixth stage.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    /// In the order in which they are asked.
    pub hooks: Arc<[Arc<dyn Hook>]>,
}

impl<B: Send + 'static> Stage<Exchange<Permitted<B>>> for Mask {
    type Out = Exchange<Masked<B>>;

    async fn pass(&self, exchange: Exchange<Permitted<B>>) -> Result<Self::Out, Refused> {
        let size = exchange.searched();
        let mut exchange = aside(size, move || exchange.mask(clock::chance)).await?;
        for hook in &*self.hooks {
            exchange = ask(&**hook, exchange).await?;
        }
        Ok(exchange)
    }
}

/// Shows the call to a hook, as the one before has left it, and does what it says.
async fn ask<B: Send>(
    hook: &dyn Hook,
    exchange: Exchange<Masked<B>>,
) -> Result<Exchange<Masked<B>>, Refused> {
    let (grant, body) = (exchange.grant().clone(), exchange.bytes());
    let content_type = exchange.head().headers.get(header::CONTENT_TYPE).cloned();
    let look = Look {
        request_id: exchange.facts().request_id,
        caller: grant.caller(),
        endpoint: grant.endpoint(),
        content_type: content_type.as_ref().and_then(|value| value.to_str().ok()),
        body: &body,
    };
    let asked = tokio::time::timeout(look.endpoint.timeout, hook.before(look)).await;
    // A check that does not answer has not said yes.
    match asked.unwrap_or(Err(Objection::default())) {
        Ok(Opinion::Pass) => Ok(exchange),
        Ok(Opinion::Mask(spotted)) => exchange.mask_spotted(hook.name(), &spotted),
        Ok(Opinion::Suspect(suspicion)) => {
            exchange.note(suspected(hook.name(), &suspicion));
            Ok(exchange)
        }
        Ok(Opinion::Unseen { reason }) => {
            exchange.note(unseen(hook.name(), &reason));
            Ok(exchange)
        }
        Err(objection) => Err(exchange.object(hook.name(), objection)),
    }
}
