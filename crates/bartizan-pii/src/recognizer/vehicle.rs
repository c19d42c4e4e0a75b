//! Is this a vehicle's number, or the plate that it bears?

use crate::{
    Anchor, Entity, Recognizer,
    recognizer::{
        checksum::{alphanumeric, number},
        form, formed,
    },
};

const VIN: &[&str] =
    &["vin", "chassis", "vehicle", "fahrgestellnummer", "fin", "châssis", "bastidor", "telaio"];
const PLATE: &[&str] = &[
    "plate",
    "registration",
    "reg",
    "vehicle",
    "car",
    "kennzeichen",
    "kfz",
    "nummernschild",
    "immatriculation",
    "plaque",
    "matrícula",
    "matricula",
    "targa",
    "placa",
    "kenteken",
    "rejestracyjny",
    "rejestracyjna",
    "plaka",
    "plakası",
    "plakalı",
    "ナンバー",
    "bike",
    "licence",
];

pub(crate) const ROWS: &[Recognizer] = formed![
    VIN, "a vehicle's number of seventeen places with its check digit",
        ["XXXXXXXXXXXXXXXXX"], checked_vin, 0.6, VIN, at [Anchor::Token(17)],
        yes ["1HGCM82633A004352", "VIN 1M8GDM9AXKP042788"], no ["1HGCM82633A004353"];
    VIN, "a vehicle's number without one, as Europe's makers give them, beside a word",
        ["XXXXXXXXXXXXXXXXX"], vin, 0.25, VIN, at [Anchor::Token(17)],
        yes ["Fahrgestellnummer WVWZZZ1JZ3W386752"], no ["WVWZZZ1JZ3W386752", "VIN WVWZZZ1JZ3W38675O"];
    UK_VEHICLE_REGISTRATION, "a plate as given since 2001",
        ["AA99 AAA", "AA99AAA"], uk_current, 0.5, PLATE,
        yes ["BD62XYZ", "AB51 ABC"], no ["AQ51 ABC", "AB49 ABC", "AB80 ABC", "AB51 AIB"];
    UK_VEHICLE_REGISTRATION, "an older plate, beside a word",
        ["A99?9? AAA", "A9AAA", "A99AAA", "A999AAA", "AAA 99?9?A", "AAA9A", "AAA99A", "AAA999A"],
        uk_older, 0.15, PLATE,
        yes ["plate A123 BCD", "reg ABC 1D"], no ["A123 BCD", "plate ABC 123I"];
    TR_LICENSE_PLATE, "a plate with the number of a province, beside a word",
        ["99 A 999?9?9?", "99 AA 999?9?", "99 AAA 999?9?", "99A9999?9?", "99AA999?9?", "99AAA999?"],
        turkish, 0.25, PLATE,
        yes ["plaka 34 ABC 1234", "Plaka numarası 06 A 123"], no ["34 ABC 1234", "plaka 82 ABC 123"];
    IN_VEHICLE_REGISTRATION, "a plate with the code of a state, beside a word",
        ["AA~99~AA?A?~9999", "AA~9~AA?A?~9999"], indian, 0.35, PLATE,
        yes ["registration DL01CA1234", "reg MH 12 AB 1234"], no ["DL01CA1234", "reg ABNE123456"];
    IN_VEHICLE_REGISTRATION, "an old plate of three letters, beside a word",
        ["AAA9999"], old_indian, 0.1, PLATE,
        yes ["registration MCX1243"], no ["MCX1243"];
    NG_VEHICLE_REGISTRATION, "three letters, three digits and two letters, beside a word",
        ["AAA-999AA", "AAA 999AA", "AAA999AA"], plain, 0.3, PLATE,
        yes ["plate number is ABJ-123XY"], no ["ABJ-001AA", "plate AB-1234CD"];
    DE_KFZ, "a plate with hyphens and the letters of a district, beside a word",
        ["AA?A?-AA?-99?9?9?A?"], german, 0.2, PLATE,
        at [Anchor::Marks { mark: b'-', apart: (2, 3), count: 2, word: (1, 3) }],
        yes ["Kennzeichen B-AB-1234", "Kfz MIL-EF-1234E"], no ["B-AB-1234", "Kennzeichen B-1234"];
    LICENSE_PLATE, "letters and digits in the forms of many countries, beside a word",
        ["AA-999-AA", "AA 999 AA", "AA999AA", "9999 AAA", "9999AAA", "AAA-999", "AAA 999", "AAA-9999",
         "AAA 9999", "AAA9999", "9AAA999", "AAA9A99", "99-AAA-9", "AA-99-99", "99-99-AA", "AA 99999"],
        plain, 0.15, PLATE,
        yes ["license plate 7ABC123", "plaque AB-123-CD", "matrícula 1234 BCD"], no ["AB-123-CD", "7ABC123"];
];

/// What begins like a word and a word is asked for its form first: to look for the words beside it
/// at every word of a text would be dear.
pub(crate) const SPACED: &[Recognizer] = &[Recognizer {
    entity: Entity::DE_KFZ,
    finds: "a plate in capitals with spaces, beside a word",
    starts: |b| b.is_ascii_uppercase(),
    // Three letters, a space or a hyphen, two letters and a space.
    anchors: &[Anchor::BeforeDigit(8)],
    check: |window, at| {
        let found = form::find(window, at, SPACED_FORMS, german)?;
        Ok(found.filter(|_| window.near(at, PLATE)))
    },
    score: 0.6,
    context: &[],
    against: &[],
    max_len: form::longest(SPACED_FORMS),
    yes: &[
        "Kennzeichen MIL EF 1234E",
        "Kfz B AB 1234",
        "Kennzeichen B-AB 1234",
        "Kfz MIL-EF 1234E",
    ],
    no: &["MIL EF 1234E", "Kennzeichen B 1234", "in an 12"],
}];

const SPACED_FORMS: &[&str] = &["AA?A? AA? 99?9?9?A?", "AA?A?-AA? 99?9?9?A?"];

fn plain(_: &[u8]) -> bool {
    true
}

/// ISO 3779: no I, O and Q, and four digits at the end, or nearly so.
fn vin(text: &[u8]) -> bool {
    let serial = text.get(13..).unwrap_or_default();
    !text.iter().any(|byte| b"IOQ".contains(byte))
        && serial.iter().all(u8::is_ascii_digit)
        && text.iter().filter(|byte| byte.is_ascii_alphabetic()).count() >= 3
}

/// 49 CFR 565.15: values of the letters, weights, and the remainder by eleven in the ninth place.
fn checked_vin(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: u8| match byte {
        b'A'..=b'H' => Some(u32::from(byte - b'A') + 1),
        b'J'..=b'R' => Some(u32::from(byte - b'J') + 1),
        b'S'..=b'Z' => Some(u32::from(byte - b'S') + 2),
        other => alphanumeric(other),
    };
    let sum = text
        .iter()
        .zip(WEIGHTS)
        .try_fold(0, |sum, (byte, weight)| Some(sum + value(*byte)? * weight));
    let check = sum.map(|sum| match sum % 11 {
        10 => b'X',
        rest => b'0' + u8::try_from(rest).unwrap_or_default(),
    });
    vin(text) && check.is_some() && text.get(8).copied() == check
}

/// Two letters of a place, the half year, three letters: no I and Q.
fn uk_current(text: &[u8]) -> bool {
    let age = number(text, 2, 2);
    !text.iter().any(|byte| b"IQ".contains(byte))
        && age.is_some_and(|age| matches!(age, 2..=29 | 51..=79))
}

fn uk_older(text: &[u8]) -> bool {
    !text.iter().any(|byte| b"IQUZ".contains(byte)) || text.first() == Some(&b'Q')
}

/// Provinces 01 to 81.
fn turkish(text: &[u8]) -> bool {
    number(text, 0, 2).is_some_and(|province| (1..=81).contains(&province))
}

fn indian(text: &[u8]) -> bool {
    const STATES: &str = " AN AP AR AS BH BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ \
        NL OD OR PB PY RJ SK TG TN TR TS UK UP UT WB ";
    let state = text.get(..2).and_then(|state| std::str::from_utf8(state).ok());
    state.is_some_and(|state| STATES.split(' ').any(|known| known == state))
}

/// Mumbai's, Delhi's and others of before 1989: they began with M, D, B, C, G or T.
fn old_indian(text: &[u8]) -> bool {
    text.first().is_some_and(|first| b"MDBCGT".contains(first))
}

/// Only electric (E) and historic (H) ones end with a letter.
fn german(text: &[u8]) -> bool {
    text.last().is_some_and(|last| last.is_ascii_digit() || b"EH".contains(last))
}
