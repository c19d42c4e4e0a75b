//! Which numbers do Romania, Bulgaria, Serbia, Ukraine, Russia, Kazakhstan and Türkiye give?

use super::VAT;
use crate::{
    Recognizer,
    recognizer::{
        checksum::{digit, ends_with, is_date, mod_11_10, number, uniform, weighted, whole},
        formed,
    },
};

const CNP: &[&str] = &["cnp", "cod", "numeric", "personal"];
const CUI: &[&str] = &["cui", "cif", "tva", "vat", "fiscal"];
const EGN: &[&str] = &["егн", "ЕГН", "egn"];
const PIB: &[&str] = &["pib", "пиб", "ПИБ", "порески"];
const RNOKPP: &[&str] = &["рнокпп", "РНОКПП", "іпн", "ІПН", "ідентифікаційний", "rnokpp", "tin"];
const INN: &[&str] = &["инн", "ИНН", "inn"];
const SNILS: &[&str] = &["снилс", "СНИЛС", "snils"];
const RU_PASSPORT: &[&str] = &["паспорт", "Паспорт", "паспорта", "passport", "серия"];
const IIN: &[&str] = &["иин", "ИИН", "жсн", "ЖСН", "iin", "бин", "БИН"];
const KIMLIK: &[&str] = &["kimlik", "tckn", "tc", "vatandaşlık"];

pub(crate) const ROWS: &[Recognizer] = formed![
    RO_CNP, "a person's number with the birthday, the county and a check digit",
        ["9999999999999"], cnp, 0.55, CNP,
        yes ["1721006408791"], no ["1721006408792", "1721306408791"];
    RO_CUI, "a firm's number with its check digit, beside a word",
        ["ro9999?9?9?9?9?9?9?", "99999999", "9999999"], cui, 0.2, CUI,
        yes ["CUI RO22199908", "CUI 22199908"], no ["22199908", "CUI 22199909"];
    BG_EGN, "a person's number with the birthday and a check digit, beside a word",
        ["9999999999"], egn, 0.3, EGN,
        yes ["ЕГН 6103063671"], no ["6103063671", "ЕГН 6103063672"];
    RS_PIB, "a firm's tax number with its check digit, beside a word",
        ["999999999"], pib, 0.15, PIB,
        yes ["PIB 764971133"], no ["764971133", "PIB 764971134"];
    UA_RNOKPP, "a taxpayer's number with its check digit, beside a word",
        ["9999999999"], rnokpp, 0.25, RNOKPP,
        yes ["РНОКПП 3475743521"], no ["3475743521", "РНОКПП 3475743522"];
    RU_INN, "a taxpayer's number with its check digits, beside a word",
        ["9999999999", "999999999999"], inn, 0.25, INN,
        yes ["ИНН 9769762722", "ИНН 500100732259"], no ["9769762722", "ИНН 9769762723"];
    RU_SNILS, "a pension insurance number with its check number",
        ["999-999-999 99", "999-999-999-99"], snils, 0.5, SNILS,
        yes ["112-233-445 95"], no ["112-233-445 96"];
    RU_PASSPORT, "the series and number of a passport, beside a word",
        ["99 99 999999", "9999 999999", "9999999999"], passport, 0.15, RU_PASSPORT,
        yes ["паспорт 45 07 123456"], no ["45 07 123456"];
    KZ_IIN, "a person's number with the birthday and a check digit, beside a word",
        ["999999999999"], iin, 0.35, IIN,
        yes ["ИИН 850101300005"], no ["850101300005", "ИИН 851301300007"];
    TR_NATIONAL_ID, "a person's number with its two check digits",
        ["99999999999"], turkish, 0.55, KIMLIK,
        yes ["74912649350", "TC Kimlik No: 10000000146"], no ["74912649351", "02531814694"];
    EU_VAT_ID, "a value added tax number of Romania, Bulgaria or Croatia, beside a word",
        ["bg999999999", "bg9999999999", "hr99999999999"], other_vat, 0.2, VAT,
        yes ["VAT HR60959526148", "VAT BG175074752"], no ["HR60959526148", "VAT HR60959526149"];
];

/// Sex and century, birthday, county, serial number; a remainder of ten gives 1.
fn cnp(text: &[u8]) -> bool {
    let county = number(text, 7, 2);
    matches!(text.first(), Some(b'1'..=b'9'))
        && is_date(None, number(text, 3, 2), number(text, 5, 2))
        && county.is_some_and(|county| matches!(county, 1..=52 | 70))
        && ends_with(text, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9], |sum| match sum % 11 {
            10 => 1,
            rest => rest,
        })
}

/// Weights 7, 5, 3, 2, 1, 7, 5, 3, 2, aligned with the end.
fn cui(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 9] = [7, 5, 3, 2, 1, 7, 5, 3, 2];
    let digits = text.strip_prefix(b"RO").unwrap_or(text);
    let skipped = 10_usize.saturating_sub(digits.len());
    let weights = WEIGHTS.get(skipped..).unwrap_or_default();
    digits.len() >= 4
        && digits.first() != Some(&b'0')
        && ends_with(digits, weights, |sum| sum * 10 % 11 % 10)
}

/// Birthday: 20 more on the month before 1900, 40 more since 2000.
fn egn(text: &[u8]) -> bool {
    let month = number(text, 2, 2).map(|month| month % 20);
    is_date(None, month, number(text, 4, 2))
        && ends_with(text, &[2, 4, 8, 5, 10, 9, 7, 3, 6], |sum| sum % 11 % 10)
}

fn pib(text: &[u8]) -> bool {
    !uniform(text) && mod_11_10(text)
}

/// Weights −1, 5, 7, 9, 4, 6, 10, 5, 7: ten is what −1 is by eleven.
fn rnokpp(text: &[u8]) -> bool {
    !uniform(text) && ends_with(text, &[10, 5, 7, 9, 4, 6, 10, 5, 7], |sum| sum % 11 % 10)
}

/// One check digit for a firm, two for a person.
fn inn(text: &[u8]) -> bool {
    let check = |sum| sum % 11 % 10;
    if text.len() == 10 {
        return !uniform(text) && ends_with(text, &[2, 4, 10, 3, 5, 9, 4, 6, 8], check);
    }
    let head = text.get(..11).unwrap_or_default();
    ends_with(head, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8], check)
        && ends_with(text, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8], check)
}

/// Weights 9 to 1, modulus 101, of which 100 is written as 00.
fn snils(text: &[u8]) -> bool {
    let sum = weighted(text.get(..9).unwrap_or_default(), &[9, 8, 7, 6, 5, 4, 3, 2, 1]);
    !uniform(text) && sum.is_some_and(|sum| number(text, 9, 2) == Some(sum % 101 % 100))
}

/// The region is not 00, and the year of printing lies since 1997.
fn passport(text: &[u8]) -> bool {
    let year = number(text, 2, 2);
    number(text, 0, 2).is_some_and(|region| region > 0)
        && year.is_some_and(|year| year <= 35 || year >= 97)
}

/// Weights 1 to 11, and once more from 3 on where that gives ten.
fn iin(text: &[u8]) -> bool {
    let body = text.get(..11).unwrap_or_default();
    let rest = |weights: &[u32]| weighted(body, weights).map(|sum| sum % 11);
    let check = match rest(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) {
        Some(10) => rest(&[3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2]),
        first => first,
    };
    is_date(None, number(text, 2, 2), number(text, 4, 2))
        && check.is_some()
        && text.last().and_then(|byte| digit(*byte)) == check
}

/// Seven times the odd places less the even ones gives the tenth digit, the sum of ten the last.
fn turkish(text: &[u8]) -> bool {
    let odd = weighted(text, &[7, 0, 7, 0, 7, 0, 7, 0, 7]);
    // Nine is what −1 is by ten.
    let even = weighted(text, &[0, 9, 0, 9, 0, 9, 0, 9, 0]);
    let all = weighted(text, &[1; 10]);
    let (Some(odd), Some(even), Some(all)) = (odd, even, all) else { return false };
    text.first() != Some(&b'0')
        && number(text, 9, 1) == Some((odd + even) % 10)
        && number(text, 10, 1) == Some(all % 10)
}

fn other_vat(text: &[u8]) -> bool {
    match text.strip_prefix(b"HR") {
        Some(digits) => mod_11_10(digits),
        None => text.get(2..).and_then(whole).is_some_and(|value| value > 0),
    }
}
