//! What does the gateway know of the agents behind it? What their cards are to say, and by which key
//! their tasks are their callers'.

use std::sync::Arc;

use bartizan::core::authenticate::api_key::Pepper;
use bartizan::core::issue::Identities;
use bartizan::core::validate::Protocol;
use bartizan::core::validate::a2a::{Agent, IdKey, Scheme, fixed};
use bartizan::token;
use http::header::AUTHORIZATION;

use crate::config::Settings;
use crate::config::settings::endpoint::Endpoint;
use crate::config::settings::upstream::Target;

/// What is known of all of them.
#[derive(Debug)]
pub(crate) struct Agents {
    /// `None` where there is no agent, or no address by which they are reached.
    common: Option<Common>,
}

#[derive(Debug)]
struct Common {
    origin: Arc<str>,
    key: IdKey,
    schemes: Vec<Scheme>,
    /// By the address of an agent, for each endpoint: whether it serves what lies below, and whether
    /// it asks who is calling.
    endpoints: Vec<(String, bool, bool)>,
}

impl Agents {
    /// The agents of these settings; the key lies where those of API keys do.
    ///
    /// # Errors
    /// Where the store cannot give the key.
    pub(crate) async fn of(
        settings: &Settings,
        identities: &dyn Identities,
    ) -> anyhow::Result<Self> {
        let own = settings.auth.tokens.as_ref().map(|tokens| &tokens.issuer);
        let origin = settings.server.public_url.as_ref().or(own);
        let agents = || settings.endpoints.iter().filter(|one| one.protocol == Protocol::A2a);
        let (Some(origin), Some(_)) = (origin, agents().next()) else {
            return Ok(Self { common: None });
        };
        let pepper: Pepper = token::pepper(identities, settings.auth.pepper.as_ref()).await?;
        let endpoints = agents().map(|one| {
            (fixed(&one.path).to_owned(), one.path.contains("{*"), !one.access.is_public())
        });
        let common = Common {
            origin: origin.trim_end_matches('/').into(),
            key: IdKey::derive(&pepper),
            schemes: schemes(settings),
            endpoints: endpoints.collect(),
        };
        Ok(Self { common: Some(common) })
    }

    /// What is known of the agent at an endpoint, if one is there.
    pub(crate) fn at(&self, endpoint: &Endpoint) -> Option<Arc<Agent>> {
        let (Protocol::A2a, Some(common)) = (endpoint.protocol, &self.common) else { return None };
        let Target::Upstream(upstream) = &endpoint.target else { return None };
        let address = fixed(&endpoint.path);
        let same = || common.endpoints.iter().filter(|(other, ..)| other == address);
        let guarded = same().any(|(.., guarded)| *guarded);
        Some(Arc::new(Agent {
            url: format!("{}{address}", common.origin).into(),
            below: same().any(|(_, below, _)| *below),
            path: upstream.url.path().trim_end_matches('/').into(),
            key: common.key.clone(),
            push: endpoint.push.clone(),
            schemes: if guarded { common.schemes.clone() } else { Vec::new() },
        }))
    }
}

/// How callers may show who they are.
fn schemes(settings: &Settings) -> Vec<Scheme> {
    let auth = &settings.auth;
    let mut schemes = Vec::new();
    for trusted in &auth.issuers {
        let issuer = trusted.issuer.url().to_string();
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        schemes.push(Scheme::OpenId(url.into()));
    }
    schemes.push(Scheme::Bearer);
    let headers = auth.places.key_headers.iter().filter(|name| **name != AUTHORIZATION);
    schemes.extend(headers.map(|name| Scheme::ApiKey(name.as_str().into())).take(1));
    if auth.certificates.is_some() {
        schemes.push(Scheme::MutualTls);
    }
    schemes
}
