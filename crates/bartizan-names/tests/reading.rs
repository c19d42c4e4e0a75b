//! Does the reader read as the library does that models are taught with, and are places whole words?
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

use bartizan_names::reader::{MAX_WORD, Reader};
use bartizan_names::window::{PIECES, windows};
use proptest::prelude::*;
use serde::Deserialize;

/// What `pieces/record.py` wrote.
#[derive(Deserialize)]
struct Recorded {
    vocabulary: Vec<String>,
    readings: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    plain: bool,
    text: String,
    pieces: Vec<i64>,
    /// Of each piece, in bytes.
    places: Vec<(usize, usize)>,
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("pieces/recorded.json")).unwrap()
}

fn reader(plain: bool) -> Reader {
    Reader::new(&recorded().vocabulary.join("\n"), plain).unwrap()
}

#[test]
fn pieces_are_those_of_the_library_and_each_stands_within_its_word() {
    let recorded = recorded();
    for Row { plain, text, pieces, places } in recorded.readings {
        let read = reader(plain).read(&text);
        assert_eq!(read.pieces, pieces, "{text:?}, plain: {plain}");
        for word in read.words {
            let inside =
                |place: &(usize, usize)| word.place.start <= place.0 && place.1 <= word.place.end;
            let theirs = &places[word.pieces.clone()];
            assert!(theirs.iter().all(inside), "{text:?}: {word:?} {theirs:?}");
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-zA-Z]{1,12}",
        "[ \n\t,.'_@-]{1,3}",
        "\\PC{1,6}",
        "[\u{200b}\u{301}\u{ad}é東가ßẞİ\u{37e}]{1,4}",
        "[a-z]{95,130}",
    ];
    proptest::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_place_is_a_whole_word_of_the_original_however_windows_are_cut(
        text in texts(), plain in any::<bool>()
    ) {
        let read = reader(plain).read(&text);
        let (mut end, mut pieces) = (0, 0);
        for word in &read.words {
            // Slicing panics where a place is not between two characters.
            prop_assert!(!text[word.place.clone()].is_empty());
            prop_assert!(end <= word.place.start, "words overlap");
            prop_assert_eq!(word.pieces.start, pieces);
            prop_assert!((1..=MAX_WORD).contains(&word.pieces.len()));
            let (before, behind) = (&text[..word.place.start], &text[word.place.end..]);
            let (first, last) = (before.chars().last(), behind.chars().next());
            let word_of_letters = text[word.place.clone()].chars().all(|c| c.is_ascii_alphanumeric());
            let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            prop_assert!(!(word_of_letters && (goes_on(first) || goes_on(last))), "a word was cut");
            (end, pieces) = (word.place.end, word.pieces.end);
        }
        prop_assert_eq!(pieces, read.pieces.len());
        for window in windows(&read.words) {
            let shown = &read.words[window.shown];
            prop_assert!(shown.iter().map(|word| word.pieces.len()).sum::<usize>() <= PIECES);
        }
    }
}
