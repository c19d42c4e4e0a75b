//! Which numbers do Spain, Portugal, Italy, Greece, Cyprus and Malta give to people and firms?

use super::{DRIVER, PASSPORT, PERSON, VAT, any};
use crate::{
    Anchor, Recognizer,
    recognizer::{
        checksum::{
            alphanumeric, digit, ends_with, is_ddmmyy, luhn, luhn_sum, number, uniform, whole,
        },
        formed,
    },
};

const NIF: &[&str] = &["nif", "dni", "documento", "identidad", "fiscal"];
const NIE: &[&str] = &["nie", "extranjero", "identificación", "identificacion"];
const CIF: &[&str] = &["cif", "nif", "empresa", "sociedad", "fiscal"];
const NAF: &[&str] = &["seguridad", "social", "naf", "nuss", "afiliación"];
const PT_NIF: &[&str] = &["nif", "contribuinte", "nipc", "fiscal", "finanças"];
const PT_CC: &[&str] = &["cartão", "cidadão", "cc", "bilhete", "identidade"];
const NISS: &[&str] = &["niss", "segurança", "social"];
const CODICE: &[&str] = &["codice", "fiscale", "cf"];
const PARTITA: &[&str] = &["partita", "iva", "piva", "vat"];
const CARTA: &[&str] = &["carta", "identità", "cie", "documento", "identity"];
const AFM: &[&str] = &["αφμ", "ΑΦΜ", "afm", "tin", "tax", "vat"];
const AMKA: &[&str] = &["αμκα", "ΑΜΚΑ", "amka"];

pub(crate) const ROWS: &[Recognizer] = formed![
    ES_NIF, "eight digits and the letter that checks them",
        ["99999999-?A", "9999999-?A"], nif, 0.5, NIF,
        yes ["77272340E", "DNI 55555555-K", "1111111G"], no ["77272340F", "12345678a"];
    ES_NIE, "a foreigner's number with its check letter",
        ["x-?9999999-?A", "y-?9999999-?A", "z-?9999999-?A"], nie, 0.6, NIE,
        yes ["X2890356S", "Y8063915-Z", "z8078221m"], no ["Y8063915Q", "x9613851q"];
    ES_CIF, "a firm's number with its check digit or letter",
        ["A-?9999999X"], cif, 0.4, CIF,
        yes ["CIF C80295231"], no ["C80295231", "CIF C80295232"];
    ES_SOCIAL_SECURITY, "a social security number with its check number, beside a word",
        ["99~99999999~99"], naf, 0.35, NAF,
        yes ["Seguridad Social 28/12345678/40"], no ["28/12345678/40", "Social 28/12345678/41"];
    ES_PASSPORT, "three letters and six digits, beside a word",
        ["AAA999999"], any, 0.1, PASSPORT,
        yes ["Mi pasaporte es AAA123456"], no ["AAA123456", "pasaporte AA123456"];
    PT_NIF, "a taxpayer's number with its check digit, beside a word",
        ["999_999_999"], pt_nif, 0.2, PT_NIF,
        yes ["NIF 236088807"], no ["236088807", "NIF 236088808"];
    PT_CITIZEN_CARD, "the number of a citizen's card with its check digits",
        ["99999999~9~XX9"], pt_card, 0.5, PT_CC,
        yes ["63639983 2 GW5"], no ["63639983 2 GW6"];
    PT_NISS, "a social security number with its check digit, beside a word",
        ["99999999999"], niss, 0.2, NISS,
        yes ["NISS 11111111110"], no ["11111111110", "NISS 11111111115"];
    IT_FISCAL_CODE, "a person's tax code with its check letter",
        ["AAAAAAXXAXXAXXXA"], fiscal, 0.8, CODICE, at [Anchor::Token(16)],
        yes ["WEFLYR76A09H501A"], no ["WEFLYR76A09H501B"];
    IT_VAT_CODE, "a firm's tax number with its check digit, beside a word",
        ["99999999999", "it~99999999999"], italian_vat, 0.25, PARTITA,
        yes ["P.IVA 80971090461", "partita IVA IT80971090461"],
        no ["80971090461", "partita IVA 00000000000"];
    IT_DRIVER_LICENSE, "a licence to drive, beside a word",
        ["AA9999999A", "u1XXXXXXXA"], italian_licence, 0.2, DRIVER,
        yes ["patente AA0123456B", "patente U1H00B000C"], no ["AA0123456B", "patente U1H00A000B"];
    IT_PASSPORT, "two letters and seven digits, beside a word",
        ["AA9999999"], any, 0.1, PASSPORT,
        yes ["passaporto AA1234567"], no ["AA1234567"];
    IT_IDENTITY_CARD, "the number of an identity card, beside a word",
        ["AA9999999", "9999999AA", "AA99999AA"], any, 0.1, CARTA,
        yes ["carta d'identità CA12345AB", "carta 1234567Aa"], no ["CA12345AB"];
    GR_AFM, "a tax number with its check digit, beside a word",
        ["999999999", "el999999999"], afm, 0.2, AFM,
        yes ["AFM 027189836"], no ["027189836", "AFM 027189837"];
    GR_AMKA, "a social security number with the birthday and a check digit",
        ["99999999999"], amka, 0.35, AMKA,
        yes ["AMKA 15127475455"], no ["15127475455", "AMKA 15137475455", "AMKA 15127475456"];
    CY_TIC, "a tax number with its check letter, beside a word",
        ["99999999A", "cy99999999A"], cypriot, 0.3, VAT,
        yes ["VAT CY16385086H"], no ["16385086H", "VAT 16385086J"];
    MT_ID, "seven digits and a letter of those in use, beside a word",
        ["9999999A"], maltese, 0.15, PERSON,
        yes ["identity 0123456M"], no ["0123456M", "identity 0123456X"];
];

const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Real Decreto 1553/2005: the letter that stands at the remainder by 23.
fn nif(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let letter = whole(body).and_then(|n| LETTERS.get(n as usize % 23));
    letter == Some(last) && !body.iter().all(|byte| *byte == b'0')
}

/// The same with X, Y, Z for 0, 1, 2.
fn nie(text: &[u8]) -> bool {
    let (Some(first), Some(body), Some(last)) =
        (text.first().and_then(|b| b.checked_sub(b'X')), number(text, 1, 7), text.last())
    else {
        return false;
    };
    LETTERS.get((u32::from(first) * 10_000_000 + body) as usize % 23) == Some(last)
}

/// Real Decreto 1065/2007: Luhn's check digit, or the letter in its place.
fn cif(text: &[u8]) -> bool {
    let (Some(kind), Some(last)) = (text.first(), text.last()) else { return false };
    // Luhn's formula wants a check digit behind: a zero in its place leaves what it must add.
    let mut padded = [b'0'; 8];
    padded.iter_mut().zip(text.get(1..8).unwrap_or_default()).for_each(|(to, from)| *to = *from);
    let Some(check) = luhn_sum(&padded).map(|sum| (10 - sum % 10) % 10) else { return false };
    let right = digit(*last) == Some(check) || b"JABCDEFGHI".get(check as usize) == Some(last);
    b"ABCDEFGHJNPQRSUVW".contains(kind) && right
}

/// Province, number and their remainder by 97.
fn naf(text: &[u8]) -> bool {
    let (Some(province), Some(serial)) = (number(text, 0, 2), number(text, 2, 8)) else {
        return false;
    };
    // A serial number below ten millions counts without its leading zero.
    let factor = if serial < 10_000_000 { 10_000_000 } else { 100_000_000 };
    let body = u64::from(province) * factor + u64::from(serial);
    province > 0 && number(text, 10, 2).map(u64::from) == Some(body % 97)
}

/// Weights 9 to 2, modulus 11; a remainder of 0 or 1 gives 0.
fn pt_nif(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'1'..=b'3' | b'5' | b'6' | b'8' | b'9'))
        && ends_with(text, &[9, 8, 7, 6, 5, 4, 3, 2], |sum| match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        })
}

/// Luhn's formula with letters, doubled from the second place on.
fn pt_card(text: &[u8]) -> bool {
    let sum = text.iter().rev().enumerate().try_fold(0, |sum, (place, byte)| {
        let value = alphanumeric(*byte)? << (place % 2);
        Some(sum + if place % 2 == 1 && value > 9 { value - 9 } else { value })
    });
    sum.is_some_and(|sum| sum.is_multiple_of(10))
}

/// The primes from 29 down, nine less the sum's last digit.
fn niss(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'1' | b'2'))
        && ends_with(text, &[29, 23, 19, 17, 13, 11, 7, 5, 3, 2], |sum| 9 - sum % 10)
}

/// Decreto ministeriale of 1976: values of the odd places, from the left, of digits and letters.
fn fiscal(text: &[u8]) -> bool {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let Some((last, body)) = text.split_last() else { return false };
    let sum = body.iter().enumerate().try_fold(0, |sum, (place, byte)| {
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            letter => letter.checked_sub(b'A')?,
        };
        let odd = place % 2 == 0;
        Some(sum + if odd { *ODD.get(usize::from(value))? } else { u32::from(value) })
    });
    let month = text.get(8).is_some_and(|month| b"ABCDEHLMPRST".contains(month));
    month && sum.is_some_and(|sum| alphanumeric(*last) == Some(sum % 26 + 10))
}

/// The office that issued it stands before the check digit.
fn italian_vat(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"IT").unwrap_or(text);
    let office = number(digits, 7, 3);
    office.is_some_and(|office| matches!(office, 1..=100 | 120 | 121 | 888 | 999))
        && luhn(digits)
        && !uniform(digits)
}

/// No vowels in the middle of the newer form, so that no word comes about.
fn italian_licence(text: &[u8]) -> bool {
    !text.starts_with(b"U1")
        || !text.get(2..9).unwrap_or_default().iter().any(|b| b"AEIOQ".contains(b))
}

/// Powers of two, modulus 11, then 10.
fn afm(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"EL").unwrap_or(text);
    !uniform(digits) && ends_with(digits, &[256, 128, 64, 32, 16, 8, 4, 2], |sum| sum % 11 % 10)
}

fn amka(text: &[u8]) -> bool {
    is_ddmmyy(text, 0) && luhn(text)
}

/// Values of the odd places, the digits themselves at the even ones, modulus 26.
fn cypriot(text: &[u8]) -> bool {
    const ODD: [u32; 10] = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21];
    let text = text.strip_prefix(b"CY").unwrap_or(text);
    let Some((last, body)) = text.split_last() else { return false };
    let sum = body.iter().enumerate().try_fold(0, |sum, (place, byte)| {
        let value = digit(*byte)?;
        Some(sum + if place % 2 == 0 { *ODD.get(value as usize)? } else { value })
    });
    sum.is_some_and(|sum| alphanumeric(*last) == Some(sum % 26 + 10))
}

fn maltese(text: &[u8]) -> bool {
    text.last().is_some_and(|letter| b"MGAPLHBZ".contains(letter))
}
