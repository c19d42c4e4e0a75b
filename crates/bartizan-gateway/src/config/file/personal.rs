//! The keys below `pii` and `audit`: what is hidden, and what is remembered.

use schemars::JsonSchema;
use serde::Deserialize;

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
    /// What happens to what is found.
    pub action: Option<Located<Action>>,
}

/// What happens to what is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is told and passes.
    Detect,
    /// Its characters are replaced by the mask character.
    Mask,
    /// It is taken out.
    Redact,
    /// The name of its kind stands in its place.
    Replace,
    /// A keyed hash stands in its place.
    Hash,
    /// A token stands in its place; the answer has it back.
    Tokenise,
    /// The request, or the answer, is refused.
    Block,
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
}

/// What is remembered of every request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// Where records go: `file://PATH`, `stdout:` or `postgres:`. Default:
    /// `file://logs/audit.jsonl`.
    pub destination: Option<Located<Source>>,
    /// `sync`: an answer ends only when its record is on the disk. `batch`: soon after. Default:
    /// `sync`.
    pub durability: Option<Located<Durability>>,
    /// Which events are written. Absent: all. `REQUEST_*`, `CHECKPOINT`, `CONFIG_CHANGED`,
    /// `ADMIN_ACTION` and gap records are always written.
    pub events: Option<Located<Vec<Located<Word>>>>,
    /// Refusals at the door from one address beyond this become one record with a count. Default:
    /// 10.
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
