//! What shall be done with what was found?

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use crate::{Entity, Finding, Scanner, Stream, unfold};

/// What becomes of a found value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It is reported and left as it is.
    Detect,
    /// Each of its characters becomes `character`, but for the first and last ones that are kept.
    /// A value that would be kept whole is masked whole; of a secret nothing is kept, nor of what is
    /// written with escapes or in other alphabets.
    Mask {
        /// What is written instead.
        character: char,
        /// So many characters at the beginning stay.
        keep_first: usize,
        /// So many characters at the end stay.
        keep_last: usize,
    },
    /// It is taken out.
    Redact,
    /// Its entity stands for it: `<EMAIL_ADDRESS>`.
    Replace,
    /// Nothing goes on: a text ends before the value, and the caller is told.
    Block,
}

impl Action {
    /// Masks every character with `*`.
    pub const MASK: Self = Self::Mask { character: '*', keep_first: 0, keep_last: 0 };
}

impl Default for Action {
    fn default() -> Self {
        Self::MASK
    }
}

/// A text after masking.
#[derive(Debug, Clone, PartialEq)]
pub struct Masked<'t> {
    /// The text that may go on; borrowed if nothing had to change.
    pub text: Cow<'t, str>,
    /// What was found, by its place in the original text.
    pub findings: Vec<Finding>,
    /// Something was found whose action is [`Action::Block`]; the text ends before it.
    pub blocked: bool,
}

/// How often an entity was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Tally {
    /// What was found.
    pub entity: Entity,
    /// How often.
    pub count: u64,
}

/// A scanner, and what to do with what it finds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Masker {
    pub(crate) scanner: Arc<Scanner>,
    action: Action,
    by_entity: Arc<BTreeMap<Entity, Action>>,
}

impl Masker {
    /// Does `action` to everything that `scanner` finds.
    pub fn new(scanner: Arc<Scanner>, action: Action) -> Self {
        Self { scanner, action, by_entity: Arc::default() }
    }

    /// The same masker with another action for one entity.
    #[must_use]
    pub fn with_action(mut self, entity: Entity, action: Action) -> Self {
        Arc::make_mut(&mut self.by_entity).insert(entity, action);
        self
    }

    /// The scanner that it asks.
    pub fn scanner(&self) -> &Arc<Scanner> {
        &self.scanner
    }

    /// What it does with an entity.
    pub fn action(&self, entity: &Entity) -> &Action {
        self.by_entity.get(entity).unwrap_or(&self.action)
    }

    /// Masks a whole text. A [`stream`](Self::stream) of the same text gives the same.
    pub fn mask_text<'t>(&self, text: &'t str) -> Masked<'t> {
        let findings = self.scanner.scan(text);
        let blocked = findings.iter().position(|f| *self.action(&f.entity) == Action::Block);
        if blocked.is_none() && findings.iter().all(|f| *self.action(&f.entity) == Action::Detect) {
            return Masked { text: Cow::Borrowed(text), findings, blocked: false };
        }
        let mut out = Vec::with_capacity(text.len());
        let mut from = 0;
        for finding in findings.iter().take(blocked.unwrap_or(findings.len())) {
            out.extend_from_slice(part(text.as_bytes(), from, finding.start));
            let value = part(text.as_bytes(), finding.start, finding.end);
            self.action(&finding.entity).apply(&finding.entity, value, &mut out);
            from = finding.end;
        }
        let end = blocked.and_then(|at| findings.get(at)).map_or(text.len(), |f| f.start);
        out.extend_from_slice(part(text.as_bytes(), from, end));
        Masked { text: Cow::Owned(into_text(out)), findings, blocked: blocked.is_some() }
    }

    /// Masks a text that comes in pieces.
    pub fn stream(&self) -> Stream {
        Stream::new(self.clone())
    }
}

impl Action {
    /// Writes what becomes of a whole value. [`Block`](Self::Block) writes nothing.
    pub(crate) fn apply(&self, entity: &Entity, value: &[u8], out: &mut Vec<u8>) {
        match self {
            // What is escaped or disguised is masked whole: a part of it would tell another part.
            Self::Mask { character, keep_first, keep_last }
                if !entity.is_secret() && !unfold::is_folded(value) =>
            {
                mask(value, *character, *keep_first, *keep_last, out);
            }
            _ => {
                self.open(entity, out);
                self.go_on(value, out);
            }
        }
    }

    /// Writes what stands for the beginning of a value whose end is not known yet.
    pub(crate) fn open(&self, entity: &Entity, out: &mut Vec<u8>) {
        if *self == Self::Replace {
            out.push(b'<');
            out.extend_from_slice(entity.as_str().as_bytes());
            out.push(b'>');
        }
    }

    /// Writes what becomes of the next bytes of a value that was opened.
    pub(crate) fn go_on(&self, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Detect => out.extend_from_slice(value),
            Self::Mask { character, .. } => mask(value, *character, 0, 0, out),
            Self::Redact | Self::Replace | Self::Block => {}
        }
    }
}

fn mask(value: &[u8], character: char, keep_first: usize, keep_last: usize, out: &mut Vec<u8>) {
    let length = value.iter().filter(|byte| is_first_of_character(**byte)).count();
    let kept_whole = keep_first.saturating_add(keep_last) >= length;
    let (first, last) = if kept_whole { (0, 0) } else { (keep_first, keep_last) };
    let mut index = 0;
    let mut keeps = false;
    for &byte in value {
        if is_first_of_character(byte) {
            keeps = index < first || index >= length - last;
            index += 1;
            if !keeps {
                let mut buffer = [0; 4];
                out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
        if keeps {
            out.push(byte);
        }
    }
}

/// In UTF-8 every character has exactly one byte that is no continuation byte.
fn is_first_of_character(byte: u8) -> bool {
    byte & 0xC0 != 0x80
}

fn part(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end).unwrap_or_default()
}

/// Findings begin and end between characters, so this never replaces anything.
fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
