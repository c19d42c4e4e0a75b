//! What does an access token say? A JWT by RFC 9068.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::signing::{SigningKey, SigningKeyError};
use crate::authenticate::Kind;
use crate::time::Timestamp;

/// The `client_id` of tokens that no client asked for in its own name.
pub const PUBLIC_CLIENT: &str = "public";

/// An access token before it is signed.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whose token it is, and of which kind: a user, or a client for itself.
    pub subject: Arc<str>,
    /// User or client.
    pub kind: Kind,
    /// The client that asked, if one authenticated.
    pub client: Option<Arc<str>>,
    /// The session that it came of; revoking that revokes it.
    pub session: Option<Arc<str>>,
    /// The scopes that it has.
    pub scopes: Vec<Arc<str>>,
    /// The roles that its subject has.
    pub roles: Vec<Arc<str>>,
    /// The tenant that its subject belongs to.
    pub tenant: Option<Arc<str>>,
    /// For whom it is meant, if not for all that is guarded here (RFC 8707).
    pub resource: Option<Arc<str>>,
    /// Who acts for its subject (RFC 8693 section 4.1).
    pub actor: Option<Value>,
    /// The tokens from which it comes, by their ids; revoking one of them revokes it.
    pub origins: Vec<Arc<str>>,
    /// Its name, unguessable.
    pub id: String,
    /// When it begins.
    pub issued: Timestamp,
    /// How long it counts, in whole seconds.
    pub ttl: Duration,
}

impl Access {
    /// When it ends.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        Timestamp::from_secs(self.issued.as_secs().saturating_add(self.ttl.as_secs()))
    }

    /// Its claims, as `issuer` makes them for `audience`.
    #[must_use]
    pub fn claims(&self, issuer: &str, audience: &str) -> Value {
        let mut claims = json!({
            "iss": issuer,
            "sub": &*self.subject,
            "aud": self.resource.as_deref().unwrap_or(audience),
            "client_id": self.client.as_deref().unwrap_or(PUBLIC_CLIENT),
            "iat": self.issued.as_secs(),
            "exp": self.expires().as_secs(),
            "jti": self.id,
            "kind": self.kind.as_str(),
            "scope": self.scopes.join(" "),
            "roles": self.roles.iter().map(|role| &**role).collect::<Vec<_>>(),
        });
        if let Some(claims) = claims.as_object_mut() {
            let tenant = self.tenant.as_deref().map(|tenant| ("tenant", tenant));
            let session = self.session.as_deref().map(|session| ("sid", session));
            let optional = [tenant, session].into_iter().flatten();
            claims.extend(optional.map(|(name, value)| (name.to_owned(), value.into())));
            claims.extend(self.actor.clone().map(|actor| ("act".to_owned(), actor)));
            if !self.origins.is_empty() {
                let origins: Vec<&str> = self.origins.iter().map(|id| &**id).collect();
                claims.insert("via".to_owned(), origins.into());
            }
        }
        claims
    }

    /// The token.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    pub fn sign(
        &self,
        issuer: &str,
        audience: &str,
        key: &SigningKey,
    ) -> Result<String, SigningKeyError> {
        key.sign("at+jwt", &self.claims(issuer, audience))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authenticate::Rejection;
    use crate::authenticate::jwks::KeySet;
    use crate::authenticate::jws::VerifyError;
    use crate::authenticate::jwt::{Issuer, Token};
    use crate::issue::documents;

    fn access(kind: Kind) -> Access {
        Access {
            subject: "agent1".into(),
            kind,
            client: None,
            session: Some("s1".into()),
            scopes: vec!["data:read".into(), "notify:send".into()],
            roles: vec!["user".into()],
            tenant: Some("acme".into()),
            resource: None,
            actor: None,
            origins: Vec::new(),
            id: "j1".into(),
            issued: Timestamp::from_secs(1_000),
            ttl: Duration::from_secs(900),
        }
    }

    #[test]
    fn what_we_sign_is_what_we_accept_and_for_no_second_longer() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
        let keys = documents::key_set([&key]).to_string();
        let keys = KeySet::parse(keys.as_bytes()).unwrap();
        let issuer = Issuer::own("https://gate.example", "api");
        let token = access(Kind::User).sign("https://gate.example", "api", &key).unwrap();
        let token = Token::parse(&token).unwrap();
        let caller = issuer.verify(&token, &keys, Timestamp::from_secs(1_899)).unwrap();
        assert_eq!(caller.principal().to_string(), "local:agent1");
        assert_eq!(caller.scopes().join(" "), "data:read notify:send");
        assert_eq!(caller.roles().join(" "), "user");
        assert_eq!(caller.tenant().unwrap().as_ref(), "acme");
        let late = issuer.verify(&token, &keys, Timestamp::from_secs(1_900));
        assert_eq!(late.unwrap_err(), VerifyError::Rejected(Rejection::Expired));
    }

    #[test]
    fn a_client_is_nobody_with_the_same_name() {
        let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
        let keys = KeySet::parse(documents::key_set([&key]).to_string().as_bytes()).unwrap();
        let token = access(Kind::Client).sign("https://gate.example", "api", &key).unwrap();
        let token = Token::parse(&token).unwrap();
        let now = Timestamp::from_secs(1_000);
        let ours = Issuer::own("https://gate.example", "api").verify(&token, &keys, now).unwrap();
        assert_eq!(ours.principal().to_string(), "client:agent1");
        // A stranger who writes the same claim does not get our client.
        let stranger = Issuer::new("corp", "https://gate.example", vec!["api".into()]).unwrap();
        let theirs = stranger.verify(&token, &keys, now).unwrap();
        assert_eq!(theirs.principal().to_string(), "corp:agent1");
        assert!(theirs.roles().is_empty());
    }
}
