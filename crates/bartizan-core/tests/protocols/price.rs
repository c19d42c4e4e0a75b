//! Is never less reserved and charged than a provider can bill?

use std::sync::Arc;

use bartizan_core::authorize::endpoint::{By, Limit, Only};
use bartizan_core::authorize::{Denial, NameRule, Named};
use bartizan_core::limit::price::{PieceRate, builtin};
use bartizan_core::limit::{Measure, NanoUsd, Rule, Shape};
use bartizan_core::validate::{Invalid, Listener, Protocol, Reported, Unfit, Unseen};
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
fn what_comes_back_without_a_bound_is_reserved_too() {
    let place = bounded(Protocol::OpenAi);
    let drawn = json!({ "model": "dear", "prompt": "x", "n": 10 });
    assert!(reserved(&place, "/v1/images/generations", &drawn) >= 62_400);
    let compact = json!({ "model": "dear", "input": "x" });
    assert!(reserved(&place, "/v1/responses/compact", &compact) >= 65_536);
    let read = json!({ "model": "dear", "input": "word ".repeat(100) });
    assert!(reserved(&place, "/v1/audio/speech", &read) >= 1000);
}

/// What the budget holds of a call with a bound of a thousand tokens, in thousandths of a dollar.
fn held(place: &Place, extra: &Value) -> u64 {
    let mut body = json!({ "model": "cheap", "max_tokens": 1000 });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    place.draws(CHAT, &body.to_string())[0].1 / 1_000_000
}

#[test]
fn every_model_that_may_answer_has_its_price_and_the_dearest_is_reserved() {
    let mut place = bounded(Protocol::OpenAi);
    assert_eq!(held(&place, &json!({})), 1);
    assert!(held(&place, &json!({ "models": ["cheap", "dear"] })) >= 50);
    let call = json!({ "model": "cheap", "models": ["unknown"] }).to_string();
    let call = place.read(CHAT, &call).unwrap();
    assert_eq!(call.other_models(), [Arc::from("unknown")], "it is priced, or refused");
    place.cost.replacements = vec!["dear".into()];
    assert!(held(&place, &json!({})) >= 50, "a fallback of the configuration");
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

/// Who listens to the answer to this call.
fn listener(protocol: Protocol, path: &str, call: &Value) -> Listener {
    let mut call = Place::new(protocol).read(path, &call.to_string()).unwrap();
    call.take_listener().unwrap()
}

/// What is charged for a stream that ends after these events: what was told, or else seen.
fn charged(protocol: Protocol, path: &str, call: &Value, events: &[Value]) -> Reported {
    let (mut listener, grant) = (listener(protocol, path, call), Place::new(protocol).grant());
    for event in events {
        assert!(!listener.hear(event.to_string().as_bytes(), &grant).unsound, "{event}");
    }
    listener.used_so_far(50).unwrap()
}

fn chunk(delta: &Value) -> Value {
    json!({ "model": "gpt-4o", "choices": [{ "index": 0, "delta": delta }] })
}

#[test]
fn a_stream_that_is_cut_while_the_model_thinks_is_charged_in_full() {
    let (role, text) =
        (chunk(&json!({ "role": "assistant", "content": "" })), chunk(&json!({ "content": "ab" })));
    let chat =
        |call: Value, events: &[Value]| charged(Protocol::OpenAi, CHAT, &call, events).at_least;
    let plain = json!({ "model": "gpt-4o" });
    assert!(chat(plain.clone(), std::slice::from_ref(&role)), "nothing was seen yet");
    let early = json!({ "choices": [], "usage": { "prompt_tokens": 5, "completion_tokens": 0 } });
    assert!(chat(plain.clone(), &[role.clone(), early]), "what is told before it says nothing");
    assert!(!chat(plain, &[role.clone(), text.clone()]));
    assert!(!chat(json!({ "model": "openai/gpt-4.1-mini", "n": 2 }), std::slice::from_ref(&text)));
    for hides in [
        json!({ "model": "gpt-5" }),
        json!({ "model": "o3-mini" }),
        json!({ "model": "of-somebody" }),
        json!({}),
        json!({ "model": "gpt-4o", "models": ["o3"] }),
        json!({ "model": "gpt-4o", "reasoning_effort": "low" }),
        json!({ "model": "claude-sonnet-4-5", "reasoning": { "max_tokens": 9 } }),
        json!({ "model": "gpt-4o", "modalities": ["text", "audio"] }),
        json!({ "model": "gpt-4o", "prediction": { "content": "x" } }),
        json!({ "model": "gpt-4o", "best_of": 3 }),
    ] {
        assert!(chat(hides.clone(), &[role.clone(), text.clone()]), "{hides}");
    }
    let created = json!({ "type": "response.created", "response": { "model": "gpt-4o" } });
    let call = json!({ "model": "gpt-4o", "input": "x" });
    assert!(charged(Protocol::OpenAi, RESPONSES, &call, &[created]).at_least);
}

#[test]
fn a_message_that_is_cut_while_the_model_thinks_or_writes_a_call_is_charged_in_full() {
    let usage = json!({ "input_tokens": 9, "output_tokens": 1 });
    let start = json!({ "type": "message_start", "message": { "model": "claude-opus-4-5", "usage": usage } });
    let block = |index: u64, block: Value| json!({ "type": "content_block_start", "index": index, "content_block": block });
    let text = block(0, json!({ "type": "text", "text": "ab" }));
    let tool = block(1, json!({ "type": "tool_use", "name": "f", "input": {} }));
    let told = |call: Value, events: &[&Value]| {
        let events: Vec<_> = events.iter().map(|event| (*event).clone()).collect();
        charged(Protocol::Anthropic, MESSAGES, &call, &events)
    };
    let plain = json!({ "model": "claude-opus-4-5", "thinking": { "type": "disabled" } });
    assert!(told(plain.clone(), &[&start]).at_least, "nothing was seen yet");
    let seen = told(plain.clone(), &[&start, &text]);
    assert_eq!((seen.at_least, seen.tokens_in, seen.tokens_out), (false, 9, 1));
    assert!(told(plain, &[&start, &text, &tool]).at_least, "its input comes when it is ready");
    let thinks = json!({ "model": "claude-opus-4-5", "thinking": { "type": "enabled" } });
    assert!(told(thinks, &[&start, &text]).at_least);
    assert!(told(json!({ "model": "kimi" }), &[&start, &text]).at_least);
}

/// What a whole answer of a thousand words is charged by; nothing where what was reserved is charged.
fn whole(usage: &Value) -> Option<(u64, u64)> {
    let mut listener = listener(Protocol::OpenAi, CHAT, &json!({ "model": "gpt-4o" }));
    let said = json!({ "content": "word ".repeat(1000) });
    let answer = json!({ "choices": [{ "message": said }], "usage": usage });
    listener.hear_whole(answer.to_string().as_bytes(), &Place::new(Protocol::OpenAi).grant());
    listener.used().map(|used| (used.tokens_in, used.tokens_out))
}

#[test]
fn what_is_told_oddly_is_never_charged_as_nothing() {
    for (usage, told) in [
        (json!({ "prompt_tokens": 10.0, "completion_tokens": 5000.0 }), Some((10, 5000))),
        (json!({ "prompt_tokens": "10", "completion_tokens": "5000" }), Some((10, 5000))),
        (json!({ "prompt_tokens": 10, "completion_tokens": -5 }), None),
        (json!({ "prompt_tokens": -10, "completion_tokens": 5 }), None),
        (json!({ "prompt_tokens": 10, "completion_tokens": 5.5 }), None),
        (json!({ "prompt_tokens": 10, "completion_tokens": null }), None),
        (json!({ "prompt_tokens": 10, "completion_tokens": 0 }), None),
        (json!({ "prompt_tokens": 10, "completion_tokens": u64::MAX }), None),
        (json!({ "prompt_tokens": 10 }), None),
        (json!({}), None),
        (json!([]), None),
        // Some count what was thought in the total alone.
        (
            json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 5015 }),
            Some((10, 5005)),
        ),
        (
            json!({ "prompt_tokens": 500, "completion_tokens": 5000, "input_tokens": 0, "output_tokens": 0 }),
            Some((500, 5000)),
        ),
    ] {
        assert_eq!(whole(&usage), told, "{usage}");
    }
    let twice = br#"{"usage":{"prompt_tokens":9,"completion_tokens":9999,"completion_tokens":1}}"#;
    let mut listener = listener(Protocol::OpenAi, CHAT, &json!({ "model": "gpt-4o" }));
    listener.hear_whole(twice, &Place::new(Protocol::OpenAi).grant());
    assert_eq!(listener.used(), None);
}

#[test]
fn of_a_part_no_more_is_charged_than_of_the_whole() {
    let mut listener = listener(Protocol::OpenAi, CHAT, &json!({ "model": "gpt-4o" }));
    let slip = 90_000_000;
    let answer = json!({ "usage": { "prompt_tokens": 10, "completion_tokens": 5,
        "prompt_tokens_details": { "cached_tokens": slip, "audio_tokens": slip },
        "completion_tokens_details": { "audio_tokens": slip } } });
    listener.hear_whole(answer.to_string().as_bytes(), &Place::new(Protocol::OpenAi).grant());
    let kinds = listener.used().unwrap().kinds();
    assert_eq!((kinds.cached, kinds.audio_in, kinds.audio_out), (10, 0, 5));
}

#[test]
fn usage_that_is_told_before_the_end_is_not_the_end_of_it() {
    let call = json!({ "model": "gpt-4o" });
    let told = |events: &[Value]| charged(Protocol::OpenAi, CHAT, &call, events);
    let with = |usage: Value| {
        let mut chunk = chunk(&json!({ "content": "word ".repeat(300) }));
        chunk["usage"] = usage;
        chunk
    };
    let early = with(json!({ "prompt_tokens": 5, "completion_tokens": 0 }));
    let more = chunk(&json!({ "content": "word ".repeat(300) }));
    let charged = told(&[early, more.clone()]);
    assert_eq!((charged.tokens_in, charged.tokens_out), (5, 1000));
    let float = with(json!({ "prompt_tokens": 5, "completion_tokens": 5000.0 }));
    assert_eq!(told(&[more.clone(), float]).tokens_out, 5000);
    let both = json!({ "model": "gpt-4o", "choices": [], "usage":
        { "prompt_tokens": 500, "completion_tokens": 5000, "input_tokens": 0, "output_tokens": 0 } });
    assert_eq!(told(&[more.clone(), both]).tokens_out, 5000);
    // Some tell it with each event, the last one included.
    let last = with(json!({ "prompt_tokens": 5, "completion_tokens": 600 }));
    assert_eq!(told(&[more, last]).tokens_out, 600);
}

#[test]
fn a_message_whose_usage_is_no_number_is_not_charged_by_the_first_token() {
    let usage = |out: Value| json!({ "input_tokens": 9, "output_tokens": out });
    let start = json!({ "type": "message_start", "message": { "model": "claude-3-haiku", "usage": usage(json!(1)) } });
    let text = json!({ "type": "content_block_start", "index": 0,
        "content_block": { "type": "text", "text": "word ".repeat(300) } });
    let call = json!({ "model": "claude-3-haiku", "max_tokens": 900 });
    for (out, tokens) in
        [(json!("400"), 400), (json!(400.0), 400), (json!(-1), 500), (json!({}), 500)]
    {
        let last = json!({ "type": "message_delta", "usage": { "output_tokens": out } });
        let events = [start.clone(), text.clone(), last.clone()];
        let told = charged(Protocol::Anthropic, MESSAGES, &call, &events);
        assert_eq!((told.tokens_in, told.tokens_out), (9, tokens), "{last}");
    }
}

#[test]
fn a_prompt_that_nobody_here_sees_is_refused_where_it_is_counted_or_reserved_as_configured() {
    let kept = json!({ "model": "cheap", "max_tokens": 1, "previous_response_id": "resp_1" });
    let found = json!({ "model": "cheap", "max_tokens": 1, "tools": [{ "type": "web_search_20250305", "name": "x" }] });
    for (protocol, path, body, member) in [
        (Protocol::OpenAi, RESPONSES, kept, "previous_response_id"),
        (Protocol::Anthropic, MESSAGES, found, "tools"),
    ] {
        let text = body.to_string();
        let refused = bounded(protocol).read(path, &text).map(drop);
        assert_eq!(refused, Err(Unfit::Invalid(Invalid::Unseen(Unseen::Member(member)))));
        assert!(Place::new(protocol).read(path, &text).is_ok(), "nobody counts it");
        let mut place = bounded(protocol);
        place.cost.max_input_tokens = 200_000;
        assert_eq!(place.read(path, &text).unwrap().estimate().tokens_in, 200_000);
    }
}

/// An endpoint with a budget and the prices that come with the program.
fn sold() -> Place {
    let mut place = Place::new(Protocol::OpenAi).budget(&[]);
    place.cost.prices = Arc::new(builtin());
    place
}

#[test]
fn a_moderation_needs_no_model_and_costs_nothing_and_nothing_else_is_free_by_its_name() {
    let place = sold();
    let call = place.read("/v1/moderations", r#"{"input":"x"}"#).unwrap();
    assert_eq!(sent(&call)["model"], "omni-moderation-latest");
    assert_eq!(place.draws("/v1/moderations", r#"{"input":["x","y"]}"#)[0].1, 0);
    for model in ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-latest"]
    {
        let body = json!({ "model": model, "input": "x", "messages": [] }).to_string();
        assert_eq!(place.draws("/v1/moderations", &body)[0].1, 0, "{model}");
        // A server that takes no notice of names must not be used for free.
        for path in [CHAT, RESPONSES, COMPLETIONS, "/v1/embeddings", "/v1/images/generations"] {
            assert!(place.unpriced(path, &body), "{path}: {model}");
        }
    }
    let body = r#"{"model":"gpt-4o","input":"x"}"#;
    assert!(place.draws("/v1/moderations", body)[0].1 > 0, "another model has its own price");
    let mut named = sold();
    named.names.models = Some(Arc::new(Named::new(super::place::rules(&["gpt-*"]))));
    let denied = named.read("/v1/moderations", r#"{"input":"x"}"#).map(drop);
    assert_eq!(denied, Err(Unfit::Denied(Denial::Model("omni-moderation-latest".into()))));
}

#[test]
fn what_is_paid_for_by_the_piece_is_reserved_by_the_piece() {
    let place = sold();
    let usd = |path: &str, body: Value| place.draws(path, &body.to_string())[0].1 / 1_000;
    let drawn = |extra: Value| {
        let mut body = json!({ "model": "dall-e-3", "prompt": "x" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        usd("/v1/images/generations", body)
    };
    for (extra, pictures) in [
        (json!({}), 1),
        (json!({ "n": 3 }), 3),
        (json!({ "n": 3.0 }), 3),
        (json!({ "num_images": 4 }), 4),
        (json!({ "num_outputs": 4, "n": null }), 4),
        (json!({ "n_iter": 2, "batch_size": 3 }), 6),
        (json!({ "prompt": ["a", "b"], "n": 2 }), 4),
    ] {
        assert_eq!(drawn(extra.clone()), pictures * 120_000, "{extra}");
    }
    let odd = json!({ "model": "dall-e-3", "prompt": "x", "n": "9" }).to_string();
    let odd = place.read("/v1/images/generations", &odd).map(drop);
    assert_eq!(odd, Err(Unfit::Invalid(Invalid::Member("n"))));
    let read = json!({ "model": "tts-1", "voice": "alloy", "input": "\u{e4}".repeat(1000) });
    assert_eq!(usd("/v1/audio/speech", read), 15_000);
    let hidden = json!({ "model": "tts-1", "voice": "alloy", "input": ["x".repeat(1000)] });
    assert!(usd("/v1/audio/speech", hidden) >= 15_000);
    let mut own = sold();
    let rate = PieceRate::PerImage(NanoUsd(5_000));
    own.cost.prices = Arc::new([("mine".to_owned(), rate.into())].into());
    let body = json!({ "model": "mine", "prompt": "x", "n": 2 }).to_string();
    assert_eq!(own.draws("/v1/images/generations", &body)[0].1, 10_000);
    assert!(own.unpriced(CHAT, &body));
}

#[test]
fn pictures_are_multiplied_by_every_member_that_asks_for_several() {
    let place = bounded(Protocol::OpenAi);
    for (extra, times) in [
        (json!({ "prompt": ["a", "b", "c"] }), 3),
        (json!({ "num_images": 4 }), 4),
        (json!({ "num_outputs": 5 }), 5),
        (json!({ "samples": 2, "n": 2 }), 4),
    ] {
        let mut body = json!({ "model": "dear", "prompt": "x" });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        assert_eq!(reserved(&place, "/v1/images/generations", &body), times * 16_384, "{extra}");
    }
}

#[test]
fn a_whole_number_that_is_written_as_a_broken_one_is_sent_on_as_the_one_that_was_counted() {
    let place = bounded(Protocol::OpenAi);
    let body = r#"{"model":"cheap","max_tokens":1e2,"n":2.0,"temperature":1.0}"#;
    let call = place.read(CHAT, body).unwrap();
    assert_eq!(call.estimate().tokens_out, 200);
    let sent = sent(&call);
    assert!(sent["max_tokens"].is_u64() && sent["n"].is_u64() && sent["temperature"].is_f64());
    let claude = bounded(Protocol::Anthropic);
    let call = claude.read(MESSAGES, r#"{"model":"cheap","max_tokens":50.0}"#).unwrap();
    assert_eq!(call.estimate().tokens_out, 50);
    for odd in ["1.5", "-1.0", "1e300", "\"5\"", "true"] {
        let body = format!(r#"{{"model":"cheap","max_tokens":{odd}}}"#);
        let read = place.read(CHAT, &body).map(drop);
        assert_eq!(read, Err(Unfit::Invalid(Invalid::Member("max_tokens"))), "{odd}");
    }
}

#[test]
fn what_is_meant_for_google_passes_and_anything_else_in_its_place_does_not() {
    let place = bounded(Protocol::OpenAi);
    let read = |body: Value| place.read(CHAT, &body.to_string()).map(drop);
    let thinks = json!({ "google": { "thinking_config": { "thinking_budget": 100 } } });
    assert_eq!(read(json!({ "model": "cheap", "extra_body": thinks })), Ok(()));
    let routed = json!({ "google": {}, "model": "dear" });
    let routed = read(json!({ "model": "cheap", "extra_body": routed }));
    assert_eq!(routed, Err(Unfit::Invalid(Invalid::Routing("extra_body"))));
    let cached = json!({ "google": { "cached_content": "cachedContents/1" } });
    let cached = read(json!({ "model": "cheap", "extra_body": cached }));
    let member = Unseen::Member("google.cached_content");
    assert_eq!(cached, Err(Unfit::Invalid(Invalid::Unseen(member))));
}

#[test]
fn a_header_field_or_a_parameter_that_chooses_a_model_is_refused_where_models_matter() {
    let body = r#"{"model":"cheap","max_tokens":5,"messages":[],"input":"x"}"#;
    let field: &[(&str, &str)] = &[("X-Portkey-Config", "{}")];
    for (protocol, path) in [
        (Protocol::OpenAi, CHAT),
        (Protocol::OpenAi, "/v1/moderations"),
        (Protocol::Anthropic, MESSAGES),
    ] {
        let place = bounded(protocol);
        let read = place.read_with(field, path, body).map(drop);
        assert_eq!(read, Err(Unfit::Invalid(Invalid::Steered("x-portkey-config"))), "{path}");
        let read = place.read(&format!("{path}?beta=true&%6dodel=dear"), body).map(drop);
        assert_eq!(read, Err(Unfit::Invalid(Invalid::Steered("model"))), "{path}");
        assert!(place.read(&format!("{path}?beta=true"), body).is_ok());
        assert!(Place::new(protocol).read_with(field, path, body).is_ok(), "nobody counts it");
    }
}

#[test]
fn what_is_written_into_a_cache_unasked_is_reserved_and_charged() {
    let place = sold();
    let body = json!({ "model": "gpt-5.6", "max_tokens": 1, "messages": [{ "content": "x".repeat(20_000) }] });
    let call = place.read(CHAT, &body.to_string()).unwrap();
    let tokens_in = call.estimate().tokens_in;
    assert!(place.draws(CHAT, &body.to_string())[0].1 >= tokens_in * 5_000, "$5, and not $4");
    let mut listener = listener(Protocol::OpenAi, CHAT, &body);
    let answer = json!({ "usage": { "prompt_tokens": 100, "completion_tokens": 5,
        "prompt_tokens_details": { "cached_tokens": 10, "cache_write_tokens": 500 } } });
    listener.hear_whole(answer.to_string().as_bytes(), &place.grant());
    let kinds = listener.used().unwrap().kinds();
    assert_eq!((kinds.cached, kinds.written), (10, 90));
}
