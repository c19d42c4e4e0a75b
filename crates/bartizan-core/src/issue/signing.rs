//! With which key is a token signed? ECDSA on P-256 (ES256), one key at a time.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::authenticate::jwks::p256_jwk;

/// A private key that signs tokens. Prints as its public id.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    id: Arc<str>,
    jwk: Map<String, Value>,
}

/// Why there is no key to sign with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SigningKeyError {
    /// Another type or curve, or not a key.
    #[error("the signing key must be an ECDSA key on P-256, in PKCS#8 or SEC 1 form")]
    Unusable,
    /// Not PEM.
    #[error("the signing key file must hold PEM blocks `PRIVATE KEY` or `EC PRIVATE KEY`")]
    NotPem,
    /// The crypto library could not make one.
    #[error("the system gave no random numbers for a key")]
    Random,
}

impl SigningKey {
    /// Makes a new key, in PKCS#8 form for a store. Its randomness is the crypto library's own.
    ///
    /// # Errors
    /// [`SigningKeyError::Random`].
    pub fn generate_pkcs8() -> Result<Zeroizing<Vec<u8>>, SigningKeyError> {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let document = document.map_err(|_| SigningKeyError::Random)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// Reads a key in PKCS#8 form.
    ///
    /// # Errors
    /// [`SigningKeyError::Unusable`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, SigningKeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        Self::new(pair.map_err(|_| SigningKeyError::Unusable)?)
    }

    /// Reads the keys of a PEM file: the first signs, those below it were before it and still
    /// verify.
    ///
    /// # Errors
    /// [`SigningKeyError`] where one of them cannot be used, or there is none.
    pub fn all_from_pem(pem: &str) -> Result<Vec<Self>, SigningKeyError> {
        let blocks: Vec<&str> = pem.split_inclusive("PRIVATE KEY-----").collect();
        // Each block ends with the second of two such lines.
        let keys = blocks.chunks(2).filter(|lines| lines.len() == 2).map(|lines| lines.concat());
        let keys = keys.map(|block| Self::from_pem(&block)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(SigningKeyError::NotPem) } else { Ok(keys) }
    }

    /// Reads a key from the text of a PEM file.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, SigningKeyError> {
        if let Some(der) = block(pem, "PRIVATE KEY")? {
            return Self::from_pkcs8(&der);
        }
        let der = block(pem, "EC PRIVATE KEY")?.ok_or(SigningKeyError::NotPem)?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        Self::new(pair.map_err(|_| SigningKeyError::Unusable)?)
    }

    fn new(pair: EcdsaKeyPair) -> Result<Self, SigningKeyError> {
        let jwk = p256_jwk(pair.public_key().as_ref()).ok_or(SigningKeyError::Unusable)?;
        let id = jwk.get("kid").and_then(Value::as_str).ok_or(SigningKeyError::Unusable)?.into();
        Ok(Self { pair, id, jwk })
    }

    /// Its `kid`: the thumbprint of its public half (RFC 7638).
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Its public half.
    #[must_use]
    pub fn public_jwk(&self) -> &Map<String, Value> {
        &self.jwk
    }

    /// Its public half as SubjectPublicKeyInfo, for those who do not read JWKs.
    #[must_use]
    pub fn public_der(&self) -> Option<Vec<u8>> {
        self.pair.public_key().as_der().ok().map(|der| der.as_ref().to_vec())
    }

    /// Signs claims as a JWT of this type.
    ///
    /// # Errors
    /// [`SigningKeyError::Random`]: an ECDSA signature needs a random number.
    pub fn sign(&self, kind: &str, claims: &Value) -> Result<String, SigningKeyError> {
        let header = json!({ "alg": "ES256", "typ": kind, "kid": &*self.id });
        let [header, claims] =
            [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        let signature = signature.map_err(|_| SigningKeyError::Random)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The bytes of the PEM block with this label (RFC 7468), if there is one.
fn block(pem: &str, label: &str) -> Result<Option<Zeroizing<Vec<u8>>>, SigningKeyError> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let Some((_, rest)) = pem.split_once(&begin) else { return Ok(None) };
    let (body, _) = rest.split_once(&end).ok_or(SigningKeyError::NotPem)?;
    let body: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let der = STANDARD.decode(body.as_str()).map_err(|_| SigningKeyError::NotPem)?;
    Ok(Some(Zeroizing::new(der)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_after_storing_and_from_a_file() {
        let der = SigningKey::generate_pkcs8().unwrap();
        let key = SigningKey::from_pkcs8(&der).unwrap();
        let body = STANDARD.encode(&*der);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        assert_eq!(SigningKey::from_pem(&pem).unwrap().id(), key.id());
        assert!(!format!("{key:?}").contains(&body));
        let two = SigningKey::all_from_pem(&format!("# new\n{SEC1}# old\n{pem}")).unwrap();
        assert_eq!(two.iter().map(SigningKey::id).nth(1), Some(key.id()));
        assert!(SigningKey::all_from_pem(&format!("{pem}{SEC1}").replace("MHcC", "AAAA")).is_err());
        assert!(SigningKey::all_from_pem("").is_err());
    }

    #[test]
    fn what_openssl_writes_is_understood() {
        // openssl ecparam -name prime256v1 -genkey -noout
        assert!(SigningKey::from_pem(SEC1).is_ok());
        for (pem, error) in [
            ("", SigningKeyError::NotPem),
            ("-----BEGIN PRIVATE KEY-----\nAAAA", SigningKeyError::NotPem),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
                SigningKeyError::Unusable,
            ),
        ] {
            assert_eq!(SigningKey::from_pem(pem).err(), Some(error));
        }
    }

    const SEC1: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIHq7Z0bC10FrZRqo3VcpUNzevPvF+VA/VbKHrV8ed6E7oAoGCCqGSM49
AwEHoUQDQgAEhxg6ajW8Lq0tYD/DSAGwGR9F26tt7pfQ/vSuGxFPKChB3RV4PNYS
jHLDZAXlWE1lyguxKFesPFSgOvrGbt+7sA==
-----END EC PRIVATE KEY-----
";
}
