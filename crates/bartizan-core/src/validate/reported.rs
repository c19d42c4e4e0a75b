//! What did a call use, in the words of whoever answered it?

use std::sync::Arc;

/// What a handler or an upstream says that a call used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reported {
    /// Tokens of the request, cached ones included.
    pub tokens_in: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
    /// Of the request's tokens, those that the provider had in its cache.
    pub tokens_cached: u64,
    /// The cost in nano-dollars, where it is known without a price.
    pub usd_nano: Option<u64>,
    /// The model that answered, where it is not the one that was asked.
    pub model: Option<Arc<str>>,
}
