//! What kind of thing was found?

use std::{borrow::Borrow, cmp::Ordering, fmt, hash, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name of an entity, in bytes.
const MAX_NAME: usize = 64;

/// The kind of a finding, written in upper snake case: Presidio's name where it has one.
///
/// Cheap to clone. [`FromStr`] takes any case and the short names `EMAIL`, `PHONE`, `SSN`, `IP`,
/// `CARD`, `IBAN`, `NAME` and `ADDRESS`; every other well-formed name is a custom entity.
#[derive(Clone)]
pub struct Entity(Name);

#[derive(Clone)]
enum Name {
    Known(&'static str),
    Custom(Arc<str>),
}

impl Entity {
    /// A token or key of a service: `sk-…`, `ghp_…`, `AKIA…`, `btz_…`.
    pub const API_KEY: Self = Self(Name::Known("API_KEY"));
    /// A literal of [`Config::block`](crate::Config::block).
    pub const BLOCKED_TERM: Self = Self(Name::Known("BLOCKED_TERM"));
    /// A payment card number (ISO/IEC 7812).
    pub const CREDIT_CARD: Self = Self(Name::Known("CREDIT_CARD"));
    /// An e-mail address (RFC 5321).
    pub const EMAIL_ADDRESS: Self = Self(Name::Known("EMAIL_ADDRESS"));
    /// An international bank account number (ISO 13616).
    pub const IBAN_CODE: Self = Self(Name::Known("IBAN_CODE"));
    /// An IPv4 or IPv6 address, with its prefix length where one is written.
    pub const IP_ADDRESS: Self = Self(Name::Known("IP_ADDRESS"));
    /// A signed or encrypted JSON Web Token in its compact form (RFC 7519).
    pub const JWT: Self = Self(Name::Known("JWT"));
    /// The name of a person. No recognizer of this crate finds it yet.
    pub const PERSON: Self = Self(Name::Known("PERSON"));
    /// A telephone number (E.164, NANP, and national forms beside a word such as `phone`).
    pub const PHONE_NUMBER: Self = Self(Name::Known("PHONE_NUMBER"));
    /// A private key in PEM (RFC 7468) or in OpenPGP's armour (RFC 9580).
    pub const PRIVATE_KEY: Self = Self(Name::Known("PRIVATE_KEY"));
    /// A postal address. No recognizer of this crate finds it yet.
    pub const STREET_ADDRESS: Self = Self(Name::Known("STREET_ADDRESS"));
    /// A United States social security number.
    pub const US_SSN: Self = Self(Name::Known("US_SSN"));

    const KNOWN: &[Self] = &[
        Self::API_KEY,
        Self::BLOCKED_TERM,
        Self::CREDIT_CARD,
        Self::EMAIL_ADDRESS,
        Self::IBAN_CODE,
        Self::IP_ADDRESS,
        Self::JWT,
        Self::PERSON,
        Self::PHONE_NUMBER,
        Self::PRIVATE_KEY,
        Self::STREET_ADDRESS,
        Self::US_SSN,
    ];

    const ALIASES: &[(&str, Self)] = &[
        ("ADDRESS", Self::STREET_ADDRESS),
        ("CARD", Self::CREDIT_CARD),
        ("EMAIL", Self::EMAIL_ADDRESS),
        ("IBAN", Self::IBAN_CODE),
        ("IP", Self::IP_ADDRESS),
        ("NAME", Self::PERSON),
        ("PHONE", Self::PHONE_NUMBER),
        ("SSN", Self::US_SSN),
    ];

    /// The name in upper snake case.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(name) => name,
            Name::Custom(name) => name,
        }
    }

    /// A credential. Masking never keeps a part of one: its first characters are its type, its
    /// last ones are guessable material.
    pub fn is_secret(&self) -> bool {
        [Self::API_KEY, Self::JWT, Self::PRIVATE_KEY].contains(self)
    }
}

impl FromStr for Entity {
    type Err = EntityError;

    fn from_str(text: &str) -> Result<Self, EntityError> {
        let name = text.to_ascii_uppercase();
        if let Some((_, entity)) = Self::ALIASES.iter().find(|(alias, _)| *alias == name) {
            return Ok(entity.clone());
        }
        if let Some(entity) = Self::KNOWN.iter().find(|known| known.as_str() == name) {
            return Ok(entity.clone());
        }
        let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
        let letters = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        if starts_well && name.len() <= MAX_NAME && name.bytes().all(letters) {
            Ok(Self(Name::Custom(name.into())))
        } else {
            Err(EntityError { name: text.chars().take(MAX_NAME).collect() })
        }
    }
}

/// The name of an entity is not in upper snake case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "entity `{name}` is no name: write at most 64 letters, digits and `_`, beginning with a letter"
)]
pub struct EntityError {
    name: String,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Entity {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Entity {}

impl PartialOrd for Entity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl hash::Hash for Entity {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Entity {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Entity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_short_names_mean_the_entities() {
        for (alias, entity) in Entity::ALIASES {
            assert_eq!(alias.parse::<Entity>().as_ref(), Ok(entity));
        }
        assert_eq!("email_address".parse(), Ok(Entity::EMAIL_ADDRESS));
    }

    #[test]
    fn a_custom_name_equals_itself_and_a_bad_one_is_refused() {
        let entity: Entity = "customer_id".parse().expect("a good name");
        assert_eq!((entity.to_string().as_str(), &entity), ("CUSTOMER_ID", &entity.clone()));
        for bad in ["", "9LIVES", "CUSTOMER ID", "ÄRZTIN", &"A".repeat(65)] {
            assert!(bad.parse::<Entity>().is_err(), "{bad}");
        }
    }
}
