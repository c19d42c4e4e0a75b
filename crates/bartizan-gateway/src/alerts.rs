//! Who is told that a budget runs out? The audit log, the metrics, and whoever has a webhook.
//!
//! A meter that tells of its charges stands before the meter that makes them. What a charge has
//! reached is written into the durable store, which takes each alert once: so of all gateways that
//! see it one tells, and what could not be delivered is tried again after a restart.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bartizan::clock;
use bartizan::fetch::HttpFetch;
use bartizan_core::audit::{Entry, Event, Outcome, Trail};
use bartizan_core::limit::alert::{reached, signature, signing_key};
use bartizan_core::limit::treasury::Due;
use bartizan_core::limit::{
    Alert, Charge, Draw, Expired, Kind, Meter, ReservationId, Settlement, Told, Treasury,
    Unavailable, Verdict, spend_in_two,
};
use bartizan_core::time::Timestamp;
use bytes::Bytes;
use http::{Request, Uri, header};
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;

/// Where alerts are sent.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where to.
    pub url: Uri,
    /// What messages are signed with.
    pub secret: SecretString,
}

/// How many alerts may wait to be written down; a charge that finds it full is told by the next.
const QUEUE: usize = 1024;
/// How many alerts are remembered as told already, so that not every charge asks the store.
const REMEMBERED: usize = 16_384;
/// How often it is looked for what is due.
const EVERY: Duration = Duration::from_secs(2);
/// How long a webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// When it is tried again for the first time; each time after that it takes twice as long.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest that it waits between two tries.
const LONGEST: Duration = Duration::from_hours(1);
/// How often it is tried, over a day or so; then only the audit log has it.
const TRIES: u32 = 32;

/// What charges are looked at for, and where alerts wait to be told.
#[derive(Debug)]
pub struct Alerts {
    watched: ArcSwap<Watched>,
    told: Mutex<HashSet<Alert>>,
    queue: mpsc::Sender<Alert>,
    waiting: Mutex<Option<mpsc::Receiver<Alert>>>,
}

/// As the configuration has it now.
#[derive(Debug, Default)]
struct Watched {
    /// The thresholds of each budget, and whether its limit is soft.
    budgets: BTreeMap<Arc<str>, (Vec<u8>, bool)>,
    webhooks: Vec<Webhook>,
}

impl Alerts {
    /// Alerts that watch nothing yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (watched, told) = (ArcSwap::default(), Mutex::default());
        Arc::new(Self { watched, told, queue, waiting: Mutex::new(Some(waiting)) })
    }

    /// Watches what these settings say.
    pub fn watch(&self, settings: &Settings) {
        let of = |budget: &crate::config::settings::Budget| {
            let soft = budget.rules.iter().any(|applied| applied.rule.soft);
            (Arc::clone(&budget.name), (budget.alert_at.clone(), soft))
        };
        let budgets = settings.budgets.iter().map(of).collect();
        let webhooks = settings.webhooks.clone();
        self.watched.store(Arc::new(Watched { budgets, webhooks }));
    }

    fn saw(&self, charges: &[Charge]) {
        for charge in charges {
            let watched = self.watched.load();
            let Some((percents, soft)) = watched.budgets.get(&charge.name) else { continue };
            for alert in reached(charge, percents, *soft) {
                self.take(alert);
            }
        }
    }

    fn take(&self, alert: Alert) {
        // How much was settled when it was told does not make it another alert.
        let name = Alert { settled: 0, limit: 0, ..alert.clone() };
        let mut told = self.told.lock();
        if told.contains(&name) {
            return;
        }
        if told.len() >= REMEMBERED {
            told.clear();
        }
        if self.queue.try_send(alert).is_ok() {
            told.insert(name);
        }
    }

    fn forget(&self, alert: &Alert) {
        self.told.lock().remove(&Alert { settled: 0, limit: 0, ..alert.clone() });
    }

    /// Tells what waits to be told, until `stop`.
    pub async fn run(
        self: Arc<Self>,
        treasury: Arc<dyn Treasury>,
        trail: Arc<dyn Trail>,
        stop: CancellationToken,
    ) {
        let Some(mut waiting) = self.waiting.lock().take() else { return };
        let teller = Teller { alerts: self, treasury, trail };
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                Some(alert) = waiting.recv() => teller.tell(&alert).await,
                _ = ticks.tick() => teller.deliver().await,
                () = stop.cancelled() => break,
            }
        }
        while let Ok(alert) = waiting.try_recv() {
            teller.tell(&alert).await;
        }
    }
}

/// Writes down, records, and sends.
struct Teller {
    alerts: Arc<Alerts>,
    treasury: Arc<dyn Treasury>,
    trail: Arc<dyn Trail>,
}

impl Teller {
    async fn tell(&self, alert: &Alert) {
        let now = clock::now();
        let details = alert.details(now);
        let body = serde_json::Value::Object(details.clone()).to_string();
        let due = (!self.alerts.watched.load().webhooks.is_empty()).then_some(now);
        match self.treasury.raise(alert, &body, due).await {
            Ok(true) => {}
            // Another gateway has told it, or this one before it was restarted.
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%error, "an alert is not written down: the next charge tells it");
                self.alerts.forget(alert);
                return;
            }
        }
        let said = |name: &str| details.get(name).map(ToString::to_string).unwrap_or_default();
        tracing::warn!(
            budget = %alert.key,
            measure = said("measure"),
            settled = said("settled"),
            limit = said("limit"),
            "{}",
            alert.what.name()
        );
        let entry = Entry {
            event: Event::BudgetAlert,
            outcome: Outcome::Allow,
            time: now,
            facts: None,
            reason: None,
            details,
            end: None,
        };
        if self.trail.append(&entry).durable().await.is_err() {
            tracing::error!("an alert could not be recorded");
        }
        self.deliver().await;
    }

    /// Sends what is due.
    async fn deliver(&self) {
        let watched = self.alerts.watched.load_full();
        if watched.webhooks.is_empty() {
            return;
        }
        let now = clock::now();
        let again = now.plus(PATIENCE * 32 + AGAIN);
        let due = match self.treasury.due(now, again).await {
            Ok(due) if due.is_empty() => return,
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "alerts wait to be sent");
                return;
            }
        };
        let hosts = watched.webhooks.iter().filter_map(|hook| hook.url.host().map(str::to_owned));
        let fetch = match HttpFetch::new(hosts.collect()) {
            Ok(fetch) => fetch,
            Err(error) => {
                tracing::error!(%error, "alerts cannot be sent");
                return;
            }
        };
        for one in due {
            let mut arrived = true;
            for webhook in &watched.webhooks {
                if let Err(error) = send(&fetch, webhook, &one).await {
                    tracing::warn!(%error, tries = one.tries, "an alert did not arrive");
                    arrived = false;
                }
            }
            self.close(&one, arrived).await;
        }
    }

    async fn close(&self, one: &Due, arrived: bool) {
        let given_up = one.tries >= TRIES;
        if given_up && !arrived {
            tracing::error!(id = one.id, "an alert is given up: only the audit log has it");
        }
        let wait = AGAIN.saturating_mul(1 << one.tries.min(16)).min(LONGEST);
        let again = (!arrived && !given_up).then(|| clock::now().plus(wait));
        if let Err(error) = self.treasury.sent(one.id, again).await {
            tracing::warn!(%error, "an alert may be sent twice");
        }
    }
}

/// Sends one, signed as the Standard Webhooks specification says. Its id is the same each time:
/// whoever gets it twice knows.
async fn send(fetch: &HttpFetch, webhook: &Webhook, due: &Due) -> anyhow::Result<()> {
    let (id, seconds) = (name(due), clock::now().as_secs());
    let key = signing_key(webhook.secret.expose_secret());
    let message = Request::post(webhook.url.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature(&key, &id, seconds, &due.body))
        .body(Bytes::from(due.body.clone()))?;
    Ok(fetch.deliver(message, PATIENCE).await?)
}

/// The same for each try, and for no other alert: a fresh database begins to count its own anew,
/// and the body says when it was told, in microseconds.
fn name(due: &Due) -> String {
    let digest =
        Sha256::new().chain_update(due.id.to_be_bytes()).chain_update(&due.body).finalize();
    let digest: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("alert_{digest}")
}

/// A meter whose charges are looked at.
#[derive(Clone)]
pub struct WatchedMeter {
    meter: Arc<dyn Meter>,
    alerts: Arc<Alerts>,
}

impl WatchedMeter {
    /// Counts with `meter`, and shows its charges to `alerts`.
    #[must_use]
    pub fn new(meter: Arc<dyn Meter>, alerts: Arc<Alerts>) -> Self {
        Self { meter, alerts }
    }

    /// Looks at what was charged.
    fn watch_over<'a>(
        &'a self,
        settled: Told<'a, Result<Settlement, Unavailable>>,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        Told::later(async move {
            let settlement = settled.await?;
            self.alerts.saw(&settlement.charges);
            Ok(settlement)
        })
    }
}

impl fmt::Debug for WatchedMeter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meter.fmt(f)
    }
}

impl Meter for WatchedMeter {
    fn reserve<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        self.meter.reserve(id, draws, deadline, now)
    }

    fn spend<'a>(
        &'a self,
        id: ReservationId,
        draws: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Verdict, Unavailable>> {
        if draws.iter().any(|draw| draw.rule.kind() == Kind::Budget) {
            // What it charges is looked at.
            return spend_in_two(self, id, draws, now);
        }
        self.meter.spend(id, draws, now)
    }

    fn depart<'a>(
        &'a self,
        id: ReservationId,
        now: Timestamp,
    ) -> Told<'a, Result<(), Unavailable>> {
        self.meter.depart(id, now)
    }

    fn extend<'a>(
        &'a self,
        id: ReservationId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Told<'a, Result<bool, Unavailable>> {
        self.meter.extend(id, deadline, now)
    }

    fn report<'a>(
        &'a self,
        id: ReservationId,
        used: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        self.watch_over(self.meter.report(id, used, now))
    }

    fn settle<'a>(
        &'a self,
        id: ReservationId,
        actual: &'a [Draw],
        now: Timestamp,
    ) -> Told<'a, Result<Settlement, Unavailable>> {
        self.watch_over(self.meter.settle(id, actual, now))
    }

    fn expire(&self, now: Timestamp) -> Told<'_, Result<Vec<Expired>, Unavailable>> {
        Told::later(async move {
            let expired = self.meter.expire(now).await?;
            expired.iter().for_each(|one| self.alerts.saw(&one.charges));
            Ok(expired)
        })
    }
}
