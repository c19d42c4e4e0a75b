//! How does a function become an endpoint? With a policy, or not at all.
//!
//! ```compile_fail,E0599
//! use bartizan::{Caller, Json, Problem, endpoint};
//! async fn open_to_whom(_: Caller, _: ()) -> Result<Json<u8>, Problem> { Ok(Json(1)) }
//! // No scopes, no roles, neither `authenticated()` nor `public()`: there is no `json` yet.
//! endpoint("SUMMARIZE", "/document").json(open_to_whom);
//! ```

mod written;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::Caller;
use bartizan_core::authorize::endpoint::{About, Cost, Limit, OnDisconnect};
use bartizan_core::authorize::tenant::TenantAt;
use bartizan_core::authorize::{Access, Endpoint, Names, Permission};
use bartizan_core::limit::Measure;
use bartizan_core::mask::Profile;
use bartizan_core::validate::a2a::Agent;
use bartizan_core::validate::websocket::Messages;
use bartizan_core::validate::{Protocol, Schema, SchemaError, mcp};
use http::Method;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::clock;
use crate::handler::Handler;
use crate::inquiry::Pass;
use crate::reply::{Problem, Reply};
use crate::typed::Typed;

pub use written::Flaw;

/// An endpoint, and whoever answers at it.
#[derive(Clone, Debug)]
pub struct Served {
    pub(crate) draft: Sketch,
    pub(crate) handler: Arc<dyn Handler>,
}

/// An endpoint that is being written. It can be served when it is [`Policed`].
#[derive(Clone, Debug)]
pub struct Draft<P> {
    sketch: Sketch,
    policy: PhantomData<P>,
}

/// Nobody has said yet who may use it.
#[derive(Clone, Copy, Debug)]
pub enum NoPolicy {}

/// It has been said who may use it.
#[derive(Clone, Copy, Debug)]
pub enum Policed {}

/// An endpoint as far as it is written; what is left open is the app's to say.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) access: Access,
    pub(crate) permission: Option<(Arc<str>, Option<Arc<str>>)>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) approval: bool,
    pub(crate) names: Names,
    pub(crate) protocol: Protocol,
    pub(crate) mcp: Option<Arc<mcp::Rules>>,
    pub(crate) agent: Option<Arc<Agent>>,
    pub(crate) messages: Option<Messages>,
    pub(crate) schema: Option<Result<Arc<Schema>, SchemaError>>,
    pub(crate) max_request_size: Option<u64>,
    pub(crate) limits: Vec<Arc<Limit>>,
    pub(crate) cost: Cost,
    pub(crate) profile: Option<Profile>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) body_timeout: Option<Duration>,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) method_override: bool,
    pub(crate) about: About,
    /// What was written and cannot be used.
    pub(crate) flaws: Vec<Flaw>,
    /// Whether the service behind a layer answers.
    pub(crate) within: bool,
    /// Whether a proxy in front sends its calls on.
    pub(crate) elsewhere: bool,
    /// Whether its upstream is shown a token got in exchange for the caller's.
    pub(crate) exchanges: bool,
}

/// Where requests name a tenant.
#[derive(Clone, Debug)]
pub(crate) enum Tenant {
    /// In this parameter of the path.
    Path(String),
    /// In this header field.
    Header(String),
    /// Where has been worked out.
    At(TenantAt),
}

/// Begins an endpoint: a verb (one of HTTP's, or any other token) and a path template such as
/// `/document/{id}`.
#[must_use]
pub fn endpoint(verb: &str, path: &str) -> Draft<NoPolicy> {
    let sketch = Sketch {
        verb: verb.into(),
        path: path.into(),
        aliases: Vec::new(),
        access: Access::Authenticated,
        permission: None,
        tenant: None,
        approval: false,
        names: Names::default(),
        protocol: Protocol::Http,
        mcp: None,
        agent: None,
        messages: None,
        schema: None,
        max_request_size: None,
        limits: Vec::new(),
        cost: Cost::default(),
        profile: None,
        timeout: None,
        body_timeout: None,
        on_disconnect: OnDisconnect::Cancel,
        method_override: true,
        about: About::default(),
        flaws: Vec::new(),
        within: false,
        elsewhere: false,
        exchanges: false,
    };
    Draft { sketch, policy: PhantomData }
}

impl Draft<NoPolicy> {
    /// Everybody may use it, with or without a credential.
    #[must_use]
    pub fn public(self) -> Draft<Policed> {
        self.policed(Access::Public)
    }

    /// Everybody with a valid credential may use it.
    #[must_use]
    pub fn authenticated(self) -> Draft<Policed> {
        self.policed(Access::Authenticated)
    }

    /// Whoever holds this scope may use it.
    #[must_use]
    pub fn scope(self, scope: &str) -> Draft<Policed> {
        self.policed(Access::Held { scopes: vec![scope.into()], roles: Vec::new() })
    }

    /// Whoever has this role may use it.
    #[must_use]
    pub fn role(self, role: &str) -> Draft<Policed> {
        self.policed(Access::Held { scopes: Vec::new(), roles: vec![role.into()] })
    }

    /// Whoever `access` says may use it. Empty lists of scopes and roles are no policy; the app
    /// does not start with them.
    #[must_use]
    pub fn access(self, access: Access) -> Draft<Policed> {
        self.policed(access)
    }

    fn policed(mut self, access: Access) -> Draft<Policed> {
        self.sketch.access = access;
        Draft { sketch: self.sketch, policy: PhantomData }
    }
}

impl Draft<Policed> {
    /// Whoever uses it must hold this scope too.
    #[must_use]
    pub fn and_scope(mut self, scope: &str) -> Self {
        if let Access::Held { scopes, .. } = &mut self.sketch.access {
            scopes.push(scope.into());
        } else {
            self.sketch.access = Access::Held { scopes: vec![scope.into()], roles: Vec::new() };
        }
        self
    }

    /// This role will do too; with scopes alone so far, one of the roles is needed besides.
    #[must_use]
    pub fn or_role(mut self, role: &str) -> Self {
        if let Access::Held { roles, .. } = &mut self.sketch.access {
            roles.push(role.into());
        } else {
            self.sketch.access = Access::Held { scopes: Vec::new(), roles: vec![role.into()] };
        }
        self
    }

    /// Serves it with an async function of the caller and of the typed, validated body. The JSON
    /// Schema of the body is that of the type.
    #[must_use]
    pub fn json<I, F, Fut, R>(mut self, function: F) -> Served
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        F: Fn(Caller, I) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Problem>> + Send + 'static,
        R: Reply + 'static,
    {
        if self.sketch.schema.is_none() {
            let schema = schemars::schema_for!(I).to_value();
            self.sketch.schema = Some(Schema::compile(&schema).map(Arc::new));
        }
        if let Some(schema) = R::schema() {
            self.sketch.about.response_schema = Some(Arc::new(schema));
        }
        self.handler(Typed::new(function))
    }

    /// Serves it with an async function of the caller alone.
    #[must_use]
    pub fn call<F, Fut, R>(self, function: F) -> Served
    where
        F: Fn(Caller) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, Problem>> + Send + 'static,
        R: Reply + 'static,
    {
        let mut draft = self;
        if let Some(schema) = R::schema() {
            draft.sketch.about.response_schema = Some(Arc::new(schema));
        }
        draft.handler(Typed::bodiless(move |caller, ()| function(caller)))
    }

    /// Serves it with a handler of any other kind, an upstream for one.
    #[must_use]
    pub fn handler(self, handler: impl Handler + 'static) -> Served {
        Served { draft: self.sketch, handler: Arc::new(handler) }
    }

    /// Does not serve it: a proxy in front sends its calls on, and asks here whether they may pass, at
    /// `/auth/verify` or as Envoy's `ext_authz`. It may, where it is one of
    /// [`crate::app::AppBuilder::proxies`].
    #[must_use]
    pub fn elsewhere(mut self) -> Served {
        self.sketch.elsewhere = true;
        self.handler(Pass)
    }

    /// Serves it with whoever answers behind a layer.
    pub(crate) fn within(mut self, handler: impl Handler + 'static) -> Served {
        self.sketch.within = true;
        self.handler(handler)
    }
}

impl<P> Draft<P> {
    /// Its upstream is called in the name of the caller, with a token that is got in exchange for
    /// theirs (RFC 8693): callers must show one. See [`crate::upstream::Tokens`].
    #[must_use]
    pub fn exchanges(mut self) -> Self {
        self.sketch.exchanges = true;
        self
    }

    /// Another verb that means this one: `POST` for `SUMMARIZE`.
    #[must_use]
    pub fn alias(mut self, verb: &str) -> Self {
        self.sketch.aliases.push(verb.into());
        self
    }

    /// Some role of the caller must permit this action on this resource; the action is the verb
    /// in lower case unless it is given.
    #[must_use]
    pub fn resource(mut self, resource: &str, action: Option<&str>) -> Self {
        self.sketch.permission = Some((resource.into(), action.map(Arc::from)));
        self
    }

    /// Requests name a tenant in this parameter of the path, `org` of `/orgs/{org}/files`, and it
    /// must be the caller's own.
    #[must_use]
    pub fn tenant_in_path(mut self, parameter: &str) -> Self {
        self.sketch.tenant = Some(Tenant::Path(parameter.into()));
        self
    }

    /// Requests name a tenant in this header field, and it must be the caller's own.
    #[must_use]
    pub fn tenant_in_header(mut self, name: &str) -> Self {
        self.sketch.tenant = Some(Tenant::Header(name.into()));
        self
    }

    /// Where requests name a tenant, worked out already.
    #[must_use]
    pub fn tenant(mut self, at: TenantAt) -> Self {
        self.sketch.tenant = Some(Tenant::At(at));
        self
    }

    /// Somebody must agree to each call first; [`crate::app::AppBuilder::approvers`] says who.
    #[must_use]
    pub fn approval(mut self) -> Self {
        self.sketch.approval = true;
        self
    }

    /// Which tools and models its calls may name.
    #[must_use]
    pub fn names(mut self, names: Names) -> Self {
        self.sketch.names = names;
        self
    }

    /// `acquire`, `compute`, `transact`, `communicate` or `orchestrate`.
    #[must_use]
    pub fn category(mut self, category: &str) -> Self {
        self.sketch.about.category = Some(category.into());
        self
    }

    /// One sentence for `DISCOVER` and OpenAPI.
    #[must_use]
    pub fn description(mut self, description: &str) -> Self {
        self.sketch.about.description = Some(description.into());
        self
    }

    /// Everything that is told about it.
    #[must_use]
    pub fn about(mut self, about: About) -> Self {
        self.sketch.about = about;
        self
    }

    /// What its bodies look like. One that speaks MCP gets rules with a key of its own, where none
    /// are written; see [`Draft::mcp`].
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.sketch.protocol = protocol;
        if protocol == Protocol::Mcp && self.sketch.mcp.is_none() {
            let chance = [clock::chance(), clock::chance()].map(u128::to_ne_bytes).concat();
            self.sketch.mcp = Some(Arc::new(mcp::Rules::new(&chance.into())));
        }
        self
    }

    /// What is laid down for one that speaks MCP. Its verbs (`GET`, `POST`, `DELETE`) are endpoints
    /// of their own here, and share the rules: a session opened by one is used by all.
    #[must_use]
    pub fn mcp(mut self, rules: Arc<mcp::Rules>) -> Self {
        (self.sketch.protocol, self.sketch.mcp) = (Protocol::Mcp, Some(rules));
        self
    }

    /// What is known of the agent behind it, for [`Protocol::A2a`]; without it nothing passes there.
    #[must_use]
    pub fn agent(mut self, agent: Arc<Agent>) -> Self {
        self.sketch.agent = Some(agent);
        self
    }

    /// The JSON Schema (2020-12) of its bodies, where it is not that of the type.
    #[must_use]
    pub fn schema(mut self, schema: &serde_json::Value) -> Self {
        self.sketch.schema = Some(Schema::compile(schema).map(Arc::new));
        self
    }

    /// A schema that is compiled already.
    #[must_use]
    pub fn compiled(mut self, schema: Arc<Schema>) -> Self {
        self.sketch.schema = Some(Ok(schema));
        self
    }

    /// The largest request body, in bytes.
    #[must_use]
    pub fn max_request_size(mut self, bytes: u64) -> Self {
        self.sketch.max_request_size = Some(bytes);
        self
    }

    /// What a call costs at the most, and what it is charged where its handler reports nothing.
    #[must_use]
    pub fn cost(mut self, cost: Cost) -> Self {
        self.sketch.cost = cost;
        self
    }

    /// What must not pass, where it is not what the app says.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.sketch.profile = Some(profile);
        self
    }

    /// What is laid down for the messages of a WebSocket, whose bytes pass unread where nothing is
    /// and nothing is masked or counted.
    #[must_use]
    pub fn messages(mut self, messages: Messages) -> Self {
        self.sketch.messages = Some(messages);
        self
    }

    /// How long an answer may take to begin.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.sketch.timeout = Some(timeout);
        self
    }

    /// How long a body may take that is read whole, and how long another may stand still.
    #[must_use]
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.sketch.body_timeout = Some(timeout);
        self
    }

    /// What becomes of a call whose client hangs up.
    #[must_use]
    pub fn on_disconnect(mut self, what: OnDisconnect) -> Self {
        self.sketch.on_disconnect = what;
        self
    }

    /// Whether `X-AGIS-Method` may name the verb on a POST; it may, unless this says no.
    #[must_use]
    pub fn method_override(mut self, allowed: bool) -> Self {
        self.sketch.method_override = allowed;
        self
    }
}

/// What the app says where an endpoint leaves it open.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    pub(crate) max_request_size: u64,
    pub(crate) timeout: Duration,
    pub(crate) body_timeout: Duration,
    pub(crate) profile: Profile,
    pub(crate) limits: Vec<(Arc<Limit>, Applies)>,
    /// Asked for at every endpoint that is not public.
    pub(crate) scopes: Vec<Arc<str>>,
}

/// To which endpoints a limit applies, by their path template and verb; to all where nothing is
/// said.
#[derive(Clone)]
pub(crate) struct Applies(pub(crate) Option<Arc<Predicate>>);

type Predicate = dyn Fn(&str, &Method) -> bool + Send + Sync;

impl Applies {
    fn to(&self, path: &str, verb: &Method) -> bool {
        self.0.as_ref().is_none_or(|applies| applies(path, verb))
    }
}

impl std::fmt::Debug for Applies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Applies(where …)" } else { "Applies(everywhere)" })
    }
}

/// An endpoint that cannot be served. The developer must mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadEndpoint {
    /// A verb that is no token, or one that HTTP reserves.
    #[error("`{0}` is no verb: use a token such as `SUMMARIZE` or a method of HTTP's")]
    Verb(String),
    /// A method of HTTP's in the wrong case: nobody could ever call it.
    #[error("`{0}` would never be reached: methods have a case, write `{1}`")]
    VerbCase(String, &'static str),
    /// Neither scopes nor roles, nor `authenticated` or `public`.
    #[error(
        "`{0}` has no policy: name scopes or roles, or say `authenticated` or `public`; empty \
         lists count as absent"
    )]
    NoPolicy(String),
    /// Its requests name no tenant there.
    #[error(
        "`{0}` names no tenant in `{1}`: write a parameter that is a segment of its path, or a header field"
    )]
    Tenant(String, String),
    /// Nobody could be held to what was allowed to them.
    #[error("`{0}` asks for approvals and is public: say who may use it")]
    PublicApproval(String),
    /// Its schema cannot be used.
    #[error("`{0}`: {1}")]
    Schema(String, SchemaError),
    /// Nobody answers at it.
    #[error("`{0}` has no handler: serve it with a function, or build the app with `layer()`")]
    NoHandler(String),
    /// A proxy sends its calls on, and what is asked of them only the gate on their way can do.
    #[error(
        "`{0}` is only asked about, and a proxy that asks shows neither body nor answer: take away its \
         schema, its screening, its approval and the hooks that read it, or put the gate in the way"
    )]
    Unseen(String),
    /// Nobody may ask about it.
    #[error("`{0}` is only asked about, and no proxy may ask: name those that may with `proxies`")]
    NoAsker(String),
    /// A text or a number of it cannot be used.
    #[error("`{0}`: {1}")]
    Flaw(String, Flaw),
}

impl Sketch {
    /// What was written and cannot be used; `in_front` is whether a service stands behind.
    pub(crate) fn flaws(&self, in_front: bool) -> Vec<BadEndpoint> {
        let name = || format!("{} {}", self.verb, self.path);
        let lonely = (self.within && !in_front).then(|| BadEndpoint::NoHandler(name()));
        let flaws = self.flaws.iter().map(|flaw| BadEndpoint::Flaw(name(), flaw.clone()));
        lonely.into_iter().chain(flaws).collect()
    }

    /// The endpoint, with what the app says where this leaves it open.
    pub(crate) fn finish(self, defaults: &Defaults) -> Result<Endpoint, BadEndpoint> {
        let name = format!("{} {}", self.verb, self.path);
        let verb = parse_verb(&self.verb)?;
        let aliases = self.aliases.iter().map(|alias| parse_verb(alias));
        let aliases = aliases.collect::<Result<Vec<_>, _>>()?;
        if self.access.scopes().is_empty()
            && self.access.roles().is_empty()
            && matches!(self.access, Access::Held { .. })
        {
            return Err(BadEndpoint::NoPolicy(name));
        }
        if self.approval && self.access.is_public() {
            return Err(BadEndpoint::PublicApproval(name));
        }
        let tenant = self.tenant.map(|tenant| tenant.at(&self.path, &name)).transpose()?;
        let schema = self.schema.transpose().map_err(|error| BadEndpoint::Schema(name, error))?;
        let permission = self.permission.map(|(resource, action)| Permission {
            resource,
            action: action.unwrap_or_else(|| Endpoint::default_action(&verb)),
        });
        let common = defaults.limits.iter().filter(|(_, applies)| applies.to(&self.path, &verb));
        let mut limits: Vec<_> = common.map(|(limit, _)| Arc::clone(limit)).collect();
        limits.extend(self.limits);
        if self.about.built_in {
            // The app's own endpoints cost nothing: no budget may shut them.
            limits.retain(|limit| {
                matches!(limit.rule.measure, Measure::Requests | Measure::Concurrent)
            });
        }
        Ok(Endpoint {
            index: 0,
            verb,
            path: self.path.into(),
            aliases,
            method_override: self.method_override,
            access: self.access.and_scopes(&defaults.scopes),
            permission,
            tenant,
            approval: self.approval,
            names: self.names,
            protocol: self.protocol,
            mcp: self.mcp,
            agent: self.agent,
            messages: self.messages,
            schema,
            max_request_size: self.max_request_size.unwrap_or(defaults.max_request_size),
            limits,
            cost: self.cost,
            profile: self.profile.unwrap_or_else(|| defaults.profile.clone()),
            timeout: self.timeout.unwrap_or(defaults.timeout),
            body_timeout: self.body_timeout.unwrap_or(defaults.body_timeout),
            on_disconnect: self.on_disconnect,
            elsewhere: self.elsewhere,
            seen_as: 0,
            exchanges: self.exchanges,
            about: self.about,
        })
    }
}

impl Tenant {
    fn at(&self, path: &str, endpoint: &str) -> Result<TenantAt, BadEndpoint> {
        let (name, at) = match self {
            Self::Path(name) => (name, TenantAt::in_path(path, name)),
            Self::Header(name) => (name, name.parse().ok().map(TenantAt::Header)),
            Self::At(at) => return Ok(at.clone()),
        };
        at.ok_or_else(|| BadEndpoint::Tenant(endpoint.to_owned(), name.clone()))
    }
}

fn parse_verb(verb: &str) -> Result<Method, BadEndpoint> {
    let bad = || BadEndpoint::Verb(verb.to_owned());
    let method = Method::from_bytes(verb.as_bytes()).map_err(|_| bad())?;
    let standard = STANDARD.iter().find(|standard| standard.eq_ignore_ascii_case(verb));
    match standard {
        Some(&("CONNECT" | "TRACE")) => Err(bad()),
        Some(&standard) if standard != verb => Err(BadEndpoint::VerbCase(verb.into(), standard)),
        Some(_) | None => Ok(method),
    }
}

const STANDARD: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
