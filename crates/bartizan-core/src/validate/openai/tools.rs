//! Which tools does a call to OpenAI's API offer to the model, and may its caller offer them?

use std::sync::Arc;

use serde_json::{Map, Value};

use super::super::said::Unfit;
use super::Invalid;
use crate::authorize::{Denial, Grant, OnDeniedTool};

/// Looks through the offer; what may not be offered is taken out, or the call is refused, as the
/// endpoint says. `true` where something was taken out.
pub(super) fn check(call: &mut Map<String, Value>, grant: &Grant) -> Result<bool, Unfit> {
    let names = &grant.endpoint().names;
    if names.tools.is_none() {
        return Ok(false);
    }
    let remove = names.on_denied_tool == OnDeniedTool::Remove;
    let mut changed = false;
    for member in ["tools", "functions"] {
        let Some(offer) = call.get_mut(member) else { continue };
        let offer = match offer {
            Value::Array(offer) => offer,
            Value::Null => continue,
            _ => return Err(Invalid::Member(member).into()),
        };
        let before = offer.len();
        filter(offer, member, grant, remove)?;
        let left = offer.len();
        changed |= left < before;
        if left == 0 && before > 0 {
            call.remove(member);
        }
    }
    let searches = call.get("web_search_options").is_some_and(|options| !options.is_null());
    if searches && grant.tool("web_search").is_none() {
        if !remove {
            return Err(Denial::Tool("web_search".into()).into());
        }
        call.remove("web_search_options");
        changed = true;
    }
    if changed {
        forget_choice(call, grant);
    }
    Ok(changed)
}

fn filter(
    offer: &mut Vec<Value>,
    member: &'static str,
    grant: &Grant,
    remove: bool,
) -> Result<(), Unfit> {
    let mut kept = Vec::with_capacity(offer.len());
    for tool in offer.drain(..) {
        let names = names(&tool);
        if names.is_empty() {
            return Err(Invalid::Member(member).into());
        }
        match denied(&names, grant) {
            None => kept.push(tool),
            Some(_) if remove => {}
            Some(name) => return Err(Denial::Tool(Arc::from(name)).into()),
        }
    }
    *offer = kept;
    Ok(())
}

/// The names of a function or of a tool of the client's own; for the provider's own tools their
/// type, `web_search` for one. The two dialects have the name in different places, and whoever reads
/// the other place must not find another name there: all of them count.
fn names(tool: &Value) -> Vec<&str> {
    let kind = tool.get("type").and_then(Value::as_str);
    let places = match kind {
        None | Some("function" | "custom") => {
            let inner = |name| tool.get(name).and_then(|inner: &Value| inner.get("name"));
            vec![inner("function"), inner("custom"), tool.get("name")]
        }
        Some(_) => vec![tool.get("type")],
    };
    let names = places.into_iter().flatten().filter_map(Value::as_str);
    names.filter(|name| name.len() <= 256).collect()
}

/// The first of the names to which there is no right.
fn denied<'a>(names: &[&'a str], grant: &Grant) -> Option<&'a str> {
    names.iter().copied().find(|name| grant.tool(name).is_none())
}

/// A choice that names what is not offered any more would be an error to the provider.
fn forget_choice(call: &mut Map<String, Value>, grant: &Grant) {
    let none_left = call.get("tools").is_none() && call.get("functions").is_none();
    for member in ["tool_choice", "function_call"] {
        let gone = |choice: &Value| {
            let names = names(choice);
            choice.is_object() && (names.is_empty() || denied(&names, grant).is_some())
        };
        if call.get(member).is_some_and(|choice| none_left || gone(choice)) {
            call.remove(member);
        }
    }
    if none_left {
        call.remove("parallel_tool_calls");
    }
}
