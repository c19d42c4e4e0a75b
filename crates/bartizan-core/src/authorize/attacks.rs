//! What attackers try at the policy, and what fails open elsewhere. Each is named after what it proves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use proptest::prelude::*;
use serde_json::json;

use super::condition::{Claim, Conditions};
use super::statement::Target;
use super::tenant::TenantAt;
use super::tests::{arc, caller, decide, endpoint, held, policy, verb};
use super::*;
use crate::authenticate::Identity;
use crate::authenticate::claims::Grants;
use crate::time::Timestamp;

fn statement(name: &str, effect: Effect) -> Statement {
    Statement {
        name: arc(name),
        effect,
        priority: 0,
        target: Target::default(),
        when: Conditions::default(),
        unless: None,
    }
}

fn paths(mut statement: Statement, paths: &[&str]) -> Statement {
    statement.target.paths = paths.iter().map(|path| arc(path)).collect();
    statement
}

fn with(mut policy: Policy, statements: Vec<Statement>) -> Policy {
    policy.statements = Statements::compile(statements, &policy.routes);
    policy
}

fn of_tenant(name: &str, tenant: Option<&str>) -> Caller {
    let bare = Identity::bare(Principal::parse(name));
    Caller::assert(Identity { tenant: tenant.map(arc), ..bare })
}

fn outcome(policy: &Policy, caller: Caller, path: &str, headers: Option<&HeaderMap>) -> String {
    let route = policy.routes.find(&verb("GET"), None, path);
    let address = IpAddr::from([192, 0, 2, 1]);
    let circumstances = Circumstances { now: Timestamp(0), address, path: Some(path), headers };
    match policy.decide(caller, &route, &circumstances) {
        Ok(grant) => grant.need().map_or("granted".into(), |need| format!("ask {}", need.because)),
        Err(Denied::Forbidden(denial)) => denial.to_string(),
        Err(Denied::Unauthenticated(rejection, _)) => format!("{rejection:?}"),
    }
}

#[test]
fn a_path_that_only_looks_like_a_permitted_one_is_not_permitted() {
    let mut policy = policy(Vec::new());
    for (resource, path) in [
        ("tools/search", "/a"),
        ("tools_internal/x", "/b"),
        ("tools", "/c"),
        ("toolsx", "/d"),
        ("TOOLS/search", "/e"),
        ("tools//search", "/f"),
        ("tools/", "/g"),
    ] {
        let mut guarded = endpoint("GET", path, Access::Authenticated);
        guarded.permission = Some(Permission { resource: arc(resource), action: arc("get") });
        policy.routes.add(guarded).unwrap();
    }
    let permission = Permission { resource: arc("tools/*"), action: arc("*") };
    policy.roles = Roles::new(HashMap::from([(arc("user"), vec![permission])]));
    let ask = |path: &str| decide(&policy, caller("ann", &[], &["user"]), "GET", path);
    assert_eq!(ask("/a"), "granted /a");
    for path in ["/b", "/c", "/d", "/e", "/f", "/g"] {
        assert!(ask(path).starts_with("no role"), "{path}: {}", ask(path));
    }
}

#[test]
fn a_statement_that_denies_is_evaded_by_no_spelling_of_a_path() {
    let deny = paths(statement("secret", Effect::Deny), &["/files/secret", "/files/secret/*"]);
    let endpoints = vec![endpoint("GET", "/files/{*rest}", Access::Authenticated)];
    let policy = with(policy(endpoints), vec![deny]);
    let ask = |path: &str| outcome(&policy, caller("ann", &[], &[]), path, None);
    let denied = "the policy `secret` denies it";
    for path in [
        "/files/secret",
        "/files/secret/",
        "/files/secret;jsessionid=1",
        "/files/secret;v=1/deep",
        "/files/secret/deep/er",
    ] {
        assert_eq!(ask(path), denied, "{path}");
    }
    assert_eq!(ask("/files/secretive"), "granted");
    // What is encoded, doubled or climbs up never comes so far.
    for path in ["/files/%73ecret", "/files//secret", "/files/x/../secret", "/files/%2e%2e/secret"]
    {
        let (head, ()) =
            http::Request::get(path).header("host", "h").body(()).unwrap().into_parts();
        let parsed = crate::admit::Target::parse(&head);
        if let Ok(target) = parsed {
            assert_eq!(ask(target.path()), denied, "{path}");
        }
    }
}

#[test]
fn a_denial_wins_over_every_permission_whatever_its_priority() {
    let mut allow = statement("allow", Effect::Allow);
    allow.priority = i32::MAX;
    let mut deny = statement("deny", Effect::Deny);
    deny.priority = i32::MIN;
    let endpoints = vec![endpoint("GET", "/x", Access::Authenticated)];
    let policy = with(policy(endpoints), vec![allow, deny]);
    assert_eq!(
        outcome(&policy, caller("ann", &[], &["admin"]), "/x", None),
        "the policy `deny` denies it"
    );
}

#[test]
fn no_statement_opens_what_the_endpoint_keeps_shut() {
    let endpoints = vec![endpoint("GET", "/x", held(&["a"], &[]))];
    let policy = with(policy(endpoints), vec![statement("allow", Effect::Allow)]);
    let ask = |caller| outcome(&policy, caller, "/x", None);
    assert_eq!(ask(caller("ann", &[], &[])), "the caller lacks one of the scopes `a`");
    assert_eq!(ask(Caller::anonymous()), "Missing");
    assert_eq!(ask(caller("ann", &["a"], &[])), "granted");
}

#[test]
fn where_statements_allow_nobody_else_passes() {
    let mut allow = statement("staff", Effect::Allow);
    allow.when.roles = vec![arc("staff")];
    let endpoints = vec![endpoint("GET", "/x", Access::Authenticated)];
    let mut policy = policy(endpoints);
    policy.roles = Roles::new(HashMap::from([(arc("staff"), Vec::new())]));
    let policy = with(policy, vec![allow]);
    let ask = |roles: &[&str]| outcome(&policy, caller("ann", &[], roles), "/x", None);
    assert_eq!(ask(&["staff"]), "granted");
    assert_eq!(ask(&["Staff"]), "no policy that allows holds");
    assert_eq!(ask(&[]), "no policy that allows holds");
}

#[test]
fn an_approval_does_not_stand_for_a_permission() {
    let mut allow = statement("staff", Effect::Allow);
    allow.when.principals = vec![arc("corp:*")];
    let ask_first = statement("ask", Effect::RequireApproval);
    let endpoints = vec![endpoint("GET", "/x", Access::Authenticated)];
    let policy = with(policy(endpoints), vec![ask_first, allow]);
    let ask = |name: &str| outcome(&policy, caller(name, &[], &[]), "/x", None);
    assert_eq!(ask("corp:ann"), "ask ask", "the first that holds says whether one is needed");
    assert_eq!(ask("evil:ann"), "no policy that allows holds");
}

#[test]
fn nobody_without_a_name_waits_for_an_approval() {
    let endpoints = vec![endpoint("GET", "/x", Access::Public)];
    let policy = with(policy(endpoints), vec![statement("ask", Effect::RequireApproval)]);
    assert_eq!(outcome(&policy, Caller::anonymous(), "/x", None), "Missing");
    assert_eq!(outcome(&policy, caller("ann", &[], &[]), "/x", None), "ask ask");
}

#[test]
fn another_tenant_is_reached_neither_by_path_nor_by_header() {
    let mut by_path = endpoint("GET", "/orgs/{org}/files", Access::Authenticated);
    by_path.tenant = TenantAt::in_path("/orgs/{org}/files", "org");
    let mut by_header = endpoint("GET", "/files", Access::Authenticated);
    let name = HeaderName::from_static("x-tenant");
    by_header.tenant = Some(TenantAt::Header(name.clone()));
    let policy = policy(vec![by_path, by_header]);
    let crossed = "the request is not about the caller's own tenant";
    let acme = || of_tenant("ann", Some("acme"));
    let ask = |caller, path: &str| outcome(&policy, caller, path, None);
    assert_eq!(ask(acme(), "/orgs/acme/files"), "granted");
    for path in
        ["/orgs/evil/files", "/orgs/ACME/files", "/orgs/acme;x/files", "/orgs/acme%20/files"]
    {
        assert_eq!(ask(acme(), path), crossed, "{path}");
    }
    assert_eq!(ask(of_tenant("ann", None), "/orgs/acme/files"), crossed, "no tenant is no key");
    assert_eq!(ask(of_tenant("ann", None), "/orgs//files"), "nothing is served at this path");
    let fields = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name.clone(), value.parse().unwrap());
        }
        outcome(&policy, acme(), "/files", Some(&headers))
    };
    assert_eq!(fields(&["acme"]), "granted");
    for values in
        [&["evil"][..], &["acme", "evil"], &["acme", "acme"], &["acme,evil"], &["Acme"], &[]]
    {
        assert_eq!(fields(values), crossed, "{values:?}");
    }
    for other in ["x_tenant", "x.tenant"] {
        for value in ["evil", "acme"] {
            let mut headers = HeaderMap::new();
            headers.insert(name.clone(), "acme".parse().unwrap());
            headers.insert(other, value.parse().unwrap());
            assert_eq!(outcome(&policy, acme(), "/files", Some(&headers)), crossed, "{other}");
        }
    }
}

#[test]
fn a_claim_is_no_tenant() {
    let mut deny = statement("foreign", Effect::Deny);
    deny.unless = Some(Conditions { tenants: vec![arc("acme")], ..Conditions::default() });
    let endpoints = vec![endpoint("GET", "/x", Access::Authenticated)];
    let policy = with(policy(endpoints), vec![deny]);
    let claims = json!({ "tenant": "acme", "org_id": "acme" });
    let bare = Identity::bare(Principal::parse("corp:eve"));
    let eve =
        Caller::assert(Identity { claims: claims.as_object().unwrap().clone().into(), ..bare });
    assert_eq!(outcome(&policy, eve, "/x", None), "the policy `foreign` denies it");
    assert_eq!(outcome(&policy, of_tenant("corp:ann", Some("acme")), "/x", None), "granted");
}

#[test]
fn the_roles_of_a_foreign_issuer_are_not_ours() {
    // What an issuer may assert is decided before the policy: by default no role at all.
    assert!(!Grants::default().allows_role("admin"));
    let mut policy = policy(vec![endpoint("GET", "/x", held(&[], &["admin"]))]);
    policy.roles = Roles::new(HashMap::from([(arc("admin"), Vec::new())]));
    policy.assigned.insert("local:ann".into(), vec![arc("admin")]);
    let denied = "the caller has none of the roles `admin`";
    for name in ["corp:ann", "key:ann", "client:ann", "local:ann2", "local:Ann"] {
        let identity = Identity::bare(Principal::parse(name));
        let found = outcome(&policy, Caller::assert(identity), "/x", None);
        assert_eq!(found, denied, "{name}");
    }
    for role in ["local:admin", "corp:admin", "admin ", "Admin", "admin*", "*"] {
        let found = outcome(&policy, caller("corp:eve", &[], &[role]), "/x", None);
        assert_eq!(found, denied, "{role}");
    }
}

#[test]
fn a_principal_of_another_issuer_is_somebody_else() {
    let mut deny = statement("only corp", Effect::Deny);
    deny.unless = Some(Conditions { principals: vec![arc("corp:*")], ..Conditions::default() });
    let policy = with(policy(vec![endpoint("GET", "/x", Access::Authenticated)]), vec![deny]);
    let ask = |name: &str| outcome(&policy, caller(name, &[], &[]), "/x", None);
    assert_eq!(ask("corp:ann"), "granted");
    for name in ["corporate:ann", "evil:corp:ann", "ann", "local:corp:ann"] {
        assert_eq!(ask(name), "the policy `only corp` denies it", "{name}");
    }
}

#[test]
fn a_missing_claim_satisfies_no_condition() {
    let claim = |values: &[&str]| Claim {
        path: arc("team.level"),
        values: values.iter().map(|v| arc(v)).collect(),
    };
    let mut allow = statement("level", Effect::Allow);
    allow.when.claims = vec![claim(&["3", "chief"])];
    let policy = with(policy(vec![endpoint("GET", "/x", Access::Authenticated)]), vec![allow]);
    let ask = |claims: serde_json::Value| {
        let bare = Identity::bare(Principal::parse("corp:ann"));
        let claims = claims.as_object().unwrap().clone().into();
        outcome(&policy, Caller::assert(Identity { claims, ..bare }), "/x", None)
    };
    for level in [json!(3), json!("3"), json!("chief"), json!(["x", "chief"])] {
        assert_eq!(ask(json!({ "team": { "level": level } })), "granted", "{level}");
    }
    for claims in [
        json!({}),
        json!({ "team": null }),
        json!({ "team": { "level": null } }),
        json!({ "team": { "level": { "3": true } } }),
        json!({ "team": { "level": [["chief"]] } }),
        json!({ "team": { "level": "3 " } }),
        json!({ "team": { "level": 3.5 } }),
    ] {
        assert_eq!(ask(claims.clone()), "no policy that allows holds", "{claims}");
    }
}

#[test]
fn the_operator_reads_what_of_a_policy_a_caller_misses() {
    let mut allow = statement("level", Effect::Allow);
    let claim = |path: &str| Claim { path: arc(path), values: vec![arc("3"), arc("chief")] };
    allow.when.claims = vec![claim("team.level"), claim("rank")];
    allow.when.scopes = vec![arc("x:read")];
    let policy = with(policy(vec![endpoint("GET", "/x", Access::Authenticated)]), vec![allow]);
    let bare = Identity::bare(Principal::parse("corp:ann"));
    let claims = json!({ "team": { "level": "2" } }).as_object().unwrap().clone().into();
    let ann = Caller::assert(Identity { claims, ..bare });
    let endpoint = policy.routes.endpoints().next().unwrap();
    let told = policy.reasons(&ann, endpoint, &super::tests::at("/x"));
    let told: Vec<_> = told.iter().map(|reason| (reason.holds, &*reason.what)).collect();
    let missed = "the policy `level` would allow it, and does not hold: \
        the caller lacks the scope `x:read`; \
        the claim `team.level` is `2`, and must be `3` or `chief`; \
        there is no claim `rank`, which must be `3` or `chief`";
    assert!(told.contains(&(false, missed)), "{told:#?}");
}

#[test]
fn an_address_in_another_spelling_is_the_same_address() {
    let mut deny = statement("outside", Effect::Deny);
    deny.unless = Some(Conditions {
        addresses: vec!["10.0.0.0/8".parse().unwrap()],
        ..Conditions::default()
    });
    let policy = with(policy(vec![endpoint("GET", "/x", Access::Public)]), vec![deny]);
    let route = policy.routes.find(&verb("GET"), None, "/x");
    let from = |address: &str| {
        let address = address.parse().unwrap();
        let circumstances =
            Circumstances { now: Timestamp(0), address, path: Some("/x"), headers: None };
        policy.decide(Caller::anonymous(), &route, &circumstances)
    };
    assert!(from("10.1.2.3").is_ok());
    assert!(from("::ffff:10.1.2.3").is_ok());
    for address in ["11.0.0.1", "::ffff:11.0.0.1", "::1", "::a00:1"] {
        let denied = from(address);
        // A credential would not help: this is not the place to ask for one.
        assert!(matches!(denied, Err(Denied::Forbidden(Denial::Statement(_)))), "{address}");
    }
}

#[test]
fn every_endpoint_of_a_role_is_asked_for_the_role() {
    // Elsewhere rights that were attached to a group were looked up by name, found nothing, and
    // let everybody pass: a role that nothing defines must open nothing.
    let policy = policy(vec![endpoint("GET", "/x", held(&[], &["ghost"]))]);
    let ask = |roles: &[&str]| outcome(&policy, caller("ann", &[], roles), "/x", None);
    assert_eq!(ask(&[]), "the caller has none of the roles `ghost`");
    let mut guarded = endpoint("GET", "/y", Access::Authenticated);
    guarded.permission = Some(Permission { resource: arc("y"), action: arc("get") });
    let policy = super::tests::policy(vec![guarded]);
    let found = outcome(&policy, caller("ann", &["*"], &["ghost", "*"]), "/y", None);
    assert_eq!(found, "no role of the caller permits `get` on `y`");
}

#[test]
fn an_empty_policy_serves_nobody() {
    let nothing = Policy::default();
    assert_eq!(
        outcome(&nothing, caller("ann", &["*"], &["admin"]), "/", None),
        "nothing is served at this path"
    );
}

#[test]
fn no_slash_capital_or_format_leads_a_laxer_reader_to_a_more_guarded_endpoint() {
    let get = |path: &str| endpoint("GET", path, Access::Authenticated);
    let kept = |path: &str| endpoint("GET", path, held(&["keys"], &[]));
    let policy = policy(vec![
        endpoint("GET", "/app", Access::Public),
        get("/{*all}"),
        get("/files/{*rest}"),
        kept("/files/secret"),
        kept("/files/Kept/"),
        get("/users/{id}"),
        kept("/users/{id}/Keys"),
        kept("/users/me"),
        get("/users/all"),
    ]);
    for path in [
        "/files/secret",
        "/files/Kept/",
        "/files/Secrets",
        "/files/a/",
        "/users/Ann",
        "/users/Ann/Keys",
        "/app.js",
        "/App",
        "/v1.0/x.json",
        "/users/ALL",
        "/users/all/",
        "/users/all.smith",
        "/users/ann/",
        "/FILES/a",
    ] {
        assert!(alike(&policy, path), "{path}");
    }
    for path in [
        "/files/secret/",
        "/files/SECRET",
        "/files/%C5%BFecret",
        "/FILES/secret",
        "/files/secret.",
        "/files/secret%20",
        "/files/secret.json",
        "/files/secret;a/",
        "/files/.%20/x",
        "/files/kept",
        "/users/Me",
        "/users/me/",
        "/users/ann/keys",
    ] {
        assert!(!alike(&policy, path), "{path}");
    }
}

#[test]
fn paths_that_a_laxer_reader_cannot_tell_apart_are_not_served_beside_each_other() {
    for (first, second) in [("/Files/{*rest}", "/files/{name}"), ("/K/{*rest}", "/k/{id}/secret/")]
    {
        let mut routes = Routes::default();
        routes.add(endpoint("GET", first, Access::Public)).unwrap();
        let refused = routes.add(endpoint("GET", second, Access::Authenticated)).unwrap_err();
        assert!(refused.to_string().contains("write both alike"), "{refused}");
        // Nothing of it is left behind.
        assert!(matches!(routes.find(&verb("GET"), None, "/files/x"), Route::Missing { .. }));
    }
}

/// Whether a GET of `path` may pass, however it is read.
fn alike(policy: &Policy, path: &str) -> bool {
    policy.reads_alike(&verb("GET"), None, path)
}

#[test]
fn a_path_beside_another_passes_only_where_the_other_demands_no_more() {
    type Change = fn(&mut Endpoint);
    // What stands at `/same/{id}`, what differs at `/same/me`, and whether `/same/ME` passes.
    let cases: &[(&str, Change, Change, bool)] = &[
        ("nothing", |_| {}, |_| {}, true),
        ("fewer rights", |_| {}, |e| e.access = Access::Authenticated, true),
        ("nobody asked", |_| {}, |e| e.access = Access::Public, true),
        ("another scope", |_| {}, |e| e.access = held(&["b"], &[]), false),
        ("one scope more", |_| {}, |e| e.access = held(&["a", "b"], &[]), false),
        ("a role besides", |_| {}, |e| e.access = held(&["a"], &["admin"]), false),
        ("rights of their own", |e| e.access = Access::Public, |_| {}, false),
        ("a permission", |_| {}, |e| e.permission = Some(permission()), false),
        ("no permission", |e| e.permission = Some(permission()), |_| {}, true),
        ("an approval", |_| {}, |e| e.approval = true, false),
        ("smaller bodies", |_| {}, |e| e.max_request_size = 1, false),
        ("larger bodies", |e| e.max_request_size = 1, |_| {}, true),
        ("another price", |_| {}, |e| e.cost.usd_nano = 7, false),
        ("what a hook sees", |_| {}, |e| e.seen_as = 1, false),
        ("a log of what is found", |_| {}, |e| e.profile.log_detections = true, false),
        ("another verb", |_| {}, |e| e.verb = verb("POST"), true),
        (
            "another verb, another scope",
            |_| {},
            |e| {
                e.verb = verb("POST");
                e.access = held(&["b"], &[]);
            },
            false,
        ),
    ];
    for (what, here, there, passes) in cases {
        let mut own = endpoint("GET", "/same/{id}", held(&["a"], &[]));
        let mut other = endpoint("GET", "/same/me", held(&["a"], &[]));
        here(&mut own);
        there(&mut other);
        let policy = policy(vec![own, other]);
        assert!(alike(&policy, "/same/me") && alike(&policy, "/same/you"), "{what}");
        for path in ["/same/ME", "/same/me.", "/same/me.json", "/same/me;x"] {
            assert_eq!(alike(&policy, path), *passes, "{what}: {path}");
        }
    }
}

fn permission() -> Permission {
    Permission { resource: arc("me"), action: arc("get") }
}

#[test]
fn a_verb_that_changes_something_is_not_taken_where_it_is_not_served() {
    let delete = endpoint("DELETE", "/files/{*rest}", Access::Authenticated);
    let get = |path: &str| endpoint("GET", path, Access::Authenticated);
    let policy = policy(vec![delete, get("/files/{*rest}"), get("/files/keep")]);
    assert!(policy.reads_alike(&verb("GET"), None, "/files/KEEP"));
    assert!(!policy.reads_alike(&verb("DELETE"), None, "/files/KEEP"));
    assert!(policy.reads_alike(&verb("DELETE"), None, "/files/Old"));
}

#[test]
fn a_statement_about_one_path_tells_it_from_all_others() {
    let get = |path: &str| endpoint("GET", path, Access::Authenticated);
    for (named, passes) in [
        (&["/same/me"][..], false),
        (&["/same/{id}"], false),
        (&["/other"], true),
        (&[], true),
        (&["/*"], true),
    ] {
        let allow = paths(statement("s", Effect::Allow), named);
        let policy = with(policy(vec![get("/same/{id}"), get("/same/me")]), vec![allow]);
        assert_eq!(alike(&policy, "/same/ME"), passes, "{named:?}");
    }
}

#[test]
fn a_token_for_one_path_does_not_reach_another_by_its_spelling() {
    let get = |path: &str| endpoint("GET", path, Access::Authenticated);
    // One that is meant for `/Files` is not meant for `/files/me`.
    let policy = policy(vec![get("/Files/{*rest}"), get("/files/me")]);
    assert!(!alike(&policy, "/Files/me"));
}

/// A name as another reader may take it for the same, by any of what readers do.
fn other_spelling() -> impl Strategy<Value = String> {
    let ending = prop::sample::select(vec!["", ";", ";v=1", "%3Bx", ".", "%20", ".%20", "%20."]);
    let format = prop::sample::select(vec!["", ".json", ".x;y", ".."]);
    let slash = prop::sample::select(vec!["", "/"]);
    (any::<[bool; 6]>(), ending, format, slash).prop_map(|(capitals, ending, format, slash)| {
        let letter = |(letter, capital): (char, bool)| {
            if capital { letter.to_ascii_uppercase() } else { letter }
        };
        let name: String = "secret".chars().zip(capitals).map(letter).collect();
        format!("{name}{format}{ending}{slash}")
    })
}

proptest! {
    #[test]
    fn no_spelling_of_a_guarded_path_passes_by_a_wildcard(
        last in other_spelling(),
        folder in prop::sample::select(vec!["/a", "/A", "/a;x", "/a.", "/%41%20"]),
        wild in prop::sample::select(vec!["/a/{*rest}", "/{*rest}", "/a/{id}", "/{folder}/{id}"]),
        exact in prop::sample::select(vec!["/a/secret", "/a/Secret/", "/A/SECRET"]),
    ) {
        let open = endpoint("GET", wild, Access::Authenticated);
        let kept = endpoint("GET", exact, held(&["keys"], &[]));
        let policy = policy(vec![open, kept]);
        let path = format!("{folder}/{last}");
        let leads = policy.routes.find(&verb("GET"), None, &path);
        let passes = leads.endpoint().is_some_and(|found| &*found.path == wild);
        prop_assert!(!passes || !alike(&policy, &path), "{path}");
    }
}

#[test]
fn nothing_behind_a_semicolon_hides_another_endpoint_from_who_cuts_it_off() {
    let get = |path: &str| endpoint("GET", path, Access::Authenticated);
    let kept = |path: &str| endpoint("GET", path, held(&["keys"], &[]));
    let policy = policy(vec![
        get("/pages/{page}"),
        kept("/pages/admin"),
        get("/files/{*rest}"),
        kept("/files/secret/key"),
    ]);
    for path in ["/pages/a;v=1", "/files/a;v=1/b", "/files/a%3Bb", "/pages/a", "/nowhere;x"] {
        assert!(alike(&policy, path), "{path}");
    }
    for path in [
        "/pages/admin;x",
        "/pages/admin;",
        "/pages/admin%3Bx",
        "/pages/;x",
        "/files/secret;a=1/key",
        "/files/secret/key;jsessionid=1",
        "/files/a/;x/b",
    ] {
        assert!(!alike(&policy, path), "{path}");
    }
}
