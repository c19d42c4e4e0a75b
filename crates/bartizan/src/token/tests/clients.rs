//! Who may say that they are this client?

use bartizan_core::issue::{SigningKey, assertion, documents};
use serde_json::json;

use super::*;

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap()
}

fn statement(key: &SigningKey, id: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": "robot", "sub": "robot", "aud": "https://gate.example/token", "jti": id,
        "exp": after(60).as_secs(),
    });
    change(&mut claims);
    let kind = assertion::TYPE;
    let signed = key.sign("JWT", &claims).unwrap();
    format!("client_assertion_type={kind}&client_assertion={signed}")
}

async fn with_robot(key: &SigningKey) -> World {
    let keys = documents::key_set([key]).to_string().parse().unwrap();
    let robot = Client { proof: Proof::Keys(keys), ..client("robot") };
    let phone = Client { proof: Proof::Public, ..client("phone") };
    let clients = vec![client("app"), robot, phone];
    world(Settings { clients, ..settings() }).await
}

#[tokio::test]
async fn a_statement_of_a_client_counts_once() {
    let key = key();
    let world = with_robot(&key).await;
    let ask = async |statement: &str, now| {
        let form = format!("grant_type=client_credentials&{statement}");
        world.send("/token", &form, None, HOME, now).await
    };
    let first = statement(&key, "1", |_| {});
    let read = ask(&first, NOW).await;
    assert_eq!(world.who(read.text("access_token")).await.unwrap(), "client:robot jobs:run");
    assert_eq!(ask(&first, NOW).await.error(), "401 invalid_client", "it was shown before");
    assert_eq!(ask(&first, after(89)).await.error(), "401 invalid_client", "and still is known");
    assert_eq!(ask(&statement(&key, "2", |_| {}), NOW).await.status, 200);
    let elsewhere = statement(&key, "3", |claims| claims["aud"] = "https://other.example".into());
    assert_eq!(ask(&elsewhere, NOW).await.error(), "401 invalid_client");
    // Neither is the id of one that is refused used up by it.
    assert_eq!(ask(&statement(&key, "3", |_| {}), NOW).await.status, 200);
}

#[tokio::test]
async fn nobody_else_proves_to_be_a_client_with_a_key() {
    let (key, other) = (key(), key());
    let world = with_robot(&key).await;
    let form = "grant_type=client_credentials";
    let forged = statement(&other, "1", |_| {});
    let of_another = statement(&key, "2", |claims| {
        claims["iss"] = "app".into();
        claims["sub"] = "app".into();
    });
    let mixed = format!("{}&client_id=app", statement(&key, "3", |_| {}));
    for extra in [
        forged.as_str(),
        &of_another,
        &mixed,
        "client_id=robot",
        "client_id=robot&client_secret=client-secret",
        "client_id=robot&client_secret=",
    ] {
        let read = world.post("/token", &format!("{form}&{extra}")).await;
        assert_eq!(read.error(), "401 invalid_client", "{extra}");
    }
    let twice = statement(&key, "4", |_| {});
    let twice = world.as_client("/token", &format!("{form}&{twice}"), "app").await;
    assert_eq!(twice.error(), "400 invalid_request", "two ways are one too many");
}

#[tokio::test]
async fn guessing_a_clients_secret_is_stopped_too() {
    let world =
        world(Settings { throttle: Throttle::new(3, 100, Duration::from_mins(15)), ..settings() });
    let world = world.await;
    let attempt = async |secret: &str, from: &str| {
        let form = "grant_type=client_credentials";
        world.send("/token", form, Some(&format!("app:{secret}")), from, NOW).await
    };
    for _ in 0..3 {
        assert_eq!(attempt("wrong", HOME).await.status, 401);
    }
    let right = attempt("client-secret", HOME).await;
    assert_eq!(right.status, 429);
    assert_eq!(right.decided.event.unwrap().0, Event::RateLimitExceeded);
    assert_eq!(attempt("client-secret", "198.51.100.7").await.status, 200);
}

#[tokio::test]
async fn a_public_client_continues_its_own_sessions_and_no_more() {
    let world = with_robot(&key()).await;
    let login = "grant_type=password&username=agent1&password=secret&client_id=phone";
    let read = world.post("/token", login).await;
    let (access, refresh) = (read.text("access_token"), read.text("refresh_token"));
    let again = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(world.post("/token", &again).await.error(), "400 invalid_grant", "it names nobody");
    let again = world.post("/token", &format!("{again}&client_id=phone")).await;
    assert_eq!(again.status, 200);

    let own = world.post("/token", "grant_type=client_credentials&client_id=phone").await;
    assert_eq!(own.error(), "400 unauthorized_client");
    let about = world.post("/introspect", &format!("token={access}&client_id=phone")).await;
    assert_eq!(about.error(), "401 invalid_client");
    let form = format!("token={}&client_id=phone", again.text("refresh_token"));
    assert_eq!(world.post("/revoke", &form).await.status, 200);
    assert_eq!(world.who(access).await, REVOKED, "with its session");
}
