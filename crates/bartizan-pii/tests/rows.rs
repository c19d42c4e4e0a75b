//! Do the rows keep what they promise to streams? With everything looked for at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

use bartizan_pii::{Action, Config, Masker, RECOGNIZERS, Scanner};

fn masker() -> Masker {
    let config =
        Config { entities: Some(Config::all_entities()), min_confidence: 0.2, ..Config::default() };
    Masker::new(Scanner::new(&config).unwrap().into(), Action::Replace)
}

/// What comes out of a stream that is fed these pieces, and the most that it held back.
fn streamed<'p>(masker: &Masker, pieces: impl Iterator<Item = &'p [u8]>) -> (String, usize) {
    let (mut stream, mut out, mut held) = (masker.stream(), Vec::new(), 0);
    for piece in pieces {
        stream.feed(piece, &mut out);
        held = held.max(stream.held());
    }
    stream.finish(&mut out);
    (String::from_utf8(out).unwrap(), held)
}

fn examples() -> impl Iterator<Item = &'static str> {
    RECOGNIZERS.iter().flat_map(|row| row.yes.iter().chain(row.no)).copied()
}

#[test]
fn every_example_comes_out_of_a_stream_as_it_does_of_a_whole() {
    let masker = masker();
    for example in examples() {
        let text = format!("so: {example}, and on");
        let whole = masker.mask_text(&text).text.into_owned();
        let bytes = text.as_bytes();
        for size in [1, 2, 3, 7, 11] {
            assert_eq!(streamed(&masker, bytes.chunks(size)).0, whole, "by {size}: {text:?}");
        }
    }
}

#[test]
fn no_row_holds_back_more_than_it_says() {
    let masker = masker();
    let most = RECOGNIZERS.iter().map(|row| row.max_len).max().unwrap();
    let all: String = examples().collect::<Vec<_>>().join(" ");
    let (_, held) = streamed(&masker, all.as_bytes().chunks(1));
    assert!(held <= most, "{held} bytes were held back, {most} are stated");
}
