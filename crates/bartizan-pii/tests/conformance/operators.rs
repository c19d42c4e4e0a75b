//! The cases of Presidio's operators: a value, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use bartizan_pii::{Action, Config, CustomPattern, Entity, Key, Masker, Scanner};
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

/// What of the suite is replayed here, and why the rest is not: every case is in one row.
const ROWS: &[(&str, &str)] = &[
    ("tests/operators/test_mask.py", "replayed"),
    ("tests/operators/test_hash.py", "replayed; the digests differ, since ours have a key"),
    ("tests/operators/test_replace.py", "replayed where the entity has a name"),
    ("tests/operators/test_redact.py", "replayed"),
    ("tests/operators/test_keep.py", "the name of a class; to keep a value is `Detect`"),
    ("tests/integration/test_anonymize_engine.py", "replayed as hashes; a salt is no key"),
    ("tests/test_text_replace_builder.py", "replayed where the span is one of the text"),
    ("tests/test_conflict_resolution_strategy.py", "spans of the caller's; ours never overlap"),
    ("tests/test_anonymizer_engine.py", "spans and names of the caller's; ours come from the scan"),
    ("tests/test_recognizer_result.py", "arithmetic of a class that has no counterpart here"),
];

#[test]
fn every_case_is_replayed_or_has_a_reason() {
    let cases: Cases = data("operator-cases.json");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases.cases {
        assert!(ROWS.iter().any(|(file, _)| *file == case.file), "{} has no row", case.file);
        *counts.entry(&case.file).or_default() += 1;
    }
    for (file, how) in ROWS {
        println!("{:45} {:4} cases: {how}", file, counts.get(file).copied().unwrap_or_default());
    }
    assert_eq!(counts.values().sum::<usize>(), 110, "the suite has changed");
}

#[test]
fn a_hash_is_of_its_text_alone_and_is_no_hash_without_a_key() {
    let cases: Cases = data("operator-cases.json");
    let key = Key::new(&[7; 32]).unwrap();
    let (mut hashes, mut texts, mut replayed) = (BTreeMap::new(), BTreeSet::new(), 0);
    for case in cases.cases.iter().map(|case| &case.params) {
        let digest = case.get("anonymized_text").or_else(|| case.get("expected_hash"));
        let (Some(text), Some(digest)) = (case["text"].as_str(), digest.and_then(Value::as_str))
        else {
            continue;
        };
        if digest.len() < 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            continue;
        }
        let hash = act(Action::Hash(key.clone()), "VALUE", text);
        assert_eq!(hash, key.hash(&"VALUE".parse::<Entity>().unwrap(), text.as_bytes()));
        assert!(!hash.to_lowercase().contains(digest.get(..16).unwrap()), "{text}");
        texts.insert(text.to_owned());
        hashes.insert(hash, text.to_owned());
        replayed += 1;
    }
    assert_eq!(hashes.len(), texts.len());
    println!("hash    {replayed:4} cases");
    assert!(replayed >= 13, "only {replayed} cases");
}

#[test]
fn what_stands_beside_a_value_stays() {
    let cases: Cases = data("operator-cases.json");
    let mut replayed = 0;
    for case in cases.cases.iter().filter(|case| case.file.ends_with("replace_builder.py")) {
        let params = &case.params;
        let place = |name: &str| usize::try_from(params[name].as_u64()?).ok();
        let (Some(text), Some(expected)) =
            (params["original_text"].as_str(), params["expected"].as_str())
        else {
            continue;
        };
        let span = place("start").zip(place("end")).and_then(|(from, to)| text.get(from..to));
        if params["anonymized_text"] != "" || span.is_none_or(str::is_empty) {
            continue;
        }
        let pattern = CustomPattern::literal("VALUE".parse().unwrap(), span.unwrap());
        let config = Config { entities: Some(vec![]), custom: vec![pattern], ..Config::default() };
        let masker = Masker::new(Scanner::new(&config).unwrap().into(), Action::Redact);
        assert_eq!(masker.mask_text(text).text, expected, "{params}");
        replayed += 1;
    }
    println!("builder {replayed:4} cases");
    assert!(replayed >= 2, "only {replayed} cases");
}
