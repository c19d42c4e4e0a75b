//! Does a body still come? One that stands still for too long is broken off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::body::{Body, BodyError};

/// A body that may be slow and may not stand still.
pub(crate) struct Paced {
    body: Body,
    limit: Duration,
    /// Set while the body stands still. Most bodies never do, and pay for no timer.
    alarm: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Paced {
    /// Breaks `body` off with [`BodyError::TooSlow`] where nothing comes for `limit`.
    pub(crate) fn new(body: Body, limit: Duration) -> Self {
        Self { body, limit, alarm: None, armed: false }
    }

    fn alarmed(&mut self, cx: &mut Context<'_>) -> bool {
        let limit = self.limit;
        let alarm = self.alarm.get_or_insert_with(|| {
            self.armed = true;
            Box::pin(sleep(limit))
        });
        if !self.armed {
            alarm.as_mut().reset(Instant::now() + limit);
            self.armed = true;
        }
        alarm.as_mut().poll(cx).is_ready()
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.armed = false;
            return Poll::Ready(frame);
        }
        if this.alarmed(cx) {
            // Dropping it tells the other side that nobody listens any more.
            this.body = Body::empty();
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// A body of frames that come after so many seconds each.
    fn body(seconds: &'static [u64]) -> Body {
        let frames = stream::unfold(seconds.iter(), |mut seconds| async {
            sleep(Duration::from_secs(*seconds.next()?)).await;
            Some((Ok::<_, std::io::Error>(Frame::data(Bytes::from("x"))), seconds))
        });
        Body::new(StreamBody::new(Box::pin(frames)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_passes_and_one_that_stands_still_does_not() {
        let limit = Duration::from_secs(5);
        let slow = Paced::new(body(&[4, 4, 0, 4]), limit).collect().await.unwrap();
        assert_eq!(slow.to_bytes(), "xxxx");
        let stuck = Paced::new(body(&[1, 6]), limit).collect().await;
        assert!(matches!(stuck, Err(BodyError::TooSlow)));
    }
}
