//! How is an answer of OpenAI's API built? Its parts, as far as somebody here reads them, and the texts in
//! them.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::counts::{Counts, counts};
use crate::authorize::Grant;
use crate::validate::listener::{Channel, Kind, Piece};
use crate::validate::parts::Content;
use crate::validate::text::{Text, number};

/// A document or an event, as far as it matters. A number or a name of another type counts as not
/// there. What has another build than this, or two readings, is not understood, and does not pass:
/// what nobody has read may hold a call that is not granted, or a piece of a text.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) service_tier: Option<Text<'a>>,
    #[serde(deserialize_with = "counts")]
    pub(super) usage: Option<Counts>,
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) response: Option<Box<Message<'a>>>,
    #[serde(borrow)]
    pub(super) output: Option<Vec<Item<'a>>>,
    #[serde(borrow)]
    pub(super) item: Option<Item<'a>>,
    #[serde(borrow, deserialize_with = "part")]
    pub(super) part: Option<Part<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) delta: Option<Text<'a>>,
    #[serde(deserialize_with = "number")]
    pub(super) output_index: Option<u64>,
    #[serde(deserialize_with = "number")]
    pub(super) content_index: Option<u64>,
    #[serde(deserialize_with = "number")]
    pub(super) summary_index: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice<'a> {
    #[serde(deserialize_with = "number")]
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) delta: Option<Said<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Said<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Text<'a>>,
}

/// What a model said, or went on to say.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Said<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) audio: Option<Audio<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(deserialize_with = "number")]
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(super) custom: Option<Function<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) input: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Audio<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) transcript: Option<Text<'a>>,
}

/// An item of a response.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Item<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) arguments: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) input: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) code: Option<Text<'a>>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) action: Option<&'a str>,
    #[serde(borrow, deserialize_with = "raw")]
    pub(super) operation: Option<&'a str>,
    #[serde(borrow)]
    pub(super) content: Option<Content<'a>>,
    #[serde(borrow)]
    pub(super) summary: Option<Content<'a>>,
}

/// What somebody else reads, as it is written.
fn raw<'de: 'a, 'a, D: Deserializer<'de>>(source: D) -> Result<Option<&'a str>, D::Error> {
    let raw = <&'a RawValue>::deserialize(source)?.get();
    Ok((raw != "null").then_some(raw))
}

/// A part of an item.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Part<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) refusal: Option<Text<'a>>,
}

/// What is no object is no part.
fn part<'de: 'a, 'a, D: Deserializer<'de>>(source: D) -> Result<Option<Part<'a>>, D::Error> {
    let raw = <&'a RawValue>::deserialize(source)?;
    let object = raw.get().starts_with('{');
    object.then(|| serde_json::from_str(raw.get())).transpose().map_err(D::Error::custom)
}

impl<'a> Message<'a> {
    pub(super) fn choices(&self) -> &[Choice<'a>] {
        self.choices.as_deref().unwrap_or_default()
    }

    /// Whether it begins nothing and counts nothing.
    pub(super) fn only_goes_on(&self) -> bool {
        let unnamed = |function: &Option<Function<'_>>| {
            let name = function.as_ref().and_then(|function| function.name.as_deref());
            name.is_none_or(str::is_empty)
        };
        let said = self.choices().iter().flat_map(|choice| [&choice.delta, &choice.message]);
        let mut said = said.flatten();
        self.usage.is_none()
            && self.response.is_none()
            && said.all(|said| {
                let mut calls = said.tool_calls.iter().flatten();
                calls.all(|call| unnamed(&call.function) && unnamed(&call.custom))
                    && unnamed(&said.function_call)
            })
    }
}

impl<'a> Said<'a> {
    /// Its texts, but for its content and those of tool calls.
    pub(super) fn texts(&self) -> [(&'static str, Option<&str>, Kind); 5] {
        [
            ("refusal", Text::get(self.refusal.as_ref()), Kind::Refusal),
            ("reasoning_content", Text::get(self.reasoning_content.as_ref()), Kind::Reasoning),
            ("reasoning", Text::get(self.reasoning.as_ref()), Kind::Summary),
            ("reasoning_text", Text::get(self.reasoning_text.as_ref()), Kind::Reasoning),
            ("thinking", Text::get(self.thinking.as_ref()), Kind::Reasoning),
        ]
    }

    pub(super) fn functions(&self) -> impl Iterator<Item = &Function<'a>> {
        let calls = self.tool_calls.iter().flatten();
        let calls = calls.filter_map(|call| call.function.as_ref().or(call.custom.as_ref()));
        calls.chain(&self.function_call)
    }
}

impl Function<'_> {
    pub(super) fn written(&self) -> &str {
        Text::get(self.arguments.as_ref()).or(Text::get(self.input.as_ref())).unwrap_or_default()
    }
}

impl Message<'_> {
    /// Whether it has no texts in it yet.
    pub(super) fn says_nothing(&self) -> bool {
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
pub(super) fn joined(message: &Message<'_>, path: &str) -> Vec<Piece> {
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
    pub(super) fn texts(&self, in_summary: bool) -> [(&'static str, &str, Kind); 2] {
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
    pub(super) fn is_message(&self) -> bool {
        matches!(self.kind.as_deref(), Some("message") | None)
    }

    /// Its texts, which are one text with those of all other items.
    pub(super) fn joined(&self, path: &str, all: &mut Vec<Piece>) {
        let channel = Channel::joined();
        let texts = self.content.iter().flat_map(Content::texts);
        let pointer = |pointer: String| format!("{path}/content{pointer}");
        all.extend(texts.map(|told| Piece { pointer: pointer(told.pointer), channel }));
    }

    /// The tool that it calls, if it calls one: by its name where it has one, and else by its type, as it is
    /// offered.
    pub(super) fn tool(&self, grant: &Grant) -> Option<&str> {
        let kind = self.kind.as_deref()?;
        let named = self.name.as_deref().filter(|name| !name.is_empty());
        if kind == "mcp_approval_request" {
            return Some(named.unwrap_or_default());
        }
        let own = kind.strip_suffix("_call")?;
        match own {
            "function" | "custom_tool" | "mcp" => Some(named.unwrap_or_default()),
            "web_search" => Some(one_of(&["web_search", "web_search_preview"], grant)),
            "computer" => Some(one_of(&["computer", "computer_use_preview"], grant)),
            "apply_patch" | "code_interpreter" | "file_search" | "image_generation"
            | "local_shell" | "shell" | "tool_search" => Some(own),
            _ => Some(named.unwrap_or(own)),
        }
    }

    /// With what it calls its tool.
    pub(super) fn written(&self) -> &str {
        let texts = [&self.arguments, &self.input, &self.code];
        let text = texts.into_iter().find_map(|text| Text::get(text.as_ref()));
        text.or(self.action).or(self.operation).unwrap_or_default()
    }

    /// The same, as far as it does not come in pieces.
    pub(super) fn action(&self) -> &str {
        self.action.or(self.operation).unwrap_or_default()
    }
}

/// The one of several names of a tool to which there is a right; the first where there is none.
fn one_of(names: &'static [&'static str], grant: &Grant) -> &'static str {
    let granted = names.iter().find(|name| grant.tool(name).is_some());
    granted.or(names.first()).copied().unwrap_or_default()
}
