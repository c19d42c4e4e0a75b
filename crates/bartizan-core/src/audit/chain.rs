//! Is the log whole? Each record carries the hash of the one before it.
//!
//! A chain shows that something was altered, removed, inserted or put elsewhere. It does not stop
//! whoever may write the file from writing a whole new chain, and the last records of a file can
//! be cut off without a trace: for both, its head must be attested elsewhere.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Entry;
use super::record::{self, Hash, Malformed, Outline, Place, Record};

/// The last record of a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Its number; 0 where there is none yet.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Head {
    /// The head of a chain that has no record yet.
    pub const EMPTY: Self = Self { seq: 0, hash: Hash::NONE };
}

/// A chain that grows. It has one writer.
#[derive(Clone, Debug)]
pub struct Chain {
    gateway: Arc<str>,
    name: Arc<str>,
    head: Head,
}

impl Chain {
    /// The chain `name` of `gateway`, which goes on after `head`.
    #[must_use]
    pub fn new(gateway: Arc<str>, name: Arc<str>, head: Head) -> Self {
        Self { gateway, name, head }
    }

    /// Its last record.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Numbers `entry` and appends its line to `out`.
    pub fn append(&mut self, entry: &Entry, out: &mut Vec<u8>) {
        let hash = record::write(entry, self.next(), out);
        self.head = Head { seq: self.head.seq + 1, hash };
    }

    /// Numbers an entry that was outlined as `bytes`, and appends its line to `out`.
    pub fn seal(&mut self, outline: Outline, bytes: &[u8], out: &mut Vec<u8>) {
        let hash = record::seal(outline, bytes, self.next(), out);
        self.head = Head { seq: self.head.seq + 1, hash };
    }

    /// Numbers a record made from a record, and appends its line to `out`.
    pub fn append_members(&mut self, members: Map<String, Value>, out: &mut Vec<u8>) {
        let hash = record::write_members(members, self.next(), out);
        self.head = Head { seq: self.head.seq + 1, hash };
    }

    /// Forgets what came after `head`: it did not reach its medium.
    pub fn rewind(&mut self, head: Head) {
        self.head = head;
    }

    fn next(&self) -> Place<'_> {
        let Self { gateway, name, head } = self;
        Place { seq: head.seq + 1, prev: head.hash, gateway, chain: name }
    }
}

/// Reads a chain from its first line on, and stops at the first one that is not what it was. It may lie in
/// several files, and a file may begin a chain of its own.
#[derive(Clone, Debug)]
pub struct Verifier {
    line: u64,
    head: Head,
    records: u64,
    chains: u64,
}

/// The first record of a chain that is not what it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Broken {
    /// The line, from 1.
    pub line: u64,
    /// The number that the record gives itself, if it is one.
    pub seq: Option<u64>,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a record, or with its place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Why {
    /// The line is no sound record.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// Its number is higher than the next one.
    #[error("records are missing before it, or it was moved here: number {expected} was expected")]
    Missing {
        /// The number that should stand here.
        expected: u64,
    },
    /// Its number was there before.
    #[error("the record was inserted or moved here: number {expected} was expected")]
    OutOfOrder {
        /// The number that should stand here.
        expected: u64,
    },
    /// Its number fits; the record before it is another one than when it was written.
    #[error("the record before it was replaced, or this one was: `prev` is not its hash")]
    Unchained,
}

impl Default for Verifier {
    fn default() -> Self {
        Self { line: 0, head: Head::EMPTY, records: 0, chains: 0 }
    }
}

impl Verifier {
    /// The next line is the first one of another file: it goes on with the chain, or begins one.
    pub fn next_file(&mut self) {
        self.line = 0;
    }

    /// Takes the next line, its line feed included, and returns the record.
    ///
    /// # Errors
    /// The line does not continue what came before. Nothing after it means anything.
    pub fn feed(&mut self, line: &[u8]) -> Result<Record, Broken> {
        self.line += 1;
        let at = self.line;
        let broken = |seq, why| Broken { line: at, seq, why };
        let record = Record::parse(line).map_err(|why| broken(None, Why::Malformed(why)))?;
        if at == 1 && (record.seq, record.prev) == (1, Hash::NONE) {
            self.head = Head::EMPTY;
            self.chains += 1;
        }
        let expected = self.head.seq + 1;
        let why = match record.seq.cmp(&expected) {
            std::cmp::Ordering::Greater => Some(Why::Missing { expected }),
            std::cmp::Ordering::Less => Some(Why::OutOfOrder { expected }),
            std::cmp::Ordering::Equal if record.prev != self.head.hash => Some(Why::Unchained),
            std::cmp::Ordering::Equal => None,
        };
        if let Some(why) = why {
            return Err(broken(Some(record.seq), why));
        }
        self.head = Head { seq: record.seq, hash: record.hash };
        self.records += 1;
        Ok(record)
    }

    /// How many records were sound.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many chains began.
    #[must_use]
    pub fn chains(&self) -> u64 {
        self.chains
    }

    /// The last sound record.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(seq) = self.seq {
            write!(f, ", record {seq}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl std::error::Error for Broken {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Event, Outcome};
    use crate::time::Timestamp;
    use proptest::prelude::*;

    fn lines(count: u64) -> Vec<Vec<u8>> {
        let mut chain = Chain::new("gate".into(), "main".into(), Head::EMPTY);
        let line = |n: u64| {
            let mut out = Vec::new();
            let mut details = Map::new();
            details.insert("n".into(), n.into());
            let entry = Entry {
                event: Event::AdminAction,
                outcome: Outcome::Allow,
                time: Timestamp(n),
                facts: None,
                reason: Some("été".into()),
                details,
                end: None,
            };
            chain.append(&entry, &mut out);
            out
        };
        (0..count).map(line).collect()
    }

    fn verify(lines: &[Vec<u8>]) -> Result<Head, Broken> {
        let mut verifier = Verifier::default();
        for line in lines {
            verifier.feed(line)?;
        }
        Ok(verifier.head())
    }

    /// As a file is read: whatever ends a line ends it.
    fn verify_bytes(bytes: &[u8]) -> Result<Head, Broken> {
        let lines: Vec<Vec<u8>> = bytes.split_inclusive(|&b| b == b'\n').map(Vec::from).collect();
        verify(&lines)
    }

    #[test]
    fn an_untouched_chain_is_sound() {
        assert_eq!(verify(&[]).unwrap(), Head::EMPTY);
        assert_eq!(verify(&lines(50)).unwrap().seq, 50);
    }

    #[test]
    fn a_record_altered_with_its_own_hash_corrected_betrays_itself_by_the_next() {
        let mut lines = lines(5);
        let record = Record::parse(&lines[2]).unwrap();
        let (seq, prev) = (record.seq, record.prev);
        let mut members = record.into_members();
        members.insert("outcome".into(), "deny".into());
        lines[2].clear();
        let place = Place { seq, prev, gateway: "gate", chain: "main" };
        record::write_members(members, place, &mut lines[2]);
        assert_eq!(verify(&lines), Err(Broken { line: 4, seq: Some(4), why: Why::Unchained }));
    }

    proptest! {
        #[test]
        fn any_byte_that_is_changed_is_found_at_its_line(at in any::<prop::sample::Index>(), to: u8) {
            let mut bytes = lines(6).concat();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            let line = 1 + bytes[..at].iter().filter(|&&b| b == b'\n').count() as u64;
            bytes[at] = to;
            prop_assert_eq!(verify_bytes(&bytes).unwrap_err().line, line);
        }

        #[test]
        fn a_record_that_is_missing_is_named(gone in 0usize..7) {
            let mut lines = lines(8);
            lines.remove(gone);
            let expected = gone as u64 + 1;
            let why = Why::Missing { expected };
            prop_assert_eq!(verify(&lines), Err(Broken { line: expected, seq: Some(expected + 1), why }));
        }

        #[test]
        fn records_that_changed_places_are_found_at_the_first(a in 0usize..8, b in 0usize..8) {
            prop_assume!(a < b);
            let mut lines = lines(8);
            lines.swap(a, b);
            let expected = a as u64 + 1;
            let broken = verify(&lines).unwrap_err();
            prop_assert_eq!((broken.line, broken.why), (expected, Why::Missing { expected }));
        }

        #[test]
        fn a_record_that_was_inserted_is_found(copied in 0usize..8, at in 0usize..9) {
            let mut lines = lines(8);
            let copy = lines[copied].clone();
            lines.insert(at, copy);
            // The copy that stands in the right place is sound; the other one is not.
            let line = if at <= copied { at + 1 + usize::from(at == copied) } else { at + 1 };
            prop_assert_eq!(verify(&lines).unwrap_err().line, line as u64);
        }

        #[test]
        fn a_last_line_that_is_cut_off_is_found(keep in any::<prop::sample::Index>()) {
            let lines = lines(4);
            let last = lines[3].len();
            let bytes = lines.concat();
            let cut = bytes.len() - last + 1 + keep.index(last - 1);
            let broken = verify_bytes(&bytes[..cut]).unwrap_err();
            prop_assert_eq!((broken.line, broken.why), (4, Why::Malformed(Malformed::Torn)));
        }
    }
}
