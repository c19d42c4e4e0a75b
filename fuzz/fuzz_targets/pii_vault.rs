//! Does every value come back, and nothing else change, wherever an answer is cut?
//!
//! The first byte says how long the pieces are.
#![no_main]

use std::sync::{Arc, LazyLock};

use bartizan_pii::{Action, Config, Key, Keyring, Masker, Restorer, Scanner, Spelling, Vault};
use libfuzzer_sys::fuzz_target;

static MASKER: LazyLock<Masker> = LazyLock::new(|| {
    Masker::new(Scanner::new(&Config::default()).unwrap().into(), Action::Tokenise)
});

fuzz_target!(|input: &[u8]| {
    let Some((length, text)) = input.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let mut vault = Vault::new(7);
    let tokenised = MASKER.mask_text_into(text, &mut vault).text.into_owned();
    let vault = Arc::new(vault);
    let whole = vault.restore_text(tokenised.as_bytes()).into_owned();
    // An input that knows the letters of this vault can write placeholders of its own.
    if !text.contains("HAAAAAAA") {
        assert_eq!(whole, text.as_bytes());
    }
    for spelling in [Spelling::Plain, Spelling::Json] {
        let (mut restorer, mut out) = (Restorer::new(Arc::clone(&vault), spelling), Vec::new());
        for piece in tokenised.as_bytes().chunks(usize::from(*length) + 1) {
            restorer.feed(piece, &mut out);
            assert!(restorer.held() < 80);
        }
        restorer.finish(&mut out);
        let mut at_once = Vec::new();
        let mut restorer = Restorer::new(Arc::clone(&vault), spelling);
        restorer.feed(tokenised.as_bytes(), &mut at_once);
        restorer.finish(&mut at_once);
        assert_eq!(out, at_once);
        assert!(spelling == Spelling::Json || out == whole);
    }
    // The same bytes as an answer to a key that has encrypted none of it.
    let key = Key::new(&[7; 32]).unwrap();
    let decrypted = Keyring::new([key]).decrypt_text(text.as_bytes());
    assert_eq!((decrypted.text.as_slice(), decrypted.opened), (text.as_bytes(), 0));
});
