//! Does what passes give orders to the model that reads it? The built-in look, in the place of a webhook.

use std::fmt;

use bartizan_core::authorize::Endpoint;
use bartizan_core::limit::BoxFuture;
use bartizan_core::mask::injection::{Detector, Illegible, Suspicion, texts};
use bartizan_core::refusal::Objection;

use super::{Hook, Look, Opinion, Remit, media, pass};
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
    remit: Remit,
    threshold: u8,
    on_match: OnMatch,
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
            remit: Remit::default(),
            threshold: THRESHOLD,
            on_match: OnMatch::default(),
        }
    }

    /// From which score on a text is suspicious, in percent, and what becomes of it.
    #[must_use]
    pub fn at(self, threshold: u8, on_match: OnMatch) -> Self {
        Self { threshold, on_match, ..self }
    }

    /// Which messages it looks at, for how long, and what becomes of those that it could not look at.
    #[must_use]
    pub fn remit(self, remit: Remit) -> Self {
        Self { remit, ..self }
    }

    async fn ask(&self, look: Look<'_>) -> Result<Opinion, Objection> {
        let said = async {
            Ok::<_, Failure>(match self.look(look).await? {
                None => Ok(Opinion::Pass),
                Some(suspicion) if self.on_match == OnMatch::Log => {
                    Ok(Opinion::Suspect(Box::new(suspicion)))
                }
                Some(suspicion) => {
                    Err(Objection { prompt: Some(Box::new(suspicion)), ..Objection::default() })
                }
            })
        };
        self.remit.keep(&self.name, look, said).await
    }

    /// The most suspicious text of a message, if one is suspicious enough.
    async fn look(&self, look: Look<'_>) -> Result<Option<Suspicion>, Failure> {
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
            if clock::now().since(began) > self.remit.patience() {
                return Err(Failure::TooSlow);
            }
        }
        Ok(worst)
    }
}

/// Why nobody could look. For the operator; no client sees it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Illegible(#[from] Illegible),
    #[error("it took too long")]
    TooSlow,
}

impl Hook for Prompts {
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

impl fmt::Debug for Prompts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompts").field("name", &self.name).finish_non_exhaustive()
    }
}
