//! May this one have a token? The grants, one after the other.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::{Event, Outcome};
use bartizan_core::authenticate::api_key::Hash;
use bartizan_core::authenticate::{Kind, Principal, password};
use bartizan_core::issue::access::Access;
use bartizan_core::issue::account::{self, is_name};
use bartizan_core::issue::answer::{Granted, WRONG_PASSWORD};
use bartizan_core::issue::exchange::{self, delegate};
use bartizan_core::issue::refresh::{self, NOT_VALID, Refresh, Rotation};
use bartizan_core::issue::request::{Grant, GrantType, TokenRequest};
use bartizan_core::issue::{Client, Refused, User};
use bartizan_core::time::Timestamp;
use http::request::Parts;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use super::{Decided, TokenEndpoint, client_principal, out_of_reach, read, user_principal};
use crate::clock;

const UNNAMED: Refused =
    Refused::InvalidClient("the grant is for a client that proves who it is, and none is named");

/// No token, and who did not get it, if that is known.
struct Denied {
    refused: Refused,
    principal: Option<Principal>,
    /// Where it is told differently from what the client reads.
    told: Option<(Event, &'static str)>,
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self { refused, principal: None, told: None }
    }
}

impl Denied {
    fn of(refused: Refused, principal: Principal) -> Self {
        Self { refused, principal: Some(principal), told: None }
    }
}

/// What a token is to say; the rest follows from the settings.
struct Rights {
    subject: Arc<str>,
    kind: Kind,
    client: Option<Arc<str>>,
    session: Option<Arc<str>>,
    scopes: Vec<Arc<str>>,
    roles: Vec<Arc<str>>,
    tenant: Option<Arc<str>>,
    resource: Option<Arc<str>>,
    actor: Option<Value>,
    origins: Vec<Arc<str>>,
    ttl: Duration,
}

/// What is asked for, beside the grant.
struct Asked<'a> {
    scopes: Option<&'a [String]>,
    resource: Option<&'a str>,
    now: Timestamp,
}

type Issued = Result<(Granted, Principal), Denied>;

impl TokenEndpoint {
    pub(super) async fn issue(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Decided {
        let mut details = Map::new();
        match self.grant(head, body, address, now, &mut details).await {
            Ok((granted, principal)) => {
                details.insert("scope".into(), granted.scopes.join(" ").into());
                let event = Some((Event::TokenIssued, Outcome::Allow));
                let principal = Some(principal);
                Decided { event, principal, details, ..Decided::quietly(granted.answer()) }
            }
            Err(Denied { refused, principal, told: Some((event, why)) }) => Decided {
                event: Some((event, Outcome::Deny)),
                principal,
                reason: Some(why.to_owned()),
                details,
                ..Decided::quietly(refused.answer())
            },
            Err(Denied { refused, principal, told: None }) => {
                Decided { details, ..Decided::refused(&refused, principal) }
            }
        }
    }

    async fn grant(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
        details: &mut Map<String, Value>,
    ) -> Issued {
        let form = read(head, body)?;
        let request = TokenRequest::read(&head.headers, &form, &self.settings.grants)?;
        let sort = request.grant.sort();
        details.insert("grant".into(), sort.as_str().into());
        let client = self.client(request.client, head, address, now).await?;
        if let Some(client) = &client {
            details.insert("client".into(), (*client.id).into());
            if !client.may_use(sort) {
                return Err(Denied::of(Refused::UnauthorizedClient, client_principal(&client.id)));
            }
        } else if sort.needs_proof() {
            return Err(UNNAMED.into());
        }
        let (scopes, resource) = (request.scopes.as_deref(), request.resource.as_deref());
        // Never what somebody wrote: only what is ours.
        if let Ok(Some(part)) = self.targets.choose(resource, None) {
            details.insert("resource".into(), (*part).into());
        }
        let asked = Asked { scopes, resource, now };
        match (request.grant, client) {
            (Grant::ClientCredentials, Some(client)) => self.for_client(client, &asked).await,
            (Grant::Password { username, password }, client) => {
                let user = self.log_in(&username, password, address, now).await?;
                self.for_user(&user, client, &asked).await
            }
            (Grant::RefreshToken(token), client) => self.go_on(&token, client, &asked).await,
            (Grant::TokenExchange(token), Some(client)) => {
                self.exchange(&token, &client, &asked).await
            }
            (Grant::ClientCredentials | Grant::TokenExchange(_), None) => Err(UNNAMED.into()),
        }
    }

    /// The user of this name, if this is their password. Whatever is wrong looks the same and
    /// takes the same time.
    async fn log_in(
        &self,
        name: &str,
        given: SecretString,
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<User, Denied> {
        let attempt = self.attempt(name, address, now).await?;
        let known = self.user(name).await?;
        let hash = known.as_ref().map(|user| user.password.clone());
        let checked = self.gate.run(move || (password::verify(hash.as_ref(), &given), given)).await;
        let Ok((right, given)) = checked else {
            // Nothing was tried: who finds no room has not guessed.
            self.close(attempt, true, now).await;
            return Err(Refused::Busy.into());
        };
        let principal = known.as_ref().map(|user| user_principal(&user.name));
        let user = known.filter(|user| right && !user.disabled);
        self.close(attempt, user.is_some(), now).await;
        let denied = Denied { refused: WRONG_PASSWORD, principal, told: None };
        let user = user.ok_or(denied)?;
        if user.password.needs_rehash() && !self.users.contains_key(&user.name) {
            self.rehash(&user, given).await;
        }
        Ok(user)
    }

    async fn user(&self, name: &str) -> Result<Option<User>, Refused> {
        match self.users.get(name) {
            Some(user) => Ok(Some(user.clone())),
            None if is_name(name) => {
                self.identities.user(name).await.map_err(|error| out_of_reach(&error))
            }
            None => Ok(None),
        }
    }

    /// Stores a hash of today's cost. If it does not work out, the next login tries again.
    pub(super) async fn rehash(&self, user: &User, password: SecretString) {
        let mut salt = [0; 16];
        if getrandom::fill(&mut salt).is_err() {
            return;
        }
        if let Ok(Ok(hash)) = self.gate.run(move || password::hash(&password, &salt)).await
            && let Err(error) = self.identities.rehash(&user.name, &user.password, hash).await
        {
            tracing::warn!(%error, "a password was not hashed anew");
        }
    }

    async fn for_client(&self, client: Client, asked: &Asked<'_>) -> Issued {
        let principal = client_principal(&client.id);
        let denied = |refused| Denied::of(refused, principal.clone());
        let scopes = account::scopes(asked.scopes, &client.scopes).map_err(denied)?;
        let resource = self.targets.choose(asked.resource, None).map_err(denied)?;
        let rights = Rights {
            subject: Arc::clone(&client.id),
            kind: Kind::Client,
            client: Some(client.id),
            session: None,
            scopes,
            roles: client.roles,
            tenant: client.tenant,
            resource,
            actor: None,
            origins: Vec::new(),
            ttl: self.settings.access_ttl,
        };
        // No refresh token: the client can always ask again (RFC 6749 section 4.4.3).
        Ok((self.sign(rights, None, asked.now).await?, principal))
    }

    async fn for_user(&self, user: &User, client: Option<Client>, asked: &Asked<'_>) -> Issued {
        let principal = user_principal(&user.name);
        let denied = |refused| Denied::of(refused, principal.clone());
        let scopes = account::scopes(asked.scopes, &user.scopes).map_err(denied)?;
        let resource = self.targets.choose(asked.resource, None).map_err(denied)?;
        let client = client.map(|client| client.id);
        let mut rights = self.rights_of(user, client.clone(), scopes.clone(), resource.clone());
        if !self.settings.grants.contains(&GrantType::RefreshToken) {
            return Ok((self.sign(rights, None, asked.now).await?, principal));
        }
        let session: Arc<str> = format!("{:032x}", clock::chance()).into();
        let (token, hash) = refresh_token()?;
        let first = Refresh {
            hash,
            session: Arc::clone(&session),
            user: Arc::clone(&user.name),
            client,
            scopes,
            resource,
            expires: asked.now.plus(self.settings.refresh_ttl),
            used: false,
        };
        let begun = self.identities.begin_session(first, asked.now).await;
        begun.map_err(|error| out_of_reach(&error))?;
        rights.session = Some(session);
        Ok((self.sign(rights, Some(token), asked.now).await?, principal))
    }

    fn rights_of(
        &self,
        user: &User,
        client: Option<Arc<str>>,
        scopes: Vec<Arc<str>>,
        resource: Option<Arc<str>>,
    ) -> Rights {
        Rights {
            subject: Arc::clone(&user.name),
            kind: Kind::User,
            client,
            session: None,
            scopes,
            roles: user.roles.clone(),
            tenant: user.tenant.clone(),
            resource,
            actor: None,
            origins: Vec::new(),
            ttl: self.settings.access_ttl,
        }
    }

    /// Continues a session: the token is exchanged for its successor, and a copy of it that was
    /// exchanged before ends everything that came of the login.
    async fn go_on(
        &self,
        token: &SecretString,
        client: Option<Client>,
        asked: &Asked<'_>,
    ) -> Issued {
        let now = asked.now;
        let hash = refresh::digest(token);
        let found = self.identities.refresh(&hash).await.map_err(|error| out_of_reach(&error))?;
        let found = found.ok_or(NOT_VALID)?;
        let principal = user_principal(&found.user);
        let denied = |refused| Denied::of(refused, principal.clone());
        let client = client.map(|client| client.id);
        found.check(client.as_deref(), now).map_err(denied)?;
        if found.used {
            self.end(&found.session).await?;
            return Err(reused(principal));
        }
        let Some(user) = self.user(&found.user).await?.filter(|user| !user.disabled) else {
            self.end(&found.session).await?;
            return Err(denied(NOT_VALID));
        };
        // What the user has lost since, the session has lost too.
        let still = found.scopes.iter().filter(|scope| user.scopes.contains(scope)).cloned();
        let scopes = account::scopes(asked.scopes, &still.collect::<Vec<_>>()).map_err(denied)?;
        let resource = self.targets.choose(asked.resource, found.resource.as_ref());
        let resource = resource.map_err(denied)?;
        let (token, next) = refresh_token()?;
        let session = Arc::clone(&found.session);
        // It ends when it would have ended: a session that is stolen does not live for ever.
        let next = Refresh { hash: next, ..found };
        let rotated = self.identities.rotate(&hash, next, now).await;
        match rotated.map_err(|error| out_of_reach(&error))? {
            Rotation::Done => {}
            Rotation::Gone => return Err(denied(NOT_VALID)),
            Rotation::Reused => {
                self.revocations.announce();
                return Err(reused(principal));
            }
        }
        let rights = self.rights_of(&user, client, scopes, resource);
        let rights = Rights { session: Some(session), ..rights };
        Ok((self.sign(rights, Some(token), now).await?, principal))
    }

    /// A token for a client that acts for the one whose token it shows (RFC 8693). It never lives
    /// longer than that, ends with it and with its session, and cannot be continued.
    async fn exchange(&self, token: &SecretString, client: &Client, asked: &Asked<'_>) -> Issued {
        let now = asked.now;
        let invalid = || Denied {
            refused: exchange::NOT_VALID,
            principal: Some(client_principal(&client.id)),
            told: Some((Event::AuthFailure, "the token that was to be exchanged does not count")),
        };
        let subject = self.counting(token.expose_secret(), now).await?.ok_or_else(invalid)?;
        let principal = subject.principal().clone();
        let denied = |refused| match refused {
            exchange::NOT_VALID => invalid(),
            refused => Denied::of(refused, principal.clone()),
        };
        let user = self.user(&principal.subject).await?.ok_or_else(invalid)?;
        let delegated = delegate(client, &subject, &user, asked.scopes).map_err(denied)?;
        let text = |name| subject.claims().get(name).and_then(Value::as_str);
        let confined = text("aud").and_then(|audience| self.targets.part(audience));
        let resource = self.targets.choose(asked.resource, confined).map_err(denied)?;
        let left = subject.expires().unwrap_or_default().since(now);
        let rights = Rights {
            session: text("sid").map(Arc::from),
            roles: delegated.roles,
            tenant: subject.tenant().cloned(),
            actor: Some(delegated.actor),
            origins: delegated.origins,
            ttl: left.min(self.settings.access_ttl),
            ..self.rights_of(&user, Some(Arc::clone(&client.id)), delegated.scopes, resource)
        };
        let granted = self.sign(rights, None, now).await?;
        Ok((Granted { exchanged: true, ..granted }, principal))
    }

    async fn end(&self, session: &str) -> Result<(), Refused> {
        self.identities.end_session(session).await.map_err(|error| out_of_reach(&error))?;
        self.revocations.announce();
        Ok(())
    }

    async fn sign(
        &self,
        rights: Rights,
        refresh: Option<SecretString>,
        now: Timestamp,
    ) -> Result<Granted, Refused> {
        let key = self.keys.signer(now).await.map_err(|error| out_of_reach(&error))?;
        let Rights { subject, kind, client, session, scopes, roles, tenant, .. } = rights;
        let Rights { resource, actor, origins, ttl, .. } = rights;
        let granted = scopes.clone();
        let access = Access {
            subject,
            kind,
            client,
            session,
            scopes,
            roles,
            tenant,
            resource,
            actor,
            origins,
            id: format!("{:032x}", clock::chance()),
            issued: now,
            ttl,
        };
        let token = access.sign(&self.settings.issuer, &self.settings.audience, &key);
        let token = token.map_err(|error| {
            tracing::error!(%error, "no token could be signed");
            Refused::Unavailable
        })?;
        let access = SecretString::from(token);
        Ok(Granted { access, ttl, scopes: granted, refresh, exchanged: false })
    }
}

/// A fresh refresh token, and what is stored of it.
fn refresh_token() -> Result<(SecretString, Hash), Refused> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|_| Refused::Unavailable)?;
    let token = refresh::generate(&random);
    let hash = refresh::digest(&token);
    Ok((token, hash))
}

fn reused(principal: Principal) -> Denied {
    let why = "a refresh token was shown twice: its session has been ended";
    let told = Some((Event::SecurityAlert, why));
    Denied { refused: NOT_VALID, principal: Some(principal), told }
}
