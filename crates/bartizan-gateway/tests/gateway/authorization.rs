//! What MCP asks of whoever guards a server (its authorization specification and security best practices), and what a
//! corpus of bad tokens does to the real program.

use bartizan_core::issue::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::issuer::{provider, publish};
use crate::program::{KEY, Program};
use crate::upstream::Upstream;
use crate::wire::{ask, raw, status};

/// The configuration with a credential of the gateway's own for `/guarded`, and more below `auth`.
fn with(auth: &str) -> impl FnOnce(String) -> String {
    let auth = format!("auth:\n{auth}");
    move |configuration| {
        let plain = "    scopes: [\"data:read\"]\n    upstream: { ";
        assert!(configuration.contains(plain), "{configuration}");
        let own = format!("{plain}credential: \"own-secret\", ");
        configuration.replacen(plain, &own, 1).replacen("auth:\n", &auth, 1)
    }
}

/// A4: no token is passed through, whatever carries it; the upstream gets one that is meant for it.
#[tokio::test]
async fn a4_an_upstream_sees_the_gateways_own_token_and_never_the_callers() {
    let upstream = Upstream::start().await;
    let signer = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
    let url = format!("http://{}", provider(&signer).await);
    let oidc = format!("  oidc: [{{ name: corp, issuer: \"{url}\", audience: gate }}]\n");
    let program = Program::with(upstream.address, &[], with(&oidc));
    let exp = bartizan::clock::now().as_secs() + 300;
    let token = |audience: &str| {
        let claims =
            json!({ "iss": url, "aud": audience, "sub": "ann", "exp": exp, "scope": "data:read" });
        signer.sign("at+jwt", &claims).unwrap()
    };
    let jwt = token("gate");
    let shown = [
        (format!("Authorization: Bearer {jwt}"), jwt.clone()),
        (format!("Authorization: Bearer {KEY}"), KEY.to_owned()),
        (format!("X-API-Key: {KEY}"), KEY.to_owned()),
    ];
    for (field, secret) in &shown {
        let answer = ask(program.address, "GET /guarded", &[field]).await;
        assert_eq!(status(&answer), 200, "{answer}");
        let seen = upstream.seen().pop().unwrap();
        assert_eq!(seen.headers["authorization"], "Bearer own-secret");
        assert_eq!(seen.headers.get_all("authorization").iter().count(), 1);
        assert!(!format!("{seen:?}").contains(secret), "{seen:?}");
    }
    // A token of the same issuer that is meant for the upstream, or for anybody else, opens nothing.
    let before = upstream.seen().len();
    for audience in ["upstream", "https://gate.example/other", ""] {
        let field = format!("Authorization: Bearer {}", token(audience));
        assert_eq!(status(&ask(program.address, "GET /guarded", &[&field]).await), 401);
    }
    assert_eq!(upstream.seen().len(), before);
}

/// A13, as far as it is about a server where nobody logs in: it says who it is in both places, names nothing that it
/// does not have, and every address lies at its own origin over TLS.
#[tokio::test]
async fn a13_the_token_endpoint_describes_itself_truly_and_leads_nowhere_else() {
    let upstream = Upstream::start().await;
    let tokens = "  tokens: { issuer: \"https://gate.example\" }\n";
    let program = Program::with(upstream.address, &[], with(tokens));
    let get = async |path: &str| {
        let answer = ask(program.address, &format!("GET {path}"), &[]).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap_or_else(|_| panic!("{answer}"))
    };
    let metadata = get("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata, get("/.well-known/openid-configuration").await);
    assert_eq!(metadata["issuer"], "https://gate.example");
    let members = metadata.as_object().unwrap();
    let addresses =
        members.iter().filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri");
    for (name, address) in addresses {
        assert!(address.as_str().unwrap().starts_with("https://gate.example/"), "{name} {address}");
    }
    // Codes are not given out: so there is no PKCE to speak of, no `iss` to send back, and nobody who registers.
    assert_eq!(metadata["response_types_supported"], json!([]));
    let grants = metadata["grant_types_supported"].to_string();
    assert!(!grants.contains("authorization_code") && !grants.contains("implicit"), "{grants}");
    for name in ["registration_endpoint", "client_id_metadata_document_supported"] {
        assert!(metadata.get(name).is_none(), "{name}");
    }
}

/// A14: nobody is sent on to a provider in the gateway's name, so there is no consent that could be had by trickery; and
/// no address that a token or a client writes is read.
#[tokio::test]
async fn a14_no_consent_can_be_borrowed_and_no_address_of_a_stranger_is_read() {
    let (upstream, elsewhere) = (Upstream::start().await, Upstream::start().await);
    let signer = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
    let issuer = format!("http://{}", provider(&signer).await);
    let auth = format!(
        "  tokens: {{ issuer: \"https://gate.example\" }}\n  \
         oidc: [{{ name: corp, issuer: \"{issuer}\", audience: gate }}]\n"
    );
    let program = Program::with(upstream.address, &[], with(&auth));
    let address = format!("http://{}/open/keys", elsewhere.address);
    let query = format!("?response_type=code&client_id={address}&redirect_uri={address}&state=x");
    for path in ["/token/authorize", "/authorize", "/register"] {
        let answer = ask(program.address, &format!("GET {path}{query}"), &[]).await;
        assert!((400..500).contains(&status(&answer)), "{path}: {answer}");
        assert!(!answer.to_lowercase().contains("\r\nlocation:"), "{path}: {answer}");
    }
    let claims = json!({ "iss": issuer, "aud": "gate", "sub": "a", "exp": 4_000_000_000_u64 });
    for member in ["jku", "x5u", "iss"] {
        let mut header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "new" });
        let mut claims = claims.clone();
        if member == "iss" {
            claims["iss"] = address.clone().into();
        } else {
            header[member] = address.clone().into();
        }
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let field =
            format!("Authorization: Bearer {header}.{claims}.{}", URL_SAFE_NO_PAD.encode([7; 64]));
        assert_eq!(status(&ask(program.address, "GET /guarded", &[&field]).await), 401, "{member}");
    }
    assert!(elsewhere.seen().is_empty(), "{:?}", elsewhere.seen());
}

/// Every token of the corpus, and of the good ones those whose time is not now: 401 and a challenge, never an error of
/// ours, a hang or a reset, and each is on the record.
#[tokio::test]
async fn every_token_of_the_corpus_is_turned_away_in_order_and_recorded() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/tokens/cases.json");
    let corpus: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let keys = publish(corpus["jwks"].clone()).await;
    let oidc = format!(
        "  bad_credentials_per_minute: 100000\n  oidc: [{{ name: corp, issuer: {}, audience: {}, \
         jwks_uri: \"http://{keys}/keys\" }}]\n",
        corpus["issuer"], corpus["audience"]
    );
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], with(&oidc));
    let mut asked = 0;
    for case in corpus["cases"].as_array().unwrap() {
        let token = case["token"].as_str().unwrap();
        // What no header field may hold does not get as far as this.
        if token.bytes().any(|byte| byte < b' ' || byte == 0x7f) || token.len() > 16_000 {
            continue;
        }
        let request = format!(
            "GET /guarded HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        let answer = raw(program.address, request).await;
        // The corpus has a clock of its own, some months ahead: some that are good or over there are good now. For what
        // is asked here they have no scope.
        let over = ["accepted", "Expired"].iter().any(|expected| case["expect"] == *expected);
        if over && status(&answer) == 403 {
            continue;
        }
        assert_eq!(status(&answer), 401, "{}: {answer}", case["name"]);
        assert!(answer.contains("error=\"invalid_token\""), "{}: {answer}", case["name"]);
        asked += 1;
    }
    assert!(asked > 300, "{asked}");
    assert!(upstream.seen().is_empty());
    // In a flood some share a record, which says how many.
    let recorded = || -> u64 {
        let failures = program.records().into_iter().filter(|r| r["event"] == "AUTH_FAILURE");
        failures.map(|record| record["details"]["count"].as_u64().unwrap_or(1)).sum()
    };
    crate::program::until(|| recorded() >= asked, || format!("{} of {asked}", recorded()));
    assert_eq!(recorded(), asked);
}
