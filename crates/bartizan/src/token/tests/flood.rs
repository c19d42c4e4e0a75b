//! Can a flood of logins keep others out? Passwords are checked in a room of their own.

use std::sync::mpsc;

use super::*;

#[tokio::test]
async fn while_every_place_for_passwords_is_taken_everything_else_goes_on() {
    // One thread for the whole road: if a login held it, nothing below would ever answer.
    let world = Arc::new(world(Settings { at_once: 1, waiting: 1, ..settings() }).await);
    let login = world.log_in().await;
    let (go, wait) = mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let slow = {
        let world = Arc::clone(&world);
        let work = move || {
            begun.send(()).unwrap();
            wait.recv().unwrap();
        };
        tokio::spawn(async move { world.endpoint.gate.run(work).await })
    };
    begins.await.unwrap();
    let waiting = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.log_in().await.status })
    };
    // Until that one waits, the next may take its place.
    while world.endpoint.gate.is_open() {
        tokio::task::yield_now().await;
    }
    for _ in 0..50 {
        let read = world.log_in().await;
        assert_eq!(read.error(), "503 temporarily_unavailable");
        assert_eq!(read.decided.response.headers()["retry-after"], "1");
    }
    assert!(world.who(login.text("access_token")).await.is_ok(), "tokens are checked");
    let form = "grant_type=client_credentials";
    assert_eq!(world.as_client("/token", form, "app").await.status, 200, "programs get theirs");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", login.text("refresh_token"));
    assert_eq!(world.post("/token", &refresh).await.status, 200, "sessions go on");
    assert_eq!(world.get("/.well-known/jwks.json").await.status, 200);
    go.send(()).unwrap();
    slow.await.unwrap().unwrap();
    assert_eq!(waiting.await.unwrap(), 200, "and who waited gets in");
}

#[tokio::test]
async fn who_was_turned_away_for_lack_of_room_has_not_guessed() {
    let throttle = Throttle::new(3, 100, Duration::from_mins(15));
    let world = world(Settings { at_once: 1, waiting: 0, throttle, ..settings() }).await;
    let (go, wait) = mpsc::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel();
    let work = world.endpoint.gate.run(move || {
        begun.send(()).unwrap();
        wait.recv().unwrap();
    });
    let flood = async {
        begins.await.unwrap();
        for _ in 0..10 {
            assert_eq!(world.log_in().await.status, 503);
        }
        go.send(()).unwrap();
    };
    let (done, ()) = tokio::join!(work, flood);
    done.unwrap();
    assert_eq!(world.log_in().await.status, 200);
}
