//! Which numbers does the United Kingdom give to people and drivers?

use super::{DRIVER, PASSPORT, VAT, any};
use crate::{
    Recognizer,
    recognizer::{
        checksum::{digit, is_date, number, uniform, weighted},
        formed,
    },
};

const NHS: &[&str] = &["nhs", "patient", "health", "gp"];
const NINO: &[&str] = &["nino", "insurance", "ni"];
const UTR: &[&str] = &["utr", "taxpayer", "tax", "hmrc"];
const SORT: &[&str] = &["sort", "sortcode", "bank"];
const POST: &[&str] = &["postcode", "post", "address", "zip", "postal"];

pub(crate) const ROWS: &[Recognizer] = formed![
    UK_NHS, "a health service number with its check digit, beside a word",
        ["999_999_9999"], nhs, 0.25, NHS,
        yes ["NHS number 609 139 0996", "nhs 6091390996"], no ["609 139 0996", "NHS 609 139 0997"];
    UK_NINO, "a national insurance number with an issued prefix",
        ["AA~99~99~99~A"], nino, 0.55, NINO,
        yes ["nino: PR 123612C", "hh 01 02 03 d", "YZ 61 48 68 B"],
        no ["AA 12 34 56 H", "FQ 00 00 00 C", "UV 98 76 54 B", "ab1234561", "GB 12 34 56 A"];
    UK_PASSPORT, "two letters and seven digits, or nine digits, beside a word",
        ["AA9999999"], any, 0.1, PASSPORT,
        yes ["passport AB1234567"], no ["AB1234567", "passport 1234567AB"];
    UK_DRIVING_LICENCE, "a driver's number with the birthday in it",
        ["XXXXX999999XXXAA"], licence, 0.5, DRIVER,
        yes ["MORGA657054SM9IJ", "FO999512018AA1AB"], no ["MORGA631004SM9IJ", "99999657054SM9IJ"];
    UK_POSTCODE, "a postcode of an area that there is, beside a word",
        ["A9 9AA", "A99 9AA", "A9A 9AA", "AA9 9AA", "AA99 9AA", "AA9A 9AA", "gir 0aa"],
        postcode, 0.3, POST,
        yes ["postcode SW1A 1AA", "address: M60 1NW"], no ["SW1A 1AA", "postcode QA1 1AA"];
    UK_POSTCODE, "a postcode without its space, beside a word",
        ["A99AA", "A999AA", "A9A9AA", "AA99AA", "AA999AA", "AA9A9AA"],
        postcode, 0.15, POST,
        yes ["postcode EC1A1BB"], no ["EC1A1BB", "postcode XA11AA"];
    UK_UTR, "a taxpayer's reference with its check digit, beside a word",
        ["9999999999", "99999 99999"], utr, 0.15, UTR,
        yes ["UTR 1177774121"], no ["1177774121", "UTR 1177774122"];
    UK_VAT, "a value added tax number with its check number",
        ["gb~999~9999~99"], vat, 0.6, VAT,
        yes ["GB372930682", "GB 372 9306 82"], no ["GB372930683"];
    UK_SORT_CODE, "a bank's sort code, beside a word",
        ["99-99-99"], any, 0.1, SORT,
        yes ["sort code 20-00-00"], no ["20-00-00", "sort code 20-00-000"];
];

/// NHS Data Dictionary: weights 10 to 2, modulus 11.
fn nhs(text: &[u8]) -> bool {
    let sum = weighted(text, &[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    !uniform(text)
        && sum.is_some_and(|sum| text.last().and_then(|b| digit(*b)) == Some((11 - sum % 11) % 11))
}

/// HM Revenue and Customs, manual NIM39110: letters that are not used, and prefixes that are not.
fn nino(text: &[u8]) -> bool {
    const UNUSED: [&[u8]; 7] = [b"BG", b"GB", b"KN", b"NK", b"NT", b"TN", b"ZZ"];
    let [first, second, .., last] = text else { return false };
    !b"DFIQUV".contains(first)
        && !b"DFIQUVO".contains(second)
        && !UNUSED.contains(&[*first, *second].as_slice())
        && (b'A'..=b'D').contains(last)
}

/// Five places of the surname, padded with nines, then the decade, month (50 more for women), day
/// and year of the birth.
fn licence(text: &[u8]) -> bool {
    let name = text.get(..5).unwrap_or_default();
    let letters = name.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let padded = name.iter().skip(letters).all(|byte| *byte == b'9');
    let month = number(text, 6, 2).map(|month| if month > 50 { month - 50 } else { month });
    let initials = text.get(11..13).unwrap_or_default();
    letters > 0
        && padded
        && is_date(None, month, number(text, 8, 2))
        && initials.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'9')
}

/// The areas of Royal Mail and of the Crown dependencies.
const AREAS: &str = " AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD \
    DE DG DH DL DN DT DY E EC EH EN EX FK FY G GIR GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE \
    KA KT KW KY L LA LD LE LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG \
    RH RM S SA SE SG SK SL SM SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN \
    WR WS WV YO ZE ";

/// The area exists, and the last two letters are of those that a reader cannot mistake.
fn postcode(text: &[u8]) -> bool {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let area = text.get(..letters).and_then(|area| std::str::from_utf8(area).ok());
    let unit = text.get(text.len().saturating_sub(2)..).unwrap_or_default();
    area.is_some_and(|area| AREAS.split(' ').any(|known| known == area))
        && !unit.iter().any(|byte| b"CIKMOV".contains(byte))
}

/// The first digit checks the other nine.
fn utr(text: &[u8]) -> bool {
    let body = text.get(1..).unwrap_or_default();
    let sum = weighted(body, &[6, 7, 8, 9, 10, 5, 4, 3, 2]);
    let check = sum.and_then(|sum| b"21987654321".get(sum as usize % 11));
    check.is_some() && text.first() == check
}

/// HM Revenue and Customs: weights 8 to 2, then the check number; a multiple of 97, or 42 or 55
/// more.
fn vat(text: &[u8]) -> bool {
    let body = text.get(2..).unwrap_or_default();
    weighted(body, &[8, 7, 6, 5, 4, 3, 2, 10, 1]).is_some_and(|sum| matches!(sum % 97, 0 | 42 | 55))
}
