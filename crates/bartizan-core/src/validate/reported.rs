//! What did a call use, in the words of whoever answered it?

use std::sync::Arc;

use super::usage::{Kinds, Tier};

/// What a handler or an upstream says that a call used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Reported {
    /// Tokens of the request, cached ones included.
    pub tokens_in: u64,
    /// Tokens of the answer.
    pub tokens_out: u64,
    /// Of the request's tokens, those that the provider had in its cache.
    pub tokens_cached: u64,
    /// Of the request's tokens, those that the provider wrote into its cache.
    pub tokens_cache_written: u64,
    /// Of those, what it keeps there for an hour.
    pub tokens_cache_written_1h: u64,
    /// Of the request's tokens, those that are sound.
    pub tokens_audio_in: u64,
    /// Of the answer's tokens, those that are sound.
    pub tokens_audio_out: u64,
    /// The service tier that it was served in, where that is not the standard.
    pub tier: Option<Tier>,
    /// Whether there may be more than this, of which nobody here knows: what was reserved is charged,
    /// or this where it is more.
    pub at_least: bool,
    /// The cost in nano-dollars, where it is known without a price.
    pub usd_nano: Option<u64>,
    /// The model that answered, where it is not the one that was asked.
    pub model: Option<Arc<str>>,
}

impl Reported {
    /// Which of its tokens have prices of their own.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        Kinds {
            cached: self.tokens_cached,
            written: self.tokens_cache_written,
            written_1h: self.tokens_cache_written_1h,
            audio_in: self.tokens_audio_in,
            audio_out: self.tokens_audio_out,
            tier: self.tier,
        }
    }
}
