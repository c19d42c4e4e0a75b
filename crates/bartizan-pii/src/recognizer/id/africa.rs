//! Which numbers do South Africa, Nigeria, Egypt and Kenya give to people and firms?

use super::{PASSPORT, any};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{is_date, is_yymmdd, luhn, number, uniform, verhoeff},
        formed,
    },
};

const ZA_ID: &[&str] = &["rsa", "id", "identity", "refugee"];
const ZA_TAX: &[&str] = &["tax", "sars", "vat"];
const NIN: &[&str] = &["nin", "nimc", "national", "identity"];
const EG_ID: &[&str] = &["قومي", "القومي", "الرقم", "national"];
const KRA: &[&str] = &["kra", "pin", "tax"];

pub(crate) const ROWS: &[Recognizer] = formed![
    ZA_ID_NUMBER, "a person's number with the birthday and a check digit",
        ["9999999999999", "999999 9999 99 9"], south_african, 0.55, ZA_ID,
        yes ["8001015009087", "5209097666087"], no ["9913326789285", "8001015009176"];
    ZA_TAX_NUMBER, "a tax number with its check digit, beside a word",
        ["9999999999"], za_tax, 0.15, ZA_TAX,
        yes ["tax number 0001339050"], no ["0001339050", "tax number 0001339051"];
    ZA_PASSPORT, "a letter and eight digits, beside a word",
        ["A99999999"], za_passport, 0.1, PASSPORT,
        yes ["passport A12345678"], no ["A12345678", "passport B12345678"];
    NG_NIN, "a person's number with its check digit, beside a word",
        ["99999999999"], nin, 0.25, NIN,
        yes ["NIN: 98765432102"], no ["98765432102", "NIN 12345678901"];
    EG_NATIONAL_ID, "a person's number with the birthday and the governorate",
        ["99999999999999"], egyptian, 0.4, EG_ID,
        yes ["الرقم القومي 29001011234567"], no ["29001011234567", "national 29013011234567"];
    KE_PIN, "a taxpayer's number, beside a word",
        ["A999999999A"], kenyan, 0.35, KRA,
        yes ["KRA PIN A417006934G"], no ["A417006934G", "KRA B417006934G"];
    PASSPORT, "a passport's number of any country, right behind the word",
        ["AA999999", "A9999999", "AA9999999", "A99999999", "999999999", "99999999"],
        any, 0.1, PASSPORT,
        yes ["passport GH123456"], no ["GH123456"];
];

/// Birthday, sequence, 0 for citizens, 1 for residents and 2 for refugees, Luhn's check digit.
fn south_african(text: &[u8]) -> bool {
    matches!(text.get(10), Some(b'0'..=b'2')) && is_yymmdd(text, 0) && luhn(text)
}

/// Luhn; a value added tax number begins with 4.
fn za_tax(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'0'..=b'4' | b'9')) && luhn(text) && !uniform(text)
}

fn za_passport(text: &[u8]) -> bool {
    text.first().is_some_and(|kind| b"ADMT".contains(kind))
}

fn nin(text: &[u8]) -> bool {
    verhoeff(text) && !uniform(text)
}

/// Century, birthday, and a governorate or 88 for a birth abroad.
fn egyptian(text: &[u8]) -> bool {
    let governorate = number(text, 7, 2);
    matches!(text.first(), Some(b'2' | b'3'))
        && is_date(None, number(text, 3, 2), number(text, 5, 2))
        && governorate.is_some_and(|g| matches!(g, 1..=4 | 11..=19 | 21..=29 | 31..=35 | 88))
}

fn kenyan(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'A' | b'P'))
}
