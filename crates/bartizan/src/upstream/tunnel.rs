//! A connection that has changed its protocol: its two ends, and the bytes that go between them.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::authenticate::Caller;
use bartizan_core::refusal::Refusal;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authenticate::Standing;
use crate::serve::{Hold, Place, Shares};

/// All tunnels of the gateway: so many at a time, and none that outlives it.
#[derive(Clone, Debug)]
pub(super) struct Tunnels {
    tasks: TaskTracker,
    closing: CancellationToken,
    /// By the name of the caller, or the address of one who has none.
    room: Arc<Shares<String>>,
}

/// Room for one tunnel.
#[derive(Debug)]
pub(super) struct Room(#[expect(dead_code, reason = "held, not read")] Place<String>);

/// The two ends of a connection that is about to change its protocol.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(super) client: OnUpgrade,
    pub(super) upstream: OnUpgrade,
    /// How long nobody may say anything.
    pub(super) idle: Duration,
    pub(super) room: Room,
    /// Keeps the client's connection where it is shared with other requests.
    pub(super) hold: Option<Hold>,
    /// Whether the caller's credential still stands.
    pub(crate) standing: Option<Standing>,
    pub(super) tunnels: Tunnels,
}

/// Both ends, when both have changed their protocol.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) client: TokioIo<Upgraded>,
    pub(crate) upstream: TokioIo<Upgraded>,
    /// How long nobody may say anything.
    pub(crate) idle: Duration,
}

impl Tunnels {
    pub(super) fn new(max: usize) -> Self {
        let room = Arc::new(Shares::new(max, None));
        Self { tasks: TaskTracker::new(), closing: CancellationToken::new(), room }
    }

    /// Room for one more of this caller, to be taken before the upstream is asked.
    pub(super) fn room(&self, caller: &Caller, client: ClientAddress) -> Option<Room> {
        if self.closing.is_cancelled() {
            return None;
        }
        let whose = match caller.is_anonymous() {
            true => client.bucket().to_string(),
            false => caller.principal().name(),
        };
        self.room.take(whose).map(Room)
    }

    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Ends {
    /// Joins the two byte for byte as soon as both have changed their protocol, until nobody has
    /// any more to say, or until `end`, or until the caller's credential is taken back.
    pub(crate) fn join(mut self, end: Option<Instant>) {
        let standing = self.standing.take();
        self.meet(move |both, closing| async move {
            tokio::select! {
                copied = copy(both) => if let Err(error) = copied {
                    tracing::debug!(%error, "a tunnel broke off");
                },
                () = reached(end) => tracing::debug!("a tunnel outlived its credential"),
                refusal = fallen(standing) => {
                    tracing::debug!(%refusal, "the credential of a tunnel was taken back");
                }
                () = closing => {}
            }
        });
    }

    /// Hands both to `converse` as soon as both have changed their protocol, and what ends when the
    /// gateway stops: it must then end soon.
    pub(crate) fn meet<F, C>(self, converse: F)
    where
        F: FnOnce(Both, Closing) -> C + Send + 'static,
        C: Future<Output = ()> + Send,
    {
        let Self { client, upstream, idle, room, hold, standing: _, tunnels } = self;
        let (ours, theirs) = (tunnels.closing, hold.as_ref().map(Hold::closing));
        tunnels.tasks.spawn(async move {
            let closing = async move {
                let theirs = async {
                    match theirs {
                        Some(theirs) => theirs.cancelled_owned().await,
                        None => pending().await,
                    }
                };
                tokio::select! { () = ours.cancelled() => {}, () = theirs => {} }
            };
            let mut closing: Closing = Box::pin(closing);
            let both = tokio::select! {
                both = both(client, upstream, idle) => both,
                () = &mut closing => return,
            };
            match both {
                Ok(both) => converse(both, closing).await,
                Err(error) => tracing::debug!(%error, "a connection did not change its protocol"),
            }
            drop((room, hold));
        });
    }
}

/// Ends when the gateway stops.
pub(crate) type Closing = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn both(client: OnUpgrade, upstream: OnUpgrade, idle: Duration) -> io::Result<Both> {
    // The client's end changes once it has seen the upstream's 101, and not before.
    let both = async { tokio::try_join!(client, upstream).map_err(io::Error::other) };
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let (client, upstream) = tokio::time::timeout(idle, both).await.map_err(timed_out)??;
    Ok(Both { client: TokioIo::new(client), upstream: TokioIo::new(upstream), idle })
}

async fn copy(both: Both) -> io::Result<()> {
    let Both { client, mut upstream, idle } = both;
    let pulse = Pulse::new();
    let mut client = Watched { io: client, pulse: &pulse };
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut upstream) => copied.map(drop),
        () = pulse.silence(idle) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Ends at an instant, or never.
pub(crate) async fn reached(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => pending().await,
    }
}

/// Ends when the credential is taken back; never where there is none that can be.
pub(crate) async fn fallen(standing: Option<Standing>) -> Refusal {
    match standing {
        Some(standing) => standing.fallen().await,
        None => pending().await,
    }
}

/// When something last moved, in either direction.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    /// Milliseconds since.
    last: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Ends when nothing has moved for `limit`.
    pub(crate) async fn silence(&self, limit: Duration) {
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let end = self.began + last + limit;
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }
}

/// One end, whose every byte is a sign of life.
#[derive(Debug)]
pub(crate) struct Watched<'a, T> {
    pub(crate) io: T,
    pub(crate) pulse: &'a Pulse,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        self.pulse.beat();
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<'_, T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.pulse.beat();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_begins_with_the_last_byte() {
        let pulse = Pulse::new();
        let silence = pulse.silence(Duration::from_secs(10));
        let talk = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(8)).await;
                pulse.beat();
            }
        };
        let (began, ((), ())) = (Instant::now(), tokio::join!(silence, talk));
        assert_eq!(began.elapsed().as_secs(), 50);
    }
}
