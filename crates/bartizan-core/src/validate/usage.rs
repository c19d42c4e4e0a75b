//! What of a call decides on its price, beside how many tokens it has?

use serde::Deserialize;

/// How soon a provider answers, by what it calls `service_tier` or `speed`, where that has a price
/// of its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Some hours later, for less.
    Batch,
    /// With more tokens a second.
    Fast,
    /// When there is room, for less.
    Flex,
    /// Before others.
    Priority,
}

impl Tier {
    /// The tier of that name; none for `standard`, `default`, and what nobody knows.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Batch, Self::Fast, Self::Flex, Self::Priority]
            .into_iter()
            .find(|tier| tier.name() == name)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Fast => "fast",
            Self::Flex => "flex",
            Self::Priority => "priority",
        }
    }
}

/// Which of a call's tokens have prices of their own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kinds {
    /// Of the tokens in: those that the provider had in its cache.
    pub cached: u64,
    /// Of the tokens in: those that it wrote into its cache.
    pub written: u64,
    /// Of those: what it keeps for an hour.
    pub written_1h: u64,
    /// Of the tokens in: those that are sound.
    pub audio_in: u64,
    /// Of the tokens out: those that are sound.
    pub audio_out: u64,
    /// How the call was served.
    pub tier: Option<Tier>,
}

/// What a call may come to have, as far as its request shows: what is reserved depends on it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Asks {
    /// It may write into a cache.
    pub cache: bool,
    /// It holds sound, or asks for it.
    pub audio: bool,
    /// The service tier that it names.
    pub tier: Option<Tier>,
}
