//! May a call pass that a proxy sends on? Whoever asks is told what the road says, and nothing else.

use std::net::SocketAddr;

use bartizan::app::BadPart;
use bartizan::body::Body;
use bartizan::core::admit::Proxies;
use bartizan::core::id::RequestId;
use bartizan::endpoint::BadEndpoint;
use bartizan::limits::{self, By};
use bartizan::pii::Pii;
use bartizan::{App, endpoint};
use http::{Request, Response};
use serde_json::{Value, json};

use super::house::{House, key, see};

const PROXY: &str = "10.1.2.3:5000";

fn proxies() -> Proxies {
    Proxies::new(vec!["10.0.0.0/8".parse().unwrap()])
}

async fn house() -> House {
    let app = App::builder("Reports")
        .proxies(proxies())
        .endpoint(endpoint("GET", "/reports/{id}").scope("reports:read").elsewhere())
        .endpoint(endpoint("SUMMARIZE", "/reports/{id}").scope("reports:read").elsewhere())
        .endpoint(
            endpoint("GET", "/rare")
                .authenticated()
                .limit(limits::rate("rare", "1/hour", By::User))
                .elsewhere(),
        )
        .endpoint(endpoint("GET", "/open").public().elsewhere())
        .endpoint(endpoint("GET", "/here").public().call(|_| async { Ok("here".to_owned()) }))
        .api_key(key("ann").scopes(&["reports:read"]))
        .api_key(key("bob"));
    House::build(app).await
}

/// What a proxy at `from` is told that asks about a call of `who`.
async fn asked(house: &House, from: &str, who: &str, call: (&str, &str)) -> Response<Body> {
    let from: SocketAddr = from.parse().unwrap();
    let mut request = Request::builder()
        .uri("/auth/verify")
        .header("host", "gate.test")
        .header("x-original-method", call.0)
        .header("x-original-uri", call.1)
        .header("x-forwarded-for", "198.51.100.7")
        .extension(from);
    if !who.is_empty() {
        request = request.header("x-api-key", format!("the key of {who}"));
    }
    house.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_proxy_is_told_what_the_call_itself_would_have_been() {
    let house = house().await;
    let report = ("GET", "/reports/7?full=1");
    let passes = asked(&house, PROXY, "ann", report).await;
    assert_eq!(passes.status(), 200);
    assert_eq!(passes.headers()["x-bartizan-subject"], "key:ann");
    assert_eq!(passes.headers()["x-bartizan-scopes"], "reports:read");
    for silent in ["x-bartizan-tenant", "x-bartizan-roles"] {
        assert_eq!(passes.headers()[silent], "", "what a client wrote must be overwritten");
    }
    let stranger = asked(&house, PROXY, "", report).await;
    assert_eq!(stranger.status(), 401);
    assert!(stranger.headers().contains_key("www-authenticate"));
    assert_eq!(asked(&house, PROXY, "bob", report).await.status(), 403);
    assert_eq!(asked(&house, PROXY, "ann", ("GET", "/nowhere")).await.status(), 404);
    assert_eq!(asked(&house, PROXY, "ann", ("DELETE", "/reports/7")).await.status(), 405);
    assert_eq!(asked(&house, PROXY, "ann", ("GET", "/reports/a%2fb")).await.status(), 400);
    assert_eq!(asked(&house, PROXY, "ann", ("SUMMARIZE", "/reports/7")).await.status(), 200);
    let nobody = asked(&house, PROXY, "", ("GET", "/open")).await;
    assert_eq!(
        (nobody.status().as_u16(), &nobody.headers()["x-bartizan-subject"]),
        (200, &"".parse().unwrap())
    );
}

#[tokio::test]
async fn asking_counts_as_the_call_that_it_is_about() {
    let house = house().await;
    assert_eq!(asked(&house, PROXY, "ann", ("GET", "/rare")).await.status(), 200);
    let short = asked(&house, PROXY, "ann", ("GET", "/rare")).await;
    assert_eq!(short.status(), 429);
    assert!(short.headers().contains_key("retry-after"));
    assert_eq!(asked(&house, PROXY, "bob", ("GET", "/rare")).await.status(), 200);
}

#[tokio::test]
async fn the_log_has_the_call_that_was_asked_about_and_its_client() {
    let house = house().await;
    asked(&house, PROXY, "ann", ("GET", "/reports/7")).await;
    asked(&house, PROXY, "bob", ("GET", "/reports/7")).await;
    let ends = house.ends(2).await;
    for (end, outcome) in ends.iter().zip(["allow", "deny"]) {
        assert_eq!(end["outcome"], outcome);
        assert_eq!(end["details"]["inquiry"], true);
        assert_eq!(end["action"]["endpoint"], "/reports/{id}");
        assert_eq!(end["action"]["path"], "/reports/7");
        assert_eq!(end["client"]["ip"], "198.51.100.7");
    }
    assert_eq!(house.events("REQUEST_START").len(), 1);
    assert_eq!(house.events("ACCESS_DENIED").len(), 1);
}

#[tokio::test]
async fn nobody_but_a_trusted_proxy_may_ask() {
    let house = house().await;
    let stranger = asked(&house, "192.0.2.9:5000", "ann", ("GET", "/open")).await;
    assert_eq!(stranger.status(), 403);
    assert!(!stranger.headers().contains_key("x-bartizan-subject"));
    let ends = house.ends(1).await;
    assert_eq!(ends[0]["action"]["path"], "/auth/verify");
    assert_eq!(ends[0]["client"]["ip"], "192.0.2.9");
}

#[tokio::test]
async fn an_endpoint_has_one_door() {
    let house = house().await;
    assert_eq!(asked(&house, PROXY, "ann", ("GET", "/here")).await.status(), 404);
    let direct = house.ask("ann", "GET", "/reports/7", &Value::Null).await;
    assert_eq!(direct.status, 404, "{direct:?}");
    let rehearsed = json!({ "verb": "GET", "path": "/reports/7" });
    let rehearsed = house.ask("ann", "TEST", "/action", &rehearsed).await;
    assert_eq!(rehearsed.body["status"], "valid", "{rehearsed:?}");
}

#[tokio::test]
async fn the_question_of_a_client_is_not_the_proxys() {
    let house = house().await;
    let from: SocketAddr = PROXY.parse().unwrap();
    let request = Request::builder()
        .uri("/auth/verify")
        .header("host", "gate.test")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-uri", "/reports/7")
        .header("x-original-method", "GET")
        .header("x-original-uri", "/open")
        .extension(from);
    let seen = see(house.send(request.body(Body::empty()).unwrap()).await).await;
    assert_eq!(seen.status, 403);
    assert_eq!(seen.body["type"], "urn:bartizan:problem:inquiry-refused");
    assert!(RequestId::parse(seen.body["request_id"].as_str().unwrap()).is_some());
}

#[tokio::test]
async fn what_needs_the_call_itself_cannot_be_asked_about() {
    let sketch = || endpoint("POST", "/x").authenticated();
    let masked = sketch().pii(&Pii::new().detect(["EMAIL_ADDRESS"]).responses_only());
    for served in [sketch().schema(&json!({ "type": "object" })).elsewhere(), masked.elsewhere()] {
        let app = App::builder("x").proxies(proxies()).endpoint(served);
        let (_folder, audit) = House::folder();
        let wrong = app.audit(audit).build().await.unwrap_err().0;
        assert!(matches!(wrong[..], [BadPart::Endpoint(BadEndpoint::Unseen(_))]), "{wrong:?}");
    }
    let (_folder, audit) = House::folder();
    let app = App::builder("x").endpoint(sketch().elsewhere()).audit(audit);
    let wrong = app.build().await.unwrap_err().0;
    assert!(matches!(wrong[..], [BadPart::Endpoint(BadEndpoint::NoAsker(_))]), "{wrong:?}");
}
