//! Who has an account, and with which rights?

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use super::Refused;
use super::request::GrantType;
use crate::authenticate::api_key::{Hash, Pepper};
use crate::authenticate::password::PasswordHash;

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
    /// What checks its secret, which is generated.
    pub secret: Hash,
    /// The scopes that it may have for itself.
    pub scopes: Vec<Arc<str>>,
    /// The roles that it has.
    pub roles: Vec<Arc<str>>,
    /// The tenant that it belongs to.
    pub tenant: Option<Arc<str>>,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// Whether it may do nothing for now.
    pub disabled: bool,
}

impl Client {
    /// Whether this secret is the client's, in constant time.
    #[must_use]
    pub fn proves(&self, secret: Option<&SecretString>, pepper: Option<&Pepper>) -> bool {
        let right = secret.is_some_and(|s| self.secret.matches(s.expose_secret(), pepper));
        right && !self.disabled
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

    #[test]
    fn a_disabled_client_proves_nothing() {
        let mut client = Client {
            id: "c".into(),
            secret: Hash::of("s", None),
            scopes: vec![],
            roles: vec![],
            tenant: None,
            grants: vec![],
            disabled: false,
        };
        let right = SecretString::from("s");
        assert!(client.proves(Some(&right), None));
        assert!(!client.proves(Some(&SecretString::from("S")), None));
        assert!(!client.proves(None, None));
        client.disabled = true;
        assert!(!client.proves(Some(&right), None));
    }
}
