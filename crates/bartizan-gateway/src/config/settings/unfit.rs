//! What was written that fits nothing? A typing error, most likely: told as a warning, since a
//! pattern may be ahead of what it is meant for.

use std::collections::BTreeMap;

use bartizan_core::authorize::named::fits;
use bartizan_core::authorize::role::matches;
use bartizan_core::authorize::statement::Target;
use bartizan_core::limit::{Measure, Price, price};

use super::super::file::leaf::OneOrMany;
use super::super::file::{File, endpoint as written};
use super::super::shape;
use super::hook::Hook;
use super::resolver::Resolver;
use super::spending::{Budget, Limit};
use super::{Endpoint, route};

/// What servers of MCP ask of their clients, by the revisions of its specification to 2025-11-25.
const SERVER_REQUESTS: &[&str] = &[
    "elicitation/create",
    "ping",
    "roots/list",
    "sampling/createMessage",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
];

/// Tells of everything in the file that fits nothing.
pub(super) fn tell(
    resolver: &mut Resolver<'_>,
    file: &File,
    endpoints: &[Endpoint],
    hooks: &[Hook],
    limits: &[Limit],
    (budgets, prices): (&[Budget], &BTreeMap<String, Price>),
) {
    server_requests(resolver, file);
    resources(resolver, file);
    served(resolver, file, prices);
    // What is out of shape is missing among the endpoints, and nothing else would fit.
    if resolver.endpoints_lost() {
        return;
    }
    self::hooks(resolver, file, endpoints, hooks);
    permissions(resolver, file);
    matched(resolver, file, endpoints, prices);
    unpriced(resolver, file, budgets, prices);
    sockets(resolver, file, endpoints);
    messages(resolver, file, endpoints, limits);
}

fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    shape::meant(word, known).map(|meant| format!("did you mean `{meant}`?"))
}

fn server_requests(resolver: &mut Resolver<'_>, file: &File) {
    let asked = file.endpoints.iter().flat_map(|endpoint| &endpoint.server_requests);
    for (pattern, right) in asked {
        if !SERVER_REQUESTS.iter().any(|method| fits(pattern, method)) {
            let help = meant(pattern, SERVER_REQUESTS.iter().copied())
                .unwrap_or_else(|| format!("known are `{}`", SERVER_REQUESTS.join("`, `")));
            let message =
                format!("`{pattern}` is no request that servers of MCP are known to make");
            resolver.warn(&right.key, message, help);
        }
    }
}

/// Resources of MCP are addresses (RFC 3986), and begin with a scheme.
fn resources(resolver: &mut Resolver<'_>, file: &File) {
    let written = file.endpoints.iter().flat_map(|endpoint| &endpoint.resources);
    for (pattern, right) in written {
        let (head, open) = match pattern.split_once('*') {
            Some((head, _)) => (head, true),
            None => (pattern.as_str(), false),
        };
        let is_scheme = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        };
        let fits = match head.split_once(':') {
            Some((scheme, _)) => !scheme.is_empty() && is_scheme(scheme),
            None => open && is_scheme(head),
        };
        if !fits {
            let help = format!(
                "write it with its scheme, as `file:///{}`",
                pattern.trim_start_matches('/')
            );
            resolver.warn(&right.key, format!("no resource is called `{pattern}`"), help);
        }
    }
}

/// An upstream for models that nobody may ask for is asked for nothing; a model that nobody knows is
/// asked for in vain.
fn served(resolver: &mut Resolver<'_>, file: &File, prices: &BTreeMap<String, Price>) {
    for entry in &file.endpoints {
        let Some(upstream) = &entry.upstream else { continue };
        let named: Vec<&str> = entry
            .models
            .iter()
            .map(|(name, model)| model.stands_for.as_ref().map_or(&**name, |meant| &meant.value.0))
            .collect();
        let known: Vec<&str> = named.iter().copied().chain(prices.keys().map(|n| &**n)).collect();
        let meets = |pattern: &str, known: &str| fits(pattern, known) || fits(known, pattern);
        let others = upstream.fallbacks.iter();
        let serves = others.clone().flat_map(|other| &other.serves).chain(&upstream.serves);
        for word in serves {
            let pattern = word.value.0.as_str();
            // Where models are named, only they are asked for.
            let closed = !named.is_empty();
            let asked = if closed { &named } else { &known };
            if asked.iter().any(|name| meets(pattern, name)) {
                continue;
            }
            let meant = meant(pattern.trim_end_matches('*'), asked.iter().copied());
            let message = format!("`{pattern}` fits no model that the endpoint names");
            match (closed, meant) {
                (_, Some(help)) => resolver.warn(&word.place, message, help),
                (true, None) => {
                    let help = "write it as under `models`, after `stands_for`";
                    resolver.warn(&word.place, message, help);
                }
                (false, None) => {}
            }
        }
        for word in others.filter_map(|other| other.model.as_ref()) {
            let name = word.value.0.as_str();
            let is_known = known.contains(&name) || price::find(prices, name).is_some();
            if let Some(help) = meant(name, known.iter().copied()).filter(|_| !is_known) {
                let message = format!("`{name}` is no model that the endpoint or the prices name");
                resolver.warn(&word.place, message, help);
            }
        }
    }
}

/// Whether a WebSocket may be opened there whose messages are read.
fn may_be_socket(entry: &written::Endpoint, endpoint: &Endpoint) -> bool {
    endpoint.verbs.contains(&http::Method::GET)
        && entry.schema.is_none()
        && !endpoint.protocol.is_spoken()
        && entry.upstream.is_some()
}

/// What there is about WebSockets at an endpoint where none is opened.
fn sockets(resolver: &mut Resolver<'_>, file: &File, endpoints: &[Endpoint]) {
    for (entry, endpoint) in file.endpoints.iter().zip(endpoints) {
        // With a schema or a protocol it is an error, and told already.
        let told = endpoint.protocol.is_spoken() || entry.schema.is_some();
        if let Some(websocket) = entry.websocket.as_ref().filter(|_| !told)
            && !may_be_socket(entry, endpoint)
        {
            let help = "WebSockets are opened by `GET`, and lead to an `upstream`";
            resolver.warn(&websocket.key, "no WebSocket is opened at this endpoint", help);
        }
    }
}

/// A limit on messages where there are none.
fn messages(resolver: &mut Resolver<'_>, file: &File, endpoints: &[Endpoint], limits: &[Limit]) {
    let sockets = || {
        let all = file.endpoints.iter().zip(endpoints);
        all.filter(|(entry, endpoint)| may_be_socket(entry, endpoint)).map(|(_, endpoint)| endpoint)
    };
    for written in &file.limits {
        let Some(messages) = &written.messages else { continue };
        let name = &*written.name.value.0;
        let Some(limit) = limits.iter().find(|limit| *limit.name == *name) else { continue };
        let applies = |endpoint: &Endpoint| limit.applies.to(&endpoint.path, &http::Method::GET);
        if !sockets().any(applies) {
            let help = "WebSockets are opened by `GET` at an endpoint with an `upstream`, and without \
                        `schema` and `protocol`";
            let message =
                format!("`{name}` counts messages, and no WebSocket is opened where it applies");
            resolver.warn(&messages.place, message, help);
        }
    }
}

/// A hook that is asked about nothing looks at nothing.
fn hooks(resolver: &mut Resolver<'_>, file: &File, endpoints: &[Endpoint], hooks: &[Hook]) {
    for hook in hooks {
        let target = hook.remit.target();
        let asked = endpoints.iter().any(|endpoint| {
            endpoint.verbs.iter().any(|verb| target.may_cover(verb, &endpoint.path, None, None))
        });
        let any_verb = Target { verbs: Vec::new(), ..target.clone() };
        let own = !target.paths.is_empty()
            && route::GATEWAY_PATHS
                .iter()
                .any(|path| any_verb.may_cover(&http::Method::GET, path, None, None));
        let written = file.hooks.iter().find(|written| *written.name.value.0 == *hook.name);
        if let Some(written) = written.filter(|_| !asked && !own) {
            let place = written.paths.first().map_or(&written.key, |path| &path.place);
            let paths = endpoints.iter().map(|endpoint| &*endpoint.path);
            let help = target.paths.first().and_then(|path| meant(path, paths));
            let help =
                help.unwrap_or_else(|| "write paths and verbs as endpoints have them".into());
            resolver.warn(
                place,
                format!("the hook `{}` is asked about no endpoint", hook.name),
                help,
            );
        }
    }
}

/// A limit or a budget for a verb that nothing is called by, or for a model or a tool that nothing
/// knows, bounds nothing.
fn matched(
    resolver: &mut Resolver<'_>,
    file: &File,
    endpoints: &[Endpoint],
    prices: &BTreeMap<String, Price>,
) {
    let limits = file.limits.iter().map(|limit| limit.matches.as_ref());
    let budgets = file.budgets.iter().map(|budget| budget.matches.as_ref());
    let verbs: Vec<&str> =
        endpoints.iter().flat_map(|endpoint| &endpoint.verbs).map(http::Method::as_str).collect();
    let named = file.endpoints.iter().flat_map(|endpoint| &endpoint.models);
    let models: Vec<&str> = named
        .flat_map(|(name, model)| {
            let other = model.stands_for.as_ref().map(|other| other.value.0.as_str());
            std::iter::once(name.as_str()).chain(other)
        })
        .chain(prices.keys().map(String::as_str))
        .collect();
    let tools: Vec<&str> = file
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint.tools.keys())
        .map(String::as_str)
        .collect();
    let meets = |pattern: &str, known: &str| fits(pattern, known) || fits(known, pattern);
    for matches in limits.chain(budgets).flatten() {
        for (words, known, what) in [
            (&matches.verb, &verbs, "verb of an endpoint"),
            (&matches.model, &models, "model that an endpoint or the prices name"),
            (&matches.tool, &tools, "tool that an endpoint names"),
        ] {
            for word in words.iter().flat_map(|OneOrMany(words)| words) {
                let pattern = word.value.0.as_str();
                if known.iter().any(|known| meets(pattern, known)) {
                    continue;
                }
                // Models and tools need not be named anywhere: only what looks misspelt is told.
                if let Some(help) = meant(pattern.trim_end_matches('*'), known.iter().copied()) {
                    resolver.warn(&word.place, format!("`{pattern}` fits no {what}"), help);
                }
            }
        }
    }
}

/// A permission on what no endpoint is about permits nothing.
fn permissions(resolver: &mut Resolver<'_>, file: &File) {
    let roles = file.access.iter().flat_map(|access| access.roles.values());
    for permission in roles.flat_map(|role| &role.permissions) {
        let pattern = &*permission.resource.value.0;
        let known = || {
            let named = file.endpoints.iter().filter_map(|endpoint| endpoint.resource.as_ref());
            named.map(|resource| resource.value.0.as_str())
        };
        if pattern != "*" && !known().any(|resource| matches(pattern, resource)) {
            let help = meant(pattern, known()).unwrap_or_else(|| {
                "write it as the `resource` of an endpoint, or remove the permission".into()
            });
            let message = format!("no endpoint is about the resource `{pattern}`");
            resolver.warn(&permission.resource.place, message, help);
        }
    }
}

/// A model without a price is refused where dollars are counted.
fn unpriced(
    resolver: &mut Resolver<'_>,
    file: &File,
    budgets: &[Budget],
    prices: &BTreeMap<String, Price>,
) {
    let in_money = |budget: &&Budget| {
        budget.rules.iter().any(|applied| applied.rule.measure == Measure::NanoUsd)
    };
    for entry in &file.endpoints {
        let counted = budgets.iter().filter(in_money).any(|budget| budget.applies.to_entry(entry));
        if !counted {
            continue;
        }
        let named = entry.models.iter().map(|(name, model)| match &model.stands_for {
            Some(other) => (&other.value.0, &other.place),
            None => (name, &model.key),
        });
        // A call may come to any of these, so that without a price of each all calls are refused.
        let upstream = entry.upstream.as_ref();
        let others = upstream.into_iter().flat_map(|upstream| &upstream.fallbacks);
        // What looks misspelt is told already.
        let told = |name: &str| meant(name, prices.keys().map(String::as_str)).is_some();
        let others = others.filter_map(|other| other.model.as_ref());
        let others = others.filter(|other| !told(&other.value.0));
        for (name, place) in named.chain(others.map(|other| (&other.value.0, &other.place))) {
            if name.contains('*') || price::find_or_ceiling(prices, name).is_some() {
                continue;
            }
            let help = meant(name, prices.keys().map(String::as_str)).unwrap_or_else(|| {
                "write what it costs under `prices`; `bartizan prices list` shows what is known"
                    .into()
            });
            let message =
                format!("the model `{name}` has no price, and a budget in dollars refuses it");
            resolver.warn(place, message, help);
        }
    }
}
