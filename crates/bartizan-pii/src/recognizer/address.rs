//! Is this a postal address? A number and a street, in the order of the country.
//!
//! English and French write the number first, the others last. What a list of words cannot know is
//! not found: streets without a word for street, and addresses of Asia.

use crate::{Anchor, End, Entity, Peek, Recognizer, Window, digits, window::is_word};

const WORDS: &[&str] = &[
    "address",
    "lives",
    "live",
    "street",
    "home",
    "adresse",
    "anschrift",
    "wohnhaft",
    "wohnt",
    "domicile",
    "habite",
    "dirección",
    "direccion",
    "domicilio",
    "vive",
    "indirizzo",
    "residente",
    "morada",
    "endereço",
    "adres",
    "woont",
    "zamieszkały",
    "mieszka",
    "住所",
    "location",
    "ship",
    "shipping",
    "delivery",
    "mail",
];

/// Words that end an English street's name.
const ENDINGS: &[&str] = &[
    "street",
    "st",
    "avenue",
    "ave",
    "road",
    "rd",
    "drive",
    "dr",
    "lane",
    "ln",
    "boulevard",
    "blvd",
    "court",
    "ct",
    "place",
    "pl",
    "square",
    "sq",
    "terrace",
    "ter",
    "way",
    "circle",
    "cir",
    "highway",
    "hwy",
    "parkway",
    "pkwy",
    "trail",
    "trl",
    "crescent",
    "close",
    "mews",
    "grove",
    "gardens",
    "row",
    "walk",
    "alley",
    "plaza",
    "loop",
    "pike",
    "crossing",
    "ridge",
    "path",
    "broadway",
];

/// Words that begin a street's name in French, Spanish, Italian, Portuguese and Polish.
const BEGINNINGS: &[&str] = &[
    "rue",
    "avenue",
    "boulevard",
    "impasse",
    "chemin",
    "allée",
    "quai",
    "calle",
    "avenida",
    "plaza",
    "paseo",
    "carrer",
    "camino",
    "via",
    "viale",
    "piazza",
    "corso",
    "vicolo",
    "rua",
    "travessa",
    "praça",
    "largo",
    "ulica",
    "aleja",
];
const STARTS: &[&str] = &[
    "rue ",
    "avenue ",
    "boulevard ",
    "impasse ",
    "chemin ",
    "quai ",
    "calle ",
    "avenida ",
    "plaza ",
    "paseo ",
    "carrer ",
    "camino ",
    "via ",
    "viale ",
    "piazza ",
    "corso ",
    "vicolo ",
    "rua ",
    "travessa ",
    "largo ",
    "ulica ",
    "ul. ",
    "aleja ",
    "al. ",
];

/// Endings of German and Dutch words for a street.
const COMPOUNDS: &[&str] = &[
    "straße", "strasse", "str.", "weg", "platz", "allee", "gasse", "ufer", "damm", "ring",
    "straat", "laan", "plein", "gracht", "kade", "dijk", "singel", "steenweg",
];

const MAX_WORD: usize = 24;
const MAX_WORDS: usize = 4;
const MAX_LEN: usize = 160;

pub(crate) const ROWS: &[Recognizer] = &[
    Recognizer {
        entity: Entity::STREET_ADDRESS,
        finds: "a number and a street, with unit, place and code where they follow",
        starts: |b| b.is_ascii_digit(),
        anchors: &[Anchor::Number { first: (1, 5), then: b" -,?", digits: 1 }],
        check: number_first,
        score: 0.6,
        context: WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &[
            "5906 Birch Court, Riverside, OH 35606",
            "lives on 90 Whitchurch Road.",
            "12 rue de la Paix, 75002 Paris",
            "742 Evergreen Terrace Apt. 3",
        ],
        no: &["5 people on the road", "24 hours drive", "10 Downing", "3 way switch"],
    },
    Recognizer {
        entity: Entity::STREET_ADDRESS,
        finds: "a street of one word and its number, as in German and Dutch",
        starts: |b| b.is_ascii_uppercase() || b >= 0xC3,
        // A word, a point, a space and the number.
        anchors: &[Anchor::BeforeDigit(2 * MAX_WORD as u8 + 3)],
        check: compound,
        score: 0.6,
        context: WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &["Musterstraße 12, 10115 Berlin", "Kerkstraat 4a", "Hauptstr. 7"],
        no: &["Musterstraße", "auf dem Weg 12", "die straße 5"],
    },
    Recognizer {
        entity: Entity::STREET_ADDRESS,
        finds: "a word for street, its name and its number, as in Spanish, Italian and Polish",
        starts: |b| b.is_ascii_alphabetic(),
        anchors: &[Anchor::Literals(STARTS)],
        check: kind_first,
        score: 0.6,
        context: WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &["Via Roma 12, 00184 Roma", "Calle Mayor 5", "ul. Długa 5"],
        no: &["via email 12", "calle Mayor", "rue the day 5", "Carol Miller, SSN 302"],
    },
];

fn number_first(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if !digits::may_begin(window, at)
        || window.before(at, 1).is_some_and(|b| matches!(b, b'/' | b':' | b'$'))
    {
        return Ok(None);
    }
    let mut end = at + digits::run(window, at, 6)?;
    if end - at > 5 {
        return Ok(None);
    }
    end += usize::from(window.is(end, |b| b.is_ascii_alphabetic())?);
    end += usize::from(window.is(end, |b| b == b',')?);
    if !window.is(end, |b| b == b' ')? {
        return Ok(None);
    }
    let Some(end) = street(window, end + 1)? else { return Ok(None) };
    Ok(Some(End::At(tail(window, end)?)))
}

/// The end of up to four words of which a later one ends the name of a street, or the first one
/// begins it.
fn street(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let mut next = at;
    let mut begun = false;
    let mut found = None;
    for index in 0..=MAX_WORDS {
        let length = word(window, next)?;
        let text = window.bytes().get(next..next + length).unwrap_or_default();
        if length == 0 || length >= MAX_WORD {
            break;
        }
        let capital = text
            .first()
            .is_some_and(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b >= 0xC3);
        if index == 0 && is_one_of(text, BEGINNINGS) {
            begun = true;
        } else if capital && (begun || (index > 0 && is_one_of(text, ENDINGS))) {
            found = Some(next + length);
        } else if !(capital || (begun && text.len() <= 3)) {
            break;
        }
        next += length;
        next += usize::from(window.is(next, |b| b == b'.')?);
        if found.is_some() && !begun {
            found = Some(next);
        }
        if !window.is(next, |b| b == b' ')? || !window.is(next + 1, |b| b != b' ' && b != b'\n')? {
            break;
        }
        next += 1;
    }
    // A point at the end of the sentence is not the street's, one behind `St` or `Rd` is.
    match found {
        Some(end)
            if window.before(end, 1) == Some(b'.')
                && !window.is(end, |b| b == b' ' || b == b',')? =>
        {
            Ok(Some(end - 1))
        }
        other => Ok(other),
    }
}

/// Behind unit, place, state and code, as far as they follow: parts that commas or a space divide.
fn tail(window: &Window<'_>, at: usize) -> Peek<usize> {
    let mut end = at;
    for _ in 0..4 {
        let comma = usize::from(window.is(end, |b| b == b',')?);
        let gap = comma + window.count(end + comma, 1, |b| b == b' ')?;
        if gap == 0 {
            break;
        }
        match part(window, end + gap, comma > 0)? {
            Some(next) => end = next,
            None => break,
        }
    }
    Ok(end)
}

/// A unit (`Apt. 3`), a code with a place (`10115 Berlin`), a place, or a state with its code.
fn part(window: &Window<'_>, at: usize, behind_comma: bool) -> Peek<Option<usize>> {
    for unit in ["Apt. ", "Apt ", "Suite ", "Unit ", "Ste ", "Ste. ", "Flat ", "Floor ", "#"] {
        if window.starts_with(at, unit.as_bytes())? {
            let number = at + unit.len();
            let length = window.count(number, 6, |b| b.is_ascii_alphanumeric())?;
            return Ok((length > 0).then_some(number + length));
        }
    }
    if !behind_comma {
        return Ok(None);
    }
    let code = digits::run(window, at, 6)?;
    if (4..=5).contains(&code) && window.is(at + code, |b| b == b' ')? {
        let place = word(window, at + code + 1)?;
        let capital = window.is(at + code + 1, |b| b.is_ascii_uppercase())?;
        return Ok((capital && place > 1).then_some(at + code + 1 + place));
    }
    if let Some(end) = state(window, at)? {
        return Ok(Some(end));
    }
    place(window, at)
}

/// Two capitals and five digits, perhaps four more.
fn state(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    if window.count(at, 3, |b| b.is_ascii_uppercase())? != 2 || !window.is(at + 2, |b| b == b' ')? {
        return Ok(None);
    }
    let end = at + 3 + digits::run(window, at + 3, 6)?;
    if end != at + 8 {
        return Ok(None);
    }
    let more = window.is(end, |b| b == b'-')? && digits::run(window, end + 1, 5)? == 4;
    Ok(Some(end + if more { 5 } else { 0 }))
}

/// A place is believed only where a state and its code follow it.
fn place(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let mut end = at;
    for _ in 0..3 {
        let length = word(window, end)?;
        if length < 2 || !window.is(end, |b| b.is_ascii_uppercase() || b >= 0xC3)? {
            return Ok(None);
        }
        end += length;
        if window.is(end, |b| b == b',')? && window.is(end + 1, |b| b == b' ')? {
            return Ok(state(window, end + 2)?.map(|_| end));
        }
        if !window.is(end, |b| b == b' ')? {
            return Ok(None);
        }
        end += 1;
    }
    Ok(None)
}

fn compound(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(|b| is_word(b) || b >= 0x80) {
        return Ok(None);
    }
    let length =
        window.count(at, MAX_WORD * 2, |b| b.is_ascii_alphabetic() || b >= 0x80 || b == b'-')?;
    let length = length + usize::from(window.is(at + length, |b| b == b'.')?);
    let text = window.bytes().get(at..at + length).unwrap_or_default();
    let street = COMPOUNDS
        .iter()
        .any(|ending| text.len() > ending.len() + 2 && text.ends_with(ending.as_bytes()));
    if !street || !window.is(at + length, |b| b == b' ')? {
        return Ok(None);
    }
    let Some(end) = house(window, at + length + 1)? else { return Ok(None) };
    Ok(Some(End::At(tail(window, end)?)))
}

fn kind_first(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(|b| is_word(b) || b >= 0x80) {
        return Ok(None);
    }
    if !begins_street(window, at)? {
        return Ok(None);
    }
    let kind = word(window, at)?;
    let mut next = at + kind + usize::from(window.is(at + kind, |b| b == b'.')?);
    let mut named = false;
    for _ in 0..MAX_WORDS {
        if !window.is(next, |b| b == b' ')? {
            return Ok(None);
        }
        next += 1;
        if named && window.is(next, |b| b.is_ascii_digit())? {
            let Some(end) = house(window, next)? else { return Ok(None) };
            return Ok(Some(End::At(tail(window, end)?)));
        }
        let length = word(window, next)?;
        let capital = window.is(next, |b| b.is_ascii_uppercase() || b >= 0xC3)?;
        if length == 0 || (!capital && length > 3) {
            return Ok(None);
        }
        named |= capital;
        next += length;
        next += usize::from(named && window.is(next, |b| b == b',')?);
    }
    Ok(None)
}

fn begins_street(window: &Window<'_>, at: usize) -> Peek<bool> {
    'next: for start in STARTS {
        for (offset, expected) in start.bytes().enumerate() {
            if !window.is(at + offset, |b| b.eq_ignore_ascii_case(&expected))? {
                continue 'next;
            }
        }
        return Ok(true);
    }
    Ok(false)
}

/// The end of a house number with its letter.
fn house(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let length = digits::run(window, at, 5)?;
    let end = at + length;
    if !(1..=4).contains(&length) {
        return Ok(None);
    }
    let letter = usize::from(window.is(end, |b| b.is_ascii_alphabetic())?);
    Ok((!window.is(end + letter, is_word)?).then_some(end + letter))
}

/// The length of a word of letters, with digits, hyphens and apostrophes within.
fn word(window: &Window<'_>, at: usize) -> Peek<usize> {
    window
        .count(at, MAX_WORD, |b| b.is_ascii_alphanumeric() || b >= 0x80 || b == b'\'' || b == b'-')
}

fn is_one_of(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}
