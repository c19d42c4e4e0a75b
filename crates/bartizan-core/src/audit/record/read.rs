//! Is a line of the log a record, whole and unaltered?

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{Hash, canonical};

/// The longest line that is read as a record, its end included. None that is written comes near.
pub const MAX_LINE: usize = 1 << 20;

/// A line of the log that is whole and unaltered by its own account. Whether it stands where it
/// should is the chain's question: see [`Verifier`](crate::audit::chain::Verifier).
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// The hash of the record before it.
    pub prev: Hash,
    /// Its own hash.
    pub hash: Hash,
    members: Map<String, Value>,
}

/// Why a line is not a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Malformed {
    /// The hash is not that of the other members.
    #[error("the record was altered: its hash is not that of its content")]
    Altered,
    /// Valid JSON, but not in the one form in which records are written. Duplicate members, other
    /// orders, spaces and needless escapes all come to this.
    #[error("the record was rewritten: it is not in canonical form")]
    NotCanonical,
    /// No JSON object with a number and two hashes.
    #[error("the line is not a record")]
    NotRecord,
    /// It is longer than any record.
    #[error("the line is longer than any record")]
    TooLong,
    /// The line has no end.
    #[error("the line is cut off")]
    Torn,
}

impl Record {
    /// Reads one line, its line feed included.
    ///
    /// # Errors
    /// Whatever is not, byte for byte, what [`write()`](super::write()) would have written.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        if line.len() > MAX_LINE {
            return Err(Malformed::TooLong);
        }
        let text = line.strip_suffix(b"\n").ok_or(Malformed::Torn)?;
        let read = serde_json::from_slice(text).map_err(|_| Malformed::NotRecord)?;
        let Value::Object(mut members) = read else { return Err(Malformed::NotRecord) };
        let hash = |name: &str| members.get(name).and_then(Value::as_str).and_then(Hash::parse);
        let seq = members.get("seq").and_then(Value::as_u64);
        let (Some(seq), Some(prev), Some(hash)) = (seq, hash("prev"), hash("hash")) else {
            return Err(Malformed::NotRecord);
        };
        let mut written = Vec::with_capacity(text.len());
        canonical::object(&members, &mut written);
        if written != text {
            return Err(Malformed::NotCanonical);
        }
        written.clear();
        members.remove("hash");
        canonical::object(&members, &mut written);
        if Hash(Sha256::digest(&written).into()) != hash {
            return Err(Malformed::Altered);
        }
        Ok(Self { seq, prev, hash, members })
    }

    /// Its members, without the hash.
    #[must_use]
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// Its members, without the hash.
    #[must_use]
    pub fn into_members(self) -> Map<String, Value> {
        self.members
    }

    /// The string at `path`, such as `["principal", "id"]`; empty where there is none.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> &str {
        let (last, path) = path.split_last().unwrap_or((&"", &[]));
        let start = Some(&self.members);
        let parent = path.iter().fold(start, |at, name| at?.get(*name)?.as_object());
        parent.and_then(|at| at.get(*last)).and_then(Value::as_str).unwrap_or_default()
    }
}
