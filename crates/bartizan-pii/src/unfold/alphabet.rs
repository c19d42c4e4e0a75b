//! What does a character read like? Digits and letters of other alphabets, dashes, spaces, and what
//! has no shape at all.
//!
//! A part of what Unicode's UTS 39 calls confusable: only what reads like a byte of ASCII that
//! stands in values. Decimal digits are those of Unicode 16 (general category Nd).

/// When a character is taken for what it reads like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Always,
    /// Behind a letter or a digit: prose has such dashes and spaces elsewhere.
    InNumber,
    /// Beside letters and digits of ASCII: a word in its own alphabet is what it is.
    InWord,
    /// A letter that has no shape.
    Tag,
}

/// The zeros of all decimal digits beyond ASCII.
const ZEROS: &[u32] = &[
    0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xDE6,
    0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50,
    0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10,
    0x104A0, 0x10D30, 0x10D40, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
    0x11650, 0x116C0, 0x116D0, 0x116DA, 0x11730, 0x118E0, 0x11950, 0x11BF0, 0x11C50, 0x11D50,
    0x11DA0, 0x11F50, 0x16130, 0x16A60, 0x16AC0, 0x16B50, 0x16D70, 0x1CCF0, 0x1D7CE, 0x1D7D8,
    0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E5F1, 0x1E950, 0x1FBF0,
];

/// Greek and Cyrillic letters, and what they read like.
const LOOK_ALIKES: &[(char, u8)] = &[
    ('Α', b'A'),
    ('Β', b'B'),
    ('Ε', b'E'),
    ('Ζ', b'Z'),
    ('Η', b'H'),
    ('Ι', b'I'),
    ('Κ', b'K'),
    ('Μ', b'M'),
    ('Ν', b'N'),
    ('Ο', b'O'),
    ('Ρ', b'P'),
    ('Τ', b'T'),
    ('Υ', b'Y'),
    ('Χ', b'X'),
    ('α', b'a'),
    ('ι', b'i'),
    ('κ', b'k'),
    ('ν', b'v'),
    ('ο', b'o'),
    ('ρ', b'p'),
    ('υ', b'u'),
    ('χ', b'x'),
    ('ϲ', b'c'),
    ('ϳ', b'j'),
    ('Ѕ', b'S'),
    ('І', b'I'),
    ('Ј', b'J'),
    ('А', b'A'),
    ('В', b'B'),
    ('Е', b'E'),
    ('З', b'3'),
    ('К', b'K'),
    ('М', b'M'),
    ('Н', b'H'),
    ('О', b'O'),
    ('Р', b'P'),
    ('С', b'C'),
    ('Т', b'T'),
    ('У', b'Y'),
    ('Х', b'X'),
    ('а', b'a'),
    ('г', b'r'),
    ('е', b'e'),
    ('к', b'k'),
    ('м', b'm'),
    ('о', b'o'),
    ('п', b'n'),
    ('р', b'p'),
    ('с', b'c'),
    ('т', b't'),
    ('у', b'y'),
    ('х', b'x'),
    ('ь', b'b'),
    ('ѕ', b's'),
    ('і', b'i'),
    ('ј', b'j'),
    ('ѵ', b'v'),
    ('ԁ', b'd'),
    ('ԛ', b'q'),
    ('ԝ', b'w'),
    ('һ', b'h'),
    ('ӏ', b'l'),
    ('ё', b'e'),
    ('ɑ', b'a'),
    ('ɡ', b'g'),
    ('ɩ', b'i'),
    ('ı', b'i'),
    ('ո', b'n'),
    ('ս', b'u'),
    ('օ', b'o'),
];

/// When `character` is taken for what it [`reads_like`]; `None` for one that is what it is.
pub(super) fn kind(character: char) -> Option<Kind> {
    let code = u32::from(character);
    match code {
        0xE0020..=0xE007F => Some(Kind::Tag),
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(Kind::InNumber),
        0x2010..=0x2015 | 0x2212 | 0xFE58 | 0xFE63 | 0x2024 | 0xFF0D | 0xFF0E | 0xFF61 => {
            Some(Kind::InNumber)
        }
        // Marks of full width stand in every text of East Asia.
        0xFF09 | 0xFF0F | 0xFF1A => Some(Kind::InNumber),
        0x300..=0x36F => Some(Kind::InWord),
        _ if look_alike(character).is_some() => Some(Kind::InWord),
        _ => reads_like(character).map(|_| Kind::Always),
    }
}

/// The byte that `character` reads like, or nothing if it is not seen at all; `None` for one that
/// is what it is.
pub(super) fn reads_like(character: char) -> Option<Option<u8>> {
    let code = u32::from(character);
    if code < 0x80 {
        return None;
    }
    if is_invisible(code) {
        return Some(None);
    }
    let byte = mark(code)
        .or_else(|| digit(code))
        .or_else(|| full_width(code))
        .or_else(|| styled_letter(code))
        .or_else(|| look_alike(character));
    byte.map(Some)
}

/// Soft hyphens, joiners, marks of direction, selectors of variants and combining marks.
fn is_invisible(code: u32) -> bool {
    matches!(code,
        0xAD | 0x34F | 0x300..=0x36F | 0x61C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF
        | 0xFFA0 | 0xFFF9..=0xFFFB | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

fn mark(code: u32) -> Option<u8> {
    match code {
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(b' '),
        0x2010..=0x2015 | 0x2212 | 0xFE58 | 0xFE63 => Some(b'-'),
        0x2024 | 0xFF61 | 0xFE52 => Some(b'.'),
        0xFE6B => Some(b'@'),
        _ => None,
    }
}

fn digit(code: u32) -> Option<u8> {
    let zero = match ZEROS.binary_search(&code) {
        Ok(place) => ZEROS.get(place),
        Err(place) => place.checked_sub(1).and_then(|place| ZEROS.get(place)),
    };
    let value = match code {
        0xB2 | 0xB3 => Some(code - 0xB0),
        0xB9 => Some(1),
        0x2070 | 0x2074..=0x2079 => Some(code - 0x2070),
        0x2080..=0x2089 => Some(code - 0x2080),
        0x2460..=0x2468 => Some(code - 0x245F),
        0x24EA | 0x24FF => Some(0),
        0x2776..=0x277E => Some(code - 0x2775),
        _ => zero.map(|zero| code - zero).filter(|value| *value < 10),
    };
    value.and_then(|value| u8::try_from(value).ok()).map(|value| b'0' + value)
}

fn full_width(code: u32) -> Option<u8> {
    let byte = code.checked_sub(0xFEE0).and_then(|code| u8::try_from(code).ok());
    let told = |b: &u8| b.is_ascii_alphanumeric() || b"@.-_+%/():".contains(b);
    byte.filter(told)
}

/// Letters of mathematics (U+1D400 to U+1D6A3, 26 capitals and 26 small ones in each style), and
/// letters in circles.
fn styled_letter(code: u32) -> Option<u8> {
    let letter = |first: u8, place: u32| u8::try_from(place).ok().map(|place| first + place);
    match code {
        0x1D400..=0x1D6A3 => match (code - 0x1D400) % 52 {
            capital @ 0..26 => letter(b'A', capital),
            small => letter(b'a', small - 26),
        },
        0x24B6..=0x24CF => letter(b'A', code - 0x24B6),
        0x24D0..=0x24E9 => letter(b'a', code - 0x24D0),
        _ => None,
    }
}

fn look_alike(character: char) -> Option<u8> {
    if !('\u{131}'..='\u{58F}').contains(&character) {
        return None;
    }
    LOOK_ALIKES.iter().find(|(other, _)| *other == character).map(|(_, byte)| *byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_ascend_and_are_digits_of_the_alphabets_that_are_known_here() {
        assert!(ZEROS.is_sorted_by(|a, b| a + 9 < *b));
        for zero in ZEROS {
            for value in 0..10 {
                let character = char::from_u32(zero + value).expect("assigned");
                assert_eq!(reads_like(character), Some(Some(b'0' + value as u8)), "{character}");
            }
        }
    }

    #[test]
    fn words_in_their_own_alphabet_and_accents_are_what_they_are() {
        for character in "éüñçşłØ日本語あア한국어שלוםمرحبا€“”…🙂".chars()
        {
            assert_eq!(kind(character), None, "{character}");
        }
    }
}
