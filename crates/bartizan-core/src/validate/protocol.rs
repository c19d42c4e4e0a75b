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
    /// Anthropic's API.
    Anthropic,
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
            Self::OpenAi | Self::Anthropic | Self::A2a => true,
        }
    }

    /// Whether its calls go to a language model, and cost what that takes.
    #[must_use]
    pub fn has_models(self) -> bool {
        match self {
            Self::Http | Self::OAuth | Self::A2a => false,
            Self::OpenAi | Self::Anthropic => true,
        }
    }
}
