//! Does the real model keep names from an upstream, and does nothing pass that it could not read?
//!
//! `cargo xtask names` runs it: it needs the model and its runtime.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

#[path = "app/house.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod house;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bartizan::hook::names::{Crew, MAX_BODY, Names};
use bartizan::hook::{OnFailure, Remit};
use bartizan::pii::{Action, Pii};
use bartizan::{App, Json, endpoint};
use serde_json::{Value, json};

use house::{House, key};

fn path(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("`{variable}` is not set: run `cargo xtask names`")).into()
}

/// A machine that builds is slow.
fn patient() -> Remit {
    Remit::default().deadline(Duration::from_secs(60)).max_body(MAX_BODY)
}

fn names(remit: Remit) -> Names {
    let (folder, runtime) = (path("BARTIZAN_NAMES_MODEL"), path("BARTIZAN_NAMES_RUNTIME"));
    let crew = Crew::open(&folder, Some(&runtime), NonZeroUsize::MIN).unwrap();
    Names::new("names", Arc::new(crew)).remit(remit)
}

/// Answers with what it was shown, in a member that the request has not.
async fn house(hook: Names) -> House {
    let echo = |_, input: Value| async move {
        Ok(Json(json!({ "seen": input.to_string().len(), "input": input })))
    };
    let pii = Pii::new().detect(["EMAIL"]).requests(Action::Tokenise).responses(Action::Replace);
    let app = App::builder("Names")
        .endpoint(endpoint("ECHO", "/").authenticated().json(echo))
        .pii(&pii)
        .hook(hook)
        .api_key(key("ann"));
    House::build(app).await
}

fn question(text: &str) -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": text }] })
}

#[tokio::test]
async fn names_go_out_as_placeholders_and_come_back() {
    let house = house(names(patient())).await;
    let said = question("My colleague Charles Babbage lives in London. Chuck is not his name.");
    let seen = house.ask("ann", "ECHO", "/", &said).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(seen.body["input"], said, "the client has its own again");
    assert_ne!(seen.body["seen"], said.to_string().len(), "the handler had something else");
    let found = house.events("PII_DETECTED");
    let by_hook = found.iter().find(|event| event["details"]["hook"] == "names").unwrap();
    let detections = by_hook["details"]["detections"].to_string();
    assert!(detections.contains("PERSON") && detections.contains("LOCATION"), "{detections}");
    assert!(detections.contains("/messages/0/content"), "{detections}");
    assert!(!house.records().iter().any(|record| record.to_string().contains("Babbage")));
}

#[tokio::test]
async fn a_name_is_masked_as_a_word_and_not_within_words() {
    let house = house(names(patient().at(false, true))).await;
    let said = question("Please ask Mary Ann Smith, as the annual plan is Ann's. Ann agrees.");
    let seen = house.ask("ann", "ECHO", "/", &said).await;
    let text = seen.body["input"]["messages"][0]["content"].as_str().unwrap();
    assert!(text.contains("<PERSON>") && text.contains("annual plan"), "{text}");
    assert!(!text.contains("Smith"), "{text}");
}

#[tokio::test]
async fn a_name_with_something_unseen_in_it_is_masked_too() {
    let house = house(names(patient().at(false, true))).await;
    let said = question("My colleague Charles Bab\u{200b}bage lives in Lon\u{ad}don.");
    let seen = house.ask("ann", "ECHO", "/", &said).await;
    let text = seen.body["input"]["messages"][0]["content"].as_str().unwrap();
    assert!(!text.contains("bage") && !text.contains("don"), "{text}");
}

#[tokio::test]
async fn what_is_too_much_or_takes_too_long_does_not_pass_unless_it_is_written_otherwise() {
    let long = question(&"Ada Byron met Charles Babbage in London. ".repeat(300));
    let ask = async |hook: Names| {
        let house = house(hook).await;
        let status = house.ask("ann", "ECHO", "/", &long).await.status;
        (status.as_u16(), house.events("SECURITY_ALERT").len())
    };
    let hurried = Remit::default().deadline(Duration::from_millis(1));
    assert_eq!(ask(names(hurried.clone())).await.0, 422);
    assert_eq!(ask(names(patient().max_body(1024))).await.0, 422);
    let lenient = names(hurried.on_failure(OnFailure::Allow));
    assert_eq!(ask(lenient).await, (200, 1), "and it is on record");
}

#[tokio::test]
async fn who_gives_up_leaves_the_thread_to_others() {
    let (folder, runtime) = (path("BARTIZAN_NAMES_MODEL"), path("BARTIZAN_NAMES_RUNTIME"));
    let crew = Arc::new(Crew::open(&folder, Some(&runtime), NonZeroUsize::MIN).unwrap());
    let soon = Remit::default().deadline(Duration::from_millis(1)).on_failure(OnFailure::Allow);
    let hurried = Names::new("hurried", Arc::clone(&crew)).remit(soon);
    let patient = Names::new("patient", crew).remit(patient().at(false, true));
    let echo = |_, input: Value| async move { Ok(Json(input)) };
    let app = App::builder("Names")
        .endpoint(endpoint("ECHO", "/").authenticated().json(echo))
        .pii(&Pii::new().detect(["EMAIL"]).responses(Action::Replace))
        .hook(hurried)
        .hook(patient)
        .api_key(key("ann"));
    let house = House::build(app).await;
    // Left running, these 200,000 words would take the thread for minutes.
    let crowd = house.ask("ann", "ECHO", "/", &question(&"so it is and so ".repeat(40_000))).await;
    assert_eq!(crowd.status, 502, "the patient one is not shown that much");
    let seen = house.ask("ann", "ECHO", "/", &question("Charles Babbage called.")).await;
    assert!(seen.body.to_string().contains("<PERSON>"), "{seen:?}");
}
