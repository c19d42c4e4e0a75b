//! What does a call to Anthropic's API ask for? The model, the tools it offers, and the most tokens
//! it may use.

mod answer;

use serde_json::{Map, Value};

use super::offer::{Offer, is_plain};
use super::openai::{count, flag, rewritten};
use super::said::{Asked, Said, Unfit};
use super::usage::{Asks, Tier};
use super::{Estimate, Invalid, json, listener, prompt};
use crate::authorize::{Denial, Grant};

pub use answer::Listener;
pub(super) use answer::went_on;

const OFFER: Offer = Offer {
    lists: &["tools", "mcp_servers"],
    choices: &["tool_choice"],
    names: |tool| NAMES.iter().filter_map(|name| tool.get(name)).collect(),
    address: "url",
};

/// The names of a server are the caller's own choice: its address is judged, too.
const NAMES: [&str; 3] = ["name", "mcp_server_name", "url"];

/// A part of the API, as far as its calls and answers differ for us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Api {
    /// `/messages`.
    Messages,
    /// `/messages/count_tokens`: nothing is generated, and nothing charged.
    Count,
    /// `/models`.
    Models,
    /// Whatever else: nothing of it is read.
    Unread,
}

/// The first segments of everything in the API.
const ROOTS: [&str; 5] = ["complete", "files", "messages", "models", "skills"];

impl Api {
    /// As with OpenAI's: what cannot be read needs an endpoint that names it.
    fn of(template: &str, path: &str) -> Option<Self> {
        let fixed = template.split('{').next().unwrap_or_default();
        let own = fixed.split('/').position(|segment| ROOTS.contains(&segment));
        let rest = match own {
            Some(root) => path.split('/').skip(root).collect::<Vec<_>>().join("/"),
            None => path.strip_prefix(fixed).unwrap_or(path).trim_start_matches('/').to_owned(),
        };
        match rest.strip_prefix("v1/").unwrap_or(&rest) {
            "messages" => Some(Self::Messages),
            "messages/count_tokens" => Some(Self::Count),
            "models" => Some(Self::Models),
            rest if rest.starts_with("models/") => Some(Self::Models),
            // Batches are made under `messages`, and are something else.
            _ => own.map(|_| Self::Unread).filter(|_| fixed == path || !path.contains("/batches")),
        }
    }
}

/// Reads a call.
pub(super) fn read(asked: &Asked<'_>) -> Result<Said, Unfit> {
    let api = Api::of(&asked.grant.endpoint().path, asked.head.uri.path()).ok_or(Denial::Api)?;
    let lists_models = api == Api::Models;
    let listener = || Some(listener::Listener::Anthropic(Box::new(Listener::new(lists_models))));
    if api == Api::Unread {
        return Ok(Said::default());
    }
    let takes_model = matches!(api, Api::Messages | Api::Count);
    if !prompt::is_asked_as_it_must_be(asked, takes_model, api == Api::Models) {
        return Err(Denial::Api.into());
    }
    if asked.bytes.is_empty() {
        return Ok(Said { listener: listener(), ..Said::default() });
    }
    let Value::Object(mut call) = json::document(asked.bytes, asked.media)? else {
        return Err(Invalid::Member("body").into());
    };
    prompt::exact(&call)?;
    let mut changed = false;
    let model = prompt::model(&mut call, takes_model, asked.grant, &mut changed)?;
    changed |= tools(&mut call, asked.grant)?;
    let streams = flag(&call, "stream")?;
    let mut added = Vec::new();
    let estimate = match api {
        Api::Messages => estimate(&call, asked, &mut added)?,
        Api::Count | Api::Models | Api::Unread => Estimate::default(),
    };
    let body = rewritten(asked.bytes, call, changed, &added);
    Ok(Said { estimate, model, streams, body, listener: listener(), ..Said::default() })
}

/// The most that the call can use; where it names no bound of its answer, the endpoint's is added.
fn estimate(
    call: &Map<String, Value>,
    asked: &Asked<'_>,
    added: &mut Vec<(&'static str, Value)>,
) -> Result<Estimate, Invalid> {
    let configured = asked.grant.endpoint().cost.max_output_tokens;
    let tokens_out = match count(call, "max_tokens")? {
        Some(named) => named,
        None if configured > 0 => {
            added.push(("max_tokens", configured.into()));
            configured
        }
        None => prompt::UNBOUNDED,
    };
    // The tier `priority` is paid for ahead, by contract.
    let speed = call.get("speed").and_then(Value::as_str);
    let (cache, tier) = (prompt::has_member(call, "cache_control"), speed.and_then(Tier::parse));
    let asks = Asks { cache, audio: false, tier };
    Ok(Estimate { tokens_in: prompt::tokens(asked.bytes, call), tokens_out, asks })
}

/// Looks through the tools that are offered, see [`Offer::check`]. Whole servers of tools have names,
/// too.
fn tools(call: &mut Map<String, Value>, grant: &Grant) -> Result<bool, Unfit> {
    if grant.endpoint().names.tools.is_some() {
        let servers = call.get("mcp_servers").and_then(Value::as_array).into_iter().flatten();
        for server in servers {
            let url = server.get("url").and_then(Value::as_str).filter(|url| is_plain(url));
            url.ok_or(Invalid::Member("mcp_servers"))?;
        }
    }
    let changed = OFFER.check(call, grant)?;
    if changed {
        OFFER.forget_choices(call, grant);
    }
    Ok(changed)
}
