//! Which names stand in what passes? Found by a small model on this machine, masked by the profile.

mod crew;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bartizan_core::authorize::Endpoint;
use bartizan_core::limit::BoxFuture;
use bartizan_core::mask::injection::{Illegible, texts};
use bartizan_core::mask::{MAX_SPOTTED, Spotted};
use bartizan_core::refusal::Objection;
use bartizan_names::FindError;

pub use crew::{BadCrew, Crew, MAX_THREADS};

use super::{Hook, Look, Opinion, Remit, media, pass};

/// How sure the model must be where nobody says it.
pub const MIN_CONFIDENCE: f32 = 0.5;

/// The largest body where nobody says it, in bytes: two thirds of a second of a core.
pub const MAX_BODY: usize = 8 * 1024;

/// A look for names of people, organisations and places by a small model. It names what it finds, and
/// the profile says what becomes of it.
///
/// The model thinks on threads of its own, about 17 ms for 64 pieces of words. Where nothing else is said
/// it looks at bodies of at most [`MAX_BODY`], and the wait for a thread is part of its time.
pub struct Names {
    name: String,
    crew: Arc<Crew>,
    min_confidence: f32,
    remit: Remit,
}

impl Names {
    /// A look at requests to all endpoints.
    #[must_use]
    pub fn new(name: &str, crew: Arc<Crew>) -> Self {
        Self {
            name: name.to_owned(),
            crew,
            min_confidence: MIN_CONFIDENCE,
            remit: Remit::default().max_body(MAX_BODY),
        }
    }

    /// How sure the model must be, 0 to 1.
    #[must_use]
    pub fn min_confidence(self, min_confidence: f32) -> Self {
        Self { min_confidence, ..self }
    }

    /// Which messages it looks at, for how long, and what becomes of those that it could not look at.
    #[must_use]
    pub fn remit(self, remit: Remit) -> Self {
        Self { remit, ..self }
    }

    async fn ask(&self, look: Look<'_>) -> Result<Opinion, Objection> {
        let said = async {
            let spotted = self.look(look).await?;
            let none = spotted.is_empty();
            Ok::<_, Failure>(Ok(if none { Opinion::Pass } else { Opinion::Mask(spotted) }))
        };
        self.remit.keep(&self.name, look, said).await
    }

    /// The names in a message.
    async fn look(&self, look: Look<'_>) -> Result<Vec<Spotted>, Failure> {
        // Each text once: a conversation says `user` many times, and often the same besides.
        let texts = texts(media(look.content_type), look.body, false)?.into_iter();
        let worth = |text: &String| text.chars().any(char::is_alphabetic);
        let texts: BTreeSet<String> = texts.map(|(_, text)| text).filter(worth).collect();
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let answer = self.crew.ask(texts, self.min_confidence).ok_or(Failure::Busy)?;
        let answer = tokio::time::timeout(self.remit.patience(), answer).await;
        let found =
            answer.map_err(|_elapsed| Failure::TooSlow)?.map_err(|_gone| Failure::Gone)??;
        if found.len() > MAX_SPOTTED {
            return Err(Failure::TooMany);
        }
        let spotted = |(entity, text)| Spotted { entity, text, whole_word: true };
        Ok(found.into_iter().map(spotted).collect())
    }
}

/// Why nobody could look. For the operator; no client sees it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Illegible(#[from] Illegible),
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
        self.remit.reads(endpoint)
    }

    fn tells_apart(&self, one: &Endpoint, other: &Endpoint) -> bool {
        self.remit.covers(one) != self.remit.covers(other)
    }

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        if !self.remit.reads(call.endpoint) {
            return pass();
        }
        Box::pin(self.ask(call))
    }

    fn looks_at_answers(&self) -> bool {
        self.remit.answers()
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        if !self.remit.covers(answer.endpoint) {
            return pass();
        }
        Box::pin(self.ask(answer))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("name", &self.name).finish_non_exhaustive()
    }
}
