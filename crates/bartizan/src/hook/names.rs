//! Which names stand in what passes? Found by a small model on this machine, masked by the profile.

mod crew;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authorize::Endpoint;
use bartizan_core::authorize::statement::Target;
use bartizan_core::limit::BoxFuture;
use bartizan_core::mask::injection::{Illegible, texts};
use bartizan_core::mask::{MAX_SPOTTED, Spotted};
use bartizan_core::refusal::Objection;
use bartizan_names::FindError;
use http::Method;

pub use crew::{BadCrew, Crew, MAX_THREADS};

use super::webhook::OnFailure;
use super::{Hook, Look, Opinion, media};

/// How sure the model must be where nobody says it.
pub const MIN_CONFIDENCE: f32 = 0.5;

/// The largest body where nobody says it, in bytes: two thirds of a second of a core.
pub const MAX_BODY: usize = 8 * 1024;

/// A look for names of people, organisations and places by a small model. It names what it finds, and
/// the profile says what becomes of it.
///
/// The model thinks on threads of its own, about 17 ms for 64 pieces of words.
pub struct Names {
    name: String,
    crew: Arc<Crew>,
    min_confidence: f32,
    requests: bool,
    answers: bool,
    target: Target,
    deadline: Duration,
    on_failure: OnFailure,
    max_body: usize,
}

impl Names {
    /// A look at requests to all endpoints.
    #[must_use]
    pub fn new(name: &str, crew: Arc<Crew>) -> Self {
        Self {
            name: name.to_owned(),
            crew,
            min_confidence: MIN_CONFIDENCE,
            requests: true,
            answers: false,
            target: Target::default(),
            deadline: Duration::from_secs(1),
            on_failure: OnFailure::default(),
            max_body: MAX_BODY,
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

    /// How sure the model must be, 0 to 1.
    #[must_use]
    pub fn min_confidence(self, min_confidence: f32) -> Self {
        Self { min_confidence, ..self }
    }

    /// How long it may take, with the wait for a thread.
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
        match (self.look(look).await, self.on_failure) {
            (Ok(spotted), _) if spotted.is_empty() => Ok(Opinion::Pass),
            (Ok(spotted), _) => Ok(Opinion::Mask(spotted)),
            (Err(failure), OnFailure::Allow) => Ok(Opinion::Unseen { reason: failure.to_string() }),
            (Err(failure), OnFailure::Deny) => {
                tracing::warn!(hook = %self.name, %failure, "nobody looked for names in a message");
                Err(Objection { detail: UNCHECKED.into(), ..Objection::default() })
            }
        }
    }

    /// The names in a message.
    async fn look(&self, look: Look<'_>) -> Result<Vec<Spotted>, Failure> {
        if look.body.len() > self.max_body {
            return Err(Failure::TooLarge(self.max_body));
        }
        // Each text once: a conversation says `user` many times, and often the same besides.
        let texts = texts(media(look.content_type), look.body, false)?.into_iter();
        let worth = |text: &String| text.chars().any(char::is_alphabetic);
        let texts: BTreeSet<String> = texts.map(|(_, text)| text).filter(worth).collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.crew.ask(texts, self.min_confidence).ok_or(Failure::Busy)?;
        let answer = tokio::time::timeout(self.deadline, answer).await;
        let found =
            answer.map_err(|_elapsed| Failure::TooSlow)?.map_err(|_gone| Failure::Gone)??;
        if found.len() > MAX_SPOTTED {
            return Err(Failure::TooMany);
        }
        let spotted = |(entity, text)| Spotted { entity, text, whole_word: true };
        Ok(found.into_iter().map(spotted).collect())
    }
}

/// What a client reads where nobody could look.
const UNCHECKED: &str = "a check could not be made; send less at once, or try again later";

/// Why nobody could look. For the operator; no client sees it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Illegible(#[from] Illegible),
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("too many messages wait for the model")]
    Busy,
    #[error("it took too long")]
    TooSlow,
    #[error("it holds more than {MAX_SPOTTED} names")]
    TooMany,
    #[error("the thread of the model is gone")]
    Gone,
    #[error(transparent)]
    Model(#[from] FindError),
}

impl Hook for Names {
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

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("name", &self.name).finish_non_exhaustive()
    }
}
