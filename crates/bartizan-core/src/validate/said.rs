//! What does a call tell the road, whatever it is spoken in? The one shape that every protocol
//! fills.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::media::Media;
use super::{Estimate, Invalid, Listener, a2a, mcp};
use crate::audit::Note;
use crate::authorize::approval::CallDigest;
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
    /// The models it names, as they are called behind the gate.
    pub models: Models,
    /// The tool that it calls itself. (Tools that are only offered to a model are checked where
    /// they are read.)
    pub tool: Option<Arc<str>>,
    /// Why somebody must agree to it first, if somebody must: the name of what asks for it.
    pub approval: Option<Arc<str>>,
    /// Whether it asks for an answer in events.
    pub streams: bool,
    /// What goes on in place of the body, where the protocol had something to change.
    pub body: Option<Bytes>,
    /// What somebody agrees to who agrees to it, where that is not the request as it is.
    pub digest: Option<CallDigest>,
    /// The number of its message, which the answer repeats.
    pub id: Option<Box<Value>>,
    /// Whether header fields mirror the body, and nothing is kept from one message to the next.
    pub mirrored: bool,
    /// Header fields that go on otherwise than they came, or not at all.
    pub fields: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Header fields that say what stands in the body.
    pub mirrors: Vec<mcp::Mirror>,
    /// Where it goes behind the gate, where the protocol had something to change in that.
    pub target: Option<PathAndQuery>,
    /// What the log is to know when it departs.
    pub notes: Vec<Note>,
    /// Who listens to its answer.
    pub listener: Option<Listener>,
}

impl Said {
    /// These bytes go on in place of the body: what the log and the header fields say of it is said of them.
    pub(super) fn rewritten(&mut self, bytes: &[u8]) {
        match &self.listener {
            Some(Listener::Mcp(_)) => mcp::rewritten(self, bytes),
            Some(Listener::A2a(_)) => a2a::rewritten(self, bytes),
            Some(Listener::OpenAi(_) | Listener::Anthropic(_)) | None => {}
        }
    }
}

/// The models of a call.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Models {
    /// The one that is asked, where it names one.
    pub asked: Option<Arc<str>>,
    /// Others that may answer in its place.
    pub others: Vec<Arc<str>>,
}

impl Models {
    /// All of them, each once.
    pub fn all(&self) -> impl Iterator<Item = &Arc<str>> {
        self.asked.iter().chain(&self.others)
    }
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
    /// One of the two, of a message whose number the answer repeats.
    #[error("{unfit}")]
    Answered {
        /// Which.
        unfit: Box<Unfit>,
        /// The number.
        id: Option<Box<Value>>,
    },
}

impl Unfit {
    /// The reason, and the number of the message.
    #[must_use]
    pub fn apart(self) -> (Self, Option<Box<Value>>) {
        match self {
            Self::Answered { unfit, id } => (*unfit, id),
            Self::Invalid(_) | Self::Denied(_) => (self, None),
        }
    }
}
