//! Which numbers do Canada and Latin America give to people and firms?

use super::PASSPORT;
use crate::{
    Anchor, Recognizer,
    recognizer::{
        checksum::{
            alphanumeric, digit, divides, ends_with, is_yymmdd, luhn, number, uniform, weighted,
        },
        formed,
    },
};

const SIN: &[&str] = &["sin", "insurance", "nas", "social", "assurance"];
const CA_POST: &[&str] = &["postal", "postcode", "zip", "address", "adresse"];
const CPF: &[&str] = &["cpf", "pessoa", "contribuinte"];
const CNPJ: &[&str] = &["cnpj", "empresa"];
const CUIT: &[&str] = &["cuit", "cuil", "afip"];
const DNI: &[&str] = &["dni", "documento", "identidad"];
const RUT: &[&str] = &["rut", "run", "tributario"];
const NIT: &[&str] = &["nit", "dian", "tributaria"];
const CEDULA: &[&str] = &["cédula", "cedula", "cc", "ci", "ciudadanía"];
const RUC: &[&str] = &["ruc", "contribuyente", "sunat"];
const CURP: &[&str] = &["curp", "población"];
const RFC: &[&str] = &["rfc", "contribuyentes", "sat"];
const CLABE: &[&str] = &["clabe", "interbancaria", "cuenta"];
const RIF: &[&str] = &["rif", "seniat"];

pub(crate) const ROWS: &[Recognizer] = formed![
    CA_SIN, "a social insurance number with separators and its check digit",
        ["999-999-999", "999 999 999"], sin, 0.5, SIN,
        yes ["my SIN is 130-692-544", "731-530-150"], no ["435-418-166", "046 454 286", "999 999 999"];
    CA_SIN, "a social insurance number with its check digit, beside a word",
        ["999999999"], sin, 0.2, SIN,
        yes ["SIN 130692544"], no ["130692544", "SIN 130692545"];
    CA_POSTAL_CODE, "a postal code, beside a word",
        ["A9A 9A9", "A9A-9A9", "A9A9A9"], canadian_post, 0.3, CA_POST,
        yes ["postal code K1A 0B1"], no ["K1A 0B1", "postal D1A 0B1"];
    CA_PASSPORT, "two letters and six digits, beside a word",
        ["AA999999"], digits, 0.1, PASSPORT,
        yes ["passport GA302922"], no ["GA302922"];
    BR_CPF, "a person's tax number with its two check digits",
        ["999.999.999-99", "99999999999"], cpf, 0.5, CPF,
        yes ["251.172.791-90", "CPF 25117279190"], no ["251.172.791-91", "111.111.111-11"];
    BR_CNPJ, "a firm's tax number with its two check digits",
        ["99.999.999/9999-99", "99999999999999"], cnpj, 0.55, CNPJ,
        yes ["62.639.713/0489-40", "62639713048940"], no ["62.639.713/0489-41"];
    BR_CNPJ, "a firm's tax number with letters, as given since 2026, and its two check digits",
        ["XX.XXX.XXX/XXXX-99"], cnpj, 0.55, CNPJ,
        at [Anchor::Marks { mark: b'.', apart: (4, 4), count: 2, word: (1, 8) }],
        yes ["12.ABC.345/01DE-35"], no ["12.ABC.345/01DE-36"];
    AR_CUIT, "a taxpayer's number with its check digit",
        ["99-99999999-9", "99999999999"], cuit, 0.4, CUIT,
        yes ["CUIT 20-33388992-8"], no ["20-33388992-8", "CUIT 20-33388992-9"];
    AR_DNI, "a person's number, beside a word",
        ["99.999.999", "9.999.999", "99999999"], digits, 0.12, DNI,
        yes ["DNI 30.123.456"], no ["30.123.456"];
    CL_RUT, "a person's or firm's number with points and its check digit",
        ["99.999.999-X", "9.999.999-X"], rut, 0.55, RUT,
        yes ["14.607.063-9"], no ["14.607.063-8"];
    CL_RUT, "a person's or firm's number with its check digit, beside a word",
        ["99999999-X", "9999999-X"], rut, 0.3, RUT,
        yes ["RUT 14607063-9"], no ["14607063-9", "RUT 14607063-8"];
    CO_NIT, "a firm's number with its check digit, beside a word",
        ["999.999.999-9", "999999999-9", "9999999999"], nit, 0.3, NIT,
        yes ["NIT 806.079.503-7"], no ["806.079.503-7", "NIT 806.079.503-8"];
    CO_CEDULA, "a citizen's number, beside a word",
        ["9.999.999.999", "99.999.999", "9999999999", "99999999"], digits, 0.12, CEDULA,
        yes ["cédula 1.020.345.678"], no ["1.020.345.678"];
    PE_RUC, "a taxpayer's number with its check digit, beside a word",
        ["99999999999"], ruc, 0.3, RUC,
        yes ["RUC 20048121404"], no ["20048121404", "RUC 20048121405"];
    MX_CURP, "a person's code with the birthday and a check digit",
        ["AAAA999999AAAAAAX9"], curp, 0.7, CURP,
        yes ["FKKG730208HDFRRL31"], no ["FKKG730208HDFRRL32", "FKKG731308HDFRRL31"];
    MX_RFC, "a taxpayer's code with a birthday",
        ["AAAA999999XXX", "AAA999999XXX"], rfc, 0.5, RFC,
        yes ["ZKXD570227RX2"], no ["ZKXD571327RX2"];
    MX_CLABE, "a bank account with its check digit, beside a word",
        ["999999999999999999"], clabe, 0.35, CLABE,
        yes ["CLABE 032180000118359719"], no ["032180000118359719", "CLABE 032180000118359718"];
    EC_CEDULA, "a citizen's number with the province and a check digit, beside a word",
        ["9999999999", "999999999-9"], ecuadorian, 0.25, CEDULA,
        yes ["cédula 1723403208"], no ["1723403208"];
    UY_CI, "an identity card's number with its check digit",
        ["9.999.999-9", "9999999-9"], uruguayan, 0.4, CEDULA,
        yes ["CI 1.234.567-2"], no ["1.234.567-2", "CI 1.234.567-3"];
    DO_CEDULA, "a citizen's number with its check digit, beside a word",
        ["999-9999999-9", "99999999999"], dominican, 0.35, CEDULA,
        yes ["cédula 001-6763252-0"], no ["001-6763252-0", "cédula 001-6763252-1"];
    VE_RIF, "a taxpayer's number with its check digit",
        ["A-99999999-9", "A999999999"], rif, 0.45, RIF,
        yes ["RIF V-36777168-9"], no ["V-36777168-9", "RIF V-36777168-8"];
];

fn digits(text: &[u8]) -> bool {
    !uniform(text)
}

/// Luhn; 0 was never issued and 8 is for firms.
fn sin(text: &[u8]) -> bool {
    !matches!(text.first(), Some(b'0' | b'8')) && luhn(text) && !uniform(text)
}

/// Canada Post: letters that are not used, and those that do not lead.
fn canadian_post(text: &[u8]) -> bool {
    let letters = text.iter().filter(|byte| byte.is_ascii_alphabetic());
    letters.clone().all(|letter| !b"DFIOQU".contains(letter))
        && !matches!(text.first(), Some(b'W' | b'Z'))
}

/// Two check digits by eleven, of which 10 is written as 0.
fn brazilian(text: &[u8], weights: &[u32], value: fn(u8) -> u32) -> bool {
    let check = |length: usize| {
        let skipped = (weights.len() + 1).saturating_sub(length + 1);
        let weights = weights.get(skipped..).unwrap_or_default();
        let body = text.get(..length).unwrap_or_default();
        let sum: u32 = body.iter().zip(weights).map(|(byte, weight)| value(*byte) * weight).sum();
        number(text, length, 1) == Some((11 - sum % 11) % 11 % 10)
    };
    let length = text.len();
    !uniform(text) && length > 2 && check(length - 2) && check(length - 1)
}

/// What the character codes are above that of 0: since 2026 a firm's number may hold letters.
fn above_zero(byte: u8) -> u32 {
    u32::from(byte.saturating_sub(b'0'))
}

fn cpf(text: &[u8]) -> bool {
    brazilian(text, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], above_zero)
}

fn cnpj(text: &[u8]) -> bool {
    brazilian(text, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2], above_zero)
}

/// The kinds of persons that the first two digits stand for.
fn cuit(text: &[u8]) -> bool {
    let kind = number(text, 0, 2);
    kind.is_some_and(|kind| matches!(kind, 20 | 23..=27 | 30 | 33 | 34 | 50 | 51 | 55))
        && ends_with(text, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], |sum| match (11 - sum % 11) % 11 {
            10 => 9,
            check => check,
        })
}

/// Weights 2 to 7 from the right, modulus 11; K is ten.
fn rut(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let mut places = body.iter().rev().zip([2, 3, 4, 5, 6, 7].iter().cycle());
    let sum = places.try_fold(0, |sum, (byte, weight)| Some(sum + digit(*byte)? * weight));
    let check = match last {
        b'K' => Some(10),
        other => digit(*other),
    };
    !uniform(body) && sum.is_some_and(|sum| check == Some((11 - sum % 11) % 11))
}

fn nit(text: &[u8]) -> bool {
    !uniform(text)
        && ends_with(text, &[41, 37, 29, 23, 19, 17, 13, 7, 3], |sum| match sum % 11 {
            rest @ 0..=1 => rest,
            rest => 11 - rest,
        })
}

fn ruc(text: &[u8]) -> bool {
    number(text, 0, 2).is_some_and(|kind| matches!(kind, 10 | 15 | 16 | 17 | 20))
        && ends_with(text, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2], |sum| (11 - sum % 11) % 10)
}

/// Registro Nacional de Población: weights 18 to 2 over an alphabet with Ñ between N and O.
fn curp(text: &[u8]) -> bool {
    let Some((last, body)) = text.split_last() else { return false };
    let value = |byte: u8| alphanumeric(byte).map(|value| value + u32::from(byte > b'N'));
    let sum = body
        .iter()
        .zip((2..=18).rev())
        .try_fold(0, |sum, (byte, weight): (&u8, u32)| Some(sum + value(*byte)? * weight));
    matches!(text.get(10), Some(b'H' | b'M' | b'X'))
        && is_yymmdd(text, 4)
        && sum.is_some_and(|sum| digit(*last) == Some((10 - sum % 10) % 10))
}

/// The birthday, or a firm's, stands before the last three places.
fn rfc(text: &[u8]) -> bool {
    is_yymmdd(text, text.len().saturating_sub(9))
}

/// Banco de México: weights 3, 7, 1, each product by ten.
fn clabe(text: &[u8]) -> bool {
    let weights = [3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7, 1, 3, 7];
    !uniform(text) && ends_with(text, &weights, |sum| (10 - sum % 10) % 10)
}

/// The provinces, and 30 for Ecuadorians abroad; Luhn from the left over ten digits is the same.
fn ecuadorian(text: &[u8]) -> bool {
    number(text, 0, 2).is_some_and(|province| matches!(province, 1..=24 | 30))
        && matches!(text.get(2), Some(b'0'..=b'6'))
        && luhn(text)
}

fn uruguayan(text: &[u8]) -> bool {
    !uniform(text) && divides(text, &[2, 9, 8, 7, 6, 3, 4, 1], 10)
}

fn dominican(text: &[u8]) -> bool {
    luhn(text) && !uniform(text)
}

/// The kind of person counts as well.
fn rif(text: &[u8]) -> bool {
    let kind = match text.first() {
        Some(b'V') => 4,
        Some(b'E') => 8,
        Some(b'J') => 12,
        Some(b'P') => 16,
        Some(b'G') => 20,
        _ => return false,
    };
    let sum = weighted(text.get(1..9).unwrap_or_default(), &[3, 2, 7, 6, 5, 4, 3, 2]);
    let check = sum.map(|sum| match (sum + kind) % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    });
    check.is_some() && text.last().and_then(|byte| digit(*byte)) == check
}
