//! What does an app work with? Issuers, keys, a store and the log, as a program writes them.
//!
//! ```no_run
//! use bartizan::App;
//! use bartizan::works::{ApiKey, Audit};
//!
//! # async fn main_() -> Result<(), Box<dyn std::error::Error>> {
//! let app = App::builder("Secure Agent")
//!     .oidc("https://auth.example.com", "your-api-audience")
//!     .api_key(ApiKey::new("ci", &std::env::var("CI_KEY_HASH")?).scopes(&["data:read"]))
//!     .store("sqlite:bartizan.db")
//!     .audit(Audit::to("file://logs/audit.jsonl"))
//!     .build()
//!     .await?;
//! app.serve("127.0.0.1:8000").await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing of it must be said. Without a store everything is in memory and gone when the process
//! ends; without a word on the audit log it goes to `file://logs/audit.jsonl`, durable at every
//! answer, for there is no app without one.

mod key;
mod log;
pub(crate) mod sources;
mod tokens;

use std::fmt::Display;
use std::sync::Arc;

use bartizan_core::audit::Trail;
use bartizan_core::authenticate::Places;
use bartizan_core::authenticate::api_key::{Pepper, Record};
use bartizan_core::authenticate::guessing::Patience;
use bartizan_core::authenticate::jwt::Issuer;
use bartizan_core::authorize::approval::Approvals;
use bartizan_core::describe::resource::Resources;
use bartizan_core::issue::{Identities, User};
use bartizan_core::limit::Meter;
use bartizan_store::database::is_server;
use bartizan_store::memory::{MemoryApprovals, MemoryIdentities, MemoryMeter};
use bartizan_store::redis::{Address, RedisMeter};
use bartizan_store::{Database, SplitMeter};

use crate::app::{App, AppBuilder, BadApp, BadPart, Works};
use crate::audit::FileTrail;
use crate::authenticate::{Authenticate, Means, Pace, Provider, REMEMBERED, Revocations};
use crate::clock;
use crate::fetch::{Fetch, HttpFetch};
use crate::layer::Guard;
use crate::token::{self, TokenEndpoint};
use sources::Sources;

pub use key::ApiKey;
pub use log::{Audit, DEFAULT_DESTINATION};
pub use tokens::Tokens;

impl AppBuilder {
    /// Believes the tokens of this issuer that are meant for `audience`. Its keys are found by
    /// OpenID Connect Discovery or RFC 8414. Its principals are called by its host; scopes are
    /// taken from its tokens, roles are not: see [`AppBuilder::issuer`].
    pub fn oidc(mut self, issuer: &str, audience: &str) -> Self {
        let host = issuer.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        // The colons of an IPv6 address would end the name.
        let name = host.unwrap_or_default().trim_matches(['[', ']']).replace(':', "-");
        let issuer = Issuer::new(&name, issuer, vec![audience.to_owned()]);
        self.sources.issuers.push(issuer);
        self
    }

    /// Believes an issuer as far as `issuer` says: its name, claims, algorithms, and which roles
    /// it may assert.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.sources.issuers.push(Ok(issuer));
        self
    }

    /// Takes this API key, beside those in the store.
    pub fn api_key(mut self, key: ApiKey) -> Self {
        self.sources.keys.push(key);
        self
    }

    /// Issues tokens: `POST /token` and its neighbours.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.sources.tokens = Some(tokens);
        self
    }

    /// Keeps identities, approvals and budgets in `memory`, or where they outlive the process: in
    /// the file of `sqlite:PATH`, or on the server of `postgres://…`, which several programs may
    /// share. Limits are counted in memory.
    pub fn store(mut self, store: &str) -> Self {
        self.sources.store = Some(store.to_owned());
        self
    }

    /// Keeps users, keys and sessions here, whatever the store is.
    pub fn identities(mut self, identities: Arc<dyn Identities>) -> Self {
        self.sources.identities = Some(identities);
        self
    }

    /// Counts in Redis or Valkey, `redis://HOST:PORT` or `rediss://…`, together with every other
    /// process that names it. While it cannot be used, what is limited is refused.
    pub fn counters(mut self, address: impl Into<String>) -> Self {
        self.sources.counters = Some(address.into());
        self
    }

    /// Counts here, whatever the store is.
    pub fn meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.sources.meter = Some(meter);
        self
    }

    /// Writes the audit log so.
    pub fn audit(mut self, audit: Audit) -> Self {
        self.sources.audit = audit;
        self
    }

    /// Writes the audit log here, whatever else was said about it.
    pub fn trail(mut self, trail: Arc<dyn Trail>) -> Self {
        self.sources.trail = Some(trail);
        self
    }

    /// Opens what the app works with, and builds it.
    ///
    /// # Errors
    /// [`BadApp`] with everything that is wrong.
    pub async fn build(mut self) -> Result<App, BadApp> {
        let sources = std::mem::take(&mut self.sources);
        let believed: Vec<Issuer> = sources.issuers.iter().flatten().cloned().collect();
        let opened = sources.open().await;
        let (works, tokens, approvals) = match opened {
            Ok(opened) => opened,
            Err(mut wrong) => {
                wrong.extend(self.mistakes());
                return Err(BadApp(wrong));
            }
        };
        self.approvals.get_or_insert(approvals);
        if let Some(tokens) = tokens {
            let own = tokens.provider().issuer();
            let all = || std::iter::once(own).chain(&believed);
            let issuers = all().map(|issuer| issuer.url().to_string()).collect();
            let audiences = all().flat_map(|issuer| issuer.audiences.clone()).collect();
            let resources = Resources::new(own.url(), self.title(), issuers, audiences);
            self = self.resources(resources);
            self = token::served(&tokens).into_iter().fold(self, AppBuilder::endpoint);
        }
        self.build_with(works)
    }

    /// Opens what the app works with, and builds it as a layer in front of a service that answers
    /// at the endpoints which have no handler of their own.
    ///
    /// # Errors
    /// [`BadApp`] with everything that is wrong.
    pub async fn layer(self) -> Result<Guard, BadApp> {
        self.in_front().build().await.map(Guard::new)
    }

    /// Builds the app as [`AppBuilder::layer`] does, with what it is given to work with. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// [`BadApp`] with everything that is wrong.
    pub fn layer_with(self, works: Works) -> Result<Guard, BadApp> {
        self.in_front().build_with(works).map(Guard::new)
    }
}

type Opened = (Works, Option<Arc<TokenEndpoint>>, Arc<dyn Approvals>);

/// What is kept: who may come in, what is counted, and what waits for somebody to agree.
type Stores = (Arc<dyn Identities>, Arc<dyn Meter>, Arc<dyn Approvals>);

impl Sources {
    /// Opens everything; what is wrong is collected, not told one by one.
    async fn open(self) -> Result<Opened, Vec<BadPart>> {
        let mut wrong = Vec::new();
        let keys = self.keys(&mut wrong);
        let issuers = self.issuers(&mut wrong);
        let users = self.users(&mut wrong);
        let stores = kept(self.stores().await, &mut wrong);
        let trail = kept(self.log().await, &mut wrong);
        let (Some((identities, meter, approvals)), Some(trail), true) =
            (stores, trail, wrong.is_empty())
        else {
            return Err(wrong);
        };
        let revocations = Revocations::default();
        let tokens = self.token_endpoint(users, &identities, &meter, &revocations).await;
        let tokens = tokens.map_err(|wrong| vec![wrong])?;
        let pepper = pepper(&*identities).await.map_err(|wrong| vec![wrong])?;
        let own = tokens.as_ref().map(|tokens| Arc::clone(tokens.provider()));
        let authenticate = Authenticate::new(Means {
            places: Places::default(),
            keys,
            environment: None,
            pepper: Some(pepper),
            identities,
            issuers: own.into_iter().chain(issuers).collect(),
            revocations,
            remembered: REMEMBERED,
            certificates: None,
            proofs: None,
            patience: Patience::default(),
        });
        Ok((Works { authenticate, meter, trail }, tokens, approvals))
    }

    fn keys(&self, wrong: &mut Vec<BadPart>) -> Vec<Record> {
        let record = |key: &ApiKey| {
            key.record().map_err(|why| works(format_args!("the API key `{}`", key.id()), why))
        };
        self.keys.iter().filter_map(|key| kept(record(key), wrong)).collect()
    }

    fn users(&self, wrong: &mut Vec<BadPart>) -> Vec<User> {
        let users =
            self.tokens.iter().flat_map(Tokens::users).map(|user| {
                user.map_err(|(name, why)| works(format_args!("the user `{name}`"), why))
            });
        users.filter_map(|user| kept(user, wrong)).collect()
    }

    /// Those who sign tokens elsewhere, and the means to fetch their keys.
    fn issuers(&self, wrong: &mut Vec<BadPart>) -> Vec<Arc<Provider>> {
        let mut believed = Vec::new();
        for issuer in &self.issuers {
            match issuer {
                Ok(issuer) => believed.push(issuer.clone()),
                Err(why) => wrong.push(works("an issuer", why)),
            }
        }
        if believed.is_empty() {
            return Vec::new();
        }
        let host = |issuer: &Issuer| issuer.url().parse::<http::Uri>().ok()?.host().map(Into::into);
        let by_hand = believed.iter().filter_map(host).collect();
        let fetch = HttpFetch::new(by_hand).map_err(|why| works("the keys of issuers", why));
        let Some(fetch) = kept(fetch, wrong) else { return Vec::new() };
        let fetch: Arc<dyn Fetch> = Arc::new(fetch);
        let provider = |issuer| Provider::discovered(issuer, Arc::clone(&fetch), Pace::default());
        believed.into_iter().map(provider).collect()
    }

    async fn stores(&self) -> Result<Stores, BadPart> {
        let limits: Arc<dyn Meter> = match &self.counters {
            None => Arc::new(MemoryMeter::new()),
            Some(address) => {
                let address = Address::parse(address).map_err(|why| works("the counters", why))?;
                let opened = RedisMeter::open(address).map_err(|why| works("the counters", why))?;
                Arc::new(opened)
            }
        };
        let (identities, meter, approvals): Stores = match self.store.as_deref() {
            None | Some("memory") => {
                let identities = Arc::<MemoryIdentities>::default();
                (identities, limits, Arc::<MemoryApprovals>::default())
            }
            Some(store) => {
                if !store.starts_with("sqlite:") && !is_server(store) {
                    // What is written there may hold a password.
                    let help = "write `memory`, `sqlite:PATH` or `postgres://…`";
                    return Err(works("the store", help));
                }
                let opened = Database::open(store).await;
                let database = opened.map_err(|why| works("the store", why))?;
                let meter = SplitMeter::new(limits, Arc::new(database.meter()));
                (database.identities(), Arc::new(meter), database.approvals())
            }
        };
        let identities = self.identities.clone().unwrap_or(identities);
        Ok((identities, self.meter.clone().unwrap_or(meter), approvals))
    }

    async fn log(&self) -> Result<Arc<dyn Trail>, BadPart> {
        if let Some(trail) = &self.trail {
            return Ok(Arc::clone(trail));
        }
        let wrong = |why: &dyn Display| works("the audit log", why);
        let settings = self.audit.settings().map_err(|why| wrong(&why))?;
        // Opening reads the whole file once.
        let open = tokio::task::spawn_blocking(move || FileTrail::open(settings, clock::now()));
        match open.await {
            Ok(Ok(trail)) => Ok(Arc::new(trail)),
            Ok(Err(why)) => Err(wrong(&why)),
            Err(why) => Err(wrong(&why)),
        }
    }

    async fn token_endpoint(
        &self,
        users: Vec<User>,
        identities: &Arc<dyn Identities>,
        meter: &Arc<dyn Meter>,
        revocations: &Revocations,
    ) -> Result<Option<Arc<TokenEndpoint>>, BadPart> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let (identities, meter) = (Arc::clone(identities), Arc::clone(meter));
        let settings = tokens.settings(users);
        let opened = TokenEndpoint::open(settings, identities, meter, revocations.clone()).await;
        opened.map(|tokens| Some(Arc::new(tokens))).map_err(|why| works("the token endpoint", why))
    }
}

/// What stored digests of keys are keyed with.
async fn pepper(identities: &dyn Identities) -> Result<Pepper, BadPart> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|why| works("the kernel's randomness", why))?;
    let pepper = identities.pepper(&fresh).await;
    pepper.map(|pepper| Pepper::new(&pepper)).map_err(|why| works("the store", why))
}

fn works(what: impl Display, why: impl Display) -> BadPart {
    BadPart::Works { what: what.to_string(), why: why.to_string() }
}

fn kept<T>(result: Result<T, BadPart>, wrong: &mut Vec<BadPart>) -> Option<T> {
    result.map_err(|error| wrong.push(error)).ok()
}
