//! Who may act for whom, and with how much of what they may?

use super::*;

const EXCHANGE: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange\
                        &subject_token_type=urn:ietf:params:oauth:token-type:access_token";

impl World {
    async fn act_for(&self, token: &str, extra: &str, id: &str) -> Read {
        self.as_client("/token", &format!("{EXCHANGE}&subject_token={token}{extra}"), id).await
    }
}

fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap();
    let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn an_agent_acts_for_a_user_with_less_and_everybody_can_see_it() {
    let world = world(settings()).await;
    let login = world.log_in().await;
    let read = world.act_for(login.text("access_token"), "&scope=data:read", "app").await;
    assert_eq!(read.status, 200, "{}", read.body);
    assert_eq!(read.text("issued_token_type"), "urn:ietf:params:oauth:token-type:access_token");
    assert!(read.body.get("refresh_token").is_none());
    let token = read.text("access_token");
    assert_eq!(world.who(token).await.unwrap(), "local:agent1 data:read");
    let claims = claims(token);
    assert_eq!(claims["act"], serde_json::json!({ "sub": "app", "kind": "client" }));
    assert_eq!(claims["client_id"], "app");
    assert_eq!(claims["roles"], serde_json::json!([]), "roles only where they are named");
    let principal = read.decided.principal.as_ref().unwrap();
    assert_eq!(principal.to_string(), "local:agent1");
    assert_eq!(read.decided.details["client"], "app");
    let about = world.as_client("/introspect", &format!("token={token}"), "other").await;
    assert_eq!(about.body["act"]["sub"], "app");

    let again = world.act_for(token, "", "other").await;
    assert_eq!(again.text("scope"), "data:read", "never more than it was given");
    let wider = world.act_for(token, "&scope=notify:send", "other").await;
    assert_eq!(wider.error(), "400 invalid_scope");
}

#[tokio::test]
async fn what_comes_of_a_token_ends_with_it() {
    let world = world(settings()).await;
    let login = world.log_in().await;
    let access = login.text("access_token");
    let form = format!("{EXCHANGE}&subject_token={access}");
    let basic = Some("app:client-secret");
    let late = world.send("/token", &form, basic, HOME, after(840)).await;
    assert_eq!(late.body["expires_in"], 60, "not a second longer");

    let first = world.act_for(access, "", "app").await;
    let second = world.act_for(first.text("access_token"), "", "other").await;
    assert!(world.who(second.text("access_token")).await.is_ok());
    world.post("/revoke", &format!("token={access}")).await;
    for read in [&login, &first, &second] {
        assert_eq!(world.who(read.text("access_token")).await, REVOKED);
    }

    let login = world.log_in().await;
    let acting = world.act_for(login.text("access_token"), "", "app").await;
    world.post("/revoke", &format!("token={}", login.text("refresh_token"))).await;
    assert_eq!(world.who(acting.text("access_token")).await, REVOKED, "with the session");
}

#[tokio::test]
async fn nobody_acts_by_what_is_no_token_of_a_user() {
    let world = world(settings()).await;
    let login = world.log_in().await;
    let own = world.as_client("/token", "grant_type=client_credentials", "other").await;
    let mut forged = login.text("access_token").to_owned();
    forged.pop();
    for token in [own.text("access_token"), login.text("refresh_token"), &forged, "x", "a.b.c"] {
        let read = world.act_for(token, "", "app").await;
        assert_eq!(read.error(), "400 invalid_request", "{token}");
        assert_eq!(read.decided.event.unwrap().0, Event::AuthFailure);
        assert_eq!(read.decided.principal.unwrap().to_string(), "client:app");
    }
    let nobody = format!("{EXCHANGE}&subject_token={}", login.text("access_token"));
    assert_eq!(world.post("/token", &nobody).await.error(), "401 invalid_client");
    world.store.put_user(User { scopes: vec!["data:read".into()], ..user("guest") }).await.unwrap();
    let form = "grant_type=password&username=guest&password=secret";
    let guest = world.post("/token", form).await;
    world.store.put_user(User { disabled: true, ..user("guest") }).await.unwrap();
    let gone = world.act_for(guest.text("access_token"), "", "app").await;
    assert_eq!(gone.error(), "400 invalid_request", "for who is gone nobody acts");
}

#[tokio::test]
async fn an_operator_says_how_much_an_agent_may_have_of_others() {
    let most = Grants { roles: vec!["user".into()], scopes: vec!["data:*".into()] };
    let narrow = Client { acts_at_most: most, ..client("app") };
    let never = Client { grants: vec![GrantType::ClientCredentials], ..client("other") };
    let world = world(Settings { clients: vec![narrow, never], ..settings() }).await;
    let login = world.log_in().await;
    let read = world.act_for(login.text("access_token"), "", "app").await;
    assert_eq!(read.text("scope"), "data:read");
    assert_eq!(claims(read.text("access_token"))["roles"], serde_json::json!(["user"]));
    let read = world.act_for(login.text("access_token"), "&scope=notify:send", "app").await;
    assert_eq!(read.error(), "400 invalid_scope");
    let read = world.act_for(login.text("access_token"), "", "other").await;
    assert_eq!(read.error(), "400 unauthorized_client");
}
