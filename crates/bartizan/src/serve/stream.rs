//! Does the client take its answer? An HTTP/2 stream of which nothing is taken for too long is reset.
//!
//! Over HTTP/1.1 a client that does not read stops the socket, and the vigil sees it. Over HTTP/2 it may shut the
//! window of one stream, answer every ping, and hold the answer and the upstream's call for ever. hyper takes a
//! frame from a body and asks for no other until there is room for it. So a stream that has been given a frame,
//! and goes to sleep without asking for the next, waits for its client; only then it has a timer.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;

thread_local! {
    /// What was last asked of the body of the stream that is polled on this thread.
    static ASKED: Cell<Option<Asked>> = const { Cell::new(None) };
}

/// What came of asking a body for a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Asked {
    /// It gave one.
    Given,
    /// It has none yet.
    NotYet,
}

/// Remembers what came of asking a body for a frame, for the stream whose body it is.
pub(super) fn note(asked: Asked) {
    ASKED.set(Some(asked));
}

/// Runs a stream to its end, or until its client has taken nothing for `patience` of what is there for it.
/// Dropping it resets it.
pub(super) async fn taken<F: Future>(stream: F, patience: Duration) {
    let mut stream = pin!(stream);
    let mut alarm = pin!(None);
    let mut unread = false;
    poll_fn(|cx: &mut Context<'_>| {
        ASKED.set(None);
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Some(asked) = ASKED.take() {
            unread = asked == Asked::Given;
            alarm.set(unread.then(|| sleep(patience)));
        }
        match alarm.as_mut().as_pin_mut() {
            Some(alarm) if unread => alarm.poll(cx),
            Some(_) | None => Poll::Pending,
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// How long a stream lasts that is polled at these seconds, and asks its body with what comes of it.
    async fn lasts(story: &'static [(u64, Option<Asked>)]) -> u64 {
        let began = Instant::now();
        let stream = async {
            for (second, asked) in story {
                tokio::time::sleep_until(began + Duration::from_secs(*second)).await;
                asked.map(note);
            }
            tokio::time::sleep_until(began + Duration::from_secs(1_000)).await;
        };
        taken(stream, PATIENCE).await;
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_ends_and_what_waits_for_its_upstream_does_not() {
        use Asked::{Given, NotYet};
        assert_eq!(lasts(&[(5, Some(Given))]).await, 65);
        assert_eq!(lasts(&[(5, Some(Given)), (60, Some(Given))]).await, 120);
        assert_eq!(lasts(&[(5, Some(Given)), (30, None)]).await, 65, "a wake is no movement");
        assert_eq!(lasts(&[(5, Some(Given)), (60, Some(NotYet))]).await, 1_000);
        assert_eq!(lasts(&[(5, None)]).await, 1_000, "there is no answer yet");
    }
}
