//! Is this the name of a person? Only where a title, a label, a phrase or a signature announces it, or where
//! it begins with a usual first name.
//!
//! A cheap guess without a model: of the names in running text it finds those of two words or more whose first
//! one is on a short list. The evaluation states how many that are.

use std::sync::LazyLock;

use crate::{
    Anchor, End, Entity, Peek, Recognizer, Window, pairs::Pairs,
    recognizer::first_name::is_first_name, window::is_word,
};

/// What stands right before a name, in small letters; longer before shorter where one ends another.
const CUES: &[&str] = &[
    "mr. ",
    "mr ",
    "mrs. ",
    "mrs ",
    "ms. ",
    "ms ",
    "miss ",
    "dr. ",
    "dr ",
    "prof. ",
    "professor ",
    "sir ",
    "herr ",
    "frau ",
    "herrn ",
    "monsieur ",
    "madame ",
    "mme ",
    "mlle ",
    "señor ",
    "señora ",
    "sr. ",
    "sra. ",
    "don ",
    "doña ",
    "signor ",
    "signora ",
    "sig. ",
    "sig.ra ",
    "dott. ",
    "senhor ",
    "senhora ",
    "dhr. ",
    "mevr. ",
    "mevrouw ",
    "meneer ",
    "pan ",
    "pani ",
    "my name is ",
    "name is ",
    "i am called ",
    "call me ",
    "ich heiße ",
    "mein name ist ",
    "je m'appelle ",
    "me llamo ",
    "mi nombre es ",
    "mi chiamo ",
    "meu nome é ",
    "me chamo ",
    "ik heet ",
    "mijn naam is ",
    "nazywam się ",
    "mam na imię ",
    "dear ",
    "regards,\n",
    "sincerely,\n",
    "best,\n",
    "cheers,\n",
    "thanks,\n",
    "yours,\n",
    "grüßen\n",
    "grüße\n",
    "cordialement,\n",
    "saludos,\n",
    "saluti,\n",
    "signed by ",
    "signed, ",
    "contact: ",
    "attn: ",
    "attn. ",
];

/// Labels before a colon, as in forms and in JSON.
const LABELS: &[&str] = &[
    "name",
    "fullname",
    "firstname",
    "lastname",
    "surname",
    "username",
    "vorname",
    "nachname",
    "nom",
    "prénom",
    "nombre",
    "apellido",
    "apellidos",
    "nome",
    "cognome",
    "sobrenome",
    "naam",
    "achternaam",
    "voornaam",
    "imię",
    "nazwisko",
    "patient",
    "customer",
    "employee",
    "client",
    "kunde",
    "氏名",
    "名前",
];

/// Words with a capital that follow a cue and are no names.
const NOT_NAMES: &[&str] = &[
    "sir",
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "herr",
    "frau",
    "señor",
    "señora",
    "monsieur",
    "madame",
    "madam",
    "customer",
    "customers",
    "team",
    "all",
    "everyone",
    "friend",
    "friends",
    "colleague",
    "colleagues",
    "support",
    "hiring",
    "manager",
    "the",
    "this",
    "that",
    "it",
    "not",
    "god",
    "diary",
    "hr",
    "us",
    "you",
    "me",
    "null",
    "none",
    "true",
    "false",
    "string",
];

/// Words with a capital that follow a first name and make a street, a house, a day of it.
const NOT_SURNAMES: &[&str] = &[
    "street",
    "avenue",
    "road",
    "lane",
    "drive",
    "square",
    "place",
    "boulevard",
    "bridge",
    "park",
    "garden",
    "university",
    "college",
    "school",
    "hospital",
    "institute",
    "foundation",
    "museum",
    "church",
    "cathedral",
    "airport",
    "station",
    "county",
    "city",
    "island",
    "river",
    "lake",
    "bank",
    "award",
    "prize",
    "cup",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "straße",
    "strasse",
    "platz",
    "and",
    "or",
    "is",
    "was",
    "has",
    "i",
    "he",
    "she",
    "they",
    "we",
];

/// Small words inside of names.
const LINKS: &[&str] =
    &["de", "la", "del", "van", "von", "der", "den", "da", "dos", "di", "bin", "al", "le", "y"];

const MAX_WORD: usize = 24;
const MAX_WORDS: usize = 4;
const MAX_LEN: usize = (MAX_WORD + 2) * (MAX_WORDS + 2);

pub(crate) const ROWS: &[Recognizer] = &[Recognizer {
    entity: Entity::PERSON,
    finds: "words with capitals behind a title, a label, a greeting or a phrase, or of which a usual first name is the first",
    starts: |b| b.is_ascii_uppercase() || (0xC3..=0xD0).contains(&b),
    anchors: &[Anchor::Announced],
    check,
    score: 0.6,
    context: &[],
    against: &[],
    max_len: MAX_LEN,
    yes: &[
        "They call me Mr. Mayers",
        "My name is Anna-Lena Krüger.",
        "Name: Edward Thompson",
        "\"customer\": \"Jane O'Neill\"",
        "Best regards,\nJohn Q. Public",
        "Frau Maria van der Berg",
        "we met Katarzyna Nowak there",
        "ask Hans-Peter von Thun",
    ],
    no: &[
        "Dear Sir or Madam",
        "Orfeo Tailor",
        "name: string",
        "the Mr. of old",
        "Anna said",
        "Elizabeth Street",
    ],
}];

fn check(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(|b| is_word(b) || b >= 0x80) {
        return Ok(None);
    }
    if is_announced(window, at) { announced(window, at) } else { full(window, at) }
}

/// A first name, perhaps more of them and initials, and a surname. What follows that is taken for the text's.
fn full(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let mut next = at;
    for index in 0..MAX_WORDS + 2 {
        let length = word(window, next)?;
        let text = window.bytes().get(next..next + length).unwrap_or_default();
        let (first, link) = (is_first_name(text), is_one_of(text, LINKS));
        let initial = length == 1 && text.first().is_some_and(u8::is_ascii_uppercase);
        if index == 0 && !first {
            return Ok(None);
        }
        if !first && !link && !initial {
            return Ok(is_surname(text).then_some(End::At(next + length - possessive(text))));
        }
        let behind =
            next + length + usize::from(initial && window.is(next + length, |b| b == b'.')?);
        // A first name may be a surname, too: Peter Paul, Carlos Martin.
        if !window.is(behind, |b| b == b' ')? || !window.is(behind + 1, begins)? {
            return Ok((index > 0 && first).then_some(End::At(next + length)));
        }
        next = behind + 1;
    }
    Ok(None)
}

/// Whether a word of a name may begin with this byte; those that link its parts are small.
fn begins(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

fn is_surname(text: &[u8]) -> bool {
    let capital = text.first().is_some_and(|b| b.is_ascii_uppercase() || *b >= 0xC3);
    let small = text.get(1..).is_some_and(|rest| rest.iter().any(u8::is_ascii_lowercase));
    capital
        && small
        && text.len() < MAX_WORD
        && !is_one_of(text, NOT_NAMES)
        && !is_one_of(text, NOT_SURNAMES)
}

/// How long the `'s` is at the end of a word, or the quotation mark.
fn possessive(text: &[u8]) -> usize {
    match text {
        [.., b'\'', b's'] => 2,
        [.., b'\''] => 1,
        _ => 0,
    }
}

fn announced(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let mut end = None;
    let mut next = at;
    for index in 0..MAX_WORDS + 2 {
        let length = word(window, next)?;
        let text = window.bytes().get(next..next + length).unwrap_or_default();
        let capital = text.first().is_some_and(|b| b.is_ascii_uppercase() || *b >= 0xC3);
        let named = capital && length < MAX_WORD && !is_one_of(text, NOT_NAMES);
        let shouted = length > 3 && text.iter().all(u8::is_ascii_uppercase) && index > 0;
        if named && !shouted {
            end = Some(next + length);
        } else if index == 0 || !is_one_of(text, LINKS) {
            break;
        }
        next += length;
        // The point of an initial, then one space.
        next += usize::from(length == 1 && window.is(next, |b| b == b'.')?);
        if !window.is(next, |b| b == b' ')? {
            break;
        }
        next += 1;
    }
    Ok(end.map(End::At))
}

fn is_announced(window: &Window<'_>, at: usize) -> bool {
    let left = window.left(at);
    // All cues end with a mark or a blank, so it is the letters before that which tell most apart.
    let last = last_letters(left).filter(|pair| CUE_ENDS.has(*pair));
    let mut like = BY_END.iter().filter(|(end, _)| Some(*end) == last);
    (last.is_some() && like.any(|(_, cue)| stands_before(window, at, left, cue)))
        || is_labelled(window, at)
}

/// Whether a name may be announced at `at` of a text, or begin with a first name: a quick no for the most of
/// what is none.
pub(crate) fn may_be_announced(text: &[u8], at: usize) -> bool {
    let (left, right) = text.split_at_checked(at).unwrap_or_default();
    if may_begin_with_first_name(right) {
        return true;
    }
    let last = left.get(left.len().saturating_sub(4)..).unwrap_or_default();
    last.iter().any(|b| matches!(b, b':' | b'='))
        || last_letters(left).is_some_and(|pair| CUE_ENDS.has(pair))
}

/// Whether a first name stands here, or the text ends before that is known.
fn may_begin_with_first_name(text: &[u8]) -> bool {
    let Some((first, rest)) = text.split_first() else { return false };
    if !first.is_ascii_uppercase() && !(0xC3..=0xD0).contains(first) {
        return false;
    }
    let length = 1 + rest.iter().take(MAX_WORD).take_while(|byte| in_word(**byte)).count();
    match text.get(length) {
        Some(behind) => *behind == b' ' && is_first_name(text.get(..length).unwrap_or_default()),
        None => true,
    }
}

/// The two bytes before the last one, in small letters.
fn last_letters(text: &[u8]) -> Option<(u8, u8)> {
    match text {
        [.., first, second, _] => Some((first.to_ascii_lowercase(), second.to_ascii_lowercase())),
        _ => None,
    }
}

static LABEL_ENDS: LazyLock<Pairs> = LazyLock::new(|| {
    let mut ends = Pairs::default();
    ends.add_ends(LABELS);
    ends
});

/// The cues, with the letters before their last one.
static BY_END: LazyLock<Vec<((u8, u8), &str)>> = LazyLock::new(|| {
    CUES.iter().filter_map(|cue| Some((last_letters(cue.as_bytes())?, *cue))).collect()
});

static CUE_ENDS: LazyLock<Pairs> = LazyLock::new(|| Pairs::of(BY_END.iter().map(|(end, _)| *end)));

/// Whether `cue`, in any case of ASCII letters, ends what stands before `at`, and begins a word.
fn stands_before(window: &Window<'_>, at: usize, left: &[u8], cue: &str) -> bool {
    let end = left.len().checked_sub(cue.len()).and_then(|from| left.get(from..));
    let same = end.is_some_and(|end| end.eq_ignore_ascii_case(cue.as_bytes()));
    same && !window.before(at, cue.len() + 1).is_some_and(|b| is_word(b) || b >= 0x80)
}

/// A label, a colon or an equals sign, and quotation marks between.
fn is_labelled(window: &Window<'_>, at: usize) -> bool {
    let mut back = 1;
    let skip = |back: &mut usize, test: fn(u8) -> bool| {
        let from = *back;
        while *back < from + 3 && window.before(at, *back).is_some_and(test) {
            *back += 1;
        }
    };
    skip(&mut back, |b| matches!(b, b'"' | b'\'' | b' ' | b'*'));
    if !window.before(at, back).is_some_and(|b| b == b':' || b == b'=') {
        return false;
    }
    back += 1;
    skip(&mut back, |b| matches!(b, b'"' | b'\'' | b' ' | b'*' | b'\\'));
    let ends = window.before(at, back + 1).zip(window.before(at, back));
    ends.is_some_and(|pair| LABEL_ENDS.has(pair))
        && LABELS.iter().any(|label| {
            label.bytes().rev().zip(back..).all(|(expected, distance)| {
                window.before(at, distance).is_some_and(|byte| byte.eq_ignore_ascii_case(&expected))
            })
        })
}

fn word(window: &Window<'_>, at: usize) -> Peek<usize> {
    window.count(at, MAX_WORD, in_word)
}

fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80 || byte == b'\'' || byte == b'-'
}

fn is_one_of(text: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()))
}
