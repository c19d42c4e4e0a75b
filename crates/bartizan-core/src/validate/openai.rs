//! What does a call to OpenAI's API ask for? The model, and the most tokens it may use.

use std::sync::Arc;

use serde_json::Value;

use super::media::Media;
use super::{Estimate, Invalid, json};

/// What security depends on in a call; everything else passes unread.
pub(super) struct Understood {
    pub(super) estimate: Estimate,
    pub(super) model: Option<Arc<str>>,
}

/// The longest model name that is taken, in bytes.
const MAX_MODEL: usize = 256;

/// Fewer bytes than any tokenizer in use needs for a token of ordinary text, on average; the
/// settlement corrects it by what the provider reports.
const BYTES_PER_TOKEN: u64 = 3;

/// Reads a body. `default_output` stands for a missing `max_tokens`.
pub(super) fn read(bytes: &[u8], media: Media, default_output: u64) -> Result<Understood, Invalid> {
    if bytes.is_empty() {
        return Ok(Understood { estimate: Estimate::default(), model: None });
    }
    let call = json::document(bytes, media)?;
    let Value::Object(call) = call else { return Err(Invalid::Member("body")) };
    let model = match call.get("model") {
        Some(Value::String(model)) if model.len() <= MAX_MODEL => Some(Arc::from(model.as_str())),
        None => None,
        Some(_) => return Err(Invalid::Member("model")),
    };
    let count = |name: &'static str| match call.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(Invalid::Member(name)),
    };
    // All three are in use; the largest is the worst case.
    let named =
        [count("max_tokens")?, count("max_completion_tokens")?, count("max_output_tokens")?];
    let output = named.into_iter().flatten().max().unwrap_or(default_output);
    let choices = count("n")?.unwrap_or(1).max(1);
    let estimate = Estimate {
        tokens_in: (bytes.len() as u64).div_ceil(BYTES_PER_TOKEN),
        tokens_out: output.saturating_mul(choices),
    };
    Ok(Understood { estimate, model })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(body: &str) -> Result<u64, Invalid> {
        read(body.as_bytes(), Media::Json, 100).map(|call| call.estimate.tokens_out)
    }

    #[test]
    fn the_worst_case_counts() {
        assert_eq!(estimate(r#"{"model":"m"}"#), Ok(100));
        assert_eq!(estimate(r#"{"model":"m","max_tokens":7}"#), Ok(7));
        assert_eq!(estimate(r#"{"max_tokens":7,"max_completion_tokens":9,"n":3}"#), Ok(27));
        assert_eq!(estimate(r#"{"max_tokens":18446744073709551615,"n":2}"#), Ok(u64::MAX));
    }

    #[test]
    fn what_cannot_be_counted_is_refused_and_never_taken_for_nothing() {
        for body in [r#"{"max_tokens":-1}"#, r#"{"max_tokens":"9"}"#, r#"{"n":1.5}"#] {
            assert!(matches!(estimate(body), Err(Invalid::Member(_))), "{body}");
        }
        assert!(matches!(estimate(r#"{"model":7}"#), Err(Invalid::Member("model"))));
        assert!(estimate(r#"{"model":"a","model":"b"}"#).is_err());
    }
}
