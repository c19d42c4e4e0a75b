//! What do `hooks` mean? Which services are asked, about what, and for how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bartizan::hook::webhook::{OnFailure, Webhook};
use http::Method;
use secrecy::{ExposeSecret as _, SecretString};

use super::super::decode::Located;
use super::super::file::hook as file;
use super::super::tree::Place;
use super::resolver::{Resolver, words};

/// The most hooks: each is asked in turn, and a client waits for all of them.
const MAX_HOOKS: usize = 16;

/// A service that has a say in what may pass.
#[derive(Clone, Debug)]
pub struct Hook {
    /// What it is called in the audit log.
    pub name: Arc<str>,
    /// Its address.
    pub url: String,
    /// What requests to it are signed with.
    pub secret: SecretString,
    /// Whether it is asked about requests.
    pub requests: bool,
    /// Whether it is asked about answers.
    pub answers: bool,
    /// Only these verbs; all where empty.
    pub verbs: Vec<Method>,
    /// Only these patterns of paths; all where empty.
    pub paths: Vec<Arc<str>>,
    /// How long it may take.
    pub deadline: Duration,
    /// What becomes of what it could not be asked about.
    pub on_failure: OnFailure,
    /// The largest body that it is sent, in bytes.
    pub max_body: usize,
}

impl Hook {
    /// The hook, ready to be asked.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub fn open(&self) -> Result<Webhook, bartizan::hook::webhook::BadWebhook> {
        let webhook = Webhook::new(&self.name, &self.url, self.secret.expose_secret())?;
        Ok(webhook
            .about(self.requests, self.answers)
            .only(self.verbs.clone(), self.paths.clone())
            .deadline(self.deadline)
            .on_failure(self.on_failure)
            .max_body(self.max_body))
    }
}

pub(super) fn resolve(resolver: &mut Resolver<'_>, hooks: &[Located<file::Hook>]) -> Vec<Hook> {
    let mut names: BTreeMap<&str, &Place> = BTreeMap::new();
    if let Some(first) = hooks.get(MAX_HOOKS) {
        resolver.wrong(&first.key, format!("there may be {MAX_HOOKS} hooks at most"));
    }
    let mut resolved = Vec::new();
    for file in hooks.iter().take(MAX_HOOKS) {
        if let Some(first) = names.insert(&file.name.value, &file.name.place) {
            let message =
                format!("`{}` is there twice, first in line {}", file.name.value.0, first.line);
            resolver.error(&file.name.place, message, "give each hook a name of its own");
        }
        resolved.extend(hook(resolver, file));
    }
    resolved
}

fn hook(resolver: &mut Resolver<'_>, file: &Located<file::Hook>) -> Option<Hook> {
    let url = resolver.text(&file.url);
    let secret = resolver.secret(&file.secret);
    let asked = |at: file::At| file.at.iter().any(|one| one.value == at);
    let verbs = file.verbs.iter().filter_map(|verb| {
        let method = Method::from_bytes(verb.as_bytes());
        resolver.take(&verb.place, method)
    });
    let hook = Hook {
        verbs: verbs.collect(),
        name: Arc::from(&**file.name),
        url: url?,
        secret: secret?,
        requests: file.at.is_empty() || asked(file::At::Request),
        answers: asked(file::At::Response),
        paths: words(&file.paths),
        deadline: resolver.span(file.deadline.as_ref(), Duration::from_secs(1)),
        on_failure: match file.on_failure.as_ref().map(|failure| failure.value) {
            Some(file::OnFailure::Allow) => OnFailure::Allow,
            Some(file::OnFailure::Deny) | None => OnFailure::Deny,
        },
        max_body: usize::try_from(resolver.size(file.max_body.as_ref(), 1 << 20))
            .unwrap_or(usize::MAX),
    };
    // What is wrong with it is told with its place, before anything starts.
    match hook.open() {
        Ok(_) => Some(hook),
        Err(error) => {
            resolver.wrong(&file.key, error.to_string());
            None
        }
    }
}
