//! What does a call tell the road, whatever it is spoken in? The one shape that every protocol
//! fills.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;

use super::media::Media;
use super::{Estimate, Invalid, Listener};
use crate::audit::Note;
use crate::authorize::{Denial, Grant};

/// What a protocol is given to read.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Under which grant: what the call names must be covered by it.
    pub grant: &'a Grant,
    /// Verb, target and header fields.
    pub head: &'a Parts,
    /// The body, whole.
    pub bytes: &'a Bytes,
    /// What kind of text it is.
    pub media: Media,
}

/// What a protocol understood of a call: everything on which the road decides.
#[derive(Debug, Default)]
pub struct Said {
    /// The most it can use.
    pub estimate: Estimate,
    /// The model it names, as it is called behind the gate.
    pub model: Option<Arc<str>>,
    /// The tool that it calls itself. (Tools that are only offered to a model are checked where
    /// they are read.)
    pub tool: Option<Arc<str>>,
    /// Why somebody must agree to it first, if somebody must: the name of what asks for it.
    pub approval: Option<Arc<str>>,
    /// Whether it asks for an answer in events.
    pub streams: bool,
    /// What goes on in place of the body, where the protocol had something to change.
    pub body: Option<Bytes>,
    /// Where it goes behind the gate, where the protocol had something to change in that.
    pub target: Option<PathAndQuery>,
    /// What the log is to know when it departs.
    pub notes: Vec<Note>,
    /// Who listens to its answer.
    pub listener: Option<Listener>,
}

/// Why a call does not fit: it is no sound one, or not covered by its grant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unfit {
    /// It is not sound.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It is sound, and not granted.
    #[error(transparent)]
    Denied(#[from] Denial),
}
