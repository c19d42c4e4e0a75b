//! Does a body still come? One that stands still for too long is broken off.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tokio::time::{Instant, Sleep, sleep};

use crate::body::{Attendant, Attended, Body, BodyError};

/// Sees to it that a body, which may be slow, does not stand still.
pub(crate) struct Paced {
    limit: Duration,
    /// Set while the body stands still. Most bodies never do, and pay for no timer.
    alarm: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Paced {
    /// Breaks `body` off with [`BodyError::TooSlow`] where nothing comes for `limit`.
    pub(crate) fn wrap(body: Body, limit: Duration) -> Body {
        Body::wrap(Attended { body, by: Self { limit, alarm: None, armed: false } })
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

impl Attendant for Paced {
    fn poll_frame(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) {
            self.armed = false;
            return Poll::Ready(frame);
        }
        if self.alarmed(cx) {
            // Dropping it tells the other side that nobody listens any more.
            *body = Body::empty();
            return Poll::Ready(Some(Err(BodyError::TooSlow)));
        }
        Poll::Pending
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
        let slow = Paced::wrap(body(&[4, 4, 0, 4]), limit).collect().await.unwrap();
        assert_eq!(slow.to_bytes(), "xxxx");
        let stuck = Paced::wrap(body(&[1, 6]), limit).collect().await;
        assert!(matches!(stuck, Err(BodyError::TooSlow)));
    }
}
