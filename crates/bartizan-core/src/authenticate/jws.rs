//! Is this a signed text, and did one of these keys sign it? The compact serialisation of RFC 7515.

use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::algorithm::Algorithm;
use super::claims::Claims;
use super::jwks::{KeySet, MAX_KEY_ID};
use super::{MAX_CREDENTIAL, Rejection};

/// How deep a header or a set of claims may nest.
pub const MAX_DEPTH: usize = 32;

/// A compact JWS, taken apart. Nothing in it is true before [`Jws::verify`] says so.
///
/// `jku`, `x5u`, `jwk` and `x5c` are never looked at: a token does not say by which key it is to
/// be checked, and no address in it is ever fetched.
pub struct Jws<'a> {
    algorithm: Algorithm,
    key_id: Option<String>,
    kind: Option<String>,
    signed: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// Why a signed text was turned away.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifyError {
    /// The caller must show another token.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// It names a key that is not among those at hand. The issuer may have a new one.
    #[error("the token is signed by a key that is not known here")]
    UnknownKey,
}

impl<'a> Jws<'a> {
    /// Takes `text` apart: exactly three parts in base64url without padding, a header that has
    /// one reading, an algorithm that is spoken here, nothing critical that is not understood.
    ///
    /// # Errors
    /// [`Rejection::Malformed`] for what is no JWS, [`Rejection::Untrusted`] for one of a sort
    /// that is not taken here.
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        Self::read(text).map(|(jws, _)| jws)
    }

    /// As [`Jws::parse`], and the header itself: for the one sort of text that carries its key.
    pub(super) fn read(text: &'a str) -> Result<(Self, Claims), Rejection> {
        if text.len() > MAX_CREDENTIAL {
            return Err(Rejection::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Rejection::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Rejection::Malformed)?;
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let header = Claims::parse(&header, MAX_DEPTH).map_err(|_| Rejection::Malformed)?;
        let algorithm = algorithm(&header)?;
        if ["crit", "b64", "zip"].iter().any(|name| header.has(name)) {
            // RFC 7515 section 4.1.11: what must be understood and is not must be refused.
            return Err(Rejection::Untrusted("it asks for an extension that is not spoken here"));
        }
        if signature.is_empty() {
            return Err(Rejection::Malformed);
        }
        let (key_id, kind) = (word(&header, "kid")?, word(&header, "typ")?);
        Ok((Self { algorithm, key_id, kind, signed, payload, signature }, header))
    }

    /// The algorithm that the header names.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The `kid` of the header.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The `typ` of the header, as it is written.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// What is signed; true only after [`Jws::verify`].
    #[must_use]
    pub fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature, by the key that the header names or by each that fits.
    ///
    /// # Errors
    /// [`VerifyError`] where none of `keys` made it.
    pub fn verify(&self, keys: &KeySet) -> Result<(), VerifyError> {
        self.verify_as(keys, self.key_id())
    }

    /// As [`Jws::verify`], by keys of this id whatever the header names.
    pub(super) fn verify_as(&self, keys: &KeySet, id: Option<&str>) -> Result<(), VerifyError> {
        if id.is_some_and(|id| !keys.knows(id)) {
            return Err(VerifyError::UnknownKey);
        }
        let mut fitting = keys.find(id, self.algorithm).peekable();
        if fitting.peek().is_none() {
            return Err(Rejection::Untrusted("its algorithm is not that of the key").into());
        }
        let signed = self.signed.as_bytes();
        if fitting.any(|key| key.holds(signed, &self.signature)) {
            Ok(())
        } else {
            Err(Rejection::Forged.into())
        }
    }
}

impl fmt::Debug for Jws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn decode(part: &str) -> Result<Vec<u8>, Rejection> {
    URL_SAFE_NO_PAD.decode_to_vec(part).map_err(|_| Rejection::Malformed)
}

fn algorithm(header: &Claims) -> Result<Algorithm, Rejection> {
    let alg = header.get("alg").and_then(Value::as_str).ok_or(Rejection::Malformed)?;
    Algorithm::parse(alg).ok_or(Rejection::Untrusted("its algorithm is not accepted"))
}

/// A member of the header that is a short text, if it is there.
fn word(header: &Claims, name: &str) -> Result<Option<String>, Rejection> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(word)) if word.len() <= MAX_KEY_ID => Ok(Some(word.clone())),
        Some(_) => Err(Rejection::Malformed),
    }
}
