//! An endpoint for calls of models, and what somebody may do there.

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::{Caller, Identity, Principal};
use bartizan_core::authorize::endpoint::{About, Cost, OnDisconnect};
use bartizan_core::authorize::{
    Access, Circumstances, Endpoint, Grant, NameRule, Named, Names, OnDeniedTool, Policy,
};
use bartizan_core::mask::Profile;
use bartizan_core::time::Timestamp;
use bartizan_core::validate::a2a::Agent;
use bartizan_core::validate::{Call, Payload, Protocol, Unfit, mcp};
use bytes::Bytes;
use http::{Method, Request};

#[allow(dead_code, reason = "not every target reads a call of a model")]
pub(crate) const PATHS: [(Protocol, &str); 4] = [
    (Protocol::OpenAi, "/v1/chat/completions"),
    (Protocol::OpenAi, "/v1/responses"),
    (Protocol::OpenAi, "/v1/completions"),
    (Protocol::Anthropic, "/v1/messages"),
];

/// Models and tools whose names begin with `good`, and no others.
#[allow(dead_code, reason = "not every target has an agent")]
pub(crate) fn grant(protocol: Protocol, on_denied_tool: OnDeniedTool) -> Grant {
    grant_to(protocol, on_denied_tool, None)
}

/// The same, with an agent behind it.
pub(crate) fn grant_to(
    protocol: Protocol,
    on_denied_tool: OnDeniedTool,
    agent: Option<Arc<Agent>>,
) -> Grant {
    let rules = vec![NameRule { pattern: "good*".into(), ..NameRule::default() }];
    let named = Some(Arc::new(Named::new(rules)));
    let endpoint = Endpoint {
        index: 0,
        verb: Method::POST,
        path: "/v1/{*rest}".into(),
        aliases: Vec::new(),
        method_override: true,
        access: Access::Authenticated,
        permission: None,
        tenant: None,
        approval: false,
        names: Names {
            tools: named.clone(),
            models: named.clone(),
            resources: named.clone(),
            prompts: named.clone(),
            server_requests: named,
            on_denied_tool,
            ..Names::default()
        },
        protocol,
        mcp: (protocol == Protocol::Mcp).then(|| Arc::new(mcp::Rules::new(&vec![7; 32].into()))),
        agent,
        schema: None,
        max_request_size: 1_000_000,
        limits: Vec::new(),
        cost: Cost { max_output_tokens: 100, ..Cost::default() },
        profile: Profile::default(),
        timeout: Duration::from_secs(1),
        body_timeout: Duration::from_secs(1),
        on_disconnect: OnDisconnect::Cancel,
        elsewhere: false,
        exchanges: false,
        seen_as: 0,
        messages: None,
        about: About::default(),
    };
    let mut policy = Policy::default();
    policy.routes.add(endpoint).expect("the only one");
    let caller = Caller::assert(Identity::bare(Principal::parse("ann")));
    let route = policy.routes.find(&Method::POST, None, "/v1/x");
    let address = [192, 0, 2, 1].into();
    let now = Circumstances { now: Timestamp(1), address, path: None, headers: None };
    policy.decide(caller, &route, &now).expect("everybody with a name may call it")
}

#[allow(dead_code, reason = "not every target reads a call of a model")]
pub(crate) fn read(grant: &Grant, path: &str, body: &[u8]) -> Result<Call<()>, Unfit> {
    let request = Request::post(path).header("content-type", "application/json").body(());
    let (head, ()) = request.expect("the path is one").into_parts();
    Call::parse(grant, &head, Payload::Whole(Bytes::copy_from_slice(body)))
}
