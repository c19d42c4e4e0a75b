//! The cases of Presidio's recognizers: a text, and where something stands in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use bartizan_pii::{Config, Entity, RECOGNIZERS, Scanner, report};
use serde::Deserialize;

use crate::{data, read};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    entity: String,
    test: String,
    text: String,
    kind: String,
    expected_count: Option<usize>,
    /// In code points.
    #[serde(default)]
    expected_spans: Vec<(usize, usize)>,
}

/// A case whose outcome differs, on purpose.
#[derive(Deserialize)]
struct Deviation {
    entity: String,
    test: String,
    text: String,
    reason: String,
}

#[test]
fn the_cases_of_the_covered_entities_come_out_as_listed() {
    let cases: Cases = data("recognizer-cases.json");
    let listed = deviations();
    let covered: BTreeSet<&str> = RECOGNIZERS.iter().map(|row| row.entity.as_str()).collect();
    let mut rates: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut differing = BTreeSet::new();
    let replayable = |case: &&Case| {
        case.kind == "detect"
            && case.expected_count.is_some()
            && covered.contains(case.entity.as_str())
    };
    for case in cases.cases.iter().filter(replayable) {
        let found = found(case);
        let as_expected = agrees(case, &found);
        let rate = rates.entry(&case.entity).or_default();
        rate.0 += usize::from(as_expected);
        rate.1 += 1;
        let key = (case.entity.clone(), case.test.clone(), case.text.clone());
        if !as_expected && !listed.contains_key(&key) {
            wrong.push(format!(
                "{} {:?}: {found:?}, not {:?}",
                case.entity, case.text, case.expected_spans
            ));
        }
        if !as_expected {
            differing.insert(key);
        }
    }
    for (entity, (passed, all)) in &rates {
        println!("{entity:14} {passed:4} of {all:4}");
    }
    let stale: Vec<_> = listed.keys().filter(|key| !differing.contains(*key)).collect();
    assert!(wrong.is_empty(), "cases that differ and are not listed:\n{}", wrong.join("\n"));
    assert!(stale.is_empty(), "cases that are listed and do not differ: {stale:#?}");
}

/// The suite was recorded without a threshold: everything counts that is found at all.
fn found(case: &Case) -> Vec<(usize, usize)> {
    let entity: Entity = case.entity.parse().unwrap();
    let config = Config { entities: Some(vec![entity]), min_confidence: 0.01, ..Config::default() };
    let scanner = Scanner::new(&config).unwrap();
    let report = report::text(&scanner, "-", case.text.as_bytes(), report::Offsets::Chars);
    report.findings.iter().map(|finding| (finding.start, finding.end)).collect()
}

/// Where the suite gives no spans, the number decides.
fn agrees(case: &Case, found: &[(usize, usize)]) -> bool {
    Some(found.len()) == case.expected_count
        && (case.expected_spans.is_empty() || case.expected_spans == found)
}

fn deviations() -> BTreeMap<(String, String, String), String> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/pii-deviations.json");
    let rows: Vec<Deviation> = read(&path);
    rows.into_iter().map(|row| ((row.entity, row.test, row.text), row.reason)).collect()
}
