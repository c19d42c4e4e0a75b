//! How many tokens may the answer to a call of OpenAI's API have at the most?

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::api::Api;
use super::count;
use crate::validate::{Invalid, prompt};

/// Members by which servers of this API bound an answer, or lengthen it. At a part of the API that
/// does not know one of them it bounds nothing, so it can only raise what is reserved.
const BOUNDS: [&str; 7] = [
    "max_completion_tokens",
    "max_new_tokens",
    "max_output_tokens",
    "max_tokens",
    "min_tokens",
    "n_predict",
    "num_predict",
];

/// Members by which servers of this API are asked for several answers to one prompt.
const SEVERAL: [&str; 6] =
    ["best_of", "n", "n_cmpl", "num_completions", "num_generations", "num_return_sequences"];

/// Members by which servers of this API are asked for several pictures. Some multiply one by another.
const DRAWINGS: [&str; 12] = [
    "batch_size",
    "n",
    "n_iter",
    "n_samples",
    "numberOfImages",
    "numberResults",
    "num_images",
    "num_images_per_prompt",
    "num_outputs",
    "number_of_images",
    "sampleCount",
    "samples",
];

/// Members of a call for speech that nobody reads aloud.
const NOT_READ: [&str; 5] = ["instructions", "model", "response_format", "stream_format", "voice"];

/// What a picture that is drawn takes at the most, in tokens: the largest of the best quality took
/// 6,240 in 2025, and later models draw larger ones.
const TOKENS_PER_DRAWING: u64 = 16_384;

/// What a byte of a text takes that is read aloud: some 15 letters and 21 tokens of sound go into a
/// second, and somebody may ask for slow speech.
const TOKENS_PER_BYTE_READ: u64 = 4;

/// What a conversation in short is taken for: as long an answer as most models can give.
const TOKENS_PER_SUMMARY: u64 = 65_536;

/// The most tokens that come back, and the bound to put into the call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Output {
    /// All answers together.
    pub(super) tokens: u64,
    /// The member to put in, in the place of one that bounds nothing.
    pub(super) bound: Option<(&'static str, u64)>,
}

/// What an answer may take. Where it names no bound, the endpoint's is put in; without that one
/// that is large enough for most, where tokens or money are `counted`.
pub(super) fn of(
    call: &Map<String, Value>,
    api: Api,
    configured: u64,
    counted: bool,
) -> Result<Output, Invalid> {
    let Some(bound) = api.bounds().first().copied() else {
        return plain(call, api, configured);
    };
    let (own, any) = (largest(call, api.bounds())?, largest(call, &BOUNDS)?);
    let (tokens, bound) = match own {
        // Some servers take nought for nothing said.
        Some(0) if counted => (1, Some((named(call, api).unwrap_or(bound), 1))),
        Some(own) => (own, None),
        None if configured > 0 => (configured, Some((bound, configured))),
        None => (prompt::UNBOUNDED, counted.then_some((bound, prompt::UNBOUNDED))),
    };
    let several = largest(call, &SEVERAL)?.unwrap_or(1).max(1);
    let answers = several.saturating_mul(prompts(call));
    let each = tokens.max(any.unwrap_or(0));
    let tokens = each.saturating_add(predicted(call)).saturating_mul(answers);
    Ok(Output { tokens, bound })
}

/// The largest of these members, where there is one.
fn largest(call: &Map<String, Value>, names: &[&'static str]) -> Result<Option<u64>, Invalid> {
    names.iter().try_fold(None, |most: Option<u64>, name| Ok(most.max(count(call, name)?)))
}

/// How many choices the answer has: so many for each prompt of the older dialect.
pub(super) fn answers(call: &Map<String, Value>) -> Result<u64, Invalid> {
    Ok(count(call, "n")?.unwrap_or(1).max(1).saturating_mul(prompts(call)))
}

/// Which of its own bounds a call names.
fn named(call: &Map<String, Value>, api: Api) -> Option<&'static str> {
    let named = |name: &&&str| call.get(**name).is_some_and(|value| !value.is_null());
    api.bounds().iter().find(named).copied()
}

/// How many prompts there are in the older dialect: texts, lists of tokens, or embeddings, of which
/// there may be some besides.
fn prompts(call: &Map<String, Value>) -> u64 {
    let several = |name| match call.get(name) {
        // One, as the tokens that it is.
        Some(Value::Array(parts)) if parts.iter().all(Value::is_number) => 1,
        Some(Value::Array(prompts)) => prompts.len() as u64,
        None | Some(Value::Null) => 0,
        Some(_) => 1,
    };
    several("prompt").saturating_add(several("prompt_embeds")).max(1)
}

/// What is foretold of an answer: the tokens of it that do not come are charged like those that do.
fn predicted(call: &Map<String, Value>) -> u64 {
    let foretold = call.get("prediction").filter(|foretold| !foretold.is_null());
    foretold.map_or(0, |foretold| foretold.to_string().len() as u64)
}

/// How many pictures are asked for: so many for each prompt.
pub(super) fn drawings(call: &Map<String, Value>) -> u64 {
    let several = |name: &&str| call.get(*name).and_then(Value::as_u64).unwrap_or(1).max(1);
    DRAWINGS.iter().map(several).fold(prompts(call), u64::saturating_mul)
}

/// How many letters are read aloud.
pub(super) fn characters(call: &Map<String, Value>) -> u64 {
    let text = |value: &Value| value.is_string() || value.is_array() || value.is_object();
    let read = call.iter().filter(|(name, value)| !NOT_READ.contains(&&***name) && text(value));
    read.map(|(_, value)| written(value).chars().count() as u64).sum()
}

/// A text, or how something else is written.
fn written(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed)
}

/// What comes back where it is no text: pictures and sounds have tokens, too.
fn plain(call: &Map<String, Value>, api: Api, configured: u64) -> Result<Output, Invalid> {
    let tokens = match api {
        Api::Images => {
            DRAWINGS.iter().try_for_each(|name| count(call, name).map(|_| ()))?;
            drawings(call).saturating_mul(TOKENS_PER_DRAWING.max(configured))
        }
        Api::Speech => {
            let bytes = call.values().map(|value| written(value).len() as u64);
            bytes.sum::<u64>().saturating_mul(TOKENS_PER_BYTE_READ).max(configured)
        }
        Api::Compact => TOKENS_PER_SUMMARY.max(configured),
        _ => 0,
    };
    Ok(Output { tokens, bound: None })
}
