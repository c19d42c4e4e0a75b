//! May this one have a token? The three grants, one after the other.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::{Event, Outcome};
use bartizan_core::authenticate::{Kind, Principal, password};
use bartizan_core::issue::access::Access;
use bartizan_core::issue::account::{self, is_name};
use bartizan_core::issue::answer::{Granted, WRONG_PASSWORD};
use bartizan_core::issue::refresh::{self, NOT_VALID, Refresh, Rotation};
use bartizan_core::issue::request::{Grant, GrantType, Presented, TokenRequest};
use bartizan_core::issue::{Client, Refused, User};
use bartizan_core::limit::{Draw, ReservationId, Verdict, nothing_used};
use bartizan_core::time::Timestamp;
use http::request::Parts;
use secrecy::SecretString;

use super::{Decided, TokenEndpoint, client_principal, out_of_reach, read, user_principal};
use crate::clock;

/// How long an attempt may take before what it reserved is given back by itself.
const ATTEMPT: Duration = Duration::from_mins(1);

/// No token, and who did not get it, if that is known.
struct Denied {
    refused: Refused,
    principal: Option<Principal>,
    /// Where it is not just a refusal but an alarm.
    alarm: Option<&'static str>,
}

impl From<Refused> for Denied {
    fn from(refused: Refused) -> Self {
        Self { refused, principal: None, alarm: None }
    }
}

impl Denied {
    fn of(refused: Refused, principal: Principal) -> Self {
        Self { refused, principal: Some(principal), alarm: None }
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
}

impl TokenEndpoint {
    pub(super) async fn issue(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Decided {
        match self.grant(head, body, address, now).await {
            Ok((granted, principal)) => Decided {
                response: granted.answer(),
                event: Some((Event::TokenIssued, Outcome::Allow)),
                principal: Some(principal),
                reason: None,
            },
            Err(Denied { refused, principal, alarm: Some(alarm) }) => Decided {
                response: refused.answer(),
                event: Some((Event::SecurityAlert, Outcome::Deny)),
                principal,
                reason: Some(alarm.to_owned()),
            },
            Err(Denied { refused, principal, alarm: None }) => {
                Decided::refused(&refused, principal)
            }
        }
    }

    async fn grant(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<(Granted, Principal), Denied> {
        let form = read(head, body)?;
        let request = TokenRequest::read(&head.headers, &form, &self.settings.grants)?;
        let client = self.client(request.client, address, now).await?;
        let asked = request.scopes.as_deref();
        let sort = match &request.grant {
            Grant::ClientCredentials => GrantType::ClientCredentials,
            Grant::Password { .. } => GrantType::Password,
            Grant::RefreshToken(_) => GrantType::RefreshToken,
        };
        if let Some(client) = client.as_ref().filter(|client| !client.grants.contains(&sort)) {
            return Err(Denied::of(Refused::UnauthorizedClient, client_principal(&client.id)));
        }
        match request.grant {
            Grant::ClientCredentials => {
                self.for_client(client.ok_or(Refused::InvalidClient)?, asked, now)
            }
            Grant::Password { username, password } => {
                let user = self.log_in(&username, password, address, now).await?;
                self.for_user(&user, client, asked, now).await
            }
            Grant::RefreshToken(token) => self.go_on(&token, client, asked, now).await,
        }
    }

    /// The client of a request, once it has proved who it is.
    pub(super) async fn client(
        &self,
        presented: Option<Presented>,
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<Option<Client>, Refused> {
        let Some(Presented { id, secret }) = presented else { return Ok(None) };
        let (attempt, draws) = self.attempt(&format!("client {id}"), address, now).await?;
        let client = match self.clients.get(id.as_str()) {
            Some(client) => Some(client.clone()),
            None if is_name(&id) => {
                self.identities.client(&id).await.map_err(|error| out_of_reach(&error))?
            }
            None => None,
        };
        let client = client.filter(|client| client.proves(secret.as_ref(), Some(&self.pepper)));
        self.close(attempt, &draws, client.is_some(), now).await;
        client.map(Some).ok_or(Refused::InvalidClient)
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
        let (attempt, draws) = self.attempt(name, address, now).await?;
        let known = self.user(name).await?;
        let hash = known.as_ref().map(|user| user.password.clone());
        let (right, given) = self
            .gate
            .run(move || (password::verify(hash.as_ref(), &given), given))
            .await
            .map_err(|_| Refused::Busy)?;
        let principal = known.as_ref().map(|user| user_principal(&user.name));
        let user = known.filter(|user| right && !user.disabled);
        self.close(attempt, &draws, user.is_some(), now).await;
        let denied = Denied { refused: WRONG_PASSWORD, principal, alarm: None };
        let user = user.ok_or(denied)?;
        if user.password.needs_rehash() && !self.users.contains_key(&user.name) {
            self.rehash(user.clone(), given).await;
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
    async fn rehash(&self, mut user: User, password: SecretString) {
        let mut salt = [0; 16];
        if getrandom::fill(&mut salt).is_err() {
            return;
        }
        if let Ok(Ok(hash)) = self.gate.run(move || password::hash(&password, &salt)).await {
            user.password = hash;
            if let Err(error) = self.identities.put_user(user).await {
                tracing::warn!(%error, "a password was not hashed anew");
            }
        }
    }

    /// Reserves an attempt on `name`, which counts as failed until it is closed.
    async fn attempt(
        &self,
        name: &str,
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<(ReservationId, Vec<Draw>), Refused> {
        let (id, draws) =
            (ReservationId(clock::chance()), self.settings.throttle.draws(name, address));
        match self.meter.reserve(id, &draws, now.plus(ATTEMPT), now).await {
            Ok(Verdict::Taken { .. }) => Ok((id, draws)),
            Ok(Verdict::Short(exhausted)) => Err(Refused::Throttled(exhausted.retry_after)),
            Err(error) => {
                tracing::error!(%error, "attempts cannot be counted");
                Err(Refused::Unavailable)
            }
        }
    }

    /// An attempt that succeeded does not count.
    async fn close(&self, id: ReservationId, draws: &[Draw], succeeded: bool, now: Timestamp) {
        let nothing = nothing_used(draws);
        let actual = if succeeded { &nothing } else { draws };
        if let Err(error) = self.meter.settle(id, actual, now).await {
            tracing::warn!(%error, "an attempt was not settled");
        }
    }

    fn for_client(
        &self,
        client: Client,
        asked: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(Granted, Principal), Denied> {
        let principal = client_principal(&client.id);
        let scopes = account::scopes(asked, &client.scopes);
        let scopes = scopes.map_err(|refused| Denied::of(refused, principal.clone()))?;
        let rights = Rights {
            subject: Arc::clone(&client.id),
            kind: Kind::Client,
            client: Some(client.id),
            session: None,
            scopes,
            roles: client.roles,
            tenant: client.tenant,
        };
        // No refresh token: the client can always ask again (RFC 6749 section 4.4.3).
        Ok((self.sign(rights, None, now)?, principal))
    }

    async fn for_user(
        &self,
        user: &User,
        client: Option<Client>,
        asked: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(Granted, Principal), Denied> {
        let principal = user_principal(&user.name);
        let scopes = account::scopes(asked, &user.scopes);
        let scopes = scopes.map_err(|refused| Denied::of(refused, principal.clone()))?;
        let client = client.map(|client| client.id);
        let mut rights = Rights {
            subject: Arc::clone(&user.name),
            kind: Kind::User,
            client: client.clone(),
            session: None,
            scopes,
            roles: user.roles.clone(),
            tenant: user.tenant.clone(),
        };
        if !self.settings.grants.contains(&GrantType::RefreshToken) {
            return Ok((self.sign(rights, None, now)?, principal));
        }
        let session: Arc<str> = format!("{:032x}", clock::chance()).into();
        let scopes = rights.scopes.clone();
        let name = Arc::clone(&user.name);
        let (token, first) = self.refresh_token(Arc::clone(&session), name, client, scopes, now)?;
        self.identities.begin_session(first, now).await.map_err(|error| out_of_reach(&error))?;
        rights.session = Some(session);
        Ok((self.sign(rights, Some(token), now)?, principal))
    }

    /// Continues a session: the token is exchanged for its successor, and a copy of it that was
    /// exchanged before ends everything that came of the login.
    async fn go_on(
        &self,
        token: &SecretString,
        client: Option<Client>,
        asked: Option<&[String]>,
        now: Timestamp,
    ) -> Result<(Granted, Principal), Denied> {
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
        let scopes = account::scopes(asked, &still.collect::<Vec<_>>()).map_err(denied)?;
        let Refresh { session, user: name, scopes: all, .. } = found;
        let (token, next) =
            self.refresh_token(Arc::clone(&session), name, client.clone(), all, now)?;
        match self
            .identities
            .rotate(&hash, next, now)
            .await
            .map_err(|error| out_of_reach(&error))?
        {
            Rotation::Done => {}
            Rotation::Gone => return Err(denied(NOT_VALID)),
            Rotation::Reused => {
                self.revocations.announce();
                return Err(reused(principal));
            }
        }
        let (subject, kind) = (user.name, Kind::User);
        let (roles, tenant, session) = (user.roles, user.tenant, Some(session));
        let rights = Rights { subject, kind, client, session, scopes, roles, tenant };
        Ok((self.sign(rights, Some(token), now)?, principal))
    }

    async fn end(&self, session: &str) -> Result<(), Refused> {
        self.identities.end_session(session).await.map_err(|error| out_of_reach(&error))?;
        self.revocations.announce();
        Ok(())
    }

    fn refresh_token(
        &self,
        session: Arc<str>,
        user: Arc<str>,
        client: Option<Arc<str>>,
        scopes: Vec<Arc<str>>,
        now: Timestamp,
    ) -> Result<(SecretString, Refresh), Refused> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(|_| Refused::Unavailable)?;
        let token = refresh::generate(&random);
        let (hash, expires) = (refresh::digest(&token), now.plus(self.settings.refresh_ttl));
        Ok((token, Refresh { hash, session, user, client, scopes, expires, used: false }))
    }

    fn sign(
        &self,
        rights: Rights,
        refresh: Option<SecretString>,
        now: Timestamp,
    ) -> Result<Granted, Refused> {
        let Rights { subject, kind, client, session, scopes, roles, tenant } = rights;
        let id = format!("{:032x}", clock::chance());
        let ttl = self.settings.access_ttl;
        let granted = scopes.clone();
        let access =
            Access { subject, kind, client, session, scopes, roles, tenant, id, issued: now, ttl };
        let token = access.sign(&self.settings.issuer, &self.settings.audience, &self.key);
        let token = token.map_err(|error| {
            tracing::error!(%error, "no token could be signed");
            Refused::Unavailable
        })?;
        Ok(Granted { access: SecretString::from(token), ttl, scopes: granted, refresh })
    }
}

fn reused(principal: Principal) -> Denied {
    let alarm = Some("a refresh token was shown twice: its session has been ended");
    Denied { refused: NOT_VALID, principal: Some(principal), alarm }
}
