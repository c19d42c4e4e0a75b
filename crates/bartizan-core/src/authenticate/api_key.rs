//! Whose key is this? Keys are long random texts; what is stored is a digest of them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::claims::Claims;
use super::{Caller, Identity, Kind, Method, Principal, Rejection};
use crate::time::Timestamp;

/// What generated keys begin with, so that secret scanners find them.
pub const PREFIX: &str = "btz";

/// The issuer name of principals that are keys.
pub const ISSUER: &str = "key";

/// What is stored of a key.
#[derive(Clone, Debug)]
pub struct Record {
    /// By what it is called; its principal is `key:` and this.
    pub id: Arc<str>,
    /// The digest of the key.
    pub hash: Hash,
    /// The key before this one, while both count.
    pub previous: Option<Retiring>,
    /// For whom it was made; for the audit, not for decisions.
    pub subject: Arc<str>,
    /// The scopes that it has.
    pub scopes: Vec<Arc<str>>,
    /// The roles that it has.
    pub roles: Vec<Arc<str>>,
    /// The tenant that it belongs to.
    pub tenant: Option<Arc<str>>,
    /// Where it may be used, for instance `live` or `test`.
    pub environment: Option<Arc<str>>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Since when it has been taken back.
    pub revoked: Option<Timestamp>,
    /// When it was last used, to within a minute.
    pub last_used: Option<Timestamp>,
}

/// A key that has been replaced, and still counts for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Retiring {
    /// Its digest.
    pub hash: Hash,
    /// Until when.
    pub until: Timestamp,
}

/// A digest of a key, compared in constant time. A slow one is not needed: nobody guesses 128
/// random bits.
#[derive(Clone, Copy)]
pub enum Hash {
    /// HMAC-SHA-256 under the pepper: the store alone is not enough to check a guess.
    HmacSha256([u8; 32]),
    /// Plain SHA-256 of the whole key.
    Sha256([u8; 32]),
}

/// What keyed digests are keyed with.
#[derive(Clone)]
pub struct Pepper {
    key: hmac::Key,
    /// The one before it, for the digests that were made with that.
    before: Option<hmac::Key>,
}

impl Pepper {
    /// A pepper of 32 random bytes.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, bytes), before: None }
    }

    /// A pepper of a text that the operator keeps; none, where the text is shorter than
    /// [`SHORTEST_PEPPER`] and might be guessed.
    #[must_use]
    pub fn of_text(text: &SecretString) -> Option<Self> {
        let text = text.expose_secret().trim();
        (text.len() >= SHORTEST_PEPPER).then(|| Self::new(&Sha256::digest(text).into()))
    }

    /// A key for another purpose, by which nothing is learnt of digests nor they of it.
    #[must_use]
    pub fn key_for(&self, purpose: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.key, purpose);
        let mut key = [0; 32];
        key.copy_from_slice(tag.as_ref());
        key
    }

    /// This pepper, while digests that were made with `before` still count.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self { before: Some(before.key.clone()), ..self }
    }
}

/// The shortest text of a pepper, in bytes: 128 random bits in hexadecimal digits.
pub const SHORTEST_PEPPER: usize = 32;

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(***)")
    }
}

impl Hash {
    /// The digest of a key: keyed where there is a pepper, else plain.
    #[must_use]
    pub fn of(key: &str, pepper: Option<&Pepper>) -> Self {
        match pepper {
            None => Self::Sha256(Sha256::digest(key).into()),
            Some(pepper) => Self::keyed(key, &pepper.key),
        }
    }

    /// The keyed digests by which `key` may have been stored: under the pepper, and under the one
    /// before it.
    pub fn all_of(key: &str, pepper: Option<&Pepper>) -> impl Iterator<Item = Self> {
        let before = pepper.and_then(|pepper| pepper.before.as_ref());
        [pepper.map(|pepper| &pepper.key), before]
            .into_iter()
            .flatten()
            .map(|k| Self::keyed(key, k))
    }

    fn keyed(key: &str, pepper: &hmac::Key) -> Self {
        let tag = hmac::sign(pepper, key.as_bytes());
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        Self::HmacSha256(digest)
    }

    /// Whether this is the digest of `key`, in constant time. A keyed one never is without its
    /// pepper.
    #[must_use]
    pub fn matches(&self, key: &str, pepper: Option<&Pepper>) -> bool {
        match self {
            Self::Sha256(_) => self.equals(&Self::of(key, None)),
            Self::HmacSha256(_) => Self::all_of(key, pepper).any(|given| self.equals(&given)),
        }
    }

    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Sha256(a), Self::Sha256(b)) | (Self::HmacSha256(a), Self::HmacSha256(b)) => {
                a.ct_eq(b).into()
            }
            (Self::Sha256(_), Self::HmacSha256(_)) | (Self::HmacSha256(_), Self::Sha256(_)) => {
                false
            }
        }
    }
}

impl PartialEq for Hash {
    fn eq(&self, other: &Self) -> bool {
        self.equals(other)
    }
}

impl Eq for Hash {}

/// Equal digests feed equal bytes; the kind is left to `==`.
impl std::hash::Hash for Hash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let (Self::Sha256(digest) | Self::HmacSha256(digest)) = self;
        digest.hash(state);
    }
}

/// `sha256:` or `hmac-sha256:`, and 64 hexadecimal digits.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, digest) = match self {
            Self::Sha256(digest) => ("sha256", digest),
            Self::HmacSha256(digest) => ("hmac-sha256", digest),
        };
        write!(f, "{name}:")?;
        digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(***)")
    }
}

/// Why a text is no digest of a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key hash is `sha256:` or `hmac-sha256:` and 64 hexadecimal digits")]
pub struct HashError;

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let (name, digits) = text.split_once(':').ok_or(HashError)?;
        let digest = unhex(digits).ok_or(HashError)?;
        match name {
            "sha256" => Ok(Self::Sha256(digest)),
            "hmac-sha256" => Ok(Self::HmacSha256(digest)),
            _ => Err(HashError),
        }
    }
}

fn unhex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut digits = digits.chars().map(|digit| digit.to_digit(16));
    for byte in &mut bytes {
        *byte = u8::try_from(digits.next()?? * 16 + digits.next()??).ok()?;
    }
    digits.next().is_none().then_some(bytes)
}

/// A key of our own form, `btz_ENV_ID_SECRET`, whose checksum is right: a typing error and a
/// scanner's false alarm are told apart from a key without asking a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Generated<'a> {
    /// Where it may be used.
    pub environment: &'a str,
    /// By what it is called.
    pub id: &'a str,
}

impl<'a> Generated<'a> {
    /// Reads a presented key; `None` where it is not of our form.
    #[must_use]
    pub fn parse(key: &'a str) -> Option<Self> {
        let (body, sum) = key.split_at_checked(key.len().checked_sub(CHECKSUM)?)?;
        let rest = body.strip_prefix(PREFIX)?.strip_prefix('_')?;
        let (environment, rest) = rest.split_once('_')?;
        let (id, secret) = rest.split_once('_')?;
        let sound = is_label(environment, 16) && is_label(id, 32) && secret.len() == 2 * HALF;
        (sound && base62(crc32(body.as_bytes()).into(), CHECKSUM) == sum)
            .then_some(Self { environment, id })
    }
}

/// How many characters a checksum and 128 bits have in base 62.
const CHECKSUM: usize = 6;
const HALF: usize = 22;

/// Why a key cannot be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a key's environment (at most 16 characters) and id (at most 32) are letters, digits and \
     hyphens"
)]
pub struct LabelError;

/// Makes a key called `id`: 256 bits of `random`, and a checksum. It is to be shown once; what
/// is stored is its [`enum@Hash`].
///
/// # Errors
/// [`LabelError`] where environment or id would not survive being read back.
pub fn generate(
    environment: &str,
    id: &str,
    random: &[u8; 32],
) -> Result<SecretString, LabelError> {
    if !is_label(environment, 16) || !is_label(id, 32) {
        return Err(LabelError);
    }
    let body = format!("{PREFIX}_{environment}_{id}_{}", secret(random));
    let sum = base62(crc32(body.as_bytes()).into(), CHECKSUM);
    Ok(SecretString::from(body + &sum))
}

/// 256 random bits as 44 characters of base 62.
pub(crate) fn secret(random: &[u8; 32]) -> String {
    let mut halves = random
        .chunks_exact(16)
        .map(|half| half.iter().fold(0u128, |number, byte| number << 8 | u128::from(*byte)));
    let mut next = || base62(halves.next().unwrap_or_default(), HALF);
    next() + &next()
}

/// Whether this can be the environment of a generated key.
#[must_use]
pub fn is_environment(text: &str) -> bool {
    is_label(text, 16)
}

fn is_label(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn base62(mut number: u128, places: usize) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut text: Vec<char> = Vec::with_capacity(places);
    for _ in 0..places {
        let digit = usize::try_from(number % 62).ok().and_then(|digit| DIGITS.get(digit));
        text.push(char::from(*digit.unwrap_or(&b'0')));
        number /= 62;
    }
    text.into_iter().rev().collect()
}

/// CRC-32 as in zip and PNG (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

impl Record {
    /// Checks a presented key against this record. Only who has the key learns whether it was
    /// revoked or has expired.
    ///
    /// # Errors
    /// [`Rejection`] where it is another key, or its time is over.
    pub fn verify(
        &self,
        presented: &str,
        pepper: Option<&Pepper>,
        now: Timestamp,
    ) -> Result<Caller, Rejection> {
        let current = self.hash.matches(presented, pepper);
        let retiring = self.previous.as_ref().filter(|old| old.hash.matches(presented, pepper));
        if !current && retiring.is_none() {
            return Err(Rejection::Unknown);
        }
        if self.revoked.is_some_and(|at| at <= now) {
            return Err(Rejection::Revoked);
        }
        let until = if current { None } else { retiring.map(|old| old.until) };
        let expires = [self.expires, until].into_iter().flatten().min();
        if expires.is_some_and(|end| end <= now) {
            return Err(Rejection::Expired);
        }
        Ok(Caller::verified(self.identity(expires), Method::ApiKey))
    }

    /// Replaces the key by another one; the old one counts until `overlap`.
    pub fn rotate(&mut self, hash: Hash, overlap: Timestamp) {
        let old = std::mem::replace(&mut self.hash, hash);
        self.previous = Some(Retiring { hash: old, until: overlap });
    }

    fn identity(&self, expires: Option<Timestamp>) -> Identity {
        let principal =
            Principal { kind: Kind::Key, issuer: ISSUER.into(), subject: Arc::clone(&self.id) };
        let mut identity = Identity::bare(principal);
        identity.tenant.clone_from(&self.tenant);
        identity.scopes.clone_from(&self.scopes);
        identity.roles.clone_from(&self.roles);
        identity.claims = Claims::of_one("sub", (*self.subject).into());
        identity.expires = expires;
        identity
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(key: &str, pepper: Option<&Pepper>) -> Record {
        Record {
            id: "ci".into(),
            hash: Hash::of(key, pepper),
            previous: None,
            subject: "ci-bot".into(),
            scopes: vec!["data:read".into()],
            roles: vec!["user".into()],
            tenant: None,
            environment: None,
            expires: Some(Timestamp(1000)),
            revoked: None,
            last_used: None,
        }
    }

    #[test]
    fn a_key_is_its_principal_and_ends_when_it_should() {
        let record = record("k", None);
        let caller = record.verify("k", None, Timestamp(999)).unwrap();
        assert_eq!(caller.principal().to_string(), "key:ci");
        assert_eq!(caller.expires(), Some(Timestamp(1000)));
        assert_eq!(record.verify("k", None, Timestamp(1000)).unwrap_err(), Rejection::Expired);
        assert_eq!(record.verify("K", None, Timestamp(1)).unwrap_err(), Rejection::Unknown);
    }

    #[test]
    fn only_the_holder_of_a_key_learns_that_it_was_revoked() {
        let mut record = record("k", None);
        record.revoked = Some(Timestamp(5));
        assert_eq!(record.verify("k", None, Timestamp(5)).unwrap_err(), Rejection::Revoked);
        assert_eq!(record.verify("x", None, Timestamp(5)).unwrap_err(), Rejection::Unknown);
    }

    #[test]
    fn a_replaced_key_counts_until_the_overlap_ends() {
        let mut record = record("old", None);
        record.rotate(Hash::of("new", None), Timestamp(100));
        for key in ["old", "new"] {
            assert!(record.verify(key, None, Timestamp(99)).is_ok(), "{key}");
        }
        assert_eq!(record.verify("old", None, Timestamp(100)).unwrap_err(), Rejection::Expired);
        assert!(record.verify("new", None, Timestamp(100)).is_ok());
    }

    #[test]
    fn a_keyed_digest_says_nothing_without_its_pepper() {
        let pepper = Pepper::new(&[1; 32]);
        let record = record("k", Some(&pepper));
        assert!(record.verify("k", Some(&pepper), Timestamp(1)).is_ok());
        assert!(record.verify("k", Some(&Pepper::new(&[2; 32])), Timestamp(1)).is_err());
        assert!(record.verify("k", None, Timestamp(1)).is_err());
    }

    #[test]
    fn a_pepper_of_the_operators_takes_over_from_the_one_before() {
        let before = Pepper::new(&[1; 32]);
        let kept = Pepper::of_text(&"0123456789abcdef0123456789abcdef\n".into()).unwrap();
        let both = kept.clone().after(&before);
        for record in [record("k", Some(&before)), record("k", Some(&kept))] {
            assert!(record.verify("k", Some(&both), Timestamp(1)).is_ok());
            assert!(record.verify("x", Some(&both), Timestamp(1)).is_err());
        }
        assert!(record("k", Some(&both)).verify("k", Some(&before), Timestamp(1)).is_err());
        assert!(Pepper::of_text(&"short".into()).is_none());
    }

    #[test]
    fn a_digest_is_written_as_the_contract_has_it() {
        let hash = Hash::of("abc", None);
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert!(text.parse::<Hash>().unwrap() == hash);
        let short = text.strip_suffix("d").unwrap();
        for text in ["md5:00", "sha256:", "sha256:zz", short, &format!("{text}0"), "ba78"] {
            assert_eq!(text.parse::<Hash>().err(), Some(HashError), "{text}");
        }
    }

    #[test]
    fn a_checksum_is_what_others_compute() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    proptest! {
        #[test]
        fn a_generated_key_is_recognised_and_a_mistyped_one_is_not(
            random: [u8; 32],
            place in 0usize..70,
            id in "[A-Za-z0-9-]{1,32}",
        ) {
            let key = generate("live", &id, &random).unwrap();
            let key = key.expose_secret();
            prop_assert_eq!(Generated::parse(key), Some(Generated { environment: "live", id: &id }));
            let mut typo = key.as_bytes().to_vec();
            let place = place % typo.len();
            typo[place] = if typo[place] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(typo).unwrap();
            prop_assert_eq!(Generated::parse(&typo), None);
        }
    }

    #[test]
    fn a_label_that_would_not_survive_is_refused() {
        for (environment, id) in
            [("", "a"), ("a_b", "a"), ("live", "a_b"), ("live", "é"), ("live", "")]
        {
            assert_eq!(generate(environment, id, &[0; 32]).err(), Some(LabelError));
        }
    }
}
