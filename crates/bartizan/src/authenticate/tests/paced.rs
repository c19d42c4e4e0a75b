//! How often is an issuer asked for its keys, and what counts meanwhile?

use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::algorithm::Algorithm;
use bartizan_core::authenticate::claims::Grants;
use bartizan_core::authenticate::jwks::KeySet;
use by_hand::hs256;

use super::*;

#[tokio::test]
async fn an_issuer_says_how_long_its_keys_are_good_for_and_is_heard_within_bounds() {
    for (says, early, late) in [
        ("max-age=600", 599, 600),
        ("max-age=1", 59, 60),
        ("no-store", 59, 60),
        ("max-age=31536000", 3599, 3600),
        ("public", 299, 300),
    ] {
        let (idp, key) = (Idp::start().await, key());
        idp.publish(&[&key]);
        *idp.cache.lock() = Some(says);
        let gate = with(vec![idp.provider()]);
        assert!(ask(&gate, &idp.token(&key, 9000), NOW).await.is_ok());
        assert!(ask(&gate, &idp.token(&key, 9001), after(early)).await.is_ok());
        assert_eq!(idp.reads("/keys"), 1, "{says}");
        assert!(ask(&gate, &idp.token(&key, 9002), after(late)).await.is_ok());
        idp.read("/keys", 2).await;
    }
}

#[tokio::test]
async fn a_retired_key_ends_the_one_token_that_is_shown_again_and_again() {
    let (idp, old, new) = (Idp::start().await, key(), key());
    idp.publish(&[&old]);
    let gate = with(vec![idp.provider()]);
    let token = idp.token(&old, 9000);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    idp.publish(&[&new]);
    assert!(ask(&gate, &token, after(299)).await.is_ok());
    // Nothing but this remembered token comes; its keys are renewed all the same.
    assert!(ask(&gate, &token, after(300)).await.is_ok());
    idp.read("/keys", 2).await;
    let mut at = 0;
    while ask(&gate, &token, after(300)).await.is_ok() {
        at += 1;
        assert!(at < 100_000, "the key is gone, and its token still counts");
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&gate, &token, after(301)).await, rejected(Rejection::Unknown));
}

#[tokio::test]
async fn a_key_that_turns_under_the_same_id_is_found() {
    let (idp, old, new) = (Idp::start().await, key(), key());
    let publish = |key: &SigningKey| {
        let mut jwk = key.public_jwk().clone();
        jwk.insert("kid".into(), new.id().to_string().into());
        idp.put("/keys", json!({ "keys": [jwk] }).to_string());
    };
    publish(&old);
    let gate = with(vec![idp.provider()]);
    let token = idp.token(&new, 300);
    assert_eq!(ask(&gate, &token, NOW).await, rejected(Rejection::Forged));
    publish(&new);
    assert_eq!(ask(&gate, &token, after(1)).await.unwrap(), "corp:agent1");
    // Who merely forges buys no more fetches than who makes up ids.
    for at in 2..100 {
        let (head, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{head}.{}", "A".repeat(86));
        assert_eq!(ask(&gate, &forged, after(at)).await, rejected(Rejection::Forged));
    }
    assert!(idp.reads("/keys") <= 8, "{}", idp.reads("/keys"));
}

#[tokio::test]
async fn a_configuration_that_is_read_again_during_an_outage_turns_nobody_away() {
    let (idp, key) = (Idp::start().await, key());
    idp.publish(&[&key]);
    let before = idp.provider();
    assert!(ask(&with(vec![Arc::clone(&before)]), &idp.token(&key, 900), NOW).await.is_ok());
    idp.pages.lock().clear();
    let now = idp.provider();
    now.inherit(&before);
    let gate = with(vec![now]);
    assert_eq!(ask(&gate, &idp.token(&key, 900), after(9)).await.unwrap(), "corp:agent1");
    // The keys of another address are not those of this one.
    let issuer = Issuer::new("corp", &idp.url, vec!["api".into()]).unwrap();
    let other = format!("{}/other", idp.url);
    let moved = Provider::at(issuer, other, Arc::new(fetch()), Pace::default());
    moved.inherit(&before);
    let asked = ask(&with(vec![moved]), &idp.token(&key, 900), after(9)).await;
    assert_eq!(asked, Err(NotAuthenticated::Outage));
}

#[tokio::test]
async fn the_keys_of_an_outage_count_as_long_as_the_operator_says() {
    let (idp, key) = (Idp::start().await, key());
    idp.publish(&[&key]);
    let issuer = Issuer::new("corp", &idp.url, vec!["api".into()]).unwrap();
    let pace = Pace { keep: Duration::from_secs(60), ..Pace::every(Duration::from_secs(10)) };
    let gate = with(vec![Provider::discovered(issuer, Arc::new(fetch()), pace)]);
    let token = idp.token(&key, 900);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    idp.server.abort();
    idp.pages.lock().clear();
    for at in [9, 10, 30, 59] {
        assert!(ask(&gate, &token, after(at)).await.is_ok(), "{at}");
    }
    // Also for what is remembered.
    assert_eq!(ask(&gate, &token, after(60)).await, Err(NotAuthenticated::Outage));
}

#[tokio::test]
async fn two_issuers_try_each_others_subjects_roles_and_keys() {
    let (corp, evil) = (Idp::start().await, Idp::start().await);
    let (good, bad) = (key(), key());
    corp.publish(&[&good]);
    evil.publish(&[&bad]);
    let provider = |idp: &Idp, name: &str, roles: &[&str]| {
        let mut issuer = Issuer::new(name, &idp.url, vec!["api".into()]).unwrap();
        let roles = roles.iter().map(ToString::to_string).collect();
        issuer.grants_at_most = Grants { roles, scopes: vec!["data:*".into()] };
        Provider::discovered(issuer, Arc::new(fetch()), Pace::default())
    };
    let gate =
        with(vec![provider(&corp, "corp", &["admin", "user"]), provider(&evil, "evil", &["user"])]);
    let token = |signer: &SigningKey, issuer: &Idp| {
        let claims = json!({
            "iss": issuer.url, "aud": "api", "sub": "agent1", "exp": after(300).as_secs(),
            "roles": ["admin", "user", "root"], "scope": "data:read admin:all",
        });
        signer.sign("at+jwt", &claims).unwrap()
    };
    let seen = async |token: &str| {
        let caller = gate.verify(&Credential::Bearer(token), NOW).await?;
        Ok::<_, NotAuthenticated>(format!(
            "{} {} {}",
            caller.principal(),
            caller.roles().join(","),
            caller.scopes().join(",")
        ))
    };
    assert_eq!(seen(&token(&good, &corp)).await.unwrap(), "corp:agent1 admin,user data:read");
    assert_eq!(seen(&token(&bad, &evil)).await.unwrap(), "evil:agent1 user data:read");
    // Each signs in the other's name: neither key is among the other's.
    for forged in [token(&bad, &corp), token(&good, &evil)] {
        assert!(matches!(seen(&forged).await, Err(NotAuthenticated::Rejected(Rejection::Unknown))));
    }
}

#[tokio::test]
async fn a_secret_counts_for_its_issuer_and_for_nobody_else() {
    let idp = Idp::start().await;
    let public = key();
    idp.publish(&[&public]);
    let secret = b"a secret of thirty-two bytes, ok";
    let mut issuer = Issuer::new("old", "https://old.example", vec!["api".into()]).unwrap();
    issuer.algorithms = vec![Algorithm::Hs256];
    let keys = KeySet::secret(secret, &issuer.algorithms).unwrap();
    assert!(KeySet::secret(&secret[1..], &[Algorithm::Hs256]).is_err());
    assert!(KeySet::secret(secret, &[Algorithm::Hs384]).is_err());
    assert!(KeySet::secret(secret, &[Algorithm::Es256]).is_err());
    let gate = with(vec![Provider::secret(issuer, keys), idp.provider()]);
    let claims =
        |iss: &str| json!({ "iss": iss, "aud": "api", "sub": "a", "exp": after(300).as_secs() });
    let made = hs256(secret, Some("any"), &claims("https://old.example"));
    assert_eq!(ask(&gate, &made, NOW).await.unwrap(), "old:a");
    assert!(ask(&gate, &made, after(1_000_000)).await.is_err());
    let other = hs256(b"another secret of thirty-two byte", None, &claims("https://old.example"));
    assert_eq!(ask(&gate, &other, NOW).await, rejected(Rejection::Forged));
    let elsewhere = hs256(secret, None, &claims(&idp.url));
    assert!(matches!(
        ask(&gate, &elsewhere, NOW).await,
        Err(NotAuthenticated::Rejected(Rejection::Untrusted(_)))
    ));
    let asymmetric = public.sign("JWT", &claims("https://old.example")).unwrap();
    assert!(ask(&gate, &asymmetric, NOW).await.is_err());
}

/// HMAC by hand (RFC 2104), so that what checks it is not what makes it.
mod by_hand {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};
    use sha2::{Digest as _, Sha256};

    pub(super) fn hs256(secret: &[u8], kid: Option<&str>, claims: &Value) -> String {
        let header = json!({ "alg": "HS256", "typ": "JWT", "kid": kid.unwrap_or("none") });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let padded = |pad: u8| {
            let mut key = secret.to_vec();
            key.resize(64, 0);
            key.iter().map(|byte| byte ^ pad).collect::<Vec<_>>()
        };
        let inner = Sha256::new().chain_update(padded(0x36)).chain_update(&signed).finalize();
        let tag = Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}
