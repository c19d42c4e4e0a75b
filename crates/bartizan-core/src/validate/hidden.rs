//! May tokens be made for an answer that nobody sees? What is charged for one that was cut depends on it.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::said::Models;
use crate::authorize::Grant;

/// Models of which it is known that they do not think unless they are asked to, by how their names
/// begin. Of any other nobody here knows.
const SPOKEN: [&str; 12] = [
    "babbage-",
    "chatgpt-4o",
    "claude-2",
    "claude-3",
    "claude-haiku-4",
    "claude-instant",
    "claude-opus-4",
    "claude-sonnet-4",
    "davinci-",
    "gpt-3.5",
    "gpt-4",
    "gpt-image-",
];

/// Members that ask for thoughts.
const THOUGHTS: [&str; 5] = ["extra_body", "google", "reasoning", "reasoning_effort", "thinking"];

/// Whether tokens may be made and charged that stand in no event: thoughts, sound, answers of which only
/// the best comes, and what was foretold and did not come.
pub(super) fn some(call: &Map<String, Value>, models: &Models, grant: &Grant) -> bool {
    let said = |name: &str| call.get(name).filter(|value| !value.is_null());
    let disabled = |value: &Value| value.get("type").is_some_and(|kind| kind == "disabled");
    let thinks = THOUGHTS.iter().filter_map(|name| said(name)).any(|value| !disabled(value));
    let best = said("best_of").and_then(Value::as_u64).unwrap_or(1);
    let several = said("n").and_then(Value::as_u64).unwrap_or(1);
    let sound = said("modalities").is_some_and(|all| *all != serde_json::json!(["text"]));
    let spoken = |model: &Arc<str>| {
        // Routers name the provider before the model.
        let name = model.rsplit('/').next().unwrap_or_default();
        SPOKEN.iter().any(|beginning| name.starts_with(beginning))
    };
    let known = models.asked.is_some()
        && models.all().chain(&grant.endpoint().cost.replacements).all(spoken);
    thinks || sound || best > several || said("prediction").is_some() || !known
}
