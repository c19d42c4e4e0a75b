//! What do `policies` and `approvals` mean? Statements beside the endpoints, and who may agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::Method as Means;
use bartizan_core::authorize::approval::Approvers;
use bartizan_core::authorize::condition::{Claim, Conditions, Hours};
use bartizan_core::authorize::statement::Target;
use bartizan_core::authorize::{Effect, Statement};
use ipnet::IpNet;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::super::decode::Located;
use super::super::file::leaf::{Network, OneOrMany, Word};
use super::super::file::{File, policy as file};
use super::super::shape;
use super::super::tree::Place;
use super::resolver::{Resolver, words};
use super::{AccessRules, Endpoint, endpoint, route};

/// What is laid down beside the endpoints.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// In the order of the file.
    pub statements: Vec<Statement>,
    /// Who may agree to calls.
    pub approvers: Approvers,
    /// Cedar's say in it.
    #[cfg(feature = "cedar")]
    pub cedar: Option<bartizan_core::authorize::cedar::Cedar>,
}

/// The most policies.
const MAX_POLICIES: usize = 10_000;

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    file: &File,
    access: &AccessRules,
    endpoints: &[Endpoint],
) -> Policies {
    let approvers = approvers(resolver, file.approvals.as_ref(), access);
    let mut names: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut statements = Vec::new();
    if let Some(first) = file.policies.get(MAX_POLICIES) {
        resolver.wrong(&first.key, format!("there may be {MAX_POLICIES} policies at most"));
    }
    for policy in file.policies.iter().take(MAX_POLICIES) {
        if let Some(first) = names.insert(&policy.name.value, &policy.name.place) {
            let message =
                format!("`{}` is there twice, first in line {}", policy.name.value.0, first.line);
            resolver.error(&policy.name.place, message, "give each policy a name of its own");
        }
        let statement = statement(resolver, policy, access);
        if !covers_something(&statement.target, endpoints) && !resolver.endpoints_lost() {
            resolver.error(
                &policy.matches.as_ref().map_or(&policy.key, |matches| &matches.key).clone(),
                format!("the policy `{}` speaks of no endpoint", statement.name),
                "mend its `verbs`, `paths`, `resources` or `categories`, or remove it",
            );
        }
        statements.push(statement);
    }
    wanted(resolver, file, &approvers);
    #[cfg(feature = "cedar")]
    let cedar = cedar(resolver, access, endpoints);
    Policies {
        statements,
        approvers,
        #[cfg(feature = "cedar")]
        cedar,
    }
}

/// Cedar's policies, validated against what is served.
#[cfg(feature = "cedar")]
fn cedar(
    resolver: &mut Resolver<'_>,
    access: &AccessRules,
    endpoints: &[Endpoint],
) -> Option<bartizan_core::authorize::cedar::Cedar> {
    use bartizan_core::authorize::cedar::Cedar;
    let place = access.cedar.first().map(|file| &file.place)?;
    // What is out of shape is missing among the endpoints, and would be told as unknown here.
    if resolver.endpoints_lost() || resolver.lost("/access") {
        return None;
    }
    let files: Vec<_> =
        access.cedar.iter().map(|file| (file.name.as_str().into(), file.text.as_str())).collect();
    let configured = endpoints
        .iter()
        .flat_map(|endpoint| endpoint.verbs.iter().map(|verb| (verb.as_str(), &*endpoint.path)));
    let own = route::GATEWAY_PATHS.iter().map(|path| ("POST", *path));
    let served: Vec<_> = configured.chain(own).collect();
    let roles: Vec<_> = access.names.iter().cloned().collect();
    match Cedar::compile(&files, &served, &roles) {
        Ok(cedar) => Some(cedar),
        Err(wrong) => {
            for error in wrong {
                resolver.wrong(place, error.to_string());
            }
            None
        }
    }
}

/// Whoever asks for approvals must say who may give them.
fn wanted(resolver: &mut Resolver<'_>, file: &File, approvers: &Approvers) {
    if !approvers.is_empty() || resolver.lost("/approvals") {
        return;
    }
    let endpoint = file.endpoints.iter().find_map(|endpoint| endpoint.approval.as_ref());
    let asks =
        |policy: &&Located<file::Policy>| policy.effect.value == file::Effect::RequireApproval;
    let policy = file.policies.iter().find(asks).map(|policy| &policy.effect.place);
    if let Some(place) = endpoint.map(|approval| &approval.key).or(policy) {
        let help = "write `approvals: { roles: [ROLE] }` or `approvals: { scopes: [SCOPE] }`";
        resolver.error(place, "approvals are asked for, and nobody may give them", help);
        return;
    }
    // No error: the other tools of the endpoint can be used.
    let tools = file.endpoints.iter().flat_map(|endpoint| &endpoint.tools);
    for (name, approval) in tools.filter_map(|(name, tool)| Some((name, tool.approval.as_ref()?))) {
        let help = "write `approvals: { roles: [ROLE] }` or `approvals: { scopes: [SCOPE] }`";
        let message = format!("nobody may agree to calls of the tool `{name}`: they wait in vain");
        resolver.warn(&approval.key, message, help);
    }
}

pub(super) fn approvers(
    resolver: &mut Resolver<'_>,
    file: Option<&Located<file::Approvals>>,
    access: &AccessRules,
) -> Approvers {
    let Some(file) = file else { return Approvers::default() };
    let approvers = Approvers {
        roles: resolver.roles(&file.roles, access),
        scopes: resolver.scopes(&file.scopes),
        across_tenants: file.across_tenants.unwrap_or(false),
        patience: resolver.span(file.expires.as_ref(), Duration::from_hours(1)),
        show_body: file.show_body.unwrap_or(true),
    };
    if approvers.is_empty() {
        let help = "write `roles` or `scopes`";
        let message = "`approvals` does not say who may decide";
        resolver.lacking(&file.key, &["roles", "scopes"], message, help);
    }
    approvers
}

/// Whether a policy speaks of anything that is served: a typing error in one that denies would
/// leave open what it was to shut.
fn covers_something(target: &Target, endpoints: &[Endpoint]) -> bool {
    let configured = endpoints.iter().any(|endpoint| {
        endpoint.verbs.iter().any(|verb| {
            let (resource, category) =
                (endpoint.resource.as_deref(), endpoint.about.category.as_deref());
            target.may_cover(verb, &endpoint.path, resource, category)
        })
    });
    let own = Target { verbs: Vec::new(), ..target.clone() };
    let gateways = !target.paths.is_empty()
        && route::GATEWAY_PATHS
            .iter()
            .any(|path| own.may_cover(&http::Method::GET, path, None, None));
    configured || gateways
}

fn statement(
    resolver: &mut Resolver<'_>,
    policy: &Located<file::Policy>,
    access: &AccessRules,
) -> Statement {
    let matches = policy.matches.as_ref();
    let unless = policy.unless.as_ref().map(|unless| {
        let conditions = conditions(resolver, unless.asked(), access);
        if conditions.is_empty() {
            let help = "write what must hold, or remove the key";
            resolver.error(&unless.key, "an empty `unless` always holds", help);
        }
        conditions
    });
    let when = matches.map(|matches| conditions(resolver, matches.asked(), access));
    Statement {
        name: Arc::from(&*policy.name.value.0),
        effect: match policy.effect.value {
            file::Effect::Allow => Effect::Allow,
            file::Effect::Deny => Effect::Deny,
            file::Effect::RequireApproval => Effect::RequireApproval,
        },
        priority: policy.priority.as_ref().map_or(0, |priority| priority.value),
        target: matches.map(|matches| target(resolver, matches)).unwrap_or_default(),
        when: when.unwrap_or_default(),
        unless,
    }
}

fn target(resolver: &mut Resolver<'_>, file: &Located<file::Match>) -> Target {
    let verbs = file.verbs.iter();
    for path in &file.paths {
        let sound = |c: char| c.is_ascii_graphic() && !"\\?#%;".contains(c);
        let path_like = path.value.starts_with('/') && path.value.chars().all(sound);
        if !(path_like || path.value.0 == "*") {
            let help = "write it from its first `/`, as `/files/*`";
            resolver.error(&path.place, format!("`{}` is no pattern of paths", path.value.0), help);
        }
    }
    Target {
        verbs: verbs.filter_map(|verb| route::verb(resolver, &verb.place, &verb.value)).collect(),
        paths: words(&file.paths),
        resources: words(&file.resources),
        categories: file
            .categories
            .iter()
            .map(|c| endpoint::category_name(c.value).into())
            .collect(),
    }
}

/// What a `match` or an `unless` says of the caller and the time.
fn conditions(
    resolver: &mut Resolver<'_>,
    asked: file::Asked<'_>,
    access: &AccessRules,
) -> Conditions {
    for principal in asked.principals {
        let text = &principal.value.0;
        if !text.contains([':', '*']) && text != "anonymous" {
            let help = format!(
                "write `local:{text}` for somebody of the token endpoint, or `ISSUER:{text}`"
            );
            resolver.error(&principal.place, format!("`{text}` names no issuer"), help);
        }
    }
    let claims = asked.claims.iter();
    Conditions {
        principals: words(asked.principals),
        methods: asked.methods.iter().filter_map(|word| means(resolver, word)).collect(),
        roles: resolver.roles(asked.roles, access),
        scopes: resolver.scopes(asked.scopes),
        tenants: words(asked.tenants),
        claims: claims.map(|(path, values)| claim(resolver, path, values)).collect(),
        addresses: asked.addresses.iter().filter_map(|net| network(resolver, net)).collect(),
        hours: asked.hours.and_then(|file| hours(resolver, file)),
    }
}

fn means(resolver: &mut Resolver<'_>, word: &Located<Word>) -> Option<Means> {
    let found = Means::ALL.iter().copied().find(|means| means.as_str() == word.value.0);
    if found.is_none() {
        let known: Vec<_> = Means::ALL.iter().map(|means| means.as_str()).collect();
        let help = match shape::meant(&word.value, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("known are `{}`", known.join("`, `")),
        };
        resolver.error(&word.place, format!("nobody is recognised by `{}`", word.value.0), help);
    }
    found
}

fn claim(resolver: &mut Resolver<'_>, path: &str, values: &Located<OneOrMany>) -> Claim {
    if values.0.is_empty() {
        resolver.error(
            &values.key,
            format!("the claim `{path}` has no value that would do"),
            "name one",
        );
    }
    Claim { path: path.into(), values: words(&values.0) }
}

fn network(resolver: &mut Resolver<'_>, net: &Located<Network>) -> Option<IpNet> {
    let text = &net.value.0;
    let alone = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    let parsed = text.parse().ok().or_else(alone);
    if parsed.is_none() {
        let help = "write `10.0.0.0/8`, or a single address";
        resolver.error(&net.place, format!("`{text}` is no range of addresses"), help);
    }
    parsed
}

fn hours(resolver: &mut Resolver<'_>, file: &Located<file::Hours>) -> Option<Hours> {
    let from = time(resolver, &file.from);
    let until = time(resolver, &file.until);
    let zone = match &file.timezone {
        None => Some(TimeZone::UTC),
        Some(name) => {
            let zone = TimeZone::get(&name.value).ok();
            if zone.is_none() {
                let help = "write it as the IANA database does, as `Europe/Berlin`";
                resolver.error(&name.place, format!("`{}` is no time zone", name.value.0), help);
            }
            zone
        }
    };
    let days = file.days.iter().map(|day| weekday(day.value)).collect();
    Some(Hours { days, from: from?, until: until?, zone: zone? })
}

fn time(resolver: &mut Resolver<'_>, word: &Located<Word>) -> Option<Time> {
    let digits = |text: &str| (text.len() == 2).then(|| text.parse::<i8>().ok()).flatten();
    let parts = word.value.split_once(':').and_then(|(h, m)| Some((digits(h)?, digits(m)?)));
    let time = parts.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
    if time.is_none() {
        resolver.error(
            &word.place,
            format!("`{}` is no time of day", word.value.0),
            "write it as `08:00`",
        );
    }
    time
}

fn weekday(day: file::Day) -> Weekday {
    match day {
        file::Day::Mon => Weekday::Monday,
        file::Day::Tue => Weekday::Tuesday,
        file::Day::Wed => Weekday::Wednesday,
        file::Day::Thu => Weekday::Thursday,
        file::Day::Fri => Weekday::Friday,
        file::Day::Sat => Weekday::Saturday,
        file::Day::Sun => Weekday::Sunday,
    }
}

#[cfg(all(test, feature = "cedar"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::super::{Overrides, Paint, examine_text};

    const CONFIGURATION: &str = "access: { roles: { user: {} }, cedar: { policies: [gate.cedar] } }
endpoints: [{ path: /document, verbs: [SUMMARIZE], authenticated: true, handler: health }]
";

    /// What is told of a configuration with these policies.
    fn told(policies: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("gate.cedar"), policies).unwrap();
        let examined = examine_text(CONFIGURATION, folder.path(), &Overrides::default(), &|_| None);
        examined.findings.to_text("bartizan.yaml", Paint::Plain)
    }

    #[test]
    fn policies_that_do_not_fit_what_is_served_are_told_with_their_place() {
        let sound = told(
            "permit (principal in Role::\"user\", action == Action::\"SUMMARIZE\", resource == Endpoint::\"/document\");",
        );
        assert!(!sound.contains("error"), "{sound}");
        let misspelt = told("\n  forbid (principal, action == Action::\"SUMMARISE\", resource);");
        assert!(
            misspelt.contains("gate.cedar:2:3:") && misspelt.contains("SUMMARISE"),
            "{misspelt}"
        );
        let unreadable = told("permit (principal");
        assert!(unreadable.contains("gate.cedar:1:"), "{unreadable}");
        assert!(!told("").contains("error"), "no policy permits nothing, and is sound");
    }
}
