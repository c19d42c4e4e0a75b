//! How does an answer get back what was put aside of its request?

use std::borrow::Cow;

use bartizan_pii::Vault;
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::looks_like_json;
use crate::validate::media::Media;

/// A whole answer with the values of its vault. What is in no vault stays as it is, and so does
/// every other byte.
#[must_use]
pub fn restore(vault: &Vault, media: Media, bytes: Bytes) -> Bytes {
    let restored = match media {
        Media::Json => vault.restore_json(&bytes),
        Media::Form => return restore_form(vault, bytes),
        Media::Text | Media::Unnamed | Media::Other if looks_like_json(&bytes) => {
            vault.restore_json(&bytes)
        }
        Media::Text | Media::Unnamed | Media::Other => vault.restore_text(&bytes),
    };
    match restored {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(restored) => restored.into(),
    }
}

/// Each name and each value by itself.
fn restore_form(vault: &Vault, bytes: Bytes) -> Bytes {
    let Ok(text) = str::from_utf8(&bytes) else { return bytes };
    let word = |raw: &str| {
        let plain = raw.replace('+', " ");
        let plain = percent_decode_str(&plain).decode_utf8_lossy();
        match vault.restore_text(plain.as_bytes()) {
            Cow::Borrowed(_) => raw.to_owned(),
            Cow::Owned(restored) => {
                let restored = String::from_utf8_lossy(&restored);
                utf8_percent_encode(&restored, NON_ALPHANUMERIC).to_string()
            }
        }
    };
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) => format!("{}={}", word(name), word(value)),
        None => word(pair),
    };
    text.split('&').map(pair).collect::<Vec<_>>().join("&").into()
}
