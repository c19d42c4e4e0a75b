//! Who answers at an endpoint? A handler, one upstream, or several that are asked in their order.

use std::sync::Arc;

use anyhow::Context as _;
use bartizan::actions::{BuiltIn, OpenApi};
use bartizan::core::authorize::endpoint::Cost;
use bartizan::core::chain::Bounds;
use bartizan::endpoint::Served;
use bartizan::fetch::HttpFetch;
use bartizan::handler::Handler;
use bartizan::upstream::{
    Address, Connections, Credential, Http, Patience, Target, Tokens, Upstream, Upstreams, Verbs,
    Way,
};
use bartizan::{Json, endpoint};
use http::{HeaderName, Method};
use schemars::JsonSchema;
use serde::Serialize;

use super::Standing;
use super::callers::host;
use crate::agents::Agents;
use crate::config::Settings;
use crate::config::file::OpenApiAccess;
use crate::config::settings::credential::Credential as Shown;
use crate::config::settings::upstream::Target as Answers;
use crate::config::settings::{self, endpoint as configured};
use crate::mcp::hosts;

/// One verb of a configured endpoint.
pub(super) fn serve(
    configured: &configured::Endpoint,
    verb: &Method,
    (settings, standing): (&Settings, &Standing),
    reach: &Reached,
    agents: &Agents,
) -> anyhow::Result<Served> {
    let mut draft = endpoint(verb.as_str(), &configured.path)
        .access(configured.access.clone())
        .about(configured.about.clone())
        .protocol(configured.protocol)
        .names(configured.names.clone())
        .max_request_size(configured.max_request_size)
        .timeout(configured.timeouts.upstream)
        .body_timeout(configured.timeouts.body)
        .on_disconnect(configured.on_disconnect)
        .profile((*configured.pii).clone())
        .method_override(configured.method_override)
        .cost(cost(configured, settings));
    if let Some(messages) = configured.messages {
        draft = draft.messages(messages);
    }
    for (alias, _) in configured.aliases.iter().filter(|(_, meant)| meant == verb) {
        draft = draft.alias(alias.as_str());
    }
    if let Some(agent) = agents.at(configured) {
        draft = draft.agent(agent);
    }
    if let Some(permission) = configured.permission(verb) {
        draft = draft.resource(&permission.resource, Some(&permission.action));
    }
    if let Some(mcp) = &configured.mcp {
        let upstream = match &configured.target {
            Answers::Upstream(upstream) => upstream.url.to_string(),
            Answers::Health | Answers::ForwardAuth => String::new(),
        };
        let hosts = hosts(settings, mcp);
        draft = draft.mcp(standing.mcp.rules(&configured.path, upstream, mcp, hosts));
    }
    if let Some(tenant) = &configured.tenant {
        draft = draft.tenant(tenant.clone());
    }
    if configured.approval {
        draft = draft.approval();
    }
    if let Some(schema) = &configured.schema {
        draft = draft.compiled(Arc::clone(schema));
    }
    Ok(match &configured.target {
        Answers::Health => draft.call(|_| async { Ok(Json(Health::HEALTHY)) }),
        Answers::ForwardAuth => draft.elsewhere(),
        Answers::Upstream(upstream) => {
            if upstream.exchanges() {
                draft = draft.exchanges();
            }
            draft.handler(upstreams(upstream, reach)?)
        }
    })
}

/// What upstreams are reached with.
pub(super) struct Reached {
    pub(super) connections: Connections,
    /// Every token that one of them wants.
    pub(super) tokens: Vec<Arc<Tokens>>,
}

/// The tokens that upstreams want: those that are known from before, where they are the same. Each is
/// asked for by somebody who reaches nothing but whoever issues it.
pub(super) fn tokens_for_upstreams(
    settings: &Settings,
    standing: &Standing,
) -> anyhow::Result<Vec<Arc<Tokens>>> {
    let mut standing = standing.tokens.lock();
    let mut tokens: Vec<Arc<Tokens>> = Vec::new();
    for wanted in settings.endpoints.iter().flat_map(configured::Endpoint::tokens) {
        let same = |one: &&Arc<Tokens>| one.settings() == wanted;
        if tokens.iter().find(same).is_some() {
            continue;
        }
        let known = standing.iter().find(same).cloned();
        tokens.push(match known {
            Some(known) => known,
            None => {
                let addresses = wanted.issuer.iter().chain(&wanted.endpoint);
                let hosts = addresses.filter_map(|url| host(url)).collect();
                Tokens::new(wanted.clone(), Arc::new(HttpFetch::new(hosts)?))
            }
        });
    }
    standing.clone_from(&tokens);
    Ok(tokens)
}

/// Who answers: one upstream, or several that are asked in their order.
fn upstreams(
    first: &settings::upstream::Upstream,
    reach: &Reached,
) -> anyhow::Result<Arc<dyn Handler>> {
    let plain = first.patience == Patience::default()
        && first.fallbacks.is_empty()
        && first.serves.is_empty();
    if plain {
        let upstream = Upstream::new(target(first, reach)?, reach.connections.clone());
        return Ok(Arc::new(upstream.with_context(|| format!("upstream `{}`", first.url))?));
    }
    let all = std::iter::once(first).chain(&first.fallbacks);
    let ways = all.map(|one| {
        let (serves, model) = (one.serves.clone(), one.model.clone());
        anyhow::Ok(Way { target: target(one, reach)?, serves, model })
    });
    let ways = ways.collect::<anyhow::Result<Vec<_>>>()?;
    let upstreams = Upstreams::new(ways, first.patience, &reach.connections);
    Ok(Arc::new(upstreams.with_context(|| format!("upstream `{}`", first.url))?))
}

fn target(upstream: &settings::upstream::Upstream, reach: &Reached) -> anyhow::Result<Target> {
    let url = match (upstream.agent, upstream.url.scheme(), upstream.url.authority()) {
        // Its path is put in where the call is read.
        (true, Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
        _ => upstream.url.to_string(),
    };
    let address = Address::parse(&url).with_context(|| format!("upstream `{url}`"))?;
    let show = |credential: &_| match (credential, upstream.anthropic) {
        (Shown::Stored(secret), true) => {
            Credential::field(HeaderName::from_static("x-api-key"), secret).map(Some)
        }
        (Shown::Stored(secret), false) => Credential::bearer(secret).map(Some),
        (Shown::Obtained(settings), _) => {
            let same = reach.tokens.iter().find(|tokens| *tokens.settings() == **settings);
            Ok(same.cloned().map(Credential::obtained))
        }
    };
    let credential = upstream.credential.as_ref().map(show).transpose().map(Option::flatten);
    Ok(Target {
        verbs: if upstream.native_verbs { Verbs::Native } else { Verbs::Post },
        http: if upstream.http2_prior { Http::Prior } else { Http::Negotiated },
        credential: credential.with_context(|| format!("upstream `{url}`"))?,
        ..Target::new(address)
    })
}

fn cost(configured: &configured::Endpoint, settings: &Settings) -> Cost {
    let fallbacks = match &configured.target {
        Answers::Upstream(upstream) => &*upstream.fallbacks,
        Answers::Health | Answers::ForwardAuth => &[],
    };
    Cost {
        usd_nano: 0,
        tokens: 0,
        prices: Arc::clone(&settings.prices),
        max_output_tokens: configured.max_output_tokens,
        max_input_tokens: configured.max_input_tokens,
        replacements: fallbacks.iter().filter_map(|other| other.model.clone()).collect(),
    }
}

/// What `handler: health` answers.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
struct Health {
    /// `healthy`.
    status: &'static str,
}

impl Health {
    const HEALTHY: Self = Self { status: "healthy" };
}

pub(super) fn built_in(settings: &Settings) -> BuiltIn {
    let settings::Chain { max_steps, max_result_bytes, deadline } = settings.chain;
    BuiltIn {
        actions: settings.actions,
        openapi: match settings.openapi {
            OpenApiAccess::Filtered => OpenApi::Filtered,
            OpenApiAccess::Public => OpenApi::Public,
            OpenApiAccess::Off => OpenApi::Off,
        },
        chain: Bounds {
            max_steps,
            max_result_bytes: usize::try_from(max_result_bytes).unwrap_or(usize::MAX),
            deadline,
        },
    }
}
