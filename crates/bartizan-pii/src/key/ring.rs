//! Which key opens which word? Each word names its key, so that keys can be replaced by newer ones and
//! what the older ones encrypted can still be read.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{ENCRYPTED, Key, NAME, is_base32};
use crate::entity::MAX_NAME;

/// So many names of keys that are missing are told apart.
const MOST_MISSING: usize = 64;
/// The letters of the shortest word behind the name of its key: a tag of 128 bits.
const SHORTEST: usize = 26;

/// The keys with which values were encrypted, each in its time.
#[derive(Debug, Clone)]
pub struct Keyring(Vec<Key>);

/// A text with what was encrypted in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decrypted {
    /// The text. All that is no word of these keys stays.
    pub text: Vec<u8>,
    /// How many words were opened.
    pub opened: usize,
    /// What look like words of other keys, by the names of these, of which 64 are told: how many
    /// there are.
    pub missing: BTreeMap<String, usize>,
}

impl Keyring {
    /// Of these keys.
    pub fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Opens every word of [`Key::encrypt`] in a text that is of one of these keys.
    pub fn decrypt_text(&self, text: &[u8]) -> Decrypted {
        let mut out = Vec::with_capacity(text.len());
        let (mut from, mut opened, mut missing) = (0, 0, BTreeMap::new());
        let mark = ENCRYPTED.as_bytes();
        let mut at = 0;
        while let Some(next) = find(text, at, mark) {
            at = next + mark.len();
            let start = word_start(text, from, next);
            let letters = text.iter().skip(at).take_while(|byte| is_base32(**byte)).count();
            let end = at + letters + 1;
            let Some(word) = text.get(start..end).and_then(|word| str::from_utf8(word).ok()) else {
                continue;
            };
            let Some((start, value)) = self.open_behind(start, word) else {
                note(&mut missing, word, letters);
                continue;
            };
            out.extend_from_slice(text.get(from..start).unwrap_or_default());
            out.extend_from_slice(&value);
            (from, at, opened) = (end, end, opened + 1);
        }
        out.extend_from_slice(text.get(from..).unwrap_or_default());
        Decrypted { text: out, opened, missing }
    }

    /// What stands before the name of an entity may look like a part of it, so every beginning is
    /// tried: `X_EMAIL_ADDRESS_ENC_…`.
    fn open_behind(&self, at: usize, word: &str) -> Option<(usize, Zeroizing<Vec<u8>>)> {
        let entity = word.find(ENCRYPTED)?;
        let name = word.get(entity + ENCRYPTED.len()..)?.get(..NAME)?;
        let mut keys = self.0.iter().filter(|key| key.name() == name);
        keys.find_map(|key| {
            (0..entity).find_map(|skipped| {
                let value = key.decrypt(word.get(skipped..)?).ok()?;
                Some((at + skipped, value))
            })
        })
    }
}

/// Notes the key of a word that is whole, but of none of the keys that are here.
fn note(missing: &mut BTreeMap<String, usize>, word: &str, letters: usize) {
    let begins = word.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase());
    let whole = begins && letters >= NAME + SHORTEST && word.ends_with('0');
    let name = word.rsplit_once(ENCRYPTED).and_then(|(_, rest)| rest.get(..NAME));
    let Some(name) = name.filter(|_| whole) else { return };
    if missing.len() < MOST_MISSING || missing.contains_key(name) {
        *missing.entry(name.to_owned()).or_default() += 1;
    }
}

fn find(text: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|at| from + at)
}

/// Where the letters begin that end at `end`, at most as many as a name has and not before `floor`.
fn word_start(text: &[u8], floor: usize, end: usize) -> usize {
    let name = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    let before = text.get(floor..end).unwrap_or_default();
    end - before.iter().rev().take(MAX_NAME).take_while(|byte| name(byte)).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::Entity;

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn words_are_found_in_a_text_whatever_they_touch() {
        let word = key(1).encrypt(&Entity::IP_ADDRESS, b"10.0.0.1");
        let foreign = key(2).encrypt(&Entity::IP_ADDRESS, b"10.0.0.2");
        let text = format!("X_{word}{word}A {foreign} _ENC_ {word} X_ENC_SHORT0");
        let all = Keyring::new([key(1)]).decrypt_text(text.as_bytes());
        let plain = String::from_utf8(all.text).unwrap();
        let expected = format!("X_10.0.0.110.0.0.1A {foreign} _ENC_ 10.0.0.1 X_ENC_SHORT0");
        assert_eq!((plain, all.opened), (expected, 3));
        assert_eq!(all.missing, BTreeMap::from([(key(2).name(), 1)]));
    }

    #[test]
    fn what_older_keys_encrypted_is_still_read() {
        let words = [1, 2, 3].map(|byte| key(byte).encrypt(&Entity::US_SSN, b"123-45-6789"));
        for byte in 1..=3_u8 {
            let word = &words[usize::from(byte) - 1];
            assert!(word.starts_with(&format!("US_SSN_ENC_{}", key(byte).name())), "{word}");
        }
        let ring = Keyring::new([key(3), key(2), key(1)]);
        let all = ring.decrypt_text(words.join(" ").as_bytes());
        assert_eq!(all.text, b"123-45-6789 123-45-6789 123-45-6789");
        assert_eq!((all.opened, all.missing.len()), (3, 0));
    }
}
