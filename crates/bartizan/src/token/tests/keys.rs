//! Does a new key sign without a restart, and does an old one count until its tokens have ended?

use bartizan_core::issue::identities::Secrets as _;
use bartizan_core::issue::{SigningKey, StoredKey};

use super::*;

fn stored(signs_from: Timestamp) -> (StoredKey, String) {
    let pkcs8 = SigningKey::generate_pkcs8().unwrap();
    let id = SigningKey::from_pkcs8(&pkcs8).unwrap().id().to_string();
    (StoredKey { pkcs8, signs_from }, id)
}

fn signer(read: &Read) -> String {
    let header = read.text("access_token").split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

impl World {
    async fn log_in_at(&self, now: Timestamp) -> Read {
        let form = "grant_type=password&username=agent1&password=secret";
        self.send("/token", form, None, HOME, now).await
    }

    async fn published(&self, now: Timestamp) -> Vec<String> {
        // The first look may only cause the next one.
        self.endpoint
            .provider()
            .renewed(Some(self.endpoint.provider().epoch()), now)
            .await
            .unwrap();
        let set = self.endpoint.provider().public_set(now).await.unwrap();
        let keys = set["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    async fn counts(&self, read: &Read, now: Timestamp) -> bool {
        let token = read.text("access_token");
        self.gate.verify(&Credential::Bearer(token), now).await.is_ok()
    }
}

#[tokio::test]
async fn a_new_key_signs_when_its_time_has_come_and_no_good_token_is_refused() {
    let world = world(settings()).await;
    let old = world.log_in_at(NOW).await;
    let (key, new) = stored(after(300));
    world.store.add_signing_key(key, false).await.unwrap();
    assert!(world.published(after(10)).await.contains(&new), "known before it signs");
    let still = world.log_in_at(after(299)).await;
    assert_eq!(signer(&still), signer(&old));
    let fresh = world.log_in_at(after(301)).await;
    assert_eq!(signer(&fresh), new, "without a restart");
    for read in [&old, &still, &fresh] {
        assert!(world.counts(read, after(301)).await);
    }
    assert!(world.counts(&still, after(299 + 899)).await, "until its end");
    assert_eq!(world.published(after(300 + 900 + 60)).await, [new]);
}

#[tokio::test]
async fn a_token_of_another_gate_counts_though_its_key_came_a_moment_ago() {
    let world = world(settings()).await;
    assert!(world.counts(&world.log_in().await, NOW).await);
    let (key, id) = stored(NOW);
    let signing = SigningKey::from_pkcs8(&key.pkcs8).unwrap();
    world.store.add_signing_key(key, false).await.unwrap();
    let claims = serde_json::json!({
        "iss": "https://gate.example", "aud": "https://gate.example", "sub": "agent1",
        "exp": after(5).as_secs(), "scope": "",
    });
    let token = signing.sign("at+jwt", &claims).unwrap();
    assert!(world.gate.verify(&Credential::Bearer(&token), after(1)).await.is_ok());
    assert_eq!(signer(&world.log_in_at(after(3)).await), id);
}

#[tokio::test]
async fn what_a_stolen_key_signed_counts_no_more() {
    let world = world(settings()).await;
    let old = world.log_in_at(NOW).await;
    assert!(world.counts(&old, NOW).await);
    let (key, new) = stored(after(1));
    world.store.add_signing_key(key, true).await.unwrap();
    let fresh = world.log_in_at(after(3)).await;
    assert_eq!(signer(&fresh), new);
    assert!(world.counts(&fresh, after(3)).await);
    assert!(!world.counts(&old, after(3)).await);
}

#[tokio::test]
async fn of_the_operators_keys_the_first_signs_and_the_others_still_count() {
    let key = || Arc::new(SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap());
    let (new, old) = (key(), key());
    let before = world(Settings { signing_keys: vec![Arc::clone(&old)], ..settings() }).await;
    let read = before.log_in().await;
    let keys = vec![Arc::clone(&new), Arc::clone(&old)];
    let world = world(Settings { signing_keys: keys, ..settings() }).await;
    assert!(world.counts(&read, NOW).await);
    assert_eq!(signer(&world.log_in().await), **new.id());
    assert!(world.store.signing_keys(&[]).await.unwrap().is_empty(), "none is made beside them");
}
