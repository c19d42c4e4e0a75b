//! Is a body judged as JSON Schema 2020-12 says? The official suite, required and optional parts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bartizan_core::validate::Schema;
use serde_json::Value;

/// Where we differ on purpose: a file, how a case begins, and why.
const ON_PURPOSE: &[(&str, &str, &str)] = &[
    ("format.json", "", "a format that the operator writes is asserted, and not an annotation"),
    (
        "vocabulary.json",
        "schema that uses custom metaschema with with no validation vocabulary: no validation",
        "a metaschema cannot turn the checks off",
    ),
];

/// What a schema that is refused for leading to the suite's server says.
const ELSEWHERE: &str = "Resource 'http://localhost:1234/";

/// One case: a schema, a document, and whether it conforms.
struct Case {
    file: String,
    name: String,
    schema: Value,
    document: Value,
    valid: bool,
}

#[test]
fn every_case_is_judged_as_the_suite_says_but_for_those_that_differ_on_purpose() {
    let cases = cases();
    assert!(cases.len() > 2000, "only {} cases were read", cases.len());
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for case in &cases {
        let purpose = ON_PURPOSE
            .iter()
            .position(|(file, name, _)| case.file == *file && case.name.starts_with(name));
        match (judge(case), purpose) {
            (Ok(()), _) => {}
            (Err(_), Some(purpose)) => drop(used.insert(purpose)),
            (Err(how), None) => wrong.push(format!("{} | {} | {how}", case.file, case.name)),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let unused: Vec<_> =
        (0..ON_PURPOSE.len()).filter(|at| !used.contains(at)).map(|at| ON_PURPOSE[at]).collect();
    assert!(unused.is_empty(), "these agree with the suite by now: {unused:?}");
}

#[test]
fn a_schema_that_leads_to_another_host_is_refused_and_nothing_is_fetched() {
    let cases: Vec<Case> =
        cases().into_iter().filter(|case| case.file == "refRemote.json").collect();
    assert!(cases.len() > 20, "only {} cases were read", cases.len());
    for case in cases {
        assert!(leads_elsewhere(&case.schema), "{} | {}", case.file, case.name);
    }
}

fn judge(case: &Case) -> Result<(), String> {
    if leads_elsewhere(&case.schema) {
        return Ok(());
    }
    let schema = Schema::compile(&case.schema).map_err(|error| error.to_string())?;
    let valid = schema.check(&case.document).is_empty();
    if valid == case.valid { Ok(()) } else { Err(format!("valid: {valid}")) }
}

/// Whether a schema is refused because it refers to what is not in it.
fn leads_elsewhere(schema: &Value) -> bool {
    Schema::compile(schema).is_err_and(|error| error.to_string().contains(ELSEWHERE))
}

fn cases() -> Vec<Case> {
    let root = crate::data("json-schema-test-suite/tests/draft2020-12");
    let mut cases = Vec::new();
    for path in files(&root) {
        let file = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let groups: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for group in groups.as_array().unwrap() {
            for test in group["tests"].as_array().unwrap() {
                let words = |value: &Value| value["description"].as_str().unwrap().to_owned();
                cases.push(Case {
                    file: file.clone(),
                    name: format!("{}: {}", words(group), words(test)),
                    schema: group["schema"].clone(),
                    document: test["data"].clone(),
                    valid: test["valid"].as_bool().unwrap(),
                });
            }
        }
    }
    cases
}

/// Every JSON file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
        .into_iter()
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}
