//! What shall be done with what was found?

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use zeroize::Zeroizing;

use crate::{Entity, Finding, Full, Key, Scanner, Stream, Vault, key::LONGEST, unfold};

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
    /// A keyed hash stands for it, by which the same value is known again and nothing else is:
    /// `EMAIL_ADDRESS_HASH_…`. See [`Key::hash`].
    Hash(Key),
    /// It stands there encrypted, for the holder of the key to read: `EMAIL_ADDRESS_ENC_…0`. See
    /// [`Key::encrypt`].
    Encrypt(Key),
    /// Where it is a number of 6 to 56 digits, other digits stand for them, and what separates them
    /// stays; else as [`Encrypt`](Self::Encrypt). See [`Key::encrypt_digits`].
    EncryptDigits(Key),
    /// A placeholder stands for it, and the value lies in a [`Vault`] until it is put back:
    /// `EMAIL_ADDRESS_1_WKZRTQBN`. Where there is no vault this is [`Replace`](Self::Replace).
    Tokenise,
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
    /// Something was found whose action is [`Action::Block`], or for which a vault had no room; the
    /// text ends before it.
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

    /// The same actions for what another scanner finds.
    #[must_use]
    pub fn with_scanner(&self, scanner: Arc<Scanner>) -> Self {
        Self { scanner, ..self.clone() }
    }

    /// The scanner that it asks.
    pub fn scanner(&self) -> &Arc<Scanner> {
        &self.scanner
    }

    /// What it does with an entity.
    pub fn action(&self, entity: &Entity) -> &Action {
        self.by_entity.get(entity).unwrap_or(&self.action)
    }

    /// Whether anything that it finds needs a vault.
    pub fn tokenises(&self) -> bool {
        let tokenises = |action: &Action| *action == Action::Tokenise;
        tokenises(&self.action) || self.by_entity.values().any(tokenises)
    }

    /// Masks a whole text. A [`stream`](Self::stream) of the same text gives the same.
    pub fn mask_text<'t>(&self, text: &'t str) -> Masked<'t> {
        self.mask(text, None)
    }

    /// Masks a whole text, and puts into the vault what is tokenised.
    pub fn mask_text_into<'t>(&self, text: &'t str, vault: &mut Vault) -> Masked<'t> {
        self.mask(text, Some(vault))
    }

    fn mask<'t>(&self, text: &'t str, vault: Option<&mut Vault>) -> Masked<'t> {
        let findings = self.scanner.scan(text);
        if findings.iter().all(|f| *self.action(&f.entity) == Action::Detect) {
            return Masked { text: Cow::Borrowed(text), findings, blocked: false };
        }
        let (out, blocked) = self.replace(text.as_bytes(), &findings, vault);
        Masked { text: Cow::Owned(into_text(out)), findings, blocked }
    }

    /// A whole input with everything masked that was found in it, by a scanner or by something else; it
    /// need not be UTF-8. `findings` come in its order, and none overlaps another. The second value says
    /// whether it was cut off by [`Action::Block`].
    #[must_use]
    pub fn mask_found(&self, input: &[u8], findings: &[Finding]) -> (Vec<u8>, bool) {
        self.replace(input, findings, None)
    }

    fn replace(
        &self,
        text: &[u8],
        findings: &[Finding],
        mut vault: Option<&mut Vault>,
    ) -> (Vec<u8>, bool) {
        let (mut out, mut from) = (Vec::with_capacity(text.len()), 0);
        for Finding { entity, start, end, .. } in findings {
            out.extend_from_slice(part(text, from, *start));
            let found = Found { entity, value: part(text, *start, *end), number: None };
            let action = self.action(entity);
            if *action == Action::Block
                || found.act(action, vault.as_deref_mut(), &mut out).is_err()
            {
                return (out, true);
            }
            from = *end;
        }
        out.extend_from_slice(part(text, from, text.len()));
        (out, false)
    }

    /// What stands in place of a value that somebody else has taken out of its text, where there is no
    /// vault. A value that must not pass at all has nothing there.
    #[must_use]
    pub fn stands_for(&self, entity: &Entity, value: &str) -> String {
        let mut out = Vec::new();
        self.action(entity).apply(entity, value.as_bytes(), &mut out);
        into_text(out)
    }

    /// Masks a text that comes in pieces.
    pub fn stream(&self) -> Stream {
        Stream::new(self.clone())
    }
}

/// A value, and how it stood there.
pub(crate) struct Found<'a> {
    pub(crate) entity: &'a Entity,
    pub(crate) value: &'a [u8],
    /// It was a number of a JSON document, which was written like this, and shall be one again.
    pub(crate) number: Option<&'a [u8]>,
}

impl Found<'_> {
    /// Writes what becomes of it.
    pub(crate) fn act(
        &self,
        action: &Action,
        vault: Option<&mut Vault>,
        out: &mut Vec<u8>,
    ) -> Result<(), Full> {
        match (action, vault) {
            (Action::Tokenise, Some(vault)) => vault.take(self, out),
            _ => {
                action.apply(self.entity, self.value, out);
                Ok(())
            }
        }
    }
}

impl Action {
    /// Writes what becomes of a whole value, where there is no vault. [`Block`](Self::Block) writes
    /// nothing.
    pub(crate) fn apply(&self, entity: &Entity, value: &[u8], out: &mut Vec<u8>) {
        match self {
            // What is escaped or disguised is masked whole: a part of it would tell another part.
            Self::Mask { character, keep_first, keep_last }
                if !entity.is_secret() && !unfold::is_folded(value) =>
            {
                mask(value, *character, *keep_first, *keep_last, out);
            }
            Self::Hash(key) if value.len() <= LONGEST => {
                out.extend_from_slice(key.hash(entity, value).as_bytes());
            }
            Self::Encrypt(key) if value.len() <= LONGEST => {
                out.extend_from_slice(key.encrypt(entity, value).as_bytes());
            }
            Self::EncryptDigits(key) if value.len() <= LONGEST => {
                let digits = key.encrypt_digits(entity, value);
                let sealed = || key.encrypt(entity, value).into_bytes();
                out.extend_from_slice(&digits.unwrap_or_else(sealed));
            }
            _ => {
                self.open(entity, out);
                self.go_on(value, out);
            }
        }
    }

    /// Writes what stands for the beginning of a value whose end is not known yet, or too far away.
    fn open(&self, entity: &Entity, out: &mut Vec<u8>) {
        match self {
            Self::Replace
            | Self::Tokenise
            | Self::Hash(_)
            | Self::Encrypt(_)
            | Self::EncryptDigits(_) => {
                out.push(b'<');
                out.extend_from_slice(entity.as_str().as_bytes());
                out.push(b'>');
            }
            Self::Detect | Self::Mask { .. } | Self::Redact | Self::Block => {}
        }
    }

    /// Writes what becomes of the next bytes of a value that was opened.
    fn go_on(&self, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Detect => out.extend_from_slice(value),
            Self::Mask { character, .. } => mask(value, *character, 0, 0, out),
            Self::Redact
            | Self::Replace
            | Self::Tokenise
            | Self::Hash(_)
            | Self::Encrypt(_)
            | Self::EncryptDigits(_)
            | Self::Block => {}
        }
    }

    /// Whether it needs the whole of a value.
    fn waits(&self) -> bool {
        matches!(self, Self::Hash(_) | Self::Encrypt(_) | Self::EncryptDigits(_))
    }
}

/// A value in a stream of which only the beginning has come.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// What has come, where the action needs the whole of it.
    kept: Option<Zeroizing<Vec<u8>>>,
}

impl Opened {
    /// Opens a value that begins with `value`.
    pub(crate) fn new(action: &Action, entity: &Entity, value: &[u8], out: &mut Vec<u8>) -> Self {
        let kept = action.waits().then(Zeroizing::default);
        if kept.is_none() {
            action.open(entity, out);
        }
        let mut opened = Self { kept };
        opened.go_on(action, entity, value, out);
        opened
    }

    /// More of the value.
    pub(crate) fn go_on(
        &mut self,
        action: &Action,
        entity: &Entity,
        value: &[u8],
        out: &mut Vec<u8>,
    ) {
        match &mut self.kept {
            Some(kept) if kept.len() + value.len() <= LONGEST => kept.extend_from_slice(value),
            Some(_) => {
                self.kept = None;
                action.open(entity, out);
            }
            None => action.go_on(value, out),
        }
    }

    /// The value has ended.
    pub(crate) fn close(self, action: &Action, entity: &Entity, out: &mut Vec<u8>) {
        if let Some(kept) = self.kept {
            action.apply(entity, &kept, out);
        }
    }
}

fn mask(value: &[u8], character: char, keep_first: usize, keep_last: usize, out: &mut Vec<u8>) {
    let length = value.iter().filter(|byte| is_first_of_character(**byte)).count();
    let kept_whole = keep_first.saturating_add(keep_last) >= length;
    let (first, last) = if kept_whole { (0, 0) } else { (keep_first, keep_last) };
    if character.is_ascii() && length == value.len() {
        out.extend_from_slice(part(value, 0, first));
        out.resize(out.len() + length - first - last, character as u8);
        out.extend_from_slice(part(value, length - last, length));
        return;
    }
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
