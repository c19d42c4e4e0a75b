//! What does an answer of OpenAI's API say was used?

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json;
use crate::validate::usage::Told;

/// What was used, as it is told: by the names of both dialects, of which the larger counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) tokens_in: Told,
    pub(super) tokens_out: Told,
    pub(super) total: Told,
    pub(super) cached: u64,
    pub(super) written: u64,
    pub(super) audio_in: u64,
    pub(super) audio_out: u64,
}

/// Counts of another build, or that two readers may read differently, count as not told.
pub(super) fn counts<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Counts>, D::Error> {
    let raw = <&RawValue>::deserialize(source)?;
    let told = json::value(raw.get().as_bytes(), MAX_COUNTS_DEPTH).ok();
    Ok(told.as_ref().and_then(Value::as_object).map(Counts::read))
}

/// How deep counts may nest: twice is in use.
const MAX_COUNTS_DEPTH: usize = 8;

impl Counts {
    pub(super) fn read(usage: &Map<String, Value>) -> Self {
        let part = |names: [&str; 2], kind: &str| {
            let details = names.into_iter().filter_map(|name| usage.get(name)?.get(kind));
            details.filter_map(|value| Told::of(Some(value)).get()).max().unwrap_or(0)
        };
        let either = |one, other| Told::of(usage.get(one)).most(Told::of(usage.get(other)));
        let came = ["prompt_tokens_details", "input_tokens_details"];
        let went = ["completion_tokens_details", "output_tokens_details"];
        Self {
            tokens_in: either("prompt_tokens", "input_tokens"),
            tokens_out: either("completion_tokens", "output_tokens"),
            total: Told::of(usage.get("total_tokens")),
            cached: part(came, "cached_tokens"),
            written: part(came, "cache_write_tokens"),
            audio_in: part(came, "audio_tokens"),
            audio_out: part(went, "audio_tokens"),
        }
    }
}
