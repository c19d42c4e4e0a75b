//! What answers at an endpoint, and how is it reached?

use std::sync::Arc;
use std::time::Duration;

use bartizan::upstream::{BreakerRules, Patience};
use bartizan_core::validate::Protocol;
use http::Uri;

use super::super::decode::Located;
use super::super::file::endpoint::{self as file, Handler, UpstreamVerbs};
use super::super::file::leaf::{Count, Span};
use super::super::tree::Place;
use super::credential::{self, Credential};
use super::resolver::{Resolver, shared, words};

/// What answers.
#[derive(Clone, Debug)]
pub enum Target {
    /// The gateway itself: `{"status":"healthy"}`.
    Health,
    /// A proxy in front, which asks here whether calls may pass.
    ForwardAuth,
    /// A server behind it.
    Upstream(Box<Upstream>),
}

/// A server behind the gateway.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its address. Without a path requests keep theirs; with one it stands for the endpoint's path
    /// up to the first `{`.
    pub url: Uri,
    /// Whether verbs of one's own go on as they are; else as POST with `X-AGIS-Method`.
    pub native_verbs: bool,
    /// Whether HTTP/2 is spoken to a plain upstream, with prior knowledge.
    pub http2_prior: bool,
    /// What the gateway itself shows.
    pub credential: Option<Credential>,
    /// Whether it is shown as Anthropic's API wants it: in `x-api-key`.
    pub anthropic: bool,
    /// Whether it is an agent, to which the protocol says which path is meant.
    pub agent: bool,
    /// The models that it serves; all where empty.
    pub serves: Vec<Arc<str>>,
    /// The model to ask for there in place of the one that was asked.
    pub model: Option<Arc<str>>,
    /// Who is asked where it does not answer.
    pub fallbacks: Vec<Upstream>,
    /// How long to try.
    pub patience: Patience,
}

impl Upstream {
    /// It, and who is asked where it does not answer.
    pub(super) fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.fallbacks)
    }

    /// Whether one of them is called with a token got in exchange for the caller's.
    pub fn exchanges(&self) -> bool {
        self.all().any(|one| one.credential.as_ref().is_some_and(Credential::exchanges))
    }
}

pub(super) fn target(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    protocol: Protocol,
) -> Option<Target> {
    match (&entry.upstream, &entry.handler) {
        (Some(upstream), None) => {
            self::upstream(resolver, upstream, entry.timeouts.as_ref(), protocol)
                .map(|upstream| Target::Upstream(Box::new(upstream)))
        }
        (None, Some(handler)) => match handler.value {
            Handler::Health => Some(Target::Health),
            Handler::ForwardAuth => Some(Target::ForwardAuth),
        },
        (Some(upstream), Some(_)) => {
            resolver.error(
                &upstream.key,
                "`upstream` and `handler` exclude one another",
                "keep the one that answers",
            );
            None
        }
        (None, None) => {
            let endpoint = resolver.called("the endpoint", &entry.path);
            resolver.lacking(
                &entry.key,
                &["upstream", "handler"],
                format!("nothing answers at {endpoint}"),
                "write `upstream: { url: … }`, `handler: health` or `handler: forward_auth`",
            );
            None
        }
    }
}

fn upstream(
    resolver: &mut Resolver<'_>,
    file: &Located<file::Upstream>,
    timeouts: Option<&Located<file::EndpointTimeouts>>,
    protocol: Protocol,
) -> Option<Upstream> {
    let fallbacks = file.fallbacks.iter();
    let fallbacks: Vec<_> =
        fallbacks.filter_map(|other| self::fallback(resolver, other, protocol)).collect();
    let mut upstream = one(resolver, file.one(), &file.key, protocol)?;
    upstream.fallbacks = fallbacks;
    upstream.patience = patience(resolver, file, timeouts);
    Some(upstream)
}

fn fallback(
    resolver: &mut Resolver<'_>,
    file: &Located<file::Fallback>,
    protocol: Protocol,
) -> Option<Upstream> {
    let mut upstream = one(resolver, file.one(), &file.key, protocol)?;
    upstream.model = shared(file.model.as_ref());
    if let Some(model) = file.model.as_ref().filter(|_| !protocol.has_models()) {
        let help = "say what is spoken, or remove `model`";
        resolver.error(&model.key, "`model` needs a `protocol` that has models", help);
    }
    Some(upstream)
}

fn patience(
    resolver: &mut Resolver<'_>,
    file: &Located<file::Upstream>,
    timeouts: Option<&Located<file::EndpointTimeouts>>,
) -> Patience {
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let breaker = file.breaker.as_ref().map(|breaker| {
        let usual = BreakerRules::default();
        let mut count = |text: Option<&Located<Count>>, usual: u32| {
            small(resolver.count(text, usual.into(), 1..=10_000))
        };
        let failures = count(breaker.failures.as_ref(), usual.failures);
        let probes = count(breaker.probes.as_ref(), usual.probes);
        let pause = resolver.span(breaker.pause.as_ref(), usual.pause);
        BreakerRules { failures, pause, probes }
    });
    let mut span = |text: Option<&Located<Span>>| {
        text.map(|text| resolver.span(Some(text), Duration::from_secs(60)))
    };
    let first_byte = span(timeouts.and_then(|timeouts| timeouts.first_byte.as_ref()));
    let total = span(timeouts.and_then(|timeouts| timeouts.total.as_ref()));
    let retries = small(resolver.count(file.retries.as_ref(), 0, 0..=10));
    Patience { retries, breaker, first_byte, total }
}

/// The server that the first upstream or a further one is.
fn one(
    resolver: &mut Resolver<'_>,
    file: file::One<'_>,
    key: &Place,
    protocol: Protocol,
) -> Option<Upstream> {
    let url =
        resolver.text(file.url).and_then(|text| upstream_url(resolver, &file.url.place, &text));
    let usual = match url.as_ref().and_then(Uri::host) {
        Some("api.openai.com") => Some("OPENAI_API_KEY"),
        Some("api.anthropic.com") => Some("ANTHROPIC_API_KEY"),
        _ => None,
    };
    let credential = match (file.credential, usual) {
        (Some(source), _) => credential::credential(resolver, source),
        (None, Some(variable)) => {
            let secret = resolver.outside.variable(variable).ok();
            if secret.is_none() && protocol.has_models() {
                let help = format!(
                    "write `credential: {{ env: NAME }}`, or set the environment variable `{variable}`"
                );
                resolver.warn(
                    key,
                    "the upstream has no `credential`: the provider will refuse every call",
                    help,
                );
            }
            secret.and_then(|secret| credential::stored(resolver, secret.into(), key))
        }
        (None, None) => None,
    };
    if let (Some(prior), Some("https")) = (file.http2, url.as_ref().and_then(Uri::scheme_str)) {
        resolver.error(
            &prior.key,
            "`http2: prior` is for `http://` addresses",
            "remove it: over TLS HTTP/2 is negotiated",
        );
    }
    Some(Upstream {
        url: url?,
        http2_prior: file.http2.is_some(),
        native_verbs: file.verbs.is_some_and(|verbs| verbs.value == UpstreamVerbs::Native),
        credential,
        anthropic: protocol == Protocol::Anthropic,
        agent: protocol == Protocol::A2a,
        serves: words(file.serves),
        model: None,
        fallbacks: Vec::new(),
        patience: Patience::default(),
    })
}

fn upstream_url(resolver: &mut Resolver<'_>, place: &Place, text: &str) -> Option<Uri> {
    let help = "write `http://` or `https://`, a host, and at most a port and a path, as `http://127.0.0.1:9000`";
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
    });
    let Some(uri) = uri else {
        resolver.error(place, "`url` is no address of a server", help);
        return None;
    };
    if uri.query().is_some()
        || text.contains('#')
        || uri.authority().is_some_and(|a| a.as_str().contains('@'))
    {
        resolver.error(
            place,
            "`url` must have no query, fragment or user name",
            "secrets belong into `credential`",
        );
        return None;
    }
    Some(uri)
}
