//! Which messages of a WebSocket (RFC 6455) are sound?

/// The largest message where nothing else is written, in bytes.
pub const MAX_MESSAGE: u64 = 1_000_000;

/// What is laid down for the messages of one endpoint, in both directions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Messages {
    /// The largest message, all of its frames together, in bytes.
    pub max_size: u64,
    /// What becomes of a binary message where texts are masked.
    pub binary: Binary,
}

/// What becomes of a binary message where texts are masked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Binary {
    /// It ends the connection: nobody can say what it holds.
    #[default]
    Refuse,
    /// It passes unread.
    Pass,
}

/// Why a message may not go on; it ends the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Breach {
    /// A binary message where texts are masked.
    #[error("binary messages are not taken here")]
    Binary,
    /// Not as RFC 6455 has it: reserved bits, unmasked frames, broken order.
    #[error("the frame is not one of RFC 6455")]
    Frame,
    /// Larger than the endpoint allows.
    #[error("the message is larger than {0} bytes")]
    TooLarge(u64),
    /// A text that is none.
    #[error("the text is not UTF-8")]
    Utf8,
}

impl Default for Messages {
    fn default() -> Self {
        Self { max_size: MAX_MESSAGE, binary: Binary::default() }
    }
}
