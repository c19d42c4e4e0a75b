//! Is what a call used read out of its answer, whatever becomes of the answer?

use bartizan_core::validate::Protocol;
use bartizan_core::validate::usage::{Kinds, Tier};
use bartizan_pii::Action;
use serde_json::json;

use super::place::Place;
use super::streams::{CHAT, SAID, Script, asked, chat, messages, responses, run};

#[test]
fn what_a_call_used_is_read_to_the_end_and_counted_where_it_was_cut() {
    for (protocol, path, script, used) in [
        (Protocol::OpenAi, CHAT, chat as Script, (9, 30, 4)),
        (Protocol::OpenAi, "/v1/responses", responses, (9, 3, 2)),
        (Protocol::Anthropic, "/v1/messages", messages, (32, 15, 24)),
    ] {
        let place = Place::new(protocol);
        for action in [None, Some(Action::MASK)] {
            let raw = script(SAID, 4);
            let told = run(&place, path, &asked(), action.clone(), &[&raw]).stream.used().unwrap();
            assert_eq!((told.tokens_in, told.tokens_out, told.tokens_cached), used);
            let third = raw.len() / 3;
            let cut = run(&place, path, &asked(), action, &[&raw[..third]]).stream;
            assert_eq!(cut.used(), None);
            let told = cut.used_so_far(50).unwrap();
            let tokens_in = if protocol == Protocol::Anthropic { 32 } else { 50 };
            assert_eq!(told.tokens_in, tokens_in);
            assert!((5..60).contains(&told.tokens_out), "{told:?}");
        }
    }
}

/// Each provider says it elsewhere; a price of its own is lost where it is not read.
#[test]
fn what_has_a_price_of_its_own_is_read_out_of_every_answer() {
    let heard = |protocol, path, answer: serde_json::Value| {
        let place = Place::new(protocol);
        let mut call = place.read(path, &asked().to_string()).unwrap();
        let mut listener = call.take_listener().unwrap();
        listener.hear_whole(answer.to_string().as_bytes(), &place.grant());
        listener.used().unwrap().kinds()
    };
    let details = json!({ "cached_tokens": 4, "audio_tokens": 3 });
    let chat = json!({
        "service_tier": "priority",
        "usage": { "prompt_tokens": 9, "completion_tokens": 5, "prompt_tokens_details": details,
                   "completion_tokens_details": { "audio_tokens": 2 } },
    });
    let expected = Kinds {
        cached: 4,
        audio_in: 3,
        audio_out: 2,
        tier: Some(Tier::Priority),
        ..Kinds::default()
    };
    assert_eq!(heard(Protocol::OpenAi, CHAT, chat), expected);
    let usage = json!({ "input_tokens": 9, "output_tokens": 5, "input_tokens_details": details });
    let response = json!({ "service_tier": "flex", "usage": usage });
    let flex = Kinds { audio_out: 0, tier: Some(Tier::Flex), ..expected };
    assert_eq!(heard(Protocol::OpenAi, "/v1/responses", response), flex);
    let message = json!({ "usage": {
        "input_tokens": 9, "output_tokens": 5, "cache_read_input_tokens": 4,
        "cache_creation_input_tokens": 30, "service_tier": "batch",
        "cache_creation": { "ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10 },
    } });
    let written = Kinds {
        cached: 4,
        written: 30,
        written_1h: 10,
        tier: Some(Tier::Batch),
        ..Kinds::default()
    };
    assert_eq!(heard(Protocol::Anthropic, "/v1/messages", message), written);
    // What nobody can read does not hide what was used.
    let strange =
        json!({ "service_tier": 7, "usage": { "prompt_tokens": 9, "completion_tokens": 1 } });
    assert_eq!(heard(Protocol::OpenAi, CHAT, strange), Kinds::default());
}

#[test]
fn a_provider_that_reports_nothing_used_is_believed() {
    for (protocol, path, usage) in [
        (Protocol::OpenAi, CHAT, json!({ "prompt_tokens": 0, "completion_tokens": 0 })),
        (Protocol::Anthropic, "/v1/messages", json!({ "input_tokens": 0, "output_tokens": 0 })),
    ] {
        let place = Place::new(protocol);
        let mut call = place.read(path, &asked().to_string()).unwrap();
        let mut listener = call.take_listener().unwrap();
        let answer = json!({ "model": "m", "usage": usage });
        listener.hear_whole(answer.to_string().as_bytes(), &place.grant());
        let used = listener.used().unwrap();
        assert_eq!((used.tokens_in, used.tokens_out), (0, 0), "{protocol:?}");
    }
}

#[test]
fn pictures_are_not_counted_by_the_event() {
    let place = Place::new(Protocol::OpenAi);
    // 24 tokens came in 9 events from a real model.
    let raw = chat("🦀🦞🦐🦑🐙🐚", 1);
    let cut = raw.windows(12).position(|w| w == b"\"tool_calls\"").unwrap();
    let stream = run(&place, CHAT, &asked(), None, &[&raw[..cut]]).stream;
    assert_eq!(stream.used_so_far(0).unwrap().tokens_out, 24);
}

#[test]
fn the_event_that_the_gate_asked_for_is_hidden_and_any_other_is_not() {
    let place = Place::new(Protocol::OpenAi);
    let raw = chat("hello", 2);
    let hidden = String::from_utf8(run(&place, CHAT, &asked(), None, &[&raw]).out).unwrap();
    assert!(!hidden.contains("usage") && hidden.ends_with("data: [DONE]\n\n"));
    let mut asks = asked();
    asks["stream_options"] = json!({ "include_usage": true });
    assert_eq!(run(&place, CHAT, &asks, None, &[&raw]).out, raw);
}

#[test]
fn what_is_only_fetched_is_not_charged_again() {
    let grant = Place::new(Protocol::OpenAi).grant();
    let whole =
        json!({ "id": "resp_1", "model": "m", "usage": { "input_tokens": 9, "output_tokens": 3 } });
    for (path, body, used) in [("/v1/responses", "{}", Some(9)), ("/v1/responses/resp_1", "", None)]
    {
        let place = Place { path: "/v1/responses{*rest}", ..Place::new(Protocol::OpenAi) };
        let mut listener = place.read(path, body).unwrap().take_listener().unwrap();
        listener.hear_whole(whole.to_string().as_bytes(), &grant);
        assert_eq!(listener.used().map(|used| used.tokens_in), used, "{path}");
    }
}
