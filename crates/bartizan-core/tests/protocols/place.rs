//! An endpoint for calls of models, and what somebody may do there.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::admit::Proxies;
use bartizan_core::authenticate::{Caller, Identity, Principal};
use bartizan_core::authorize::endpoint::{About, By, Cost, Limit, OnDisconnect};
use bartizan_core::authorize::{
    Access, Circumstances, Endpoint, Grant, NameRule, Named, Names, OnDeniedTool, Policy,
};
use bartizan_core::limit::permit::{Demand, on_the_road};
use bartizan_core::limit::price::{NanoUsd, Price};
use bartizan_core::limit::{Draw, Measure, Rule, Shape};
use bartizan_core::mask::Profile;
use bartizan_core::time::Timestamp;
use bartizan_core::validate::a2a::Agent;
use bartizan_core::validate::{Call, Payload, Protocol, Unfit, mcp};
use bytes::Bytes;
use http::{HeaderMap, Method, Request};

/// An endpoint for everything below `/v1`, and what its calls may name.
pub(crate) struct Place {
    pub(crate) protocol: Protocol,
    pub(crate) path: &'static str,
    pub(crate) names: Names,
    pub(crate) cost: Cost,
    pub(crate) limits: Vec<Arc<Limit>>,
    pub(crate) profile: Profile,
    pub(crate) mcp: Option<Arc<mcp::Rules>>,
    pub(crate) agent: Option<Arc<Agent>>,
}

impl Place {
    pub(crate) fn new(protocol: Protocol) -> Self {
        let names = Names::default();
        let profile = Profile::default();
        let (path, mcp, agent) = ("/v1/{*rest}", None, None);
        let (cost, limits) = (Cost::default(), Vec::new());
        Self { protocol, path, names, cost, limits, profile, mcp, agent }
    }

    /// A budget of dollars for everybody, and these prices of a million tokens, in and out alike.
    pub(crate) fn budget(mut self, prices: &[(&str, u64)]) -> Self {
        self.limits.push(Arc::new(Limit::new(budget(), By::Everybody)));
        let price = |dollars: u64| NanoUsd(dollars * 1_000_000_000);
        let row = |&(model, dollars): &(&str, u64)| {
            (model.to_owned(), Price::flat(price(dollars), price(dollars), None))
        };
        self.cost.prices = Arc::new(prices.iter().map(row).collect());
        self
    }

    /// What a call draws: whose counter of which limit, and how much of it.
    pub(crate) fn draws(&self, path: &str, body: &str) -> Vec<(String, u64)> {
        let call = self.read(path, body).unwrap();
        let client = Proxies::default().client([192, 0, 2, 1].into(), &HeaderMap::new());
        let (Demand::ForGood(draws) | Demand::Reserved(draws)) =
            on_the_road(&self.grant(), &call, client).unwrap();
        let told = |draw: Draw| {
            let subject = draw.key.as_str().rsplit('/').next().unwrap_or_default().to_owned();
            (subject, draw.amount)
        };
        draws.into_iter().map(told).collect()
    }

    /// Whether a call is refused because a model that may answer it has no price for it.
    pub(crate) fn unpriced(&self, path: &str, body: &str) -> bool {
        let call = self.read(path, body).unwrap();
        let client = Proxies::default().client([192, 0, 2, 1].into(), &HeaderMap::new());
        on_the_road(&self.grant(), &call, client).is_err()
    }

    /// The tools that everybody may offer.
    pub(crate) fn tools(mut self, patterns: &[&str], on_denied: OnDeniedTool) -> Self {
        self.names.tools = Some(Arc::new(Named::new(rules(patterns))));
        self.names.on_denied_tool = on_denied;
        self
    }

    /// What the caller `ann` is granted here.
    pub(crate) fn grant(&self) -> Grant {
        self.grant_to("ann")
    }

    /// What somebody of that name is granted here.
    pub(crate) fn grant_to(&self, name: &str) -> Grant {
        let mut identity = Identity::bare(Principal::parse(name));
        identity.roles = vec!["user".into()];
        self.grant_of(Caller::assert(identity))
    }

    /// What this caller is granted here.
    pub(crate) fn grant_of(&self, caller: Caller) -> Grant {
        let endpoint = Endpoint {
            index: 0,
            verb: Method::POST,
            path: self.path.into(),
            aliases: Vec::new(),
            method_override: true,
            access: Access::Authenticated,
            permission: None,
            tenant: None,
            approval: false,
            names: self.names.clone(),
            protocol: self.protocol,
            mcp: self.mcp.clone(),
            agent: self.agent.clone(),
            messages: None,
            schema: None,
            max_request_size: 1_000_000,
            limits: self.limits.clone(),
            cost: self.cost.clone(),
            profile: self.profile.clone(),
            timeout: Duration::from_secs(1),
            body_timeout: Duration::from_secs(1),
            on_disconnect: OnDisconnect::Cancel,
            elsewhere: false,
            seen_as: 0,
            exchanges: false,
            about: About::default(),
        };
        let mut policy = Policy::default();
        policy.routes.add(endpoint).unwrap();
        let path = self.path.replace("{*rest}", "x");
        let route = policy.routes.find(&Method::POST, None, &path);
        let now = Circumstances {
            now: Timestamp(1),
            address: [192, 0, 2, 1].into(),
            path: None,
            headers: None,
        };
        policy.decide(caller, &route, &now).unwrap()
    }

    /// Reads a call to `path`.
    pub(crate) fn read(&self, path: &str, body: &str) -> Result<Call<()>, Unfit> {
        self.read_with(&[], path, body)
    }

    /// Reads a call with these header fields.
    pub(crate) fn read_with(
        &self,
        fields: &[(&str, &str)],
        path: &str,
        body: &str,
    ) -> Result<Call<()>, Unfit> {
        let verb = if body.is_empty() { Method::GET } else { Method::POST };
        let mut request =
            Request::builder().method(verb).uri(path).header("content-type", "application/json");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Call::parse(&self.grant(), &head, Payload::Whole(Bytes::from(body.to_owned())))
    }
}

/// A hundred dollars.
pub(crate) fn budget() -> Arc<Rule> {
    let shape = Shape::Window { limit: 100_000_000_000, length: Duration::from_secs(3600) };
    Arc::new(Rule::new("budget", Measure::NanoUsd, shape))
}

pub(crate) fn rules(patterns: &[&str]) -> Vec<NameRule> {
    let rule = |pattern: &&str| NameRule { pattern: (*pattern).into(), ..NameRule::default() };
    patterns.iter().map(rule).collect()
}

/// What goes on of a call.
pub(crate) fn sent(call: &Call<()>) -> serde_json::Value {
    match call.body() {
        Payload::Whole(bytes) => serde_json::from_slice(bytes).unwrap(),
        Payload::Stream(()) => panic!("it was read whole"),
    }
}
