//! Does a masked document stay JSON, is JSON alone masked as JSON, and does a tokenised one come back?
#![no_main]

use std::sync::{Arc, LazyLock};

use bartizan_pii::{Action, Config, Key, Masker, Scanner, Vault};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static MASKERS: LazyLock<[Masker; 4]> = LazyLock::new(|| {
    let scanner = Arc::new(Scanner::new(&Config::default()).unwrap());
    let key = Key::new(&[7; 32]).unwrap();
    [Action::MASK, Action::Redact, Action::Encrypt(key), Action::Tokenise]
        .map(|action| Masker::new(Arc::clone(&scanner), action))
});

fuzz_target!(|input: &[u8]| {
    let document = serde_json::from_slice::<Value>(input);
    for masker in &*MASKERS {
        let mut vault = Vault::new(7);
        let Ok(masked) = masker.mask_json_into(input, &mut vault) else { continue };
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&masked.bytes).is_ok());
        if masked.findings.is_empty() {
            assert_eq!(&*masked.bytes, input);
        }
        // An input that knows the letters of this vault could write placeholders of its own.
        let knows = String::from_utf8_lossy(input).contains("HAAAAAAA") || input.contains(&b'\\');
        if masker.tokenises() && !knows {
            let restored = vault.restore_json(&masked.bytes);
            assert_eq!(
                serde_json::from_slice::<Value>(&restored).ok(),
                document.as_ref().ok().cloned()
            );
        }
    }
});
