//! Does whoever shows this token have the key it is bound to? Proofs of possession, RFC 9449.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::algorithm::Algorithm;
use super::claims::Claims;
use super::holder::Thumbprint;
use super::jwks::KeySet;
use super::jws::{Jws, MAX_DEPTH};
use super::{Rejection, jwt};
use crate::time::Timestamp;

/// The header that carries a proof.
pub static DPOP: HeaderName = HeaderName::from_static("dpop");

/// The header in which the server names the nonce that the next proof must hold.
pub static DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The algorithms of proofs, as challenges list them (RFC 9449 section 7.1).
pub const ALGORITHMS: &str = "ES256 EdDSA RS256 PS256 ES384 ES512";

/// By which algorithms a proof may be signed.
const SIGNED_BY: &[Algorithm] = &[
    Algorithm::Es256,
    Algorithm::EdDsa,
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es384,
    Algorithm::Es512,
];

/// The longest `jti` that is looked at, in bytes.
const MAX_ID: usize = 256;

/// How far a client's clock may be ahead of ours.
const AHEAD: Duration = Duration::from_secs(5);

/// What a proof must say.
#[derive(Clone, Debug)]
pub struct Rules {
    origins: Vec<String>,
    window: Duration,
    nonces: Option<Nonces>,
}

/// An address that is no origin.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no origin; write it as `https://gate.example.com`, without a path")]
pub struct NoOrigin(String);

impl Rules {
    /// Proofs for requests to one of these origins (`https://gate.example.com`), as clients see
    /// them, made at most `window` ago. What a request says of its own host is not asked: whoever
    /// got hold of a proof for another server could write that one there.
    ///
    /// # Errors
    /// [`NoOrigin`] where one is none.
    pub fn new(origins: &[String], window: Duration) -> Result<Self, NoOrigin> {
        let read = |text: &String| match split(text) {
            Some((origin, "" | "/")) => Ok(origin),
            _ => Err(NoOrigin(text.clone())),
        };
        let origins = origins.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { origins, window, nonces: None })
    }

    /// Asks for a nonce of ours in every proof (section 9). `secret` keys them; gates that share
    /// it take each other's.
    #[must_use]
    pub fn with_nonces(mut self, secret: &[u8; 32]) -> Self {
        self.nonces = Some(Nonces { key: hmac::Key::new(hmac::HMAC_SHA256, secret) });
        self
    }

    /// For how long a proof must not be seen twice.
    #[must_use]
    pub fn replay_window(&self) -> Duration {
        self.window + AHEAD
    }

    /// Checks everything about a proof but whether it was seen before.
    ///
    /// # Errors
    /// [`Rejection::Proof`] says what is wrong; [`Rejection::Nonce`] names what must be in it.
    pub fn verify(
        &self,
        proof: &str,
        asked: &Asked<'_>,
        token: &str,
        now: Timestamp,
    ) -> Result<Proof, Rejection> {
        let (jws, header) = Jws::read(proof).map_err(|_| Rejection::Proof("it is no JWS"))?;
        if !jws.kind().is_some_and(|kind| kind.eq_ignore_ascii_case("dpop+jwt")) {
            return Err(Rejection::Proof("its `typ` is not `dpop+jwt`"));
        }
        if !SIGNED_BY.contains(&jws.algorithm()) {
            return Err(Rejection::Proof("its algorithm is not accepted"));
        }
        let jwk = header.get("jwk").and_then(Value::as_object);
        let (key, thumbprint) = jwk
            .and_then(KeySet::carried)
            .ok_or(Rejection::Proof("it carries no public key that can be used"))?;
        jws.verify_as(&key, None).map_err(|_| Rejection::Proof("its signature does not verify"))?;
        let claims = Claims::parse(jws.unverified_payload(), MAX_DEPTH)
            .map_err(|_| Rejection::Proof("its claims could not be read"))?;
        self.check(&claims, asked, token, now)?;
        let id = text(&claims, "jti").filter(|id| (1..=MAX_ID).contains(&id.len()));
        let id = id.ok_or(Rejection::Proof("it has no `jti`"))?;
        let seen = Sha256::new().chain_update(thumbprint.bytes()).chain_update(id).finalize();
        Ok(Proof { thumbprint, seen: seen.into() })
    }

    fn check(
        &self,
        claims: &Claims,
        asked: &Asked<'_>,
        token: &str,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        // To the letter: methods are case-sensitive, those of one's own above all.
        if text(claims, "htm") != Some(asked.method) {
            return Err(Rejection::Proof("its `htm` is not the method of this request"));
        }
        let meant = text(claims, "htu").and_then(split).is_some_and(|(origin, path)| {
            self.origins.contains(&origin) && normal(path) == normal(asked.path)
        });
        if !meant {
            return Err(Rejection::Proof("its `htu` is not the address of this request"));
        }
        let hash = Thumbprint::of(token.as_bytes());
        if text(claims, "ath").and_then(Thumbprint::parse) != Some(hash) {
            return Err(Rejection::Proof("its `ath` is not the hash of this token"));
        }
        let made = jwt::date(claims, "iat").ok().flatten();
        let made = made.ok_or(Rejection::Proof("it has no `iat`"))?;
        if made > now.plus(AHEAD) || now.since(made) > self.window {
            return Err(Rejection::Proof("its `iat` is too far from now"));
        }
        match &self.nonces {
            None => Ok(()),
            Some(nonces) => nonces.check(text(claims, "nonce"), now),
        }
    }
}

/// The one proof among the header fields.
///
/// # Errors
/// [`Rejection::Proof`] where there is none, or several.
pub fn proof(headers: &HeaderMap) -> Result<&str, Rejection> {
    let mut values = headers.get_all(&DPOP).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(proof), None) => Ok(proof),
        _ => Err(Rejection::Proof("exactly one DPoP header field is needed")),
    }
}

/// What was asked for, as the client wrote it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method, before an override or an alias was resolved.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
}

/// A proof that holds, if it was not seen before.
#[derive(Debug)]
pub struct Proof {
    thumbprint: Thumbprint,
    seen: [u8; 32],
}

impl Proof {
    /// The key that made it.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }
}

fn text<'a>(claims: &'a Claims, name: &str) -> Option<&'a str> {
    claims.get(name)?.as_str()
}

/// Origin and path of an address, without query and fragment; scheme and host in lower case, the
/// port of the scheme left out (RFC 3986 section 6.2.3).
fn split(address: &str) -> Option<(String, &str)> {
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let bare = address.get(..end)?;
    let (scheme, rest) = bare.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (scheme, authority) = (scheme.to_ascii_lowercase(), authority.to_ascii_lowercase());
    let port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = authority.strip_suffix(port).unwrap_or(&authority);
    let sound = !authority.is_empty() && !authority.contains(['@', '\\', ' ', '%']);
    sound.then(|| (format!("{scheme}://{authority}"), path))
}

/// A path with one spelling for each of its bytes (RFC 3986 section 6.2.2).
fn normal(path: &str) -> String {
    let path = if path.is_empty() { "/" } else { path };
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let byte = after.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(char::from(byte));
            }
            Some(byte) => out.push_str(&format!("%{byte:02X}")),
            None => out.push('%'),
        }
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    out.push_str(rest);
    out
}

/// A nonce of ours: when it was given, and that we gave it. In base64url.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Nonce([u8; NONCE]);

/// The bytes of a nonce: eight of time, sixteen of proof.
const NONCE: usize = 24;

/// How long a nonce is given out; it counts for as long again.
const TURN: u64 = 120;

/// Gives nonces and knows them again, without remembering any.
#[derive(Clone, Debug)]
struct Nonces {
    key: hmac::Key,
}

impl Nonces {
    fn check(&self, shown: Option<&str>, now: Timestamp) -> Result<(), Rejection> {
        let turn = now.as_secs() / TURN;
        let shown = shown.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        // Compared like a name: whoever guesses a nonce has still to sign it.
        let ours = shown.is_some_and(|shown| {
            [turn, turn.saturating_sub(1)].iter().any(|turn| shown == self.of(*turn).0)
        });
        if ours { Ok(()) } else { Err(Rejection::Nonce(self.of(turn))) }
    }

    fn of(&self, turn: u64) -> Nonce {
        let turn = turn.to_be_bytes();
        let tag = hmac::sign(&self.key, &turn);
        let mut bytes = [0; NONCE];
        for (to, from) in bytes.iter_mut().zip(turn.iter().chain(tag.as_ref())) {
            *to = *from;
        }
        Nonce(bytes)
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The proofs that were seen, as long as they could be shown again. Bounded: when it is full,
/// further proofs are refused rather than old ones forgotten before their time.
#[derive(Debug)]
pub struct Seen {
    life: Duration,
    most: usize,
    turned: Timestamp,
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

/// What is known of a proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sighting {
    /// It is new.
    First,
    /// It was shown before.
    Again,
    /// Nobody can say: too many are remembered.
    Full,
}

impl Seen {
    /// Remembers proofs for `life` at least, `most` at once.
    #[must_use]
    pub fn new(life: Duration, most: usize) -> Self {
        let (young, old) = Default::default();
        Self { life, most, turned: Timestamp(0), young, old }
    }

    /// Remembers a proof.
    pub fn note(&mut self, proof: &Proof, now: Timestamp) -> Sighting {
        if now.since(self.turned) >= self.life {
            let past = now.since(self.turned) >= self.life * 2;
            self.old = if past { HashSet::new() } else { std::mem::take(&mut self.young) };
            self.young.clear();
            self.turned = now;
        }
        if self.young.contains(&proof.seen) || self.old.contains(&proof.seen) {
            return Sighting::Again;
        }
        if self.young.len() + self.old.len() >= self.most {
            return Sighting::Full;
        }
        self.young.insert(proof.seen);
        Sighting::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_without_what_does_not_count() {
        let same = |one: &str, other: &str| {
            let (a, b) = (split(one).unwrap(), split(other).unwrap());
            a.0 == b.0 && normal(a.1) == normal(b.1)
        };
        assert!(same("https://Gate.example:443/a%2fb/%7Ec?x=1#y", "HTTPS://gate.example/a%2Fb/~c"));
        assert!(same("https://gate.example", "https://gate.example/"));
        for (one, other) in [
            ("https://gate.example/a", "http://gate.example/a"),
            ("https://gate.example/a", "https://gate.example:8443/a"),
            ("https://gate.example/a", "https://gate.example/A"),
            ("https://gate.example/a", "https://gate.example/a/"),
            ("https://gate.example/a%2Fb", "https://gate.example/a/b"),
            ("https://gate.example/a", "https://gate.example.evil.example/a"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
        for none in ["", "gate.example/a", "ftp://gate.example/", "https:///a", "https://a@b/"] {
            assert_eq!(split(none), None, "{none}");
        }
        assert_eq!(normal("/%zz%4"), "/%zz%4");
        assert!(Rules::new(&["https://gate.example/x".into()], AHEAD).is_err());
    }

    #[test]
    fn a_nonce_counts_for_its_turn_and_the_next_and_only_here() {
        let nonces = |secret: u8| Nonces { key: hmac::Key::new(hmac::HMAC_SHA256, &[secret; 32]) };
        let now = Timestamp::from_secs(1_800_000_000);
        let Err(Rejection::Nonce(nonce)) = nonces(1).check(None, now) else { panic!() };
        let shown = nonce.to_string();
        let at = |secs: u64| nonces(1).check(Some(&shown), now.plus(Duration::from_secs(secs)));
        assert_eq!((shown.len(), at(0), at(TURN)), (32, Ok(()), Ok(())));
        assert!(matches!(at(2 * TURN), Err(Rejection::Nonce(new)) if new != nonce));
        assert!(nonces(2).check(Some(&shown), now).is_err());
        for bad in ["", "x", &"A".repeat(32), shown.trim_end_matches(char::is_alphanumeric)] {
            assert!(nonces(1).check(Some(bad), now).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_proof_is_seen_once_for_as_long_as_it_could_be_shown() {
        let proof = |n: u8| Proof { thumbprint: Thumbprint::of(b"k"), seen: [n; 32] };
        let at = |secs: u64| Timestamp::from_secs(1_000 + secs);
        let mut seen = Seen::new(Duration::from_secs(60), 3);
        assert_eq!(seen.note(&proof(1), at(0)), Sighting::First);
        assert_eq!(seen.note(&proof(1), at(1)), Sighting::Again);
        assert_eq!(seen.note(&proof(2), at(59)), Sighting::First);
        assert_eq!(seen.note(&proof(2), at(118)), Sighting::Again, "a turn later");
        assert_eq!(seen.note(&proof(3), at(118)), Sighting::First);
        assert_eq!(seen.note(&proof(4), at(118)), Sighting::Full);
        assert_eq!(seen.note(&proof(3), at(118)), Sighting::Again, "also when it is full");
        assert_eq!(seen.note(&proof(4), at(240)), Sighting::First, "room again");
    }
}
