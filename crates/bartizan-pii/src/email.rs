//! Is this an e-mail address?
//!
//! RFC 5321 bounds the local part to 64 bytes and the domain to 255. Of the letters that RFC 5322
//! allows in a local part, those are left out that stand beside addresses more often than in them
//! (`=`, `/`, `&`, `?`, `{`): `user=jane@example.com` holds `jane@example.com`. Letters of the
//! European and Semitic scripts count (RFC 6531), also as look-alikes in a domain. Those of East Asia
//! do where a short name in them, behind a blank or mark, and a dot begin the local part. In the query
//! of an address of the web the sign is written `%40`.

use crate::{End, Peek, Window, window::is_word};

pub(crate) const MAX_LEN: usize = 2 * MAX_LOCAL + 5 + MAX_DOMAIN + MAX_LABEL + 2;

const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;
const MAX_LABEL: usize = 63;
/// The most letters of a name before the dot, in a script without spaces.
const MAX_NAME: usize = 6;

pub(crate) fn starts(byte: u8) -> bool {
    is_word(byte) || is_lead(byte) || is_east_asian(byte)
}

pub(crate) fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if !begins_here(window, at) {
        return Ok(None);
    }
    let named = window.is(at, is_east_asian)?;
    if named && !is_named(window, at)? {
        return Ok(None);
    }
    let Some(sign) = local(window, at, named)? else { return Ok(None) };
    Ok(domain(window, sign)?.map(End::At))
}

/// A local part does not begin behind `x.`: it began at `x`, or this text is none. Behind the
/// leaders of `Contact.....jane@example.com`, or an option's dashes, it does.
fn begins_here(window: &Window<'_>, at: usize) -> bool {
    match (window.before(at, 2), window.before(at, 1)) {
        (Some(b'.'), Some(b'.')) | (Some(b'-'), Some(b'-')) => true,
        (Some(before), Some(b'.' | b'-' | b'+' | b'%' | b'\'')) => !is_word(before),
        (_, Some(before)) => !is_word(before),
        (_, None) => true,
    }
}

/// Whether a short name of East Asia and a dot stand here, and no letter before: `.` ends no sentence
/// in these scripts.
fn is_named(window: &Window<'_>, at: usize) -> Peek<bool> {
    if window.before(at, 1).is_some_and(|b| !b.is_ascii() || b".-+%'".contains(&b)) {
        return Ok(false);
    }
    let mut end = at;
    for _ in 0..MAX_NAME {
        match east_asian(window, end)? {
            0 => break,
            width => end += width,
        }
    }
    Ok(end > at && window.is(end, |b| b == b'.')?)
}

/// The place behind the `@`, or `%40`, behind the local part, which may hold letters of East Asia if
/// it is `named` in them.
fn local(window: &Window<'_>, at: usize, named: bool) -> Peek<Option<usize>> {
    let mut end = at;
    while end - at <= MAX_LOCAL {
        end += window.count(end, MAX_LOCAL + 1, is_word)?;
        let width = match window.byte(end)? {
            _ if end - at > MAX_LOCAL => 0,
            Some(b'@') => return Ok((end > at).then_some(end + 1)),
            Some(b'%') if end > at && window.starts_with(end, b"%40")? => {
                return Ok(Some(end + 3));
            }
            Some(b'.') if window.is(end + 1, |b| b == b'.')? => return Ok(None),
            // A quotation mark only where letters stand on both sides: o'brien.
            Some(b'\'') => usize::from(window.is(end + 1, |b| b.is_ascii_alphabetic())?),
            Some(b'.' | b'-' | b'+' | b'%') => 1,
            Some(byte) if is_lead(byte) => letter(window, end)?,
            Some(_) if named => east_asian(window, end)?,
            _ => 0,
        };
        if width == 0 {
            return Ok(None);
        }
        end += width;
    }
    Ok(None)
}

/// The end of the longest domain at `at` whose last label can be a top-level domain.
fn domain(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let mut end = at;
    let mut labels = 0;
    let mut plausible = None;
    while end - at < MAX_DOMAIN {
        let (stop, top) = label(window, end)?;
        if stop == end {
            break;
        }
        labels += 1;
        if labels > 1 && top {
            plausible = Some(stop);
        }
        if !window.is(stop, |b| b == b'.')? {
            break;
        }
        end = stop + 1;
    }
    Ok(plausible)
}

/// The end of the label at `at`, without trailing hyphens, and whether it can be a top-level
/// domain: two letters at least, or an `xn--` form.
fn label(window: &Window<'_>, at: usize) -> Peek<(usize, bool)> {
    let (mut next, mut end, mut letters) = (at, at, true);
    while next - at < MAX_LABEL {
        let Some(byte) = window.byte(next)? else { break };
        let width = match byte {
            _ if byte.is_ascii_alphanumeric() => 1,
            _ if is_lead(byte) => letter(window, next)?,
            _ => 0,
        };
        if width > 0 {
            letters &= !byte.is_ascii_digit() && end == next;
            next += width;
            end = next;
        } else if byte == b'-' && next > at {
            next += 1;
        } else {
            break;
        }
    }
    let punycode = end > at + 4 && window.starts_with(at, b"xn--")?;
    Ok((end, punycode || (letters && end - at >= 2)))
}

/// The first byte of a letter of two bytes (U+00C0 to U+07FF, Latin to Arabic), or of three where
/// these are Latin with two marks (U+1E00 to U+1EFF). Scripts without spaces between words are not
/// among them: nothing would tell an address from the sentence before it.
fn is_lead(byte: u8) -> bool {
    (0xC3..=0xDF).contains(&byte) || byte == 0xE1
}

/// The first byte of Kana, Han or Hangul, and of their marks.
fn is_east_asian(byte: u8) -> bool {
    (0xE3..=0xED).contains(&byte)
}

/// The width of a letter of East Asia, or 0 where none begins. (U+3000 to U+303F are marks.)
fn east_asian(window: &Window<'_>, at: usize) -> Peek<usize> {
    let continues = |byte: u8| (0x80..0xC0).contains(&byte);
    let letter = window.is(at, is_east_asian)?
        && !window.starts_with(at, b"\xE3\x80")?
        && window.is(at + 1, continues)?
        && window.is(at + 2, continues)?;
    Ok(if letter { 3 } else { 0 })
}

/// The width in bytes of the letter that begins at `at`, or 0 where none does.
fn letter(window: &Window<'_>, at: usize) -> Peek<usize> {
    let continues = |byte: u8| (0x80..0xC0).contains(&byte);
    if !window.is(at, |lead| lead == 0xE1)? {
        return Ok(if window.is(at + 1, continues)? { 2 } else { 0 });
    }
    let latin =
        window.is(at + 1, |b| (0xB8..=0xBB).contains(&b))? && window.is(at + 2, continues)?;
    Ok(if latin { 3 } else { 0 })
}
