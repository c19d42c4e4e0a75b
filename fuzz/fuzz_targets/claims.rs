//! Are claims ever believed that are of another issuer, for somebody else, or out of time?
//!
//! An input is the header, a line break and the claims. They are encoded and signed, so that nothing but what they
//! say decides.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use bartizan_core::authenticate::algorithm::Algorithm;
use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jwt::{Issuer, Token};
use bartizan_core::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const SECRET: &[u8; 64] = &[7; 64];
const NOW: u64 = 1_800_000_000;
const LEEWAY: f64 = 60.0;

static ISSUER: LazyLock<(Issuer, KeySet)> = LazyLock::new(|| {
    let mut issuer = Issuer::new("corp", "https://id.example", vec!["api".into()]).unwrap();
    issuer.algorithms = vec![Algorithm::Hs256];
    (issuer, KeySet::secret(SECRET, &[Algorithm::Hs256]).unwrap())
});

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(claims)) = (parts.next(), parts.next()) else { return };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    let text = format!("{signed}.{signature}");
    let (issuer, keys) = &*ISSUER;
    let Ok(token) = Token::parse(&text) else { return };
    let Ok(caller) = issuer.verify(&token, keys, Timestamp::from_secs(NOW)) else { return };
    let header: Value = serde_json::from_slice(header).unwrap();
    let claims: Value = serde_json::from_slice(claims).unwrap();
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none() && header.get("b64").is_none());
    assert_eq!(claims["iss"], "https://id.example");
    let meant = |aud: &Value| aud == "api";
    assert!(meant(&claims["aud"]) || claims["aud"].as_array().unwrap().iter().any(meant));
    assert!(claims["exp"].as_f64().unwrap() > NOW as f64 - LEEWAY);
    for name in ["nbf", "iat"] {
        assert!(claims.get(name).is_none_or(|at| at.as_f64().unwrap() <= NOW as f64 + LEEWAY));
    }
    assert_eq!(caller.principal().name(), format!("corp:{}", claims["sub"].as_str().unwrap()));
    assert!(caller.roles().is_empty(), "nobody granted it any");
});
