//! How do messages get from one end of a WebSocket to the other? Framed by `tungstenite`, each
//! shown whole to a gate, and closed in words (RFC 6455).

use std::future::Future;
use std::time::Duration;

use bartizan_core::mask::Side;
use bartizan_core::problem::closing::Closing;
use bartizan_core::refusal::Refusal;
use bartizan_core::validate::websocket::Breach;
use bytes::Bytes;
use futures_util::stream::FusedStream as _;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

/// A message, whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Said {
    /// UTF-8.
    Text(Bytes),
    /// Anything.
    Binary(Bytes),
}

/// Who decides about messages.
pub(super) trait Gate: Sync {
    /// What of a message goes on.
    ///
    /// # Errors
    /// Why the conversation ends here.
    fn pass(&self, side: Side, said: Said) -> impl Future<Output = Result<Said, Refusal>> + Send;
}

/// How a conversation ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// By a closing frame of one side, which went to the other.
    Closed,
    /// This side is gone without a word.
    Gone(Side),
    /// This side does not speak as it must.
    Breach(Side, Breach),
    /// The gate does not let it go on.
    Refused(Refusal),
    /// The gate has nothing more to do.
    Away,
}

/// The two ends of a conversation: a server to the client, and a client to the upstream.
#[derive(Debug)]
pub(super) struct Pair<C, U> {
    client: WebSocketStream<C>,
    upstream: WebSocketStream<U>,
    max_size: u64,
}

/// What is read at once. There are two of these for each conversation, and many of those are still.
const READ: usize = 4096;

/// What may wait to be written, beyond messages of four times the largest size: what was put aside
/// is longer than its placeholder, and pings are answered also where nobody reads the answers.
const SPARE: usize = 64 * 1024;

/// How long an end may take to answer a closing frame, and to go.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long after a ping the next one is passed on.
const BETWEEN_PINGS: Duration = Duration::from_secs(1);

/// The longest reason of a closing frame, in bytes (RFC 6455 section 5.5).
const MAX_REASON: usize = 123;

/// How long an end that broke the rules says nothing before it has said all.
const QUIET: Duration = Duration::from_millis(200);

impl<C, U> Pair<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin + Send,
    U: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Both have agreed to speak WebSocket, without extensions.
    pub(super) async fn new(client: C, upstream: U, max_size: u64) -> Self {
        let max = usize::try_from(max_size).unwrap_or(usize::MAX / 8);
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_write_buffer_size(max.saturating_mul(4).saturating_add(SPARE))
            .max_message_size(Some(max))
            .max_frame_size(Some(max));
        let client = WebSocketStream::from_raw_socket(client, Role::Server, Some(config)).await;
        let upstream = WebSocketStream::from_raw_socket(upstream, Role::Client, Some(config)).await;
        Self { client, upstream, max_size }
    }

    /// Carries messages both ways until one side ends it, or the gate does.
    ///
    /// Each way has its own pace: who does not read is not read from, and holds up nobody else.
    pub(super) async fn run(&mut self, gate: &impl Gate) -> Ending {
        let max_size = self.max_size;
        let (mut to_client, mut from_client) = (&mut self.client).split();
        let (mut to_upstream, mut from_upstream) = (&mut self.upstream).split();
        let inward = carry(Side::Client, &mut from_client, &mut to_upstream, gate, max_size);
        let outward = carry(Side::Upstream, &mut from_upstream, &mut to_client, gate, max_size);
        tokio::pin!(inward, outward);
        // Who has said goodbye waits for the other's, but not for ever.
        let ended = tokio::select! {
            ended = &mut inward => match ended {
                Ending::Closed => timeout(GOODBYE, outward).await,
                ended => Ok(ended),
            },
            ended = &mut outward => match ended {
                Ending::Closed => timeout(GOODBYE, inward).await,
                ended => Ok(ended),
            },
        };
        ended.unwrap_or(Ending::Closed)
    }

    /// Says goodbye to both.
    pub(super) async fn close(self, to_client: &Closing, to_upstream: &Closing) {
        let both = async {
            tokio::join!(hang_up(self.client, to_client), hang_up(self.upstream, to_upstream))
        };
        // Who does not listen misses it.
        let _ = timeout(GOODBYE, both).await;
    }
}

/// Carries what one side says to the other, until it closes.
async fn carry<G: Gate>(
    side: Side,
    from: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    to: &mut (impl Sink<Message, Error = Error> + Unpin),
    gate: &G,
    max_size: u64,
) -> Ending {
    let (mut closed, mut pinged) = (false, None);
    // After a closing frame one more look is what sends the answer to it.
    while let Some(read) = from.next().await {
        let message = match read {
            Ok(message) => message,
            Err(_) if closed => break,
            Err(error) => return broken(side, &error, max_size),
        };
        let message = match message {
            Message::Text(text) => gate.pass(side, Said::Text(text.into())).await.map(worded),
            Message::Binary(bytes) => gate.pass(side, Said::Binary(bytes)).await.map(worded),
            // Answered here already; the other side, too, shall see that somebody is there. What it
            // carries is for nobody, and so could carry anything.
            Message::Ping(_) if pinged.is_none_or(|at: Instant| at.elapsed() >= BETWEEN_PINGS) => {
                pinged = Some(Instant::now());
                Ok(Ok(Message::Ping(Bytes::new())))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            Message::Close(frame) => {
                closed = true;
                parting(side, frame, gate).await.map(|frame| Ok(Message::Close(frame)))
            }
        };
        let message = match message {
            Ok(Ok(message)) => message,
            Ok(Err(breach)) => return Ending::Breach(side, breach),
            Err(refusal) => return Ending::Refused(refusal),
        };
        match to.send(message).await {
            Ok(()) => {}
            // The other side has said goodbye: it takes no more.
            Err(Error::ConnectionClosed | Error::AlreadyClosed)
            | Err(Error::Protocol(ProtocolError::SendAfterClosing)) => {}
            Err(Error::WriteBufferFull(_)) => {
                return Ending::Breach(side, Breach::TooLarge(max_size));
            }
            Err(_) => return Ending::Gone(other(side)),
        }
    }
    Ending::Closed
}

/// A closing frame, whose reason is looked at as a message is.
async fn parting<G: Gate>(
    side: Side,
    frame: Option<CloseFrame>,
    gate: &G,
) -> Result<Option<CloseFrame>, Refusal> {
    let Some(CloseFrame { code, reason }) = frame else { return Ok(None) };
    if reason.is_empty() {
        return Ok(Some(CloseFrame { code, reason }));
    }
    let Said::Text(seen) = gate.pass(side, Said::Text(reason.into())).await? else {
        return Ok(Some(CloseFrame { code, reason: "".into() }));
    };
    let mut seen = String::from_utf8_lossy(&seen).into_owned();
    seen.truncate(seen.floor_char_boundary(MAX_REASON));
    Ok(Some(CloseFrame { code, reason: seen.into() }))
}

fn worded(said: Said) -> Result<Message, Breach> {
    match said {
        Said::Text(text) => Ok(Message::Text(text.try_into().map_err(|_| Breach::Utf8)?)),
        Said::Binary(bytes) => Ok(Message::Binary(bytes)),
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Upstream,
        Side::Upstream => Side::Client,
    }
}

fn broken(side: Side, error: &Error, max_size: u64) -> Ending {
    let breach = match error {
        Error::Capacity(_) => Breach::TooLarge(max_size),
        Error::Utf8(_) => Breach::Utf8,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return Ending::Gone(side),
        Error::Protocol(_) => Breach::Frame,
        _ => return Ending::Gone(side),
    };
    Ending::Breach(side, breach)
}

async fn hang_up<S>(mut socket: WebSocketStream<S>, closing: &Closing)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = CloseFrame { code: closing.code.into(), reason: (&*closing.reason).into() };
    if socket.send(Message::Close(Some(frame))).await.is_err() {
        return;
    }
    // What is left unread would reset the connection, and the closing frame would not arrive.
    let mut broken = socket.is_terminated();
    while let Some(read) = socket.next().await {
        broken |= read.is_err();
    }
    let (mut io, mut unread) = (socket.into_inner(), [0; READ]);
    if broken {
        // Where frames cannot be told any more, silence is the answer.
        while let Ok(Ok(1..)) = timeout(QUIET, io.read(&mut unread)).await {}
    }
    if io.shutdown().await.is_ok() {
        while let Ok(1..) = io.read(&mut unread).await {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bartizan_core::mask::{Guard, Profile, Talk};
    use bartizan_pii::{Action, Config, Masker, Scanner};
    use parking_lot::Mutex;
    use proptest::prelude::*;
    use tokio::io::DuplexStream;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    use super::*;

    /// Masks what it finds in either direction.
    struct Masking(Mutex<Talk>);

    impl Gate for Masking {
        async fn pass(&self, side: Side, said: Said) -> Result<Said, Refusal> {
            match said {
                Said::Text(text) => Ok(Said::Text(self.0.lock().pass(side, text)?)),
                Said::Binary(bytes) => Ok(Said::Binary(bytes)),
            }
        }
    }

    fn masking() -> Masking {
        let scanner = Arc::new(Scanner::new(&Config::default()).unwrap());
        let guard = Some(Arc::new(Guard::new(Masker::new(scanner, Action::MASK))));
        let profile = Profile { request: guard.clone(), response: guard, ..Profile::default() };
        Masking(Mutex::new(Talk::new(&profile, None, 1)))
    }

    type Socket = WebSocketStream<DuplexStream>;

    /// A client and an upstream with a gate between them; each connection holds so many bytes.
    async fn between(room: usize) -> (Socket, Socket) {
        let ((outer, client), (upstream, inner)) =
            (tokio::io::duplex(room), tokio::io::duplex(room));
        drop(tokio::spawn(async move {
            Pair::new(client, upstream, 1_000_000).await.run(&masking()).await
        }));
        let outer = WebSocketStream::from_raw_socket(outer, Role::Client, None).await;
        (outer, WebSocketStream::from_raw_socket(inner, Role::Server, None).await)
    }

    /// A text in frames that end at these places.
    fn frames(text: &[u8], cuts: &[usize]) -> Vec<Message> {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.sort_unstable();
        let begins = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([text.len()]);
        let frame = |(index, (begin, end)): (usize, (usize, usize))| {
            let kind = if index == 0 { Data::Text } else { Data::Continue };
            let payload = Bytes::copy_from_slice(&text[begin..end]);
            Message::Frame(Frame::message(payload, OpCode::Data(kind), index == cuts.len()))
        };
        begins.zip(ends).enumerate().map(frame).collect()
    }

    async fn heard(socket: &mut Socket) -> Message {
        timeout(Duration::from_secs(20), socket.next()).await.unwrap().unwrap().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_text_is_masked_alike_however_it_is_fragmented(
            words in proptest::collection::vec(
                prop_oneof![
                    Just("ann@example.org"), Just("4111 1111 1111 1111"), Just("123-45-6789"),
                    Just("größer"), Just("{\"to\":"), Just("\"ann\\u0040example.org\"}"),
                ],
                0..6,
            ),
            cuts in proptest::collection::vec(any::<usize>(), 0..8),
            inward in any::<bool>(),
        ) {
            let text = words.join(" ");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.unwrap().block_on(async {
                let whole = masking().0.lock().pass(Side::Client, text.clone().into());
                let (client, upstream) = between(4096).await;
                let (mut from, mut to) = if inward { (client, upstream) } else { (upstream, client) };
                for frame in frames(text.as_bytes(), &cuts) {
                    from.send(frame).await.unwrap();
                }
                // What is not to pass whole does not pass in pieces either, and ends it.
                if let Ok(whole) = whole {
                    assert_eq!(heard(&mut to).await.into_data(), whole);
                }
            });
        }
    }

    #[tokio::test]
    async fn who_does_not_read_holds_up_nobody_else() {
        let (mut client, mut upstream) = between(1024).await;
        let flood = async {
            loop {
                if upstream.feed(Message::text("x".repeat(2000))).await.is_err() {
                    return;
                }
            }
        };
        assert!(
            timeout(Duration::from_millis(200), flood).await.is_err(),
            "there is no end of room"
        );
        client.send(Message::text("still heard")).await.unwrap();
        assert_eq!(heard(&mut upstream).await, Message::text("still heard"));
    }
}
