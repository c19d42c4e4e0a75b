//! What does an endpoint speak?

use bytes::Bytes;

use super::mcp;

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
    /// Anthropic's API.
    Anthropic,
    /// The Model Context Protocol, Streamable HTTP.
    Mcp,
    /// Agent to Agent, by JSON-RPC or HTTP+JSON.
    A2a,
}

impl Protocol {
    /// Whether what it says is the gate's business: its calls are read whole, and its answers
    /// listened to.
    #[must_use]
    pub fn is_spoken(self) -> bool {
        match self {
            Self::Http | Self::OAuth => false,
            Self::OpenAi | Self::Anthropic | Self::Mcp | Self::A2a => true,
        }
    }

    /// Whether its calls go to a language model, and cost what that takes.
    #[must_use]
    pub fn has_models(self) -> bool {
        match self {
            Self::Http | Self::OAuth | Self::Mcp | Self::A2a => false,
            Self::OpenAi | Self::Anthropic => true,
        }
    }

    /// A masked message with those parts as they were that carry it.
    #[must_use]
    pub fn keep(self, before: &[u8], after: Bytes) -> Bytes {
        match self {
            Self::Http | Self::OAuth | Self::OpenAi | Self::Anthropic | Self::A2a => after,
            Self::Mcp => mcp::keep(before, after),
        }
    }
}
