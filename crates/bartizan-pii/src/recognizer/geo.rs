//! Is this a place on Earth? Latitude and longitude in degrees with decimals.

use crate::{Anchor, End, Entity, Peek, Recognizer, Window, digits, window::is_word};

const WORDS: &[&str] = &[
    "lat",
    "latitude",
    "lng",
    "lon",
    "longitude",
    "gps",
    "coordinates",
    "coords",
    "coordinate",
    "location",
    "position",
    "koordinaten",
    "standort",
    "breitengrad",
    "coordonnées",
    "coordenadas",
    "ubicación",
    "coordinate",
    "posizione",
    "localização",
    "coördinaten",
    "locatie",
    "współrzędne",
    "座標",
    "緯度",
];
const MAX_LEN: usize = 40;
/// The digits are those of the latitude, before the comma.
const ANCHORS: &[Anchor] = &[Anchor::Number { first: (1, 3), then: b".", digits: 3 }];

pub(crate) const ROWS: &[Recognizer] = &[
    Recognizer {
        entity: Entity::COORDINATES,
        finds: "latitude and longitude to ten metres or better",
        starts: |b| b.is_ascii_digit() || b == b'-' || b == b'+',
        anchors: ANCHORS,
        check: |window, at| pair(window, at, 4),
        score: 0.5,
        context: WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &["52.520008, 13.404954", "at -33.8688,151.2093."],
        no: &["91.520008, 13.404954", "1.5, 2.5", "52.520008, 213.404954"],
    },
    Recognizer {
        entity: Entity::COORDINATES,
        finds: "latitude and longitude to a kilometre, beside a word",
        starts: |b| b.is_ascii_digit() || b == b'-' || b == b'+',
        anchors: ANCHORS,
        check: |window, at| pair(window, at, 2),
        score: 0.2,
        context: WORDS,
        against: &[],
        max_len: MAX_LEN,
        yes: &["GPS 52.52, 13.40"],
        no: &["52.52, 13.40", "GPS 95.52, 13.40"],
    },
];

fn pair(window: &Window<'_>, at: usize, decimals: usize) -> Peek<Option<End>> {
    if window.before(at, 1).is_some_and(|b| is_word(b) || matches!(b, b'.' | b'-' | b'+')) {
        return Ok(None);
    }
    let Some(end) = degrees(window, at, 90, decimals)? else { return Ok(None) };
    let gap = window.count(end, 3, |b| matches!(b, b',' | b' ' | b';' | b'/'))?;
    if gap == 0 {
        return Ok(None);
    }
    let Some(end) = degrees(window, end + gap, 180, decimals)? else { return Ok(None) };
    Ok((!window.is(end, is_word)?).then_some(End::At(end)))
}

/// The end of a number of degrees within bounds, with so many decimals at least.
fn degrees(window: &Window<'_>, at: usize, most: u64, decimals: usize) -> Peek<Option<usize>> {
    let first = at + usize::from(window.is(at, |b| b == b'-' || b == b'+')?);
    let whole = digits::run(window, first, 4)?;
    let point = first + whole;
    if !(1..=3).contains(&whole) || !window.is(point, |b| b == b'.')? {
        return Ok(None);
    }
    let fraction = digits::run(window, point + 1, 12)?;
    let inside = digits::number(window, first, point) < most;
    Ok((inside && (decimals..12).contains(&fraction)).then_some(point + 1 + fraction))
}
