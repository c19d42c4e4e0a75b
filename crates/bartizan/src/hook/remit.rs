//! What does a hook look at, for how long, and what then? The same of each kind.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authorize::Endpoint;
use bartizan_core::authorize::statement::Target;
use bartizan_core::refusal::Objection;
use http::Method;

use super::{Look, Opinion};

/// Which messages a hook looks at, how long it may take, and what becomes of those that it could not
/// look at.
///
/// Where nothing is written these are requests to all endpoints of at most 1 MiB; it has a second, and
/// what it could not look at does not pass.
#[derive(Clone, Debug)]
pub struct Remit {
    requests: bool,
    answers: bool,
    target: Target,
    deadline: Duration,
    on_failure: OnFailure,
    max_body: usize,
}

/// What becomes of a message that a hook could not look at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnFailure {
    /// It does not pass.
    #[default]
    Deny,
    /// It passes, and the log has it as `SECURITY_ALERT`.
    Allow,
}

/// The largest body where nobody says it, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

impl Default for Remit {
    fn default() -> Self {
        Self {
            requests: true,
            answers: false,
            target: Target::default(),
            deadline: Duration::from_secs(1),
            on_failure: OnFailure::default(),
            max_body: MAX_BODY,
        }
    }
}

impl Remit {
    /// Whether it looks at requests, and whether at answers, which are then read whole.
    #[must_use]
    pub fn at(self, requests: bool, answers: bool) -> Self {
        Self { requests, answers, ..self }
    }

    /// Looks at calls of some endpoints alone: these verbs, and patterns of paths as policies have them;
    /// what is empty is all.
    #[must_use]
    pub fn only(mut self, verbs: Vec<Method>, paths: Vec<Arc<str>>) -> Self {
        self.target = Target { verbs, paths, ..Target::default() };
        self
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

    /// The largest body that it looks at, in bytes; it could not look at a larger one.
    #[must_use]
    pub fn max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// The calls of which endpoints it looks at.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How long it may take.
    pub(super) fn patience(&self) -> Duration {
        self.deadline
    }

    /// Whether calls of this endpoint are looked at.
    pub(super) fn covers(&self, endpoint: &Endpoint) -> bool {
        let resource = endpoint.permission.as_ref().map(|permission| &*permission.resource);
        self.target.may_cover(&endpoint.verb, &endpoint.path, resource, None)
    }

    /// Whether requests to this endpoint are looked at.
    pub(super) fn reads(&self, endpoint: &Endpoint) -> bool {
        self.requests && self.covers(endpoint)
    }

    /// Whether answers are looked at.
    pub(super) fn answers(&self) -> bool {
        self.answers
    }

    /// Has `look` looked at: what is said of it, or what becomes of it where nobody could say.
    pub(super) async fn keep<F: Display>(
        &self,
        hook: &str,
        look: Look<'_>,
        said: impl Future<Output = Result<Result<Opinion, Objection>, F>>,
    ) -> Result<Opinion, Objection> {
        if look.body.len() > self.max_body {
            let most = self.max_body;
            return self.unseen(hook, &format_args!("the body is larger than {most} bytes"));
        }
        match said.await {
            Ok(said) => said,
            Err(failure) => self.unseen(hook, &failure),
        }
    }

    fn unseen(&self, hook: &str, failure: &dyn Display) -> Result<Opinion, Objection> {
        match self.on_failure {
            OnFailure::Allow => Ok(Opinion::Unseen { reason: failure.to_string() }),
            OnFailure::Deny => {
                tracing::warn!(hook, %failure, "a hook could not look at a message");
                Err(Objection { detail: UNCHECKED.into(), ..Objection::default() })
            }
        }
    }
}

/// What a client reads where nobody could look.
const UNCHECKED: &str = "a check could not be made; send less at once, or try again later";
