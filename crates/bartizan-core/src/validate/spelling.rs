//! What spells an answer token by token, beside its text? Values are searched for in texts; a list of
//! tokens is none, and tells every letter of what is masked.

use serde_json::{Map, Value};

use crate::authorize::Grant;

/// Members of answers that spell them, and whose they are.
const SPELLS: [&str; 18] = [
    "all_tokens",               // Cohere
    "completion_probabilities", // llama.cpp
    "decoder_input_ids",        // TGI
    "input_ids",                // SGLang
    "logprobs",                 // OpenAI, vLLM, SGLang, Ollama, Together, Fireworks
    "logprobs_result",          // Gemini, in one case or the other
    "output_ids",               // SGLang
    "output_tokens_ids",        // Triton
    "prefill",                  // TGI
    "probs",                    // llama.cpp
    "prompt_logprobs",          // vLLM
    "prompt_token_ids",         // vLLM
    "token_ids",                // vLLM
    "token_likelihoods",        // Cohere
    "tokens",                   // llama.cpp, TGI, Together; transcriptions of OpenAI
    "top_logprobs",             // OpenAI, of older models
    "top_probs",                // llama.cpp
    "top_tokens",               // TGI
];

/// The same by how their names end: `output_top_logprobs`, `generated_token_ids`.
const SPELL_BY_END: [&str; 3] = ["logprobs", "tokenids", "probabilities"];

/// Members of calls that ask for them.
const ASKS: [&str; 25] = [
    "decoder_input_details",      // TGI
    "details",                    // TGI
    "logprob_start_len",          // SGLang
    "logprob_token_ids",          // vLLM
    "logprobs",                   // OpenAI
    "n_probs",                    // llama.cpp
    "output_token_ids",           // vLLM
    "post_sampling_probs",        // llama.cpp
    "prompt_logprobs",            // vLLM
    "response_logprobs",          // Gemini
    "return_likelihoods",         // Cohere
    "return_logprob",             // SGLang
    "return_logprobs",            // LMDeploy, MLX
    "return_prompt_logprobs",     // SGLang
    "return_prompt_token_ids",    // vLLM
    "return_text_in_logprobs",    // SGLang
    "return_token_ids",           // vLLM
    "return_token_likelihoods",   // Cohere
    "return_tokens",              // llama.cpp
    "return_tokens_as_token_ids", // vLLM
    "token_ids_logprob",          // SGLang
    "top_logprobs",               // OpenAI
    "top_logprobs_num",           // SGLang
    "top_n_tokens",               // TGI
    "verbose",                    // llama.cpp: all of it once more
];

/// Members of calls whose members are read like those of the call.
const WITHIN: [&str; 7] = [
    "chat_template_kwargs",
    "extra_body",
    "generation_config",
    "options",
    "parameters",
    "provider",
    "sampling_params",
];

/// What holds words of somebody else, in which any name may stand for anything.
const OPAQUE: [&str; 9] = [
    "arguments",
    "input",
    "json_schema",
    "metadata",
    "parameters",
    "properties",
    "schema",
    "structured_content",
    "tools",
];

/// How deep is looked. Answers nest no deeper than what is read at all.
const MAX_DEPTH: usize = 127;

/// A name without what readers leave out of it: `topLogprobs` is `top_logprobs` to some.
fn folded(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_among(rows: &[&str], folded_name: &str) -> bool {
    let is = |row: &&str| row.bytes().filter(|byte| *byte != b'_').eq(folded_name.bytes());
    rows.iter().any(is)
}

fn spells(name: &str) -> bool {
    let name = folded(name);
    is_among(&SPELLS, &name) || SPELL_BY_END.iter().any(|end| name.ends_with(end))
}

/// Takes out of a call what asks for tokens one by one. `true` where something was.
pub(super) fn keep_to_text(call: &mut Map<String, Value>) -> bool {
    let before = call.len();
    call.retain(|name, _| {
        let name = folded(name);
        !is_among(&ASKS, &name)
    });
    let mut changed = call.len() < before;
    for (name, value) in call.iter_mut() {
        let name = folded(name);
        match value {
            Value::Array(parts) if matches!(&*name, "include" | "includes" | "includeparts") => {
                let before = parts.len();
                parts.retain(|part| !part.as_str().is_some_and(spells_by_end));
                changed |= parts.len() < before;
            }
            Value::Object(inner) if is_among(&WITHIN, &name) => changed |= keep_to_text(inner),
            _ => {}
        }
    }
    changed
}

fn spells_by_end(part: &str) -> bool {
    let part = folded(part);
    SPELL_BY_END.iter().any(|end| part.ends_with(end))
}

/// A message of an answer without what spells it: lists are empty, and objects are `null`. `None` where
/// there is none of that, or where nothing is looked for in answers.
pub(super) fn unspelled(data: &[u8], grant: &Grant) -> Option<Vec<u8>> {
    grant.endpoint().profile.response.as_ref()?;
    if !may_spell(data) {
        return None;
    }
    let mut message: Value = crate::json::value(data, MAX_DEPTH).ok()?;
    clean(&mut message).then(|| message.to_string().into_bytes())
}

/// Whether a name that spells may stand in it with something behind it. A name with an escape in it may
/// be any.
fn may_spell(data: &[u8]) -> bool {
    let mut rest = data;
    while let Some(at) = rest.iter().position(|byte| *byte == b'"') {
        let behind = rest.get(at + 1..).unwrap_or_default();
        let Some(end) = closing(behind) else { return true };
        let (text, after) = behind.split_at_checked(end).unwrap_or_default();
        rest = after.get(1..).unwrap_or_default();
        let value = rest.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        let is_list = value.is_some_and(|value| {
            let list = value.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
            matches!(value.first(), Some(b'[' | b'{')) && !list.is_some_and(|l| l.starts_with(b"]"))
        });
        let is_escaped = || text.contains(&b'\\');
        if is_list && (is_escaped() || str::from_utf8(text).is_ok_and(spells)) {
            return true;
        }
    }
    false
}

/// How far it is to the quotation mark that ends a string.
fn closing(source: &[u8]) -> Option<usize> {
    let mut escaped = false;
    source.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

fn clean(value: &mut Value) -> bool {
    match value {
        Value::Array(all) => all.iter_mut().fold(false, |changed, one| clean(one) | changed),
        Value::Object(members) => {
            let mut changed = false;
            for (name, value) in members.iter_mut() {
                let is_list = match value {
                    Value::Array(all) => !all.is_empty(),
                    Value::Object(_) => true,
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
                };
                if !is_list || is_among(&OPAQUE, &folded(name)) {
                    continue;
                }
                if spells(name) {
                    *value = if value.is_array() { Value::Array(Vec::new()) } else { Value::Null };
                    changed = true;
                } else {
                    changed |= clean(value);
                }
            }
            changed
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_spells_an_answer_is_emptied_and_what_only_has_such_a_name_stays() {
        let spelled = json!({
            "choices": [{ "index": 0, "token_ids": [1, 2],
                "logprobs": { "content": [{ "token": "ann", "bytes": [97] }] },
                "message": { "content": "x", "tool_calls": [{ "function": { "arguments": "{}" } }] } }],
            "meta_info": { "output_token_logprobs": [[-0.1, 5, "ann"]] },
            "usage": { "tokens": 5 }, "top_logprobs": 0, "__verbose": { "tokens": ["ann"] },
            "tools": [{ "parameters": { "properties": { "tokens": { "type": "array" } } } }],
        });
        let mut cleaned = spelled.clone();
        assert!(may_spell(spelled.to_string().as_bytes()));
        assert!(clean(&mut cleaned));
        let choice = cleaned.pointer("/choices/0").unwrap();
        assert_eq!(choice["logprobs"], Value::Null);
        assert_eq!(choice["token_ids"], json!([]));
        assert!(!cleaned.to_string().contains("ann"), "{cleaned}");
        assert_eq!(cleaned["tools"], spelled["tools"]);
        assert_eq!(cleaned["usage"], spelled["usage"]);
        assert!(!clean(&mut cleaned), "{cleaned}");
    }

    #[test]
    fn an_event_that_spells_nothing_is_not_read_again() {
        for event in [
            r#"{"choices":[{"delta":{"content":"\"logprobs\":[1"},"logprobs":null}]}"#,
            r#"{"type":"response.output_text.delta","delta":"x","logprobs":[ ]}"#,
            r#"{"usage":{"tokens":3}}"#,
        ] {
            assert!(!may_spell(event.as_bytes()), "{event}");
        }
        for event in [
            r#"{"logprobs" : {"content":[]}}"#,
            r#"{"logpr\u006fbs":{"content":[]}}"#,
            r#"{"a":"\\","promptLogprobs":[1]}"#,
        ] {
            assert!(may_spell(event.as_bytes()), "{event}");
        }
    }

    #[test]
    fn a_call_asks_for_no_tokens_however_it_says_so() {
        let asked = json!({ "model": "m", "n_probs": 3, "prompt_logprobs": 1, "returnTokenIds": true,
            "Logprobs": true, "extra_body": { "logprobs": true, "google": {} },
            "options": { "top_logprobs": 2, "seed": 1 },
            "chat_template_kwargs": { "logprobs": true, "enable_thinking": false },
            "include": ["message.output_text.logprobs", "x"] });
        let mut call = asked.as_object().cloned().unwrap();
        assert!(keep_to_text(&mut call));
        let left = json!({ "model": "m", "extra_body": { "google": {} }, "options": { "seed": 1 },
            "chat_template_kwargs": { "enable_thinking": false }, "include": ["x"] });
        assert_eq!(Value::Object(call.clone()), left);
        assert!(!keep_to_text(&mut call));
    }
}
