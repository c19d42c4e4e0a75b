//! The configuration as it is meant: what the program runs on, every default in its place.

mod resolver;
pub mod server;
pub mod auth;
pub mod oidc;
pub mod possession;
pub mod access;
pub mod policy;
pub mod spending;
mod unfit;
mod nobody;
pub mod personal;
pub mod hook;
pub mod credential;
pub mod upstream;
pub mod endpoint;
pub mod mcp;
mod names;
mod agent;
mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::api_key::{Pepper, Record};
use bartizan_core::authorize::Policy;
use bartizan_core::authorize::approval::Approvers;
use bartizan_core::authorize::endpoint::Limit as Applied;
use bartizan_core::limit::Price;
use bartizan_store::Database;
use bartizan_store::database::{OpenError, ServerUrl, is_server};
use bartizan_store::redis::Address;
use http::Method;

pub use access::AccessRules;
pub use auth::Auth;
pub use endpoint::Endpoint;
pub use personal::{Audit, Pii};
pub use policy::Policies;
pub use resolver::Overrides;
pub(crate) use resolver::is_scope;
pub use server::Server;
pub use spending::{Budget, Limit};

use super::Part;
use super::file::{self, File, OpenApiAccess};
use super::findings::Findings;
use super::seen::Files;
use super::substitute::Outside;
use super::tree::Place;
use crate::alerts::Webhook;
use resolver::Resolver;

/// What the program runs on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of the service.
    pub title: Arc<str>,
    /// How the gateway is reached.
    pub server: Server,
    /// Where the gateway remembers.
    pub store: Store,
    /// Who may be believed.
    pub auth: Auth,
    /// What scopes and roles mean.
    pub access: AccessRules,
    /// What is laid down beside the endpoints, and who may agree to calls.
    pub policies: Policies,
    /// How often, and how much at a time.
    pub limits: Vec<Limit>,
    /// How much in a period.
    pub budgets: Vec<Budget>,
    /// Where alerts of budgets are sent.
    pub webhooks: Vec<Webhook>,
    /// What models cost: the built-in table, and the file's rows over it.
    pub prices: Arc<BTreeMap<String, Price>>,
    /// Personal data, where an endpoint says nothing else.
    pub pii: Arc<Pii>,
    /// Services that have a say in what may pass.
    pub hooks: Vec<hook::Hook>,
    /// What is remembered of every request.
    pub audit: Audit,
    /// What is served, in the order of the file.
    pub endpoints: Vec<Endpoint>,
    /// Who sees what in `/openapi.json`.
    pub openapi: OpenApiAccess,
    /// Whether `/actions`, `/action` and `/chain` are served.
    pub actions: bool,
    /// The bounds of `POST /chain`.
    pub chain: Chain,
    /// The folder of the file, at which relative paths begin.
    pub folder: PathBuf,
    /// What somebody should look at although the gateway starts.
    pub warnings: Findings,
    /// Where secrets stand in the file itself: pointers.
    pub hard_coded: Vec<String>,
    /// The file itself and every file that it names, as they were read.
    pub files: Files,
}

/// What commands on identities work with.
#[derive(Debug)]
pub struct Desk {
    /// Where identities are.
    pub durable: Durable,
    /// The names of the roles that are defined.
    pub roles: BTreeSet<Arc<str>>,
    /// Where the gateway's records go.
    pub audit: personal::Destination,
    /// What digests are keyed with; `None`: kept in the store.
    pub pepper: Option<Pepper>,
    /// Who may decide about calls that wait; nobody, where that was not asked for.
    pub deciders: Deciders,
    /// The budgets of the file, where they were asked for.
    pub budgets: Vec<Budget>,
}

/// Who may decide about calls that wait, and what makes them so.
#[derive(Debug, Default)]
pub struct Deciders {
    /// Whoever has one of these rights.
    pub approvers: Approvers,
    /// What roles and scopes mean, and who has which; it serves nothing.
    pub policy: Policy,
    /// Keys of the file, beside those in the store.
    pub keys: Vec<Record>,
}

/// Where the gateway remembers.
#[derive(Clone, Debug)]
pub struct Store {
    /// Identities, keys and grants.
    pub durable: Durable,
    /// Counters.
    pub shared: Shared,
}

/// The store of identities, keys and grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durable {
    /// A database on this server.
    Postgres(ServerUrl),
    /// An SQLite database in this file.
    Sqlite(PathBuf),
}

impl Durable {
    /// Opens it for a gateway.
    ///
    /// # Errors
    /// [`OpenError`] says what cannot be opened and why.
    pub async fn open(&self) -> Result<Database, OpenError> {
        match self {
            Self::Postgres(url) => Database::open(url.expose()).await,
            Self::Sqlite(path) => Database::file(path).await,
        }
    }

    /// Opens it for a command, which waits longer than a request may.
    ///
    /// # Errors
    /// [`OpenError`] says what cannot be opened and why.
    pub async fn open_for_command(&self) -> Result<Database, OpenError> {
        match self {
            Self::Postgres(url) => Database::server(url.expose(), COMMAND_PATIENCE).await,
            Self::Sqlite(path) => Database::file(path).await,
        }
    }
}

/// How long a command waits for a database.
const COMMAND_PATIENCE: Duration = Duration::from_secs(30);

/// The store of counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shared {
    /// In this process; no other gateway sees them.
    Memory,
    /// In a Redis or Valkey, for all gateways that name it.
    Redis(Address),
}

/// The bounds of `POST /chain`.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// The most steps.
    pub max_steps: usize,
    /// The most that one step may answer, in bytes.
    pub max_result_bytes: u64,
    /// How long the whole may take.
    pub deadline: Duration,
}

/// Gives the file its meaning. `lost` are the pointers of what was out of shape and taken out. What
/// is wrong stands in the findings; with errors among them there are no settings.
pub(super) fn resolve(
    file: &File,
    outside: Outside<'_>,
    overrides: &Overrides,
    lost: &BTreeSet<String>,
    findings: &mut Findings,
) -> Option<Settings> {
    let secrets = secrets(file, outside);
    let outside = Outside { secrets: secrets.as_deref(), ..outside };
    let mut resolver = Resolver::new(outside, overrides, lost);
    resolver.no_endpoints = file.endpoints.is_empty();
    let server = server::resolve(&mut resolver, file.server.as_ref());
    let store = store(&mut resolver, file.store.as_ref());
    let access = access::resolve(&mut resolver, file.access.as_ref());
    let tls = file.server.as_ref().and_then(|server| server.tls.as_ref());
    let client_ca = tls.is_some_and(|tls| tls.client_ca.is_some());
    let auth = auth::resolve(&mut resolver, file.auth.as_ref(), &access, client_ca);
    let limits = spending::limits(&mut resolver, &file.limits);
    let budgets = spending::budgets(&mut resolver, &file.budgets, &file.limits);
    together(&mut resolver, store.as_ref(), &file.budgets);
    let prices = spending::prices(&mut resolver, &file.prices);
    let webhooks = spending::webhooks(&mut resolver, file.alerts.as_ref());
    resolver.hooked = hook::entities(&file.hooks);
    let pii = Arc::new(personal::pii(&mut resolver, file.pii.as_ref(), None));
    let hooks = hook::resolve(&mut resolver, &file.hooks);
    let audit = personal::audit(&mut resolver, file.audit.as_ref());
    let base = endpoint::Base {
        server: &server,
        access: &access,
        pii: &pii,
        tokens: auth.tokens.as_ref(),
    };
    let endpoint::Endpoints { all: endpoints, whole } =
        endpoint::resolve(&mut resolver, file, &base);
    let policies = policy::resolve(&mut resolver, file, &access, &endpoints);
    let chain = chain(&mut resolver, file.chain.as_ref());
    spending::unused(&mut resolver, file, &access);
    unfit::tell(&mut resolver, file, &endpoints, &hooks, &limits, (&budgets, &prices));
    nobody::tell(&mut resolver, file, &auth, &access, &policies.approvers);
    let folder = outside.folder.to_owned();
    findings.extend(resolver.into_findings());
    if findings.has_errors() || !whole {
        return None;
    }
    Some(Settings {
        title: file.title.as_ref().map_or_else(|| "Bartizan".into(), |title| Arc::from(&***title)),
        server: server?,
        store: store?,
        auth,
        access,
        policies,
        limits,
        budgets,
        webhooks,
        prices,
        pii,
        hooks,
        audit: audit?,
        endpoints,
        openapi: file
            .openapi
            .as_ref()
            .and_then(|openapi| openapi.access)
            .unwrap_or(OpenApiAccess::Filtered),
        actions: actions(file),
        chain,
        folder,
        warnings: Findings::default(),
        files: Files::default(),
        hard_coded: Vec::new(),
    })
}

/// As [`resolve`], of a file that was cut down to what a [`Desk`] needs.
pub(super) fn desk(
    file: &File,
    part: Part,
    outside: Outside<'_>,
    lost: &BTreeSet<String>,
    findings: &mut Findings,
) -> Option<Desk> {
    let secrets = secrets(file, outside);
    let outside = Outside { secrets: secrets.as_deref(), ..outside };
    let overrides = Overrides::default();
    let mut resolver = Resolver::new(outside, &overrides, lost);
    let durable = durable(&mut resolver, file.store.as_ref());
    let audit = personal::audit(&mut resolver, file.audit.as_ref());
    let roles = file.access.iter().flat_map(|access| access.roles.keys());
    let roles = roles.map(|role| Arc::from(role.as_str())).collect();
    let pepper = file.auth.as_ref().and_then(|auth| auth.pepper.as_ref());
    let pepper = pepper.and_then(|source| auth::pepper(&mut resolver, source));
    let deciders = match part {
        Part::Approvals => deciders(&mut resolver, file),
        Part::Budgets | Part::Identities => Deciders::default(),
    };
    let budgets = match part {
        Part::Budgets => spending::budgets(&mut resolver, &file.budgets, &[]),
        Part::Approvals | Part::Identities => Vec::new(),
    };
    findings.extend(resolver.into_findings());
    if findings.has_errors() {
        return None;
    }
    let audit = audit?.destination;
    Some(Desk { durable: durable?, roles, audit, pepper, deciders, budgets })
}

/// Who may decide about calls that wait.
fn deciders(resolver: &mut Resolver<'_>, file: &File) -> Deciders {
    let rules = access::resolve(resolver, file.access.as_ref());
    let approvers = policy::approvers(resolver, file.approvals.as_ref(), &rules);
    let keys = file.auth.as_ref().and_then(|auth| auth.api_keys.as_ref());
    let keys = keys.map(|keys| auth::keys(resolver, &keys.keys, &rules)).unwrap_or_default();
    let AccessRules { scopes, roles, assigned, .. } = rules;
    let policy = Policy { scopes, roles, assigned, ..Policy::default() };
    Deciders { approvers, policy, keys }
}

/// The folder of mounted secrets.
fn secrets(file: &File, outside: Outside<'_>) -> Option<PathBuf> {
    match &file.secrets {
        Some(folder) => Some(outside.path(folder)),
        None => outside.variable("CREDENTIALS_DIRECTORY").ok().map(PathBuf::from),
    }
}

/// Whether `/actions`, `/action` and `/chain` are served.
fn actions(file: &File) -> bool {
    file.actions.as_ref().and_then(|actions| actions.enabled).unwrap_or(true)
}

fn store(
    resolver: &mut Resolver<'_>,
    store: Option<&super::decode::Located<file::Store>>,
) -> Option<Store> {
    let durable = durable(resolver, store);
    let shared = resolver.source_or_env(
        store.and_then(|store| store.shared.as_ref()),
        "REDIS_URL",
        "/store/shared",
        "memory",
    );
    let shared = shared.and_then(|(text, place)| match text.as_str() {
        "memory" => Some(Shared::Memory),
        text if Address::is_meant(text) => match Address::parse(text) {
            Ok(address) => Some(Shared::Redis(address)),
            Err(why) => {
                resolver.error(
                    &place,
                    "`shared` (`REDIS_URL`) is no address of Redis",
                    why.to_string(),
                );
                None
            }
        },
        _ => {
            let help = "write `memory`, or an address as `redis://HOST:PORT`";
            resolver.error(&place, "`shared` is no store of counters", help);
            None
        }
    });
    Some(Store { durable: durable?, shared: shared? })
}

/// Gateways that share their limits must share their budgets, too: each would spend the whole of
/// one that stands in a file of its own.
fn together(
    resolver: &mut Resolver<'_>,
    store: Option<&Store>,
    budgets: &[super::decode::Located<file::spending::Budget>],
) {
    let Some(Store { durable: Durable::Sqlite(_), shared: Shared::Redis(_) }) = store else {
        return;
    };
    // Where one was written that could not be read, it is not known yet.
    if resolver.lost("/store/durable") {
        return;
    }
    if let Some(budget) = budgets.first() {
        let help = "set `store.durable` to `postgres://USER:PASSWORD@HOST/NAME`";
        let why = "gateways that share a Redis share no budget that stands in a SQLite file";
        resolver.error(&budget.place, why, help);
    }
}

fn durable(
    resolver: &mut Resolver<'_>,
    store: Option<&super::decode::Located<file::Store>>,
) -> Option<Durable> {
    let (text, place) = resolver.source_or_env(
        store.and_then(|store| store.durable.as_ref()),
        "DATABASE_URL",
        "/store/durable",
        "sqlite:bartizan.db",
    )?;
    if is_server(&text) {
        let url = ServerUrl::parse(&text);
        let wrong = "`durable` (`DATABASE_URL`) is no address of PostgreSQL";
        let url = url.map_err(|why| resolver.error(&place, wrong, why.to_string()));
        return url.ok().map(Durable::Postgres);
    }
    sqlite(resolver, &text, &place)
}

fn sqlite(resolver: &mut Resolver<'_>, text: &str, place: &Place) -> Option<Durable> {
    let path = text.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match path {
        Some(path) if !path.is_empty() && !path.starts_with(':') && !path.contains('?') => {
            Some(Durable::Sqlite(resolver.outside.path(path)))
        }
        _ => {
            resolver.error(
                place,
                "`durable` is no store of identities",
                "write `sqlite:` and the path of a file, or `postgres://USER:PASSWORD@HOST/NAME`",
            );
            None
        }
    }
}

fn chain(
    resolver: &mut Resolver<'_>,
    chain: Option<&super::decode::Located<file::Chain>>,
) -> Chain {
    let chain = chain.map(|chain| &chain.value);
    let steps = resolver.count(chain.and_then(|chain| chain.max_steps.as_ref()), 16, 1..=64);
    Chain {
        max_steps: usize::try_from(steps).unwrap_or(64),
        max_result_bytes: resolver
            .size(chain.and_then(|chain| chain.max_result_bytes.as_ref()), 1_000_000),
        deadline: resolver
            .span(chain.and_then(|chain| chain.deadline.as_ref()), Duration::from_mins(5)),
    }
}

impl Settings {
    /// The rules of all limits and budgets that apply to a verb at a path template.
    pub fn rules(&self, path: &str, verb: &Method) -> Vec<Arc<Applied>> {
        let limits = self
            .limits
            .iter()
            .filter(|limit| limit.applies.to(path, verb))
            .flat_map(|limit| &limit.rules);
        let budgets = self
            .budgets
            .iter()
            .filter(|budget| budget.applies.to(path, verb))
            .flat_map(|budget| &budget.rules);
        limits.chain(budgets).cloned().collect()
    }

    /// Where a relative path of the file leads.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.join(path)
    }
}
