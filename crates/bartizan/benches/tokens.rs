//! What does a token cost that was seen a moment ago?
//!
//! The target is under 2 µs for the whole of it: finding the credential in the head, its digest, the look into the
//! cache, and whether what is remembered still counts.

#![allow(clippy::unwrap_used, missing_docs, reason = "without its parts a benchmark can only stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bartizan::authenticate::{Authenticate, Means, OwnKeys, Provider, Revocations};
use bartizan::core::admit::Proxies;
use bartizan::core::authenticate::Places;
use bartizan::core::authenticate::guessing::Patience;
use bartizan::core::authenticate::jwt::Issuer;
use bartizan::core::issue::{Keyring, SigningKey};
use bartizan::core::time::Timestamp;
use bartizan_store::memory::MemoryIdentities;
use criterion::{Criterion, criterion_group, criterion_main};
use http::Request;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

fn cached(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
    let key = Arc::new(key);
    let keys = OwnKeys::Kept(Keyring::kept(Arc::clone(&key), Vec::new()));
    let issuer = Issuer::new("corp", "https://id.example", vec!["api".into()]).unwrap();
    let gate = Authenticate::new(Means {
        places: Places::default(),
        keys: Vec::new(),
        environment: None,
        pepper: None,
        identities: Arc::new(MemoryIdentities::default()),
        issuers: vec![Provider::own(issuer, keys, Duration::from_secs(900))],
        revocations: Revocations::default(),
        remembered: 10_000,
        certificates: None,
        proofs: None,
        patience: Patience::default(),
    });
    let claims = json!({
        "iss": "https://id.example", "aud": "api", "sub": "agent1", "iat": NOW.as_secs(),
        "exp": NOW.plus(Duration::from_secs(900)).as_secs(), "scope": "data:read data:write",
        "jti": "0123456789abcdef", "client_id": "agent",
    });
    let token = key.sign("at+jwt", &claims).unwrap();
    let request = Request::builder().header("authorization", format!("Bearer {token}"));
    let (head, ()) = request.body(()).unwrap().into_parts();
    let from = Proxies::default().client([192, 0, 2, 1].into(), &head.headers);
    runtime.block_on(gate.caller(&head, from, NOW)).unwrap();
    criterion.bench_function("token/cached", |bencher| {
        bencher.iter(|| runtime.block_on(gate.caller(black_box(&head), from, NOW)).unwrap());
    });
}

criterion_group!(benches, cached);
criterion_main!(benches);
