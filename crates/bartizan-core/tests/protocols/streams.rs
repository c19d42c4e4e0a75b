//! Does the client of a stream read what it would read if the answer had been masked as a whole,
//! however the provider and the network cut it?

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::mask::{AnswerStream, Guard, Stopped};
use bartizan_core::validate::Protocol;
use bartizan_core::validate::usage::{Kinds, Tier};
use bartizan_pii::{Action, Config, CustomPattern, Masker, Scanner, Vault};
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
fn texts(stream: &[u8]) -> BTreeMap<String, String> {
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
fn masked(stream: &[u8]) -> BTreeMap<String, String> {
    let masker = masker(Action::MASK);
    let mask = |text: String| masker.mask_text(&text).text.into_owned();
    texts(stream).into_iter().map(|(name, text)| (name, mask(text))).collect()
}

/// One letter, or so, in each event: a value is never whole in any of them.
fn chat(text: &str, pieces: usize) -> Vec<u8> {
    chat_about(text, &4_012_888_888_881_881_u64.into(), pieces)
}

fn chat_about(text: &str, card: &Value, pieces: usize) -> Vec<u8> {
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

fn messages(text: &str, pieces: usize) -> Vec<u8> {
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

fn responses(text: &str, pieces: usize) -> Vec<u8> {
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
const SAID: &str =
    "write to ann@example.org, or 078-05-1121 — naïve 🦀 \"x\\y\"; a half: bob@example.co";

pub(super) fn asked() -> Value {
    json!({ "model": "m", "max_tokens": 9, "stream": true })
}

type Script = fn(&str, usize) -> Vec<u8>;

const SCRIPTS: [(Protocol, &str, Script); 3] = [
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

/// The same stream with line ends of which no form is ever known: each of its events is read in full.
pub(super) fn read_in_full(raw: &[u8]) -> Vec<u8> {
    String::from_utf8(raw.to_vec()).unwrap().replace('\n', "\r\n").into_bytes()
}

pub(super) fn one_line_end(out: &[u8]) -> String {
    String::from_utf8(out.to_vec()).unwrap().replace("\r\n", "\n")
}

#[test]
fn an_event_like_one_before_is_treated_like_one_that_is_read_in_full() {
    let said = format!(
        "{SAID} 4012 8888 8888 1881 and sk-ant-api03-{} \n/\u{7}\u{2028}",
        "aB3x".repeat(24)
    );
    for (protocol, path, script) in SCRIPTS {
        let place = Place::new(protocol);
        for pieces in [1, 2, 3, 7] {
            let raw = script(&said, pieces);
            let full = read_in_full(&raw);
            for action in [None, Some(Action::MASK), Some(Action::Detect), Some(Action::Block)] {
                let like = run(&place, path, &asked(), action.clone(), &[&raw]);
                let read = run(&place, path, &asked(), action, &[&full]);
                assert_eq!(one_line_end(&like.out), one_line_end(&read.out), "{path} {pieces}");
                assert_eq!(like.ended, read.ended);
                assert_eq!(like.stream.detections(), read.stream.detections());
                assert_eq!(like.stream.used_so_far(7), read.stream.used_so_far(7));
            }
        }
    }
}

#[test]
fn padding_and_numbers_of_events_change_nothing_and_hide_nothing() {
    let place = Place::new(Protocol::OpenAi);
    let event = |number: usize, piece: &str, padding: &str| {
        format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"sequence_number\":{number},\"output_index\":0,\"content_index\":0,\"delta\":\"{piece}\",\"obfuscation\":\"{padding}\"}}\n\n"
        )
    };
    let pieces = ["my", " card", " is 4012", "888", "8888", "81881", ", or so", " it", " seems"];
    let paddings = ["a1", "bC2", "", "078051120", "4012888888881881", "x.y@z.org", "Qq", "7", "z"];
    let events = pieces.into_iter().zip(paddings).enumerate();
    let raw: String = events.map(|(at, (piece, padding))| event(at + 95, piece, padding)).collect();
    let asked = json!({ "model": "m", "stream": true, "input": "hello" });
    for action in [Action::MASK, Action::Detect] {
        let act = |raw: &[u8]| run(&place, "/v1/responses", &asked, Some(action.clone()), &[raw]);
        let (like, read) = (act(raw.as_bytes()), act(&read_in_full(raw.as_bytes())));
        assert_eq!(one_line_end(&like.out), one_line_end(&read.out));
        assert_eq!(like.stream.detections(), read.stream.detections());
        assert!(like.stream.detections().len() >= 3, "{:?}", like.stream.detections());
    }
}

#[test]
fn a_member_with_the_name_of_the_piece_is_not_taken_for_it() {
    let place = Place::new(Protocol::OpenAi);
    let digits = "4012888888881881".chars().map(String::from);
    for (name, beside) in [("cont\\u0065nt", "content"), ("content", "\\u0063ontent")] {
        let raw: String = digits.clone().enumerate().map(|(at, digit)| {
            format!("data: {{\"choices\":[{{\"delta\":{{\"{name}\":\"{digit}\"}},\"x\":{{\"{beside}\":\"{at}\"}}}}]}}\n\n")
        }).collect();
        let run = run(&place, CHAT, &asked(), Some(Action::MASK), &[raw.as_bytes()]);
        assert_eq!(texts(&run.out)["null content"], "*".repeat(16), "{name}");
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
fn changed(text: &str, change: impl Fn(&str) -> String) -> Vec<u8> {
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

/// What was put aside of a request with this text and this card, the text as the upstream has it,
/// and the card.
fn put_aside(text: &str, card: u64) -> (Arc<Vault>, String, Value) {
    let name = CustomPattern::literal("PERSON".parse().unwrap(), NAME);
    let config = Config { custom: vec![name], ..Config::default() };
    let masker = Masker::new(Arc::new(Scanner::new(&config).unwrap()), Action::Tokenise);
    let mut vault = Vault::new(25);
    let asked = json!({ "text": text, "card": card }).to_string();
    let masked = masker.mask_json_into(asked.as_bytes(), &mut vault).unwrap();
    let asked: Value = serde_json::from_slice(&masked.bytes).unwrap();
    assert!(asked["card"].is_string() && !asked.to_string().contains(NAME), "{asked}");
    (Arc::new(vault), asked["text"].as_str().unwrap().to_owned(), asked["card"].clone())
}

/// What must be escaped where it stands in JSON.
const NAME: &str = "Ada \"L\" Byron";

/// How every placeholder of that vault ends.
const ENDING: &str = "_ZAAAAAAA";

fn restore(
    (protocol, path): (Protocol, &str),
    vault: &Arc<Vault>,
    action: Option<Action>,
    chunks: &[&[u8]],
) -> Vec<u8> {
    let place = Place::new(protocol);
    let grant = place.grant();
    let mut call = place.read(path, &asked().to_string()).unwrap();
    let guard = action.map(|action| Arc::new(Guard::new(masker(action))));
    let stream = AnswerStream::new(call.take_listener(), guard, &grant);
    let (mut stream, mut out) = (stream.restoring(Some(Arc::clone(vault))), Vec::new());
    for chunk in chunks {
        stream.feed(chunk, &grant, &mut out).unwrap();
    }
    stream.finish(&grant, &mut out).unwrap();
    out
}

#[test]
fn a_value_comes_back_into_an_event_like_one_before_as_into_one_that_is_read_in_full() {
    let (vault, said, number) = put_aside(&format!("{SAID}; {NAME}"), 4_012_888_888_881_881);
    for pieces in [1, 2, 5, 40] {
        for action in [None, Some(Action::MASK)] {
            let raw = chat_about(&said, &number, pieces);
            let at = (Protocol::OpenAi, CHAT);
            let like = restore(at, &vault, action.clone(), &[&raw]);
            let read = restore(at, &vault, action, &[&read_in_full(&raw)]);
            assert_eq!(one_line_end(&like), one_line_end(&read), "{pieces}");
        }
    }
}

#[test]
fn a_placeholder_spread_over_deltas_comes_back_in_texts_and_in_arguments() {
    let text = format!("{SAID}; {NAME}");
    let card = 4_012_888_888_881_881;
    let (vault, said, number) = put_aside(&text, card);
    for (protocol, path, script) in SCRIPTS {
        for pieces in [1, 2, 3, 7, 200] {
            let (raw, expected) = match path == CHAT {
                true => (chat_about(&said, &number, pieces), chat(&text, pieces)),
                false => (script(&said, pieces), script(&text, pieces)),
            };
            for action in [None, Some(Action::MASK)] {
                let out = restore((protocol, path), &vault, action, &[&raw]);
                assert_eq!(texts(&out), texts(&expected), "{path} {pieces}");
                assert!(!String::from_utf8_lossy(&out).contains(ENDING), "{path} {pieces}");
            }
        }
    }
}

#[test]
fn a_placeholder_comes_back_wherever_the_network_cuts_the_stream() {
    let (vault, said, card) = put_aside(&format!("to {NAME}"), 4_012_888_888_881_881);
    for (protocol, path, script) in SCRIPTS {
        for action in [None, Some(Action::MASK)] {
            let mut raw = script(&said, 9);
            if path == CHAT {
                raw = chat_about(&said, &card, 9);
            }
            let whole = restore((protocol, path), &vault, action.clone(), &[&raw]);
            assert!(!String::from_utf8_lossy(&whole).contains(ENDING));
            // The way is the same with a guard and without, but for the search.
            for cut in (0..raw.len()).step_by(if action.is_some() { 1 } else { 11 }) {
                let (left, right) = raw.split_at(cut);
                let cut = restore((protocol, path), &vault, action.clone(), &[left, right]);
                assert_eq!(cut, whole);
            }
        }
    }
}

#[test]
fn output_after_a_schema_is_json_still_when_values_come_back_into_it() {
    let (vault, said, card) = put_aside(NAME, 4_012_888_888_881_881);
    let output = json!({ "name": said, "card": card }).to_string();
    let raw = chat_about(&output, &card, 3);
    let out = restore((Protocol::OpenAi, CHAT), &vault, Some(Action::MASK), &[&raw]);
    let output: Value = serde_json::from_str(&texts(&out)["0 content"]).unwrap();
    assert_eq!(output, json!({ "name": NAME, "card": 4_012_888_888_881_881_u64 }));
}

#[test]
fn what_the_upstream_knows_by_itself_is_masked_beside_what_comes_back() {
    let (vault, said, _) = put_aside("ann@example.org", 4_012_888_888_881_881);
    let raw = chat(&format!("{said} and bob@example.org"), 2);
    let out = restore((Protocol::OpenAi, CHAT), &vault, Some(Action::MASK), &[&raw]);
    assert_eq!(texts(&out)["0 content"], "ann@example.org and ***************");
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
