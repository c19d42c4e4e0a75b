//! Which token does an upstream see? One that was asked for, once for all, and never the caller's.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Digest as _;
use tokio::net::TcpListener;

use crate::gateway::{Gateway, folder_with, program, ran};
use crate::http::{ask, tokens};
use crate::origin;
use crate::provider::Provider;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "front-secret-with-256-random-bits-in-it";
const KEY: &str = "key-of-a-program-that-has-no-token-at-all";
const ISSUER: &str = "http://127.0.0.1:1";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

fn hash(text: &str) -> String {
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A service that guards itself and issues the tokens for that: a gateway, as real as any.
fn guarded(origin: SocketAddr, ttl: &str) -> Gateway {
    let secret = hash(SECRET);
    let folder = folder_with(&format!(
        r#"
auth:
  tokens:
    issuer: {ISSUER}
    access_ttl: {ttl}
    grants: [password, client_credentials, "{EXCHANGE}"]
    clients:
      - {{ id: front, secret_hash: "sha256:{secret}", scopes: ["jobs:run"], grants: [client_credentials, "{EXCHANGE}"] }}
endpoints:
  - {{ path: /document, verbs: [GET, POST], scopes: ["data:read"], upstream: {{ url: "http://{origin}" }} }}
  - {{ path: /jobs, verbs: [GET, POST], scopes: ["jobs:run"], upstream: {{ url: "http://{origin}" }} }}
"#
    ));
    let add = ["users", "add", "ann", "--password-stdin", "--scopes", "data:read"];
    let mut add = program(folder.path())
        .args(add)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    add.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    assert!(add.wait().unwrap().success());
    Gateway::in_folder(&folder, &[])
}

/// A gateway in front of that service, which shows `/shown` to nobody but `origin`.
fn front(service: &Gateway, origin: SocketAddr) -> Gateway {
    let (at, key) = (service.address, hash(KEY));
    let asks = format!(
        "token_url: \"http://{at}/token\", client_id: front, client_secret: {{ env: FRONT_SECRET }}"
    );
    let folder = folder_with(&format!(
        r#"
auth:
  oidc:
    - {{ name: service, issuer: "{ISSUER}", jwks_uri: "http://{at}/.well-known/jwks.json", audience: "{ISSUER}" }}
  api_keys:
    keys:
      - {{ id: program, hash: "sha256:{key}" }}
endpoints:
  - path: /document
    verbs: [GET, POST]
    authenticated: true
    upstream: {{ url: "http://{at}", credential: {{ token_exchange: {{ {asks}, scopes: ["data:read"] }} }} }}
  - path: /shown
    verbs: [GET]
    authenticated: true
    upstream: {{ url: "http://{origin}", credential: {{ token_exchange: {{ {asks}, scopes: ["data:read"] }} }} }}
  - path: /jobs
    verbs: [GET, POST]
    authenticated: true
    upstream: {{ url: "http://{at}", credential: {{ client_credentials: {{ {asks}, method: post }} }} }}
"#
    ));
    Gateway::in_folder(&folder, &[("FRONT_SECRET", SECRET)])
}

fn issued(service: &Gateway) -> usize {
    let records = service.records();
    records.iter().filter(|record| record["event"] == "TOKEN_ISSUED").count()
}

fn text_of(shown: &Value, name: &str) -> String {
    shown["headers"][name].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_service_sees_the_caller_by_a_token_of_its_own_and_never_the_caller_s() {
    let origin = origin::start().await;
    let service = guarded(origin, "15m");
    let front = front(&service, origin);
    let token = tokens(service.address, "ann", "correct horse").await;
    let token = token["access_token"].as_str().unwrap();
    let before = issued(&service);

    for _ in 0..3 {
        let answer = ask("GET", "/document").bearer(token).at(front.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        // The service behind knows in whose name it is called.
        assert_eq!(text_of(&answer.json(), "x-bartizan-subject"), "local:ann");
    }
    let shown = ask("GET", "/shown").bearer(token).at(front.address).await;
    let authorization = text_of(&shown.json(), "authorization");
    let other = authorization.strip_prefix("Bearer ").unwrap();
    assert_eq!(other.split('.').count(), 3);
    assert!(!shown.text().contains(token.rsplit('.').next().unwrap()), "{}", shown.text());
    assert_eq!(issued(&service), before + 1, "one token for four calls at two endpoints");
    let records = service.records();
    let acted = records.iter().find(|record| record["details"]["actor"] == "front").unwrap();
    assert_eq!(acted["principal"]["id"], "ann", "whose rights these are, and who acts: {acted}");

    // What is shown to no service stands in no log either.
    let records = std::fs::read_to_string(front.log()).unwrap();
    let said = front.stop().said;
    for secret in [token, other, SECRET] {
        let proof = secret.rsplit('.').next().unwrap();
        assert!(!records.contains(proof) && !said.contains(proof));
    }
}

#[tokio::test]
async fn who_shows_no_token_has_none_to_be_exchanged() {
    let origin = origin::start().await;
    let service = guarded(origin, "15m");
    let front = front(&service, origin);
    let key = ask("GET", "/document").header("x-api-key", KEY).at(front.address).await;
    let problem = key.is_problem(401, "unauthenticated");
    assert!(problem["detail"].as_str().unwrap().contains("a token is needed"), "{problem}");
    assert_eq!(ask("GET", "/document").at(front.address).await.status, 401);
    // As itself the gateway may call in anybody's name.
    let answer = ask("GET", "/jobs").header("x-api-key", KEY).at(front.address).await;
    assert_eq!(text_of(&answer.json(), "x-bartizan-subject"), "client:front");
    assert_eq!(text_of(&answer.json(), "authorization"), "");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_nobody_notices() {
    let origin = origin::start().await;
    let service = guarded(origin, "2s");
    let front = front(&service, origin);
    let (end, mut calls) = (Instant::now() + PATIENCE, 0);
    while issued(&service) < 4 {
        let answer = ask("POST", "/jobs").header("x-api-key", KEY).at(front.address).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        calls += 1;
        assert!(Instant::now() < end, "no new token after {calls} calls");
    }
    assert!(calls > 8, "{calls} calls, and as many tokens");
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_replaced_by_the_call_that_finds_out() {
    let origin = origin::start().await;
    let service = guarded(origin, "15m");
    let front = front(&service, origin);
    let token = tokens(service.address, "ann", "correct horse").await;
    let token = token["access_token"].as_str().unwrap();
    let shown = ask("GET", "/shown").bearer(token).at(front.address).await.json();
    let authorization = text_of(&shown, "authorization");
    let other = authorization.strip_prefix("Bearer ").unwrap();
    let revoke = ask("POST", "/revoke")
        .form(&format!("token={other}&client_id=front&client_secret={SECRET}"));
    assert_eq!(revoke.at(service.address).await.status, 200);
    // One that is new is not given up at once: an upstream that takes none would cause a flood.
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask("POST", "/document").bearer(token).at(front.address).await;
        if answer.status == 200 {
            break;
        }
        let problem = answer.is_problem(502, "upstream-failed");
        assert!(answer.headers.get("www-authenticate").is_none(), "{problem}");
        assert!(Instant::now() < end, "{problem}");
    }
    let again = ask("GET", "/shown").bearer(token).at(front.address).await.json();
    assert_ne!(text_of(&again, "authorization"), authorization);
}

/// An upstream that takes no token, and says so well (`/said`) or badly; and how often it was asked.
async fn sullen() -> (SocketAddr, [Arc<AtomicUsize>; 2]) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts: [Arc<AtomicUsize>; 2] = Default::default();
    let counted = counts.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counts = counted.clone();
            let refuse = service_fn(move |request: Request<Incoming>| {
                let said = request.uri().path() == "/said";
                counts[usize::from(said)].fetch_add(1, Ordering::SeqCst);
                let mut answer = Response::builder().status(401);
                if said {
                    answer = answer.header("www-authenticate", "Bearer error=\"invalid_token\"");
                }
                let answer = answer.body(Full::new(Bytes::from_static(b"no"))).unwrap();
                async { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), refuse));
        }
    });
    (address, counts)
}

#[tokio::test]
async fn a_call_that_may_have_cost_something_is_never_sent_twice() {
    let provider = Provider::start();
    let (upstream, [mute, said]) = sullen().await;
    let asks = format!("issuer: \"{}\", client_id: svc, client_secret: svc-secret", provider.url);
    let endpoint = |path: &str, scope: &str| {
        format!(
            "  - {{ path: {path}, verbs: [POST], public: true, upstream: {{ url: \"http://{upstream}\", credential: {{ client_credentials: {{ {asks}, scopes: [\"{scope}\"] }} }} }} }}\n"
        )
    };
    let gateway = Gateway::configured(&format!(
        "endpoints:\n{}{}",
        endpoint("/mute", "data:read"),
        endpoint("/said", "data:write")
    ));
    let post = async |path: &str, count: &AtomicUsize| {
        let before = count.load(Ordering::SeqCst);
        let answer = ask("POST", path).at(gateway.address).await;
        answer.is_problem(502, "upstream-failed");
        count.load(Ordering::SeqCst) - before
    };
    let end = Instant::now() + PATIENCE;
    loop {
        assert_eq!(post("/mute", &mute).await, 1, "nobody knows what became of the first");
        // It says that it looked at the token and at nothing else: once more, when that is old.
        match post("/said", &said).await {
            1 => assert!(Instant::now() < end, "never tried again"),
            2 => break,
            more => panic!("sent {more} times"),
        }
    }
    assert_eq!(post("/mute", &mute).await, 1);
    assert!(provider.asked("/token").await <= 4);
}

#[tokio::test]
async fn a_real_provider_is_asked_once_for_all_and_its_outage_is_not_the_caller_s_fault() {
    let provider = Provider::start();
    let origin = origin::start().await;
    let service = Gateway::configured(&format!(
        r#"
auth:
  oidc:
    - {{ name: idp, issuer: "{}", audience: "http://gate.test/ES256", algorithms: [ES256], claims: {{ subject: [sub, client_id] }}, grants_at_most: {{ scopes: ["data:*"] }} }}
endpoints:
  - {{ path: /guarded, verbs: [GET], scopes: ["data:read"], upstream: {{ url: "http://{origin}" }} }}
"#,
        provider.url
    ));
    let front = Gateway::configured(&format!(
        r#"
endpoints:
  - path: /guarded
    verbs: [GET]
    public: true
    upstream:
      url: "http://{}"
      credential:
        client_credentials:
          issuer: "{}"
          client_id: svc
          client_secret: "svc-secret"
          scopes: ["data:read"]
          resource: "http://gate.test/ES256"
"#,
        service.address, provider.url
    ));
    provider.tell("down").await;
    let answer = ask("GET", "/guarded").at(front.address).await;
    answer.is_problem(503, "unavailable");
    provider.tell("up").await;
    let before = provider.asked("/token").await;
    let end = Instant::now() + PATIENCE;
    let calls = (0..20).map(|_| async {
        // A moment after a failure nobody is asked.
        loop {
            let answer = ask("GET", "/guarded").at(front.address).await;
            if answer.status == 200 {
                break answer.json();
            }
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(Instant::now() < end);
        }
    });
    for shown in futures_util::future::join_all(calls).await {
        assert_eq!(text_of(&shown, "x-bartizan-subject"), "idp:svc", "{shown}");
    }
    assert_eq!(provider.asked("/token").await, before + 1, "one flight for twenty");
    provider.tell("down").await;
    let answer = ask("GET", "/guarded").header("authorization", "Bearer x.y.z");
    assert_eq!(answer.at(front.address).await.status, 401, "nobody's token is passed through");
    assert_eq!(ask("GET", "/guarded").at(front.address).await.status, 200);
}

#[tokio::test]
async fn an_opaque_token_is_exchanged_for_one_that_its_service_can_read() {
    let provider = Provider::start();
    let origin = origin::start().await;
    let issuer = &provider.url;
    let service = Gateway::configured(&format!(
        r#"
auth:
  oidc:
    - {{ name: idp, issuer: "{issuer}", audience: "http://gate.test/ES256", algorithms: [ES256], claims: {{ subject: [sub, client_id] }}, grants_at_most: {{ scopes: ["data:*"] }} }}
endpoints:
  - {{ path: /guarded, verbs: [GET], scopes: ["data:read"], upstream: {{ url: "http://{origin}" }} }}
"#
    ));
    let exchange = format!(
        "credential: {{ token_exchange: {{ issuer: \"{issuer}\", client_id: gateway, client_secret: gateway-secret, \
         scopes: [\"data:read\"], resource: \"http://gate.test/ES256\" }} }}"
    );
    let front = Gateway::configured(&format!(
        r#"
auth:
  oidc:
    - name: idp
      issuer: "{issuer}"
      audience: "http://gate.test/opaque"
      claims: {{ subject: [sub, client_id] }}
      introspection: {{ client_id: gateway, client_secret: gateway-secret, cache: 1s }}
endpoints:
  - {{ path: /guarded, verbs: [GET], authenticated: true, upstream: {{ url: "http://{}", {exchange} }} }}
  - {{ path: /shown, verbs: [GET], authenticated: true, upstream: {{ url: "http://{origin}", {exchange} }} }}
"#,
        service.address
    ));
    let token = provider.token("opaque").await;
    assert!(!token.contains('.'), "{token}");
    let call = async |path: &str| ask("GET", path).bearer(&token).at(front.address).await;
    let before = provider.asked("/token").await;
    for _ in 0..3 {
        let answer = call("/guarded").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(text_of(&answer.json(), "x-bartizan-subject"), "idp:svc");
    }
    let shown = call("/shown").await;
    assert_eq!(text_of(&shown.json(), "authorization").split('.').count(), 3, "{}", shown.text());
    assert!(!shown.text().contains(&token), "{}", shown.text());
    assert_eq!(provider.asked("/token").await, before + 1, "one token for four calls");
    // What was exchanged is at hand still, and counts for nobody whose own was taken back.
    provider.revoke(&token).await;
    let end = Instant::now() + PATIENCE;
    while call("/guarded").await.status != 401 {
        assert!(Instant::now() < end, "a token that was taken back is exchanged still");
    }
    let made_up = ask("GET", "/guarded").bearer("made-up").at(front.address).await;
    assert_eq!(made_up.status, 401);
    assert_eq!(provider.asked("/token").await, before + 1);
}

#[test]
fn what_cannot_be_asked_for_is_told_before_anything_starts() {
    let check = |credential: &str, access: &str| {
        let folder = folder_with(&format!(
            "endpoints:\n  - path: /x\n    verbs: [GET]\n    {access}: true\n    upstream:\n      url: \"http://127.0.0.1:9\"\n      credential: {credential}\n"
        ));
        let output = ran(folder.path(), &["check"]);
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    let whole = "issuer: \"https://id.example\", client_id: a, client_secret: { env: PATH }";
    for (credential, access, told) in [
        ("{ client_credentials: { client_id: a, client_secret: { env: PATH } } }".into(), "public", "nobody is named who issues the token"),
        ("{ client_credentials: { issuer: \"https://id.example\", client_id: a } }".into(), "public", "nothing proves that the gateway is `client_id`"),
        (format!("{{ client_credentials: {{ {whole}, client_key: {{ env: PATH }} }} }}"), "public", "exclude one another"),
        (format!("{{ client_credentials: {{ {whole}, resource: api }} }}"), "public", "`resource` is no address"),
        (format!("{{ client_credentials: {{ {whole}, scope: api }} }}"), "public", "unknown key `scope`; did you mean `scopes`?"),
        ("{ client_credentials: { issuer: \"http://id.example\", client_id: a, client_secret: { env: PATH } } }".into(), "public", "`issuer` speaks plain http off loopback"),
        ("{ client_credentials: { issuer: \"https://id.example\", client_id: a, client_secret: { env: NOT_SET_ANYWHERE } } }".into(), "public", "NOT_SET_ANYWHERE"),
        (format!("{{ token_exchange: {{ {whole} }} }}"), "public", "`token_exchange` needs the token of a caller"),
        (format!("{{ token_exchange: {{ {whole} }}, env: PATH }}"), "authenticated", "unknown key `env`"),
    ] {
        let said = check(&credential, access);
        assert!(said.contains(told), "{credential}: {said}");
    }
    let said = check(&format!("{{ token_exchange: {{ {whole} }} }}"), "authenticated");
    assert!(!said.contains("error"), "{said}");
}
