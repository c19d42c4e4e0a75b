//! Which numbers do Australia and New Zealand give to people and firms?

use super::PASSPORT;
use crate::{
    Recognizer,
    recognizer::{
        checksum::{alphanumeric, digit, divides, ends_with, number, uniform, weighted},
        formed,
    },
};

const ABN: &[&str] = &["abn", "business", "australian"];
const ACN: &[&str] = &["acn", "company", "australian"];
const TFN: &[&str] = &["tfn", "tax", "file"];
const MEDICARE: &[&str] = &["medicare", "irn"];
const IRD: &[&str] = &["ird", "tax", "inland"];
const NHI: &[&str] = &["nhi", "patient", "health"];

pub(crate) const ROWS: &[Recognizer] = formed![
    AU_ABN, "a firm's number with its check digits",
        ["99_999_999_999"], abn, 0.4, ABN,
        yes ["ABN 22 117 471 086", "abn 22117471086"], no ["22117471086", "ABN 52824753556"];
    AU_ACN, "a company's number with its check digit, beside a word",
        ["999_999_999"], acn, 0.2, ACN,
        yes ["ACN 005 499 981"], no ["005 499 981", "ACN 824 753 557"];
    AU_TFN, "a tax file number with its check digit, beside a word",
        ["999_999_999"], tfn, 0.2, TFN,
        yes ["TFN 876 543 210"], no ["876543210", "TFN 824753557"];
    AU_MEDICARE, "a health insurance number with its check digit, beside a word",
        ["9999_99999_9", "9999_99999_9_9"], medicare, 0.3, MEDICARE,
        yes ["Medicare 2123 45670 1"], no ["2123 45670 1", "Medicare 2123 25870 1"];
    AU_PASSPORT, "one or two letters and seven digits, beside a word",
        ["A9999999", "AA9999999"], australian_passport, 0.1, PASSPORT,
        yes ["passport N1234567", "passport PA1234567"], no ["N1234567"];
    NZ_IRD, "a tax number with its check digit, beside a word",
        ["999_999_999", "99_999_999"], ird, 0.2, IRD,
        yes ["IRD 146-599-443"], no ["146-599-443", "IRD 146-599-444"];
    NZ_NHI, "a patient's number with its check digit, beside a word",
        ["AAA9999"], nhi, 0.35, NHI,
        yes ["NHI ZAC5361"], no ["ZAC5361", "NHI ZAC5362"];
];

/// Australian Business Register: one less on the first digit, modulus 89.
fn abn(text: &[u8]) -> bool {
    let sum = weighted(text, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    // Ten less is 79 more.
    text.first() != Some(&b'0') && sum.is_some_and(|sum| (sum + 79).is_multiple_of(89))
}

fn acn(text: &[u8]) -> bool {
    !uniform(text) && ends_with(text, &[8, 7, 6, 5, 4, 3, 2, 1], |sum| (10 - sum % 10) % 10)
}

fn tfn(text: &[u8]) -> bool {
    !uniform(text) && divides(text, &[1, 4, 3, 7, 5, 8, 6, 9, 10], 11)
}

/// The ninth digit checks the eight before it; the issue and the person's line follow.
fn medicare(text: &[u8]) -> bool {
    let body = text.get(..9).unwrap_or_default();
    matches!(text.first(), Some(b'2'..=b'6'))
        && ends_with(body, &[1, 3, 7, 9, 1, 3, 7, 9], |sum| sum % 10)
}

fn australian_passport(text: &[u8]) -> bool {
    text.first().is_some_and(|series| b"BCDEFGHJKLMNPRTX".contains(series))
}

/// Inland Revenue: a second round of weights where the first gives ten.
fn ird(text: &[u8]) -> bool {
    let mut digits = [b'0'; 9];
    digits.iter_mut().rev().zip(text.iter().rev()).for_each(|(to, from)| *to = *from);
    let rest = |weights: &[u32]| weighted(&digits, weights).map(|sum| (11 - sum % 11) % 11);
    let check = match rest(&[3, 2, 7, 6, 5, 4, 3, 2]) {
        Some(10) => rest(&[7, 4, 3, 2, 5, 2, 7, 6]),
        first => first,
    };
    let value = number(&digits, 0, 9).unwrap_or_default();
    (10_000_000..150_000_000).contains(&value)
        && check.is_some()
        && digits.last().and_then(|byte| digit(*byte)) == check
}

/// HISO 10046: letters without I and O count from 1, weights 7 to 2, modulus 11.
fn nhi(text: &[u8]) -> bool {
    let value = |byte: u8| match byte {
        b'I' | b'O' => None,
        b'A'..=b'H' => alphanumeric(byte).map(|value| value - 9),
        b'J'..=b'N' => alphanumeric(byte).map(|value| value - 10),
        b'P'..=b'Z' => alphanumeric(byte).map(|value| value - 11),
        other => digit(other),
    };
    let body = text.get(..6).unwrap_or_default();
    let sum = body
        .iter()
        .zip((2..=7).rev())
        .try_fold(0, |sum, (byte, weight): (&u8, u32)| Some(sum + value(*byte)? * weight));
    sum.is_some_and(|sum| sum % 11 != 0 && number(text, 6, 1) == Some((11 - sum % 11) % 10))
}
