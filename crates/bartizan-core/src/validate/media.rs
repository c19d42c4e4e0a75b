//! What kind of text is a body?

use http::{HeaderMap, header};

/// What kind of text a body is, by its `Content-Type`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Media {
    /// `application/json` and whatever ends in `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `text/…`.
    Text,
    /// No type given.
    Unnamed,
    /// What nobody here can read.
    Other,
}

impl Media {
    /// The media type of a message with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(header::CONTENT_TYPE) else { return Self::Unnamed };
        let essence = value.to_str().unwrap_or("?").split(';').next().unwrap_or_default();
        let essence = essence.trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            _ if essence.ends_with("+json") => Self::Json,
            _ if essence.starts_with("text/") => Self::Text,
            _ => Self::Other,
        }
    }
}
