//! What does an answer of OpenAI's API say? In both of its dialects, chat completions and responses,
//! whole and in events.

mod counts;
mod message;
mod response;

use std::sync::Arc;

use serde_json::Value;

use super::api::Api;
use super::labels::{Label, Labels};
use crate::authorize::Grant;
use crate::validate::Reported;
use crate::validate::beside::{Begun, Beside};
use crate::validate::listener::{
    self, Calling, Channel, Ends, Heard, Kind, MAX_CALLS, Piece, Tokens, ToolCall,
};
use crate::validate::parts::Content;
use crate::validate::prompt;
use crate::validate::spelling::unspelled;
use crate::validate::text::Text;
use crate::validate::usage::{Tier, Told};
use message::{Choice, Function, Message, joined};
use response::{Place, tells_wholes};

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
    /// The items of a response whose calls are on record.
    called: Vec<u64>,
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

impl Listener {
    /// Whether something else than words may be asked for.
    pub(in crate::validate) fn may_be_no_words(&self) -> bool {
        self.api.may_be_no_words()
    }

    pub(super) fn new(api: Api) -> Self {
        let (used, model, seen) = (None, None, Tokens::default());
        let (open, items, parts) = (Vec::new(), Begun::default(), Vec::new());
        let called = Vec::new();
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
            called,
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
                heard.call(function.name.as_deref().unwrap_or_default(), function.written(), grant);
            }
        }
        for item in message.output.iter().flatten() {
            if let Some(tool) = item.tool(grant) {
                heard.call(tool, item.written(), grant);
            }
        }
        self.told_at = self.seen;
        heard
    }

    pub(in crate::validate) fn hear(&mut self, data: &[u8], grant: &Grant) -> Heard {
        if data.trim_ascii() == b"[DONE]" {
            let mut heard = Heard { ends: Ends::All, last: true, ..Heard::default() };
            self.close(grant, &mut heard);
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
            self.close(grant, &mut heard);
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
        // Some servers write whole messages, and some clients read them.
        for function in choice.message.iter().flat_map(message::Said::functions) {
            heard.call(function.name.as_deref().unwrap_or_default(), function.written(), grant);
        }
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
            self.close_item(item, grant, heard);
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
            self.open.push(Calling::new(item, part, name, grant));
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

    fn close_item(&mut self, item: u64, grant: &Grant, heard: &mut Heard) {
        self.stray = self.stray.filter(|stray| stray.0 != item);
        let over = self.open.extract_if(.., |open| open.item == item);
        let before = heard.calls.len();
        heard.calls.extend(over.map(|open| open.end(grant)));
        if heard.calls.len() > before && self.called.len() < MAX_CALLS {
            self.called.push(item);
        }
    }

    fn close(&mut self, grant: &Grant, heard: &mut Heard) {
        heard.calls.extend(self.open.drain(..).map(|open| open.end(grant)));
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

    fn call(&mut self, name: &str, arguments: &str, grant: &Grant) {
        self.check(name, grant);
        self.calls.push(ToolCall::of_model(name, arguments.as_bytes(), grant));
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
