//! Is this an IP address?
//!
//! A prefix length behind it (`/24`), and the zone of an IPv6 address (`%eth0`, RFC 4007), belong
//! to it. `1.2.3.4.5` is no address but the number of a version or an object.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{End, Peek, Window, digits, window::is_word};

pub(crate) const MAX_LEN_V4: usize = 20;
pub(crate) const MAX_LEN_V6: usize = MAX_V6 + 1 + MAX_ZONE + 4;

/// An address and a dot more: enough to see that it goes on, and is none.
const MAX_V4: usize = 17;
/// The longest form: six groups and an embedded IPv4 address.
const MAX_V6: usize = 45;
const MAX_ZONE: usize = 16;

pub(crate) fn v4(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    // Unlike other numbers it may begin behind `4-`: 10.0.0.1-10.0.0.9 is a range.
    let continues = match window.before(at, 1) {
        Some(b'.') => window.before(at, 2).is_some_and(is_word),
        before => before.is_some_and(is_word),
    };
    if continues {
        return Ok(None);
    }
    // Most numbers are refused here, and a stream does not wait for them.
    let first = digits::run(window, at, 4)?;
    if first > 3 || !window.is(at + first, |b| b == b'.')? {
        return Ok(None);
    }
    let length = window.count(at, MAX_V4, |b| b.is_ascii_digit() || b == b'.')?;
    let text = window.bytes().get(at..at + length).unwrap_or_default();
    let text = without_marks(text, b".");
    let end = at + text.len();
    // Cheaper than to parse what has another number of dots.
    if text.iter().filter(|byte| **byte == b'.').count() != 3 {
        return Ok(None);
    }
    if parse::<Ipv4Addr>(text).is_none() || window.is(end, is_word)? {
        return Ok(None);
    }
    Ok(Some(End::At(prefix(window, end, 32)?)))
}

pub(crate) fn v6(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let before = window.before(at, 1);
    if before.is_some_and(|b| is_word(b) || b == b':') || !worth_reading(window, at)? {
        return Ok(None);
    }
    let class = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
    let length = window.count(at, MAX_V6 + 1, class)?;
    let text = window.bytes().get(at..at + length).unwrap_or_default();
    let Some(length) = longest_v6(text) else { return Ok(None) };
    let end = at + length;
    if window.is(end, is_word)? {
        return Ok(None);
    }
    let end = zone(window, end)?;
    Ok(Some(End::At(prefix(window, end, 128)?)))
}

/// Cheap and early: at most four hexadecimal digits, then a colon, then not the end. Most words
/// are refused here, and a stream does not wait for them.
fn worth_reading(window: &Window<'_>, at: usize) -> Peek<bool> {
    let group = window.count(at, 5, |b| b.is_ascii_hexdigit())?;
    if group > 4 || !window.is(at + group, |b| b == b':')? {
        return Ok(false);
    }
    window.is(at + group + 1, |b| b == b':' || (group > 0 && b.is_ascii_hexdigit()))
}

/// The longest beginning of `text` that is an address, sentence marks left off. It must hold a
/// digit: `::` and `abc::def` are written in too many programming languages.
fn longest_v6(text: &[u8]) -> Option<usize> {
    let address = |text: &[u8]| parse::<Ipv6Addr>(text).map(|_| text.len());
    text.iter().any(u8::is_ascii_digit).then_some(())?;
    // Eight groups, or two colons that stand for some: a time of day has neither.
    let colons = text.iter().filter(|byte| **byte == b':').count();
    let shortened = text.windows(2).any(|pair| pair == b"::");
    (shortened || colons >= 6).then_some(())?;
    address(text)
        .or_else(|| address(without_marks(text, b".")))
        .or_else(|| address(without_marks(text, b".:")))
}

fn without_marks<'t>(text: &'t [u8], marks: &[u8]) -> &'t [u8] {
    let end = text.iter().rposition(|byte| !marks.contains(byte)).map_or(0, |last| last + 1);
    text.get(..end).unwrap_or_default()
}

fn zone(window: &Window<'_>, end: usize) -> Peek<usize> {
    if !window.is(end, |b| b == b'%')? {
        return Ok(end);
    }
    match window.count(end + 1, MAX_ZONE, is_word)? {
        0 => Ok(end),
        length => Ok(end + 1 + length),
    }
}

fn prefix(window: &Window<'_>, end: usize, most: u64) -> Peek<usize> {
    if !window.is(end, |b| b == b'/')? {
        return Ok(end);
    }
    let length = digits::run(window, end + 1, 4)?;
    let stop = end + 1 + length;
    let sound = (1..=3).contains(&length)
        && digits::number(window, end + 1, stop) <= most
        && !window.is(stop, is_word)?;
    Ok(if sound { stop } else { end })
}

fn parse<A: std::str::FromStr>(text: &[u8]) -> Option<A> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
