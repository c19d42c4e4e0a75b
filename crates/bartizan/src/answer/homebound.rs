//! How does an answer pass while it is still being written? Screened, counted, and settled at
//! its end, whoever ends it.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bartizan_core::mask::legible::{Legible, Opening};
use bartizan_core::mask::{AnswerStream, Detection, Restorer, Spelling, Stopped, Vault};
use bartizan_core::problem;
use bartizan_core::refusal::{Refusal, Upstream};
use bartizan_core::settle::Spent;
use bartizan_core::validate::Listener;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::body::{Body, BodyError};
use crate::settle::Away;

/// What is done to the bytes on the way.
pub(super) enum Screen {
    /// They pass as they are.
    Nothing,
    /// They pass as they are, unless they begin like a text.
    Binary(Opening),
    /// They are one text.
    Text(Text),
    /// They are events: listened to where their protocol is understood, screened where something
    /// must not pass, and restored where something was put aside.
    Events(Box<AnswerStream>),
}

/// A text: what must not pass goes out of it, and then what was put aside comes back.
pub(super) struct Text {
    stream: Option<Box<bartizan_pii::Stream>>,
    legible: Legible,
    restorer: Option<Restorer>,
}

impl Screen {
    /// For an answer that is one text.
    pub(super) fn text(
        stream: Option<Box<bartizan_pii::Stream>>,
        vault: Option<Arc<Vault>>,
    ) -> Self {
        let restorer = vault.map(|vault| Restorer::new(vault, Spelling::Plain));
        Self::Text(Text { stream, legible: Legible::default(), restorer })
    }

    /// For an answer in events.
    pub(super) fn events(
        away: &Away,
        listener: Option<Listener>,
        vault: Option<Arc<Vault>>,
    ) -> Self {
        let guard = away.profile().response;
        let Some(journey) = away.journey() else { return Self::Nothing };
        let events = AnswerStream::new(listener, guard, journey.grant());
        Self::Events(Box::new(events.restoring(vault)))
    }

    /// Whether what comes out may differ from what goes in.
    pub(super) fn changes(&self) -> bool {
        match self {
            Self::Nothing | Self::Binary(_) => false,
            Self::Text(_) => true,
            Self::Events(events) => events.changes(),
        }
    }

    /// What may go out of a chunk; where the answer may not go on, what may still go out.
    pub(super) fn feed(&mut self, data: &Bytes, away: &Away) -> Result<Bytes, Halt> {
        match self {
            Self::Nothing => Ok(data.clone()),
            Self::Binary(opening) => begun(opening, data, false),
            Self::Text(text) => text.pass(Some(data)),
            Self::Events(events) => {
                let Some(journey) = away.journey() else { return Ok(Bytes::new()) };
                let mut out = Vec::with_capacity(data.len());
                let fed = events.feed(data, journey.grant(), &mut out);
                halted(fed, out)
            }
        }
    }

    /// What was held back, at the end.
    pub(super) fn finish(&mut self, away: &Away) -> Result<Bytes, Halt> {
        match self {
            Self::Nothing => Ok(Bytes::new()),
            Self::Binary(opening) => begun(opening, &Bytes::new(), true),
            Self::Text(text) => text.pass(None),
            Self::Events(events) => {
                let Some(journey) = away.journey() else { return Ok(Bytes::new()) };
                let mut out = Vec::new();
                let finished = events.finish(journey.grant(), &mut out);
                halted(finished, out)
            }
        }
    }

    /// What was found so far.
    pub(super) fn detections(&self) -> Vec<Detection> {
        match self {
            Self::Nothing | Self::Binary(_) => Vec::new(),
            Self::Text(text) => {
                let detection = |tally: &bartizan_pii::Tally| Detection {
                    entity: tally.entity.clone(),
                    pointer: String::new(),
                    count: tally.count,
                };
                let found = text.stream.as_ref().map(|stream| stream.findings());
                found.into_iter().flatten().map(detection).collect()
            }
            Self::Events(events) => events.detections(),
        }
    }

    /// Whether the last word of the answer has gone out.
    fn is_told(&self) -> bool {
        matches!(self, Self::Events(events) if events.is_told())
    }

    /// Tells what was learnt of the call by now: what it used, and which tools were called. What
    /// nobody told is counted, as far as it was seen.
    pub(super) fn tell(&mut self, away: &mut Away) {
        let Self::Events(events) = self else { return };
        events.take_notes().into_iter().for_each(|note| away.note(note));
        let tokens_in = away.journey().map_or(0, |journey| journey.estimate().tokens_in);
        let at_the_end = if events.is_told() { events.used() } else { None };
        if let Some(used) = at_the_end.or_else(|| events.used_so_far(tokens_in)) {
            away.used(Spent::Reported(used));
        }
    }
}

/// Why an answer may not go on, and what of it may still go out.
pub(super) struct Halt {
    why: Stopped,
    out: Bytes,
}

impl Text {
    /// What comes out for a chunk, or for the end of the text.
    fn pass(&mut self, chunk: Option<&[u8]>) -> Result<Bytes, Halt> {
        let legible = match chunk {
            Some(chunk) => self.legible.feed(chunk),
            None => self.legible.is_whole(),
        };
        if self.stream.is_some() && !legible {
            return Err(Halt { why: Stopped::Unreadable, out: Bytes::new() });
        }
        let mut screened = Vec::with_capacity(chunk.map_or(0, <[u8]>::len));
        match (&mut self.stream, chunk) {
            (Some(stream), Some(chunk)) => stream.feed(chunk, &mut screened),
            (Some(stream), None) => stream.finish(&mut screened),
            (None, chunk) => screened.extend_from_slice(chunk.unwrap_or_default()),
        }
        let blocked = self.stream.as_ref().is_some_and(|stream| stream.is_blocked());
        let stopped = if blocked { Err(Stopped::Blocked) } else { Ok(()) };
        let Some(restorer) = &mut self.restorer else { return halted(stopped, screened) };
        let mut restored = Vec::with_capacity(screened.len());
        restorer.feed(&screened, &mut restored);
        if chunk.is_none() {
            restorer.finish(&mut restored);
        }
        halted(stopped, restored)
    }
}

/// What of a body that calls itself a picture or the like may go out by now.
fn begun(opening: &mut Opening, data: &Bytes, last: bool) -> Result<Bytes, Halt> {
    match opening.feed(data, last) {
        Some(Cow::Borrowed(same)) if same.len() == data.len() => Ok(data.clone()),
        Some(out) => Ok(Bytes::copy_from_slice(&out)),
        None => Err(Halt { why: Stopped::Unreadable, out: Bytes::new() }),
    }
}

fn halted(fed: Result<(), Stopped>, out: Vec<u8>) -> Result<Bytes, Halt> {
    let out = Bytes::from(out);
    match fed {
        Ok(()) => Ok(out),
        Err(why) => Err(Halt { why, out }),
    }
}

/// The body of an answer on its way home.
pub(super) struct Homebound {
    body: Body,
    screen: Screen,
    away: Option<Away>,
    /// The last frame, which waits until the end of the exchange is on record.
    last: Option<Frame<Bytes>>,
    closing: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
}

impl Homebound {
    pub(super) fn new(body: Body, screen: Screen, away: Away) -> Self {
        Self { body, screen, away: Some(away), last: None, closing: None }
    }

    /// Ends the exchange; the last frame goes out when that is on record.
    fn close(&mut self, last: Option<Frame<Bytes>>) {
        let Some(mut away) = self.away.take() else { return };
        away.detected(&self.screen.detections());
        self.screen.tell(&mut away);
        // With nothing left to go out, a client that leaves while the record is written has heard all.
        if last.is_none() && self.screen.is_told() {
            away.told();
        }
        self.last = last;
        self.closing = Some(Box::pin(async move { away.end().await.durable().await.is_ok() }));
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(mut away) = self.away.take() {
            away.detected(&self.screen.detections());
            self.screen.tell(&mut away);
            away.fail();
        }
        Poll::Ready(Some(Err(error)))
    }

    /// The answer may not go on. It ends as its protocol tells an error in a stream; where that has
    /// no word for it, it is broken off, so that nobody takes it for whole.
    fn halt(&mut self, halt: Halt) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Halt { why, out } = halt;
        let away = self.away.as_ref();
        if let (Stopped::Blocked, Some(away)) = (&why, away) {
            away.blocked(&self.screen.detections());
        }
        let event = away.and_then(Away::journey).and_then(|journey| {
            let context = problem::Context {
                request_id: journey.request_id(),
                protocol: journey.endpoint().protocol,
                realm: "",
                resource_metadata: None,
                dpop: false,
                echo: journey.echo(),
            };
            problem::event(&Refusal::Upstream(Upstream::Blocked), &context)
        });
        let failed = self.fail(BodyError::Stopped("withheld"));
        // Dropping it tells the other side that nobody listens any more.
        self.body = Body::empty();
        match event {
            Some(event) => {
                let last = Bytes::from([out, event].concat());
                Poll::Ready(Some(Ok(Frame::data(last))))
            }
            None => failed,
        }
    }

    /// What goes out for a frame; with the last one, everything that was held back.
    ///
    /// Trailers pass only where nothing is looked for: they could hold it, and nothing may stand
    /// before them that is decided after they came.
    fn pass(&mut self, frame: Frame<Bytes>, last: bool) -> Result<Option<Frame<Bytes>>, Halt> {
        let Some(away) = &self.away else { return Ok(None) };
        let out = match frame.into_data() {
            Ok(data) => self.screen.feed(&data, away)?,
            Err(trailers) if matches!(self.screen, Screen::Nothing) => return Ok(Some(trailers)),
            Err(_trailers) => Bytes::new(),
        };
        let rest = match last {
            true => self.screen.finish(away).map_err(|halt| {
                let out = Bytes::from([out.clone(), halt.out].concat());
                Halt { out, ..halt }
            })?,
            false => Bytes::new(),
        };
        let out = match (out.is_empty(), rest.is_empty()) {
            (_, true) => out,
            (true, false) => rest,
            (false, false) => [out, rest].concat().into(),
        };
        Ok((!out.is_empty()).then(|| Frame::data(out)))
    }
}

/// A client that hangs up leaves what was learnt so far; behind the last word it has left nothing.
impl Drop for Homebound {
    fn drop(&mut self) {
        let Some(mut away) = self.away.take() else { return };
        away.detected(&self.screen.detections());
        self.screen.tell(&mut away);
        if self.screen.is_told() {
            away.told();
        }
    }
}

impl HttpBody for Homebound {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(closing) = &mut self.closing {
                let recorded = ready!(closing.as_mut().poll(cx));
                self.closing = None;
                if !recorded {
                    return Poll::Ready(Some(Err(BodyError::Stopped("not on record"))));
                }
                return Poll::Ready(self.last.take().map(Ok));
            }
            if self.away.is_none() {
                return Poll::Ready(None);
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return self.fail(error),
                None => {
                    let this = &mut *self;
                    let Some(away) = &this.away else { return Poll::Ready(None) };
                    match this.screen.finish(away) {
                        Ok(rest) => {
                            self.close((!rest.is_empty()).then(|| Frame::data(rest)));
                            continue;
                        }
                        Err(halt) => return self.halt(halt),
                    }
                }
            };
            let over = self.body.is_end_stream() || frame.is_trailers();
            match self.pass(frame, over) {
                Ok(last) if over => self.close(last),
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(halt) => return self.halt(halt),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.away.is_none() && self.closing.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.screen {
            Screen::Nothing | Screen::Binary(_) => self.body.size_hint(),
            Screen::Text(_) | Screen::Events(_) => SizeHint::default(),
        }
    }
}
