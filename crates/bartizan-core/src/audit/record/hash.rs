//! What binds a record to the one before it? A SHA-256, as 64 digits.

use std::fmt;

/// The SHA-256 of a record's canonical form without its `hash`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Hash(pub(super) [u8; 32]);

impl Hash {
    /// What the first record of a chain has before it.
    pub const NONE: Self = Self([0; 32]);

    /// Reads 64 hexadecimal digits in lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: &u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().ok()?;
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(high)? << 4 | digit(low)?;
        }
        Some(Self(bytes))
    }

    /// 64 hexadecimal digits in lower case.
    pub(super) fn digits(&self) -> [u8; 64] {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
        let mut text = [0; 64];
        for (pair, byte) in text.as_chunks_mut().0.iter_mut().zip(self.0) {
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        text
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_64_digits_in_lower_case_and_nothing_else() {
        let text = "00ff10abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123";
        assert_eq!(Hash::parse(text).unwrap().to_string(), text);
        for bad in ["", "0", &text.to_uppercase(), &format!("{text}00"), &text.replace('f', "g")] {
            assert_eq!(Hash::parse(bad), None, "{bad}");
        }
    }
}
