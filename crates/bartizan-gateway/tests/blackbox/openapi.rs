//! Can other tools read what is said of the endpoints?

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::{Answer, ask, tokens};
use crate::origin;
use crate::python::{here, python};

/// What a validator that others wrote finds wrong with a document.
fn faults(document: &Value) -> String {
    let mut validator = Command::new(python())
        .arg("-B")
        .arg(here().join("validate.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    validator.stdin.take().unwrap().write_all(document.to_string().as_bytes()).unwrap();
    let output = validator.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}

fn document(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

#[test]
fn the_validator_itself_finds_faults() {
    let info = json!({"title": "t", "version": "1"});
    let sound = json!({"openapi": "3.2.0", "info": info, "paths": {}});
    assert_eq!(faults(&sound), "");
    let lost = json!({"openapi": "3.2.0", "info": info, "paths": {"/a": {"additionalOperations": {"X": {"responses": 7}}}}});
    assert_ne!(faults(&lost), "");
    let dangling = json!({"openapi": "3.2.0", "info": info, "paths": {},
        "components": {"schemas": {"A": {"$ref": "#/$defs/A"}}}});
    assert_ne!(faults(&dangling), "");
    let untitled = json!({"openapi": "3.1.1", "info": {}, "paths": {}});
    assert_ne!(faults(&untitled), "");
}

#[tokio::test]
async fn the_description_is_valid_openapi_of_both_versions() {
    let demo = Gateway::demo();
    let token = tokens(demo.address, "agent1", "secret").await;
    let token = token["access_token"].as_str().unwrap();
    let new = document(&ask("GET", "/openapi.json").bearer(token).at(demo.address).await);
    let asked = ask("GET", "/openapi.json?version=3.1").bearer(token);
    let old = document(&asked.at(demo.address).await);

    assert!(new["openapi"].as_str().unwrap().starts_with("3.2."), "{}", new["openapi"]);
    assert!(old["openapi"].as_str().unwrap().starts_with("3.1."), "{}", old["openapi"]);
    assert_eq!(faults(&new), "");
    assert_eq!(faults(&old), "");

    let item = &new["paths"]["/document"];
    let summarize = &item["additionalOperations"]["SUMMARIZE"];
    assert_eq!(summarize["x-action"], "SUMMARIZE", "{item}");
    assert_eq!(summarize["x-category"], "compute", "{item}");
    let schema = &summarize["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(schema["properties"]["max_words"]["minimum"], 1, "{item}");
    assert_eq!(item["post"]["x-alias-for"], "SUMMARIZE /document", "{item}");
    // Readers of 3.1 see the alias where they look for it, and the verb as an extension.
    let item = &old["paths"]["/document"];
    assert_eq!(item["post"]["x-action"], "SUMMARIZE", "{item}");
    assert_eq!(item["x-additionalOperations"]["SUMMARIZE"]["x-action"], "SUMMARIZE", "{item}");
}

#[tokio::test]
async fn whoever_shows_nothing_sees_what_is_public() {
    let demo = Gateway::demo();
    for version in ["3.1", "3.2"] {
        let asked = ask("GET", &format!("/openapi.json?version={version}"));
        let answer = asked.at(demo.address).await;
        let open = document(&answer);
        assert_eq!(faults(&open), "");
        let text = answer.text();
        assert!(text.contains("/health"), "{text}");
        assert!(!text.contains("/document") && !text.contains("SUMMARIZE"), "{text}");
        assert!(answer.header("vary").contains("Authorization"));
    }
    let bad = ask("GET", "/openapi.json").bearer("valid-token").at(demo.address).await;
    bad.is_problem(401, "unauthenticated");
}

#[tokio::test]
async fn parameters_wildcards_and_odd_verbs_are_described_soundly() {
    let upstream = origin::start().await;
    let to = format!("upstream: {{ url: \"http://{upstream}\" }}");
    let gateway = Gateway::configured(&format!(
        "endpoints:
  - {{ path: \"/users/{{id}}/notes/{{note}}\", verbs: [GET, DELETE, M-SEARCH], public: true, {to} }}
  - {{ path: \"/files/{{*rest}}\", verbs: [GET, QUERY, TRANSLATE], aliases: {{ POST: TRANSLATE }}, public: true, {to} }}
  - {{ path: \"/v1/{{*rest}}\", protocol: openai, public: true, {to} }}
  - {{ path: /a-b, verbs: [POST], public: true, {to} }}
  - {{ path: /a_b, verbs: [POST], public: true, {to} }}
"
    ));
    for version in ["3.1", "3.2"] {
        let asked = ask("GET", &format!("/openapi.json?version={version}"));
        let described = document(&asked.at(gateway.address).await);
        assert_eq!(faults(&described), "", "{described:#}");
        for path in ["/users/{id}/notes/{note}", "/files/{rest}", "/v1/{rest}"] {
            assert!(described["paths"][path].is_object(), "{path}: {described:#}");
        }
    }
}
