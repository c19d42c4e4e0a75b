//! How long does a session last, and who may end it?

use super::*;

#[tokio::test]
async fn a_session_ends_when_it_would_have_ended_however_often_it_is_continued() {
    let world = world(Settings { refresh_ttl: Duration::from_hours(1), ..settings() }).await;
    let mut token = world.log_in().await.text("refresh_token").to_owned();
    let go_on = async |token: &str, at| {
        let form = format!("grant_type=refresh_token&refresh_token={token}");
        world.send("/token", &form, None, HOME, after(at)).await
    };
    for at in [1000, 2000, 3000, 3599] {
        token = go_on(&token, at).await.text("refresh_token").to_owned();
    }
    assert_eq!(go_on(&token, 3600).await.error(), "400 invalid_grant");
}

#[tokio::test]
async fn who_was_given_a_token_without_naming_themselves_may_take_it_back() {
    let world = world(settings()).await;
    let read = world.log_in().await;
    let (access, refresh) = (read.text("access_token"), read.text("refresh_token"));
    // A client takes back what nobody owns, and nobody takes back what a client owns.
    assert_eq!(world.post("/revoke", &format!("token={access}")).await.status, 200);
    assert_eq!(world.who(access).await, REVOKED);
    assert_eq!(world.post("/revoke", &format!("token={refresh}")).await.status, 200);
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(world.post("/token", &form).await.error(), "400 invalid_grant");

    let login = "grant_type=password&username=agent1&password=secret";
    let theirs = world.as_client("/token", login, "app").await;
    for token in ["access_token", "refresh_token"] {
        let form = format!("token={}", theirs.text(token));
        assert_eq!(world.post("/revoke", &form).await.status, 200);
        assert_eq!(world.as_client("/revoke", &form, "other").await.status, 200);
    }
    assert!(world.who(theirs.text("access_token")).await.is_ok());
    let form = format!("grant_type=refresh_token&refresh_token={}", theirs.text("refresh_token"));
    assert_eq!(world.as_client("/token", &form, "app").await.status, 200);
}

#[tokio::test]
async fn a_login_does_not_undo_what_was_decided_about_the_account() {
    let world = world(settings()).await;
    let weak: PasswordHash = WEAK.parse().unwrap();
    world.store.put_user(User { password: weak.clone(), ..user("guest") }).await.unwrap();
    let known = world.store.user("guest").await.unwrap().unwrap();
    // Between the look at the account and the new hash somebody disables it.
    world.store.put_user(User { disabled: true, ..user("guest") }).await.unwrap();
    world.endpoint.rehash(&known, SecretString::from("secret")).await;
    let found = world.store.user("guest").await.unwrap().unwrap();
    assert!(found.disabled && found.password != weak);
}
