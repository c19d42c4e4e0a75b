//! What does an answer of Anthropic's API say? Whole, and in events.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::authorize::Grant;
use crate::validate::beside::{Begun, Beside};
use crate::validate::listener::{
    Calling, Channel, Ends, Heard, Kind, MAX_CALLS, Piece, Place, Tokens, ToolCall,
};
use crate::validate::spelling::unspelled;
use crate::validate::text::{Text, number};
use crate::validate::usage::{Tier, Told};
use crate::validate::{Reported, prompt};

/// Listens to one answer.
#[derive(Clone, Debug)]
pub struct Listener {
    lists_models: bool,
    counts: Option<Counts>,
    /// Whether the counts are the last ones.
    told: bool,
    /// Whether tokens may be made that stand in no event.
    hidden: bool,
    model: Option<Arc<str>>,
    seen: Tokens,
    open: Vec<Calling>,
    /// The blocks that go on.
    blocks: Begun,
    /// Where its text goes on, which is one over all blocks.
    spoken: Place,
}

/// A document or an event, as far as it matters. A number or a name of another type counts as not
/// there; what has another build than this, or two readings, does not pass.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(deserialize_with = "counts")]
    usage: Option<Counts>,
    #[serde(borrow)]
    message: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    content: Vec<Block<'a>>,
    #[serde(deserialize_with = "number")]
    index: Option<u64>,
    #[serde(borrow)]
    content_block: Option<Block<'a>>,
    #[serde(borrow)]
    delta: Option<Delta<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow)]
    partial_json: Option<Cow<'a, str>>,
}

/// Counts add up over the events of a stream: each tells those that it knows, as they are by then.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Told,
    output_tokens: Told,
    cache_read_input_tokens: Told,
    cache_creation_input_tokens: Told,
    cache_creation: Option<Written>,
    #[serde(deserialize_with = "tier")]
    service_tier: Option<Tier>,
    #[serde(deserialize_with = "tier")]
    speed: Option<Tier>,
}

impl Counts {
    /// Whether everything in it is a number, and what came in and went out is among it.
    fn are_whole(&self) -> bool {
        let cache = [self.cache_read_input_tokens, self.cache_creation_input_tokens];
        let told = self.input_tokens.get().is_some() && self.output_tokens.get().is_some();
        told && !cache.contains(&Told::Odd)
    }
}

/// Counts of another build count as not told.
fn counts<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Counts>, D::Error> {
    let told = Value::deserialize(source)?;
    Ok(Some(told).filter(Value::is_object).and_then(|told| Counts::deserialize(told).ok()))
}

/// What was written into the cache, by how long it stays.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Written {
    ephemeral_1h_input_tokens: Option<u64>,
}

fn tier<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Tier>, D::Error> {
    Ok(Value::deserialize(source)?.as_str().and_then(Tier::parse))
}

impl Listener {
    pub(super) fn new(lists_models: bool) -> Self {
        let (counts, model, seen) = (None, None, Tokens::default());
        let (open, blocks) = (Vec::new(), Begun::default());
        let (told, hidden) = (false, false);
        let spoken = Place::default();
        Self { lists_models, counts, told, hidden, model, seen, open, blocks, spoken }
    }

    /// Tokens may be made that stand in no event.
    pub(super) fn expect_hidden(&mut self) {
        self.hidden = true;
    }

    /// What is told to be nothing where something was seen is not all of it.
    pub(in crate::validate) fn used(&self) -> Option<Reported> {
        let counts = self.counts.filter(|counts| self.told && counts.are_whole())?;
        let out = counts.output_tokens.get().unwrap_or(0);
        (out > 0 || self.seen == Tokens::default()).then(|| self.reported(counts, out))
    }

    /// The first event tells what came in; of what goes out it knows only the first token. The input
    /// of a tool comes when some of it is ready.
    pub(in crate::validate) fn used_so_far(&self, tokens_in: u64) -> Option<Reported> {
        let seen = self.seen != Tokens::default();
        let heard = self.counts.is_some() || seen;
        let so_far = || {
            let out = self.counts.and_then(|counts| counts.output_tokens.get()).unwrap_or(0);
            let out = out.max(self.seen.count());
            let told = match self.counts.filter(|counts| counts.input_tokens.get().is_some()) {
                Some(counts) => self.reported(counts, out),
                None => {
                    let model = self.model.clone();
                    Reported { tokens_in, tokens_out: out, model, ..Reported::default() }
                }
            };
            Reported { at_least: self.hidden || !seen || !self.open.is_empty(), ..told }
        };
        self.used().or_else(|| heard.then(so_far))
    }

    /// `input_tokens` does not hold what was read from a cache or written into one.
    fn reported(&self, counts: Counts, tokens_out: u64) -> Reported {
        let cached = counts.cache_read_input_tokens.get().unwrap_or(0);
        let tokens_in = counts.input_tokens.get().unwrap_or(0);
        let tokens_in = tokens_in.saturating_add(cached);
        let written = counts.cache_creation_input_tokens.get().unwrap_or(0);
        Reported {
            tokens_in: tokens_in.saturating_add(written),
            tokens_out,
            tokens_cached: cached,
            tokens_cache_written: written,
            tokens_cache_written_1h: counts
                .cache_creation
                .and_then(|written| written.ephemeral_1h_input_tokens)
                .unwrap_or(0)
                .min(written),
            tier: counts.speed.or(counts.service_tier),
            model: self.model.clone(),
            ..Reported::default()
        }
    }

    pub(in crate::validate) fn hear_whole(&mut self, document: &[u8], grant: &Grant) -> Heard {
        if self.lists_models {
            return Heard { instead: granted_models(document, grant), ..Heard::default() };
        }
        let Ok(message) = serde_json::from_slice::<Message<'_>>(document) else {
            return Heard { unsound: true, ..Heard::default() };
        };
        self.account(&message);
        self.told = message.usage.is_some();
        let mut heard = Heard { instead: unspelled(document, grant), ..Heard::default() };
        if grant.endpoint().profile.response.is_some() {
            heard.pieces = message.joined();
        }
        for text in message.content.iter().filter_map(|block| block.text.as_deref()) {
            self.seen.add(text);
        }
        for block in message.content.iter().filter(|block| block.is_call()) {
            let name = block.name.as_deref().unwrap_or_default();
            heard.check(name, grant);
            let input = block.input.map(|input| input.get().as_bytes()).unwrap_or_default();
            heard.calls.push(ToolCall::of_model(name, input, grant));
        }
        heard
    }

    pub(in crate::validate) fn hear(&mut self, data: &[u8], grant: &Grant) -> Heard {
        if data.trim_ascii().is_empty() {
            return Heard::default();
        }
        // An array would be taken for the members of one in their order.
        let object = data.trim_ascii_start().starts_with(b"{");
        let message = serde_json::from_slice::<Message<'_>>(data).ok().filter(|_| object);
        let Some(message) = message else { return Heard::unsound() };
        let kind = Text::get(message.kind.as_ref());
        let (beside, instead) = (Beside::but(wholes(kind)), unspelled(data, grant));
        let mut heard = Heard { beside, instead, ..Heard::default() };
        let item = message.index.unwrap_or(0);
        match kind {
            Some("message_start") => {
                let started = message.message.as_deref().unwrap_or(&message);
                self.account(started);
                for (at, block) in (0..).zip(&started.content) {
                    self.blocks.begin(at);
                    self.begin(&format!("/message/content/{at}"), at, block, grant, &mut heard);
                }
            }
            Some("content_block_start") => {
                self.blocks.begin(item);
                if let Some(block) = &message.content_block {
                    self.begin("/content_block", item, block, grant, &mut heard);
                    heard.between = block.is_text() && heard.pieces.is_empty();
                }
            }
            Some("content_block_delta") => {
                if let Some(delta) = &message.delta {
                    self.went_on(item, delta, &mut heard);
                    heard.unsound |= !self.blocks.takes(item);
                    heard.between = Text::get(delta.kind.as_ref()) == Some("citations_delta");
                    heard.goes_on = heard.is_one_piece();
                }
            }
            Some("content_block_stop") => {
                heard.ends = Ends::Item(item);
                self.blocks.end(item);
                heard.pauses = self.spoken.end(item, None);
                heard.between = true;
                self.close(Some(item), grant, &mut heard);
            }
            Some(last @ ("message_delta" | "message_stop" | "error")) => {
                heard.last = last == "message_stop";
                self.account(&message);
                self.told |= message.usage.is_some();
                heard.ends = Ends::All;
                self.blocks.end_all();
                self.close(None, grant, &mut heard);
            }
            // What nobody knows says nothing of the text.
            _ => heard.between = true,
        }
        heard
    }

    /// A piece in a message like one before.
    pub(in crate::validate) fn hear_on(&mut self, channel: Channel, text: &str) {
        self.seen.add(text);
        let open = self.open.iter_mut().find(|open| open.item == channel.item);
        if let (Kind::Arguments, Some(open)) = (channel.kind, open) {
            open.push(text);
        }
    }

    fn account(&mut self, message: &Message<'_>) {
        if self.model.is_none() {
            self.model = Text::get(message.model.as_ref()).map(Arc::from);
        }
        let Some(told) = message.usage else { return };
        let before = self.counts.unwrap_or_default();
        self.counts = Some(Counts {
            input_tokens: told.input_tokens.or(before.input_tokens),
            output_tokens: told.output_tokens.or(before.output_tokens),
            cache_read_input_tokens: told
                .cache_read_input_tokens
                .or(before.cache_read_input_tokens),
            cache_creation_input_tokens: told
                .cache_creation_input_tokens
                .or(before.cache_creation_input_tokens),
            cache_creation: told.cache_creation.or(before.cache_creation),
            service_tier: told.service_tier.or(before.service_tier),
            speed: told.speed.or(before.speed),
        });
    }

    /// A block begins. Clients put what follows behind what it begins with.
    fn begin(
        &mut self,
        path: &str,
        item: u64,
        block: &Block<'_>,
        grant: &Grant,
        heard: &mut Heard,
    ) {
        if block.is_call() {
            let name = block.name.as_deref().unwrap_or_default();
            heard.check(name, grant);
            if self.open.len() < MAX_CALLS {
                self.open.push(Calling::new(item, 0, name, grant));
            }
        }
        for (name, text, kind) in
            [("text", &block.text, Kind::Text), ("thinking", &block.thinking, Kind::Reasoning)]
        {
            let text = text.as_deref().filter(|text| !text.is_empty());
            self.piece(path, name, text, (kind, item), heard);
        }
        // Some write the input as the text that it is.
        let input = block.input.and_then(|input| serde_json::from_str::<String>(input.get()).ok());
        if let Some(input) = input.filter(|input| !input.is_empty()) {
            if let Some(open) = self.open.iter_mut().find(|open| open.item == item) {
                open.push(&input);
            }
            self.piece(path, "input", Some(&input), (Kind::Arguments, item), heard);
        }
    }

    fn went_on(&mut self, item: u64, delta: &Delta<'_>, heard: &mut Heard) {
        if let (Some(text), Some(open)) =
            (&delta.partial_json, self.open.iter_mut().find(|open| open.item == item))
        {
            open.push(text);
        }
        for (name, text, kind) in [
            ("text", &delta.text, Kind::Text),
            ("thinking", &delta.thinking, Kind::Reasoning),
            ("partial_json", &delta.partial_json, Kind::Arguments),
        ] {
            self.piece("/delta", name, text.as_deref(), (kind, item), heard);
        }
    }

    fn piece(
        &mut self,
        path: &str,
        name: &str,
        text: Option<&str>,
        (kind, item): (Kind, u64),
        heard: &mut Heard,
    ) {
        let Some(text) = text else { return };
        self.seen.add(text);
        let channel = if kind == Kind::Text {
            match path {
                "/delta" => self.spoken.go_on(item, 0, heard),
                _ => self.spoken.begin(item, 0, heard),
            }
            Channel::joined()
        } else {
            Channel { kind, item, part: 0 }
        };
        heard.pieces.push(Piece { pointer: format!("{path}/{name}"), channel });
    }

    /// The calls of one block are over, or of all.
    fn close(&mut self, item: Option<u64>, grant: &Grant, heard: &mut Heard) {
        let over = self.open.extract_if(.., |open| item.is_none_or(|item| open.item == item));
        heard.calls.extend(over.map(|open| open.end(grant)));
    }
}

impl Message<'_> {
    /// The texts of a whole answer, which clients join.
    fn joined(&self) -> Vec<Piece> {
        let blocks = self.content.iter().enumerate().filter(|(_, block)| block.text.is_some());
        let pointer = |at: usize| format!("/content/{at}/text");
        blocks.map(|(at, _)| Piece { pointer: pointer(at), channel: Channel::joined() }).collect()
    }
}

impl Block<'_> {
    fn is_text(&self) -> bool {
        self.kind.as_deref() == Some("text")
    }

    fn is_call(&self) -> bool {
        let kind = self.kind.as_deref();
        matches!(kind, Some("tool_use" | "server_tool_use" | "mcp_tool_use"))
    }
}

/// What an event of this kind tells as a whole.
fn wholes(kind: Option<&str>) -> &'static [&'static str] {
    match kind {
        Some("message_start") => &["message"],
        Some("content_block_start") => &["content_block"],
        Some("message_delta") => &["context_management", "delta"],
        _ => &[],
    }
}

/// Turns the beginning of a block, or of a message with blocks in it, into an event by which it goes on,
/// and tells where the text stands in that.
pub(in crate::validate) fn went_on(event: &mut Value, pointer: &str) -> String {
    let in_message = pointer.strip_prefix("/message/content/").and_then(|at| at.split_once('/'));
    let in_block = pointer.strip_prefix("/content_block/").map(|name| (None, name));
    let block = in_message.map(|(at, name)| (at.parse::<u64>().ok(), name)).or(in_block);
    let Some((index, name)) = block else { return pointer.to_owned() };
    let (kind, name) = match name {
        "input" => ("input_json_delta".to_owned(), "partial_json"),
        name => (format!("{name}_delta"), name),
    };
    let mut delta = serde_json::Map::new();
    delta.insert("type".into(), kind.into());
    delta.insert(name.to_owned(), "".into());
    if let Some(members) = event.as_object_mut() {
        members.remove("content_block");
        members.remove("message");
        if let Some(index) = index {
            members.insert("index".into(), index.into());
        }
        members.insert("type".into(), "content_block_delta".into());
        members.insert("delta".into(), delta.into());
    }
    format!("/delta/{name}")
}

/// The list of models, with those alone that the caller may use. `None` where all of them pass.
fn granted_models(document: &[u8], grant: &Grant) -> Option<Vec<u8>> {
    grant.endpoint().names.models.as_ref()?;
    let mut document: Value = serde_json::from_slice(document).ok()?;
    let models = document.get_mut("data")?.as_array_mut()?;
    prompt::keep_granted(models, grant);
    Some(document.to_string().into_bytes())
}
