//! Which concrete parts is the running gateway made of? The only file that names them all.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bartizan::actions::{BuiltIn, OpenApi};
use bartizan::app::{AppBuilder, Works};
use bartizan::audit::{self, FileTrail};
use bartizan::authenticate::{Authenticate, Introspection, Means, Proofs, Provider, Revocations};
use bartizan::clock;
use bartizan::core::admit::Proxies;
use bartizan::core::authenticate::dpop::Rules;
use bartizan::core::authenticate::jwks::KeySet;
use bartizan::core::authorize::endpoint::{Cost, Limit};
use bartizan::core::chain::Bounds;
use bartizan::core::describe::resource::Resources;
use bartizan::core::issue::Identities;
use bartizan::core::limit::Meter;
use bartizan::endpoint::Served;
use bartizan::fetch::{Fetch, HttpFetch};
use bartizan::handler::Handler;
use bartizan::serve::Workers;
use bartizan::token::{self, TokenEndpoint};
use bartizan::upstream::{
    Address, Connections, Credential, Http, Network, Patience, Target, Tokens, Trust, Upstream,
    Upstreams, Verbs, Way,
};
use bartizan::{App, Json, endpoint};
use bartizan_store::durable::DurableMeter;
use bartizan_store::leased::Leased;
use bartizan_store::memory::MemoryMeter;
use bartizan_store::{Database, SplitMeter};
use http::{HeaderName, Method};
use ipnet::IpNet;
use parking_lot::Mutex;
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{Counted, Metrics};
use crate::agents::Agents;
use crate::alerts::{Alerts, WatchedMeter};
use crate::config::Settings;
use crate::config::file::OpenApiAccess;
use crate::config::file::personal::Durability;
use crate::config::settings::credential::Credential as Shown;
use crate::config::settings::oidc::{Keys, Trusted};
use crate::config::settings::possession::Dpop;
use crate::config::settings::upstream::Target as Answers;
use crate::config::settings::{self, Shared, endpoint as configured, personal};
use crate::mcp::Lasting;
use crate::shared::SharedStore;

/// What outlives a reload: stores, counters, the log, and connections to upstreams.
#[derive(Debug)]
pub struct Standing {
    identities: Arc<dyn Identities>,
    meter: Arc<dyn Meter>,
    shared: Option<Arc<SharedStore>>,
    trail: Arc<FileTrail>,
    metrics: Arc<Metrics>,
    /// Of every app, so that what a replaced one has under way is waited for, too.
    tasks: TaskTracker,
    connections: Mutex<Reach>,
    revocations: Revocations,
    recognised: Mutex<Recognised>,
    database: Database,
    budgets: DurableMeter,
    /// Slices of hot budgets, in front of that.
    leased: Arc<Leased>,
    alerts: Arc<Alerts>,
    mcp: Lasting,
    /// Tokens for upstreams: a configuration that asks for the same ones goes on with them.
    tokens: Mutex<Vec<Arc<Tokens>>>,
    /// Ends the telling of alerts, and the task that tells them.
    telling: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
}

/// Connections to upstreams, and what they were opened for.
#[derive(Debug)]
struct Reach {
    tls: bool,
    proxies: Vec<IpNet>,
    connections: Connections,
}

impl Reach {
    fn open(settings: &Settings) -> anyhow::Result<Self> {
        let (tls, proxies) = (speaks_tls(settings), settings.server.trusted_proxies.clone());
        let trust = if tls { Trust::Platform } else { Trust::Nobody };
        let workers = Workers::cores().get();
        let network = Network {
            trust,
            proxies: Proxies::new(proxies.clone()),
            workers,
            ..Network::default()
        };
        Ok(Self { tls, proxies, connections: Connections::new(&network)? })
    }

    /// Whether they serve these settings as well.
    fn fits(&self, settings: &Settings) -> bool {
        self.proxies == settings.server.trusted_proxies && (self.tls || !speaks_tls(settings))
    }
}

/// How long a gateway that stops waits for alerts to be told.
const TELLING: Duration = Duration::from_secs(5);

/// How many logins may wait for that.
const LOGINS_WAITING: usize = 64;

impl Standing {
    /// Opens everything that the settings name.
    ///
    /// # Errors
    /// What cannot be opened, and what to do about it.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let database = settings.store.durable.open().await?;
        let shared = match &settings.store.shared {
            Shared::Memory => None,
            Shared::Redis(address) => Some(Arc::new(SharedStore::open(address.clone())?)),
        };
        let limits: Arc<dyn Meter> = match &shared {
            None => Arc::new(MemoryMeter::new()),
            Some(shared) => Arc::clone(&shared.leased) as Arc<_>,
        };
        let budgets = database.meter();
        let leased = Arc::new(Leased::new(Arc::new(budgets.clone()), clock::now));
        let meter = Arc::new(SplitMeter::new(limits, Arc::clone(&leased) as Arc<_>));
        let alerts = Alerts::new();
        let meter = Arc::new(WatchedMeter::new(meter, Arc::clone(&alerts)));
        let trail = FileTrail::open(trail(&settings.audit), clock::now())?;
        let identities = database.identities();
        Ok(Self {
            identities,
            meter,
            shared,
            trail: Arc::new(trail),
            metrics: Arc::default(),
            tasks: TaskTracker::new(),
            connections: Mutex::new(Reach::open(settings)?),
            revocations: Revocations::default(),
            recognised: Mutex::default(),
            database,
            budgets,
            leased,
            alerts,
            mcp: Lasting::new()?,
            tokens: Mutex::default(),
            telling: Mutex::default(),
        })
    }

    /// The audit log.
    #[must_use]
    pub fn trail(&self) -> &Arc<FileTrail> {
        &self.trail
    }

    /// Who has an account, a key or a session.
    #[must_use]
    pub fn identities(&self) -> &Arc<dyn Identities> {
        &self.identities
    }

    /// Budgets, where they last.
    #[must_use]
    pub fn budgets(&self) -> &DurableMeter {
        &self.budgets
    }

    /// The store that gateways share, if they do.
    #[must_use]
    pub fn shared(&self) -> Option<&Arc<SharedStore>> {
        self.shared.as_ref()
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Tells from now on what there is to tell of budgets: a gateway does, a command does not.
    pub fn tell_alerts(&self) {
        let stop = CancellationToken::new();
        let trail = Counted::new(Arc::clone(&self.trail) as Arc<_>, Arc::clone(&self.metrics));
        let treasury = self.database.treasury(clock::now());
        let telling = Arc::clone(&self.alerts).run(treasury, Arc::new(trail), stop.clone());
        *self.telling.lock() = Some((stop, tokio::spawn(telling)));
    }

    /// Connections as these settings want them: those that are open, where they fit.
    fn connections(&self, settings: &Settings) -> anyhow::Result<Connections> {
        let mut reach = self.connections.lock();
        if !reach.fits(settings) {
            *reach = Reach::open(settings)?;
        }
        Ok(reach.connections.clone())
    }

    /// Closes it, when no request is under way any more.
    pub async fn close(&self) {
        let connections = self.connections.lock().connections.clone();
        connections.close_tunnels().await;
        let telling = self.telling.lock().take();
        if let Some((stop, telling)) = telling {
            stop.cancel();
            if tokio::time::timeout(TELLING, telling).await.is_err() {
                tracing::warn!("alerts wait to be told after a restart");
            }
        }
        self.leased.close().await;
        if let Some(shared) = &self.shared {
            shared.close().await;
        }
        let trail = Arc::clone(&self.trail);
        if tokio::task::spawn_blocking(move || trail.close()).await.is_err() {
            tracing::error!("the audit log did not close");
        }
        self.database.close().await;
    }
}

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
    Ok(app.build_with(works)?)
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

/// One verb of a configured endpoint.
fn serve(
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
        draft = draft.mcp(standing.mcp.rules(&configured.path, upstream, mcp));
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
struct Reached {
    connections: Connections,
    /// Every token that one of them wants.
    tokens: Vec<Arc<Tokens>>,
}

/// The tokens that upstreams want: those that are known from before, where they are the same. Each is
/// asked for by somebody who reaches nothing but whoever issues it.
fn tokens_for_upstreams(
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

fn built_in(settings: &Settings) -> BuiltIn {
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

/// Whether any upstream is reached over TLS.
fn speaks_tls(settings: &Settings) -> bool {
    settings.endpoints.iter().any(|endpoint| match &endpoint.target {
        Answers::Upstream(upstream) => {
            let all = std::iter::once(&**upstream).chain(&upstream.fallbacks);
            all.into_iter().any(|upstream| upstream.url.scheme_str() == Some("https"))
        }
        Answers::Health | Answers::ForwardAuth => false,
    })
}

/// The hosts of issuers: written by the operator's own hand, so they may be private.
fn issuers(settings: &Settings) -> Vec<String> {
    let addresses = settings.auth.issuers.iter().flat_map(Trusted::addresses);
    addresses.filter_map(host).collect()
}

fn host(address: &str) -> Option<String> {
    let url: http::Uri = address.parse().ok()?;
    url.host().map(str::to_owned)
}

/// What outlives a reload of how callers are recognised: an identity provider that cannot be
/// reached just now, and a proof that was shown a moment ago.
#[derive(Debug, Default)]
struct Recognised {
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

fn trail(audit: &personal::Audit) -> audit::Settings {
    let destination = match &audit.destination {
        personal::Destination::File(path) => audit::Destination::File(path.clone()),
        personal::Destination::Stdout => audit::Destination::Stdout,
    };
    audit::Settings {
        durability: match audit.durability {
            Durability::Sync => audit::Durability::Sync,
            Durability::Batch => audit::Durability::Batch,
        },
        events: audit.events.clone(),
        refusals_per_second: audit.refusals_per_second,
        ..audit::Settings::new(destination)
    }
}

async fn authenticate(
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

async fn token_endpoint(
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
