//! Is this a credential?

pub(crate) mod api_key;
pub(crate) mod jwt;
pub(crate) mod private_key;

/// The alphabet of base64url and of most keys.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}
