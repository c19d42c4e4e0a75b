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
        let name = name(&tool).ok_or(Invalid::Member(member))?;
        if grant.tool(name).is_some() {
            kept.push(tool);
        } else if !remove {
            return Err(Denial::Tool(Arc::from(name)).into());
        }
    }
    *offer = kept;
    Ok(())
}

/// The name of a function or of a tool of the client's own; for the provider's own tools their
/// type, `web_search` for one.
fn name(tool: &Value) -> Option<&str> {
    let kind = tool.get("type").and_then(Value::as_str);
    let name = match kind {
        None => tool.get("name"),
        Some("function" | "custom") => {
            let inner = tool.get("function").or_else(|| tool.get("custom"));
            inner.and_then(|inner| inner.get("name")).or_else(|| tool.get("name"))
        }
        Some(_) => tool.get("type"),
    };
    name?.as_str().filter(|name| name.len() <= 256)
}

/// A choice that names what is not offered any more would be an error to the provider.
fn forget_choice(call: &mut Map<String, Value>, grant: &Grant) {
    let none_left = call.get("tools").is_none() && call.get("functions").is_none();
    for member in ["tool_choice", "function_call"] {
        let gone = |choice: &Value| {
            choice.is_object() && name(choice).is_none_or(|name| grant.tool(name).is_none())
        };
        if call.get(member).is_some_and(|choice| none_left || gone(choice)) {
            call.remove(member);
        }
    }
    if none_left {
        call.remove("parallel_tool_calls");
    }
}
