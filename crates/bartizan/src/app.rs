//! How does a program become a guarded one? It writes an [`App`].

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bartizan_core::admit::{Proxies, Purpose, ServerName};
use bartizan_core::audit::Trail;
use bartizan_core::authenticate::Caller;
use bartizan_core::authorize::approval::{Approvals, Approvers};
use bartizan_core::authorize::endpoint::Limit;
use bartizan_core::authorize::role::RoleError;
use bartizan_core::authorize::{
    Effect, Endpoint, Permission, Policy, Roles, RouteError, Scopes, Statement, Statements,
};
use bartizan_core::describe::resource::Resources;
use bartizan_core::exchange::Realm;
use bartizan_core::limit::{Meter, Price};
use bartizan_core::mask::Profile;
use bartizan_core::validate::Protocol;
use bartizan_store::memory::MemoryApprovals;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Method, Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::actions::approvals::{self, Book};
use crate::actions::{self, BuiltIn, Live};
use crate::authenticate::Authenticate;
use crate::body::Body;
use crate::clock;
use crate::endpoint::{Applies, BadEndpoint, Defaults, Flaw, Served};
use crate::handler::Handler;
use crate::hook::Hook;
use crate::inquiry;
use crate::limits::Limits;
use crate::mask::Mask;
use crate::peer::Peer;
use crate::pii::Pii;
use crate::pipeline::{Parts, Rehearsal, Road};
use crate::works::sources::Sources;

/// A guarded program: endpoints, and the road that leads to them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Running>);

#[derive(Debug)]
struct Running {
    title: Arc<str>,
    road: Arc<Road>,
    tasks: TaskTracker,
    /// Ends the sweeping of reservations.
    stop: CancellationToken,
    /// Ends the settling, once no request is under way.
    closing: CancellationToken,
}

/// An app that was replaced sweeps no more; what is under way on it still settles.
impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An [`App`] that is being written.
#[derive(Debug)]
#[must_use = "an app that is not built guards nothing"]
pub struct AppBuilder {
    title: Arc<str>,
    served: Vec<Served>,
    implies: Vec<(Arc<str>, Vec<Arc<str>>)>,
    roles: HashMap<Arc<str>, Vec<Permission>>,
    parents: HashMap<Arc<str>, Vec<Arc<str>>>,
    assigned: HashMap<String, Vec<Arc<str>>>,
    statements: Vec<Statement>,
    #[cfg(feature = "cedar")]
    cedar: Option<bartizan_core::authorize::cedar::Cedar>,
    approvers: Arc<Approvers>,
    /// Where calls wait; in memory where nothing is said.
    pub(crate) approvals: Option<Arc<dyn Approvals>>,
    /// Compiled already, in place of `implies` and `roles`.
    rules: Option<(Scopes, Roles)>,
    prices: BTreeMap<String, Price>,
    defaults: Defaults,
    hooks: Vec<Arc<dyn Hook>>,
    proxies: Proxies,
    realm: Realm,
    resources: Option<Arc<Resources>>,
    body_timeout: Duration,
    settle_timeout: Duration,
    actions: BuiltIn,
    tasks: TaskTracker,
    /// What was written and cannot be used.
    flaws: Vec<BadPart>,
    /// What it is to work with, as far as the program says it in words.
    pub(crate) sources: Sources,
    /// Whether a service stands behind it.
    in_front: bool,
}

/// Everything that is wrong with an app, at once. The developer must mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the app cannot start:{}", .0.iter().map(|e| format!("\n  {e}")).collect::<String>())]
pub struct BadApp(pub Vec<BadPart>);

/// One thing that is wrong with an app.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadPart {
    /// An endpoint that cannot be served.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// Two endpoints that cannot stand beside each other.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A text or a number that cannot be used.
    #[error(transparent)]
    Flaw(Flaw),
    /// Something that it works with: a store, an issuer, a key, the audit log.
    #[error("{what}: {why}")]
    Works {
        /// What of it.
        what: String,
        /// Why it cannot be used, and what to do about it.
        why: String,
    },
    /// Roles that cannot inherit so.
    #[error(transparent)]
    Roles(#[from] RoleError),
    /// Approvals are asked for, and nobody may give them.
    #[error(
        "`{0}` asks for approvals, and nobody may give them: name roles or scopes with `approvers`"
    )]
    NoApprovers(String),
    /// A role that no endpoint can be reached with, since nothing defines it.
    #[error("`{endpoint}` asks for the role `{role}`, which nothing defines")]
    Role {
        /// Verb and path.
        endpoint: String,
        /// The role.
        role: Arc<str>,
    },
}

/// What an app is given to work with: who is calling, counters, and the log.
#[derive(Clone, Debug)]
pub struct Works {
    /// Who is calling.
    pub authenticate: Authenticate,
    /// Counters.
    pub meter: Arc<dyn Meter>,
    /// The audit log.
    pub trail: Arc<dyn Trail>,
}

/// The largest request body where nothing else is said, in bytes.
pub const MAX_REQUEST_SIZE: u64 = 1_000_000;

impl App {
    /// Begins an app.
    pub fn builder(title: &str) -> AppBuilder {
        let defaults = Defaults {
            max_request_size: MAX_REQUEST_SIZE,
            timeout: Duration::from_secs(300),
            profile: Profile::default(),
            limits: Vec::new(),
        };
        AppBuilder {
            title: title.into(),
            served: Vec::new(),
            implies: Vec::new(),
            roles: HashMap::new(),
            parents: HashMap::new(),
            assigned: HashMap::new(),
            statements: Vec::new(),
            #[cfg(feature = "cedar")]
            cedar: None,
            approvers: Arc::default(),
            approvals: None,
            rules: None,
            prices: bartizan_core::limit::price::builtin(),
            defaults,
            hooks: Vec::new(),
            proxies: Proxies::default(),
            realm: Realm::default(),
            resources: None,
            body_timeout: Duration::from_secs(30),
            settle_timeout: SETTLE_TIMEOUT,
            actions: BuiltIn::default(),
            tasks: TaskTracker::new(),
            flaws: Vec::new(),
            sources: Sources::default(),
            in_front: false,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        self.0.road.policy()
    }

    /// Answers a request that came from `peer`.
    pub fn handle(
        &self,
        mut request: Request<Body>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let address = peer.address.ip();
        let name = peer.tls.as_ref().and_then(|tls| tls.server_name.clone());
        if let Some(name) = name {
            request.extensions_mut().insert(ServerName(name));
        }
        request.extensions_mut().insert(peer);
        let road = Arc::clone(&self.0.road);
        // Opened here and not in the future, which would carry the whole request from hand to
        // hand.
        let opened = match road.inquires(&request) {
            None => Ok(road.open(request, address, None, false, Purpose::Call)),
            Some(way) => Err((way, Box::new(request))),
        };
        async move {
            match opened {
                Ok(exchange) => road.run(exchange, None).await,
                Err((way, request)) => {
                    Box::pin(inquiry::answer(&road, way, *request, address)).await
                }
            }
        }
    }

    /// Walks the road with a call of `caller` from `address`, and sends nothing: what `explain`
    /// and `TEST` say is what the road says.
    pub async fn rehearse(
        &self,
        request: Request<Body>,
        address: IpAddr,
        caller: Caller,
    ) -> Rehearsal {
        self.0.road.rehearse(request, address, caller).await
    }

    /// Waits until calls that run on without their client have ended and everything is settled,
    /// at most for `patience`. No request may be under way any more.
    pub async fn close(&self, patience: Duration) {
        self.0.stop.cancel();
        self.0.closing.cancel();
        self.0.tasks.close();
        if tokio::time::timeout(patience, self.0.tasks.wait()).await.is_err() {
            tracing::warn!(
                "not everything was settled in time: reservations run to their deadline"
            );
        }
    }
}

impl AppBuilder {
    /// Serves an endpoint.
    pub fn endpoint(mut self, served: impl Into<Served>) -> Self {
        self.served.push(served.into());
        self
    }

    /// Says that whoever holds `scope` holds these too.
    pub fn scope_implies(mut self, scope: &str, implied: &[&str]) -> Self {
        self.implies.push((scope.into(), implied.iter().map(|&scope| scope.into()).collect()));
        self
    }

    /// Defines a role by what it permits: pairs of resource and action, both with wildcards.
    pub fn role(mut self, role: &str, permits: &[(&str, &str)]) -> Self {
        let permission = |(resource, action): &(&str, &str)| Permission {
            resource: (*resource).into(),
            action: (*action).into(),
        };
        self.roles.insert(role.into(), permits.iter().map(permission).collect());
        self
    }

    /// Lets a role permit all that these permit, and count where they are asked for.
    pub fn role_inherits(mut self, role: &str, from: &[&str]) -> Self {
        let parents = from.iter().map(|&parent| Arc::from(parent));
        self.parents.entry(role.into()).or_default().extend(parents);
        self.roles.entry(role.into()).or_default();
        self
    }

    /// Lays down a statement beside what the endpoints ask for: see [`Statements`].
    pub fn statement(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Lets Cedar's policies have a say.
    #[cfg(feature = "cedar")]
    pub fn cedar(mut self, cedar: bartizan_core::authorize::cedar::Cedar) -> Self {
        self.cedar = Some(cedar);
        self
    }

    /// Who may decide about calls that somebody must agree to; serves `/approvals`.
    pub fn approvers(mut self, approvers: Approvers) -> Self {
        self.approvers = Arc::new(approvers);
        self
    }

    /// Where calls wait for somebody to agree, whatever the store is.
    pub fn approvals(mut self, book: Arc<dyn Approvals>) -> Self {
        self.approvals = Some(book);
        self
    }

    /// Gives roles to a principal: `local:agent1`, `corp:ann`; a bare name means `local:`.
    pub fn assign(mut self, principal: &str, roles: &[&str]) -> Self {
        let principal = bartizan_core::authenticate::Principal::parse(principal).to_string();
        let roles = roles.iter().map(|&role| Arc::from(role));
        self.assigned.entry(principal).or_default().extend(roles);
        self
    }

    /// What scopes and roles mean, and who has which, as a whole: in place of what was said so far.
    pub fn rules(
        mut self,
        scopes: Scopes,
        roles: Roles,
        assigned: HashMap<String, Vec<Arc<str>>>,
    ) -> Self {
        self.rules = Some((scopes, roles));
        self.assigned = assigned;
        self
    }

    /// The largest request body of endpoints that do not say it, in bytes.
    pub fn max_request_size(mut self, bytes: u64) -> Self {
        self.defaults.max_request_size = bytes;
        self
    }

    /// How long an answer may take to begin at endpoints that do not say it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.defaults.timeout = timeout;
        self
    }

    /// How long a body may take that is read whole.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }

    /// How much longer than its answer may take to begin a call may take to be settled: then what
    /// was reserved for it is charged. What a process that was killed had reserved stands that
    /// long. Longer than the longest stream; [`SETTLE_TIMEOUT`] where nothing is said.
    pub fn settle_timeout(mut self, timeout: Duration) -> Self {
        self.settle_timeout = timeout;
        self
    }

    /// What must not pass at endpoints that do not say it.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.defaults.profile = profile;
        self
    }

    /// What must not pass at endpoints that do not say it, in words.
    pub fn pii(mut self, pii: &Pii) -> Self {
        match pii.profile() {
            Ok(profile) => self.defaults.profile = profile,
            Err(wrong) => self.flaws.push(BadPart::Flaw(wrong.into())),
        }
        self
    }

    /// Limits or budgets of every endpoint.
    pub fn limit(mut self, limits: impl Into<Limits>) -> Self {
        match limits.into().0 {
            Ok(limits) => {
                let everywhere = |limit| (Arc::new(limit), Applies(None));
                self.defaults.limits.extend(limits.into_iter().map(everywhere));
            }
            Err(wrong) => self.flaws.push(BadPart::Flaw(wrong.into())),
        }
        self
    }

    /// A limit or budget of the endpoints for which `applies` says so, by their path template and
    /// verb; the app's own endpoints are asked about too.
    pub fn limit_where(
        mut self,
        limit: Limit,
        applies: impl Fn(&str, &Method) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.defaults.limits.push((Arc::new(limit), Applies(Some(Arc::new(applies)))));
        self
    }

    /// What the tokens of a model cost, before the built-in prices.
    pub fn price(mut self, model: &str, price: Price) -> Self {
        self.prices.insert(model.into(), price);
        self
    }

    /// What the tokens of all models cost, in place of the built-in prices.
    pub fn prices(mut self, prices: BTreeMap<String, Price>) -> Self {
        self.prices = prices;
        self
    }

    /// A check of the developer's own.
    pub fn hook(mut self, hook: impl Hook + 'static) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Whose word on addresses is believed.
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// What challenges say about us.
    pub fn realm(mut self, realm: Realm) -> Self {
        self.realm = realm;
        self
    }

    /// Which of the action endpoints there are.
    pub fn actions(mut self, actions: BuiltIn) -> Self {
        self.actions = actions;
        self
    }

    /// Where work that outlives its request is tracked; shutting down waits for it.
    pub fn tasks(mut self, tasks: TaskTracker) -> Self {
        self.tasks = tasks;
        self
    }

    /// The name of the service.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Builds the app with what it works with. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`BadApp`] with everything that is wrong.
    pub fn build_with(mut self, works: Works) -> Result<App, BadApp> {
        let Works { authenticate, meter, trail } = works;
        let news = authenticate.clone();
        let dpop = authenticate.places().dpop;
        let realm = Realm { dpop, ..self.realm.clone() };
        let resources = self.resources.take();
        self.resources = resources.map(|all| Arc::new(Resources::clone(&all).with_dpop(dpop)));
        let live = Live::new(&self.title);
        let approvals = self.approvals.clone().unwrap_or_else(|| Arc::<MemoryApprovals>::default());
        let (policy, handlers) = self.policy(&live, &approvals)?;
        let (road, settler) = Road::build(Parts {
            policy: Arc::new(policy),
            authenticate,
            meter: Arc::clone(&meter),
            trail,
            handlers,
            mask: Mask { hooks: self.hooks.into() },
            approvals,
            approvers: self.approvers,
            proxies: self.proxies,
            realm,
            body_timeout: self.body_timeout,
            settle_timeout: self.settle_timeout,
            tasks: self.tasks.clone(),
        });
        let road = Arc::new(road);
        live.is(&road);
        let stop = CancellationToken::new();
        let closing = CancellationToken::new();
        self.tasks.spawn(settler.run(closing.clone()));
        self.tasks.spawn(sweep(meter, stop.clone()));
        self.tasks.spawn(news.follow(stop.clone()));
        let Self { title, tasks, .. } = self;
        Ok(App(Arc::new(Running { title, road, tasks, stop, closing })))
    }

    /// A service stands behind it.
    pub(crate) fn in_front(mut self) -> Self {
        self.in_front = true;
        self
    }

    /// Tells clients who issues tokens for each address, by metadata (RFC 9728) and in challenges:
    /// see [`Resources::new`]. A token that is meant for one address opens no other.
    pub fn resources(mut self, resources: Resources) -> Self {
        if self.realm.resource_metadata.is_none() {
            self.realm.resource_metadata = Some(resources.root());
            self.realm.by_endpoint = true;
        }
        self.resources = Some(Arc::new(resources));
        self
    }

    /// What is wrong with what is written so far.
    pub(crate) fn mistakes(&self) -> Vec<BadPart> {
        let nowhere: Arc<dyn Approvals> = Arc::<MemoryApprovals>::default();
        let policy = self.policy(&Live::new(&self.title), &nowhere);
        policy.err().map_or_else(Vec::new, |BadApp(wrong)| wrong)
    }

    /// The policy, and the handlers by the index of their endpoint.
    fn policy(
        &self,
        live: &Live,
        book: &Arc<dyn Approvals>,
    ) -> Result<(Policy, Vec<Arc<dyn Handler>>), BadApp> {
        let roles = Roles::inheriting(&self.roles, &self.parents);
        let circle = roles.as_ref().err().cloned().map(BadPart::from);
        let compiled = || (Scopes::new(&self.implies), roles.unwrap_or_default());
        let (scopes, roles) = self.rules.clone().unwrap_or_else(compiled);
        let assigned = self.assigned.clone();
        let resources = self.resources.clone();
        let mut policy = Policy { scopes, roles, assigned, resources, ..Policy::default() };
        let (mut handlers, mut wrong) = (Vec::new(), self.flaws.clone());
        wrong.extend(circle);
        let prices = Arc::new(self.prices.clone());
        let built_in = actions::endpoints(self.actions, self.resources.as_ref(), live);
        let built_in = built_in.into_iter().chain(self.book(live, book));
        for Served { draft, handler } in self.served.iter().cloned().chain(built_in) {
            wrong.extend(draft.flaws(self.in_front).into_iter().map(BadPart::from));
            let mut endpoint = match draft.finish(&self.defaults) {
                Ok(endpoint) => endpoint,
                Err(error) => {
                    wrong.push(BadPart::from(error));
                    continue;
                }
            };
            endpoint.cost.prices = Arc::clone(&prices);
            endpoint.profile.inspected |= self.hooks.iter().any(|hook| hook.reads(&endpoint));
            if self.hooks.iter().any(|hook| hook.looks_at_answers()) {
                endpoint.messages.get_or_insert_default();
            }
            wrong.extend(self.unasked(&endpoint).map(BadPart::from));
            let undefined = endpoint.access.roles().iter().filter(|r| !policy.roles.defines(r));
            wrong.extend(undefined.map(|role| BadPart::Role {
                endpoint: format!("{} {}", endpoint.verb, endpoint.path),
                role: Arc::clone(role),
            }));
            match policy.routes.add(endpoint) {
                Ok(_) => handlers.push(handler),
                Err(error) => wrong.push(error.into()),
            }
        }
        wrong.extend(self.unapproved(&policy));
        wrong.extend(self.undefined(&policy));
        policy.statements = Statements::compile(self.statements.clone(), &policy.routes);
        #[cfg(feature = "cedar")]
        policy.cedar.clone_from(&self.cedar);
        if wrong.is_empty() { Ok((policy, handlers)) } else { Err(BadApp(wrong)) }
    }
}

impl AppBuilder {
    /// The endpoints at which calls wait, where somebody may decide about them.
    fn book(&self, live: &Live, book: &Arc<dyn Approvals>) -> Vec<Served> {
        if self.approvers.is_empty() {
            return Vec::new();
        }
        let approvers = Arc::clone(&self.approvers);
        let book = Book { live: live.clone(), book: Arc::clone(book), approvers };
        approvals::endpoints(&book).into()
    }

    /// Why nobody can be told whether calls to an endpoint may pass that a proxy sends on.
    fn unasked(&self, endpoint: &Endpoint) -> Option<BadEndpoint> {
        let name = || format!("{} {}", endpoint.verb, endpoint.path);
        let profile = &endpoint.profile;
        let sees = endpoint.schema.is_some()
            || endpoint.protocol != Protocol::Http
            || endpoint.approval
            || profile.inspected
            || profile.request.is_some()
            || profile.response.is_some();
        match endpoint.elsewhere {
            true if sees => Some(BadEndpoint::Unseen(name())),
            true if self.proxies.is_empty() => Some(BadEndpoint::NoAsker(name())),
            true | false => None,
        }
    }

    /// Roles of statements that nothing defines: one that denies would never hold.
    fn undefined(&self, policy: &Policy) -> Vec<BadPart> {
        let of = |statement: &Statement| {
            let conditions = std::iter::once(&statement.when).chain(&statement.unless);
            let roles: Vec<_> = conditions.flat_map(|c| &c.roles).cloned().collect();
            (statement.name.to_string(), roles)
        };
        let approvers = ("approvers".to_owned(), self.approvers.roles.clone());
        let all = self.statements.iter().map(of).chain([approvers]);
        let undefined = all.flat_map(|(endpoint, roles)| {
            let undefined = roles.into_iter().filter(|role| !policy.roles.defines(role));
            undefined.map(move |role| BadPart::Role { endpoint: endpoint.clone(), role })
        });
        undefined.collect()
    }

    /// What asks for approvals that nobody may give.
    fn unapproved(&self, policy: &Policy) -> Option<BadPart> {
        if !self.approvers.is_empty() {
            return None;
        }
        let endpoint = policy.routes.endpoints().find(|endpoint| endpoint.approval);
        let endpoint = endpoint.map(|endpoint| format!("{} {}", endpoint.verb, endpoint.path));
        let asks = |statement: &&Statement| statement.effect == Effect::RequireApproval;
        let statement = self.statements.iter().find(asks);
        let name = endpoint.or_else(|| statement.map(|statement| statement.name.to_string()));
        name.map(BadPart::NoApprovers)
    }
}

/// How much longer than its answer may take to begin a call may take to be settled, where nothing
/// is said: longer than models take for an answer, and short for whoever waits for what a process
/// that was killed had reserved.
pub const SETTLE_TIMEOUT: Duration = Duration::from_mins(10);

/// How often reservations are looked for whose time is over.
const SWEEP: Duration = Duration::from_secs(5);

/// Closes what has run out of time, until the app is closed.
async fn sweep(meter: Arc<dyn Meter>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match meter.expire(clock::now()).await {
            Ok(expired) => {
                for reservation in expired.iter().filter(|reservation| reservation.departed) {
                    let id = reservation.id.0;
                    tracing::warn!(id, "a reservation ran out of time and was charged in full");
                }
            }
            Err(error) => tracing::error!(%error, "reservations could not be swept"),
        }
    }
}

/// An app is a tower service: it can be the fallback of an axum router, or be served by hyper.
/// The peer is taken from the request's extensions: a [`Peer`], or a [`SocketAddr`].
impl<B> tower_service::Service<Request<B>> for App
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let app = self.clone();
        let peer = request.extensions().get::<Peer>().cloned();
        let address = request.extensions().get::<SocketAddr>().copied();
        // Without an address everybody shares the counters of this one: never unlimited.
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let peer = peer.unwrap_or_else(|| Peer::plain(address.unwrap_or(unknown)));
        let request = request.map(Body::new);
        Box::pin(app.handle(request, peer).map(Ok))
    }
}
