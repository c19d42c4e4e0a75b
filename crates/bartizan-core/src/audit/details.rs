//! How much may the details of a record hold? So much that a record stays a line.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::canonical::EXACT;

/// The longest string of a record, in bytes; a user agent's is shorter.
pub const MAX_TEXT: usize = 1024;
/// All details of a record together, in bytes before escapes.
pub const MAX_BYTES: usize = 16 * 1024;
/// How deep details may be nested.
pub const MAX_DEPTH: usize = 8;

/// The longest beginning of `text` that has at most `most` bytes and splits no character.
#[must_use]
pub fn beginning(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or_default()
}

/// The details as they may be written. What is too long, too deep or too much is left out, and
/// `truncated: true` says so; an integer that no double equals becomes a string, for in canonical
/// JSON it would become another number.
#[must_use]
pub fn bounded(details: &Map<String, Value>) -> Cow<'_, Map<String, Value>> {
    let mut budget = MAX_BYTES;
    if details.iter().all(|(name, value)| fits(name, value, 1, &mut budget)) {
        return Cow::Borrowed(details);
    }
    let mut scissors = Scissors { left: MAX_BYTES, cut: false };
    let mut kept = scissors.object(details, 1);
    if scissors.cut {
        kept.insert("truncated".into(), true.into());
    }
    Cow::Owned(kept)
}

/// Whether a member may be written as it is; takes its size from the budget.
fn fits(name: &str, value: &Value, depth: usize, budget: &mut usize) -> bool {
    let size = name.len() + weight(value);
    if size > *budget || name.len() > MAX_TEXT || depth > MAX_DEPTH {
        return false;
    }
    *budget -= size;
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(n) => !inexact(n),
        Value::String(text) => text.len() <= MAX_TEXT,
        Value::Array(items) => items.iter().all(|item| fits("", item, depth + 1, budget)),
        Value::Object(members) => {
            members.iter().all(|(name, member)| fits(name, member, depth + 1, budget))
        }
    }
}

/// What a value costs by itself: without its members, and a string no more than what is kept.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => 2 + text.len().min(MAX_TEXT),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => 8,
    }
}

fn inexact(n: &serde_json::Number) -> bool {
    let beyond = |n: u64| n > EXACT;
    n.as_u64().is_some_and(beyond) || n.as_i64().is_some_and(|n| beyond(n.unsigned_abs()))
}

struct Scissors {
    left: usize,
    cut: bool,
}

impl Scissors {
    fn object(&mut self, members: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        let mut kept = Map::new();
        for (name, member) in members {
            let short = beginning(name, MAX_TEXT);
            self.cut |= short.len() < name.len();
            if let Some(member) = self.member(short, member, depth) {
                kept.insert(short.to_owned(), member);
            }
        }
        kept
    }

    /// The member as far as it may stay; nothing once the budget is spent.
    fn member(&mut self, name: &str, value: &Value, depth: usize) -> Option<Value> {
        let size = name.len() + weight(value);
        if size > self.left || depth > MAX_DEPTH {
            self.cut = true;
            return None;
        }
        self.left -= size;
        Some(match value {
            Value::Null | Value::Bool(_) => value.clone(),
            Value::Number(n) if inexact(n) => Value::String(n.to_string()),
            Value::Number(_) => value.clone(),
            Value::String(text) => {
                let short = beginning(text, MAX_TEXT);
                self.cut |= short.len() < text.len();
                Value::String(short.to_owned())
            }
            Value::Array(items) => {
                items.iter().filter_map(|item| self.member("", item, depth + 1)).collect()
            }
            Value::Object(members) => Value::Object(self.object(members, depth + 1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cut(details: &Value) -> Value {
        Value::Object(bounded(details.as_object().unwrap()).into_owned())
    }

    #[test]
    fn what_is_small_stays_as_it_is() {
        let small = json!({"status": 401, "entities": {"EMAIL": 2}, "at": ["/a", null]});
        assert_eq!(cut(&small), small);
    }

    #[test]
    fn what_is_too_long_too_deep_or_too_much_is_cut_and_says_so() {
        let long = cut(&json!({"a": "é".repeat(MAX_TEXT), "b": 1}));
        assert_eq!(long, json!({"a": "é".repeat(MAX_TEXT / 2), "b": 1, "truncated": true}));

        let deep = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
        let text = cut(&deep).to_string();
        assert_eq!(text.matches("\"a\"").count(), MAX_DEPTH);
        assert!(text.contains("truncated"));

        let much: Vec<String> = (0..1000).map(|n| format!("{n:0>100}")).collect();
        let text = cut(&json!({"much": much})).to_string();
        assert!(text.len() < MAX_BYTES + 1024, "{}", text.len());
        assert!(text.contains("truncated"));
    }

    #[test]
    fn an_integer_beyond_doubles_is_kept_as_text() {
        let details = json!({"n": u64::MAX, "m": i64::MIN, "ok": EXACT});
        let kept = json!({"n": u64::MAX.to_string(), "m": i64::MIN.to_string(), "ok": EXACT});
        assert_eq!(cut(&details), kept);
    }
}
