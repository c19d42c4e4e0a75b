//! Which keys may sign for an issuer? A JWK Set in (RFC 7517), the keys that can be used out.

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::algorithm::{Algorithm, Scheme};
use super::holder::Thumbprint;
use crate::json;

/// The longest JWK Set that is read, in bytes.
pub const MAX_SET: usize = 256 * 1024;

/// The most keys that a set may hold.
pub const MAX_KEYS: usize = 64;

/// The longest key id that is looked at, in bytes.
pub const MAX_KEY_ID: usize = 256;

/// The keys by which an issuer's signatures are checked.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// A key, parsed once for each algorithm that it may be used with.
struct Key {
    id: Option<String>,
    verifiers: Vec<(Algorithm, Verifier)>,
}

/// What checks a signature.
pub(super) enum Verifier {
    /// The public half of a pair.
    Public(ParsedPublicKey),
    /// The secret that the issuer signs with, too.
    Secret(Box<hmac::Key>),
}

impl Verifier {
    /// Whether this key made `signature` over `signed`.
    pub(super) fn holds(&self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(signed, signature).is_ok(),
            Self::Secret(key) => hmac::verify(key, signed, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public(_) => "Public",
            Self::Secret(_) => "***",
        })
    }
}

/// Why a JWK Set cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JWK Set.
    #[error("not a JWK Set: an object with an array `keys`, each member once")]
    Malformed,
    /// Longer, or of more keys, than anybody needs.
    #[error("the JWK Set is larger than {MAX_SET} bytes or {MAX_KEYS} keys")]
    TooLarge,
    /// Nothing in it that checks signatures.
    #[error("the JWK Set holds no key that can check a signature")]
    Unusable,
    /// A secret that could be guessed (RFC 7518 section 3.2).
    #[error("the secret is shorter than the digest of `{0}`; it needs at least {1} bytes")]
    Short(Algorithm, usize),
}

impl KeySet {
    /// Reads a JWK Set. A key of an unknown type, for another use, too weak or with its private
    /// half in it is passed over: a provider may publish keys that are not for us.
    ///
    /// # Errors
    /// [`KeySetError`] where it is no set, or nothing in it can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAX_SET {
            return Err(KeySetError::TooLarge);
        }
        let set = json::object(bytes, 8).map_err(|_| KeySetError::Malformed)?;
        let jwks = set.get("keys").and_then(Value::as_array).ok_or(KeySetError::Malformed)?;
        if jwks.len() > MAX_KEYS {
            return Err(KeySetError::TooLarge);
        }
        let keys: Vec<Key> = jwks.iter().filter_map(|jwk| Key::read(jwk.as_object()?)).collect();
        if keys.is_empty() { Err(KeySetError::Unusable) } else { Ok(Self { keys }) }
    }

    /// The one key of an issuer that shares `secret` with us, for each of `algorithms` that has
    /// a secret. It answers to no key id: tokens that name one are checked by it, too.
    ///
    /// # Errors
    /// [`KeySetError::Short`] where the secret is shorter than the digest of an algorithm.
    pub fn secret(secret: &[u8], algorithms: &[Algorithm]) -> Result<Self, KeySetError> {
        let mut verifiers = Vec::new();
        for algorithm in algorithms {
            let Scheme::Mac(mac) = algorithm.scheme() else { continue };
            let least = mac.digest_algorithm().output_len();
            if secret.len() < least {
                return Err(KeySetError::Short(*algorithm, least));
            }
            verifiers.push((*algorithm, Verifier::Secret(Box::new(hmac::Key::new(*mac, secret)))));
        }
        if verifiers.is_empty() {
            return Err(KeySetError::Unusable);
        }
        Ok(Self { keys: vec![Key { id: None, verifiers }] })
    }

    /// The key that a proof of possession carries in itself (RFC 9449 section 4.2), and its
    /// thumbprint; none where it is not a public key that checks signatures.
    pub(super) fn carried(jwk: &Map<String, Value>) -> Option<(Self, Thumbprint)> {
        let key = Key::read(jwk)?;
        Some((Self { keys: vec![key] }, thumbprint(jwk)?))
    }

    /// Whether a key has this id.
    #[must_use]
    pub fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id) || key.is_secret())
    }

    /// The keys that may have signed: those of this id, or all where the token names none; and of
    /// them those that fit the algorithm.
    pub(super) fn find<'k>(
        &'k self,
        id: Option<&'k str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &'k Verifier> {
        self.keys
            .iter()
            .filter(move |key| id.is_none() || key.id.as_deref() == id || key.is_secret())
            .flat_map(|key| &key.verifiers)
            .filter(move |(fits, _)| *fits == algorithm)
            .map(|(_, key)| key)
    }
}

impl Key {
    fn is_secret(&self) -> bool {
        self.verifiers.iter().any(|(_, verifier)| matches!(verifier, Verifier::Secret(_)))
    }

    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        if !checks_signatures(jwk) || jwk.contains_key("d") {
            return None;
        }
        let id = match jwk.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MAX_KEY_ID => Some(id.clone()),
            Some(_) => return None,
        };
        // A key that names its algorithm serves no other (RFC 8725 section 3.1).
        let only = match jwk.get("alg") {
            None => None,
            Some(alg) => Some(Algorithm::parse(alg.as_str()?)?),
        };
        let fitting = Algorithm::ASYMMETRIC.iter().filter(|a| only.is_none_or(|only| only == **a));
        let verifiers: Vec<_> = fitting.filter_map(|a| Some((*a, material(jwk, *a)?))).collect();
        if verifiers.is_empty() { None } else { Some(Self { id, verifiers }) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.verifiers.iter().map(|(algorithm, _)| algorithm).collect();
        f.debug_struct("Key").field("id", &self.id).field("algorithms", &algorithms).finish()
    }
}

/// Whether `use` and `key_ops`, where they are there, are about checking signatures.
fn checks_signatures(jwk: &Map<String, Value>) -> bool {
    let used = jwk.get("use").is_none_or(|usage| usage == "sig");
    let operates = jwk.get("key_ops").is_none_or(|operations| {
        operations.as_array().is_some_and(|all| all.iter().any(|one| one == "verify"))
    });
    used && operates
}

/// The public key in `jwk`, if it is one for `algorithm`.
fn material(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<Verifier> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
    let key = match (algorithm.scheme(), text("kty")?) {
        (Scheme::Rsa(parameters), "RSA") => {
            let (n, e) = (without_zeros(bytes("n")?), without_zeros(bytes("e")?));
            if !(2048..=8192).contains(&bits(&n)) || is_factorable(&n) {
                return None;
            }
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters).ok()
        }
        (Scheme::Ec(curve, size, ecdsa), "EC") if text("crv") == Some(curve) => {
            let (x, y) = (bytes("x")?, bytes("y")?);
            if x.len() != size || y.len() != size {
                return None;
            }
            // An uncompressed point (SEC 1 section 2.3.3); that it is on the curve is checked.
            ParsedPublicKey::new(ecdsa, [&[4][..], &x, &y].concat()).ok()
        }
        (Scheme::Ed(eddsa), "OKP") if text("crv") == Some("Ed25519") => {
            ParsedPublicKey::new(eddsa, bytes("x")?).ok()
        }
        _ => None,
    };
    key.map(Verifier::Public)
}

/// The RFC 7638 thumbprint of a public key: the digest of its required members in the order of
/// their names, without white space. Those members are base64url or names without quotation marks
/// wherever [`material`] has taken the key.
fn thumbprint(jwk: &Map<String, Value>) -> Option<Thumbprint> {
    let names: &[&str] = match jwk.get("kty")?.as_str()? {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let members =
        names.iter().map(|name| Some(format!("\"{name}\":\"{}\"", jwk.get(*name)?.as_str()?)));
    let members = members.collect::<Option<Vec<_>>>()?;
    Some(Thumbprint::of(format!("{{{}}}", members.join(",")).as_bytes()))
}

/// Some providers write a number with leading zeros, against RFC 7518 section 6.3.1.1; it stays
/// the same number.
fn without_zeros(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

/// Whether a modulus looks as if a broken library had made it (ROCA, CVE-2017-15361): its residues
/// by all these primes are powers of 65537, which one in 2^27 others would be.
fn is_factorable(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 38] = [
        3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
        97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    PRIMES.iter().all(|prime| {
        let residue = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        let mut power = 1;
        (0..*prime).any(|_| {
            power = power * 65537 % prime;
            power == residue
        })
    })
}

fn bits(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    number.len() * 8 - leading
}

/// The public half of a P-256 key as a JWK for ES256, with its RFC 7638 thumbprint as `kid`.
/// `point` is uncompressed: `04`, x, y.
#[must_use]
pub fn p256_jwk(point: &[u8]) -> Option<Map<String, Value>> {
    let (form, coordinates) = point.split_first()?;
    let (x, y) = coordinates.split_at_checked(32)?;
    if *form != 4 || y.len() != 32 {
        return None;
    }
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    // The required members in the order of their names, without white space (section 3).
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(Sha256::digest(canonical));
    let members = [
        ("kty", "EC"),
        ("crv", "P-256"),
        ("alg", "ES256"),
        ("use", "sig"),
        ("kid", &kid),
        ("x", &x),
        ("y", &y),
    ];
    Some(members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn usable(members: &str) -> bool {
        let set =
            format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","x":"{X}","y":"{Y}"{members}}}]}}"#);
        KeySet::parse(set.as_bytes()).is_ok()
    }

    #[test]
    fn a_key_for_another_use_is_passed_over() {
        assert!(usable(""));
        assert!(usable(r#","use":"sig","key_ops":["verify"],"alg":"ES256","x5c":["x"]"#));
        for members in [
            r#","use":"enc""#,
            r#","use":null"#,
            r#","key_ops":["sign"]"#,
            r#","key_ops":"verify""#,
            r#","alg":"ES384""#,
            r#","alg":"RS256""#,
            r#","alg":"none""#,
            r#","alg":7"#,
            r#","kid":7"#,
            r#","d":"AAAA""#,
        ] {
            assert!(!usable(members), "{members}");
        }
    }

    #[test]
    fn a_weak_or_broken_key_is_passed_over() {
        let set = |jwk: &str| KeySet::parse(format!(r#"{{"keys":[{jwk}]}}"#).as_bytes());
        let rsa = |bytes: usize| {
            let n = URL_SAFE_NO_PAD.encode([&vec![0xc3; bytes - 1][..], &[1]].concat());
            format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#)
        };
        assert!(set(&rsa(256)).is_ok());
        for jwk in [
            rsa(128),
            rsa(1025),
            r#"{"kty":"oct","k":"AAAA"}"#.into(),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"{X}"}}"#),
            format!(r#"{{"kty":"EC","crv":"P-256","x":"{X}","y":"AA"}}"#),
            format!(r#"{{"kty":"OKP","crv":"X25519","x":"{X}"}}"#),
            "7".into(),
        ] {
            assert_eq!(set(&jwk).err(), Some(KeySetError::Unusable), "{jwk}");
        }
    }

    #[test]
    fn a_set_is_bounded_and_has_one_reading() {
        let keys = vec!["{}"; MAX_KEYS + 1].join(",");
        let many = format!(r#"{{"keys":[{keys}]}}"#);
        assert_eq!(KeySet::parse(many.as_bytes()).err(), Some(KeySetError::TooLarge));
        let long = vec![b' '; MAX_SET + 1];
        assert_eq!(KeySet::parse(&long).err(), Some(KeySetError::TooLarge));
        for text in [r#"{"keys":[],"keys":[]}"#, r#"{"keys":{}}"#, "[]", "", "<html>"] {
            assert_eq!(
                KeySet::parse(text.as_bytes()).err(),
                Some(KeySetError::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn a_key_id_is_the_thumbprint_that_others_compute() {
        let point: Vec<u8> = [X, Y].iter().fold(vec![4], |mut point, coordinate| {
            point.extend(URL_SAFE_NO_PAD.decode(coordinate).unwrap());
            point
        });
        let jwk = p256_jwk(&point).unwrap();
        // Computed from the same coordinates by another implementation of SHA-256.
        assert_eq!(jwk["kid"], "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
        let set = serde_json::to_vec(&serde_json::json!({ "keys": [jwk] })).unwrap();
        assert!(KeySet::parse(&set).unwrap().knows("oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"));
    }
}
