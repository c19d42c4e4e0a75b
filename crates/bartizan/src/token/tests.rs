//! The token endpoint from outside: requests in, answers out, on real stores.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod attacks;
mod clients;
mod exchange;
mod flood;
mod keys;
mod sessions;
mod targets;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bartizan_core::audit::Event;
use bartizan_core::authenticate::api_key::Hash;
use bartizan_core::authenticate::claims::Grants;
use bartizan_core::authenticate::guessing::Patience;
use bartizan_core::authenticate::password::{self, PasswordHash};
use bartizan_core::authenticate::{Credential, Places, Rejection};
use bartizan_core::exchange::NotAuthenticated;
use bartizan_core::issue::account::Proof;
use bartizan_core::issue::documents::Paths;
use bartizan_core::issue::identities::Accounts as _;
use bartizan_core::issue::{Client, GrantType, Throttle, User};
use bartizan_core::time::Timestamp;
use bartizan_store::memory::{MemoryIdentities, MemoryMeter};
use base64::Engine as _;
use http::{Method, Request};
use secrecy::SecretString;
use serde_json::Value;

use super::{Decided, Settings, TokenEndpoint};
use crate::authenticate::{Authenticate, Means, Revocations};

const NOW: Timestamp = Timestamp(1_800_000_000_000_000);
const HOME: &str = "192.0.2.1";

fn after(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

/// The endpoint, and a gate that takes its tokens.
struct World {
    endpoint: TokenEndpoint,
    gate: Authenticate,
    store: Arc<MemoryIdentities>,
}

fn hash(text: &str) -> PasswordHash {
    password::hash(&SecretString::from(text), &[7; 16]).unwrap()
}

fn user(name: &str) -> User {
    User {
        name: name.into(),
        password: hash("secret"),
        scopes: vec!["data:read".into(), "notify:send".into()],
        roles: vec!["user".into()],
        tenant: None,
        disabled: false,
    }
}

fn client(id: &str) -> Client {
    Client {
        id: id.into(),
        proof: Proof::Secret(Hash::of("client-secret", None)),
        scopes: vec!["jobs:run".into()],
        roles: Vec::new(),
        tenant: None,
        grants: GrantType::ALL.into(),
        acts_at_most: Grants::default(),
        disabled: false,
    }
}

fn settings() -> Settings {
    Settings {
        issuer: "https://gate.example".into(),
        audience: "https://gate.example".into(),
        resource: "https://gate.example".into(),
        paths: Paths::default(),
        resources: vec!["/mcp".into(), "/v1".into()],
        grants: GrantType::ALL.into(),
        access_ttl: Duration::from_mins(15),
        refresh_ttl: Duration::from_hours(720),
        users: vec![user("agent1")],
        clients: vec![client("app"), client("other")],
        certificates: false,
        throttle: Throttle::default(),
        at_once: 2,
        waiting: 64,
        signing_keys: Vec::new(),
        pepper: None,
    }
}

async fn world(settings: Settings) -> World {
    let store = Arc::new(MemoryIdentities::default());
    let meter = Arc::new(MemoryMeter::default());
    let revocations = Revocations::default();
    let endpoint = TokenEndpoint::open(
        settings,
        Arc::<MemoryIdentities>::clone(&store),
        meter,
        revocations.clone(),
    );
    let endpoint = endpoint.await.unwrap();
    let gate = Authenticate::new(Means {
        places: Places::default(),
        keys: Vec::new(),
        environment: None,
        pepper: None,
        identities: Arc::<MemoryIdentities>::clone(&store),
        issuers: vec![Arc::clone(endpoint.provider())],
        revocations,
        remembered: 100,
        certificates: None,
        proofs: None,
        patience: Patience::default(),
    });
    World { endpoint, gate, store }
}

/// What a client reads: the status, and the members of the body.
struct Read {
    status: u16,
    body: Value,
    decided: Decided,
}

impl Read {
    fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.body))
    }

    fn error(&self) -> String {
        format!("{} {}", self.status, self.text("error"))
    }
}

impl World {
    async fn post(&self, path: &str, form: &str) -> Read {
        self.send(path, form, None, HOME, NOW).await
    }

    async fn as_client(&self, path: &str, form: &str, id: &str) -> Read {
        self.send(path, form, Some(&format!("{id}:client-secret")), HOME, NOW).await
    }

    async fn send(
        &self,
        path: &str,
        form: &str,
        basic: Option<&str>,
        from: &str,
        now: Timestamp,
    ) -> Read {
        let mut request =
            Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        if let Some(basic) = basic {
            let basic = base64::engine::general_purpose::STANDARD.encode(basic);
            request = request.header("authorization", format!("Basic {basic}"));
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let from: IpAddr = from.parse().unwrap();
        let decided = self.endpoint.handle(&head, form.as_bytes(), from.into(), now).await;
        read(decided)
    }

    async fn get(&self, path: &str) -> Read {
        let (head, ()) = Request::get(path).body(()).unwrap().into_parts();
        let from: IpAddr = HOME.parse().unwrap();
        read(self.endpoint.handle(&head, b"", from.into(), NOW).await)
    }

    async fn log_in(&self) -> Read {
        self.post("/token", "grant_type=password&username=agent1&password=secret").await
    }

    async fn who(&self, token: &str) -> Result<String, NotAuthenticated> {
        let caller = self.gate.verify(&Credential::Bearer(token), NOW).await?;
        Ok(format!("{} {}", caller.principal(), caller.scopes().join(" ")))
    }
}

fn read(decided: Decided) -> Read {
    let body = serde_json::from_slice(decided.response.body()).unwrap_or(Value::Null);
    Read { status: decided.response.status().as_u16(), body, decided }
}

const REVOKED: Result<String, NotAuthenticated> =
    Err(NotAuthenticated::Rejected(Rejection::Revoked));

#[tokio::test]
async fn the_guides_request_gets_a_token_that_the_gate_takes() {
    let world = world(settings()).await;
    let read = world.log_in().await;
    assert_eq!(read.status, 200);
    let members: Vec<_> = read.body.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["access_token", "token_type", "expires_in", "scope", "refresh_token"];
    assert_eq!(members, expected);
    assert_eq!(read.text("token_type"), "bearer");
    assert_eq!(read.body["expires_in"], 900);
    assert_eq!(read.decided.response.headers()["cache-control"], "no-store");
    let who = world.who(read.text("access_token")).await.unwrap();
    assert_eq!(who, "local:agent1 data:read notify:send");
    let (event, _) = read.decided.event.unwrap();
    assert_eq!(event, Event::TokenIssued);
    assert_eq!(read.decided.principal.unwrap().to_string(), "local:agent1");
}

#[tokio::test]
async fn whatever_is_wrong_with_a_login_looks_the_same() {
    let mut settings = settings();
    settings.users.push(User { disabled: true, ..user("gone") });
    let world = world(settings).await;
    for form in [
        "username=agent1&password=Secret",
        "username=nobody&password=secret",
        "username=gone&password=secret",
        "username=%00&password=secret",
        &format!("username=agent1&password={}", "x".repeat(2000)),
    ] {
        let read = world.post("/token", &format!("grant_type=password&{form}")).await;
        assert_eq!(read.status, 400);
        let expected =
            r#"{"error":"invalid_grant","error_description":"Incorrect username or password"}"#;
        assert_eq!(read.body.to_string(), expected);
        assert_eq!(read.decided.event.unwrap().0, Event::AuthFailure);
        let named = read.decided.principal.map(|principal| principal.to_string());
        assert!(named.is_none_or(|name| name == "local:agent1" || name == "local:gone"));
    }
}

#[tokio::test]
async fn guessing_is_stopped_for_right_and_wrong_and_only_there() {
    let mut settings = settings();
    settings.throttle = Throttle::new(3, 100, Duration::from_mins(15));
    let world = world(settings).await;
    let attempt = async |password: &str, from: &str, now| {
        let form = format!("grant_type=password&username=agent1&password={password}");
        world.send("/token", &form, None, from, now).await
    };
    for _ in 0..3 {
        assert_eq!(attempt("wrong", HOME, NOW).await.status, 400);
    }
    let [wrong, right] = [attempt("wrong", HOME, NOW).await, attempt("secret", HOME, NOW).await];
    assert_eq!((wrong.status, right.status), (429, 429));
    assert_eq!(wrong.body, right.body);
    assert_eq!(right.decided.response.headers()["retry-after"], "900");
    assert_eq!(attempt("secret", "198.51.100.7", NOW).await.status, 200);
    assert_eq!(attempt("secret", HOME, after(900)).await.status, 200);
}

#[tokio::test]
async fn scopes_are_those_that_are_held() {
    let world = world(settings()).await;
    let login = "grant_type=password&username=agent1&password=secret&scope=";
    let one = world.post("/token", &format!("{login}data:read")).await;
    assert_eq!(one.text("scope"), "data:read");
    let who = world.who(one.text("access_token")).await.unwrap();
    assert_eq!(who, "local:agent1 data:read");
    let more = world.post("/token", &format!("{login}data:read+admin:all")).await;
    assert_eq!(more.error(), "400 invalid_scope");

    let refresh = format!("grant_type=refresh_token&refresh_token={}", one.text("refresh_token"));
    let more = world.post("/token", &format!("{refresh}&scope=notify:send")).await;
    assert_eq!(more.error(), "400 invalid_scope", "a session does not grow");
    let same = world.post("/token", &refresh).await;
    assert_eq!(same.text("scope"), "data:read", "and what failed did not use it up");
}

#[tokio::test]
async fn a_copied_refresh_token_ends_everything_that_came_of_the_login() {
    let world = world(settings()).await;
    let first = world.log_in().await;
    let go_on = async |read: &Read| {
        let token = read.text("refresh_token");
        world.post("/token", &format!("grant_type=refresh_token&refresh_token={token}")).await
    };
    let second = go_on(&first).await;
    assert_eq!(second.status, 200);
    assert_ne!(first.text("refresh_token"), second.text("refresh_token"));
    assert!(world.who(second.text("access_token")).await.is_ok());
    let bystander = world.log_in().await;

    let copy = go_on(&first).await;
    assert_eq!(copy.error(), "400 invalid_grant");
    assert_eq!(copy.decided.event.unwrap().0, Event::SecurityAlert);
    assert_eq!(go_on(&second).await.error(), "400 invalid_grant");
    for read in [&first, &second] {
        assert_eq!(world.who(read.text("access_token")).await, REVOKED);
    }
    assert!(world.who(bystander.text("access_token")).await.is_ok());
    assert_eq!(go_on(&bystander).await.status, 200);
}

#[tokio::test]
async fn a_session_belongs_to_its_client_and_its_user() {
    let world = world(settings()).await;
    let login = "grant_type=password&username=agent1&password=secret";
    let read = world.as_client("/token", login, "app").await;
    let form = format!("grant_type=refresh_token&refresh_token={}", read.text("refresh_token"));
    assert_eq!(world.as_client("/token", &form, "other").await.error(), "400 invalid_grant");
    assert_eq!(world.post("/token", &form).await.error(), "400 invalid_grant");
    assert_eq!(world.as_client("/token", &form, "app").await.status, 200);

    world.store.put_user(user("guest")).await.unwrap();
    let login = "grant_type=password&username=guest&password=secret";
    let guest = world.post("/token", login).await;
    world.store.put_user(User { disabled: true, ..user("guest") }).await.unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={}", guest.text("refresh_token"));
    assert_eq!(world.post("/token", &form).await.error(), "400 invalid_grant");
}

#[tokio::test]
async fn a_program_speaks_for_itself() {
    let world = world(settings()).await;
    let form = "grant_type=client_credentials";
    let by_header = world.as_client("/token", form, "app").await;
    assert_eq!(by_header.status, 200);
    assert!(by_header.body.get("refresh_token").is_none());
    let who = world.who(by_header.text("access_token")).await.unwrap();
    assert_eq!(who, "client:app jobs:run");
    let by_form = format!("{form}&client_id=app&client_secret=client-secret");
    assert_eq!(world.post("/token", &by_form).await.status, 200);
    for (basic, form) in [
        (Some("app:wrong"), form.to_owned()),
        (Some("nobody:client-secret"), form.to_owned()),
        (None, form.to_owned()),
        (None, format!("{form}&client_id=app")),
    ] {
        let read = world.send("/token", &form, basic, HOME, NOW).await;
        assert_eq!(read.error(), "401 invalid_client", "{basic:?} {form}");
        let challenge = read.decided.response.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Basic "));
    }
}

#[tokio::test]
async fn what_is_not_offered_or_not_allowed_is_refused() {
    let mut settings = settings();
    settings.grants = vec![GrantType::Password, GrantType::ClientCredentials];
    settings.clients = vec![Client { grants: vec![GrantType::Password], ..client("app") }];
    let world = world(settings).await;
    let login = world.log_in().await;
    assert!(login.body.get("refresh_token").is_none());
    let read = world.post("/token", "grant_type=refresh_token&refresh_token=x").await;
    assert_eq!(read.error(), "400 unsupported_grant_type");
    let read = world.as_client("/token", "grant_type=client_credentials", "app").await;
    assert_eq!(read.error(), "400 unauthorized_client");
    for (path, form) in [
        ("/token?grant_type=password", "grant_type=password&username=agent1&password=secret"),
        ("/token", "grant_type=password&grant_type=password&username=agent1&password=secret"),
        ("/token", ""),
        ("/token", "grant_type=password&username=agent1"),
    ] {
        assert_eq!(world.post(path, form).await.error(), "400 invalid_request", "{path} {form}");
    }
}

#[tokio::test]
async fn what_is_taken_back_counts_no_more_from_that_moment() {
    let world = world(settings()).await;
    let login = "grant_type=password&username=agent1&password=secret";
    let read = world.as_client("/token", login, "app").await;
    let (access, refresh) = (read.text("access_token"), read.text("refresh_token"));
    let about = async |token: &str| {
        world.as_client("/introspect", &format!("token={token}"), "other").await.body
    };
    assert_eq!(about(access).await["sub"], "agent1");
    assert_eq!(about(access).await["client_id"], "app");
    assert_eq!(about(refresh).await["active"], true);
    assert!(world.who(access).await.is_ok());

    let revoke =
        async |token: &str, id| world.as_client("/revoke", &format!("token={token}"), id).await;
    assert_eq!(revoke(access, "other").await.status, 200);
    assert!(world.who(access).await.is_ok(), "it is not theirs to take back");
    let taken = revoke(access, "app").await;
    assert_eq!((taken.status, taken.decided.event.unwrap().0), (200, Event::TokenRevoked));
    assert_eq!(world.who(access).await, REVOKED);
    assert_eq!(about(access).await.to_string(), r#"{"active":false}"#);
    assert_eq!(about(refresh).await["active"], true);

    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    let next = world.as_client("/token", &form, "app").await;
    assert_eq!(revoke(next.text("refresh_token"), "app").await.status, 200);
    assert_eq!(world.who(next.text("access_token")).await, REVOKED, "with its session");
    assert_eq!(about(next.text("refresh_token")).await["active"], false);

    assert_eq!(revoke("nonsense", "app").await.status, 200);
    assert_eq!(world.post("/introspect", "token=x").await.error(), "401 invalid_client");
    assert_eq!(world.as_client("/revoke", "", "app").await.error(), "400 invalid_request");
}

#[tokio::test]
async fn an_old_hash_is_made_anew_at_the_next_login() {
    let world = world(settings()).await;
    // "secret" at m=8, t=1, p=1 by the reference implementation.
    let weak: PasswordHash = WEAK.parse().unwrap();
    world.store.put_user(User { password: weak, ..user("guest") }).await.unwrap();
    let login = "grant_type=password&username=guest&password=secret";
    for _ in 0..2 {
        assert_eq!(world.post("/token", login).await.status, 200);
        assert!(!world.store.user("guest").await.unwrap().unwrap().password.needs_rehash());
    }
}

const WEAK: &str =
    "$argon2id$v=19$m=8,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$39tbUSD70LTTCIyCWo9t5sDidhNPptw1P94ISzTyALc";

#[tokio::test]
async fn the_endpoint_says_what_it_is_and_shows_only_public_keys() {
    let world = world(settings()).await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await.body;
    assert_eq!(metadata["issuer"], "https://gate.example");
    assert_eq!(metadata["token_endpoint"], "https://gate.example/token");
    let keys = world.get("/.well-known/jwks.json").await.body;
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1);
    assert!(keys["keys"][0].get("d").is_none());
    let resource = world.get("/.well-known/oauth-protected-resource").await.body;
    assert_eq!(resource["authorization_servers"][0], "https://gate.example");
    assert_eq!(world.get("/.well-known/other").await.status, 404);
    for (method, path) in world.endpoint.routes() {
        if method == Method::GET && path != "/token/authorize" {
            assert_eq!(world.get(&path).await.status, 200, "{path}");
        }
    }
    assert_eq!(world.get("/.well-known/openid-configuration").await.body, metadata);
    let nowhere = world.get("/token/authorize").await;
    assert_eq!(nowhere.error(), "400 unsupported_response_type");
}
