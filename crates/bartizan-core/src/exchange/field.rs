//! Which header fields mean something to the gate?

use http::{HeaderMap, HeaderName, Method, header};

use crate::admit::fields::plain;
use crate::validate::Media;

/// The header field by which a caller says that somebody has agreed.
pub static X_APPROVAL_ID: HeaderName = HeaderName::from_static("x-approval-id");

/// The header fields by which the gate tells an upstream who is calling. No client may set them.
pub const IDENTITY_PREFIX: &str = "x-bartizan-";

/// Whether a field is one by which a client might pretend to be somebody, in any spelling.
#[must_use]
pub fn claims_identity(name: &HeaderName) -> bool {
    plain(name).starts_with(IDENTITY_PREFIX)
}

/// Whether a media type is that of a stream of events.
#[must_use]
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// The kind of text that a message with these header fields is.
#[must_use]
pub fn media(headers: &HeaderMap) -> Media {
    Media::of(headers)
}

/// The standard methods, which are forwarded as they are.
#[must_use]
pub fn is_standard(verb: &Method) -> bool {
    matches!(verb.as_str(), "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS")
}

/// The length that a message says its body has, in digits and no other way.
pub(super) fn declared(headers: &HeaderMap) -> Option<usize> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let value = values.next().filter(|_| values.next().is_none())?.to_str().ok()?;
    value.bytes().all(|byte| byte.is_ascii_digit()).then(|| value.parse().ok()).flatten()
}
