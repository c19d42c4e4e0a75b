//! Which tokens does an address take, and who issues them? Protected resource metadata (RFC 9728).
//!
//! Every endpoint is a resource of its own: its metadata lies at the well-known path followed by the
//! endpoint's, and challenges lead there. So a client that was sent away finds out by itself where
//! it gets a token, and for which address it asks for one (RFC 8707).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::authenticate::{Caller, dpop};
use crate::authorize::{Endpoint, Routes};
use crate::issue::documents::{self, RESOURCE_PATH, origin};

/// What is known of the addresses that are guarded.
#[derive(Clone, Debug)]
pub struct Resources {
    origin: Arc<str>,
    name: Arc<str>,
    issuers: Vec<String>,
    /// The audiences by which issuers mean all of the origin.
    audiences: Vec<String>,
    dpop: bool,
}

impl Resources {
    /// Resources at the origin of `url`, by which callers reach it. `issuers` are the URLs of those
    /// whose tokens are taken, and `audiences` what may stand in their `aud`.
    #[must_use]
    pub fn new(url: &str, name: &str, issuers: Vec<String>, audiences: Vec<String>) -> Self {
        let (origin, name) = (origin(url).trim_end_matches('/').into(), name.into());
        Self { origin, name, issuers, audiences, dpop: false }
    }

    /// The same, and whether tokens may be bound by DPoP.
    #[must_use]
    pub fn with_dpop(self, dpop: bool) -> Self {
        Self { dpop, ..self }
    }

    /// Where the metadata of the whole origin lies; that of an address lies below.
    #[must_use]
    pub fn root(&self) -> String {
        format!("{}{RESOURCE_PATH}", self.origin)
    }

    /// The metadata of the address at `path`; of the whole origin where that is empty. `None` where
    /// nothing is served.
    #[must_use]
    pub fn document(&self, routes: &Routes, path: &str) -> Option<Value> {
        let path = path.trim_end_matches('/');
        let mut scopes = BTreeSet::new();
        if !path.is_empty() {
            let mut served = served(routes, path).peekable();
            served.peek()?;
            scopes.extend(served.flat_map(|endpoint| endpoint.access.scopes()));
        }
        // A refresh token is the client's own business with the issuer.
        let scopes: Vec<&str> =
            scopes.into_iter().map(|scope| &**scope).filter(|scope| *scope != OFFLINE).collect();
        let issuers: Vec<&str> = self.issuers.iter().map(String::as_str).collect();
        let mut document =
            documents::resource(&format!("{}{path}", self.origin), &issuers, &scopes);
        if let Some(members) = document.as_object_mut() {
            members.insert("resource_name".into(), json!(self.name));
            if self.dpop {
                let algorithms: Vec<&str> = dpop::ALGORITHMS.split(' ').collect();
                members.insert("dpop_signing_alg_values_supported".into(), json!(algorithms));
            }
        }
        Some(document)
    }

    /// Whether a token of the caller is meant for this endpoint. One whose `aud` is the address of
    /// an endpoint is good for that one and what lies below it; one that is meant for all of us, or
    /// for what is no address of ours, was judged when it was verified.
    #[must_use]
    pub fn admit(&self, caller: &Caller, endpoint: &Endpoint, routes: &Routes) -> bool {
        let audiences = match caller.claims().get("aud") {
            Some(Value::String(one)) => std::slice::from_ref(one).iter().collect::<Vec<_>>(),
            Some(Value::Array(many)) => {
                // Texts alone: whoever verified the token saw to that.
                return self.covers(many.iter().filter_map(Value::as_str), endpoint, routes);
            }
            _ => return true,
        };
        self.covers(audiences.into_iter().map(String::as_str), endpoint, routes)
    }

    fn covers<'a>(
        &self,
        audiences: impl Iterator<Item = &'a str>,
        endpoint: &Endpoint,
        routes: &Routes,
    ) -> bool {
        let mut bound = false;
        for audience in audiences {
            let path = audience.strip_prefix(&*self.origin).map(|path| path.trim_end_matches('/'));
            match path.filter(|path| path.starts_with('/')) {
                Some(path) if served(routes, path).next().is_some() => {
                    if is_below(address(&endpoint.path), path) {
                        return true;
                    }
                    bound = true;
                }
                // Meant for all of us.
                _ if self.audiences.iter().any(|ours| ours == audience) => return true,
                _ => {}
            }
        }
        !bound
    }
}

/// The scope by which a client asks for a refresh token (OpenID Connect Core, section 11).
pub(crate) const OFFLINE: &str = "offline_access";

/// What a path template has before its first variable, in whole segments: `/v1` of `/v1/{*rest}`.
#[must_use]
pub fn address(template: &str) -> &str {
    let fixed = match template.find('{').and_then(|at| template.get(..at)) {
        Some(fixed) => fixed.rfind('/').and_then(|end| fixed.get(..end)).unwrap_or_default(),
        None => template,
    };
    fixed.trim_end_matches('/')
}

/// The endpoints at a path, or those whose templates begin at it.
fn served<'r>(routes: &'r Routes, path: &str) -> impl Iterator<Item = &'r Arc<Endpoint>> {
    let below = format!("{path}/_");
    let mut here = routes.at(path).peekable();
    let beneath = here.peek().is_none().then(|| routes.at(&below));
    let path = path.to_owned();
    let begins = move |endpoint: &&Arc<Endpoint>| address(&endpoint.path) == path;
    here.chain(beneath.into_iter().flatten().filter(begins)).collect::<Vec<_>>().into_iter()
}

/// Whether a path lies at or below another one, by whole segments.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_is_fixed_of_a_template() {
        for (template, fixed) in [
            ("/mcp", "/mcp"),
            ("/v1/{*rest}", "/v1"),
            ("/a/b{id}/c", "/a"),
            ("/{*rest}", ""),
            ("/", ""),
        ] {
            assert_eq!(address(template), fixed, "{template}");
        }
    }

    #[test]
    fn below_is_by_whole_segments() {
        assert!(is_below("/mcp", "/mcp") && is_below("/mcp/x", "/mcp") && is_below("/x", ""));
        assert!(!is_below("/mcp-admin", "/mcp") && !is_below("/", "/mcp"));
    }
}
