//! What do `hooks` mean? Which services are asked, about what, and for how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bartizan::app::AppBuilder;
use bartizan::hook::Prompts;
use bartizan::hook::prompts::{OnMatch, THRESHOLD};
use bartizan::hook::webhook::{BadWebhook, OnFailure, Webhook};
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
    /// Who is asked.
    pub asked: Asked,
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

/// Who is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A service at this address, by requests that are signed with the secret.
    Webhook(String, SecretString),
    /// The gateway itself, for orders to the model: from this score on, in percent.
    Prompts(u8, OnMatch),
}

impl Hook {
    /// Gives the hook to an app.
    ///
    /// # Errors
    /// What cannot be used of it.
    pub fn give(&self, app: AppBuilder) -> Result<AppBuilder, BadWebhook> {
        match &self.asked {
            Asked::Webhook(url, secret) => Ok(app.hook(self.webhook(url, secret)?)),
            Asked::Prompts(threshold, on_match) => Ok(app.hook(
                Prompts::new(&self.name)
                    .at(*threshold, *on_match)
                    .about(self.requests, self.answers)
                    .only(self.verbs.clone(), self.paths.clone())
                    .deadline(self.deadline)
                    .on_failure(self.on_failure)
                    .max_body(self.max_body),
            )),
        }
    }

    fn webhook(&self, url: &str, secret: &SecretString) -> Result<Webhook, BadWebhook> {
        let webhook = Webhook::new(&self.name, url, secret.expose_secret())?;
        Ok(webhook
            .about(self.requests, self.answers)
            .only(self.verbs.clone(), self.paths.clone())
            .deadline(self.deadline)
            .on_failure(self.on_failure)
            .max_body(self.max_body))
    }

    fn check(&self) -> Result<(), BadWebhook> {
        match &self.asked {
            Asked::Webhook(url, secret) => self.webhook(url, secret).map(drop),
            Asked::Prompts(..) => Ok(()),
        }
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
    let who = self::asked(resolver, file);
    let asked = |at: file::At| file.at.iter().any(|one| one.value == at);
    let verbs = file.verbs.iter().filter_map(|verb| {
        let method = Method::from_bytes(verb.as_bytes());
        resolver.take(&verb.place, method)
    });
    let hook = Hook {
        verbs: verbs.collect(),
        name: Arc::from(&**file.name),
        asked: who?,
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
    match hook.check() {
        Ok(()) => Some(hook),
        Err(error) => {
            resolver.wrong(&file.key, error.to_string());
            None
        }
    }
}

fn asked(resolver: &mut Resolver<'_>, file: &Located<file::Hook>) -> Option<Asked> {
    match (&file.url, &file.secret, &file.builtin) {
        (Some(url), Some(secret), None) => {
            let threshold = file.threshold.as_ref().map(|threshold| &threshold.key);
            let on_match = file.on_match.as_ref().map(|on_match| &on_match.key);
            for key in threshold.into_iter().chain(on_match) {
                resolver.error(key, "a service decides by itself", "remove the key");
            }
            let (url, secret) = (resolver.text(url), resolver.secret(secret));
            Some(Asked::Webhook(url?, secret?))
        }
        (None, None, Some(_)) => {
            let fraction = file.threshold.as_ref().map(|text| resolver.fraction(text));
            let threshold = match fraction {
                None => THRESHOLD,
                Some(fraction) => percent(fraction?),
            };
            let on_match = match file.on_match.as_ref().map(|on_match| on_match.value) {
                Some(file::OnMatch::Log) => OnMatch::Log,
                Some(file::OnMatch::Deny) | None => OnMatch::Deny,
            };
            Some(Asked::Prompts(threshold, on_match))
        }
        _ => {
            resolver.error(
                &file.key,
                "nobody is asked by this hook, or two are",
                "write `url` and `secret`, or `builtin: prompt_injection`",
            );
            None
        }
    }
}

fn percent(fraction: f32) -> u8 {
    (0..=100).rev().find(|n| f32::from(*n) / 100.0 <= fraction + f32::EPSILON).unwrap_or(0)
}
