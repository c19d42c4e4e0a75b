//! Who is calling? Credential in, [`Caller`] out.

pub mod api_key;
pub mod jwt;
pub mod claims;
pub mod jws;
pub mod jwks;
pub mod algorithm;
pub mod holder;
pub mod subject;
pub mod dpop;
pub mod certificate;
pub mod freshness;
pub mod guessing;
pub mod password;
mod credential;

use std::fmt;
use std::sync::{Arc, LazyLock};

use self::claims::Claims;
use crate::time::Timestamp;

pub use credential::{Credential, MAX_CREDENTIAL, Places, Rejection, X_API_KEY};
pub use subject::Subject;

/// Somebody whose credential has been verified, or nobody in particular.
///
/// Cheap to clone. There is no public constructor but [`Caller::anonymous`] and
/// [`Caller::assert`]; to audit where identities come from, read this folder and search for that
/// name.
#[derive(Clone, Debug)]
pub struct Caller(Arc<Verified>);

#[derive(Debug)]
struct Verified {
    principal: Principal,
    tenant: Option<Arc<str>>,
    scopes: Vec<Arc<str>>,
    roles: Vec<Arc<str>>,
    method: Method,
    scheme: Scheme,
    claims: Claims,
    expires: Option<Timestamp>,
    within: Option<Arc<str>>,
}

/// Who it is: a subject, and the issuer that vouches for it. The same subject of another issuer
/// is somebody else.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Principal {
    /// What sort of principal it is.
    pub kind: Kind,
    /// `local`, `key`, or the configured name of an issuer.
    pub issuer: Arc<str>,
    /// The subject within the issuer.
    pub subject: Arc<str>,
}

/// What sort of principal.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// No credential was shown.
    Anonymous,
    /// A program that authenticates as itself (RFC 6749 section 4.4).
    Client,
    /// The holder of an API key.
    Key,
    /// A person, or an agent that has an account like one.
    User,
}

/// By what the caller was recognised.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// By an API key.
    ApiKey,
    /// By the embedding program's own means: see [`Caller::assert`].
    Asserted,
    /// By a client certificate (RFC 8446 section 4.4.2).
    Certificate,
    /// By a token that its issuer was asked about (RFC 7662).
    Introspection,
    /// By a signed token (RFC 7519).
    Jwt,
    /// Not at all.
    None,
}

/// By which authentication scheme a caller shows a token (RFC 9110 section 11.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// By the token alone, or by something else than a token (RFC 6750).
    Bearer,
    /// By the token and a proof of the key that it is bound to (RFC 9449).
    Dpop,
}

/// What an embedding program vouches for in [`Caller::assert`], and what this folder builds
/// callers from.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Who it is.
    pub principal: Principal,
    /// The tenant they belong to.
    pub tenant: Option<Arc<str>>,
    /// The scopes they hold, as granted; implication is the policy's business.
    pub scopes: Vec<Arc<str>>,
    /// The roles they hold. Roles that the issuer may not assert are already gone.
    pub roles: Vec<Arc<str>>,
    /// Every claim of the token, for conditions; empty where there is none.
    pub claims: Claims,
    /// When the credential ends.
    pub expires: Option<Timestamp>,
    /// The path at and below which the credential counts, where it was issued for one part of
    /// what is guarded here (RFC 8707); it counts everywhere, where there is none.
    pub within: Option<Arc<str>>,
}

impl Caller {
    /// Nobody in particular: the request showed no credential.
    #[must_use]
    pub fn anonymous() -> Self {
        static NOBODY: LazyLock<Caller> = LazyLock::new(|| {
            let nobody = Principal {
                kind: Kind::Anonymous,
                issuer: Arc::from("anonymous"),
                subject: Arc::from(""),
            };
            Caller::verified(Identity::bare(nobody), Method::None)
        });
        NOBODY.clone()
    }

    /// Vouches for a caller whom the embedding program has verified by a method of its own.
    #[must_use]
    pub fn assert(identity: Identity) -> Self {
        Self::verified(identity, Method::Asserted)
    }

    /// As [`Caller::assert`], and as if they had been recognised by `method`: for whoever asks what
    /// would become of a call that nobody makes.
    #[must_use]
    pub fn assert_by(identity: Identity, method: Method) -> Self {
        Self::verified(identity, method)
    }

    fn verified(identity: Identity, method: Method) -> Self {
        Self::shown(identity, method, Scheme::Bearer)
    }

    fn shown(identity: Identity, method: Method, scheme: Scheme) -> Self {
        let Identity { principal, tenant, scopes, roles, claims, expires, within } = identity;
        let verified =
            Verified { principal, tenant, scopes, roles, method, scheme, claims, expires, within };
        Self(Arc::new(verified))
    }

    /// Who it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// The tenant they belong to, if any.
    #[must_use]
    pub fn tenant(&self) -> Option<&Arc<str>> {
        self.0.tenant.as_ref()
    }

    /// The scopes they were given, without what those imply.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.0.scopes
    }

    /// The roles they were given, without what the policy assigns.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        &self.0.roles
    }

    /// By what they were recognised.
    #[must_use]
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// By which scheme they show their token.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// The claims of their token.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// When their credential ends.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.0.expires
    }

    /// Who acts for them (RFC 8693 section 4.1), as their issuer calls it.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        let actor = self.0.claims.get("act")?.get("sub")?.as_str()?;
        Some(actor).filter(|actor| actor.len() <= claims::MAX_SUBJECT)
    }

    /// Whether their credential counts at this path.
    #[must_use]
    pub fn reaches(&self, path: &str) -> bool {
        self.0.within.as_deref().is_none_or(|within| {
            path.strip_prefix(within).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Whether no credential was shown.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.0.principal.kind == Kind::Anonymous
    }
}

impl Identity {
    /// An identity with nothing but a name: no scopes, no roles, no tenant, no end.
    #[must_use]
    pub fn bare(principal: Principal) -> Self {
        Self {
            principal,
            tenant: None,
            scopes: Vec::new(),
            roles: Vec::new(),
            claims: Claims::default(),
            expires: None,
            within: None,
        }
    }
}

impl Principal {
    /// Reads `issuer:subject`; a bare name means `local:`. The kind is a user's, or a key's for
    /// the issuer `key` and a client's for `client` and `mtls`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (issuer, subject) = text.split_once(':').unwrap_or(("local", text));
        let kind = match issuer {
            api_key::ISSUER => Kind::Key,
            jwt::CLIENT | certificate::ISSUER => Kind::Client,
            _ => Kind::User,
        };
        Self { kind, issuer: Arc::from(issuer), subject: Arc::from(subject) }
    }
}

/// `local:agent1`; an anonymous caller is `anonymous`.
impl Principal {
    /// The principal as it is written: `issuer:subject`.
    #[must_use]
    pub fn name(&self) -> String {
        match self.kind {
            Kind::Anonymous => "anonymous".into(),
            Kind::Client | Kind::Key | Kind::User => [&*self.issuer, ":", &*self.subject].concat(),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

impl Kind {
    /// The word for it in the audit record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Client => "client",
            Self::Key => "key",
            Self::User => "user",
        }
    }
}

impl Method {
    /// Every way.
    pub const ALL: &'static [Self] = &[
        Self::ApiKey,
        Self::Asserted,
        Self::Certificate,
        Self::Introspection,
        Self::Jwt,
        Self::None,
    ];

    /// The word for it in the audit record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::Asserted => "asserted",
            Self::Certificate => "certificate",
            Self::Introspection => "introspection",
            Self::Jwt => "jwt",
            Self::None => "none",
        }
    }
}
