//! Who writes the strings of an event: which of them are pieces of texts, and what goes out of each?

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bartizan_pii::{Hand, Scanner, Tally, Vault, rewrite_json};
use serde_json::{Map, Value};

use super::found::Found;
use super::open::{MAX_TEXTS, OpenText, Over, open};
use super::stream::Stopped;
use super::threads::{Read, Threads, Way};
use super::{Detection, Guard, located};
use crate::validate::beside::{Beside, Stands, Trail};
use crate::validate::listener::{Channel, Ends, Kind, Piece};

/// Writes the pieces in an event.
pub(super) struct Hands<'a> {
    texts: &'a mut Vec<OpenText>,
    guard: Option<&'a Arc<Guard>>,
    vault: Option<&'a Arc<Vault>>,
    index: Index<'a>,
    /// Where it is in the event.
    trail: Trail<'a>,
    way: Way<'a>,
    ends: &'a Ends,
    over: Option<&'a Over>,
    threads: &'a mut Option<Box<Threads>>,
    /// How many strings nobody knows were in it so far.
    unknown: usize,
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
        (event, threads): (Read<'a>, &'a mut Option<Box<Threads>>),
    ) -> Self {
        let (index, trail, way) = (Index::of(pieces), beside.trail(), Way::new(event));
        let (strays, found) = (Vec::new(), Found::default());
        let (unknown, stopped) = (0, None);
        Self {
            texts,
            guard,
            vault,
            index,
            trail,
            way,
            ends,
            over,
            threads,
            unknown,
            strays,
            found,
            stopped,
        }
    }

    /// Opens the text of which a piece was met, and keeps where its last one stands.
    fn begin(&mut self, channel: Channel, pointer: &str) -> Result<(), Stopped> {
        if self.unknown > MOST_UNKNOWN || pointer.len() > LONGEST_POINTER {
            return Err(Stopped::Unreadable);
        }
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

    /// A string that is told as a whole, where some clients put together all that are told.
    fn label(&mut self, text: &str) -> Option<String> {
        let (channel, guard) = (self.trail.label_of_delta()?, self.guard?);
        let threads = self.threads.get_or_insert_default();
        if threads.labels.take(channel, text, guard) {
            return None;
        }
        self.stopped = Some(Stopped::Blocked);
        Some(String::new())
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
        let (name, keys) = (name_of(pointer), self.way.keys(pointer));
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

impl Hand for Hands<'_> {
    fn write(&mut self, pointer: &str, text: &str) -> Option<String> {
        if self.stopped.is_some() {
            return Some(String::new());
        }
        if let Some((Piece { channel, .. }, further)) = self.index.find(pointer) {
            let covered = self.ends.cover(*channel);
            let last = covered && further.iter().all(|one| one.channel != *channel);
            return self.go_on(*channel, pointer, text, last);
        }
        if text.is_empty() {
            return None;
        }
        match self.trail.stands() {
            Stands::Whole => self.label(text),
            Stands::Grows => self.grow(pointer, text),
            Stands::GoesOn(channel) => {
                self.unknown += 1;
                if let Err(stopped) = self.begin(channel, pointer) {
                    self.stopped = Some(stopped);
                    return Some(String::new());
                }
                self.go_on(channel, pointer, text, false)
            }
        }
    }

    fn enter(&mut self, step: &str) {
        self.trail.enter(step);
        self.way.enter();
    }

    fn leave(&mut self) {
        self.trail.leave();
        self.way.leave();
    }
}

/// So many strings that nobody knows may stand in one event: each is searched in every way in which it may
/// be read, and that is thousands of times the work for a letter that is known.
const MOST_UNKNOWN: usize = 4096;

/// The longest pointer to such a string, in bytes.
const LONGEST_POINTER: usize = 1024;

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
    if !beside.goes_on() {
        return Ok(Vec::new());
    }
    let (index, trail) = (Index::of(pieces), beside.trail());
    let mut look = Look { index, trail, strays: Vec::new(), too_many: false };
    rewrite_json(data, &mut look).map_err(|_| Stopped::Unreadable)?;
    if look.too_many { Err(Stopped::Unreadable) } else { Ok(look.strays) }
}

/// Looks for what goes on beside known pieces.
struct Look<'a> {
    index: Index<'a>,
    trail: Trail<'a>,
    strays: Vec<Piece>,
    too_many: bool,
}

impl Hand for Look<'_> {
    fn write(&mut self, pointer: &str, text: &str) -> Option<String> {
        if text.is_empty() || self.too_many || self.index.find(pointer).is_some() {
            return None;
        }
        let Stands::GoesOn(channel) = self.trail.stands() else { return None };
        if pointer.len() > LONGEST_POINTER {
            self.too_many = true;
        } else if !moves(&mut self.strays, channel, pointer) {
            self.too_many = self.strays.len() >= MAX_TEXTS;
            self.strays.push(Piece { pointer: pointer.to_owned(), channel });
        }
        None
    }

    fn enter(&mut self, step: &str) {
        self.trail.enter(step);
    }

    fn leave(&mut self) {
        self.trail.leave();
    }
}

/// Moves the piece of a text to another place, if the text has one: only its last piece matters.
fn moves(strays: &mut [Piece], channel: Channel, pointer: &str) -> bool {
    let known = strays.iter_mut().find(|stray| stray.channel == channel);
    known.map(|stray| pointer.clone_into(&mut stray.pointer)).is_some()
}

/// Finds pieces by where they stand.
enum Index<'a> {
    Few(&'a [Piece]),
    /// With the length of the longest: what is longer is not looked up.
    Many(&'a [Piece], HashMap<&'a str, usize>, usize),
}

/// So many are found faster one by one.
const FEW: usize = 8;

impl<'a> Index<'a> {
    fn of(pieces: &'a [Piece]) -> Self {
        if pieces.len() <= FEW {
            return Self::Few(pieces);
        }
        let places = pieces.iter().enumerate().map(|(at, piece)| (&*piece.pointer, at));
        let longest = pieces.iter().map(|piece| piece.pointer.len()).max().unwrap_or(0);
        Self::Many(pieces, places.collect(), longest)
    }

    /// Whether any of them is of that text.
    fn knows(&self, channel: Channel) -> bool {
        let (Self::Few(pieces) | Self::Many(pieces, ..)) = self;
        pieces.iter().any(|piece| piece.channel == channel)
    }

    /// The piece, and those behind it.
    fn find(&self, pointer: &str) -> Option<(&'a Piece, &'a [Piece])> {
        let (pieces, at) = match self {
            Self::Few(pieces) => {
                (*pieces, pieces.iter().position(|piece| piece.pointer == pointer)?)
            }
            Self::Many(.., longest) if pointer.len() > *longest => return None,
            Self::Many(pieces, places, _) => (*pieces, *places.get(pointer)?),
        };
        pieces.get(at..)?.split_first()
    }
}
