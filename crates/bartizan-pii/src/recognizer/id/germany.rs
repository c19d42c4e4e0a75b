//! Which numbers does Germany give to people, patients, doctors and firms?

use super::{DRIVER, PASSPORT, any};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{alphanumeric, digit, is_date, mod_11_10, number, uniform, weighted},
        formed,
    },
};

const TAX_ID: &[&str] = &[
    "steuer",
    "steuerid",
    "idnr",
    "steueridentifikationsnummer",
    "identifikationsnummer",
    "tin",
    "tax",
    "steuerliche",
];
const TAX_NUMBER: &[&str] = &["steuer", "steuernummer", "stnr", "nr", "finanzamt", "tax"];
const VAT_ID: &[&str] = &["ust", "ustid", "idnr", "umsatzsteuer", "vat", "mwst", "nummer"];
const CARD: &[&str] = &[
    "personalausweis",
    "personalausweisnummer",
    "ausweis",
    "ausweisnummer",
    "perso",
    "identity",
    "card",
];
const PENSION: &[&str] = &[
    "sozialversicherung",
    "sozialversicherungsnummer",
    "rentenversicherung",
    "rentenversicherungsnummer",
    "versicherungsnummer",
    "sv",
    "rvnr",
    "svnr",
    "social",
];
const HEALTH: &[&str] = &[
    "kvnr",
    "krankenkasse",
    "krankenversicherung",
    "krankenversichertennummer",
    "egk",
    "versichertennummer",
    "gesundheitskarte",
];
const DOCTOR: &[&str] = &["lanr", "arztnummer", "arzt", "doctor"];
const PRACTICE: &[&str] = &["bsnr", "betriebsstättennummer", "betriebsstätte", "praxis"];
const REGISTER: &[&str] = &["handelsregister", "amtsgericht", "registergericht", "hrb", "hra"];
const POSTCODE: &[&str] = &["plz", "postleitzahl", "anschrift", "adresse", "zip", "postcode"];

pub(crate) const ROWS: &[Recognizer] = formed![
    DE_VAT_ID, "a value added tax number with its check digit",
        ["de~999~999~999"], vat, 0.6, VAT_ID,
        yes ["DE136695976", "DE 136-695.976", "de136695976"], no ["DE1234567890", "FR12345678901"];
    DE_VAT_ID, "a value added tax number whose check digit is wrong, beside a word",
        ["de~999~999~999"], vat_form, 0.2, VAT_ID,
        yes ["USt-IdNr. DE123456789"], no ["DE123456789", "USt DE000000000"];
    DE_TAX_ID, "a tax identification number with its check digit, beside a word",
        ["99~999~999~999", "99999999999"], tax_id, 0.3, TAX_ID,
        yes ["Steuer-ID 46190032789", "Steuer-ID 98 765 432 106"],
        no ["46190032789", "Steuer-ID 46190032780", "Steuer-ID 11111111111"];
    DE_TAX_NUMBER, "a tax number in the grouping of a federal state, beside a word",
        ["999/999/99999", "99/999/99999", "999/9999/9999", "99/999/9999", "99/9999/9999",
         "999 999 99999", "99 999 99999"], any, 0.35, TAX_NUMBER,
        yes ["St.-Nr. 123/456/78901", "Steuernummer 12/345/67890"],
        no ["123/456/78901", "Steuernummer 028150815012"];
    DE_ID_CARD, "the serial number of an identity card with its check digit, beside a word",
        ["AXXXXXXX9", "AXXXXXXXX9"], id_card, 0.3, CARD,
        yes ["Personalausweis: L01X00T44", "Ausweis T00000000", "Personalausweisnummer L01X00T471"],
        no ["L01X00T44", "Ausweis L01X00T47", "Ausweis T220001290"];
    DE_PASSPORT, "the number of a passport with its check digit, beside a word",
        ["AXXXXXXX9", "AXXXXXXXX9"], passport, 0.3, PASSPORT,
        yes ["Reisepass C01234565", "Reisepass C01X00T478"], no ["C01234565", "Reisepass C01234567"];
    DE_SOCIAL_SECURITY, "a pension insurance number with the birthday and a check digit",
        ["99_999999_A_999"], pension, 0.6, PENSION,
        yes ["15070649C103", "65 070803 A 019"], no ["15070649C100", "15071349C103"];
    DE_HEALTH_INSURANCE, "the number of an insured person with its check digit, beside a word",
        ["A999999999"], health, 0.4, HEALTH,
        yes ["KVNR: A123456780"], no ["A123456780", "KVNR A000500010"];
    DE_LANR, "a doctor's number with its check digit, beside a word",
        ["999999999"], lanr, 0.2, DOCTOR,
        yes ["LANR 123456601"], no ["123456601", "LANR 123456701"];
    DE_BSNR, "the number of a doctor's place of work, beside a word",
        ["999999999"], any, 0.1, PRACTICE,
        yes ["BSNR 021234568"], no ["021234568", "BSNR 02123456A"];
    DE_HANDELSREGISTER, "a number of the register of companies",
        ["hra~99?9?9?9?9?", "hrb~99?9?9?9?9?"], any, 0.5, REGISTER,
        yes ["Amtsgericht München HRB 12345.", "HRA12345"], no ["HRC 12345", "HRB 1234567"];
    DE_FUEHRERSCHEIN, "a licence to drive, beside a word",
        ["AA99999999X", "AXXXXXXXX9X"], with_digits, 0.15, DRIVER,
        yes ["Führerschein BO12345678A", "Führerschein B072RRE2I55"],
        no ["BO12345678A", "Führerschein 12345678901"];
    DE_PLZ, "a postal code, beside a word",
        ["99999"], plz, 0.1, POSTCODE,
        yes ["PLZ: 10115", "Postleitzahl 80331 München"], no ["10115", "PLZ 00999", "PLZ 101150"];
];

/// ISO/IEC 7064, MOD 11,10 over the digits.
fn vat(text: &[u8]) -> bool {
    text.get(2..).is_some_and(mod_11_10) && vat_form(text)
}

fn vat_form(text: &[u8]) -> bool {
    text.get(2..).is_some_and(|body| !uniform(body))
}

/// Abgabenordnung §139b: eleven digits, the first no zero, ISO/IEC 7064 MOD 11,10.
fn tax_id(text: &[u8]) -> bool {
    text.first() != Some(&b'0') && !uniform(text) && mod_11_10(text)
}

/// ICAO 9303, part 3: weights 7, 3, 1 over digits and letters, modulus 10.
pub(crate) fn icao(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let sum = body
        .iter()
        .zip([7, 3, 1].iter().cycle())
        .try_fold(0, |sum, (byte, weight)| Some(sum + alphanumeric(*byte)? * weight));
    sum.is_some_and(|sum| digit(*last) == Some(sum % 10))
}

/// Neither vowels nor letters that look like digits stand in such a number.
fn unmistakable(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_digit() || b"CFGHJKLMNPRTVWXYZ".contains(byte))
}

/// Since 2010 with a check digit; before that a `T` and eight digits.
fn id_card(text: &[u8]) -> bool {
    let old = text
        .split_first()
        .is_some_and(|(first, rest)| *first == b'T' && rest.iter().all(u8::is_ascii_digit));
    (old && text.len() == 9) || (unmistakable(text) && icao(text))
}

fn passport(text: &[u8]) -> bool {
    unmistakable(text) && icao(text)
}

/// §2 VKVV: area, birthday (50 more on the day for a second series), initial, serial number; the
/// letter counts as its two digits, the cross sums of the products with a modulus of 10.
fn pension(text: &[u8]) -> bool {
    let Some(letter) = text.get(8).and_then(|b| alphanumeric(*b)).map(|value| value - 9) else {
        return false;
    };
    let day = number(text, 2, 2).map(|day| if day > 50 { day - 50 } else { day });
    let (head, tail) = (text.get(..8).unwrap_or_default(), text.get(9..11).unwrap_or_default());
    let head = head.iter().filter_map(|b| digit(*b));
    let all = head.chain([letter / 10, letter % 10]).chain(tail.iter().filter_map(|b| digit(*b)));
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 = all.zip(weights).map(|(d, w)| d * w / 10 + d * w % 10).sum();
    is_date(None, number(text, 4, 2), day) && number(text, 11, 1) == Some(sum % 10)
}

/// §290 SGB V: the letter counts as its two digits, Luhn's cross sums from the left.
fn health(text: &[u8]) -> bool {
    let Some((letter, digits)) = text.split_first() else { return false };
    let letter = alphanumeric(*letter).unwrap_or_default().saturating_sub(9);
    let body = digits.iter().take(8).filter_map(|b| digit(*b));
    let all = [letter / 10, letter % 10].into_iter().chain(body);
    let sum: u32 = all.zip([1, 2].into_iter().cycle()).map(|(d, w)| d * w / 10 + d * w % 10).sum();
    number(digits, 8, 1) == Some(sum % 10)
}

/// Kassenärztliche Bundesvereinigung: the seventh digit checks the six before it.
fn lanr(text: &[u8]) -> bool {
    let sum = weighted(text.get(..6).unwrap_or_default(), &[4, 9, 4, 9, 4, 9]);
    sum.is_some_and(|sum| number(text, 6, 1) == Some((10 - sum % 10) % 10))
}

fn with_digits(text: &[u8]) -> bool {
    text.iter().filter(|byte| byte.is_ascii_digit()).count() >= 4
}

fn plz(text: &[u8]) -> bool {
    number(text, 0, 5).is_some_and(|code| (1001..=99_998).contains(&code))
}
