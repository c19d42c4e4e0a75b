//! How many tokens is a prompt at the most, and what of it is not seen here? The settlement corrects the
//! number by what the provider reports.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::unseen::{self, Unseen};

/// What a picture takes at the most: ten thousand patches and some more, where it is taken as large as
/// it came.
const TOKENS_PER_PICTURE: u64 = 12_000;

/// What one takes of `gpt-4o-mini`, which counts pictures dearer than others: 2,833 and 5,667 for each
/// of eight tiles.
const TOKENS_PER_DEAR_PICTURE: u64 = 48_169;

/// How much sound one token is, in letters of base64: at the worst a kilobyte of a second takes 32.
const LETTERS_PER_TOKEN_OF_SOUND: u64 = 32;

/// What stands around a prompt, and what stands around its tools.
const AROUND: u64 = 16;
const AROUND_TOOLS: u64 = 1024;

/// How many tokens come in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Size {
    /// Those that are seen.
    pub(super) tokens: u64,
    /// What brings others.
    pub(super) unseen: Option<Unseen>,
}

/// The size of a prompt.
pub(super) fn of<'a>(
    call: &Map<String, Value>,
    models: impl Iterator<Item = &'a Arc<str>>,
) -> Size {
    let (mut picture, mut searches) = (TOKENS_PER_PICTURE, false);
    for model in models {
        if model.contains("gpt-4o-mini") {
            picture = TOKENS_PER_DEAR_PICTURE;
        }
        searches |= model.contains("-search-") || model.ends_with(":online");
    }
    let unseen = searches.then_some(Unseen::Search);
    let mut scale = Scale { picture, tokens: AROUND, unseen };
    for (member, value) in call {
        scale.member(member, value);
    }
    Size { tokens: scale.tokens, unseen: scale.unseen }
}

/// What was weighed by now.
struct Scale {
    picture: u64,
    tokens: u64,
    unseen: Option<Unseen>,
}

impl Scale {
    /// A member of the call itself.
    fn member(&mut self, name: &str, value: &Value) {
        let empty = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(elements) => elements.is_empty(),
            _ => false,
        };
        if empty {
            return;
        }
        self.unseen(unseen::of_member(name, value));
        match (name, value) {
            ("messages" | "input" | "system", parts) => self.parts(parts, 0),
            ("prompt", prompt) => self.tokens_or_text(prompt),
            ("tools", Value::Array(tools)) => self.tools(tools),
            _ => {
                self.add(text_tokens(name));
                self.text(value);
            }
        }
    }

    /// Tools, each of which is told to the model in words of its provider's.
    fn tools(&mut self, tools: &[Value]) {
        self.add(AROUND_TOOLS);
        for tool in tools {
            self.unseen(unseen::of_tool(tool));
            if tool.get("type").is_some_and(|kind| kind != "function") {
                self.add(AROUND_TOOLS);
            }
            self.text(tool);
        }
    }

    /// Prompts may be lists of tokens, and lists of such lists.
    fn tokens_or_text(&mut self, value: &Value) {
        match value {
            Value::Array(all) => all.iter().for_each(|part| self.tokens_or_text(part)),
            Value::Number(_) => self.add(1),
            other => self.text(other),
        }
    }

    /// Where parts of messages stand: a picture there is one, and does not count by its letters.
    /// Anywhere else it is a text like others, that a model may be given to read.
    fn parts(&mut self, value: &Value, depth: u8) {
        // Messages, their parts, the results of tools in them, and the parts of these.
        if depth > 8 {
            return self.text(value);
        }
        match value {
            Value::Array(parts) => parts.iter().for_each(|part| self.parts(part, depth + 1)),
            Value::Number(_) => self.add(1),
            Value::Object(part) => self.part(part, depth),
            other => self.text(other),
        }
    }

    fn part(&mut self, part: &Map<String, Value>, depth: u8) {
        let kind = part.get("type").and_then(Value::as_str).unwrap_or_default();
        if is_picture(kind) {
            self.add(self.picture);
        }
        self.unseen(unseen::of_part(part, kind));
        let document = unseen::is_document(part, kind);
        for (name, value) in part {
            self.add(text_tokens(name));
            match (name.as_str(), value) {
                ("content" | "output", value) => self.parts(value, depth + 1),
                // Lists of tools that were found, or come in the midst of a conversation.
                ("tools", Value::Array(tools)) => self.tools(tools),
                ("source", Value::Object(source)) if kind == "document" && !document => {
                    self.part(source, depth + 1);
                }
                ("image_url" | "source", value) if is_picture(kind) => self.picture(value),
                ("input_audio", Value::Object(sound)) => self.sound(sound),
                // Nobody here reads a document, however long it is.
                ("file" | "file_data" | "source", _) if document => {}
                (_, value) => self.text(value),
            }
        }
    }

    /// Where a picture is: nothing of that is read as a text, but for what is no picture.
    fn picture(&mut self, value: &Value) {
        let data = |text: &str| is_base64(text) || text.starts_with("https://");
        match value {
            Value::String(text) if data(text) => {}
            Value::Object(members) => members.values().for_each(|value| self.picture(value)),
            other => self.text(other),
        }
    }

    fn sound(&mut self, sound: &Map<String, Value>) {
        for value in sound.values() {
            match value {
                Value::String(data) if is_base64(data) => {
                    self.add((data.len() as u64).div_ceil(LETTERS_PER_TOKEN_OF_SOUND));
                }
                other => self.text(other),
            }
        }
    }

    /// A text, or what a model reads as one. The depth is bounded: the document was read with a bound.
    fn text(&mut self, value: &Value) {
        self.add(1);
        match value {
            Value::String(text) => self.add(text_tokens(text)),
            Value::Array(elements) => elements.iter().for_each(|element| self.text(element)),
            Value::Object(members) => members.iter().for_each(|(name, value)| {
                self.add(text_tokens(name));
                self.text(value);
            }),
            Value::Number(number) => self.add(number.to_string().len() as u64),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn add(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn unseen(&mut self, unseen: Option<Unseen>) {
        self.unseen = self.unseen.or(unseen);
    }
}

pub(super) fn is_picture(kind: &str) -> bool {
    matches!(kind, "image" | "image_url" | "input_image" | "computer_screenshot")
}

/// Whether a string is bytes in base64, with or without a `data:` before them.
fn is_base64(text: &str) -> bool {
    let data = text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
    let data = data.map_or(text, |(_, data)| data);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    data.bytes().all(plain)
}

/// What a text takes where it is such that tokenizers need many for it: a token for two small letters
/// of a word, for every other letter, digit and sign, for some spaces, and for every byte beyond ASCII.
fn text_tokens(text: &str) -> u64 {
    let (mut tokens, mut run, mut last) = (0_u64, 0_u64, b'.');
    for byte in text.bytes() {
        let same = match byte {
            b'a'..=b'z' => last.is_ascii_alphabetic(),
            b' ' => last == b' ',
            _ => false,
        };
        run = if same { run + 1 } else { 0 };
        // A word brings the space before it along, and its first letter the second.
        let counts = match byte {
            b'a'..=b'z' => run.is_multiple_of(2),
            b' ' => run % 4 == 1,
            _ => true,
        };
        // A digit brings none along.
        let alone = byte.is_ascii_digit() && last == b' ';
        tokens += u64::from(counts) + u64::from(alone);
        last = byte;
    }
    tokens
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;

    fn size(body: &Value) -> Size {
        let model: Option<Arc<str>> = body.get("model").and_then(Value::as_str).map(Arc::from);
        of(body.as_object().unwrap(), model.iter())
    }

    fn said(content: &Value) -> Size {
        size(&json!({ "messages": [{ "role": "user", "content": content }] }))
    }

    #[test]
    fn a_picture_is_one_where_pictures_stand_and_a_text_anywhere_else() {
        let data = "iVBORw0KGgo9".repeat(30_000);
        let url = format!("data:image/png;base64,{data}");
        for part in [
            json!({ "type": "image_url", "image_url": { "url": url, "detail": "high" } }),
            json!({ "type": "input_image", "image_url": url }),
            json!({ "type": "image_url", "image_url": { "url": "https://example.com/a.png" } }),
            json!({ "type": "image", "source": { "type": "base64", "data": data } }),
            json!({ "type": "tool_result", "content": [{ "type": "image", "source": { "data": data } }] }),
        ] {
            let tokens = said(&json!([part])).tokens;
            assert!((12_000..12_200).contains(&tokens), "{tokens}");
        }
        let picture = json!({ "type": "image_url", "image_url": { "url": url } });
        for text in [
            json!({ "messages": [{ "role": "user", "content": data }] }),
            json!({ "messages": [{ "content": [{ "type": "text", "text": url }] }] }),
            json!({ "messages": [{ "content": [{ "type": "tool_use", "input": [picture] }] }] }),
            json!({ "tools": [{ "type": "function", "function": { "parameters": { "enum": [picture] } } }] }),
            json!({ "prompt": url }),
        ] {
            assert!(size(&text).tokens > 200_000, "{}", size(&text).tokens);
        }
        let mini =
            json!([{ "type": "image_url", "image_url": { "url": "https://example.com/a.png" } }]);
        let mini = json!({ "model": "openai/gpt-4o-mini", "messages": [{ "content": mini }] });
        assert!(size(&mini).tokens > 48_000);
    }

    #[test]
    fn a_text_takes_at_least_what_tokenizers_need_for_it() {
        let prose = "The quick brown fox jumps over the lazy dog.";
        assert!((10..30).contains(&text_tokens(prose)), "{}", text_tokens(prose));
        assert!(text_tokens("iVBORw0KGgoAAAANSUhEUgAA") >= 16);
        assert!(text_tokens("Ж中🦀") >= 5);
        assert!(text_tokens("a b c d") >= 4);
        assert!(text_tokens("1 2 3 4") >= 7);
        assert!(text_tokens("1234567890") >= 10);
        assert!(text_tokens("{\"a\":[1,2]}") >= 9);
        let tokens = json!({ "prompt": [[1, 2, 3], [400_000, 5]] });
        assert!((5..5 + AROUND + 1).contains(&size(&tokens).tokens));
    }
}
