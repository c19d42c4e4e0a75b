//! What of a text that comes in pieces may go out by now, and how does the rest get there?

use std::sync::Arc;

use bartizan_pii::{Stream, Tally, Vault};
use bytes::Bytes;
use serde_json::Value;

use super::bare::Bare;
use super::form::Form;
use super::hands::name_of;
use super::restore::TextBack;
use super::stream::Stopped;
use super::{Detection, Guard};
use crate::sse;
use crate::validate::Listener;
use crate::validate::listener::{Channel, Ends, Kind, Piece};

/// How many texts of one answer may be open at the same time.
pub(super) const MAX_TEXTS: usize = 256;

/// A text that comes in pieces.
#[derive(Debug)]
pub(super) struct OpenText {
    pub(super) channel: Channel,
    /// Where its first piece stood in its event.
    pointer: String,
    /// Where something must not pass.
    stream: Option<Stream>,
    /// For the text of a JSON document.
    bare: Option<Bare>,
    /// Where something was put aside.
    back: Option<TextBack>,
    /// The form of the event that brings the rest.
    pub(super) last: Last,
    /// What went out of it at the end of a part, and comes out of the search once more.
    owed: String,
    /// Whether a value lay across the end of a part.
    pub(super) torn: bool,
}

/// What a text makes of the end of a part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Seam {
    /// That depends on what follows.
    Open,
    /// What it would by itself.
    Whole,
    /// Something else: a value lies across it.
    Torn,
}

/// The last event with a piece of a text.
#[derive(Debug)]
pub(super) struct Last {
    /// Its data, of which only what stands beside the piece is of interest: shared by all texts that
    /// have a piece in it.
    data: Bytes,
    /// The same, where it was one of a known form; these are short.
    like: Vec<u8>,
    piece: Piece,
    /// Whether a line beside the data named it.
    named: bool,
}

impl OpenText {
    /// What may go out after one more piece; with the last one everything.
    ///
    /// What was put aside comes back behind the search: what the client has sent itself is not masked.
    pub(super) fn go_on(&mut self, piece: &str, last: bool) -> String {
        let searched = self.search(piece, last);
        self.restore(searched, last)
    }

    /// What was searched, with what was put aside.
    pub(super) fn restore(&mut self, searched: String, last: bool) -> String {
        match &mut self.back {
            Some(back) => back.go_on(&searched, last),
            None => searched,
        }
    }

    /// What may go out at the end of a part, where others read it by itself.
    pub(super) fn pause(&mut self) -> String {
        let Some(stream) = &mut self.stream else { return String::new() };
        let alone = lossy(stream.pause());
        let new = self.unowed(alone.clone());
        self.owed = alone;
        match &mut self.back {
            // What is put back is put back in each part.
            Some(back) if !new.is_empty() => {
                let out = back.go_on(&new, true);
                back.begin_anew();
                out
            }
            _ => new,
        }
    }

    /// Whether something is undecided at the end of a part.
    pub(super) fn is_undecided(&self) -> bool {
        self.stream.as_ref().is_some_and(|stream| stream.held() > self.owed.len())
    }

    /// What it makes of the end of a part when `ahead` follows.
    pub(super) fn seam(&self, ahead: &str) -> Seam {
        let Some(mut probe) = self.stream.clone() else { return Seam::Whole };
        // A part of a value may be one by itself: of a card's number, a telephone's.
        let is_across = probe.lies_across(ahead.as_bytes());
        let (alone, mut out) = (probe.pause(), Vec::new());
        probe.feed(ahead.as_bytes(), &mut out);
        let mut joined = self.stream.clone();
        let held = joined.as_mut().map_or(0, |joined| {
            joined.feed(ahead.as_bytes(), &mut Vec::new());
            joined.held()
        });
        match () {
            () if probe.is_blocked() => Seam::Torn,
            () if held.max(probe.held()) > ahead.len() => Seam::Open,
            () if is_across => Seam::Torn,
            () if out.starts_with(&alone) => Seam::Whole,
            () => Seam::Torn,
        }
    }

    /// The same, where nothing follows `ahead`.
    pub(super) fn seam_at_end(&self, ahead: &str) -> Seam {
        let torn = self.stream.as_ref().is_some_and(|stream| stream.lies_across(ahead.as_bytes()));
        if torn { Seam::Torn } else { Seam::Whole }
    }

    /// What came out of the search without what went out before.
    fn unowed(&mut self, mut out: String) -> String {
        if self.owed.is_empty() || out.is_empty() {
            return out;
        }
        let pairs = out.chars().zip(self.owed.chars());
        let same: usize = pairs.take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let (more, rest) = (same < out.len(), same < self.owed.len());
        out.drain(..same);
        match (more, rest) {
            (false, _) => drop(self.owed.drain(..same)),
            (true, rest) => {
                self.torn |= rest;
                self.owed.clear();
            }
        }
        out
    }

    /// What may go out of the pieces as they came.
    pub(super) fn search(&mut self, piece: &str, last: bool) -> String {
        let out = self.searched(piece, last);
        self.unowed(out)
    }

    fn searched(&mut self, piece: &str, last: bool) -> String {
        let Some(stream) = &mut self.stream else { return piece.to_owned() };
        let mut out = Vec::with_capacity(piece.len() + stream.held());
        stream.feed(piece.as_bytes(), &mut out);
        if last {
            stream.finish(&mut out);
        }
        let out = lossy(out);
        let Some(bare) = &mut self.bare else { return out };
        let mends = !stream.findings().is_empty();
        let mut mended = String::with_capacity(out.len());
        bare.feed(&out, mends, &mut mended);
        if last {
            bare.finish(mends, &mut mended);
        }
        mended
    }

    /// Where its first piece stood.
    pub(super) fn pointer(&self) -> &str {
        &self.pointer
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_blocked)
    }

    pub(super) fn detections(&self) -> impl Iterator<Item = Detection> {
        let found = self.stream.as_ref().map(Stream::findings).unwrap_or_default();
        found.iter().map(|Tally { entity, count }| Detection {
            entity: entity.clone(),
            pointer: self.pointer.clone(),
            count: *count,
        })
    }
}

impl Last {
    fn new(piece: &Piece) -> Self {
        Self { data: Bytes::new(), like: Vec::new(), piece: piece.clone(), named: false }
    }

    pub(super) fn keep(&mut self, data: Bytes, piece: &Piece, named: bool) {
        (self.data, self.named) = (data, named);
        self.like.clear();
        self.piece.clone_from(piece);
    }

    /// Keeps an event that is of `form`.
    pub(super) fn keep_like(&mut self, form: &Form, data: &[u8]) {
        if !self.data.is_empty() {
            self.data = Bytes::new();
        }
        self.like.clear();
        self.like.extend_from_slice(data);
        self.named = form.named;
        if self.piece != form.piece {
            self.piece.clone_from(&form.piece);
        }
    }

    fn data(&self) -> &[u8] {
        if self.like.is_empty() { &self.data } else { &self.like }
    }
}

/// Which texts are over for good. What was held back of them is out, and could not be searched
/// together with what follows; a client joins them all the same.
#[derive(Debug, Default)]
pub(super) struct Over {
    some: Vec<Ends>,
    all: bool,
}

/// An answer in which more texts end has no more.
const MAX_ENDS: usize = 4096;

impl Over {
    pub(super) fn note(&mut self, ends: &Ends) {
        match ends {
            Ends::None => {}
            Ends::All => self.all = true,
            Ends::Item(_) | Ends::One(_) if self.some.contains(ends) => {}
            Ends::Item(_) | Ends::One(_) => self.some.push(ends.clone()),
        }
        self.all |= self.some.len() >= MAX_ENDS;
    }

    pub(super) fn covers(&self, channel: Channel) -> bool {
        self.all || self.some.iter().any(|ends| ends.cover(channel))
    }
}

/// Opens the text to which a piece belongs, unless it is open.
///
/// # Errors
/// [`Stopped::Unreadable`] where there are too many.
pub(super) fn open(
    texts: &mut Vec<OpenText>,
    piece: &Piece,
    guard: Option<&Arc<Guard>>,
    vault: Option<&Arc<Vault>>,
) -> Result<(), Stopped> {
    let channel = piece.channel;
    if texts.iter().any(|text| text.channel == channel) {
        return Ok(());
    }
    if texts.len() >= MAX_TEXTS {
        return Err(Stopped::Unreadable);
    }
    let is_json = channel.kind == Kind::Arguments;
    let stream = guard.map(|guard| match channel.kind {
        Kind::Unknown => guard.masker().stream().named(&name_of(&piece.pointer)),
        _ => guard.masker().stream(),
    });
    let bare = (is_json && stream.is_some()).then(Bare::default);
    let back = vault.map(|vault| TextBack::new(Arc::clone(vault), is_json));
    let pointer = piece.pointer.clone();
    let last = Last::new(piece);
    // Most answers have one, and room for four would be the most of what an answer costs.
    texts.reserve_exact(1);
    let (owed, torn) = (String::new(), false);
    texts.push(OpenText { channel, pointer, stream, bare, back, last, owed, torn });
    Ok(())
}

fn lossy(out: Vec<u8>) -> String {
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Writes an event of the form of `last` that brings nothing but `rest`.
///
/// # Errors
/// [`Stopped::Unreadable`] where there is no such event: what was held back must not get lost.
pub(super) fn carry(
    listener: Option<&Listener>,
    last: &Last,
    rest: String,
    out: &mut Vec<u8>,
) -> Result<(), Stopped> {
    let data = last.data();
    let data = serde_json::from_slice::<Value>(data)
        .or_else(|_| serde_json::from_slice(&with_whole_letters(data)));
    let (Ok(data), Some(listener)) = (data, listener) else { return Err(Stopped::Unreadable) };
    let data = listener.carry(data, &last.piece, rest);
    let kind = data.get("type").and_then(Value::as_str).unwrap_or_default();
    let name = format!("event: {kind}");
    let lines: &[&[u8]] = if last.named && !kind.is_empty() { &[name.as_bytes()] } else { &[] };
    sse::write(lines, data.to_string().as_bytes(), out);
    Ok(())
}

/// The same document with a sign in place of each half of a surrogate pair (RFC 8259 section 8.2), which
/// is no letter, and as which no text can be read.
pub(super) fn with_whole_letters(data: &[u8]) -> Vec<u8> {
    let unit = |source: &[u8]| {
        let digits = source.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut out, mut rest) = (Vec::with_capacity(data.len()), data);
    while let Some((first, behind)) = rest.split_first() {
        let next = |length: usize| rest.split_at_checked(length).unwrap_or((rest, &[]));
        let (written, after): (&[u8], _) = match (unit(rest), unit(next(6).1)) {
            _ if *first != b'\\' => (std::slice::from_ref(first), behind),
            (Some(0xD800..0xDC00), Some(0xDC00..0xE000)) => next(12),
            (Some(0xD800..0xE000), _) => (b"\\ufffd", next(6).1),
            _ => next(2),
        };
        out.extend_from_slice(written);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_letter_becomes_a_sign_and_everything_else_stays() {
        for (source, whole) in [
            (r#"{"a":"\ud800"}"#, r#"{"a":"\ufffd"}"#),
            (r#"{"a":"\uD83E\udd80\udd80x"}"#, r#"{"a":"\uD83E\udd80\ufffdx"}"#),
            (r#"{"a":"\\ud800\"","b":1}"#, r#"{"a":"\\ud800\"","b":1}"#),
            (r#""\ud8"#, r#""\ud8"#),
            ("", ""),
        ] {
            let made = with_whole_letters(source.as_bytes());
            assert_eq!(String::from_utf8_lossy(&made), whole);
        }
    }
}
