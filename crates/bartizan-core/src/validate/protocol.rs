//! What does an endpoint speak?

/// What the bodies of an endpoint look like, and in which dialect its errors are worded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Protocol {
    /// Plain HTTP: JSON where a schema says so, anything otherwise.
    #[default]
    Http,
    /// The token endpoint and its neighbours (RFC 6749): they read their clients' credentials
    /// themselves.
    OAuth,
    /// OpenAI's API.
    OpenAi,
}
