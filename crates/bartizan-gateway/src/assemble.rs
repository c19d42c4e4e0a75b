//! Which concrete parts is the running gateway made of? Only here and in the folder below are they all named.

mod standing;
mod served;
mod callers;

use std::sync::Arc;

use anyhow::Context as _;
use bartizan::app::{AppBuilder, Works};
use bartizan::authenticate::Authenticate;
use bartizan::core::admit::Proxies;
use bartizan::core::authorize::endpoint::Limit;
use bartizan::core::describe::resource::Resources;
use bartizan::endpoint::Served;
use bartizan::{App, token};

use crate::admin::Counted;
use crate::agents::Agents;
use crate::config::{Settings, settings};

use callers::{authenticate, token_endpoint};
use served::{Reached, built_in, serve, tokens_for_upstreams};
pub use standing::Standing;

/// Builds the app that the settings describe, with `extra` endpoints written in Rust.
///
/// # Errors
/// Everything that is wrong with it.
pub async fn assemble(
    settings: &Settings,
    standing: &Standing,
    extra: Vec<Served>,
) -> anyhow::Result<App> {
    standing.alerts.watch(settings);
    let bodies = standing.metrics.bodies();
    let mut app = App::builder(&settings.title)
        .rules(
            settings.access.scopes.clone(),
            settings.access.roles.clone(),
            settings.access.assigned.clone(),
        )
        .approvers(settings.policies.approvers.clone())
        .approvals(standing.database.approvals())
        .prices((*settings.prices).clone())
        .max_request_size(settings.server.max_request_size)
        .body_timeout(settings.server.timeouts.body)
        .timeout(settings.server.timeouts.upstream)
        .settle_timeout(settings.server.timeouts.settle)
        .bodies(Arc::clone(bodies))
        .proxies(Proxies::new(settings.server.trusted_proxies.clone()))
        .profile((*settings.pii).clone())
        .actions(built_in(settings))
        .tasks(standing.tasks.clone());
    if let Some(cors) = &settings.server.cors {
        app = app.cors(cors.clone());
    }
    for hook in &settings.hooks {
        app = hook.give(app).with_context(|| format!("the hook `{}`", hook.name))?;
    }
    #[cfg(feature = "cedar")]
    if let Some(cedar) = &settings.policies.cedar {
        app = app.cedar(cedar.clone());
    }
    app = settings.policies.statements.iter().cloned().fold(app, AppBuilder::statement);
    for limit in &settings.limits {
        app = limited(app, &limit.rules, &limit.applies);
    }
    for budget in &settings.budgets {
        app = limited(app, &budget.rules, &budget.applies);
    }
    if let Some(resources) = described(settings) {
        app = app.resources(resources);
    }
    let tokens = token_endpoint(settings, standing).await?;
    let agents = Agents::of(settings, &*standing.identities).await?;
    let authenticate = authenticate(settings, standing, tokens.clone());
    if let Some(tokens) = tokens {
        app = token::served(&tokens).into_iter().fold(app, AppBuilder::endpoint);
    }
    let connections = standing.connections(settings)?;
    let reach = Reached { connections, tokens: tokens_for_upstreams(settings, standing)? };
    for configured in &settings.endpoints {
        for verb in &configured.verbs {
            let served = serve(configured, verb, (settings, standing), &reach, &agents)?;
            app = app.endpoint(served);
        }
    }
    app = extra.into_iter().fold(app, AppBuilder::endpoint);
    let hot = settings.budgets.iter().filter(|budget| budget.lease);
    standing.leased.set(hot.map(|budget| Arc::clone(&budget.name)));
    if let Some(shared) = standing.shared() {
        shared.obey(settings);
    }
    let works = Works {
        authenticate: authenticate.await?,
        meter: Arc::clone(&standing.meter),
        trail: Arc::new(Counted::new(
            Arc::clone(&standing.trail) as Arc<_>,
            Arc::clone(&standing.metrics),
        )),
    };
    let app = app.build_with(works)?;
    // Not before: what cannot be built changes nothing.
    bodies.allow(settings.server.http.max_body_memory);
    Ok(app)
}

/// The app, and what tells its callers, for commands that look at both and send nothing.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) async fn examine(
    settings: &Settings,
    standing: &Standing,
) -> anyhow::Result<(App, Authenticate)> {
    let tokens = token_endpoint(settings, standing).await?;
    let eyes = authenticate(settings, standing, tokens).await?;
    Ok((assemble(settings, standing, Vec::new()).await?, eyes))
}

/// Who issues tokens for what is served, where it is known by which address it is.
fn described(settings: &Settings) -> Option<Resources> {
    let own = settings.auth.tokens.as_ref();
    let url =
        settings.server.public_url.clone().or_else(|| own.map(|own| Arc::clone(&own.issuer)))?;
    let believed = settings.auth.issuers.iter();
    let issuers = own.map(|own| own.issuer.to_string()).into_iter();
    let issuers = issuers.chain(believed.clone().map(|trusted| trusted.issuer.url().to_string()));
    let audiences = own.map(|own| own.audience.to_string()).into_iter();
    let audiences = audiences.chain(believed.flat_map(|trusted| trusted.issuer.audiences.clone()));
    Some(Resources::new(&url, &settings.title, issuers.collect(), audiences.collect()))
}

fn limited(
    app: AppBuilder,
    rules: &[Arc<Limit>],
    applies: &settings::spending::Applies,
) -> AppBuilder {
    rules.iter().fold(app, |app, rule| {
        let applies = applies.clone();
        app.limit_where((**rule).clone(), move |path, verb| applies.to(path, verb))
    })
}
