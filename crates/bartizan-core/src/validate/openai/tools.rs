//! Which tools does a call to OpenAI's API offer to the model?

use serde_json::{Map, Value};

use super::super::offer::Offer;
use super::super::said::Unfit;
use super::super::{Invalid, jsonrpc};
use crate::authorize::{Denial, Grant, OnDeniedTool};

const OFFER: Offer = Offer {
    lists: &["tools", "functions"],
    choices: &["tool_choice", "function_call"],
    names,
    address: "server_url",
};

/// Looks through the offer, see [`Offer::check`], and through the search of the web, which has a
/// member of its own in the older dialect.
pub(super) fn check(call: &mut Map<String, Value>, grant: &Grant) -> Result<bool, Unfit> {
    stored_prompt(call, grant)?;
    servers(call, grant)?;
    let mut changed = OFFER.check(call, grant)?;
    changed |= OFFER.check_items(call, "input", grant)?;
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

/// A prompt that is stored with the provider brings tools of its own, which nobody sees here. It needs
/// a right as a tool of its name: `tools: { "pmpt_…": {} }`.
fn stored_prompt(call: &Map<String, Value>, grant: &Grant) -> Result<(), Unfit> {
    // In the older dialect a prompt is a text, or several.
    let Some(prompt) = call.get("prompt").and_then(Value::as_object) else { return Ok(()) };
    if grant.endpoint().names.tools.is_none() {
        return Ok(());
    }
    let id = prompt.get("id").and_then(Value::as_str).filter(|id| id.len() <= 256);
    let id = id.filter(|_| jsonrpc::exact(prompt, &["id"])).ok_or(Invalid::Member("prompt"))?;
    grant.tool(id).map(|_| ()).ok_or_else(|| Denial::Tool(id.into()).into())
}

/// A server of tools is offered by an address or as one of the provider's connectors; what names neither
/// could be any.
fn servers(call: &Map<String, Value>, grant: &Grant) -> Result<(), Unfit> {
    let judged = grant.endpoint().names.tools.is_some();
    let tools = call.get("tools").and_then(Value::as_array).filter(|_| judged);
    let is_server = |tool: &&Value| tool.get("type").and_then(Value::as_str) == Some("mcp");
    let placed =
        |tool: &Value| ["server_url", "connector_id"].iter().any(|at| tool[*at].is_string());
    if tools.into_iter().flatten().filter(is_server).all(placed) {
        return Ok(());
    }
    Err(Invalid::Member("tools").into())
}

/// The provider's own tools are named by their type, `web_search` for one; functions and tools of
/// the client's own by a name, which the two dialects have in different places. A server of tools has a
/// label, which is the caller's own choice, and an address.
fn names(tool: &Value) -> Vec<&Value> {
    let own = |kind: &&Value| !matches!(kind.as_str(), Some("function" | "custom"));
    let inner = |member| tool.get(member).and_then(|inner: &Value| inner.get("name"));
    let kind = tool.get("type").filter(own);
    let own = ["name", "server_label", "server_url", "connector_id"];
    let own = own.into_iter().filter_map(|member| tool.get(member));
    [kind, inner("function"), inner("custom")].into_iter().flatten().chain(own).collect()
}
