//! Is this event like one before it, but for its words?
//!
//! Providers write one event after the other in the same form, of which a few letters change. What
//! was read once, and searched, and held nothing that must not pass, holds nothing the next time
//! either: where the bytes around a piece are the same, JSON has the same meaning around it, so the
//! piece alone is looked at. What is not certainly of the same form is read like the first one.

use std::borrow::Cow;
use std::ops::Range;

use crate::sse::Event;
use crate::validate::listener::Piece;

/// What changes in each event and tells nothing: padding against those who count bytes on the wire.
pub(super) const PADDING: &str = "obfuscation";

/// What changes in each event and counts them.
const COUNT: &[u8] = b"sequence_number";

/// Longer padding is read in full.
const LONGEST_PADDING: usize = 64;

/// Longer numbers are searched.
const LONGEST_COUNT: usize = 6;

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
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    holds: Holds,
    place: Range<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Holds {
    Piece,
    Padding,
    Count,
}

/// Where the parts of an event lie that is of a known form.
#[derive(Debug, Default)]
pub(super) struct Fit {
    /// The piece, between its quotation marks.
    pub(super) piece: Range<usize>,
    /// Padding, between its quotation marks.
    pub(super) padding: Range<usize>,
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
    pub(super) fn find(&self, bytes: &[u8]) -> Option<(&Form, Fit)> {
        self.known.iter().find_map(|form| Some((form, form.fit(bytes)?)))
    }
}

impl Form {
    fn of(event: &Event, piece: &Piece) -> Option<Self> {
        let raw = event.raw();
        let data = event.only_data()?;
        // Carriage returns and what stands before the first letter depend on the event before.
        let begins = raw.first().is_some_and(u8::is_ascii_lowercase);
        let ends = raw.ends_with(b"\n\n") && !raw.contains(&b'\r');
        if !begins || !ends || raw.len() > LONGEST_EVENT {
            return None;
        }
        let named = event.other_lines().next().is_some();
        if !event.other_lines().all(is_plain_name) {
            return None;
        }
        let name = piece.pointer.rsplit('/').next()?;
        let text = string(raw, value(raw, data.clone(), name.as_bytes()).ok()??)?;
        let mut slots = vec![Slot { holds: Holds::Piece, place: text }];
        if let Some(at) = value(raw, data.clone(), PADDING.as_bytes()).ok()? {
            slots.push(Slot { holds: Holds::Padding, place: string(raw, at)? });
        }
        if let Some(at) = value(raw, data.clone(), COUNT).ok()? {
            slots.push(Slot { holds: Holds::Count, place: at..at + digits(raw.get(at..)?)? });
        }
        slots.sort_by_key(|slot| slot.place.start);
        // Where nothing is escaped every name is written as it is meant, and so there is no other
        // member of the name of the piece.
        let mut from = 0;
        for Slot { place, .. } in &slots {
            if raw.get(from..place.start)?.contains(&b'\\') {
                return None;
            }
            from = place.end;
        }
        if raw.get(from..)?.contains(&b'\\') {
            return None;
        }
        let raw = raw.as_ref().into();
        let form = Self { piece: piece.clone(), named, raw, data: data.start, slots };
        // An event is of its own form, or there is something here that was not understood.
        form.fit(&form.raw).is_some().then_some(form)
    }

    fn fit(&self, bytes: &[u8]) -> Option<Fit> {
        let mut fit = Fit::default();
        let (mut at, mut from) = (0, 0);
        for Slot { holds, place } in &self.slots {
            let same = self.raw.get(from..place.start)?;
            let rest = bytes.get(at..)?.strip_prefix(same)?;
            at += same.len();
            let length = match holds {
                Holds::Count => digits(rest)?,
                Holds::Piece => closing(rest)?,
                Holds::Padding => padding(rest)?,
            };
            match holds {
                Holds::Piece => fit.piece = at..at + length,
                Holds::Padding => fit.padding = at..at + length,
                Holds::Count => {}
            }
            (at, from) = (at + length, place.end);
        }
        let same = self.raw.get(from..)?;
        bytes.get(at..)?.strip_prefix(same)?;
        fit.end = at + same.len();
        // Behind the data are its line end and the blank line, and a name where that comes last.
        let behind = same.iter().position(|byte| *byte == b'\n')?;
        fit.data = self.data..at + behind;
        Some(fit)
    }
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

/// Where the value of the member `name` begins; `None` where there is no such member.
///
/// # Errors
/// Where there are several, of which nobody knows which one is meant.
fn value(raw: &[u8], data: Range<usize>, name: &[u8]) -> Result<Option<usize>, ()> {
    let (mut found, mut at) = (None, data.start);
    let source = raw.get(..data.end).unwrap_or_default();
    while let Some(quote) = source.get(at..).and_then(|rest| position(rest, b'"')) {
        at += quote + 1;
        // A quotation mark that is not escaped begins or ends a string, and what goes on as a name
        // with a colon behind it is one.
        let escaped = source.get(at.wrapping_sub(2)) == Some(&b'\\');
        let rest = source.get(at..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(name).and_then(|rest| rest.strip_prefix(b"\"")) else {
            continue;
        };
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b":") else { continue };
        if escaped || found.is_some() {
            return Err(());
        }
        found = Some(data.end - rest.trim_ascii_start().len());
    }
    Ok(found)
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

/// The same where the string is padding.
fn padding(rest: &[u8]) -> Option<usize> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (length <= LONGEST_PADDING && rest.get(length) == Some(&b'"')).then_some(length)
}

/// How many digits of a small number stand here.
fn digits(rest: &[u8]) -> Option<usize> {
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sound =
        length == 1 || (rest.first() != Some(&b'0') && (1..=LONGEST_COUNT).contains(&length));
    (sound && matches!(rest.get(length), Some(b',' | b'}' | b' '))).then_some(length)
}

fn position(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|one| *one == byte)
}

/// Whether a line names its event, and can hold nothing else.
pub(super) fn is_plain_name(line: &[u8]) -> bool {
    let is_plain =
        |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'.' | b':' | b' ');
    line.starts_with(b"event: ") && line.iter().all(is_plain)
}
