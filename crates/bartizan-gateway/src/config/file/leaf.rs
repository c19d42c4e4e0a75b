//! The smallest parts of the file: texts with a meaning, and values that come from elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::decode::{Located, TEXT};

/// The member of a schema that says in words what is expected; messages are made from it.
pub const EXPECTS: &str = "x-expects";

/// A row for each kind of text: its name, which JSON types may write it, and what is expected in
/// words.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident: $types:tt, $expects:literal, $examples:tt;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub String);

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct(TEXT, TextVisitor).map($name)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": $types, "x-expects": $expects, "examples": $examples })
            }
        }
    )*};
}

texts! {
    /// A plain text: a name, a path, a pattern.
    Word: ["string"], "text", [];
    /// A number of bytes.
    Size: ["string", "integer"], "a size such as `1MB` or `64KiB`", ["1MB", "64KiB", 4096];
    /// A length of time.
    Span: ["string"], "a duration such as `10s`, `5m` or `30d`", ["10s", "5m", "30d"];
    /// So many in a window.
    RateText: ["string"], "a rate such as `5/minute`", ["5/minute", "100/10s"];
    /// A whole number.
    Count: ["integer", "string"], "a whole number", [60];
    /// US dollars, exact to nine places.
    Amount: ["number", "string"], "an amount in dollars such as `100` or `0.25`", [100, "0.25"];
    /// A number from 0 to 1.
    Fraction: ["number", "string"], "a number from 0 to 1", [0.5];
    /// An address and a port.
    Listen: ["string"], "an address and a port such as `127.0.0.1:8000`", ["127.0.0.1:8000", "[::]:8443"];
    /// A range of addresses.
    Network: ["string"], "a range of addresses such as `10.0.0.0/8`", ["10.0.0.0/8", "2001:db8::/32"];
    /// An instant.
    Instant: ["string"], "an instant of RFC 3339 such as `2027-01-01T00:00:00Z`", ["2027-01-01T00:00:00Z"];
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

/// A value that may be secret: written here, or named. Prints as `***`.
#[derive(Clone)]
pub enum Source {
    /// It stands in the file (perhaps as `${NAME}`).
    Inline(SecretString),
    /// It is this environment variable.
    Env(String),
    /// It is the text of this file.
    File(String),
    /// It is the text of the file of this name in the folder `secrets`.
    Mounted(String),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Inline(_) => f.write_str("***"),
            Source::Env(name) => write!(f, "{{ env: {name} }}"),
            Source::File(path) => write!(f, "{{ file: {path} }}"),
            Source::Mounted(name) => write!(f, "{{ secret: {name} }}"),
        }
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = Source;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, `{ env: NAME }`, `{ file: PATH }` or `{ secret: NAME }`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Source, E> {
        Ok(Source::Inline(SecretString::from(text)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Source, A::Error> {
        let entry: Option<(String, String)> = map.next_entry()?;
        match entry {
            Some((key, name)) if key == "env" => Ok(Source::Env(name)),
            Some((key, path)) if key == "file" => Ok(Source::File(path)),
            Some((key, name)) if key == "secret" => Ok(Source::Mounted(name)),
            _ => Err(de::Error::custom("expected `env`, `file` or `secret`")),
        }
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A value that may be secret: written here, or named.",
            "x-expects": "text, `{ env: NAME }`, `{ file: PATH }` or `{ secret: NAME }`",
            "anyOf": [
                { "type": "string" },
                { "type": "object", "properties": { "env": { "type": "string", "minLength": 1 } }, "required": ["env"],
                  "additionalProperties": false },
                { "type": "object", "properties": { "file": { "type": "string", "minLength": 1 } }, "required": ["file"],
                  "additionalProperties": false },
                { "type": "object", "properties": { "secret": { "type": "string", "minLength": 1 } }, "required": ["secret"],
                  "additionalProperties": false },
            ],
        })
    }
}

/// One text, or a list of them.
#[derive(Clone, Debug, Default)]
pub struct OneOrMany(pub Vec<Located<Word>>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let located = Located::<Either>::deserialize(deserializer)?;
        Ok(OneOrMany(match located.value {
            Either::One(text) => {
                vec![Located { place: located.place, key: located.key, value: Word(text) }]
            }
            Either::Many(texts) => texts,
        }))
    }
}

enum Either {
    One(String),
    Many(Vec<Located<Word>>),
}

impl<'de> Deserialize<'de> for Either {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherVisitor)
    }
}

struct EitherVisitor;

impl<'de> Visitor<'de> for EitherVisitor {
    type Value = Either;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Either, E> {
        Ok(Either::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Either, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Either::Many(texts))
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-expects": "text or a list of texts",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
