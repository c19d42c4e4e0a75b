//! What does a program say of itself before it is guarded? It is written down word by word.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::admit::{Cors, Proxies};
use bartizan_core::authorize::approval::{Approvals, Approvers};
use bartizan_core::authorize::endpoint::Limit;
use bartizan_core::authorize::{Permission, Roles, Scopes, Statement};
use bartizan_core::describe::resource::Resources;
use bartizan_core::exchange::Realm;
use bartizan_core::limit::Price;
use bartizan_core::mask::Profile;
use bartizan_store::memory::MemoryApprovals;
use http::Method;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{App, MAX_REQUEST_SIZE, Running, SETTLE_TIMEOUT, Works, sweep};
use crate::actions::{BuiltIn, Live};
use crate::endpoint::{Applies, Defaults, Served};
use crate::hook::Hook;
use crate::limits::Limits;
use crate::mask::Mask;
use crate::pii::Pii;
use crate::pipeline::{Parts, Road};
use crate::validate::Bodies;
use crate::works::sources::Sources;

mod policy;

pub use policy::{BadApp, BadPart};

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
    cors: Option<Arc<Cors>>,
    realm: Realm,
    resources: Option<Arc<Resources>>,
    settle_timeout: Duration,
    bodies: Arc<Bodies>,
    actions: BuiltIn,
    tasks: TaskTracker,
    /// What was written and cannot be used.
    flaws: Vec<BadPart>,
    /// What it is to work with, as far as the program says it in words.
    pub(crate) sources: Sources,
    /// Whether a service stands behind it.
    in_front: bool,
}

impl AppBuilder {
    /// Nothing is said yet.
    pub(super) fn new(title: &str) -> Self {
        let defaults = Defaults {
            max_request_size: MAX_REQUEST_SIZE,
            timeout: Duration::from_secs(300),
            body_timeout: Duration::from_secs(30),
            profile: Profile::default(),
            limits: Vec::new(),
            scopes: Vec::new(),
        };
        Self {
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
            cors: None,
            realm: Realm::default(),
            resources: None,
            settle_timeout: SETTLE_TIMEOUT,
            bodies: Arc::default(),
            actions: BuiltIn::default(),
            tasks: TaskTracker::new(),
            flaws: Vec::new(),
            sources: Sources::default(),
            in_front: false,
        }
    }

    /// Serves an endpoint.
    pub fn endpoint(mut self, served: impl Into<Served>) -> Self {
        self.served.push(served.into());
        self
    }

    /// Asks for these scopes at every endpoint that is not public, beside what the endpoint itself asks for.
    pub fn required_scopes(mut self, scopes: &[&str]) -> Self {
        self.defaults.scopes.extend(scopes.iter().map(|&scope| Arc::from(scope)));
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

    /// Lays down a statement beside what the endpoints ask for: see [`Statements`](bartizan_core::authorize::Statements).
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

    /// How long a body may take that is read whole, and how long another may stand still, at endpoints
    /// that do not say it.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.defaults.body_timeout = timeout;
        self
    }

    /// How much longer than its answer may take to begin a call may take to be settled: then what
    /// was reserved for it is charged. What a process that was killed had reserved stands that
    /// long. Longer than the longest stream; [`SETTLE_TIMEOUT`] where nothing is said.
    pub fn settle_timeout(mut self, timeout: Duration) -> Self {
        self.settle_timeout = timeout;
        self
    }

    /// The room for bodies that are read whole; apps that are given the same share it. Where nothing is said,
    /// [`MAX_BODY_MEMORY`](crate::validate::MAX_BODY_MEMORY) for
    /// this app. A body of more than half of it is too large.
    pub fn bodies(mut self, bodies: Arc<Bodies>) -> Self {
        self.bodies = bodies;
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

    /// Which web pages may call; none where nothing is said.
    pub fn cors(mut self, cors: Cors) -> Self {
        self.cors = Some(Arc::new(cors));
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
            body_timeout: self.defaults.body_timeout,
            settle_timeout: self.settle_timeout,
            bodies: self.bodies,
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
}
