//! What do calls to language models have in common? A model with a right to it, and a prompt of so
//! many tokens.

use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value};

use super::Invalid;
use super::jsonrpc;
use super::openai::MAX_MODEL;
use super::routing;
use super::said::{Asked, Models, Unfit};
use super::size::{self, Size};
use crate::authorize::endpoint::{By, Limit, Traits};
use crate::authorize::{Denial, Grant};

/// What bounds an answer where neither the call nor the endpoint does.
pub(super) const UNBOUNDED: u64 = 4096;

/// Members on which something is decided.
const MEANT: [&str; 71] = [
    "background",
    "batch_size",
    "best_of",
    "cachedContent",
    "cached_content",
    "chat_template",
    "compound_custom",
    "container",
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "conversation",
    "data_sources",
    "enable_search",
    "extra_body",
    "fallbacks",
    "function_call",
    "functions",
    "google",
    "include",
    "input",
    "logprobs",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "mcp_servers",
    "messages",
    "min_tokens",
    "modalities",
    "model",
    "models",
    "n",
    "n_cmpl",
    "n_iter",
    "n_predict",
    "n_samples",
    "numberOfImages",
    "numberResults",
    "num_completions",
    "num_generations",
    "num_images",
    "num_images_per_prompt",
    "num_outputs",
    "num_predict",
    "num_return_sequences",
    "number_of_images",
    "plugins",
    "prediction",
    "preset",
    "previous_response_id",
    "prompt",
    "prompt_embeds",
    "prompt_id",
    "providerOptions",
    "reasoning",
    "reasoning_effort",
    "route",
    "sampleCount",
    "samples",
    "search_options",
    "search_parameters",
    "service_tier",
    "speed",
    "stream",
    "stream_options",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    "vector_store_ids",
    "web_search_options",
];

/// Members that are a number of something, and decide on what a call costs.
const NUMBERS: [&str; 24] = [
    "batch_size",
    "best_of",
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "min_tokens",
    "n",
    "n_cmpl",
    "n_iter",
    "n_predict",
    "n_samples",
    "numberOfImages",
    "numberResults",
    "num_completions",
    "num_generations",
    "num_images",
    "num_images_per_prompt",
    "num_outputs",
    "num_predict",
    "num_return_sequences",
    "number_of_images",
    "sampleCount",
    "samples",
];

/// The largest whole number up to which a broken one tells every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes whole numbers as such that came as broken ones (`100.0`, `1e3`): clients whose language knows one
/// kind of number alone send them, and servers differ in what they take them for. `true` where there
/// were some.
pub(super) fn whole_numbers(call: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    for name in NUMBERS {
        let Some(value) = call.get_mut(name).filter(|value| value.is_f64()) else { continue };
        let whole = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=EXACT).contains(n));
        if let Some(whole) = whole {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is whole, not negative and small enough"
            )]
            let whole = whole as u64;
            *value = whole.into();
            changed = true;
        }
    }
    changed
}

/// The member that a name, in small letters, means something as.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let mut all = MEANT.into_iter().chain(ROUTING);
    all.find(|meant| meant.eq_ignore_ascii_case(name))
}

/// Refuses other spellings of names that mean something: servers that do not care for case would find
/// another member than we do.
pub(super) fn exact(call: &Map<String, Value>) -> Result<(), Invalid> {
    if jsonrpc::exact(call, &MEANT) { Ok(()) } else { Err(Invalid::Member("body")) }
}

/// Whether a call comes by the verb that its part of the API has. A model is asked by `POST` alone:
/// what comes otherwise names none, and would pass by every right. Models are read by `GET`, and only
/// those that the caller may use.
pub(super) fn is_asked_as_it_must_be(asked: &Asked<'_>, naming: Naming, models: bool) -> bool {
    let (verb, path) = (&asked.head.method, asked.head.uri.path());
    if naming != Naming::No {
        return *verb == Method::POST && !asked.bytes.is_empty();
    }
    if !models {
        return true;
    }
    let one = path.rsplit_once("/models/").map(|(_, name)| name).filter(|name| !name.is_empty());
    let granted = one.is_none_or(|name| !name.contains('%') && asked.grant.model(name).is_some());
    matches!(*verb, Method::GET | Method::HEAD) && asked.bytes.is_empty() && granted
}

/// Whether a call names a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Naming {
    /// There is none to name.
    No,
    /// It must, where models matter.
    Must,
    /// This one is meant where it names none.
    Or(&'static str),
}

/// Members by which routers between the gate and the providers choose another model than is asked, or
/// another call than is sent (OpenRouter, LiteLLM, TensorZero, Vercel).
const ROUTING: [&str; 13] = [
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "extra_body",
    "fallbacks",
    "preset",
    "prompt_id",
    "providerOptions",
    "route",
    "tensorzero::extra_body",
    "tensorzero::extra_headers",
    "tensorzero::internal_dynamic_variant_config",
    "tensorzero::params",
    "tensorzero::variant_name",
];

/// The most models that a call may name besides.
const MAX_OTHERS: usize = 16;

/// Reads which models may answer: `model`, and `models` in its place. The caller must have a right to
/// each; what they stand for is put in their places.
pub(super) fn models(
    call: &mut Map<String, Value>,
    naming: Naming,
    asked: &Asked<'_>,
    changed: &mut bool,
) -> Result<Models, Unfit> {
    let grant = asked.grant;
    let matter = naming != Naming::No && models_matter(grant);
    let counted = || naming != Naming::No && is_counted(grant, &Models::default());
    if matter || counted() {
        not_routed(call, asked)?;
    }
    if let Naming::Or(usual) = naming
        && matter
        && call.get("model").is_none_or(Value::is_null)
    {
        call.insert("model".into(), usual.into());
        *changed = true;
    }
    let asked = match call.get("model") {
        Some(name) => Some(granted(name, "model", grant)?),
        // A call without one would be a way around what it costs, and around who may use it.
        None if matter => return Err(Invalid::Member("model").into()),
        None => None,
    };
    let others = match call.get("models") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(names)) if names.len() <= MAX_OTHERS => {
            let names = names.iter().map(|name| granted(name, "models", grant));
            names.collect::<Result<Vec<_>, _>>()?
        }
        Some(_) => return Err(Invalid::Member("models").into()),
    };
    if let Some((meant, true)) = &asked {
        call.insert("model".into(), Value::String(meant.to_string()));
        *changed = true;
    }
    if others.iter().any(|(_, replaced)| *replaced) {
        let names = others.iter().map(|(name, _)| Value::String(name.to_string()));
        call.insert("models".into(), names.collect());
        *changed = true;
    }
    let mut models = Models { asked: asked.map(|(name, _)| name), others: Vec::new() };
    for (name, _) in others {
        if !models.all().any(|known| *known == name) {
            models.others.push(name);
        }
    }
    Ok(models)
}

/// Refuses what leaves the choice of a model, or of its price, to somebody behind the gate.
fn not_routed(call: &Map<String, Value>, asked: &Asked<'_>) -> Result<(), Invalid> {
    let said = |name: &&&str| match call.get(**name) {
        None | Some(Value::Null) => false,
        // What Google's own form of this API has there is read.
        Some(Value::Object(body)) if **name == "extra_body" => {
            body.keys().any(|name| name != "google")
        }
        Some(_) => true,
    };
    if let Some(member) = ROUTING.iter().find(said) {
        return Err(Invalid::Routing(member));
    }
    routing::steered(asked.head).map_or(Ok(()), |name| Err(Invalid::Steered(name)))
}

/// A model as it is called behind the gate, and whether that is another name.
fn granted(name: &Value, member: &'static str, grant: &Grant) -> Result<(Arc<str>, bool), Unfit> {
    let name = name.as_str().filter(|name| name.len() <= MAX_MODEL);
    let name: Arc<str> = name.ok_or(Invalid::Member(member))?.into();
    let right = grant.model(&name).ok_or_else(|| Denial::Model(Arc::clone(&name)))?;
    Ok(right.stands_for.map_or((name, false), |meant| (Arc::clone(meant), true)))
}

/// Leaves of a list of models those that the caller may use, each by every name by which they may ask
/// for it.
pub(super) fn keep_granted(models: &mut Vec<Value>, grant: &Grant) {
    let id = |model: &Value| model.get("id").and_then(Value::as_str).map(str::to_owned);
    let mut aliases: Vec<Value> = Vec::new();
    for (name, meant) in grant.model_aliases() {
        let is = |name: &str| models.iter().find(|model| id(model).as_deref() == Some(name));
        // What the upstream does not have is offered by no name.
        let (None, Some(model)) = (is(name), is(meant)) else { continue };
        let mut alias = model.clone();
        if let Some(members) = alias.as_object_mut() {
            members.insert("id".into(), name.to_string().into());
        }
        aliases.push(alias);
    }
    models.retain(|model| id(model).is_some_and(|id| grant.model(&id).is_some()));
    models.append(&mut aliases);
}

/// Whether something is granted, priced or counted here by the model that a call names.
fn models_matter(grant: &Grant) -> bool {
    let endpoint = grant.endpoint();
    let by_model = |limit: &Arc<Limit>| {
        let only = limit.only.as_ref().is_some_and(|only| !only.models.is_empty());
        only || limit.by == By::Model || limit.counts_money()
    };
    endpoint.names.models.is_some() || endpoint.limits.iter().any(by_model)
}

/// Whether tokens or money are counted of a call under this grant that may ask one of these models.
pub(super) fn is_counted(grant: &Grant, models: &Models) -> bool {
    let (roles, tenant) = (grant.roles(), grant.caller().tenant());
    let mut limits = grant.endpoint().limits.iter();
    limits.any(|limit| {
        let fits = |model| limit.counts(Traits { roles, tenant, model, tool: None });
        (limit.counts_money() || limit.counts_tokens())
            && (fits(models.asked.as_ref()) || models.all().any(|model| fits(Some(model))))
    })
}

/// How many tokens a prompt is at the most, and whether that is seen here. Of one that is not, the
/// endpoint says it; where it does not and somebody counts, the call is refused.
pub(super) fn tokens(
    call: &Map<String, Value>,
    models: &Models,
    grant: &Grant,
    counted: bool,
) -> Result<(u64, bool), Invalid> {
    let cost = &grant.endpoint().cost;
    let Size { tokens, unseen } = size::of(call, models.all().chain(&cost.replacements));
    match unseen {
        None => Ok((tokens, true)),
        Some(member) if counted && cost.max_input_tokens == 0 => Err(Invalid::Unseen(member)),
        Some(_) => Ok((tokens.max(cost.max_input_tokens), false)),
    }
}

/// Whether an object anywhere in the call has a member of that name. The depth is bounded: the
/// document was read with a bound.
pub(super) fn has_member(call: &Map<String, Value>, name: &str) -> bool {
    fn within(value: &Value, name: &str) -> bool {
        match value {
            Value::Array(elements) => elements.iter().any(|element| within(element, name)),
            Value::Object(members) => has_member(members, name),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    call.contains_key(name) || call.values().any(|value| within(value, name))
}
