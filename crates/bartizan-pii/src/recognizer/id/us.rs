//! Which numbers does the United States give to people, drivers, banks and doctors?

use super::{DRIVER, PASSPORT, any};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{divides, luhn_sum, number, uniform, weighted},
        formed,
    },
};

const ITIN: &[&str] = &["itin", "itins", "taxpayer", "tax", "tin", "irs"];
const EIN: &[&str] = &["ein", "fein", "employer", "federal", "irs", "tax"];
const ROUTING: &[&str] = &["aba", "routing", "rtn", "transit", "ach", "wire", "bankrouting"];
const ACCOUNT: &[&str] = &[
    "account",
    "acct",
    "checking",
    "savings",
    "bank",
    "deposit",
    "konto",
    "kontonummer",
    "compte",
];
const NPI: &[&str] = &["npi", "provider", "prescriber", "physician"];
const MBI: &[&str] = &["mbi", "medicare", "beneficiary"];
const DEA: &[&str] = &["dea", "prescriber", "registrant", "medical", "license"];
const ZIP: &[&str] = &["zip", "zipcode", "postal", "postcode"];

pub(crate) const ROWS: &[Recognizer] = formed![
    US_ITIN, "a taxpayer number with separators, of the issued groups",
        ["999-99-9999", "999 99 9999"], itin, 0.5, ITIN,
        yes ["itin 912-70-1234", "911 94 1234"], no ["my tax id 911-89-1234", "812-70-1234"];
    US_ITIN, "a taxpayer number without separators, beside a word",
        ["999999999"], itin, 0.15, ITIN,
        yes ["ITIN: 912701234"], no ["912701234", "ITIN 911891234"];
    US_EIN, "an employer's number with the prefix of an office, beside a word",
        ["99-9999999"], ein, 0.2, EIN,
        yes ["EIN 12-3456789"], no ["12-3456789", "EIN 07-3456789"];
    US_PASSPORT, "a letter and eight digits, or nine digits, beside a word",
        ["A99999999", "999999999"], any, 0.12, PASSPORT,
        yes ["passport 912803456", "passport no. Z12803456"], no ["912803456", "passport 91280345"];
    US_DRIVER_LICENSE, "a letter and 6 to 14 digits, beside a word",
        ["A9999999?9?9?9?9?9?9?9?9?", "A999_9999_9999", "A999_999_99_999_9", "A_999_999_999_999"],
        any, 0.3, DRIVER,
        yes ["driver's license H12234567", "DL U62928788557186", "licence F255-9215-0094"],
        no ["H12234567", "license ABCDEFGH"];
    US_DRIVER_LICENSE, "6 to 14 digits, beside a word",
        ["9999999?9?9?9?9?9?9?9?9?", "9999-99-9999", "999-99-9999", "99-999-9999", "999 999 999"],
        any, 0.1, DRIVER,
        yes ["driver's license number is 5130634", "driver's license 2270-66-1551"],
        no ["5130634", "license 1234"];
    US_BANK_NUMBER, "an account of 8 to 17 digits, beside a word",
        ["999999999?9?9?9?9?9?9?9?9?"], account, 0.1, ACCOUNT,
        yes ["account 945456787654", "Account: 5473163692"], no ["945456787654", "account 1234567"];
    ABA_ROUTING_NUMBER, "a bank's routing number with its check digit, beside a word",
        ["999999999", "9999-9999-9"], aba, 0.15, ROUTING,
        yes ["routing number 121042882"], no ["121042882", "routing 421042111", "routing 121042883"];
    US_NPI, "a health provider's number with its check digit, beside a word",
        ["9999_999_999"], npi, 0.2, NPI,
        yes ["NPI 1245319599", "provider 1234 567 893"],
        no ["1245319599", "NPI 1234567890", "NPI 0234567893"];
    US_MBI, "a Medicare beneficiary's number with hyphens",
        ["9AX9-AX9-AA99"], mbi, 0.6, MBI,
        yes ["1EG4-TE5-MK73"], no ["1EG4-LE5-MK73", "0EG4-TE5-MK73", "1EG4-TE5MK73"];
    US_MBI, "a Medicare beneficiary's number, beside a word",
        ["9AX9AX9AA99"], mbi, 0.4, MBI,
        yes ["the MBI is 4EF6GH8JK12"], no ["4EF6GH8JK12", "MBI 1EG4TE5MK734"];
    MEDICAL_LICENSE, "a registration to prescribe (DEA) with its check digit",
        ["AX9999999"], dea, 0.5, DEA,
        yes ["DEA BB1388568"], no ["DEA BG8207031", "DEA ZB1388568"];
    US_ZIP_CODE, "a postal code of nine digits, or one of five beside a word",
        ["99999-9999", "99999"], any, 0.1, ZIP,
        yes ["ZIP: 35606", "zip code 90010-1701"], no ["35606", "90010-1701"];
];

/// Internal Revenue Service: area 9xx, groups 50–65, 70–88, 90–92 and 94–99.
fn itin(text: &[u8]) -> bool {
    let group = number(text, 3, 2);
    text.first() == Some(&b'9')
        && group.is_some_and(|group| matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99))
}

/// Internal Revenue Service: the prefixes that no campus has handed out.
fn ein(text: &[u8]) -> bool {
    const UNUSED: [u32; 16] = [0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 97];
    number(text, 0, 2).is_some_and(|prefix| !UNUSED.contains(&prefix) && prefix != 96)
}

fn account(text: &[u8]) -> bool {
    !uniform(text)
}

/// American Bankers Association: the first two digits name the district.
fn aba(text: &[u8]) -> bool {
    let district = number(text, 0, 2);
    district.is_some_and(|d| matches!(d, 1..=12 | 21..=32 | 61..=72 | 80))
        && divides(text, &[3, 7, 1, 3, 7, 1, 3, 7, 1], 10)
}

/// Luhn's formula over the number behind the prefix 80840 (45 CFR 162.406).
fn npi(text: &[u8]) -> bool {
    // What the five digits of the prefix add to the sum.
    const PREFIX: u32 = 24;
    matches!(text.first(), Some(b'1' | b'2'))
        && luhn_sum(text).is_some_and(|sum| (sum + PREFIX).is_multiple_of(10))
}

/// Centers for Medicare and Medicaid: no S, L, O, I, B, Z, and no leading zero.
fn mbi(text: &[u8]) -> bool {
    text.first() != Some(&b'0') && !text.iter().any(|byte| b"SLOIBZ".contains(byte))
}

/// Drug Enforcement Administration: twice the even places and once the odd ones.
fn dea(text: &[u8]) -> bool {
    let (Some((kind, rest)), Some(last)) = (text.split_first(), number(text, 8, 1)) else {
        return false;
    };
    let named = rest.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'9');
    let body = rest.get(1..7).unwrap_or_default();
    named
        && b"ABCDEFGHJKLMPRSTUX".contains(kind)
        && weighted(body, &[1, 2, 1, 2, 1, 2]).is_some_and(|sum| sum % 10 == last)
}
