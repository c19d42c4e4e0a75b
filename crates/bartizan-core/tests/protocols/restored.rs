//! Does a value that was put aside come back in a stream, wherever its placeholder is cut?

use bartizan_core::mask::{AnswerStream, Guard};
use bartizan_core::validate::Protocol;
use bartizan_pii::{Action, Config, CustomPattern, Masker, Scanner, Vault};
use serde_json::{Value, json};
use std::sync::Arc;

use super::forms::{one_line_end, read_in_full};
use super::place::Place;
use super::streams::{CHAT, SAID, SCRIPTS, asked, chat, chat_about, masker, texts};

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

#[test]
fn a_stream_that_repeats_a_placeholder_grows_to_its_bound_and_goes_on() {
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqG{}\n-----END PRIVATE KEY-----",
        "MIGH".repeat(25_000)
    );
    let (vault, word, number) = put_aside(&key, 4_012_888_888_881_881);
    let raw = chat_about(&format!("{word} ").repeat(100), &number, 40);
    let out = restore((Protocol::OpenAi, CHAT), &vault, Some(Action::MASK), &[&raw]);
    let said = &texts(&out)["0 content"];
    let whole = said.matches("BEGIN PRIVATE KEY").count();
    // A megabyte, and four times what was put aside.
    assert!((10..=14).contains(&whole), "{whole}");
    assert!(said.ends_with(&format!("{word} ")), "what has no room stays what it is");
    assert!(vault.is_spent());
}
