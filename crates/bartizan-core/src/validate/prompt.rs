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

/// What is decided on a member of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum On {
    /// It is a number of something, and says what the call costs.
    Number,
    /// By it routers between the gate and the providers choose another model than is asked, or another
    /// call than is sent (OpenRouter, LiteLLM, TensorZero, Vercel).
    Route,
    Other,
}

use On::{Number, Other, Route};

/// Members on which something is decided.
const MEANT: [(&str, On); 76] = [
    ("background", Other),
    ("batch_size", Number),
    ("best_of", Number),
    ("cachedContent", Other),
    ("cached_content", Other),
    ("chat_template", Other),
    ("compound_custom", Other),
    ("container", Other),
    ("content_policy_fallbacks", Route),
    ("context_window_fallbacks", Route),
    ("conversation", Other),
    ("data_sources", Other),
    ("enable_search", Other),
    ("extra_body", Route),
    ("fallbacks", Route),
    ("function_call", Other),
    ("functions", Other),
    ("google", Other),
    ("include", Other),
    ("input", Other),
    ("logprobs", Other),
    ("max_completion_tokens", Number),
    ("max_new_tokens", Number),
    ("max_output_tokens", Number),
    ("max_tokens", Number),
    ("mcp_servers", Other),
    ("messages", Other),
    ("min_tokens", Number),
    ("modalities", Other),
    ("model", Other),
    ("models", Other),
    ("n", Number),
    ("n_cmpl", Number),
    ("n_iter", Number),
    ("n_predict", Number),
    ("n_samples", Number),
    ("num_completions", Number),
    ("num_generations", Number),
    ("num_images", Number),
    ("num_images_per_prompt", Number),
    ("num_outputs", Number),
    ("num_predict", Number),
    ("num_return_sequences", Number),
    ("numberOfImages", Number),
    ("numberResults", Number),
    ("number_of_images", Number),
    ("plugins", Other),
    ("prediction", Other),
    ("preset", Route),
    ("previous_response_id", Other),
    ("prompt", Other),
    ("prompt_embeds", Other),
    ("prompt_id", Route),
    ("providerOptions", Route),
    ("reasoning", Other),
    ("reasoning_effort", Other),
    ("route", Route),
    ("sampleCount", Number),
    ("samples", Number),
    ("search_options", Other),
    ("search_parameters", Other),
    ("service_tier", Other),
    ("speed", Other),
    ("stream", Other),
    ("stream_options", Other),
    ("system", Other),
    ("tensorzero::extra_body", Route),
    ("tensorzero::extra_headers", Route),
    ("tensorzero::internal_dynamic_variant_config", Route),
    ("tensorzero::params", Route),
    ("tensorzero::variant_name", Route),
    ("thinking", Other),
    ("tool_choice", Other),
    ("tools", Other),
    ("vector_store_ids", Other),
    ("web_search_options", Other),
];

/// Their names.
const NAMES: [&str; MEANT.len()] = {
    let mut names = [""; MEANT.len()];
    let mut at = 0;
    while at < MEANT.len() {
        #[expect(clippy::indexing_slicing, reason = "the compiler counts")]
        {
            names[at] = MEANT[at].0;
        }
        at += 1;
    }
    names
};

/// The names of those on which the same is decided.
fn names(on: On) -> impl Iterator<Item = &'static str> {
    MEANT.iter().filter(move |(_, is)| *is == on).map(|(name, _)| *name)
}

/// The largest whole number up to which a broken one tells every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes whole numbers as such that came as broken ones (`100.0`, `1e3`): clients whose language knows one
/// kind of number alone send them, and servers differ in what they take them for. `true` where there
/// were some.
pub(super) fn whole_numbers(call: &mut Map<String, Value>) -> bool {
    let mut changed = false;
    for name in names(Number) {
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
    NAMES.into_iter().find(|meant| meant.eq_ignore_ascii_case(name))
}

/// Refuses other spellings of names that mean something: servers that do not care for case would find
/// another member than we do.
pub(super) fn exact(call: &Map<String, Value>) -> Result<(), Invalid> {
    if jsonrpc::exact(call, &NAMES) { Ok(()) } else { Err(Invalid::Member("body")) }
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
    let said = |name: &&str| match call.get(*name) {
        None | Some(Value::Null) => false,
        // What Google's own form of this API has there is read.
        Some(Value::Object(body)) if *name == "extra_body" => {
            body.keys().any(|name| name != "google")
        }
        Some(_) => true,
    };
    if let Some(member) = names(Route).find(said) {
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
