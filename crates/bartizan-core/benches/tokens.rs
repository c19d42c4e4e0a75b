//! What does checking a token cost beside the signature alone?
//!
//! *Signature* is what aws-lc-rs takes for one signature with a key that has been parsed; *token* is the whole of it: form,
//! header, claims, signature, issuer, audience, time, use, and the caller that comes out, of which *read* is what goes
//! before the signature. *jsonwebtoken* is the same token verified by the library of that name on the same aws-lc-rs:
//! signature, issuer, audience and expiry, and the claims. The target is at most a tenth above the cryptography's own.
//! The tokens are those of the corpus.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "without its tokens a benchmark can only stop"
)]

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jwt::{Issuer, Token};
use bartizan_core::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;

/// The allocator of the gateway.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn corpus() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/tokens/cases.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

/// The key as the crypto library takes it.
fn key(jwk: &Value) -> ParsedPublicKey {
    match jwk["kty"].as_str().unwrap() {
        "RSA" => RsaPublicKeyComponents { n: bytes(&jwk["n"]), e: bytes(&jwk["e"]) }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .unwrap(),
        "EC" => {
            let point = [&[4][..], &bytes(&jwk["x"]), &bytes(&jwk["y"])].concat();
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap()
        }
        _ => ParsedPublicKey::new(&ED25519, bytes(&jwk["x"])).unwrap(),
    }
}

/// The key and the rules as jsonwebtoken takes them. Its clock is the machine's, and the tokens' time is not now.
fn library(algorithm: &str, jwk: &Value, corpus: &Value) -> (DecodingKey, Validation) {
    let jwk = serde_json::from_value(jwk.clone()).unwrap();
    let mut rules = Validation::new(algorithm.parse().unwrap());
    rules.set_issuer(&[corpus["issuer"].as_str().unwrap()]);
    rules.set_audience(&[corpus["audience"].as_str().unwrap()]);
    rules.validate_exp = false;
    (DecodingKey::from_jwk(&jwk).unwrap(), rules)
}

/// How many of each are timed in one go, and how often all take their turn.
const BATCH: u32 = 40;
const ROUNDS: usize = 300;

/// How long each of these takes: the median of all rounds, in microseconds. All take their turn in every round, so that
/// whatever else the machine does meets all of them.
fn side_by_side<const N: usize>(mut works: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut times: [Vec<f64>; N] = std::array::from_fn(|_| Vec::with_capacity(ROUNDS));
    for _ in 0..ROUNDS {
        for (work, times) in works.iter_mut().zip(&mut times) {
            let began = Instant::now();
            (0..BATCH).for_each(|_| work());
            times.push(began.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH));
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    })
}

fn main() {
    let corpus = corpus();
    let text = |name: &str| corpus[name].as_str().unwrap();
    let issuer = Issuer::new("corp", text("issuer"), vec![text("audience").into()]).unwrap();
    let keys = KeySet::parse(corpus["jwks"].to_string().as_bytes()).unwrap();
    let now = Timestamp::from_secs(corpus["now"].as_u64().unwrap());
    println!("| | read µs | token µs | jsonwebtoken µs | ratio | signature µs | ratio |");
    println!("|---|---|---|---|---|---|---|");
    for (algorithm, kid) in [("ES256", "ec1"), ("RS256", "rsa1"), ("EdDSA", "ed1")] {
        let cases = corpus["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == algorithm).unwrap();
        let token = case["token"].as_str().unwrap();
        let jwks = corpus["jwks"]["keys"].as_array().unwrap();
        let jwk = jwks.iter().find(|jwk| jwk["kid"] == kid).unwrap();
        let bare = key(jwk);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let (key, rules) = library(algorithm, jwk, &corpus);
        let [read, whole, library, alone] = side_by_side([
            &mut || drop(black_box(Token::parse(black_box(token)).unwrap())),
            &mut || {
                let token = Token::parse(black_box(token)).unwrap();
                drop(black_box(issuer.verify(&token, &keys, now).unwrap()));
            },
            &mut || {
                let claims = jsonwebtoken::decode::<Value>(black_box(token), &key, &rules);
                drop(black_box(claims.unwrap()));
            },
            &mut || bare.verify_sig(black_box(signed.as_bytes()), &signature).unwrap(),
        ]);
        println!(
            "| {algorithm} | {read:.2} | {whole:.1} | {library:.1} | {:.2} | {alone:.1} | {:.2} |",
            whole / library,
            whole / alone
        );
    }
}
