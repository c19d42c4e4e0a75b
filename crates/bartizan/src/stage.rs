//! What is a stage? An exchange goes in at one state and comes out at the next.

use std::future::Future;

use bartizan_core::exchange::Refused;

/// One stage of the road.
///
/// Stages in the wrong order, or one left out, do not compile: each takes only the exchange that
/// the one before it gives.
pub trait Stage<In>: Send + Sync {
    /// The exchange, one state further.
    type Out;

    /// Lets the exchange pass, or ends it.
    fn pass(&self, exchange: In) -> impl Future<Output = Result<Self::Out, Refused>> + Send;
}
