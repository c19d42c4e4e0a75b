//! Is this an international bank account number?
//!
//! ISO 13616: country, check number, account; ISO/IEC 7064 MOD 97-10 over all of it. Written in one
//! run, or in groups of four with one kind of separator.

use crate::{End, Peek, Window, window::is_word};

pub(crate) const MAX_LEN: usize = 34 + 8 + 1;

/// Length by country, of the registry of SWIFT (release 99).
const LENGTHS: &[([u8; 2], u8)] = &[
    (*b"AD", 24),
    (*b"AE", 23),
    (*b"AL", 28),
    (*b"AT", 20),
    (*b"AZ", 28),
    (*b"BA", 20),
    (*b"BE", 16),
    (*b"BG", 22),
    (*b"BH", 22),
    (*b"BI", 27),
    (*b"BR", 29),
    (*b"BY", 28),
    (*b"CH", 21),
    (*b"CR", 22),
    (*b"CY", 28),
    (*b"CZ", 24),
    (*b"DE", 22),
    (*b"DJ", 27),
    (*b"DK", 18),
    (*b"DO", 28),
    (*b"EE", 20),
    (*b"EG", 29),
    (*b"ES", 24),
    (*b"FI", 18),
    (*b"FK", 18),
    (*b"FO", 18),
    (*b"FR", 27),
    (*b"GB", 22),
    (*b"GE", 22),
    (*b"GI", 23),
    (*b"GL", 18),
    (*b"GR", 27),
    (*b"GT", 28),
    (*b"HN", 28),
    (*b"HR", 21),
    (*b"HU", 28),
    (*b"IE", 22),
    (*b"IL", 23),
    (*b"IQ", 23),
    (*b"IS", 26),
    (*b"IT", 27),
    (*b"JO", 30),
    (*b"KW", 30),
    (*b"KZ", 20),
    (*b"LB", 28),
    (*b"LC", 32),
    (*b"LI", 21),
    (*b"LT", 20),
    (*b"LU", 20),
    (*b"LV", 21),
    (*b"LY", 25),
    (*b"MC", 27),
    (*b"MD", 24),
    (*b"ME", 22),
    (*b"MK", 19),
    (*b"MN", 20),
    (*b"MR", 27),
    (*b"MT", 31),
    (*b"MU", 30),
    (*b"NI", 28),
    (*b"NL", 18),
    (*b"NO", 15),
    (*b"OM", 23),
    (*b"PK", 24),
    (*b"PL", 28),
    (*b"PS", 29),
    (*b"PT", 25),
    (*b"QA", 29),
    (*b"RO", 24),
    (*b"RS", 22),
    (*b"RU", 33),
    (*b"SA", 24),
    (*b"SC", 31),
    (*b"SD", 18),
    (*b"SE", 24),
    (*b"SI", 19),
    (*b"SK", 24),
    (*b"SM", 27),
    (*b"SO", 23),
    (*b"ST", 25),
    (*b"SV", 28),
    (*b"TL", 23),
    (*b"TN", 24),
    (*b"TR", 26),
    (*b"UA", 29),
    (*b"VA", 22),
    (*b"VG", 24),
    (*b"XK", 20),
    (*b"YE", 30),
];

pub(crate) fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(is_word) {
        return Ok(None);
    }
    // Few words have two digits in these places: asked first, it saves the look into the table.
    if window.count(at, 2, |b| b.is_ascii_alphabetic())? != 2
        || window.count(at + 2, 2, |b| b.is_ascii_digit())? != 2
    {
        return Ok(None);
    }
    let letter = |place| Ok(window.byte(place)?.unwrap_or_default().to_ascii_uppercase());
    let country = [letter(at)?, letter(at + 1)?];
    let Some((_, length)) = LENGTHS.iter().find(|(known, _)| *known == country) else {
        return Ok(None);
    };
    let Some((end, remainder)) = read(window, at, usize::from(*length))? else { return Ok(None) };
    Ok((remainder == 1 && !window.is(end, is_word)?).then_some(End::At(end)))
}

/// Where `length` letters and digits end, separators between every four of them allowed, and the
/// remainder by 97 of the number that they mean.
fn read(window: &Window<'_>, at: usize, length: usize) -> Peek<Option<(usize, u32)>> {
    let separator = match window.byte(at + 4)? {
        Some(byte @ (b' ' | b'-')) => Some(byte),
        _ => None,
    };
    let (mut account, mut head) = (Modulus(0), [0; 4]);
    let mut end = at;
    for index in 0..length {
        if index > 0 && index % 4 == 0 && separator.is_some() {
            if window.byte(end)? != separator {
                return Ok(None);
            }
            end += 1;
        }
        let Some(byte) = window.byte(end)?.filter(u8::is_ascii_alphanumeric) else {
            return Ok(None);
        };
        match head.get_mut(index) {
            Some(slot) => *slot = byte,
            None => account.push(byte),
        }
        end += 1;
    }
    head.iter().for_each(|byte| account.push(*byte));
    Ok(Some((end, account.0)))
}

/// ISO/IEC 7064, MOD 97-10, digit by digit: A is 10, Z is 35.
struct Modulus(u32);

impl Modulus {
    fn push(&mut self, byte: u8) {
        let value = match byte {
            b'0'..=b'9' => return self.0 = (self.0 * 10 + u32::from(byte - b'0')) % 97,
            letter => u32::from(letter.to_ascii_uppercase() - b'A') + 10,
        };
        self.0 = (self.0 * 100 + value) % 97;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_within_the_standard() {
        assert!(LENGTHS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(LENGTHS.iter().all(|(_, length)| (15..=34).contains(length)));
    }

    #[test]
    fn any_single_wrong_character_is_noticed() {
        let right = b"GB82WEST12345698765432";
        for place in 2..right.len() {
            let mut wrong = *right;
            wrong[place] = if wrong[place] == b'7' { b'8' } else { b'7' };
            assert_eq!(check(&Window::whole(&wrong), 0), Ok(None));
        }
        assert_eq!(check(&Window::whole(right), 0), Ok(Some(End::At(22))));
    }
}
