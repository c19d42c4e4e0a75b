//! Which steps does a chain have, and what do they take from one another?

use std::time::Duration;

use serde_json::{Map, Value};

/// The bounds of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bounds {
    /// The most steps.
    pub max_steps: usize,
    /// The most that the results may hold together, in bytes.
    pub max_result_bytes: usize,
    /// How long all steps together may take.
    pub deadline: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        let deadline = Duration::from_mins(5);
        Self { max_steps: 16, max_result_bytes: 1_000_000, deadline }
    }
}

/// An ordered list of calls, as the client wrote it.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The steps, in their order.
    pub chain: Vec<Step>,
    /// Whether a step that failed leaves the following ones to be tried.
    #[serde(default)]
    pub continue_on_error: bool,
}

/// One call of a chain.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The verb.
    pub verb: String,
    /// The path, without a query.
    pub path: String,
    /// The body; a string `$steps.N.member…` in it stands for what step N answered.
    #[serde(default)]
    pub params: Map<String, Value>,
    /// That somebody has agreed to this step.
    #[serde(default)]
    pub approval_id: Option<String>,
}

/// Why a step cannot be taken. The client must write another chain.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unresolved {
    /// The step refers to one that does not stand before it, or that has no result.
    #[error("step {step} refers to the result of step {to}, which is not there")]
    Step {
        /// The step that refers, from 0.
        step: usize,
        /// What it refers to.
        to: usize,
    },
    /// The result has no such member.
    #[error("step {step} refers to a member that the result of step {to} does not have")]
    Member {
        /// The step that refers, from 0.
        step: usize,
        /// What it refers to.
        to: usize,
    },
}

/// The body of step `step`, with its references replaced by what `results` hold.
///
/// References are read once, in what the client itself wrote: what comes out of a result is
/// data, and never read as a reference again.
///
/// # Errors
/// [`Unresolved`] where a reference leads nowhere.
pub fn resolve(
    step: usize,
    params: &Map<String, Value>,
    results: &[Option<Value>],
) -> Result<Value, Unresolved> {
    let resolved =
        params.iter().map(|(name, value)| Ok((name.clone(), resolve_value(step, value, results)?)));
    resolved.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn resolve_value(
    step: usize,
    value: &Value,
    results: &[Option<Value>],
) -> Result<Value, Unresolved> {
    match value {
        Value::String(text) => match reference(text) {
            Some((to, members)) => look_up(step, to, members, results),
            None => Ok(value.clone()),
        },
        Value::Array(items) => {
            let items = items.iter().map(|item| resolve_value(step, item, results));
            items.collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        Value::Object(members) => resolve(step, members, results),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(value.clone()),
    }
}

/// Reads `$steps.0.summary.words`; anything else is an ordinary text.
fn reference(text: &str) -> Option<(usize, &str)> {
    let rest = text.strip_prefix("$steps.")?;
    let (number, members) = rest.split_once('.').unwrap_or((rest, ""));
    Some((number.parse().ok()?, members))
}

fn look_up(
    step: usize,
    to: usize,
    members: &str,
    results: &[Option<Value>],
) -> Result<Value, Unresolved> {
    let missing = Unresolved::Step { step, to };
    let earlier = results.get(..step).unwrap_or(results);
    let mut value = earlier.get(to).and_then(Option::as_ref).ok_or(missing)?;
    for member in members.split('.').filter(|member| !member.is_empty()) {
        let inner = match value {
            Value::Array(items) => member.parse::<usize>().ok().and_then(|at| items.get(at)),
            other => other.get(member),
        };
        value = inner.ok_or(Unresolved::Member { step, to })?;
    }
    Ok(value.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(params: &Value, results: &[Option<Value>]) -> Result<Value, Unresolved> {
        resolve(results.len(), params.as_object().unwrap(), results)
    }

    #[test]
    fn references_reach_into_earlier_results() {
        let results = [Some(json!({ "summary": "short", "list": [{ "id": 7 }] }))];
        let params = json!({ "a": "$steps.0.summary", "b": ["$steps.0.list.0.id"], "c": "$5" });
        let expected = json!({ "a": "short", "b": [7], "c": "$5" });
        assert_eq!(resolved(&params, &results).unwrap(), expected);
    }

    #[test]
    fn what_comes_out_of_a_result_is_never_read_as_a_reference() {
        let results = [Some(json!({ "x": "$steps.1.secret" })), Some(json!({ "secret": "s" }))];
        let params = json!({ "a": "$steps.0.x" });
        assert_eq!(resolved(&params, &results).unwrap(), json!({ "a": "$steps.1.secret" }));
    }

    #[test]
    fn a_reference_that_leads_nowhere_is_an_error_and_never_null() {
        let results = [Some(json!({})), None];
        for (params, to) in [("$steps.2.x", 2), ("$steps.1.x", 1), ("$steps.9", 9)] {
            let error = resolved(&json!({ "a": params }), &results).unwrap_err();
            assert_eq!(error, Unresolved::Step { step: 2, to });
        }
        let error = resolved(&json!({ "a": "$steps.0.x" }), &results).unwrap_err();
        assert_eq!(error, Unresolved::Member { step: 2, to: 0 });
    }
}
