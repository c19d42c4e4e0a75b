//! The cases of Presidio's recognizers: a text, and where something stands in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use bartizan_pii::{Config, Entity, RECOGNIZERS, Scanner, report};
use serde::Deserialize;
use serde_json::Value;

use crate::{data, read};

/// Cases of the suite, whatever of it is covered: no case may fall out unseen.
const CASES: usize = 858;
/// The fewest of them, in hundredths, that come out as expected.
const AGREEMENT: usize = 97;

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    entity: String,
    test: String,
    text: String,
    kind: Kind,
    /// How many findings; where there are none, the spans are the suite's input and mean nothing.
    expected_count: Option<usize>,
    /// In code points.
    #[serde(default)]
    expected_spans: Vec<(usize, usize)>,
    /// Of a validator: whether the text is a value, or null where it cannot be told.
    #[serde(default)]
    expected: Value,
    /// What a recognizer of several entities finds, and which of them the case is about.
    #[serde(default)]
    entities: Vec<String>,
    #[serde(default)]
    other_params: Value,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    /// A text is analysed.
    Detect,
    /// A validator is asked about a whole text.
    Validator,
}

/// A case whose outcome differs, on purpose.
#[derive(Deserialize)]
struct Deviation {
    entity: String,
    test: String,
    text: String,
    reason: String,
}

/// What tells cases apart: some come twice, and count twice.
type Key = (String, String, String);

#[test]
fn the_cases_come_out_as_listed() {
    let Cases { cases } = data("recognizer-cases.json");
    assert_eq!(cases.len(), CASES, "the suite has changed");
    let listed = deviations();
    let mut rates: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut unlisted = Vec::new();
    let mut differing = BTreeSet::new();
    for case in &cases {
        let found = found(case);
        let agrees = agrees(case, &found);
        let rate = rates.entry(&case.entity).or_default();
        rate.0 += usize::from(agrees);
        rate.1 += 1;
        let key = (case.entity.clone(), case.test.clone(), case.text.clone());
        if !agrees && !listed.contains_key(&key) {
            unlisted.push(format!("{} {} {:?}: {found:?}", case.entity, case.test, case.text));
        }
        if !agrees {
            differing.insert(key);
        }
    }
    print(&rates);
    let stale: Vec<_> = listed.keys().filter(|key| !differing.contains(*key)).collect();
    assert!(unlisted.is_empty(), "cases that differ and are not listed:\n{}", unlisted.join("\n"));
    assert!(stale.is_empty(), "cases that are listed and do not differ: {stale:#?}");
    let agreed: usize = rates.values().map(|(agreed, _)| agreed).sum();
    assert!(agreed * 100 >= CASES * AGREEMENT, "only {agreed} of {CASES} agree");
}

fn print(rates: &BTreeMap<&str, (usize, usize)>) {
    for (entity, (agreed, all)) in rates {
        println!("{entity:26} {agreed:4} of {all:4}");
    }
    let agreed: usize = rates.values().map(|(agreed, _)| agreed).sum();
    println!("{:26} {agreed:4} of {CASES:4}", "all");
}

#[test]
fn every_deviation_gives_a_reason() {
    for (key, reason) in deviations() {
        assert!(reason.len() >= 20 && reason.ends_with('.'), "{key:?}");
    }
}

/// The suite was recorded without a threshold: everything counts that is found at all.
fn found(case: &Case) -> Vec<(usize, usize)> {
    let entity = match case.other_params["entity_num"].as_u64() {
        Some(place) => &case.entities[usize::try_from(place).unwrap()],
        None => &case.entity,
    };
    let entity: Entity = entity.parse().unwrap();
    if !RECOGNIZERS.iter().any(|row| row.entity == entity) {
        return Vec::new();
    }
    let config = Config { entities: Some(vec![entity]), min_confidence: 0.01, ..Config::default() };
    let scanner = Scanner::new(&config).unwrap();
    let report = report::text(&scanner, "-", case.text.as_bytes(), report::Offsets::Chars);
    report.findings.iter().map(|finding| (finding.start, finding.end)).collect()
}

fn agrees(case: &Case, found: &[(usize, usize)]) -> bool {
    if case.kind == Kind::Validator {
        let whole = [(0, case.text.chars().count())];
        // A validator that cannot tell leaves the finding as it is.
        return if case.expected == Value::Bool(false) { found.is_empty() } else { found == whole };
    }
    // Where the suite gives no spans, the number decides; where it gives neither, nothing is found.
    match case.expected_count {
        Some(count) if count == 0 || case.expected_spans.is_empty() => found.len() == count,
        Some(count) => found.len() == count && case.expected_spans == found,
        None => case.expected_spans == found,
    }
}

fn deviations() -> BTreeMap<Key, String> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/pii-deviations.json");
    let rows: Vec<Deviation> = read(&path);
    rows.into_iter().map(|row| ((row.entity, row.test, row.text), row.reason)).collect()
}
