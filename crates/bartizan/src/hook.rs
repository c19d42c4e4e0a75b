//! What does the developer want to check besides? Hooks, in the same place as the built-in
//! screening.

use std::fmt::Debug;

use bartizan_core::authenticate::Caller;
use bartizan_core::authorize::Endpoint;
use bartizan_core::limit::BoxFuture;
use bartizan_core::refusal::Objection;

/// A check of the developer's own, before a call departs and before its answer goes out.
///
/// It is given what is really about to pass: the call after masking, the answer after masking.
/// What it does not answer in the endpoint's time is refused.
pub trait Hook: Debug + Send + Sync {
    /// What it is called in the log.
    fn name(&self) -> &str;

    /// Looks at a call that is about to depart.
    ///
    /// # Errors
    /// An [`Objection`] stops it; what was reserved goes back.
    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<(), Objection>> {
        let _ = call;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether it wants to look at answers; they are then read whole first.
    fn looks_at_answers(&self) -> bool {
        false
    }

    /// Looks at an answer that is about to go out.
    ///
    /// # Errors
    /// An [`Objection`] withholds it; the call is charged all the same.
    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<(), Objection>> {
        let _ = answer;
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What a hook is shown.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// On whose behalf.
    pub caller: &'a Caller,
    /// At which endpoint.
    pub endpoint: &'a Endpoint,
    /// The body; empty where it passes in chunks because nothing must inspect it. Give the
    /// endpoint a schema or a masking profile to have it read whole.
    pub body: &'a [u8],
}
