//! Is a token ever believed that nobody signed?
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;

use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jwt::{Issuer, Token};
use bartizan_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// What another implementation signed, and the keys that it did it with.
struct Corpus {
    issuer: Issuer,
    keys: KeySet,
    now: Timestamp,
    /// What stands before the signature, in every token that counts.
    signed: HashSet<String>,
}

static CORPUS: LazyLock<Corpus> = LazyLock::new(|| {
    let corpus: Value =
        serde_json::from_str(include_str!("../../conformance/tokens/cases.json")).unwrap();
    let text = |name: &str| corpus[name].as_str().unwrap();
    let good = corpus["cases"].as_array().unwrap().iter().filter(|c| c["expect"] == "accepted");
    let before = |token: &str| token.rsplit_once('.').unwrap().0.to_owned();
    Corpus {
        issuer: Issuer::new("corp", text("issuer"), vec![text("audience").into()]).unwrap(),
        keys: KeySet::parse(corpus["jwks"].to_string().as_bytes()).unwrap(),
        now: Timestamp::from_secs(corpus["now"].as_u64().unwrap()),
        signed: good.map(|case| before(case["token"].as_str().unwrap())).collect(),
    }
});

fuzz_target!(|text: &str| {
    let Corpus { issuer, keys, now, signed } = &*CORPUS;
    let Ok(token) = Token::parse(text) else { return };
    if issuer.verify(&token, keys, *now).is_ok() {
        let (before, _) = text.rsplit_once('.').unwrap();
        assert!(signed.contains(before), "nobody signed this");
    }
});
