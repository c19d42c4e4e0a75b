//! Does no configuration make its reader stumble, and no policy in it open what an endpoint keeps shut?
#![no_main]

use std::net::IpAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use bartizan_core::authenticate::{Caller, Identity, Principal};
use bartizan_core::authorize::endpoint::{About, Cost, OnDisconnect};
use bartizan_core::authorize::{
    Access, Circumstances, Endpoint, Names, Policy, Routes, Statements,
};
use bartizan_core::mask::Profile;
use bartizan_core::time::Timestamp;
use bartizan_core::validate::Protocol;
use bartizan_gateway::config::{Overrides, examine_text};
use http::Method;
use libfuzzer_sys::fuzz_target;

const PATH: &str = "/orgs/acme/files/a";

static ROUTES: LazyLock<Routes> = LazyLock::new(|| {
    let mut routes = Routes::default();
    routes.add(endpoint()).unwrap();
    routes
});

fuzz_target!(|text: &str| {
    let nowhere = Path::new("nowhere");
    let examined = examine_text(text, nowhere, &Overrides::default(), &|_| None);
    let Ok(settings) = examined.into_settings() else { return };
    let statements = Statements::compile(settings.policies.statements, &ROUTES);
    let policy = Policy { routes: ROUTES.clone(), statements, ..Policy::default() };
    let route = policy.routes.find(&Method::GET, None, PATH);
    let circumstances = Circumstances {
        now: Timestamp(1_800_000_000_000_000),
        address: IpAddr::from([192, 0, 2, 1]),
        path: Some(PATH),
        headers: None,
    };
    let stranger = Caller::assert(Identity {
        scopes: vec!["money:send".into()],
        roles: vec!["chief".into()],
        ..Identity::bare(Principal::parse("corp:ann"))
    });
    for caller in [Caller::anonymous(), stranger] {
        assert!(policy.decide(caller, &route, &circumstances).is_err(), "a policy opened it");
    }
});

/// One for which a scope is needed that nobody here has.
fn endpoint() -> Endpoint {
    Endpoint {
        index: 0,
        verb: Method::GET,
        path: "/orgs/{org}/files/{*rest}".into(),
        aliases: Vec::new(),
        method_override: false,
        access: Access::Held { scopes: vec!["files:read".into()], roles: Vec::new() },
        permission: None,
        tenant: None,
        approval: false,
        protocol: Protocol::Http,
        mcp: None,
        agent: None,
        schema: None,
        max_request_size: 1000,
        limits: Vec::new(),
        cost: Cost::default(),
        profile: Profile::default(),
        timeout: Duration::from_secs(1),
        body_timeout: Duration::from_secs(1),
        on_disconnect: OnDisconnect::Cancel,
        elsewhere: false,
        exchanges: false,
        seen_as: 0,
        messages: None,
        about: About::default(),
        names: Names::default(),
    }
}
