//! Did the client itself sign this, for us, a moment ago, and only once? RFC 7523 section 3.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::Refused;
use crate::authenticate::claims::Claims;
use crate::authenticate::jwks::KeySet;
use crate::authenticate::jwt::{Token, date};
use crate::time::Timestamp;

/// The `client_assertion_type` that is understood.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far the client's clock may be off.
const LEEWAY: Duration = Duration::from_secs(30);

/// The longest that an assertion may live: so long its id must be remembered.
const LONGEST: Duration = Duration::from_hours(1);

/// The longest `jti`, in bytes.
const MAX_ID: usize = 256;

/// What may count only once, and until when that must be remembered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Once {
    /// The client and the id that it gave to what it signed.
    pub id: String,
    /// After that it does not count anyway.
    pub until: Timestamp,
}

/// By which client an assertion says that it was signed: good for finding the client whose keys
/// are to check it, and for nothing else.
///
/// # Errors
/// [`Refused::InvalidClient`] where it cannot be read.
pub fn unverified_client(assertion: &SecretString) -> Result<String, Refused> {
    let named = read(assertion)?.unverified_issuer().map(ToOwned::to_owned);
    named.ok_or(Refused::InvalidClient("its assertion has no `iss`, which names the client"))
}

/// Checks an assertion of `client` for us, who are called by each of `audiences`.
///
/// # Errors
/// [`Refused::InvalidClient`], which says for the log what is wrong.
pub fn verify(
    assertion: &SecretString,
    client: &str,
    keys: &KeySet,
    audiences: &[&str],
    now: Timestamp,
) -> Result<Once, Refused> {
    let token = read(assertion)?;
    let claims = token
        .verified_by(keys)
        .map_err(|_| Refused::InvalidClient("none of its registered keys signed its assertion"))?;
    let holds = |holds, otherwise| if holds { Ok(()) } else { Err(otherwise) };
    holds(is_statement(token.kind()), "the `typ` of its assertion is that of another token")
        .and_then(|()| holds(is_of(claims, client), "`iss` and `sub` must both be the client's id"))
        .and_then(|()| holds(is_for(claims, audiences), AUDIENCE))
        .and_then(|()| once(claims, client, now))
        .map_err(Refused::InvalidClient)
}

const AUDIENCE: &str = "`aud` of its assertion must be the issuer or the address of the token \
     endpoint, and nobody else";

fn read(assertion: &SecretString) -> Result<Token<'_>, Refused> {
    Token::parse(assertion.expose_secret())
        .map_err(|_| Refused::InvalidClient("its assertion is no signed token"))
}

/// An access token of the same key is no statement about its holder.
fn is_statement(kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| {
        let kind = kind.to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        ["jwt", "client-authentication+jwt"].contains(&kind)
    })
}

fn is_of(claims: &Claims, client: &str) -> bool {
    ["iss", "sub"].iter().all(|name| claims.get(name).and_then(Value::as_str) == Some(client))
}

/// Whether it is for us and for nobody else: one that is for others, too, others can bring.
fn is_for(claims: &Claims, audiences: &[&str]) -> bool {
    let ours = |value: &Value| value.as_str().is_some_and(|one| audiences.contains(&one));
    match claims.get("aud") {
        Some(Value::Array(many)) => !many.is_empty() && many.iter().all(ours),
        Some(one) => ours(one),
        None => false,
    }
}

/// What of it may count only once; or why it does not count now.
fn once(claims: &Claims, client: &str, now: Timestamp) -> Result<Once, &'static str> {
    let no_time = |_| "a time in its assertion is no number of seconds";
    let expires = date(claims, "exp").map_err(no_time)?.ok_or("its assertion has no `exp`")?;
    let issued = date(claims, "iat").map_err(no_time)?;
    let not_before = date(claims, "nbf").map_err(no_time)?;
    let (until, soon) = (expires.plus(LEEWAY), now.plus(LEEWAY));
    if now >= until {
        return Err("its assertion has expired");
    }
    if [issued, not_before].into_iter().flatten().any(|at| at > soon) {
        return Err("its assertion counts only later: `iat` or `nbf` lies ahead");
    }
    if expires.since(now) > LONGEST + LEEWAY {
        return Err("its assertion lives longer than an hour");
    }
    let id = claims.get("jti").and_then(Value::as_str);
    let id = id.filter(|id| (1..=MAX_ID).contains(&id.len()));
    let id = id.ok_or("its assertion has no `jti` of 1 to 256 bytes")?;
    Ok(Once { id: format!("{client} {id}"), until })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::issue::{SigningKey, documents};

    const US: [&str; 2] = ["https://gate.example", "https://gate.example/token"];
    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn key() -> SigningKey {
        SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap()
    }

    fn checked(key: &SigningKey, kind: &str, claims: &Value) -> Result<Once, Refused> {
        let set = documents::key_set([key]).to_string();
        let set = KeySet::parse(set.as_bytes()).unwrap();
        let signed = SecretString::from(key.sign(kind, claims).unwrap());
        assert_eq!(unverified_client(&signed).is_ok(), claims["iss"].is_string());
        verify(&signed, "agent", &set, &US, NOW)
    }

    fn good() -> Value {
        json!({
            "iss": "agent", "sub": "agent", "aud": "https://gate.example/token", "jti": "1",
            "iat": 1000, "exp": 1060,
        })
    }

    #[test]
    fn a_statement_counts_until_its_end_and_by_its_name() {
        let once = checked(&key(), "JWT", &good()).unwrap();
        assert_eq!(once, Once { id: "agent 1".into(), until: Timestamp::from_secs(1090) });
    }

    #[test]
    fn every_claim_must_be_as_the_standard_has_it() {
        let key = key();
        for (name, value) in [
            ("iss", json!("other")),
            ("iss", json!(["agent"])),
            ("sub", json!("other")),
            ("sub", Value::Null),
            ("aud", json!("https://elsewhere.example")),
            ("aud", json!(["https://gate.example", "https://elsewhere.example"])),
            ("aud", json!([])),
            ("aud", Value::Null),
            ("aud", json!("https://gate.example/")),
            ("exp", json!(970)),
            ("exp", json!("1060")),
            ("exp", json!(1000 + 3600 + 31)),
            ("exp", Value::Null),
            ("iat", json!(1031)),
            ("nbf", json!(1031)),
            ("jti", json!("")),
            ("jti", json!(7)),
            ("jti", json!("x".repeat(257))),
            ("jti", Value::Null),
        ] {
            let mut claims = good();
            match value {
                Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
                value => claims[name] = value,
            }
            let refused = checked(&key, "JWT", &claims).unwrap_err();
            let about = refused.reason();
            // Of times it says what is wrong with them.
            let tells = match name {
                "exp" => ["expired", "number", "hour", "`exp`"].iter().any(|w| about.contains(w)),
                name => about.contains(&format!("`{name}`")),
            };
            assert!(tells && !refused.to_string().contains("assertion"), "{about} {claims}");
        }
        for aud in [json!("https://gate.example"), json!([US[0], US[1]])] {
            let mut claims = good();
            claims["aud"] = aud;
            assert!(checked(&key, "client-authentication+jwt", &claims).is_ok(), "{claims}");
        }
    }

    #[test]
    fn another_key_or_another_sort_of_token_proves_nothing() {
        let (key, other) = (key(), key());
        assert!(checked(&key, "at+jwt", &good()).is_err());
        assert!(checked(&key, "dpop+jwt", &good()).is_err());
        let set = KeySet::parse(documents::key_set([&other]).to_string().as_bytes()).unwrap();
        let signed = SecretString::from(key.sign("JWT", &good()).unwrap());
        assert!(verify(&signed, "agent", &set, &US, NOW).is_err());
    }
}
