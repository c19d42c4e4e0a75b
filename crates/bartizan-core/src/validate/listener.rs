//! What does an answer tell the road, whatever it is spoken in? Messages in, what they say out.
//!
//! A message is a whole document, or the data of one event of a stream. A listener reads; it
//! neither waits nor sends.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::beside::{Beside, is_label};
use super::{Media, Reported, a2a, anthropic, mcp, openai};
use crate::audit::{Event, Note, Outcome};
use crate::authorize::Grant;

/// Who listens to the answer of a call: one variant for each protocol.
#[derive(Clone, Debug)]
pub enum Listener {
    /// OpenAI's API.
    OpenAi(Box<openai::Listener>),
    /// Anthropic's API.
    Anthropic(Box<anthropic::Listener>),
    /// The Model Context Protocol.
    Mcp(Box<mcp::Listener>),
    /// Agent to Agent.
    A2a(Box<a2a::Listener>),
}

/// What one message says.
#[derive(Debug, Default)]
pub struct Heard {
    /// The pieces of texts that stand in it.
    pub pieces: Vec<Piece>,
    /// The texts that are over now: what was held back of them goes out before this message.
    pub ends: Ends,
    /// Tools that were called, now that all of their arguments are known.
    pub calls: Vec<ToolCall>,
    /// What else the log is to know.
    pub notes: Vec<Note>,
    /// What is called or offered in it, and must not be: neither it nor anything after it passes.
    pub denied: Option<Arc<str>>,
    /// Whether it is there only because the gate asked for it: the client does not see it.
    pub hidden: bool,
    /// What goes on in place of it.
    pub instead: Option<Vec<u8>>,
    /// Whether it is not what its protocol has there, and so does not pass.
    pub unsound: bool,
    /// Whether it says nothing but its one piece, and one with other letters there would neither: see
    /// [`Listener::hear_on`].
    pub goes_on: bool,
    /// How its other strings stand in it.
    pub beside: Beside,
    /// Whether it is the last of its answer: clients go when they have it.
    pub last: bool,
    /// The text of which a part ends with it, where clients join the next one.
    pub pauses: Option<Channel>,
    /// Whether it says nothing of what follows the part that has ended.
    pub between: bool,
    /// Whether a text goes on in it that is read as one with those of other parts, in another part than
    /// before.
    pub moves_on: bool,
    /// Texts that are told in it as wholes, and that clients join where they are of one channel.
    pub wholes: Vec<Piece>,
}

/// A piece of a text that comes in pieces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Piece {
    /// Where it stands in its message: a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// Of which text it is.
    pub channel: Channel,
}

/// One of the texts of an answer, among those that come at the same time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Channel {
    /// What it is.
    pub kind: Kind,
    /// In which choice, item or block.
    pub item: u64,
    /// Which part of it, or which tool call.
    pub part: u64,
}

/// The number of no item: of the one text to which all parts of an answer belong that clients join.
const JOINED: u64 = u64::MAX;

impl Channel {
    /// The text that is spread over the parts of an answer.
    pub(super) const fn joined() -> Self {
        Self { kind: Kind::Text, item: JOINED, part: 0 }
    }
}

/// In which part of an answer its text was last. Some clients join parts by their numbers and others as
/// they come, which is the same text only where the numbers grow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    at: Option<(u64, u64)>,
    /// Whether that part is over.
    over: bool,
}

impl Place {
    /// A part of this item begins with some of the text. Where it has some already, what follows has two
    /// places.
    pub(super) fn begin(&mut self, item: u64, part: u64, heard: &mut Heard) {
        heard.unsound |= self.at == Some((item, part));
        self.go_on(item, part, heard);
    }

    /// The text goes on in a part of this item.
    pub(super) fn go_on(&mut self, item: u64, part: u64, heard: &mut Heard) {
        let now = (item, part);
        if let Some(before) = self.at {
            heard.unsound |= now < before || (now == before && self.over);
            heard.moves_on |= now != before;
        }
        *self = Self { at: Some(now), over: false };
    }

    /// What it is in ends with this item, or with that part of it: the text that pauses.
    pub(super) fn end(&mut self, item: u64, part: Option<u64>) -> Option<Channel> {
        let (at, in_part) = self.at?;
        let ends = at == item && part.is_none_or(|part| part == in_part);
        self.over |= ends;
        ends.then_some(Channel::joined())
    }
}

/// What a text of an answer is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The answer itself.
    Text,
    /// Why there is none.
    Refusal,
    /// How the model came to it.
    Reasoning,
    /// The same in short.
    Summary,
    /// The arguments of a tool call: JSON, in pieces of its text.
    Arguments,
    /// The input of a tool that takes a text.
    Input,
    /// What was said, in letters.
    Transcript,
    /// Any other.
    Other,
    /// What nobody here knows: see [`Beside`].
    Unknown,
}

/// Which texts are over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Ends {
    /// None.
    #[default]
    None,
    /// This one.
    One(Channel),
    /// All of a choice, an item or a block.
    Item(u64),
    /// All.
    All,
}

/// A tool that a model has called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall {
    /// Its name.
    pub name: Arc<str>,
    /// SHA-256 of the arguments as they go on, in hexadecimal digits: a digest of a value that was masked could be
    /// found by trying all of them. `None` where they do not go on, or are too long to be masked for it.
    pub digest: Option<String>,
    /// Whether the caller has no right to it.
    pub denied: bool,
}

impl Listener {
    /// Hears the answer as a whole.
    pub fn hear_whole(&mut self, document: &[u8], grant: &Grant) -> Heard {
        match self {
            Self::OpenAi(listener) => listener.hear_whole(document, grant),
            Self::Anthropic(listener) => listener.hear_whole(document, grant),
            Self::Mcp(listener) => listener.hear_whole(document, grant),
            Self::A2a(listener) => listener.hear_whole(document, grant),
        }
    }

    /// Hears the data of one event.
    pub fn hear(&mut self, data: &[u8], grant: &Grant) -> Heard {
        match self {
            Self::OpenAi(listener) => listener.hear(data, grant),
            Self::Anthropic(listener) => listener.hear(data, grant),
            Self::Mcp(listener) => listener.hear(data, grant),
            Self::A2a(listener) => listener.hear(data, grant),
        }
    }

    /// Hears a message that differs in nothing but a piece, and padding around it, from one of which
    /// [`Heard::goes_on`] was true.
    pub fn hear_on(&mut self, channel: Channel, text: &str) {
        match self {
            Self::OpenAi(listener) => listener.hear_on(channel, text),
            Self::Anthropic(listener) => listener.hear_on(channel, text),
            // Theirs are read one by one.
            Self::Mcp(_) | Self::A2a(_) => {}
        }
    }

    /// Whether the client may see other events than those that come.
    #[must_use]
    pub fn changes(&self) -> bool {
        match self {
            Self::OpenAi(listener) => listener.changes(),
            Self::Anthropic(_) => false,
            Self::Mcp(_) | Self::A2a(_) => true,
        }
    }

    /// Whether it listens also to what is said with the status of an error. Clients of these protocols
    /// believe the message, and not its status.
    #[must_use]
    pub fn hears_failures(&self) -> bool {
        matches!(self, Self::Mcp(_) | Self::A2a(_))
    }

    /// The status of the answer says that the call has failed, whatever is said in it.
    pub fn expect_failure(&mut self) {
        match self {
            Self::Mcp(listener) => listener.expect_failure(),
            Self::A2a(listener) => listener.expect_failure(),
            Self::OpenAi(_) | Self::Anthropic(_) => {}
        }
    }

    /// Whether a good answer to which it cannot listen does not pass: it would hide what was used, and
    /// what it says. Pictures and sounds are what some calls ask for.
    #[must_use]
    pub fn must_hear(&self, picture_or_sound: bool) -> bool {
        match self {
            Self::OpenAi(listener) => !(picture_or_sound && listener.may_be_no_words()),
            Self::Anthropic(_) | Self::A2a(_) => true,
            // What of it is read is decided by its media type.
            Self::Mcp(_) => false,
        }
    }

    /// An event of the form of `event`, in which `piece` stands, that brings nothing but `text` of
    /// the same text.
    #[must_use]
    pub fn carry(&self, mut event: Value, piece: &Piece, text: String) -> Value {
        let pointer = match self {
            Self::OpenAi(_) => openai::went_on(&mut event, piece),
            Self::Mcp(_) => piece.pointer.clone(),
            Self::Anthropic(_) => anthropic::went_on(&mut event, &piece.pointer),
            Self::A2a(_) => return a2a::went_on(event, &piece.pointer, &text),
        };
        let path: Vec<&str> = pointer.split('/').skip(1).collect();
        if matches!(self, Self::OpenAi(_) | Self::Anthropic(_)) {
            forget_others(&mut event, &path);
        }
        bare_bones(&mut event, &path, true);
        if let Some(place) = event.pointer_mut(&bones_of(&path)) {
            *place = text.into();
        }
        event
    }

    /// What the call used, where that was said to the end.
    #[must_use]
    pub fn used(&self) -> Option<Reported> {
        match self {
            Self::OpenAi(listener) => listener.used(),
            Self::Anthropic(listener) => listener.used(),
            Self::Mcp(_) | Self::A2a(_) => None,
        }
    }

    /// What the provider will charge for an answer that was cut off here, as far as that can be
    /// known: `tokens_in` is what was estimated for the request. `None` where nothing was heard.
    #[must_use]
    pub fn used_so_far(&self, tokens_in: u64) -> Option<Reported> {
        match self {
            Self::OpenAi(listener) => listener.used_so_far(tokens_in),
            Self::Anthropic(listener) => listener.used_so_far(tokens_in),
            Self::Mcp(_) | Self::A2a(_) => None,
        }
    }
}

impl Heard {
    /// Whether there is one piece, and nothing else.
    pub(super) fn is_one_piece(&self) -> bool {
        let Self { pieces, ends, calls, notes, denied, hidden, instead, unsound, .. } = self;
        let alone =
            pieces.len() == 1 && *ends == Ends::None && calls.is_empty() && notes.is_empty();
        alone && denied.is_none() && !hidden && instead.is_none() && !unsound
    }

    /// Nothing that could be understood.
    pub(super) fn unsound() -> Self {
        Self { unsound: true, ..Self::default() }
    }
}

impl Ends {
    /// Whether `channel` is over.
    #[must_use]
    pub fn cover(&self, channel: Channel) -> bool {
        match self {
            Self::None => false,
            Self::One(one) => *one == channel,
            Self::Item(item) => *item == channel.item,
            Self::All => true,
        }
    }
}

impl ToolCall {
    /// A call with all of its arguments.
    #[must_use]
    pub fn new(name: &str, arguments: &[u8]) -> Self {
        Self { name: beginning(name), digest: Some(digest_of(arguments)), denied: false }
    }

    /// A call that a model makes, in an answer out of which something may be taken before it goes on.
    pub(super) fn of_model(name: &str, arguments: &[u8], grant: &Grant) -> Self {
        let denied = grant.tool(name).is_none();
        let digest = match &grant.endpoint().profile.response {
            None => Some(digest_of(arguments)),
            Some(guard) => {
                let screened = guard.screen(Media::Text, Bytes::copy_from_slice(arguments));
                screened.ok().map(|screened| digest_of(&screened.bytes))
            }
        };
        Self { name: beginning(name), digest, denied }
    }

    /// What the log is told about it.
    #[must_use]
    pub fn note(self) -> Note {
        let mut details = Map::from_iter([("tool".to_owned(), Value::from(&*self.name))]);
        if let Some(digest) = self.digest {
            details.insert("arguments_sha256".into(), digest.into());
        }
        let (outcome, reason) = match self.denied {
            true => (Outcome::Deny, Some(NOT_GRANTED.to_owned())),
            false => (Outcome::Allow, None),
        };
        Note { event: Event::ToolCall, outcome, reason, details }
    }
}

/// Why a call is denied that a model makes.
const NOT_GRANTED: &str = "the tool is not granted";

/// What the log is told of a tool that must not be called, where no call of it is on record yet.
#[must_use]
pub fn denied_tool(tool: &str) -> Note {
    let details = Map::from_iter([("tool".to_owned(), tool.into())]);
    let reason = Some(NOT_GRANTED.to_owned());
    Note { event: Event::ToolCall, outcome: Outcome::Deny, reason, details }
}

/// Takes other texts from the root of an event, which may go on in it themselves.
fn forget_others(event: &mut Value, path: &[&str]) {
    let Value::Object(members) = event else { return };
    members.retain(|name, value| {
        let is_text = value.is_object() || (value.is_string() && !is_label(name));
        !is_text || path.first() == Some(&name.as_str())
    });
}

/// Leaves of an event what is on the way to one of its strings, and what says which event it is:
/// what was told once, as a name or an identifier, must not be told twice, for clients put together
/// what comes in pieces.
fn bare_bones(value: &mut Value, path: &[&str], root: bool) {
    let Some((next, rest)) = path.split_first() else { return };
    match value {
        Value::Object(members) => {
            members.retain(|name, value| {
                name == next
                    || (root && !value.is_array() && name != "usage")
                    || matches!(name.as_str(), "index" | "type")
                    || value.is_null()
            });
            if let Some(value) = members.get_mut(*next) {
                bare_bones(value, rest, false);
            }
        }
        Value::Array(elements) => {
            let kept = next.parse().ok().and_then(|at: usize| elements.get_mut(at));
            if let Some(mut kept) = kept.map(Value::take) {
                bare_bones(&mut kept, rest, false);
                *elements = vec![kept];
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The pointer for `path` where each array on its way has one element.
fn bones_of(path: &[&str]) -> String {
    path.iter().fold(String::new(), |pointer, token| {
        let first = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        pointer + "/" + if first { "0" } else { token }
    })
}

/// A tool call whose arguments are still coming.
#[derive(Clone, Debug)]
pub(super) struct Calling {
    pub(super) item: u64,
    pub(super) part: u64,
    name: Arc<str>,
    arguments: Written,
}

/// The arguments of a call so far.
#[derive(Clone, Debug)]
enum Written {
    /// Their digest, where they go on as they come.
    Digest(Sha256),
    /// They themselves, where something may be taken out of them.
    Text(Vec<u8>),
    /// Too many of them.
    TooLong,
}

/// So many bytes of the arguments of a call are kept until it is whole.
const LONGEST_KEPT: usize = 64 * 1024;

impl Calling {
    pub(super) fn new(item: u64, part: u64, name: &str, grant: &Grant) -> Self {
        let arguments = match grant.endpoint().profile.response {
            None => Written::Digest(Sha256::new()),
            Some(_) => Written::Text(Vec::new()),
        };
        Self { item, part, name: beginning(name), arguments }
    }

    pub(super) fn push(&mut self, piece: &str) {
        match &mut self.arguments {
            Written::Digest(digest) => digest.update(piece.as_bytes()),
            Written::Text(text) if text.len() + piece.len() <= LONGEST_KEPT => {
                text.extend_from_slice(piece.as_bytes());
            }
            Written::Text(_) | Written::TooLong => self.arguments = Written::TooLong,
        }
    }

    pub(super) fn end(self, grant: &Grant) -> ToolCall {
        let Self { name, arguments, .. } = self;
        let denied = grant.tool(&name).is_none();
        match arguments {
            Written::Text(text) => ToolCall::of_model(&name, &text, grant),
            Written::Digest(digest) => {
                ToolCall { name, digest: Some(hex(&digest.finalize())), denied }
            }
            Written::TooLong => ToolCall { name, digest: None, denied },
        }
    }
}

/// How many calls of tools may be open at the same time in one answer.
pub(super) const MAX_CALLS: usize = 128;

/// A name as far as it is remembered: nobody calls a tool by a longer one.
fn beginning(name: &str) -> Arc<str> {
    name.get(..name.floor_char_boundary(128)).unwrap_or_default().into()
}

fn digest_of(arguments: &[u8]) -> String {
    hex(&Sha256::digest(arguments))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// How many tokens a text is, at the least a cut call is charged: three letters each, and one for
/// every byte of other scripts and pictures, for there tokenizers need up to that.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tokens {
    ascii: u64,
    other: u64,
}

impl Tokens {
    pub(super) fn add(&mut self, text: &str) {
        let other = text.bytes().filter(|byte| !byte.is_ascii()).count() as u64;
        self.other = self.other.saturating_add(other);
        self.ascii = self.ascii.saturating_add(text.len() as u64 - other);
    }

    pub(super) fn count(self) -> u64 {
        self.ascii.div_ceil(3).saturating_add(self.other)
    }
}
