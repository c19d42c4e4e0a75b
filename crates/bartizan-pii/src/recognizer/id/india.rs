//! Which numbers does India give to people, voters and firms?

use super::{PASSPORT, any};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{number, verhoeff},
        formed,
    },
};

const PAN: &[&str] = &["pan", "permanent", "income", "tax"];
const AADHAAR: &[&str] = &["aadhaar", "aadhar", "uidai", "uid", "आधार"];
const GSTIN: &[&str] = &["gstin", "gst"];
const VOTER: &[&str] = &["voter", "epic", "elector", "vote", "election"];

pub(crate) const ROWS: &[Recognizer] = formed![
    IN_PAN, "a permanent account number with a known kind of holder",
        ["AAAAA9999A"], pan, 0.5, PAN,
        yes ["ABCPD1234Z", "PAN JHYPK2235M"], no ["ABCDD1234Z", "ABCD1234"];
    IN_AADHAAR, "a person's number with its check digit",
        ["9999_9999_9999"], aadhaar, 0.35, AADHAAR,
        yes ["Aadhaar 4697 8784 8805", "aadhaar 469787848805"],
        no ["469787848805", "Aadhaar 4697 8784 8806", "Aadhaar 1234-5678-9012"];
    IN_GSTIN, "a firm's tax number: state, permanent account number, and a Z",
        ["99~AAAAA~9999~AX~zX"], gstin, 0.7, GSTIN,
        yes ["27HZNPA8282L1ZL", "07PQRST6789K1Z2"], no ["27ABCDE1234F1Y5", "99ABCDE1234F1Z55"];
    IN_VOTER, "three letters and seven digits, beside a word",
        ["AAA9999999"], any, 0.25, VOTER,
        yes ["my voter: DBJ2289013"], no ["DBJ2289013", "voter A8923571WZ"];
    IN_PASSPORT, "a letter and seven digits, beside a word",
        ["A9999999"], passport, 0.15, PASSPORT,
        yes ["passport number: J6932157"], no ["J6932157", "passport b0097650"];
];

/// The fourth letter says what the holder is: person, company, trust …
fn pan(text: &[u8]) -> bool {
    text.get(3).is_some_and(|holder| b"ABCFGHJLPT".contains(holder))
}

/// Unique Identification Authority: Verhoeff's scheme, 0 and 1 do not lead, no palindromes.
fn aadhaar(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'2'..=b'9'))
        && verhoeff(text)
        && !text.iter().eq(text.iter().rev())
}

/// The states and territories, and 97 and 99 for what belongs to none.
fn gstin(text: &[u8]) -> bool {
    number(text, 0, 2).is_some_and(|state| matches!(state, 1..=38 | 97 | 99))
}

/// No zero in the second place or in the last one.
fn passport(text: &[u8]) -> bool {
    text.get(1) != Some(&b'0') && text.last() != Some(&b'0')
}
