//! What does the developer want to check besides? Hooks, in the same place as the built-in
//! screening.

mod remit;
pub mod webhook;
#[cfg(feature = "names")]
pub mod names;
pub mod prompts;

use std::fmt::Debug;

use bartizan_core::audit::{Event, Note, Outcome};
use bartizan_core::authenticate::Caller;
use bartizan_core::authorize::Endpoint;
use bartizan_core::id::RequestId;
use bartizan_core::limit::BoxFuture;
pub use bartizan_core::mask::Spotted;
use bartizan_core::mask::injection::Suspicion;
use bartizan_core::refusal::Objection;
use bartizan_core::validate::Media;
use http::{HeaderMap, HeaderValue, header};
#[cfg(feature = "names")]
pub use names::Names;
pub use prompts::Prompts;
pub use remit::{MAX_BODY, OnFailure, Remit};
pub use webhook::Webhook;

/// A check of the developer's own, before a call departs and before its answer goes out.
///
/// It is given what is really about to pass: the call after masking, the answer after masking and
/// before what was put aside of the request is put back. What it does not answer in the endpoint's
/// time is refused.
pub trait Hook: Debug + Send + Sync {
    /// What it is called in the log.
    fn name(&self) -> &str;

    /// Whether requests to this endpoint are read whole for it. Otherwise it is shown a body only
    /// where something else needs it, too.
    fn reads(&self, endpoint: &Endpoint) -> bool {
        let _ = endpoint;
        false
    }

    /// Whether it may say other things of the same call at one endpoint than at the other. A path
    /// that another reader may take for that of the other endpoint passes only where nothing tells
    /// the two apart; unless this is written, a hook does.
    fn tells_apart(&self, one: &Endpoint, other: &Endpoint) -> bool {
        let _ = (one, other);
        true
    }

    /// Looks at a call that is about to depart.
    ///
    /// # Errors
    /// An [`Objection`] stops it; what was reserved goes back.
    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        let _ = call;
        pass()
    }

    /// Whether it wants to look at answers; they are then read whole first.
    fn looks_at_answers(&self) -> bool {
        false
    }

    /// Looks at an answer that is about to go out.
    ///
    /// # Errors
    /// An [`Objection`] withholds it; the call is charged all the same.
    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        let _ = answer;
        pass()
    }
}

/// What a hook says of what may pass.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Opinion {
    /// As it is.
    #[default]
    Pass,
    /// Without these texts. What becomes of them is what the endpoint's profile does to their
    /// entities, as if they had been found here: masked, tokenised, or the whole refused.
    Mask(Vec<Spotted>),
    /// As it is; what it is suspected of is to be remembered.
    Suspect(Box<Suspicion>),
    /// It could not look, and lets pass what it cannot look at. The log has it as
    /// `SECURITY_ALERT`.
    Unseen {
        /// Why not; no value stands in it.
        reason: String,
    },
}

/// What a hook is shown.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Look<'a> {
    /// The name of the exchange.
    pub request_id: RequestId,
    /// On whose behalf.
    pub caller: &'a Caller,
    /// At which endpoint.
    pub endpoint: &'a Endpoint,
    /// What the body is, as its sender says.
    pub content_type: Option<&'a str>,
    /// The body; empty where it passes in chunks because nothing must inspect it: see
    /// [`Hook::reads`].
    pub body: &'a [u8],
}

/// What a hook says of what it does not look at.
fn pass<'a>() -> BoxFuture<'a, Result<Opinion, Objection>> {
    Box::pin(std::future::ready(Ok(Opinion::Pass)))
}

/// For the log: a hook suspects orders to the model, and lets them pass.
pub(crate) fn suspected(hook: &str, suspicion: &Suspicion) -> Note {
    Note {
        event: Event::PromptInjection,
        outcome: Outcome::Allow,
        reason: Some(format!("the hook `{hook}` suspects orders to the model")),
        details: suspicion.details(hook),
    }
}

/// For the log: a hook could not look, and what it should have looked at passes.
pub(crate) fn unseen(hook: &str, reason: &str) -> Note {
    let mut details = serde_json::Map::new();
    details.insert("hook".into(), hook.into());
    Note {
        event: Event::SecurityAlert,
        outcome: Outcome::Allow,
        reason: Some(format!("the hook `{hook}` could not look: {reason}")),
        details,
    }
}

/// What a body is, by what its sender says.
pub(crate) fn media(content_type: Option<&str>) -> Media {
    let value = content_type.and_then(|text| HeaderValue::from_str(text).ok());
    let named = value.map(|value| (header::CONTENT_TYPE, value));
    Media::of(&HeaderMap::from_iter(named))
}
