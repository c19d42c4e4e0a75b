//! Is it JSON that every reader reads alike? No duplicate members, bounded depth.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Invalid, Media};

/// What is wrong with a document, and nothing of what stands in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsound {
    /// A member's name twice in one object: readers differ in which of them they take
    /// (RFC 8259 section 4).
    #[error("a member stands twice in one object, at line {line}, column {column}")]
    Duplicate {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// Not JSON, or nested deeper than 128.
    #[error("unexpected input at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
}

const DUPLICATE: &str = "duplicate member";

/// Reads one document.
///
/// # Errors
/// [`Unsound`] for what is not JSON, nested deeper than 128, or says one member twice.
pub fn parse(bytes: &[u8]) -> Result<Value, Unsound> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(value)) => Ok(value),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            // The only custom error that is raised below.
            if error.to_string().starts_with(DUPLICATE) {
                Err(Unsound::Duplicate { line, column })
            } else {
                Err(Unsound::Syntax { line, column })
            }
        }
    }
}

/// Reads the document of a call; no body at all is `{}`, so that a schema says what is missing.
///
/// # Errors
/// [`Invalid::Media`] where the client says that it is something else; [`Invalid::Json`].
pub(super) fn document(bytes: &[u8], media: Media) -> Result<Value, Invalid> {
    match media {
        Media::Json | Media::Unnamed => {}
        Media::Form | Media::Text | Media::Other => return Err(Invalid::Media),
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Object(Map::new()));
    }
    parse(bytes).map_err(Invalid::Json)
}

/// A [`Value`] without a member said twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_said_twice_is_refused_at_every_depth() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert!(matches!(parse(text.as_bytes()), Err(Unsound::Duplicate { .. })), "{text}");
        }
        assert_eq!(parse(br#"{"a":{"a":1}}"#).unwrap()["a"]["a"], 1);
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(100).as_bytes()).is_ok());
        assert!(matches!(parse(nested(200).as_bytes()), Err(Unsound::Syntax { .. })));
        assert!(matches!(parse(&[b'['; 100_000]), Err(Unsound::Syntax { .. })));
    }

    #[test]
    fn the_error_says_where_and_never_what() {
        let error = parse(b"{\"ssn\": 123-45-6789}").unwrap_err().to_string();
        assert_eq!(error, "unexpected input at line 1, column 12");
    }
}
