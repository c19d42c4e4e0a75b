//! What must not pass? Texts in, the same texts without it out; and back, where it was only put
//! aside.

mod again;
mod bare;
mod form;
mod found;
mod hands;
mod join;
pub mod injection;
pub mod legible;
mod open;
mod restore;
mod seam;
pub mod stream;
mod talk;
mod threads;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_pii::{
    Action, Config, ConfigError, CustomPattern, Entity, Finding, Located, MaskedJson, Masker,
    Scanner,
};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use bartizan_pii::{Restorer, Spelling, Vault};
pub use restore::restore;
pub use stream::{AnswerStream, Stopped, screen_pieces};
pub use talk::{Side, Talk};

use crate::audit::told;
use crate::validate::media::Media;

/// What must not pass an endpoint, in either direction.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Of requests, before they depart.
    pub request: Option<Arc<Guard>>,
    /// Of answers, before they reach the client.
    pub response: Option<Arc<Guard>>,
    /// Whether what is found is noted in the audit log: types and counts, never values.
    pub log_detections: bool,
    /// Whether requests are read whole although nothing is looked for in them: a hook wants to see
    /// their bodies.
    pub inspected: bool,
}

impl Profile {
    /// A name that a caller or a model chose, as it may be told.
    #[must_use]
    pub fn told(&self, name: &Arc<str>) -> Arc<str> {
        let told = told::name(name);
        self.instead(&told).map_or(told, Arc::from)
    }

    /// What is told in the place of a text in which something stands that the operator has added to what is
    /// looked for, in either direction.
    #[must_use]
    pub fn instead(&self, text: &str) -> Option<String> {
        let guards = self.request.iter().chain(&self.response);
        guards.fold(None, |told, guard| guard.instead(told.as_deref().unwrap_or(text)).or(told))
    }

    /// Whether anything was added to what is built in.
    #[must_use]
    pub fn has_own(&self) -> bool {
        self.request.iter().chain(&self.response).any(|guard| guard.has_own())
    }
}

/// What is looked for, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Guard {
    masker: Masker,
    /// For what the operator has added to what is looked for: no record tells it either.
    own: Option<Masker>,
}

/// How often something was found, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Detection {
    /// What it is.
    pub entity: Entity,
    /// JSON Pointer (RFC 6901) to the string; empty for a text as a whole.
    pub pointer: String,
    /// How often.
    pub count: u64,
}

/// Found, and not to pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the message holds personal data that must not pass")]
pub struct Blocked {
    /// What was found, and where.
    pub detections: Vec<Detection>,
}

/// A text that somebody else has found, such as a hook.
#[derive(Clone, Eq, PartialEq, serde::Deserialize)]
pub struct Spotted {
    /// What it is.
    pub entity: Entity,
    /// The text itself, which is masked wherever it stands.
    pub text: String,
    /// Wherever it stands as a word, or as words: a short name is part of many a word.
    #[serde(default)]
    pub whole_word: bool,
}

/// How many texts one hook may name for one message.
pub const MAX_SPOTTED: usize = 256;

/// The longest of them, in bytes.
pub const MAX_SPOTTED_TEXT: usize = 1024;

/// A message that was screened.
#[derive(Clone, Debug)]
pub struct Screened {
    /// It, without what must not pass.
    pub bytes: Bytes,
    /// What was found.
    pub detections: Vec<Detection>,
}

impl Guard {
    /// Guards with `masker`, whose actions say what becomes of what is found.
    #[must_use]
    pub fn new(masker: Masker) -> Self {
        let own = masker.scanner().own().map(|own| Masker::new(Arc::new(own), Action::Replace));
        Self { masker, own }
    }

    /// The engine, for texts that come in chunks.
    #[must_use]
    pub fn masker(&self) -> &Masker {
        &self.masker
    }

    /// What is told in the place of a path, a name or the like in which something stands that the operator has
    /// added to what is looked for. What is built in is for whoever tells it: see [`crate::audit::told`].
    #[must_use]
    pub fn instead(&self, text: &str) -> Option<String> {
        let masked = self.own.as_ref()?.mask_text(text);
        (!masked.findings.is_empty()).then(|| masked.text.into_owned())
    }

    /// Whether both look for the same.
    #[must_use]
    pub fn looks_for_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.masker.scanner(), other.masker.scanner())
    }

    /// Whether anything was added to what is built in.
    #[must_use]
    pub fn has_own(&self) -> bool {
        self.own.is_some()
    }

    /// Whether what is found in requests is put aside, to be put back into their answers.
    #[must_use]
    pub fn tokenises(&self) -> bool {
        self.masker.tokenises()
    }

    /// Looks through a whole message.
    ///
    /// # Errors
    /// [`Blocked`] where something was found whose action is to block, and where a message that
    /// says it is JSON, or text, is not: what cannot be read cannot be cleared.
    pub fn screen(&self, media: Media, bytes: Bytes) -> Result<Screened, Blocked> {
        Pass { masker: &self.masker, vault: None }.screen(media, bytes)
    }

    /// Looks through a request, and puts into the vault what shall come back in its answer.
    ///
    /// # Errors
    /// As [`Guard::screen`], and where the vault is full.
    pub fn put_aside(
        &self,
        media: Media,
        bytes: Bytes,
        vault: Option<&mut Vault>,
    ) -> Result<Screened, Blocked> {
        Pass { masker: &self.masker, vault }.screen(media, bytes)
    }

    /// Looks through the query of a target, which reads like a form. Its detections point to
    /// `?name`.
    ///
    /// # Errors
    /// As [`Guard::put_aside`].
    pub fn screen_query(
        &self,
        query: &str,
        vault: Option<&mut Vault>,
    ) -> Result<Screened, Blocked> {
        let query = Bytes::copy_from_slice(query.as_bytes());
        Pass { masker: &self.masker, vault }.screen_form(&query, '?')
    }

    /// A guard that does the same to texts that somebody else has found, wherever they stand.
    ///
    /// # Errors
    /// [`ConfigError`] where one of them is empty, or longer than [`MAX_SPOTTED_TEXT`].
    pub fn spotting(&self, spotted: &[Spotted]) -> Result<Self, ConfigError> {
        let pattern = |Spotted { entity, text, whole_word }: &Spotted| {
            let literal =
                if *whole_word { CustomPattern::literal_word } else { CustomPattern::literal };
            CustomPattern { max_length: MAX_SPOTTED_TEXT, ..literal(entity.clone(), text) }
        };
        let custom = spotted.iter().take(MAX_SPOTTED).map(pattern).collect();
        let config = Config { entities: Some(Vec::new()), custom, ..Config::default() };
        let masker = self.masker.with_scanner(Arc::new(Scanner::new(&config)?));
        Ok(Self { masker, own: None })
    }

    /// A guard that finds nothing by itself and masks what it is told.
    ///
    /// # Errors
    /// None that can happen: to look for nothing is sound.
    pub fn told() -> Result<Self, ConfigError> {
        let config = Config { entities: Some(Vec::new()), ..Config::default() };
        Ok(Self::new(Masker::new(Arc::new(Scanner::new(&config)?), Action::MASK)))
    }
}

/// Takes out what a hook has found, as the guard of this way would; where nothing is looked for, as
/// the default is. What cannot be taken out does not pass.
pub(crate) fn spot(
    guard: Option<&Guard>,
    media: Media,
    bytes: Bytes,
    spotted: &[Spotted],
    vault: Option<&mut Vault>,
) -> Result<Screened, Blocked> {
    let spotting = match guard {
        Some(guard) => guard.spotting(spotted),
        None => Guard::told().and_then(|guard| guard.spotting(spotted)),
    };
    let spotting = spotting.map_err(|_| Blocked { detections: Vec::new() })?;
    spotting.put_aside(media, bytes, vault)
}

/// One message on its way through a guard.
struct Pass<'g, 'v> {
    masker: &'g Masker,
    vault: Option<&'v mut Vault>,
}

impl Pass<'_, '_> {
    fn screen(&mut self, media: Media, bytes: Bytes) -> Result<Screened, Blocked> {
        match media {
            Media::Json => self.screen_json(bytes),
            Media::Unnamed if looks_like_json(&bytes) => self.screen_json(bytes),
            Media::Form => self.screen_form(&bytes, '/'),
            // Whoever ignores the type reads it as JSON, escapes and all.
            Media::Text if looks_like_json(&bytes) => {
                if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() {
                    self.screen_json(bytes)
                } else {
                    self.screen_text(bytes)
                }
            }
            Media::Text | Media::Unnamed | Media::Binary | Media::Other => self.screen_text(bytes),
        }
    }

    fn mask_json<'j>(&mut self, json: &'j [u8]) -> Result<MaskedJson<'j>, bartizan_pii::JsonError> {
        match self.vault.as_deref_mut() {
            Some(vault) => self.masker.mask_json_into(json, vault),
            None => self.masker.mask_json(json),
        }
    }

    fn mask_text<'t>(&mut self, text: &'t str) -> bartizan_pii::Masked<'t> {
        match self.vault.as_deref_mut() {
            Some(vault) => self.masker.mask_text_into(text, vault),
            None => self.masker.mask_text(text),
        }
    }

    fn screen_json(&mut self, bytes: Bytes) -> Result<Screened, Blocked> {
        let unreadable = |_| Blocked { detections: Vec::new() };
        let masked = self.mask_json(&bytes).map_err(unreadable)?;
        let detections = located(masked.findings);
        if masked.blocked {
            return Err(Blocked { detections });
        }
        let changed = match masked.bytes {
            Cow::Borrowed(_) => None,
            Cow::Owned(changed) => Some(Bytes::from(changed)),
        };
        Ok(Screened { bytes: changed.unwrap_or(bytes), detections })
    }

    fn screen_text(&mut self, bytes: Bytes) -> Result<Screened, Blocked> {
        let text = legible::text(&bytes).ok_or(Blocked { detections: Vec::new() })?;
        let masked = self.mask_text(text);
        let detections = tally(&masked.findings, "");
        if masked.blocked {
            return Err(Blocked { detections });
        }
        let changed = match masked.text {
            Cow::Borrowed(_) => None,
            Cow::Owned(changed) => Some(Bytes::from(changed)),
        };
        Ok(Screened { bytes: changed.unwrap_or(bytes), detections })
    }

    /// Each name and each value of a form by itself; the pointer is the name behind `sigil`.
    fn screen_form(&mut self, bytes: &Bytes, sigil: char) -> Result<Screened, Blocked> {
        let text = str::from_utf8(bytes).map_err(|_| Blocked { detections: Vec::new() })?;
        let (mut out, mut detections, mut blocked) = (Vec::new(), Vec::new(), false);
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').map_or((pair, None), |(n, v)| (n, Some(v)));
            let name = self.screen_word(name);
            let pointer = format!("{sigil}{}", name.text);
            let value = value.map(|value| self.screen_word(value));
            for word in std::iter::once(&name).chain(&value) {
                detections.extend(tally(&word.findings, &pointer));
                blocked |= word.blocked;
            }
            out.push(match value {
                Some(value) => format!("{}={}", name.text, value.text),
                None => name.text.into_owned(),
            });
        }
        if blocked {
            return Err(Blocked { detections });
        }
        Ok(Screened { bytes: out.join("&").into(), detections })
    }

    fn screen_word<'a>(&mut self, raw: &'a str) -> Word<'a> {
        let plain = raw.replace('+', " ");
        let bytes = Cow::from(percent_decode_str(&plain));
        let plain = legible::plain(&bytes);
        let masked = self.mask_text(&plain);
        let text = match masked.text {
            Cow::Borrowed(_) => Cow::Borrowed(raw),
            Cow::Owned(changed) => {
                Cow::Owned(utf8_percent_encode(&changed, NON_ALPHANUMERIC).to_string())
            }
        };
        Word { text, findings: masked.findings, blocked: masked.blocked }
    }
}

/// A name or a value of a form, as it goes on.
struct Word<'a> {
    text: Cow<'a, str>,
    findings: Vec<Finding>,
    blocked: bool,
}

fn located(findings: Vec<Located>) -> Vec<Detection> {
    let row = |Located { pointer, entity, count }| Detection { entity, pointer, count };
    findings.into_iter().map(row).collect()
}

/// How often each entity was found, at one place.
fn tally(findings: &[Finding], pointer: &str) -> Vec<Detection> {
    let mut counts: BTreeMap<&Entity, u64> = BTreeMap::new();
    for finding in findings {
        *counts.entry(&finding.entity).or_default() += 1;
    }
    let detection = |(entity, count): (&Entity, u64)| Detection {
        entity: entity.clone(),
        pointer: pointer.to_owned(),
        count,
    };
    counts.into_iter().map(detection).collect()
}

/// Says what it is and not what it says.
impl std::fmt::Debug for Spotted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spotted").field("entity", &self.entity).finish_non_exhaustive()
    }
}

fn looks_like_json(bytes: &[u8]) -> bool {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    first.is_some_and(|byte| matches!(byte, b'{' | b'[' | b'"'))
}

#[cfg(test)]
mod tests {
    use bartizan_pii::{Action, Config, Scanner};

    use super::*;

    fn guard(action: Action) -> Guard {
        let scanner = Scanner::new(&Config::default()).unwrap();
        Guard::new(Masker::new(Arc::new(scanner), action))
    }

    fn screen(media: Media, text: &str) -> String {
        let screened = guard(Action::default()).screen(media, Bytes::from(text.to_owned()));
        String::from_utf8(screened.unwrap().bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_masked_message_is_the_same_message_with_other_values() {
        assert_eq!(screen(Media::Text, "to ann@example.org, now"), "to ***************, now");
        assert_eq!(
            screen(Media::Json, r#"{ "to": "ann@example.org", "n": 1.50 }"#),
            r#"{ "to": "***************", "n": 1.50 }"#
        );
        assert_eq!(screen(Media::Unnamed, r#"["ann@example.org"]"#), r#"["***************"]"#);
        assert_eq!(
            screen(Media::Form, "a=1+2&to=ann%40example.org&b=%7E"),
            format!("a=1+2&to={}&b=%7E", "%2A".repeat(15))
        );
        let name = "%2A".repeat(15);
        assert_eq!(screen(Media::Form, "ann%40example.org&a"), format!("{name}&a"));
        let form = Bytes::from_static(b"ann%40example.org=bob@example.org");
        let screened = guard(Action::default()).screen(Media::Form, form).unwrap();
        assert_eq!(screened.bytes, format!("{name}={name}"));
        assert!(screened.detections.iter().all(|found| found.pointer == format!("/{name}")));
    }

    #[test]
    fn a_text_that_is_json_to_others_is_read_as_they_read_it() {
        let escaped = r#"{"to":"ann\u0040example.org"}"#;
        assert_eq!(screen(Media::Text, escaped), r#"{"to":"***************"}"#);
        assert_eq!(screen(Media::Text, "[DONE]"), "[DONE]");
        assert_eq!(screen(Media::Text, "{ann@example.org"), "{***************");
    }

    #[test]
    fn what_cannot_be_read_does_not_pass() {
        let guard = guard(Action::default());
        for (media, bytes) in [(Media::Json, &b"{\"a\":"[..]), (Media::Text, b"\xff\xfe")] {
            assert!(guard.screen(media, Bytes::from_static(bytes)).is_err(), "{media:?}");
        }
    }

    #[test]
    fn a_blocking_guard_says_what_and_where_and_nothing_more() {
        let text = r#"{"deep":[{"mail":"ann@example.org"}]}"#;
        let blocked = guard(Action::Block).screen(Media::Json, text.into()).unwrap_err();
        let [Detection { entity, pointer, count: 1 }] = &blocked.detections[..] else {
            panic!("{blocked:?}");
        };
        assert_eq!((entity.as_str(), pointer.as_str()), ("EMAIL_ADDRESS", "/deep/0/mail"));
        assert!(!format!("{blocked:?}").contains("ann@"));
    }
}
