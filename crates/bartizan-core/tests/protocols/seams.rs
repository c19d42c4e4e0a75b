//! Does a value leave that lies across parts of an answer which clients join?
//!
//! The texts are put together here as the official SDKs of OpenAI and Anthropic do it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bartizan_core::mask::{Guard, Profile, Stopped, screen_pieces};
use bartizan_core::validate::Protocol;
use bartizan_pii::Action;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::place::Place;
use super::spread::{MESSAGES, RESPONSES, cut, sse, tells};
use super::streams::{CHAT, asked, masker, run};

fn place(protocol: Protocol) -> Place {
    let guard = Arc::new(Guard::new(masker(Action::MASK)));
    let profile = Profile { response: Some(guard), ..Profile::default() };
    Place { profile, ..Place::new(protocol) }
}

/// What an official SDK makes of the events of a stream: every text that it puts together, in every way in
/// which it does.
#[derive(Default)]
struct Client {
    /// By item or block, and by part of it; and the arguments of calls.
    texts: BTreeMap<(String, u64, u64), String>,
    /// As they came.
    came: BTreeMap<String, String>,
}

impl Client {
    fn read(stream: &[u8]) -> Self {
        let mut client = Self::default();
        for data in str::from_utf8(stream).unwrap().lines().filter_map(|l| l.strip_prefix("data: "))
        {
            if let Ok(event) = serde_json::from_str::<Value>(data) {
                client.event(&event);
            }
        }
        client
    }

    fn add(&mut self, kind: &str, (item, part): (u64, u64), text: &Value) {
        let Some(text) = text.as_str() else { return };
        self.texts.entry((kind.to_owned(), item, part)).or_default().push_str(text);
        self.came.entry(kind.to_owned()).or_default().push_str(text);
    }

    /// The parts of an item, each a text of that kind.
    fn parts(&mut self, kind: &str, item: u64, parts: &Value) {
        for (part, told) in (0..).zip(parts.as_array().into_iter().flatten()) {
            self.add(kind, (item, part), &told["text"]);
            self.add("refusal", (item, part), &told["refusal"]);
        }
    }

    fn event(&mut self, event: &Value) {
        let number = |name: &str| event[name].as_u64().unwrap_or(0);
        let kind = event["type"].as_str().unwrap_or_default();
        let (item, part) = (number("output_index"), number("content_index"));
        match kind {
            "message_start" => self.parts("text", 0, &json!([])),
            "content_block_start" => {
                let block = &event["content_block"];
                for name in ["text", "thinking"] {
                    self.add(name, (number("index"), 0), &block[name]);
                }
                self.add("partial_json", (number("index"), 0), &block["input"]);
            }
            "content_block_delta" => {
                for name in ["text", "thinking", "partial_json"] {
                    self.add(name, (number("index"), 0), &event["delta"][name]);
                }
            }
            "response.output_item.added" => {
                self.parts("text", item, &event["item"]["content"]);
                self.parts("summary", item, &event["item"]["summary"]);
                for name in ["arguments", "input", "code"] {
                    self.add(name, (item, 0), &event["item"][name]);
                }
            }
            "response.content_part.added" => {
                self.add("text", (item, part), &event["part"]["text"]);
                self.add("refusal", (item, part), &event["part"]["refusal"]);
            }
            "response.reasoning_summary_part.added" => {
                self.add("summary", (item, number("summary_index")), &event["part"]["text"]);
            }
            "response.reasoning_summary_text.delta" => {
                self.add("summary", (item, number("summary_index")), &event["delta"]);
            }
            "response.output_text.done" => self.add("done text", (item, part), &event["text"]),
            "response.content_part.done" => {
                self.add("done part", (item, part), &event["part"]["text"]);
            }
            "response.output_item.done" => self.parts("done item", item, &event["item"]["content"]),
            "response.completed" => {
                let output = event["response"]["output"].as_array();
                for (item, told) in (0..).zip(output.into_iter().flatten()) {
                    self.parts("completed", item, &told["content"]);
                }
            }
            _ => {
                let name = match kind.strip_prefix("response.").unwrap_or(kind) {
                    "output_text.delta" => "text",
                    "refusal.delta" => "refusal",
                    "function_call_arguments.delta" | "mcp_call_arguments.delta" => "arguments",
                    "custom_tool_call_input.delta" => "input",
                    "code_interpreter_call_code.delta" => "code",
                    _ => return,
                };
                self.add(name, (item, part), &event["delta"]);
            }
        }
        if kind == "message_start" {
            for (index, told) in
                (0..).zip(event["message"]["content"].as_array().into_iter().flatten())
            {
                self.add("text", (index, 0), &told["text"]);
            }
        }
    }

    /// Every text, however it is put together.
    fn said(&self) -> Vec<String> {
        let mut by_number = BTreeMap::<&str, String>::new();
        for ((kind, ..), text) in &self.texts {
            by_number.entry(kind).or_default().push_str(text);
        }
        let single = self.texts.values().cloned();
        single.chain(by_number.into_values()).chain(self.came.values().cloned()).collect()
    }
}

type Shape = (Protocol, &'static str, fn(&[&str]) -> Vec<Value>);

fn started() -> Value {
    json!({ "type": "message_start", "message": { "id": "m", "role": "assistant", "model": "c",
        "content": [], "usage": { "input_tokens": 1, "output_tokens": 1 } } })
}

fn begins(index: usize, block: &Value) -> Value {
    json!({ "type": "content_block_start", "index": index, "content_block": block })
}

fn goes_on(index: usize, kind: &str, name: &str, text: &str) -> Value {
    json!({ "type": "content_block_delta", "index": index,
        "delta": { "type": kind, name: text } })
}

fn stops(index: usize) -> Value {
    json!({ "type": "content_block_stop", "index": index })
}

fn message(blocks: Vec<Value>) -> Vec<Value> {
    let end = json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" },
        "usage": { "output_tokens": 3 } });
    [vec![started()], blocks, vec![end, json!({ "type": "message_stop" })]].concat()
}

fn response(events: Vec<Value>, output: &Value) -> Vec<Value> {
    let created = json!({ "type": "response.created", "response": { "id": "r", "output": [] } });
    let completed = json!({ "type": "response.completed",
        "response": { "id": "r", "output": output } });
    [vec![created], events, vec![completed]].concat()
}

fn added(item: &Value) -> Value {
    json!({ "type": "response.output_item.added", "output_index": 0, "item": item })
}

fn delta(kind: &str, item: usize, part: usize, text: &str) -> Value {
    json!({ "type": format!("response.{kind}.delta"), "output_index": item,
        "content_index": part, "summary_index": part, "item_id": "i", "delta": text })
}

fn deltas(kind: &str, pieces: &[&str]) -> Vec<Value> {
    pieces.iter().map(|piece| delta(kind, 0, 0, piece)).collect()
}

fn part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [] })
}

/// A part of an item with its whole text in a delta, and what tells its end.
fn told(item: usize, part_at: usize, text: &str) -> Vec<Value> {
    let part_added = json!({ "type": "response.content_part.added", "output_index": item,
        "content_index": part_at, "item_id": "i", "part": part("") });
    let text_done = json!({ "type": "response.output_text.done", "output_index": item,
        "content_index": part_at, "item_id": "i", "text": text });
    let part_done = json!({ "type": "response.content_part.done", "output_index": item,
        "content_index": part_at, "item_id": "i", "part": part(text) });
    vec![part_added, delta("output_text", item, part_at, text), text_done, part_done]
}

fn of_parts(pieces: &[&str]) -> Vec<Value> {
    let content: Vec<Value> = pieces.iter().map(|piece| part(piece)).collect();
    let item = json!({ "id": "i", "type": "message", "content": content });
    let mut events = vec![added(&json!({ "id": "i", "type": "message", "content": [] }))];
    for (at, piece) in pieces.iter().enumerate() {
        events.extend(told(0, at, piece));
        events.push(json!({ "type": "response.news", "of": "nothing" }));
    }
    events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": item }));
    response(events, &json!([item]))
}

fn of_items(pieces: &[&str]) -> Vec<Value> {
    let (mut events, mut output) = (Vec::new(), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        let item = json!({ "id": "i", "type": "message", "content": [part(piece)] });
        let empty = json!({ "id": "i", "type": "message", "content": [] });
        events.push(
            json!({ "type": "response.output_item.added", "output_index": at, "item": empty }),
        );
        events.extend(told(at, 0, piece));
        events
            .push(json!({ "type": "response.output_item.done", "output_index": at, "item": item }));
        output.push(item);
    }
    response(events, &json!(output))
}

/// A call that begins with a piece of what is written for it.
fn call(kind: &str, member: &str, events: &str, pieces: &[&str]) -> Vec<Value> {
    let mut item = json!({ "id": "i", "type": kind, "name": "f", "call_id": "c" });
    item[member] = pieces[0].into();
    response([vec![added(&item)], deltas(events, &pieces[1..])].concat(), &json!([]))
}

const SHAPES: [Shape; 17] = [
    (Protocol::OpenAi, RESPONSES, |pieces| {
        let item = json!({ "id": "i", "type": "message", "content": [] });
        let begun = json!({ "type": "response.content_part.added", "output_index": 0,
            "content_index": 0, "item_id": "i", "part": part(pieces[0]) });
        let rest = deltas("output_text", &pieces[1..]);
        response([vec![added(&item), begun], rest].concat(), &json!([]))
    }),
    (Protocol::OpenAi, RESPONSES, |pieces| {
        let item = json!({ "id": "i", "type": "message", "content": [part(pieces[0])] });
        response([vec![added(&item)], deltas("output_text", &pieces[1..])].concat(), &json!([]))
    }),
    (Protocol::OpenAi, RESPONSES, |pieces| {
        let item = json!({ "id": "i", "type": "message", "content": [] });
        let begun = json!({ "type": "response.content_part.added", "output_index": 0,
            "content_index": 0, "part": { "type": "refusal", "refusal": pieces[0] } });
        let rest = deltas("refusal", &pieces[1..]);
        response([vec![added(&item), begun], rest].concat(), &json!([]))
    }),
    (Protocol::OpenAi, RESPONSES, |pieces| {
        let item = json!({ "id": "i", "type": "reasoning", "summary": [] });
        let begun = json!({ "type": "response.reasoning_summary_part.added", "output_index": 0,
            "summary_index": 0, "part": { "type": "summary_text", "text": pieces[0] } });
        let rest = deltas("reasoning_summary_text", &pieces[1..]);
        response([vec![added(&item), begun], rest].concat(), &json!([]))
    }),
    (Protocol::OpenAi, RESPONSES, |pieces| {
        call("function_call", "arguments", "function_call_arguments", pieces)
    }),
    (Protocol::OpenAi, RESPONSES, |pieces| {
        call("mcp_call", "arguments", "mcp_call_arguments", pieces)
    }),
    (Protocol::OpenAi, RESPONSES, |pieces| {
        call("custom_tool_call", "input", "custom_tool_call_input", pieces)
    }),
    (Protocol::OpenAi, RESPONSES, |pieces| {
        call("code_interpreter_call", "code", "code_interpreter_call_code", pieces)
    }),
    (Protocol::OpenAi, RESPONSES, of_parts),
    (Protocol::OpenAi, RESPONSES, of_items),
    (Protocol::Anthropic, MESSAGES, |pieces| {
        let mut events = message(Vec::new());
        events[0]["message"]["content"] = json!([{ "type": "text", "text": pieces[0] }]);
        let rest = pieces[1..].iter().map(|piece| goes_on(0, "text_delta", "text", piece));
        events.splice(1..1, rest.chain([stops(0)]));
        events
    }),
    (Protocol::Anthropic, MESSAGES, |pieces| {
        let begun = begins(0, &json!({ "type": "text", "text": pieces[0] }));
        let rest = pieces[1..].iter().map(|piece| goes_on(0, "text_delta", "text", piece));
        message([begun].into_iter().chain(rest).chain([stops(0)]).collect())
    }),
    (Protocol::Anthropic, MESSAGES, |pieces| {
        let begun = begins(0, &json!({ "type": "thinking", "thinking": pieces[0] }));
        let rest = pieces[1..].iter().map(|piece| goes_on(0, "thinking_delta", "thinking", piece));
        message([begun].into_iter().chain(rest).chain([stops(0)]).collect())
    }),
    (Protocol::Anthropic, MESSAGES, |pieces| {
        let block = json!({ "type": "tool_use", "id": "t", "name": "f", "input": pieces[0] });
        let rest = pieces[1..].iter();
        let rest = rest.map(|piece| goes_on(0, "input_json_delta", "partial_json", piece));
        message([begins(0, &block)].into_iter().chain(rest).chain([stops(0)]).collect())
    }),
    (Protocol::Anthropic, MESSAGES, |pieces| {
        let block = |(at, piece): (usize, &&str)| {
            let empty = json!({ "type": "text", "text": "" });
            [begins(at, &empty), goes_on(at, "text_delta", "text", piece), stops(at)]
        };
        message(pieces.iter().enumerate().flat_map(block).collect())
    }),
    (Protocol::Anthropic, MESSAGES, |pieces| {
        let cited = json!({ "type": "char_location", "cited_text": "x", "document_index": 0 });
        let cite = |at: usize| {
            json!({ "type": "content_block_delta", "index": at,
                "delta": { "type": "citations_delta", "citation": cited } })
        };
        let block = |(at, piece): (usize, &&str)| {
            let empty = json!({ "type": "text", "text": "", "citations": [] });
            let text = goes_on(at, "text_delta", "text", piece);
            let news = json!({ "type": "news", "of": "nothing" });
            [begins(at, &empty), cite(at), text, json!({ "type": "ping" }), stops(at), news]
        };
        message(pieces.iter().enumerate().flat_map(block).collect())
    }),
    (Protocol::Anthropic, MESSAGES, |pieces| {
        let block = |(at, piece): (usize, &&str)| {
            [begins(at, &json!({ "type": "text", "text": piece })), stops(at)]
        };
        message(pieces.iter().enumerate().flat_map(block).collect())
    }),
];

const VALUES: [&str; 3] = ["ann.byron@example.org", "4012 8888 8888 1881", "078-05-1121"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_value_that_lies_across_what_an_sdk_joins_does_not_leave(
        shape in 0..SHAPES.len(),
        value in 0..VALUES.len(),
        cuts in prop::collection::vec(0_usize..60, 1..4),
        end in prop::sample::select(vec!["", " - soon."]),
    ) {
        let ((protocol, path, shape), value) = (SHAPES[shape], VALUES[value]);
        let text = format!("write to: {value}{end}");
        let raw = sse(&shape(&cut(&text, cuts)));
        let run = run(&place(protocol), path, &asked(), Some(Action::MASK), &[&raw]);
        prop_assert_eq!(&run.ended, &Ok(()));
        let client = Client::read(&run.out);
        for said in client.said() {
            prop_assert!(!tells(&said, value), "{said}\n{}", String::from_utf8_lossy(&run.out));
        }
        // And everything else does, in the order in which it came.
        let said = client.came.iter().find(|(kind, _)| !kind.contains("done") && *kind != "completed");
        // A bare number of JSON that became stars is quoted.
        let said = said.map(|(_, said)| said.replace('"', "")).unwrap_or_default();
        let stars = "*".repeat(value.len());
        prop_assert_eq!(said, format!("write to: {stars}{end}"), "{}", String::from_utf8_lossy(&run.out));
    }

    #[test]
    fn a_name_over_several_events_is_told_as_far_as_its_first_piece(
        member in 0..4_usize,
        cuts in prop::collection::vec(1_usize..21, 1..4),
    ) {
        let value = VALUES[0];
        let pieces: Vec<_> = cut(value, cuts).into_iter().filter(|piece| !piece.is_empty()).collect();
        let events = pieces.iter().map(|piece| {
            let delta = match member {
                0 => json!({ "tool_calls": [{ "index": 0, "id": piece, "function": { "arguments": "" } }] }),
                1 => json!({ "tool_calls": [{ "index": 0, "function": { "name": piece } }] }),
                2 => json!({ "function_call": { "name": piece } }),
                _ => json!({ "role": piece }),
            };
            json!({ "choices": [{ "index": 0, "delta": delta }] })
        });
        let raw = sse(&events.collect::<Vec<_>>());
        let run = run(&place(Protocol::OpenAi), CHAT, &asked(), Some(Action::MASK), &[&raw]);
        prop_assert_eq!(run.ended, Err(Stopped::Blocked));
        let out = String::from_utf8(run.out).unwrap();
        let told: Vec<_> = out.lines().filter(|line| line.starts_with("data: ")).collect();
        // Names of plain letters may follow each other: of two calls under one number.
        let plain = |piece: &&&str| piece.bytes().all(|b| b.is_ascii_alphanumeric());
        let passed = pieces.iter().take_while(plain).count().max(1);
        prop_assert!(told.len() <= passed, "{out}");
    }
}

fn whole(protocol: Protocol, path: &str, answer: &Value) -> Value {
    let place = place(protocol);
    let (grant, mut call) = (place.grant(), place.read(path, &asked().to_string()).unwrap());
    let document = answer.to_string();
    let heard = call.take_listener().unwrap().hear_whole(document.as_bytes(), &grant);
    let document = heard.instead.unwrap_or(document.into_bytes());
    let guard = grant.endpoint().profile.response.clone().unwrap();
    let screened = screen_pieces(&guard, &document, &heard.pieces, &grant).unwrap();
    serde_json::from_slice(&screened.bytes).unwrap()
}

#[test]
fn a_whole_answer_says_as_little_across_its_parts_as_a_stream() {
    let pieces = ["Mail ann.leak@", "exam", "ple.org now, or 078-05-1121", "0 times."];
    let text = |text: &Value| text["text"].as_str().unwrap_or_default().to_owned();
    let joined = |parts: &Value| parts.as_array().unwrap().iter().map(text).collect::<String>();
    let parts = |kind: &str| json!(pieces.map(|piece| json!({ "type": kind, "text": piece })));
    // A number that is one in its own part is masked although the next part goes on with digits.
    let expected = format!("Mail {} now, or ***********0 times.", "*".repeat(20));

    let answer = json!({ "content": parts("text") });
    assert_eq!(joined(&whole(Protocol::Anthropic, MESSAGES, &answer)["content"]), expected);
    let answer = json!({ "output": [{ "type": "message", "content": parts("output_text") }] });
    let told = whole(Protocol::OpenAi, RESPONSES, &answer);
    assert_eq!(joined(&told["output"][0]["content"]), expected);
    let item =
        |piece| json!({ "type": "message", "content": [{ "type": "output_text", "text": piece }] });
    let told = whole(Protocol::OpenAi, RESPONSES, &json!({ "output": pieces.map(item) }));
    let contents = told["output"].as_array().unwrap().iter().map(|item| joined(&item["content"]));
    assert_eq!(contents.collect::<String>(), expected);
    let answer = json!({ "choices": [{ "index": 0, "message": { "content": parts("text") } }] });
    let told = whole(Protocol::OpenAi, CHAT, &answer);
    assert_eq!(joined(&told["choices"][0]["message"]["content"]), expected);
}

#[test]
fn a_value_at_the_end_of_a_part_is_one_whatever_follows_and_parts_stay_what_they_are() {
    let blocks = ["It is 078-05-1121", "0 times", " or reported.", "Then", " more"];
    let events = SHAPES[14].2(&blocks);
    let run =
        run(&place(Protocol::Anthropic), MESSAGES, &asked(), Some(Action::MASK), &[&sse(&events)]);
    let client = Client::read(&run.out);
    let told: Vec<_> = client.texts.values().map(String::as_str).collect();
    assert_eq!(told, ["It is ***********", "0 times", " or reported.", "Then", " more"]);
}

#[test]
fn nobody_waits_for_the_next_text_where_a_tool_is_called() {
    let empty = json!({ "type": "text", "text": "" });
    let tool = json!({ "type": "tool_use", "id": "t", "name": "f", "input": {} });
    let mut events = message(vec![
        begins(0, &empty),
        goes_on(0, "text_delta", "text", "Mail ann.leak@"),
        stops(0),
        begins(1, &tool),
        goes_on(1, "input_json_delta", "partial_json", "{\"a\":"),
    ]);
    events.truncate(6);
    let place = place(Protocol::Anthropic);
    let grant = place.grant();
    let mut call = place.read(MESSAGES, &asked().to_string()).unwrap();
    let guard = Some(Arc::new(Guard::new(masker(Action::MASK))));
    let mut stream = bartizan_core::mask::AnswerStream::new(call.take_listener(), guard, &grant);
    let mut out = Vec::new();
    stream.feed(&sse(&events), &grant, &mut out).unwrap();
    let text = String::from_utf8(out.clone()).unwrap();
    let place_of = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(place_of("ann.leak@") < place_of("content_block_stop"));
    assert!(place_of("content_block_stop") < place_of("tool_use"));
    // What comes behind it is searched with what went out.
    let rest = [
        stops(1),
        begins(2, &empty),
        goes_on(2, "text_delta", "text", "example.org, and ann.leak@example.org"),
        stops(2),
        json!({ "type": "message_stop" }),
    ];
    stream.feed(&sse(&rest), &grant, &mut out).unwrap();
    stream.finish(&grant, &mut out).unwrap();
    let client = Client::read(&out);
    assert_eq!(client.came["text"].matches("example").count(), 0, "{}", client.came["text"]);
    assert!(client.came["text"].ends_with(", and ********************"), "{}", client.came["text"]);
}

#[test]
fn texts_of_parts_that_come_in_another_order_than_that_of_their_numbers_do_not_pass() {
    let empty = json!({ "type": "text", "text": "" });
    let events = message(vec![
        begins(0, &empty),
        begins(1, &empty),
        goes_on(0, "text_delta", "text", "Mail ann.leak@"),
        goes_on(1, "text_delta", "text", " x "),
        goes_on(0, "text_delta", "text", "example.org"),
    ]);
    let run =
        run(&place(Protocol::Anthropic), MESSAGES, &asked(), Some(Action::MASK), &[&sse(&events)]);
    assert_eq!(run.ended, Err(Stopped::Blocked));
    assert!(!String::from_utf8(run.out).unwrap().contains("example.org"));
}

#[test]
fn what_spells_an_answer_token_by_token_does_not_pass() {
    let token = |text: &str| json!({ "token": text, "bytes": text.as_bytes(), "logprob": -0.1 });
    let tokens: Vec<_> = ["Mail ann", ".leak", "@exam", "ple.org"].map(token).into();
    let place = place(Protocol::OpenAi);
    let chunk = |(at, text): (usize, &str)| {
        json!({ "id": "c", "choices": [{ "index": 0, "delta": { "content": text },
            "logprobs": { "content": [tokens[at], { "top_logprobs": [tokens[at]] }] },
            "token_ids": [1], "finish_reason": null }], "prompt_token_ids": [5, 6] })
    };
    let events: Vec<_> =
        ["Mail ann", ".leak", "@exam", "ple.org"].into_iter().enumerate().map(chunk).collect();
    let stream = run(&place, CHAT, &asked(), Some(Action::MASK), &[&sse(&events)]);
    let out = String::from_utf8(stream.out).unwrap();
    assert_eq!(stream.ended, Ok(()));
    for spelled in ["token\":", "bytes", "[1]", "[5,6]", "ann", "ple"] {
        assert!(!out.contains(spelled), "{spelled}: {out}");
    }
    let done = json!({ "type": "response.output_text.done", "text": "Mail", "logprobs": tokens });
    let stream = run(&place, RESPONSES, &asked(), Some(Action::MASK), &[&sse(&[done])]);
    assert!(!String::from_utf8(stream.out).unwrap().contains("ann"));
    let answer = json!({ "choices": [{ "index": 0, "logprobs": { "content": tokens },
        "message": { "content": "Mail ann.leak@example.org" } }] });
    let told = whole(Protocol::OpenAi, CHAT, &answer);
    assert_eq!(told["choices"][0]["logprobs"], Value::Null);
    assert!(!told.to_string().contains("ann"), "{told}");
}
