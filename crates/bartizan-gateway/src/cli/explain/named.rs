//! Which call names a tool or a model, where nobody gave a body?

use anyhow::bail;
use bartizan_core::authorize::Endpoint;
use bartizan_core::validate::Protocol;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// The shortest call to the endpoint that names them; none where neither is given.
///
/// # Errors
/// Calls to the endpoint name no such thing.
pub(super) fn body(
    tool: Option<&str>,
    model: Option<&str>,
    path: &str,
    endpoint: &Endpoint,
) -> anyhow::Result<Option<Bytes>> {
    let call = match (endpoint.protocol, tool, model) {
        (_, None, None) => return Ok(None),
        (Protocol::Mcp, Some(tool), None) => json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": tool, "arguments": {} },
        }),
        (Protocol::OpenAi | Protocol::Anthropic, tool, Some(model)) => {
            prompt(tool, model, path, endpoint.protocol)
        }
        (Protocol::OpenAi | Protocol::Anthropic, Some(_), None) => {
            bail!("a call to a language model names one: write `--model` beside `--tool`")
        }
        _ => bail!(
            "calls to `{} {}` name no tool or model that is looked at: `--tool` is for `protocol: mcp`, \
             `--model` (and `--tool` beside it) for `openai` and `anthropic`",
            endpoint.verb,
            endpoint.path
        ),
    };
    Ok(Some(call.to_string().into()))
}

/// The shortest prompt that the part of the API takes.
fn prompt(tool: Option<&str>, model: &str, path: &str, protocol: Protocol) -> Value {
    let mut call = Map::from_iter([("model".to_owned(), model.into())]);
    let mut add = |name: &str, value: Value| call.insert(name.to_owned(), value);
    let chat = protocol == Protocol::Anthropic || path.ends_with("chat/completions");
    let offered = |tool: &str| match (protocol, chat) {
        (Protocol::Anthropic, _) => json!({ "name": tool, "input_schema": { "type": "object" } }),
        (_, true) => json!({ "type": "function", "function": { "name": tool } }),
        (_, false) => json!({ "type": "function", "name": tool }),
    };
    if chat {
        add("messages", json!([{ "role": "user", "content": "-" }]));
        add("max_tokens", 16.into());
    } else if path.ends_with("responses") {
        add("input", "-".into());
        add("max_output_tokens", 16.into());
    } else if path.ends_with("completions") {
        add("prompt", "-".into());
        add("max_tokens", 16.into());
    } else {
        // Pictures have a prompt, everything else an input.
        add(if path.ends_with("generations") { "prompt" } else { "input" }, "-".into());
    }
    if let Some(tool) = tool {
        add("tools", json!([offered(tool)]));
    }
    Value::Object(call)
}
