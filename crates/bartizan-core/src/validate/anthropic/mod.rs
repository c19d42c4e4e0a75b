//! What does a call to Anthropic's API ask for? The model, the tools it offers, and the most tokens
//! it may use.

mod answer;

use serde_json::{Map, Value};

use super::offer::{Offer, is_plain};
use super::openai::{count, flag, rewritten};
use super::prompt::{self, Naming};
use super::said::{Asked, Said, Unfit};
use super::usage::{Asks, Tier};
use super::{Estimate, Invalid, hidden, json, listener, spelling};
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
    let mut ear = Listener::new(lists_models);
    let listener = |ear| Some(listener::Listener::Anthropic(Box::new(ear)));
    if api == Api::Unread {
        return Ok(Said::default());
    }
    let naming = match api {
        Api::Messages | Api::Count => Naming::Must,
        Api::Models | Api::Unread => Naming::No,
    };
    if !prompt::is_asked_as_it_must_be(asked, naming, api == Api::Models) {
        return Err(Denial::Api.into());
    }
    if asked.bytes.is_empty() {
        return Ok(Said { listener: listener(ear), ..Said::default() });
    }
    let Value::Object(mut call) = json::document(asked.bytes, asked.media)? else {
        return Err(Invalid::Member("body").into());
    };
    prompt::exact(&call)?;
    let mut changed = prompt::whole_numbers(&mut call);
    let models = prompt::models(&mut call, naming, asked, &mut changed)?;
    changed |= tools(&mut call, asked.grant)?;
    changed |=
        asked.grant.endpoint().profile.response.is_some() && spelling::keep_to_text(&mut call);
    let streams = flag(&call, "stream")?;
    let mut added = Vec::new();
    let counted = prompt::is_counted(asked.grant, &models);
    let (mut estimate, mut seen) = (Estimate::default(), true);
    if api == Api::Messages {
        (estimate.tokens_in, seen) = prompt::tokens(&call, &models, asked.grant, counted)?;
        (estimate.tokens_out, estimate.asks) =
            (output(&call, asked, counted, &mut added)?, asks(&call));
    }
    if !seen || hidden::some(&call, &models, asked.grant) {
        ear.expect_hidden();
    }
    let body = rewritten(asked.bytes, call, changed, &added);
    Ok(Said { estimate, models, streams, body, listener: listener(ear), ..Said::default() })
}

/// The most that the answer can take; where the call names no bound of it, one is added. Nought is one
/// here: it only warms a cache.
fn output(
    call: &Map<String, Value>,
    asked: &Asked<'_>,
    counted: bool,
    added: &mut Vec<(&'static str, Value)>,
) -> Result<u64, Invalid> {
    let configured = asked.grant.endpoint().cost.max_output_tokens;
    let named = count(call, "max_tokens")?;
    let most = named.unwrap_or(if configured > 0 { configured } else { prompt::UNBOUNDED });
    if named.is_none() && (configured > 0 || counted) {
        added.push(("max_tokens", most.into()));
    }
    Ok(most)
}

/// What of the call has a price of its own. The tier `priority` is paid for ahead, by contract.
fn asks(call: &Map<String, Value>) -> Asks {
    let speed = call.get("speed").and_then(Value::as_str);
    let (cache, tier) = (prompt::has_member(call, "cache_control"), speed.and_then(Tier::parse));
    Asks { cache, tier, ..Asks::default() }
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
