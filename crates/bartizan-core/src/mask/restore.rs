//! How does an answer get back what was put aside of its request?

use std::borrow::Cow;
use std::sync::Arc;

use bartizan_pii::{Restorer, Spelling, Vault};
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
        Media::Text | Media::Unnamed | Media::Binary | Media::Other if looks_like_json(&bytes) => {
            vault.restore_json(&bytes)
        }
        Media::Text | Media::Unnamed | Media::Binary | Media::Other => vault.restore_text(&bytes),
    };
    match restored {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(restored) => restored.into(),
    }
}

/// Puts values back into one text of an answer that comes in pieces.
#[derive(Debug)]
pub(super) struct TextBack {
    vault: Arc<Vault>,
    is_json: bool,
    /// From the first letter on: that tells a text from JSON.
    restorer: Option<Restorer>,
}

impl TextBack {
    /// For the text of a JSON document where `is_json` says so; any other is one if it begins like
    /// one, as a model's output after a schema does.
    pub(super) fn new(vault: Arc<Vault>, is_json: bool) -> Self {
        Self { vault, is_json, restorer: None }
    }

    /// What follows is a text of its own.
    pub(super) fn begin_anew(&mut self) {
        self.restorer = None;
    }

    /// What may go out after one more piece; with the last one everything.
    pub(super) fn go_on(&mut self, piece: &str, last: bool) -> String {
        let restorer = match &mut self.restorer {
            Some(restorer) => restorer,
            None => {
                let text = piece.trim_start();
                if text.is_empty() {
                    return piece.to_owned();
                }
                let is_json = self.is_json || text.starts_with('{');
                let spelling = if is_json { Spelling::Json } else { Spelling::Plain };
                self.restorer.insert(Restorer::new(Arc::clone(&self.vault), spelling))
            }
        };
        let mut out = Vec::with_capacity(piece.len() + restorer.held());
        restorer.feed(piece.as_bytes(), &mut out);
        if last {
            restorer.finish(&mut out);
        }
        String::from_utf8_lossy(&out).into_owned()
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
