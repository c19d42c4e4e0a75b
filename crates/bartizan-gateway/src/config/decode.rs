//! How does a tree become the file form? A serde deserializer that tells each value its place.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::{StrDeserializer, StringDeserializer, U32Deserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Value;

use super::tree::{Kind, Node, Place};

/// A value, and where it stands in the file.
#[derive(Clone)]
pub struct Located<T> {
    /// The place of the value.
    pub place: Place,
    /// The place of its key, which is the better one to point at when the value is a whole section.
    pub key: Place,
    /// The value.
    pub value: T,
}

/// Why a tree is not of the expected form. Holds no value of the file.
#[derive(Clone, Debug)]
pub struct DecodeError {
    /// Where, when it is known.
    pub place: Option<Place>,
    /// What was expected.
    pub message: String,
}

/// The tree as a `T`.
///
/// # Errors
///
/// The first place at which the tree is no `T`.
pub fn decode<T: for<'de> Deserialize<'de>>(node: &Node) -> Result<T, DecodeError> {
    T::deserialize(node)
}

/// Under this name a newtype takes the text of any scalar, as it was written: `100.00` stays
/// `100.00`.
pub(super) const TEXT: &str = "$text";
const LOCATED: &str = "$located";
const LOCATED_FIELDS: &[&str] = &["pointer", "line", "column", "key_line", "key_column", "value"];

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_struct(LOCATED, LOCATED_FIELDS, LocatedVisitor(PhantomData))
    }
}

struct LocatedVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for LocatedVisitor<T> {
    type Value = Located<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the configuration")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Located<T>, A::Error> {
        fn part<'de, P: Deserialize<'de>, A: SeqAccess<'de>>(parts: &mut A) -> Result<P, A::Error> {
            parts.next_element()?.ok_or_else(|| de::Error::custom("a place was expected"))
        }
        let pointer: String = part(&mut parts)?;
        let place =
            Place { pointer: pointer.clone(), line: part(&mut parts)?, column: part(&mut parts)? };
        let key = Place { pointer, line: part(&mut parts)?, column: part(&mut parts)? };
        Ok(Located { place, key, value: part(&mut parts)? })
    }
}

/// Hands out what [`LocatedVisitor`] takes in, in that order.
struct LocatedParts<'a> {
    node: &'a Node,
    next: usize,
}

impl<'de> SeqAccess<'de> for LocatedParts<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let number = |n: u32| -> U32Deserializer<DecodeError> { n.into_deserializer() };
        let node = self.node;
        self.next += 1;
        match self.next {
            1 => {
                let text: StringDeserializer<DecodeError> =
                    node.place.pointer.clone().into_deserializer();
                seed.deserialize(text).map(Some)
            }
            2 => seed.deserialize(number(node.place.line)).map(Some),
            3 => seed.deserialize(number(node.place.column)).map(Some),
            4 => seed.deserialize(number(node.key.line)).map(Some),
            5 => seed.deserialize(number(node.key.column)).map(Some),
            6 => seed.deserialize(node).map(Some),
            _ => Ok(None),
        }
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let done = match &self.kind {
            Kind::List(items) => visitor.visit_seq(Items { items: items.iter() }),
            Kind::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None })
            }
            Kind::Scalar(scalar) => match &scalar.value {
                Value::Null => visitor.visit_unit(),
                Value::Bool(value) => visitor.visit_bool(*value),
                Value::Number(number) => {
                    match (number.as_u64(), number.as_i64(), number.as_f64()) {
                        (Some(value), _, _) => visitor.visit_u64(value),
                        (None, Some(value), _) => visitor.visit_i64(value),
                        (None, None, value) => visitor.visit_f64(value.unwrap_or(f64::NAN)),
                    }
                }
                _ => visitor.visit_str(&scalar.text),
            },
        };
        done.map_err(|error| error.at(&self.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.kind {
            Kind::Scalar(scalar) if name == TEXT => visitor.visit_str(&scalar.text),
            _ if name == TEXT => Err(DecodeError::plain("text was expected").at(&self.place)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if name == LOCATED {
            visitor.visit_seq(LocatedParts { node: self, next: 0 })
        } else {
            self.deserialize_any(visitor)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.kind {
            Kind::Scalar(scalar) => {
                let variant: StrDeserializer<'_, DecodeError> =
                    scalar.text.as_str().into_deserializer();
                visitor.visit_enum(variant).map_err(|error| error.at(&self.place))
            }
            _ => Err(DecodeError::plain("a word was expected").at(&self.place)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        self.items.next().map(|node| seed.deserialize(node)).transpose()
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, (String, Node)>,
    value: Option<&'a Node>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = DecodeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        let Some((key, node)) = self.entries.next() else { return Ok(None) };
        self.value = Some(node);
        let name: StrDeserializer<'_, DecodeError> = key.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, DecodeError> {
        let node = self
            .value
            .take()
            .ok_or_else(|| DecodeError::plain("a key was expected before its value"))?;
        seed.deserialize(node)
    }
}

impl DecodeError {
    fn plain(message: &str) -> Self {
        DecodeError { place: None, message: message.to_owned() }
    }

    fn at(mut self, place: &Place) -> Self {
        self.place.get_or_insert_with(|| place.clone());
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<M: fmt::Display>(message: M) -> Self {
        DecodeError::plain(&message.to_string())
    }

    // serde's own words repeat the value, which may be a secret.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DecodeError::plain(&format!("expected {expected}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        DecodeError::plain(&format!("expected {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        DecodeError::plain(&format!("expected one of {}", expected.join(", ")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tree::parse;
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let (tree, _) = parse("a:\n  - one\n  - two\n").unwrap();
        let map: BTreeMap<String, Located<Vec<Located<String>>>> = decode(&tree).unwrap();
        assert_eq!((map["a"].key.line, map["a"].key.column), (1, 1));
        assert_eq!(map["a"][1].value, "two");
        assert_eq!(map["a"][1].place, Place { pointer: "/a/1".to_owned(), line: 3, column: 5 });
    }

    #[test]
    fn an_error_repeats_no_value() {
        let (tree, _) = parse("a: hunter2").unwrap();
        let error = decode::<BTreeMap<String, u32>>(&tree).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(error.place.unwrap().pointer, "/a");
    }
}
