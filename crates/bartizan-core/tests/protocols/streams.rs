//! Does the client of a stream read what it would read if the answer had been masked as a whole,
//! however the provider and the network cut it?

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::mask::{AnswerStream, Guard, Stopped};
use bartizan_core::validate::Protocol;
use bartizan_pii::{Action, Config, Masker, Scanner};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::place::Place;
use bartizan_core::authorize::OnDeniedTool;

pub(super) fn masker(action: Action) -> Masker {
    Masker::new(Arc::new(Scanner::new(&Config::default()).unwrap()), action)
}

/// An answer to `path` in chunks: what goes out, and how it ends.
pub(super) struct Run {
    pub(super) out: Vec<u8>,
    pub(super) ended: Result<(), Stopped>,
    pub(super) stream: AnswerStream,
}

pub(super) fn run(
    place: &Place,
    path: &str,
    call: &Value,
    action: Option<Action>,
    chunks: &[&[u8]],
) -> Run {
    let grant = place.grant();
    let mut call = place.read(path, &call.to_string()).unwrap();
    let guard = action.map(|action| Arc::new(Guard::new(masker(action))));
    let mut stream = AnswerStream::new(call.take_listener(), guard, &grant);
    let (mut out, mut ended) = (Vec::new(), Ok(()));
    for chunk in chunks {
        if ended.is_ok() {
            ended = stream.feed(chunk, &grant, &mut out);
        }
    }
    if ended.is_ok() {
        ended = stream.finish(&grant, &mut out);
    }
    Run { out, ended, stream }
}

/// The texts of a stream as a client puts them together, by where they belong.
pub(super) fn texts(stream: &[u8]) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::<String, String>::new();
    let stream = String::from_utf8(stream.to_vec()).expect("no character is cut");
    let data = stream.replace("\r\n", "\n").replace('\r', "\n");
    for data in data.lines().filter_map(|line| line.strip_prefix("data: ")) {
        let Ok(event) = serde_json::from_str::<Value>(data) else { continue };
        let mut add = |name: String, text: &Value| {
            if let Some(text) = text.as_str() {
                texts.entry(name).or_default().push_str(text);
            }
        };
        for choice in event["choices"].as_array().into_iter().flatten() {
            let at = &choice["index"];
            add(format!("{at} content"), &choice["delta"]["content"]);
            add(format!("{at} text"), &choice["text"]);
            for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                let at = format!("{at} call {}", call["index"]);
                add(format!("{at} name"), &call["function"]["name"]);
                add(format!("{at} id"), &call["id"]);
                add(at, &call["function"]["arguments"]);
            }
        }
        let at = &event["index"];
        for name in ["text", "thinking", "partial_json"] {
            add(format!("{at} {name}"), &event["delta"][name]);
            add(format!("{at} {name}"), &event["content_block"][name]);
        }
        if let (Some(kind), true) = (event["type"].as_str(), event["delta"].is_string()) {
            add(
                format!("{kind} {} {}", event["output_index"], event["content_index"]),
                &event["delta"],
            );
        }
    }
    texts
}

/// The same texts, each masked as a whole.
pub(super) fn masked(stream: &[u8]) -> BTreeMap<String, String> {
    let masker = masker(Action::MASK);
    let mask = |text: String| masker.mask_text(&text).text.into_owned();
    texts(stream).into_iter().map(|(name, text)| (name, mask(text))).collect()
}

/// One letter, or so, in each event: a value is never whole in any of them.
pub(super) fn chat(text: &str, pieces: usize) -> Vec<u8> {
    chat_about(text, &4_012_888_888_881_881_u64.into(), pieces)
}

pub(super) fn chat_about(text: &str, card: &Value, pieces: usize) -> Vec<u8> {
    let letters: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut push = |delta: Value, finish: Value| {
        let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
            "model": "m", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
        out.extend(format!("data: {chunk}\n\n").into_bytes());
    };
    push(json!({ "role": "assistant", "content": "" }), Value::Null);
    for piece in letters.chunks(pieces) {
        push(json!({ "content": String::from_iter(piece) }), Value::Null);
    }
    push(
        json!({ "tool_calls": [{ "index": 0, "id": "call_1", "type": "function",
        "function": { "name": "search", "arguments": "" } }] }),
        Value::Null,
    );
    let arguments = json!({ "q": text, "card": card, "n": 7 }).to_string();
    for piece in arguments.chars().collect::<Vec<_>>().chunks(pieces) {
        let function = json!({ "arguments": String::from_iter(piece) });
        push(json!({ "tool_calls": [{ "index": 0, "function": function }] }), Value::Null);
    }
    push(json!({}), json!("tool_calls"));
    out.extend(b"data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":30,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n");
    out.extend(b"data: [DONE]\n\n");
    out
}

pub(super) fn messages(text: &str, pieces: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut push = |event: Value| {
        let kind = event["type"].as_str().unwrap().to_owned();
        out.extend(format!("event: {kind}\ndata: {event}\n\n").into_bytes());
    };
    push(
        json!({ "type": "message_start", "message": { "id": "msg_1", "model": "claude", "content": [],
        "usage": { "input_tokens": 8, "cache_read_input_tokens": 24, "output_tokens": 1 } } }),
    );
    push(
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
    );
    push(json!({ "type": "ping" }));
    for piece in text.chars().collect::<Vec<_>>().chunks(pieces) {
        push(json!({ "type": "content_block_delta", "index": 0,
            "delta": { "type": "text_delta", "text": String::from_iter(piece) } }));
    }
    push(json!({ "type": "content_block_stop", "index": 0 }));
    push(json!({ "type": "content_block_start", "index": 1,
        "content_block": { "type": "tool_use", "id": "toolu_1", "name": "search", "input": {} } }));
    let input = json!({ "q": text }).to_string();
    for piece in input.chars().collect::<Vec<_>>().chunks(pieces) {
        push(json!({ "type": "content_block_delta", "index": 1,
            "delta": { "type": "input_json_delta", "partial_json": String::from_iter(piece) } }));
    }
    push(json!({ "type": "content_block_stop", "index": 1 }));
    push(json!({ "type": "message_delta", "delta": { "stop_reason": "tool_use" },
        "usage": { "output_tokens": 15 } }));
    push(json!({ "type": "message_stop" }));
    out
}

pub(super) fn responses(text: &str, pieces: usize) -> Vec<u8> {
    let (mut out, mut number) = (Vec::new(), 0);
    let mut push = |mut event: Value| {
        event["sequence_number"] = number.into();
        number += 1;
        let kind = event["type"].as_str().unwrap().to_owned();
        out.extend(format!("event: {kind}\ndata: {event}\n\n").into_bytes());
    };
    push(
        json!({ "type": "response.created", "response": { "id": "resp_1", "model": "m", "usage": null } }),
    );
    for piece in text.chars().collect::<Vec<_>>().chunks(pieces) {
        push(json!({ "type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0,
            "content_index": 0, "delta": String::from_iter(piece) }));
    }
    push(json!({ "type": "response.output_text.done", "item_id": "msg_1", "output_index": 0,
        "content_index": 0, "text": text }));
    let call = |arguments: &str| {
        json!({ "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "search",
        "arguments": arguments })
    };
    push(json!({ "type": "response.output_item.added", "output_index": 1, "item": call("") }));
    let arguments = json!({ "q": text }).to_string();
    for piece in arguments.chars().collect::<Vec<_>>().chunks(pieces) {
        push(json!({ "type": "response.function_call_arguments.delta", "item_id": "fc_1",
            "output_index": 1, "delta": String::from_iter(piece) }));
    }
    push(json!({ "type": "response.function_call_arguments.done", "item_id": "fc_1",
        "output_index": 1, "arguments": arguments }));
    push(
        json!({ "type": "response.output_item.done", "output_index": 1, "item": call(&arguments) }),
    );
    push(json!({ "type": "response.completed", "response": { "id": "resp_1", "model": "m",
        "usage": { "input_tokens": 9, "output_tokens": 3, "input_tokens_details": { "cached_tokens": 2 } } } }));
    out
}

pub(super) const CHAT: &str = "/v1/chat/completions";
pub(super) const SAID: &str =
    "write to ann@example.org, or 078-05-1121 — naïve 🦀 \"x\\y\"; a half: bob@example.co";

pub(super) fn asked() -> Value {
    json!({ "model": "m", "max_tokens": 9, "stream": true })
}

pub(super) type Script = fn(&str, usize) -> Vec<u8>;

pub(super) const SCRIPTS: [(Protocol, &str, Script); 3] = [
    (Protocol::OpenAi, CHAT, chat),
    (Protocol::OpenAi, "/v1/responses", responses),
    (Protocol::Anthropic, "/v1/messages", messages),
];

#[test]
fn a_value_spread_over_deltas_is_masked_as_in_the_whole_text_wherever_the_network_cuts() {
    for (protocol, path, script) in SCRIPTS {
        let place = Place::new(protocol);
        for pieces in [1, 2, 3, 7, 200] {
            let raw = script(SAID, pieces);
            let whole = run(&place, path, &asked(), Some(Action::MASK), &[&raw]);
            assert_eq!(whole.ended, Ok(()));
            let mut expected = masked(&raw);
            if let Some(arguments) = expected.get_mut("0 call 0") {
                // A number that became stars is a string.
                *arguments = arguments.replace(":****************,", ":\"****************\",");
                assert!(serde_json::from_str::<Value>(arguments).is_ok(), "{arguments}");
            }
            assert_eq!(texts(&whole.out), expected, "{path} {pieces}");
            assert!(!String::from_utf8_lossy(&whole.out).contains("example.org"));
        }
    }
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    for (protocol, path, script) in SCRIPTS {
        let place = Place::new(protocol);
        let raw = script("é ann@example.org \"", 6);
        let whole = run(&place, path, &asked(), Some(Action::MASK), &[&raw]);
        for cut in 0..raw.len() {
            let (left, right) = raw.split_at(cut);
            let cut = run(&place, path, &asked(), Some(Action::MASK), &[left, right]);
            assert_eq!(cut.out, whole.out);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn three_cuts_anywhere_change_nothing(
        pieces in 1_usize..9,
        cuts in prop::array::uniform3(0.0_f64..1.0),
        which in 0_usize..3,
    ) {
        let (protocol, path, script) = SCRIPTS[which];
        let place = Place::new(protocol);
        let raw = script(SAID, pieces);
        let mut cuts = cuts.map(|cut| (raw.len() as f64 * cut) as usize);
        cuts.sort_unstable();
        let [a, b, c] = cuts;
        let chunks = [&raw[..a], &raw[a..b], &raw[b..c], &raw[c..]];
        let whole = run(&place, path, &asked(), Some(Action::MASK), &[&raw]);
        prop_assert_eq!(run(&place, path, &asked(), Some(Action::MASK), &chunks).out, whole.out);
    }
}

#[test]
fn what_cannot_become_a_value_leaves_at_once() {
    let place = Place::new(Protocol::OpenAi);
    let grant = place.grant();
    let mut call = place.read(CHAT, &asked().to_string()).unwrap();
    let guard = Some(Arc::new(Guard::new(masker(Action::MASK))));
    let mut stream = AnswerStream::new(call.take_listener(), guard, &grant);
    let mut held = 0;
    for word in ["The ", "sky ", "is ", "blue ", "today, ", "and "] {
        let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": word } }] });
        let mut out = Vec::new();
        stream.feed(format!("data: {chunk}\n\n").as_bytes(), &grant, &mut out).unwrap();
        held += word.len() - texts(&out)["0 content"].len();
        assert!(held <= 8, "{held} bytes are held back after `{word}`");
    }
}

#[test]
fn tool_calls_are_put_together_over_their_pieces() {
    for (protocol, path, script) in SCRIPTS {
        let place = Place::new(protocol);
        let digests: Vec<_> = [1, 5, 100]
            .into_iter()
            .map(|pieces| {
                let mut stream = run(&place, path, &asked(), None, &[&script(SAID, pieces)]).stream;
                let [note] = &stream.take_notes()[..] else { panic!("one call") };
                assert_eq!(note.details["tool"], "search");
                note.details["arguments_sha256"].clone()
            })
            .collect();
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]), "{digests:?}");
    }
}

#[test]
fn the_log_has_the_digest_of_arguments_as_they_go_on() {
    for ((protocol, path, script), arguments) in SCRIPTS.into_iter().zip([
        "0 call 0",
        "response.function_call_arguments.delta 1 null",
        "1 partial_json",
    ]) {
        let mut place = Place::new(protocol);
        for action in [None, Some(Action::MASK)] {
            let guard = |action| Arc::new(Guard::new(masker(action)));
            place.profile.response = action.clone().map(guard);
            let mut run = run(&place, path, &asked(), action, &[&script(SAID, 3)]);
            let [note] = &run.stream.take_notes()[..] else { panic!("one call") };
            let sent = Sha256::digest(&texts(&run.out)[arguments]);
            let sent: String = sent.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(note.details["arguments_sha256"], sent, "{path}");
        }
    }
}

#[test]
fn a_tool_that_is_not_granted_is_stopped_before_a_letter_of_it_passes() {
    for (protocol, path, script) in SCRIPTS {
        let place = Place::new(protocol).tools(&["other"], OnDeniedTool::Refuse);
        let run = run(&place, path, &asked(), None, &[&script("hello", 2)]);
        assert_eq!(run.ended, Err(Stopped::Denied("search".into())));
        assert!(!String::from_utf8(run.out).unwrap().contains("search"));
    }
}

#[test]
fn a_stream_that_is_blocked_ends_before_the_value() {
    for (protocol, path, script) in SCRIPTS {
        let place = Place::new(protocol);
        let run = run(&place, path, &asked(), Some(Action::Block), &[&script(SAID, 3)]);
        assert_eq!(run.ended, Err(Stopped::Blocked), "{path}");
        let seen = texts(&run.out).into_values().collect::<String>();
        assert!(seen.starts_with("write to") && !seen.contains("ann"), "{seen}");
    }
}

/// Each chunk of a chat, with `change` made to it.
pub(super) fn changed(text: &str, change: impl Fn(&str) -> String) -> Vec<u8> {
    let stream = String::from_utf8(chat(text, 9)).unwrap();
    stream.split_inclusive("\n\n").map(change).collect::<String>().into_bytes()
}

#[test]
fn an_event_that_cannot_be_understood_hides_nothing() {
    let place = Place::new(Protocol::OpenAi);
    let path = "/v1/chat/completions";
    let run = |stream: &[u8]| run(&place, path, &asked(), Some(Action::MASK), &[stream]);
    let clear = |out: &[u8]| texts(out).into_values().any(|text| text.contains("ann@"));
    for odd in [
        r#""usage":"""#,
        r#""usage":[]"#,
        r#""usage":{"prompt_tokens":1.5}"#,
        r#""model":5"#,
        r#""type":5"#,
        r#""output_index":0.0"#,
        r#""response":"x""#,
        r#""item":"x""#,
        r#""item":{"name":7}"#,
        r#""choices":[]"#,
        r#""\ud800":0"#,
        r#""x":"\ud800""#,
    ] {
        let stream =
            changed(SAID, |event| event.replacen("data: {", &format!("data: {{{odd},"), 1));
        let run = run(&stream);
        assert!(!clear(&run.out), "{odd}: {}", String::from_utf8_lossy(&run.out));
    }
    for (from, to) in [
        ("\"index\":0", "\"index\":0.0"),
        ("\"index\":0", "\"index\":-1"),
        ("\"index\":0", "\"index\":0,\"finish_reason\":\"\""),
        ("\"index\":0", "\"index\":0,\"finish_reason\":\"stop\""),
    ] {
        let stream = changed(SAID, |event| match event.contains("finish_reason\":\"") {
            true => event.to_owned(),
            false => event.replace(",\"finish_reason\":null", "").replacen(from, to, 1),
        });
        let run = run(&stream);
        assert!(!clear(&run.out), "{to}: {}", String::from_utf8_lossy(&run.out));
    }
    // What ends a text and does not end it.
    let stream = changed(SAID, |event| format!("{event}data: [DONE]\n\n"));
    assert_eq!(run(&stream).ended, Err(Stopped::Blocked));
    // Sound, but for a number of another type: read on.
    let stream = changed(SAID, |event| match event.contains("\"usage\":{") {
        true => event.to_owned(),
        false => event.replacen("data: {", "data: {\"usage\":\"\",", 1),
    });
    assert_eq!(run(&stream).ended, Ok(()));
}

#[test]
fn a_call_in_an_answer_that_cannot_be_understood_does_not_pass() {
    let place = Place::new(Protocol::OpenAi).tools(&["search"], OnDeniedTool::Refuse);
    let grant = place.grant();
    let call = |odd: &str| {
        format!(
            r#"{{{odd}"choices":[{{"index":0,"message":{{"tool_calls":[{{"index":0,"function":{{"name":"wipe","arguments":"{{}}"}}}}]}}}}]}}"#
        )
    };
    let heard = |document: &str| {
        let mut call = place.read("/v1/chat/completions", &asked().to_string()).unwrap();
        call.take_listener().unwrap().hear_whole(document.as_bytes(), &grant)
    };
    for odd in ["", r#""usage":"","#, r#""model":7,"#] {
        assert_eq!(heard(&call(odd)).denied.as_deref(), Some("wipe"), "{odd}");
    }
    for odd in [r#""choices":[],"#, r#""\ud800":0,"#, r#""item":7,"#] {
        assert!(heard(&call(odd)).unsound, "{odd}");
    }
}

#[test]
fn every_choice_is_a_text_of_its_own() {
    let chunk = |index: u64, text: &str| {
        format!(
            "data: {}\n\n",
            json!({ "choices": [{ "index": index, "delta": { "content": text } }] })
        )
    };
    let raw =
        [chunk(0, "ann@exam"), chunk(1, "bob@"), chunk(0, "ple.org "), chunk(1, "example.org ")];
    let place = Place::new(Protocol::OpenAi);
    let mut asks = asked();
    asks["n"] = 2.into();
    let run = run(&place, CHAT, &asks, Some(Action::MASK), &[raw.concat().as_bytes()]);
    assert_eq!(texts(&run.out)["0 content"], "*************** ");
    assert_eq!(texts(&run.out)["1 content"], "*************** ");
}

#[test]
fn a_long_name_before_many_pieces_costs_little_and_hides_nothing() {
    let name = "k".repeat(100_000);
    let chunk = |strings: &[&str], finish: Value| {
        let delta = json!({ name.as_str(): strings });
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
        format!("data: {}\n\n", json!({ "choices": [choice] }))
    };
    let many = ["ab "; 4000];
    let first = [&many[..], &["ann@exam"]].concat();
    let last = [&["ple.org "][..], &many].concat();
    let raw = [chunk(&first, Value::Null), chunk(&last, json!("stop"))].concat();
    let place = Place::new(Protocol::OpenAi);
    let run = run(&place, CHAT, &asked(), Some(Action::MASK), &[raw.as_bytes()]);
    assert_eq!(run.ended, Ok(()));
    let out = String::from_utf8(run.out).unwrap();
    let events = out.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut joined = String::new();
    for event in events.filter_map(|event| serde_json::from_str::<Value>(event).ok()) {
        let strings = event["choices"][0]["delta"][&name].as_array().cloned();
        strings.into_iter().flatten().for_each(|part| joined.push_str(part.as_str().unwrap()));
    }
    assert_eq!(joined, format!("{0}*************** {0}", "ab ".repeat(4000)));
    let [found] = &run.stream.detections()[..] else { panic!("it is found once") };
    assert!((found.count, found.pointer.len()) <= (1, 512), "{}", found.pointer.len());
}

#[test]
fn a_number_in_arguments_is_found_however_it_is_written() {
    let place = Place::new(Protocol::OpenAi);
    let mut asks = asked();
    asks["stream_options"] = json!({ "include_usage": true });
    for card in [json!(4_111_111_111_111_111.0), json!(-4_111_111_111_111_111_i64)] {
        for pieces in 1..20 {
            let raw = chat_about("x", &card, pieces);
            let run = run(&place, CHAT, &asks, Some(Action::MASK), &[&raw]);
            let arguments = &texts(&run.out)["0 call 0"];
            let read: Value = serde_json::from_str(arguments).unwrap();
            let shown = read["card"].as_str().unwrap();
            assert!(!shown.contains(char::is_numeric), "{arguments}");
        }
    }
}

/// What a real model has said, byte for byte (SmolLM2 under llama.cpp).
const RECORDED: [(Protocol, &str, &[u8]); 4] = [
    (Protocol::OpenAi, CHAT, include_bytes!("../../../../conformance/streams/openai-chat.sse")),
    (
        Protocol::OpenAi,
        CHAT,
        include_bytes!("../../../../conformance/streams/openai-chat-emoji.sse"),
    ),
    (
        Protocol::OpenAi,
        "/v1/responses",
        include_bytes!("../../../../conformance/streams/openai-responses.sse"),
    ),
    (
        Protocol::Anthropic,
        "/v1/messages",
        include_bytes!("../../../../conformance/streams/anthropic-messages.sse"),
    ),
];

#[test]
fn a_recorded_stream_reads_like_its_masked_text_wherever_it_is_cut() {
    for (protocol, path, raw) in RECORDED {
        let place = Place::new(protocol);
        let mut asks = asked();
        asks["stream_options"] = json!({ "include_usage": true });
        let whole = run(&place, path, &asks, Some(Action::MASK), &[raw]);
        assert_eq!(whole.ended, Ok(()));
        assert_eq!(texts(&whole.out), masked(raw), "{path}");
        assert!(whole.stream.used().is_some(), "{path}");
        for cut in (0..raw.len()).step_by(131) {
            let (left, right) = raw.split_at(cut);
            let cut = run(&place, path, &asks, Some(Action::MASK), &[left, right]);
            assert_eq!(cut.out, whole.out);
        }
    }
}

#[test]
fn a_recorded_stream_without_anything_to_mask_passes_byte_for_byte() {
    let (protocol, path, raw) = RECORDED[1];
    let mut asks = asked();
    asks["stream_options"] = json!({ "include_usage": true });
    for action in [None, Some(Action::MASK)] {
        let run = run(&Place::new(protocol), path, &asks, action, &[raw]);
        assert_eq!(texts(&run.out), texts(raw));
        assert_eq!(run.stream.used().map(|used| used.tokens_out), Some(24));
    }
}
