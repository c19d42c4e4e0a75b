//! What may the client see of an answer in events, while it is still being written?
//!
//! Texts come in pieces, a few letters in each event, and what must not pass may be spread over
//! them. Each text of the answer runs through a search of its own ([`bartizan_pii::Stream`]), which
//! holds back only what may become something that must not pass; so for every way in which the
//! provider cuts its texts into events and the network its events into chunks, the client reads what
//! it would read if the answer had been masked as a whole. What is held back of a text when it ends
//! goes out in an event of its own before that end.
//!
//! Most events differ from one before in their piece alone, and that is all that is looked at then.
//!
//! What was put aside of the request comes back behind that search, in the same texts: a model spreads
//! placeholders over events like anything else.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

use bartizan_pii::{Vault, rewrite_json, write_string};
use bytes::Bytes;

use super::form::{Fit, Forms, meaning};
use super::found::Found;
use super::hands::{Hands, name_of, strays};
use super::join;
use super::open::{OpenText, Over, carry};
use super::restore::restore;
use super::seam::{Turn, Waits};
use super::threads::{Read, Threads};
use super::{Blocked, Detection, Guard, Screened};
use crate::audit::Note;
use crate::authorize::Grant;
use crate::sse::{self, Event, Reader};
use crate::validate::beside::Beside;
use crate::validate::listener::{Channel, Ends, Heard, Piece, ToolCall, denied_tool};
use crate::validate::{Listener, Media, Protocol, Reported, mcp};

/// An answer in events on its way to the client.
#[derive(Debug)]
pub struct AnswerStream {
    reader: Reader,
    listener: Option<Listener>,
    guard: Option<Arc<Guard>>,
    vault: Option<Arc<Vault>>,
    /// Whether the bytes go out as they come, because nothing can change in them.
    passes: bool,
    texts: Vec<OpenText>,
    /// Whether its last event has gone out.
    is_told: bool,
    /// Where something must not pass in texts that clients join for good.
    over: Option<Over>,
    /// Texts under paths that no protocol knows, as those read them who tell several apart.
    threads: Option<Box<Threads>>,
    /// Events at the end of a part of a text, until it is known what follows.
    waits: Option<Box<Waits>>,
    /// How events look in which nothing but a piece is of interest.
    forms: Forms,
    detections: Found,
    notes: Vec<Note>,
}

/// Why an answer may not go on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Stopped {
    /// Something was found that must not pass.
    #[error("it holds what must not pass")]
    Blocked,
    /// A tool is called to which the caller has no right.
    #[error("it calls the tool `{0}`, which is not granted")]
    Denied(Arc<str>),
    /// An event that is too long or of no form in which it can be inspected, or too many texts at the
    /// same time.
    #[error("it cannot be inspected")]
    Unreadable,
}

impl AnswerStream {
    /// An answer to which `listener` listens and in which `guard` looks for what must not pass.
    /// `grant` is what it was asked for under.
    #[must_use]
    pub fn new(listener: Option<Listener>, guard: Option<Arc<Guard>>, grant: &Grant) -> Self {
        let judged = grant.endpoint().names.tools.is_some();
        let changes = listener.as_ref().is_some_and(|ear| ear.changes() || judged);
        let passes = guard.is_none() && !changes;
        let (reader, texts, forms) = (Reader::default(), Vec::new(), Forms::default());
        let (vault, detections, notes) = (None, Found::default(), Vec::new());
        let joins = matches!(listener, Some(Listener::OpenAi(_) | Listener::Anthropic(_)));
        let over = (joins && guard.is_some()).then(Over::default);
        let (is_told, waits) = (false, None);
        Self {
            reader,
            listener,
            guard,
            vault,
            passes,
            texts,
            is_told,
            over,
            threads: None,
            waits,
            forms,
            detections,
            notes,
        }
    }

    /// The same, and what was put aside of the request comes back in it.
    #[must_use]
    pub fn restoring(mut self, vault: Option<Arc<Vault>>) -> Self {
        self.passes &= vault.is_none();
        self.vault = vault;
        self
    }

    /// Whether what comes out may differ from what goes in.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.passes
    }

    /// Whether the answer went out to its last word. Many clients go then, and do not wait for the end of
    /// the body.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.is_told
    }

    /// Takes a chunk, and appends to `out` what may go out by now.
    ///
    /// # Errors
    /// [`Stopped`] where the answer may not go on; what `out` holds may go out all the same.
    pub fn feed(&mut self, chunk: &[u8], grant: &Grant, out: &mut Vec<u8>) -> Result<(), Stopped> {
        self.reader.push(chunk);
        if self.passes {
            out.extend_from_slice(chunk);
        }
        loop {
            if self.goes_on(out)? {
                continue;
            }
            match self.reader.next_event() {
                Ok(Some(event)) => self.event(event, grant, out)?,
                Ok(None) => return Ok(()),
                Err(sse::TooLong) if self.passes => {
                    // Nothing is looked for in it but usage, which it does not tell.
                    self.reader = Reader::default();
                    return Ok(());
                }
                Err(sse::TooLong) => return Err(Stopped::Unreadable),
            }
        }
    }

    /// Ends the answer: appends what was held back.
    ///
    /// # Errors
    /// As [`AnswerStream::feed`].
    pub fn finish(&mut self, grant: &Grant, out: &mut Vec<u8>) -> Result<(), Stopped> {
        if let Some(event) = self.reader.rest() {
            self.event(event, grant, out)?;
        }
        while let Some(waits) = self.waits.take() {
            let text = self.texts.iter().find(|open| open.channel == waits.channel);
            let turn = waits.end(text);
            self.end_part(*waits, turn, grant, out)?;
        }
        self.end(&Ends::All, &[], out)
    }

    /// What was found so far.
    #[must_use]
    pub fn detections(&self) -> Vec<Detection> {
        let open = self.texts.iter().flat_map(OpenText::detections);
        self.detections.as_slice().iter().cloned().chain(open).collect()
    }

    /// Hands out what the log is to know by now.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// What the call used, where that was said to the end.
    #[must_use]
    pub fn used(&self) -> Option<Reported> {
        self.listener.as_ref()?.used()
    }

    /// What the provider will charge for an answer that ends here; see [`Listener::used_so_far`].
    #[must_use]
    pub fn used_so_far(&self, tokens_in: u64) -> Option<Reported> {
        self.listener.as_ref()?.used_so_far(tokens_in)
    }

    fn event(&mut self, event: Event, grant: &Grant, out: &mut Vec<u8>) -> Result<(), Stopped> {
        let event = mcp::seal_event(event, grant);
        let listener = self.listener.as_mut().filter(|_| event.has_data());
        let heard = listener.map(|ear| ear.hear(&event.data(), grant)).unwrap_or_default();
        self.take(event, heard, grant, out)
    }

    /// Lets an event pass, unless it is not known yet what it ends.
    fn take(
        &mut self,
        event: Event,
        heard: Heard,
        grant: &Grant,
        out: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        if let Some(mut waits) = self.waits.take() {
            let text = self.texts.iter().find(|open| open.channel == waits.channel);
            return match waits.take(event, heard, text) {
                Turn::Wait => {
                    self.waits = Some(waits);
                    Ok(())
                }
                turn => self.end_part(*waits, turn, grant, out),
            };
        }
        let ended = |channel: &Channel| {
            let open = self.texts.iter().find(|open| open.channel == *channel);
            open.is_some_and(OpenText::is_undecided)
        };
        match heard.pauses.filter(ended) {
            Some(channel) => self.waits = Some(Box::new(Waits::new(channel, event, heard))),
            None => self.pass(&event, heard, grant, out)?,
        }
        Ok(())
    }

    /// Lets events pass that have waited at the end of a part, behind what is due of it.
    fn end_part(
        &mut self,
        waits: Waits,
        turn: Turn,
        grant: &Grant,
        out: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        let Waits { channel, mut events, .. } = waits;
        let open = self.texts.iter_mut().find(|open| open.channel == channel);
        if let Some(open) = open {
            let rest = if turn == Turn::Alone { open.pause() } else { String::new() };
            open.torn |= turn == Turn::Torn;
            if open.is_blocked() {
                return Err(Stopped::Blocked);
            }
            if !rest.is_empty() {
                carry(self.listener.as_ref(), &open.last, rest, out)?;
            }
        }
        if let Some((event, heard)) = events.pop_front() {
            self.pass(&event, heard, grant, out)?;
        }
        // There may be another end among them.
        events.into_iter().try_for_each(|(event, heard)| self.take(event, heard, grant, out))
    }

    fn pass(
        &mut self,
        event: &Event,
        heard: Heard,
        grant: &Grant,
        out: &mut Vec<u8>,
    ) -> Result<(), Stopped> {
        let data = event.data();
        let Heard {
            pieces,
            ends,
            calls,
            notes,
            denied,
            hidden,
            instead,
            unsound,
            goes_on,
            beside,
            last,
            pauses,
            moves_on,
            wholes,
            between: _,
        } = heard;
        if moves_on || pauses.is_some() {
            // What comes of another part now is to be read in full.
            self.forms = Forms::default();
        }
        let mut pieces = pieces;
        self.is_told |= last;
        self.notes.extend(notes);
        let told = calls.iter().any(|call| call.denied);
        self.notes.extend(calls.into_iter().map(ToolCall::note));
        let looks = self.guard.is_some() || self.vault.is_some();
        if let (true, false, [piece]) = (goes_on, looks, pieces.as_slice()) {
            self.forms.learn(event, piece);
        }
        if self.passes {
            return Ok(());
        }
        if let Some(tool) = denied {
            self.notes.extend((!told).then(|| denied_tool(&tool)));
            return Err(Stopped::Denied(tool));
        }
        if unsound {
            return Err(Stopped::Blocked);
        }
        if looks && ends != Ends::None {
            let further = strays(&data, &pieces, &beside)?;
            pieces.extend(further);
        }
        self.end(&ends, &pieces, out)?;
        if hidden {
            return Ok(());
        }
        let changed = instead.is_some();
        let data = instead.map_or(data, Into::into);
        if !looks {
            if changed {
                event.write(&data, out);
            } else {
                out.extend_from_slice(event.raw());
            }
            return Ok(());
        }
        let data = match wholes.is_empty() {
            true => data,
            false => self.mended(&data, &wholes, last)?.into(),
        };
        let is_json = data.trim_ascii_start().starts_with(b"{");
        let mut quiet = is_json;
        let data = if is_json {
            let masked = self.json(&data, &pieces, &ends, &beside)?;
            quiet &= masked.quiet;
            pieces.extend(masked.strays);
            grant.endpoint().protocol.keep(&data, masked.bytes)
        } else {
            self.text(Bytes::copy_from_slice(&data))?
        };
        quiet &= self.write(event, &data, out)?;
        if self.texts.iter().any(OpenText::is_blocked) {
            return Err(Stopped::Blocked);
        }
        if let (true, true, [piece]) = (goes_on, quiet, pieces.as_slice()) {
            self.forms.learn(event, piece);
        }
        self.remember(event, &data, &pieces);
        self.close(&ends);
        Ok(())
    }

    /// The data of an event without what lies across whole texts in it. Where a value lay across two parts,
    /// what is told of them one by one once more is empty; all of them together are told at the end.
    fn mended(&mut self, data: &[u8], wholes: &[Piece], last: bool) -> Result<Vec<u8>, Stopped> {
        let Some(guard) = &self.guard else { return Ok(data.to_vec()) };
        let torn = |whole: &Piece| {
            let open = self.texts.iter().find(|open| open.channel == whole.channel);
            open.is_some_and(|open| open.torn)
        };
        if !last && wholes.iter().any(torn) {
            return join::silence(data, wholes).map_err(|_| Stopped::Blocked);
        }
        match join::mend(guard.masker(), data, wholes) {
            Ok((data, found)) => {
                self.detections.extend(found);
                Ok(data.into_owned())
            }
            Err(Blocked { detections }) => Err(self.blocked(detections)),
        }
    }

    /// Takes the next event if it is of a form that is known: then its piece is all that is to be
    /// heard, searched and restored. `false` where it is another one, or not whole yet.
    fn goes_on(&mut self, out: &mut Vec<u8>) -> Result<bool, Stopped> {
        let Self { reader, listener, guard, vault, passes, texts, forms, waits, .. } = self;
        if waits.is_some() {
            return Ok(false);
        }
        let event = reader.ahead();
        let (Some((form, fit)), Some(listener)) = (forms.find(event), listener) else {
            return Ok(false);
        };
        let part = |range: Range<usize>| event.get(range).unwrap_or_default();
        let Some(text) = meaning(part(fit.piece.clone())) else { return Ok(false) };
        let channel = form.piece.channel;
        if guard.is_none() && vault.is_none() {
            listener.hear_on(channel, &text);
            if !*passes {
                out.extend_from_slice(part(0..fit.end));
            }
            reader.pass(fit.end);
            return Ok(true);
        }
        let open = texts.iter_mut().find(|open| open.channel == channel);
        let is_clear = form.is_clear(event, guard.as_deref(), vault.as_deref());
        let Some(open) = open.filter(|_| is_clear) else { return Ok(false) };
        listener.hear_on(channel, &text);
        let written = open.go_on(&text, false);
        let changed = (written != *text).then_some(&*written);
        put(event, &fit, changed, vault.as_deref(), out);
        open.last.keep_like(form, part(fit.data));
        let blocked = open.is_blocked();
        reader.pass(fit.end);
        if blocked { Err(Stopped::Blocked) } else { Ok(true) }
    }

    /// Writes an event with the data that may go out; what stands beside it is treated likewise. `true`
    /// where nothing of that changed.
    fn write(&mut self, event: &Event, data: &Bytes, out: &mut Vec<u8>) -> Result<bool, Stopped> {
        let mut lines = Vec::new();
        let mut same = true;
        for line in event.other_lines() {
            let written = match line {
                line if is_known_name(line) => Bytes::copy_from_slice(line),
                // No client of a model reads a comment; it is there to be sent.
                [b':', ..] if self.over.is_some() => Bytes::from_static(b":"),
                line => self.line(line)?,
            };
            same &= written == line;
            lines.push(written);
        }
        if same && event.has_data() {
            event.write(data, out);
        } else if same {
            out.extend_from_slice(event.raw());
        } else {
            let lines: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
            out.extend_from_slice(event.lead());
            if event.has_data() {
                sse::write(&lines, data, out);
            } else {
                lines.iter().for_each(|line| out.extend([line, &b"\n"[..]].concat()));
                out.push(b'\n');
            }
        }
        Ok(same)
    }

    /// A line beside the data, as it may go out.
    fn line(&mut self, line: &[u8]) -> Result<Bytes, Stopped> {
        let written = self.text(Bytes::copy_from_slice(line))?;
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        if !written.iter().any(is_end) {
            return Ok(written);
        }
        // A value of several lines has no room in one.
        Ok(written.iter().map(|byte| if is_end(byte) { b' ' } else { *byte }).collect())
    }

    /// A text that stands in one event as a whole, as far as it may go out.
    fn text(&mut self, text: Bytes) -> Result<Bytes, Stopped> {
        let text = match &self.guard {
            Some(guard) => {
                let screened = guard.screen(Media::Text, text);
                let screened = screened.map_err(|blocked| self.blocked(blocked.detections))?;
                self.detections.extend(screened.detections);
                screened.bytes
            }
            None => text,
        };
        Ok(self.restored(Media::Text, text))
    }

    /// The data of an event with its pieces as far as they may go out, and everything else masked
    /// and restored.
    fn json(
        &mut self,
        data: &[u8],
        pieces: &[Piece],
        ends: &Ends,
        beside: &Beside,
    ) -> Result<Written, Stopped> {
        let Self { texts, guard, vault, over, threads, .. } = self;
        let (guard, vault) = (guard.as_ref(), vault.as_ref());
        for piece in pieces {
            super::open::open(texts, piece, guard, vault)?;
        }
        let (over, value) = (over.as_ref(), OnceCell::new());
        let event = Read { data, value: &value };
        let mut hands =
            Hands::new(texts, (guard, vault), (pieces, beside), (ends, over), (event, threads));
        let (mut found, mut blocked, mut readable) = (Vec::new(), false, true);
        let bytes = match guard {
            Some(guard) => {
                let masked = guard.masker().mask_json_with(data, &mut hands);
                let masked = masked.map_err(|_| Stopped::Blocked)?;
                (found, blocked) = (super::located(masked.findings), masked.blocked);
                masked.bytes
            }
            // What nobody can read has its placeholders still.
            None => rewrite_json(data, &mut hands).unwrap_or_else(|_| {
                readable = false;
                Cow::Borrowed(data)
            }),
        };
        let (strays, further, stopped) = hands.end();
        found.extend(further.as_slice().iter().cloned());
        let quiet = readable && found.is_empty() && strays.is_empty();
        if blocked {
            return Err(self.blocked(found));
        }
        self.detections.extend(found);
        if let Some(stopped) = stopped {
            return Err(stopped);
        }
        let masked = Bytes::from(bytes.into_owned());
        let bytes = self.restored(Media::Json, masked.clone());
        Ok(Written { quiet: quiet && bytes == masked, bytes, strays })
    }

    /// What stands in one event as a whole, with the values that were put aside.
    fn restored(&self, media: Media, bytes: Bytes) -> Bytes {
        match &self.vault {
            Some(vault) => restore(vault, media, bytes),
            None => bytes,
        }
    }

    /// Keeps the form of the event for the texts of which it has a piece.
    fn remember(&mut self, event: &Event, data: &Bytes, pieces: &[Piece]) {
        let named = event.other_lines().any(|line| line.starts_with(b"event:"));
        for piece in pieces {
            let open = self.texts.iter_mut().find(|open| open.channel == piece.channel);
            if let Some(open) = open {
                open.last.keep(data.clone(), piece, named);
            }
        }
    }

    /// Texts that are over: what was held back of them goes out, but for those that have a piece in
    /// the very event that ends them, which brings the rest itself.
    fn end(&mut self, ends: &Ends, pieces: &[Piece], out: &mut Vec<u8>) -> Result<(), Stopped> {
        if *ends == Ends::None {
            return Ok(());
        }
        let brings = |channel| pieces.iter().any(|piece| piece.channel == channel);
        let listener = self.listener.as_ref();
        let mut blocked = false;
        for open in &mut self.texts {
            if !ends.cover(open.channel) || brings(open.channel) {
                continue;
            }
            let mut rest = Some(open.search("", true));
            if let Some((threads, guard)) = self.threads.as_mut().zip(self.guard.as_ref()) {
                let text = (open.channel, &*name_of(open.pointer()));
                rest = rest.and_then(|rest| threads.take(text, rest, guard));
            }
            blocked |= open.is_blocked();
            let Some(rest) = rest.map(|rest| open.restore(rest, true)) else {
                return Err(Stopped::Blocked);
            };
            if !rest.is_empty() {
                carry(listener, &open.last, rest, out)?;
            }
        }
        if blocked { Err(Stopped::Blocked) } else { Ok(()) }
    }

    /// Forgets texts that are over, and keeps what was found in them.
    fn close(&mut self, ends: &Ends) {
        if let Some(over) = &mut self.over {
            over.note(ends);
        }
        for over in self.texts.extract_if(.., |open| ends.cover(open.channel)) {
            self.detections.extend(over.detections());
        }
    }

    fn blocked(&mut self, detections: Vec<Detection>) -> Stopped {
        self.detections.extend(detections);
        Stopped::Blocked
    }
}

/// The data of an event as they may go out.
struct Written {
    bytes: Bytes,
    /// Nothing was found or restored beside the pieces, and nothing there goes on.
    quiet: bool,
    /// What goes on in it beside the pieces that the listener knows.
    strays: Vec<Piece>,
}

/// Names of events that the protocols have: nothing is looked for in them. Others are searched.
const NAMES: [&[u8]; 9] = [
    b"content_block_delta",
    b"content_block_start",
    b"content_block_stop",
    b"error",
    b"message",
    b"message_delta",
    b"message_start",
    b"message_stop",
    b"ping",
];

fn is_known_name(line: &[u8]) -> bool {
    line.strip_prefix(b"event: ").is_some_and(|name| NAMES.contains(&name))
}

/// Writes an event of a known form, with another piece if `changed` says so.
fn put(event: &[u8], fit: &Fit, changed: Option<&str>, vault: Option<&Vault>, out: &mut Vec<u8>) {
    let part = |range: Range<usize>| event.get(range).unwrap_or_default();
    // With its quotation marks.
    let string = fit.piece.start.saturating_sub(1)..fit.piece.end + 1;
    match (changed, vault) {
        (None, None) => out.extend_from_slice(part(0..fit.end)),
        (changed, vault) => {
            out.extend_from_slice(part(0..string.start));
            let begins = out.len();
            match changed {
                Some(text) => write_string(text, out),
                None => out.extend_from_slice(part(string.clone())),
            }
            if let Some(vault) = vault {
                let masked = Bytes::from(out.split_off(begins));
                out.extend_from_slice(&restore(vault, Media::Json, masked));
            }
            out.extend_from_slice(part(string.end..fit.end));
        }
    }
}

/// Screens a document in which texts stand in pieces: each of them is searched as one, and what comes
/// out of it may move from one of its pieces to the next. Of a model they are texts by themselves that
/// some clients join: what lies across them is taken out, and then each is screened.
///
/// # Errors
/// [`Blocked`] where something must not pass, or where there are too many texts.
pub fn screen_pieces(
    guard: &Arc<Guard>,
    document: &[u8],
    pieces: &[Piece],
    grant: &Grant,
) -> Result<Screened, Blocked> {
    if grant.endpoint().protocol != Protocol::A2a {
        let (document, across) = join::mend(guard.masker(), document, pieces)?;
        let document = Bytes::copy_from_slice(&document);
        let Screened { bytes, detections } = guard.screen(Media::Json, document)?;
        return Ok(Screened { bytes, detections: [across, detections].concat() });
    }
    let mut stream = AnswerStream::new(None, Some(Arc::clone(guard)), grant);
    let screened = stream.json(document, pieces, &Ends::All, &Beside::default());
    let stopped = stream.texts.iter().any(OpenText::is_blocked);
    let detections = stream.detections();
    match screened {
        Ok(written) if !stopped => Ok(Screened { bytes: written.bytes, detections }),
        Ok(_) | Err(_) => Err(Blocked { detections }),
    }
}
