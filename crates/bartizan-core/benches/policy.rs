//! How long does a decision take, with ten endpoints and roles, and with ten thousand?
//!
//! The target is under 500 ns at 10,000 endpoints, and at most twice what it takes at ten.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::{Caller, Identity, Principal};
use bartizan_core::authorize::condition::Conditions;
use bartizan_core::authorize::endpoint::{About, Cost, OnDisconnect};
use bartizan_core::authorize::statement::Target;
use bartizan_core::authorize::{
    Access, Circumstances, Effect, Endpoint, Names, Permission, Policy, Roles, Scopes, Statement,
    Statements,
};
use bartizan_core::mask::Profile;
use bartizan_core::time::Timestamp;
use bartizan_core::validate::Protocol;
use criterion::{Criterion, criterion_group, criterion_main};
use http::Method;

/// The one that the gateway has is not ours to choose here; the road's own benchmark has it.
const SIZES: [usize; 2] = [10, 10_000];

fn endpoint(index: usize) -> Endpoint {
    Endpoint {
        index: 0,
        verb: Method::POST,
        path: format!("/service-{index}/documents/{{id}}").into(),
        aliases: Vec::new(),
        method_override: true,
        access: Access::Held {
            scopes: vec!["data:read".into()],
            roles: vec![format!("role-{index}").into(), "user".into()],
        },
        permission: Some(Permission {
            resource: format!("documents/{index}").into(),
            action: "post".into(),
        }),
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

/// A policy with so many endpoints, roles and scopes, and with a statement for each endpoint
/// where `statements` says so.
fn policy(size: usize, statements: bool) -> Policy {
    let mut policy = Policy::default();
    for index in 0..size {
        drop(policy.routes.add(endpoint(index)));
    }
    let permission =
        |resource: String| Permission { resource: resource.into(), action: "*".into() };
    let mut roles: HashMap<Arc<str>, Vec<Permission>> = (0..size)
        .map(|index| {
            (format!("role-{index}").into(), vec![permission(format!("documents/{index}"))])
        })
        .collect();
    roles.insert("user".into(), vec![permission("documents/*".into())]);
    roles.insert("lead".into(), Vec::new());
    let mut parents: HashMap<Arc<str>, Vec<Arc<str>>> = HashMap::new();
    parents.insert("lead".into(), vec!["user".into()]);
    policy.roles = Roles::inheriting(&roles, &parents).unwrap_or_default();
    let implies: Vec<(Arc<str>, Vec<Arc<str>>)> = (0..size)
        .map(|index| (format!("scope-{index}").into(), vec!["data:read".into()]))
        .collect();
    policy.scopes = Scopes::new(&implies);
    if statements {
        let all = (0..size).map(|index| Statement {
            name: format!("policy-{index}").into(),
            effect: Effect::Deny,
            priority: 0,
            target: Target {
                paths: vec![format!("/service-{index}/*").into()],
                ..Target::default()
            },
            when: Conditions { roles: vec!["suspended".into()], ..Conditions::default() },
            unless: None,
        });
        policy.statements = Statements::compile(all.collect(), &policy.routes);
    }
    policy
}

fn caller() -> Caller {
    Caller::assert(Identity {
        scopes: vec!["scope-7".into()],
        roles: vec!["lead".into(), "role-3".into()],
        ..Identity::bare(Principal::parse("corp:ann"))
    })
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    for statements in [false, true] {
        for size in SIZES {
            let policy = policy(size, statements);
            let path = format!("/service-{}/documents/7", size / 2);
            let circumstances = Circumstances {
                now: Timestamp(0),
                address: IpAddr::from([192, 0, 2, 1]),
                path: Some(&path),
                headers: None,
            };
            let route = policy.routes.find(&Method::POST, None, &path);
            let caller = caller();
            let with = if statements { "policies" } else { "roles" };
            group.bench_function(format!("decide/{with}/{size}"), |bencher| {
                bencher.iter(|| policy.decide(black_box(caller.clone()), &route, &circumstances));
            });
            group.bench_function(format!("find/{with}/{size}"), |bencher| {
                bencher.iter(|| policy.routes.find(&Method::POST, None, black_box(&path)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
