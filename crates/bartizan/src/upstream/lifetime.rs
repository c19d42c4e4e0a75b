//! Does an answer end in time? One that goes on for too long is broken off.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::body::{Attendant, Attended, Body, BodyError};

/// Sees to it that a body ends by an instant.
pub(super) struct Lifetime {
    end: Pin<Box<Sleep>>,
}

impl Lifetime {
    /// Breaks `body` off with [`BodyError::TooSlow`] where it is not over at `end`.
    pub(super) fn wrap(body: Body, end: Instant) -> Body {
        Body::wrap(Attended { body, by: Self { end: Box::pin(sleep_until(end)) } })
    }
}

impl Attendant for Lifetime {
    fn poll_frame(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            // Dropping it tells the other side that nobody listens any more.
            *body = Body::empty();
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        Pin::new(body).poll_frame(cx)
    }
}
