//! Does an app say everything that is wrong with it, and does it start with nothing half said?

use bartizan::App;
use bartizan::budgets::{self, Calendar};
use bartizan::core::authorize::Access;
use bartizan::limits::{self, By};
use bartizan::pii::Pii;
use bartizan::works::{ApiKey, Audit, Tokens};
use bartizan::{Json, endpoint};
use serde_json::{Value, json};

use super::house::House;

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let nothing = Access::Held { scopes: Vec::new(), roles: Vec::new() };
    let wrong = App::builder("Wrong")
        .oidc("https://auth.example.com", "")
        .issuer(bartizan::core::authenticate::jwt::Issuer::own("https://x.example", "a"))
        .api_key(ApiKey::new("ci", "md5:1234"))
        .tokens(Tokens::new("https://gate.example").user("agent1", "secret", &[], &[]))
        .store("mysql://db")
        .audit(Audit::to("syslog:").events(["AUTH_SUCESS"]))
        .pii(&Pii::new().detect(["EMALI"]))
        .limit(limits::rate("odd", "5/fortnight", By::User))
        .limit(budgets::usd("daily", "a lot", Calendar::Day, By::User))
        .endpoint(endpoint("GET", "/a").access(nothing).call(|_| async { Ok(Json(1)) }))
        .endpoint(endpoint("TRACE", "/b").public().call(|_| async { Ok(Json(1)) }))
        .endpoint(endpoint("post", "/e").public().call(|_| async { Ok(Json(1)) }))
        .endpoint(
            endpoint("GET", "/c").role("ghost").cost_usd("1,00").call(|_| async { Ok(Json(1)) }),
        )
        .endpoint(endpoint("GET", "/d").public())
        .build()
        .await
        .unwrap_err()
        .to_string();
    for part in [
        "`ci`",
        "`agent1`",
        "the store: write `memory`",
        "`syslog:`",
        "EMALI",
        "5/fortnight",
        "a lot",
        "`GET /a` has no policy",
        "`TRACE`",
        "write `POST`",
        "`ghost`",
        "1,00",
        "`GET /d` has no handler",
    ] {
        assert!(wrong.contains(part), "{part} in {wrong}");
    }
}

#[tokio::test]
async fn an_event_that_does_not_exist_is_no_event_that_is_kept() {
    let audit = Audit::to("stdout:").events(["AUTH_SUCESS"]);
    let wrong = App::builder("Wrong").audit(audit).build().await.unwrap_err().to_string();
    assert!(wrong.contains("`AUTH_SUCESS`") && wrong.contains("AUTH_SUCCESS"), "{wrong}");
}

/// Of `secret`.
const SECRET: &str = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$8qPpaWig0H31wvibKAgpght2Ry2M8rtRQYtZ93ooMus";

#[tokio::test]
async fn an_app_issues_tokens_and_believes_them() {
    let (folder, audit) = House::folder();
    let store = format!("sqlite:{}", folder.path().join("store.db").display());
    let tokens =
        Tokens::new("https://gate.example").user("agent1", SECRET, &["data:read"], &["user"]);
    let app = App::builder("Tokens")
        .tokens(tokens)
        .store(&store)
        .audit(audit)
        .endpoint(endpoint("GET", "/me").scope("data:read").call(|caller| async move {
            Ok(Json(json!({ "me": caller.principal().to_string(), "roles": caller.roles() })))
        }))
        .build()
        .await
        .unwrap();
    let house = House::of(app, folder);
    let form = |password: &str| {
        http::Request::builder()
            .method("POST")
            .uri("/token")
            .header("host", "gate.example")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(bartizan::body::Body::full(format!(
                "grant_type=password&username=agent1&password={password}&scope=data:read"
            )))
            .unwrap()
    };
    let refused = super::house::see(house.send(form("wrong")).await).await;
    assert_eq!((refused.status.as_u16(), &refused.body["error"]), (400, &json!("invalid_grant")));
    let given = super::house::see(house.send(form("secret")).await).await;
    let token = given.body["access_token"].as_str().unwrap();
    let ask = http::Request::get("/me").header("host", "gate.example");
    let ask = ask.header("authorization", format!("Bearer {token}"));
    let seen =
        super::house::see(house.send(ask.body(bartizan::body::Body::empty()).unwrap()).await);
    assert_eq!(seen.await.body, json!({ "me": "local:agent1", "roles": ["user"] }));
    let stranger = house.send(super::house::request("", "GET", "/me", &Value::Null)).await;
    let challenge = stranger.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(
        challenge.contains("https://gate.example/.well-known/oauth-protected-resource"),
        "{challenge}"
    );
    assert_eq!(house.events("TOKEN_ISSUED").len(), 1);
    house.ends(4).await;
}
