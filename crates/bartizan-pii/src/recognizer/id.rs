//! Which numbers do states, tax offices and insurers give to people? One file for each region.
//!
//! A number whose arithmetic leaves little room for chance is found on its own; one with a single
//! check digit, which one random number in ten has too, or with none, only beside a word that names
//! it. None of them is looked for unless it is asked for, but for the social security number.

pub(crate) mod africa;
pub(crate) mod americas;
pub(crate) mod asia;
pub(crate) mod central_europe;
pub(crate) mod eastern_europe;
pub(crate) mod germany;
pub(crate) mod india;
pub(crate) mod korea;
pub(crate) mod northern_europe;
pub(crate) mod oceania;
pub(crate) mod southern_europe;
pub(crate) mod uk;
pub(crate) mod us;
pub(crate) mod western_europe;

/// Words for a passport.
pub(crate) const PASSPORT: &[&str] = &[
    "passport",
    "passeport",
    "reisepass",
    "pass",
    "pasaporte",
    "passaporto",
    "passaporte",
    "paspoort",
    "paszport",
    "paszportu",
    "pasaport",
    "passi",
    "パスポート",
    "旅券",
    "여권",
    "여권번호",
    "护照",
];

/// Words for a licence to drive.
pub(crate) const DRIVER: &[&str] = &[
    "license",
    "licence",
    "driver",
    "driving",
    "dl",
    "permis",
    "conduire",
    "führerschein",
    "fuehrerschein",
    "führerscheinnummer",
    "patente",
    "guida",
    "conducir",
    "carnet",
    "condução",
    "rijbewijs",
    "jazdy",
    "運転免許",
    "免許証",
    "운전면허",
];

/// Words for a value added tax number.
pub(crate) const VAT: &[&str] = &[
    "vat",
    "ust",
    "ustid",
    "umsatzsteuer",
    "mwst",
    "tva",
    "iva",
    "btw",
    "moms",
    "mva",
    "alv",
    "dph",
    "dič",
    "adószám",
    "pvm",
    "pvn",
    "kmkr",
    "ust-idnr",
    "uid",
];

/// Words for an identity card or a number of a person.
pub(crate) const PERSON: &[&str] = &[
    "identity",
    "identification",
    "national",
    "citizen",
    "ausweis",
    "personalausweis",
    "identité",
    "identidad",
    "identità",
    "identidade",
    "dni",
    "cédula",
    "cedula",
    "identiteitskaart",
    "dowód",
    "dowodu",
    "身分証",
    "身份证",
    "身分證",
];

/// For a number without arithmetic.
pub(crate) fn any(_: &[u8]) -> bool {
    true
}
