//! What is an agent behind the gateway (`protocol: a2a`), and can it be guarded as it is written?

use bartizan_core::authorize::named;
use bartizan_core::validate::Protocol;
use bartizan_core::validate::a2a::{Method, PushHost};

use super::super::decode::Located;
use super::super::file::endpoint as file;
use super::endpoint::{Base, Endpoint};
use super::resolver::Resolver;
use super::upstream::Target;

/// Where it may send notifications.
pub(super) fn push(resolver: &mut Resolver<'_>, entry: &Located<file::Endpoint>) -> Vec<PushHost> {
    let mut hosts = Vec::new();
    for text in &entry.push_hosts {
        match PushHost::parse(&text.value) {
            Some(host) => hosts.push(host),
            None => resolver.error(
                &text.place,
                format!("`{}` is no host", text.value.0),
                "write a host, as `hooks.example.com` or `*.example.com:8443`",
            ),
        }
    }
    hosts
}

/// Looks whether the keys of an agent stand where there is one, and whether it has what it needs.
pub(super) fn check(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    endpoint: &Endpoint,
    base: &Base<'_>,
) {
    if endpoint.protocol != Protocol::A2a {
        misplaced(resolver, entry);
        return;
    }
    let place = entry.protocol.as_ref().map_or(&entry.key, |protocol| &protocol.place);
    let named = base.server.as_ref().is_some_and(|server| server.public_url.is_some());
    if base.server.is_some() && !named && base.tokens.is_none() {
        let help = "write `server: { public_url: https://gate.example.com }`";
        resolver.error(place, "`protocol: a2a` needs the address by which callers reach it", help);
    }
    let fixed = endpoint.path.split("{*").next().unwrap_or_default();
    if fixed.contains('{') {
        let help = "write the agent's name into the path: one endpoint for each agent";
        resolver.error(&entry.path.place, "the path of an agent has no variables", help);
    }
    match &endpoint.target {
        Target::Health | Target::ForwardAuth => resolver.error(
            place,
            "`protocol: a2a` needs an `upstream`",
            "write `upstream: { url: … }`",
        ),
        Target::Upstream(upstream) if !upstream.fallbacks.is_empty() => resolver.error(
            place,
            "another agent does not know the tasks of the first: `fallbacks` cannot help",
            "remove `fallbacks`",
        ),
        Target::Upstream(_) => {}
    }
    for (pattern, right) in &entry.methods {
        if !Method::names().any(|name| named::fits(pattern, name)) {
            let names: Vec<_> = Method::names().collect();
            let help = format!("the methods are {}", names.join(", "));
            resolver.error(&right.key, format!("`{pattern}` is no method"), help);
        }
    }
}

/// Rights that nobody would look at protect nothing.
fn misplaced(resolver: &mut Resolver<'_>, entry: &Located<file::Endpoint>) {
    let help = "say what is spoken: `protocol: a2a`";
    if let Some(right) = entry.methods.values().next() {
        resolver.error(&right.key, "`methods` needs a `protocol` that has some", help);
    }
    if let Some(right) = entry.skills.values().next() {
        resolver.error(&right.key, "`skills` needs a `protocol` that has some", help);
    }
    if let Some(host) = entry.push_hosts.first() {
        resolver.error(&host.place, "`push_hosts` needs `protocol: a2a`", help);
    }
}
