//! Whom does a call wait for? As long as its client owes some of the body, nobody else is late.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bartizan_core::exchange::Departure;
use bartizan_core::validate::Payload;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BodyError};

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
        *body = Body::wrap(Watched { body: whole, owed: owed.clone() });
        departure.head.extensions.insert(owed.clone());
        Some(owed)
    }

    /// Whether the client is waited for now.
    pub(crate) fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Watched {
    body: Body,
    owed: Owed,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        this.owed.0.store(frame.is_pending(), Ordering::Relaxed);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Whoever has it stopped reading: nothing is owed any more.
impl Drop for Watched {
    fn drop(&mut self) {
        self.owed.0.store(false, Ordering::Relaxed);
    }
}
