//! Whose token is it that is given in exchange? The one credential that is kept, and who may see it.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::{Caller, Credential, Method, Rejection};
use crate::time::Timestamp;

/// The verified token of a caller, for a token endpoint that gives another one for it (RFC 8693). It
/// is kept for endpoints alone whose upstream is called that way, and no upstream is shown it. Prints
/// as `***`.
#[derive(Clone)]
pub struct Subject {
    token: SecretString,
    expires: Option<Timestamp>,
}

impl Subject {
    /// The token by which `caller` was recognised.
    ///
    /// # Errors
    /// [`Rejection::NotExchangeable`] where it was by something else: a key, a certificate, or the
    /// word of another exchange.
    pub fn of(caller: &Caller, shown: Option<Credential<'_>>) -> Result<Self, Rejection> {
        if caller.is_anonymous() {
            return Err(Rejection::Missing);
        }
        let token = match shown.filter(|_| Self::may_be_of(caller)) {
            Some(Credential::Bearer(token) | Credential::Dpop(token)) => token,
            Some(Credential::ApiKey(_)) | None => return Err(Rejection::NotExchangeable),
        };
        Ok(Self { token: token.into(), expires: caller.expires() })
    }

    /// Whether this caller was recognised by a token.
    #[must_use]
    pub fn may_be_of(caller: &Caller) -> bool {
        matches!(caller.method(), Method::Introspection | Method::Jwt)
    }

    /// Vouches for a token that was verified by other means.
    #[must_use]
    pub fn assert(token: SecretString, expires: Option<Timestamp>) -> Self {
        Self { token, expires }
    }

    /// The token itself, for the form that goes to the token endpoint.
    #[must_use]
    pub(crate) fn token(&self) -> &str {
        self.token.expose_secret()
    }

    /// When it ends; what is given for it ends no later.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// By what it is found again: never by itself.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.token.expose_secret()).into()
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(***)")
    }
}
