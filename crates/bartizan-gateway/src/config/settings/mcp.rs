//! What do the keys of an endpoint mean that speaks MCP, beside rights by name?

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::validate::Protocol;
use bartizan_core::validate::mcp::Term;
use bartizan_core::validate::mcp::pins::{OnChange, Pin};
use http::Uri;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::decode::Located;
use super::super::file::endpoint as file;
use super::super::file::leaf::Word;
use super::endpoint::schema;
use super::resolver::Resolver;

/// Bytes of a key at the least.
const SHORTEST_KEY: usize = 32;

/// What is laid down for an endpoint that speaks MCP.
#[derive(Clone, Debug)]
pub struct Mcp {
    /// Web pages from which calls may come.
    pub origins: Vec<Arc<str>>,
    /// Names by which callers reach the gateway, beside its own.
    pub hosts: Vec<Arc<str>>,
    /// What becomes of a tool that is not what it was.
    pub on_change: OnChange,
    /// With what sessions are bound, where gateways share them.
    pub session_key: Option<SecretString>,
    /// What arguments must be, by the pattern of the tool.
    pub terms: BTreeMap<Arc<str>, Vec<Term>>,
    /// What tools must be.
    pub pins: BTreeMap<Arc<str>, Pin>,
}

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    protocol: Protocol,
) -> Option<Arc<Mcp>> {
    if protocol != Protocol::Mcp {
        misplaced(resolver, entry);
        return None;
    }
    if entry.tools.is_empty() && entry.resources.is_empty() && entry.prompts.is_empty() {
        let help = "name what may be used: `tools: { search: {} }`, or all of it: `{ \"*\": {} }`";
        resolver.warn(&entry.key, "no tool, resource or prompt can be used here", help);
    }
    let section = entry.mcp.as_ref();
    let mut mcp = Mcp {
        origins: Vec::new(),
        hosts: Vec::new(),
        on_change: match section.and_then(|mcp| mcp.on_change.as_ref()).map(|word| word.value) {
            Some(file::OnChange::Block) => OnChange::Block,
            Some(file::OnChange::Alert) | None => OnChange::Alert,
        },
        session_key: None,
        terms: BTreeMap::new(),
        pins: BTreeMap::new(),
    };
    if let Some(section) = section {
        let origins = section.origins.iter().filter_map(|text| origin(resolver, text));
        mcp.origins = origins.collect();
        mcp.hosts = section.hosts.iter().filter_map(|text| host(resolver, text)).collect();
        mcp.session_key = session_key(resolver, section);
    }
    for (name, tool) in &entry.tools {
        let name: Arc<str> = Arc::from(name.as_str());
        let terms = terms(resolver, tool);
        if !terms.is_empty() {
            mcp.terms.insert(Arc::clone(&name), terms);
        }
        if let Some(pin) = pin(resolver, &name, tool) {
            mcp.pins.insert(name, pin);
        }
    }
    Some(Arc::new(mcp))
}

fn session_key(resolver: &mut Resolver<'_>, section: &Located<file::Mcp>) -> Option<SecretString> {
    let source = section.session_key.as_ref()?;
    let secret = resolver.secret(source)?;
    if secret.expose_secret().trim().len() < SHORTEST_KEY {
        let help = "make one with `openssl rand -hex 32`";
        resolver.error(&source.place, "`session_key` is shorter than 32 bytes", help);
        return None;
    }
    Some(secret)
}

/// What the arguments of a tool must be.
fn terms(resolver: &mut Resolver<'_>, tool: &Located<file::Tool>) -> Vec<Term> {
    let whole = tool.schema.as_ref().and_then(|source| schema(resolver, source));
    let mut terms: Vec<_> =
        whole.into_iter().map(|schema| Term { pointer: "".into(), schema }).collect();
    for (pointer, source) in &tool.arguments {
        if !pointer.starts_with('/') {
            let help = "begin with a slash, as `/amount`";
            resolver.error(&source.key, format!("`{pointer}` is no JSON Pointer"), help);
        }
        if let Some(schema) = schema(resolver, source) {
            terms.push(Term { pointer: Arc::from(pointer.as_str()), schema });
        }
    }
    terms
}

fn pin(resolver: &mut Resolver<'_>, name: &str, tool: &Located<file::Tool>) -> Option<Pin> {
    let text = tool.pin.as_ref()?;
    let pin = Pin::parse(&text.value.0);
    if pin.is_none() || name.contains('*') {
        let help = "write `sha256:` and 64 digits, at the name of one tool";
        resolver.error(&text.place, "`pin` says what one tool must be", help);
        return None;
    }
    pin
}

/// The name of a host, without a port.
fn host(resolver: &mut Resolver<'_>, text: &Located<Word>) -> Option<Arc<str>> {
    let word = &text.value.0;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if word.is_empty() || !word.bytes().all(letter) || word.ends_with('.') {
        let help = "write a name alone, as `gateway.internal`";
        resolver.error(&text.place, format!("`{word}` is no name of a host"), help);
        return None;
    }
    Some(Arc::from(word.as_str()))
}

/// An origin as browsers write it (RFC 6454 section 6.2).
pub(super) fn origin(resolver: &mut Resolver<'_>, text: &Located<Word>) -> Option<Arc<str>> {
    let word = &text.value.0;
    let uri = word.parse::<Uri>().ok();
    let is_origin = uri.as_ref().is_some_and(|uri| {
        let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
        scheme && uri.authority().is_some() && !word.contains('@')
    });
    // A path, even a slash, is never part of it.
    if !is_origin || word.matches('/').count() != 2 || word.contains(['?', '#']) {
        let help = "write a scheme, a host and perhaps a port, as `https://app.example.com`";
        resolver.error(&text.place, format!("`{word}` is no origin"), help);
        return None;
    }
    // Browsers write hosts in lower case, and no port that the scheme has anyway.
    let usual = word.strip_prefix("https").map_or(":80", |_| ":443");
    if word.ends_with(usual) || word.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let written = word.to_ascii_lowercase();
        let written = written.strip_suffix(usual).unwrap_or(&written);
        resolver.error(
            &text.place,
            format!("no browser writes the origin `{word}` so"),
            format!("write `{written}`"),
        );
        return None;
    }
    Some(Arc::from(word.as_str()))
}

/// Rights that nobody would look at protect nothing.
fn misplaced(resolver: &mut Resolver<'_>, entry: &Located<file::Endpoint>) {
    let help = "say what is spoken: `protocol: mcp`";
    for (key, name) in [
        (&entry.resources, "resources"),
        (&entry.prompts, "prompts"),
        (&entry.server_requests, "server_requests"),
    ] {
        for right in key.values().take(1) {
            resolver.error(&right.key, format!("`{name}` are of MCP"), help);
        }
    }
    if let Some(mcp) = &entry.mcp {
        resolver.error(&mcp.key, "`mcp` is for endpoints that speak it", help);
    }
    for tool in entry.tools.values() {
        let schema = tool.schema.as_ref().map(|schema| &schema.key);
        let argument = tool.arguments.values().next().map(|argument| &argument.key);
        for key in schema.into_iter().chain(argument).chain(tool.pin.as_ref().map(|pin| &pin.key)) {
            resolver.error(key, "only tools of MCP are looked at so closely", help);
        }
    }
}
