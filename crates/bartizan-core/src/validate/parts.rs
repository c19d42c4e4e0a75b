//! What does a message say whose content may be one text or a list of parts? Mistral's models tell what
//! they think in such lists, in the events of a stream as well.

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::value::RawValue;

use super::text::Text;

/// A content: a text, or parts.
#[derive(Debug, Default)]
pub(super) enum Content<'a> {
    /// One text.
    One(Text<'a>),
    /// Parts.
    Many(Vec<Part<'a>>),
    /// Neither.
    #[default]
    None,
}

/// A part; what is no object is an empty one.
#[derive(Debug, Default)]
pub(super) struct Part<'a> {
    text: Option<Text<'a>>,
    /// A text or parts, too; what these think is not read.
    thinking: Content<'a>,
}

/// A part as it is written.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Written<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

/// A text in a content.
pub(super) struct Told<'t> {
    /// Where it stands in the content: the rest of a JSON Pointer.
    pub(super) pointer: String,
    pub(super) text: &'t str,
    /// Whether it is what the model thinks.
    pub(super) thinks: bool,
}

impl<'a> Content<'a> {
    fn read(raw: &'a RawValue, inner: bool) -> serde_json::Result<Self> {
        match raw.get().as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw.get()).map(Self::One),
            Some(b'[') => {
                let parts: Vec<&'a RawValue> = serde_json::from_str(raw.get())?;
                parts
                    .into_iter()
                    .map(|part| Part::read(part, inner))
                    .collect::<Result<_, _>>()
                    .map(Self::Many)
            }
            _ => Ok(Self::None),
        }
    }

    /// Its texts, in order.
    pub(super) fn texts(&self) -> Vec<Told<'_>> {
        let mut told = Vec::new();
        self.tell(String::new(), false, &mut told);
        told
    }

    fn tell<'t>(&'t self, pointer: String, thinks: bool, told: &mut Vec<Told<'t>>) {
        match self {
            Self::One(text) => {
                told.extend(Text::get(Some(text)).map(|text| Told { pointer, text, thinks }));
            }
            Self::Many(parts) => {
                for (at, part) in parts.iter().enumerate() {
                    if let Some(text) = Text::get(part.text.as_ref()) {
                        told.push(Told { pointer: format!("{pointer}/{at}/text"), text, thinks });
                    }
                    part.thinking.tell(format!("{pointer}/{at}/thinking"), true, told);
                }
            }
            Self::None => {}
        }
    }
}

impl<'a> Part<'a> {
    fn read(raw: &'a RawValue, inner: bool) -> serde_json::Result<Self> {
        if !raw.get().starts_with('{') {
            return Ok(Self::default());
        }
        let Written { text, thinking } = serde_json::from_str(raw.get())?;
        // No deeper: how deep a document goes is for its sender to say.
        let thinking = thinking.filter(|_| !inner).map(|raw| Content::read(raw, true));
        Ok(Self { text, thinking: thinking.transpose()?.unwrap_or_default() })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let raw = <&'a RawValue>::deserialize(source)?;
        Self::read(raw, false).map_err(D::Error::custom)
    }
}
