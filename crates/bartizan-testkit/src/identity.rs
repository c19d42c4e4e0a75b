//! Does a store of identities keep what it is given, and forget what is taken back?

#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite fails by panicking")]

use std::sync::Arc;

use bartizan_core::authenticate::api_key::{Hash, Record};
use bartizan_core::authenticate::claims::Grants;
use bartizan_core::authenticate::password;
use bartizan_core::issue::account::Proof;
use bartizan_core::issue::{
    Client, GrantType, Identities, Refresh, Rotation, SigningKey, StoredKey, User, documents,
};
use bartizan_core::time::Timestamp;
use secrecy::SecretString;

/// Runs every check, each on a fresh store that `open` gives.
///
/// # Panics
/// Where the store does not do what `Identities` promises.
pub async fn suite<S: Identities + 'static>(open: impl AsyncFn() -> S) {
    users_come_back_as_they_were_put(&open().await).await;
    a_new_hash_undoes_nothing(&open().await).await;
    lists_come_in_pages(&open().await).await;
    clients_come_back_as_they_were_put(&open().await).await;
    keys_come_back_as_they_were_put(&open().await).await;
    a_revoked_key_stays_revoked(&open().await).await;
    a_refresh_token_counts_once(&open().await).await;
    two_copies_end_the_session(Arc::new(open().await)).await;
    an_ended_session_revokes_its_name(&open().await).await;
    removing_a_user_ends_their_sessions(&open().await).await;
    all_sessions_of_a_user_end_and_no_others(&open().await).await;
    a_revoked_token_is_found_among_others(&open().await).await;
    what_has_ended_is_forgotten(&open().await).await;
    what_is_taken_back_is_counted_and_what_is_used_is_not(&open().await).await;
    what_counts_once_counts_once(Arc::new(open().await)).await;
    gates_that_start_together_share_their_secrets(Arc::new(open().await)).await;
    a_new_signing_key_comes_first(&open().await).await;
}

fn user(name: &str) -> User {
    User {
        name: name.into(),
        password: password::hash(&SecretString::from("secret"), &[7; 16]).unwrap(),
        scopes: vec!["data:read".into(), "notify:send".into()],
        roles: vec!["user".into()],
        tenant: Some("acme".into()),
        disabled: false,
    }
}

fn refresh(token: &str, session: &str, expires: u64) -> Refresh {
    Refresh {
        hash: Hash::of(token, None),
        session: session.into(),
        user: "agent1".into(),
        client: Some("app".into()),
        scopes: vec!["data:read".into()],
        resource: Some("https://gate.example/mcp".into()),
        expires: Timestamp(expires),
        used: false,
    }
}

fn record(id: &str) -> Record {
    Record {
        id: id.into(),
        hash: Hash::of("new", None),
        previous: None,
        subject: "ci-bot".into(),
        scopes: vec!["data:read".into()],
        roles: Vec::new(),
        tenant: None,
        environment: Some("live".into()),
        expires: Some(Timestamp(1_000_000)),
        revoked: None,
        last_used: None,
    }
}

/// Compares by what can be seen; digests print as `***` and are compared beside.
fn same(a: &impl std::fmt::Debug, b: &impl std::fmt::Debug) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

async fn users_come_back_as_they_were_put(store: &dyn Identities) {
    assert!(store.user("agent1").await.unwrap().is_none());
    let mut agent = user("agent1");
    store.put_user(agent.clone()).await.unwrap();
    let found = store.user("agent1").await.unwrap().unwrap();
    same(&found, &agent);
    assert_eq!(found.password.to_phc(), agent.password.to_phc());
    assert!(store.user("Agent1").await.unwrap().is_none(), "names differ by case");
    assert!(store.user("agent1'--").await.unwrap().is_none());

    agent.disabled = true;
    agent.tenant = None;
    agent.scopes.clear();
    store.put_user(agent.clone()).await.unwrap();
    same(&store.user("agent1").await.unwrap().unwrap(), &agent);
    assert!(store.remove_user("agent1").await.unwrap());
    assert!(!store.remove_user("agent1").await.unwrap());
    assert!(store.user("agent1").await.unwrap().is_none());
}

async fn a_new_hash_undoes_nothing(store: &dyn Identities) {
    let hash = |text: &str| password::hash(&SecretString::from(text), &[8; 16]).unwrap();
    let old = user("agent1").password;
    assert!(!store.rehash("agent1", &old, hash("x")).await.unwrap(), "there is nobody");
    store.put_user(user("agent1")).await.unwrap();
    assert!(store.rehash("agent1", &old, hash("secret")).await.unwrap());
    let stored = async || store.user("agent1").await.unwrap().unwrap();
    assert!(stored().await.password == hash("secret"));
    // Somebody disabled the account and changed its password while a login was under way.
    store.put_user(User { disabled: true, password: hash("new"), ..user("agent1") }).await.unwrap();
    assert!(!store.rehash("agent1", &hash("secret"), hash("late")).await.unwrap());
    assert!(stored().await.disabled && stored().await.password == hash("new"));
}

async fn lists_come_in_pages(store: &dyn Identities) {
    for name in ["c", "a", "b", "é"] {
        store.put_user(User { name: name.into(), ..user("x") }).await.unwrap();
    }
    let names =
        |users: Vec<User>| users.iter().map(|user| user.name.to_string()).collect::<String>();
    assert_eq!(names(store.users("").await.unwrap()), "abcé");
    assert_eq!(names(store.users("b").await.unwrap()), "cé");
    assert_eq!(names(store.users("é").await.unwrap()), "");
}

async fn clients_come_back_as_they_were_put(store: &dyn Identities) {
    let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
    let keys = documents::key_set([&key]).to_string();
    let client = |id: &str, proof| Client {
        id: id.into(),
        proof,
        scopes: vec!["data:read".into()],
        roles: vec!["service".into()],
        tenant: None,
        grants: vec![GrantType::ClientCredentials, GrantType::TokenExchange],
        acts_at_most: Grants { roles: vec!["user".into()], scopes: vec!["data:*".into()] },
        disabled: false,
    };
    let hash = Hash::of("secret", None);
    let clients = vec![
        client("app", Proof::Secret(hash)),
        client("phone", Proof::Public),
        client("robot", Proof::Keys(keys.parse().unwrap())),
        client("worker", Proof::Certificate("san_uri:spiffe://example.org/w".parse().unwrap())),
    ];
    for client in &clients {
        store.put_client(client.clone()).await.unwrap();
        same(&store.client(&client.id).await.unwrap().unwrap(), client);
    }
    same(&store.clients("").await.unwrap(), &clients);
    let proof = async |id| store.client(id).await.unwrap().unwrap().proof;
    assert!(matches!(proof("app").await, Proof::Secret(stored) if stored == hash));
    assert!(matches!(proof("robot").await, Proof::Keys(stored) if stored.as_str() == keys));
    let name = "san_uri:spiffe://example.org/w";
    assert!(matches!(proof("worker").await, Proof::Certificate(n) if n.to_string() == name));
    assert!(store.remove_client("app").await.unwrap());
    assert!(store.client("app").await.unwrap().is_none());
}

async fn keys_come_back_as_they_were_put(store: &dyn Identities) {
    let mut ci = record("ci");
    store.put_key(ci.clone()).await.unwrap();
    ci.rotate(Hash::HmacSha256([9; 32]), Timestamp(77));
    store.put_key(ci.clone()).await.unwrap();
    store.touch_key("ci", Timestamp(5)).await.unwrap();
    store.touch_key("ci", Timestamp(3)).await.unwrap();
    ci.last_used = Some(Timestamp(5));
    let found = store.key("ci").await.unwrap().unwrap();
    same(&found, &ci);
    assert!(found.hash == ci.hash && found.previous == ci.previous);
    same(&store.keys("").await.unwrap(), &vec![ci]);
    store.touch_key("nobody", Timestamp(5)).await.unwrap();
    assert!(store.key("nobody").await.unwrap().is_none());
}

async fn a_revoked_key_stays_revoked(store: &dyn Identities) {
    store.put_key(record("ci")).await.unwrap();
    assert!(store.revoke_key("ci", Timestamp(9)).await.unwrap());
    assert!(!store.revoke_key("ci", Timestamp(10)).await.unwrap());
    assert!(!store.revoke_key("nobody", Timestamp(10)).await.unwrap());
    assert_eq!(store.key("ci").await.unwrap().unwrap().revoked, Some(Timestamp(9)));
}

async fn what_is_taken_back_is_counted_and_what_is_used_is_not(store: &dyn Identities) {
    let Some(mut known) = store.changes().await.unwrap() else { return };
    let mut counted = async || {
        let now = store.changes().await.unwrap().unwrap();
        std::mem::replace(&mut known, now) != now
    };
    store.put_key(record("ci")).await.unwrap();
    assert!(counted().await, "a key was put");
    let uses = [("ci".into(), Timestamp(5)), ("nobody".into(), Timestamp(5))];
    store.touch_keys(&uses).await.unwrap();
    assert_eq!(store.key("ci").await.unwrap().unwrap().last_used, Some(Timestamp(5)));
    store.put_user(user("agent1")).await.unwrap();
    store.begin_session(refresh("r", "s", 1000), Timestamp(0)).await.unwrap();
    assert!(!counted().await, "nothing was taken back");
    store.put_key(Record { scopes: Vec::new(), ..record("ci") }).await.unwrap();
    assert!(counted().await, "a key was changed");
    store.revoke_key("ci", Timestamp(6)).await.unwrap();
    assert!(counted().await, "a key was revoked");
    store.revoke_token("jti", Timestamp(1000), Timestamp(1)).await.unwrap();
    assert!(counted().await, "a token was revoked");
    store.end_session("s").await.unwrap();
    assert!(counted().await, "a session was ended");
    store.begin_session(refresh("r2", "s2", 1000), Timestamp(0)).await.unwrap();
    store.remove_user("agent1").await.unwrap();
    assert!(counted().await, "a user was removed");
}

async fn a_refresh_token_counts_once(store: &dyn Identities) {
    let now = Timestamp(10);
    let (first, second) = (refresh("1", "s", 100), refresh("2", "s", 100));
    assert_eq!(store.rotate(&first.hash, second.clone(), now).await.unwrap(), Rotation::Gone);
    store.begin_session(first.clone(), now).await.unwrap();
    same(&store.refresh(&first.hash).await.unwrap().unwrap(), &first);
    assert_eq!(store.rotate(&first.hash, second.clone(), now).await.unwrap(), Rotation::Done);
    assert!(store.refresh(&first.hash).await.unwrap().unwrap().used);
    assert!(!store.refresh(&second.hash).await.unwrap().unwrap().used);

    let third = refresh("3", "s", 100);
    let late = store.rotate(&second.hash, third.clone(), Timestamp(100)).await.unwrap();
    assert_eq!(late, Rotation::Gone, "at its end it has ended");
    let reused = store.rotate(&first.hash, third.clone(), now).await.unwrap();
    assert_eq!(reused, Rotation::Reused);
    assert!(store.refresh(&second.hash).await.unwrap().is_none());
    assert!(store.refresh(&third.hash).await.unwrap().is_none());
    assert!(store.is_revoked(&["s"]).await.unwrap());
}

async fn two_copies_end_the_session(store: Arc<impl Identities + 'static>) {
    let first = refresh("first", "s", 100);
    store.begin_session(first.clone(), Timestamp(1)).await.unwrap();
    let exchanges = (0..16).map(|i| {
        let (store, old) = (Arc::clone(&store), first.hash);
        tokio::spawn(async move {
            let next = refresh(&format!("next{i}"), "s", 100);
            store.rotate(&old, next, Timestamp(1)).await.unwrap()
        })
    });
    let mut outcomes = Vec::new();
    for exchange in exchanges.collect::<Vec<_>>() {
        outcomes.push(exchange.await.unwrap());
    }
    let done = outcomes.iter().filter(|outcome| **outcome == Rotation::Done).count();
    let reused = outcomes.iter().filter(|outcome| **outcome == Rotation::Reused).count();
    assert_eq!((done, reused), (1, 1), "{outcomes:?}");
    for i in 0..16 {
        let hash = Hash::of(&format!("next{i}"), None);
        assert!(store.refresh(&hash).await.unwrap().is_none(), "a successor survived");
    }
}

async fn an_ended_session_revokes_its_name(store: &dyn Identities) {
    store.begin_session(refresh("1", "s", 100), Timestamp(1)).await.unwrap();
    store.begin_session(refresh("2", "other", 100), Timestamp(1)).await.unwrap();
    assert!(!store.is_revoked(&["s", "other"]).await.unwrap());
    assert!(store.end_session("s").await.unwrap());
    assert!(!store.end_session("s").await.unwrap());
    assert!(store.is_revoked(&["jti", "s"]).await.unwrap());
    assert!(!store.is_revoked(&["other"]).await.unwrap());
    assert!(store.refresh(&Hash::of("2", None)).await.unwrap().is_some());
}

async fn removing_a_user_ends_their_sessions(store: &dyn Identities) {
    store.put_user(user("agent1")).await.unwrap();
    store.begin_session(refresh("1", "s", 100), Timestamp(1)).await.unwrap();
    let other = Refresh { user: "agent2".into(), ..refresh("2", "t", 100) };
    store.begin_session(other, Timestamp(1)).await.unwrap();
    store.remove_user("agent1").await.unwrap();
    assert!(store.refresh(&Hash::of("1", None)).await.unwrap().is_none());
    assert!(store.is_revoked(&["s"]).await.unwrap());
    assert!(!store.is_revoked(&["t"]).await.unwrap());
}

async fn all_sessions_of_a_user_end_and_no_others(store: &dyn Identities) {
    for (token, session) in [("1", "s"), ("2", "t")] {
        store.begin_session(refresh(token, session, 100), Timestamp(1)).await.unwrap();
    }
    let other = Refresh { user: "agent2".into(), ..refresh("3", "u", 100) };
    store.begin_session(other, Timestamp(1)).await.unwrap();
    assert_eq!(store.end_sessions_of("agent1").await.unwrap(), 2);
    assert_eq!(store.end_sessions_of("agent1").await.unwrap(), 0);
    assert!(store.is_revoked(&["s"]).await.unwrap() && store.is_revoked(&["t"]).await.unwrap());
    assert!(!store.is_revoked(&["u"]).await.unwrap());
    assert!(store.refresh(&Hash::of("3", None)).await.unwrap().is_some());
}

async fn a_revoked_token_is_found_among_others(store: &dyn Identities) {
    assert!(!store.is_revoked(&["a"]).await.unwrap());
    assert!(!store.is_revoked(&[]).await.unwrap());
    store.revoke_token("a", Timestamp(100), Timestamp(1)).await.unwrap();
    store.revoke_token("a", Timestamp(50), Timestamp(1)).await.unwrap();
    assert!(store.is_revoked(&["b", "a"]).await.unwrap());
    assert!(!store.is_revoked(&["b"]).await.unwrap());
}

async fn what_has_ended_is_forgotten(store: &dyn Identities) {
    for i in 0..1100 {
        let session = format!("s{i}");
        store.begin_session(refresh(&session, &session, 10), Timestamp(1)).await.unwrap();
    }
    for i in 0..1100 {
        let session = format!("t{i}");
        store.begin_session(refresh(&session, &session, 100), Timestamp(50)).await.unwrap();
    }
    assert!(store.refresh(&Hash::of("s0", None)).await.unwrap().is_none());
    assert!(store.refresh(&Hash::of("t0", None)).await.unwrap().is_some());
}

async fn what_counts_once_counts_once(store: Arc<impl Identities + 'static>) {
    let uses = (0..16).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            store.use_once("robot 1", Timestamp(100), Timestamp(1)).await.unwrap()
        })
    });
    let mut firsts = 0;
    for one in uses.collect::<Vec<_>>() {
        firsts += usize::from(one.await.unwrap());
    }
    assert_eq!(firsts, 1, "of many who come at once it is for one");
    let once =
        async |id, until, now| store.use_once(id, Timestamp(until), Timestamp(now)).await.unwrap();
    assert!(once("robot 2", 100, 1).await);
    assert!(!once("robot 1", 100, 99).await);
    assert!(!once("robot 1", 900, 99).await, "a longer life does not make it new");
    assert!(once("robot 1", 200, 100).await, "what has ended is forgotten");
    assert!(!once("robot 1", 200, 101).await);
}

async fn gates_that_start_together_share_their_secrets(store: Arc<impl Identities + 'static>) {
    let starts = (1..=8u8).map(|i| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let pepper = store.pepper(&[i; 32]).await.unwrap();
            let keys = store.signing_keys(&[i; 40]).await.unwrap();
            (*pepper, keys.iter().map(|key| key.pkcs8.to_vec()).collect::<Vec<_>>())
        })
    });
    let mut started = Vec::new();
    for start in starts.collect::<Vec<_>>() {
        started.push(start.await.unwrap());
    }
    started.dedup();
    assert_eq!(started.len(), 1, "every gate has the same");
    assert_eq!(started.first().unwrap().1.len(), 1);
}

async fn a_new_signing_key_comes_first(store: &dyn Identities) {
    assert!(store.signing_keys(b"").await.unwrap().is_empty(), "looking makes no key");
    store.signing_keys(b"old").await.unwrap();
    let key = |text: &str, from| {
        let pkcs8 = text.as_bytes().to_vec().into();
        StoredKey { pkcs8, signs_from: Timestamp(from) }
    };
    let shown = async || {
        let keys = store.signing_keys(b"unused").await.unwrap();
        let text = |key: &StoredKey| String::from_utf8(key.pkcs8.to_vec()).unwrap();
        keys.iter().map(|key| (text(key), key.signs_from.0)).collect::<Vec<_>>()
    };
    store.add_signing_key(key("new", 7), false).await.unwrap();
    assert_eq!(shown().await, [("new".into(), 7), ("old".into(), 0)]);
    store.add_signing_key(key("only", 9), true).await.unwrap();
    assert_eq!(shown().await, [("only".into(), 9)]);
}
