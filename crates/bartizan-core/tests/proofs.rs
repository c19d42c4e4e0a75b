//! Is every proof of possession refused that must be, and every other accepted? Certificates and bindings, too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::time::Duration;

use bartizan_core::authenticate::Rejection;
use bartizan_core::authenticate::certificate::{Certificate, Certificates, Naming};
use bartizan_core::authenticate::dpop::{Asked, Proof, Rules};
use bartizan_core::authenticate::holder::{Proven, Thumbprint};
use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jwt::{Issuer, Token};
use bartizan_core::time::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

/// The corpus, which another implementation wrote.
fn corpus() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/tokens/proofs.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

fn now(corpus: &Value) -> Timestamp {
    Timestamp::from_secs(corpus["now"].as_u64().unwrap())
}

fn verify(corpus: &Value, proof: &str) -> Result<Proof, Rejection> {
    let origins = [text(corpus, "origin").to_owned()];
    let rules = Rules::new(&origins, Duration::from_secs(60)).unwrap();
    let asked = Asked { method: text(corpus, "method"), path: text(corpus, "path") };
    rules.verify(proof, &asked, text(corpus, "token"), now(corpus))
}

#[test]
fn a_proof_counts_for_one_request_one_token_one_key_and_a_moment() {
    let corpus = corpus();
    let (mut wrong, mut accepted) = (Vec::new(), 0);
    for case in corpus["proofs"].as_array().unwrap() {
        let verified = verify(&corpus, text(case, "proof"));
        let right = match &verified {
            Ok(proof) => {
                accepted += 1;
                case["thumbprint"] == proof.thumbprint().to_string()
            }
            Err(Rejection::Proof(_)) => case["accepted"] == false,
            Err(_) => false,
        };
        if !right {
            wrong.push(format!("{}: {verified:?}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted >= 15, "only {accepted} were accepted: this proves little");
}

#[test]
fn a_certificate_names_one_subject_or_nobody() {
    let corpus = corpus();
    let mut wrong = Vec::new();
    for case in corpus["certificates"].as_array().unwrap() {
        let naming = match text(case, "naming") {
            "san_uri" => Naming::SanUri,
            "san_dns" => Naming::SanDns,
            _ => Naming::Spiffe,
        };
        let rules = Certificates { naming, scopes: vec!["data:read".into()] };
        let der = STANDARD.decode(text(case, "der")).unwrap();
        let certificate = Certificate::parse(&der).ok();
        let caller = certificate.and_then(|certificate| {
            assert_eq!(certificate.thumbprint().to_string(), text(case, "thumbprint"));
            rules.caller(&certificate, now(&corpus)).ok()
        });
        let named = caller.map(|caller| caller.principal().to_string());
        let expected = case["subject"].as_str().map(|subject| format!("mtls:{subject}"));
        if named != expected {
            wrong.push(format!("{}: {named:?}, not {expected:?}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_bound_token_counts_with_what_it_is_bound_to_and_not_without() {
    let corpus = corpus();
    let issuer =
        Issuer::new("corp", text(&corpus, "issuer"), vec![text(&corpus, "audience").into()]);
    let issuer = issuer.unwrap();
    let keys = KeySet::parse(corpus["jwks"].to_string().as_bytes()).unwrap();
    let mut wrong = Vec::new();
    for case in corpus["bindings"].as_array().unwrap() {
        let token = Token::parse(text(case, "token")).unwrap();
        let print = |name: &str| case[name].as_str().map(|t| Thumbprint::parse(t).unwrap());
        let proven = Proven { certificate: print("certificate"), key: print("key") };
        let shown = issuer.holder(&token, &keys, now(&corpus)).map(|holder| holder.show(&proven));
        let accepted = matches!(shown, Ok(Ok(_)));
        if case["accepted"] != accepted {
            wrong.push(format!("{}: accepted: {accepted}", case["name"]));
        }
        let bearer = issuer.verify(&token, &keys, now(&corpus)).is_ok();
        let unbound = case["name"].as_str().unwrap().starts_with("to nothing");
        assert_eq!(bearer, unbound, "{}", case["name"]);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed about a good proof, it is good no more.
    #[test]
    fn no_changed_proof_is_accepted(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let corpus = corpus();
        let good = text(&corpus["proofs"][0], "proof");
        let mut changed = good.as_bytes().to_vec();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        if let Ok(changed) = String::from_utf8(changed) {
            prop_assert!(verify(&corpus, &changed).is_err());
        }
    }

    /// Whatever is sent, reading it does not panic, and a changed certificate never names another.
    #[test]
    fn nothing_that_is_sent_makes_the_reader_panic(
        text in "\\PC{0,200}",
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let corpus = corpus();
        drop(verify(&corpus, &text));
        drop(Certificate::parse(&bytes));
        let der = corpus["certificates"][0]["der"].as_str().unwrap();
        let mut changed = STANDARD.decode(der).unwrap();
        for (place, byte) in changes {
            let place = place.index(changed.len());
            changed[place] = byte;
        }
        drop(Certificate::parse(&changed));
    }
}
