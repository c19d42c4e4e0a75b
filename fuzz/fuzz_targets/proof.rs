//! Is a DPoP proof ever believed that nobody signed? RFC 9449.
#![no_main]

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use bartizan_core::authenticate::dpop::{Asked, Rules};
use bartizan_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// What another implementation signed.
static CORPUS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../conformance/tokens/proofs.json")).unwrap()
});

static SIGNED: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let good = CORPUS["proofs"].as_array().unwrap().iter().filter(|c| c["accepted"] == true);
    good.map(|case| case["proof"].as_str().unwrap().rsplit_once('.').unwrap().0).collect()
});

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let origins = [CORPUS["origin"].as_str().unwrap().to_owned()];
    Rules::new(&origins, Duration::from_mins(1)).unwrap()
});

fuzz_target!(|proof: &str| {
    let text = |name: &str| CORPUS[name].as_str().unwrap();
    let asked = Asked { method: text("method"), path: text("path") };
    let now = Timestamp::from_secs(CORPUS["now"].as_u64().unwrap());
    if RULES.verify(proof, &asked, text("token"), now).is_ok() {
        let (before, _) = proof.rsplit_once('.').unwrap();
        assert!(SIGNED.contains(before), "nobody signed this");
    }
});
