//! Has anybody the call in hand? Between two attempts nobody has: what ends there has cost nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bartizan_core::exchange::Departure;
use tokio::time::sleep;

use crate::body::Body;

/// Whether a call rests between two attempts: an upstream has refused it, and none is asked yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resting(Arc<AtomicBool>);

impl Resting {
    /// Leaves itself in the extensions of a call for whoever sends it.
    pub(crate) fn watch(departure: &mut Departure<Body>) -> Self {
        let resting = Self::default();
        departure.head.extensions.insert(resting.clone());
        resting
    }

    /// Rests. Whoever gives up meanwhile leaves it resting.
    pub(crate) async fn for_a(&self, pause: Duration) {
        self.0.store(true, Ordering::Relaxed);
        sleep(pause).await;
        self.0.store(false, Ordering::Relaxed);
    }

    /// Whether it rests now.
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
