//! Issuers over real sockets, keys over a real store; only the time is turned by hand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod asked;
mod paced;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::authenticate::api_key::{self, Hash, Pepper, Record};
use bartizan_core::authenticate::guessing::Patience;
use bartizan_core::authenticate::jwt::Issuer;
use bartizan_core::authenticate::{Caller, Credential, Kind, Places, Rejection};
use bartizan_core::exchange::NotAuthenticated;
use bartizan_core::issue::identities::{Keys as _, Sessions as _};
use bartizan_core::issue::{Access, Identities, Keyring, SigningKey, documents};
use bartizan_core::time::Timestamp;
use bartizan_store::memory::MemoryIdentities;
use bartizan_store::sqlite::Sqlite;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Authenticate, Means, OwnKeys, Pace, Provider, Revocations};
use crate::clock;
use crate::fetch::HttpFetch;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap()
}

fn after(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

/// An identity provider on loopback: pages that can be changed, and a count of who read them.
struct Idp {
    url: String,
    pages: Arc<Mutex<HashMap<String, (StatusCode, String)>>>,
    /// What it says of how long its pages are good for.
    cache: Arc<Mutex<Option<&'static str>>>,
    reads: watch::Receiver<HashMap<String, usize>>,
    server: JoinHandle<()>,
}

impl Idp {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let pages: Arc<Mutex<HashMap<String, (StatusCode, String)>>> = Arc::default();
        let (count, reads) = watch::channel(HashMap::new());
        let cache = Arc::default();
        let (own, said) = (Arc::clone(&pages), Arc::clone(&cache));
        let server = tokio::spawn(serve(listener, own, said, Arc::new(count)));
        let idp = Self { url, pages, cache, reads, server };
        let jwks_uri = format!("{}/keys", idp.url);
        let document = json!({ "issuer": idp.url, "jwks_uri": jwks_uri }).to_string();
        idp.put("/.well-known/openid-configuration", document);
        idp
    }

    fn put(&self, path: &str, page: impl Into<String>) {
        self.pages.lock().insert(path.into(), (StatusCode::OK, page.into()));
    }

    fn publish(&self, keys: &[&SigningKey]) {
        self.put("/keys", documents::key_set(keys.iter().copied()).to_string());
    }

    fn reads(&self, path: &str) -> usize {
        self.reads.borrow().get(path).copied().unwrap_or(0)
    }

    async fn read(&self, path: &str, times: usize) {
        let mut reads = self.reads.clone();
        reads.wait_for(|reads| reads.get(path).is_some_and(|n| *n >= times)).await.unwrap();
    }

    fn provider(&self) -> Arc<Provider> {
        let issuer = Issuer::new("corp", &self.url, vec!["api".into()]).unwrap();
        Provider::discovered(issuer, Arc::new(fetch()), Pace::default())
    }

    fn token(&self, key: &SigningKey, lives: u64) -> String {
        let claims = json!({
            "iss": self.url, "aud": "api", "sub": "agent1", "scope": "data:read",
            "exp": after(lives).as_secs(),
        });
        key.sign("JWT", &claims).unwrap()
    }
}

async fn serve(
    listener: TcpListener,
    pages: Arc<Mutex<HashMap<String, (StatusCode, String)>>>,
    cache: Arc<Mutex<Option<&'static str>>>,
    count: Arc<watch::Sender<HashMap<String, usize>>>,
) {
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (pages, count) = (Arc::clone(&pages), Arc::clone(&count));
        let cache = Arc::clone(&cache);
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let path = request.uri().path().to_owned();
                let page = pages.lock().get(&path).cloned();
                count.send_modify(|reads| *reads.entry(path).or_default() += 1);
                let (status, text) = page.unwrap_or((StatusCode::NOT_FOUND, String::new()));
                let mut response = Response::new(Full::new(Bytes::from(text)));
                *response.status_mut() = status;
                response.headers_mut().insert("location", "/keys".parse().unwrap());
                if let Some(said) = *cache.lock() {
                    response.headers_mut().insert("cache-control", said.parse().unwrap());
                }
                async { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            drop(connection.serve_connection(TokioIo::new(socket), answer).await);
        });
    }
}

fn fetch() -> HttpFetch {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    HttpFetch::with_tls(config, vec!["127.0.0.1".into()])
}

fn gate(issuers: Vec<Arc<Provider>>, identities: Arc<dyn Identities>) -> Means {
    Means {
        places: Places::default(),
        keys: Vec::new(),
        environment: None,
        pepper: None,
        identities,
        issuers,
        revocations: Revocations::default(),
        remembered: 1000,
        certificates: None,
        proofs: None,
        patience: Patience::default(),
    }
}

fn with(issuers: Vec<Arc<Provider>>) -> Authenticate {
    Authenticate::new(gate(issuers, Arc::new(MemoryIdentities::default())))
}

async fn ask(gate: &Authenticate, token: &str, now: Timestamp) -> Result<String, NotAuthenticated> {
    let caller: Caller = gate.verify(&Credential::Bearer(token), now).await?;
    Ok(caller.principal().to_string())
}

fn rejected(rejection: Rejection) -> Result<String, NotAuthenticated> {
    Err(NotAuthenticated::Rejected(rejection))
}

#[tokio::test]
async fn an_issuer_is_found_by_either_standard_and_asked_once() {
    let (idp, key) = (Idp::start().await, key());
    idp.publish(&[&key]);
    let gate = with(vec![idp.provider()]);
    let asks = (0..50).map(|i| {
        let (gate, token) = (gate.clone(), idp.token(&key, 100 + i));
        tokio::spawn(async move { ask(&gate, &token, NOW).await })
    });
    for asked in asks.collect::<Vec<_>>() {
        assert_eq!(asked.await.unwrap(), Ok("corp:agent1".into()));
    }
    assert_eq!((idp.reads("/.well-known/openid-configuration"), idp.reads("/keys")), (1, 1));

    let document = idp.pages.lock().remove("/.well-known/openid-configuration").unwrap();
    idp.put("/.well-known/oauth-authorization-server", document.1);
    assert_eq!(
        ask(&with(vec![idp.provider()]), &idp.token(&key, 9), NOW).await.unwrap(),
        "corp:agent1"
    );
}

#[tokio::test]
async fn a_new_key_is_fetched_and_a_flood_of_unknown_ones_is_not() {
    let (idp, old, new) = (Idp::start().await, key(), key());
    idp.publish(&[&old]);
    let gate = with(vec![idp.provider()]);
    assert!(ask(&gate, &idp.token(&old, 300), NOW).await.is_ok());

    idp.publish(&[&old, &new]);
    // The keys were fetched a moment ago, on the same instant: the first unknown one must wait.
    assert_eq!(ask(&gate, &idp.token(&new, 300), NOW).await, rejected(Rejection::Unknown));
    assert_eq!(ask(&gate, &idp.token(&new, 300), after(1)).await.unwrap(), "corp:agent1");
    assert_eq!(idp.reads("/keys"), 2);

    // Two attempts are left of the three that may follow each other; then one in half a minute.
    for i in 0..100 {
        let stranger = key();
        let at = after(2 + i % 27);
        assert_eq!(ask(&gate, &idp.token(&stranger, 300), at).await, rejected(Rejection::Unknown));
    }
    assert_eq!(idp.reads("/keys"), 4);
    let newest = key();
    idp.publish(&[&old, &new, &newest]);
    for i in 0..60 {
        // The flood goes on, and the new key is known all the same before a minute is over.
        let stranger = key();
        drop(ask(&gate, &idp.token(&stranger, 300), after(29 + i)).await);
        if ask(&gate, &idp.token(&newest, 300), after(29 + i)).await.is_ok() {
            assert!(idp.reads("/keys") <= 6, "{}", idp.reads("/keys"));
            return;
        }
    }
    panic!("a minute was not enough");
}

#[tokio::test]
async fn a_retired_key_ends_what_it_verified() {
    let (idp, old, new) = (Idp::start().await, key(), key());
    idp.publish(&[&old]);
    let gate = with(vec![idp.provider()]);
    let token = idp.token(&old, 3000);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    idp.publish(&[&new]);
    // Old enough to be fetched again: in the background, the old ones still count meanwhile.
    assert!(ask(&gate, &idp.token(&old, 2999), after(301)).await.is_ok());
    idp.read("/keys", 2).await;
    let fresh = idp.token(&new, 3000);
    while ask(&gate, &fresh, after(302)).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(&gate, &token, after(302)).await, rejected(Rejection::Unknown));
}

#[tokio::test]
async fn keys_outlive_an_outage_and_none_are_made_up() {
    let (idp, key) = (Idp::start().await, key());
    idp.publish(&[&key]);
    let gate = with(vec![idp.provider()]);
    let token = idp.token(&key, 200_000);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    idp.server.abort();
    idp.pages.lock().clear();
    assert!(ask(&gate, &idp.token(&key, 100_000), after(3600)).await.is_ok());
    assert_eq!(
        ask(&gate, &idp.token(&key, 199_000), after(25 * 3600)).await,
        Err(NotAuthenticated::Outage)
    );
    let cold = with(vec![idp.provider()]);
    assert_eq!(ask(&cold, &token, NOW).await, Err(NotAuthenticated::Outage));
}

#[tokio::test]
async fn what_an_issuer_must_not_do_to_us() {
    let key = key();
    let pages: &[(&str, &str, StatusCode, String)] = &[
        ("redirects", "/keys2", StatusCode::FOUND, String::new()),
        ("too long", "/keys2", StatusCode::OK, " ".repeat(300_000)),
        ("no key set", "/keys2", StatusCode::OK, "<html>".into()),
        ("an error", "/keys2", StatusCode::INTERNAL_SERVER_ERROR, "{\"keys\":[]}".into()),
    ];
    for (name, path, status, text) in pages {
        let idp = Idp::start().await;
        idp.publish(&[&key]);
        idp.pages.lock().insert((*path).into(), (*status, text.clone()));
        let jwks_uri = format!("{}{path}", idp.url);
        let document = json!({ "issuer": idp.url, "jwks_uri": jwks_uri }).to_string();
        idp.put("/.well-known/openid-configuration", document);
        let asked = ask(&with(vec![idp.provider()]), &idp.token(&key, 9), NOW).await;
        assert_eq!(asked, Err(NotAuthenticated::Outage), "{name}");
    }
    for jwks_uri in ["http://169.254.169.254/keys", "https://10.0.0.1/keys", "file:///etc/passwd"] {
        let idp = Idp::start().await;
        let document = json!({ "issuer": idp.url, "jwks_uri": jwks_uri }).to_string();
        idp.put("/.well-known/openid-configuration", document);
        let asked = ask(&with(vec![idp.provider()]), &idp.token(&key, 9), NOW).await;
        assert_eq!(asked, Err(NotAuthenticated::Outage), "{jwks_uri}");
    }
    let idp = Idp::start().await;
    idp.publish(&[&key]);
    let jwks_uri = format!("{}/keys", idp.url);
    let document = json!({ "issuer": format!("{}/", idp.url), "jwks_uri": jwks_uri }).to_string();
    idp.put("/.well-known/openid-configuration", document);
    let asked = ask(&with(vec![idp.provider()]), &idp.token(&key, 9), NOW).await;
    assert_eq!(asked, Err(NotAuthenticated::Outage), "the metadata of another issuer");
    assert_eq!(idp.reads("/keys"), 0);
}

#[tokio::test]
async fn what_is_remembered_does_not_outlive_the_token() {
    let (idp, key) = (Idp::start().await, key());
    idp.publish(&[&key]);
    let gate = with(vec![idp.provider()]);
    let token = idp.token(&key, 100);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    assert!(ask(&gate, &token, after(159)).await.is_ok(), "inside of the leeway");
    assert_eq!(ask(&gate, &token, after(160)).await, rejected(Rejection::Expired));
    let other = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
    assert!(matches!(
        ask(&gate, other, NOW).await,
        Err(NotAuthenticated::Rejected(Rejection::Untrusted(_)))
    ));
}

#[tokio::test]
async fn other_claims_under_a_signature_that_was_seen_are_not_believed() {
    let (idp, key) = (Idp::start().await, key());
    idp.publish(&[&key]);
    let gate = with(vec![idp.provider()]);
    let (seen, longer) = (idp.token(&key, 100), idp.token(&key, 100_000));
    assert!(ask(&gate, &seen, NOW).await.is_ok());
    let signature = seen.rsplit('.').next().unwrap();
    let (claims, _) = longer.rsplit_once('.').unwrap();
    let mixed = format!("{claims}.{signature}");
    for token in [&mixed, &seen, &mixed] {
        let asked = ask(&gate, token, NOW).await;
        assert_eq!(asked.is_ok(), *token == seen, "{asked:?}");
    }
}

fn own(store: &Arc<MemoryIdentities>) -> (Authenticate, Revocations, String) {
    let key = key();
    let key = Arc::new(key);
    let keys = OwnKeys::Kept(Keyring::kept(Arc::clone(&key), Vec::new()));
    let ttl = Duration::from_secs(900);
    let provider = Provider::own(Issuer::own("https://gate.example", "api"), keys, ttl);
    let access = Access {
        subject: "agent1".into(),
        kind: Kind::User,
        client: None,
        session: Some("s1".into()),
        scopes: Vec::new(),
        roles: Vec::new(),
        tenant: None,
        resource: None,
        actor: None,
        origins: Vec::new(),
        id: "j1".into(),
        issued: NOW,
        ttl: Duration::from_secs(900),
    };
    let token = access.sign("https://gate.example", "api", &key).unwrap();
    let means = gate(vec![provider], Arc::<MemoryIdentities>::clone(store));
    let revocations = means.revocations.clone();
    (Authenticate::new(means), revocations, token)
}

#[tokio::test]
async fn a_token_taken_back_here_ends_at_once_and_elsewhere_within_a_second() {
    let store = Arc::new(MemoryIdentities::default());
    let (gate, revocations, token) = own(&store);
    assert_eq!(ask(&gate, &token, NOW).await.unwrap(), "local:agent1");
    store.revoke_token("j1", after(900), NOW).await.unwrap();
    // Another process did that: it is remembered for a moment.
    assert!(ask(&gate, &token, NOW.plus(Duration::from_millis(999))).await.is_ok());
    assert_eq!(ask(&gate, &token, after(1)).await, rejected(Rejection::Revoked));

    let store = Arc::new(MemoryIdentities::default());
    let (gate, _, token) = own(&store);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    store.revoke_token("s1", after(900), NOW).await.unwrap();
    assert_eq!(ask(&gate, &token, after(1)).await, rejected(Rejection::Revoked), "its session");
    drop(revocations);

    let store = Arc::new(MemoryIdentities::default());
    let (gate, revocations, token) = own(&store);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    store.revoke_token("j1", after(900), NOW).await.unwrap();
    revocations.announce();
    assert_eq!(ask(&gate, &token, NOW).await, rejected(Rejection::Revoked));
}

fn record(id: &str, hash: Hash) -> Record {
    Record {
        id: id.into(),
        hash,
        previous: None,
        subject: "ci-bot".into(),
        scopes: vec!["data:read".into()],
        roles: Vec::new(),
        tenant: None,
        environment: None,
        expires: Some(after(1000)),
        revoked: None,
        last_used: None,
    }
}

#[tokio::test]
async fn configured_keys_are_recognised_by_either_digest_in_either_place() {
    let pepper = Pepper::new(&[3; 32]);
    let means = Means {
        keys: vec![
            record("plain", Hash::of("a plain.key.here", None)),
            record("keyed", Hash::of("another key", Some(&pepper))),
        ],
        pepper: Some(pepper),
        ..gate(Vec::new(), Arc::new(MemoryIdentities::default()))
    };
    let gate = Authenticate::new(means);
    let show =
        async |credential| gate.verify(&credential, NOW).await.map(|c| c.principal().to_string());
    assert_eq!(show(Credential::ApiKey("a plain.key.here")).await.unwrap(), "key:plain");
    assert_eq!(show(Credential::Bearer("a plain.key.here")).await.unwrap(), "key:plain");
    assert_eq!(show(Credential::ApiKey("another key")).await.unwrap(), "key:keyed");
    for wrong in ["another key ", "Another key", "x", "btz_live_x_y"] {
        assert_eq!(show(Credential::ApiKey(wrong)).await, rejected(Rejection::Unknown), "{wrong}");
    }
    assert!(ask(&gate, "another key", after(999)).await.is_ok());
    assert_eq!(ask(&gate, "another key", after(1000)).await, rejected(Rejection::Expired));
}

#[tokio::test]
async fn stored_keys_end_within_a_second_and_note_their_use_once_a_minute() {
    let store = Arc::new(MemoryIdentities::default());
    let pepper = Pepper::new(&[3; 32]);
    let secret = api_key::generate("live", "ci", &[5; 32]).unwrap();
    let key = secret.expose_secret();
    store.put_key(record("ci", Hash::of(key, Some(&pepper)))).await.unwrap();
    let means = Means {
        environment: Some("live".into()),
        pepper: Some(pepper),
        ..gate(Vec::new(), Arc::<MemoryIdentities>::clone(&store))
    };
    let revocations = means.revocations.clone();
    let gate = Authenticate::new(means);
    let used = async || {
        // What is noted beside the road has its turn first.
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
        store.key("ci").await.unwrap().unwrap().last_used
    };
    assert_eq!(ask(&gate, key, NOW).await.unwrap(), "key:ci");
    assert_eq!(used().await, Some(NOW));
    assert!(ask(&gate, key, after(59)).await.is_ok());
    assert_eq!(used().await, Some(NOW));
    assert!(ask(&gate, key, after(60)).await.is_ok());
    assert_eq!(used().await, Some(after(60)));

    store.revoke_key("ci", after(60)).await.unwrap();
    assert!(ask(&gate, key, after(60)).await.is_ok(), "remembered for a moment");
    revocations.announce();
    assert_eq!(ask(&gate, key, after(60)).await, rejected(Rejection::Revoked));

    let test = api_key::generate("test", "ci", &[5; 32]).unwrap();
    let asked = ask(&gate, test.expose_secret(), NOW).await;
    assert!(matches!(asked, Err(NotAuthenticated::Rejected(Rejection::Untrusted(_)))));
    let other = api_key::generate("live", "nobody", &[5; 32]).unwrap();
    assert_eq!(ask(&gate, other.expose_secret(), NOW).await, rejected(Rejection::Unknown));
}

/// A gate that follows what its store says, with a key in it.
async fn following(store: Arc<dyn Identities>) -> (Authenticate, String, CancellationToken) {
    let pepper = Pepper::new(&[3; 32]);
    let secret = api_key::generate("live", "ci", &[5; 32]).unwrap();
    let key = secret.expose_secret().to_owned();
    let hash = Hash::of(&key, Some(&pepper));
    store.put_key(Record { expires: None, ..record("ci", hash) }).await.unwrap();
    let means = Means { pepper: Some(pepper), ..gate(Vec::new(), Arc::clone(&store)) };
    let (news, stop) = (means.revocations.clone(), CancellationToken::new());
    tokio::spawn(news.follow(store, stop.clone()));
    (Authenticate::new(means), key, stop)
}

/// How long it takes until a key is refused, and why it is.
async fn refused(gate: &Authenticate, key: &str) -> (Duration, NotAuthenticated) {
    let began = clock::now();
    loop {
        match ask(gate, key, clock::now()).await {
            Err(not) => return (clock::now().since(began), not),
            Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
        assert!(clock::now().since(began) < Duration::from_secs(10), "it still counts");
    }
}

#[tokio::test]
async fn what_another_process_takes_back_ends_within_a_second() {
    let store = Arc::new(MemoryIdentities::default());
    let (gate, key, stop) = following(Arc::<MemoryIdentities>::clone(&store)).await;
    assert!(ask(&gate, &key, clock::now()).await.is_ok());
    store.revoke_key("ci", clock::now()).await.unwrap();
    let (took, why) = refused(&gate, &key).await;
    assert_eq!(why, NotAuthenticated::Rejected(Rejection::Revoked));
    assert!(took < Duration::from_secs(1), "{took:?}");
    stop.cancel();
}

#[tokio::test]
async fn a_store_that_falls_silent_lets_nobody_in_for_longer_than_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let database = Sqlite::open(folder.path().join("b.db")).await.unwrap();
    let (gate, key, stop) = following(Arc::new(database.identities())).await;
    assert!(ask(&gate, &key, clock::now()).await.is_ok());
    database.close().await;
    let (took, why) = refused(&gate, &key).await;
    assert_eq!(why, NotAuthenticated::Outage);
    assert!(took < Duration::from_millis(1500), "{took:?}");
    stop.cancel();
}

#[tokio::test]
async fn a_token_is_no_key_and_a_key_is_no_token() {
    let store = Arc::new(MemoryIdentities::default());
    let (gate, _, token) = own(&store);
    assert!(ask(&gate, &token, NOW).await.is_ok());
    let as_key = gate.verify(&Credential::ApiKey(&token), NOW).await;
    assert_eq!(as_key.unwrap_err(), NotAuthenticated::Rejected(Rejection::Unknown));
}
