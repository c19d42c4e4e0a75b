//! What does an event of the responses API say? Items begin and end in it, and the parts of them.

use super::Listener;
use super::message::{Item, Message, joined};
use crate::authorize::Grant;
use crate::validate::listener::{Channel, Ends, Heard, Kind, MAX_CALLS, Piece};
use crate::validate::parts::Content;
use crate::validate::text::Text;

/// A part of an item, or of the summary of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Place {
    item: u64,
    part: u64,
    in_summary: bool,
}

/// No more parts of a response have texts of their own.
const MAX_PARTS: usize = 1024;

impl Listener {
    /// An event of the responses API.
    pub(super) fn event(
        &mut self,
        kind: &str,
        message: &Message<'_>,
        grant: &Grant,
        heard: &mut Heard,
    ) {
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
        let output = response.and_then(|response| response.output.as_deref());
        for (at, done) in (0..).zip(output.into_iter().flatten()) {
            self.is_told(at, done, grant, heard);
        }
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
                if let Some(tool) = message.item.as_ref().and_then(|item| item.tool(grant)) {
                    self.begin(item, 0, tool, grant, heard);
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
                if let Some(done) = &message.item {
                    self.is_done(item, done, grant, heard);
                }
                self.close_item(item, grant, heard);
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

    /// An item is told whole at its end. Not every server announces one before.
    fn is_done(&mut self, item: u64, done: &Item<'_>, grant: &Grant, heard: &mut Heard) {
        let Some(tool) = done.tool(grant) else { return };
        heard.check(tool, grant);
        if self.open.iter().any(|open| open.item == item) {
            self.went_on(item, 0, done.action());
        } else {
            self.is_told(item, done, grant, heard);
        }
    }

    /// An item stands in a whole, in which clients look for calls, too: one that is told so for the first time
    /// is a call of its own.
    fn is_told(&mut self, item: u64, told: &Item<'_>, grant: &Grant, heard: &mut Heard) {
        let Some(tool) = told.tool(grant) else { return };
        heard.check(tool, grant);
        let open = self.open.iter().any(|open| open.item == item);
        if !open && !self.called.contains(&item) && self.called.len() < MAX_CALLS {
            self.called.push(item);
            heard.call(tool, told.written(), grant);
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

    /// Whether the text to which a piece of a response belongs has begun. The first part of an item begins
    /// with it.
    fn has_place(&mut self, Channel { kind, item, part }: Channel) -> bool {
        let place = Place { item, part, in_summary: kind == Kind::Summary };
        self.items.takes(item) && (part == 0 || self.parts.contains(&place))
    }
}

/// Whether an event of the responses API tells everything in it as a whole.
pub(super) fn tells_wholes(kind: &str) -> bool {
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
