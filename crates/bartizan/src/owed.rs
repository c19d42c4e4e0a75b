//! Whom does a call wait for? As long as its client owes some of the body, nobody else is late.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bartizan_core::exchange::Departure;
use bartizan_core::validate::Payload;
use bytes::Bytes;
use http_body::{Body as _, Frame};

use crate::body::{Attendant, Attended, Body, BodyError};

/// Whether the client is waited for: its body was asked for more, and nothing has come yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owed(Arc<AtomicBool>);

impl Owed {
    /// Watches the body of a call, and leaves itself in its extensions for whoever sends it. `None`
    /// where the body is here.
    pub(crate) fn watch(departure: &mut Departure<Body>) -> Option<Self> {
        let Payload::Stream(body) = &mut departure.body else { return None };
        if body.is_end_stream() {
            return None;
        }
        let owed = Self::default();
        let whole = std::mem::replace(body, Body::empty());
        *body = Body::wrap(Attended { body: whole, by: Asking(owed.clone()) });
        departure.head.extensions.insert(owed.clone());
        Some(owed)
    }

    /// Whether the client is waited for now.
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whoever reads the body of the client.
struct Asking(Owed);

impl Attendant for Asking {
    fn poll_frame(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = Pin::new(body).poll_frame(cx);
        self.0.0.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }
}

/// Whoever has it stopped reading: nothing is owed any more.
impl Drop for Asking {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}
