//! Who may have a token? Carries out what the rules of `issue` decide.
//!
//! `POST` to the token endpoint, to revocation and to introspection, and the documents beside
//! them. Each answer comes with what the audit is to remember of it.

mod gate;
mod issue;
mod served;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::{Event, Outcome};
use bartizan_core::authenticate::api_key::Pepper;
use bartizan_core::authenticate::jwt::{CLIENT, Issuer, LOCAL, Token};
use bartizan_core::authenticate::{Kind, Principal};
use bartizan_core::issue::access::PUBLIC_CLIENT;
use bartizan_core::issue::answer;
use bartizan_core::issue::documents::{self, JWKS_PATH, METADATA_PATH, RESOURCE_PATH};
use bartizan_core::issue::form::Form;
use bartizan_core::issue::request::Presented;
use bartizan_core::issue::signing::SigningKeyError;
use bartizan_core::issue::{
    Client, GrantType, Identities, Refused, SigningKey, Unreachable, User, refresh,
};
use bartizan_core::limit::Meter;
use bartizan_core::time::Timestamp;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value};

use crate::authenticate::{Provider, Revocations, revoked};
use gate::Gate;

pub use bartizan_core::issue::Throttle;
pub use bartizan_core::issue::documents::Paths;
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
    /// The grants that it answers.
    pub grants: Vec<GrantType>,
    /// How long an access token counts.
    pub access_ttl: Duration,
    /// How long a refresh token counts.
    pub refresh_ttl: Duration,
    /// Users beside those in the store.
    pub users: Vec<User>,
    /// Clients beside those in the store.
    pub clients: Vec<Client>,
    /// How much guessing is borne.
    pub throttle: Throttle,
    /// How many passwords are checked at once; each takes 19 MiB and a core.
    pub at_once: usize,
    /// How many more may wait for that.
    pub waiting: usize,
    /// The key of a file, instead of those in the store.
    pub signing_key: Option<Arc<SigningKey>>,
}

/// The token endpoint.
#[derive(Debug)]
pub struct TokenEndpoint {
    settings: Settings,
    users: HashMap<Arc<str>, User>,
    clients: HashMap<Arc<str>, Client>,
    /// The one that signs.
    key: Arc<SigningKey>,
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
}

/// What stored digests of keys are keyed with, where there is no token endpoint to ask.
///
/// # Errors
/// [`OpenError`] where the store is out of reach.
pub async fn pepper(identities: &dyn Identities) -> Result<Pepper, OpenError> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh)?;
    Ok(Pepper::new(&*identities.pepper(&fresh).await?))
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
        let pepper = pepper(&*identities).await?;
        let filed = settings.signing_key.take();
        let stored = filed.is_none().then(|| Arc::clone(&identities));
        let key = match filed {
            Some(key) => key,
            None => Arc::new(newest(&*identities).await?),
        };
        let issuer = Issuer::own(&settings.issuer, &settings.audience);
        let set = documents::key_set([&*key]).to_string().into_bytes();
        let provider = Provider::own(issuer, set, stored);
        let users = std::mem::take(&mut settings.users).into_iter();
        let clients = std::mem::take(&mut settings.clients).into_iter();
        Ok(Self {
            users: users.map(|user| (Arc::clone(&user.name), user)).collect(),
            clients: clients.map(|client| (Arc::clone(&client.id), client)).collect(),
            gate: Gate::new(settings.at_once, settings.waiting),
            settings,
            key,
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
        let Paths { token, revoke, introspect } = self.settings.paths.clone();
        let posts = [token, revoke, introspect].map(|path| (Method::POST, path));
        let gets = [METADATA_PATH, JWKS_PATH, RESOURCE_PATH];
        posts.into_iter().chain(gets.map(|path| (Method::GET, path.to_owned()))).collect()
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
        let document = match path {
            METADATA_PATH => documents::metadata(issuer, paths, grants),
            RESOURCE_PATH => documents::resource(resource, &[issuer], &[]),
            JWKS_PATH => match self.provider.public_set(now).await {
                Some(set) => set,
                None => return Decided::quietly(Refused::Unavailable.answer()),
            },
            _ => return Decided::quietly(not_found()),
        };
        Decided::quietly(answer::document(&document))
    }

    /// Takes a token back (RFC 7009).
    async fn revoke(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Decided {
        let (client, form) = match self.neighbour(head, body, address, now).await {
            Ok(both) => both,
            Err(refused) => return Decided::refused(&refused, None),
        };
        let done = self.take_back(&form, &client, now).await;
        match done {
            Ok(taken) => {
                let event = taken.then_some((Event::TokenRevoked, Outcome::Allow));
                let principal = Some(client_principal(&client.id));
                Decided { response: answer::revoked(), event, principal, reason: None }
            }
            Err(refused) => Decided::refused(&refused, Some(client_principal(&client.id))),
        }
    }

    /// Whether there was anything to take back.
    async fn take_back(
        &self,
        form: &Form,
        client: &Client,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        let token = form.secret("token").ok_or(Refused::InvalidRequest("token is missing"))?;
        let found = self
            .identities
            .refresh(&refresh::digest(&token))
            .await
            .map_err(|error| out_of_reach(&error))?;
        if let Some(found) = found {
            if found.client.as_ref().is_some_and(|owner| *owner != client.id) {
                return Ok(false);
            }
            let ended = self
                .identities
                .end_session(&found.session)
                .await
                .map_err(|error| out_of_reach(&error))?;
            self.revocations.announce();
            return Ok(ended);
        }
        let Some(claims) = self.claims(form, now).await? else { return Ok(false) };
        let owner = claims.get("client_id").and_then(Value::as_str);
        let (Some(id), Some(exp)) = (claims.get("jti"), claims.get("exp").and_then(Value::as_u64))
        else {
            return Ok(false);
        };
        let theirs = owner.is_some_and(|owner| owner == &*client.id || owner == PUBLIC_CLIENT);
        let Some(id) = id.as_str().filter(|_| theirs) else { return Ok(false) };
        let until = Timestamp::from_secs(exp);
        self.identities.revoke_token(id, until, now).await.map_err(|error| out_of_reach(&error))?;
        self.revocations.announce();
        Ok(true)
    }

    /// Says whether a token counts (RFC 7662).
    async fn introspect(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Decided {
        let told = async {
            let (_, form) = self.neighbour(head, body, address, now).await?;
            let token = form.secret("token").ok_or(Refused::InvalidRequest("token is missing"))?;
            let found = self.identities.refresh(&refresh::digest(&token)).await;
            match found.map_err(|error| out_of_reach(&error))? {
                Some(found) if !found.used && now < found.expires => Ok(Some(about(&found))),
                Some(_) => Ok(None),
                None => self.claims(&form, now).await,
            }
        };
        match told.await {
            Ok(claims) => Decided::quietly(answer::introspected(claims.as_ref())),
            Err(refused) => Decided::refused(&refused, None),
        }
    }

    /// The claims of the access token in `form`, if it is one of ours and counts.
    async fn claims(
        &self,
        form: &Form,
        now: Timestamp,
    ) -> Result<Option<Map<String, Value>>, Refused> {
        let Some(Ok(token)) = form.get("token").map(Token::parse) else { return Ok(None) };
        let keys = self.provider.keys(now).await;
        let (keys, _) = keys.map_err(|_| Refused::Unavailable)?;
        let Ok(caller) = self.provider.issuer().verify(&token, &keys, now) else {
            return Ok(None);
        };
        let gone = revoked(&*self.identities, caller.claims())
            .await
            .map_err(|error| out_of_reach(&error))?;
        Ok((!gone).then(|| caller.claims().clone()))
    }

    /// What revocation and introspection ask for first: a client that proves who it is.
    async fn neighbour(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<(Client, Form), Refused> {
        let form = read(head, body)?;
        let presented = Presented::read(&head.headers, &form)?;
        let client = self.client(presented, address, now).await?.ok_or(Refused::InvalidClient)?;
        Ok((client, form))
    }
}

/// The newest key of the store, made if there is none.
async fn newest(identities: &dyn Identities) -> Result<SigningKey, OpenError> {
    let keys = identities.signing_keys(&SigningKey::generate_pkcs8()?).await?;
    let newest = keys.first().ok_or(SigningKeyError::Unusable)?;
    Ok(SigningKey::from_pkcs8(newest)?)
}

/// The form of a request; nothing counts that stands in the query, where logs would see it.
fn read(head: &Parts, body: &[u8]) -> Result<Form, Refused> {
    if head.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Refused::InvalidRequest("parameters belong into the body"));
    }
    Form::read(&head.headers, body)
}

/// What is told of a refresh token that counts.
fn about(found: &refresh::Refresh) -> Map<String, Value> {
    let client = found.client.as_deref().unwrap_or(PUBLIC_CLIENT);
    let members = [
        ("scope", Value::from(found.scopes.join(" "))),
        ("client_id", client.into()),
        ("exp", found.expires.as_secs().into()),
        ("sub", (*found.user).into()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
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
        Self { response, event: None, principal: None, reason: None }
    }

    fn refused(refused: &Refused, principal: Option<Principal>) -> Self {
        let event = match refused {
            Refused::InvalidClient
            | Refused::InvalidGrant(_)
            | Refused::InvalidScope
            | Refused::UnauthorizedClient => Some((Event::AuthFailure, Outcome::Deny)),
            Refused::Throttled(_) => Some((Event::RateLimitExceeded, Outcome::Deny)),
            Refused::Busy | Refused::Unavailable => Some((Event::AuthFailure, Outcome::Error)),
            Refused::InvalidRequest(_) | Refused::UnsupportedGrantType => None,
        };
        let reason = Some(refused.to_string());
        Self { response: refused.answer(), event, principal, reason }
    }
}
