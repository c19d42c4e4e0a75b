//! Which numbers do France, the Benelux, Austria, Switzerland and Ireland give to people and firms?

use super::{PASSPORT, VAT, any};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{
            alphanumeric, digit, divides, ends_with, is_ddmmyy, is_yyyymmdd, luhn, luhn_sum,
            mod_97, number, uniform, verhoeff, weighted, whole,
        },
        formed,
    },
};

const NIR: &[&str] = &["nir", "sécurité", "securite", "sociale", "insee", "vitale", "ameli"];
const SIREN: &[&str] = &["siren", "siret", "rcs", "insee", "entreprise", "établissement"];
const SPI: &[&str] = &["spi", "fiscal", "fiscale", "impôt", "impôts", "impots", "tax"];
const CNI: &[&str] = &["cni", "identité", "identite", "identity"];
const NRN: &[&str] =
    &["rijksregisternummer", "rijksregister", "national", "nrn", "insz", "niss", "registre"];
const ENTERPRISE: &[&str] =
    &["ondernemingsnummer", "kbo", "bce", "entreprise", "btw", "tva", "vat"];
const BSN: &[&str] = &["bsn", "burgerservicenummer", "sofinummer", "sofi", "citizen"];
const NL_POST: &[&str] = &["postcode", "adres", "address", "woonplaats"];
const AHV: &[&str] = &["ahv", "avs", "ahvn13", "versichertennummer"];
const SVNR: &[&str] = &["sozialversicherungsnummer", "svnr", "versicherungsnummer", "sv", "ecard"];
const PPS: &[&str] = &["pps", "ppsn", "revenue", "social"];
const EIRCODE: &[&str] = &["eircode", "postcode", "address"];
const LUX: &[&str] = &["matricule", "luxembourg", "cns", "national"];

pub(crate) const ROWS: &[Recognizer] = formed![
    FR_NIR, "a social security number with its key",
        ["9~99~99~9X~999~999~99"], nir, 0.6, NIR,
        yes ["1 51 10 75 107 114 22", "151107510711422"], no ["151107510711423", "951107510711422"];
    FR_SIREN, "the number of a firm with its check digit, beside a word",
        ["999_999_999"], luhn, 0.2, SIREN,
        yes ["SIREN 005 278 700"], no ["005 278 700", "SIREN 005278701"];
    FR_SIRET, "the number of a firm's establishment with its check digit, beside a word",
        ["999_999_999_99999"], siret, 0.3, SIREN,
        yes ["SIRET 36584109735077"], no ["36584109735077", "SIRET 36584109735078"];
    FR_VAT_ID, "a value added tax number with its key",
        ["fr~99~999~999~999"], french_vat, 0.6, VAT,
        yes ["FR28720286665", "FR 28 720 286 665"], no ["FR29720286665"];
    FR_TAX_ID, "a tax number (SPI) with its check number, beside a word",
        ["99~99~999~999~999"], spi, 0.4, SPI,
        yes ["numéro fiscal 17 79 072 332 282"], no ["1779072332282", "fiscal 1779072332283"];
    FR_PASSPORT, "the number of a passport, beside a word",
        ["99AA99999"], any, 0.15, PASSPORT,
        yes ["passeport 12AB34567"], no ["12AB34567"];
    FR_ID_CARD, "the number of an identity card, beside a word",
        ["999999999999", "AXXXXXXX9"], any, 0.1, CNI,
        yes ["carte d'identité 880692310285"], no ["880692310285"];
    BE_NATIONAL_ID, "the national register's number with its check number",
        ["99_99_99~999~99", "99.99.99-999.99"], nrn, 0.5, NRN,
        yes ["81.11.17-214.84", "rijksregisternummer 81111721484"], no ["81.11.17-214.85"];
    BE_VAT_ID, "a firm's number with its check number",
        ["be~9999~999~999"], enterprise, 0.6, VAT,
        yes ["BE0276988448", "BE 0276.988.448"], no ["BE0276988449"];
    BE_ENTERPRISE_NUMBER, "a firm's number with its check number, beside a word",
        ["9999.999.999", "9999999999"], enterprise, 0.3, ENTERPRISE,
        yes ["KBO 0276.988.448"], no ["0276.988.448", "KBO 0276.988.449"];
    NL_BSN, "a citizen's number that passes the test by eleven, beside a word",
        ["999999999", "9999.99.999", "999 999 999"], bsn, 0.2, BSN,
        yes ["BSN 129317305"], no ["129317305", "BSN 129317306", "BSN 000000000"];
    NL_VAT_ID, "a value added tax number with its check digit",
        ["nl999999999b99"], dutch_vat, 0.6, VAT,
        yes ["NL878105025B01"], no ["NL878105026B01"];
    NL_PASSPORT, "the number of a passport or an identity card, beside a word",
        ["AAXXXXXX9"], passport, 0.15, PASSPORT,
        yes ["paspoort NXH2K4G53"], no ["NXH2K4G53", "passport OXO2O4O53"];
    NL_POSTCODE, "a postal code, beside a word",
        ["9999 AA", "9999AA"], dutch_post, 0.15, NL_POST,
        yes ["postcode 1012 AB"], no ["1012 AB", "postcode 0012 AB", "postcode 1012 SS"];
    LU_NATIONAL_ID, "a person's number with the birthday and two check digits",
        ["9999999999999"], lux, 0.6, LUX,
        yes ["1978020700152"], no ["1978020700153", "1978130700152"];
    CH_AHV, "an insured person's number with its check digit",
        ["756_9999_9999_99"], ahv, 0.6, AHV,
        yes ["756.9536.7020.46", "7569536702046"], no ["756.9536.7020.47"];
    CH_UID, "a firm's number with its check digit",
        ["che-999.999.999", "che~999~999~999"], uid, 0.6, VAT,
        yes ["CHE-980.800.207"], no ["CHE-980.800.208"];
    AT_SVNR, "a social insurance number with the birthday and a check digit, beside a word",
        ["9999_999999"], svnr, 0.35, SVNR,
        yes ["SVNR 7098 150251"], no ["7098 150251", "SVNR 7099 150251"];
    AT_VAT_ID, "a value added tax number with its check digit",
        ["atu99999999"], austrian_vat, 0.6, VAT,
        yes ["ATU26283287"], no ["ATU26283288"];
    IE_PPS, "a personal public service number with its check letter",
        ["9999999AA?"], pps, 0.45, PPS,
        yes ["PPS 5674267W"], no ["5674267W", "PPS 5674267X"];
    IE_VAT_ID, "a value added tax number with its check letter",
        ["ie9999999AA?"], irish_vat, 0.6, VAT,
        yes ["IE8396197G"], no ["IE8396197H"];
    IE_EIRCODE, "a postal code, beside a word",
        ["A9X XXXX", "A9XXXXX"], eircode, 0.2, EIRCODE,
        yes ["Eircode D02 X285"], no ["D02 X285"];
];

/// INSEE: the key is 97 less the remainder by 97; Corsica's 2A and 2B count as 19 and 18.
fn nir(text: &[u8]) -> bool {
    let month = number(text, 3, 2);
    if !matches!(text.first(), Some(b'1'..=b'4' | b'7' | b'8'))
        || !month.is_some_and(|month| matches!(month, 1..=12 | 20..=42 | 50..))
    {
        return false;
    }
    let mut digits = [0; 15];
    digits.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    if let Some(slot) = digits.get_mut(6) {
        *slot = match *slot {
            b'A' => b'9',
            b'B' => b'8',
            other => other,
        };
        if text.get(6) != Some(slot) && text.get(5) != Some(&b'2') {
            return false;
        }
    }
    if text.get(6).is_some_and(u8::is_ascii_alphabetic)
        && let Some(slot) = digits.get_mut(5)
    {
        *slot = b'1';
    }
    let body = digits.get(..13).and_then(whole);
    body.is_some_and(|body| number(&digits, 13, 2) == u32::try_from(97 - body % 97).ok())
}

/// Both the firm's part and the whole have a check digit.
fn siret(text: &[u8]) -> bool {
    text.get(..9).is_some_and(luhn) && luhn(text) && !uniform(text)
}

/// Direction générale des Finances publiques: the key of the firm's number by 97.
fn french_vat(text: &[u8]) -> bool {
    let (Some(key), Some(firm)) = (number(text, 2, 2), number(text, 4, 9)) else { return false };
    text.get(4..).is_some_and(luhn) && key == (12 + 3 * (firm % 97)) % 97
}

/// Ten digits, the first 0 to 3, then their remainder by 511.
fn spi(text: &[u8]) -> bool {
    let body = text.get(..10).and_then(whole);
    matches!(text.first(), Some(b'0'..=b'3'))
        && body.is_some_and(|body| number(text, 10, 3).map(u64::from) == Some(body % 511))
}

/// Rijksregister: birthday, serial number, 97 less the remainder; since 2000 with a 2 before it.
fn nrn(text: &[u8]) -> bool {
    let Some(body) = number(text, 0, 9).map(u64::from) else { return false };
    let month = number(text, 2, 2).map(|month| month % 20);
    let key = number(text, 9, 2).map(u64::from);
    month.is_some_and(|month| month <= 12)
        && number(text, 4, 2).is_some_and(|day| day <= 31)
        && body > 0
        && [body, 2_000_000_000 + body].iter().any(|body| key == Some(97 - body % 97))
}

/// Kruispuntbank van Ondernemingen: 97 less the remainder of the first eight digits.
fn enterprise(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"BE").unwrap_or(text);
    let body = number(digits, 0, 8);
    matches!(digits.first(), Some(b'0' | b'1'))
        && body.is_some_and(|body| body > 0 && number(digits, 8, 2) == Some(97 - body % 97))
}

/// Weights 9 to 2 and −1, modulus 11.
fn bsn(text: &[u8]) -> bool {
    // Ten is what −1 is by eleven.
    !uniform(text) && divides(text, &[9, 8, 7, 6, 5, 4, 3, 2, 10], 11)
}

/// A citizen's number, or, for sole traders since 2020, ISO/IEC 7064 MOD 97-10 over all of it.
fn dutch_vat(text: &[u8]) -> bool {
    text.get(2..11).is_some_and(bsn) || mod_97(text) == Some(1)
}

/// No letter O, and always the digits of a number in it.
fn passport(text: &[u8]) -> bool {
    !text.contains(&b'O') && text.iter().any(u8::is_ascii_digit)
}

/// Not below 1000; the letters SA, SD and SS are not used.
fn dutch_post(text: &[u8]) -> bool {
    let unit = text.get(4..).unwrap_or_default();
    text.first() != Some(&b'0') && ![b"SA", b"SD", b"SS"].iter().any(|unused| unit == *unused)
}

/// Birthday and serial number, then a check digit of Luhn's and one of Verhoeff's over the same.
fn lux(text: &[u8]) -> bool {
    let (Some(body), Some(last)) = (text.get(..11), text.get(12)) else { return false };
    let mut other = [0; 12];
    other.iter_mut().zip(body.iter().chain([last])).for_each(|(to, from)| *to = *from);
    is_yyyymmdd(text, 0) && text.get(..12).is_some_and(luhn) && verhoeff(&other)
}

/// The check digit of EAN-13.
fn ahv(text: &[u8]) -> bool {
    divides(text, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1], 10)
}

/// Bundesamt für Statistik: weights 5, 4, 3, 2, 7, 6, 5, 4, modulus 11.
fn uid(text: &[u8]) -> bool {
    let body = text.get(3..).unwrap_or_default();
    ends_with(body, &[5, 4, 3, 2, 7, 6, 5, 4], |sum| (11 - sum % 11) % 11)
}

/// The fourth digit checks the others: weights 3, 7, 9, then 5, 8, 4, 2, 1, 6 over the birthday.
fn svnr(text: &[u8]) -> bool {
    let sum = weighted(text, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    text.first() != Some(&b'0')
        && is_ddmmyy(text, 4)
        && sum.is_some_and(|sum| number(text, 3, 1) == Some(sum % 11))
}

/// Luhn's cross sums and four more.
fn austrian_vat(text: &[u8]) -> bool {
    let body = text.get(3..).unwrap_or_default();
    let check = number(body, 7, 1);
    let sum = luhn_sum(body.get(..7).unwrap_or_default());
    sum.zip(check).is_some_and(|(sum, check)| (sum + 4 + check).is_multiple_of(10))
}

/// Weights 8 to 2, nine times the second letter, modulus 23: W is 0, A is 1.
fn pps(text: &[u8]) -> bool {
    let Some(sum) = weighted(text.get(..7).unwrap_or_default(), &[8, 7, 6, 5, 4, 3, 2]) else {
        return false;
    };
    let letter =
        |at: usize| text.get(at).and_then(|byte| alphanumeric(*byte)).map(|value| value - 9);
    let second = letter(8).filter(|value| *value != 23).unwrap_or_default();
    letter(7).is_some_and(|first| first % 23 == (sum + 9 * second) % 23 && first <= 23)
}

fn irish_vat(text: &[u8]) -> bool {
    text.get(2..).is_some_and(pps)
}

/// A routing key, which is a letter and two digits or D6W, and four letters and digits.
fn eircode(text: &[u8]) -> bool {
    let key = text.get(..3).unwrap_or_default();
    let tail = text.get(3..).unwrap_or_default();
    (key == b"D6W" || key.iter().skip(1).all(u8::is_ascii_digit))
        && tail.iter().any(u8::is_ascii_digit)
        && tail.first().and_then(|byte| digit(*byte)).is_none()
}
