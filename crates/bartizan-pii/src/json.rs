//! How is a JSON document masked so that every byte that need not change stays as it was?
//!
//! Strings are decoded before they are searched, escapes such as `\u0040` and surrogate pairs
//! included, and the name of a member counts as context for its value. Names are searched too. Only
//! the found spans are written anew; key order, white space and the spelling of numbers stay.
//! A whole number that is found (a card, a telephone number) becomes a string.

mod text;

use std::{borrow::Cow, ops::Range};

use serde::Serialize;

use crate::{Action, Entity, Finding, Masker, Window, reader::Reader};
use text::{decode, escape_into, raw_offsets};

/// The deepest nesting of arrays and objects that is followed.
pub const MAX_DEPTH: usize = 128;

/// Shorter numbers hold no entity that this crate finds, longer ones are no integers anywhere.
const NUMBERS: std::ops::RangeInclusive<usize> = 7..=19;

/// A JSON document after masking.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskedJson<'j> {
    /// The document that may go on; borrowed if nothing had to change.
    pub bytes: Cow<'j, [u8]>,
    /// What was found, by place and entity, in the order of the document.
    pub findings: Vec<Located>,
    /// Something was found whose action is [`Action::Block`]: the document must not go on. (In
    /// `bytes` it is masked all the same.)
    pub blocked: bool,
}

/// How often an entity was found in one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// The JSON Pointer of the value (RFC 6901), or of the member whose name it is. What was found
    /// in a name stands in it as `<ENTITY>`: a pointer may be logged.
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
        self.walk(json, None)
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
        hand: &mut dyn FnMut(&str, &str) -> Option<String>,
    ) -> Result<MaskedJson<'j>, JsonError> {
        self.walk(json, Some(hand))
    }

    fn walk<'j>(
        &self,
        json: &'j [u8],
        hand: Option<Hand<'_>>,
    ) -> Result<MaskedJson<'j>, JsonError> {
        let text = std::str::from_utf8(json)
            .map_err(|error| JsonError::Syntax { offset: error.valid_up_to() })?;
        let mut walk = Walk::new(self, text, hand);
        walk.space();
        walk.value(0, "")?;
        walk.space();
        if walk.at < json.len() {
            return walk.refuse();
        }
        let bytes = match walk.copied {
            0 => Cow::Borrowed(json),
            copied => {
                walk.out.extend_from_slice(json.get(copied..).unwrap_or_default());
                Cow::Owned(walk.out)
            }
        };
        Ok(MaskedJson { bytes, findings: walk.findings, blocked: walk.blocked })
    }
}

/// Whoever writes some of the strings instead.
type Hand<'h> = &'h mut dyn FnMut(&str, &str) -> Option<String>;

struct Walk<'m, 'h, 'j> {
    masker: &'m Masker,
    hand: Option<Hand<'h>>,
    json: &'j str,
    at: usize,
    out: Vec<u8>,
    /// So much of `json` is in `out`, changed or not; 0 while nothing has changed.
    copied: usize,
    pointer: String,
    findings: Vec<Located>,
    blocked: bool,
    reader: Box<Reader>,
}

impl<'m, 'h, 'j> Walk<'m, 'h, 'j> {
    fn new(masker: &'m Masker, json: &'j str, hand: Option<Hand<'h>>) -> Self {
        let (out, pointer, findings) = (Vec::new(), String::new(), Vec::new());
        Self {
            masker,
            hand,
            json,
            at: 0,
            out,
            copied: 0,
            pointer,
            findings,
            blocked: false,
            reader: Box::default(),
        }
    }

    fn value(&mut self, depth: usize, hint: &str) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(JsonError::TooDeep { offset: self.at }),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1, hint),
            Some(b'"') => {
                let (raw, text) = self.string()?;
                match self.hand.as_mut().and_then(|hand| hand(&self.pointer, &text)) {
                    Some(written) => self.put(raw, &text, &written),
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
            self.value(depth, &name)?;
            self.pointer.truncate(parent);
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
            self.pointer.push('/');
            self.pointer.push_str(&index.to_string());
            self.value(depth, hint)?;
            self.pointer.truncate(parent);
            self.space();
            if self.eat(b']') {
                break;
            }
            self.expect(b',')?;
            self.space();
        }
        Ok(())
    }

    /// Masks the name of a member and adds it to the pointer, without what was found in it.
    fn enter_member(&mut self, raw: Range<usize>, name: &str) {
        let findings = self.scan(name, "");
        let mut public = Vec::new();
        let mut from = 0;
        for finding in &findings {
            public.extend_from_slice(name.get(from..finding.start).unwrap_or_default().as_bytes());
            Action::Replace.apply(&finding.entity, b"", &mut public);
            from = finding.end;
        }
        public.extend_from_slice(name.get(from..).unwrap_or_default().as_bytes());
        let public = String::from_utf8_lossy(&public).replace('~', "~0").replace('/', "~1");
        self.pointer.push('/');
        self.pointer.push_str(&public);
        self.mask_found(raw, name, &findings);
    }

    fn scan(&mut self, text: &str, hint: &str) -> Vec<Finding> {
        let window = Window::whole(text.as_bytes()).with_hint(hint);
        self.masker.scanner.scan_with(&mut self.reader, &window)
    }

    /// Writes what another hand wants to stand in the string that is written at `raw`.
    fn put(&mut self, raw: Range<usize>, text: &str, written: &str) {
        if written != text {
            self.copy_up_to(raw.start);
            escape_into(written, &mut self.out);
            self.copied = raw.end;
        }
    }

    fn mask_string(&mut self, raw: Range<usize>, text: &str, hint: &str) {
        let findings = self.scan(text, hint);
        self.mask_found(raw, text, &findings);
    }

    /// Records what was found in the string that is written at `raw`, and writes it anew.
    fn mask_found(&mut self, raw: Range<usize>, text: &str, findings: &[Finding]) {
        if !self.record(findings) {
            return;
        }
        self.copy_up_to(raw.start);
        let source = self.json.get(raw.clone()).unwrap_or_default();
        let mut from = 0;
        let bounds = findings.iter().flat_map(|finding| [finding.start, finding.end]);
        let offsets = raw_offsets(source, bounds);
        for (finding, place) in findings.iter().zip(offsets.chunks_exact(2)) {
            let [start, end] = *place else { continue };
            let value = text.get(finding.start..finding.end).unwrap_or_default();
            let action = self.masker.action(&finding.entity);
            self.out.extend_from_slice(source.get(from..start).unwrap_or_default().as_bytes());
            if *action == Action::Detect {
                self.out.extend_from_slice(source.get(start..end).unwrap_or_default().as_bytes());
            } else {
                escape_into(&replacement(action, finding, value), &mut self.out);
            }
            from = end;
        }
        self.out.extend_from_slice(source.get(from..).unwrap_or_default().as_bytes());
        self.copied = raw.end;
    }

    /// Whether anything must change.
    fn record(&mut self, findings: &[Finding]) -> bool {
        let mut changes = false;
        for finding in findings {
            let action = self.masker.action(&finding.entity);
            self.blocked |= *action == Action::Block;
            changes |= *action != Action::Detect;
            let here = |located: &&mut Located| {
                located.pointer == self.pointer && located.entity == finding.entity
            };
            // Those of this value are the last ones.
            match self.findings.iter_mut().rev().take(findings.len()).find(here) {
                Some(located) => located.count += 1,
                None => self.findings.push(Located {
                    pointer: self.pointer.clone(),
                    entity: finding.entity.clone(),
                    count: 1,
                }),
            }
        }
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
        if NUMBERS.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) {
            let findings = self.scan(text, hint);
            if findings.iter().any(|f| *self.masker.action(&f.entity) != Action::Detect) {
                self.copy_up_to(start);
                self.out.push(b'"');
                self.copied = start;
                self.mask_found(raw, text, &findings);
                self.out.push(b'"');
            } else {
                self.record(&findings);
            }
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

    fn copy_up_to(&mut self, end: usize) {
        let unchanged = self.json.get(self.copied..end).unwrap_or_default();
        self.out.extend_from_slice(unchanged.as_bytes());
        self.copied = end;
    }
}

/// What stands for a value in a document; a blocked one must not be readable in it either.
fn replacement(action: &Action, finding: &Finding, value: &str) -> String {
    let action = if *action == Action::Block { &Action::MASK } else { action };
    let mut out = Vec::new();
    action.apply(&finding.entity, value.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
