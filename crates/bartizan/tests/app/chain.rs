//! Is a step of a chain a call like any other?

use bartizan::actions::BuiltIn;
use bartizan::app::AppBuilder;
use bartizan::core::admit::Proxies;
use bartizan::core::chain::Bounds;
use bartizan::limits::{self, By};
use bartizan::{App, Json, Problem, endpoint};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::house::{House, key, request, see};

#[derive(Deserialize, JsonSchema)]
struct Words {
    words: String,
}

fn app() -> AppBuilder {
    App::builder("Steps")
        .endpoint(endpoint("ECHO", "/words").scope("words").json(|_, input: Words| async move {
            Ok(Json(json!({ "words": input.words, "list": [{ "n": 7 }] })))
        }))
        .endpoint(endpoint("SHOUT", "/words").scope("words").json(|_, input: Words| async move {
            Ok(Json(json!({ "loud": input.words.to_uppercase() })))
        }))
        .endpoint(
            endpoint("FAIL", "/words")
                .scope("words")
                .call(|_| async { Err::<Json<u8>, _>(Problem::not_found("no such word")) }),
        )
        .endpoint(endpoint("OPEN", "/vault").scope("vault").call(|_| async { Ok(Json("gold")) }))
        .api_key(key("ann").scopes(&["words"]))
}

fn step(verb: &str, path: &str, params: &Value) -> Value {
    json!({ "verb": verb, "path": path, "params": params })
}

fn statuses(body: &Value) -> Vec<&str> {
    body["results"].as_array().unwrap().iter().map(|row| row["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn later_steps_refer_to_earlier_results_and_each_leaves_a_record_of_its_own() {
    let house = House::build(app()).await;
    let chain = json!({ "chain": [
        step("ECHO", "/words", &json!({ "words": "hello" })),
        step("SHOUT", "/words", &json!({ "words": "$steps.0.words" })),
    ]});
    let seen = house.ask("ann", "POST", "/chain", &chain).await;
    assert_eq!(seen.body["status"], "completed", "{seen:?}");
    assert_eq!(seen.body["results"][1]["result"]["loud"], "HELLO");
    let ends = house.ends(3).await;
    let (steps, outer): (Vec<_>, Vec<_>) =
        ends.iter().partition(|end| end["details"]["parent_request_id"].is_string());
    assert_eq!((steps.len(), outer.len()), (2, 1));
    for (number, step) in steps.iter().enumerate() {
        assert_eq!(step["details"]["parent_request_id"], outer[0]["request_id"]);
        assert_eq!(step["details"]["step"], number);
        assert_eq!(step["principal"]["id"], "ann");
    }
}

#[tokio::test]
async fn a_chain_stops_at_the_first_failure_unless_it_is_told_to_go_on() {
    let house = House::build(app()).await;
    let mut chain = json!({ "chain": [
        step("ECHO", "/words", &json!({ "words": "a" })),
        step("FAIL", "/words", &json!({})),
        step("ECHO", "/words", &json!({ "words": "b" })),
    ]});
    let seen = house.ask("ann", "CHAIN", "/request", &chain).await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.body["status"], "failed");
    assert_eq!(statuses(&seen.body), ["completed", "failed"]);
    assert_eq!(seen.body["results"][1]["error"]["status"], 404);
    chain["continue_on_error"] = true.into();
    let seen = house.ask("ann", "POST", "/chain", &chain).await;
    assert_eq!(statuses(&seen.body), ["completed", "failed", "completed"]);
    house.ends(3 + 4).await;
}

#[tokio::test]
async fn a_step_gets_no_further_than_its_caller_and_no_further_than_its_limits() {
    let house = House::build(app().limit(limits::rpm("few", 4, By::User))).await;
    let open = json!({ "chain": [step("OPEN", "/vault", &json!({}))] });
    let seen = house.ask("ann", "POST", "/chain", &open).await;
    assert_eq!(seen.body["results"][0]["error"]["status"], 403);
    // The chain itself and its steps draw on the same limit: one is gone with the chain above.
    let echo = step("ECHO", "/words", &json!({ "words": "a" }));
    let chain = json!({ "chain": [echo, echo, echo] });
    let seen = house.ask("ann", "POST", "/chain", &chain).await;
    assert_eq!(statuses(&seen.body), ["completed", "completed", "failed"], "{seen:?}");
    assert_eq!(seen.body["results"][2]["error"]["status"], 429);
}

#[tokio::test]
async fn behind_a_proxy_a_step_counts_for_the_client_and_not_for_the_proxy() {
    let proxies = Proxies::new(vec!["0.0.0.0/32".parse().unwrap()]);
    let limited = app().proxies(proxies).limit(limits::rate("by-address", "3/hour", By::Ip));
    let house = House::build(limited).await;
    let chain = json!({ "chain": [step("ECHO", "/words", &json!({ "words": "hello" }))] });
    let from = |client: &'static str| {
        let mut asked = request("ann", "POST", "/chain", &chain);
        asked.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        asked
    };
    // Two draws each, of three: neither takes anything from the other.
    for client in ["198.51.100.1", "198.51.100.2"] {
        let seen = see(house.send(from(client)).await).await;
        assert_eq!(seen.body["status"], "completed", "{client}: {seen:?}");
    }
    let ends = house.ends(4).await;
    assert!(ends.iter().all(|end| end["client"]["ip"] != "0.0.0.0"), "{ends:?}");
    let seen = see(house.send(from("198.51.100.1")).await).await;
    assert_eq!(seen.body["status"], "failed", "{seen:?}");
}

#[tokio::test]
async fn a_chain_leads_neither_into_chains_nor_to_tokens_however_that_is_written() {
    let house = House::build(app()).await;
    for (verb, path) in [
        ("POST", "/chain"),
        ("CHAIN", "/request"),
        ("TEST", "/action"),
        ("DISCOVER", "/actions"),
        ("POST", "/token"),
        ("POST", "/chain?x=1"),
        ("POST", "/%63hain"),
        ("POST", "//chain"),
        ("POST", "/./chain"),
        ("POST", "/chain#x"),
    ] {
        let inner = json!({ "chain": [step("ECHO", "/words", &json!({ "words": "a" }))] });
        let chain = json!({ "chain": [step(verb, path, &inner)] });
        let seen = house.ask("ann", "POST", "/chain", &chain).await;
        let refused = seen.status == 422 || seen.body["status"] == "failed";
        assert!(refused, "{verb} {path}: {seen:?}");
        if seen.status == 422 {
            assert_eq!(seen.body["violations"][0]["pointer"], "/chain/0/path");
        }
    }
    let echoes = house.records().iter().filter(|r| r["action"]["verb"] == "ECHO").count();
    assert_eq!(echoes, 0);
}

#[tokio::test]
async fn what_the_steps_answer_is_bounded_together() {
    let chain = Bounds { max_result_bytes: 100, ..Bounds::default() };
    let house = House::build(app().actions(BuiltIn { chain, ..BuiltIn::default() })).await;
    let echo = |length| step("ECHO", "/words", &json!({ "words": "x".repeat(length) }));
    let chain = json!({ "chain": [echo(40), echo(40)] });
    let seen = house.ask("ann", "POST", "/chain", &chain).await;
    assert_eq!(statuses(&seen.body), ["completed", "failed"]);
}

#[tokio::test]
async fn a_chain_is_no_longer_than_allowed() {
    let house = House::build(app()).await;
    let steps = vec![step("ECHO", "/words", &json!({ "words": "a" })); 17];
    let seen = house.ask("ann", "POST", "/chain", &json!({ "chain": steps })).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["violations"][0]["pointer"]),
        (422, &json!("/chain"))
    );
}

#[tokio::test]
async fn a_step_without_parameters_is_a_call_without_a_body() {
    let house = House::build(app()).await;
    let chain = json!({ "chain": [{ "verb": "FAIL", "path": "/words" }] });
    let seen = house.ask("ann", "POST", "/chain", &chain).await;
    assert_eq!(seen.body["results"][0]["error"]["detail"], "no such word");
}
