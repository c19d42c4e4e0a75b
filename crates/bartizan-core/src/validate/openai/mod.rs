//! What does a call to OpenAI's API ask for? The model, the tools it offers, and the most tokens it
//! may use.

mod answer;
mod delta;
mod labels;
mod api;
mod output;
mod tools;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::said::{Asked, Said, Unfit};
use super::usage::{Asks, Tier};
use super::{Estimate, Invalid, hidden, json, listener, prompt, spelling};
use crate::authorize::Denial;

pub use answer::Listener;
use api::Api;
pub(super) use delta::went_on;

/// The longest model name that is taken, in bytes.
pub(super) const MAX_MODEL: usize = 256;

/// Reads a call.
pub(super) fn read(asked: &Asked<'_>) -> Result<Said, Unfit> {
    let api = Api::of(&asked.grant.endpoint().path, asked.head.uri.path()).ok_or(Denial::Api)?;
    let listener = |api| Some(listener::Listener::OpenAi(Box::new(Listener::new(api))));
    if api == Api::Unread {
        return Ok(Said::default());
    }
    if !prompt::is_asked_as_it_must_be(asked, api.naming(), api == Api::Models) {
        return Err(Denial::Api.into());
    }
    if asked.bytes.is_empty() {
        let listener = listener(api);
        return Ok(Said { listener, ..Said::default() });
    }
    let Value::Object(mut call) = json::document(asked.bytes, asked.media)? else {
        return Err(Invalid::Member("body").into());
    };
    prompt::exact(&call)?;
    let mut changed = prompt::whole_numbers(&mut call);
    let models = prompt::models(&mut call, api.naming(), asked, &mut changed)?;
    changed |= tools::check(&mut call, asked.grant)?;
    // They would spell out, token by token, what is masked in the text.
    changed |=
        asked.grant.endpoint().profile.response.is_some() && spelling::keep_to_text(&mut call);
    let streams = flag(&call, "stream")?;
    let mut added = Vec::new();
    let counted = prompt::is_counted(asked.grant, &models);
    let (tokens_in, seen) = prompt::tokens(&call, &models, asked.grant, counted)?;
    let configured = asked.grant.endpoint().cost.max_output_tokens;
    let output = output::of(&call, api, configured, counted)?;
    added.extend(output.bound.map(|(name, tokens)| (name, tokens.into())));
    let estimate = Estimate { tokens_in, tokens_out: output.tokens, asks: asks(&call, api) };
    let mut ear = Listener::new(api);
    ear.expect_choices(output::answers(&call)?);
    if !seen || hidden::some(&call, &models, asked.grant) {
        ear.expect_hidden();
    }
    if streams && api.tells_usage_on_demand() && wants_usage(&mut call, &mut changed, &mut added)? {
        ear.hide_usage();
    }
    let body = rewritten(asked.bytes, call, changed, &added);
    let listener = Some(listener::Listener::OpenAi(Box::new(ear)));
    Ok(Said { estimate, models, streams, body, listener, ..Said::default() })
}

/// A member that is `true` or not there.
pub(super) fn flag(call: &Map<String, Value>, name: &'static str) -> Result<bool, Invalid> {
    match call.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(Invalid::Member(name)),
    }
}

/// A member that is a number of something, or not there.
pub(super) fn count(call: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, Invalid> {
    match call.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(Invalid::Member(name)),
    }
}

/// What of the call has a price of its own. What the provider decides by itself, such as a tier
/// that a project has by default, is seen in its answer.
fn asks(call: &Map<String, Value>, api: Api) -> Asks {
    let sounds = call.get("modalities").and_then(Value::as_array).into_iter().flatten();
    let audio = sounds.filter_map(Value::as_str).any(|modality| modality == "audio")
        || prompt::has_member(call, "input_audio")
        || api == Api::Speech;
    let tier = call.get("service_tier").and_then(Value::as_str).and_then(Tier::parse);
    // Of newer models a part of each prompt is written into the cache, asked or not.
    Asks { cache: true, audio, tier, pieces: api.pieces(call) }
}

/// Has the usage told at the end of the stream. `true` where the client did not ask for it.
fn wants_usage(
    call: &mut Map<String, Value>,
    changed: &mut bool,
    added: &mut Vec<(&'static str, Value)>,
) -> Result<bool, Invalid> {
    const OPTIONS: &str = "stream_options";
    match call.get_mut(OPTIONS) {
        None => {
            added.push((OPTIONS, serde_json::json!({ "include_usage": true })));
            Ok(true)
        }
        Some(options @ Value::Null) => {
            *options = serde_json::json!({ "include_usage": true });
            *changed = true;
            Ok(true)
        }
        Some(Value::Object(options)) => {
            let asked = flag(options, "include_usage").map_err(|_| Invalid::Member(OPTIONS))?;
            if !asked {
                options.insert("include_usage".into(), true.into());
                *changed = true;
            }
            Ok(!asked)
        }
        Some(_) => Err(Invalid::Member(OPTIONS)),
    }
}

/// What goes on in place of the body. What is only added stands before the first member, so that
/// the rest stays as it was written; what is there already, as `null` for one, is replaced: of two
/// members with one name most readers take the last. `None` where nothing changes.
pub(super) fn rewritten(
    bytes: &Bytes,
    mut call: Map<String, Value>,
    changed: bool,
    added: &[(&'static str, Value)],
) -> Option<Bytes> {
    let open = bytes.iter().position(|byte| *byte == b'{')? + 1;
    if changed || added.iter().any(|(name, _)| call.contains_key(*name)) {
        call.extend(added.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        return Some(Value::Object(call).to_string().into());
    }
    if added.is_empty() {
        return None;
    }
    let mut members = added
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect::<Vec<_>>()
        .join(",");
    if !call.is_empty() {
        members.push(',');
    }
    let (before, behind) = bytes.split_at_checked(open)?;
    Some([before, members.as_bytes(), behind].concat().into())
}
