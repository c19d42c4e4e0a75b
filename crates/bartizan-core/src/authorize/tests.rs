//! The policy, held against what an operator would expect of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::time::Duration;

use super::endpoint::{About, Cost, OnDisconnect};
use super::*;
use crate::authenticate::{Identity, Kind};
use crate::mask::Profile;
use crate::time::Timestamp;
use crate::validate::Protocol;

pub(super) fn arc(text: &str) -> Arc<str> {
    text.into()
}

pub(super) fn verb(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap()
}

pub(super) fn endpoint(verb_name: &str, path: &str, access: Access) -> Endpoint {
    Endpoint {
        index: 0,
        verb: verb(verb_name),
        path: arc(path),
        aliases: Vec::new(),
        method_override: true,
        access,
        permission: None,
        tenant: None,
        approval: false,
        names: Names::default(),
        protocol: Protocol::Http,
        mcp: None,
        agent: None,
        messages: None,
        schema: None,
        max_request_size: 1000,
        limits: Vec::new(),
        cost: Cost::default(),
        profile: Profile::default(),
        timeout: Duration::from_secs(1),
        body_timeout: Duration::from_secs(1),
        on_disconnect: OnDisconnect::Cancel,
        elsewhere: false,
        seen_as: 0,
        exchanges: false,
        about: About::default(),
    }
}

pub(super) fn held(scopes: &[&str], roles: &[&str]) -> Access {
    let arcs = |words: &[&str]| words.iter().map(|word| arc(word)).collect();
    Access::Held { scopes: arcs(scopes), roles: arcs(roles) }
}

pub(super) fn caller(name: &str, scopes: &[&str], roles: &[&str]) -> Caller {
    let arcs = |words: &[&str]| words.iter().map(|word| arc(word)).collect();
    let bare = Identity::bare(Principal::parse(name));
    assert_eq!(bare.principal.kind, Kind::User);
    Caller::assert(Identity { scopes: arcs(scopes), roles: arcs(roles), ..bare })
}

pub(super) fn policy(endpoints: Vec<Endpoint>) -> Policy {
    let mut policy = Policy::default();
    for endpoint in endpoints {
        policy.routes.add(endpoint).unwrap();
    }
    policy
}

/// A call from nowhere in particular.
pub(super) fn at(path: &str) -> Circumstances<'_> {
    let address = std::net::IpAddr::from([192, 0, 2, 1]);
    Circumstances { now: Timestamp(0), address, path: Some(path), headers: None }
}

pub(super) fn decide(policy: &Policy, caller: Caller, verb_name: &str, path: &str) -> String {
    let route = policy.routes.find(&verb(verb_name), None, path);
    match policy.decide(caller, &route, &at(path)) {
        Ok(grant) => format!("granted {}", grant.endpoint().path),
        Err(Denied::Forbidden(denial)) => denial.to_string(),
        Err(Denied::Unauthenticated(rejection, scopes)) => format!("{rejection:?} {scopes:?}"),
    }
}

#[test]
fn all_scopes_and_any_role() {
    let policy = policy(vec![endpoint("GET", "/x", held(&["a", "b"], &["r", "s"]))]);
    let ask = |scopes: &[&str], roles: &[&str]| {
        decide(&policy, caller("ann", scopes, roles), "GET", "/x")
    };
    assert_eq!(ask(&["a", "b"], &["s"]), "granted /x");
    assert_eq!(ask(&["a"], &["s"]), "the caller lacks one of the scopes `a`, `b`");
    assert_eq!(ask(&["a", "b"], &[]), "the caller has none of the roles `r`, `s`");
}

#[test]
fn an_assigned_role_counts_for_that_principal_only() {
    let mut policy = policy(vec![endpoint("GET", "/x", held(&[], &["admin"]))]);
    policy.assigned.insert("local:ann".into(), vec![arc("admin")]);
    assert_eq!(decide(&policy, caller("ann", &[], &[]), "GET", "/x"), "granted /x");
    let stranger = caller("corp:ann", &[], &[]);
    assert_eq!(
        decide(&policy, stranger, "GET", "/x"),
        "the caller has none of the roles `admin`",
        "the same subject of another issuer is somebody else"
    );
}

#[test]
fn a_resource_asks_for_a_permission_besides() {
    let mut guarded = endpoint("SUMMARIZE", "/document", held(&["read"], &[]));
    guarded.permission = Some(Permission { resource: arc("document"), action: arc("summarize") });
    let mut policy = policy(vec![guarded]);
    let permission = Permission { resource: arc("document"), action: arc("*") };
    policy.roles = Roles::new(HashMap::from([(arc("reader"), vec![permission])]));
    let ask =
        |roles: &[&str]| decide(&policy, caller("ann", &["read"], roles), "SUMMARIZE", "/document");
    assert_eq!(ask(&["reader"]), "granted /document");
    assert_eq!(ask(&["writer"]), "no role of the caller permits `summarize` on `document`");
}

#[test]
fn nobody_learns_from_outside_what_exists() {
    let policy = policy(vec![
        endpoint("GET", "/health", Access::Public),
        endpoint("GET", "/x", held(&["a"], &[])),
    ]);
    let ask = |verb: &str, path: &str| decide(&policy, Caller::anonymous(), verb, path);
    assert_eq!(ask("GET", "/health"), "granted /health");
    assert_eq!(ask("GET", "/x"), r#"Missing ["a"]"#);
    assert_eq!(ask("GET", "/nothing"), "Missing []");
    assert_eq!(ask("POST", "/x"), "Missing []");
    assert_eq!(ask("POST", "/health"), "the path does not serve this verb");
    let known = |verb: &str, path: &str| decide(&policy, caller("ann", &[], &[]), verb, path);
    assert_eq!(known("GET", "/nothing"), "nothing is served at this path");
    assert_eq!(known("POST", "/x"), "the path does not serve this verb");
}

#[test]
fn only_what_the_caller_may_use_is_listed() {
    let policy = policy(vec![
        endpoint("GET", "/health", Access::Public),
        endpoint("GET", "/x", held(&["a"], &[])),
        endpoint("GET", "/me", Access::Authenticated),
    ]);
    let list = |caller: Caller| {
        policy.usable(&caller, &at("/")).map(|e| e.path.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(list(Caller::anonymous()), "/health");
    assert_eq!(list(caller("ann", &[], &[])), "/health /me");
    assert_eq!(list(caller("ann", &["a"], &[])), "/health /x /me");
}

#[test]
fn aliases_and_overrides_lead_to_the_verb_they_mean() {
    let mut summarize = endpoint("SUMMARIZE", "/document", Access::Public);
    summarize.aliases = vec![Method::POST];
    let mut fixed = endpoint("FETCH", "/document", Access::Public);
    fixed.method_override = false;
    let policy = policy(vec![summarize, fixed]);
    let find = |v: &str, o: Option<&str>| match policy.routes.find(
        &verb(v),
        o.map(verb).as_ref(),
        "/document",
    ) {
        Route::Found(endpoint) => endpoint.verb.to_string(),
        Route::Missing { denial, .. } => denial.to_string(),
    };
    assert_eq!(find("POST", None), "SUMMARIZE");
    assert_eq!(find("POST", Some("SUMMARIZE")), "SUMMARIZE");
    let refused = "`X-AGIS-Method` names no verb of this path that may be named so";
    assert_eq!(find("POST", Some("FETCH")), refused);
    assert_eq!(find("POST", Some("TRANSLATE")), refused);
    assert_eq!(find("FETCH", None), "FETCH");
    assert_eq!(find("fetch", None), "the path does not serve this verb");
}

#[test]
fn a_verb_served_twice_is_refused() {
    let mut routes = Routes::default();
    routes.add(endpoint("GET", "/x", Access::Public)).unwrap();
    let again = routes.add(endpoint("GET", "/x", Access::Public)).unwrap_err();
    assert_eq!(again.to_string(), "`GET /x` is served twice");
    assert!(routes.add(endpoint("GET", "/{a}/b", Access::Public)).is_ok());
    assert!(routes.add(endpoint("GET", "/{b}/b", Access::Public)).is_err());
}
