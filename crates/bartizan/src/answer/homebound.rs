//! How does an answer pass while it is still being written? Screened, counted, and settled at
//! its end, whoever ends it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bartizan_core::mask::{Detection, Guard, Restorer, Spelling};
use bartizan_core::settle::Spent;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::sse::{Events, Withheld};
use crate::body::{Body, BodyError};
use crate::settle::Away;

/// What is done to the bytes on the way.
pub(super) enum Screen {
    /// They pass as they are.
    Nothing,
    /// They are one text, screened where there is something to screen it with.
    Text(Option<Box<bartizan_pii::Stream>>),
    /// They are events; usage is read from them, and each is screened where there is a guard.
    Events(Option<Arc<Guard>>),
}

impl Screen {
    /// Whether what comes out may differ from what goes in.
    pub(super) fn changes(&self) -> bool {
        !matches!(self, Self::Nothing | Self::Text(None) | Self::Events(None))
    }
}

/// The body of an answer on its way home.
pub(super) struct Homebound {
    body: Body,
    machine: Machine,
    away: Option<Away>,
    /// The last frame, which waits until the end of the exchange is on record.
    last: Option<Frame<Bytes>>,
    closing: Option<Pin<Box<dyn Future<Output = bool> + Send>>>,
}

enum Machine {
    Nothing,
    Text(Text),
    Events(Events),
}

/// A text: what must not pass goes out of it, and then what was put aside comes back.
struct Text {
    stream: Option<Box<bartizan_pii::Stream>>,
    restorer: Option<Restorer>,
}

impl Homebound {
    pub(super) fn new(body: Body, screen: Screen, away: Away) -> Self {
        let vault = away.vault();
        let machine = match screen {
            Screen::Nothing => Machine::Nothing,
            Screen::Text(stream) => {
                let restorer = vault.map(|vault| Restorer::new(vault, Spelling::Plain));
                Machine::Text(Text { stream, restorer })
            }
            Screen::Events(guard) => Machine::Events(Events::new(guard, vault)),
        };
        Self { body, machine, away: Some(away), last: None, closing: None }
    }

    /// Ends the exchange; the last frame goes out when that is on record.
    fn close(&mut self, last: Option<Frame<Bytes>>) {
        let Some(mut away) = self.away.take() else { return };
        let (detections, used) = self.machine.learnt();
        away.detected(&detections);
        if let Some(used) = used {
            away.used(used);
        }
        self.last = last;
        self.closing = Some(Box::pin(async move { away.end().await.durable().await.is_ok() }));
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(away) = self.away.take() {
            let (detections, _) = self.machine.learnt();
            away.detected(&detections);
            away.fail();
        }
        Poll::Ready(Some(Err(error)))
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
                None => match self.machine.finish() {
                    Ok(rest) => {
                        self.close((!rest.is_empty()).then(|| Frame::data(rest)));
                        continue;
                    }
                    Err(Withheld) => return self.fail(BodyError::Stopped("withheld")),
                },
            };
            let over = self.body.is_end_stream() || frame.is_trailers();
            match self.machine.pass(frame, over) {
                Ok(last) if over => self.close(last),
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) => {}
                Err(Withheld) => return self.fail(BodyError::Stopped("withheld")),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.away.is_none() && self.closing.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.machine {
            Machine::Nothing => self.body.size_hint(),
            Machine::Text(_) | Machine::Events(_) => SizeHint::default(),
        }
    }
}

impl Machine {
    /// What goes out for a frame; with the last one, everything that was held back.
    ///
    /// Trailers pass only where nothing is looked for: they could hold it, and nothing may stand
    /// before them that is decided after they came.
    fn pass(&mut self, frame: Frame<Bytes>, last: bool) -> Result<Option<Frame<Bytes>>, Withheld> {
        let out = match frame.into_data() {
            Ok(data) => self.feed(data)?,
            Err(trailers) if matches!(self, Self::Nothing) => return Ok(Some(trailers)),
            Err(_trailers) => Bytes::new(),
        };
        let rest = if last { self.finish()? } else { Bytes::new() };
        let out = match (out.is_empty(), rest.is_empty()) {
            (_, true) => out,
            (true, false) => rest,
            (false, false) => [out, rest].concat().into(),
        };
        Ok((!out.is_empty()).then(|| Frame::data(out)))
    }

    fn feed(&mut self, data: Bytes) -> Result<Bytes, Withheld> {
        match self {
            Self::Nothing => Ok(data),
            Self::Text(text) => text.pass(Some(&data)),
            Self::Events(events) => events.feed(data),
        }
    }

    fn finish(&mut self) -> Result<Bytes, Withheld> {
        match self {
            Self::Nothing => Ok(Bytes::new()),
            Self::Text(text) => text.pass(None),
            Self::Events(events) => events.finish(),
        }
    }

    fn learnt(&self) -> (Vec<Detection>, Option<Spent>) {
        match self {
            Self::Nothing => (Vec::new(), None),
            Self::Text(text) => {
                let detection = |tally: &bartizan_pii::Tally| Detection {
                    entity: tally.entity.clone(),
                    pointer: String::new(),
                    count: tally.count,
                };
                let found = text.stream.as_ref().map(|stream| stream.findings());
                (found.into_iter().flatten().map(detection).collect(), None)
            }
            Self::Events(events) => (events.detections(), events.used().map(Spent::Reported)),
        }
    }
}

impl Text {
    /// What comes out for a chunk, or for the end of the text.
    fn pass(&mut self, chunk: Option<&[u8]>) -> Result<Bytes, Withheld> {
        let mut screened = Vec::new();
        match (&mut self.stream, chunk) {
            (Some(stream), Some(chunk)) => stream.feed(chunk, &mut screened),
            (Some(stream), None) => stream.finish(&mut screened),
            (None, chunk) => screened.extend_from_slice(chunk.unwrap_or_default()),
        }
        if self.stream.as_ref().is_some_and(|stream| stream.is_blocked()) {
            return Err(Withheld);
        }
        let Some(restorer) = &mut self.restorer else { return Ok(screened.into()) };
        let mut restored = Vec::with_capacity(screened.len());
        restorer.feed(&screened, &mut restored);
        if chunk.is_none() {
            restorer.finish(&mut restored);
        }
        Ok(restored.into())
    }
}
