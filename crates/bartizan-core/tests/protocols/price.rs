//! Is never less reserved and charged than a provider can bill?

use std::sync::Arc;

use bartizan_core::authorize::endpoint::{By, Limit, Only};
use bartizan_core::authorize::{Denial, NameRule, Named};
use bartizan_core::limit::{Measure, Rule, Shape};
use bartizan_core::validate::{Invalid, Protocol, Unfit};
use serde_json::{Value, json};

use super::place::{Place, sent};

const CHAT: &str = "/v1/chat/completions";
const COMPLETIONS: &str = "/v1/completions";
const RESPONSES: &str = "/v1/responses";
const MESSAGES: &str = "/v1/messages";

/// An endpoint with a budget, at which answers have a hundred tokens where nothing else is said.
fn bounded(protocol: Protocol) -> Place {
    let mut place = Place::new(protocol).budget(&[("cheap", 1), ("dear", 50)]);
    place.cost.max_output_tokens = 100;
    place
}

fn reserved(place: &Place, path: &str, body: &Value) -> u64 {
    place.read(path, &body.to_string()).unwrap().estimate().tokens_out
}

#[test]
fn a_bound_of_null_is_replaced_and_does_not_stand_behind_the_one_that_is_put_in() {
    for (protocol, path, bound) in [
        (Protocol::OpenAi, CHAT, "max_completion_tokens"),
        (Protocol::OpenAi, COMPLETIONS, "max_tokens"),
        (Protocol::OpenAi, RESPONSES, "max_output_tokens"),
        (Protocol::Anthropic, MESSAGES, "max_tokens"),
    ] {
        let body = json!({ "model": "cheap", bound: null });
        let call = bounded(protocol).read(path, &body.to_string()).unwrap();
        assert_eq!(call.estimate().tokens_out, 100, "{path}");
        let bartizan_core::validate::Payload::Whole(bytes) = call.body() else { panic!() };
        let text = std::str::from_utf8(bytes).unwrap();
        assert_eq!(text.matches(bound).count(), 1, "{text}");
        assert_eq!(sent(&call)[bound], 100);
    }
}

#[test]
fn a_bound_that_this_part_of_the_api_does_not_know_bounds_nothing() {
    for (path, foreign, bound) in [
        (CHAT, "max_output_tokens", "max_completion_tokens"),
        (CHAT, "n_predict", "max_completion_tokens"),
        (COMPLETIONS, "max_completion_tokens", "max_tokens"),
        (RESPONSES, "max_tokens", "max_output_tokens"),
    ] {
        let place = bounded(Protocol::OpenAi);
        let low = json!({ "model": "cheap", foreign: 1 });
        assert_eq!(reserved(&place, path, &low), 100, "{low}");
        let call = place.read(path, &low.to_string()).unwrap();
        assert_eq!(sent(&call)[bound], 100, "{low}");
        // One that does read it may take it for the bound.
        let high = json!({ "model": "cheap", bound: 1, foreign: 9000 });
        assert_eq!(reserved(&place, path, &high), 9000, "{high}");
    }
    let endless = json!({ "model": "cheap", "n_predict": -1 }).to_string();
    let read = bounded(Protocol::OpenAi).read(CHAT, &endless).map(drop);
    assert_eq!(read, Err(Unfit::Invalid(Invalid::Member("n_predict"))));
}

#[test]
fn nought_is_a_bound_only_where_every_server_takes_it_for_one() {
    let none = json!({ "model": "cheap", "max_tokens": 0 });
    for (protocol, path, bound) in [
        (Protocol::OpenAi, CHAT, 1),
        (Protocol::OpenAi, COMPLETIONS, 1),
        (Protocol::Anthropic, MESSAGES, 0),
    ] {
        let call = bounded(protocol).read(path, &none.to_string()).unwrap();
        assert_eq!(sent(&call)["max_tokens"], bound, "{path}");
    }
}

#[test]
fn every_prompt_and_every_answer_to_it_is_reserved() {
    let place = bounded(Protocol::OpenAi);
    for (extra, tokens_out) in [
        (json!({ "prompt": "a" }), 100),
        (json!({ "prompt": [1, 2, 3] }), 100),
        (json!({ "prompt": [] }), 100),
        (json!({ "prompt": ["a", "b", "c"] }), 300),
        (json!({ "prompt": [[1, 2], [3]] }), 200),
        (json!({ "prompt": [1, "a"] }), 200),
        (json!({ "prompt": ["a", "b"], "n": 3 }), 600),
        (json!({ "prompt": ["a", "b"], "n": 1, "best_of": 4 }), 800),
        (json!({ "prompt": ["a", "b"], "best_of": 2, "n": null }), 400),
        (json!({ "prompt": "a", "prompt_embeds": ["x", "y"] }), 300),
        (json!({ "prompt": "a", "n_cmpl": 5 }), 500),
        (json!({ "prompt": "a", "num_return_sequences": 5 }), 500),
    ] {
        let mut body = json!({ "model": "cheap", "max_tokens": 100 });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(reserved(&place, COMPLETIONS, &body), tokens_out, "{body}");
    }
    // What is foretold and does not come is charged like what comes.
    let foretold =
        json!({ "model": "cheap", "max_tokens": 1, "prediction": { "content": "x".repeat(900) } });
    assert!(reserved(&place, CHAT, &foretold) > 900);
}

#[test]
fn an_answer_that_nobody_bounds_is_bounded_where_it_is_counted() {
    for (protocol, path) in
        [(Protocol::OpenAi, CHAT), (Protocol::OpenAi, RESPONSES), (Protocol::Anthropic, MESSAGES)]
    {
        let body = json!({ "model": "cheap" });
        let counted = Place::new(protocol).budget(&[("cheap", 1)]);
        let call = counted.read(path, &body.to_string()).unwrap();
        let bound = sent(&call).as_object().unwrap().values().find_map(Value::as_u64);
        assert_eq!(bound, Some(call.estimate().tokens_out), "{path}");
        let free = Place::new(protocol).read(path, &body.to_string()).unwrap();
        assert_eq!(sent(&free), body, "{path}: nobody counts it");
    }
}

#[test]
fn a_picture_that_is_drawn_and_a_text_that_is_read_aloud_are_reserved() {
    let place = bounded(Protocol::OpenAi);
    let drawn = json!({ "model": "dear", "prompt": "x", "n": 10 });
    assert!(reserved(&place, "/v1/images/generations", &drawn) >= 62_400);
    let read = json!({ "model": "dear", "input": "word ".repeat(100) });
    assert!(reserved(&place, "/v1/audio/speech", &read) >= 1000);
}

/// What the budget holds of a call with a bound of a thousand tokens, in thousandths of a dollar.
fn held(place: &Place, extra: Value) -> u64 {
    let mut body = json!({ "model": "cheap", "max_tokens": 1000 });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    place.draws(CHAT, &body.to_string())[0].1 / 1_000_000
}

#[test]
fn every_model_that_may_answer_has_its_price_and_the_dearest_is_reserved() {
    let mut place = bounded(Protocol::OpenAi);
    assert_eq!(held(&place, json!({})), 1);
    assert!(held(&place, json!({ "models": ["cheap", "dear"] })) >= 50);
    let call = json!({ "model": "cheap", "models": ["unknown"] }).to_string();
    let call = place.read(CHAT, &call).unwrap();
    assert_eq!(call.other_models(), [Arc::from("unknown")], "it is priced, or refused");
    place.cost.replacements = vec!["dear".into()];
    assert!(held(&place, json!({})) >= 50, "a fallback of the configuration");
}

#[test]
fn a_replacement_is_called_by_the_name_that_it_stands_for() {
    let mut place = bounded(Protocol::OpenAi);
    let alias = |pattern: &str, meant: &str| NameRule {
        pattern: pattern.into(),
        stands_for: Some(meant.into()),
        ..NameRule::default()
    };
    let rules = vec![alias("small", "cheap"), alias("large", "dear")];
    place.names.models = Some(Arc::new(Named::new(rules)));
    let body = json!({ "model": "small", "models": ["large", "small"] }).to_string();
    let call = place.read(CHAT, &body).unwrap();
    assert_eq!(sent(&call)["models"], json!(["dear", "cheap"]));
    assert_eq!(call.other_models(), [Arc::from("dear")]);
    let denied = json!({ "model": "small", "models": ["dear"] }).to_string();
    let denied = place.read(CHAT, &denied).map(drop);
    assert_eq!(denied, Err(Unfit::Denied(Denial::Model("dear".into()))));
}

#[test]
fn a_limit_of_one_model_counts_calls_that_may_come_to_it() {
    let mut place = Place::new(Protocol::OpenAi);
    let rule = |name| {
        let shape = Shape::Window { limit: 5, length: std::time::Duration::from_secs(60) };
        Arc::new(Rule::new(name, Measure::Requests, shape))
    };
    let only = Only { models: vec!["dear*".into()], ..Only::default() };
    let dear = Limit { only: Some(Arc::new(only)), ..Limit::new(rule("dear"), By::Everybody) };
    place.limits = vec![Arc::new(dear), Arc::new(Limit::new(rule("each"), By::Model))];
    let subjects = |body: Value| {
        let draws = place.draws(CHAT, &body.to_string());
        draws.into_iter().map(|(subject, _)| subject).collect::<Vec<_>>()
    };
    assert_eq!(subjects(json!({ "model": "cheap" })).len(), 1);
    let routed = subjects(json!({ "model": "cheap", "models": ["dear", "dear-2", "cheap"] }));
    assert_eq!(routed.len(), 1 + 3, "{routed:?}");
}

#[test]
fn a_call_that_leaves_its_model_to_somebody_else_is_refused_where_models_matter() {
    for (protocol, path) in [
        (Protocol::OpenAi, CHAT),
        (Protocol::OpenAi, RESPONSES),
        (Protocol::OpenAi, "/v1/images/generations"),
        (Protocol::Anthropic, MESSAGES),
    ] {
        for (body, invalid) in [
            (json!({ "prompt": "x" }), Invalid::Member("model")),
            (json!({ "models": ["dear"] }), Invalid::Member("model")),
            (json!({ "model": "cheap", "models": "dear" }), Invalid::Member("models")),
            (json!({ "model": "cheap", "models": [["dear"]] }), Invalid::Member("models")),
            (json!({ "model": "cheap", "fallbacks": ["dear"] }), Invalid::Routing("fallbacks")),
            (json!({ "model": "cheap", "route": "fallback" }), Invalid::Routing("route")),
            (
                json!({ "model": "cheap", "extra_body": { "model": "dear" } }),
                Invalid::Routing("extra_body"),
            ),
        ] {
            let read = bounded(protocol).read(path, &body.to_string()).map(drop);
            assert_eq!(read, Err(Unfit::Invalid(invalid)), "{path}: {body}");
        }
        let local = json!({ "prompt": "x", "route": null }).to_string();
        assert!(Place::new(protocol).read(path, &local).is_ok(), "a local server has one model");
    }
}
