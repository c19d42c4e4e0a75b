//! How does an event say the rest of a text that another event has begun?

use serde_json::{Map, Value, json};

use crate::validate::listener::{Kind, Piece};

/// Turns the beginning of an item or a part of a response into an event by which it goes on, and tells
/// where the text stands in that. Any other event goes on in its own form.
pub(in crate::validate) fn went_on(event: &mut Value, piece: &Piece) -> String {
    let pointer = piece.pointer.as_str();
    let within = pointer.strip_prefix("/item/").or_else(|| pointer.strip_prefix("/part/"));
    let (Some(within), Some(members)) = (within, event.as_object_mut()) else {
        return pointer.to_owned();
    };
    let item = members.remove("item").unwrap_or_default();
    members.remove("part");
    let named = item.get("type").and_then(Value::as_str).unwrap_or_default();
    let (kind, index) = match piece.channel.kind {
        Kind::Refusal => ("refusal", Some("content_index")),
        Kind::Reasoning => ("reasoning_text", Some("content_index")),
        Kind::Summary => ("reasoning_summary_text", Some("summary_index")),
        Kind::Arguments if named == "mcp_call" => ("mcp_call_arguments", None),
        Kind::Arguments => ("function_call_arguments", None),
        Kind::Input if named == "code_interpreter_call" => ("code_interpreter_call_code", None),
        Kind::Input => ("custom_tool_call_input", None),
        Kind::Text | Kind::Transcript | Kind::Other | Kind::Unknown => {
            ("output_text", Some("content_index"))
        }
    };
    members.insert("type".into(), format!("response.{kind}.delta").into());
    members.insert("delta".into(), "".into());
    if let Some(id) = item.get("id").filter(|id| id.is_string()) {
        members.insert("item_id".into(), id.clone());
    }
    if let Some(index) = index {
        number(members, index, within);
    }
    "/delta".to_owned()
}

/// Says which part it is, where the pointer into an item does: `content/2/text`.
fn number(members: &mut Map<String, Value>, index: &str, within: &str) {
    let at = within.split('/').nth(1).and_then(|step| step.parse::<u64>().ok());
    if let Some(at) = at {
        members.insert(index.to_owned(), json!(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::listener::Channel;

    #[test]
    fn the_rest_of_what_began_with_its_part_comes_in_a_delta() {
        let channel = |kind| Channel { kind, item: 1, part: 0 };
        let mut event = json!({ "type": "response.output_item.added", "output_index": 1,
            "item": { "id": "i", "type": "message", "content": [{}, { "text": "" }] } });
        let piece = Piece { pointer: "/item/content/1/text".into(), channel: channel(Kind::Text) };
        assert_eq!(went_on(&mut event, &piece), "/delta");
        let told = json!({ "type": "response.output_text.delta", "output_index": 1,
            "delta": "", "item_id": "i", "content_index": 1 });
        assert_eq!(event, told);
        let mut event = json!({ "type": "response.output_item.added", "output_index": 1,
            "item": { "id": "i", "type": "mcp_call", "arguments": "" } });
        let piece = Piece { pointer: "/item/arguments".into(), channel: channel(Kind::Arguments) };
        assert_eq!(went_on(&mut event, &piece), "/delta");
        assert_eq!(event.pointer("/type"), Some(&json!("response.mcp_call_arguments.delta")));
    }
}
