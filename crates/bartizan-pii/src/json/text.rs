//! What does a JSON string mean, and where in its source does each part of the meaning stand?

/// The meaning of the source of a string, escapes resolved. Half a surrogate pair, which is no
/// character, becomes U+FFFD.
pub(crate) fn decode(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let at = rest.len() - escaped.len() - 1;
        let Some((character, width)) = unit(rest, at) else { break };
        text.push(character);
        rest = rest.get(at + width..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

/// Whether a text is a JSON object or array.
pub(crate) fn is_container(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && is_json(text)
}

/// Whether a text is a JSON document.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Where in the source the given offsets of the meaning stand; they must ascend.
pub(crate) fn raw_offsets(source: &str, meant: impl Iterator<Item = usize>) -> Vec<usize> {
    let (mut at, mut meaning) = (0, 0);
    meant
        .map(|wanted| {
            while meaning < wanted {
                let rest = source.as_bytes().get(at..).unwrap_or_default();
                let plain = rest.iter().take(wanted - meaning).position(|byte| *byte == b'\\');
                let plain = plain.unwrap_or((wanted - meaning).min(rest.len()));
                (at, meaning) = (at + plain, meaning + plain);
                if meaning < wanted {
                    let Some((character, width)) = unit(source, at) else { break };
                    (at, meaning) = (at + width, meaning + character.len_utf8());
                }
            }
            at
        })
        .collect()
}

/// Writes text as the source of a string.
pub(crate) fn escape_into(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0C => out.extend_from_slice(b"\\f"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

/// How many bytes a text is as the source of a string that stands in so many strings.
pub(crate) fn escaped(text: &[u8], times: usize) -> usize {
    let Some(again) = times.checked_sub(1) else { return text.len() };
    // A backslash is two, which are four, and so on.
    let slash = 1_usize << again.min(MAX_TIMES);
    let bytes = text.iter().map(|byte| match byte {
        b'"' | b'\\' => 2 * slash,
        b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => slash + 1,
        0..0x20 => slash + 5,
        _ => 1,
    });
    bytes.fold(0, usize::saturating_add)
}

/// Deeper nothing is followed.
const MAX_TIMES: usize = 16;

/// The character that is written at `at`, and how many bytes of source it takes.
fn unit(source: &str, at: usize) -> Option<(char, usize)> {
    let rest = source.get(at..)?;
    let mut characters = rest.chars();
    let first = characters.next()?;
    if first != '\\' {
        return Some((first, first.len_utf8()));
    }
    let simple = match characters.next()? {
        'u' => return Some(unicode(rest)),
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        itself => itself,
    };
    Some((simple, 2))
}

/// RFC 8259, section 7: `\uXXXX`, and two of them for a character beyond the basic plane.
fn unicode(rest: &str) -> (char, usize) {
    let high = code(rest, 2);
    if let Some(character) = char::from_u32(high) {
        return (character, 6);
    }
    let paired = rest.get(6..8) == Some("\\u");
    let low = if paired { code(rest, 8) } else { 0 };
    if (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(&low) {
        let beyond = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        return (char::from_u32(beyond).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::REPLACEMENT_CHARACTER, 6)
}

fn code(rest: &str, at: usize) -> u32 {
    let digits = rest.get(at..at + 4).unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or_default()
}
