//! Who is calling? Looks up what the rules need, and remembers what they said.

pub(crate) mod cache;
mod introspection;
pub(crate) mod issuer;
mod proofs;
mod standing;
mod uses;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bartizan_core::admit::ClientAddress;
use bartizan_core::authenticate::api_key::{Generated, Hash, Pepper, Record};
use bartizan_core::authenticate::certificate::Certificates;
use bartizan_core::authenticate::claims::Claims;
use bartizan_core::authenticate::guessing::{Guessing, Patience};
use bartizan_core::authenticate::holder::{Holder, Proven};
use bartizan_core::authenticate::jws::VerifyError;
use bartizan_core::authenticate::jwt::Token;
use bartizan_core::authenticate::{Caller, Credential, Method, Places, Rejection};
use bartizan_core::exchange::{Admitted, Authenticated, Exchange, NotAuthenticated, Refused};
use bartizan_core::issue::{Identities, Unreachable};
use bartizan_core::time::{Repeated, Timestamp};
use http::header;
use http::request::Parts;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::peer::Peer;
use crate::stage::Stage;
use cache::{Cache, Entry, Fingerprint, Seen, Shown};
use uses::Uses;

pub use introspection::{Introspection, Settings as IntrospectionSettings};
pub use issuer::{OwnKeys, Pace, Provider};
pub(crate) use proofs::AsSent;
pub use proofs::Proofs;
pub(crate) use standing::Standing;

/// How long something that can be taken back counts without a look at the store.
const FRESH: Duration = Duration::from_secs(1);

/// How often the store is asked whether anything was taken back: several times in [`FRESH`].
const LOOK: Duration = Duration::from_millis(200);

/// How many verified credentials are remembered where nobody says it: 50 MB, when all are there.
pub const REMEMBERED: usize = 50_000;

/// How often it is noted that a key was used.
const TOUCH: Duration = Duration::from_mins(1);

/// The second stage. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Authenticate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    means: Means,
    /// The configured keys, by their digests.
    configured: HashMap<Hash, Record>,
    cache: Cache<Seen>,
    guessing: Mutex<Guessing>,
    uses: Arc<Uses>,
}

/// By which means callers are recognised.
#[derive(Debug)]
pub struct Means {
    /// Where credentials may stand.
    pub places: Places,
    /// Keys of the configuration.
    pub keys: Vec<Record>,
    /// The environment whose keys are taken; of every environment, where there is none.
    pub environment: Option<Arc<str>>,
    /// What stored digests of keys are keyed with.
    pub pepper: Option<Pepper>,
    /// Keys of the store, and what was taken back.
    pub identities: Arc<dyn Identities>,
    /// Who signs tokens; our own endpoint among them.
    pub issuers: Vec<Arc<Provider>>,
    /// Tells when something was taken back in this process.
    pub revocations: Revocations,
    /// How many verified credentials are remembered; about twice as many at most.
    pub remembered: usize,
    /// How client certificates become callers; they do not, where there is none. Tokens may be
    /// bound to them all the same.
    pub certificates: Option<Certificates>,
    /// Checks proofs of possession, where [`Places::dpop`] is set.
    pub proofs: Option<Arc<Proofs>>,
    /// How many bad credentials an address may show.
    pub patience: Patience,
}

/// Tells those who remember that something was taken back: a count of how often.
#[derive(Clone, Debug, Default)]
pub struct Revocations(Arc<News>);

#[derive(Debug, Default)]
struct News {
    count: AtomicU64,
    /// When the store last said that the count is right, in microseconds.
    heard: AtomicU64,
}

impl Revocations {
    /// Something was taken back, in the store, a moment ago. From now on nothing that is
    /// remembered counts before the store has been asked again.
    pub fn announce(&self) {
        self.0.count.fetch_add(1, Ordering::AcqRel);
    }

    /// Asks the store again and again whether anything was taken back, by any process, until
    /// `stop`. While it answers, what is remembered need not be looked up one by one; when it does
    /// not, everything counts for a second.
    pub async fn follow(self, identities: Arc<dyn Identities>, stop: CancellationToken) {
        let mut known = None;
        let mut silent = Repeated::default();
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // What is changed while the store is asked is found the next time.
            let asked = clock::now();
            match identities.changes().await {
                Ok(Some(number)) => {
                    if known.replace(number) != Some(number) {
                        self.announce();
                    }
                    self.0.heard.store(asked.0, Ordering::Release);
                    if silent.over() {
                        tracing::info!("it is known again what was taken back");
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    if let Some(untold) = silent.again(asked) {
                        tracing::warn!(%error, untold, "it is not known what was taken back");
                    }
                }
            }
        }
    }

    fn count(&self) -> u64 {
        self.0.count.load(Ordering::Acquire)
    }

    /// Until when what rests on the store counts, as far as the store was heard.
    fn fresh(&self) -> Timestamp {
        Timestamp(self.0.heard.load(Ordering::Acquire)).plus(FRESH)
    }
}

impl Authenticate {
    /// Recognises callers by these means.
    #[must_use]
    pub fn new(mut means: Means) -> Self {
        let keys = std::mem::take(&mut means.keys);
        let configured = keys.into_iter().map(|record| (record.hash, record)).collect();
        let cache = Cache::new(means.remembered);
        let guessing = Mutex::new(Guessing::new(means.patience));
        let uses = Arc::default();
        Self(Arc::new(Inner { means, configured, cache, guessing, uses }))
    }

    /// Notices what other processes take back in the store, and which keys of our own token
    /// endpoint they replace, until `stop`.
    pub async fn follow(self, stop: CancellationToken) {
        let Means { identities, revocations, issuers, .. } = &self.0.means;
        let own = issuers.iter().find(|provider| provider.issuer().is_own());
        let keys = own.map(|own| Arc::clone(own).follow(stop.clone()));
        let keys = async {
            if let Some(keys) = keys {
                keys.await
            }
        };
        tokio::join!(revocations.clone().follow(Arc::clone(identities), stop.clone()), keys);
    }

    /// Where credentials may stand.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.0.means.places
    }

    /// Who sends the request with this head, which came from `from`; nobody in particular, where
    /// it shows no credential and no certificate that names somebody.
    ///
    /// # Errors
    /// [`NotAuthenticated`] where the credential is not good, or cannot be looked up.
    pub async fn caller(
        &self,
        head: &Parts,
        from: ClientAddress,
        now: Timestamp,
    ) -> Result<Caller, NotAuthenticated> {
        let inner = &*self.0;
        let Some(credential) = Credential::find(head, &inner.means.places)? else {
            let Some(rules) = &inner.means.certificates else { return Ok(Caller::anonymous()) };
            let certificate = head.extensions.get::<Peer>().and_then(Peer::certificate);
            return Ok(match certificate {
                Some(certificate) => rules.caller(certificate, now)?,
                None => Caller::anonymous(),
            });
        };
        let known = inner.holder(&credential, Some(from), now).await;
        let known = known.and_then(|holder| inner.prove(holder, &credential, head, now));
        known.map_err(|not| inner.suspect(not, from, now))
    }

    /// What watches over the credential of a request that wants more than an answer.
    fn standing(&self, head: &Parts) -> Option<Standing> {
        head.headers.get(header::UPGRADE)?;
        let credential = Credential::find(head, &self.0.means.places).ok()??;
        Some(Standing::new(self.clone(), &credential))
    }

    /// Who shows this credential, and nothing beside it.
    ///
    /// # Errors
    /// As [`Authenticate::caller`].
    pub async fn verify(
        &self,
        credential: &Credential<'_>,
        now: Timestamp,
    ) -> Result<Caller, NotAuthenticated> {
        let holder = self.0.holder(credential, None, now).await?;
        Ok(holder.show(&Proven::default())?)
    }
}

impl<B: Send> Stage<Exchange<Admitted<B>>> for Authenticate {
    type Out = Exchange<Authenticated<B>>;

    async fn pass(&self, exchange: Exchange<Admitted<B>>) -> Result<Self::Out, Refused> {
        let caller = if exchange.has_own_credentials() {
            Ok(Caller::anonymous())
        } else {
            self.caller(exchange.head(), exchange.facts().client, exchange.now()).await
        };
        let standing = self.standing(exchange.head());
        let exchange = exchange.authenticate(caller, &self.0.means.places)?;
        Ok(match standing {
            Some(standing) => exchange.lay_beside(standing),
            None => exchange,
        })
    }
}

impl Entry {
    /// Whether it still stands, without asking anybody.
    fn counts(&self, now: Timestamp, revocations: &Revocations) -> bool {
        now < self.ends
            && (now < self.fresh || (self.rests_on_the_store() && now < revocations.fresh()))
            // Read after the instant at which the store was heard: whoever changes that has
            // announced before what he heard.
            && self.revocations == revocations.count()
            && self.issuer.as_ref().is_none_or(|(issuer, epoch)| issuer.epoch() == *epoch)
    }

    /// Whether it stands for as long as nothing is taken back in the store of identities.
    fn rests_on_the_store(&self) -> bool {
        match &self.issuer {
            Some((issuer, _)) => issuer.issuer().is_own(),
            None => self.holder.unproven().method() == Method::ApiKey,
        }
    }
}

impl Inner {
    /// Whose credential this is; from memory, where that still counts.
    async fn holder(
        &self,
        credential: &Credential<'_>,
        from: Option<ClientAddress>,
        now: Timestamp,
    ) -> Result<Holder, NotAuthenticated> {
        let Shown { claims, fingerprint } = Shown::new(credential);
        let known = |Seen { claims: seen, entry }: &Seen| {
            let counts = **seen == *claims && entry.counts(now, &self.means.revocations);
            counts.then(|| entry.holder.clone())
        };
        if let Some(holder) = self.cache.get(fingerprint, known) {
            return Ok(holder);
        }
        // Boxed, because most credentials are known, and every request would carry room for this.
        let entry = match Box::pin(self.verify(credential, fingerprint, from, now)).await {
            Ok(entry) => entry,
            Err(not) => {
                self.cache.remove(fingerprint);
                return Err(not);
            }
        };
        let holder = entry.holder.clone();
        self.cache.put(fingerprint, Seen { claims: claims.into(), entry });
        Ok(holder)
    }

    /// The caller, if the credential is theirs to show: what it is bound to must be proved, by
    /// this connection and this request.
    fn prove(
        &self,
        holder: Holder,
        credential: &Credential<'_>,
        head: &Parts,
        now: Timestamp,
    ) -> Result<Caller, NotAuthenticated> {
        let mut proven = Proven::default();
        if holder.binding().certificate.is_some()
            && let Some(certificate) = head.extensions.get::<Peer>().and_then(Peer::certificate)
        {
            certificate.check(now)?;
            proven.certificate = Some(certificate.thumbprint());
        }
        if let (Credential::Dpop(token), Some(proofs)) = (credential, &self.means.proofs) {
            // Last, since it is the dearest, and only who has a good token can ask for it.
            proven.key = Some(proofs.check(head, token, now)?);
        }
        Ok(holder.show(&proven)?)
    }

    /// Counts what may be a guess. A good credential passes whatever came from its address
    /// before: no key or token here is short enough to be guessed, and others may share the
    /// address. What is throttled is what the bad ones cost: records, and questions to issuers.
    fn suspect(
        &self,
        not: NotAuthenticated,
        from: ClientAddress,
        now: Timestamp,
    ) -> NotAuthenticated {
        let NotAuthenticated::Rejected(rejection) = not else { return not };
        if !Guessing::counts(rejection) {
            return not;
        }
        self.guessing.lock().failed(from, now).map_or(not, NotAuthenticated::Throttled)
    }

    async fn verify(
        &self,
        credential: &Credential<'_>,
        fingerprint: Fingerprint,
        from: Option<ClientAddress>,
        now: Timestamp,
    ) -> Result<Entry, NotAuthenticated> {
        // Read before the store is asked: what is taken back in between is looked at again.
        let revocations = self.means.revocations.count();
        match credential {
            Credential::ApiKey(key) => self.key(key, now, revocations).await,
            Credential::Bearer(token) if !is_jwt(token) => {
                match self.bearer_key(token, now, revocations).await {
                    Err(NotAuthenticated::Rejected(Rejection::Unknown)) => {
                        self.opaque(token, fingerprint, from, now, revocations).await
                    }
                    known => known,
                }
            }
            Credential::Dpop(token) if !is_jwt(token) => {
                self.opaque(token, fingerprint, from, now, revocations).await
            }
            Credential::Dpop(token) => self.token(token, now, revocations).await,
            Credential::Bearer(token) => {
                if self.means.places.key_as_bearer
                    && let Some(entry) = self.configured(token, now, revocations)
                {
                    return Ok(entry?);
                }
                self.token(token, now, revocations).await
            }
        }
    }

    /// A key of the configuration. Found by digest: the time that takes says nothing of the key.
    fn configured(
        &self,
        key: &str,
        now: Timestamp,
        revocations: u64,
    ) -> Option<Result<Entry, Rejection>> {
        let keys = &self.configured;
        let pepper = self.means.pepper.as_ref();
        let plain = keys.get(&Hash::of(key, None));
        let keyed = || Hash::all_of(key, pepper).find_map(|hash| keys.get(&hash));
        let record = plain.or_else(keyed)?;
        Some(record.verify(key, self.means.pepper.as_ref(), now).map(|caller| {
            let ends = caller.expires().unwrap_or(Timestamp(u64::MAX));
            let holder = Holder::bearer(caller);
            Entry { holder, ends, fresh: ends, revocations, issuer: None }
        }))
    }

    async fn key(
        &self,
        key: &str,
        now: Timestamp,
        revocations: u64,
    ) -> Result<Entry, NotAuthenticated> {
        if let Some(entry) = self.configured(key, now, revocations) {
            return Ok(entry?);
        }
        let generated = Generated::parse(key).ok_or(Rejection::Unknown)?;
        if self.means.environment.as_deref().is_some_and(|ours| ours != generated.environment) {
            return Err(Rejection::Untrusted("it belongs to another environment").into());
        }
        let record =
            self.means.identities.key(generated.id).await.map_err(|error| outage(&error))?;
        let record = record.ok_or(Rejection::Unknown)?;
        let caller = record.verify(key, self.means.pepper.as_ref(), now)?;
        if record.last_used.is_none_or(|last| now.since(last) >= TOUCH) {
            self.uses.note(&record.id, now, &self.means.identities);
        }
        let ends = caller.expires().unwrap_or(Timestamp(u64::MAX));
        let holder = Holder::bearer(caller);
        Ok(Entry { holder, ends, fresh: now.plus(FRESH), revocations, issuer: None })
    }

    /// A bearer token that has the form of a key.
    async fn bearer_key(
        &self,
        token: &str,
        now: Timestamp,
        revocations: u64,
    ) -> Result<Entry, NotAuthenticated> {
        if self.means.places.key_as_bearer {
            self.key(token, now, revocations).await
        } else {
            Err(Rejection::Unknown.into())
        }
    }

    /// A token that says nothing by itself: those who may have issued it are asked.
    async fn opaque(
        &self,
        token: &str,
        fingerprint: Fingerprint,
        from: Option<ClientAddress>,
        now: Timestamp,
        revocations: u64,
    ) -> Result<Entry, NotAuthenticated> {
        let mut why = NotAuthenticated::from(Rejection::Unknown);
        for provider in &self.means.issuers {
            let Some(introspection) = provider.introspection() else { continue };
            // A key of ours is nobody else's business, however bad it is.
            if Generated::parse(token).is_some() {
                break;
            }
            if let Some(wait) = from.and_then(|from| self.guessing.lock().waits(from, now)) {
                return Err(NotAuthenticated::Throttled(wait));
            }
            match introspection.ask(provider.issuer(), token, fingerprint, now).await {
                Ok(holder) => {
                    let ends = holder.unproven().expires().unwrap_or(Timestamp(u64::MAX));
                    let fresh = ends.min(now.plus(introspection.lasts()));
                    return Ok(Entry { holder, ends, fresh, revocations, issuer: None });
                }
                // An issuer that cannot be reached may be the one that knows.
                Err(NotAuthenticated::Outage) => why = NotAuthenticated::Outage,
                Err(not) if why != NotAuthenticated::Outage => why = not,
                Err(_) => {}
            }
        }
        Err(why)
    }

    async fn token(
        &self,
        text: &str,
        now: Timestamp,
        revocations: u64,
    ) -> Result<Entry, NotAuthenticated> {
        let token = Token::parse(text)?;
        let mut why =
            NotAuthenticated::from(Rejection::Untrusted("its issuer is not trusted here"));
        for provider in &self.means.issuers {
            if token.unverified_issuer() != Some(&**provider.issuer().url()) {
                continue;
            }
            match self.issued(&token, provider, now, revocations).await {
                Ok(entry) => return Ok(entry),
                Err(not) => why = not,
            }
        }
        Err(why)
    }

    /// A token of this issuer.
    async fn issued(
        &self,
        token: &Token<'_>,
        provider: &Arc<Provider>,
        now: Timestamp,
        revocations: u64,
    ) -> Result<Entry, NotAuthenticated> {
        let issuer = provider.issuer();
        let (mut keys, mut epoch) =
            provider.keys(now).await.map_err(|_| NotAuthenticated::Outage)?;
        let mut verified = issuer.holder(token, &keys, now);
        if verified.as_ref().is_err_and(|error| may_be_of_a_new_key(*error)) {
            let renewed = provider.renewed(Some(epoch), now).await;
            let (new, newer) = renewed.map_err(|_| NotAuthenticated::Outage)?;
            if newer != epoch {
                (keys, epoch) = (new, newer);
                verified = issuer.holder(token, &keys, now);
            }
        }
        let holder = verified.map_err(|error| match error {
            VerifyError::Rejected(rejection) => rejection,
            VerifyError::UnknownKey => Rejection::Unknown,
        })?;
        let expires = holder.unproven().expires().unwrap_or_default();
        let ends = expires.plus(issuer.leeway);
        let mut fresh = ends.min(provider.settled(now));
        if issuer.is_own() {
            if revoked(&*self.means.identities, holder.unproven().claims())
                .await
                .map_err(|error| outage(&error))?
            {
                return Err(Rejection::Revoked.into());
            }
            fresh = now.plus(FRESH);
        }
        let issuer = Some((Arc::clone(provider), epoch));
        Ok(Entry { holder, ends, fresh, revocations, issuer })
    }
}

/// Whether a token of ours, or the session that it came of, has been taken back.
pub(crate) async fn revoked(
    identities: &dyn Identities,
    claims: &Claims,
) -> Result<bool, Unreachable> {
    let names = ["jti", "sid"].into_iter().filter_map(|name| claims.get(name)?.as_str());
    // Those from which it was got in exchange (RFC 8693).
    let origins = claims.get("via").and_then(Value::as_array).into_iter().flatten();
    let names = names.chain(origins.filter_map(Value::as_str));
    identities.is_revoked(&names.collect::<Vec<_>>()).await
}

/// Whether an issuer that has turned its keys might have signed this: with a key id that is new,
/// with one that it had used before, or with none.
fn may_be_of_a_new_key(error: VerifyError) -> bool {
    matches!(error, VerifyError::UnknownKey | VerifyError::Rejected(Rejection::Forged))
}

fn outage(error: &Unreachable) -> NotAuthenticated {
    tracing::error!(%error, "identities cannot be looked up");
    NotAuthenticated::Outage
}

/// Whether a bearer token has the form of a JWT; a key of ours has no dots.
fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}
