//! Which token does an upstream want to see now? Asked for seldom, by one for all, and never for long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::Subject;
use bartizan_core::obtain::{Obtained, Proof, Whose, Wish};
use bartizan_core::refusal::{self, Outage, Refusal};
use bartizan_core::time::Timestamp;
use http::HeaderValue;
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::authenticate::cache::{Cache, Fingerprint};
use crate::authenticate::issuer::discover;
use crate::clock;
use crate::fetch::{Fetch, FetchError, Form};

/// Tokens for upstreams: one of the gate itself, or one for each caller's, in exchange.
pub struct Tokens {
    settings: TokenSettings,
    fetch: Arc<dyn Fetch>,
    /// Where the issuer's metadata says that tokens are issued, once that is known.
    found: Mutex<Option<Arc<str>>>,
    /// Who asks holds one; a slow issuer must not tie up everything that comes.
    asking: Semaphore,
    slots: Cache<Arc<Slot>>,
}

/// What is needed to ask for a token.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// Whose metadata says where to ask; not needed where `endpoint` is known.
    pub issuer: Option<String>,
    /// Where to ask.
    pub endpoint: Option<String>,
    /// As whom, and for what.
    pub wish: Wish,
    /// Whether each caller's token is exchanged (RFC 8693); otherwise the gate asks for itself.
    pub exchange: bool,
    /// How long an answer may take.
    pub patience: Duration,
}

/// One token, or none yet.
#[derive(Debug, Default)]
struct Slot {
    held: Mutex<Held>,
    flight: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Shown>,
    /// The last attempt that failed, and how.
    failed: Option<(Timestamp, Trouble)>,
}

/// A token, and when it was got.
#[derive(Clone, Debug)]
pub(super) struct Shown(Arc<(Obtained, Timestamp)>);

impl Shown {
    pub(super) fn authorization(&self) -> HeaderValue {
        self.0.0.authorization.clone()
    }
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trouble {
    /// Whoever issues it cannot be asked.
    Silent,
    /// It was asked, and gives none.
    Denied,
}

/// How many callers' tokens are exchanged and remembered; about twice as many at most.
const REMEMBERED: usize = 4_096;

/// How many tokens are asked for at once.
const AT_ONCE: usize = 64;

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// After a failure nobody asks for so long.
const REST: Duration = Duration::from_secs(1);

/// The same where the answer was no: that is seldom another one a moment later.
const DENIED_FOR: Duration = Duration::from_secs(5);

/// A token that is not taken so soon after it was got would not be taken the next time either.
const TOO_NEW: Duration = Duration::from_secs(5);

impl Tokens {
    /// Asks over `fetch`.
    #[must_use]
    pub fn new(settings: TokenSettings, fetch: Arc<dyn Fetch>) -> Arc<Self> {
        Arc::new(Self {
            settings,
            fetch,
            found: Mutex::default(),
            asking: Semaphore::new(AT_ONCE),
            slots: Cache::new(REMEMBERED),
        })
    }

    /// What is asked for, and how.
    #[must_use]
    pub fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// The token to show in a call on behalf of `subject`. Only who comes first ever waits for the
    /// network: a token is renewed while the old one still counts.
    ///
    /// # Errors
    /// There is none: then nothing is sent.
    pub(super) async fn token(
        self: &Arc<Self>,
        subject: Option<&Subject>,
        now: Timestamp,
    ) -> Result<Shown, Refusal> {
        let subject = match (self.settings.exchange, subject) {
            (false, _) => None,
            (true, Some(subject)) => Some(subject),
            // The endpoint was not told that it exchanges.
            (true, None) => return Err(Refusal::Failed),
        };
        let slot = self.slot(subject);
        if let Some((shown, due)) = slot.at_hand(now) {
            if due {
                drop(tokio::spawn(Arc::clone(self).renewed(slot, subject.cloned(), now)));
            }
            return Ok(shown);
        }
        // In a task of its own: a client that hangs up must not stop what others wait for.
        let renewal = Arc::clone(self).renewed(Arc::clone(&slot), subject.cloned(), now);
        drop(tokio::spawn(renewal).await);
        slot.outcome(clock::now())
    }

    /// The upstream did not take this one: it is shown no more. Tells whether asking for another
    /// one is worth it.
    pub(super) fn refused(&self, subject: Option<&Subject>, shown: &Shown, now: Timestamp) -> bool {
        let slot = self.slot(subject.filter(|_| self.settings.exchange));
        let mut held = slot.held.lock();
        match &held.token {
            Some(token) if Arc::ptr_eq(&token.0, &shown.0) => {
                let old = now.since(token.0.1) >= TOO_NEW;
                if old {
                    held.token = None;
                }
                old
            }
            // Another call was faster, and there is a new one already.
            Some(_) | None => true,
        }
    }

    fn slot(&self, subject: Option<&Subject>) -> Arc<Slot> {
        let digest = subject.map(Subject::digest).unwrap_or_default();
        self.slots.get_or_put(Fingerprint::of(&digest), Arc::default)
    }

    /// Asks, unless somebody else just did.
    async fn renewed(self: Arc<Self>, slot: Arc<Slot>, subject: Option<Subject>, now: Timestamp) {
        let Ok(_flight) = tokio::time::timeout(self.settings.patience, slot.flight.lock()).await
        else {
            return;
        };
        if !slot.wants(now.max(clock::now())) {
            return;
        }
        let asked = tokio::time::timeout(self.settings.patience, self.ask(subject.as_ref())).await;
        let now = clock::now();
        let got = asked.unwrap_or_else(|_| Err((Trouble::Silent, "no answer in time".into())));
        let mut held = slot.held.lock();
        match got {
            Ok(token) => {
                *held = Held { token: Some(Shown(Arc::new((token, now)))), failed: None };
            }
            Err((trouble, reason)) => {
                tracing::warn!(
                    client = %self.settings.wish.client, %reason,
                    "no token for an upstream: look at its `credential`, and at what the issuer allows"
                );
                held.failed = Some((now, trouble));
            }
        }
    }

    async fn ask(&self, subject: Option<&Subject>) -> Result<Obtained, (Trouble, String)> {
        let TokenSettings { issuer, wish, patience, .. } = &self.settings;
        let _one = self.asking.acquire().await;
        let url = self.endpoint().await.map_err(|reason| (Trouble::Silent, reason))?;
        let whose = subject.map_or(Whose::Own, Whose::Caller);
        let audience = issuer.as_deref().unwrap_or(&url);
        let form = wish.form(whose, audience, clock::now(), clock::chance());
        let form = form.map_err(|reason| (Trouble::Silent, reason.to_string()))?;
        let form = Form { url: &url, body: form.body, authorization: form.authorization };
        let fetched = self.fetch.post(form, MAX_ANSWER, *patience).await.map_err(|error| {
            // It may have moved.
            *self.found.lock() = None;
            (trouble(&error), error.to_string())
        })?;
        let latest = subject.and_then(Subject::expires);
        let read = Obtained::read(&fetched.body, clock::now(), latest);
        read.map_err(|reason| (Trouble::Denied, format!("`{url}`: {reason}")))
    }

    async fn endpoint(&self) -> Result<Arc<str>, String> {
        let TokenSettings { issuer, endpoint, patience, .. } = &self.settings;
        if let Some(endpoint) = endpoint {
            return Ok(endpoint.as_str().into());
        }
        if let Some(found) = self.found.lock().clone() {
            return Ok(found);
        }
        let issuer = issuer.as_deref().ok_or("neither an issuer nor a token endpoint is known")?;
        let document = discover(&*self.fetch, issuer, *patience).await?;
        let endpoint = document.get("token_endpoint").and_then(Value::as_str);
        let endpoint: Arc<str> = endpoint.ok_or("no `token_endpoint`")?.into();
        *self.found.lock() = Some(Arc::clone(&endpoint));
        Ok(endpoint)
    }
}

/// Whether asking again later may help.
fn trouble(error: &FetchError) -> Trouble {
    match error {
        FetchError::Status(_, status) if status.is_client_error() => Trouble::Denied,
        FetchError::Denied(..) | FetchError::Scheme(_) | FetchError::Private(_) => Trouble::Denied,
        FetchError::Status(..)
        | FetchError::Broken(..)
        | FetchError::TooSlow(_)
        | FetchError::Roots(_) => Trouble::Silent,
    }
}

impl Slot {
    /// The token that counts, and whether it is time to ask for the next one.
    fn at_hand(&self, now: Timestamp) -> Option<(Shown, bool)> {
        let held = self.held.lock();
        let shown = held.token.as_ref().filter(|shown| now < shown.0.0.ends)?;
        Some((shown.clone(), now >= shown.0.0.due && held.rested(now)))
    }

    /// Whether it is to be asked for: it may have come while somebody waited for their turn.
    fn wants(&self, now: Timestamp) -> bool {
        let held = self.held.lock();
        held.rested(now) && held.token.as_ref().is_none_or(|shown| now >= shown.0.0.due)
    }

    /// What has come of asking.
    fn outcome(&self, now: Timestamp) -> Result<Shown, Refusal> {
        if let Some((shown, _)) = self.at_hand(now) {
            return Ok(shown);
        }
        Err(match self.held.lock().failed {
            Some((_, Trouble::Denied)) => refusal::Upstream::Ungranted.into(),
            Some((_, Trouble::Silent)) | None => Refusal::Unavailable(Outage::Credential),
        })
    }
}

impl Held {
    /// Whether the last failure is long enough ago.
    fn rested(&self, now: Timestamp) -> bool {
        self.failed.is_none_or(|(at, trouble)| {
            let rest = match trouble {
                Trouble::Silent => REST,
                Trouble::Denied => DENIED_FOR,
            };
            now.since(at) >= rest
        })
    }
}

/// Whether the same is asked for in the same way: then what was got by the one is good for the
/// other.
impl PartialEq for TokenSettings {
    fn eq(&self, other: &Self) -> bool {
        let Self { issuer, endpoint, wish, exchange, patience } = self;
        let Wish { client, proof, scopes, resources, audiences } = wish;
        *issuer == other.issuer
            && *endpoint == other.endpoint
            && *client == other.wish.client
            && same(proof, &other.wish.proof)
            && *scopes == other.wish.scopes
            && *resources == other.wish.resources
            && *audiences == other.wish.audiences
            && *exchange == other.exchange
            && *patience == other.patience
    }
}

fn same(one: &Proof, other: &Proof) -> bool {
    match (one, other) {
        (Proof::Basic(one), Proof::Basic(other)) | (Proof::Form(one), Proof::Form(other)) => {
            one.expose_secret() == other.expose_secret()
        }
        (Proof::Signed(one), Proof::Signed(other)) => one.id() == other.id(),
        (Proof::Basic(_) | Proof::Form(_) | Proof::Signed(_), _) => false,
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("settings", &self.settings).finish_non_exhaustive()
    }
}
