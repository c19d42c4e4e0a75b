//! What do `hooks` mean? Which services are asked, about what, and for how long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bartizan::app::AppBuilder;
#[cfg(feature = "names")]
use bartizan::hook::names::{self, Crew, Names};
use bartizan::hook::prompts::{OnMatch, THRESHOLD};
use bartizan::hook::webhook::{BadWebhook, Webhook};
use bartizan::hook::{MAX_BODY, OnFailure, Prompts, Remit};
use bartizan_pii::Entity;
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
    /// Which messages it looks at, for how long, and what then.
    pub remit: Remit,
}

/// Who is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A service at this address, by requests that are signed with the secret.
    Webhook(String, SecretString),
    /// The gateway itself, for orders to the model: from this score on, in percent.
    Prompts(u8, OnMatch),
    /// A model that runs here, for names: it must be as sure as this, 0 to 1.
    #[cfg(feature = "names")]
    Names(Arc<Crew>, f32),
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
                Prompts::new(&self.name).at(*threshold, *on_match).remit(self.remit.clone()),
            )),
            #[cfg(feature = "names")]
            Asked::Names(crew, min_confidence) => Ok(app.hook(
                Names::new(&self.name, Arc::clone(crew))
                    .min_confidence(*min_confidence)
                    .remit(self.remit.clone()),
            )),
        }
    }

    fn webhook(&self, url: &str, secret: &SecretString) -> Result<Webhook, BadWebhook> {
        let webhook = Webhook::new(&self.name, url, secret.expose_secret())?;
        Ok(webhook.remit(self.remit.clone()))
    }

    fn check(&self) -> Result<(), BadWebhook> {
        match &self.asked {
            Asked::Webhook(url, secret) => self.webhook(url, secret).map(drop),
            Asked::Prompts(..) => Ok(()),
            #[cfg(feature = "names")]
            Asked::Names(..) => Ok(()),
        }
    }

    /// The largest body where nobody says it, in bytes.
    fn usual_body(asked: &Asked) -> u64 {
        match asked {
            Asked::Webhook(..) | Asked::Prompts(..) => MAX_BODY as u64,
            #[cfg(feature = "names")]
            Asked::Names(..) => names::MAX_BODY as u64,
        }
    }
}

/// What hooks may find that no recognizer looks for: what is done to it can be written all the same.
pub(super) fn entities(hooks: &[Located<file::Hook>]) -> Vec<Entity> {
    let finds = |hook: &Located<file::Hook>| {
        hook.builtin.as_ref().is_none_or(|builtin| builtin.value == file::BuiltIn::Names)
    };
    let names = ["LOCATION", "ORGANIZATION", "PERSON", "STREET_ADDRESS"];
    let found = names.iter().filter(|_| hooks.iter().any(finds));
    found.filter_map(|name| name.parse().ok()).collect()
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
    let who = self::asked(resolver, file)?;
    let remit = remit(resolver, file, Hook::usual_body(&who));
    let hook = Hook { name: Arc::from(&**file.name), asked: who, remit };
    // What is wrong with it is told with its place, before anything starts.
    match hook.check() {
        Ok(()) => Some(hook),
        Err(error) => {
            resolver.wrong(&file.key, error.to_string());
            None
        }
    }
}

fn remit(resolver: &mut Resolver<'_>, file: &file::Hook, usual_body: u64) -> Remit {
    let asked = |at: file::At| file.at.iter().any(|one| one.value == at);
    let verbs = file.verbs.iter().filter_map(|verb| {
        let method = Method::from_bytes(verb.as_bytes());
        resolver.take(&verb.place, method)
    });
    let verbs = verbs.collect();
    let max_body = resolver.size(file.max_body.as_ref(), usual_body);
    Remit::default()
        .at(file.at.is_empty() || asked(file::At::Request), asked(file::At::Response))
        .only(verbs, words(&file.paths))
        .deadline(resolver.span(file.deadline.as_ref(), Duration::from_secs(1)))
        .on_failure(match file.on_failure.as_ref().map(|failure| failure.value) {
            Some(file::OnFailure::Allow) => OnFailure::Allow,
            Some(file::OnFailure::Deny) | None => OnFailure::Deny,
        })
        .max_body(usize::try_from(max_body).unwrap_or(usize::MAX))
}

fn asked(resolver: &mut Resolver<'_>, file: &Located<file::Hook>) -> Option<Asked> {
    let builtin = file.builtin.as_ref().map(|builtin| builtin.value);
    unused(resolver, file, builtin);
    match (&file.url, &file.secret, builtin) {
        (Some(url), Some(secret), None) => {
            let (url, secret) = (resolver.text(url), resolver.secret(secret));
            Some(Asked::Webhook(url?, secret?))
        }
        (None, None, Some(file::BuiltIn::PromptInjection)) => prompts(resolver, file),
        (None, None, Some(file::BuiltIn::Names)) => model(resolver, file),
        _ => {
            resolver.error(
                &file.key,
                "nobody is asked by this hook, or two are",
                "write `url` and `secret`, or a `builtin`",
            );
            None
        }
    }
}

/// Tells the keys that another kind of hook has.
fn unused(resolver: &mut Resolver<'_>, file: &file::Hook, builtin: Option<file::BuiltIn>) {
    let prompts =
        [file.threshold.as_ref().map(|key| &key.key), file.on_match.as_ref().map(|key| &key.key)];
    let names = [
        file.model.as_ref().map(|key| &key.key),
        file.runtime.as_ref().map(|key| &key.key),
        file.min_confidence.as_ref().map(|key| &key.key),
        file.threads.as_ref().map(|key| &key.key),
    ];
    let (why, unused) = match builtin {
        // That nobody is asked is told already.
        None if file.url.is_none() => return,
        None => ("a service decides by itself", [&prompts[..], &names].concat()),
        Some(file::BuiltIn::PromptInjection) => ("it asks no model", names.to_vec()),
        Some(file::BuiltIn::Names) => ("what it finds is masked as `pii` says", prompts.to_vec()),
    };
    for key in unused.into_iter().flatten() {
        resolver.error(key, why, "remove the key");
    }
}

fn prompts(resolver: &mut Resolver<'_>, file: &file::Hook) -> Option<Asked> {
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

/// Opens the model, so that what is wrong with it is told before anything starts.
#[cfg(feature = "names")]
fn model(resolver: &mut Resolver<'_>, file: &Located<file::Hook>) -> Option<Asked> {
    use bartizan::hook::names::{BadCrew, MAX_THREADS};
    use bartizan_names::OpenError;

    let confidence = file.min_confidence.as_ref().map(|text| resolver.fraction(text));
    let threads = resolver.count(file.threads.as_ref(), 1, 1..=MAX_THREADS as u64);
    let Some(model) = &file.model else {
        resolver.error(&file.key, "`names` needs a model", "write the folder under `model`");
        return None;
    };
    let folder = resolver.outside.path(&model.value.0);
    let runtime = file.runtime.as_ref().map(|runtime| resolver.outside.path(&runtime.value.0));
    let threads = usize::try_from(threads).ok().and_then(std::num::NonZero::new)?;
    match Crew::open(&folder, runtime.as_deref(), threads) {
        Ok(crew) => {
            Some(Asked::Names(Arc::new(crew), confidence.unwrap_or(Some(names::MIN_CONFIDENCE))?))
        }
        Err(error) => {
            let of_runtime =
                matches!(error, BadCrew::Open(OpenError::Runtime(_) | OpenError::OtherRuntime(_)));
            let place = match &file.runtime {
                Some(runtime) if of_runtime => &runtime.place,
                None if of_runtime => &file.key,
                _ => &model.place,
            };
            resolver.wrong(place, error.to_string());
            None
        }
    }
}

/// Told before: this gateway is built without it.
#[cfg(not(feature = "names"))]
fn model(_: &mut Resolver<'_>, _: &Located<file::Hook>) -> Option<Asked> {
    None
}

fn percent(fraction: f32) -> u8 {
    (0..=100).rev().find(|n| f32::from(*n) / 100.0 <= fraction + f32::EPSILON).unwrap_or(0)
}

/// `cargo xtask names` runs them: they need the model and its runtime.
#[cfg(all(test, feature = "names"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::super::super::{Overrides, Paint, examine_text};

    /// What is told of a hook that is written like this.
    fn told(hook: &str) -> String {
        let path = |name: &str| std::env::var(name).unwrap();
        let hook = hook
            .replace("MODEL", &path("BARTIZAN_NAMES_MODEL"))
            .replace("RUNTIME", &path("BARTIZAN_NAMES_RUNTIME"));
        let text = format!(
            "pii: {{ request: {{ detect: [EMAIL], action: mask, actions: {{ LOCATION: detect }} }} }}
hooks: [{{ name: n, {hook} }}]
endpoints: [{{ path: /document, verbs: [POST], public: true, handler: health }}]
"
        );
        let folder = tempfile::tempdir().unwrap();
        let examined = examine_text(&text, folder.path(), &Overrides::default(), &|_| None);
        examined.findings.to_text("bartizan.yaml", Paint::Plain)
    }

    #[test]
    fn a_model_that_cannot_be_used_is_told_with_its_place() {
        let sound = told("builtin: names, model: MODEL, runtime: RUNTIME");
        assert!(!sound.contains("error"), "{sound}");
        let nowhere = told("builtin: names, model: nowhere, runtime: RUNTIME");
        assert!(
            nowhere.contains("bartizan.yaml:2:43: error: cannot read")
                && nowhere.contains("config.json"),
            "{nowhere}"
        );
        let other = told("builtin: names, model: MODEL, runtime: other.so");
        assert!(other.contains("bartizan.yaml:2:") && other.contains("already"), "{other}");
        let none = told("builtin: names");
        assert!(none.contains("`names` needs a model"), "{none}");
        let key = told("builtin: names, model: MODEL, runtime: RUNTIME, on_match: log");
        assert!(key.contains("masked as `pii` says"), "{key}");
        let none = told("builtin: names, model: MODEL, runtime: RUNTIME, threads: 0");
        assert!(none.contains("`threads` must be from 1 to 64"), "{none}");
    }
}
