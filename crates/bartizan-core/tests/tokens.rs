//! Is every token refused that must be, for the right reason, and every other accepted?

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use bartizan_core::authenticate::algorithm::Algorithm;
use bartizan_core::authenticate::jwks::KeySet;
use bartizan_core::authenticate::jws::VerifyError;
use bartizan_core::authenticate::jwt::{Issuer, Token};
use bartizan_core::authenticate::{Caller, Credential, Places, Rejection};
use bartizan_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

/// The corpus, which another implementation wrote.
fn corpus() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/tokens/cases.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Somebody who checks the tokens of the corpus.
struct Checker {
    issuer: Issuer,
    keys: KeySet,
    now: Timestamp,
}

impl Checker {
    fn new(corpus: &Value) -> Self {
        let text = |name: &str| corpus[name].as_str().unwrap();
        let audience = vec![text("audience").to_owned()];
        Self {
            issuer: Issuer::new("corp", text("issuer"), audience).unwrap(),
            keys: KeySet::parse(corpus["jwks"].to_string().as_bytes()).unwrap(),
            now: Timestamp::from_secs(corpus["now"].as_u64().unwrap()),
        }
    }

    fn check(&self, token: &str) -> Result<Caller, VerifyError> {
        self.issuer.verify(&Token::parse(token)?, &self.keys, self.now)
    }
}

/// What the corpus calls an outcome.
fn name(outcome: &Result<Caller, VerifyError>) -> String {
    match outcome {
        Ok(_) => "accepted".into(),
        Err(VerifyError::UnknownKey) => "Unknown".into(),
        Err(VerifyError::Rejected(Rejection::Untrusted(_))) => "Untrusted".into(),
        Err(VerifyError::Rejected(rejection)) => format!("{rejection:?}"),
    }
}

#[test]
fn the_corpus_is_decided_as_it_says() {
    let corpus = corpus();
    let checker = Checker::new(&corpus);
    let cases = corpus["cases"].as_array().unwrap();
    let (mut wrong, mut accepted) = (Vec::new(), 0);
    for case in cases {
        let outcome = checker.check(case["token"].as_str().unwrap());
        let (expected, got) = (case["expect"].as_str().unwrap(), name(&outcome));
        if let Ok(caller) = &outcome {
            accepted += 1;
            assert_eq!(caller.principal().to_string(), "corp:agent1");
            assert!(caller.roles().is_empty());
        }
        if got != expected && !(expected == "refused" && got != "accepted") {
            wrong.push(format!("{}: {got}, not {expected}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 300 && accepted >= 30, "{accepted} of {}", cases.len());
}

#[test]
fn an_issuer_is_believed_only_as_far_as_it_is_configured() {
    let corpus = corpus();
    let mut checker = Checker::new(&corpus);
    let token = |name: &str| {
        let cases = corpus["cases"].as_array().unwrap();
        let case = cases.iter().find(|case| case["name"] == name).unwrap();
        case["token"].as_str().unwrap().to_owned()
    };
    let es256 = token("ES256");
    assert_eq!(checker.check(&es256).unwrap().scopes().join(" "), "agent:read agent:write");

    checker.issuer.grants_at_most.scopes = vec!["agent:read".into()];
    assert_eq!(checker.check(&es256).unwrap().scopes().join(" "), "agent:read");

    checker.issuer.types = ["at+jwt".to_owned()].into();
    assert!(checker.check(&es256).is_ok());
    assert_eq!(name(&checker.check(&token("typ JWT"))), "Untrusted");
    assert_eq!(name(&checker.check(&token("no typ"))), "Untrusted");

    checker.issuer.max_lifetime = Some(std::time::Duration::from_secs(304));
    assert_eq!(name(&checker.check(&es256)), "Untrusted");
    checker.issuer.max_lifetime = Some(std::time::Duration::from_secs(305));
    assert!(checker.check(&es256).is_ok());

    checker.issuer.leeway = std::time::Duration::ZERO;
    assert_eq!(name(&checker.check(&token("exp inside of the leeway"))), "Expired");
    assert_eq!(name(&checker.check(&token("nbf inside of the leeway"))), "NotYetValid");

    checker.issuer.algorithms = vec![Algorithm::Rs256];
    assert_eq!(name(&checker.check(&es256)), "Untrusted");
}

#[test]
fn two_issuers_cannot_speak_for_each_other() {
    let corpus = corpus();
    let checker = Checker::new(&corpus);
    let token = corpus["cases"][0]["token"].as_str().unwrap();
    let token = Token::parse(token).unwrap();
    assert_eq!(token.unverified_issuer(), Some("https://id.example"));
    let other = Issuer::new("other", "https://other.example", vec!["api".into()]).unwrap();
    let outcome = other.verify(&token, &checker.keys, checker.now);
    assert_eq!(name(&outcome), "Untrusted");
    for reserved in ["local", "key", "client", "anonymous", "", "a:b"] {
        assert!(
            Issuer::new(reserved, "https://x.example", vec!["a".into()]).is_err(),
            "{reserved}"
        );
    }
    assert!(Issuer::new("corp", "https://x.example", vec![]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed about a good token, it is good no more.
    #[test]
    fn no_changed_token_is_accepted(place: prop::sample::Index, byte in any::<u8>()) {
        let corpus = corpus();
        let good = corpus["cases"][0]["token"].as_str().unwrap();
        let mut changed = good.as_bytes().to_vec();
        let place = place.index(changed.len());
        prop_assume!(changed[place] != byte);
        changed[place] = byte;
        if let Ok(changed) = String::from_utf8(changed) {
            prop_assert!(Checker::new(&corpus).check(&changed).is_err());
        }
    }

    /// Of everything that a head may hold exactly one credential counts, or none does.
    #[test]
    fn one_credential_is_found_or_the_request_is_refused(
        authorization in prop::collection::vec(
            prop::sample::select(vec![
                "Bearer a", "bearer b", "BEARER  c", "Bearer", "Bearer ", "Basic YTpi", "DPoP d",
                "Bearer a b", "Digest x", "Negotiate", "", "a", "Bearer\u{e9} x",
            ]),
            0..3,
        ),
        keys in prop::collection::vec(prop::sample::select(vec!["k", "", "a b", "\u{e9}"]), 0..3),
        query in prop::sample::select(vec!["", "?x=1", "?access_token=a", "?x&Api_Key=k"]),
        dpop in any::<bool>(),
    ) {
        let mut request = http::Request::builder().uri(format!("/x{query}"));
        for value in &authorization {
            request = request.header("authorization", value.as_bytes());
        }
        for value in &keys {
            request = request.header("x-api-key", value.as_bytes());
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let places = Places { dpop, ..Places::default() };
        let shown = authorization.len() + keys.len();
        match Credential::find(&head, &places) {
            Ok(None) => prop_assert_eq!(shown, 0),
            Ok(Some(_)) => prop_assert!(shown == 1 && !query.contains("=a") && !query.contains("=k")),
            Err(rejection) => {
                let nothing = shown == 0 && ["", "?x=1"].contains(&query);
                prop_assert!(!nothing, "{:?}", rejection);
            }
        }
    }

    /// Whatever is sent, reading it does not panic.
    #[test]
    fn nothing_that_is_sent_makes_the_reader_panic(
        text in "\\PC{0,200}",
        parts in prop::collection::vec("[A-Za-z0-9_-]{0,60}", 0..5),
    ) {
        drop(Token::parse(&text));
        drop(Token::parse(&parts.join(".")));
    }
}
