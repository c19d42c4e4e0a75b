//! Is this event like one before it, but for its words?
//!
//! Providers write one event after the other in the same form, of which a few letters change. What
//! was read once, and searched, and held nothing that must not pass, holds nothing the next time
//! either: where the bytes around a piece are the same, JSON has the same meaning around it, so the
//! piece alone is looked at. What is not certainly of the same form is read like the first one.

use std::borrow::Cow;
use std::ops::Range;

use bartizan_pii::{Scanner, Vault};

use super::Guard;
use crate::sse::Event;
use crate::validate::listener::Piece;

/// Longer numbers, and longer labels that change, are read in full.
const LONGEST_NUMBER: usize = 32;
const LONGEST_LABEL: usize = 128;

/// So much of an event may change beside its piece.
const MOST_SLOTS: usize = 16;

/// So many forms of one answer are known at a time.
const MOST_FORMS: usize = 4;

/// Longer events are of no form: what is kept of them is bounded.
const LONGEST_EVENT: usize = 4096;

/// The forms in which an answer was written of late.
#[derive(Debug, Default)]
pub(super) struct Forms {
    known: Vec<Form>,
    /// Which one makes room for the next.
    oldest: usize,
}

/// An event that brings a piece, and what of it may change.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) piece: Piece,
    /// Whether a line beside the data names the event.
    pub(super) named: bool,
    raw: Box<[u8]>,
    /// Where the value of its `data` field begins.
    data: usize,
    /// What changes, in order.
    slots: Box<[Slot]>,
}

/// What may change of an event.
#[derive(Debug)]
struct Slot {
    holds: Holds,
    /// The name of the member.
    name: Span,
    /// Its value in the event that is kept.
    place: Span,
    /// The same in the event that was looked at last.
    at: Span,
    /// Whether it was another one there.
    changed: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holds {
    Piece,
    /// A number that nobody here reads: a count, a time.
    Number,
    /// A string that is told as a whole and that nobody here reads: who made the event, padding.
    Label,
}

/// A part of an event: none is longer than 4 GB.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(range: &Range<usize>) -> Self {
        let [start, end] = [range.start, range.end].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Self { start, end }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    fn part(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.range()).unwrap_or_default()
    }
}

/// Where the parts of an event lie that is of a known form.
#[derive(Debug, Default)]
pub(super) struct Fit {
    /// The piece, between its quotation marks.
    pub(super) piece: Range<usize>,
    /// The value of the `data` field.
    pub(super) data: Range<usize>,
    /// Where the event ends.
    pub(super) end: usize,
}

impl Forms {
    /// Keeps the form of an event in which `piece` alone is of interest, if it can be told.
    pub(super) fn learn(&mut self, event: &Event, piece: &Piece) {
        let Some(form) = Form::of(event, piece) else { return };
        match self.known.get_mut(self.oldest) {
            Some(oldest) => *oldest = form,
            None => {
                self.known.reserve_exact(1);
                self.known.push(form);
            }
        }
        self.oldest = (self.oldest + 1) % MOST_FORMS;
    }

    /// The form of the event with which `bytes` begin; `None` where it is none of those that are
    /// known, or is not whole yet.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Option<(&mut Form, Fit)> {
        self.known.iter_mut().find_map(|form| {
            let fit = form.fit(bytes)?;
            Some((form, fit))
        })
    }
}

impl Form {
    fn of(event: &Event, piece: &Piece) -> Option<Self> {
        let raw = event.raw();
        let data = event.only_data()?;
        // What stands before the first letter depends on the event before.
        let begins = raw.first().is_some_and(u8::is_ascii_lowercase);
        if !begins || !ends_evenly(raw) || raw.len() > LONGEST_EVENT {
            return None;
        }
        let named = event.other_lines().next().is_some();
        if !event.other_lines().all(is_plain_name) {
            return None;
        }
        let slots = slots(raw, data.clone(), piece)?;
        // Where nothing is escaped every name is written as it is meant, and so there is no other
        // member of the name of the piece.
        let mut from = 0;
        for Slot { place, .. } in &slots {
            if raw.get(from..place.range().start)?.contains(&b'\\') {
                return None;
            }
            from = place.range().end;
        }
        if raw.get(from..)?.contains(&b'\\') {
            return None;
        }
        let (raw, slots) = (raw.as_ref().into(), slots.into());
        let mut form = Self { piece: piece.clone(), named, raw, data: data.start, slots };
        // An event is of its own form, or there is something here that was not understood.
        let own: Box<[u8]> = form.raw.clone();
        form.fit(&own).is_some().then_some(form)
    }

    fn fit(&mut self, bytes: &[u8]) -> Option<Fit> {
        let mut fit = Fit::default();
        let (mut at, mut from) = (0, 0);
        for slot in &mut self.slots {
            let place = slot.place.range();
            let same = self.raw.get(from..place.start)?;
            let rest = bytes.get(at..)?.strip_prefix(same)?;
            at += same.len();
            let before = self.raw.get(place.clone())?;
            slot.changed = slot.holds == Holds::Piece || !is_again(rest, before, slot.holds);
            let length = match slot.holds {
                _ if !slot.changed => before.len(),
                Holds::Number => number(rest)?,
                Holds::Piece => closing(rest)?,
                Holds::Label => label(rest)?,
            };
            let there = at..at + length;
            slot.at = Span::of(&there);
            (at, from) = (there.end, place.end);
            if slot.holds == Holds::Piece {
                fit.piece = there;
            }
        }
        let same = self.raw.get(from..)?;
        bytes.get(at..)?.strip_prefix(same)?;
        fit.end = at + same.len();
        // Behind the data are its line end and the blank line, and a name where that comes last.
        let behind = same.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        fit.data = self.data..at + behind;
        Some(fit)
    }

    /// Whether nothing is found in, or belongs into, what has changed beside the piece of the event that
    /// fitted last.
    pub(super) fn is_clear(
        &mut self,
        bytes: &[u8],
        guard: Option<&Guard>,
        vault: Option<&Vault>,
    ) -> bool {
        let Self { raw, slots, .. } = self;
        let mut changed = slots.iter().filter(|slot| slot.changed && slot.holds != Holds::Piece);
        changed.all(|slot| {
            let new = slot.at.part(bytes);
            let clear = guard.is_none_or(|guard| slot.is_clear(raw, new, guard));
            let stays =
                vault.is_none_or(|vault| matches!(vault.restore_text(new), Cow::Borrowed(_)));
            if let Some(known) = raw.get_mut(slot.place.range()).filter(|_| clear && stays)
                && known.len() == new.len()
            {
                // Times change seldom.
                known.copy_from_slice(new);
            }
            clear && stays
        })
    }
}

impl Slot {
    /// Whether nothing is found in what stands there now.
    fn is_clear(&self, raw: &[u8], new: &[u8], guard: &Guard) -> bool {
        let name = str::from_utf8(self.name.part(raw)).unwrap_or_default();
        let scanner = guard.masker().scanner();
        str::from_utf8(new).is_ok_and(|new| match self.holds {
            Holds::Number => scanner.is_clear_number(new, name),
            Holds::Label | Holds::Piece => scanner.scan_hinted(new, name).is_empty(),
        })
    }
}

/// Whether the lines of an event all end in the same way, and it ends with a blank one.
fn ends_evenly(raw: &[u8]) -> bool {
    let returns = raw.iter().filter(|byte| **byte == b'\r').count();
    let feeds = raw.iter().filter(|byte| **byte == b'\n').count();
    let pairs = raw.windows(2).filter(|pair| pair == b"\r\n").count();
    match returns {
        0 => raw.ends_with(b"\n\n"),
        _ => returns == feeds && returns == pairs && raw.ends_with(b"\r\n\r\n"),
    }
}

/// What may change in an event: its piece, of which there must be one alone, and what nobody reads.
fn slots(raw: &[u8], data: Range<usize>, piece: &Piece) -> Option<Vec<Slot>> {
    let wanted = piece.pointer.rsplit('/').next()?.as_bytes();
    let (mut slots, mut known) = (Vec::new(), false);
    let slot = |holds, name: Range<usize>, place: Range<usize>| {
        let place = Span::of(&place);
        Slot { holds, name: Span::of(&name), place, at: place, changed: false }
    };
    for Member { name, value, depth } in members(raw, data) {
        let called = raw.get(name.clone())?;
        if called == wanted {
            let Scalar::String(place) = value else { return None };
            if std::mem::replace(&mut known, true) {
                return None;
            }
            slots.push(slot(Holds::Piece, name, place));
            continue;
        }
        let held = match value {
            Scalar::Number(place) if !is_read(called) => Some((Holds::Number, place)),
            Scalar::String(place) if changes(called, depth) => Some((Holds::Label, place)),
            Scalar::Number(_) | Scalar::String(_) | Scalar::Other => None,
        };
        // What is assigned to a name that says it is a secret is looked at in another way.
        let known_name = str::from_utf8(called)
            .is_ok_and(|name| name.len() <= LONGEST_LABEL && !Scanner::expects_secret(name));
        let held = held.filter(|_| known_name);
        let spare = slots.len() + usize::from(!known) < MOST_SLOTS;
        slots.extend(held.filter(|_| spare).map(|(holds, place)| slot(holds, name, place)));
    }
    known.then_some(slots)
}

/// Whether a number of this name says to which text a piece belongs.
fn is_read(name: &[u8]) -> bool {
    name.ends_with(b"index")
}

/// Whether a string of this name may be another one in each event, and says nothing but that.
fn changes(name: &[u8], depth: usize) -> bool {
    name == b"obfuscation" || (depth == 1 && (name == b"id" || name.ends_with(b"_id")))
}

/// Whether the value that stood in the event that is kept stands here again.
fn is_again(rest: &[u8], before: &[u8], holds: Holds) -> bool {
    let behind = rest.strip_prefix(before).and_then(<[u8]>::first);
    match holds {
        Holds::Number => matches!(behind, Some(b',' | b'}' | b' ')),
        Holds::Label | Holds::Piece => behind == Some(&b'"'),
    }
}

/// A member of an object in an event.
struct Member {
    name: Range<usize>,
    value: Scalar,
    /// In how many objects and arrays it stands.
    depth: usize,
}

enum Scalar {
    /// Between its quotation marks.
    String(Range<usize>),
    Number(Range<usize>),
    Other,
}

/// The members of all objects of a sound document, in order.
fn members(raw: &[u8], data: Range<usize>) -> impl Iterator<Item = Member> {
    let source = raw.get(..data.end).unwrap_or_default();
    let (mut at, mut depth) = (data.start, 0_usize);
    std::iter::from_fn(move || {
        loop {
            match source.get(at)? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' => {
                    let name = string(source, at)?;
                    at = name.end + 1;
                    let behind = source.get(at..)?.trim_ascii_start();
                    let Some(value) = behind.strip_prefix(b":").map(<[u8]>::trim_ascii_start)
                    else {
                        continue;
                    };
                    at = source.len() - value.len();
                    let value = scalar(source, at)?;
                    if let Scalar::String(value) = &value {
                        at = value.end + 1;
                    }
                    return Some(Member { name, value, depth });
                }
                _ => {}
            }
            at += 1;
        }
    })
}

/// What begins at `at`.
fn scalar(source: &[u8], at: usize) -> Option<Scalar> {
    let rest = source.get(at..)?;
    Some(match rest.first()? {
        b'"' => Scalar::String(string(source, at)?),
        b'-' | b'0'..=b'9' => match number(rest) {
            Some(length) => Scalar::Number(at..at + length),
            None => Scalar::Other,
        },
        _ => Scalar::Other,
    })
}

/// What the source of a string means, where nothing is written in it that readers of JSON take for
/// different things: no control characters, no `\u`.
pub(super) fn meaning(source: &[u8]) -> Option<Cow<'_, str>> {
    let source = str::from_utf8(source).ok()?;
    if source.bytes().any(|byte| byte < 0x20) {
        return None;
    }
    if !source.contains('\\') {
        return Some(Cow::Borrowed(source));
    }
    let mut text = String::with_capacity(source.len());
    let mut letters = source.chars();
    while let Some(letter) = letters.next() {
        text.push(match letter {
            '\\' => match letters.next()? {
                itself @ ('"' | '\\' | '/') => itself,
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                _ => return None,
            },
            plain => plain,
        });
    }
    Some(Cow::Owned(text))
}

/// What stands between the quotation marks of the string that begins at `at`.
fn string(raw: &[u8], at: usize) -> Option<Range<usize>> {
    let rest = raw.get(at..)?.strip_prefix(b"\"")?;
    Some(at + 1..at + 1 + closing(rest)?)
}

/// How far it is to the quotation mark that ends a string.
fn closing(rest: &[u8]) -> Option<usize> {
    let mut escaped = false;
    rest.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

/// The same where the string is a label that means what is written.
fn label(rest: &[u8]) -> Option<usize> {
    let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.:/+=~@".contains(byte);
    let length = rest.iter().take(LONGEST_LABEL + 1).take_while(plain).count();
    (length <= LONGEST_LABEL && rest.get(length) == Some(&b'"')).then_some(length)
}

/// How long the number is that stands here (RFC 8259 section 6).
fn number(rest: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = rest.get(from..).unwrap_or_default();
        rest.iter().take(LONGEST_NUMBER).take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(rest.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && rest.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if rest.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        at += 1 + fraction;
        if fraction == 0 {
            return None;
        }
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(rest.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        at += exponent;
        if exponent == 0 {
            return None;
        }
    }
    (at <= LONGEST_NUMBER && matches!(rest.get(at), Some(b',' | b'}' | b' '))).then_some(at)
}

/// Whether a line names its event, and can hold nothing else.
pub(super) fn is_plain_name(line: &[u8]) -> bool {
    let is_plain =
        |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.' | b':' | b' ');
    line.starts_with(b"event: ") && line.iter().all(is_plain)
}
