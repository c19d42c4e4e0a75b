//! The keys below `pii` and `audit`: what is hidden, and what is remembered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::super::decode::Located;
use super::leaf::{Count, Fraction, Source, Word};

/// Personal data: what is looked for, and what happens to it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pii {
    /// On the way in. Absent: nothing is looked for.
    pub request: Option<Located<Direction>>,
    /// On the way out. Absent: nothing is looked for.
    pub response: Option<Located<Direction>>,
    /// The character that `mask` writes. Default: `*`.
    pub mask_character: Option<Located<Word>>,
    /// How sure the engine must be. Default: 0.5.
    pub min_confidence: Option<Located<Fraction>>,
    /// Texts that are never personal data.
    #[serde(default)]
    pub allow: Vec<Located<Word>>,
    /// Texts that always are.
    #[serde(default)]
    pub block: Vec<Located<Word>>,
    /// Patterns of one's own.
    #[serde(default)]
    pub custom: Vec<Located<Custom>>,
    /// Regions, by ISO 3166 code, whose telephone numbers are found as people there write them: without
    /// the country's code, and without a word such as `phone` beside them. At most 8.
    #[serde(default)]
    pub phone_regions: Vec<Located<Word>>,
    /// What `hash` and `encrypt` work with: at least 32 bytes, as `openssl rand -hex 32` makes them.
    /// The same key gives the same words, also after a restart; `bartizan pii decrypt` reads what
    /// was encrypted.
    pub key: Option<Located<Source>>,
    /// Whether findings are written to the audit log: what and where, never the value. Default:
    /// `true`.
    pub log_detections: Option<Located<bool>>,
}

/// One way of the traffic.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Direction {
    /// The entities to look for, as `EMAIL_ADDRESS` or `EMAIL`.
    #[serde(default)]
    pub detect: Vec<Located<Word>>,
    /// What happens to what is found. Default: `mask`.
    pub action: Option<Located<Action>>,
    /// So many first characters of what is masked stay. Default: 0. Of a secret nothing stays.
    pub keep_first: Option<Located<Count>>,
    /// So many last characters of what is masked stay. Default: 0.
    pub keep_last: Option<Located<Count>>,
    /// What happens to single entities, where it is something else: an action, or `action` with
    /// `keep_first` and `keep_last`, as `CREDIT_CARD: { action: mask, keep_last: 4 }`.
    #[serde(default)]
    pub actions: BTreeMap<String, Located<Treatment>>,
}

/// What happens to what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is told and passes.
    Detect,
    /// Its characters are replaced by the mask character.
    Mask,
    /// It is taken out.
    Redact,
    /// The name of its kind stands in its place.
    Replace,
    /// A keyed hash stands in its place; needs `key`.
    Hash,
    /// It is encrypted in its place (AES-SIV); needs `key`.
    Encrypt,
    /// The digits of a number are encrypted to as many digits (FF1), all else as by `encrypt`; needs
    /// `key`.
    EncryptDigits,
    /// A placeholder stands in its place; the answer has it back. For requests only.
    Tokenise,
    /// The request, or the answer, is refused.
    Block,
}

/// What happens to one entity: an action, or one with its particulars.
#[derive(Clone, Debug)]
pub struct Treatment {
    /// What happens to it.
    pub action: Action,
    /// So many first characters stay.
    pub keep_first: Option<Located<Count>>,
    /// So many last characters stay.
    pub keep_last: Option<Located<Count>>,
}

/// What happens to one entity, with its particulars.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Particulars {
    /// What happens to it.
    action: Action,
    /// So many first characters of what is masked stay. Default: 0.
    keep_first: Option<Located<Count>>,
    /// So many last characters of what is masked stay. Default: 0.
    keep_last: Option<Located<Count>>,
}

impl<'de> Deserialize<'de> for Treatment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreatmentVisitor)
    }
}

struct TreatmentVisitor;

impl<'de> Visitor<'de> for TreatmentVisitor {
    type Value = Treatment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an action, or `{ action, keep_first, keep_last }`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Treatment, E> {
        let action = Action::deserialize(StrDeserializer::<E>::new(text))?;
        Ok(Treatment { action, keep_first: None, keep_last: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Treatment, A::Error> {
        let long = Particulars::deserialize(MapAccessDeserializer::new(map))?;
        let Particulars { action, keep_first, keep_last } = long;
        Ok(Treatment { action, keep_first, keep_last })
    }
}

impl JsonSchema for Treatment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Treatment".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<Action>();
        let long = generator.subschema_for::<Particulars>();
        json_schema!({
            "x-expects": "`detect`, `mask`, `redact`, `replace`, `hash`, `encrypt`, `encrypt_digits`, \
                          `tokenise` or `block`, or `{ action, keep_first, keep_last }`",
            "anyOf": [short, long],
        })
    }
}

/// A pattern of one's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// Its name in upper snake case.
    pub entity: Located<Word>,
    /// A regular expression (linear time: no look-around, no back-references).
    pub pattern: Located<Word>,
    /// How sure a match is. Default: 1.0.
    pub confidence: Option<Located<Fraction>>,
    /// Words of which one stands before the value: then it counts 0.4 more.
    #[serde(default)]
    pub context: Vec<Located<Word>>,
    /// The longest match in bytes, up to 4096; what lies beyond is not looked at. Default: 256.
    pub max_length: Option<Located<Count>>,
}

/// What is remembered of every request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Where records go: `file://PATH` or `stdout:`. Default: `file://logs/audit.jsonl`.
    pub destination: Option<Located<Source>>,
    /// `sync`: an answer ends only when its record is on the disk. `batch`: soon after. Default:
    /// `sync`.
    pub durability: Option<Located<Durability>>,
    /// Which events are written. Absent: all. `REQUEST_*`, `CHECKPOINT`, `CONFIG_CHANGED`,
    /// `ADMIN_ACTION` and gap records are always written.
    pub events: Option<Located<Vec<Located<Word>>>>,
    /// Refusals at the door, and requests that cannot be read, from one address beyond so many each
    /// second become one record with a count. Default: 10.
    pub refusals_per_second: Option<Located<Count>>,
}

/// When a record is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Before the answer ends.
    Sync,
    /// Soon after.
    Batch,
}
