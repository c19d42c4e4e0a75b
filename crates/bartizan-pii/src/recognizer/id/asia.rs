//! Which numbers do the other countries of Asia give to people and firms?

use super::{DRIVER, PASSPORT, PERSON, any};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{
            alphanumeric, digit, ends_with, is_date, is_yymmdd, is_yyyymmdd, luhn, number, uniform,
            weighted,
        },
        formed,
    },
};

const MY_NUMBER: &[&str] = &["マイナンバー", "個人番号", "mynumber", "my-number", "individual"];
const JP_FIRM: &[&str] = &["法人番号", "corporate", "houjin"];
const JP_POST: &[&str] = &["郵便番号", "〒", "住所", "postal", "zip"];
const CN_ID: &[&str] = &["身份证", "身份证号", "身份证号码", "resident", "identity"];
const TW_ID: &[&str] = &["身分證", "身分證字號", "身份證", "identity"];
const HK_ID: &[&str] = &["hkid", "身份證", "identity"];
const NRIC: &[&str] = &["nric", "fin", "identity", "ic"];
const UEN: &[&str] = &["uen", "acra", "company"];
const MYKAD: &[&str] = &["mykad", "nric", "ic", "kad", "pengenalan"];
const NIK: &[&str] = &["nik", "ktp", "kependudukan"];
const THAI: &[&str] =
    &["เลขประจำตัวประชาชน", "เลขบัตรประชาชน", "บัตรประชาชน", "thai", "tnin", "national", "citizen"];
const PH_TIN: &[&str] = &["tin", "tax", "bir", "taxpayer"];
const UMID: &[&str] = &["umid", "crn", "sss", "gsis"];
const CCCD: &[&str] = &["cccd", "cmnd", "căn", "cước"];
const CNIC: &[&str] = &["cnic", "nic", "nadra", "شناختی"];
const NIC: &[&str] = &["nic", "identity"];
const TEUDAT: &[&str] = &["זהות", "תעודת", "teudat", "zehut", "israeli"];
const IQAMA: &[&str] = &["iqama", "هوية", "الهوية", "إقامة", "saudi", "national"];
const EMIRATES: &[&str] = &["emirates", "eid", "هوية", "الهوية"];

pub(crate) const ROWS: &[Recognizer] = formed![
    JP_MY_NUMBER, "a person's number with its check digit, beside a word",
        ["9999_9999_9999"], my_number, 0.25, MY_NUMBER,
        yes ["マイナンバー 2790 1613 9720"], no ["2790 1613 9720", "個人番号 279016139721"];
    JP_CORPORATE_NUMBER, "a firm's number with its check digit, beside a word",
        ["9999999999999"], japanese_firm, 0.2, JP_FIRM,
        yes ["法人番号 4057275637115"], no ["4057275637115", "法人番号 5057275637115"];
    JP_PASSPORT, "two letters and seven digits, beside a word",
        ["AA9999999"], any, 0.15, PASSPORT,
        yes ["旅券 TK1234567"], no ["TK1234567"];
    JP_DRIVER_LICENSE, "twelve digits, beside a word",
        ["999999999999"], any, 0.1, DRIVER,
        yes ["免許証 123456789012"], no ["123456789012"];
    JP_POSTAL_CODE, "a postal code, beside a word",
        ["999-9999"], any, 0.15, JP_POST,
        yes ["郵便番号 100-0001"], no ["100-0001"];
    CN_RESIDENT_ID, "a resident's number with the birthday and a check character",
        ["99999999999999999X"], chinese, 0.7, CN_ID,
        yes ["110105198705014795", "身份证11010519491231002X"], no ["110105198705014796"];
    TW_NATIONAL_ID, "a person's number with its check digit",
        ["A999999999"], taiwanese, 0.5, TW_ID,
        yes ["A123456789"], no ["A123456788", "A323456789"];
    HK_HKID, "an identity card's number with its check character in parentheses",
        ["A999999(X)", "AA999999(X)"], hong_kong, 0.6, HK_ID,
        yes ["A123456(3)"], no ["A123456(4)"];
    HK_HKID, "an identity card's number with its check character, beside a word",
        ["A999999X", "AA999999X"], hong_kong, 0.25, HK_ID,
        yes ["HKID A1234563"], no ["A1234563", "HKID A1234564"];
    SG_NRIC_FIN, "a person's or foreigner's number with its check letter",
        ["A9999999A"], nric, 0.6, NRIC,
        yes ["S1234567D", "F1234567N"], no ["T1234567Z"];
    SG_NRIC_FIN, "a person's or foreigner's number with another letter, beside a word",
        ["A9999999A"], nric_form, 0.2, NRIC,
        yes ["NRIC T1234567Z"], no ["NRIC A1234567Z"];
    SG_UEN, "a firm's number with its check letter",
        ["99999999A", "999999999A", "A99AA9999A"], uen, 0.5, UEN,
        yes ["53125226D", "201434292D", "S57TU0392K"], no ["53125226E", "201434292E"];
    MY_MYKAD, "a person's number with the birthday and a place of birth",
        ["999999-99-9999"], mykad, 0.5, MYKAD,
        yes ["880728-10-6958"], no ["881328-10-6958", "880728-00-6958"];
    MY_MYKAD, "a person's number without its hyphens, beside a word",
        ["999999999999"], mykad, 0.2, MYKAD,
        yes ["MyKad 880728106958"], no ["880728106958"];
    ID_NIK, "a person's number with the region and the birthday, beside a word",
        ["9999999999999999"], nik, 0.3, NIK,
        yes ["NIK 3173010308595413"], no ["3173010308595413", "NIK 3173013308595413"];
    TH_TNIN, "a person's number in its usual grouping, with the region and a check digit",
        ["9-9999-99999-99-9", "9 9999 99999 99 9"], thai, 0.6, THAI,
        yes ["1-2345-67890-12-1"], no ["1-3045-67890-12-4"];
    TH_TNIN, "a person's number with the region and a check digit, beside a word",
        ["9999999999999"], thai, 0.3, THAI,
        yes ["Thai ID 1234567890121", "เลขประจำตัวประชาชน: 3456789012347"],
        no ["1234567890121", "Thai ID 1234567890123", "Thai ID 0034567890124"];
    PH_TIN, "a taxpayer's number, beside a word",
        ["999-999-999-999?9?9?", "999-999-999", "999999999"], any, 0.1, PH_TIN,
        yes ["My TIN is 000-123-456-000"], no ["000-123-456-000"];
    PH_UMID, "a common reference number, beside a word",
        ["9999-9999999-9", "999999999999"], any, 0.15, UMID,
        yes ["CRN 0111-1234567-8"], no ["0111-1234567-8"];
    PH_PASSPORT, "the number of a passport, beside a word",
        ["A9999999A", "AA9999999"], any, 0.1, PASSPORT,
        yes ["passport P1234567A"], no ["P1234567A"];
    VN_CCCD, "a citizen's number with the province, beside a word",
        ["999999999999"], vietnamese, 0.15, CCCD,
        yes ["CCCD 001099012345"], no ["001099012345", "CCCD 100099012345"];
    PK_CNIC, "an identity card's number in its usual grouping",
        ["99999-9999999-9"], cnic, 0.5, CNIC,
        yes ["31592-7409951-6"], no ["01592-7409951-6"];
    LK_NIC, "an old identity card's number, beside a word",
        ["999999999v", "999999999x"], sri_lankan, 0.3, NIC,
        yes ["NIC 853400937V"], no ["853400937V", "NIC 859900937V"];
    IL_ID_NUMBER, "a person's number with its check digit, beside a word",
        ["999999999", "99999999-9"], israeli, 0.2, TEUDAT,
        yes ["ת.ז. תעודת זהות 200113371"], no ["200113371", "זהות 200113372"];
    SA_NATIONAL_ID, "a citizen's or resident's number with its check digit, beside a word",
        ["9999999999"], saudi, 0.2, IQAMA,
        yes ["iqama 1010101010"], no ["1010101010", "iqama 1010101013"];
    AE_EMIRATES_ID, "an identity card's number with the year of birth and a check digit",
        ["784_9999_9999999_9"], emirates, 0.6, EMIRATES,
        yes ["784-1990-1234567-6"], no ["784-1790-1234567-4", "784-1990-1234567-5"];
    NATIONAL_ID, "a number that follows a word for an identity card",
        ["A99999999", "AA9999999", "AA999999", "A999999999", "999999999999", "9999999999", "999999999"],
        any, 0.1, PERSON,
        yes ["national identity number 4839201746"], no ["4839201746"];
];

/// 総務省令: weights 6 to 2 and 7 to 2, modulus 11; 0 and 1 give 0.
fn my_number(text: &[u8]) -> bool {
    !uniform(text)
        && ends_with(text, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2], |sum| match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        })
}

/// The first digit checks the others: nine less the remainder by nine.
fn japanese_firm(text: &[u8]) -> bool {
    let body = text.get(1..).unwrap_or_default();
    let sum = weighted(body, &[2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1]);
    sum.is_some_and(|sum| number(text, 0, 1) == Some(9 - sum % 9))
}

/// GB 11643-1999: ISO/IEC 7064 MOD 11-2, where X is ten.
fn chinese(text: &[u8]) -> bool {
    const CHECK: &[u8; 11] = b"10X98765432";
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let check = weighted(text.get(..17).unwrap_or_default(), &weights);
    matches!(text.first(), Some(b'1'..=b'8'))
        && is_yyyymmdd(text, 6)
        && check.and_then(|sum| CHECK.get(sum as usize % 11)) == text.last()
}

/// The letter stands for two digits of a district; weights 1, 9, 8 … 1, and 1.
fn taiwanese(text: &[u8]) -> bool {
    const DISTRICTS: &[u8; 26] = b"ABCDEFGHJKLMNPQRSTUVXYWZIO";
    let Some((letter, digits)) = text.split_first() else { return false };
    let Some(place) = DISTRICTS.iter().position(|known| known == letter) else { return false };
    let district = u32::try_from(place).unwrap_or_default() + 10;
    let sum = weighted(digits, &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(digits.first(), Some(b'1' | b'2' | b'8' | b'9'))
        && sum.is_some_and(|sum| (district / 10 + district % 10 * 9 + sum).is_multiple_of(10))
}

/// Weights 9 to 1 from a blank (which counts 36) or letter on, modulus 11; A is ten.
fn hong_kong(text: &[u8]) -> bool {
    let blank = if text.len() == 8 { 36 * 9 } else { 0 };
    let check = text.last().and_then(|last| match last {
        b'A' => Some(10),
        other => digit(*other),
    });
    let body = text.split_last().map_or([].as_slice(), |(_, body)| body);
    let sum = body
        .iter()
        .rev()
        .zip(2..)
        .try_fold(blank, |sum, (byte, weight)| Some(sum + alphanumeric(*byte)? * weight));
    sum.zip(check).is_some_and(|(sum, check)| (sum + check).is_multiple_of(11))
}

fn nric_form(text: &[u8]) -> bool {
    text.first().is_some_and(|kind| b"STFGM".contains(kind))
}

/// Weights 2, 7, 6, 5, 4, 3, 2, and 4 for T and G or 3 for M; a table of letters for each kind.
fn nric(text: &[u8]) -> bool {
    let (Some(kind), Some(body), Some(last)) = (text.first(), text.get(1..8), text.last()) else {
        return false;
    };
    let (letters, offset): (&[u8; 11], u32) = match kind {
        b'S' => (b"JZIHGFEDCBA", 0),
        b'T' => (b"JZIHGFEDCBA", 4),
        b'F' => (b"XWUTRQPNMLK", 0),
        b'G' => (b"XWUTRQPNMLK", 4),
        b'M' => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    let sum = weighted(body, &[2, 7, 6, 5, 4, 3, 2]).map(|sum| (sum + offset) as usize % 11);
    let place = if *kind == b'M' { sum.map(|sum| 10 - sum) } else { sum };
    place.and_then(|place| letters.get(place)) == Some(last)
}

/// Accounting and Corporate Regulatory Authority: firms, local companies, and all others.
fn uen(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    if !text.first().is_some_and(u8::is_ascii_digit) {
        return other_uen(body, *last);
    }
    let (weights, letters): (&[u32], &[u8; 11]) = match body.len() {
        8 => (&[10, 4, 9, 3, 8, 2, 7, 1], b"XMKECAWLJDB"),
        _ => (&[10, 8, 6, 4, 9, 7, 5, 3, 1], b"ZKCMDNERGWH"),
    };
    weighted(body, weights).and_then(|sum| letters.get(sum as usize % 11)) == Some(last)
}

fn other_uen(body: &[u8], last: u8) -> bool {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWX0123456789";
    let value = |byte: &u8| ALPHABET.iter().position(|known| known == byte);
    let weights = [4, 3, 5, 3, 10, 2, 2, 5, 7];
    let sum = body
        .iter()
        .zip(weights)
        .try_fold(0, |sum, (byte, weight)| Some(sum + value(byte)? * weight));
    // Five less, by eleven.
    let letter = sum.and_then(|sum| ALPHABET.get((sum + 6) % 11));
    matches!(body.first(), Some(b'R' | b'S' | b'T')) && letter == Some(&last)
}

fn mykad(text: &[u8]) -> bool {
    let place = number(text, 6, 2);
    is_yymmdd(text, 0)
        && place.is_some_and(
            |place| matches!(place, 1..=16 | 21..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99),
        )
}

/// Province and birthday, 40 more on a woman's day.
fn nik(text: &[u8]) -> bool {
    let day = number(text, 6, 2).map(|day| if day > 40 { day - 40 } else { day });
    number(text, 0, 2).is_some_and(|province| (11..=97).contains(&province))
        && is_date(None, number(text, 8, 2), day)
}

/// Weights 13 to 2, modulus 11; the second and third digits are a province's.
fn thai(text: &[u8]) -> bool {
    let province = number(text, 1, 2);
    matches!(text.first(), Some(b'1'..=b'8'))
        && province.is_some_and(|province| {
            matches!(province, 10..=27 | 30..=58 | 60..=67 | 70..=77 | 80..=86 | 90..=96)
        })
        && ends_with(text, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2], |sum| (11 - sum % 11) % 10)
}

fn vietnamese(text: &[u8]) -> bool {
    number(text, 0, 3).is_some_and(|province| (1..=96).contains(&province))
}

fn cnic(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'1'..=b'8'))
}

/// Year and day of the year, 500 more for women.
fn sri_lankan(text: &[u8]) -> bool {
    number(text, 2, 3).is_some_and(|day| matches!(day, 1..=366 | 501..=866))
}

fn israeli(text: &[u8]) -> bool {
    luhn(text) && !uniform(text)
}

fn saudi(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'1' | b'2')) && luhn(text) && !uniform(text)
}

fn emirates(text: &[u8]) -> bool {
    number(text, 3, 4).is_some_and(|year| (1900..2100).contains(&year)) && luhn(text)
}
