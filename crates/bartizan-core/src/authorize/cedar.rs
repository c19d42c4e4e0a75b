//! What does Cedar say? Policies in a language that can be analysed, as a further say.
//!
//! The schema is derived from the endpoints, so that a misspelt verb or path is an error of the
//! file and not a policy that never holds. A call is asked about as
//!
//! ```cedar
//! permit (
//!     principal in Role::"user",
//!     action == Action::"SUMMARIZE",
//!     resource == Endpoint::"/document"
//! ) when { principal.tenant == "acme" && context.address.isInRange(ip("10.0.0.0/8")) };
//! ```
//!
//! Everything that the endpoint itself and the statements ask for is asked for besides; what Cedar
//! does not permit is denied, but for public endpoints and the gateway's own, where only `forbid`
//! counts. `@approval("required")` on a policy that permits makes the call wait.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};

use super::condition::Asked;
use super::statement::Said;
use super::{Denial, Endpoint};
use crate::authenticate::{Caller, Kind};

/// Cedar's policies, validated against what is served.
#[derive(Clone, Debug)]
pub struct Cedar(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    policies: PolicySet,
    /// The policies that permit where somebody agrees first, each with what it is called.
    asking: HashMap<String, Arc<str>>,
    roles: EntityTypeName,
    caller: HashMap<Kind, EntityTypeName>,
    endpoint: EntityTypeName,
    action: EntityTypeName,
    /// The roles that the schema knows.
    known: HashSet<Arc<str>>,
}

/// What is served, as far as the schema needs it: verb, path template.
pub type Served<'a> = (&'a str, &'a str);

/// What is wrong with the policies.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CedarError {
    /// A file is not written in Cedar.
    #[error("{file}:{line}:{column}: {message}")]
    Syntax {
        /// Which file.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// A policy does not fit what is served, or could fail when it is asked.
    #[error("{file}:{line}:{column}: {message}")]
    Invalid {
        /// Which file.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The schema could not be made of what is served: it cannot happen with sound names.
    #[error("no schema for Cedar can be made of the endpoints: {0}")]
    Schema(String),
}

impl Cedar {
    /// Reads `files`, each with its name, and validates them against what is `served` and the
    /// `roles` there are.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn compile(
        files: &[(Arc<str>, &str)],
        served: &[Served<'_>],
        roles: &[Arc<str>],
    ) -> Result<Self, Vec<CedarError>> {
        let schema = schema(served, roles);
        let schema = Schema::from_cedarschema_str(&schema)
            .map_err(|error| vec![CedarError::Schema(error.to_string())])?
            .0;
        let (mut policies, mut wrong) = (PolicySet::new(), Vec::new());
        let mut places = HashMap::new();
        for (file, text) in files {
            read(file, text, &mut policies, &mut places, &mut wrong);
        }
        let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        for error in result.validation_errors() {
            let id = error.policy_id().to_string();
            let (file, line, column) =
                places.get(&id).cloned().unwrap_or_else(|| ("policies".into(), 1, 1));
            let message = one_line(&error.to_string());
            wrong.push(CedarError::Invalid { file, line, column, message });
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Compiled::new(policies, roles).map(|compiled| Self(Arc::new(compiled)))
    }

    /// What Cedar says of a call at `endpoint`.
    pub(super) fn ask(&self, endpoint: &Endpoint, asked: &Asked<'_>) -> Result<Said<'_>, Denial> {
        let lenient = endpoint.access.is_public() || endpoint.about.built_in;
        let (request, entities) = self.0.question(endpoint, asked).map_err(denied)?;
        let response = Authorizer::new().is_authorized(&request, &self.0.policies, &entities);
        let diagnostics = response.diagnostics();
        // A policy that fails is passed over by Cedar; had it been one that forbids, that would
        // let the call pass.
        if let Some(error) = diagnostics.errors().next() {
            return Err(denied(one_line(&error.to_string())));
        }
        let reasons: BTreeSet<String> = diagnostics.reason().map(ToString::to_string).collect();
        match response.decision() {
            Decision::Allow => {
                let asking = reasons.iter().find_map(|reason| self.0.asking.get(reason));
                Ok(asking.map_or(Said::Pass, Said::Ask))
            }
            Decision::Deny if reasons.is_empty() && lenient => Ok(Said::Pass),
            Decision::Deny if reasons.is_empty() => Err(denied("no policy permits it".into())),
            Decision::Deny => {
                let reasons: Vec<_> = reasons.iter().map(String::as_str).collect();
                Err(denied(format!("`{}` forbids it", reasons.join("`, `"))))
            }
        }
    }
}

fn denied(why: String) -> Denial {
    Denial::Cedar(why.into())
}

impl Compiled {
    fn new(policies: PolicySet, roles: &[Arc<str>]) -> Result<Self, Vec<CedarError>> {
        let name = |text: &str| {
            text.parse::<EntityTypeName>()
                .map_err(|error| vec![CedarError::Schema(error.to_string())])
        };
        let asking = policies.policies().filter_map(|policy| {
            let id = policy.id().to_string();
            let called = policy.annotation("id").map_or_else(|| id.clone(), str::to_owned);
            policy.annotation("approval").map(|_| (id, format!("cedar {called}").as_str().into()))
        });
        Ok(Self {
            asking: asking.collect(),
            roles: name("Role")?,
            caller: [
                (Kind::Anonymous, name("Anonymous")?),
                (Kind::Client, name("Client")?),
                (Kind::Key, name("Key")?),
                (Kind::User, name("User")?),
            ]
            .into(),
            endpoint: name("Endpoint")?,
            action: name("Action")?,
            known: roles.iter().cloned().collect(),
            policies,
        })
    }

    /// The call as Cedar is asked about it: the caller, with their roles, is the only entity that
    /// has anything to say.
    fn question(
        &self,
        endpoint: &Endpoint,
        asked: &Asked<'_>,
    ) -> Result<(Request, Entities), String> {
        let caller = asked.caller;
        let kind =
            self.caller.get(&caller.principal().kind).ok_or("a kind of caller is unknown")?;
        let principal = uid(kind, &caller.principal().to_string());
        let mut parents = HashSet::new();
        for role in &self.known {
            if asked.roles.hold(asked.held, role) {
                parents.insert(uid(&self.roles, role));
            }
        }
        let entity =
            Entity::new_with_tags(principal.clone(), attributes(caller), parents, tags(caller));
        let entity = entity.map_err(|error| error.to_string())?;
        let entities =
            Entities::from_entities([entity], None).map_err(|error| error.to_string())?;
        let request = Request::new(
            principal,
            uid(&self.action, endpoint.verb.as_str()),
            uid(&self.endpoint, &endpoint.path),
            context(endpoint, asked)?,
            None,
        );
        Ok((request.map_err(|error| error.to_string())?, entities))
    }
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn attributes(caller: &Caller) -> HashMap<String, RestrictedExpression> {
    if caller.is_anonymous() {
        return HashMap::new();
    }
    let scopes = RestrictedExpression::new_set(caller.scopes().iter().map(|scope| text(scope)));
    let mut attributes = HashMap::from([
        ("issuer".to_owned(), text(&caller.principal().issuer)),
        ("subject".to_owned(), text(&caller.principal().subject)),
        ("scopes".to_owned(), scopes),
    ]);
    if let Some(tenant) = caller.tenant() {
        attributes.insert("tenant".to_owned(), text(tenant));
    }
    attributes
}

/// The claims of the token that are single values, as texts.
fn tags(caller: &Caller) -> HashMap<String, RestrictedExpression> {
    use serde_json::Value;
    let tag = |(name, value): (&str, &Value)| {
        let value = match value {
            Value::String(value) => text(value),
            Value::Bool(_) | Value::Number(_) => text(&value.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((name.to_owned(), value))
    };
    caller.claims().iter().filter_map(tag).collect()
}

fn context(endpoint: &Endpoint, asked: &Asked<'_>) -> Result<Context, String> {
    let address = asked.circumstances.address.to_canonical().to_string();
    let mut pairs = vec![("address".to_owned(), RestrictedExpression::new_ip(address))];
    let mut add = |name: &str, value: Option<&str>| {
        pairs.extend(value.map(|value| (name.to_owned(), text(value))));
    };
    add("path", asked.circumstances.path);
    add("category", endpoint.about.category.as_deref());
    add("resource", endpoint.permission.as_ref().map(|permission| &*permission.resource));
    Context::from_pairs(pairs).map_err(|error| error.to_string())
}

/// What may stand in a policy: derived from the endpoints and the roles.
fn schema(served: &[Served<'_>], roles: &[Arc<str>]) -> String {
    let quoted = |names: BTreeSet<&str>| {
        names.into_iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
    };
    let paths = quoted(served.iter().map(|(_, path)| *path).collect());
    let names = quoted(roles.iter().map(|role| &**role).collect());
    let mut text = String::new();
    // An enumeration needs a member; none of a role is one that nobody has.
    let names = if names.is_empty() { "\"\"".to_owned() } else { names };
    let _ = writeln!(text, "entity Role enum [{names}];");
    let _ = writeln!(text, "entity Endpoint enum [{paths}];");
    let _ = writeln!(text, "entity Anonymous;");
    for kind in ["Client", "Key", "User"] {
        let attributes = "issuer: String, subject: String, scopes: Set<String>, tenant?: String";
        let _ = writeln!(text, "entity {kind} in [Role] {{ {attributes} }} tags String;");
    }
    let verbs: BTreeSet<&str> = served.iter().map(|(verb, _)| *verb).collect();
    for verb in verbs {
        let _ = writeln!(
            text,
            "action {verb:?} appliesTo {{ principal: [Anonymous, Client, Key, User], resource: \
             [Endpoint], context: {{ address: ipaddr, path?: String, category?: String, \
             resource?: String }} }};"
        );
    }
    text
}

type Places = HashMap<String, (Arc<str>, usize, usize)>;

/// Adds the policies of one file, named after it and their place in it.
fn read(
    file: &Arc<str>,
    text: &str,
    policies: &mut PolicySet,
    places: &mut Places,
    wrong: &mut Vec<CedarError>,
) {
    use miette::Diagnostic as _;
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    };
    let set = match text.parse::<PolicySet>() {
        Ok(set) => set,
        Err(errors) => {
            for error in errors.iter() {
                let label = error.labels().and_then(|mut labels| labels.next());
                let (line, column) = place(label.map_or(0, |label| label.offset()));
                let message = one_line(&error.to_string());
                wrong.push(CedarError::Syntax { file: Arc::clone(file), line, column, message });
            }
            return;
        }
    };
    for (index, policy) in set.policies().enumerate() {
        let named = policy.annotation("id").map(str::to_owned);
        let id = named.unwrap_or_else(|| format!("{file}#{}", index + 1));
        let source = policy.to_string();
        let (line, column) = place(text.find(source.trim()).unwrap_or(0));
        let policy = policy.new_id(cedar_policy::PolicyId::new(&id));
        places.insert(id.clone(), (Arc::clone(file), line, column));
        if let Err(error) = policies.add(policy) {
            let message = one_line(&error.to_string());
            wrong.push(CedarError::Invalid { file: Arc::clone(file), line, column, message });
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::net::IpAddr;

    use serde_json::json;

    use super::super::tests::{endpoint, policy, verb};
    use super::super::{Access, Circumstances, Denied, Policy};
    use super::*;
    use crate::authenticate::{Identity, Principal};
    use crate::time::Timestamp;

    const SERVED: [Served<'static>; 3] =
        [("SUMMARIZE", "/document"), ("DELETE", "/document"), ("GET", "/health")];

    fn compile(text: &str) -> Result<Cedar, Vec<CedarError>> {
        Cedar::compile(&[("x.cedar".into(), text)], &SERVED, &["user".into(), "admin".into()])
    }

    fn guarded(text: &str) -> Policy {
        let mut policy = policy(vec![
            endpoint("SUMMARIZE", "/document", Access::Authenticated),
            endpoint("DELETE", "/document", Access::Authenticated),
            endpoint("GET", "/health", Access::Public),
        ]);
        policy.cedar = Some(compile(text).unwrap());
        policy
    }

    fn ann(roles: &[&str], tenant: Option<&str>) -> Caller {
        let claims = json!({ "department": "legal" });
        Caller::assert(Identity {
            roles: roles.iter().map(|role| Arc::from(*role)).collect(),
            tenant: tenant.map(Arc::from),
            claims: claims.as_object().unwrap().clone().into(),
            ..Identity::bare(Principal::parse("corp:ann"))
        })
    }

    fn decide(policy: &Policy, caller: Caller, verb_name: &str, path: &str) -> String {
        let route = policy.routes.find(&verb(verb_name), None, path);
        let address = IpAddr::from([10, 1, 2, 3]);
        let circumstances =
            Circumstances { now: Timestamp(0), address, path: Some(path), headers: None };
        match policy.decide(caller, &route, &circumstances) {
            Ok(grant) => grant.need().map_or("granted".into(), |need| need.because.to_string()),
            Err(Denied::Forbidden(denial)) => denial.to_string(),
            Err(Denied::Unauthenticated(..)) => "stranger".into(),
        }
    }

    #[test]
    fn what_no_policy_permits_is_denied_and_what_one_forbids_always() {
        let policy = guarded(
            r#"permit (principal in Role::"user", action == Action::"SUMMARIZE", resource == Endpoint::"/document")
               when { principal has tenant && principal.tenant == "acme" && context.address.isInRange(ip("10.0.0.0/8")) };
               @id("no deletions") forbid (principal, action == Action::"DELETE", resource);
               permit (principal in Role::"admin", action, resource);"#,
        );
        let ask = |caller, verb: &str| decide(&policy, caller, verb, "/document");
        assert_eq!(ask(ann(&["user"], Some("acme")), "SUMMARIZE"), "granted");
        assert_eq!(ask(ann(&["user"], Some("evil")), "SUMMARIZE"), "cedar: no policy permits it");
        assert_eq!(ask(ann(&["user"], None), "SUMMARIZE"), "cedar: no policy permits it");
        assert_eq!(ask(ann(&["other"], Some("acme")), "SUMMARIZE"), "cedar: no policy permits it");
        assert_eq!(ask(ann(&["admin"], None), "DELETE"), "cedar: `no deletions` forbids it");
        assert_eq!(decide(&policy, Caller::anonymous(), "GET", "/health"), "granted", "public");
    }

    #[test]
    fn cedar_does_not_open_what_the_endpoint_keeps_shut() {
        let policy = guarded("permit (principal, action, resource);");
        assert_eq!(decide(&policy, Caller::anonymous(), "SUMMARIZE", "/document"), "stranger");
        assert_eq!(decide(&policy, ann(&[], None), "SUMMARIZE", "/document"), "granted");
    }

    #[test]
    fn claims_are_tags_and_an_annotation_asks_for_an_approval() {
        let policy = guarded(
            r#"@id("legal") @approval("required")
               permit (principal is User, action == Action::"DELETE", resource)
               when { principal.hasTag("department") && principal.getTag("department") == "legal" };"#,
        );
        assert_eq!(decide(&policy, ann(&[], None), "DELETE", "/document"), "cedar legal");
    }

    #[test]
    fn a_typing_error_is_found_before_it_leaves_something_open() {
        for (text, wrong) in [
            ("permit (principal, action == Action::\"SUMMARISE\", resource);", "SUMMARISE"),
            ("forbid (principal, action, resource == Endpoint::\"/documents\");", "/documents"),
            ("forbid (principal in Role::\"usr\", action, resource);", "usr"),
            (
                "permit (principal is User, action, resource) when { principal.tenent == \"a\" };",
                "tenent",
            ),
            ("permit (principal, action, resource", "x.cedar:1:"),
        ] {
            let told = compile(text).unwrap_err();
            let told: Vec<_> = told.iter().map(ToString::to_string).collect();
            assert!(told.iter().any(|told| told.contains(wrong)), "{text}: {told:?}");
        }
        // A policy that could fail when it is asked is refused, too.
        let could_fail =
            "permit (principal is User, action, resource) when { principal.tenant == \"a\" };";
        assert!(compile(could_fail).is_err());
    }
}
