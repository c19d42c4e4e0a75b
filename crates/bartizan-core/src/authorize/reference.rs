//! A second evaluator, as naive as can be: does the precompiled one decide alike?
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::json;

use super::condition::{Claim, Conditions};
use super::statement::Target;
use super::tests::{arc, endpoint, verb};
use super::*;
use crate::authenticate::Identity;
use crate::time::Timestamp;

const ROLES: [&str; 4] = ["a", "b", "c", "d"];
const SCOPES: [&str; 3] = ["read", "write", "admin"];
const RESOURCES: [&str; 4] = ["tools/x", "tools_internal/x", "tools", "doc"];
const PATTERNS: [&str; 6] = ["tools/*", "*", "doc", "tools", "tools/x", "*/x"];
const VERBS: [&str; 2] = ["GET", "SUMMARIZE"];
const TEMPLATES: [&str; 4] = ["/f/{*rest}", "/f", "/g/{id}/h", "/g/x"];
const PATHS: [&str; 7] = ["/f/a", "/f/a/b", "/f/a/", "/f", "/g/1/h", "/g/x/h", "/g/x"];
const PATH_PATTERNS: [&str; 7] = ["/f/*", "/f/a", "/f", "/g/*/h", "/g/1/*", "/*", "/g/{id}/h"];
const TENANTS: [&str; 2] = ["t", "u"];
const NAMES: [&str; 3] = ["corp:ann", "local:ann", "key:ann"];
const NAME_PATTERNS: [&str; 4] = ["corp:*", "*:ann", "local:ann", "key:a*n"];

/// What a role inherits from, and its permissions: which pattern, and whether every action.
type Grants = (Vec<usize>, Vec<(usize, bool)>);

/// A policy and a question, as a child would write them.
#[derive(Clone, Debug)]
struct World {
    /// By role: the roles after it that it inherits from, and what it permits.
    roles: Vec<Grants>,
    implied: Vec<(usize, usize)>,
    endpoints: Vec<Door>,
    statements: Vec<Words>,
    caller: Somebody,
    path: usize,
    verb: usize,
    inside: bool,
}

#[derive(Clone, Debug)]
struct Door {
    template: usize,
    verb: usize,
    /// 0 public, 1 authenticated, 2 held.
    access: u8,
    scopes: Vec<usize>,
    roles: Vec<usize>,
    resource: Option<usize>,
    approval: bool,
}

#[derive(Clone, Debug)]
struct Words {
    effect: Effect,
    priority: i32,
    verbs: Vec<usize>,
    paths: Vec<usize>,
    resources: Vec<usize>,
    when: Holds,
    unless: Option<Holds>,
}

#[derive(Clone, Debug)]
struct Holds {
    names: Vec<usize>,
    roles: Vec<usize>,
    scopes: Vec<usize>,
    tenants: Vec<usize>,
    inside: bool,
    level: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Somebody {
    name: Option<usize>,
    roles: Vec<usize>,
    scopes: Vec<usize>,
    tenant: Option<usize>,
    level: Option<u8>,
}

fn some(of: usize) -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![3 => Just(Vec::new()), 2 => prop::collection::vec(0..of, 1..3)]
}

fn holds() -> impl Strategy<Value = Holds> {
    let names = some(NAME_PATTERNS.len());
    let (roles, scopes, tenants) = (some(ROLES.len()), some(SCOPES.len()), some(TENANTS.len()));
    let level = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(0..3u8, 1..3)];
    (names, roles, scopes, tenants, prop::bool::weighted(0.1), level).prop_map(
        |(names, roles, scopes, tenants, inside, level)| Holds {
            names,
            roles,
            scopes,
            tenants,
            inside,
            level,
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let permissions = prop::collection::vec((0..PATTERNS.len(), any::<bool>()), 0..3);
    let roles = prop::collection::vec((some(ROLES.len()), permissions), ROLES.len());
    let implied = prop::collection::vec((0..SCOPES.len(), 0..SCOPES.len()), 0..3);
    let door = (
        (0..TEMPLATES.len(), 0..VERBS.len(), 0..3u8),
        (some(SCOPES.len()), some(ROLES.len())),
        prop::option::of(0..RESOURCES.len()),
        prop::bool::weighted(0.2),
    );
    let door = door.prop_map(|((template, verb, access), (scopes, roles), resource, approval)| {
        Door { template, verb, access, scopes, roles, resource, approval: approval && access != 0 }
    });
    let effect =
        prop_oneof![Just(Effect::Allow), Just(Effect::Deny), Just(Effect::RequireApproval)];
    let words = (
        (effect, -1..2i32),
        (some(VERBS.len()), some(PATH_PATTERNS.len()), some(PATTERNS.len())),
        holds(),
        prop::option::of(holds()),
    );
    let words = words.prop_map(|((effect, priority), (verbs, paths, resources), when, unless)| {
        Words { effect, priority, verbs, paths, resources, when, unless }
    });
    let somebody = (
        prop::option::weighted(0.9, 0..NAMES.len()),
        prop::collection::vec(0..ROLES.len(), 0..3),
        prop::collection::vec(0..SCOPES.len(), 0..3),
        prop::option::of(0..TENANTS.len()),
        prop::option::of(0..3u8),
    );
    let somebody = somebody.prop_map(|(name, roles, scopes, tenant, level)| Somebody {
        name,
        roles,
        scopes,
        tenant,
        level,
    });
    let ask = (somebody, 0..PATHS.len(), 0..VERBS.len(), any::<bool>());
    (roles, implied, prop::collection::vec(door, 1..6), prop::collection::vec(words, 0..5), ask)
        .prop_map(|(roles, implied, endpoints, statements, (caller, path, verb, inside))| World {
            roles,
            implied,
            endpoints,
            statements,
            caller,
            path,
            verb,
            inside,
        })
}

/// What comes out, in a word.
#[derive(Debug, Eq, PartialEq)]
enum Word {
    Pass,
    Ask(String),
    Deny,
    Stranger,
}

// --- the naive side: recursion and strings, nothing prepared.

/// By segment; a last `*` takes one or more.
fn fits(pattern: &str, name: &str) -> bool {
    fn glob(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                glob(&pattern[1..], text) || (!text.is_empty() && glob(pattern, &text[1..]))
            }
            (Some(p), Some(t)) => p == t && glob(&pattern[1..], &text[1..]),
            _ => false,
        }
    }
    fn segments(patterns: &[&str], names: &[&str]) -> bool {
        match (patterns, names) {
            ([], []) => true,
            (["*"], names) => !names.is_empty() && names.iter().all(|name| !name.is_empty()),
            ([p, patterns @ ..], [n, names @ ..]) => {
                glob(p.as_bytes(), n.as_bytes()) && segments(patterns, names)
            }
            _ => false,
        }
    }
    let split = |text: &'_ str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
    let (patterns, names) = (split(pattern), split(name));
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    pattern == "*" || segments(&patterns, &names)
}

impl World {
    fn has_role(&self, own: &[usize], role: usize) -> bool {
        own.iter().any(|&own| own == role || self.has_role(&self.parents(own), role))
    }

    /// Only roles after it, so that there is no circle.
    fn parents(&self, role: usize) -> Vec<usize> {
        self.roles[role].0.iter().copied().filter(|parent| *parent > role).collect()
    }

    fn has_scope(&self, own: &[usize], scope: usize) -> bool {
        let mut held: Vec<usize> = own.to_vec();
        for _ in 0..SCOPES.len() {
            let more = self.implied.iter().filter(|(from, _)| held.contains(from));
            let more: Vec<usize> = more.map(|(_, to)| *to).collect();
            held.extend(more);
        }
        held.contains(&scope)
    }

    fn permits(&self, own: &[usize], resource: &str) -> bool {
        own.iter().any(|&role| {
            self.roles[role]
                .1
                .iter()
                .any(|(pattern, all)| *all && fits(PATTERNS[*pattern], resource))
                || self.permits(&self.parents(role), resource)
        })
    }

    fn holds(&self, holds: &Holds) -> bool {
        let Somebody { name, roles, scopes, tenant, level } = &self.caller;
        let (name, roles, scopes) = match name {
            Some(name) => (NAMES[*name], &roles[..], &scopes[..]),
            None => ("anonymous", &[][..], &[][..]),
        };
        let tenant = tenant.filter(|_| self.caller.name.is_some());
        let level = level.filter(|_| self.caller.name.is_some());
        let none = |list: &[usize]| list.is_empty();
        (none(&holds.names) || holds.names.iter().any(|n| fits(NAME_PATTERNS[*n], name)))
            && (none(&holds.roles) || holds.roles.iter().any(|r| self.has_role(roles, *r)))
            && holds.scopes.iter().all(|s| self.has_scope(scopes, *s))
            && (none(&holds.tenants) || tenant.is_some_and(|t| holds.tenants.contains(&t)))
            && (!holds.inside || self.inside)
            && (holds.level.is_empty() || level.is_some_and(|l| holds.level.contains(&l)))
    }

    fn speaks(&self, words: &Words, door: &Door) -> bool {
        let path = PATHS[self.path].trim_end_matches('/');
        let template = TEMPLATES[door.template];
        (words.verbs.is_empty() || words.verbs.contains(&door.verb))
            && (words.paths.is_empty()
                || words
                    .paths
                    .iter()
                    .map(|p| PATH_PATTERNS[*p])
                    .any(|pattern| pattern == "/*" || pattern == template || fits(pattern, path)))
            && (words.resources.is_empty()
                || door.resource.is_some_and(|resource| {
                    words.resources.iter().any(|p| fits(PATTERNS[*p], RESOURCES[resource]))
                }))
    }

    /// Whether the words might speak of some call at the door: then those that allow must.
    fn might_speak(&self, words: &Words, door: &Door) -> bool {
        PATHS.iter().enumerate().any(|(path, _)| {
            let other = Self { path, ..self.clone() };
            self.leads(path, door.verb).is_some_and(|found| found.template == door.template)
                && other.speaks(words, door)
        })
    }

    fn leads(&self, path: usize, verb: usize) -> Option<&Door> {
        let path = PATHS[path];
        let template = match path {
            "/f" | "/g/x" => path,
            "/g/1/h" | "/g/x/h" => "/g/{id}/h",
            _ => "/f/{*rest}",
        };
        let at = |door: &&Door| TEMPLATES[door.template] == template && door.verb == verb;
        self.endpoints.iter().find(at)
    }

    /// The whole decision, from the words of the documentation.
    fn decide(&self, door: &Door) -> Word {
        let Somebody { name, scopes, .. } = &self.caller;
        let known = name.is_some();
        let roles = if known { &self.caller.roles[..] } else { &[] };
        let shut = || if known || door.access == 0 { Word::Deny } else { Word::Stranger };
        let held = !door.scopes.is_empty() || !door.roles.is_empty();
        let open = match door.access {
            0 => true,
            1 => known,
            _ => {
                known
                    && held
                    && door.scopes.iter().all(|s| self.has_scope(scopes, *s))
                    && (door.roles.is_empty()
                        || door.roles.iter().any(|r| self.has_role(roles, *r)))
            }
        };
        let resource = door.resource.map(|r| RESOURCES[r]);
        if !open || resource.is_some_and(|resource| !self.permits(roles, resource)) {
            return shut();
        }
        let mut ordered: Vec<(usize, &Words)> = self.statements.iter().enumerate().collect();
        ordered.sort_by(|(i, a), (j, b)| b.priority.cmp(&a.priority).then(i.cmp(j)));
        let holding = |(_, words): &&(usize, &Words)| {
            self.speaks(words, door)
                && self.holds(&words.when)
                && !words.unless.as_ref().is_some_and(|unless| self.holds(unless))
        };
        let hold: Vec<_> = ordered.iter().filter(holding).collect();
        if hold.iter().any(|(_, words)| words.effect == Effect::Deny) {
            return shut();
        }
        let asks = ordered
            .iter()
            .any(|(_, words)| words.effect == Effect::Allow && self.might_speak(words, door));
        if asks && !hold.iter().any(|(_, words)| words.effect == Effect::Allow) {
            return shut();
        }
        let because = match hold.first() {
            Some((index, words)) if words.effect == Effect::RequireApproval => {
                Some(format!("s{index}"))
            }
            _ => door.approval.then(|| "endpoint".to_owned()),
        };
        match because {
            Some(_) if !known => Word::Stranger,
            Some(because) => Word::Ask(because),
            None => Word::Pass,
        }
    }
}

// --- the same world for the real one.

fn named<'a>(of: &'a [&'a str], list: &[usize]) -> Vec<Arc<str>> {
    list.iter().map(|index| arc(of[*index])).collect()
}

fn conditions(holds: &Holds) -> Conditions {
    let level =
        holds.level.iter().map(|level| level.to_string().as_str().into()).collect::<Vec<_>>();
    let inside: IpNet = "10.0.0.0/8".parse().unwrap();
    Conditions {
        principals: named(&NAME_PATTERNS, &holds.names),
        methods: Vec::new(),
        roles: named(&ROLES, &holds.roles),
        scopes: named(&SCOPES, &holds.scopes),
        tenants: named(&TENANTS, &holds.tenants),
        claims: (!level.is_empty())
            .then(|| Claim { path: arc("level"), values: level })
            .into_iter()
            .collect(),
        addresses: holds.inside.then_some(inside).into_iter().collect(),
        hours: None,
    }
}

impl World {
    fn policy(&self) -> Policy {
        let mut policy = Policy::default();
        for door in &self.endpoints {
            let access = match door.access {
                0 => Access::Public,
                1 => Access::Authenticated,
                _ if door.scopes.is_empty() && door.roles.is_empty() => continue,
                _ => Access::Held {
                    scopes: named(&SCOPES, &door.scopes),
                    roles: named(&ROLES, &door.roles),
                },
            };
            let mut endpoint = endpoint(VERBS[door.verb], TEMPLATES[door.template], access);
            endpoint.permission = door.resource.map(|resource| Permission {
                resource: arc(RESOURCES[resource]),
                action: arc("do"),
            });
            endpoint.approval = door.approval;
            // A verb that is served already stays with the first.
            drop(policy.routes.add(endpoint));
        }
        let permission = |(pattern, all): &(usize, bool)| Permission {
            resource: arc(PATTERNS[*pattern]),
            action: arc(if *all { "*" } else { "other" }),
        };
        let roles = self.roles.iter().enumerate();
        let own = roles.map(|(role, (_, permissions))| {
            (arc(ROLES[role]), permissions.iter().map(permission).collect())
        });
        let parents =
            (0..ROLES.len()).map(|role| (arc(ROLES[role]), named(&ROLES, &self.parents(role))));
        policy.roles = Roles::inheriting(&own.collect(), &parents.collect()).unwrap();
        let mut implies = vec![Vec::new(); SCOPES.len()];
        self.implied.iter().for_each(|(from, to)| implies[*from].push(arc(SCOPES[*to])));
        let implies: Vec<_> =
            implies.into_iter().enumerate().map(|(from, to)| (arc(SCOPES[from]), to)).collect();
        policy.scopes = Scopes::new(&implies);
        let statements = self.statements.iter().enumerate().map(|(index, words)| Statement {
            name: format!("s{index}").as_str().into(),
            effect: words.effect,
            priority: words.priority,
            target: Target {
                verbs: words.verbs.iter().map(|index| verb(VERBS[*index])).collect(),
                paths: named(&PATH_PATTERNS, &words.paths),
                resources: named(&PATTERNS, &words.resources),
                categories: Vec::new(),
            },
            when: conditions(&words.when),
            unless: words.unless.as_ref().map(conditions),
        });
        policy.statements = Statements::compile(statements.collect(), &policy.routes);
        policy
    }

    fn somebody(&self) -> Caller {
        let Somebody { name, roles, scopes, tenant, level } = &self.caller;
        let Some(name) = name else { return Caller::anonymous() };
        let claims = level.map_or(json!({}), |level| json!({ "level": level }));
        Caller::assert(Identity {
            scopes: named(&SCOPES, scopes),
            roles: named(&ROLES, roles),
            tenant: tenant.map(|tenant| arc(TENANTS[tenant])),
            claims: claims.as_object().unwrap().clone().into(),
            ..Identity::bare(Principal::parse(NAMES[*name]))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn the_precompiled_policy_decides_as_a_naive_reader_of_it_would(world in world()) {
        let policy = world.policy();
        let path = PATHS[world.path];
        let route = policy.routes.find(&verb(VERBS[world.verb]), None, path);
        let Route::Found(endpoint) = &route else { return Ok(()) };
        let served = |door: &&Door| {
            let empty = door.access == 2 && door.scopes.is_empty() && door.roles.is_empty();
            !empty && TEMPLATES[door.template] == &*endpoint.path && door.verb == world.verb
        };
        let door = world.endpoints.iter().find(served).unwrap();
        let address = IpAddr::from(if world.inside { [10, 0, 0, 1] } else { [192, 0, 2, 1] });
        let circumstances =
            Circumstances { now: Timestamp(0), address, path: Some(path), headers: None };
        let decided = match policy.decide(world.somebody(), &route, &circumstances) {
            Ok(grant) => grant.need().map_or(Word::Pass, |need| Word::Ask(need.because.to_string())),
            Err(Denied::Forbidden(_)) => Word::Deny,
            Err(Denied::Unauthenticated(..)) => Word::Stranger,
        };
        prop_assert_eq!(&decided, &world.decide(door));
        // What explains a decision must not contradict it.
        let reasons = policy.reasons(&world.somebody(), endpoint, &circumstances);
        let passes = matches!(decided, Word::Pass | Word::Ask(_));
        let denied = policy.statements.iter().count() == 0 && reasons.iter().any(|r| !r.holds);
        prop_assert!(!(passes && denied), "{:?}", reasons);
    }
}
