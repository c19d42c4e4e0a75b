//! What must not pass? Texts in, the same texts without it out.

mod bare;
pub mod stream;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_pii::{Entity, Finding, Located, Masker};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub use stream::{AnswerStream, Stopped};

use crate::validate::media::Media;
use bare::Bare;

/// What must not pass an endpoint, in either direction.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Of requests, before they depart.
    pub request: Option<Arc<Guard>>,
    /// Of answers, before they reach the client.
    pub response: Option<Arc<Guard>>,
    /// Whether what is found is noted in the audit log: types and counts, never values.
    pub log_detections: bool,
}

/// What is looked for, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Guard(Masker);

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
        Self(masker)
    }

    /// The engine, for texts that come in chunks.
    #[must_use]
    pub fn masker(&self) -> &Masker {
        &self.0
    }

    /// Looks through a whole message.
    ///
    /// # Errors
    /// [`Blocked`] where something was found whose action is to block, and where a message that
    /// says it is JSON, or text, is not: what cannot be read cannot be cleared.
    pub fn screen(&self, media: Media, bytes: Bytes) -> Result<Screened, Blocked> {
        match media {
            Media::Json => self.screen_json(bytes),
            Media::Unnamed if looks_like_json(&bytes) => self.screen_json(bytes),
            Media::Form => self.screen_form(&bytes, '/'),
            // Whoever ignores the type reads it as JSON, escapes and all.
            Media::Text if looks_like_json(&bytes) => match self.0.mask_json(&bytes) {
                Ok(_) => self.screen_json(bytes),
                Err(_) => self.screen_text(bytes),
            },
            Media::Text | Media::Unnamed | Media::Other => self.screen_text(bytes),
        }
    }

    /// As [`Guard::screen`]; in the strings of members with these names stands JSON of its own,
    /// which is JSON still when it is masked.
    ///
    /// # Errors
    /// As [`Guard::screen`].
    pub fn screen_nested(
        &self,
        media: Media,
        bytes: Bytes,
        nested: &[&str],
    ) -> Result<Screened, Blocked> {
        let json = match media {
            Media::Json => true,
            Media::Unnamed => looks_like_json(&bytes),
            Media::Form | Media::Text | Media::Other => false,
        };
        if nested.is_empty() || !json {
            return self.screen(media, bytes);
        }
        let (mut inner, mut blocked) = (Vec::new(), false);
        let mut hand = |pointer: &str, text: &str| {
            let name = pointer.rsplit('/').next().unwrap_or_default();
            if !nested.contains(&name) {
                return None;
            }
            let masked = self.0.mask_text(text);
            inner.extend(tally(&masked.findings, pointer));
            blocked |= masked.blocked;
            match masked.text {
                Cow::Borrowed(_) => None,
                Cow::Owned(masked) => Some(Bare::mend(&masked)),
            }
        };
        let masked = self.0.mask_json_with(&bytes, &mut hand);
        let masked = masked.map_err(|_| Blocked { detections: Vec::new() })?;
        let mut detections = located(masked.findings);
        let blocked = blocked || masked.blocked;
        // What the hand has found and left alone was found a second time.
        inner.retain(|found| !detections.contains(found));
        detections.append(&mut inner);
        if blocked {
            return Err(Blocked { detections });
        }
        let changed = match masked.bytes {
            Cow::Borrowed(_) => None,
            Cow::Owned(changed) => Some(Bytes::from(changed)),
        };
        Ok(Screened { bytes: changed.unwrap_or(bytes), detections })
    }

    /// Looks through the query of a target, which reads like a form. Its detections point to
    /// `?name`.
    ///
    /// # Errors
    /// As [`Guard::screen`].
    pub fn screen_query(&self, query: &str) -> Result<Screened, Blocked> {
        self.screen_form(&Bytes::copy_from_slice(query.as_bytes()), '?')
    }

    fn screen_json(&self, bytes: Bytes) -> Result<Screened, Blocked> {
        let unreadable = |_| Blocked { detections: Vec::new() };
        let masked = self.0.mask_json(&bytes).map_err(unreadable)?;
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

    fn screen_text(&self, bytes: Bytes) -> Result<Screened, Blocked> {
        let text = str::from_utf8(&bytes).map_err(|_| Blocked { detections: Vec::new() })?;
        let masked = self.0.mask_text(text);
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
    fn screen_form(&self, bytes: &Bytes, sigil: char) -> Result<Screened, Blocked> {
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

    fn screen_word<'a>(&self, raw: &'a str) -> Word<'a> {
        let plain = raw.replace('+', " ");
        let plain = percent_decode_str(&plain).decode_utf8_lossy();
        let masked = self.0.mask_text(&plain);
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
