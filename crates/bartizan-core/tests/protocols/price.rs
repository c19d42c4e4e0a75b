//! Is never less reserved and charged than a provider can bill?

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
