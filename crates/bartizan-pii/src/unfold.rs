//! What does a text say once everything is undone that hides it from a reader of bytes?
//!
//! A [`unit`] is a piece of text that stands for other text: an escape of JSON, of an address of the
//! web or of HTML, a digit or letter of another alphabet that reads like one of ours, a dash or
//! space of another kind, and what nobody sees at all. [`Folded`] is a stretch of text with its
//! units undone, and the way back: which bytes of the original each byte stands for.
//!
//! Whether a unit stands at a place depends on a few bytes around it, and is asked through a
//! [`Window`]: so it is the same however a text is cut.

mod alphabet;

use crate::{
    LOOK_BEHIND, Peek, Window,
    simd::{Isa, Odd, is_odd},
    window::is_word,
};

/// A value is read with its units undone if one begins within so many bytes from its beginning;
pub(crate) const AHEAD: usize = 384;
/// or ends at most so many before it: as many as are seen of what stands before a value, so that
/// both readings see the same where no unit stands.
pub(crate) const BEHIND: usize = LOOK_BEHIND;
/// The most backslashes of an escape, and the most times that `%` or `&` is escaped itself.
const MOST_LAYERS: usize = 8;

/// A letter that reads like one of ASCII is taken for it where one of ASCII stands so near.
const NEIGHBOURS: usize = 12;
/// No unit but one that is escaped many times is longer.
pub(crate) const LONGEST: usize = 24;

/// A piece of text that stands for other text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its bytes.
    pub(crate) width: usize,
    text: [u8; 4],
    length: u8,
}

impl Unit {
    /// What it stands for: a character, or nothing.
    pub(crate) fn text(&self) -> &[u8] {
        self.text.get(..usize::from(self.length)).unwrap_or_default()
    }

    fn nothing(width: usize) -> Self {
        Self { width, text: [0; 4], length: 0 }
    }

    fn byte(width: usize, byte: u8) -> Self {
        Self { width, text: [byte, 0, 0, 0], length: 1 }
    }

    /// A character that was escaped: what it reads like, or else itself.
    fn character(width: usize, character: char) -> Self {
        match alphabet::reads_like(character) {
            Some(Some(byte)) => Self::byte(width, byte),
            Some(None) => Self::nothing(width),
            None => {
                let mut text = [0; 4];
                let length = character.encode_utf8(&mut text).len();
                Self { width, text, length: u8::try_from(length).unwrap_or_default() }
            }
        }
    }
}

/// The unit that begins at `at`, if one does.
pub(crate) fn unit(window: &Window<'_>, at: usize) -> Peek<Option<Unit>> {
    match window.byte(at)? {
        Some(b'\\') => backslash(window, at),
        Some(b'%') => percent(window, at),
        Some(b'&') => entity(window, at),
        Some(b'*') => emphasis(window, at),
        Some(0xC2..) => beyond_ascii(window, at),
        _ => Ok(None),
    }
}

/// `\u0040`, `\x40`, `\n` and the like, however often the backslash is escaped itself.
fn backslash(window: &Window<'_>, at: usize) -> Peek<Option<Unit>> {
    let slashes = window.count(at, MOST_LAYERS, |b| b == b'\\')?;
    let kind = at + slashes;
    let unit = match window.byte(kind)? {
        Some(b'u') => return unicode(window, at, kind),
        Some(b'x') => match hexadecimal(window, kind + 1, 2)? {
            Some(code) => char::from_u32(code).map(|c| Unit::character(kind + 3 - at, c)),
            None => None,
        },
        Some(b'n' | b'r') => Some(Unit::byte(kind + 1 - at, b'\n')),
        Some(b't' | b'b' | b'f') => Some(Unit::byte(kind + 1 - at, b' ')),
        Some(itself @ (b'"' | b'/' | b'\'')) => Some(Unit::byte(kind + 1 - at, itself)),
        _ => None,
    };
    Ok(unit)
}

/// RFC 8259, section 7, with surrogate pairs.
fn unicode(window: &Window<'_>, at: usize, kind: usize) -> Peek<Option<Unit>> {
    let Some(high) = hexadecimal(window, kind + 1, 4)? else { return Ok(None) };
    let end = kind + 5;
    if !(0xD800..0xDC00).contains(&high) {
        return Ok(char::from_u32(high).map(|c| Unit::character(end - at, c)));
    }
    let slashes = window.count(end, MOST_LAYERS, |b| b == b'\\')?;
    if slashes == 0 || !window.is(end + slashes, |b| b == b'u')? {
        return Ok(None);
    }
    let Some(low) = hexadecimal(window, end + slashes + 1, 4)? else { return Ok(None) };
    if !(0xDC00..0xE000).contains(&low) {
        return Ok(None);
    }
    let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    Ok(char::from_u32(code).map(|c| Unit::character(end + slashes + 5 - at, c)))
}

/// `%40`, and `%2540` where the sign of percent is escaped itself (RFC 3986, section 2.1); of a
/// character beyond ASCII all of its bytes.
fn percent(window: &Window<'_>, at: usize) -> Peek<Option<Unit>> {
    let Some((first, mut end)) = percent_byte(window, at)? else { return Ok(None) };
    let more = match first {
        0..0x80 => 0,
        0xC2..=0xDF => 1,
        0xE0..=0xEF => 2,
        0xF0..=0xF4 => 3,
        _ => return Ok(None),
    };
    let mut bytes = [first, 0, 0, 0];
    for slot in bytes.iter_mut().skip(1).take(more) {
        let Some((byte, behind)) = percent_byte(window, end)? else { return Ok(None) };
        (*slot, end) = (byte, behind);
    }
    let text = bytes.get(..=more).and_then(|bytes| std::str::from_utf8(bytes).ok());
    Ok(text.and_then(|text| text.chars().next()).map(|c| Unit::character(end - at, c)))
}

fn percent_byte(window: &Window<'_>, at: usize) -> Peek<Option<(u8, usize)>> {
    if !window.is(at, |b| b == b'%')? {
        return Ok(None);
    }
    let mut code = at + 1;
    for _ in 0..MOST_LAYERS {
        let Some(byte) = hexadecimal(window, code, 2)? else { return Ok(None) };
        // Is it a sign of percent that stands for itself, or for an escape in it?
        if byte != 0x25 || hexadecimal(window, code + 2, 2)?.is_none() {
            return Ok(u8::try_from(byte).ok().map(|byte| (byte, code + 2)));
        }
        code += 2;
    }
    Ok(None)
}

const NAMED: &[(&[u8], u8)] = &[
    (b"amp;", b'&'),
    (b"ast;", b'*'),
    (b"colon;", b':'),
    (b"comma;", b','),
    (b"commat;", b'@'),
    (b"dash;", b'-'),
    (b"equals;", b'='),
    (b"gt;", b'>'),
    (b"hyphen;", b'-'),
    (b"lowbar;", b'_'),
    (b"lpar;", b'('),
    (b"lt;", b'<'),
    (b"mdash;", b'-'),
    (b"minus;", b'-'),
    (b"nbsp;", b' '),
    (b"ndash;", b'-'),
    (b"num;", b'#'),
    (b"percnt;", b'%'),
    (b"period;", b'.'),
    (b"plus;", b'+'),
    (b"quot;", b'"'),
    (b"rpar;", b')'),
    (b"sol;", b'/'),
];

const INVISIBLE: &[&[u8]] = &[b"shy;", b"zwnj;", b"zwj;", b"lrm;", b"rlm;", b"ZeroWidthSpace;"];

/// `&#64;`, `&#x40;`, `&commat;`, and any of them behind `&amp;`.
fn entity(window: &Window<'_>, at: usize) -> Peek<Option<Unit>> {
    let mut start = at + 1;
    for _ in 0..MOST_LAYERS {
        if !window.starts_with(start, b"amp;")? {
            break;
        }
        // The sign itself, unless an entity goes on behind it.
        let behind = start + 4;
        if !window.is(behind, |b| b == b'#' || b.is_ascii_alphabetic())? {
            return Ok(Some(Unit::byte(behind - at, b'&')));
        }
        start = behind;
    }
    if window.is(start, |b| b == b'#')? {
        return numeric(window, at, start + 1);
    }
    for (name, byte) in NAMED {
        if window.starts_with(start, name)? {
            return Ok(Some(Unit::byte(start + name.len() - at, *byte)));
        }
    }
    for name in INVISIBLE {
        if window.starts_with(start, name)? {
            return Ok(Some(Unit::nothing(start + name.len() - at)));
        }
    }
    Ok(None)
}

fn numeric(window: &Window<'_>, at: usize, digits: usize) -> Peek<Option<Unit>> {
    let hex = usize::from(window.is(digits, |b| b == b'x' || b == b'X')?);
    let first = digits + hex;
    let length = window.count(first, 8, |b| b.is_ascii_hexdigit())?;
    let text = window.bytes().get(first..first + length).unwrap_or_default();
    let text = std::str::from_utf8(text).unwrap_or_default();
    let code = u32::from_str_radix(text, if hex == 1 { 16 } else { 10 }).ok();
    let end = first + length + usize::from(window.is(first + length, |b| b == b';')?);
    Ok(code.and_then(char::from_u32).map(|c| Unit::character(end - at, c)))
}

/// Two asterisks that set a part of a value in bold: letters, digits or marks on both sides, or a
/// space on one where digits and capitals stand around.
fn emphasis(window: &Window<'_>, at: usize) -> Peek<Option<Unit>> {
    let joins = |b: u8| b.is_ascii_alphanumeric() || b"@.-+()".contains(&b);
    let of_code = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    let Some(before) = window.before(at, 1).filter(|b| joins(*b) || *b == b' ') else {
        return Ok(None);
    };
    if !window.is(at + 1, |b| b == b'*')? {
        return Ok(None);
    }
    let inside = match window.byte(at + 2)? {
        Some(b' ') => of_code(before) && window.is(at + 3, of_code)?,
        Some(behind) if before == b' ' => {
            of_code(behind) && window.before(at, 2).is_some_and(of_code)
        }
        Some(behind) => joins(behind),
        None => false,
    };
    Ok(inside.then(|| Unit::nothing(2)))
}

fn beyond_ascii(window: &Window<'_>, at: usize) -> Peek<Option<Unit>> {
    let Some((character, width)) = character(window, at)? else { return Ok(None) };
    let before = window.before(at, 1);
    let matters = match alphabet::kind(character) {
        None => return Ok(None),
        Some(alphabet::Kind::Always) => true,
        Some(alphabet::Kind::InNumber) => {
            before.is_some_and(|b| is_word(b) || b >= 0x80 || b == b')')
        }
        Some(alphabet::Kind::InWord) => beside_ascii(window, at, at + width)?,
        Some(alphabet::Kind::Tag) => return tag(window, at, character).map(Some),
    };
    Ok(matters.then(|| Unit::character(width, character)))
}

/// Whether letters or digits of ASCII stand before `at` or from `end` on, other letters of two bytes
/// between.
fn beside_ascii(window: &Window<'_>, at: usize, end: usize) -> Peek<bool> {
    let inner = |b: u8| matches!(b, 0x80..0xC0 | 0xC3..=0xD5);
    let mut before = (1..=NEIGHBOURS).map_while(|distance| window.before(at, distance));
    let joins = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'@' | b'.' | b'-' | b'_' | b'+');
    if before.find(|b| !inner(*b)).is_some_and(joins) {
        return Ok(true);
    }
    let others = window.count(end, NEIGHBOURS, inner)?;
    window.is(end + others, |b| b.is_ascii_alphanumeric() || b == b'@')
}

/// Tags are letters that nobody sees. Side by side they are read, alone they are passed over.
fn tag(window: &Window<'_>, at: usize, character: char) -> Peek<Unit> {
    let beside = window.before(at, 4) == Some(0xF3) && window.before(at, 3) == Some(0xA0)
        || window.starts_with(at + 4, b"\xF3\xA0")?;
    let code = u32::from(character) & 0x7F;
    Ok(match u8::try_from(code) {
        Ok(byte @ 0x20..=0x7E) if beside => Unit::byte(4, byte),
        _ => Unit::nothing(4),
    })
}

/// The character at `at`, and its width; `None` if the bytes are none.
fn character(window: &Window<'_>, at: usize) -> Peek<Option<(char, usize)>> {
    let width = match window.byte(at)? {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => return Ok(None),
    };
    for offset in 1..width {
        if !window.is(at + offset, |b| b & 0xC0 == 0x80)? {
            return Ok(None);
        }
    }
    let bytes = window.bytes().get(at..at + width).unwrap_or_default();
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    Ok(text.chars().next().map(|character| (character, width)))
}

/// The number that is written in so many hexadecimal digits.
fn hexadecimal(window: &Window<'_>, at: usize, digits: usize) -> Peek<Option<u32>> {
    let mut code = 0;
    for place in at..at + digits {
        let Some(digit) = window.byte(place)?.and_then(|b| char::from(b).to_digit(16)) else {
            return Ok(None);
        };
        code = code * 16 + digit;
    }
    Ok(Some(code))
}

/// Where the unit begins that `place` lies inside of, if it does.
pub(crate) fn around(window: &Window<'_>, place: usize) -> Option<usize> {
    let first = place.saturating_sub(LONGEST);
    let before = window.bytes().get(first..place)?;
    // Without a branch, as it is asked of every value.
    let any = before.iter().fold(false, |any, b| any | matches!(b, b'\\' | b'%' | b'&'));
    if !any {
        return None;
    }
    let odd = before.iter().zip(first..).filter(|(byte, _)| matches!(byte, b'\\' | b'%' | b'&'));
    let mut units = odd.map(|(_, at)| at);
    units.find(|at| matches!(unit(window, *at), Ok(Some(unit)) if at + unit.width > place))
}

/// The next place from `from` on where a unit stands, or may stand once more is known.
pub(crate) fn next(isa: Isa, window: &Window<'_>, from: usize) -> Option<usize> {
    let mut odd = Odd::new(isa, window.bytes(), from);
    odd.find(|at| may_begin(window.bytes(), *at) && unit(window, *at) != Ok(None))
}

/// Whether a unit may begin at `at`: a quick no for the most of what makes one look like that.
#[inline]
fn may_begin(text: &[u8], at: usize) -> bool {
    let next = text.get(at + 1);
    match text.get(at) {
        Some(b'*') => next.is_none_or(|byte| *byte == b'*') && may_emphasise(text, at),
        Some(b'%') => next.is_none_or(u8::is_ascii_hexdigit),
        // A further byte of a character.
        Some(0x80..=0xC1) => false,
        // Letters with accents, but for a small i without its dot, quotation marks, and Han.
        Some(0xC3 | 0xC5 | 0xE4..=0xE9) => false,
        Some(0xC4) => next.is_none_or(|byte| *byte == 0xB1),
        Some(0xE2) => !matches!(text.get(at + 1..at + 3), Some([0x80, 0x98..=0x9F])),
        _ => true,
    }
}

/// Whether two asterisks may set a part of a value in bold: not at the beginning or end of a word, unless
/// digits or capitals stand around.
fn may_emphasise(text: &[u8], at: usize) -> bool {
    let blank = |place: Option<usize>| place.and_then(|at| text.get(at)) == Some(&b' ');
    let of_code = |place: Option<usize>| {
        let byte = place.and_then(|at| text.get(at));
        byte.is_none_or(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
    };
    let (before, behind) = (at.checked_sub(1), at.checked_add(2));
    match (blank(before), blank(behind)) {
        (true, _) => of_code(at.checked_sub(2)),
        (_, true) => of_code(before),
        _ => before.is_some_and(|at| text.get(at).is_some_and(|b| *b > b' ')),
    }
}

/// Whether a unit stands anywhere in a value.
pub(crate) fn is_folded(value: &[u8]) -> bool {
    let window = Window::whole(value);
    let odd = value.iter().enumerate().filter(|(_, byte)| is_odd(**byte));
    odd.map(|(at, _)| at).any(|at| may_begin(value, at) && unit(&window, at) != Ok(None))
}

/// A stretch of text with its units undone.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    pub(crate) bytes: Vec<u8>,
    /// For each byte, where in the text stands what it stands for.
    places: Vec<(u32, u32)>,
    /// Where in the text its units stand.
    units: Vec<(u32, u32)>,
    /// From here to there in the text.
    begin: usize,
    pub(crate) end: usize,
}

impl Folded {
    /// Begins anew at a place of the text, which is no middle of a unit.
    pub(crate) fn begin(&mut self, at: usize) {
        self.bytes.clear();
        self.places.clear();
        self.units.clear();
        (self.begin, self.end) = (at, at);
    }

    /// Goes on to `end`, or to a unit that is not known yet; whether it came that far.
    pub(crate) fn go_on(&mut self, window: &Window<'_>, end: usize) -> bool {
        let text = window.bytes();
        while self.end < end.min(text.len()) {
            let Ok(unit) = unit(window, self.end) else { return false };
            let from = self.end;
            match unit {
                Some(unit) => {
                    self.end += unit.width;
                    self.units.push(self.span(from));
                    unit.text().iter().for_each(|byte| self.push(*byte, from));
                }
                None => {
                    self.end += 1;
                    if let Some(byte) = text.get(from) {
                        self.push(*byte, from);
                    }
                }
            }
        }
        true
    }

    fn push(&mut self, byte: u8, from: usize) {
        self.bytes.push(byte);
        self.places.push(self.span(from));
    }

    /// A place as the distance from the beginning: stretches are short.
    fn span(&self, from: usize) -> (u32, u32) {
        let short = |at: usize| u32::try_from(at - self.begin).unwrap_or(u32::MAX);
        (short(from), short(self.end))
    }

    /// Where in the text stands what the byte at `at` stands for.
    pub(crate) fn start(&self, at: usize) -> usize {
        self.places.get(at).map_or(self.end, |(start, _)| self.begin + *start as usize)
    }

    /// Where in the text ends what the byte before `at` stands for.
    pub(crate) fn end_before(&self, at: usize) -> usize {
        let last = at.checked_sub(1).and_then(|at| self.places.get(at));
        last.map_or(self.begin, |(_, end)| self.begin + *end as usize)
    }

    /// The first byte whose place in the text is `place` or behind it.
    pub(crate) fn at(&self, place: usize) -> usize {
        self.places.partition_point(|(start, _)| self.begin + (*start as usize) < place)
    }

    /// How far back a value that begins at `at` is seen.
    pub(crate) fn floor(&self, at: usize) -> usize {
        self.at(self.start(at).saturating_sub(BEHIND))
    }

    /// Whether a unit stands close enough to a value that begins at this place of the text.
    pub(crate) fn matters(&self, place: usize) -> bool {
        let first =
            self.units.partition_point(|(_, end)| self.begin + (*end as usize) + BEHIND < place);
        let next = self.units.get(first);
        next.is_some_and(|(start, _)| self.begin + (*start as usize) <= place + AHEAD)
    }

    /// Where the last unit ends.
    pub(crate) fn last_unit(&self) -> usize {
        self.units.last().map_or(self.begin, |(_, end)| self.begin + *end as usize)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_reads_like_another_is_passed_over() {
        let mut seen = 0;
        for character in ('\u{80}'..=char::MAX).filter(|c| alphabet::kind(*c).is_some()) {
            let text = character.to_string();
            assert!(may_begin(text.as_bytes(), 0), "{character:?}");
            seen += 1;
        }
        assert!(seen > 1_000, "{seen}");
    }
}
