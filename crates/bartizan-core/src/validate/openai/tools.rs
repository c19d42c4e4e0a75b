//! Which tools does a call to OpenAI's API offer to the model?

use serde_json::{Map, Value};

use super::super::offer::Offer;
use super::super::said::Unfit;
use crate::authorize::{Denial, Grant, OnDeniedTool};

const OFFER: Offer =
    Offer { lists: &["tools", "functions"], choices: &["tool_choice", "function_call"], names };

/// Looks through the offer, see [`Offer::check`], and through the search of the web, which has a
/// member of its own in the older dialect.
pub(super) fn check(call: &mut Map<String, Value>, grant: &Grant) -> Result<bool, Unfit> {
    let mut changed = OFFER.check(call, grant)?;
    let searches = call.get("web_search_options").is_some_and(|options| !options.is_null());
    if searches && grant.tool("web_search").is_none() {
        if grant.endpoint().names.on_denied_tool != OnDeniedTool::Remove {
            return Err(Denial::Tool("web_search".into()).into());
        }
        call.remove("web_search_options");
        changed = true;
    }
    if changed {
        OFFER.forget_choices(call, grant);
        if OFFER.none_left(call) {
            call.remove("parallel_tool_calls");
        }
    }
    Ok(changed)
}

/// The provider's own tools are named by their type, `web_search` for one; functions and tools of
/// the client's own by a name, which the two dialects have in different places.
fn names(tool: &Value) -> Vec<&Value> {
    let own = |kind: &&Value| !matches!(kind.as_str(), Some("function" | "custom"));
    let inner = |member| tool.get(member).and_then(|inner: &Value| inner.get("name"));
    let kind = tool.get("type").filter(own);
    [kind, inner("function"), inner("custom"), tool.get("name")].into_iter().flatten().collect()
}
