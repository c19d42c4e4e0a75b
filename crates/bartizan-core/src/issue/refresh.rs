//! May this session go on? Refresh tokens, each good for once (RFC 9700 section 4.14.2).

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::Refused;
use crate::authenticate::api_key::{self, Hash};
use crate::time::Timestamp;

/// What refresh tokens begin with.
pub const PREFIX: &str = "btr";

/// What is stored of a refresh token.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// The digest of the token.
    pub hash: Hash,
    /// The session that it continues: everything that came of one login.
    pub session: Arc<str>,
    /// The user whose session it is.
    pub user: Arc<str>,
    /// The client that it was given to, if one authenticated.
    pub client: Option<Arc<str>>,
    /// The scopes of the session.
    pub scopes: Vec<Arc<str>>,
    /// The part of what is guarded here to which it is confined, if it is (RFC 8707).
    pub resource: Option<Arc<str>>,
    /// When it ends.
    pub expires: Timestamp,
    /// Whether it has been exchanged for its successor.
    pub used: bool,
}

/// What a store says to an exchange of one refresh token for the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rotation {
    /// The old one is used up, the new one counts.
    Done,
    /// There is no such token any more.
    Gone,
    /// It had been used before: somebody has a copy. The whole session has been revoked.
    Reused,
}

/// A fresh refresh token of 256 `random` bits.
#[must_use]
pub fn generate(random: &[u8; 32]) -> SecretString {
    SecretString::from(format!("{PREFIX}_{}", api_key::secret(random)))
}

/// The digest under which a token is stored.
#[must_use]
pub fn digest(token: &SecretString) -> Hash {
    Hash::of(token.expose_secret(), None)
}

/// What the client of any refresh token that does not count reads: not why.
pub const NOT_VALID: Refused = Refused::InvalidGrant("the refresh token is not valid");

impl Refresh {
    /// Whether `client` may go on with this session now. A token that was used is not found out
    /// here but where it is exchanged, for that is where two copies meet.
    ///
    /// # Errors
    /// [`NOT_VALID`] where it is over, or another client's.
    pub fn check(&self, client: Option<&str>, now: Timestamp) -> Result<(), Refused> {
        let theirs = self.client.as_deref() == client;
        if theirs && now < self.expires { Ok(()) } else { Err(NOT_VALID) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_belongs_to_the_client_that_it_was_given_to() {
        let mut refresh = Refresh {
            hash: digest(&generate(&[1; 32])),
            session: "s".into(),
            user: "agent1".into(),
            client: Some("app".into()),
            scopes: vec![],
            resource: None,
            expires: Timestamp(10),
            used: false,
        };
        assert_eq!(refresh.check(Some("app"), Timestamp(9)), Ok(()));
        assert_eq!(refresh.check(Some("app"), Timestamp(10)), Err(NOT_VALID));
        assert_eq!(refresh.check(Some("other"), Timestamp(9)), Err(NOT_VALID));
        assert_eq!(refresh.check(None, Timestamp(9)), Err(NOT_VALID));
        refresh.client = None;
        assert_eq!(refresh.check(Some("app"), Timestamp(9)), Err(NOT_VALID));
        assert_eq!(refresh.check(None, Timestamp(9)), Ok(()));
    }
}
