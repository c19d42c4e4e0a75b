//! What of a call decides on its price, beside how many tokens it has?

use serde::{Deserialize, Deserializer};
use serde_json::Value;

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

/// What some models are paid for by the piece, in place of tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// A letter that is read aloud.
    Character,
    /// A picture that is drawn.
    Image,
    /// A verdict about a text.
    Moderation,
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
    /// What it asks for that some models are paid for by the piece, and how many of it.
    pub pieces: Option<(Unit, u64)>,
}

/// A number of tokens, as a provider tells it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Told {
    /// It tells none.
    #[default]
    Nothing,
    /// What it tells is no number of tokens.
    Odd,
    /// So many.
    Is(u64),
}

/// No call takes more tokens than this: the number is a slip.
const MOST_TOKENS: u64 = 100_000_000;

impl Told {
    /// What stands there; whole numbers also as some write them, `5000.0` and `"5000"`.
    pub(super) fn of(value: Option<&Value>) -> Self {
        let text = match value {
            None | Some(Value::Null) => return Self::Nothing,
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => return Self::Odd,
        };
        let whole = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0'));
        let number = whole.map_or(&*text, |(whole, _)| whole).parse::<u64>().ok();
        number.filter(|number| *number <= MOST_TOKENS).map_or(Self::Odd, Self::Is)
    }

    /// The number, where it is one.
    pub(super) fn get(self) -> Option<u64> {
        if let Self::Is(tokens) = self { Some(tokens) } else { None }
    }

    /// The larger of two, where both are told.
    pub(super) fn most(self, other: Self) -> Self {
        match (self, other) {
            (Self::Odd, _) | (_, Self::Odd) => Self::Odd,
            (Self::Nothing, told) | (told, Self::Nothing) => told,
            (Self::Is(one), Self::Is(other)) => Self::Is(one.max(other)),
        }
    }

    /// This one, where it is told.
    pub(super) fn or(self, before: Self) -> Self {
        if self == Self::Nothing { before } else { self }
    }
}

impl<'de> Deserialize<'de> for Told {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        Ok(Self::of(Some(&Value::deserialize(source)?)))
    }
}
