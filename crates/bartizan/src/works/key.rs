//! Which API keys are there? Their digests, and what they open.

use std::sync::Arc;

use bartizan_core::authenticate::api_key::{HashError, Record};
use bartizan_core::time::Timestamp;

/// An API key, as a program knows it: by its digest, never by itself.
#[derive(Clone, Debug)]
#[must_use = "a key that no app is given opens nothing"]
pub struct ApiKey {
    id: Arc<str>,
    hash: String,
    subject: Option<Arc<str>>,
    scopes: Vec<Arc<str>>,
    roles: Vec<Arc<str>>,
    tenant: Option<Arc<str>>,
    expires: Option<Timestamp>,
}

impl ApiKey {
    /// A key called `id`, by its digest: `sha256:` or `hmac-sha256:` and 64 hexadecimal digits.
    /// Its principal is `key:` and the id.
    pub fn new(id: &str, hash: &str) -> Self {
        let (subject, tenant, expires) = (None, None, None);
        let (scopes, roles) = (Vec::new(), Vec::new());
        Self { id: id.into(), hash: hash.into(), subject, scopes, roles, tenant, expires }
    }

    /// For whom it was made; for the audit, not for decisions.
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// The scopes that it has.
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes.extend(scopes.iter().map(|&scope| Arc::from(scope)));
        self
    }

    /// The roles that it has.
    pub fn roles(mut self, roles: &[&str]) -> Self {
        self.roles.extend(roles.iter().map(|&role| Arc::from(role)));
        self
    }

    /// The tenant that it belongs to.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// When it ends.
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn record(&self) -> Result<Record, HashError> {
        Ok(Record {
            id: Arc::clone(&self.id),
            hash: self.hash.parse()?,
            previous: None,
            subject: self.subject.clone().unwrap_or_else(|| Arc::clone(&self.id)),
            scopes: self.scopes.clone(),
            roles: self.roles.clone(),
            tenant: self.tenant.clone(),
            environment: None,
            expires: self.expires,
            revoked: None,
            last_used: None,
        })
    }
}
