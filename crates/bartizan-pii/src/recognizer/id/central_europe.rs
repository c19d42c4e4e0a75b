//! Which numbers do Poland, Czechia, Slovakia, Hungary, Slovenia and Croatia give to people and firms?

use super::{PASSPORT, VAT};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{
            alphanumeric, digit, divides, ends_with, is_date, mod_11_10, number, uniform, weighted,
            whole,
        },
        formed,
    },
};

const PESEL: &[&str] = &["pesel", "peselu", "ewidencyjny"];
const NIP: &[&str] = &["nip", "podatkowy", "podatnik", "vat", "podatnika"];
const REGON: &[&str] = &["regon", "firma", "statystyczny"];
const DOWOD: &[&str] = &["dowód", "dowodu", "dowod", "osobisty", "osobistego", "identity"];
const BIRTH_NUMBER: &[&str] = &["rodné", "rodne", "rč", "číslo", "birth"];
const ICO: &[&str] = &["ičo", "IČO", "ico", "firma", "společnost"];
const TAJ: &[&str] = &["taj", "társadalombiztosítási"];
const ADO: &[&str] = &["adóazonosító", "adóazonosítója", "adó", "tax"];
const OIB: &[&str] = &["oib", "osobni"];
const EMSO: &[&str] = &["emšo", "EMŠO", "emso", "jmbg", "matični", "maticni"];
const DAVCNA: &[&str] = &["davčna", "davcna", "ddv"];

pub(crate) const ROWS: &[Recognizer] = formed![
    PL_PESEL, "a person's number with the birthday and a check digit, beside a word",
        ["99999999999"], pesel, 0.35, PESEL,
        yes ["PESEL 50071111354", "pesel: 44051401458"], no ["50071111354", "PESEL 85040812345"];
    PL_NIP, "a taxpayer's number with hyphens and a check digit",
        ["999-999-99-99", "999-99-99-999", "pl9999999999"], nip, 0.5, NIP,
        yes ["125-385-07-75", "PL1253850775"], no ["125-385-07-76"];
    PL_NIP, "a taxpayer's number with its check digit, beside a word",
        ["9999999999", "999 999 99 99"], nip, 0.2, NIP,
        yes ["NIP 1253850775"], no ["1253850775", "NIP 1253850776"];
    PL_REGON, "a firm's number with its check digit, beside a word",
        ["999999999"], regon, 0.15, REGON,
        yes ["REGON 526688733"], no ["526688733", "REGON 526688734"];
    PL_ID_CARD, "the number of an identity card with its check digit, beside a word",
        ["AAA_999999"], polish_card, 0.35, DOWOD,
        yes ["dowód ABA300000"], no ["ABA300000", "dowód ABA400000"];
    PL_PASSPORT, "the number of a passport with its check digit, beside a word",
        ["AA_9999999"], polish_passport, 0.25, PASSPORT,
        yes ["paszport ZS0000177"], no ["ZS0000177", "paszport ZS1000177"];
    CZ_BIRTH_NUMBER, "a birth number (also Slovakia's) with a stroke, that divides by eleven",
        ["999999/9999"], birth, 0.55, BIRTH_NUMBER,
        yes ["550601/8980"], no ["550601/8981", "551301/8980"];
    CZ_BIRTH_NUMBER, "a birth number (also Slovakia's), beside a word",
        ["999999/999", "9999999999"], birth, 0.25, BIRTH_NUMBER,
        yes ["rodné číslo 5506018980"], no ["5506018980", "číslo 5506018981"];
    CZ_ICO, "a firm's number with its check digit, beside a word",
        ["99999999", "cz99999999"], ico, 0.15, ICO,
        yes ["IČO 65690508"], no ["65690508", "IČO 65690509"];
    SK_VAT_ID, "a value added tax number that divides by eleven",
        ["sk~9999999999"], slovak_vat, 0.55, VAT,
        yes ["SK2892277058"], no ["SK2892277059"];
    HU_TAJ, "a social security number with its check digit, beside a word",
        ["999_999_999"], taj, 0.2, TAJ,
        yes ["TAJ 123 456 788"], no ["123 456 788", "TAJ 123 456 789"];
    HU_TAX_ID, "a person's tax number with its check digit, beside a word",
        ["9999999999"], hungarian_tax, 0.25, ADO,
        yes ["adóazonosító 8071592153"], no ["8071592153", "adóazonosító 8071592154"];
    HU_VAT_ID, "a value added tax number with its check digit, beside a word",
        ["hu99999999", "99999999-9-99"], hungarian_vat, 0.4, VAT,
        yes ["adószám 18392621-2-41", "adószám HU18392621"], no ["HU18392621", "adószám HU18392622"];
    HR_OIB, "a person's number with its check digit, beside a word",
        ["99999999999", "hr99999999999"], oib, 0.3, OIB,
        yes ["OIB 60959526148"], no ["60959526148", "OIB 60959526149"];
    SI_EMSO, "a person's number (also of the other states of former Yugoslavia) with its check digit",
        ["9999999999999"], emso, 0.5, EMSO,
        yes ["2202968500324"], no ["2202968500325", "2213968500324"];
    SI_TAX_ID, "a tax number with its check digit, beside a word",
        ["99999999", "si99999999"], slovene_tax, 0.2, DAVCNA,
        yes ["davčna SI76182789"], no ["SI76182789", "davčna 76182780"];
];

/// Ustawa o ewidencji ludności: weights 1, 3, 7, 9; the century is added to the month.
fn pesel(text: &[u8]) -> bool {
    let month = number(text, 2, 2).map(|month| month % 20);
    is_date(None, month, number(text, 4, 2))
        && divides(text, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1], 10)
}

fn nip(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"PL").unwrap_or(text);
    !uniform(digits) && ends_with(digits, &[6, 5, 7, 2, 3, 4, 5, 6, 7], |sum| sum % 11)
}

fn regon(text: &[u8]) -> bool {
    !uniform(text) && ends_with(text, &[8, 9, 2, 3, 4, 5, 6, 7], |sum| sum % 11 % 10)
}

/// Weights over letters and digits, the check digit among them with a weight of −1.
fn polish(text: &[u8], weights: &[u32]) -> bool {
    let sum = text
        .iter()
        .zip(weights)
        .try_fold(0, |sum, (byte, weight)| Some(sum + alphanumeric(*byte)? * weight));
    sum.is_some_and(|sum| sum % 10 == 0)
}

fn polish_card(text: &[u8]) -> bool {
    polish(text, &[7, 3, 1, 9, 7, 3, 1, 7, 3])
}

fn polish_passport(text: &[u8]) -> bool {
    polish(text, &[7, 3, 9, 1, 7, 3, 1, 7, 3])
}

/// Birthday (50 more on a woman's month, 20 more since 2004) and serial number; since 1954 with a
/// tenth digit that makes the number divide by eleven.
fn birth(text: &[u8]) -> bool {
    let month = number(text, 2, 2).map(|month| month % 50 % 20);
    let Some(value) = whole(text) else { return false };
    let divides = text.len() == 9 || value % 11 == 0 || (value / 10 % 11 == 10 && value % 10 == 0);
    divides && is_date(None, month, number(text, 4, 2))
}

fn ico(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"CZ").unwrap_or(text);
    !uniform(digits) && ends_with(digits, &[8, 7, 6, 5, 4, 3, 2], |sum| (11 - sum % 11) % 10)
}

fn slovak_vat(text: &[u8]) -> bool {
    let digits = text.get(2..).unwrap_or_default();
    digits.first() != Some(&b'0')
        && matches!(digits.get(2), Some(b'2'..=b'4' | b'7'..=b'9'))
        && whole(digits).is_some_and(|value| value % 11 == 0)
}

fn taj(text: &[u8]) -> bool {
    !uniform(text) && ends_with(text, &[3, 7, 3, 7, 3, 7, 3, 7], |sum| sum % 10)
}

fn hungarian_tax(text: &[u8]) -> bool {
    text.first() == Some(&b'8') && ends_with(text, &[1, 2, 3, 4, 5, 6, 7, 8, 9], |sum| sum % 11)
}

fn hungarian_vat(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"HU").unwrap_or(text);
    digits
        .get(..8)
        .is_some_and(|body| divides(body, &[9, 7, 3, 1, 9, 7, 3, 1], 10) && !uniform(body))
}

fn oib(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"HR").unwrap_or(text);
    !uniform(digits) && mod_11_10(digits)
}

/// Birthday with three digits of the year, region, serial number: weights 7 to 2, twice.
fn emso(text: &[u8]) -> bool {
    let year = number(text, 4, 3).map(|year| if year < 800 { 2_000 + year } else { 1_000 + year });
    year.is_some()
        && is_date(year, number(text, 2, 2), number(text, 0, 2))
        && ends_with(text, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2], |sum| (11 - sum % 11) % 11 % 10)
}

fn slovene_tax(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"SI").unwrap_or(text);
    let sum = weighted(digits.get(..7).unwrap_or_default(), &[8, 7, 6, 5, 4, 3, 2]);
    digits.first() != Some(&b'0')
        && sum.is_some_and(|sum| {
            !sum.is_multiple_of(11)
                && digits.last().and_then(|byte| digit(*byte)) == Some((11 - sum % 11) % 10)
        })
}
