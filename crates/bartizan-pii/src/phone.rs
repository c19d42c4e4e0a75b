//! Is this a telephone number?
//!
//! Three forms, from sure to unsure: international (ITU-T E.164, `+` and a country code),
//! North American with separators (the numbering plan's digits), and national in any grouping,
//! which counts only beside a word such as `phone`. An extension belongs to the number.

use crate::{End, Peek, Window, digits, window::is_word};

/// Fifteen digits, two bytes between any two of them, and an extension.
pub(crate) const MAX_LEN: usize = 16 + 15 * 2 + 12;

/// The country codes in use (ITU-T E.164) with the fewest and the most digits that follow in the
/// country's numbering plan. Zeros in parentheses (`+46 (0)8`) are not counted.
const COUNTRIES: &[(u16, usize, usize)] = &[
    (1, 10, 10),
    (7, 10, 10),
    (20, 8, 10),
    (27, 9, 9),
    (30, 10, 10),
    (31, 9, 9),
    (32, 8, 9),
    (33, 9, 9),
    (34, 9, 9),
    (36, 8, 9),
    (39, 6, 11),
    (40, 9, 9),
    (41, 9, 9),
    (43, 6, 13),
    (44, 9, 10),
    (45, 8, 8),
    (46, 7, 10),
    (47, 8, 8),
    (48, 9, 9),
    (49, 6, 12),
    (51, 8, 9),
    (52, 10, 11),
    (53, 6, 8),
    (54, 10, 11),
    (55, 10, 11),
    (56, 9, 9),
    (57, 8, 10),
    (58, 10, 10),
    (60, 8, 10),
    (61, 9, 9),
    (62, 8, 12),
    (63, 8, 10),
    (64, 8, 10),
    (65, 8, 8),
    (66, 8, 9),
    (81, 9, 10),
    (82, 8, 10),
    (84, 9, 10),
    (86, 9, 11),
    (90, 10, 10),
    (91, 10, 10),
    (92, 9, 10),
    (93, 9, 9),
    (94, 9, 9),
    (95, 7, 10),
    (98, 10, 10),
    (211, 9, 9),
    (212, 9, 9),
    (213, 8, 9),
    (216, 8, 8),
    (218, 9, 9),
    (220, 7, 9),
    (221, 9, 9),
    (222, 8, 8),
    (223, 8, 8),
    (224, 8, 9),
    (225, 10, 10),
    (226, 8, 8),
    (227, 8, 8),
    (228, 8, 8),
    (229, 10, 10),
    (230, 7, 10),
    (231, 7, 9),
    (232, 8, 8),
    (233, 8, 9),
    (234, 10, 12),
    (235, 8, 8),
    (236, 8, 8),
    (237, 8, 9),
    (238, 7, 7),
    (239, 7, 7),
    (240, 9, 9),
    (241, 7, 8),
    (242, 9, 9),
    (243, 7, 10),
    (244, 9, 9),
    (245, 7, 9),
    (246, 7, 7),
    (247, 5, 6),
    (248, 7, 7),
    (249, 9, 9),
    (250, 8, 9),
    (251, 9, 9),
    (252, 6, 9),
    (253, 8, 8),
    (254, 7, 10),
    (255, 9, 9),
    (256, 9, 9),
    (257, 8, 8),
    (258, 8, 9),
    (260, 9, 9),
    (261, 9, 9),
    (262, 9, 9),
    (263, 7, 10),
    (264, 8, 9),
    (265, 7, 9),
    (266, 8, 8),
    (267, 7, 10),
    (268, 8, 9),
    (269, 7, 7),
    (290, 5, 5),
    (291, 7, 7),
    (297, 7, 7),
    (298, 6, 6),
    (299, 6, 6),
    (350, 8, 8),
    (351, 9, 9),
    (352, 5, 11),
    (353, 7, 10),
    (354, 7, 9),
    (355, 6, 9),
    (356, 8, 8),
    (357, 8, 8),
    (358, 5, 12),
    (359, 6, 12),
    (370, 8, 8),
    (371, 8, 8),
    (372, 7, 8),
    (373, 8, 8),
    (374, 8, 8),
    (375, 6, 11),
    (376, 6, 9),
    (377, 8, 9),
    (378, 8, 10),
    (380, 9, 9),
    (381, 6, 12),
    (382, 8, 9),
    (383, 8, 12),
    (385, 8, 9),
    (386, 6, 8),
    (387, 8, 9),
    (389, 8, 8),
    (420, 9, 9),
    (421, 9, 9),
    (423, 7, 9),
    (500, 5, 5),
    (501, 7, 11),
    (502, 8, 11),
    (503, 7, 11),
    (504, 8, 11),
    (505, 8, 8),
    (506, 8, 10),
    (507, 7, 11),
    (508, 6, 9),
    (509, 8, 8),
    (590, 9, 9),
    (591, 8, 9),
    (592, 7, 7),
    (593, 8, 11),
    (594, 9, 9),
    (595, 6, 11),
    (596, 9, 9),
    (597, 6, 7),
    (598, 6, 12),
    (599, 7, 8),
    (670, 7, 8),
    (672, 6, 6),
    (673, 7, 7),
    (674, 7, 7),
    (675, 7, 8),
    (676, 5, 7),
    (677, 5, 7),
    (678, 5, 7),
    (679, 7, 11),
    (680, 7, 7),
    (681, 6, 9),
    (682, 5, 5),
    (683, 5, 7),
    (685, 5, 10),
    (686, 5, 8),
    (687, 6, 6),
    (688, 5, 7),
    (689, 6, 9),
    (690, 5, 7),
    (691, 7, 7),
    (692, 7, 7),
    (800, 8, 8),
    (808, 8, 8),
    (850, 8, 10),
    (852, 8, 8),
    (853, 7, 8),
    (855, 8, 10),
    (856, 8, 10),
    (870, 9, 12),
    (878, 12, 12),
    (880, 6, 10),
    (881, 9, 10),
    (882, 7, 12),
    (883, 8, 12),
    (886, 8, 9),
    (888, 11, 11),
    (960, 7, 10),
    (961, 7, 8),
    (962, 8, 9),
    (963, 8, 9),
    (964, 8, 10),
    (965, 7, 8),
    (966, 8, 9),
    (967, 7, 9),
    (968, 7, 9),
    (970, 8, 10),
    (971, 8, 9),
    (972, 8, 9),
    (973, 8, 8),
    (974, 7, 11),
    (975, 7, 8),
    (976, 8, 10),
    (977, 8, 11),
    (979, 9, 9),
    (992, 9, 9),
    (993, 8, 8),
    (994, 9, 9),
    (995, 9, 9),
    (996, 9, 10),
    (998, 9, 9),
];

/// Words that say what the number before them is.
const LABELS: &[&str] = &[
    "office",
    "fax",
    "mobile",
    "cell",
    "home",
    "work",
    "phone",
    "tel",
    "direct",
    "landline",
    "handy",
    "mobil",
    "privat",
    "bureau",
    "portable",
    "oficina",
    "ufficio",
    "cellulare",
    "thuis",
    "werk",
    "praca",
];

/// The first two digits of the country codes that have three (ITU-T, list of 2024).
const THREE_DIGITS: &[u16] =
    &[21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99];

/// A country code's digits, then this many at least, where the table says nothing narrower.
const FEWEST: usize = 6;
/// What may stand behind the first group of a number.
pub(crate) const GAPS: &[u8] = b" -.()/";
/// Nobody writes a number in more groups.
const MOST_GROUPS: usize = 6;
/// Of fifteen digits beside a word for a telephone most are the number of the device.
const LONGEST_WITHOUT_SIGN: usize = 14;
/// E.164, section 6.1: fifteen digits with the country code.
const MOST: usize = 15;

pub(crate) fn international(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let first = at + 1;
    let after_digit = window.before(at, 1).is_some_and(is_word);
    if after_digit || !window.is(first, |b| matches!(b, b'1'..=b'9'))? {
        return Ok(None);
    }
    let Some((code, fewest, most)) = country(window, first)? else { return Ok(None) };
    let reading = read(window, first, code + most)?;
    if reading.digits < code + fewest {
        return Ok(None);
    }
    finish(window, reading.end)
}

pub(crate) fn north_american(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if !digits::may_begin(window, at) {
        return Ok(None);
    }
    let area = trunk(window, at)?;
    let parenthesis = window.is(area, |b| b == b'(')?;
    let area = area + usize::from(parenthesis);
    if !code(window, area)? {
        return Ok(None);
    }
    let mut exchange = area + 3;
    if parenthesis {
        if !window.is(exchange, |b| b == b')')? {
            return Ok(None);
        }
        exchange += 1;
    }
    let gap = usize::from(window.is(exchange, is_gap)?);
    if (gap == 0 && !parenthesis) || !code(window, exchange + gap)? {
        return Ok(None);
    }
    let line = exchange + gap + 3;
    if !window.is(line, is_gap)? || digits::run(window, line + 1, 5)? != 4 {
        return Ok(None);
    }
    finish(window, line + 5)
}

pub(crate) fn national(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    if let Some(found) = digits::floating(window, at, 7, |digits| grouped(digits, 0))? {
        return Ok(Some(found));
    }
    grouped(window, at)
}

fn grouped(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let parenthesis = window.is(at, |b| b == b'(')?;
    let first = at + usize::from(parenthesis);
    if !digits::may_begin(window, at) || !window.is(first, |b| b.is_ascii_digit())? {
        return Ok(None);
    }
    let reading = read(window, first, 12)?;
    if reading.digits < 7 {
        return if parenthesis { Ok(None) } else { without_sign(window, at) };
    }
    if is_date(window, first)? {
        return Ok(None);
    }
    finish(window, reading.end)
}

/// A number in international form without its sign, as it is kept where only digits may be: too long for
/// a national one, and as long as its country has them.
fn without_sign(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    let length = digits::run(window, at, LONGEST_WITHOUT_SIGN + 1)?;
    if !(13..=LONGEST_WITHOUT_SIGN).contains(&length) {
        return Ok(None);
    }
    let Some((code, fewest, most)) = country(window, at)? else { return Ok(None) };
    let fits = (code + fewest..=code + most).contains(&length);
    Ok((fits && digits::may_end(window, at + length)?).then_some(End::At(at + length)))
}

/// The longest label and what stands before it.
pub(crate) const MAX_LABEL: usize = 12;

/// A national number before a label.
pub(crate) fn labelled(window: &Window<'_>, at: usize) -> Peek<Option<End>> {
    // One digit, or two and a space, are a count in any prose: a stream need not wait for them.
    let first = digits::run(window, at, 3)?;
    let joined = |at| window.is(at, |b| matches!(b, b'-' | b'.' | b'/'));
    if first == 1 || (first == 2 && !joined(at + 2)?) {
        return Ok(None);
    }
    // Of what is left most ends with another mark than stands before a label, or an extension.
    let number = at + usize::from(window.is(at, |b| b == b'(')?);
    let reading = read(window, number, 12)?;
    let goes_on = |b| matches!(b, b' ' | b'-' | b'(' | b'x' | b'e');
    if reading.digits < 7 || !window.is(reading.end, goes_on)? {
        return Ok(None);
    }
    let Some(End::At(end)) = national(window, at)? else { return Ok(None) };
    let gap = window.count(end, 2, |b| matches!(b, b' ' | b'-' | b'('))?;
    let label = end + gap;
    let length = window.count(label, MAX_LABEL - 2, |b| b.is_ascii_alphabetic())?;
    let text = window.bytes().get(label..label + length).unwrap_or_default();
    let known = LABELS.iter().any(|known| text.eq_ignore_ascii_case(known.as_bytes()));
    Ok((gap > 0 && known).then_some(End::At(end)))
}

/// Behind a leading `1` or `001` and its separator, if they stand there.
fn trunk(window: &Window<'_>, at: usize) -> Peek<usize> {
    for prefix in [b"1".as_slice(), b"001"] {
        if window.starts_with(at, prefix)? && window.is(at + prefix.len(), is_gap)? {
            return Ok(at + prefix.len() + 1);
        }
    }
    Ok(at)
}

/// Area and exchange codes have three digits, the first 2 to 9 (NANPA).
fn code(window: &Window<'_>, at: usize) -> Peek<bool> {
    Ok(window.is(at, |b| matches!(b, b'2'..=b'9'))? && digits::run(window, at, 4)? == 3)
}

/// The length of the country code at `at`, and the bounds of what follows it.
fn country(window: &Window<'_>, at: usize) -> Peek<Option<(usize, usize, usize)>> {
    let mut code = 0;
    for length in 1..=3 {
        let Some(digit) = window.byte(at + length - 1)?.filter(u8::is_ascii_digit) else {
            return Ok(None);
        };
        code = code * 10 + u16::from(digit - b'0');
        if let Ok(place) = COUNTRIES.binary_search_by_key(&code, |(known, ..)| *known)
            && let Some((_, fewest, most)) = COUNTRIES.get(place)
        {
            return Ok(Some((length, *fewest, *most)));
        }
    }
    let assigned = THREE_DIGITS.contains(&(code / 10));
    Ok(assigned.then_some((3, FEWEST, MOST - 3)))
}

/// How many digits stand at `at` in groups, at most `most` and only whole groups, and where they end.
pub(crate) fn groups(window: &Window<'_>, at: usize, most: usize) -> Peek<(usize, usize)> {
    read(window, at, most).map(|reading| (reading.digits, reading.end))
}

struct Reading {
    digits: usize,
    end: usize,
}

/// Reads groups of digits with up to two separators between, as many whole groups as fit `most`.
/// A first group that is longer counts as nothing.
fn read(window: &Window<'_>, at: usize, most: usize) -> Peek<Reading> {
    let mut reading = Reading { digits: 0, end: at };
    let mut next = at;
    for _ in 0..MOST_GROUPS {
        let group = digits::run(window, next, most + 1)?;
        if group == 0 || reading.digits + group > most {
            break;
        }
        reading = Reading { digits: reading.digits + group, end: next + group };
        let Some(after) = gap(window, reading.end)? else { break };
        next = after;
    }
    Ok(reading)
}

/// The place of the digit behind one or two separators, a zero in parentheses skipped.
fn gap(window: &Window<'_>, at: usize) -> Peek<Option<usize>> {
    let zero = at + usize::from(window.is(at, |b| b == b' ')?);
    if window.is(zero, |b| b == b'(')? && window.starts_with(zero, b"(0)")? {
        let next = zero + 3 + usize::from(window.is(zero + 3, |b| b == b' ')?);
        return Ok(window.is(next, |b| b.is_ascii_digit())?.then_some(next));
    }
    let separator = |b| is_gap(b) || matches!(b, b'(' | b')' | b'/');
    match window.count(at, 3, separator)? {
        width @ 1..=2 if window.is(at + width, |b| b.is_ascii_digit())? => Ok(Some(at + width)),
        _ => Ok(None),
    }
}

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.')
}

/// `2024-05-17`, `17.05.2024` and the like.
pub(crate) fn is_date(window: &Window<'_>, at: usize) -> Peek<bool> {
    let separator = |b| matches!(b, b'-' | b'.' | b'/' | b' ');
    let year_first = digits::run(window, at, 4)? == 4;
    let shape = if year_first { &[4, 2, 2] } else { &[2, 2, 4] };
    let Some(end) = digits::groups(window, at, shape, separator)? else { return Ok(false) };
    let number = digits::number(window, at, end);
    let year = if year_first { number / 10_000 } else { number % 10_000 };
    Ok((1900..2100).contains(&year))
}

/// The end of the number with its extension, if the text may go on like that.
pub(crate) fn finish(window: &Window<'_>, end: usize) -> Peek<Option<End>> {
    if let Some(extended) = extension(window, end)? {
        return Ok(Some(End::At(extended)));
    }
    Ok(digits::may_end(window, end)?.then_some(End::At(end)))
}

/// ` x12`, `x0135`, ` ext. 7`: one to six digits.
fn extension(window: &Window<'_>, end: usize) -> Peek<Option<usize>> {
    let start = end + usize::from(window.is(end, |b| b == b' ')?);
    for mark in [b"ext. ".as_slice(), b"ext.", b"ext ", b"ext", b"x"] {
        if window.starts_with(start, mark)? {
            let number = start + mark.len();
            let length = digits::run(window, number, 7)?;
            let stop = number + length;
            let sound = (1..=6).contains(&length) && !window.is(stop, is_word)?;
            return Ok(sound.then_some(stop));
        }
    }
    Ok(None)
}
