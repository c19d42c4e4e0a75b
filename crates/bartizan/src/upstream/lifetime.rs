//! Does an answer end in time? One that goes on for too long is broken off.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::body::{Body, BodyError};

/// A body that has until an instant to end.
pub(super) struct Lifetime {
    body: Body,
    end: Pin<Box<Sleep>>,
}

impl Lifetime {
    /// Breaks `body` off with [`BodyError::TooSlow`] where it is not over at `end`.
    pub(super) fn wrap(body: Body, end: Instant) -> Body {
        Body::wrap(Self { body, end: Box::pin(sleep_until(end)) })
    }
}

impl HttpBody for Lifetime {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.end.as_mut().poll(cx).is_ready() {
            // Dropping it tells the other side that nobody listens any more.
            this.body = Body::empty();
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        Pin::new(&mut this.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
