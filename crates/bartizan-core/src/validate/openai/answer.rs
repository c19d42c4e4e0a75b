//! What does an answer of OpenAI's API say? In both of its dialects, chat completions and responses,
//! whole and in events.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::api::Api;
use super::labels::{Label, Labels};
use crate::authorize::Grant;
use crate::json;
use crate::validate::beside::{Begun, Beside};
use crate::validate::listener::{
    self, Calling, Channel, Ends, Heard, Kind, MAX_CALLS, Piece, Tokens, ToolCall,
};
use crate::validate::parts::Content;
use crate::validate::spelling::unspelled;
use crate::validate::text::{Text, number};
use crate::validate::usage::{Tier, Told};
use crate::validate::{Reported, prompt};

/// Listens to one answer.
#[derive(Clone, Debug)]
pub struct Listener {
    api: Api,
    /// Whether the usage is told only because the gate asked for it.
    hides_usage: bool,
    /// Whether tokens may be made that stand in no event.
    hidden: bool,
    used: Option<Reported>,
    /// How much was seen when that was told.
    told_at: Tokens,
    model: Option<Arc<str>>,
    seen: Tokens,
    open: Vec<Calling>,
    /// How many choices were asked for.
    choices: u64,
    /// The call whose arguments came although it never began.
    stray: Option<(u64, u64)>,
    /// The items of a response that go on.
    items: Begun,
    /// The parts of its items that were announced.
    parts: Vec<Place>,
    /// Where its text goes on, which is one over all parts.
    spoken: listener::Place,
    /// What names the calls that are open.
    labels: Labels,
}

/// A part of an item, or of the summary of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Place {
    item: u64,
    part: u64,
    in_summary: bool,
}

/// No more parts of a response have texts of their own.
const MAX_PARTS: usize = 1024;

/// A document or an event, as far as it matters. A number or a name of another type counts as not
/// there. What has another build than this, or two readings, is not understood, and does not pass:
/// what nobody has read may hold a call that is not granted, or a piece of a text.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    service_tier: Option<Text<'a>>,
    #[serde(deserialize_with = "counts")]
    usage: Option<Counts>,
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    response: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    output: Option<Vec<Item<'a>>>,
    #[serde(borrow)]
    item: Option<Item<'a>>,
    #[serde(borrow, deserialize_with = "part")]
    part: Option<Part<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    delta: Option<Text<'a>>,
    #[serde(deserialize_with = "number")]
    output_index: Option<u64>,
    #[serde(deserialize_with = "number")]
    content_index: Option<u64>,
    #[serde(deserialize_with = "number")]
    summary_index: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(deserialize_with = "number")]
    index: Option<u64>,
    #[serde(borrow)]
    delta: Option<Said<'a>>,
    #[serde(borrow)]
    message: Option<Said<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
}

/// What a model said, or went on to say.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said<'a> {
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_text: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
    #[serde(borrow)]
    audio: Option<Audio<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(deserialize_with = "number")]
    index: Option<u64>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    #[serde(borrow)]
    custom: Option<Function<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Audio<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    transcript: Option<Text<'a>>,
}

/// An item of a response.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    #[serde(borrow)]
    summary: Option<Content<'a>>,
}

/// A part of an item.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
}

/// What is no object is no part.
fn part<'de: 'a, 'a, D: Deserializer<'de>>(source: D) -> Result<Option<Part<'a>>, D::Error> {
    let raw = <&'a RawValue>::deserialize(source)?;
    let object = raw.get().starts_with('{');
    object.then(|| serde_json::from_str(raw.get())).transpose().map_err(D::Error::custom)
}

/// What was used, as it is told: by the names of both dialects, of which the larger counts.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    tokens_in: Told,
    tokens_out: Told,
    total: Told,
    cached: u64,
    written: u64,
    audio_in: u64,
    audio_out: u64,
}

/// Counts of another build, or that two readers may read differently, count as not told.
fn counts<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Counts>, D::Error> {
    let raw = <&RawValue>::deserialize(source)?;
    let told = json::value(raw.get().as_bytes(), MAX_COUNTS_DEPTH).ok();
    Ok(told.as_ref().and_then(Value::as_object).map(Counts::read))
}

/// How deep counts may nest: twice is in use.
const MAX_COUNTS_DEPTH: usize = 8;

impl Counts {
    fn read(usage: &Map<String, Value>) -> Self {
        let part = |names: [&str; 2], kind: &str| {
            let details = names.into_iter().filter_map(|name| usage.get(name)?.get(kind));
            details.filter_map(|value| Told::of(Some(value)).get()).max().unwrap_or(0)
        };
        let either = |one, other| Told::of(usage.get(one)).most(Told::of(usage.get(other)));
        let came = ["prompt_tokens_details", "input_tokens_details"];
        let went = ["completion_tokens_details", "output_tokens_details"];
        Self {
            tokens_in: either("prompt_tokens", "input_tokens"),
            tokens_out: either("completion_tokens", "output_tokens"),
            total: Told::of(usage.get("total_tokens")),
            cached: part(came, "cached_tokens"),
            written: part(came, "cache_write_tokens"),
            audio_in: part(came, "audio_tokens"),
            audio_out: part(went, "audio_tokens"),
        }
    }
}

impl<'a> Message<'a> {
    fn choices(&self) -> &[Choice<'a>] {
        self.choices.as_deref().unwrap_or_default()
    }

    /// Whether it begins nothing and counts nothing.
    fn only_goes_on(&self) -> bool {
        let unnamed = |function: &Option<Function<'_>>| {
            let name = function.as_ref().and_then(|function| function.name.as_deref());
            name.is_none_or(str::is_empty)
        };
        let mut said = self.choices().iter().filter_map(|choice| choice.delta.as_ref());
        self.usage.is_none()
            && self.response.is_none()
            && said.all(|said| {
                let mut calls = said.tool_calls.iter().flatten();
                calls.all(|call| unnamed(&call.function) && unnamed(&call.custom))
                    && unnamed(&said.function_call)
            })
    }
}

impl Listener {
    /// Whether something else than words may be asked for.
    pub(in crate::validate) fn may_be_no_words(&self) -> bool {
        self.api.may_be_no_words()
    }

    pub(super) fn new(api: Api) -> Self {
        let (used, model, seen) = (None, None, Tokens::default());
        let (open, items, parts) = (Vec::new(), Begun::default(), Vec::new());
        let (hides_usage, hidden, told_at) = (false, false, seen);
        let (choices, stray) = (1, None);
        let (spoken, labels) = (listener::Place::default(), Labels::default());
        Self {
            api,
            hides_usage,
            hidden,
            used,
            told_at,
            model,
            seen,
            open,
            choices,
            stray,
            items,
            parts,
            spoken,
            labels,
        }
    }

    /// So many choices were asked for. Pieces of any other do not pass: a client that asked for one does
    /// not look at its number, and puts them together.
    pub(super) fn expect_choices(&mut self, choices: u64) {
        self.choices = choices.max(1);
    }

    /// Tokens may be made that stand in no event.
    pub(super) fn expect_hidden(&mut self) {
        self.hidden = true;
    }

    /// The client did not ask for the usage: it does not see the event that tells nothing else.
    pub(super) fn hide_usage(&mut self) {
        self.hides_usage = true;
    }

    pub(in crate::validate) fn changes(&self) -> bool {
        self.hides_usage
    }

    /// What was told before more was seen, or to be nothing where something was seen, is not the end
    /// of it.
    pub(in crate::validate) fn used(&self) -> Option<Reported> {
        let last = self.told_at == self.seen;
        let nothing = |used: &Reported| used.tokens_out == 0 && self.seen != Tokens::default();
        self.used.clone().filter(|used| last && !nothing(used))
    }

    pub(in crate::validate) fn used_so_far(&self, tokens_in: u64) -> Option<Reported> {
        let seen = self.seen != Tokens::default();
        // Told before the first letter it says nothing of what was made since.
        if let Some(used) = self.used() {
            return Some(Reported { at_least: !seen, ..used });
        }
        let told = self.used.clone().unwrap_or(Reported { tokens_in, ..Reported::default() });
        let heard = self.model.is_some() || self.used.is_some() || seen;
        heard.then(|| Reported {
            tokens_out: told.tokens_out.max(self.seen.count()),
            at_least: self.hidden || !seen,
            model: self.model.clone(),
            ..told
        })
    }

    pub(in crate::validate) fn hear_whole(&mut self, document: &[u8], grant: &Grant) -> Heard {
        if self.api == Api::Models {
            return Heard { instead: granted_models(document, grant), ..Heard::default() };
        }
        let Ok(message) = serde_json::from_slice::<Message<'_>>(document) else {
            // What calls no tool is masked as what it is.
            return Heard { unsound: !self.may_be_no_words(), ..Heard::default() };
        };
        self.account(&message);
        for choice in message.choices() {
            self.seen.add(Text::get(choice.text.as_ref()).unwrap_or_default());
        }
        let mut heard = Heard { instead: unspelled(document, grant), ..Heard::default() };
        if grant.endpoint().profile.response.is_some() {
            heard.pieces = joined(&message, "");
        }
        for said in message.choices.iter().flatten().filter_map(|choice| choice.message.as_ref()) {
            let content = said.content.iter().flat_map(Content::texts).map(|told| told.text);
            content.for_each(|text| self.seen.add(text));
            said.texts()
                .iter()
                .filter_map(|(_, text, _)| *text)
                .for_each(|text| self.seen.add(text));
            for function in said.functions() {
                heard.call(&function.name, function.written(), grant);
            }
        }
        for item in message.output.iter().flatten().filter(|item| item.is_call()) {
            heard.call(&item.name, item.written(), grant);
        }
        self.told_at = self.seen;
        heard
    }

    pub(in crate::validate) fn hear(&mut self, data: &[u8], grant: &Grant) -> Heard {
        if data.trim_ascii() == b"[DONE]" {
            let mut heard = Heard { ends: Ends::All, last: true, ..Heard::default() };
            self.close(&mut heard);
            return heard;
        }
        if data.trim_ascii().is_empty() {
            return Heard::default();
        }
        // An array would be taken for the members of one in their order.
        let object = data.trim_ascii_start().starts_with(b"{");
        let message = serde_json::from_slice::<Message<'_>>(data).ok().filter(|_| object);
        let Some(message) = message else { return Heard::unsound() };
        let told = self.account(&message);
        let only_usage = message.usage.is_some() && message.choices().is_empty();
        let beside = self.beside(&message);
        let hidden = self.hides_usage && only_usage;
        let instead = unspelled(data, grant);
        let mut heard = Heard { hidden, beside, instead, ..Heard::default() };
        for (at, choice) in message.choices().iter().enumerate() {
            self.choice(at, choice, grant, &mut heard);
        }
        if let Some(kind) = Text::get(message.kind.as_ref()) {
            self.event(kind, &message, grant, &mut heard);
        }
        if heard.ends == Ends::All {
            self.close(&mut heard);
        }
        if told {
            self.told_at = self.seen;
        }
        heard.goes_on = heard.is_one_piece() && message.only_goes_on();
        heard
    }

    /// How the strings stand that are no pieces. What the events of a response say that bring no piece is
    /// whole, and told once more at the end.
    fn beside(&self, message: &Message<'_>) -> Beside {
        let items = message.choices().iter().map(|choice| choice.index.unwrap_or(0));
        match Text::get(message.kind.as_ref()) {
            Some("error") => Beside::default(),
            Some(kind) if tells_wholes(kind) => Beside::default(),
            Some(_) | None => Beside::but(&[]).with_items(items.collect()),
        }
    }

    /// A piece in a message like one before.
    pub(in crate::validate) fn hear_on(&mut self, channel: Channel, text: &str) {
        self.seen.add(text);
        if matches!(channel.kind, Kind::Arguments | Kind::Input) {
            self.went_on(channel.item, channel.part, text);
        }
    }

    /// What the message says about the model and the usage. `true` where it tells the usage.
    fn account(&mut self, message: &Message<'_>) -> bool {
        let inner = message.response.as_deref().unwrap_or(message);
        if self.model.is_none() {
            self.model = Text::get(inner.model.as_ref()).map(Arc::from);
        }
        // What is only fetched was paid for when it was made.
        let counts = inner.usage.as_ref().filter(|_| self.api != Api::Stored);
        let Some((counts, tokens_in, out)) = counts.and_then(|counts| {
            let silent = matches!(self.api, Api::Embeddings | Api::Moderations);
            let none = (silent && counts.tokens_out == Told::Nothing).then_some(0);
            Some((counts, counts.tokens_in.get()?, counts.tokens_out.get().or(none)?))
        }) else {
            return false;
        };
        // Some count what was thought in the total alone.
        let tokens_out = out.max(counts.total.get().unwrap_or(0).saturating_sub(tokens_in));
        // Of a part there is no more than of the whole.
        let tokens_cached = counts.cached.min(tokens_in);
        let tokens_cache_written = counts.written.min(tokens_in - tokens_cached);
        let other = tokens_in - tokens_cached - tokens_cache_written;
        self.used = Some(Reported {
            tokens_in,
            tokens_out,
            tokens_cached,
            tokens_cache_written,
            tokens_audio_in: counts.audio_in.min(other),
            tokens_audio_out: counts.audio_out.min(tokens_out),
            tier: Text::get(inner.service_tier.as_ref()).and_then(Tier::parse),
            model: self.model.clone(),
            ..Reported::default()
        });
        true
    }

    /// A choice of a chunk, which stands at `at`.
    fn choice(&mut self, at: usize, choice: &Choice<'_>, grant: &Grant, heard: &mut Heard) {
        let item = choice.index.unwrap_or(0);
        heard.unsound |= item >= self.choices;
        let channel = |kind, part| Channel { kind, item, part };
        let path = format!("/choices/{at}");
        self.piece(heard, &path, "text", Text::get(choice.text.as_ref()), channel(Kind::Text, 0));
        if let Some(said) = &choice.delta {
            let path = format!("{path}/delta");
            let role = Text::get(said.role.as_ref());
            self.labels.tell((item, u64::MAX), Label::Role, role, grant, heard);
            for told in said.content.iter().flat_map(Content::texts) {
                let kind = if told.thinks { Kind::Reasoning } else { Kind::Text };
                let path = format!("{path}/content{}", told.pointer);
                self.piece_at(heard, path, told.text, channel(kind, 0));
            }
            for (name, text, kind) in said.texts() {
                self.piece(heard, &path, name, text, channel(kind, 0));
            }
            let audio = said.audio.as_ref().and_then(|audio| audio.transcript.as_ref());
            let id = said.audio.as_ref().and_then(|audio| Text::get(audio.id.as_ref()));
            self.labels.tell((item, u64::MAX), Label::Id, id, grant, heard);
            let spoken = channel(Kind::Transcript, 0);
            self.piece(heard, &format!("{path}/audio"), "transcript", Text::get(audio), spoken);
            for (at, call) in said.tool_calls.iter().flatten().enumerate() {
                let path = format!("{path}/tool_calls/{at}");
                let place = (item, call.index.unwrap_or(at as u64));
                let id = Text::get(call.id.as_ref());
                self.labels.tell(place, Label::Id, id, grant, heard);
                for (name, function) in [("function", &call.function), ("custom", &call.custom)] {
                    let Some(function) = function else { continue };
                    let path = format!("{path}/{name}");
                    let part = call.index.unwrap_or(at as u64);
                    self.function(&path, function, (item, part), grant, heard);
                }
            }
            if let Some(function) = &said.function_call {
                let path = format!("{path}/function_call");
                self.function(&path, function, (item, u64::MAX), grant, heard);
            }
        }
        // Some write an empty one into each chunk.
        if Text::get(choice.finish_reason.as_ref()).is_some_and(|reason| !reason.is_empty()) {
            heard.ends = Ends::Item(item);
            self.close_item(item, heard);
        }
    }

    /// A function that a choice calls, or goes on to call.
    fn function(
        &mut self,
        path: &str,
        function: &Function<'_>,
        (item, part): (u64, u64),
        grant: &Grant,
        heard: &mut Heard,
    ) {
        if let Some(name) = function.name.as_deref().filter(|name| !name.is_empty()) {
            self.labels.tell((item, part), Label::Name, Some(name), grant, heard);
            self.begin(item, part, name, grant, heard);
        }
        let arguments = Text::get(function.arguments.as_ref());
        let input = Text::get(function.input.as_ref());
        let written = [("arguments", arguments, Kind::Arguments), ("input", input, Kind::Input)];
        for (name, text, kind) in written {
            let goes_on = self.went_on(item, part, text.unwrap_or_default());
            heard.unsound |= !goes_on && text.is_some_and(|text| !text.is_empty());
            self.piece(heard, path, name, text, Channel { kind, item, part });
        }
    }

    /// An event of the responses API.
    fn event(&mut self, kind: &str, message: &Message<'_>, grant: &Grant, heard: &mut Heard) {
        let Some(name) = kind.strip_prefix("response.") else {
            // What nobody knows says nothing of the text.
            (heard.ends, heard.between) = match kind {
                "error" => (Ends::All, false),
                _ => (Ends::None, true),
            };
            return;
        };
        let item = message.output_index.unwrap_or(0);
        if name == "output_item.added" {
            self.items.begin(item);
        }
        let channel = |name: &str| {
            let kind = channel_kind(name);
            let part = match kind {
                Kind::Summary => message.summary_index,
                // An item has one call.
                Kind::Arguments | Kind::Input => None,
                _ => message.content_index,
            };
            Channel { kind, item, part: part.unwrap_or(0) }
        };
        let response = message.response.as_deref();
        match name {
            "created" => heard.unsound |= response.is_some_and(|response| !response.says_nothing()),
            "queued" | "in_progress" => {
                heard.wholes = response.map(|all| joined(all, "/response")).unwrap_or_default();
            }
            "completed" | "incomplete" | "failed" => {
                (heard.ends, heard.last) = (Ends::All, true);
                heard.wholes = response.map(|all| joined(all, "/response")).unwrap_or_default();
            }
            "output_item.added" => {
                if let Some(call) = message.item.as_ref().filter(|item| item.is_call()) {
                    self.begin(item, 0, call.name.as_deref().unwrap_or_default(), grant, heard);
                }
                if let Some(added) = &message.item {
                    self.item_begins(item, added, heard);
                    heard.between = added.is_message() && heard.pieces.is_empty();
                }
            }
            "content_part.added" | "reasoning_summary_part.added" => {
                let in_summary = name == "reasoning_summary_part.added";
                let part = if in_summary { message.summary_index } else { message.content_index };
                let place = Place { item, part: part.unwrap_or(0), in_summary };
                self.part_begins(place);
                if let Some(part) = &message.part {
                    for (name, text, kind) in part.texts(in_summary) {
                        self.first(heard, format!("/part/{name}"), text, (kind, place));
                    }
                    heard.between = !in_summary && heard.pieces.is_empty();
                }
            }
            "output_item.done" => {
                heard.ends = Ends::Item(item);
                self.items.end(item);
                self.close_item(item, heard);
                if let Some(done) = message.item.as_ref().filter(|item| item.is_message()) {
                    done.joined("/item", &mut heard.wholes);
                    (heard.pauses, heard.between) = (self.spoken.end(item, None), true);
                }
            }
            "output_text.done" => {
                let (pointer, channel) = ("/text".to_owned(), Channel::joined());
                heard.wholes.extend(message.text.is_some().then_some(Piece { pointer, channel }));
                (heard.pauses, heard.between) =
                    (self.spoken.end(item, message.content_index), true);
            }
            "content_part.done" => {
                let says = message.part.as_ref().is_some_and(|part| part.text.is_some());
                let (pointer, channel) = ("/part/text".to_owned(), Channel::joined());
                heard.wholes.extend(says.then_some(Piece { pointer, channel }));
                (heard.pauses, heard.between) =
                    (self.spoken.end(item, message.content_index), true);
            }
            _ => {
                if let Some(name) = name.strip_suffix(".delta").filter(|name| *name != "audio") {
                    let (text, mut channel) = (Text::get(message.delta.as_ref()), channel(name));
                    heard.unsound |= !self.has_place(channel);
                    if channel.kind == Kind::Text {
                        self.spoken.go_on(item, channel.part, heard);
                        channel = Channel::joined();
                    }
                    if matches!(channel.kind, Kind::Arguments | Kind::Input) {
                        self.went_on(item, 0, text.unwrap_or_default());
                    }
                    self.piece(heard, "", "delta", text, channel);
                } else if let Some(name) = name.strip_suffix(".done") {
                    (heard.ends, heard.between) = (Ends::One(channel(name)), true);
                } else {
                    heard.between = true;
                }
            }
        }
    }

    /// The texts that an item begins with: clients put what follows behind them.
    fn item_begins(&mut self, item: u64, added: &Item<'_>, heard: &mut Heard) {
        let written = [
            ("arguments", &added.arguments, Kind::Arguments),
            ("input", &added.input, Kind::Input),
            ("code", &added.code, Kind::Input),
        ];
        for (name, text, kind) in written {
            let text = Text::get(text.as_ref()).unwrap_or_default();
            let place = Place { item, part: 0, in_summary: false };
            self.first(heard, format!("/item/{name}"), text, (kind, place));
            self.went_on(item, 0, text);
        }
        let said = if added.is_message() { Kind::Text } else { Kind::Reasoning };
        for (name, content, kind) in
            [("content", &added.content, said), ("summary", &added.summary, Kind::Summary)]
        {
            for told in content.iter().flat_map(Content::texts) {
                let in_summary = kind == Kind::Summary;
                let part = told.pointer.split('/').nth(1).and_then(|at| at.parse().ok());
                let place = Place { item, part: part.unwrap_or(0), in_summary };
                self.part_begins(place);
                let pointer = format!("/item/{name}{}", told.pointer);
                self.first(heard, pointer, told.text, (kind, place));
            }
        }
    }

    fn part_begins(&mut self, place: Place) {
        if self.parts.len() < MAX_PARTS && !self.parts.contains(&place) {
            self.parts.push(place);
        }
    }

    /// The first piece of a text, where there is one.
    fn first(
        &mut self,
        heard: &mut Heard,
        pointer: String,
        text: &str,
        (kind, Place { item, part, .. }): (Kind, Place),
    ) {
        if text.is_empty() {
            return;
        }
        let channel = if kind == Kind::Text {
            self.spoken.begin(item, part, heard);
            Channel::joined()
        } else {
            Channel { kind, item, part }
        };
        self.piece_at(heard, pointer, text, channel);
    }

    fn piece(
        &mut self,
        heard: &mut Heard,
        path: &str,
        name: &str,
        text: Option<&str>,
        channel: Channel,
    ) {
        if let Some(text) = text {
            self.piece_at(heard, format!("{path}/{name}"), text, channel);
        }
    }

    fn piece_at(&mut self, heard: &mut Heard, pointer: String, text: &str, channel: Channel) {
        self.seen.add(text);
        heard.pieces.push(Piece { pointer, channel });
    }

    fn begin(&mut self, item: u64, part: u64, name: &str, grant: &Grant, heard: &mut Heard) {
        heard.check(name, grant);
        let known = self.open.iter().any(|open| (open.item, open.part) == (item, part));
        if !known && self.open.len() < MAX_CALLS {
            self.open.push(Calling::new(item, part, name));
        }
    }

    /// Takes a piece of the arguments of a call. `false` where none of that number has begun, and it is
    /// not the only one: the piece has no place.
    fn went_on(&mut self, item: u64, part: u64, text: &str) -> bool {
        let open = self.open.iter_mut().find(|open| (open.item, open.part) == (item, part));
        let known = open.map(|open| open.push(text)).is_some();
        if self.open.is_empty() {
            self.stray.get_or_insert((item, part));
        }
        known || self.stray == Some((item, part)) || self.open.len() >= MAX_CALLS
    }

    /// Whether the text to which a piece of a response belongs has begun. The first part of an item begins
    /// with it.
    fn has_place(&mut self, Channel { kind, item, part }: Channel) -> bool {
        let place = Place { item, part, in_summary: kind == Kind::Summary };
        self.items.takes(item) && (part == 0 || self.parts.contains(&place))
    }

    fn close_item(&mut self, item: u64, heard: &mut Heard) {
        self.stray = self.stray.filter(|stray| stray.0 != item);
        let over = self.open.extract_if(.., |open| open.item == item);
        heard.calls.extend(over.map(Calling::end));
    }

    fn close(&mut self, heard: &mut Heard) {
        heard.calls.extend(self.open.drain(..).map(Calling::end));
        self.items.end_all();
        self.parts.clear();
        self.stray = None;
    }
}

impl Heard {
    /// A tool is called: it must be granted.
    pub(in crate::validate) fn check(&mut self, name: &str, grant: &Grant) {
        if grant.tool(name).is_none() && self.denied.is_none() {
            self.denied = Some(ToolCall::new(name, b"").name);
        }
    }

    fn call(&mut self, name: &Option<Cow<'_, str>>, arguments: &str, grant: &Grant) {
        let name = name.as_deref().unwrap_or_default();
        self.check(name, grant);
        self.calls.push(ToolCall::new(name, arguments.as_bytes()));
    }
}

impl<'a> Said<'a> {
    /// Its texts, but for its content and those of tool calls.
    fn texts(&self) -> [(&'static str, Option<&str>, Kind); 5] {
        [
            ("refusal", Text::get(self.refusal.as_ref()), Kind::Refusal),
            ("reasoning_content", Text::get(self.reasoning_content.as_ref()), Kind::Reasoning),
            ("reasoning", Text::get(self.reasoning.as_ref()), Kind::Summary),
            ("reasoning_text", Text::get(self.reasoning_text.as_ref()), Kind::Reasoning),
            ("thinking", Text::get(self.thinking.as_ref()), Kind::Reasoning),
        ]
    }

    fn functions(&self) -> impl Iterator<Item = &Function<'a>> {
        let calls = self.tool_calls.iter().flatten();
        let calls = calls.filter_map(|call| call.function.as_ref().or(call.custom.as_ref()));
        calls.chain(&self.function_call)
    }
}

impl Function<'_> {
    fn written(&self) -> &str {
        Text::get(self.arguments.as_ref()).or(Text::get(self.input.as_ref())).unwrap_or_default()
    }
}

impl Message<'_> {
    /// Whether it has no texts in it yet.
    fn says_nothing(&self) -> bool {
        self.output.iter().flatten().all(|item| {
            let written = [&item.arguments, &item.input, &item.code];
            let contents = [&item.content, &item.summary].into_iter().flatten();
            let empty =
                |text: &Option<Text<'_>>| Text::get(text.as_ref()).is_none_or(str::is_empty);
            written.into_iter().all(empty)
                && contents.flat_map(Content::texts).all(|told| told.text.is_empty())
        })
    }
}

/// The texts of a whole answer that stands at `path` which clients join: the parts of a content, and all
/// parts of all items of a response.
fn joined(message: &Message<'_>, path: &str) -> Vec<Piece> {
    let mut all = Vec::new();
    for (at, choice) in message.choices().iter().enumerate() {
        let content = choice.message.iter().filter_map(|said| said.content.as_ref());
        for told in content.flat_map(Content::texts) {
            let kind = if told.thinks { Kind::Reasoning } else { Kind::Text };
            let channel = Channel { kind, item: at as u64, part: 0 };
            let pointer = format!("{path}/choices/{at}/message/content{}", told.pointer);
            all.push(Piece { pointer, channel });
        }
    }
    for (at, item) in message.output.iter().flatten().enumerate().filter(|(_, i)| i.is_message()) {
        item.joined(&format!("{path}/output/{at}"), &mut all);
    }
    all
}

impl Part<'_> {
    /// What it says, and what that is.
    fn texts(&self, in_summary: bool) -> [(&'static str, &str, Kind); 2] {
        let kind = match Text::get(self.kind.as_ref()) {
            _ if in_summary => Kind::Summary,
            Some("reasoning_text") => Kind::Reasoning,
            _ => Kind::Text,
        };
        let [text, refusal] =
            [&self.text, &self.refusal].map(|text| Text::get(text.as_ref()).unwrap_or_default());
        [("text", text, kind), ("refusal", refusal, Kind::Refusal)]
    }
}

impl Item<'_> {
    /// Whether it is a part of what the model says.
    fn is_message(&self) -> bool {
        matches!(self.kind.as_deref(), Some("message") | None)
    }

    /// Its texts, which are one text with those of all other items.
    fn joined(&self, path: &str, all: &mut Vec<Piece>) {
        let channel = Channel::joined();
        let texts = self.content.iter().flat_map(Content::texts);
        let pointer = |pointer: String| format!("{path}/content{pointer}");
        all.extend(texts.map(|told| Piece { pointer: pointer(told.pointer), channel }));
    }

    fn is_call(&self) -> bool {
        let kind = self.kind.as_deref();
        matches!(kind, Some("function_call" | "custom_tool_call" | "mcp_call"))
    }

    fn written(&self) -> &str {
        Text::get(self.arguments.as_ref()).or(Text::get(self.input.as_ref())).unwrap_or_default()
    }
}

/// Whether an event of the responses API tells everything in it as a whole.
fn tells_wholes(kind: &str) -> bool {
    kind.strip_prefix("response.").is_some_and(|name| {
        matches!(name, "created" | "queued" | "in_progress" | "completed" | "incomplete" | "failed")
            || name.ends_with(".done")
            || name.ends_with(".added")
            || name.ends_with(".partial_image")
    })
}

fn channel_kind(name: &str) -> Kind {
    match name {
        "output_text" => Kind::Text,
        "refusal" => Kind::Refusal,
        "reasoning_text" | "reasoning" => Kind::Reasoning,
        "reasoning_summary_text" | "reasoning_summary" => Kind::Summary,
        "function_call_arguments" | "mcp_call_arguments" | "mcp_call.arguments" => Kind::Arguments,
        "custom_tool_call_input" | "code_interpreter_call_code" => Kind::Input,
        "audio.transcript" | "audio_transcript" => Kind::Transcript,
        _ => Kind::Other,
    }
}

/// The list of models, with those alone that the caller may use. `None` where all of them pass.
fn granted_models(document: &[u8], grant: &Grant) -> Option<Vec<u8>> {
    grant.endpoint().names.models.as_ref()?;
    let mut document: Value = serde_json::from_slice(document).ok()?;
    let models = document.get_mut("data")?.as_array_mut()?;
    prompt::keep_granted(models, grant);
    // llama.cpp tells them twice.
    if let Some(members) = document.as_object_mut() {
        members.remove("models");
    }
    Some(document.to_string().into_bytes())
}
