//! Does this token still count, and is it to count no more? Introspection (RFC 7662) and revocation (RFC 7009).

use std::sync::Arc;

use bartizan_core::admit::ClientAddress;
use bartizan_core::audit::{Event, Outcome};
use bartizan_core::authenticate::Caller;
use bartizan_core::authenticate::jwt::Token;
use bartizan_core::issue::access::PUBLIC_CLIENT;
use bartizan_core::issue::answer;
use bartizan_core::issue::form::Form;
use bartizan_core::issue::request::Presented;
use bartizan_core::issue::{Client, Refresh, Refused, refresh};
use bartizan_core::time::Timestamp;
use http::request::Parts;
use serde_json::{Map, Value};

use super::{Decided, TokenEndpoint, client_principal, out_of_reach, read};
use crate::authenticate::revoked;

const UNPROVEN: Refused =
    Refused::InvalidClient("only a client that proves who it is may ask about tokens");

impl TokenEndpoint {
    /// Takes a token back (RFC 7009).
    pub(super) async fn revoke(
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
        let principal = client.as_ref().map(|client| client_principal(&client.id));
        match self.take_back(&form, client.as_ref().map(|client| &client.id), now).await {
            Ok(taken) => {
                let event = taken.then_some((Event::TokenRevoked, Outcome::Allow));
                Decided { event, principal, ..Decided::quietly(answer::revoked()) }
            }
            Err(refused) => Decided::refused(&refused, principal),
        }
    }

    /// Whether there was anything to take back. Who names no client may take back what was given
    /// to no client: to have such a token is all that anybody can show.
    async fn take_back(
        &self,
        form: &Form,
        client: Option<&Arc<str>>,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        let token = form.secret("token").ok_or(Refused::InvalidRequest("token is missing"))?;
        let reach = |error| out_of_reach(&error);
        let found = self.identities.refresh(&refresh::digest(&token)).await.map_err(reach)?;
        if let Some(found) = found {
            if found.client.is_some() && found.client.as_ref() != client {
                return Ok(false);
            }
            let ended = self.identities.end_session(&found.session).await.map_err(reach)?;
            self.revocations.announce();
            return Ok(ended);
        }
        let token = form.get("token").unwrap_or_default();
        let Some(caller) = self.counting(token, now).await? else { return Ok(false) };
        let text = |name| caller.claims().get(name).and_then(Value::as_str);
        let owner = text("client_id").filter(|owner| *owner != PUBLIC_CLIENT);
        let theirs = owner.is_none() || owner == client.map(|id| &**id);
        let (Some(id), Some(until), true) = (text("jti"), caller.expires(), theirs) else {
            return Ok(false);
        };
        self.identities.revoke_token(id, until, now).await.map_err(reach)?;
        self.revocations.announce();
        Ok(true)
    }

    /// Says whether a token counts (RFC 7662), to a client that proves who it is.
    pub(super) async fn introspect(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Decided {
        let told = async {
            let (client, form) = self.neighbour(head, body, address, now).await?;
            client.filter(|client| !client.is_public()).ok_or(UNPROVEN)?;
            let token = form.secret("token").ok_or(Refused::InvalidRequest("token is missing"))?;
            let found = self.identities.refresh(&refresh::digest(&token)).await;
            match found.map_err(|error| out_of_reach(&error))? {
                Some(found) if !found.used && now < found.expires => Ok(Some(about(&found).into())),
                Some(_) => Ok(None),
                None => {
                    let caller = self.counting(form.get("token").unwrap_or_default(), now).await?;
                    Ok(caller.map(|caller| caller.claims().clone()))
                }
            }
        };
        match told.await {
            Ok(claims) => Decided::quietly(answer::introspected(claims.as_ref())),
            Err(refused) => Decided::refused(&refused, None),
        }
    }

    /// Whose access token this is, if it is one of ours and counts.
    pub(super) async fn counting(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Caller>, Refused> {
        let Ok(token) = Token::parse(token) else { return Ok(None) };
        let keys = self.provider.keys(now).await;
        let (keys, _) = keys.map_err(|_| Refused::Unavailable)?;
        let Ok(caller) = self.provider.issuer().verify(&token, &keys, now) else {
            return Ok(None);
        };
        let gone = revoked(&*self.identities, caller.claims()).await;
        Ok((!gone.map_err(|error| out_of_reach(&error))?).then_some(caller))
    }

    /// The form, and the client that sends it, if it names one; then it has proved who it is.
    async fn neighbour(
        &self,
        head: &Parts,
        body: &[u8],
        address: ClientAddress,
        now: Timestamp,
    ) -> Result<(Option<Client>, Form), Refused> {
        let form = read(head, body)?;
        let presented = Presented::read(&head.headers, &form)?;
        Ok((self.client(presented, head, address, now).await?, form))
    }
}

/// What is told of a refresh token that counts.
fn about(found: &Refresh) -> Map<String, Value> {
    let client = found.client.as_deref().unwrap_or(PUBLIC_CLIENT);
    let members = [
        ("scope", Value::from(found.scopes.join(" "))),
        ("client_id", client.into()),
        ("exp", found.expires.as_secs().into()),
        ("sub", (*found.user).into()),
    ];
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
