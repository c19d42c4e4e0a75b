//! Is the call sound, and inside the grant? Bytes in, [`Call`] out.

pub mod beside;
pub mod echo;
mod hidden;
mod json;
mod offer;
mod parts;
mod prompt;
mod size;
mod spelling;
mod text;
mod routing;
pub mod unseen;
pub mod media;
pub mod protocol;
pub mod said;
pub mod listener;
pub mod reported;
pub mod schema;
pub mod usage;
pub mod jsonrpc;
pub mod websocket;
pub mod openai;
pub mod anthropic;
pub mod mcp;
pub mod a2a;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, header};
use serde_json::Value;

pub use listener::{Heard, Listener};
pub use media::Media;
pub use protocol::Protocol;
pub use reported::Reported;
pub use said::{Asked, Models, Said, Unfit};
pub use schema::{Schema, SchemaError, Violation};
pub use unseen::Unseen;
use usage::Asks;

use crate::audit::Note;
use crate::authorize::Grant;
use crate::authorize::approval::CallDigest;
use crate::json::Unsound;

/// A call that was understood, or one that nothing needs to understand.
#[derive(Debug)]
pub struct Call<B> {
    /// What will be sent.
    body: Payload<B>,
    /// What kind of text it is.
    media: Media,
    /// What its protocol understood; nothing where it is plain HTTP.
    said: Option<Box<Said>>,
    /// What its schema was checked against: the body, read.
    document: Option<Box<Value>>,
}

/// A body that was read whole, or one that passes in chunks because nothing must inspect it.
pub enum Payload<B> {
    /// All of it.
    Whole(Bytes),
    /// As it comes.
    Stream(B),
}

/// How a body must be taken in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Intake {
    /// Read it, at most so many bytes: something must inspect it.
    Whole(u64),
    /// Let it pass in chunks, and stop it after so many bytes.
    Stream(u64),
}

/// The most a call can use, known before it is sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Estimate {
    /// Tokens of the request.
    pub tokens_in: u64,
    /// Tokens of the answer, at the most.
    pub tokens_out: u64,
    /// What else it asks for that costs more than tokens by themselves.
    pub asks: Asks,
}

/// Why a call was turned away. The caller must send another one.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// The connection ended before the body did.
    #[error("the body ended early")]
    Incomplete,
    /// A body that somebody must read before they agree, and could not.
    #[error(
        "somebody must read the body before they agree: send it with one `content-type`, and without \
         `content-encoding`"
    )]
    Illegible,
    /// Not JSON, or JSON that two readers may read differently.
    #[error("the body is not sound JSON: {0}")]
    Json(Unsound),
    /// A media type that this endpoint does not take.
    #[error("the media type is not supported here; send application/json")]
    Media,
    /// A message of a WebSocket that may not go on.
    #[error(transparent)]
    Message(#[from] websocket::Breach),
    /// A method that nobody here can read.
    #[error("the method is not known here")]
    Method,
    /// A WebSocket of another version than 13, the only one there is (RFC 6455 section 4.4).
    #[error("`sec-websocket-version` must be 13")]
    WebSocketVersion {
        /// Whether it was asked for by an upgrade, which HTTP/2 has not.
        upgrades: bool,
    },
    /// Something that this protocol asks for is missing or of the wrong type.
    #[error("`{0}` is missing or of the wrong type")]
    Member(&'static str),
    /// A member that leaves it to somebody else which model answers, where that decides on rights or
    /// prices.
    #[error(
        "`{0}` chooses a model that is not seen here: name it in `model`, and others in `models`"
    )]
    Routing(&'static str),
    /// A header field or a parameter of the query that does so.
    #[error(
        "`{0}`, beside the body, chooses a model or a price that is not seen here: leave it out, and name models in `model` and `models`"
    )]
    Steered(&'static str),
    /// A message that its protocol answers with an error of its own.
    #[error(transparent)]
    Rpc(#[from] jsonrpc::Fault),
    /// The body does not conform to the endpoint's schema.
    #[error("the body does not conform to the schema of this endpoint")]
    Schema(Vec<Violation>),
    /// Larger than the endpoint allows.
    #[error("the body is larger than {0} bytes")]
    TooLarge(u64),
    /// The body did not come in time.
    #[error("the body did not come in time")]
    TooSlow,
    /// What brings tokens that are not seen here, where tokens or money are counted.
    #[error(
        "{0}, or have `max_input_tokens` configured for this endpoint, where tokens or money are counted"
    )]
    Unseen(Unseen),
    /// A body that must be inspected was not read. It never happens on the road; it is here so
    /// that leaving the reading out fails closed.
    #[error("the body was not read")]
    Unread,
}

impl Grant {
    /// How the body of a call under this grant must be taken in.
    #[must_use]
    pub fn intake(&self) -> Intake {
        let endpoint = self.endpoint();
        let inspected = endpoint.schema.is_some()
            || endpoint.protocol != Protocol::Http
            || endpoint.profile.request.is_some()
            || endpoint.profile.inspected
            // Whoever agrees, agrees to this very body.
            || self.need().is_some();
        if inspected {
            Intake::Whole(endpoint.max_request_size)
        } else {
            Intake::Stream(endpoint.max_request_size)
        }
    }
}

impl Grant {
    /// Whether what is asked of a call cannot be judged by somebody who sees neither its body nor its
    /// answer, and whose client waits for no approval.
    #[must_use]
    pub fn must_see(&self) -> bool {
        matches!(self.intake(), Intake::Whole(_)) || self.endpoint().profile.response.is_some()
    }
}

impl<B> Call<B> {
    /// There is no other way to a call than through a grant that covers it.
    ///
    /// # Errors
    /// [`Unfit`] where the body is not what the endpoint takes, or names what is not granted.
    pub fn parse(grant: &Grant, head: &Parts, body: Payload<B>) -> Result<Self, Unfit> {
        let endpoint = grant.endpoint();
        let media = Media::of(&head.headers);
        let bytes = match (&body, grant.intake()) {
            (Payload::Stream(_), Intake::Whole(_)) => return Err(Invalid::Unread.into()),
            (Payload::Stream(_), Intake::Stream(_)) => {
                return Ok(Self { body, media, said: None, document: None });
            }
            (Payload::Whole(bytes), Intake::Whole(max) | Intake::Stream(max)) => {
                if bytes.len() as u64 > max {
                    return Err(Invalid::TooLarge(max).into());
                }
                bytes
            }
        };
        let mut said = understood(&Asked { grant, head, bytes, media })?;
        let mut document = match &endpoint.schema {
            Some(schema) => Some(Box::new(conforming(json::document(bytes, media)?, schema)?)),
            None => None,
        };
        let readable = !matches!(media, Media::Binary | Media::Other) || bytes.is_empty();
        if endpoint.profile.request.is_some() && !readable {
            return Err(Invalid::Media.into());
        }
        let body = match said.as_mut().and_then(|said| said.body.take()) {
            Some(changed) => {
                document = None;
                Payload::Whole(changed)
            }
            None => body,
        };
        Ok(Self { body, media, said, document })
    }

    /// Looks whether whoever must agree to the call can read it as whoever answers it does: it is not
    /// encoded, and where it is JSON, no name stands twice in it.
    pub(crate) fn check_legible(&self, head: &Parts) -> Result<(), Invalid> {
        let encoded = |coding: &HeaderValue| coding != "identity";
        let encoded = head.headers.get_all(header::CONTENT_ENCODING).iter().any(encoded);
        if encoded || head.headers.get_all(header::CONTENT_TYPE).iter().count() > 1 {
            return Err(Invalid::Illegible);
        }
        match &self.body {
            Payload::Whole(bytes) if self.media == Media::Json => {
                json::document(bytes, self.media).map(drop)
            }
            Payload::Whole(_) | Payload::Stream(_) => Ok(()),
        }
    }

    /// What kind of text the body is.
    #[must_use]
    pub fn media(&self) -> Media {
        self.media
    }

    /// The most it can use.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        self.said.as_ref().map(|said| said.estimate).unwrap_or_default()
    }

    /// The model it names, as it is called behind the gate.
    #[must_use]
    pub fn model(&self) -> Option<&Arc<str>> {
        self.said.as_ref()?.models.asked.as_ref()
    }

    /// The models that may answer it, in place of that one, too.
    #[must_use]
    pub fn models(&self) -> Models {
        self.said.as_ref().map(|said| said.models.clone()).unwrap_or_default()
    }

    /// Those that may answer it in place of the one that is asked.
    #[must_use]
    pub fn other_models(&self) -> &[Arc<str>] {
        self.said.as_ref().map(|said| &*said.models.others).unwrap_or_default()
    }

    /// The tool that it calls.
    #[must_use]
    pub fn tool(&self) -> Option<&Arc<str>> {
        self.said.as_ref()?.tool.as_ref()
    }

    /// Why somebody must agree to it first, if somebody must because of what it names.
    #[must_use]
    pub fn approval(&self) -> Option<&Arc<str>> {
        self.said.as_ref()?.approval.as_ref()
    }

    /// What somebody agrees to who agrees to it, where that is not the request as it is.
    pub(crate) fn digest(&self) -> Option<CallDigest> {
        self.said.as_ref()?.digest
    }

    /// The number of its message, which the answer repeats.
    pub(crate) fn take_id(&mut self) -> Option<Box<Value>> {
        self.said.as_mut()?.id.take()
    }

    /// Header fields that go on otherwise than they came, or not at all.
    pub(crate) fn take_fields(&mut self) -> Vec<(HeaderName, Option<HeaderValue>)> {
        self.said.as_mut().map(|said| std::mem::take(&mut said.fields)).unwrap_or_default()
    }

    /// What the log is to know when it departs.
    pub(crate) fn take_notes(&mut self) -> Vec<Note> {
        self.said.as_mut().map(|said| std::mem::take(&mut said.notes)).unwrap_or_default()
    }

    /// Hands out where it goes behind the gate, where that is another place.
    pub fn take_target(&mut self) -> Option<PathAndQuery> {
        self.said.as_mut()?.target.take()
    }

    /// Hands out who listens to its answer.
    pub fn take_listener(&mut self) -> Option<Listener> {
        self.said.as_mut()?.listener.take()
    }

    /// What will be sent.
    #[must_use]
    pub fn body(&self) -> &Payload<B> {
        &self.body
    }

    /// Puts other bytes in the place of the body, of the same meaning.
    pub(crate) fn rewrite(&mut self, bytes: Bytes) {
        if let Some(said) = &mut self.said {
            said.rewritten(&bytes);
        }
        (self.body, self.document) = (Payload::Whole(bytes), None);
    }

    /// What will be sent, to be sent; and the same as a document, where a schema was checked and
    /// nothing was masked since.
    #[must_use]
    pub fn into_body(self) -> (Payload<B>, Option<Box<Value>>) {
        (self.body, self.document)
    }
}

/// The document, if it conforms.
fn conforming(document: Value, schema: &Schema) -> Result<Value, Invalid> {
    let violations = schema.check(&document);
    if violations.is_empty() { Ok(document) } else { Err(Invalid::Schema(violations)) }
}

/// What the endpoint's protocol understands of a call.
fn understood(asked: &Asked<'_>) -> Result<Option<Box<Said>>, Unfit> {
    let said = match asked.grant.endpoint().protocol {
        Protocol::Http | Protocol::OAuth => return Ok(None),
        Protocol::OpenAi => openai::read(asked),
        Protocol::Anthropic => anthropic::read(asked),
        Protocol::Mcp => mcp::read(asked),
        Protocol::A2a => a2a::read(asked),
    };
    Ok(Some(Box::new(said?)))
}

impl Estimate {
    /// Both directions together.
    #[must_use]
    pub fn tokens(self) -> u64 {
        self.tokens_in.saturating_add(self.tokens_out)
    }
}

impl<B> fmt::Debug for Payload<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
