//! How is a text masked while it is still being written?
//!
//! For every way to cut a text into chunks the output is that of [`Masker::mask_text`], because the
//! same search runs over the same bytes and answers only what later bytes cannot change (see
//! [`Window`]). A byte is held back as long as a value that more text could complete might begin at
//! or before it: at most [`Recognizer::max_len`](crate::Recognizer::max_len) bytes, or
//! [`CustomPattern::max_length`](crate::CustomPattern::max_length), and usually the last word.
//! Values without a bound (keys, tokens) are masked as they come and hold back nothing.
//!
//! Words that may be text in base64 or in hexadecimal digits are held back for as long as what they say
//! is text: 8 KiB at most, and letters that stand one by one 512 bytes. What is written with escapes
//! counts by what it means.
//!
//! What is longer than its bound, the same in a whole text: a local part of more than 64 bytes is no
//! e-mail address; a JSON Web Token whose header is longer than 1024 bytes is masked without waiting
//! for its dot; an encoded word of more than 8 KiB is decided by what these say, and masked to its
//! end or not at all; of one in lines some are masked together, to the end of a line; a match of the user's own is cut at its `max_length`; a private key whose last line
//! is missing is masked to the end of the text.

use crate::{
    Action, Entity, LOOK_BEHIND, Masker, Run, Tally, Window, mask::Opened, reader::Reader,
    scan::Search, unfold,
};

/// So much more than the look-behind is kept at most: thousands of streams may wait at a time.
const MOST_KEPT: usize = 256;

/// So much may be held back until a word ends, whatever could be said of it before.
const SHORT: usize = 24;

/// Masks one text that comes in chunks, which may cut it anywhere, also inside a character.
#[derive(Clone, Debug)]
pub struct Stream {
    masker: Masker,
    /// Some of the text that went out, as look-behind, then what is held back.
    buffer: Vec<u8>,
    /// The first byte of the buffer that has not gone out.
    held: usize,
    /// The open-ended value that the text is inside of.
    open: Option<Open>,
    blocked: bool,
    tallies: Vec<Tally>,
    /// The name of the member that the text is the value of.
    hint: Option<Box<str>>,
}

/// An open-ended value, of which the beginning has gone out.
#[derive(Clone, Debug)]
struct Open {
    entity: Entity,
    run: Run,
    value: Opened,
}

impl Stream {
    pub(crate) fn new(masker: Masker) -> Self {
        let (buffer, tallies) = (Vec::new(), Vec::new());
        Self { masker, buffer, held: 0, open: None, blocked: false, tallies, hint: None }
    }

    /// The same, with a name that counts as context for the text, as the name of a member does for a
    /// value of JSON.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { hint: Some(name.into()), ..self }
    }

    /// Takes the next chunk and appends to `out` what is certain by now: whole characters only.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.blocked {
            return;
        }
        self.buffer.extend_from_slice(chunk);
        let held = part(&self.buffer, self.held, self.buffer.len());
        match self.masker.scanner.prose(held) {
            Some(clear) if self.open.is_none() && self.hint.is_none() => {
                out.extend_from_slice(part(held, 0, clear));
                self.held += clear;
            }
            // A word that goes on decides little, and what is undecided may wait for its end.
            _ if self.open.is_none() && held.len() <= SHORT && is_inside_word(chunk) => {}
            _ => self.advance(false, out),
        }
        self.forget();
    }

    /// Ends a part of the text that some read by itself and others together with the next one: what is
    /// held back, decided as at the end of a text. It is held back still, so what comes out next begins
    /// with the same bytes, unless the next part makes something else of them.
    #[must_use]
    pub fn pause(&mut self) -> Vec<u8> {
        let mut alone = Vec::new();
        if self.blocked || self.open.is_some() {
            return alone;
        }
        let (before, held, tallies) = (self.buffer.clone(), self.held, self.tallies.clone());
        self.advance(true, &mut alone);
        if alone == part(&before, held, before.len()) {
            (self.buffer, self.tallies) = (before, tallies);
        } else {
            // What was found in the part alone stays so, whatever comes.
            self.buffer = [part(&before, 0, held), &alone].concat();
        }
        (self.held, self.open) = (held, None);
        alone
    }

    /// Whether something lies across the end of what has come and the beginning of what may come next.
    #[must_use]
    pub fn lies_across(&self, next: &[u8]) -> bool {
        let text = [self.buffer.as_slice(), next].concat();
        let (seam, held) = (self.buffer.len(), self.held);
        let findings = self.masker.scanner.scan_bytes(&text);
        findings.iter().any(|found| found.start.max(held) < seam && seam < found.end)
    }

    /// Ends the text: everything that was held back is decided and appended to `out`.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.blocked {
            self.advance(true, out);
        }
        self.buffer.clear();
        (self.held, self.open) = (0, None);
    }

    /// What was found so far, by entity.
    pub fn findings(&self) -> &[Tally] {
        &self.tallies
    }

    /// Whether something was found whose action is [`Action::Block`]. Nothing came out of the
    /// stream from that value on, and nothing will.
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// How many bytes are held back now.
    pub fn held(&self) -> usize {
        self.buffer.len() - self.held
    }

    fn advance(&mut self, complete: bool, out: &mut Vec<u8>) {
        let Self { masker, buffer, held, open, blocked, tallies, hint } = self;
        let window = if complete { Window::whole(buffer) } else { Window::partial(buffer) };
        let window = window.with_hint(hint.as_deref().unwrap_or_default());
        // It would have to forget the text before each use, and is larger than most texts.
        let mut reader = Reader::default();
        while !*blocked {
            if let Some(Open { entity, run, mut value }) = open.take() {
                let (end, is_final) = run.extend(&window, *held);
                let end = if is_final { end } else { end.min(last_boundary(buffer)) };
                let action = masker.action(&entity);
                value.go_on(action, &entity, part(buffer, *held, end), out);
                *held = end;
                if !is_final {
                    *open = Some(Open { entity, run, value });
                    break;
                }
                value.close(action, &entity, out);
            }
            match reader.search(&masker.scanner, &window, *held) {
                Search::ClearUpTo(end) => {
                    let end = if complete { end } else { end.min(last_boundary(buffer)) };
                    out.extend_from_slice(part(buffer, *held, end));
                    *held = end.max(*held);
                    break;
                }
                Search::Found(found) => {
                    out.extend_from_slice(part(buffer, *held, found.start));
                    count(tallies, found.entity);
                    let value = part(buffer, found.start, found.end);
                    *held = found.end;
                    let entity = found.entity;
                    match (masker.action(entity), found.run) {
                        (Action::Block, _) => {
                            *blocked = true;
                            *held = buffer.len();
                        }
                        (action, Some(run)) => {
                            let value = Opened::new(action, entity, value, out);
                            *open = Some(Open { entity: entity.clone(), run, value });
                        }
                        (action, None) => action.apply(entity, value, out),
                    }
                }
            }
        }
    }

    /// Drops what went out, but for the look-behind and a unit that may be cut before it.
    fn forget(&mut self) {
        let dropped = self.held.saturating_sub(LOOK_BEHIND + unfold::LONGEST);
        // Moving the rest costs more than keeping it, until there is some to drop.
        if dropped >= MOST_KEPT {
            self.buffer.drain(..dropped);
            self.held -= dropped;
        }
    }
}

fn count(tallies: &mut Vec<Tally>, entity: &Entity) {
    match tallies.iter_mut().find(|tally| tally.entity == *entity) {
        Some(tally) => tally.count += 1,
        None => tallies.push(Tally { entity: entity.clone(), count: 1 }),
    }
}

fn is_inside_word(chunk: &[u8]) -> bool {
    chunk.iter().all(u8::is_ascii_alphanumeric)
}

/// The end of the last whole character.
fn last_boundary(buffer: &[u8]) -> usize {
    let tail = buffer.len().saturating_sub(3);
    let Some(lead) = buffer.iter().skip(tail).rposition(|byte| byte & 0xC0 != 0x80) else {
        return buffer.len();
    };
    let lead = tail + lead;
    let width = match buffer.get(lead) {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 1,
    };
    if lead + width > buffer.len() { lead } else { buffer.len() }
}

fn part(text: &[u8], start: usize, end: usize) -> &[u8] {
    text.get(start..end).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::{Config, Scanner};

    /// What comes out of two parts: the first alone, and what comes behind it.
    fn parts(first: &str, second: &str) -> (String, String) {
        let masker = Masker::new(Scanner::new(&Config::default()).unwrap().into(), Action::MASK);
        let (mut stream, mut out) = (masker.stream(), Vec::new());
        stream.feed(first.as_bytes(), &mut out);
        out.extend(stream.pause());
        let mut behind = Vec::new();
        stream.feed(second.as_bytes(), &mut behind);
        stream.finish(&mut behind);
        (String::from_utf8(out).unwrap(), String::from_utf8(behind).unwrap())
    }

    #[test]
    fn a_part_alone_is_masked_as_a_text_and_what_the_next_one_makes_of_it_is_told() {
        // Nothing is found: the same bytes come once more.
        assert_eq!(parts("see reported", " now"), ("see reported".into(), "reported now".into()));
        // The value is complete, and stays so whatever follows.
        let (alone, behind) = parts("ssn 123-45-6789", "0 more");
        assert_eq!((&*alone, &*behind), ("ssn ***********", "***********0 more"));
        // The next part makes a value of it.
        let (alone, behind) = parts("to ann@", "example.org now");
        assert_eq!((&*alone, &*behind), ("to ann@", "*************** now"));
    }
}
