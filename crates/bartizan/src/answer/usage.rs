//! What did a provider say that a call used?

use std::sync::Arc;

use bartizan_core::settle::Reported;
use bartizan_core::validate::Protocol;
use serde::Deserialize;

use crate::settle::Away;

/// The members of an answer, or of a stream's event, in OpenAI's two dialects.
#[derive(Deserialize)]
struct Told {
    model: Option<String>,
    usage: Option<Counts>,
    response: Option<Box<Told>>,
}

#[derive(Deserialize)]
struct Counts {
    #[serde(alias = "input_tokens")]
    prompt_tokens: Option<u64>,
    #[serde(alias = "output_tokens")]
    completion_tokens: Option<u64>,
    #[serde(alias = "input_tokens_details")]
    prompt_tokens_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
}

/// What a whole answer tells, where its endpoint speaks a protocol that tells it.
pub(super) fn of_document(away: &Away, bytes: &[u8]) -> Option<Reported> {
    let protocol = away.journey()?.endpoint().protocol;
    (protocol == Protocol::OpenAi).then(|| read(bytes)).flatten()
}

/// What an event of a stream tells.
pub(super) fn of_event(data: &[u8]) -> Option<Reported> {
    let likely = data.windows(7).any(|word| word == b"\"usage\"");
    likely.then(|| read(data)).flatten()
}

fn read(bytes: &[u8]) -> Option<Reported> {
    let told: Told = serde_json::from_slice(bytes).ok()?;
    let told = match told.response {
        Some(response) => *response,
        None => told,
    };
    let Counts { prompt_tokens, completion_tokens, prompt_tokens_details } = told.usage?;
    Some(Reported {
        tokens_in: prompt_tokens?,
        tokens_out: completion_tokens.unwrap_or(0),
        tokens_cached: prompt_tokens_details.and_then(|d| d.cached_tokens).unwrap_or(0),
        usd_nano: None,
        model: told.model.map(Arc::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_are_understood_and_nothing_is_made_up() {
        let chat = br#"{"model":"m","usage":{"prompt_tokens":9,"completion_tokens":3,
            "prompt_tokens_details":{"cached_tokens":4}}}"#;
        let told = read(chat).unwrap();
        assert_eq!((told.tokens_in, told.tokens_out, told.tokens_cached), (9, 3, 4));
        let event = br#" {"type":"response.completed","response":{"model":"m",
            "usage":{"input_tokens":9,"output_tokens":3}}}"#;
        assert_eq!(of_event(event).map(|told| told.tokens_in), Some(9));
        assert_eq!(of_event(br#" {"usage":null}"#), None);
        assert_eq!(read(br#"{"usage":{"completion_tokens":3}}"#), None);
        assert_eq!(read(br#"{"usage":{"prompt_tokens":-9}}"#), None);
    }
}
