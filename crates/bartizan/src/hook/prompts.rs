//! Does what passes give orders to the model that reads it? The built-in look, in the place of a webhook.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authorize::Endpoint;
use bartizan_core::authorize::statement::Target;
use bartizan_core::limit::BoxFuture;
use bartizan_core::mask::injection::{Detector, Illegible, Suspicion, texts};
use bartizan_core::refusal::Objection;
use http::Method;

use super::webhook::OnFailure;
use super::{Hook, Look, Opinion, media};
use crate::clock;

/// How suspicious a text must be where nobody says it, in percent.
pub const THRESHOLD: u8 = 50;

/// How many bytes are looked at before others have their turn.
const TURN: usize = 64 * 1024;

/// A look at the texts of requests or answers by a table of turns of phrase. Its word is advice: it
/// finds what is written as others have written it before.
pub struct Prompts {
    name: String,
    detector: Detector,
    requests: bool,
    answers: bool,
    target: Target,
    threshold: u8,
    on_match: OnMatch,
    deadline: Duration,
    on_failure: OnFailure,
    max_body: usize,
}

/// What becomes of a message with a suspicious text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnMatch {
    /// It does not pass.
    #[default]
    Deny,
    /// It passes. The log has it as `PROMPT_INJECTION` either way.
    Log,
}

impl Prompts {
    /// A look at requests to all endpoints.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            detector: Detector::new(),
            requests: true,
            answers: false,
            target: Target::default(),
            threshold: THRESHOLD,
            on_match: OnMatch::default(),
            deadline: Duration::from_secs(1),
            on_failure: OnFailure::default(),
            max_body: 1024 * 1024,
        }
    }

    /// Whether it looks at requests, and whether at answers, which are then read whole.
    #[must_use]
    pub fn about(self, requests: bool, answers: bool) -> Self {
        Self { requests, answers, ..self }
    }

    /// Looks at some endpoints alone: these verbs, and patterns of paths as policies have them; what is
    /// empty is all.
    #[must_use]
    pub fn only(mut self, verbs: Vec<Method>, paths: Vec<Arc<str>>) -> Self {
        self.target = Target { verbs, paths, ..Target::default() };
        self
    }

    /// From which score on a text is suspicious, in percent, and what becomes of it.
    #[must_use]
    pub fn at(self, threshold: u8, on_match: OnMatch) -> Self {
        Self { threshold, on_match, ..self }
    }

    /// How long it may take.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// What becomes of what it could not look at.
    #[must_use]
    pub fn on_failure(self, on_failure: OnFailure) -> Self {
        Self { on_failure, ..self }
    }

    /// The largest body that it looks at, in bytes.
    #[must_use]
    pub fn max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    fn speaks_of(&self, endpoint: &Endpoint) -> bool {
        let resource = endpoint.permission.as_ref().map(|permission| &*permission.resource);
        self.target.may_cover(&endpoint.verb, &endpoint.path, resource, None)
    }

    async fn ask(&self, look: Look<'_>) -> Result<Opinion, Objection> {
        if !self.speaks_of(look.endpoint) {
            return Ok(Opinion::Pass);
        }
        match (self.look(look).await, self.on_match, self.on_failure) {
            (Ok(None), ..) => Ok(Opinion::Pass),
            (Ok(Some(suspicion)), OnMatch::Log, _) => Ok(Opinion::Suspect(Box::new(suspicion))),
            (Ok(Some(suspicion)), OnMatch::Deny, _) => {
                Err(Objection { prompt: Some(Box::new(suspicion)), ..Objection::default() })
            }
            (Err(failure), _, OnFailure::Allow) => {
                Ok(Opinion::Unseen { reason: failure.to_string() })
            }
            (Err(failure), _, OnFailure::Deny) => {
                tracing::warn!(hook = %self.name, %failure, "a message could not be looked at");
                Err(Objection { detail: UNCHECKED.into(), ..Objection::default() })
            }
        }
    }

    /// The most suspicious text of a message, if one is suspicious enough.
    async fn look(&self, look: Look<'_>) -> Result<Option<Suspicion>, Failure> {
        if look.body.len() > self.max_body {
            return Err(Failure::TooLarge(self.max_body));
        }
        let began = clock::now();
        let (mut worst, mut read): (Option<Suspicion>, usize) = (None, 0);
        let conversation = look.endpoint.protocol.has_models();
        for (place, text) in texts(media(look.content_type), look.body, conversation)? {
            let suspicion = self.detector.look(&text);
            if suspicion.score >= self.threshold.max(1)
                && worst.as_ref().is_none_or(|worst| worst.score < suspicion.score)
            {
                worst = Some(Suspicion { pointer: place.pointer(), ..suspicion });
            }
            read += text.len();
            if read >= TURN {
                read = 0;
                tokio::task::yield_now().await;
            }
            if clock::now().since(began) > self.deadline {
                return Err(Failure::TooSlow);
            }
        }
        Ok(worst)
    }
}

/// What a client reads where nobody could look.
const UNCHECKED: &str = "a check could not be made";

/// Why nobody could look. For the operator; no client sees it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Illegible(#[from] Illegible),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("it took too long")]
    TooSlow,
}

impl Hook for Prompts {
    fn name(&self) -> &str {
        &self.name
    }

    fn reads(&self, endpoint: &Endpoint) -> bool {
        self.requests && self.speaks_of(endpoint)
    }

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        if !self.requests {
            return Box::pin(std::future::ready(Ok(Opinion::Pass)));
        }
        Box::pin(self.ask(call))
    }

    fn looks_at_answers(&self) -> bool {
        self.answers
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        Box::pin(self.ask(answer))
    }
}

impl fmt::Debug for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompts").field("name", &self.name).finish_non_exhaustive()
    }
}
