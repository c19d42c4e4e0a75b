//! The cases of Presidio's operators: a value, and what becomes of it.

use bartizan_pii::{Action, Config, CustomPattern, Masker, Scanner};
use serde::Deserialize;
use serde_json::Value;

use crate::data;

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    file: String,
    params: Value,
}

fn cases(operator: &str) -> Vec<Value> {
    let cases: Cases = data("operator-cases.json");
    let file = format!("tests/operators/test_{operator}.py");
    cases.cases.into_iter().filter(|case| case.file == file).map(|case| case.params).collect()
}

/// What `action` makes of a text that is one value.
fn act(action: Action, entity: &str, text: &str) -> String {
    let pattern = CustomPattern::new(entity.parse().unwrap(), r"(?s)\A.+\z");
    let config = Config { entities: Some(vec![]), custom: vec![pattern], ..Config::default() };
    let masker = Masker::new(Scanner::new(&config).unwrap().into(), action);
    masker.mask_text(text).text.into_owned()
}

#[test]
fn masking_counts_characters_as_presidio_does() {
    let mut replayed = 0;
    for case in cases("mask") {
        let (Some(text), Some(masked)) = (case["text"].as_str(), case["chars_to_mask"].as_i64())
        else {
            continue;
        };
        let length = text.chars().count();
        // A mask that masks nothing is a mistake here: Detect says what is meant.
        let action = match usize::try_from(masked) {
            Ok(0) | Err(_) => Action::Detect,
            Ok(masked) => {
                let kept = length.saturating_sub(masked);
                let from_end = case["from_end"].as_bool().unwrap();
                let character = case["masking_char"].as_str().unwrap().chars().next().unwrap();
                let (keep_first, keep_last) = if from_end { (kept, 0) } else { (0, kept) };
                Action::Mask { character, keep_first, keep_last }
            }
        };
        assert_eq!(act(action, "VALUE", text), case["anonymized_text"].as_str().unwrap(), "{case}");
        replayed += 1;
    }
    println!("mask    {replayed:4} cases");
    assert!(replayed >= 18, "only {replayed} cases");
}

#[test]
fn replacing_names_the_entity_and_redacting_leaves_nothing() {
    let mut replayed = 0;
    for case in cases("replace") {
        // An entity without a name, which the suite has, cannot be written here.
        let Some(entity) = case["params"]["entity_type"].as_str().filter(|name| !name.is_empty())
        else {
            continue;
        };
        assert_eq!(act(Action::Replace, entity, "text"), case["result"].as_str().unwrap());
        replayed += 1;
    }
    assert!(replayed >= 2 && !cases("redact").is_empty());
    assert_eq!(act(Action::Redact, "VALUE", "text"), "");
    println!("replace {replayed:4} cases, redact {:4} cases", cases("redact").len());
}
