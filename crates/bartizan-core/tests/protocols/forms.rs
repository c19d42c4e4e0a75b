//! Is an event that looks like one before treated like one that is read in full?

use bartizan_core::validate::Protocol;
use bartizan_pii::Action;
use serde_json::json;

use super::place::Place;
use super::streams::{CHAT, SAID, SCRIPTS, asked, run, texts};

/// The same stream with line ends of which no form is ever known: each of its events is read in full.
pub(super) fn read_in_full(raw: &[u8]) -> Vec<u8> {
    String::from_utf8(raw.to_vec()).unwrap().replace('\n', "\r").into_bytes()
}

/// The same stream with line ends of two bytes.
pub(super) fn with_returns(raw: &[u8]) -> Vec<u8> {
    String::from_utf8(raw.to_vec()).unwrap().replace('\n', "\r\n").into_bytes()
}

pub(super) fn one_line_end(out: &[u8]) -> String {
    String::from_utf8(out.to_vec()).unwrap().replace("\r\n", "\n").replace('\r', "\n")
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
                let read = run(&place, path, &asked(), action.clone(), &[&full]);
                for raw in [raw.clone(), with_returns(&raw)] {
                    let like = run(&place, path, &asked(), action.clone(), &[&raw]);
                    assert_eq!(one_line_end(&like.out), one_line_end(&read.out), "{path} {pieces}");
                    assert_eq!(like.ended, read.ended);
                    assert_eq!(like.stream.detections(), read.stream.detections());
                    assert_eq!(like.stream.used_so_far(7), read.stream.used_so_far(7));
                }
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
fn what_a_provider_writes_anew_in_each_event_is_searched_in_each() {
    let place = Place::new(Protocol::OpenAi);
    let ids =
        ["gen-a1", "gen-b2/x", "ann@example.org", "gen-c3", "4012888888881881", "gen-\\u0061", "x"];
    let times =
        ["1795338169", "1795338170", "1795338170.25", "4012888888881881", "-1e2", "[7]", "1.5E+3"];
    let pieces = ["my", " card", " is 4012", "888", "8888", "81881", ", or so"];
    let events = pieces.into_iter().zip(ids).zip(times);
    let raw: String = events
        .map(|((piece, id), time)| {
            let delta = json!({ "content": piece });
            format!(
                "data: {{\"id\":\"{id}\",\"created\":{time},\"choices\":[{{\"index\":0,\"delta\":{delta},\"card\":{time},\"finish_reason\":null}}]}}\n\n"
            )
        })
        .collect();
    let raw = raw.repeat(2);
    for action in [None, Some(Action::MASK), Some(Action::Detect), Some(Action::Block)] {
        let act = |raw: &[u8]| run(&place, CHAT, &asked(), action.clone(), &[raw]);
        let read = act(&read_in_full(raw.as_bytes()));
        for raw in [raw.as_bytes(), &with_returns(raw.as_bytes())] {
            let like = act(raw);
            assert_eq!(one_line_end(&like.out), one_line_end(&read.out));
            assert_eq!(like.stream.detections(), read.stream.detections());
            assert_eq!(like.ended, read.ended);
        }
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
