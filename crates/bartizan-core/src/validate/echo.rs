//! What of a call must stand in an error about it?

use serde_json::Value;

/// What of a call stands in an error about it, so that its client knows the error for an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Echo {
    /// The identifier of a call by JSON-RPC.
    Rpc(Value),
    /// Nothing: it came by HTTP+JSON, whose errors look otherwise.
    Rest,
}

impl Echo {
    /// The identifier, where it came by JSON-RPC.
    #[must_use]
    pub fn id(&self) -> Option<&Value> {
        match self {
            Self::Rpc(id) => Some(id),
            Self::Rest => None,
        }
    }
}
