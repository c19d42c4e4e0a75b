//! Which numbers do the Nordic and Baltic countries give to people and firms?

use super::VAT;
use crate::{
    Recognizer,
    recognizer::{
        checksum::{
            digit, divides, ends_with, is_date, is_ddmmyy, luhn, number, uniform, weighted,
        },
        formed,
    },
};

const SE_PERSON: &[&str] =
    &["personnummer", "personnr", "pnr", "samordningsnummer", "födelsenummer"];
const SE_FIRM: &[&str] =
    &["organisationsnummer", "orgnr", "orgnummer", "org", "företag", "company"];
const NO_PERSON: &[&str] = &["fødselsnummer", "fodselsnummer", "personnummer", "fnr", "personnr"];
const NO_FIRM: &[&str] = &["organisasjonsnummer", "orgnr", "org", "foretak", "mva"];
const DK_PERSON: &[&str] = &["cpr", "cprnr", "personnummer"];
const DK_FIRM: &[&str] = &["cvr", "cvrnr", "se", "moms"];
const FI_PERSON: &[&str] = &["hetu", "henkilötunnus", "henkilotunnus", "personbeteckning"];
const FI_FIRM: &[&str] = &["ytunnus", "tunnus", "yritys", "alv"];
const IS_PERSON: &[&str] = &["kennitala", "kt"];
const EE_PERSON: &[&str] = &["isikukood", "isikukoodi"];
const LT_PERSON: &[&str] = &["asmens", "kodas", "kodą"];
const LV_PERSON: &[&str] = &["personas", "kods", "kodu"];

pub(crate) const ROWS: &[Recognizer] = formed![
    SE_PERSONNUMMER, "a person's number of twelve digits with the birthday and a check digit",
        ["99999999-9999", "99999999+9999", "999999999999"], swedish, 0.5, SE_PERSON,
        yes ["198712202384", "19561117-8616"], no ["200504422381", "198712202385", "19000309-3394"];
    SE_PERSONNUMMER, "a person's number of ten digits with the birthday and a check digit",
        ["999999-9999", "999999+9999", "9999999999"], swedish, 0.3, SE_PERSON,
        yes ["personnummer 561117-8616"], no ["561117-8616", "personnummer 561117-8617"];
    SE_ORGANISATIONSNUMMER, "a firm's number with its check digit, beside a word",
        ["999999-9999", "9999999999"], swedish_firm, 0.3, SE_FIRM,
        yes ["orgnr 556974-7792"], no ["556974-7792", "orgnr 556974-7793"];
    NO_FODSELSNUMMER, "a person's number with the birthday and two check digits",
        ["999999~99999"], norwegian, 0.6, NO_PERSON,
        yes ["13066414994", "130664 14994"], no ["13066414995", "13136414994"];
    NO_ORGANISASJONSNUMMER, "a firm's number with its check digit, beside a word",
        ["999_999_999"], norwegian_firm, 0.2, NO_FIRM,
        yes ["orgnr 972 260 754"], no ["972 260 754", "orgnr 972 260 755"];
    DK_CPR, "a person's number with the birthday, beside a word",
        ["999999-9999", "9999999999", "999999 9999"], danish, 0.25, DK_PERSON,
        yes ["CPR 260190-3847"], no ["260190-3847", "CPR 261390-3847"];
    DK_CVR, "a firm's number with its check digit, beside a word",
        ["99999999", "99 99 99 99", "dk99999999"], danish_firm, 0.15, DK_FIRM,
        yes ["CVR 20888121", "CVR DK20888121"], no ["20888121", "CVR 20888122"];
    FI_PERSONAL_IDENTITY_CODE, "a person's code with the birthday and a check character",
        ["999999-999X", "999999+999X", "999999A999X"], finnish, 0.6, FI_PERSON,
        yes ["050378-143C", "010594Y9032"], no ["050378-143D", "111111-111A", "131052/308T"];
    FI_BUSINESS_ID, "a firm's number with its check digit, beside a word",
        ["9999999-9", "fi99999999"], finnish_firm, 0.3, FI_FIRM,
        yes ["Y-tunnus 0796773-2"], no ["0796773-2", "Y-tunnus 0796773-3"];
    IS_KENNITALA, "a person's number with the birthday and a check digit, beside a word",
        ["999999-9999", "9999999999"], icelandic, 0.3, IS_PERSON,
        yes ["kennitala 210891-8979"], no ["210891-8979", "kt 210891-8989"];
    EE_ISIKUKOOD, "a person's code with the birthday and a check digit, beside a word",
        ["99999999999"], baltic, 0.35, EE_PERSON,
        yes ["isikukood 39404051870"], no ["39404051870", "isikukood 39404051871"];
    LT_ASMENS_KODAS, "a person's code with the birthday and a check digit, beside a word",
        ["99999999999"], baltic, 0.35, LT_PERSON,
        yes ["asmens kodas 48704219118"], no ["48704219118", "asmens kodas 48704219119"];
    LV_PERSONAS_KODS, "a person's code with the birthday and a check digit, or of the newer kind",
        ["999999-99999", "99999999999"], latvian, 0.35, LV_PERSON,
        yes ["personas kods 161175-19997", "personas kods 327673-00679"],
        no ["161175-19997", "personas kods 161375-19997"];
    NORDIC_VAT_ID, "a value added tax number of the Nordic and Baltic countries, beside a word",
        ["se999999999901", "ee999999999", "lt999999999", "lt999999999999", "lv99999999999"],
        nordic_vat, 0.3, VAT,
        yes ["VAT SE556974779201"], no ["SE556974779201", "VAT SE556974779301"];
];

/// Skatteverket: Luhn over the last ten digits; a coordination number has 60 more on its day.
fn swedish(text: &[u8]) -> bool {
    let Some(short) = text.get(text.len().saturating_sub(10)..) else { return false };
    let century = text.len() > 10;
    let year = if century { number(text, 0, 4) } else { None };
    let known = !century || year.is_some_and(|year| (1850..2100).contains(&year));
    let day = number(short, 4, 2).map(|day| if day > 60 { day - 60 } else { day });
    known && is_date(year, number(short, 2, 2), day) && luhn(short)
}

/// The third digit is at least 2, so that no month is meant.
fn swedish_firm(text: &[u8]) -> bool {
    matches!(text.get(2), Some(b'2'..=b'9')) && luhn(text) && !uniform(text)
}

/// Skatteetaten: two check digits by 11; a D-number has 40 more on its day.
fn norwegian(text: &[u8]) -> bool {
    let day = number(text, 0, 2).map(|day| if day > 40 { day - 40 } else { day });
    let month = number(text, 2, 2).map(|month| if month > 40 { month - 40 } else { month });
    let check = |sum| (11 - sum % 11) % 11;
    is_date(None, month, day)
        && ends_with(text.get(..10).unwrap_or_default(), &[3, 7, 6, 1, 8, 9, 4, 5, 2], check)
        && ends_with(text, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], check)
}

fn norwegian_firm(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'8' | b'9'))
        && ends_with(text, &[3, 2, 7, 6, 5, 4, 3, 2], |sum| (11 - sum % 11) % 11)
}

/// Since 2007 the check digit says nothing any more: the birthday must do.
fn danish(text: &[u8]) -> bool {
    is_ddmmyy(text, 0)
}

fn danish_firm(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"DK").unwrap_or(text);
    digits.first() != Some(&b'0')
        && !uniform(digits)
        && divides(digits, &[2, 7, 6, 5, 4, 3, 2, 1], 11)
}

/// Digital and Population Data Services Agency: the check character stands at the remainder by 31
/// of the nine digits; 002 to 899 are people's, above that they are temporary.
fn finnish(text: &[u8]) -> bool {
    const CHECK: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let sign = text.get(6).filter(|_| text.len() == 11);
    let known = sign.is_none_or(|sign| b"ABCDEFYXWVU".contains(sign));
    let serial = text.len().saturating_sub(4);
    let (Some(birthday), Some(individual), Some(last)) =
        (number(text, 0, 6), number(text, serial, 3), text.last())
    else {
        return false;
    };
    known
        && individual >= 2
        && is_ddmmyy(text, 0)
        && CHECK.get((birthday * 1_000 + individual) as usize % 31) == Some(last)
}

fn finnish_firm(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"FI").unwrap_or(text);
    !uniform(digits) && ends_with(digits, &[7, 9, 10, 5, 8, 4, 2], |sum| (11 - sum % 11) % 11)
}

/// Þjóðskrá: weights 3, 2, 7, 6, 5, 4, 3, 2; the last digit is the century's.
fn icelandic(text: &[u8]) -> bool {
    let day = number(text, 0, 2).map(|day| if day > 40 { day - 40 } else { day });
    let body = text.get(..9).unwrap_or_default();
    is_date(None, number(text, 2, 2), day)
        && matches!(text.last(), Some(b'0' | b'8' | b'9'))
        && ends_with(body, &[3, 2, 7, 6, 5, 4, 3, 2], |sum| (11 - sum % 11) % 11)
}

/// Two rounds of weights by 11: the second only where the first gives ten.
fn baltic(text: &[u8]) -> bool {
    let body = text.get(..10).unwrap_or_default();
    let rest = |weights: &[u32]| weighted(body, weights).map(|sum| sum % 11);
    let check = match rest(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) {
        Some(10) => rest(&[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]).map(|rest| rest % 10),
        first => first,
    };
    matches!(text.first(), Some(b'1'..=b'8'))
        && is_date(None, number(text, 3, 2), number(text, 5, 2))
        && check.is_some()
        && text.last().and_then(|byte| digit(*byte)) == check
}

/// Since 2017 a code begins with 32 to 39 and says nothing; before, it held the birthday.
fn latvian(text: &[u8]) -> bool {
    if matches!(text, [b'3', b'2'..=b'9', ..]) {
        return true;
    }
    is_ddmmyy(text, 0)
        && ends_with(text, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9], |sum| (1 + sum) % 11 % 10)
}

/// The Swedish one holds a firm's number; of the others only the form is known here.
fn nordic_vat(text: &[u8]) -> bool {
    match text.strip_prefix(b"SE") {
        Some(digits) => digits.get(..10).is_some_and(luhn),
        None => true,
    }
}
