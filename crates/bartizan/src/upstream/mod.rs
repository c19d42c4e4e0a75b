//! How does a call reach somebody else's service, and how does its answer come back?

mod address;
mod breaker;
mod connections;
mod credential;
mod fields;
mod lifetime;
mod outgoing;
mod told;
mod tokens;
mod tunnel;
mod ways;

use std::error::Error as _;
use std::future::ready;
use std::sync::Arc;

use bartizan_core::exchange::Departure;
use bartizan_core::refusal::{self, Refusal};
use bartizan_core::validate::Invalid;
use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy;

pub use address::{Address, AddressError};
pub use breaker::BreakerRules;
pub use connections::{Connections, Network, Trust, TrustError};
pub use credential::Credential;
pub use tokens::{TokenSettings, Tokens};
pub(crate) use told::{IDENTITY, identity};
pub(crate) use tunnel::{Both, Closing, Ends, Pulse, Watched, fallen, reached};
pub use ways::{Patience, Upstreams, Way};

use crate::body::{Body, BodyError};
use crate::handler::{Answer, Failure, Handler, Work};
use crate::paced::Paced;
use credential::{Kind, with_token};
use outgoing::{Outgoing, Upgrade};

/// A service behind the gate. What it answers goes to the client as it is, and as it comes.
///
/// A call is sent once or not at all; redirects are handed to the client, never followed.
#[derive(Clone, Debug)]
pub struct Upstream {
    target: Target,
    connections: Connections,
}

/// Where calls go, and in which form.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to.
    pub address: Address,
    /// How verbs of one's own go on.
    pub verbs: Verbs,
    /// What is spoken on the way.
    pub http: Http,
    /// What the gate itself shows there.
    pub credential: Option<Credential>,
}

/// How verbs that are no standard methods go on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Verbs {
    /// As `POST` with `X-AGIS-Method`: Node, llama.cpp and default uvicorn refuse others.
    #[default]
    Post,
    /// As they are.
    Native,
}

/// What is spoken on the way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Http {
    /// HTTP/1.1, or over TLS what the upstream prefers (ALPN).
    #[default]
    Negotiated,
    /// HTTP/2 on a plain connection, with prior knowledge (RFC 9113 section 3.3).
    Prior,
}

/// Why an upstream cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UpstreamError {
    /// A secret with line breaks, perhaps a file of more than one line.
    #[error("the credential holds characters that no header field can carry")]
    Credential,
    /// HTTP/2 with prior knowledge is for plain connections; over TLS it is negotiated.
    #[error("`http2: prior` is for http:// addresses; over https:// HTTP/2 is negotiated")]
    Prior,
    /// TLS is needed, and nobody's certificate is trusted.
    #[error("the address is https://, and no certificates are trusted")]
    Trust,
}

impl Target {
    /// Calls go to `address`, as HTTP/1.1 or what is negotiated, without a credential.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address, verbs: Verbs::default(), http: Http::default(), credential: None }
    }
}

impl Upstream {
    /// An upstream at `target`, over `connections`.
    ///
    /// # Errors
    /// [`UpstreamError`] where the two do not fit.
    pub fn new(target: Target, connections: Connections) -> Result<Self, UpstreamError> {
        if target.address.is_https() {
            if target.http == Http::Prior {
                return Err(UpstreamError::Prior);
            }
            if !connections.speak_tls() {
                return Err(UpstreamError::Trust);
            }
        }
        Ok(Self { target, connections })
    }
}

impl Handler for Upstream {
    fn answer(&self, departure: Departure<Body>) -> Work {
        match self.target.credential.as_ref().map(Credential::kind) {
            Some(Kind::Obtained(tokens)) => {
                Box::pin(with_token(self.clone(), Arc::clone(tokens), departure))
            }
            Some(Kind::Stored(name, value)) => {
                self.ask(Some((name.clone(), value.clone())), departure)
            }
            None => self.ask(None, departure),
        }
    }
}

impl Upstream {
    /// Where it is, for the log.
    pub(super) fn host(&self) -> &str {
        self.target.address.authority().as_str()
    }

    /// One call, with this credential.
    fn ask(&self, shown: Option<(HeaderName, HeaderValue)>, departure: Departure<Body>) -> Work {
        let is_known = shown.is_some();
        match Outgoing::prepare(&self.target, &self.connections, shown, departure) {
            Ok(outgoing) => Box::pin(send(outgoing, self.connections.clone(), is_known)),
            Err(refusal) => Box::pin(ready(Err(Failure { refusal, departed: false }))),
        }
    }
}

/// One call on its way; `is_known` says whether it shows a credential of the gate's own.
async fn send(
    outgoing: Outgoing,
    connections: Connections,
    is_known: bool,
) -> Result<Answer, Failure> {
    let Outgoing { request, way, upgrade, patience, max_request_size } = outgoing;
    let host = request.uri().authority().cloned();
    let Some(answering) = connections.send(way, request) else {
        return Err(Failure { refusal: refusal::Upstream::Unreachable.into(), departed: false });
    };
    let mut response = answering.await.map_err(|error| {
        let failure = failure(&error, max_request_size);
        let host = host.as_ref().map(http::uri::Authority::as_str);
        tracing::warn!(host, error = %story(&error), "no answer from an upstream");
        failure
    })?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(response, upgrade, &connections, patience);
    }
    if is_known && response.status() == StatusCode::UNAUTHORIZED {
        let host = host.as_ref().map(http::uri::Authority::as_str);
        tracing::warn!(host, "an upstream does not accept the gateway's credential");
    }
    fields::clean_answer(response.headers_mut());
    // The version is that of one connection (RFC 9110 section 2.5): a client that is told of an old
    // one would end its own.
    *response.version_mut() = Version::default();
    Ok(Answer::new(response.map(|body| paced(body, patience))))
}

/// The upstream changes the protocol: only now the client's connection may become a tunnel.
fn switch(
    mut response: Response<Incoming>,
    upgrade: Option<Upgrade>,
    connections: &Connections,
    patience: std::time::Duration,
) -> Result<Answer, Failure> {
    let garbled = Failure { refusal: refusal::Upstream::Garbled.into(), departed: true };
    let Some(upgrade) = upgrade else { return Err(garbled) };
    let agreed = fields::upgrade_of(response.headers()).is_some_and(outgoing::is_websocket)
        && upgrade.accepts(response.headers());
    if !agreed {
        return Err(garbled);
    }
    let Upgrade { client, room, hold, standing, .. } = upgrade;
    let upstream = hyper::upgrade::on(&mut response);
    let tunnels = connections.tunnels().clone();
    let ends = Ends { client, upstream, idle: patience, room, hold, standing, tunnels };
    fields::clean_answer(response.headers_mut());
    outgoing::ask_for_websocket(response.headers_mut());
    let answer = Answer::new(response.map(|_| Body::empty()));
    Ok(Answer { ends: Some(ends), ..answer })
}

fn paced(body: Incoming, patience: std::time::Duration) -> Body {
    let body = Body::from(body);
    match body.whole() {
        Some(_) => body,
        None => Paced::wrap(body, patience),
    }
}

/// Who is to blame, and whether the call may have arrived: it has not if there never was a
/// connection.
fn failure(error: &legacy::Error, max_request_size: u64) -> Failure {
    let refusal = match broken_body(error) {
        Some(BodyError::Stopped(_)) => Refusal::Invalid(Invalid::TooLarge(max_request_size)),
        Some(BodyError::TooSlow) => Refusal::Invalid(Invalid::TooSlow),
        Some(BodyError::Broken(_)) => Refusal::Invalid(Invalid::Incomplete),
        None if is_garbled(error) => refusal::Upstream::Garbled.into(),
        None => refusal::Upstream::Unreachable.into(),
    };
    Failure { refusal, departed: !error.is_connect() }
}

/// What went wrong with the client's body, if that is why the call failed.
fn broken_body(error: &legacy::Error) -> Option<&BodyError> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn is_garbled(error: &legacy::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref()).any(|error: &hyper::Error| {
        error.is_parse() || error.is_parse_status() || error.is_parse_too_large()
    })
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

fn causes(error: &legacy::Error) -> impl Iterator<Item = Cause<'_>> {
    fn further<'a>(cause: &Cause<'a>) -> Option<Cause<'a>> {
        let cause: Cause<'a> = *cause;
        cause.source()
    }
    std::iter::successors(error.source(), further)
}

/// The error and all its causes, for the operator.
fn story(error: &legacy::Error) -> String {
    causes(error).fold(error.to_string(), |story, cause| format!("{story}: {cause}"))
}
