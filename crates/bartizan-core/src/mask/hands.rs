//! Who writes the strings of an event: which of them are pieces of texts, and what goes out of each?

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bartizan_pii::{Scanner, Tally, Vault, rewrite_json};
use serde_json::{Map, Value};

use super::found::Found;
use super::open::{MAX_TEXTS, OpenText, Over, open, with_whole_letters};
use super::stream::Stopped;
use super::threads::{Threads, keys};
use super::{Detection, Guard, located};
use crate::validate::beside::{Beside, Stands};
use crate::validate::listener::{Channel, Ends, Kind, Piece};

/// Writes the pieces in an event.
pub(super) struct Hands<'a> {
    texts: &'a mut Vec<OpenText>,
    guard: Option<&'a Arc<Guard>>,
    vault: Option<&'a Arc<Vault>>,
    index: Index<'a>,
    beside: &'a Beside,
    ends: &'a Ends,
    over: Option<&'a Over>,
    threads: &'a mut Option<Box<Threads>>,
    /// The event, read where it is needed.
    event: Event<'a>,
    strays: Vec<Piece>,
    found: Found,
    stopped: Option<Stopped>,
}

impl<'a> Hands<'a> {
    pub(super) fn new(
        texts: &'a mut Vec<OpenText>,
        (guard, vault): (Option<&'a Arc<Guard>>, Option<&'a Arc<Vault>>),
        (pieces, beside): (&'a [Piece], &'a Beside),
        (ends, over): (&'a Ends, Option<&'a Over>),
        (data, threads): (&'a [u8], &'a mut Option<Box<Threads>>),
    ) -> Self {
        let index = Index::of(pieces);
        let (strays, found) = (Vec::new(), Found::default());
        let (event, stopped) = (Event::Unread(data), None);
        Self {
            texts,
            guard,
            vault,
            index,
            beside,
            ends,
            over,
            threads,
            event,
            strays,
            found,
            stopped,
        }
    }

    /// What is to stand at `pointer` in place of `text`; `None` where it is a whole one.
    pub(super) fn write(&mut self, pointer: &str, text: &str) -> Option<String> {
        if let Some((Piece { channel, .. }, further)) = self.index.find(pointer) {
            let covered = self.ends.cover(*channel);
            let last = covered && further.iter().all(|one| one.channel != *channel);
            return self.go_on(*channel, pointer, text, last);
        }
        if text.is_empty() {
            return None;
        }
        match self.beside.stands(pointer) {
            Stands::Whole => None,
            Stands::Grows => self.grow(pointer, text),
            Stands::GoesOn(channel) => {
                if let Err(stopped) = self.begin(channel, pointer) {
                    self.stopped = Some(stopped);
                    return Some(String::new());
                }
                self.go_on(channel, pointer, text, false)
            }
        }
    }

    /// Opens the text of which a piece was met, and keeps where its last one stands.
    fn begin(&mut self, channel: Channel, pointer: &str) -> Result<(), Stopped> {
        if self.ends.cover(channel) {
            // It would have been told before, were its name one that may be told.
            return if self.index.knows(channel) { Ok(()) } else { Err(Stopped::Unreadable) };
        }
        if moves(&mut self.strays, channel, pointer) {
            return Ok(());
        }
        let stray = Piece { pointer: pointer.to_owned(), channel };
        open(self.texts, &stray, self.guard, self.vault)?;
        self.strays.push(stray);
        Ok(())
    }

    /// What else goes on in the event, the last piece of each text; what was found in that, and why it
    /// may not pass.
    pub(super) fn end(self) -> (Vec<Piece>, Found, Option<Stopped>) {
        (self.strays, self.found, self.stopped)
    }

    fn go_on(&mut self, channel: Channel, pointer: &str, text: &str, last: bool) -> Option<String> {
        if !text.is_empty() && self.over.is_some_and(|over| over.covers(channel)) {
            self.stopped = Some(Stopped::Blocked);
        }
        if channel.kind == Kind::Unknown {
            return self.unknown(channel, pointer, text, last);
        }
        let open = self.texts.iter_mut().find(|open| open.channel == channel)?;
        Some(open.go_on(text, last))
    }

    /// One more piece of a text of which nobody knows what it is.
    fn unknown(
        &mut self,
        channel: Channel,
        pointer: &str,
        text: &str,
        last: bool,
    ) -> Option<String> {
        let text = self.alone(pointer, text);
        let open = self.texts.iter_mut().find(|open| open.channel == channel)?;
        let Some(guard) = self.guard else { return Some(open.go_on(&text, last)) };
        let threads = self.threads.get_or_insert_default();
        let (name, keys) = (name_of(pointer), keys(self.event.read(), pointer));
        let text = threads.part(channel, keys, text);
        let searched = open.search(&text, last);
        let Some(text) = threads.take((channel, &name), searched, guard) else {
            self.stopped = Some(Stopped::Blocked);
            return Some(String::new());
        };
        Some(open.restore(text, last))
    }

    /// A piece of a text of which nobody knows what it is. Where the name of its member says that it is a
    /// secret, all of it is one, in each event.
    fn alone<'t>(&mut self, pointer: &str, text: &'t str) -> Cow<'t, str> {
        let name = name_of(pointer);
        let guard = self.guard.filter(|_| Scanner::expects_secret(&name));
        let Some(guard) = guard else { return Cow::Borrowed(text) };
        let document = Value::Object(Map::from_iter([(name, text.into())])).to_string();
        let Ok(masked) = guard.masker().mask_json(document.as_bytes()) else {
            self.stopped = Some(Stopped::Blocked);
            return Cow::Borrowed("");
        };
        let there = |found| Detection { pointer: pointer.to_owned(), ..found };
        self.found.extend(located(masked.findings).into_iter().map(there));
        if masked.blocked {
            self.stopped = Some(Stopped::Blocked);
        }
        let masked = serde_json::from_slice::<Map<String, Value>>(&masked.bytes);
        match masked.ok().and_then(|members| members.into_iter().next()) {
            Some((_, Value::String(text))) => Cow::Owned(text),
            _ => Cow::Borrowed(""),
        }
    }

    /// A text that each event tells from its beginning on: what may become something that must not pass
    /// is left out until the next one.
    fn grow(&mut self, pointer: &str, text: &str) -> Option<String> {
        let mut stream = self.guard?.masker().stream();
        let mut out = Vec::with_capacity(text.len());
        stream.feed(text.as_bytes(), &mut out);
        if *self.ends != Ends::None {
            stream.finish(&mut out);
            let found = |Tally { entity, count }: &Tally| Detection {
                entity: entity.clone(),
                pointer: pointer.to_owned(),
                count: *count,
            };
            self.found.extend(stream.findings().iter().map(found));
        }
        if stream.is_blocked() {
            self.stopped = Some(Stopped::Blocked);
        }
        Some(String::from_utf8_lossy(&out).into_owned())
    }
}

/// The data of an event.
enum Event<'a> {
    /// As they came.
    Unread(&'a [u8]),
    /// As a document.
    Read(Value),
}

impl Event<'_> {
    fn read(&mut self) -> &Value {
        if let Self::Unread(data) = self {
            let whole = |_| serde_json::from_slice(&with_whole_letters(data));
            *self = Self::Read(serde_json::from_slice(data).or_else(whole).unwrap_or_default());
        }
        match self {
            Self::Read(event) => event,
            Self::Unread(_) => &Value::Null,
        }
    }
}

/// The name of the member in which a string stands, at whatever depth of arrays.
pub(super) fn name_of(pointer: &str) -> String {
    let is_name = |step: &&str| !step.bytes().all(|byte| byte.is_ascii_digit());
    let name = pointer.rsplit('/').find(is_name).unwrap_or_default();
    name.replace("~1", "/").replace("~0", "~")
}

/// What goes on in an event beside its known pieces: of each text its last piece, however many stand
/// in the event.
///
/// # Errors
/// Where nobody can read it, or where there are more texts than may be open.
pub(super) fn strays(
    data: &[u8],
    pieces: &[Piece],
    beside: &Beside,
) -> Result<Vec<Piece>, Stopped> {
    let mut strays = Vec::new();
    if !beside.goes_on() {
        return Ok(strays);
    }
    let index = Index::of(pieces);
    let mut too_many = false;
    let look = &mut |pointer: &str, text: &str| {
        if let (None, false, Stands::GoesOn(channel)) =
            (index.find(pointer), text.is_empty(), beside.stands(pointer))
        {
            if !moves(&mut strays, channel, pointer) {
                too_many |= strays.len() >= MAX_TEXTS;
                strays.push(Piece { pointer: pointer.to_owned(), channel });
            }
            strays.truncate(MAX_TEXTS);
        }
        None
    };
    rewrite_json(data, look).map_err(|_| Stopped::Unreadable)?;
    if too_many { Err(Stopped::Unreadable) } else { Ok(strays) }
}

/// Moves the piece of a text to another place, if the text has one: only its last piece matters.
fn moves(strays: &mut [Piece], channel: Channel, pointer: &str) -> bool {
    let known = strays.iter_mut().find(|stray| stray.channel == channel);
    known.map(|stray| pointer.clone_into(&mut stray.pointer)).is_some()
}

/// Finds pieces by where they stand.
enum Index<'a> {
    Few(&'a [Piece]),
    Many(&'a [Piece], HashMap<&'a str, usize>),
}

/// So many are found faster one by one.
const FEW: usize = 8;

impl<'a> Index<'a> {
    fn of(pieces: &'a [Piece]) -> Self {
        if pieces.len() <= FEW {
            return Self::Few(pieces);
        }
        let places = pieces.iter().enumerate().map(|(at, piece)| (&*piece.pointer, at));
        Self::Many(pieces, places.collect())
    }

    /// Whether any of them is of that text.
    fn knows(&self, channel: Channel) -> bool {
        let (Self::Few(pieces) | Self::Many(pieces, _)) = self;
        pieces.iter().any(|piece| piece.channel == channel)
    }

    /// The piece, and those behind it.
    fn find(&self, pointer: &str) -> Option<(&'a Piece, &'a [Piece])> {
        let (pieces, at) = match self {
            Self::Few(pieces) => {
                (*pieces, pieces.iter().position(|piece| piece.pointer == pointer)?)
            }
            Self::Many(pieces, places) => (*pieces, *places.get(pointer)?),
        };
        pieces.get(at..)?.split_first()
    }
}
