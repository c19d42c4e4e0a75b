//! Is this a telephone number of a country whose numbers have an entity of their own?

use crate::{Recognizer, recognizer::formed};

const TURKISH: &[&str] = &["telefon", "tel", "cep", "gsm", "numara", "phone", "mobile", "faks"];
const PHILIPPINE: &[&str] =
    &["mobile", "phone", "cell", "cellphone", "numero", "call", "text", "globe", "smart"];

pub(crate) const ROWS: &[Recognizer] = formed![
    PH_MOBILE_NUMBER, "a mobile number with the country's code, or with a leading zero and hyphens",
        ["+63~999~999~9999", "+63~(999)~999~9999", "0999-999-9999"], philippine, 0.6, PHILIPPINE,
        yes ["+63 (917) 123 4567", "0917-123-4567"], no ["+63 217 123 4567", "917-123-4567"];
    PH_MOBILE_NUMBER, "a mobile number with a leading zero, beside a word",
        ["0999~999~9999"], philippine, 0.3, PHILIPPINE,
        yes ["mobile 09181234567"], no ["09181234567", "mobile 091712345678"];
    TR_PHONE_NUMBER, "a number with the country's code",
        ["+90~999~999~99~99", "+90~(999)~999~99~99"], turkish, 0.6, TURKISH,
        yes ["+90 (532) 123 45 67", "+905321234567"], no ["+90 132 123 45 67"];
    TR_PHONE_NUMBER, "a number with or without a leading zero, beside a word",
        ["0~999~999~99~99", "0~(999)~999~99~99", "999~999~99~99", "(999)~999~99~99"], turkish, 0.3, TURKISH,
        yes ["Cep no: 05321234567", "telefon 0216 123 45 67"],
        no ["05321234567", "telefon 7123456789", "telefon 53212345678"];
    PHONE_NUMBER, "a national number in the grouping of France, Britain, Ireland, Australia or Japan",
        ["09 99 99 99 99", "09.99.99.99.99", "09-99-99-99-99", "09999 999999", "09999 999 999",
         "099 9999 9999", "0999 999 9999", "(09999) 999999", "(099) 9999 9999", "(09) 9999 9999",
         "0499 999 999", "09-9999-9999", "099-9999-9999"],
        grouped, 0.5, NATIONAL,
        yes ["01 42 68 53 00", "020 7946 0958", "(01632) 960001", "0412 345 678", "03-1234-5678"],
        no ["00 42 68 53 00", "01 42 68 53", "0123456789", "01-02-03-04-05", "01 02 03 04 05 06"];
];

const NATIONAL: &[&str] = &[
    "phone",
    "telephone",
    "tel",
    "téléphone",
    "mobile",
    "portable",
    "call",
    "appel",
    "ring",
    "text",
    "fax",
    "電話",
    "電話番号",
    "携帯",
];

/// Not zeros all the way, nor a count: 01 02 03 04 05.
fn grouped(text: &[u8]) -> bool {
    let zeros = text.iter().filter(|byte| **byte == b'0').count();
    text.get(1) != Some(&b'0') && zeros <= 4
}

/// Mobile networks begin with 9.
fn philippine(text: &[u8]) -> bool {
    let area = text.len().checked_sub(10).and_then(|at| text.get(at));
    area == Some(&b'9')
}

/// Areas begin with 2 to 5.
fn turkish(text: &[u8]) -> bool {
    let area = text.len().checked_sub(10).and_then(|at| text.get(at));
    matches!(area, Some(b'2'..=b'5'))
}
