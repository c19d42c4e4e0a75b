//! Which numbers does South Korea give to people, foreigners and firms?

use super::{DRIVER, PASSPORT};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{digit, is_yymmdd, number, weighted},
        formed,
    },
};

const RRN: &[&str] = &["주민등록번호", "주민번호", "주민등록", "rrn", "resident", "registration"];
const FRN: &[&str] = &["외국인등록번호", "외국인등록", "frn", "foreigner", "alien"];
const BRN: &[&str] = &["사업자등록번호", "사업자", "brn", "business"];

pub(crate) const ROWS: &[Recognizer] = formed![
    KR_RRN, "a resident's number with the birthday and its check digit",
        ["999999-9999999", "9999999999999"], checked_resident, 0.55, RRN,
        yes ["960121-1021413", "5804081110937"], no ["001332-1234567", "760413-5212134"];
    KR_RRN, "a resident's number with the birthday, as given since October 2020",
        ["999999-9999999"], resident, 0.5, RRN,
        yes ["960121-1234567"], no ["960303-0021413", "960111-10214131", "960121+1021413"];
    KR_RRN, "a resident's number without its hyphen, beside a word",
        ["9999999999999"], resident, 0.2, RRN,
        yes ["RRN 0005053637892"], no ["0005053637892", "RRN 0013321234567"];
    KR_FRN, "a foreigner's number with the birthday and its check digit",
        ["999999-9999999", "9999999999999"], checked_foreigner, 0.55, FRN,
        yes ["050912-6000012"], no ["960303-0021413", "760413-1212134"];
    KR_FRN, "a foreigner's number with the birthday, beside a word",
        ["999999-9999999", "9999999999999"], foreigner, 0.25, FRN,
        yes ["외국인등록번호 911124-5678901"], no ["9111245678901", "foreigner 0013321234567"];
    KR_BRN, "a firm's number with its check digit",
        ["999-99-99999"], firm, 0.5, BRN,
        yes ["104-86-56659"], no ["104-86-56658", "110-81-412722"];
    KR_DRIVER_LICENSE, "a licence to drive with a region's number, beside a word",
        ["99_99_999999_99"], licence, 0.35, DRIVER,
        yes ["운전면허 11-22-123456-12"], no ["11-22-123456-12", "license 11-22-12345-12"];
    KR_PASSPORT, "a letter of a kind of passport, and eight places, beside a word",
        ["A999A9999", "A99999999"], passport, 0.15, PASSPORT,
        yes ["여권번호 M123A4567", "passport M12345678"], no ["M123A4567", "passport A123B4567"];
];

fn resident(text: &[u8]) -> bool {
    matches!(text.get(6), Some(b'1'..=b'4')) && is_yymmdd(text, 0)
}

fn foreigner(text: &[u8]) -> bool {
    matches!(text.get(6), Some(b'5'..=b'8')) && is_yymmdd(text, 0)
}

fn sum(text: &[u8]) -> Option<u32> {
    weighted(text, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5])
}

/// 주민등록법 시행규칙: eleven less the remainder by eleven.
fn checked_resident(text: &[u8]) -> bool {
    let check = sum(text).map(|sum| (11 - sum % 11) % 10);
    resident(text) && check.is_some() && number(text, 12, 1) == check
}

/// The same, and two more.
fn checked_foreigner(text: &[u8]) -> bool {
    let check = sum(text).map(|sum| (13 - sum % 11) % 10);
    foreigner(text) && check.is_some() && number(text, 12, 1) == check
}

/// National Tax Service: the tens of five times the ninth digit count as well.
fn firm(text: &[u8]) -> bool {
    let tens = text.get(8).and_then(|byte| digit(*byte)).map(|ninth| ninth * 5 / 10);
    let sum = weighted(text.get(..9).unwrap_or_default(), &[1, 3, 7, 1, 3, 7, 1, 3, 5]);
    sum.zip(tens)
        .is_some_and(|(sum, tens)| number(text, 9, 1) == Some((10 - (sum + tens) % 10) % 10))
}

/// Regions 11 to 28.
fn licence(text: &[u8]) -> bool {
    number(text, 0, 2).is_some_and(|region| (11..=28).contains(&region))
}

fn passport(text: &[u8]) -> bool {
    text.first().is_some_and(|kind| b"MSRODG".contains(kind))
}
