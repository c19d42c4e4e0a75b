//! How does a value become a word that only the holder of a key can compute, or read?
//!
//! All words are capitals, digits and `_`, beginning with the name of the entity: no encoding of
//! URLs, JSON, HTML or Markdown changes them, and no row takes them for a value, so masking twice
//! is masking once.

mod ff1;
mod ring;

pub use ring::{Decrypted, Keyring};

use std::{fmt, sync::Arc};

use aes_siv::siv::Aes256Siv;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::Entity;

/// The longest value that is hashed or encrypted, in bytes. What is longer becomes `<ENTITY>`: its
/// end need not have come when the beginning must be decided.
pub(crate) const LONGEST: usize = 16 * 1024;

/// What values are hashed and encrypted with: keys derived from one secret, one for each purpose.
/// Cheap to clone; prints as `***`; wiped when the last clone is dropped.
#[derive(Clone)]
pub struct Key(Arc<Derived>);

struct Derived {
    hash: Zeroizing<[u8; 32]>,
    seal: Zeroizing<[u8; 64]>,
    digits: Zeroizing<[u8; 32]>,
    /// Tells keys apart without telling of them.
    id: [u8; 32],
}

/// A secret from which no keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is shorter than 32 bytes: make one with `openssl rand -hex 32`")]
pub struct KeyError;

/// A word that is none of this key's, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this was not encrypted with this key, or was changed")]
pub struct OpenError;

impl Key {
    /// The shortest secret, in bytes.
    pub const LEAST: usize = 32;

    /// The keys that follow from `secret` by HKDF (RFC 5869) with SHA-256.
    ///
    /// # Errors
    /// [`KeyError`] where the secret is shorter than [`LEAST`](Self::LEAST).
    pub fn new(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < Self::LEAST {
            return Err(KeyError);
        }
        let root = Zeroizing::new(mac(b"bartizan pii", &[secret]));
        let derive = |purpose: &[u8]| Zeroizing::new(mac(&*root, &[purpose, &[1]]));
        let mut seal = Zeroizing::new([0; 64]);
        let (first, second) = seal.split_at_mut(32);
        first.copy_from_slice(&*derive(b"encrypt: authenticate"));
        second.copy_from_slice(&*derive(b"encrypt: encipher"));
        let (hash, digits) = (derive(b"hash"), derive(b"encrypt digits"));
        Ok(Self(Arc::new(Derived { hash, seal, digits, id: *derive(b"id") })))
    }

    /// `ENTITY_HASH_…`: HMAC-SHA-256 of entity and value, cut to 128 bits. The same value has the
    /// same hash, and without the key nobody can try values out.
    pub fn hash(&self, entity: &Entity, value: &[u8]) -> String {
        let digest = mac(&*self.0.hash, &[entity.as_str().as_bytes(), &[0], value]);
        let short = digest.get(..16).unwrap_or_default();
        format!("{entity}{HASH}{}", base32(short))
    }

    /// `ENTITY_ENC_…0`: the [`name`](Self::name) of the key, and the value encrypted by AES-SIV
    /// (RFC 5297) with 256-bit keys, the entity being authenticated with it. The same value gives
    /// the same word. The `0` ends it, whatever follows.
    pub fn encrypt(&self, entity: &Entity, value: &[u8]) -> String {
        let mut siv = Aes256Siv::new((&*self.0.seal).into());
        // Only a message of exabytes is refused; then nothing of the value may stand there.
        let Ok(sealed) = siv.encrypt([entity.as_str()], value) else {
            return format!("<{entity}>");
        };
        format!("{entity}{ENCRYPTED}{}{}0", self.name(), base32(&sealed))
    }

    /// The value of a whole word of [`encrypt`](Self::encrypt).
    ///
    /// # Errors
    /// [`OpenError`] where it is not one, not of this key, or where a letter of it has changed.
    pub fn decrypt(&self, word: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (entity, rest) = word.rsplit_once(ENCRYPTED).ok_or(OpenError)?;
        let sealed = rest.strip_prefix(&self.name()).and_then(|rest| rest.strip_suffix('0'));
        let sealed = sealed.and_then(from_base32).ok_or(OpenError)?;
        let mut siv = Aes256Siv::new((&*self.0.seal).into());
        siv.decrypt([entity], &sealed).map(Zeroizing::new).map_err(|_| OpenError)
    }

    /// Four letters that words of [`encrypt`](Self::encrypt) begin with: they tell keys apart, and
    /// nothing of them. (Of a million keys one has the same.)
    pub fn name(&self) -> String {
        let mut name = base32(&self.0.id);
        name.truncate(NAME);
        name
    }

    /// The same number of other digits, for the digits of a value of 6 to 56 digits and otherwise
    /// only blanks and `-./()+`, which stay: FF1 (NIST SP 800-38G) with radix 10 and the entity as
    /// tweak. `None` for another value.
    pub fn encrypt_digits(&self, entity: &Entity, value: &[u8]) -> Option<Vec<u8>> {
        self.digits(entity, value, ff1::encrypt)
    }

    /// The value of which [`encrypt_digits`](Self::encrypt_digits) made this. Nothing tells whether
    /// it is the right key: every number is some number's.
    pub fn decrypt_digits(&self, entity: &Entity, value: &[u8]) -> Option<Vec<u8>> {
        self.digits(entity, value, ff1::decrypt)
    }

    fn digits(&self, entity: &Entity, value: &[u8], cipher: Cipher) -> Option<Vec<u8>> {
        let formed = value.iter().all(|byte| byte.is_ascii_digit() || b" -./()+".contains(byte));
        let mut digits = Zeroizing::new(Vec::with_capacity(value.len()));
        digits.extend(value.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0'));
        if !formed || !ff1::LENGTHS.contains(&digits.len()) {
            return None;
        }
        cipher(&self.0.digits, entity.as_str().as_bytes(), &mut digits);
        let mut digits = digits.iter();
        let other = |byte: &u8| match byte.is_ascii_digit() {
            true => b'0' + digits.next().copied().unwrap_or_default(),
            false => *byte,
        };
        Some(value.iter().map(other).collect())
    }
}

type Cipher = fn(&[u8; 32], &[u8], &mut [u8]);

/// Between the entity and what follows it.
const HASH: &str = "_HASH_";
const ENCRYPTED: &str = "_ENC_";
/// The letters of the name of a key.
const NAME: usize = 4;

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // A key of HMAC is filled up with zeros to a block; none of ours is longer.
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// RFC 4648, section 6, without padding.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn is_base32(byte: u8) -> bool {
    ALPHABET.contains(&byte)
}

fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut count) = (0_u16, 0);
    for byte in bytes {
        bits = (bits << 8) | u16::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(letter(bits >> count));
        }
    }
    if count > 0 {
        out.push(letter(bits << (5 - count)));
    }
    out
}

fn letter(bits: u16) -> char {
    ALPHABET.get(usize::from(bits & 31)).copied().map_or('A', char::from)
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut count) = (0_u16, 0);
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == byte)?;
        bits = (bits << 5) | u16::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count).to_le_bytes().first().copied()?);
        }
    }
    // One text, one word: what is left over must be zero.
    (count < 5 && bits & ((1 << count) - 1) == 0).then_some(out)
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> Key {
        Key::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn words_differ_by_key_entity_and_value_and_by_nothing_else() {
        let (mail, ip) = (Entity::EMAIL_ADDRESS, Entity::IP_ADDRESS);
        for make in [Key::hash, Key::encrypt] {
            let word = make(&key(1), &mail, b"a@b.example");
            assert_eq!(word, make(&key(1), &mail, b"a@b.example"));
            assert_ne!(word, make(&key(2), &mail, b"a@b.example"));
            assert_ne!(word, make(&key(1), &mail, b"b@b.example"));
            let other = make(&key(1), &ip, b"a@b.example");
            assert_ne!(word.rsplit('_').next(), other.rsplit('_').next());
            assert!(
                word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
            );
        }
        assert_eq!(key(1).hash(&mail, b"x").len(), "EMAIL_ADDRESS_HASH_".len() + 26);
    }

    #[test]
    fn a_short_secret_makes_no_key_and_no_key_is_printed() {
        assert_eq!(Key::new(&[7; 31]), Err(KeyError));
        assert_eq!(format!("{:?}", key(7)), "***");
    }

    #[test]
    fn a_word_that_was_changed_or_is_of_another_key_is_not_opened() {
        let word = key(1).encrypt(&Entity::US_SSN, b"123-45-6789");
        assert_eq!(key(1).decrypt(&word).unwrap().as_slice(), b"123-45-6789");
        assert_eq!(key(2).decrypt(&word), Err(OpenError));
        assert_eq!(key(1).decrypt(&word.replace("US_SSN", "UK_NHS")), Err(OpenError));
        for at in "US_SSN_ENC_".len()..word.len() {
            let mut changed = word.clone().into_bytes();
            let byte = changed.get_mut(at).unwrap();
            *byte = if *byte == b'A' { b'B' } else { b'A' };
            assert_eq!(key(1).decrypt(str::from_utf8(&changed).unwrap()), Err(OpenError), "{at}");
        }
    }

    #[test]
    fn digits_stay_digits_and_their_form_stays() {
        let card = key(1).encrypt_digits(&Entity::CREDIT_CARD, b"4111 1111-1111 1111").unwrap();
        assert_eq!((card.get(4), card.get(9), card.len()), (Some(&b' '), Some(&b'-'), 19));
        assert_ne!(card, b"4111 1111-1111 1111");
        assert_eq!(key(1).encrypt_digits(&Entity::CREDIT_CARD, b"12345"), None);
        assert_eq!(key(1).encrypt_digits(&Entity::IBAN_CODE, b"DE89370400440532013000"), None);
    }

    proptest! {
        #[test]
        fn what_was_encrypted_is_read_again(value in prop::collection::vec(any::<u8>(), 0..80), digits in "[0-9 -]{6,70}") {
            let word = key(3).encrypt(&Entity::PASSWORD, &value);
            let opened = key(3).decrypt(&word).unwrap();
            prop_assert_eq!(opened.as_slice(), &value);
            if let Some(other) = key(3).encrypt_digits(&Entity::US_SSN, digits.as_bytes()) {
                let back = key(3).decrypt_digits(&Entity::US_SSN, &other).unwrap();
                prop_assert_eq!(back, digits.as_bytes());
            }
        }

        #[test]
        fn base32_is_read_as_it_is_written(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(from_base32(&base32(&bytes)), Some(bytes));
        }
    }
}
