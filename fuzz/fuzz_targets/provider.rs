//! Does nothing that a provider may answer make us stumble, and does a key set hold no private or shared key?
#![no_main]

use std::sync::LazyLock;

use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jwt::Issuer;
use bartizan_core::time::Timestamp;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static ISSUER: LazyLock<Issuer> =
    LazyLock::new(|| Issuer::new("corp", "https://id.example", vec!["api".into()]).unwrap());

fuzz_target!(|answer: &[u8]| {
    if KeySet::parse(answer).is_ok() {
        let set: Value = serde_json::from_slice(answer).unwrap();
        let keys = set["keys"].as_array().unwrap();
        let usable = |key: &&Value| {
            let public = ["RSA", "EC", "OKP"].iter().any(|kind| key["kty"] == *kind);
            public && key.get("d").is_none()
        };
        assert!(keys.iter().any(|key| usable(&key)), "only of keys that must not be used");
    }
    let now = Timestamp::from_secs(1_800_000_000);
    if ISSUER.introspected(answer, false, now).is_ok() {
        let answer: Value = serde_json::from_slice(answer).unwrap();
        assert_eq!(answer["active"], true);
        let ours = |aud: &Value| aud == "api";
        assert!(ours(&answer["aud"]) || answer["aud"].as_array().unwrap().iter().any(ours));
    }
});
