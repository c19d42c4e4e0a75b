//! Does a connection still move? Who holds one without using it is sent away.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as _, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::farewell::Farewell;
use super::stream::{Asked, note};
use super::unread::{self, Told};
use crate::body::{Attendant, Body, BodyError};

/// What is known of a connection's movements. All times are milliseconds since it opened, plus
/// one, so that zero means never.
///
/// hyper has a timer for heads, but it runs between requests too, and costs one timer a request.
/// This costs none: it takes notes, and looks at them now and then.
#[derive(Debug)]
pub(super) struct Vigil {
    opened: Instant,
    limits: Limits,
    /// Requests whose answer is not out.
    under_way: AtomicUsize,
    /// The last byte in either direction, or the last request's end.
    moved: AtomicU64,
    /// The first byte since the last request: a head has begun.
    head_began: AtomicU64,
    /// Since when the client does not read what is written.
    blocked: AtomicU64,
    /// Whether there was a request yet.
    served: AtomicBool,
    /// Whether HTTP/2 is spoken: its frames come between requests, too, and begin no head.
    frames: AtomicBool,
    /// Whether a request is open whose answer is not all written. What is written meanwhile is that
    /// answer; what is written otherwise are the parser's own words.
    answering: AtomicBool,
    /// Whether something else than HTTP is spoken from here on.
    handed_over: AtomicBool,
    /// What the client was told of a request that could not be read.
    unread: OnceLock<Told>,
}

/// How long a connection may do what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Send a head, from its first byte; and begin with the first, from the start.
    pub(super) header: Duration,
    /// Wait between requests, and not read what is written.
    pub(super) idle: Duration,
    /// Have requests under way, and move nothing.
    pub(super) stuck: Duration,
}

impl Vigil {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self {
            opened: Instant::now(),
            limits,
            under_way: AtomicUsize::new(0),
            moved: AtomicU64::new(1),
            head_began: AtomicU64::new(0),
            blocked: AtomicU64::new(0),
            served: AtomicBool::new(false),
            frames: AtomicBool::new(false),
            answering: AtomicBool::new(false),
            handed_over: AtomicBool::new(false),
            unread: OnceLock::new(),
        })
    }

    /// A head was read; its request is under way until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.served.store(true, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
        self.head_began.store(0, Ordering::Relaxed);
        UnderWay { vigil: Arc::clone(self), frames: false, in_hand: Bytes::new() }
    }

    /// Ends when the connection has stood still for longer than it may.
    pub(super) async fn still(&self) {
        // A new head may begin right after a look; it must not be seen later than its own limit.
        let look_again = self.limits.header.min(self.limits.idle);
        loop {
            let (now, deadline) = (Instant::now(), self.deadline());
            if deadline <= now {
                return;
            }
            sleep_until(deadline.min(now + look_again)).await;
        }
    }

    /// Until when the connection may stay as it is.
    fn deadline(&self) -> Instant {
        let Limits { header, idle, stuck } = self.limits;
        let at = |note: &AtomicU64| match note.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(self.opened + Duration::from_millis(millis - 1)),
        };
        let moved = at(&self.moved).unwrap_or(self.opened);
        if let Some(blocked) = at(&self.blocked) {
            return blocked + idle;
        }
        if self.under_way.load(Ordering::Relaxed) > 0 {
            return moved + stuck;
        }
        match at(&self.head_began) {
            Some(began) => began + header,
            None if !self.served.load(Ordering::Relaxed) => self.opened + header,
            None => moved + idle,
        }
    }

    fn now(&self) -> u64 {
        let millis = self.opened.elapsed().as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX - 1) + 1
    }

    /// Between the requests of HTTP/2 only pings, and what the windows are, go to and fro: who asks for nothing
    /// does not stay for them.
    fn idles(&self) -> bool {
        self.frames.load(Ordering::Relaxed) && self.under_way.load(Ordering::Relaxed) == 0
    }

    fn read(&self) {
        if self.idles() {
            return;
        }
        let now = self.now();
        self.moved.store(now, Ordering::Relaxed);
        let between = self.under_way.load(Ordering::Relaxed) == 0;
        let begins = self.head_began.load(Ordering::Relaxed) == 0;
        if between && begins {
            self.head_began.store(now, Ordering::Relaxed);
        }
    }

    fn wrote(&self) {
        if !self.idles() {
            self.moved.store(self.now(), Ordering::Relaxed);
        }
        self.blocked.store(0, Ordering::Relaxed);
    }

    /// All that was to be written is written.
    fn flushed(&self) {
        let open = self.under_way.load(Ordering::Relaxed) > 0;
        if !open && !self.handed_over.load(Ordering::Relaxed) {
            self.answering.store(false, Ordering::Relaxed);
        }
    }

    /// What is to be sent instead of what the parser says of itself.
    fn instead(&self, bytes: &[u8]) -> Option<Bytes> {
        if self.answering.load(Ordering::Relaxed) {
            return None;
        }
        let (told, answer) = unread::instead(bytes)?;
        self.unread.set(told).ok()?;
        Some(answer)
    }

    /// What the client was told of a request that could not be read.
    pub(super) fn unread(&self) -> Option<Told> {
        self.unread.get().copied()
    }

    fn could_not_write(&self) {
        if self.blocked.load(Ordering::Relaxed) == 0 {
            self.blocked.store(self.now(), Ordering::Relaxed);
        }
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay {
    vigil: Arc<Vigil>,
    /// Whether its answer goes out in frames of HTTP/2,
    frames: bool,
    /// and what of it was given, and is not in a frame yet.
    in_hand: Bytes,
}

/// The most that goes into one frame of an answer over HTTP/2, in bytes: the least that clients must take
/// (RFC 9113 section 6.5.2). What is handed to the stream beyond its window, the connection keeps.
const FRAME: usize = 16_384;

impl UnderWay {
    /// The request came over HTTP/2.
    pub(super) fn speaks_frames(&mut self) {
        self.frames = true;
        self.vigil.frames.store(true, Ordering::Relaxed);
    }

    /// Its answer hands the connection over to another protocol.
    pub(super) fn hands_over(&self) {
        self.vigil.handed_over.store(true, Ordering::Relaxed);
    }

    /// The next frame of what is in hand.
    fn hand_out(&mut self) -> Frame<Bytes> {
        let length = self.in_hand.len().min(FRAME);
        Frame::data(self.in_hand.split_to(length))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Self { vigil, .. } = self;
        vigil.moved.store(vigil.now(), Ordering::Relaxed);
        vigil.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket whose movements are noted.
#[derive(Debug)]
pub(super) struct Watched<T> {
    io: T,
    vigil: Arc<Vigil>,
    /// What is said instead of what the parser would say of itself.
    farewell: Option<Box<Farewell>>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.vigil.read();
        }
        poll
    }
}

impl<T> Watched<T> {
    pub(super) fn new(io: T, vigil: Arc<Vigil>) -> Self {
        Self { io, vigil, farewell: None }
    }

    /// Takes the parser's own words, if these are they, and has others said in their place.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        let answer = self.vigil.instead(bytes);
        let taken = answer.is_some();
        if let Some(answer) = answer {
            self.farewell = Some(Box::new(Farewell::new(answer)));
        }
        taken
    }

    fn note<N>(&self, poll: Poll<io::Result<N>>) -> Poll<io::Result<N>> {
        match &poll {
            Poll::Ready(Ok(_)) => self.vigil.wrote(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.vigil.could_not_write(),
        }
        poll
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.takes(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let poll = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if let Some(first) = first.filter(|first| self.takes(first)) {
            return Poll::Ready(Ok(first.len()));
        }
        let poll = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.note(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, vigil, farewell } = &mut *self;
        let poll = match farewell {
            Some(farewell) => farewell.poll_send(cx, io),
            None => Pin::new(io).poll_flush(cx),
        };
        if poll.is_ready() {
            vigil.flushed();
        }
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, farewell, .. } = &mut *self;
        match farewell {
            Some(farewell) => farewell.poll_close(cx, io),
            None => Pin::new(io).poll_shutdown(cx),
        }
    }
}

/// It stays with an answer's body until that is out.
impl Attendant for UnderWay {
    fn poll_frame(
        &mut self,
        body: &mut Body,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.frames {
            return Pin::new(body).poll_frame(cx);
        }
        if self.in_hand.is_empty() {
            let frame = Pin::new(body).poll_frame(cx);
            note(if frame.is_ready() { Asked::Given } else { Asked::NotYet });
            match frame {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.in_hand = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return other,
            }
        }
        note(Asked::Given);
        Poll::Ready(Some(Ok(self.hand_out())))
    }

    fn in_hand(&self) -> usize {
        self.in_hand.len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::body::Attended;

    const LIMITS: Limits = Limits {
        header: Duration::from_secs(10),
        idle: Duration::from_secs(60),
        stuck: Duration::from_secs(600),
    };

    /// When the connection is sent away, in seconds, while `story` happens to it.
    async fn ends<F: Future<Output = ()>>(story: impl FnOnce(Arc<Vigil>) -> F) -> u64 {
        let (began, vigil) = (Instant::now(), Vigil::new(LIMITS));
        let still = async {
            vigil.still().await;
            began.elapsed().as_secs()
        };
        let (ended, ()) = tokio::join!(still, story(Arc::clone(&vigil)));
        ended
    }

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_at_first_has_as_long_as_a_head() {
        assert_eq!(ends(|_| async {}).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_in_drops_does_not_buy_time() {
        let drops = |vigil: Arc<Vigil>| async move {
            for _ in 0..20 {
                after(1).await;
                vigil.read();
            }
        };
        assert_eq!(ends(drops).await, 11);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_there_is_time_until_the_next_head_begins() {
        let two = |vigil: Arc<Vigil>| async move {
            vigil.read();
            drop(vigil.begin());
            after(55).await;
            vigil.read();
        };
        assert_eq!(ends(two).await, 65);
        let one = |vigil: Arc<Vigil>| async move { drop(vigil.begin()) };
        assert_eq!(ends(one).await, 60);
    }

    #[tokio::test(start_paused = true)]
    async fn pings_are_no_reason_to_stay() {
        let pings = |vigil: Arc<Vigil>| async move {
            vigil.begin().speaks_frames();
            for _ in 0..20 {
                after(20).await;
                vigil.read();
                vigil.wrote();
            }
        };
        assert_eq!(ends(pings).await, 60);
    }

    #[tokio::test]
    async fn an_answer_over_http_2_goes_out_in_frames_that_are_the_whole() {
        let mut under_way = Vigil::new(LIMITS).begin();
        under_way.speaks_frames();
        let whole: Bytes = (0..40_000_u32).map(|n| (n % 251) as u8).collect();
        let mut body = Attended { body: Body::full(whole.clone()), by: under_way };
        assert_eq!(body.size_hint().exact(), Some(40_000));
        let mut frames = Vec::new();
        while let Some(frame) = body.frame().await {
            frames.push(frame.unwrap().into_data().unwrap());
            let (left, taken) =
                (body.size_hint().exact(), frames.iter().map(Bytes::len).sum::<usize>());
            assert_eq!(left, Some(40_000 - taken as u64));
            assert_eq!(body.is_end_stream(), taken == 40_000);
        }
        assert!(frames.len() == 3 && frames.concat() == whole);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_answer_is_no_idleness_and_one_that_nobody_reads_is() {
        let long = |vigil: Arc<Vigil>| async move {
            let under_way = vigil.begin();
            after(590).await;
            vigil.wrote();
            after(300).await;
            drop(under_way);
        };
        assert_eq!(ends(long).await, 950);
        let unread = |vigil: Arc<Vigil>| async move {
            let _under_way = vigil.begin();
            vigil.could_not_write();
            after(100).await;
        };
        assert_eq!(ends(unread).await, 60);
    }
}
