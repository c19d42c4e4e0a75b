//! Which request is this? A ULID: sortable by time, unique without asking anyone.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use crate::time::Timestamp;

/// Crockford's base 32, as the ULID specification has it.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The name of one exchange: 48 bits of milliseconds, 80 bits of chance.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RequestId(pub u128);

impl RequestId {
    /// A fresh id from the time and `random` bits, of which the lowest 80 count.
    #[must_use]
    pub fn new(now: Timestamp, random: u128) -> Self {
        let millis = u128::from(now.0 / 1000) & 0xffff_ffff_ffff;
        Self(millis << 80 | random & ((1 << 80) - 1))
    }

    /// Reads the 26 characters of a ULID; anything else is no id.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 26 || !text.starts_with(|c| ('0'..='7').contains(&c)) {
            return None;
        }
        text.bytes()
            .try_fold(0u128, |id, byte| {
                let upper = byte.to_ascii_uppercase();
                let digit = ALPHABET.iter().position(|&letter| letter == upper)?;
                Some(id << 5 | digit as u128)
            })
            .map(Self)
    }

    /// Its 26 characters, in ASCII.
    #[must_use]
    pub fn letters(self) -> [u8; 26] {
        let mut text = [0; 26];
        for (place, letter) in text.iter_mut().rev().enumerate() {
            let digit = (self.0 >> (5 * place)) as usize & 31;
            *letter = ALPHABET.get(digit).copied().unwrap_or(b'0');
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.letters()).unwrap_or_default())
    }
}

/// Hashes names that are made of chance: they are spread already, and nobody outside chooses
/// them, so that their lowest bits will do.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByChance(u64);

impl Hasher for ByChance {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut lowest = [0; 8];
        lowest.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.0 ^= u64::from_le_bytes(lowest);
    }

    fn write_u128(&mut self, name: u128) {
        self.0 ^= name as u64;
    }
}

/// A map whose keys are made of chance.
pub type ChanceMap<K, V> = HashMap<K, V, BuildHasherDefault<ByChance>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_writing_and_reading() {
        for id in [0, 1, u128::MAX >> 2, 0x0190_0000_0000_1234_5678_9abc_def0_1234] {
            let text = RequestId(id).to_string();
            assert_eq!(RequestId::parse(&text), Some(RequestId(id)), "{text}");
        }
        assert_eq!(RequestId::parse("not-an-id"), None);
        assert_eq!(RequestId::parse("01ARZ3NDEKTSV4RRFFQ69G5FA!"), None);
    }
}
