//! What may a caller do here? Told to agents (`DISCOVER`) and to readers of OpenAPI.

mod components;
pub mod openapi;
pub mod resource;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::authorize::Endpoint;

/// The answer to `DISCOVER /actions` for the endpoints that a caller may use.
#[must_use]
pub fn actions<'a>(usable: impl Iterator<Item = &'a Arc<Endpoint>>) -> Value {
    let shown = usable.filter(|endpoint| !endpoint.about.built_in);
    json!({ "actions": shown.map(|endpoint| action(endpoint)).collect::<Vec<_>>() })
}

fn action(endpoint: &Endpoint) -> Value {
    let about = &endpoint.about;
    let mut action = json!({
        "action_verb": endpoint.verb.as_str(),
        "category": about.category,
        "path": endpoint.path,
        "description": about.description,
        "scopes_required": endpoint.access.scopes(),
        "preconditions": about.preconditions,
    });
    if let Some(members) = action.as_object_mut() {
        members.extend(extensions(endpoint));
    }
    action
}

/// The `x-` members that an action has wherever it is described.
fn extensions(endpoint: &Endpoint) -> Map<String, Value> {
    let about = &endpoint.about;
    let mut members = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    add("x-intent-impact", about.intent_impact.as_ref().map(|impact| json!(impact)));
    let weighting = about.intent_weighting.map(|thousandths| f64::from(thousandths) / 1000.0);
    add("x-intent-weighting", weighting.map(|weighting| json!(weighting)));
    let some = |words: &Vec<Arc<str>>| (!words.is_empty()).then(|| json!(words));
    add("x-side-effects", some(&about.side_effects));
    let aliases: Vec<String> =
        endpoint.aliases.iter().map(|alias| format!("{alias} {}", endpoint.path)).collect();
    add("x-alias-for", (!aliases.is_empty()).then(|| json!(aliases)));
    members
}
