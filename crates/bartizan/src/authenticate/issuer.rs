//! Which keys does an issuer sign with now? Fetched ahead of need, and never more often than that.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bartizan_core::authenticate::jwks::{KeySet, MAX_SET};
use bartizan_core::authenticate::jwt::Issuer;
use bartizan_core::issue::{Identities, Keyring, documents};
use bartizan_core::json;
use bartizan_core::time::Timestamp;
use parking_lot::RwLock;
use serde_json::{Map, Value};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::introspection::Introspection;
use crate::clock;
use crate::fetch::{Fetch, Fetched};

/// An issuer, and the keys by which its tokens are checked.
pub struct Provider {
    issuer: Issuer,
    source: Source,
    pace: Pace,
    held: RwLock<Held>,
    /// Counts the sets of keys: what was verified by an earlier set is verified anew.
    epoch: AtomicU64,
    /// Whoever fetches holds it; the others wait for what it brings.
    flight: tokio::sync::Mutex<()>,
    /// How it is asked about tokens that are no JWTs.
    introspection: Option<Introspection>,
}

/// Where the keys come from.
enum Source {
    /// There is nothing to fetch: a secret that both sides know.
    Secret(Arc<KeySet>),
    /// They are ours, whose tokens live for `ttl`: of the operator, or from the store.
    Own { keys: OwnKeys, ttl: Duration },
    /// From a key set at a known address.
    At { url: String, fetch: Arc<dyn Fetch> },
    /// From wherever the issuer's metadata says.
    Discovered { fetch: Arc<dyn Fetch> },
}

/// Where the keys of our own token endpoint are.
#[derive(Clone, Debug)]
pub enum OwnKeys {
    /// The operator keeps them.
    Kept(Keyring),
    /// In the store, where other gates and commands may add some.
    Stored(Arc<dyn Identities>),
}

/// How often an issuer is asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Keys older than this are fetched again, while the old ones go on counting; where the issuer
    /// itself says how long they are good for, that counts, within `bounds`.
    pub refresh: Duration,
    /// The shortest and the longest time that an issuer may say.
    pub bounds: (Duration, Duration),
    /// Tokens with unknown keys cause so many attempts in quick succession and then one in each
    /// `cooldown`: a flood of made-up key ids costs no more fetches than this.
    pub burst: u32,
    /// See `burst`.
    pub cooldown: Duration,
    /// The same, as long as there are no keys at all.
    pub retry: Duration,
    /// Keys that could not be fetched again for so long count no more.
    pub keep: Duration,
    /// How long an answer may take.
    pub patience: Duration,
}

impl Pace {
    /// Keys are fetched again after `refresh`, whatever the issuer says.
    #[must_use]
    pub fn every(refresh: Duration) -> Self {
        let base = Self::default();
        let cooldown = base.cooldown.min(refresh);
        Self { refresh, bounds: (refresh, refresh), cooldown, ..base }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            refresh: Duration::from_mins(5),
            bounds: (Duration::from_mins(1), Duration::from_hours(1)),
            burst: 3,
            cooldown: Duration::from_secs(30),
            retry: Duration::from_secs(2),
            keep: Duration::from_hours(24),
            patience: Duration::from_secs(5),
        }
    }
}

#[derive(Clone, Default)]
struct Held {
    keys: Option<Arc<KeySet>>,
    set: Vec<u8>,
    fetched: Timestamp,
    /// When they are to be fetched again.
    due: Timestamp,
    tried: Option<Timestamp>,
    /// When the attempts that unknown keys caused would be forgotten.
    rested: Timestamp,
}

/// Attempts are at least so far apart, whoever asks.
const BREATH: Duration = Duration::from_secs(1);

/// How long something may be remembered while its issuer's keys cannot be renewed.
const OVERDUE: Duration = Duration::from_secs(5);

/// The keys are not to be had.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the keys of the issuer cannot be fetched")]
pub(crate) struct NoKeys;

impl Provider {
    /// An issuer that says by itself where its keys are: OpenID Connect Discovery 1.0, else
    /// RFC 8414.
    #[must_use]
    pub fn discovered(issuer: Issuer, fetch: Arc<dyn Fetch>, pace: Pace) -> Arc<Self> {
        Self::new(issuer, Source::Discovered { fetch }, pace)
    }

    /// An issuer whose keys are at `url`.
    #[must_use]
    pub fn at(issuer: Issuer, url: String, fetch: Arc<dyn Fetch>, pace: Pace) -> Arc<Self> {
        Self::new(issuer, Source::At { url, fetch }, pace)
    }

    /// Our own token endpoint, whose tokens live for `ttl`. Keys of the store are looked at again
    /// every two seconds: so a new one is known everywhere before it signs.
    #[must_use]
    pub fn own(issuer: Issuer, keys: OwnKeys, ttl: Duration) -> Arc<Self> {
        let pace = Pace { cooldown: Duration::from_secs(1), ..Pace::every(Duration::from_secs(2)) };
        Self::new(issuer, Source::Own { keys, ttl }, pace)
    }

    /// An issuer that signs with a secret which it shares with us: see [`KeySet::secret`].
    #[must_use]
    pub fn secret(issuer: Issuer, keys: KeySet) -> Arc<Self> {
        Self::new(issuer, Source::Secret(Arc::new(keys)), Pace::default())
    }

    /// The same issuer, which is also asked about tokens that are no JWTs. Only before it is
    /// shared.
    #[must_use]
    pub fn with_introspection(mut self: Arc<Self>, introspection: Introspection) -> Arc<Self> {
        if let Some(provider) = Arc::get_mut(&mut self) {
            provider.introspection = Some(introspection);
        }
        self
    }

    fn new(issuer: Issuer, source: Source, pace: Pace) -> Arc<Self> {
        let (held, epoch, flight) = Default::default();
        Arc::new(Self { issuer, source, pace, held, epoch, flight, introspection: None })
    }

    /// Takes over the keys of the same issuer as it was configured before: it may be out of reach
    /// just now, and nobody may be turned away for that.
    pub fn inherit(&self, old: &Self) {
        let same = match (&self.source, &old.source) {
            (Source::At { url: one, .. }, Source::At { url: other, .. }) => one == other,
            (Source::Discovered { .. }, Source::Discovered { .. }) => true,
            _ => false,
        };
        if same && self.issuer.url() == old.issuer.url() {
            self.held.write().clone_from(&old.held.read());
            self.epoch.store(1, Ordering::Release);
        }
    }

    /// Looks at its keys again and again, until `stop`, where they are ours and others may replace
    /// them: what a key verified that is gone ends also where no new token is shown.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        if !matches!(self.source, Source::Own { keys: OwnKeys::Stored(_), .. }) {
            return;
        }
        let mut ticks = tokio::time::interval(self.pace.refresh);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            drop(self.keys(clock::now()).await);
        }
    }

    /// Fetches the keys now, so that the first caller need not wait for them.
    pub async fn warm(self: Arc<Self>, now: Timestamp) {
        // What went wrong stands in the log.
        drop(self.keys(now).await);
    }

    /// How it is asked about tokens that are no JWTs.
    pub(crate) fn introspection(&self) -> Option<&Introspection> {
        self.introspection.as_ref()
    }

    /// Until when what these keys verified needs no second look: then they are fetched again, and
    /// a key that was retired ends what it verified. Soon again, where that is overdue.
    pub(crate) fn settled(&self, now: Timestamp) -> Timestamp {
        match self.source {
            Source::Secret(_) => Timestamp(u64::MAX),
            _ => {
                let held = self.held.read();
                held.due.max(now.plus(OVERDUE)).min(held.fetched.plus(self.pace.keep))
            }
        }
    }

    /// Who it is.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Which set of keys counts now.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The keys, and which set of them it is. Only the first caller ever waits for the network.
    pub(crate) async fn keys(
        self: &Arc<Self>,
        now: Timestamp,
    ) -> Result<(Arc<KeySet>, u64), NoKeys> {
        let Some((keys, epoch, due)) = self.at_hand(now) else {
            return self.renewed(None, now).await;
        };
        if due {
            // In the background: nobody waits for keys that are only about to grow old.
            let provider = Arc::clone(self);
            drop(tokio::spawn(async move { provider.renew(Some(epoch), now).await }));
        }
        Ok((keys, epoch))
    }

    /// The key set as it was published; ours is what others ask us for.
    pub(crate) async fn public_set(self: &Arc<Self>, now: Timestamp) -> Option<Value> {
        self.keys(now).await.ok()?;
        serde_json::from_slice(&self.held.read().set).ok()
    }

    /// The keys after those of `seen`, among which one was missing; fetched if that was not
    /// tried a moment ago.
    pub(crate) async fn renewed(
        self: &Arc<Self>,
        seen: Option<u64>,
        now: Timestamp,
    ) -> Result<(Arc<KeySet>, u64), NoKeys> {
        let provider = Arc::clone(self);
        // In a task of its own: a client that hangs up must not stop what others wait for.
        let renewal = tokio::spawn(async move { provider.renew(seen, now).await });
        drop(renewal.await);
        self.at_hand(now).map(|(keys, epoch, _)| (keys, epoch)).ok_or(NoKeys)
    }

    /// The keys that count, their set, and whether it is time to fetch them again.
    fn at_hand(&self, now: Timestamp) -> Option<(Arc<KeySet>, u64, bool)> {
        if let Source::Secret(keys) = &self.source {
            return Some((Arc::clone(keys), 0, false));
        }
        let held = self.held.read();
        let keys = held.keys.as_ref().filter(|_| now.since(held.fetched) < self.pace.keep)?;
        let rested = held.tried.is_none_or(|at| now.since(at) >= self.pace.cooldown);
        Some((Arc::clone(keys), self.epoch(), now >= held.due && rested))
    }

    async fn renew(&self, seen: Option<u64>, now: Timestamp) {
        let _flight = self.flight.lock().await;
        if !self.may_try(seen, now) {
            return;
        }
        match self.fetch(now).await {
            Ok((set, life)) => self.take(&set, life, now),
            Err(reason) => {
                tracing::warn!(issuer = %self.issuer.name(), %reason, "the keys were not renewed");
            }
        }
    }

    /// Whether an attempt is due; if so it is noted, whatever becomes of it.
    fn may_try(&self, seen: Option<u64>, now: Timestamp) -> bool {
        let mut held = self.held.write();
        let counts = held.keys.is_some() && now.since(held.fetched) < self.pace.keep;
        if counts && seen != Some(self.epoch()) {
            // Somebody else was faster.
            return false;
        }
        let rest = if counts { BREATH.min(self.pace.cooldown) } else { self.pace.retry };
        if held.tried.is_some_and(|at| now.since(at) < rest) {
            return false;
        }
        if counts && now < held.due {
            // Nothing but an unknown key asks for this one.
            let spare = self.pace.cooldown * self.pace.burst.saturating_sub(1);
            if now < held.rested.minus(spare) {
                return false;
            }
            held.rested = held.rested.max(now).plus(self.pace.cooldown);
        }
        held.tried = Some(now);
        true
    }

    fn take(&self, set: &[u8], life: Option<Duration>, now: Timestamp) {
        let keys = match KeySet::parse(set) {
            Ok(keys) => keys,
            Err(reason) => {
                tracing::warn!(issuer = %self.issuer.name(), %reason, "the keys were not renewed");
                return;
            }
        };
        let mut held = self.held.write();
        held.fetched = now;
        let (shortest, longest) = self.pace.bounds;
        held.due = now.plus(life.unwrap_or(self.pace.refresh).clamp(shortest, longest));
        if held.keys.is_none() || held.set != set {
            held.keys = Some(Arc::new(keys));
            held.set = set.to_vec();
            self.epoch.fetch_add(1, Ordering::AcqRel);
            tracing::info!(issuer = %self.issuer.name(), "new keys");
        }
    }

    /// The key set as it is published, and how long it is good for, where its issuer says so.
    async fn fetch(&self, now: Timestamp) -> Result<(Vec<u8>, Option<Duration>), String> {
        match &self.source {
            Source::Secret(_) => Err("its secret is never published".into()),
            Source::Own { keys, ttl } => {
                let ring = keys.ring().await?;
                let published = ring.published(now, *ttl);
                Ok((documents::key_set(published).to_string().into_bytes(), None))
            }
            Source::At { url, fetch } => self.key_set(&**fetch, url).await,
            Source::Discovered { fetch } => {
                let document = discover(&**fetch, self.issuer.url(), self.pace.patience).await?;
                let url =
                    document.get("jwks_uri").and_then(Value::as_str).ok_or("no `jwks_uri`")?;
                self.key_set(&**fetch, url).await
            }
        }
    }

    async fn key_set(
        &self,
        fetch: &dyn Fetch,
        url: &str,
    ) -> Result<(Vec<u8>, Option<Duration>), String> {
        let fetched = get(fetch, url, self.pace.patience).await?;
        Ok((fetched.body.to_vec(), fetched.life))
    }
}

async fn get(fetch: &dyn Fetch, url: &str, patience: Duration) -> Result<Fetched, String> {
    fetch.get(url, MAX_SET, patience).await.map_err(|error| error.to_string())
}

/// What an issuer says of itself.
pub(crate) async fn discover(
    fetch: &dyn Fetch,
    issuer: &str,
    patience: Duration,
) -> Result<Map<String, Value>, String> {
    let [openid, oauth] = metadata_urls(issuer);
    let document = match get(fetch, &openid, patience).await {
        Ok(document) => document,
        Err(first) => {
            let second = get(fetch, &oauth, patience).await;
            second.map_err(|second| format!("{first}; {second}"))?
        }
    };
    let document = json::object(&document.body, 16).map_err(|error| error.to_string())?;
    // To the letter (OpenID Connect Discovery section 4.3, RFC 8414 section 3.3): else one
    // tenant's metadata could stand for another's.
    if document.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(format!("the metadata is not that of `{issuer}`"));
    }
    Ok(document)
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl OwnKeys {
    async fn ring(&self) -> Result<Keyring, String> {
        match self {
            Self::Kept(ring) => Ok(ring.clone()),
            Self::Stored(store) => {
                let stored = store.signing_keys(&[]).await.map_err(|error| error.to_string())?;
                Keyring::stored(&stored).map_err(|error| error.to_string())
            }
        }
    }
}

/// Where an issuer's metadata may be: OpenID Connect Discovery puts the well-known part behind
/// the path, RFC 8414 section 3.1 before it.
fn metadata_urls(issuer: &str) -> [String; 2] {
    let bare = issuer.trim_end_matches('/');
    let host = bare.find("://").map_or(0, |at| at + 3);
    let path = bare.get(host..).and_then(|rest| rest.find('/')).map_or(bare.len(), |at| host + at);
    let (origin, path) = bare.split_at_checked(path).unwrap_or((bare, ""));
    [
        format!("{bare}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_both_standards_put_it() {
        let [openid, oauth] = metadata_urls("https://id.example/tenant/");
        assert_eq!(openid, "https://id.example/tenant/.well-known/openid-configuration");
        assert_eq!(oauth, "https://id.example/.well-known/oauth-authorization-server/tenant");
        let [openid, oauth] = metadata_urls("http://127.0.0.1:9");
        assert_eq!(openid, "http://127.0.0.1:9/.well-known/openid-configuration");
        assert_eq!(oauth, "http://127.0.0.1:9/.well-known/oauth-authorization-server");
    }
}
