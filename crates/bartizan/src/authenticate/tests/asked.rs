//! Opaque tokens, of which only their issuer knows; and addresses that guess.

use bartizan_core::admit::{ClientAddress, Proxies};
use bartizan_core::authenticate::X_API_KEY;
use http::HeaderMap;
use http::request::Parts;

use super::super::{Introspection, IntrospectionSettings};
use super::*;

const ASKED: &str = "/introspect";

impl Idp {
    fn asked(&self, settings: impl FnOnce(&mut IntrospectionSettings)) -> Arc<Provider> {
        let mut asking = IntrospectionSettings {
            endpoint: Some(format!("{}{ASKED}", self.url)),
            client: "gate way".into(),
            secret: "s:e&c r%t".to_owned().into(),
            in_form: false,
            cache: Duration::from_secs(10),
            patience: Duration::from_secs(5),
            any_audience: false,
        };
        settings(&mut asking);
        self.provider().with_introspection(Introspection::new(asking, Arc::new(fetch())))
    }

    fn says(&self, answer: &serde_json::Value) {
        self.put(ASKED, answer.to_string());
    }

    fn active(&self, lives: u64) -> serde_json::Value {
        json!({
            "active": true, "iss": self.url, "aud": "api", "sub": "agent1", "scope": "data:read",
            "exp": after(lives).as_secs(),
        })
    }
}

fn request(token: &str) -> Parts {
    let mut request = Request::new(());
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    request.into_parts().0
}

fn address(from: &str) -> ClientAddress {
    Proxies::default().client(from.parse().unwrap(), &HeaderMap::new())
}

#[tokio::test]
async fn an_opaque_token_is_asked_about_now_and_then_and_never_after_its_end() {
    let idp = Idp::start().await;
    idp.says(&idp.active(25));
    let gate = with(vec![idp.asked(|_| {})]);
    for (at, reads) in [(0, 1), (9, 1), (10, 2), (19, 2), (20, 3), (24, 3)] {
        assert_eq!(ask(&gate, "opaque", after(at)).await.unwrap(), "corp:agent1", "{at}");
        assert_eq!(idp.reads(ASKED), reads, "{at}");
    }
    idp.says(&json!({ "active": false }));
    assert_eq!(ask(&gate, "opaque", after(25)).await, rejected(Rejection::Unknown));
    assert_eq!(idp.reads(ASKED), 4, "at its end, though the answer was five seconds old");
    // A bad one is remembered for a moment, and no longer.
    assert_eq!(ask(&gate, "opaque", after(29)).await, rejected(Rejection::Unknown));
    assert_eq!(idp.reads(ASKED), 4);
    idp.says(&idp.active(100));
    assert!(ask(&gate, "opaque", after(30)).await.is_ok());
}

#[tokio::test]
async fn what_an_issuer_says_of_a_token_is_believed_as_far_as_a_token_would_be() {
    let idp = Idp::start().await;
    let mut of = 0;
    let good = idp.active(300);
    let mut answers = vec![("good", good.clone(), true)];
    let mut with_member = |name: &'static str, member: &str, value: serde_json::Value, good_one| {
        let mut answer = good.clone();
        answer[member] = value;
        answers.push((name, answer, good_one));
    };
    with_member("audiences", "aud", json!(["x", "api"]), true);
    with_member("for another", "aud", json!("other"), false);
    with_member("of another", "iss", json!("https://other.example"), false);
    with_member("inactive", "active", json!(false), false);
    with_member("a text", "active", json!("true"), false);
    with_member("a number", "active", json!(1), false);
    with_member("expired", "exp", json!(NOW.as_secs() - 61), false);
    with_member("exp as a text", "exp", json!("2000000000"), false);
    with_member("not yet", "nbf", json!(NOW.as_secs() + 61), false);
    with_member("no subject", "sub", json!(null), false);
    with_member("bound", "cnf", json!({ "jkt": "x" }), false);
    with_member("a refresh token", "token_use", json!("refresh"), false);
    let mut nobody = good;
    nobody.as_object_mut().unwrap().remove("aud");
    answers.push(("for nobody in particular", nobody.clone(), false));
    for (name, answer, accepted) in answers {
        idp.says(&answer);
        of += 1;
        let asked = ask(&with(vec![idp.asked(|_| {})]), &format!("token{of}"), NOW).await;
        assert_eq!(asked.is_ok(), accepted, "{name}: {asked:?}");
    }
    idp.says(&nobody);
    let lax = with(vec![idp.asked(|asking| asking.any_audience = true)]);
    assert!(ask(&lax, "opaque", NOW).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_cannot_be_asked_lets_nobody_in() {
    for (status, text) in [
        (StatusCode::INTERNAL_SERVER_ERROR, r#"{"active":true}"#),
        (StatusCode::UNAUTHORIZED, r#"{"active":true}"#),
        (StatusCode::FOUND, ""),
    ] {
        let idp = Idp::start().await;
        idp.pages.lock().insert(ASKED.into(), (status, text.into()));
        let asked = ask(&with(vec![idp.asked(|_| {})]), "opaque", NOW).await;
        assert_eq!(asked, Err(NotAuthenticated::Outage), "{status}");
    }
    let idp = Idp::start().await;
    let provider = idp.asked(|asking| asking.endpoint = Some("http://10.0.0.1/x".into()));
    assert_eq!(ask(&with(vec![provider]), "opaque", NOW).await, Err(NotAuthenticated::Outage));
    // Nobody answers: the caller does not wait longer than is configured.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/x", silent.local_addr().unwrap());
    let provider = idp.asked(|asking| {
        asking.endpoint = Some(url);
        asking.patience = Duration::from_millis(50);
    });
    assert_eq!(ask(&with(vec![provider]), "opaque", NOW).await, Err(NotAuthenticated::Outage));
}

#[tokio::test]
async fn whoever_guesses_is_told_to_wait_and_whoever_knows_is_not() {
    let (idp, key) = (Idp::start().await, key());
    idp.publish(&[&key]);
    idp.says(&json!({ "active": false }));
    let means = Means {
        keys: vec![record("ci", Hash::of("a good key of the file", None))],
        patience: Patience { failures: 5, ..Patience::default() },
        ..gate(vec![idp.asked(|_| {})], Arc::new(MemoryIdentities::default()))
    };
    let gate = Authenticate::new(means);
    let from = |from: &str, token: &str| {
        let (head, from) = (request(token), address(from));
        let gate = gate.clone();
        async move {
            let caller = gate.caller(&head, from, NOW).await;
            caller.map(|caller| caller.principal().to_string())
        }
    };
    let guesser = "192.0.2.1";
    for i in 0..5 {
        assert_eq!(from(guesser, &format!("guess{i}")).await, rejected(Rejection::Unknown));
    }
    let wait = Err(NotAuthenticated::Throttled(Duration::from_secs(12)));
    for i in 5..50 {
        assert_eq!(from(guesser, &format!("guess{i}")).await, wait);
    }
    assert_eq!(idp.reads(ASKED), 5, "the issuer has no part in it");
    assert_eq!(from(guesser, "eyJhbGciOiJFUzI1NiJ9.e30.AAAA").await, wait);
    // The same address, shared with people who have something to show.
    assert_eq!(from(guesser, "a good key of the file").await.unwrap(), "key:ci");
    assert_eq!(from(guesser, &idp.token(&key, 300)).await.unwrap(), "corp:agent1");
    assert_eq!(from("192.0.2.2", "guess").await, rejected(Rejection::Unknown));
    // Who merely comes late has not guessed.
    for i in 0..20 {
        let late = idp.token(&key, i + 1);
        let head = request(&late);
        let answer = gate.caller(&head, address("192.0.2.3"), after(500)).await.unwrap_err();
        assert_eq!(answer, NotAuthenticated::Rejected(Rejection::Expired));
    }
    let mut head = request("x");
    head.headers.remove("authorization");
    head.headers.insert(&X_API_KEY, "guess".parse().unwrap());
    let answer = gate.caller(&head, address(guesser), after(12)).await;
    assert_eq!(answer.unwrap_err(), Rejection::Unknown.into());
}
