//! How is a JSON document masked so that every byte that need not change stays as it was?
//!
//! Strings are decoded before they are searched, escapes such as `\u0040` and surrogate pairs
//! included, and the name of a member counts as context for its value. Names are searched too. A
//! string that is a JSON document itself, as the arguments of a tool call are, is masked as one. Only
//! the found spans are written anew; key order, white space and the spelling of numbers stay.
//! A whole number that is found (a card, a telephone number) becomes a string, however it is spelled.

mod places;
mod text;

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use serde::Serialize;

use crate::{
    Action, Entity, Finding, Masker, Scanner, Vault, Window, digits::integer, mask::Found,
    reader::Reader, recognizer::assignment::may_name,
};
pub use places::push_name;
use places::{Places, ROOM, end_of};
use text::raw_offsets;
pub(crate) use text::{decode, escape_into, escaped, is_container, is_json};

/// The deepest nesting of arrays and objects that is followed.
pub const MAX_DEPTH: usize = 128;

/// JSON in strings of JSON is followed so deep.
pub(crate) const MAX_NESTING: usize = 4;

/// So much of the end of a name counts as context for its values.
const HINT: usize = 128;

/// So much of it stands before a value that is assigned to it.
const ASSIGNED: usize = 64;

/// A JSON document after masking.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskedJson<'j> {
    /// The document that may go on; borrowed if nothing had to change.
    pub bytes: Cow<'j, [u8]>,
    /// What was found, by place and entity, in the order of the document. What has no room any more
    /// comes last, by entity alone and with an empty pointer: the pointers of a document take 64 KiB.
    pub findings: Vec<Located>,
    /// Something was found whose action is [`Action::Block`], or for which a vault had no room: the
    /// document must not go on. (In `bytes` it is masked all the same.)
    pub blocked: bool,
}

/// How often an entity was found in one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// The JSON Pointer of the value (RFC 6901), or of the member whose name it is; where a string is
    /// a document itself, it goes on in that. What was found in a name stands in it as `<ENTITY>`, and
    /// a long name is shortened (see [`push_name`]): a pointer may be logged.
    pub pointer: String,
    /// What was found.
    pub entity: Entity,
    /// How often.
    pub count: u64,
}

/// The document is not JSON, or nested too deeply to be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// RFC 8259 is violated.
    #[error("the document is not JSON from byte {offset} on")]
    Syntax {
        /// The first byte that cannot be.
        offset: usize,
    },
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`].
    #[error("the document is nested deeper than 128 levels at byte {offset}")]
    TooDeep {
        /// Where the level too many begins.
        offset: usize,
    },
}

impl Masker {
    /// Masks all strings of a JSON document, names of members included, and whole numbers.
    ///
    /// # Errors
    /// What is not JSON is refused, not passed on: in it nothing can be found for sure.
    pub fn mask_json<'j>(&self, json: &'j [u8]) -> Result<MaskedJson<'j>, JsonError> {
        self.walk(json, None, None)
    }

    /// The same, and puts into the vault what is tokenised.
    ///
    /// # Errors
    /// As [`mask_json`](Self::mask_json).
    pub fn mask_json_into<'j>(
        &self,
        json: &'j [u8],
        vault: &mut Vault,
    ) -> Result<MaskedJson<'j>, JsonError> {
        self.walk(json, Some(vault), None)
    }

    /// The same, with some strings written by another hand: for each `hand` is given its JSON
    /// Pointer and what it means, and says what is to stand there, or `None` where it is to be
    /// masked like all others. What it finds and does is its own to report.
    ///
    /// # Errors
    /// As [`Masker::mask_json`].
    pub fn mask_json_with<'j>(
        &self,
        json: &'j [u8],
        hand: &mut dyn Hand,
    ) -> Result<MaskedJson<'j>, JsonError> {
        self.walk(json, None, Some(hand))
    }

    fn walk<'h, 'j>(
        &self,
        json: &'j [u8],
        vault: Option<&'h mut Vault>,
        hand: Option<&'h mut dyn Hand>,
    ) -> Result<MaskedJson<'j>, JsonError> {
        let mut walk = Walk::new(Some(self), vault, as_text(json)?);
        walk.hand = hand;
        walk.document("")?;
        let Walk { edits, places, blocked, .. } = walk;
        Ok(MaskedJson { bytes: edited(json, &edits), findings: places.into_located(), blocked })
    }
}

impl Scanner {
    /// Whether nothing is found in a number of a JSON document, as it is written there: the value of a
    /// member of this name.
    pub fn is_clear_number(&self, number: &str, name: &str) -> bool {
        integer(number).is_none_or(|digits| self.scan_hinted(&digits, name).is_empty())
    }
}

/// A JSON document with some of its strings written by another hand, as
/// [`Masker::mask_json_with`] has it written, and with nothing masked.
///
/// # Errors
/// Where the document is no JSON, or nested too deeply.
pub fn rewrite_json<'j>(json: &'j [u8], hand: &mut dyn Hand) -> Result<Cow<'j, [u8]>, JsonError> {
    let mut walk = Walk::new(None, None, as_text(json)?);
    walk.hand = Some(hand);
    walk.document("")?;
    Ok(edited(json, &walk.edits))
}

/// Writes `text` as a string of JSON, in the way in which masked ones are written.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escape_into(text, out);
    out.push(b'"');
}

fn as_text(json: &[u8]) -> Result<&str, JsonError> {
    str::from_utf8(json).map_err(|error| JsonError::Syntax { offset: error.valid_up_to() })
}

/// The document with the edits made; borrowed if there are none.
fn edited<'j>(json: &'j [u8], edits: &[Edit]) -> Cow<'j, [u8]> {
    match str::from_utf8(json) {
        Ok(text) if !edits.is_empty() => Cow::Owned(apply(text, edits).into_bytes()),
        Ok(_) | Err(_) => Cow::Borrowed(json),
    }
}

/// A part of a text, and what shall stand there.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) value: String,
}

/// The text with the edits made, which come in its order.
pub(crate) fn apply(text: &str, edits: &[Edit]) -> String {
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    for edit in edits {
        out.push_str(text.get(from..edit.start).unwrap_or_default());
        out.push_str(&edit.value);
        from = edit.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// The edits of what the string at `raw` means, as edits of the document in which it stands.
pub(crate) fn in_source(json: &str, raw: &Range<usize>, meant: &[Edit]) -> Vec<Edit> {
    let source = json.get(raw.clone()).unwrap_or_default();
    let places = raw_offsets(source, meant.iter().flat_map(|edit| [edit.start, edit.end]));
    let outer = |(edit, place): (&Edit, &[usize])| {
        let [start, end] = *place else { return None };
        let mut value = Vec::with_capacity(edit.value.len());
        escape_into(&edit.value, &mut value);
        let value = String::from_utf8_lossy(&value).into_owned();
        Some(Edit { start: raw.start + start, end: raw.start + end, value })
    };
    meant.iter().zip(places.chunks_exact(2)).filter_map(outer).collect()
}

/// Whoever writes some of the strings of a document instead.
pub trait Hand {
    /// What is to stand at a JSON Pointer in place of a text; `None` where it is to stand as it would.
    fn write(&mut self, pointer: &str, text: &str) -> Option<String>;

    /// What follows stands in this member or element: the last step of its pointer. Whoever has to
    /// know where a string stands need not read its whole pointer for each.
    fn enter(&mut self, _step: &str) {}

    /// What follows does not stand there any more.
    fn leave(&mut self) {}
}

impl<F: FnMut(&str, &str) -> Option<String>> Hand for F {
    fn write(&mut self, pointer: &str, text: &str) -> Option<String> {
        self(pointer, text)
    }
}

struct Walk<'m, 'h, 'j> {
    /// Nothing is looked for where there is none.
    masker: Option<&'m Masker>,
    vault: Option<&'h mut Vault>,
    hand: Option<&'h mut dyn Hand>,
    json: &'j str,
    at: usize,
    /// What of the document must change, in its order.
    edits: Vec<Edit>,
    pointer: String,
    places: Places,
    blocked: bool,
    /// Made when something is looked for; one for the document and what stands in it.
    reader: Option<Box<Reader<'m>>>,
    /// In how many strings the document stands.
    nesting: usize,
}

impl<'m, 'h, 'j> Walk<'m, 'h, 'j> {
    fn new(masker: Option<&'m Masker>, vault: Option<&'h mut Vault>, json: &'j str) -> Self {
        Self {
            masker,
            vault,
            hand: None,
            json,
            at: 0,
            edits: Vec::new(),
            pointer: String::new(),
            places: Places::within(ROOM),
            blocked: false,
            reader: None,
            nesting: 0,
        }
    }

    /// All of it, and nothing behind it.
    fn document(&mut self, hint: &str) -> Result<(), JsonError> {
        self.space();
        self.value(0, hint)?;
        self.space();
        if self.at < self.json.len() { self.refuse() } else { Ok(()) }
    }

    fn value(&mut self, depth: usize, hint: &str) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(JsonError::TooDeep { offset: self.at }),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1, hint),
            Some(b'"') => {
                let (raw, text) = self.string()?;
                #[cfg(test)]
                tests::work(self.pointer.len());
                match self.hand.as_mut().and_then(|hand| hand.write(&self.pointer, &text)) {
                    Some(written) => self.put(raw, &text, written),
                    None => self.mask_string(raw, &text, hint),
                }
                Ok(())
            }
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => self.number(hint),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Ok(());
        }
        let parent = self.pointer.len();
        loop {
            let (raw, name) = self.string()?;
            self.enter_member(raw, &name);
            self.space();
            self.expect(b':')?;
            self.space();
            self.enter(parent);
            self.value(depth, end_of(&name, HINT))?;
            self.leave(parent);
            self.space();
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    fn array(&mut self, depth: usize, hint: &str) -> Result<(), JsonError> {
        self.at += 1;
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        let parent = self.pointer.len();
        for index in 0_usize.. {
            // Writing to a string cannot fail.
            let _ = write!(self.pointer, "/{index}");
            self.enter(parent);
            self.value(depth, hint)?;
            self.leave(parent);
            self.space();
            if self.eat(b']') {
                break;
            }
            self.expect(b',')?;
            self.space();
        }
        Ok(())
    }

    /// Tells the other hand that the pointer goes on behind `parent`.
    fn enter(&mut self, parent: usize) {
        if let Some(hand) = &mut self.hand {
            hand.enter(self.pointer.get(parent + 1..).unwrap_or_default());
        }
    }

    fn leave(&mut self, parent: usize) {
        self.pointer.truncate(parent);
        if let Some(hand) = &mut self.hand {
            hand.leave();
        }
    }

    /// Masks the name of a member and adds it to the pointer, without what was found in it.
    fn enter_member(&mut self, raw: Range<usize>, name: &str) {
        let findings = self.scan(name, "");
        if findings.is_empty() {
            return push_name(&mut self.pointer, name);
        }
        let mut public = Vec::new();
        let mut from = 0;
        for finding in &findings {
            public.extend_from_slice(name.get(from..finding.start).unwrap_or_default().as_bytes());
            Action::Replace.apply(&finding.entity, b"", &mut public);
            from = finding.end;
        }
        public.extend_from_slice(name.get(from..).unwrap_or_default().as_bytes());
        push_name(&mut self.pointer, &String::from_utf8_lossy(&public));
        self.mask_found(raw, name, &findings);
    }

    fn scan(&mut self, text: &str, hint: &str) -> Vec<Finding> {
        let Some(masker) = self.masker else { return Vec::new() };
        #[cfg(test)]
        tests::work(text.len() + hint.len());
        if may_name(hint) {
            return self.scan_assigned(masker, text, hint);
        }
        let window = Window::whole(text.as_bytes()).with_hint(hint);
        masker.scanner.scan_with(self.reader.get_or_insert_default(), &window)
    }

    /// What becomes of what was found.
    fn action(&self, entity: &Entity) -> &'m Action {
        self.masker.map_or(&Action::Detect, |masker| masker.action(entity))
    }

    /// The same for the value of a member that is named like a password or a key: rows that look at
    /// what a value is assigned to see the name before it, as they do in a text.
    fn scan_assigned(&mut self, masker: &'m Masker, text: &str, name: &str) -> Vec<Finding> {
        let quote = ['"', '\'', '`'].into_iter().find(|quote| !text.contains(*quote));
        let end = end_of(name, ASSIGNED);
        let assigned = match quote {
            Some(quote) => format!("{end}={quote}{text}"),
            None => format!("{end}={text}"),
        };
        #[cfg(test)]
        tests::work(assigned.len());
        let before = assigned.len() - text.len();
        let window = Window::whole(assigned.as_bytes()).with_hint(name);
        let mut findings = masker.scanner.scan_with(self.reader.get_or_insert_default(), &window);
        findings.retain(|finding| finding.end > before);
        for finding in &mut findings {
            finding.start = finding.start.saturating_sub(before);
            finding.end -= before;
        }
        findings
    }

    /// Writes what another hand wants to stand in the string that is written at `raw`.
    fn put(&mut self, raw: Range<usize>, text: &str, written: String) {
        if written != text {
            let whole = Edit { start: 0, end: text.len(), value: written };
            self.edits.extend(in_source(self.json, &raw, &[whole]));
        }
    }

    fn mask_string(&mut self, raw: Range<usize>, text: &str, hint: &str) {
        if self.masker.is_none() {
            return;
        }
        if self.nesting < MAX_NESTING && is_container(text) && self.mask_nested(&raw, text, hint) {
            return;
        }
        let findings = self.scan(text, hint);
        self.mask_found(raw, text, &findings);
    }

    /// Masks a string that is a document itself; `false` if it is none that can be followed.
    fn mask_nested(&mut self, raw: &Range<usize>, text: &str, hint: &str) -> bool {
        let mut inner = Walk::new(self.masker, self.vault.as_deref_mut(), text);
        let length = self.pointer.len();
        inner.pointer = std::mem::take(&mut self.pointer);
        inner.reader = self.reader.take();
        inner.places = Places::within(self.places.room());
        inner.nesting = self.nesting + 1;
        let followed = inner.document(hint).is_ok();
        let Walk { edits, places, blocked, pointer, reader, .. } = inner;
        (self.pointer, self.reader) = (pointer, reader);
        self.pointer.truncate(length);
        if followed {
            self.blocked |= blocked;
            self.places.append(places);
            self.edits.extend(in_source(self.json, raw, &edits));
        }
        followed
    }

    /// Records what was found in the string that is written at `raw`, and writes it anew.
    fn mask_found(&mut self, raw: Range<usize>, text: &str, findings: &[Finding]) {
        if !self.record(findings) {
            return;
        }
        let edits = self.edits_of(text, findings, None);
        self.edits.extend(in_source(self.json, &raw, &edits));
    }

    /// The same for a number that is written at `raw` and means these digits. All of it is written
    /// anew, as a string.
    fn mask_number(&mut self, raw: Range<usize>, digits: &str, findings: &[Finding]) {
        if !self.record(findings) {
            return;
        }
        let written = self.json.get(raw.clone()).unwrap_or_default();
        let edits = self.edits_of(digits, findings, Some(written));
        let mut value = Vec::new();
        write_string(&apply(digits, &edits), &mut value);
        let value = String::from_utf8_lossy(&value).into_owned();
        self.edits.push(Edit { start: raw.start, end: raw.end, value });
    }

    /// What becomes of a text in which this was found; `number` is how it is written, if it is one.
    fn edits_of(&mut self, text: &str, findings: &[Finding], number: Option<&str>) -> Vec<Edit> {
        let mut edits = Vec::with_capacity(findings.len());
        for finding in findings {
            let action = self.action(&finding.entity);
            if *action != Action::Detect {
                let value = text.get(finding.start..finding.end).unwrap_or_default();
                let number = number.filter(|_| value.len() == text.len()).map(str::as_bytes);
                let value = value.as_bytes();
                let value =
                    self.replacement(action, &Found { entity: &finding.entity, value, number });
                edits.push(Edit { start: finding.start, end: finding.end, value });
            }
        }
        edits
    }

    /// What stands for a value in a document; a blocked one must not be readable in it either.
    fn replacement(&mut self, action: &Action, found: &Found<'_>) -> String {
        let action = if *action == Action::Block { &Action::MASK } else { action };
        let mut out = Vec::new();
        if found.act(action, self.vault.as_deref_mut(), &mut out).is_err() {
            self.blocked = true;
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Whether anything must change.
    fn record(&mut self, findings: &[Finding]) -> bool {
        if findings.is_empty() {
            return false;
        }
        self.places.note(&self.pointer, findings);
        let mut actions = findings.iter().map(|finding| self.action(&finding.entity));
        let blocked = actions.clone().any(|action| *action == Action::Block);
        let changes = actions.any(|action| *action != Action::Detect);
        self.blocked |= blocked;
        changes
    }

    fn number(&mut self, hint: &str) -> Result<(), JsonError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') && self.digits() == 0 {
            return self.refuse();
        }
        if self.eat(b'.') && self.digits() == 0 {
            return self.refuse();
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            if self.digits() == 0 {
                return self.refuse();
            }
        }
        let raw = start..self.at;
        let json = self.json;
        let text = json.get(raw.clone()).unwrap_or_default();
        if let Some(digits) = integer(text) {
            let findings = self.scan(&digits, hint);
            self.mask_number(raw, &digits, &findings);
        }
        Ok(())
    }

    /// The place of the string between its quotation marks, and what it means.
    fn string(&mut self) -> Result<(Range<usize>, Cow<'j, str>), JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0x20..) => {
                    let rest = self.json.as_bytes().get(self.at..).unwrap_or_default();
                    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
                    self.at += rest.iter().position(special).unwrap_or(rest.len());
                }
                _ => return self.refuse(),
            }
        }
        let raw = start..self.at;
        self.at += 1;
        let json = self.json;
        let source = json.get(raw.clone()).unwrap_or_default();
        Ok((raw, if escaped { Cow::Owned(decode(source)) } else { Cow::Borrowed(source) }))
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                        return self.refuse();
                    }
                    self.at += 1;
                }
            }
            _ => return self.refuse(),
        }
        Ok(())
    }

    fn literal(&mut self, literal: &str) -> Result<(), JsonError> {
        literal.bytes().try_for_each(|byte| self.expect(byte))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.eat(byte) { Ok(()) } else { self.refuse() }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn refuse<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::Syntax { offset: self.at })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::Config;

    thread_local! {
        /// How many bytes were searched, and shown to another hand.
        static WORK: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn work(bytes: usize) {
        WORK.set(WORK.get() + bytes);
    }

    /// Documents of about so many bytes, each half a name and half what stands behind it.
    fn hostile(size: usize) -> Vec<String> {
        let long = "k".repeat(size / 2);
        let values = |value: &str| vec![value; size / 2 / (value.len() + 1)].join(",");
        let deep = |levels: usize| (0..levels).map(|_| format!("{{\"{}\":", &"k".repeat(128)));
        let mut documents = Vec::new();
        for value in [r#""a@b.co""#, r#""abcdefghij""#, r#""""#, "4111111111111111.0", r#""[1]""#] {
            for end in ["", "password", " card phone"] {
                documents.push(format!(r#"{{"{long}{end}":[{}]}}"#, values(value)));
            }
            let open: String = deep(100).collect();
            documents.push(format!("{open}[{}]{}", values(value), "}".repeat(100)));
        }
        let nested = documents.iter().map(|document| {
            let mut nested = Vec::new();
            write_string(document, &mut nested);
            String::from_utf8(nested).unwrap()
        });
        let nested: Vec<String> = nested.collect();
        documents.extend(nested);
        documents
    }

    #[test]
    fn the_work_is_linear_in_the_document_however_long_its_names_are() {
        let scanner = Scanner::new(&Config::default()).unwrap().into();
        let masker = Masker::new(scanner, Action::MASK);
        let work_for = |document: &String| {
            WORK.set(0);
            masker.mask_json(document.as_bytes()).unwrap();
            WORK.get()
        };
        let sizes = [40_000, 80_000].map(hostile);
        let [small, large] = &sizes;
        for (small, large) in small.iter().zip(large) {
            let (once, twice) = (work_for(small), work_for(large));
            let name = small.get(..20).unwrap_or_default();
            assert!(twice <= once * 5 / 2, "{name}: {once} then {twice}");
        }
    }
}
