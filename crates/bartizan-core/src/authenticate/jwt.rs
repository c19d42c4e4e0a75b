//! Did an issuer that we trust say this, to us, now, for this use? RFC 7519 as RFC 8725 wants it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::algorithm::Algorithm;
use super::claims::{ClaimPaths, Claims, Grants, texts};
use super::holder::{Binding, Holder, Proven};
use super::jwks::KeySet;
use super::jws::{Jws, MAX_DEPTH, VerifyError};
use super::{Caller, Identity, Kind, Method, Principal, Rejection};
use crate::time::Timestamp;

/// The issuer name of our own token endpoint's users.
pub const LOCAL: &str = "local";

/// The issuer name of programs that authenticate as themselves at our own token endpoint.
pub const CLIENT: &str = "client";

/// What may stand before the `typ` of a token.
const MEDIA: &str = "application/";

/// Names that no configured issuer may have, for principals of another origin bear them.
const RESERVED: [&str; 5] = [LOCAL, CLIENT, "key", "anonymous", super::certificate::ISSUER];

/// The last second of the year 9999. What lies behind it is a mistake or a trick.
const END_OF_TIME: u64 = 253_402_300_799;

/// Somebody who signs tokens, and how far they are believed.
#[derive(Clone, Debug)]
pub struct Issuer {
    name: Arc<str>,
    url: Arc<str>,
    own: bool,
    /// For whom a token must be meant: one of these must be in its `aud`.
    pub audiences: Vec<String>,
    /// Audiences that are parts of what is guarded here, and the path of each: a token that is
    /// meant for one of them and for no other counts there alone (RFC 8707).
    pub parts: Vec<(Arc<str>, Arc<str>)>,
    /// By which algorithms it signs.
    pub algorithms: Vec<Algorithm>,
    /// How far its clock and ours may differ.
    pub leeway: Duration,
    /// Which `typ` its tokens have, in lower case and without `application/`. A token without
    /// one counts as a `jwt`.
    pub types: BTreeSet<String>,
    /// Where in the claims is what we need.
    pub claims: ClaimPaths,
    /// Which roles and scopes it may assert.
    pub grants_at_most: Grants,
    /// The longest that a token may live, from `iat` (or from now) to `exp`.
    pub max_lifetime: Option<Duration>,
}

/// Why an issuer cannot be configured.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IssuerError {
    /// Its name would be somebody else's.
    #[error("the issuer name `{0}` is empty, reserved or holds a colon; choose another one")]
    Name(String),
    /// Tokens for anybody would be taken.
    #[error("the issuer `{0}` has no audience; name the one that its tokens are meant for")]
    Audience(String),
}

impl Issuer {
    /// An issuer with the defaults of a stranger: asymmetric algorithms, a minute of leeway,
    /// `JWT` or `at+jwt`, all scopes, no roles. `name` is what its principals are called by,
    /// `url` what its tokens have as `iss`, to the letter.
    ///
    /// # Errors
    /// [`IssuerError`] where the name would clash, or there is no audience.
    pub fn new(name: &str, url: &str, audiences: Vec<String>) -> Result<Self, IssuerError> {
        if name.is_empty() || name.contains(':') || RESERVED.contains(&name) {
            return Err(IssuerError::Name(name.to_owned()));
        }
        if audiences.is_empty() {
            return Err(IssuerError::Audience(name.to_owned()));
        }
        Ok(Self {
            name: name.into(),
            url: url.into(),
            own: false,
            audiences,
            parts: Vec::new(),
            algorithms: Algorithm::ASYMMETRIC.to_vec(),
            leeway: Duration::from_mins(1),
            types: ["jwt", "at+jwt"].map(String::from).into(),
            claims: ClaimPaths::default(),
            grants_at_most: Grants::default(),
            max_lifetime: None,
        })
    }

    /// Our own token endpoint: it is believed in everything, and no other may sign in its name.
    #[must_use]
    pub fn own(url: &str, audience: &str) -> Self {
        Self {
            name: LOCAL.into(),
            url: url.into(),
            own: true,
            audiences: vec![audience.to_owned()],
            parts: Vec::new(),
            algorithms: vec![Algorithm::Es256],
            leeway: Duration::ZERO,
            types: ["at+jwt"].map(String::from).into(),
            claims: ClaimPaths { tenant: Some("tenant".into()), ..ClaimPaths::default() },
            grants_at_most: Grants::everything(),
            max_lifetime: None,
        }
    }

    /// What its principals are called by.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What its tokens have as `iss`.
    #[must_use]
    pub fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// Whether it is our own token endpoint.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// Checks everything about a token that its bearer may show. Only then is there a caller.
    ///
    /// # Errors
    /// [`VerifyError`] on any doubt; also where the token is bound to a key, whose proof nobody
    /// can see here: see [`Issuer::holder`].
    pub fn verify(
        &self,
        token: &Token<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Caller, VerifyError> {
        Ok(self.holder(token, keys, now)?.show(&Proven::default())?)
    }

    /// Checks everything about a token: sort, signature, origin, audience, time, use. What is left
    /// to be proved is that it is theirs to show.
    ///
    /// # Errors
    /// [`VerifyError`] on any doubt.
    pub fn holder(
        &self,
        token: &Token<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Holder, VerifyError> {
        self.check_sort(&token.jws)?;
        token.jws.verify(keys)?;
        let claims = &token.claims;
        if claims.get("iss").and_then(Value::as_str) != Some(&*self.url) {
            return Err(Rejection::Untrusted("it is of another issuer").into());
        }
        let within = self.check_audience(claims)?;
        let expires = self.check_time(claims, now)?;
        check_use(claims)?;
        let binding = Binding::read(claims)?;
        let identity = Identity { within, ..self.identity(claims, Some(expires))? };
        Ok(Holder::new(identity, Method::Jwt, binding))
    }

    /// What its introspection endpoint said of a token (RFC 7662 section 2.2), believed as far as
    /// a token of its own would be. Where it says for whom the token is meant, that must be us;
    /// where it does not, `any_audience` decides.
    ///
    /// # Errors
    /// [`Rejection`] where the token does not count, or the answer has two readings.
    pub fn introspected(
        &self,
        answer: &[u8],
        any_audience: bool,
        now: Timestamp,
    ) -> Result<Holder, Rejection> {
        let claims = Claims::parse(answer, MAX_DEPTH).map_err(|_| Rejection::Malformed)?;
        match claims.get("active") {
            Some(Value::Bool(true)) => {}
            // Unknown, expired, taken back or for another: it does not say which.
            Some(Value::Bool(false)) => return Err(Rejection::Unknown),
            Some(_) | None => return Err(Rejection::Malformed),
        }
        if claims.get("iss").is_some_and(|iss| iss.as_str() != Some(&*self.url)) {
            return Err(Rejection::Untrusted("it is of another issuer"));
        }
        if claims.has("aud") || !any_audience {
            self.check_audience(&claims)?;
        }
        let expires = match claims.get("exp") {
            None => None,
            Some(_) => Some(self.check_time(&claims, now)?),
        };
        check_use(&claims)?;
        let binding = Binding::read(&claims)?;
        let identity = self.identity(&claims, expires)?;
        Ok(Holder::new(identity, Method::Introspection, binding))
    }

    fn check_sort(&self, jws: &Jws<'_>) -> Result<(), Rejection> {
        if !self.algorithms.contains(&jws.algorithm()) {
            return Err(Rejection::Untrusted("its algorithm is not accepted"));
        }
        // RFC 7515 section 4.1.9: a media type, whose `application/` may be left out.
        let kind = jws.kind().unwrap_or("jwt");
        let (media, short) = kind.split_at_checked(MEDIA.len()).unwrap_or_default();
        let kind = if media.eq_ignore_ascii_case(MEDIA) { short } else { kind };
        if self.types.iter().any(|one| one.eq_ignore_ascii_case(kind)) {
            Ok(())
        } else {
            Err(Rejection::Untrusted("its type is not that of an access token"))
        }
    }

    /// The path to which the token is confined, if it is meant for us at all.
    fn check_audience(&self, claims: &Claims) -> Result<Option<Arc<str>>, Rejection> {
        let meant: Vec<&str> = match claims.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => {
                let texts = many.iter().map(Value::as_str);
                texts.collect::<Option<_>>().ok_or(Rejection::Malformed)?
            }
            None => Vec::new(),
            Some(_) => return Err(Rejection::Malformed),
        };
        if self.audiences.iter().any(|one| meant.contains(&one.as_str())) {
            return Ok(None);
        }
        let part = self.parts.iter().find(|(name, _)| meant.contains(&&**name));
        let (_, path) = part.ok_or(Rejection::Untrusted("it is meant for somebody else"))?;
        Ok(Some(Arc::clone(path)))
    }

    /// When the token ends, if now is a time at which it counts.
    fn check_time(&self, claims: &Claims, now: Timestamp) -> Result<Timestamp, Rejection> {
        let expires = date(claims, "exp")?.ok_or(Rejection::Malformed)?;
        let (not_before, issued) = (date(claims, "nbf")?, date(claims, "iat")?);
        if now >= expires.plus(self.leeway) {
            return Err(Rejection::Expired);
        }
        let soon = now.plus(self.leeway);
        if not_before.is_some_and(|at| at > soon) || issued.is_some_and(|at| at > soon) {
            return Err(Rejection::NotYetValid);
        }
        let life = expires.since(issued.unwrap_or(now));
        if self.max_lifetime.is_some_and(|longest| life > longest) {
            return Err(Rejection::Untrusted("it lives longer than its issuer may allow"));
        }
        Ok(expires)
    }

    fn identity(&self, claims: &Claims, expires: Option<Timestamp>) -> Result<Identity, Rejection> {
        let subject = self.claims.subject(claims)?;
        let tenant = self.claims.tenant(claims)?;
        let mut roles = texts(claims, &self.claims.roles)?;
        let mut scopes = texts(claims, &self.claims.scopes)?;
        roles.retain(|role| self.grants_at_most.allows_role(role));
        scopes.retain(|scope| self.grants_at_most.allows_scope(scope));
        // Only our own endpoint distinguishes its clients from its users; a stranger's word on
        // it would let its users be taken for our clients.
        let client = self.own && claims.get("kind").is_some_and(|kind| kind == "client");
        let (kind, issuer) =
            if client { (Kind::Client, CLIENT.into()) } else { (Kind::User, self.name.clone()) };
        let principal = Principal { kind, issuer, subject };
        let claims = claims.clone();
        Ok(Identity { principal, tenant, scopes, roles, claims, expires, within: None })
    }
}

/// A JWT that has been read, and not yet believed.
pub struct Token<'a> {
    jws: Jws<'a>,
    claims: Claims,
}

impl<'a> Token<'a> {
    /// Reads a token: a JWS whose payload is an object with one reading.
    ///
    /// # Errors
    /// As [`Jws::parse`]; [`Rejection::Malformed`] where the claims are no such object.
    pub fn parse(text: &'a str) -> Result<Self, Rejection> {
        let jws = Jws::parse(text)?;
        let claims = Claims::parse(jws.unverified_payload(), MAX_DEPTH);
        Ok(Self { jws, claims: claims.map_err(|_| Rejection::Malformed)? })
    }

    /// The `kid` of its header.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.jws.key_id()
    }

    /// The `typ` of its header, as it is written.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.jws.kind()
    }

    /// Its claims, if one of `keys` signed them. Whether they may be believed, and for what, is
    /// for the caller to say: they are those of anything that such a key signs.
    ///
    /// # Errors
    /// As [`Jws::verify`].
    pub fn verified_by(&self, keys: &KeySet) -> Result<&Claims, VerifyError> {
        self.jws.verify(keys)?;
        Ok(&self.claims)
    }

    /// By whom it says it was issued: good for finding the issuer that is to check it, and for
    /// nothing else.
    #[must_use]
    pub fn unverified_issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("jws", &self.jws).finish_non_exhaustive()
    }
}

/// A NumericDate (RFC 7519 section 2): a number, whole or not. A text that looks like one is
/// none, and what overflows is refused rather than rounded into the future.
pub(crate) fn date(claims: &Claims, name: &str) -> Result<Option<Timestamp>, Rejection> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Some(secs) = value.as_u64().filter(|secs| *secs <= END_OF_TIME) {
        return Ok(Some(Timestamp::from_secs(secs)));
    }
    let range = 0.0..=END_OF_TIME as f64;
    let secs = value.as_f64().filter(|secs| value.is_f64() && range.contains(secs));
    let micros = secs.ok_or(Rejection::Malformed)? * 1e6;
    Ok(Some(Timestamp(micros as u64)))
}

/// Claims that only tokens of another use have: ID tokens (OpenID Connect Core 3.1.3.6 and
/// 3.3.2.11) and security events, logout tokens among them (RFC 8417).
const OF_ANOTHER_USE: [&str; 4] = ["at_hash", "c_hash", "s_hash", "events"];

/// An access token is what we take, and nothing else that happens to be signed by the same key.
fn check_use(claims: &Claims) -> Result<(), Rejection> {
    let marked = OF_ANOTHER_USE.iter().any(|name| claims.has(name));
    // Amazon Cognito writes `token_use`, Keycloak a `typ` among the claims.
    let used = claims.get("token_use").is_some_and(|usage| usage != "access");
    let typed = claims.get("typ").and_then(Value::as_str).is_some_and(|kind| {
        ["id", "refresh", "offline", "logout"].iter().any(|other| kind.eq_ignore_ascii_case(other))
    });
    if marked || used || typed {
        return Err(Rejection::Untrusted("it is no access token"));
    }
    Ok(())
}
