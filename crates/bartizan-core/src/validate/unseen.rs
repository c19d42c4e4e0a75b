//! What of a call brings tokens that are not seen here? What is stored, found or run elsewhere: of no such
//! thing is known how large it is.

use std::fmt;

use serde_json::{Map, Value};

use super::size::is_picture;

/// What brings tokens that are not seen here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unseen {
    /// A member of the call, or a kind of part in it.
    Member(&'static str),
    /// The model that is asked: it searches by itself.
    Search,
    /// What a model thought before, that the provider has kept.
    Thoughts,
}

impl Unseen {
    /// The member of the call where it is.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Member(name) => name,
            Self::Search => "model",
            Self::Thoughts => "input",
        }
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => write!(f, "what `{name}` brings is not seen here: leave it out"),
            Self::Search => f.write_str(
                "the model of `model` searches by itself, and what it finds is not seen here: ask another",
            ),
            Self::Thoughts => f.write_str(
                "an item `reasoning` without `encrypted_content` is kept at the provider, and not seen here: \
                 ask for it with `include: [\"reasoning.encrypted_content\"]`, or leave the item out",
            ),
        }
    }
}

/// Members that bring what is stored or found elsewhere.
const ELSEWHERE: [&str; 15] = [
    "cachedContent",
    "cached_content",
    "chat_template",
    "compound_custom",
    "container",
    "conversation",
    "data_sources",
    "enable_search",
    "mcp_servers",
    "plugins",
    "previous_response_id",
    "search_options",
    "search_parameters",
    "vector_store_ids",
    "web_search_options",
];

/// Members of a part that lead to what a model is given, where the part is no picture: a place, or a
/// name under which it is stored.
const LEADS: [&str; 9] = [
    "audio_url",
    "document_url",
    "file",
    "file_uri",
    "image",
    "image_url",
    "pdf",
    "video",
    "video_url",
];

/// Members of a part that lead to a file.
const FILES: [&str; 3] = ["file_data", "file_id", "file_url"];

/// Kinds of tools whose results the caller sends itself, by how their names begin; any other runs at
/// the provider, and what it finds goes into the prompt.
const OWN_TOOLS: [&str; 9] = [
    "apply_patch",
    "bash",
    "computer",
    "custom",
    "function",
    "local_shell",
    "memory",
    "str_replace_based_edit_tool",
    "text_editor",
];

/// Of a member of the call itself.
pub(super) fn of_member(name: &str, value: &Value) -> Option<Unseen> {
    if let Some(elsewhere) = ELSEWHERE.iter().find(|elsewhere| **elsewhere == name) {
        return Some(Unseen::Member(elsewhere));
    }
    match (name, value) {
        ("prompt", Value::Object(_)) => Some(Unseen::Member("prompt")),
        ("google", google) => of_google(google),
        ("extra_body", Value::Object(body)) => body.get("google").and_then(of_google),
        _ => None,
    }
}

/// Of what is meant for Google's models alone, in its form of OpenAI's API: how long they think is in the
/// bound of the answer, and anything else is not known.
fn of_google(google: &Value) -> Option<Unseen> {
    let Value::Object(members) = google else { return Some(Unseen::Member("google")) };
    let harmless = |name: &&String| matches!(name.as_str(), "thinkingConfig" | "thinking_config");
    let other = members.keys().find(|name| !harmless(name))?;
    Some(Unseen::Member(match other.as_str() {
        "cachedContent" | "cached_content" => "google.cached_content",
        _ => "google",
    }))
}

/// Of a tool that is offered.
pub(super) fn of_tool(tool: &Value) -> Option<Unseen> {
    (!is_own(tool)).then_some(Unseen::Member("tools"))
}

/// Of a part of a message, or an item of a conversation, of that kind.
pub(super) fn of_part(part: &Map<String, Value>, kind: &str) -> Option<Unseen> {
    let has_id = says(part, "id");
    match kind {
        "item_reference" => return Some(Unseen::Member("input")),
        // What it holds is here, or it is stored under its name.
        "reasoning" if !says(part, "encrypted_content") && (has_id || !says(part, "content")) => {
            return Some(Unseen::Thoughts);
        }
        "compaction" | "compaction_summary" if !says(part, "encrypted_content") && has_id => {
            return Some(Unseen::Member("input"));
        }
        "" | "message" if has_id && !says(part, "content") => return Some(Unseen::Member("input")),
        "image_generation_call"
        | "web_search_call"
        | "file_search_call"
        | "code_interpreter_call" => return Some(Unseen::Member("input")),
        "input_audio" if part.get(kind).is_some_and(Value::is_string) => {
            return Some(Unseen::Member("messages"));
        }
        "video" | "video_url" | "input_video" | "container_upload" => {
            return Some(Unseen::Member("messages"));
        }
        _ => {}
    }
    if is_document(part, kind) {
        return Some(Unseen::Member(if kind == "document" { "document" } else { "file" }));
    }
    if is_picture(kind) {
        return None;
    }
    if FILES.iter().any(|name| part.contains_key(*name)) {
        return Some(Unseen::Member("file"));
    }
    let spoken = part.get("audio").and_then(|audio| audio.get("id")).is_some();
    let leads = spoken || LEADS.iter().any(|name| says(part, name));
    leads.then_some(Unseen::Member("messages"))
}

/// Whether a part is a document that nobody here reads. Of a PDF no size bounds its text: what is packed in
/// it may be a thousand times as long, and packed twice.
pub(super) fn is_document(part: &Map<String, Value>, kind: &str) -> bool {
    let source = part.get("source").and_then(|source| source.get("type"));
    let is_text = source.is_some_and(|kind| kind == "text" || kind == "content");
    matches!(kind, "file" | "input_file") || (kind == "document" && !is_text)
}

/// Whether the caller runs a tool itself. In Anthropic's dialect one without a type is the caller's.
fn is_own(tool: &Value) -> bool {
    let kind = match tool.get("type") {
        None | Some(Value::Null) => return true,
        Some(kind) => kind.as_str().unwrap_or_default(),
    };
    match kind {
        // In a container of the provider's, unless it says otherwise.
        "shell" => tool.pointer("/environment/type").is_some_and(|place| place == "local"),
        // By the provider, unless it says otherwise.
        "tool_search" => tool.get("execution").is_some_and(|by| by == "client"),
        // The depth is bounded: the document was read with a bound.
        "namespace" => {
            let tools = tool.get("tools").and_then(Value::as_array);
            tools.is_some_and(|tools| tools.iter().all(is_own))
        }
        _ => OWN_TOOLS.iter().any(|own| {
            let rest = kind.strip_prefix(own);
            // `bash_20250124`, `computer_use_preview`
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        }),
    }
}

/// Whether a member says anything: one that is null or empty stands for none.
fn says(part: &Map<String, Value>, name: &str) -> bool {
    part.get(name).is_some_and(|value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        _ => true,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::validate::size;

    fn unseen(body: &Value) -> Option<Unseen> {
        let model: Option<Arc<str>> = body.get("model").and_then(Value::as_str).map(Arc::from);
        size::of(body.as_object().unwrap(), model.iter()).unseen
    }

    #[test]
    fn tools_that_the_caller_runs_bring_nothing_that_is_not_seen() {
        let function = json!({ "type": "function", "name": "f" });
        for (tool, own) in [
            (json!({ "type": "shell", "environment": { "type": "local" } }), true),
            (json!({ "type": "shell" }), false),
            (json!({ "type": "shell", "environment": null }), false),
            (json!({ "type": "shell", "environment": { "type": "container_auto" } }), false),
            (json!({ "type": "tool_search", "execution": "client" }), true),
            (json!({ "type": "tool_search" }), false),
            (json!({ "type": "tool_search", "execution": "server" }), false),
            (json!({ "type": "namespace", "name": "crm", "tools": [function] }), true),
            (json!({ "type": "namespace", "tools": [function, { "type": "mcp" }] }), false),
            (json!({ "type": "namespace" }), false),
            (json!({ "type": "apply_patch" }), true),
            (json!({ "type": "local_shell" }), true),
            (json!({ "type": "computer_use_preview" }), true),
            (json!({ "type": "programmatic_tool_calling" }), false),
        ] {
            let expected = (!own).then_some(Unseen::Member("tools"));
            assert_eq!(unseen(&json!({ "tools": [tool] })), expected, "{tool}");
            // Tools that were found, or that come in the midst of the conversation.
            let item = json!({ "type": "additional_tools", "tools": [tool] });
            assert_eq!(unseen(&json!({ "input": [item] })), expected, "{item}");
        }
    }

    #[test]
    fn what_was_answered_may_be_sent_again_where_all_of_it_is_there() {
        for item in [
            json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAA" }),
            json!({ "type": "reasoning", "content": [{ "type": "reasoning_text", "text": "so" }] }),
            json!({ "type": "message", "id": "msg_1", "role": "assistant",
                "content": [{ "type": "output_text", "text": "hello", "annotations": [] }] }),
            json!({ "type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}" }),
            json!({ "type": "shell_call", "id": "sh_1", "call_id": "c", "action": { "commands": ["ls"] } }),
            json!({ "type": "shell_call_output", "call_id": "c", "output": [{ "stdout": "a", "outcome": { "type": "exit" } }] }),
            json!({ "type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAA" }),
        ] {
            assert_eq!(unseen(&json!({ "input": [item] })), None, "{item}");
        }
        for (item, why) in [
            (json!({ "type": "reasoning", "id": "rs_1", "summary": [] }), Unseen::Thoughts),
            (json!({ "type": "reasoning", "encrypted_content": null }), Unseen::Thoughts),
            // What it says may be another thing than what is stored under its name.
            (
                json!({ "type": "reasoning", "id": "rs_1", "content": [{ "text": "so" }] }),
                Unseen::Thoughts,
            ),
            (json!({ "type": "message", "id": "msg_1" }), Unseen::Member("input")),
            (json!({ "type": "compaction", "id": "cmp_1" }), Unseen::Member("input")),
        ] {
            assert_eq!(unseen(&json!({ "input": [item] })), Some(why), "{item}");
        }
        let long = json!({ "type": "reasoning", "encrypted_content": "gA9_".repeat(1000) });
        let long = json!({ "input": [long] });
        assert!(size::of(long.as_object().unwrap(), std::iter::empty()).tokens > 3000);
    }

    #[test]
    fn of_what_is_meant_for_google_only_how_long_it_thinks_is_known() {
        let thinks = json!({ "thinking_config": { "thinking_budget": 100 } });
        let cached = json!({ "cached_content": "cachedContents/1", "thinking_config": {} });
        for (google, expected) in [
            (thinks, None),
            (cached, Some("google.cached_content")),
            (json!({ "tools": [] }), Some("google")),
            (json!("x"), Some("google")),
        ] {
            let expected = expected.map(Unseen::Member);
            assert_eq!(unseen(&json!({ "google": google })), expected, "{google}");
            let body = json!({ "extra_body": { "google": google } });
            assert_eq!(unseen(&body), expected, "{google}");
        }
        assert_eq!(unseen(&json!({ "cachedContent": "x" })), Some(Unseen::Member("cachedContent")));
    }

    #[test]
    fn a_model_that_searches_by_itself_is_told_for_what_it_is() {
        for model in ["gpt-4o-mini-search-preview", "x/y:online"] {
            assert_eq!(unseen(&json!({ "model": model })), Some(Unseen::Search), "{model}");
        }
    }

    #[test]
    fn what_is_stored_or_found_elsewhere_is_not_seen() {
        let file = json!({ "type": "input_file", "file_id": "file_1" });
        let pdf = json!({ "type": "document", "source": { "type": "base64", "data": "JVBERi0x" } });
        for (body, member) in [
            (json!({ "previous_response_id": "resp_1" }), "previous_response_id"),
            (json!({ "conversation": { "id": "conv_1" } }), "conversation"),
            (json!({ "prompt": { "id": "pmpt_1" } }), "prompt"),
            (json!({ "input": [{ "type": "item_reference", "id": "msg_1" }] }), "input"),
            (json!({ "input": [{ "id": "msg_1" }] }), "input"),
            (json!({ "input": [{ "role": "user", "content": [file] }] }), "file"),
            (json!({ "messages": [{ "content": [pdf] }] }), "document"),
            (
                json!({ "messages": [{ "content": [{ "type": "file", "file": { "file_data": "x" } }] }] }),
                "file",
            ),
            (json!({ "tools": [{ "type": "web_search" }] }), "tools"),
            (json!({ "tools": [{ "type": "code_execution_20250825", "name": "x" }] }), "tools"),
            (json!({ "tools": [{ "type": "functional" }] }), "tools"),
            (json!({ "mcp_servers": [{ "name": "x" }] }), "mcp_servers"),
            (json!({ "web_search_options": {} }), "web_search_options"),
            (json!({ "plugins": [{ "id": "web" }] }), "plugins"),
            (json!({ "input": [{ "type": null, "id": "msg_1", "content": [] }] }), "input"),
            (json!({ "input": [{ "type": "image_generation_call", "id": "ig_1" }] }), "input"),
            (
                json!({ "messages": [{ "content": [{ "image_url": "https://a.example" }] }] }),
                "messages",
            ),
            (
                json!({ "messages": [{ "content": [{ "type": "X", "video_url": {} }] }] }),
                "messages",
            ),
            (json!({ "messages": [{ "audio": { "id": "audio_1" } }] }), "messages"),
            (json!({ "input": [{ "pdf": "https://a.example" }] }), "messages"),
            (json!({ "data_sources": [{}] }), "data_sources"),
        ] {
            assert_eq!(unseen(&body), Some(Unseen::Member(member)), "{body}");
        }
        let text = json!({ "type": "document", "source": { "type": "text", "data": "hello" } });
        for body in [
            json!({ "previous_response_id": null, "tools": [], "input": "hello" }),
            json!({ "tools": [{ "type": "function" }, { "name": "x" }, { "type": "bash_20250124" }] }),
            json!({ "messages": [{ "content": [text] }, { "content": "file" }] }),
            json!({ "input": [{ "id": "msg_1", "role": "user", "content": "hello" }] }),
            json!({ "messages": [{ "content": "hello", "audio": null }], "enable_search": false }),
        ] {
            assert_eq!(unseen(&body), None, "{body}");
        }
    }
}
