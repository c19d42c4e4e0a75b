//! What of a gateway outlives a reload? Stores, counters, the log, and connections to upstreams.

use std::sync::Arc;
use std::time::Duration;

use bartizan::audit::{self, FileTrail};
use bartizan::authenticate::Revocations;
use bartizan::clock;
use bartizan::core::admit::Proxies;
use bartizan::core::issue::Identities;
use bartizan::core::limit::Meter;
use bartizan::serve::Workers;
use bartizan::upstream::{Connections, Network, Tokens, Trust};
use bartizan_store::durable::DurableMeter;
use bartizan_store::leased::Leased;
use bartizan_store::memory::MemoryMeter;
use bartizan_store::{Database, SplitMeter};
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::callers::Recognised;
use crate::admin::{Counted, Metrics};
use crate::alerts::{Alerts, WatchedMeter};
use crate::config::Settings;
use crate::config::file::personal::Durability;
use crate::config::settings::upstream::Target as Answers;
use crate::config::settings::{Shared, personal};
use crate::mcp::Lasting;
use crate::shared::SharedStore;

/// What outlives a reload: stores, counters, the log, and connections to upstreams.
#[derive(Debug)]
pub struct Standing {
    pub(super) identities: Arc<dyn Identities>,
    pub(super) meter: Arc<dyn Meter>,
    pub(super) shared: Option<Arc<SharedStore>>,
    pub(super) trail: Arc<FileTrail>,
    pub(super) metrics: Arc<Metrics>,
    /// Of every app, so that what a replaced one has under way is waited for, too.
    pub(super) tasks: TaskTracker,
    connections: Mutex<Reach>,
    pub(super) revocations: Revocations,
    pub(super) recognised: Mutex<Recognised>,
    pub(super) database: Database,
    pub(super) budgets: DurableMeter,
    /// Slices of hot budgets, in front of that.
    pub(super) leased: Arc<Leased>,
    pub(super) alerts: Arc<Alerts>,
    pub(super) mcp: Lasting,
    /// Tokens for upstreams: a configuration that asks for the same ones goes on with them.
    pub(super) tokens: Mutex<Vec<Arc<Tokens>>>,
    /// Ends the telling of alerts, and the task that tells them.
    pub(super) telling: Mutex<Option<(CancellationToken, JoinHandle<()>)>>,
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
        let alerts = Alerts::new();
        // Behind the slices: what is charged of them is seen as well.
        let watched = WatchedMeter::new(Arc::new(budgets.clone()), Arc::clone(&alerts));
        let leased = Arc::new(Leased::new(Arc::new(watched), clock::now));
        let meter = Arc::new(SplitMeter::new(limits, Arc::clone(&leased) as Arc<_>));
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
    pub(super) fn connections(&self, settings: &Settings) -> anyhow::Result<Connections> {
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
