//! Does a value leave that is spread over events in a way that nobody here knows?

use std::collections::BTreeMap;

use bartizan_core::mask::Stopped;
use bartizan_core::validate::Protocol;
use bartizan_pii::Action;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::forms::{one_line_end, read_in_full};
use super::place::Place;
use super::streams::{CHAT, asked, masker, run};

pub(super) const RESPONSES: &str = "/v1/responses";
pub(super) const MESSAGES: &str = "/v1/messages";

pub(super) fn sse(events: &[Value]) -> Vec<u8> {
    events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>().into_bytes()
}

/// All strings of a stream, joined for each place, the numbers in it left out.
fn joined(stream: &[u8]) -> BTreeMap<String, String> {
    fn gather(value: &Value, place: &str, texts: &mut BTreeMap<String, String>) {
        match value {
            Value::String(text) => texts.entry(place.to_owned()).or_default().push_str(text),
            Value::Array(values) => values.iter().for_each(|value| gather(value, place, texts)),
            Value::Object(members) => {
                for (name, value) in members {
                    gather(value, &format!("{place}/{name}"), texts);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = BTreeMap::new();
    for data in str::from_utf8(stream).unwrap().lines().filter_map(|l| l.strip_prefix("data: ")) {
        if let Ok(event) = serde_json::from_str(data) {
            gather(&event, "", &mut texts);
        }
    }
    texts
}

/// Whether so much of a value stands in a text that it can be known again.
pub(super) fn tells(text: &str, value: &str) -> bool {
    let letters: Vec<char> = value.chars().collect();
    letters.windows(5).any(|part| text.contains(&part.iter().collect::<String>()))
}

pub(super) fn cut(text: &str, mut cuts: Vec<usize>) -> Vec<&str> {
    cuts.retain(|at| text.is_char_boundary(*at));
    cuts.extend([0, text.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

type Shape = fn(usize, &str) -> Value;

fn chunk(index: usize, delta: &Value) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1",
            "provider": "Somebody", "choices": [{ "index": index, "delta": delta, "finish_reason": null }] })
}

fn block(index: usize, delta: &Value) -> Value {
    json!({ "type": "content_block_delta", "index": index, "delta": delta })
}

/// Events of which nobody has ever heard, and known ones in which the text stands elsewhere.
const SHAPES: [(Protocol, &str, Shape); 20] = [
    (Protocol::OpenAi, CHAT, |_, piece| json!({ "said": piece })),
    (Protocol::OpenAi, CHAT, |_, piece| json!({ "a": { "b": [0, [piece]] }, "id": "x" })),
    (Protocol::OpenAi, CHAT, |at, piece| {
        let mut list = vec![Value::Null; at];
        list.push(piece.into());
        json!({ "list": list })
    }),
    (Protocol::OpenAi, CHAT, |_, piece| chunk(0, &json!({ "thoughts": piece }))),
    (Protocol::OpenAi, CHAT, |_, piece| chunk(0, &json!({ "content": [piece] }))),
    (Protocol::OpenAi, CHAT, |at, piece| {
        chunk(0, &json!({ "content": [{ "type": "text", "text": piece, "index": at }] }))
    }),
    (Protocol::OpenAi, CHAT, |_, piece| {
        chunk(0, &json!({ "content": [{ "type": "new", "new": { "text": piece } }] }))
    }),
    (Protocol::OpenAi, CHAT, |at, piece| {
        let detail = json!({ "type": "reasoning.text", "text": piece, "index": at, "format": "f" });
        chunk(0, &json!({ "reasoning_details": [detail] }))
    }),
    (Protocol::OpenAi, CHAT, |at, piece| chunk(at, &json!({ "content": piece }))),
    (
        Protocol::OpenAi,
        CHAT,
        |at, piece| json!({ "choices": [{ "index": at, "delta": {}, "aside": piece }] }),
    ),
    (Protocol::OpenAi, RESPONSES, |at, piece| {
        json!({ "type": "response.output_text.delta", "output_index": at, "content_index": 0,
                "item_id": "msg_1", "delta": piece })
    }),
    (Protocol::OpenAi, RESPONSES, |at, piece| {
        json!({ "type": "response.output_text.delta", "output_index": 0, "content_index": at,
                "delta": piece })
    }),
    (
        Protocol::OpenAi,
        RESPONSES,
        |_, piece| json!({ "type": "response.news.delta", "delta": { "parts": [{ "words": piece }] } }),
    ),
    (Protocol::OpenAi, RESPONSES, |_, piece| json!({ "type": "response.news", "news": piece })),
    (Protocol::Anthropic, MESSAGES, |at, piece| {
        block(at, &json!({ "type": "text_delta", "text": piece }))
    }),
    (Protocol::Anthropic, MESSAGES, |_, piece| {
        block(0, &json!({ "type": "news_delta", "news": piece }))
    }),
    (Protocol::Anthropic, MESSAGES, |_, piece| {
        block(0, &json!({ "type": "text_delta", "more": [{ "text": piece }] }))
    }),
    (Protocol::Anthropic, MESSAGES, |_, piece| json!({ "type": "ping", "words": piece })),
    (Protocol::Anthropic, MESSAGES, |_, piece| json!({ "type": "news", "data": piece })),
    (Protocol::Anthropic, MESSAGES, |_, piece| json!({ "news": { "0": piece } })),
];

const VALUES: [&str; 3] = ["ann.byron@example.org", "4012 8888 8888 1881", "078-05-1121"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_value_does_not_leave_in_pieces_whatever_the_events_look_like(
        shape in 0..SHAPES.len(),
        value in 0..VALUES.len(),
        cuts in prop::collection::vec(0_usize..60, 0..12),
        also_full in any::<bool>(),
    ) {
        let ((protocol, path, shape), value) = (SHAPES[shape], VALUES[value]);
        let text = format!("write to: {value} — soon.");
        let events = cut(&text, cuts).into_iter().enumerate().map(|(at, piece)| shape(at, piece));
        let mut raw = sse(&events.collect::<Vec<_>>());
        if also_full {
            raw = read_in_full(&raw);
        }
        let run = run(&Place::new(protocol), path, &asked(), Some(Action::MASK), &[&raw]);
        // What nobody has begun ends the answer.
        prop_assert!(matches!(run.ended, Ok(()) | Err(Stopped::Blocked)));
        let whole = run.ended.is_ok();
        for (place, said) in joined(one_line_end(&run.out).as_bytes()) {
            prop_assert!(!tells(&said, value), "{place}: {said}");
            let all = !whole || said.ends_with(" — soon.");
            prop_assert!(all || !said.contains("write"), "{place}: {said}");
        }
        prop_assert!(!whole || run.stream.detections().len() == 1);
    }

    #[test]
    fn a_placeholder_in_pieces_of_unknown_events_ends_in_a_block_too(
        shape in 0..SHAPES.len(),
        cuts in prop::collection::vec(0_usize..40, 0..9),
    ) {
        let (protocol, path, shape) = SHAPES[shape];
        let text = "to ann.byron@example.org, now";
        let events = cut(text, cuts).into_iter().enumerate().map(|(at, piece)| shape(at, piece));
        let raw = sse(&events.collect::<Vec<_>>());
        let run = run(&Place::new(protocol), path, &asked(), Some(Action::Block), &[&raw]);
        prop_assert_eq!(run.ended, Err(Stopped::Blocked));
        prop_assert!(!tells(&String::from_utf8_lossy(&run.out), "ann.byron@example.org"));
    }
}

/// Two texts under one path, and how somebody may tell them apart.
const TOLD_APART: [(Protocol, &str, Shape); 7] = [
    (Protocol::OpenAi, CHAT, |at, piece| {
        let mut list = vec![Value::Null; at];
        list.push(piece.into());
        json!({ "list": list })
    }),
    (Protocol::OpenAi, CHAT, |at, piece| {
        let detail = json!({ "type": "reasoning.text", "text": piece, "index": at });
        chunk(0, &json!({ "reasoning_details": [detail] }))
    }),
    (
        Protocol::OpenAi,
        CHAT,
        |at, piece| json!({ "news": { "id": format!("n{at}"), "said": piece } }),
    ),
    (Protocol::OpenAi, CHAT, |at, piece| {
        let channel = ["analysis", "final"][at];
        chunk(0, &json!({ "channel": channel, "words": piece }))
    }),
    (Protocol::OpenAi, RESPONSES, |at, piece| {
        json!({ "type": "response.news.delta", "sequence_number": piece.len(),
                "delta": { "index": at, "words": piece } })
    }),
    (
        Protocol::Anthropic,
        MESSAGES,
        |at, piece| json!({ "type": "news", "more": [{ "index": at, "text": piece }], "half": "\u{fffd}" }),
    ),
    (
        Protocol::Anthropic,
        MESSAGES,
        |at, piece| json!({ "type": "news", "item_id": at, "index": piece.len(), "words": piece }),
    ),
];

/// What somebody reads who tells texts apart: of each event the piece, put with those of its text.
fn apart(stream: &[u8], shape: Shape) -> [String; 2] {
    let mut texts = [String::new(), String::new()];
    let empty = [0, 1].map(|at| shape(at, ""));
    for data in str::from_utf8(stream).unwrap().lines().filter_map(|l| l.strip_prefix("data: ")) {
        let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
        let all = joined(format!("data: {event}\n").as_bytes());
        let of = |at: usize| {
            ["index", "id", "channel", "item_id", "list"].iter().all(|name| {
                let place = |event: &Value| find(event, name);
                *name == "index" && event.get("item_id").is_some()
                    || place(&event) == place(&empty[at])
            })
        };
        let at = usize::from(!of(0));
        for (place, text) in all {
            let is_text =
                ["/list", "/text", "/said", "/words"].iter().any(|end| place.ends_with(end));
            texts[at].push_str(if is_text { &text } else { "" });
        }
    }
    texts
}

/// What stands under a name, anywhere; of a list how long it is.
fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(members) => {
            let own = members.get(name).map(|value| match value {
                Value::Array(list) => list.len().to_string(),
                other => other.to_string(),
            });
            own.or_else(|| members.values().find_map(|value| find(value, name)))
        }
        Value::Array(list) => list.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_value_does_not_leave_though_another_text_stands_between_its_pieces(
        shape in 0..TOLD_APART.len(),
        value in 0..VALUES.len(),
        cuts in prop::array::uniform2(prop::collection::vec(0_usize..60, 0..6)),
        turns in prop::collection::vec(any::<bool>(), 24),
    ) {
        let ((protocol, path, shape), value) = (TOLD_APART[shape], VALUES[value]);
        let said = [format!("write to: {value} — soon."), "x and other words 34, too".to_owned()];
        let [one, other] = cuts;
        let mut rest = [cut(&said[0], one), cut(&said[1], other)].map(Vec::into_iter);
        // With the second piece of the first one it is clear that these are texts, and no numbers of events.
        let mut events = vec![shape(0, "so: "), shape(0, "then: ")];
        for second in turns.into_iter().chain([false; 8]).chain([true; 8]) {
            let at = usize::from(second);
            events.extend(rest[at].next().map(|piece| shape(at, piece)));
        }
        let run = run(&Place::new(protocol), path, &asked(), Some(Action::MASK), &[&sse(&events)]);
        prop_assert!(matches!(run.ended, Ok(()) | Err(Stopped::Blocked)));
        for text in apart(&run.out, shape) {
            prop_assert!(!text.contains(value), "{text}");
        }
        for (place, text) in joined(&run.out) {
            prop_assert_eq!(&masker(Action::MASK).mask_text(&text).text, &text, "{}", place);
        }
    }

    #[test]
    fn texts_by_turns_in_which_nothing_is_pass(
        shape in 0..TOLD_APART.len(),
        cuts in prop::array::uniform2(prop::collection::vec(0_usize..60, 0..6)),
        turns in prop::collection::vec(any::<bool>(), 24),
    ) {
        let (protocol, path, shape) = TOLD_APART[shape];
        let said = ["The quick brown fox, and then some.", "It jumps over 13 lazy dogs!"];
        let [one, other] = cuts;
        let mut rest = [cut(said[0], one), cut(said[1], other)].map(Vec::into_iter);
        let mut events = Vec::new();
        for second in turns.into_iter().chain([false; 8]).chain([true; 8]) {
            let at = usize::from(second);
            events.extend(rest[at].next().map(|piece| shape(at, piece)));
        }
        let raw = sse(&events);
        let run = run(&Place::new(protocol), path, &asked(), Some(Action::MASK), &[&raw]);
        prop_assert_eq!(run.ended, Ok(()));
        let (before, after) = (joined(&raw), joined(&run.out));
        for (place, text) in before {
            let is_text = ["/list", "/text", "/said", "/words"].iter().any(|end| place.ends_with(end));
            prop_assert!(!is_text || after[&place] == text, "{}", place);
        }
    }
}

#[test]
fn parts_of_a_content_are_pieces_of_the_same_text_as_a_content_that_is_a_text() {
    let thinking = |text: &str| json!([{ "type": "thinking", "thinking": [{ "type": "text", "text": text }] }]);
    let part = |text: &str| json!([{ "type": "text", "text": text }]);
    let contents = [
        thinking("ask ann@exa"),
        thinking("mple.org fir"),
        json!([{ "type": "thinking", "thinking": "st", "closed": true }]),
        part("write to b"),
        "ob@exam".into(),
        part("ple"),
        json!([{ "type": "text", "text": ".org" }, { "type": "text", "text": ", soon" }]),
    ];
    let mut events: Vec<Value> =
        contents.into_iter().map(|content| chunk(0, &json!({ "content": content }))).collect();
    events.push(json!({ "id": "chatcmpl-1", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }));
    let raw = [sse(&events), b"data: [DONE]\n\n".to_vec()].concat();
    let run = run(&Place::new(Protocol::OpenAi), CHAT, &asked(), Some(Action::MASK), &[&raw]);
    assert_eq!(run.ended, Ok(()));
    let (mut said, mut thought) = (String::new(), String::new());
    for data in String::from_utf8(run.out).unwrap().lines().filter_map(|l| l.strip_prefix("data: "))
    {
        let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
        let content = &event["choices"][0]["delta"]["content"];
        said.push_str(content.as_str().unwrap_or_default());
        for part in content.as_array().into_iter().flatten() {
            said.push_str(part["text"].as_str().unwrap_or_default());
            thought.push_str(part["thinking"].as_str().unwrap_or_default());
            thought.push_str(part["thinking"][0]["text"].as_str().unwrap_or_default());
        }
    }
    assert_eq!(said, "write to ***************, soon");
    assert_eq!(thought, "ask *************** first");
    assert!(run.stream.used_so_far(0).unwrap().tokens_out > 10);
}

#[test]
fn what_names_something_stays_in_each_event_as_it_was() {
    let event = |piece: &str, index: usize| {
        let detail =
            json!({ "type": "reasoning.text", "text": piece, "id": "rs_1", "signature": "c2ln" });
        let mut event = chunk(0, &json!({ "role": "assistant", "reasoning_details": [detail] }));
        event["system_fingerprint"] = "fp_1".into();
        event["request_id"] = format!("req-{index}").into();
        event["choices"][0]["content_filter_results"] = json!({ "hate": { "severity": "safe" } });
        event["search_results"] = json!([{ "title": "A page", "url": "https://a.example/1" }]);
        event
    };
    let pieces = ["mail ", "ann@", "example", ".org", ", now "];
    let events: Vec<Value> = pieces.iter().zip(0..).map(|(piece, at)| event(piece, at)).collect();
    let place = Place::new(Protocol::OpenAi);
    let run = run(&place, CHAT, &asked(), Some(Action::MASK), &[&sse(&events)]);
    let (before, after) = (joined(&sse(&events)), joined(&run.out));
    for (place, text) in &after {
        match place.ends_with("reasoning_details/text") {
            true => assert_eq!(text, "mail ***************, now "),
            false => assert_eq!(text, &before[place], "{place}"),
        }
    }
    assert_eq!(before.len(), after.len());
}

#[test]
fn a_text_that_each_event_tells_from_its_beginning_ends_before_what_may_become_a_value() {
    let said = [
        "to",
        "to ann@ex",
        "to ann@example.or",
        "to ann@example.org, now",
        "to ann@example.org, now",
    ];
    let mut events: Vec<Value> = said
        .iter()
        .map(|said| json!({ "choices": [{ "index": 0, "delta": {}, "message": { "content": said } }] }))
        .collect();
    events[4]["choices"][0]["finish_reason"] = "stop".into();
    let place = Place::new(Protocol::OpenAi);
    let run = run(&place, CHAT, &asked(), Some(Action::MASK), &[&sse(&events)]);
    let out = String::from_utf8(run.out).unwrap();
    assert!(!out.contains("ann"), "{out}");
    assert!(out.lines().rev().nth(1).unwrap().contains("to ***************, now"), "{out}");
}

#[test]
fn texts_that_nobody_asked_for_or_began_do_not_pass() {
    let choice = |index, text: &str| chunk(index, &json!({ "content": text }));
    let called = |index, text: &str| {
        let function = json!({ "name": if text.is_empty() { "f" } else { "" }, "arguments": text });
        chunk(0, &json!({ "tool_calls": [{ "index": index, "function": function }] }))
    };
    let said = |index, text: &str| json!({ "choices": [{ "index": index, "text": text }] });
    let asks = |name: &str, value: Value| {
        let mut asks = asked();
        asks[name] = value;
        asks
    };
    let begun = |kind: &str, name: &str, index: usize| json!({ "type": kind, name: index });
    let spoken = |index, text: &str| json!({ "type": "response.output_text.delta", "output_index": index, "delta": text });
    let part = |index, text: &str| json!({ "type": "response.output_text.delta", "content_index": index, "delta": text });
    let text = |index, text: &str| block(index, &json!({ "type": "text_delta", "text": text }));
    let start = |index| json!({ "type": "content_block_start", "index": index, "content_block": { "type": "text", "text": "" } });
    let (open, claude) = (Protocol::OpenAi, Protocol::Anthropic);
    let completions = "/v1/completions";
    for (passes, protocol, path, asks, first, second) in [
        (true, open, CHAT, asks("n", 2.into()), vec![], [choice(0, "a "), choice(1, "b ")]),
        (false, open, CHAT, asked(), vec![], [choice(0, "a "), choice(1, "b ")]),
        (
            true,
            open,
            completions,
            asks("prompt", json!(["a", "b"])),
            vec![],
            [said(0, "a "), said(1, "b ")],
        ),
        (
            false,
            open,
            completions,
            asks("prompt", json!([1, 2])),
            vec![],
            [said(0, "a "), said(1, "b ")],
        ),
        (
            true,
            open,
            CHAT,
            asked(),
            vec![called(0, ""), called(1, "")],
            [called(0, "{} "), called(1, "{} ")],
        ),
        (false, open, CHAT, asked(), vec![called(0, "")], [called(0, "{} "), called(1, "{} ")]),
        (true, open, RESPONSES, asked(), vec![], [spoken(0, "a "), spoken(0, "b ")]),
        (false, open, RESPONSES, asked(), vec![], [spoken(0, "a "), spoken(1, "b ")]),
        (
            true,
            open,
            RESPONSES,
            asked(),
            vec![
                begun("response.output_item.added", "output_index", 0),
                begun("response.output_item.added", "output_index", 1),
            ],
            [spoken(0, "a "), spoken(1, "b ")],
        ),
        (
            true,
            open,
            RESPONSES,
            asked(),
            vec![begun("response.content_part.added", "content_index", 1)],
            [part(0, "a "), part(1, "b ")],
        ),
        (false, open, RESPONSES, asked(), vec![], [part(0, "a "), part(1, "b ")]),
        (true, claude, MESSAGES, asked(), vec![start(0), start(1)], [text(0, "a "), text(1, "b ")]),
        (false, claude, MESSAGES, asked(), vec![start(0)], [text(0, "a "), text(1, "b ")]),
        (false, claude, MESSAGES, asked(), vec![], [text(0, "a "), text(1, "b ")]),
    ] {
        let raw = sse(&[first, second.to_vec()].concat());
        for action in [Action::MASK, Action::Detect] {
            let run = run(&Place::new(protocol), path, &asks, Some(action), &[&raw]);
            let expected = if passes { Ok(()) } else { Err(Stopped::Blocked) };
            assert_eq!(run.ended, expected, "{path} {asks} {second:?}");
            let (before, after) = (joined(&raw), joined(&run.out));
            let mut told = after.iter().filter(|(place, _)| place.contains("text"));
            assert!(!passes || told.all(|(place, text)| before[place] == *text), "{after:?}");
        }
    }
}

#[test]
fn an_event_that_is_a_list_is_none() {
    for (protocol, path) in [(Protocol::OpenAi, CHAT), (Protocol::Anthropic, MESSAGES)] {
        let raw = b"data: [\"ann@\"]\n\ndata: [\"example.org\"]\n\n";
        let run = run(&Place::new(protocol), path, &asked(), Some(Action::MASK), &[raw]);
        assert_eq!((run.ended, run.out), (Err(Stopped::Blocked), Vec::new()));
    }
}

#[test]
fn what_was_held_back_is_not_lost_beside_half_a_letter() {
    let event = |text: &str, end: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":{end},\"x\":[\"\\ud800\"]}}],\"y\":\"\\udc00\"}}\n\n"
        )
    };
    let raw = [event("write to ", "null"), event("ann", "null"), event("", "\"stop\"")].concat();
    let raw = raw.replace("{\"content\":\"\"}", "{}");
    let place = Place::new(Protocol::OpenAi);
    let run = run(&place, CHAT, &asked(), Some(Action::MASK), &[raw.as_bytes()]);
    assert_eq!(run.ended, Ok(()));
    let out = String::from_utf8(run.out).unwrap();
    assert!(out.contains("\"content\":\"ann\""), "{out}");
}

#[test]
fn what_stands_beside_the_data_of_an_event_is_searched() {
    let event = chunk(0, &json!({ "content": "hello " }));
    let beside = "event: ann@example.org\nid: 4012888888881881\n: call 078-05-1121\nretry: 10\n";
    let known = "event: message_start\nid: 7\n:\n";
    let raw =
        format!("{beside}data: {event}\n\n: ann@\n\n: example.org\n\n{known}data: {event}\n\n");
    for raw in [raw.clone().into_bytes(), read_in_full(raw.as_bytes())] {
        let place = Place::new(Protocol::OpenAi);
        let run = run(&place, CHAT, &asked(), Some(Action::MASK), &[&raw]);
        let out = one_line_end(&run.out);
        let expected = format!(
            "event: ***************\nid: ****************\n:\nretry: 10\ndata: {event}\n\n:\n\n:\n\n{known}data: {event}\n\n"
        );
        assert_eq!(out, expected);
    }
    let lower = "event: jordan.smith\n";
    assert_eq!(masker(Action::MASK).mask_text(lower).text, lower, "a name of its kind is no value");
}

#[test]
fn labels_that_one_sdk_puts_together_never_become_a_value() {
    let run = |texts: &[&str], name: &str| {
        let said = |text: &&str| chunk(0, &json!({ "content": "a ", name: text }));
        let raw = sse(&texts.iter().map(said).collect::<Vec<_>>());
        let run = run(&Place::new(Protocol::OpenAi), CHAT, &asked(), Some(Action::MASK), &[&raw]);
        (run.ended, String::from_utf8(run.out).unwrap())
    };
    for name in ["signature", "system_fingerprint", "parent_id", "images"] {
        let (ended, out) = run(&["see", "ann@", "example.org", "after"], name);
        assert_eq!(ended, Err(Stopped::Blocked), "{name}");
        assert!(out.contains("ann@") && !out.contains("example.org"), "{name}: {out}");
        let (ended, out) = run(&["aGk", "4012", "4012", "4012", "4012", "b2s="], name);
        assert_eq!(ended, Ok(()), "{name}: what is the same again is no piece: {out}");
    }
}

#[test]
fn an_event_of_thousands_of_strings_that_nobody_knows_does_not_pass() {
    let run = |delta: &Value| {
        let raw = sse(&[chunk(0, delta)]);
        run(&Place::new(Protocol::OpenAi), CHAT, &asked(), Some(Action::MASK), &[&raw]).ended
    };
    assert_eq!(run(&json!({ "x": vec!["a"; 4096] })), Ok(()));
    assert_eq!(run(&json!({ "x": vec!["a"; 4097] })), Err(Stopped::Unreadable));
    let deep =
        |steps: usize| (0..steps).fold(json!("a"), |inner, _| json!({ "x".repeat(50): inner }));
    assert_eq!(run(&deep(10)), Ok(()));
    assert_eq!(run(&deep(40)), Err(Stopped::Unreadable));
}
