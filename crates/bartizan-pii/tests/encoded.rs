//! Is a value found in base64 wherever it stands in it, and however that is wrapped?
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::sync::LazyLock;

use bartizan_pii::{Action, Config, Masker, Scanner};

const VALUE: &str = "ann.leak@example.org";

static MASKER: LazyLock<Masker> =
    LazyLock::new(|| Masker::new(Scanner::new(&Config::default()).unwrap().into(), Action::MASK));

/// RFC 4648, section 4.
fn base64(text: &str) -> String {
    let alphabet: Vec<u8> =
        (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0, |bits, place| {
            bits << 8 | u32::from(chunk.get(place).copied().unwrap_or_default())
        });
        for place in 0..4 {
            let letter = alphabet[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

fn wrapped(text: &str, columns: usize, separator: &str) -> String {
    let word = base64(text).into_bytes();
    let lines = word.chunks(columns).map(|line| String::from_utf8(line.to_vec()).unwrap());
    lines.collect::<Vec<_>>().join(separator)
}

/// Whether nothing of the value is left: of all letters that say its bytes none stands there.
fn is_gone(text: &str, encoded: &str, masked: &str) -> bool {
    let start = text.find(VALUE).unwrap();
    let letters = start * 4 / 3..(start + VALUE.len()) * 4 / 3;
    let places = encoded.char_indices().filter(|(_, letter)| !letter.is_whitespace());
    let mut said = places.enumerate().filter(|(nth, _)| letters.contains(nth));
    encoded.len() == masked.len() && said.all(|(_, (place, _))| masked.as_bytes()[place] == b'*')
}

fn streamed(text: &str, cut: usize) -> String {
    let (mut stream, mut out) = (MASKER.stream(), Vec::new());
    stream.feed(&text.as_bytes()[..cut], &mut out);
    stream.feed(&text.as_bytes()[cut..], &mut out);
    stream.finish(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_value_behind_much_that_says_nothing_is_found() {
    for before in [0, 1, 300, 383, 384, 385, 600, 2000, 6000] {
        let text = format!("{} {VALUE} bye", "x ".repeat(before / 2));
        let encoded = base64(&text);
        let masked = MASKER.mask_text(&encoded).text.into_owned();
        assert!(is_gone(&text, &encoded.replace('=', "A"), &masked.replace('=', "*")), "{before}");
        for cut in (0..encoded.len()).step_by(encoded.len() / 40 + 1) {
            assert_eq!(streamed(&encoded, cut), masked, "{before} {cut}");
        }
    }
}

#[test]
fn a_value_that_crosses_the_end_of_a_line_is_found() {
    for (columns, separator) in [(76, "\r\n"), (76, "\n"), (64, "\n    ")] {
        for before in 0..180 {
            let text = format!(
                "{}{VALUE} and more of it until the end",
                "hello ".repeat(30)[..before].to_owned() + " "
            );
            let encoded = wrapped(&text, columns, separator);
            let masked = MASKER.mask_text(&encoded).text.into_owned();
            assert!(is_gone(&text, &encoded, &masked), "{columns} {before}: {masked}");
            if before % 20 == 0 {
                for cut in 0..encoded.len() {
                    assert_eq!(streamed(&encoded, cut), masked, "{before} {cut}");
                }
            }
        }
    }
}

#[test]
fn what_stands_in_the_line_behind_stays() {
    let encoded = wrapped(&format!("{} {VALUE}", "hello ".repeat(15)), 76, "\n");
    let text = format!("{encoded}\n\nRegards,\nAnn");
    let masked = MASKER.mask_text(&text).text.into_owned();
    assert!(masked.ends_with("*\n\nRegards,\nAnn"), "{masked}");
    let line = base64(&format!("{VALUE} {}", "x".repeat(36)));
    let text = format!("{line}\nRegards from all of us");
    assert!(MASKER.mask_text(&text).text.ends_with("*\nRegards from all of us"));
}
