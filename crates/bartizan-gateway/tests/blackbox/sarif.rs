//! Can other tools read the log that `pii scan` writes for them? By the schema of the standard itself.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::gateway::{folder_with, ran};
use crate::python::{here, python};

/// The schema of OASIS, as Microsoft ships it with its matchers.
const SCHEMA: &str =
    "target/tools/node/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json";

/// What the validator says of a log, and whether it is one.
fn validated(log: &[u8]) -> (String, bool) {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(SCHEMA);
    assert!(schema.exists(), "there is no `{SCHEMA}`: run `cargo xtask test`");
    let mut validator = Command::new(python())
        .arg("-B")
        .arg(here().join("sarif.py"))
        .arg(schema)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    validator.stdin.take().unwrap().write_all(log).unwrap();
    let output = validator.wait_with_output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

#[test]
fn a_log_of_sarif_is_one_by_its_schema_with_and_without_finds() {
    let folder = folder_with("");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "größe & co.txt",
        "zürich: jane@example.com\nkey ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    );
    write("records.jsonl", "{\"a\":\"ssn 123-45-6789\"}\n{\"a\":\"10.11.12.13\"}\n");
    write("data.json", "{\"user\":{\"mail\":\"joe\\u0040example.com\"}}");
    write("empty.txt", "nothing here");
    for (files, code) in [(vec!["."], 1), (vec!["empty.txt"], 0)] {
        let args = [&["pii", "scan", "--format", "sarif"][..], &files].concat();
        let output = ran(folder.path(), &args);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let (errors, valid) = validated(&output.stdout);
        assert!(valid, "{errors}\n{}", String::from_utf8_lossy(&output.stdout));
    }
    let (errors, valid) = validated(b"{\"version\":\"2.1.0\",\"runs\":[{\"results\":[]}]}");
    assert!(!valid && errors.contains("tool"), "a log without a tool passed: {errors}");
}
