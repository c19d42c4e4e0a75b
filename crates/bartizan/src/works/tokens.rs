//! Who may have a token from the app itself? Its users, and how long tokens count.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::password::PasswordHashError;
use bartizan_core::issue::documents::Paths;
use bartizan_core::issue::{GrantType, Throttle, User};

use crate::token::{self, Settings};

/// The token endpoint of an app: `POST /token`, `/revoke`, `/introspect`, and the documents
/// beside them. Tokens are signed by a key that is kept in the store.
#[derive(Clone, Debug)]
#[must_use = "a token endpoint that no app is given issues nothing"]
pub struct Tokens {
    issuer: String,
    audience: Option<String>,
    users: Vec<Account>,
    access_ttl: Duration,
    refresh_ttl: Duration,
}

/// A user as a program writes it.
#[derive(Clone, Debug)]
struct Account {
    name: Arc<str>,
    password_hash: String,
    scopes: Vec<Arc<str>>,
    roles: Vec<Arc<str>>,
}

/// How many logins may wait for that.
const WAITING: usize = 64;

impl Tokens {
    /// Tokens of `issuer`: the app's own URL, such as `https://gate.example.com`.
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.trim_end_matches('/').to_owned(),
            audience: None,
            users: Vec::new(),
            access_ttl: Duration::from_mins(15),
            refresh_ttl: Duration::from_hours(30 * 24),
        }
    }

    /// For whom the tokens are meant; the issuer's URL unless this says otherwise.
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    /// Somebody who may have tokens: by the hash of their password (Argon2id, in PHC format).
    /// They stand beside the users in the store.
    pub fn user(
        mut self,
        name: &str,
        password_hash: &str,
        scopes: &[&str],
        roles: &[&str],
    ) -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|&text| Arc::from(text)).collect();
        let (scopes, roles) = (texts(scopes), texts(roles));
        let password_hash = password_hash.to_owned();
        self.users.push(Account { name: name.into(), password_hash, scopes, roles });
        self
    }

    /// How long an access token counts; 15 minutes unless this says otherwise.
    pub fn access_ttl(mut self, ttl: Duration) -> Self {
        self.access_ttl = ttl;
        self
    }

    /// How long a session may be continued; 30 days unless this says otherwise.
    pub fn refresh_ttl(mut self, ttl: Duration) -> Self {
        self.refresh_ttl = ttl;
        self
    }

    /// The users, and who cannot be one.
    pub(super) fn users(&self) -> Vec<Result<User, (Arc<str>, PasswordHashError)>> {
        let user = |account: &Account| {
            let password = account.password_hash.parse();
            Ok(User {
                name: Arc::clone(&account.name),
                password: password.map_err(|wrong| (Arc::clone(&account.name), wrong))?,
                scopes: account.scopes.clone(),
                roles: account.roles.clone(),
                tenant: None,
                disabled: false,
            })
        };
        self.users.iter().map(user).collect()
    }

    pub(super) fn settings(&self, users: Vec<User>) -> Settings {
        Settings {
            issuer: self.issuer.clone(),
            audience: self.audience.clone().unwrap_or_else(|| self.issuer.clone()),
            resource: self.issuer.clone(),
            paths: Paths::default(),
            resources: Vec::new(),
            grants: GrantType::ALL.to_vec(),
            access_ttl: self.access_ttl,
            refresh_ttl: self.refresh_ttl,
            users,
            clients: Vec::new(),
            certificates: false,
            throttle: Throttle::default(),
            at_once: token::half_the_cores(),
            waiting: WAITING,
            signing_keys: Vec::new(),
            pepper: None,
        }
    }
}
