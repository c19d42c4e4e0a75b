//! Does this JSON have exactly one reading? Every member name once, nesting bounded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What is wrong with a document, and nothing of what stands in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unsound {
    /// A member's name twice in one object: readers differ in which of the two counts (RFC 8259
    /// section 4), and a check that reads the one and a handler that reads the other is a hole.
    #[error("a member stands twice in one object, at line {line}, column {column}")]
    Duplicate {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
    /// It is JSON, and no object.
    #[error("it is not an object")]
    NoObject,
    /// Not JSON, or nested too deeply.
    #[error("unexpected input at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in bytes.
        column: usize,
    },
}

/// A member of an object, under its name.
pub type Member = (String, Value);

/// Reads an object in which no object names a member twice, at any depth, and in which objects
/// and arrays nest at most `depth` deep.
///
/// # Errors
/// [`Unsound`] for anything else: another value, bytes that are no UTF-8, something behind the
/// object.
pub fn object(bytes: &[u8], depth: usize) -> Result<Map<String, Value>, Unsound> {
    match value(bytes, depth)? {
        Value::Object(members) => Ok(members),
        _ => Err(Unsound::NoObject),
    }
}

/// As [`object`], its members one behind the other as they stand: a handful of them is read, and
/// searched, in less time than it takes to hash their names.
///
/// # Errors
/// [`Unsound`] as [`value`]; what is no object is a syntax error here.
pub fn members(bytes: &[u8], depth: usize) -> Result<Vec<Member>, Unsound> {
    read(bytes, Members(Strict { depth }))
}

/// Reads a value by the same rules as [`object`].
///
/// # Errors
/// [`Unsound`] where a name stands twice, the nesting is too deep, or it is no JSON.
pub fn value(bytes: &[u8], depth: usize) -> Result<Value, Unsound> {
    read(bytes, Strict { depth })
}

fn read<T>(
    bytes: &[u8],
    seed: impl for<'de> DeserializeSeed<'de, Value = T>,
) -> Result<T, Unsound> {
    // Once for the whole document is cheaper than once for every string in it.
    let text = std::str::from_utf8(bytes).map_err(|error| no_text(bytes, error.valid_up_to()))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut reader);
    value.and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        // The word of the only error of ours that is told apart.
        if error.to_string().starts_with(TWICE) {
            Unsound::Duplicate { line, column }
        } else {
            Unsound::Syntax { line, column }
        }
    })
}

/// The byte at `at` is no UTF-8.
fn no_text(bytes: &[u8], at: usize) -> Unsound {
    let before = bytes.get(..at).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
    Unsound::Syntax { line, column }
}

/// As many members as most objects have at least.
const FEW: usize = 4;

/// As many members as the claims of most tokens have at most.
const MANY: usize = 16;

const TWICE: &str = "a member name stands twice";

/// How many levels may still open.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON in which no name stands twice")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        // One step of growth for nearly every object, in place of two or three.
        let mut object = Map::with_capacity(FEW);
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

/// The members of an object, of which only those within theirs are put into a table.
struct Members(Strict);

impl<'de> DeserializeSeed<'de> for Members {
    type Value = Vec<Member>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object in which no name stands twice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let inner = self.0.deeper()?;
        let mut read = Vec::with_capacity(MANY);
        while let Some(name) = members.next_key::<String>()? {
            read.push((name, members.next_value_seed(inner)?));
        }
        if stands_twice(&read) { Err(A::Error::custom(TWICE)) } else { Ok(read) }
    }
}

/// Whether two members have one name. Each with each is quickest for as many as a token has; more
/// are sorted, so that no object takes longer than its size allows.
fn stands_twice(members: &[Member]) -> bool {
    if members.len() <= MANY {
        let mut rest = members.iter();
        return std::iter::from_fn(|| rest.next().map(|(name, _)| (name, rest.clone())))
            .any(|(name, mut later)| later.any(|(other, _)| other == name));
    }
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":[{"a":1,"a":1}]}"#,
            r#"{"a":1,"\u0061":2}"#,
            "\u{feff}{}",
            "{} {}",
            "[]",
            "",
            "{\"a\":1e999}",
        ] {
            assert!(object(text.as_bytes(), 8).is_err(), "{text}");
            assert!(members(text.as_bytes(), 8).is_err(), "{text}");
        }
        let at = Unsound::Syntax { line: 2, column: 6 };
        assert_eq!(object(b"{\n\"a\":\"\xff\"}", 8), Err(at));
    }

    #[test]
    fn what_has_one_reading_is_what_any_reader_reads() {
        let text = r#" { "a" : [1, -2, 0.5, true, null, "é"], "b": {"a": {}} } "#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value(text.as_bytes(), 3).unwrap(), plain);
    }

    #[test]
    fn a_name_that_stands_twice_is_found_among_few_and_among_many() {
        for count in [2, MANY - 1, MANY, MANY + 1, 40 * MANY] {
            let name = |at: usize| format!("\"{at}\":[{at}]");
            let once: Vec<String> = (0..count).map(name).collect();
            let read = |names: &[String]| members(format!("{{{}}}", names.join(",")).as_bytes(), 2);
            let values = read(&once).unwrap();
            assert!(values.iter().enumerate().all(|(at, (name, value))| {
                *name == at.to_string() && *value == serde_json::json!([at])
            }));
            for at in [0, count / 2, count - 1] {
                let twice = [&*once, &[name(at)]].concat();
                assert!(matches!(read(&twice), Err(Unsound::Duplicate { .. })), "{at} of {count}");
            }
        }
    }

    #[test]
    fn the_error_says_where_and_never_what() {
        let told = |text: &str| value(text.as_bytes(), 8).unwrap_err().to_string();
        assert_eq!(told("{\"ssn\": 123-45-6789}"), "unexpected input at line 1, column 12");
        let twice = told(r#"[{"ssn":1,"ssn":2}]"#);
        assert!(twice.starts_with("a member stands twice") && !twice.contains("ssn"), "{twice}");
    }

    #[test]
    fn nesting_ends_where_it_is_told_to() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(value(nested(4).as_bytes(), 4).is_ok());
        assert!(value(nested(5).as_bytes(), 4).is_err());
        assert!(value("[".repeat(100_000).as_bytes(), 32).is_err());
        let held = |levels: usize| format!("{{\"a\":{}}}", nested(levels));
        assert!(members(held(4).as_bytes(), 5).is_ok());
        assert!(members(held(5).as_bytes(), 5).is_err());
    }
}
