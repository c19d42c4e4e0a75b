//! A connection that has changed its protocol: bytes go both ways until nobody has any more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// All tunnels of the gateway: so many at a time, and none that outlives it.
#[derive(Debug)]
pub(super) struct Tunnels {
    tasks: TaskTracker,
    closing: CancellationToken,
    room: Arc<Semaphore>,
}

/// Room for one tunnel.
#[derive(Debug)]
pub(super) struct Room(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Tunnels {
    pub(super) fn new(max: usize) -> Self {
        let room = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self { tasks: TaskTracker::new(), closing: CancellationToken::new(), room }
    }

    /// Room for one more, to be taken before the upstream is asked.
    pub(super) fn room(&self) -> Option<Room> {
        if self.closing.is_cancelled() {
            return None;
        }
        Arc::clone(&self.room).try_acquire_owned().ok().map(Room)
    }

    /// Joins the two ends as soon as both have changed their protocol.
    pub(super) fn join(&self, client: OnUpgrade, upstream: OnUpgrade, idle: Duration, room: Room) {
        let closing = self.closing.clone();
        self.tasks.spawn(async move {
            let tunnel = tunnel(client, upstream, idle);
            if let Some(Err(error)) = closing.run_until_cancelled(tunnel).await {
                tracing::debug!(%error, "a tunnel broke off");
            }
            drop(room);
        });
    }

    pub(super) async fn close(&self) {
        self.closing.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn tunnel(client: OnUpgrade, upstream: OnUpgrade, idle: Duration) -> io::Result<()> {
    // The client's end changes once it has seen the upstream's 101, and not before.
    let both = async { tokio::try_join!(client, upstream).map_err(io::Error::other) };
    let timed_out = |_| io::Error::from(io::ErrorKind::TimedOut);
    let (client, upstream) = tokio::time::timeout(idle, both).await.map_err(timed_out)??;
    let pulse = Pulse::new();
    let mut client = Watched { io: TokioIo::new(client), pulse: &pulse };
    let mut upstream = TokioIo::new(upstream);
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut upstream) => copied.map(drop),
        () = pulse.silence(idle) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// When something last moved, in either direction.
struct Pulse {
    began: Instant,
    /// Milliseconds since.
    last: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Ends when nothing has moved for `limit`.
    async fn silence(&self, limit: Duration) {
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
struct Watched<'a, T> {
    io: T,
    pulse: &'a Pulse,
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
