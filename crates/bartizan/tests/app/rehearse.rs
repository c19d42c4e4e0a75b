//! Does `TEST /action` decide everything, and do nothing?

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bartizan::budgets::{self, Calendar};
use bartizan::limits::By;
use bartizan::{App, Json, endpoint};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::house::{House, key};

#[derive(Deserialize, JsonSchema)]
struct Transfer {
    #[allow(dead_code, reason = "its schema is what counts here")]
    amount: u32,
}

async fn house(made: &Arc<AtomicU32>) -> House {
    let made = Arc::clone(made);
    let transfer = endpoint("TRANSFER", "/account").scope("money:send").cost_usd("0.40").json(
        move |_, _: Transfer| {
            made.fetch_add(1, Ordering::SeqCst);
            async { Ok(Json("sent")) }
        },
    );
    let app = App::builder("Bank")
        .endpoint(transfer)
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User))
        .api_key(key("ann").scopes(&["money:send"]))
        .api_key(key("bob"));
    House::build(app).await
}

fn question(payload: &Value) -> Value {
    json!({ "verb": "TRANSFER", "path": "/account", "payload": payload })
}

#[tokio::test]
async fn a_rehearsal_sends_nothing_and_charges_nothing() {
    let made = Arc::new(AtomicU32::new(0));
    let house = house(&made).await;
    // Ten rehearsals of a call of which the budget allows two.
    for _ in 0..10 {
        let seen = house.ask("ann", "TEST", "/action", &question(&json!({ "amount": 5 }))).await;
        assert_eq!(seen.body, json!({ "status": "valid" }));
    }
    assert_eq!(made.load(Ordering::SeqCst), 0);
    for status in [200, 200, 429] {
        let seen = house.ask("ann", "TRANSFER", "/account", &json!({ "amount": 5 })).await;
        assert_eq!(seen.status, status, "{seen:?}");
    }
    assert_eq!(made.load(Ordering::SeqCst), 2);
    let ends = house.ends(23).await;
    let rehearsed = ends.iter().filter(|end| end["details"]["dry_run"] == true).count();
    assert_eq!(rehearsed, 10);
}

#[tokio::test]
async fn a_rehearsal_says_what_the_call_would_have_been_told() {
    let house = house(&Arc::default()).await;
    let seen = house.ask("ann", "TEST", "/action", &question(&json!({ "amount": "x" }))).await;
    assert_eq!((seen.status.as_u16(), &seen.body["status"]), (200, &json!("invalid")));
    assert_eq!(seen.body["error"]["violations"][0]["pointer"], "/amount");
}

#[tokio::test]
async fn a_target_that_the_caller_may_not_use_looks_like_an_unknown_one() {
    let house = house(&Arc::default()).await;
    let hidden = house.ask("bob", "TEST", "/action", &question(&json!({ "amount": 5 }))).await;
    let nowhere = json!({ "verb": "TRANSFER", "path": "/nowhere", "payload": {} });
    let unknown = house.ask("bob", "TEST", "/action", &nowhere).await;
    let plain = |body: &Value| {
        let error = &body["error"];
        (error["type"].clone(), error["title"].clone(), error["status"].clone())
    };
    assert_eq!(plain(&hidden.body), plain(&unknown.body));
    assert_eq!(hidden.body["error"]["detail"], unknown.body["error"]["detail"]);
}
