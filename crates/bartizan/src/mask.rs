//! What must not leave? Screens the call.

use bartizan_core::exchange::{Exchange, Masked, Permitted, Refused};

use crate::stage::Stage;

/// The sixth stage.
#[derive(Clone, Copy, Debug)]
pub struct Mask;

impl<B: Send> Stage<Exchange<Permitted<B>>> for Mask {
    type Out = Exchange<Masked<B>>;

    async fn pass(&self, exchange: Exchange<Permitted<B>>) -> Result<Self::Out, Refused> {
        exchange.mask()
    }
}
