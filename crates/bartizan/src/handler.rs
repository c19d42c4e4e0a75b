//! Who answers a call? An agent of the embedding program, or an upstream: both are handlers.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bartizan_core::audit::Note;
use bartizan_core::exchange::Departure;
use bartizan_core::refusal::{Refusal, Upstream};
use bartizan_core::settle::Reported;
use bartizan_core::validate::Invalid;
use http::Response;

use crate::body::Body;
use crate::owed::Owed;
use crate::upstream::Ends;

/// What a handler works on.
pub type Work = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send>>;

/// Whoever answers calls. It is given a [`Departure`], which nothing but the road can make.
pub trait Handler: Debug + Send + Sync {
    /// Answers. Dropping the future cancels the work.
    fn answer(&self, departure: Departure<Body>) -> Work;
}

/// An answer, and what it cost.
#[derive(Debug)]
pub struct Answer {
    /// For the client; its body may stream.
    pub response: Response<Body>,
    /// What was used, if it is known already; an upstream's usage may also stand in its body.
    pub used: Option<Reported>,
    /// What the log is to remember besides.
    pub notes: Vec<Note>,
    /// The model that was asked for, where it is not the one that the call names.
    pub(crate) model: Option<Arc<str>>,
    /// The two ends of the connection, where it changes its protocol.
    pub(crate) ends: Option<Ends>,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the client is told.
    pub refusal: Refusal,
    /// Whether the call may have reached somebody who bills it.
    pub departed: bool,
}

impl Failure {
    /// No answer began in time. Where the client still owes some of the body that is its own fault.
    pub(crate) fn too_slow(owed: Option<Owed>) -> Self {
        let by_client = owed.is_some_and(|owed| owed.is_open());
        let refusal = if by_client { Invalid::TooSlow.into() } else { Upstream::TooSlow.into() };
        Self { refusal, departed: true }
    }
}

impl Answer {
    /// An answer whose cost is not known: it is charged what was reserved.
    #[must_use]
    pub fn new(response: Response<Body>) -> Self {
        Self { response, used: None, notes: Vec::new(), model: None, ends: None }
    }
}

impl<H: Handler + ?Sized> Handler for Arc<H> {
    fn answer(&self, departure: Departure<Body>) -> Work {
        (**self).answer(departure)
    }
}
