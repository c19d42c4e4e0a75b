//! What do endpoints that speak MCP keep over a reload? The key of sessions, and what tools were.

use std::collections::HashMap;
use std::sync::Arc;

use bartizan_core::validate::mcp::pins::{Pins, Seen};
use bartizan_core::validate::mcp::{Mirrors, Rules, SessionKey};
use http::Uri;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::config::Settings;
use crate::config::settings::mcp::Mcp;

/// What outlives a reload. It does not outlive the process.
#[derive(Debug)]
pub(crate) struct Lasting {
    secret: SecretSlice<u8>,
    /// By the path of the endpoint, and what stands behind it: another server has tools of its own.
    seen: Mutex<HashMap<(Arc<str>, String), Seen>>,
}

impl Lasting {
    /// With a key made by chance.
    ///
    /// # Errors
    /// Where the kernel gives no randomness.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut secret = vec![0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self { secret: secret.into(), seen: Mutex::default() })
    }

    /// What is laid down for an endpoint, with what was seen of the tools behind it.
    pub(crate) fn rules(
        &self,
        path: &Arc<str>,
        upstream: String,
        settings: &Mcp,
        hosts: Option<Vec<Arc<str>>>,
    ) -> Arc<Rules> {
        let key = match &settings.session_key {
            Some(secret) => {
                SessionKey::new(&secret.expose_secret().trim().as_bytes().to_vec().into())
            }
            None => SessionKey::new(&self.secret),
        };
        let seen = Arc::clone(self.seen.lock().entry((Arc::clone(path), upstream)).or_default());
        let pins = Pins::new(settings.on_change, settings.pins.clone(), seen);
        let (origins, terms) = (settings.origins.clone(), settings.terms.clone());
        Arc::new(Rules { key, origins, hosts, terms, pins, mirrors: Mirrors::default() })
    }
}

/// By which names callers reach an endpoint, beside addresses. A gateway that listens to the whole network and
/// does not say how it is called may have any name.
pub(crate) fn hosts(settings: &Settings, mcp: &Mcp) -> Option<Vec<Arc<str>>> {
    let server = &settings.server;
    let known = server.public_url.is_some() || server.listen.ip().is_loopback();
    let issuer = settings.auth.tokens.as_ref().map(|tokens| &tokens.issuer);
    let urls = server.public_url.iter().chain(issuer).filter_map(|url| url.parse::<Uri>().ok());
    let own = urls.filter_map(|url| url.host().map(Arc::from));
    (known || !mcp.hosts.is_empty()).then(|| own.chain(mcp.hosts.iter().cloned()).collect())
}
