//! Does a word hold text in another writing: base64, hexadecimal digits, or spread letters?
//!
//! What such a word says is scanned as a text of its own, and if something is found in it, all of
//! the word is the finding: what stands where in it would tell more than it hides.

use crate::{Peek, Window, window::is_word};

/// So many bytes of a word are read. What is longer, and says something in these, is a finding to
/// its end; what it says behind them alone is not seen, since a stream would have to wait for it.
const MOST: usize = 8 * 1024;
/// So many of a word that goes on from line to line (RFC 2045, section 6.8), with its breaks. Each of its
/// lines is read as the first of some: what is no longer than most of these stands in one of them whole.
const MOST_WRAPPED: usize = 512;
/// Lines that may go on in the next one have so many letters: 76 in mail, 64 in PEM.
const LINE: std::ops::RangeInclusive<usize> = 60..=128;
/// So far a line may be indented.
const INDENT: usize = 8;
/// So many letters are read that stand one by one.
const MOST_SPREAD: usize = 512;
/// What a word says takes memory of its own only beyond so many bytes.
const FEW: usize = 512;
/// Shorter words say too little.
const LEAST: usize = 12;
/// Among so many letters there is a capital or digit.
const MARKED: usize = 10;
/// So few letters with separators between are a list, not a word.
const FEWEST_LETTERS: usize = 7;
/// So far before letters that stand one by one there may be marks that do.
pub(crate) const SPREAD_MARKS: usize = 8;

/// What a word says, and where it ends.
#[derive(Debug)]
pub(crate) struct Decoded {
    bytes: [u8; FEW],
    length: usize,
    /// All of it, where that is more.
    long: Vec<u8>,
    pub(crate) end: usize,
    /// Whether the word may go on behind its end, which was not read any more.
    pub(crate) is_cut: bool,
}

impl Decoded {
    fn new() -> Self {
        Self { bytes: [0; FEW], length: 0, long: Vec::new(), end: 0, is_cut: false }
    }

    fn clear(&mut self) {
        (self.length, self.end, self.is_cut) = (0, 0, false);
        self.long.clear();
    }

    pub(crate) fn text(&self) -> &[u8] {
        if self.long.is_empty() {
            self.bytes.get(..self.length).unwrap_or_default()
        } else {
            &self.long
        }
    }

    /// Whether `byte` is of a text; it is added then.
    fn push(&mut self, byte: u8) -> bool {
        if !is_text(byte) {
            return false;
        }
        match self.bytes.get_mut(self.length) {
            Some(slot) => {
                *slot = byte;
                self.length += 1;
            }
            None => {
                if self.long.is_empty() {
                    self.long.extend_from_slice(&self.bytes);
                }
                self.long.push(byte);
            }
        }
        true
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// Whether a word with this beginning may say something: a quick no. What is not known may be any.
pub(crate) fn may_begin(rest: &[u8]) -> bool {
    if !may_begin_quickly(rest) || !is_marked(rest) {
        return false;
    }
    let start = rest.get(..LEAST).unwrap_or(rest);
    let base64 = start.chunks(4).all(|four| {
        let (mut bits, mut held) = (0_u32, 0_u32);
        four.iter().all(|byte| {
            let Some(value) = sextet(*byte) else { return false };
            (bits, held) = (bits << 6 | u32::from(value), held + 6);
            held < 8 || {
                held -= 8;
                is_text((bits >> held & 0xFF) as u8)
            }
        })
    });
    let hex = |two: &[u8]| match two {
        [high, low] => {
            hex_digit(*high).zip(hex_digit(*low)).is_some_and(|(a, b)| is_text(a << 4 | b))
        }
        _ => true,
    };
    base64 || start.chunks(2).all(hex)
}

/// Whether a capital or digit stands among the first letters, or may still: text in hexadecimal digits
/// has a digit in each two, and text in base64 a capital in each four letters of which the first byte is
/// none of `h` to `z`. Small letters alone are prose.
fn is_marked(rest: &[u8]) -> bool {
    let first = rest.get(..MARKED).unwrap_or(rest);
    first.len() < MARKED || first.iter().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

/// The same by a table, for the most of what says nothing: it passes all that [`may_begin`] does.
#[inline]
pub(crate) fn may_begin_quickly(rest: &[u8]) -> bool {
    let has = |at: usize, role: u8| {
        rest.get(at)
            .is_none_or(|byte| ROLES.get(usize::from(*byte)).is_some_and(|roles| roles & role != 0))
    };
    has(0, FIRST) && ((has(1, SECOND) && has(2, THIRD)) || (has(1, HEX) && has(2, HEX)))
}

/// Where in four letters of base64 a byte may stand that says text, and whether it is a hexadecimal
/// digit.
const FIRST: u8 = 1;
const SECOND: u8 = 2;
const THIRD: u8 = 4;
const HEX: u8 = 8;

static ROLES: [u8; 256] = {
    let mut table = [0; 256];
    let mut rest: &mut [u8] = &mut table;
    let mut byte = 0_u8;
    while let [first, others @ ..] = rest {
        // The upper six bits of a byte of text in base64, or its upper four as a digit.
        let begins = matches!(byte, b'C' | b'D' | b'I'..=b'Z' | b'a'..=b'f' | b'0' | b'2'..=b'7');
        *first = if begins { FIRST } else { 0 };
        if let Some(value) = sextet(byte) {
            // The upper four bits of the second byte, and the upper two of the third one.
            *first |= if value & 0b1000 == 0 { SECOND } else { 0 };
            *first |= if value & 0b10 == 0 { THIRD } else { 0 };
        }
        *first |= if byte.is_ascii_hexdigit() { HEX } else { 0 };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    table
};

/// Gives all that the word at `at` says in another writing: in base64 or in hexadecimal digits, or in
/// letters that stand one by one.
pub(crate) fn each(window: &Window<'_>, at: usize, mut take: impl FnMut(&Decoded)) -> Peek<()> {
    let mut decoded = Decoded::new();
    words(window, at, &mut decoded, &mut take)?;
    if spread(window, at, &mut decoded)? {
        take(&decoded);
    }
    Ok(())
}

/// Base64 is read by itself, and together with the lines behind it where it ends with its line.
fn words(
    window: &Window<'_>,
    at: usize,
    decoded: &mut Decoded,
    mut take: impl FnMut(&Decoded),
) -> Peek<()> {
    if window.before(at, 1).is_some_and(|byte| sextet(byte).is_some())
        || !is_marked(window.bytes().get(at..).unwrap_or_default())
    {
        return Ok(());
    }
    if base64(window, at, false, decoded)? {
        take(decoded);
        if next_line(window, at, decoded.end)?.is_some() && base64(window, at, true, decoded)? {
            take(decoded);
        }
    } else if hexadecimal(window, at, decoded)? {
        take(decoded);
    }
    Ok(())
}

/// Whether text stands there by RFC 4648, sections 4 and 5, with padding or without; in one line, or in
/// several.
fn base64(window: &Window<'_>, at: usize, lines: bool, decoded: &mut Decoded) -> Peek<bool> {
    decoded.clear();
    let most = if lines { MOST_WRAPPED } else { MOST };
    let (mut bits, mut held, mut end, mut line) = (0_u32, 0_u32, at, at);
    // What the lines before this one say, and where they end.
    let mut before = None;
    while end - at < most {
        let Some(value) = window.byte(end)?.and_then(sextet) else {
            let next = if lines && held == 0 { next_line(window, line, end)? } else { None };
            let Some(next) = next else { break };
            before = Some((decoded.length, end));
            (end, line) = (next, next);
            continue;
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            if !decoded.push((bits >> held & 0xFF) as u8) {
                // What stands in this line is something else; those before it say what they say.
                let Some(said) = before else { return Ok(false) };
                (decoded.length, end) = said;
                break;
            }
        }
        end += 1;
    }
    // A single letter beyond four is none of base64.
    if end - at < LEAST || (held == 6 && before.is_none()) {
        return Ok(false);
    }
    decoded.is_cut = end - at >= most;
    decoded.end = end + window.count(end, 2, |byte| byte == b'=')?;
    Ok(true)
}

/// Where the next line of a word begins whose line goes from `line` to `end`, if one does.
fn next_line(window: &Window<'_>, line: usize, end: usize) -> Peek<Option<usize>> {
    if !LINE.contains(&(end - line)) || !(end - line).is_multiple_of(4) {
        return Ok(None);
    }
    let feed = end + usize::from(window.is(end, |byte| byte == b'\r')?);
    if !window.is(feed, |byte| byte == b'\n')? {
        return Ok(None);
    }
    let next = feed + 1;
    let next = next + window.count(next, INDENT, |byte| matches!(byte, b' ' | b'\t'))?;
    Ok(window.is(next, |byte| sextet(byte).is_some())?.then_some(next))
}

/// Whether text stands there in hexadecimal digits.
fn hexadecimal(window: &Window<'_>, at: usize, decoded: &mut Decoded) -> Peek<bool> {
    decoded.clear();
    let mut end = at;
    while end - at < MOST {
        let Some(high) = window.byte(end)?.and_then(hex_digit) else { break };
        let Some(low) = window.byte(end + 1)?.and_then(hex_digit) else { return Ok(false) };
        if !decoded.push(high << 4 | low) {
            return Ok(false);
        }
        end += 2;
    }
    (decoded.end, decoded.is_cut) = (end, end - at >= MOST);
    Ok(end - at >= LEAST)
}

/// Whether letters stand one by one from `at` on, with the same mark between any two.
fn spread(window: &Window<'_>, at: usize, decoded: &mut Decoded) -> Peek<bool> {
    let joined = |b: u8| b.is_ascii_graphic() && !is_mark(b);
    if window.before(at, 1).is_some_and(joined) || !window.is(at, may_lead)? {
        return Ok(false);
    }
    let Some(mark) = window.byte(at + 1)?.filter(|byte| is_mark(*byte)) else { return Ok(false) };
    if !spread_begins(window, at, mark)? {
        return Ok(false);
    }
    decoded.clear();
    let mut next = at;
    while next - at < MOST_SPREAD {
        let Some(letter) = window.byte(next)?.filter(u8::is_ascii_graphic) else {
            // A space among the letters, itself between two marks.
            if mark == b' '
                && window.is(next, |b| b == b' ')?
                && window.is(next + 1, |b| b == b' ')?
            {
                next += 2;
                decoded.push(b' ');
                continue;
            }
            break;
        };
        let behind = window.byte(next + 1)?;
        if behind.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
            break;
        }
        decoded.push(letter);
        decoded.end = next + 1;
        if behind != Some(mark) {
            break;
        }
        next += 2;
    }
    while decoded.text().last() == Some(&b' ') {
        decoded.length -= 1;
    }
    decoded.is_cut = decoded.end - at >= MOST_SPREAD;
    Ok(decoded.length >= FEWEST_LETTERS)
}

/// Whether such letters begin at `at`: three letters or digits, perhaps behind some other letters
/// that are spread, too, and none before.
fn spread_begins(window: &Window<'_>, at: usize, mark: u8) -> Peek<bool> {
    let outside = |distance: usize| {
        window.before(at, distance).is_none_or(|b| !b.is_ascii_graphic() || b == mark)
    };
    let before = |distance: usize| window.before(at, distance);
    let goes_on = before(1) == Some(mark) && before(2).is_some_and(may_lead) && outside(3);
    if !outside(1) || goes_on {
        return Ok(false);
    }
    let mut words = 0;
    let mut place = at;
    while place - at <= SPREAD_MARKS + 4 {
        let letter = |b: u8| b.is_ascii_graphic() || (b == b' ' && mark == b' ');
        if !window.is(place, letter)? {
            return Ok(false);
        }
        words = if window.is(place, is_word)? { words + 1 } else { 0 };
        if words == 3 {
            return Ok(!window.is(place + 1, is_word)?);
        }
        if !window.is(place + 1, |b| b == mark)? {
            return Ok(false);
        }
        place += 2;
    }
    Ok(false)
}

/// What the first of such letters may be.
fn may_lead(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'(')
}

/// What letters are spread with.
pub(crate) fn is_mark(byte: u8) -> bool {
    matches!(byte, b' ' | b'.' | b'-' | b'_' | b'*' | b'|' | b'/')
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Both alphabets of base64.
const fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Whether a word that was cut goes on with this byte.
pub(crate) fn goes_on(byte: u8) -> bool {
    sextet(byte).is_some() || byte == b'='
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 4648, section 4, without what is left over.
    fn base64(text: &[u8]) -> Vec<u8> {
        let alphabet: Vec<u8> =
            (0..=u8::MAX).filter(|b| sextet(*b).is_some() && !b"-_".contains(b)).collect();
        let letter =
            |value: u32| alphabet.iter().copied().find(|b| sextet(*b) == Some(value as u8));
        let threes = text.as_chunks::<3>().0.iter();
        let bits = threes.map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]));
        bits.flat_map(|bits| [18, 12, 6, 0].map(|shift| letter(bits >> shift & 63)))
            .flatten()
            .collect()
    }

    proptest! {
        #[test]
        fn no_text_in_base64_or_hexadecimal_digits_is_passed_over(text in "[ -~\t\n\r]{9,30}") {
            prop_assert!(may_begin(&base64(text.as_bytes())), "{text:?}");
            let hex = |digits: fn(u8) -> String| text.bytes().map(digits).collect::<String>();
            for word in [hex(|b| format!("{b:02x}")), hex(|b| format!("{b:02X}"))] {
                prop_assert!(may_begin(word.as_bytes()), "{word:?}");
            }
        }
    }
}
