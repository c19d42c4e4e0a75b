//! Does this JSON have exactly one reading? Every member name once, nesting bounded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads an object in which no object names a member twice, at any depth, and in which objects
/// and arrays nest at most `depth` deep.
///
/// Readers differ in which of two equal names counts (RFC 8259 section 4): a check that reads the
/// one and a handler that reads the other is a hole.
///
/// # Errors
/// For anything else: another value, bytes that are no UTF-8, something behind the object.
pub fn object(bytes: &[u8], depth: usize) -> Result<Map<String, Value>, serde_json::Error> {
    match value(bytes, depth)? {
        Value::Object(members) => Ok(members),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

/// Reads a value by the same rules as [`object`].
///
/// # Errors
/// Where a name stands twice, the nesting is too deep, or it is no JSON.
pub fn value(bytes: &[u8], depth: usize) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

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
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member name stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
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
        }
        assert!(object(b"{\"a\":\"\xff\"}", 8).is_err());
    }

    #[test]
    fn what_has_one_reading_is_what_any_reader_reads() {
        let text = r#" { "a" : [1, -2, 0.5, true, null, "é"], "b": {"a": {}} } "#;
        let plain: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value(text.as_bytes(), 3).unwrap(), plain);
    }

    #[test]
    fn nesting_ends_where_it_is_told_to() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(value(nested(4).as_bytes(), 4).is_ok());
        assert!(value(nested(5).as_bytes(), 4).is_err());
        assert!(value("[".repeat(100_000).as_bytes(), 32).is_err());
    }
}
