//! What does an app tell about itself, and to whom?

use bartizan::{App, Caller, Json, Problem, agent_endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::house::{House, key};

#[derive(Deserialize, JsonSchema)]
struct Order {
    document_id: String,
    #[serde(default)]
    max_words: Option<u16>,
}

#[derive(Serialize, JsonSchema)]
struct Summary {
    summary: String,
    by: String,
}

/// Summarises a document
/// in a few words.
///
/// More about it.
#[agent_endpoint(
    verb = "SUMMARIZE",
    path = "/document",
    scopes = ["data:read"],
    aliases = ["POST"],
    category = "compute",
    preconditions = ["the document exists"],
    side_effects = ["none"],
    intent_impact = "low",
    intent_weighting = 0.5
)]
async fn summarize(input: Order, caller: Caller) -> Result<Json<Summary>, Problem> {
    let words = input.max_words.unwrap_or(3);
    let summary = format!("{} in {words} words", input.document_id);
    Ok(Json(Summary { summary, by: caller.principal().to_string() }))
}

#[agent_endpoint(verb = "GET", path = "/health", public)]
async fn health() -> Result<Json<&'static str>, Problem> {
    Ok(Json("healthy"))
}

#[agent_endpoint(verb = "PURGE", path = "/document", roles = ["admin"], description = "Forgets it.")]
async fn purge(_: Caller) -> Result<Json<bool>, Problem> {
    Ok(Json(true))
}

async fn house() -> House {
    let app = App::builder("Documents")
        .endpoint(summarize)
        .endpoint(health)
        .endpoint(purge)
        .role("admin", &[("*", "*")])
        .api_key(key("reader").scopes(&["data:read"]))
        .api_key(key("boss").roles(&["admin"]));
    House::build(app).await
}

fn actions(body: &Value) -> Vec<String> {
    let action = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        format!("{} {}", text("action_verb"), text("path"))
    };
    body["actions"].as_array().unwrap().iter().map(action).collect()
}

#[tokio::test]
async fn each_caller_is_shown_what_they_may_use_and_nothing_else() {
    let house = house().await;
    for (who, own) in [
        ("", vec!["GET /health"]),
        ("reader", vec!["SUMMARIZE /document", "GET /health"]),
        ("boss", vec!["GET /health", "PURGE /document"]),
    ] {
        let seen = house.ask(who, "DISCOVER", "/actions", &Value::Null).await;
        let shown = actions(&seen.body);
        for action in ["SUMMARIZE /document", "GET /health", "PURGE /document"] {
            let expected = own.contains(&action);
            assert_eq!(shown.iter().any(|one| one == action), expected, "{who}: {action}");
        }
        let document = house.ask(who, "GET", "/openapi.json", &Value::Null).await.body;
        assert_eq!(document["paths"]["/document"].is_null(), who.is_empty(), "{who}");
    }
}

#[tokio::test]
async fn the_macro_tells_agents_what_the_developer_wrote() {
    let seen = house().await.ask("reader", "GET", "/actions", &Value::Null).await;
    let rows = seen.body["actions"].as_array().unwrap().clone();
    let row = rows.iter().find(|row| row["action_verb"] == "SUMMARIZE").unwrap();
    assert_eq!(row["description"], "Summarises a document in a few words.");
    assert_eq!(row["category"], "compute");
    assert_eq!(row["scopes_required"], json!(["data:read"]));
    assert_eq!(row["preconditions"], json!(["the document exists"]));
    assert_eq!(row["x-intent-impact"], "low");
}

#[tokio::test]
async fn a_typed_function_is_given_sound_input_and_its_caller() {
    let house = house().await;
    let order = json!({ "document_id": "d1", "max_words": 9 });
    for verb in ["SUMMARIZE", "POST"] {
        let seen = house.ask("reader", verb, "/document", &order).await;
        assert_eq!(seen.body, json!({ "summary": "d1 in 9 words", "by": "key:reader" }));
    }
    let wrong = json!({ "document_id": 7, "max_words": "secret-value" });
    let seen = house.ask("reader", "SUMMARIZE", "/document", &wrong).await;
    assert_eq!(seen.status, 422);
    let pointers: Vec<_> = seen.body["violations"].as_array().unwrap().iter().collect();
    assert!(pointers.iter().any(|one| one["pointer"] == "/document_id"), "{pointers:?}");
    assert!(pointers.iter().any(|one| one["pointer"] == "/max_words"), "{pointers:?}");
    assert!(!seen.body.to_string().contains("secret-value"));
    house.ends(3).await;
}

#[tokio::test]
async fn the_function_of_an_endpoint_can_be_tested_without_a_road() {
    let order = Order { document_id: "d1".into(), max_words: None };
    let Json(summary) = summarize::call(order, Caller::anonymous()).await.unwrap();
    assert_eq!(summary.summary, "d1 in 3 words");
}
