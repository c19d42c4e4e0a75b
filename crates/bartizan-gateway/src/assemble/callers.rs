//! Who is recognised, and by what? Issuers, keys, proofs, and the token endpoint.

use std::sync::Arc;

use anyhow::Context as _;
use bartizan::authenticate::{Authenticate, Introspection, Means, Proofs, Provider};
use bartizan::clock;
use bartizan::core::authenticate::dpop::Rules;
use bartizan::core::authenticate::jwks::KeySet;
use bartizan::fetch::{Fetch, HttpFetch};
use bartizan::token::{self, TokenEndpoint};
use secrecy::ExposeSecret as _;

use super::Standing;
use crate::config::Settings;
use crate::config::settings::oidc::{Keys, Trusted};
use crate::config::settings::possession::Dpop;

/// How many logins may wait to be checked.
const LOGINS_WAITING: usize = 64;

pub(super) async fn authenticate(
    settings: &Settings,
    standing: &Standing,
    tokens: Option<Arc<TokenEndpoint>>,
) -> anyhow::Result<Authenticate> {
    // Anew for every configuration: it may reach the hosts that this one names.
    let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(issuers(settings))?);
    let (mut issuers, proofs) = {
        let mut recognised = standing.recognised.lock();
        let known = settings.auth.issuers.iter().map(|one| recognised.provider(one, &fetch));
        let issuers = known.collect::<anyhow::Result<Vec<_>>>()?;
        recognised.providers.clone_from(&issuers);
        (issuers, recognised.proofs(settings.auth.dpop.as_ref())?)
    };
    for issuer in &issuers {
        standing.tasks.spawn(Arc::clone(issuer).warm(clock::now()));
    }
    issuers.extend(tokens.as_ref().map(|tokens| Arc::clone(tokens.provider())));
    let pepper = match &tokens {
        Some(tokens) => tokens.pepper().clone(),
        None => token::pepper(&*standing.identities, settings.auth.pepper.as_ref()).await?,
    };
    Ok(Authenticate::new(Means {
        places: settings.auth.places.clone(),
        keys: settings.auth.keys.clone(),
        environment: settings.auth.environment.clone(),
        pepper: Some(pepper),
        identities: Arc::clone(&standing.identities),
        issuers,
        revocations: standing.revocations.clone(),
        remembered: settings.auth.remembered,
        certificates: settings.auth.certificates.clone(),
        proofs,
        patience: settings.auth.patience,
    }))
}

pub(super) async fn token_endpoint(
    settings: &Settings,
    standing: &Standing,
) -> anyhow::Result<Option<Arc<TokenEndpoint>>> {
    let Some(tokens) = &settings.auth.tokens else { return Ok(None) };
    let paths = token::Paths {
        token: tokens.path.to_string(),
        authorize: format!("{}/authorize", tokens.path),
        ..token::Paths::default()
    };
    let configured = token::Settings {
        issuer: tokens.issuer.to_string(),
        audience: tokens.audience.to_string(),
        resource: tokens.issuer.to_string(),
        paths,
        resources: resources(settings),
        grants: tokens.grants.clone(),
        access_ttl: tokens.access_ttl,
        refresh_ttl: tokens.refresh_ttl,
        users: tokens.users.clone(),
        clients: tokens.clients.clone(),
        certificates: settings.server.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
        throttle: token::Throttle::default(),
        at_once: token::half_the_cores(),
        waiting: LOGINS_WAITING,
        signing_keys: tokens.signing_keys.clone(),
        pepper: settings.auth.pepper.clone(),
    };
    let identities = Arc::clone(&standing.identities);
    let meter = Arc::clone(&standing.meter);
    let opened = TokenEndpoint::open(configured, identities, meter, standing.revocations.clone());
    Ok(Some(Arc::new(opened.await.context("the token endpoint cannot open")?)))
}

/// What of the gateway a token may be asked for alone (RFC 8707): each guarded endpoint, by the
/// part of its path that is fixed.
fn resources(settings: &Settings) -> Vec<Arc<str>> {
    let guarded = settings.endpoints.iter().filter(|endpoint| !endpoint.access.is_public());
    let fixed = guarded.map(|endpoint| {
        let fixed = endpoint.path.split('{').next().unwrap_or_default();
        // What is fixed ends with a whole segment: `/v1/a{id}` is below `/v1`.
        let whole = if fixed.len() < endpoint.path.len() { fixed.rfind('/') } else { None };
        Arc::from(whole.and_then(|end| fixed.get(..end)).unwrap_or(fixed))
    });
    let mut paths: Vec<Arc<str>> = fixed.collect();
    paths.sort();
    paths.dedup();
    paths
}

/// What outlives a reload of how callers are recognised: an identity provider that cannot be
/// reached just now, and a proof that was shown a moment ago.
#[derive(Debug, Default)]
pub(super) struct Recognised {
    providers: Vec<Arc<Provider>>,
    proofs: Option<(Dpop, Arc<Proofs>)>,
}

impl Recognised {
    /// An identity provider as it is configured now, with the keys that it had.
    fn provider(&self, trusted: &Trusted, fetch: &Arc<dyn Fetch>) -> anyhow::Result<Arc<Provider>> {
        let (issuer, fetch) = (trusted.issuer.clone(), Arc::clone(fetch));
        let mut provider = match &trusted.keys {
            Keys::Published(None, pace) => Provider::discovered(issuer, Arc::clone(&fetch), *pace),
            Keys::Published(Some(url), pace) => {
                Provider::at(issuer, url.clone(), Arc::clone(&fetch), *pace)
            }
            Keys::Shared(secret) => {
                let secret = secret.expose_secret().as_bytes();
                let keys = KeySet::secret(secret, &trusted.issuer.algorithms)?;
                Provider::secret(issuer, keys)
            }
        };
        if let Some(introspection) = &trusted.introspection {
            let introspection = Introspection::new(introspection.clone(), fetch);
            provider = provider.with_introspection(introspection);
        }
        self.providers.iter().for_each(|old| provider.inherit(old));
        Ok(provider)
    }

    /// What checks proofs as it is configured now; the one that knows which were shown, if nothing
    /// of that has changed.
    fn proofs(&mut self, dpop: Option<&Dpop>) -> anyhow::Result<Option<Arc<Proofs>>> {
        let Some(dpop) = dpop else { return Ok(None) };
        if let Some((same, proofs)) = self.proofs.as_ref().filter(|(old, _)| old == dpop) {
            tracing::trace!(?same, "proofs go on");
            return Ok(Some(Arc::clone(proofs)));
        }
        let mut rules = Rules::new(&dpop.origins, dpop.window)?;
        if dpop.nonce {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret)?;
            rules = rules.with_nonces(&secret);
        }
        let proofs = Arc::new(Proofs::new(rules, dpop.remembered));
        self.proofs = Some((dpop.clone(), Arc::clone(&proofs)));
        Ok(Some(proofs))
    }
}

/// The hosts of issuers: written by the operator's own hand, so they may be private.
fn issuers(settings: &Settings) -> Vec<String> {
    let addresses = settings.auth.issuers.iter().flat_map(Trusted::addresses);
    addresses.filter_map(host).collect()
}

/// The host of an address.
pub(super) fn host(address: &str) -> Option<String> {
    let url: http::Uri = address.parse().ok()?;
    url.host().map(str::to_owned)
}
