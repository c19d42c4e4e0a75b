//! What do the header fields of an answer tell its client: how counters stand, and what to do next?

use std::fmt::Write as _;

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

use super::Context;
use crate::admit::Misdirected;
use crate::authenticate::{Rejection, Scheme, dpop};
use crate::authorize::Denial;
use crate::decimal;
use crate::describe::resource::OFFLINE;
use crate::limit::{Kind, Measure, Standing};
use crate::refusal::Refusal;
use crate::validate::{Invalid, Protocol};

/// Whether the SDKs of OpenAI and Anthropic ask again by themselves.
static X_SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// How the counters stand in the fields that OpenAI's SDKs and their users read: of several that
/// count the same, the one with the least left.
pub fn openai_standings(standings: &[Standing], headers: &mut HeaderMap) {
    let names = [
        (
            Measure::Requests,
            [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
        ),
        (
            Measure::Tokens,
            [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
        ),
    ];
    for (measure, [limit, remaining, reset]) in names {
        let told = standings.iter().filter(|s| is_told(s) && s.measure == measure);
        let Some(least) = told.min_by_key(|standing| standing.remaining) else { continue };
        let wait = format!("{}s", whole_seconds(least.reset));
        put(headers, HeaderName::from_static(limit), least.limit.to_string().as_bytes());
        put(headers, HeaderName::from_static(remaining), least.remaining.to_string().as_bytes());
        put(headers, HeaderName::from_static(reset), wait.as_bytes());
    }
}

/// What the header fields of a refusal tell the client to do next.
pub(super) fn advise(refusal: &Refusal, context: &Context<'_>, headers: &mut HeaderMap) {
    match refusal {
        Refusal::Unauthenticated { rejection, scopes } => {
            let error = match rejection {
                Rejection::Missing => None,
                Rejection::Ambiguous => Some("invalid_request"),
                Rejection::Nonce(_) => Some("use_dpop_nonce"),
                Rejection::Proof(_) => Some("invalid_dpop_proof"),
                _ => Some("invalid_token"),
            };
            // Of a proof that failed only the scheme that has proofs can say anything.
            if !matches!(rejection, Rejection::Nonce(_) | Rejection::Proof(_)) {
                let challenge = challenge(context, Scheme::Bearer, error, scopes);
                put(headers, header::WWW_AUTHENTICATE, challenge.as_bytes());
            }
            if context.dpop {
                let challenge = challenge(context, Scheme::Dpop, error, scopes);
                if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                    headers.append(header::WWW_AUTHENTICATE, challenge);
                }
            }
            if let Rejection::Nonce(nonce) = rejection {
                put(headers, dpop::DPOP_NONCE.clone(), nonce.to_string().as_bytes());
            }
        }
        Refusal::Forbidden(Denial::Scope { scopes, scheme }) => {
            // In the scheme of the token that falls short: another would be a step down.
            let challenge = challenge(context, *scheme, Some("insufficient_scope"), scopes);
            put(headers, header::WWW_AUTHENTICATE, challenge.as_bytes());
        }
        Refusal::Forbidden(Denial::UnknownVerb(allow)) => {
            put(headers, header::ALLOW, verbs(allow).as_bytes());
        }
        Refusal::Misdirected(Misdirected::MethodRefused) => put(headers, header::ALLOW, b""),
        Refusal::Exhausted(exhausted) => {
            if exhausted.never {
                // Waiting does not help: the SDKs of models would, and ask again.
                if context.protocol.has_models() {
                    headers.insert(&X_SHOULD_RETRY, HeaderValue::from_static("false"));
                }
            } else {
                let wait = whole_seconds(exhausted.retry_after);
                headers.insert(header::RETRY_AFTER, wait.max(1).into());
            }
            standings(&exhausted.standings, headers);
            if context.protocol == Protocol::OpenAi {
                openai_standings(&exhausted.standings, headers);
            }
        }
        Refusal::Invalid(Invalid::WebSocketVersion { upgrades }) => {
            put(headers, header::SEC_WEBSOCKET_VERSION, b"13");
            if *upgrades {
                put(headers, header::UPGRADE, b"websocket");
                put(headers, header::CONNECTION, b"upgrade");
            }
        }
        // Every second we look again ourselves, at whatever was out of reach or too busy, unless it
        // is known that it takes longer.
        Refusal::Unavailable(outage) => {
            let wait = outage.retry_after().map_or(1, whole_seconds);
            headers.insert(header::RETRY_AFTER, wait.max(1).into());
        }
        _ => {}
    }
}

/// A challenge for a Bearer or a DPoP token (RFC 6750 section 3, RFC 9728 section 5.1, RFC 9449
/// section 7.1).
fn challenge(
    context: &Context<'_>,
    scheme: Scheme,
    error: Option<&str>,
    scopes: &[std::sync::Arc<str>],
) -> String {
    let name = match scheme {
        Scheme::Bearer => "Bearer",
        Scheme::Dpop => "DPoP",
    };
    let mut text = format!("{name} realm=\"{}\"", context.realm);
    if let Some(error) = error {
        let _ = write!(text, ", error=\"{error}\"");
    }
    let needed = scopes.iter().map(|scope| &**scope).filter(|scope| *scope != OFFLINE);
    let needed = needed.collect::<Vec<_>>().join(" ");
    if !needed.is_empty() {
        let _ = write!(text, ", scope=\"{needed}\"");
    }
    if let Some(url) = context.resource_metadata {
        let _ = write!(text, ", resource_metadata=\"{url}\"");
    }
    if scheme == Scheme::Dpop {
        let _ = write!(text, ", algs=\"{}\"", dpop::ALGORITHMS);
    }
    text
}

/// The `Allow` field for these verbs.
#[must_use]
pub fn verbs(allow: &[Method]) -> String {
    allow.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11): how the
/// counters stand, names as Strings, times in whole seconds. What counts calls under way has no
/// window and is left out.
pub fn standings(standings: &[Standing], headers: &mut HeaderMap) {
    if !standings.iter().any(is_told) {
        return;
    }
    let mut text = Vec::with_capacity(64);
    put_list(headers, &RATE_LIMIT, standings, &mut text, |standing, text| {
        count(b"\";r=", standing.remaining, text);
        count(b";t=", whole_seconds(standing.reset), text);
    });
    put_list(headers, &RATE_LIMIT_POLICY, standings, &mut text, |standing, text| {
        count(b"\";q=", standing.limit, text);
        count(b";w=", whole_seconds(standing.window).max(1), text);
        match standing.measure {
            Measure::NanoUsd => text.extend_from_slice(b";qu=\"nano-usd\""),
            Measure::Tokens => text.extend_from_slice(b";qu=\"tokens\""),
            Measure::Messages => text.extend_from_slice(b";qu=\"messages\""),
            Measure::Requests | Measure::Concurrent => {}
        }
    });
}

fn is_told(standing: &Standing) -> bool {
    standing.kind != Kind::Concurrency
}

/// A list of names with parameters, which `tell` writes from the closing quotation mark on; `text`
/// is where it is written.
fn put_list(
    headers: &mut HeaderMap,
    name: &HeaderName,
    standings: &[Standing],
    text: &mut Vec<u8>,
    tell: impl Fn(&Standing, &mut Vec<u8>),
) {
    text.clear();
    for standing in standings.iter().filter(|standing| is_told(standing)) {
        text.extend_from_slice(if text.is_empty() { b"\"" } else { b", \"" });
        text.extend_from_slice(standing.name.as_bytes());
        tell(standing, text);
    }
    put(headers, name.clone(), text);
}

fn count(name: &[u8], n: u64, text: &mut Vec<u8>) {
    text.extend_from_slice(name);
    decimal::write(n, text);
}

fn whole_seconds(duration: std::time::Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Sets a field; a value that no field may have is left out. The values are the operator's own
/// names, so that happens only where a name holds control characters.
pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}
