//! Is this a day, with a time or without, and is it somebody's birthday?
//!
//! Numbers in any of the usual orders, ISO 8601 with time and zone, and the names of months in nine
//! languages. What could be a fraction or a version (`5/21`, `05/2021`) needs a word.

use std::sync::LazyLock;

use crate::{Anchor, End, Entity, Peek, Recognizer, Window, digits, pairs::Pairs, window::is_word};

use super::checksum::is_date;

const TIME_WORDS: &[&str] = &[
    "date",
    "day",
    "time",
    "on",
    "datum",
    "tag",
    "jour",
    "fecha",
    "día",
    "data",
    "giorno",
    "dia",
    "dzień",
    "日付",
    "日時",
    "timestamp",
    "when",
    "today",
    "expires",
    "expiry",
    "valid",
    "since",
    "until",
];

const BIRTH_WORDS: &[&str] = &[
    "born",
    "birth",
    "birthday",
    "birthdate",
    "dateofbirth",
    "dob",
    "bday",
    "geboren",
    "geburtsdatum",
    "geburtstag",
    "geb",
    "naissance",
    "né",
    "née",
    "anniversaire",
    "nacimiento",
    "nacido",
    "nacida",
    "cumpleaños",
    "nascita",
    "nato",
    "nata",
    "compleanno",
    "nascimento",
    "nascido",
    "nascida",
    "aniversário",
    "geboortedatum",
    "geboorte",
    "verjaardag",
    "urodzenia",
    "urodzony",
    "urodzona",
    "ur",
    "生年月日",
    "誕生日",
    "生まれ",
];

/// The longest: a day with a time to nanoseconds and a zone.
const MAX_LEN: usize = 48;

const NUMBERS: &[Anchor] = &[
    Anchor::Number { first: (1, 4), then: b"-./ \xE5", digits: 3 },
    Anchor::Number { first: (1, 2), then: b" -.snrt", digits: 1 },
];
/// A month comes first in English only.
const NAMED: &[Anchor] = &[
    Anchor::Number { first: (1, 2), then: b" .-/n", digits: 1 },
    Anchor::Literals(&[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]),
];

pub(crate) const ROWS: &[Recognizer] = &[
    Recognizer {
        entity: Entity::DATE_OF_BIRTH,
        finds: "a day written in numbers, beside a word for a birth",
        starts: |b| b.is_ascii_digit(),
        anchors: NUMBERS,
        check: numbers,
        score: 0.3,
        context: BIRTH_WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &[
            "born on 7/14/1995",
            "DOB: 1984-03-09",
            "geboren am 3.4.1971",
            "生年月日 1990年5月1日",
        ],
        no: &["7/14/1995", "DOB: 1984-13-09", "born 1995"],
    },
    Recognizer {
        entity: Entity::DATE_OF_BIRTH,
        finds: "a day with the name of its month, beside a word for a birth",
        starts: |b| b.is_ascii_digit() || b"JFMASONDjfmasond".contains(&b),
        anchors: NAMED,
        check: named,
        score: 0.3,
        context: BIRTH_WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &["born May 1st, 1977", "née le 3 février 1980", "geboren am 12. März 1969"],
        no: &["May 1st, 1977", "born in May"],
    },
    Recognizer {
        entity: Entity::DATE_TIME,
        finds: "a day, with a time of day or without",
        starts: |b| b.is_ascii_digit(),
        anchors: NUMBERS,
        check: numbers,
        score: 0.6,
        context: TIME_WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &[
            "5-20-2021",
            "21.5.21",
            "2024-06-05T09:15:30.500-07:00",
            "2000-04-16 11:34:35",
            "1990年5月1日",
        ],
        no: &["21.13.21", "2024-13-05", "1.2.3.4", "5-20-2021-7", "33/33/21"],
    },
    Recognizer {
        entity: Entity::DATE_TIME,
        finds: "a day with the name of its month",
        starts: |b| b.is_ascii_digit() || b"JFMASONDjfmasond".contains(&b),
        anchors: NAMED,
        check: named,
        score: 0.6,
        context: TIME_WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &["May 1st, 1977", "05-May", "1 janvier 2020", "12. März 1969", "3 de mayo de 2021"],
        no: &["May I ask", "5 Maypoles", "in May"],
    },
    Recognizer {
        entity: Entity::DATE_TIME,
        finds: "a month and a day or a year, beside a word",
        starts: |b| b.is_ascii_digit(),
        anchors: &[Anchor::Number { first: (1, 2), then: b"/", digits: 2 }],
        check: month_and_other,
        score: 0.15,
        context: TIME_WORDS,
        against: &[],
        max_len: 12,
        yes: &["expires 05/21", "Today is 5/21", "date 05/2021"],
        no: &["5/21", "date 15/41", "date 05/2021/7"],
    },
];

/// A day in numbers: year first, or last, or in two digits; or with the characters of East Asia.
fn numbers(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if !digits::may_begin(window, at) || window.before(at, 1) == Some(b'/') {
        return Ok(None);
    }
    let Some((end, iso)) = day(window, at)? else { return Ok(None) };
    let end = if iso { time(window, end)? } else { end };
    let joined = window.is(end, |b| b == b'/')? && window.is(end + 1, |b| b.is_ascii_digit())?;
    Ok((!joined && digits::may_end(window, end)?).then_some(End::At(end)))
}

/// The end of a day, and whether it is written year first.
fn day(window: &Window<'_>, at: usize) -> Peek<Option<(usize, bool)>> {
    let first = digits::run(window, at, 5)?;
    if first == 4
        && let Some(end) = east_asian(window, at)?
    {
        return Ok(Some((end, false)));
    }
    let Some(separator) = window.byte(at + first)?.filter(|b| matches!(b, b'-' | b'.' | b'/'))
    else {
        return Ok(None);
    };
    let second_at = at + first + 1;
    let second = digits::run(window, second_at, 3)?;
    let third_at = second_at + second + 1;
    if !(1..=2).contains(&second) || window.byte(third_at - 1)? != Some(separator) {
        return Ok(None);
    }
    let third = digits::run(window, third_at, 5)?;
    let part =
        |at: usize, length: usize| u32::try_from(digits::number(window, at, at + length)).ok();
    let [a, b, c] = [part(at, first), part(second_at, second), part(third_at, third)];
    let century = |year: Option<u32>| year.filter(|year| (1850..2100).contains(year));
    let sound = match (first, third) {
        (4, 1..=2) => century(a).is_some() && is_date(a, b, c),
        (1..=2, 4) => century(c).is_some() && (is_date(c, a, b) || is_date(c, b, a)),
        // Three small numbers with points are a version more often than a day.
        (1..=2, 2) if separator == b'.' => first + second > 2 && is_date(None, b, a),
        (1..=2, 2) => is_date(None, a, b) || is_date(None, b, a),
        _ => false,
    };
    Ok(sound.then_some((third_at + third, first == 4)))
}

/// `1990年5月1日`
fn east_asian(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let mut end = at + 4;
    for mark in ["年", "月", "日"] {
        if !window.starts_with(end, mark.as_bytes())? {
            return Ok(None);
        }
        end += mark.len();
        if mark != "日" {
            let length = digits::run(window, end, 3)?;
            if !(1..=2).contains(&length) {
                return Ok(None);
            }
            end += length;
        }
    }
    Ok(Some(end))
}

/// Behind the time of day and the zone that follow a day at `end`, if they do.
fn time(window: &Window<'_>, end: usize) -> Peek<usize> {
    let gap = window.is(end, |b| matches!(b, b'T' | b't' | b' ' | b'_'))?;
    let hour = end + 1;
    let colon = |at: usize| window.is(at, |b| b == b':');
    if !gap
        || digits::run(window, hour, 3)? != 2
        || !colon(hour + 2)?
        || digits::run(window, hour + 3, 3)? != 2
    {
        return Ok(end);
    }
    let mut stop = hour + 5;
    if colon(stop)? && digits::run(window, stop + 1, 3)? == 2 {
        stop += 3;
        if window.is(stop, |b| matches!(b, b'.' | b','))? {
            let fraction = digits::run(window, stop + 1, 10)?;
            stop += if fraction > 0 { 1 + fraction } else { 0 };
        }
    }
    zone(window, stop)
}

fn zone(window: &Window<'_>, end: usize) -> Peek<usize> {
    match window.byte(end)? {
        Some(b'Z' | b'z') => Ok(end + 1),
        Some(b'+' | b'-') if digits::run(window, end + 1, 5)? == 4 => Ok(end + 5),
        Some(b'+' | b'-') if digits::run(window, end + 1, 3)? == 2 => {
            let minutes =
                window.is(end + 3, |b| b == b':')? && digits::run(window, end + 4, 3)? == 2;
            Ok(end + if minutes { 6 } else { 3 })
        }
        _ => Ok(end),
    }
}

/// The months in English, and their short forms.
const ENGLISH: &[&str] = &[
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
    "jan",
    "feb",
    "mar",
    "apr",
    "jun",
    "jul",
    "aug",
    "sep",
    "sept",
    "oct",
    "nov",
    "dec",
];

/// Those in German, French, Spanish, Italian, Portuguese, Dutch and Polish.
const MONTHS: &[&str] = &[
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "okt",
    "dez",
    "janvier",
    "février",
    "fevrier",
    "mars",
    "avril",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "decembre",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "gennaio",
    "febbraio",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
    "janeiro",
    "fevereiro",
    "março",
    "maio",
    "junho",
    "julho",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
    "januari",
    "februari",
    "maart",
    "mei",
    "augustus",
    "stycznia",
    "lutego",
    "marca",
    "kwietnia",
    "maja",
    "czerwca",
    "lipca",
    "sierpnia",
    "września",
    "października",
    "listopada",
    "grudnia",
];

const MAX_MONTH: usize = 14;

/// `May 1st, 1977`, `1 May 1977`, `05-May`, `3 de mayo de 2021`.
fn named(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(|b| is_word(b) || b >= 0x80) {
        return Ok(None);
    }
    let end = if window.is(at, |b| b.is_ascii_digit())? {
        day_first(window, at)?
    } else {
        month_first(window, at)?
    };
    let Some(end) = end else { return Ok(None) };
    Ok((!window.is(end, is_word)?).then_some(End::At(end)))
}

fn month_first(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let Some(end) = month(window, at, &[ENGLISH])? else { return Ok(None) };
    let gap = window.count(end, 2, |b| matches!(b, b' ' | b'.' | b'-'))?;
    let Some(end) = day_number(window, end + gap)?.filter(|_| gap > 0) else { return Ok(None) };
    let year = window.count(end, 2, |b| matches!(b, b',' | b' ' | b'-'))?;
    Ok(Some(if year > 0 && is_year(window, end + year)? { end + year + 4 } else { end }))
}

fn day_first(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let Some(end) = day_number(window, at)? else { return Ok(None) };
    let gap = window.count(end, 2, |b| matches!(b, b' ' | b'.' | b'-' | b'/'))?;
    let of = end + gap + linking(window, end + gap)?;
    let Some(end) = month(window, of, &[ENGLISH, MONTHS])?.filter(|_| gap > 0) else {
        return Ok(None);
    };
    let gap = window.count(end, 2, |b| matches!(b, b',' | b' ' | b'.' | b'-' | b'/'))?;
    let year = end + gap + linking(window, end + gap)?;
    Ok(Some(if gap > 0 && is_year(window, year)? { year + 4 } else { end }))
}

/// The length of `of ` or `de ` at `at`.
fn linking(window: &Window<'_>, at: usize) -> Peek<usize> {
    let links = window.starts_with(at, b"of ")? || window.starts_with(at, b"de ")?;
    Ok(if links { 3 } else { 0 })
}

/// The end of a number from 1 to 31, with its ending if it has one.
fn day_number(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let length = digits::run(window, at, 3)?;
    let end = at + length;
    if !(1..=2).contains(&length) || !(1..=31).contains(&digits::number(window, at, end)) {
        return Ok(None);
    }
    for ending in [b"st".as_slice(), b"nd", b"rd", b"th", b"er"] {
        if window.starts_with(end, ending)? {
            return Ok(Some(end + ending.len()));
        }
    }
    Ok(Some(end))
}

fn is_year(window: &Window<'_>, at: usize) -> Peek<bool> {
    let year = digits::run(window, at, 5)? == 4;
    Ok(year && (1850..2100).contains(&digits::number(window, at, at + 4)))
}

static MONTH_BEGINNINGS: LazyLock<Pairs> =
    LazyLock::new(|| Pairs::of_beginnings(ENGLISH.iter().chain(MONTHS).copied()));

/// The end of the name of a month at `at`.
fn month(window: &Window<'_>, at: usize, names: &[&[&str]]) -> Peek<Option<usize>> {
    let length = window.count(at, MAX_MONTH, |b| b.is_ascii_alphabetic() || b >= 0x80)?;
    let text = window.bytes().get(at..at + length).unwrap_or_default();
    let begins_some = match text {
        [first, second, ..] => MONTH_BEGINNINGS.has((*first, *second)),
        _ => false,
    };
    if !begins_some {
        return Ok(None);
    }
    let same = |month: &&str| text.eq_ignore_ascii_case(month.as_bytes());
    let known = names.iter().any(|names| names.iter().any(same));
    Ok(known.then_some(at + length))
}

/// `5/21`, `05/2021`
fn month_and_other(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let first = digits::run(window, at, 3)?;
    let other = at + first + 1;
    if !digits::may_begin(window, at)
        || window.before(at, 1) == Some(b'/')
        || !(1..=2).contains(&first)
        || !window.is(other - 1, |b| b == b'/')?
    {
        return Ok(None);
    }
    let second = digits::run(window, other, 5)?;
    let month = u32::try_from(digits::number(window, at, other - 1)).ok();
    let value = u32::try_from(digits::number(window, other, other + second)).ok();
    let sound = match second {
        1 | 2 => {
            is_date(None, month, value)
                || is_date(None, value, month)
                || (second == 2 && is_date(None, month, Some(1)))
        }
        4 => {
            value.is_some_and(|year| (1900..2100).contains(&year)) && is_date(None, month, Some(1))
        }
        _ => false,
    };
    let end = other + second;
    let joined = window.is(end, |b| b == b'/')? && window.is(end + 1, |b| b.is_ascii_digit())?;
    Ok((sound && !joined && digits::may_end(window, end)?).then_some(End::At(end)))
}
