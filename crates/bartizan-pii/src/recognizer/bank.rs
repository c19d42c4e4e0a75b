//! Is this the code of a bank? ISO 9362: four letters, a country, a place, and perhaps a branch.

use crate::{Anchor, End, Entity, Peek, Recognizer, Window, recognizer::form};

const FORMS: &[&str] = &["AAAAAAXXXXX", "AAAAAAXX"];
const WORDS: &[&str] = &["bic", "swift", "swiftcode", "bank", "iban", "banque", "banco", "banca"];

pub(crate) const ROWS: &[Recognizer] = &[Recognizer {
    entity: Entity::SWIFT_CODE,
    finds: "a bank's code with the letters of a country, beside a word",
    starts: |b| b.is_ascii_uppercase(),
    anchors: &[Anchor::Capitals(8)],
    check,
    score: 0.3,
    context: WORDS,
    against: &[],
    max_len: 13,
    yes: &["BIC DEUTDEFF", "SWIFT: NEDSZAJJXXX"],
    no: &["DEUTDEFF", "bank ACCOUNTS", "swift Deutdeff"],
}];

/// ISO 3166-1, and XK for Kosovo.
const COUNTRIES: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZCA\
    CCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFRGAGBGDGEGFGGGHGIGLGMGN\
    GPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJPKEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLU\
    LVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZNANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPR\
    PSPTPWPYQARERORSRURWSASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZUA\
    UGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let in_capitals = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if window.count(at, 8, in_capitals)? < 8 {
        return Ok(None);
    }
    form::find(window, at, FORMS, |text| {
        let country = text.get(4..6).unwrap_or_default();
        COUNTRIES.chunks_exact(2).any(|known| known == country)
    })
}
