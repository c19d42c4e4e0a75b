//! Who has an account, and with which rights?

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use secrecy::ExposeSecret as _;

use super::Refused;
use super::assertion::{Once, verify};
use super::request::{GrantType, Shown};
use crate::authenticate::api_key::{Hash, Pepper};
use crate::authenticate::certificate::{Certificate, Name};
use crate::authenticate::claims::Grants;
use crate::authenticate::jwks::{KeySet, KeySetError};
use crate::authenticate::password::PasswordHash;
use crate::time::Timestamp;

/// The longest name of a user or a client, in bytes.
pub const MAX_NAME: usize = 128;

/// A person, or an agent that has an account like one. As a principal: `local:NAME`.
#[derive(Clone, Debug)]
pub struct User {
    /// By what they log in.
    pub name: Arc<str>,
    /// What checks their password.
    pub password: PasswordHash,
    /// The scopes that they may have.
    pub scopes: Vec<Arc<str>>,
    /// The roles that they have.
    pub roles: Vec<Arc<str>>,
    /// The tenant that they belong to.
    pub tenant: Option<Arc<str>>,
    /// Whether they may not log in for now.
    pub disabled: bool,
}

/// A program that authenticates as itself. As a principal: `client:ID`.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: Arc<str>,
    /// What checks that it is it.
    pub proof: Proof,
    /// The scopes that it may have for itself.
    pub scopes: Vec<Arc<str>>,
    /// The roles that it has.
    pub roles: Vec<Arc<str>>,
    /// The tenant that it belongs to.
    pub tenant: Option<Arc<str>>,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The most that it may have when it acts for somebody (RFC 8693), of what they have.
    pub acts_at_most: Grants,
    /// Whether it may do nothing for now.
    pub disabled: bool,
}

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It knows a generated secret, of which this is the digest.
    Secret(Hash),
    /// It signs by one of these keys (RFC 7523).
    Keys(PublicKeys),
    /// Its connection has a certificate of this name, which an authority of ours signed (RFC 8705
    /// section 2.1).
    Certificate(Name),
    /// It cannot: whatever is in a program that people carry around is no secret (RFC 6749
    /// section 2.1).
    Public,
}

impl Proof {
    /// Why something else does not do.
    fn missed(&self) -> &'static str {
        match self {
            Self::Secret(_) => "it is registered with a secret, and showed none",
            Self::Keys(_) => "it is registered with keys, and showed no `client_assertion`",
            Self::Certificate(_) => {
                "it is registered with a certificate, which no secret or assertion stands for"
            }
            Self::Public => "it is registered as a public client, which has nothing to show",
        }
    }
}

/// The public keys of a client, as they were registered.
#[derive(Clone)]
pub struct PublicKeys {
    text: Arc<str>,
    set: Arc<KeySet>,
}

impl Client {
    /// Whether what is shown proves that it is this client, for one of `audiences`: us, by the
    /// names that we have. What may count only once is given back, for the store to say.
    /// `certificate` is that of the connection: it proves those who are registered by one, and is
    /// no second proof for others.
    ///
    /// # Errors
    /// [`Refused::InvalidClient`], which says for the log what is wrong.
    pub fn prove(
        &self,
        shown: &Shown,
        certificate: Option<&Certificate>,
        pepper: Option<&Pepper>,
        audiences: &[&str],
        now: Timestamp,
    ) -> Result<Option<Once>, Refused> {
        if self.disabled {
            return Err(Refused::InvalidClient("it is disabled"));
        }
        match (&self.proof, shown) {
            (Proof::Secret(hash), Shown::Secret(secret))
                if hash.matches(secret.expose_secret(), pepper) =>
            {
                Ok(None)
            }
            (Proof::Keys(PublicKeys { set, .. }), Shown::Assertion(assertion)) => {
                verify(assertion, &self.id, set, audiences, now).map(Some)
            }
            (Proof::Certificate(name), Shown::Nothing)
                if certificate.is_some_and(|one| one.holds(name) && one.check(now).is_ok()) =>
            {
                Ok(None)
            }
            (Proof::Public, Shown::Nothing) => Ok(None),
            (Proof::Secret(_), Shown::Secret(_)) => {
                Err(Refused::InvalidClient("its secret is wrong"))
            }
            (Proof::Certificate(_), Shown::Nothing) => {
                Err(Refused::InvalidClient("its connection has no certificate of its name"))
            }
            (proof, _) => Err(Refused::InvalidClient(proof.missed())),
        }
    }

    /// Whether it may use this grant. One that anybody can claim to be gets nothing in its own
    /// name, and acts for nobody.
    #[must_use]
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant) && !(grant.needs_proof() && self.is_public())
    }

    /// Whether anybody may claim to be it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        matches!(self.proof, Proof::Public)
    }
}

impl Proof {
    /// The name of the method (RFC 7591 section 2).
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Secret(_) => "client_secret",
            Self::Keys(_) => "private_key_jwt",
            Self::Certificate(_) => "tls_client_auth",
            Self::Public => "none",
        }
    }
}

impl PublicKeys {
    /// The JWK Set, as it was registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for PublicKeys {
    type Err = KeySetError;

    /// Reads a JWK Set, or a single JWK.
    fn from_str(text: &str) -> Result<Self, KeySetError> {
        let (text, single) = (text.trim(), format!("{{\"keys\":[{text}]}}"));
        let set = KeySet::parse(text.as_bytes());
        let (text, set) = match set {
            Err(KeySetError::Malformed) => (single.as_str(), KeySet::parse(single.as_bytes())?),
            set => (text, set?),
        };
        Ok(Self { text: text.into(), set: Arc::new(set) })
    }
}

impl fmt::Debug for PublicKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.set.fmt(f)
    }
}

/// Whether a user or a client may be called this: it becomes a subject, a log entry and a header.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The scopes of a token: those that are asked for, if all of them are held; all that are held,
/// if none is asked for.
///
/// # Errors
/// [`Refused::InvalidScope`] where more is asked for than is held (RFC 6749 section 5.2): a
/// client that silently gets less finds out at the worst moment.
pub fn scopes(asked: Option<&[String]>, held: &[Arc<str>]) -> Result<Vec<Arc<str>>, Refused> {
    let Some(asked) = asked else { return Ok(held.to_vec()) };
    let mut granted: Vec<Arc<str>> = Vec::with_capacity(asked.len());
    for scope in asked {
        let scope = held.iter().find(|one| ***one == **scope).ok_or(Refused::InvalidScope)?;
        if !granted.contains(scope) {
            granted.push(Arc::clone(scope));
        }
    }
    Ok(granted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_a_scope_that_they_do_not_hold() {
        let held: Vec<Arc<str>> = vec!["a".into(), "b".into()];
        let ask = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
            scopes(Some(&asked), &held).map(|s| s.join(" "))
        };
        assert_eq!(ask(&["b", "b"]).unwrap(), "b");
        assert_eq!(ask(&["a", "c"]), Err(Refused::InvalidScope));
        assert_eq!(ask(&["*"]), Err(Refused::InvalidScope));
        assert_eq!(scopes(None, &held).unwrap(), held);
    }

    fn client(proof: Proof) -> Client {
        Client {
            id: "c".into(),
            proof,
            scopes: vec![],
            roles: vec![],
            tenant: None,
            grants: GrantType::ALL.into(),
            acts_at_most: Grants::default(),
            disabled: false,
        }
    }

    #[test]
    fn a_client_proves_itself_in_its_own_way_and_in_no_other() {
        let secret = |text: &str| Shown::Secret(text.into());
        let now = Timestamp(0);
        let proves =
            |client: &Client, shown| client.prove(&shown, None, None, &["us"], now).is_ok();
        let mut confidential = client(Proof::Secret(Hash::of("s", None)));
        assert!(proves(&confidential, secret("s")));
        assert!(!proves(&confidential, secret("S")));
        assert!(!proves(&confidential, Shown::Nothing));
        assert!(!proves(&confidential, Shown::Assertion("s".into())));
        confidential.disabled = true;
        assert!(!proves(&confidential, secret("s")));
        let public = client(Proof::Public);
        assert!(proves(&public, Shown::Nothing));
        assert!(!proves(&public, secret("s")), "it has none");
        assert!(!proves(&public, secret("")));
    }

    #[test]
    fn a_name_of_a_certificate_is_whole_and_says_of_which_sort_it_is() {
        for (text, stored) in [
            ("san_uri:spiffe://example.org/a", "san_uri:spiffe://example.org/a"),
            ("san_dns:Worker.Example.org", "san_dns:worker.example.org"),
        ] {
            assert_eq!(text.parse::<Name>().unwrap().to_string(), stored);
        }
        for text in ["", "san_dns:", "san_dns:*.example.org", "san_uri:worker", "dn:CN=a", "a b"] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
        let worker = client(Proof::Certificate("san_dns:a.example".parse().unwrap()));
        for shown in [Shown::Nothing, Shown::Secret("san_dns:a.example".into())] {
            let proved = worker.prove(&shown, None, None, &["us"], Timestamp(0));
            assert!(matches!(proved, Err(Refused::InvalidClient(_))), "{proved:?}");
        }
    }

    #[test]
    fn a_public_client_gets_nothing_in_its_own_name() {
        let public = client(Proof::Public);
        let may: Vec<_> = GrantType::ALL.into_iter().filter(|g| public.may_use(*g)).collect();
        assert_eq!(may, [GrantType::Password, GrantType::RefreshToken]);
    }

    #[test]
    fn a_key_of_its_own_may_be_registered_with_or_without_a_set_around_it() {
        let jwk = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let single: PublicKeys = jwk.parse().unwrap();
        let set: PublicKeys = format!(r#"{{"keys":[{jwk}]}}"#).parse().unwrap();
        assert_eq!(single.as_str(), set.as_str());
        let private = jwk.replace("}", r#","d":"AA"}"#);
        assert_eq!(private.parse::<PublicKeys>().err(), Some(KeySetError::Unusable));
        assert_eq!("x".parse::<PublicKeys>().err(), Some(KeySetError::Malformed));
    }
}
