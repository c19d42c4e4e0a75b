//! How do values come back from a vault, also where a placeholder comes in pieces?

use std::{borrow::Cow, sync::Arc};

use crate::{
    Vault,
    json::{Edit, MAX_NESTING, apply, decode, escape_into, in_source, is_container, is_json},
    vault::Kept,
};

/// What a text is the writing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spelling {
    /// Of nothing else: values stand in it as they are.
    #[default]
    Plain,
    /// Of a JSON document, such as the arguments of a tool call: values stand in its strings, with
    /// what must be escaped escaped, and a value that was a number is one again.
    Json,
}

/// Puts values back into one text that comes in chunks, which may cut placeholders anywhere.
///
/// ```
/// use bartizan_pii::{Action, Config, Masker, Restorer, Scanner, Spelling, Vault};
///
/// let masker = Masker::new(Scanner::new(&Config::default())?.into(), Action::Tokenise);
/// let mut vault = Vault::new(7); // in earnest: 128 bits of chance
/// let asked = masker.mask_text_into("write to ann@example.org", &mut vault).text.into_owned();
/// assert_eq!(asked, "write to EMAIL_ADDRESS_1_HAAAAAAA");
///
/// let (mut restorer, mut out) = (Restorer::new(vault.into(), Spelling::Plain), Vec::new());
/// for delta in ["I wrote to EMAIL_AD", "DRESS_1_HAAA", "AAAA."] {
///     restorer.feed(delta.as_bytes(), &mut out);
/// }
/// restorer.finish(&mut out);
/// assert_eq!(out, b"I wrote to ann@example.org.");
/// # Ok::<(), bartizan_pii::ConfigError>(())
/// ```
///
/// It holds back nothing but an end of the text that may be the beginning of one of the vault's
/// placeholders: at most 79 bytes, and none behind prose.
#[derive(Debug, Clone)]
pub struct Restorer {
    vault: Arc<Vault>,
    spelling: Spelling,
    held: Vec<u8>,
}

impl Restorer {
    /// Puts back what lies in `vault`.
    pub fn new(vault: Arc<Vault>, spelling: Spelling) -> Self {
        Self { vault, spelling, held: Vec::new() }
    }

    /// Takes the next chunk, and appends to `out` what is certain by now.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.held.is_empty() {
            let taken = self.vault.put_back(chunk, self.spelling, false, out);
            self.held.extend_from_slice(chunk.get(taken..).unwrap_or_default());
        } else {
            self.held.extend_from_slice(chunk);
            let taken = self.vault.put_back(&self.held, self.spelling, false, out);
            self.held.drain(..taken);
        }
    }

    /// Ends the text: what was held back goes out as what it is.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.vault.put_back(&self.held, self.spelling, true, out);
        self.held.clear();
    }

    /// How many bytes are held back now.
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

impl Vault {
    /// A whole text with its values; borrowed if it has no placeholder.
    pub fn restore_text<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        if find(text, 0, self.ending()).is_none() {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::with_capacity(text.len());
        self.put_back(text, Spelling::Plain, true, &mut out);
        Cow::Owned(out)
    }

    /// A JSON document with its values, also in JSON that stands in its strings; borrowed if it has
    /// no placeholder. Every other byte stays. A text that is no JSON is restored as a text.
    pub fn restore_json<'j>(&self, json: &'j [u8]) -> Cow<'j, [u8]> {
        match str::from_utf8(json) {
            Ok(text) if self.may_occur(text) && is_json(text) => {
                let edits = self.edits(text, 0);
                if edits.is_empty() {
                    return Cow::Borrowed(json);
                }
                Cow::Owned(apply(text, &edits).into_bytes())
            }
            _ => self.restore_text(json),
        }
    }

    /// Writes the text with its values, but for an end that may still become a placeholder; returns
    /// how many bytes of it were taken.
    fn put_back(
        &self,
        text: &[u8],
        spelling: Spelling,
        complete: bool,
        out: &mut Vec<u8>,
    ) -> usize {
        let (mut from, mut at) = (0, 0);
        while let Some(found) = find(text, at, self.ending()) {
            at = found + self.ending().len();
            let Some((kept, length)) = text.get(from..at).and_then(|text| self.value_at_end(text))
            else {
                continue;
            };
            let start = at - length;
            let quoted = spelling == Spelling::Json
                && kept.is_number
                && start > from
                && text.get(start - 1) == Some(&b'"');
            match text.get(at) {
                // Whether the string ends here is not known yet.
                None if quoted && !complete => {
                    out.extend_from_slice(text.get(from..start - 1).unwrap_or_default());
                    return start - 1;
                }
                _ if !self.takes(
                    kept,
                    length,
                    usize::from(spelling == Spelling::Json && !quoted),
                ) =>
                {
                    out.extend_from_slice(text.get(from..at).unwrap_or_default());
                }
                Some(b'"') if quoted => {
                    out.extend_from_slice(text.get(from..start - 1).unwrap_or_default());
                    out.extend_from_slice(kept.value);
                    at += 1;
                }
                _ => {
                    out.extend_from_slice(text.get(from..start).unwrap_or_default());
                    kept.write(spelling, out);
                }
            }
            from = at;
        }
        let rest = text.get(from..).unwrap_or_default();
        let held = if complete { 0 } else { self.held_of(rest, spelling) };
        let sure = rest.len() - held;
        out.extend_from_slice(rest.get(..sure).unwrap_or_default());
        from + sure
    }

    /// How much of the end of a text waits for more.
    fn held_of(&self, text: &[u8], spelling: Spelling) -> usize {
        let held = self.beginning_at_end(text);
        let before = text.get(..text.len() - held).unwrap_or_default();
        // A quotation mark may have to go with the placeholder behind it.
        let quoted = spelling == Spelling::Json && self.has_numbers() && before.ends_with(b"\"");
        held + usize::from(quoted)
    }

    /// What of a text must be other than it is: where, and what instead.
    fn edits(&self, text: &str, nesting: usize) -> Vec<Edit> {
        if !self.may_occur(text) {
            return Vec::new();
        }
        if nesting <= MAX_NESTING && (nesting == 0 || is_container(text)) {
            return strings(text)
                .flat_map(|raw| self.edits_of_string(text, raw, nesting))
                .collect();
        }
        let (mut edits, mut from, mut at) = (Vec::new(), 0, 0);
        while let Some(found) = find(text.as_bytes(), at, self.ending()) {
            at = found + self.ending().len();
            let known = text.as_bytes().get(from..at).and_then(|text| self.value_at_end(text));
            let known = known.filter(|(kept, length)| self.takes(*kept, *length, nesting));
            if let Some((kept, length)) = known {
                let value = String::from_utf8_lossy(kept.value).into_owned();
                edits.push(Edit { start: at - length, end: at, value });
                from = at;
            }
        }
        edits
    }

    /// The same for a string of a document, which stands at `raw` between its quotation marks.
    fn edits_of_string(
        &self,
        json: &str,
        raw: std::ops::Range<usize>,
        nesting: usize,
    ) -> Vec<Edit> {
        let source = json.get(raw.clone()).unwrap_or_default();
        let meaning =
            if source.contains('\\') { Cow::Owned(decode(source)) } else { Cow::Borrowed(source) };
        match self.value_at_end(meaning.as_bytes()) {
            Some((kept, length)) if kept.is_number && length == meaning.len() => {
                if !self.takes(kept, length, 0) {
                    return Vec::new();
                }
                let value = String::from_utf8_lossy(kept.value).into_owned();
                return vec![Edit { start: raw.start - 1, end: raw.end + 1, value }];
            }
            _ => {}
        }
        in_source(json, &raw, &self.edits(&meaning, nesting + 1))
    }

    /// Whether a placeholder may stand in a text, perhaps written with escapes.
    fn may_occur(&self, text: &str) -> bool {
        !self.is_empty()
            && (find(text.as_bytes(), 0, self.ending()).is_some() || text.contains("\\u00"))
    }
}

impl Kept<'_> {
    fn write(&self, spelling: Spelling, out: &mut Vec<u8>) {
        match (spelling, str::from_utf8(self.value)) {
            (Spelling::Json, Ok(text)) => escape_into(text, out),
            (Spelling::Plain, _) | (Spelling::Json, Err(_)) => out.extend_from_slice(self.value),
        }
    }
}

/// Where the strings of a sound JSON document stand, without their quotation marks.
fn strings(json: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    let bytes = json.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes.get(at..)?.iter().position(|byte| *byte == b'"')? + 1;
        let mut end = start;
        while *bytes.get(end)? != b'"' {
            end += if bytes.get(end) == Some(&b'\\') { 2 } else { 1 };
        }
        at = end + 1;
        Some(start..end)
    })
}

fn find(text: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|at| from + at)
}
