//! How are the members of a record written? One after the other, in an order that the caller keeps.

use sha2::{Digest as _, Sha256};

use super::details::{MAX_TEXT, beginning};
use super::{Hash, canonical};

/// Writes the members of one object. They come in canonical order, and nobody checks that here:
/// a test compares every record with its canonical form.
pub(super) struct Members<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) first: bool,
}

impl<'a> Members<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.first { b"\"" } else { b",\"" });
        self.first = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        canonical::string(beginning(text, MAX_TEXT), self.member(name));
    }

    pub(super) fn maybe(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A string of bytes that need no escapes.
    pub(super) fn plain(&mut self, name: &str, text: &[u8]) {
        let out = self.member(name);
        out.push(b'"');
        out.extend_from_slice(text);
        out.push(b'"');
    }

    /// A string that `write` writes, and that needs no escapes.
    pub(super) fn quoted(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let out = self.member(name);
        out.push(b'"');
        write(out);
        out.push(b'"');
    }

    pub(super) fn count(&mut self, name: &str, n: u64) {
        canonical::integer(n, self.member(name));
    }

    /// Leaves room for the hash, and says where.
    pub(super) fn blank_hash(&mut self) -> usize {
        let slot = self.out.len();
        self.out.extend_from_slice(HASH_MEMBER);
        self.out.extend_from_slice(&[b'0'; 64]);
        self.out.push(b'"');
        slot
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// The member that [`Members::blank_hash`] leaves to be filled in.
const HASH_MEMBER: &[u8] = b",\"hash\":\"";
/// Its length: name, 64 digits, quote.
const HASH_LENGTH: usize = HASH_MEMBER.len() + 64 + 1;

/// Computes the hash over what stands from `start` on, but for the slot, and fills that in.
pub(super) fn fill(out: &mut [u8], start: usize, slot: usize) -> Hash {
    let (before, rest) = out.split_at_mut(slot);
    let (blank, after) = rest.split_at_mut(HASH_LENGTH);
    let mut digest = Sha256::new();
    digest.update(before.split_at(start).1);
    digest.update(after);
    let hash = Hash(digest.finalize().into());
    if let Some(place) = blank.split_at_mut(HASH_MEMBER.len()).1.first_chunk_mut() {
        *place = hash.digits();
    }
    hash
}
