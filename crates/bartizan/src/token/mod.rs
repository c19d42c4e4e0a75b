//! Who may have a token? Carries out what the rules of `issue` decide.
//!
//! `POST` to the token endpoint, to revocation and to introspection, and the documents beside
//! them. Each answer comes with what the audit is to remember of it.

mod clients;
mod gate;
mod issue;
mod keys;
mod neighbours;
mod served;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::{Event, Outcome};
use bartizan_core::authenticate::api_key::Pepper;
use bartizan_core::authenticate::jwt::{CLIENT, Issuer, LOCAL};
use bartizan_core::authenticate::{Kind, Principal};
use bartizan_core::issue::documents::{self, JWKS_PATH, RESOURCE_PATH, metadata_paths};
use bartizan_core::issue::form::Form;
use bartizan_core::issue::signing::SigningKeyError;
use bartizan_core::issue::{
    Client, GrantType, Identities, Refused, SigningKey, Targets, Unreachable, User, answer,
};
use bartizan_core::limit::Meter;
use bartizan_core::time::Timestamp;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value};

use crate::authenticate::{Provider, Revocations};
use gate::Gate;
use keys::Keys;

pub use bartizan_core::issue::Throttle;
pub use bartizan_core::issue::documents::Paths;
pub use gate::half_the_cores;
pub use served::served;

/// What the token endpoint is, as configured.
#[derive(Debug)]
pub struct Settings {
    /// Its URL: what tokens have as `iss`, without a slash at the end.
    pub issuer: String,
    /// For whom its tokens are meant.
    pub audience: String,
    /// The URL of the resource that it guards (RFC 9728).
    pub resource: String,
    /// Where things are.
    pub paths: Paths,
    /// Paths of what is guarded, for one of which a token may be asked (RFC 8707).
    pub resources: Vec<Arc<str>>,
    /// The grants that it answers.
    pub grants: Vec<GrantType>,
    /// How long an access token counts.
    pub access_ttl: Duration,
    /// How long a session may be continued from its login on.
    pub refresh_ttl: Duration,
    /// Users beside those in the store.
    pub users: Vec<User>,
    /// Clients beside those in the store.
    pub clients: Vec<Client>,
    /// Whether connections are asked for a certificate, by which clients may prove who they are.
    pub certificates: bool,
    /// How much guessing is borne.
    pub throttle: Throttle,
    /// How many passwords are checked at once; each takes 19 MiB and a core.
    pub at_once: usize,
    /// How many more may wait for that.
    pub waiting: usize,
    /// The keys that the operator keeps, instead of those in the store: the first signs, all
    /// verify.
    pub signing_keys: Vec<Arc<SigningKey>>,
    /// What digests of keys and secrets are keyed with, where the operator keeps that; then the
    /// one in the store counts for the digests that were made before.
    pub pepper: Option<Pepper>,
}

/// The token endpoint.
#[derive(Debug)]
pub struct TokenEndpoint {
    settings: Settings,
    users: HashMap<Arc<str>, User>,
    clients: HashMap<Arc<str>, Client>,
    keys: Keys,
    /// What clients may call us in what they sign (RFC 7523 section 3).
    names: Vec<String>,
    targets: Targets,
    pepper: Pepper,
    identities: Arc<dyn Identities>,
    meter: Arc<dyn Meter>,
    revocations: Revocations,
    provider: Arc<Provider>,
    gate: Gate,
}

/// Why the endpoint cannot open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] Unreachable),
    /// There is no key to sign with.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// No randomness.
    #[error("the kernel gives no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// An answer, and what is to be remembered of it.
#[derive(Debug)]
pub struct Decided {
    /// For the client.
    pub response: Response<Bytes>,
    /// What happened, if it is worth a record of its own.
    pub event: Option<(Event, Outcome)>,
    /// Whom it concerns, if somebody is known to be concerned.
    pub principal: Option<Principal>,
    /// Why not, in words that hold nothing of the request.
    pub reason: Option<String>,
    /// What else is worth knowing of it.
    pub details: Map<String, Value>,
}

/// What digests of keys are keyed with: what the operator keeps, and for older digests what is in
/// the store.
///
/// # Errors
/// [`OpenError`] where the store is out of reach.
pub async fn pepper(
    identities: &dyn Identities,
    kept: Option<&Pepper>,
) -> Result<Pepper, OpenError> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh)?;
    let stored = Pepper::new(&*identities.pepper(&fresh).await?);
    Ok(kept.map_or_else(|| stored.clone(), |kept| kept.clone().after(&stored)))
}

impl TokenEndpoint {
    /// Opens the endpoint: finds its keys in the store, or makes them.
    ///
    /// # Errors
    /// [`OpenError`] where store or keys are out of reach.
    pub async fn open(
        mut settings: Settings,
        identities: Arc<dyn Identities>,
        meter: Arc<dyn Meter>,
        revocations: Revocations,
    ) -> Result<Self, OpenError> {
        let pepper = pepper(&*identities, settings.pepper.as_ref()).await?;
        let kept = std::mem::take(&mut settings.signing_keys);
        let keys = Keys::open(&kept, Arc::clone(&identities)).await?;
        let resources = std::mem::take(&mut settings.resources);
        let targets = Targets::new(&settings.issuer, &settings.audience, &resources);
        let mut issuer = Issuer::own(&settings.issuer, &settings.audience);
        issuer.parts = targets.parts().to_vec();
        let provider = Provider::own(issuer, keys.source(), settings.access_ttl);
        let names = documents::names(&settings.issuer, &settings.paths);
        let users = std::mem::take(&mut settings.users).into_iter();
        let clients = std::mem::take(&mut settings.clients).into_iter();
        Ok(Self {
            users: users.map(|user| (Arc::clone(&user.name), user)).collect(),
            clients: clients.map(|client| (Arc::clone(&client.id), client)).collect(),
            gate: Gate::new(settings.at_once, settings.waiting),
            settings,
            keys,
            names,
            targets,
            pepper,
            identities,
            meter,
            revocations,
            provider,
        })
    }

    /// The endpoint as an issuer of tokens, for those who check them.
    #[must_use]
    pub fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }

    /// What stored digests of keys are keyed with.
    #[must_use]
    pub fn pepper(&self) -> &Pepper {
        &self.pepper
    }

    /// What the endpoint answers, and where.
    #[must_use]
    pub fn routes(&self) -> Vec<(Method, String)> {
        let Paths { token, revoke, introspect, authorize } = self.settings.paths.clone();
        let posts = [token, revoke, introspect].map(|path| (Method::POST, path));
        let mut gets = metadata_paths(&self.settings.issuer);
        gets.extend([JWKS_PATH.to_owned(), RESOURCE_PATH.to_owned(), authorize]);
        posts.into_iter().chain(gets.into_iter().map(|path| (Method::GET, path))).collect()
    }

    /// Answers a request to one of [`TokenEndpoint::routes`].
    pub async fn handle(
        &self,
        head: &Parts,
        body: &[u8],
        client: ClientAddress,
        now: Timestamp,
    ) -> Decided {
        let paths = &self.settings.paths;
        match (&head.method, head.uri.path()) {
            (&Method::GET, path) => self.document(path, now).await,
            (&Method::POST, path) if path == paths.token => {
                self.issue(head, body, client, now).await
            }
            (&Method::POST, path) if path == paths.revoke => {
                self.revoke(head, body, client, now).await
            }
            (&Method::POST, path) if path == paths.introspect => {
                self.introspect(head, body, client, now).await
            }
            _ => Decided::quietly(not_found()),
        }
    }

    async fn document(&self, path: &str, now: Timestamp) -> Decided {
        let Settings { issuer, resource, paths, grants, .. } = &self.settings;
        if path == paths.authorize {
            return Decided::quietly(answer::no_login_page());
        }
        let document = match path {
            RESOURCE_PATH => documents::resource(resource, &[issuer], &[]),
            JWKS_PATH => match self.provider.public_set(now).await {
                Some(set) => set,
                None => return Decided::quietly(Refused::Unavailable.answer()),
            },
            path if metadata_paths(issuer).iter().any(|one| one == path) => {
                documents::metadata(issuer, paths, grants, self.settings.certificates)
            }
            _ => return Decided::quietly(not_found()),
        };
        Decided::quietly(answer::document(&document))
    }
}

/// The form of a request; nothing counts that stands in the query, where logs would see it.
fn read(head: &Parts, body: &[u8]) -> Result<Form, Refused> {
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Refused::InvalidRequest("parameters belong into the body"));
    }
    Form::read(&head.headers, body)
}

fn not_found() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

fn out_of_reach(error: &Unreachable) -> Refused {
    tracing::error!(%error, "identities cannot be looked up");
    Refused::Unavailable
}

fn client_principal(id: &Arc<str>) -> Principal {
    Principal { kind: Kind::Client, issuer: CLIENT.into(), subject: Arc::clone(id) }
}

fn user_principal(name: &Arc<str>) -> Principal {
    Principal { kind: Kind::User, issuer: LOCAL.into(), subject: Arc::clone(name) }
}

impl Decided {
    fn quietly(response: Response<Bytes>) -> Self {
        Self { response, event: None, principal: None, reason: None, details: Map::new() }
    }

    fn refused(refused: &Refused, principal: Option<Principal>) -> Self {
        let event = match refused {
            Refused::InvalidClient(_)
            | Refused::InvalidGrant(_)
            | Refused::InvalidScope
            | Refused::InvalidTarget
            | Refused::UnauthorizedClient => Some((Event::AuthFailure, Outcome::Deny)),
            Refused::Throttled(_) => Some((Event::RateLimitExceeded, Outcome::Deny)),
            Refused::Busy | Refused::Unavailable => Some((Event::AuthFailure, Outcome::Error)),
            Refused::InvalidRequest(_) | Refused::UnsupportedGrantType => None,
        };
        let reason = Some(refused.reason());
        Self { event, principal, reason, ..Self::quietly(refused.answer()) }
    }
}
