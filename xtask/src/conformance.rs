//! Do the suites of others pass? Their data is not part of the project, and never skipped in silence.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::output;
use crate::suite::{close, counted};

/// A package with a test target `conformance`, and the data that it reads. A new one is a row.
struct Suite {
    package: &'static str,
    data: &'static [&'static str],
}

const SUITES: &[Suite] = &[
    Suite { package: "bartizan-pii", data: &["pii/recognizer-cases.json"] },
    Suite {
        package: "bartizan-core",
        data: &[
            "json-schema-test-suite/tests/draft2020-12",
            "wycheproof/json_web_signature_test.json",
        ],
    },
    Suite { package: "bartizan-gateway", data: &["http/llhttp_requests.jsonl"] },
];

/// The whole workspace, and not package by package: so the dependencies are those that the tests have built.
const RUNNER: &[&str] =
    &["cargo", "test", "--workspace", "--no-fail-fast", "--test", "conformance"];

/// Runs every suite.
///
/// # Errors
/// When data or a suite is missing, or when a test fails.
pub(crate) fn run(root: &Path) -> Result<()> {
    let data = data(root)?;
    declared(root)?;
    let data = data.to_str().context("the path of the conformance data is no text")?;
    close(counted(root, RUNNER, &[("BARTIZAN_DATA", data)])?)
}

/// The folder of the data, with everything in it that the suites read.
fn data(root: &Path) -> Result<PathBuf> {
    let folder = match std::env::var_os("BARTIZAN_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => root.join("../shared/data"),
    };
    let files = SUITES.iter().flat_map(|suite| suite.data);
    let missing: Vec<&str> = files.copied().filter(|file| !folder.join(file).exists()).collect();
    if !missing.is_empty() {
        bail!(
            "the conformance data is not in `{}`: set `BARTIZAN_DATA` to the folder that holds {}",
            folder.display(),
            missing.join(", "),
        );
    }
    folder.canonicalize().with_context(|| format!("cannot read `{}`", folder.display()))
}

/// Every package of the table has its target: cargo itself is content when one of them has it.
fn declared(root: &Path) -> Result<()> {
    let metadata = output(root, &["cargo", "metadata", "--no-deps", "--format-version", "1"])?;
    let metadata: Value = serde_json::from_str(&metadata).context("`cargo metadata` is no JSON")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("no packages")?;
    for suite in SUITES {
        let package = packages.iter().find(|p| name(p) == Some(suite.package));
        let targets = package.and_then(|p| p.get("targets")).and_then(Value::as_array);
        if !targets.is_some_and(|targets| targets.iter().any(|t| name(t) == Some("conformance"))) {
            bail!("`{}` has no test target `conformance`", suite.package);
        }
    }
    Ok(())
}

fn name(value: &Value) -> Option<&str> {
    value.get("name").and_then(Value::as_str)
}
