//! Does a stream give what the whole gives, wherever it is cut, and nothing that the whole does not show?
//!
//! The first byte says what becomes of what is found, and how long the pieces are.
#![no_main]

use std::sync::{Arc, LazyLock};

use bartizan_pii::{Action, Config, Key, Masker, Scanner, report};
use libfuzzer_sys::fuzz_target;

static MASKERS: LazyLock<[Masker; 4]> = LazyLock::new(|| {
    let scanner = Arc::new(Scanner::new(&Config::default()).unwrap());
    let key = Key::new(&[7; 32]).unwrap();
    [Action::MASK, Action::Replace, Action::Hash(key.clone()), Action::EncryptDigits(key)]
        .map(|action| Masker::new(Arc::clone(&scanner), action))
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, text)) = input.split_first() else { return };
    let masker = &MASKERS[usize::from(choice % 4)];
    let whole = report::mask(masker, text).0;
    let (mut stream, mut out) = (masker.stream(), Vec::new());
    for piece in text.chunks(usize::from(choice / 4) + 1) {
        stream.feed(piece, &mut out);
        assert!(whole.starts_with(&out));
    }
    stream.finish(&mut out);
    assert_eq!(out, whole);
});
