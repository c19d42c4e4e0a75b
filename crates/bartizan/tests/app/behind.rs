//! Is a service behind the layer reached by those who may, and by nobody else?

use axum::Router;
use axum::routing::{any, get};
use bartizan::body::Body;
use bartizan::layer::Guarded;
use bartizan::pii::Pii;
use bartizan::{App, Caller, endpoint};
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};

use super::house::{House, Seen, key, request, see};

async fn report(axum::Extension(caller): axum::Extension<Caller>, headers: HeaderMap) -> String {
    let names: Vec<_> = headers.keys().map(ToString::to_string).collect();
    format!("{} sends {}; ann@example.org", caller.principal(), names.join(" "))
}

async fn guarded() -> (Guarded, House) {
    let router = Router::new()
        .route("/reports/{id}", get(report))
        .route("/count", any(|method: http::Method| async move { method.to_string() }))
        .route("/undeclared", get(|| async { "reached" }));
    let (folder, audit) = House::folder();
    let guard = App::builder("Reports")
        .endpoint(endpoint("GET", "/reports/{id}").scope("reports:read"))
        .endpoint(endpoint("COUNT", "/count").authenticated())
        .endpoint(endpoint("GET", "/missing").authenticated())
        .pii(&Pii::new().detect(["EMAIL"]).responses_only())
        .api_key(key("ann").scopes(&["reports:read"]))
        .api_key(key("bob"))
        .audit(audit)
        .layer()
        .await
        .unwrap();
    let house = House::of(guard.app().clone(), folder);
    (guard.layer(router), house)
}

async fn ask(guarded: &Guarded, request: Request<Body>) -> Seen {
    see(guarded.clone().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn the_service_sees_who_calls_and_not_by_what() {
    let (guarded, house) = guarded().await;
    let mut call = request("ann", "GET", "/reports/7", &Value::Null);
    call.headers_mut().insert("x-bartizan-subject", "root".parse().unwrap());
    call.headers_mut().insert("x_bartizan_roles", "admin".parse().unwrap());
    let seen = ask(&guarded, call).await;
    assert_eq!(seen.status, 200);
    let text = seen.body.as_str().unwrap();
    assert!(text.starts_with("key:ann sends "), "{text}");
    assert!(!text.contains("api-key") && !text.contains("bartizan"), "{text}");
    assert!(text.ends_with("***************"), "{text}");
    house.ends(1).await;
}

#[tokio::test]
async fn what_is_not_declared_is_not_reached() {
    let (guarded, house) = guarded().await;
    for (who, verb, path, status) in [
        ("ann", "GET", "/undeclared", 404),
        ("", "GET", "/undeclared", 401),
        ("", "GET", "/reports/7", 401),
        ("bob", "GET", "/reports/7", 403),
        ("ann", "POST", "/reports/7", 405),
        ("ann", "COUNT", "/count", 200),
        ("ann", "GET", "/missing", 404),
    ] {
        let seen = ask(&guarded, request(who, verb, path, &Value::Null)).await;
        assert_eq!(seen.status, status, "{who} {verb} {path}: {seen:?}");
    }
    house.ends(7).await;
}

#[tokio::test]
async fn steps_of_a_chain_reach_the_service_too() {
    let (guarded, house) = guarded().await;
    let chain = json!({ "chain": [{ "verb": "COUNT", "path": "/count" }] });
    let seen = ask(&guarded, request("ann", "POST", "/chain", &chain)).await;
    assert_eq!(seen.body["results"][0]["result"], "COUNT", "{seen:?}");
    house.ends(2).await;
}
