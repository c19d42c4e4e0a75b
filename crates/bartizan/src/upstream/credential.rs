//! What does the gate show to an upstream? A secret that it was given, or a token that it asks for.

use std::fmt;
use std::sync::Arc;

use bartizan_core::exchange::Departure;
use bartizan_core::refusal;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};

use super::tokens::{Shown, Tokens};
use super::ways::{copy, may_be_repeated};
use super::{Upstream, UpstreamError};
use crate::body::Body;
use crate::clock;
use crate::handler::{Answer, Failure};

/// What the gate itself shows to an upstream. Prints as `***`.
#[derive(Clone)]
pub struct Credential(Kind);

/// Where it comes from.
#[derive(Clone)]
pub(super) enum Kind {
    /// The operator wrote it down: this field, with this value.
    Stored(HeaderName, HeaderValue),
    /// A token endpoint issues it.
    Obtained(Arc<Tokens>),
}

impl Credential {
    /// `Authorization: Bearer SECRET`.
    ///
    /// # Errors
    /// [`UpstreamError::Credential`] where no header field can carry it.
    pub fn bearer(secret: &SecretString) -> Result<Self, UpstreamError> {
        let value = SecretString::from(format!("Bearer {}", secret.expose_secret().trim()));
        Self::field(AUTHORIZATION, &value)
    }

    /// The secret as the whole value of the field `name`.
    ///
    /// # Errors
    /// [`UpstreamError::Credential`] where no header field can carry it.
    pub fn field(name: HeaderName, secret: &SecretString) -> Result<Self, UpstreamError> {
        let text = secret.expose_secret().trim();
        let mut value = HeaderValue::from_str(text).map_err(|_| UpstreamError::Credential)?;
        value.set_sensitive(true);
        Ok(Self(Kind::Stored(name, value)))
    }

    /// `Authorization: Bearer TOKEN`, with a token that is asked for when it is needed. Where it is
    /// given in exchange for the caller's, the endpoint must say so, too:
    /// [`crate::endpoint::Draft::exchanges`].
    #[must_use]
    pub fn obtained(tokens: Arc<Tokens>) -> Self {
        Self(Kind::Obtained(tokens))
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Stored(name, _) => write!(f, "Credential({name}: ***)"),
            Kind::Obtained(tokens) => f.debug_tuple("Credential").field(tokens).finish(),
        }
    }
}

/// A call with a token that was asked for. Where the upstream does not take it, though it should
/// still count, a new one is asked for, and the call is sent once more if nothing can have come of
/// the first: its method may be repeated, or the answer says that it was the token (RFC 6750 section
/// 3), so that whoever said it looked at nothing else.
pub(super) async fn with_token(
    upstream: Upstream,
    tokens: Arc<Tokens>,
    departure: Departure<Body>,
) -> Result<Answer, Failure> {
    let subject = departure.subject.clone();
    let not_sent = |refusal| Failure { refusal, departed: false };
    let first = tokens.token(subject.as_deref(), clock::now()).await.map_err(not_sent)?;
    let again = copy(&departure);
    let repeatable = may_be_repeated(&departure.head.method);
    let answer = upstream.ask(Some(authorization(&first)), departure).await?;
    if answer.response.status() != StatusCode::UNAUTHORIZED {
        return Ok(answer);
    }
    let safe = repeatable || blames_the_token(answer.response.headers());
    // Not sent on: it is about a token of the gate, and a client would think that it is about its own.
    let failed = Failure { refusal: refusal::Upstream::Unauthorized.into(), departed: !safe };
    tracing::warn!(address = ?upstream.target.address, "an upstream did not take its token");
    let worth_it = tokens.refused(subject.as_deref(), &first, clock::now());
    let (Some(again), true) = (again, safe && worth_it) else { return Err(failed) };
    let second = tokens.token(subject.as_deref(), clock::now()).await.map_err(not_sent)?;
    let answer = upstream.ask(Some(authorization(&second)), again).await?;
    match answer.response.status() {
        StatusCode::UNAUTHORIZED => {
            tokens.refused(subject.as_deref(), &second, clock::now());
            Err(failed)
        }
        _ => Ok(answer),
    }
}

fn authorization(shown: &Shown) -> (HeaderName, HeaderValue) {
    (AUTHORIZATION, shown.authorization())
}

/// Whether an answer says that a bearer token is missing or not good.
fn blames_the_token(headers: &HeaderMap) -> bool {
    headers.get_all(WWW_AUTHENTICATE).iter().any(|challenge| {
        let scheme = challenge.as_bytes().get(..6).unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"bearer")
    })
}
