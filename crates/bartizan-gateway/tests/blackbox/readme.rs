//! Does the README tell the truth? Its commands are run as they stand, and what it says of them is compared.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::gateway::{Gateway, folder, folder_with, program, ran};
use crate::http::ask;
use crate::origin;

/// How the README starts the demo; everything after that is run as it stands.
const START: &str = "cargo run --release -- run --demo";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The fenced blocks of the README: their language, and what is in them.
fn blocks() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let inside: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push((language.to_owned(), inside.join("\n")));
    }
    blocks
}

fn blocks_of(language: &str) -> Vec<String> {
    blocks().into_iter().filter(|block| block.0 == language).map(|block| block.1).collect()
}

#[test]
fn the_readme_gets_from_the_demo_what_it_says() {
    let blocks = blocks();
    let starts = blocks.iter().filter(|block| block == &&("console".into(), START.into()));
    assert_eq!(starts.count(), 1, "the README starts the demo with `{START}`");
    let scripts: Vec<_> = blocks.iter().filter(|block| block.0 == "sh").map(|b| &*b.1).collect();
    assert!(scripts.len() >= 3, "the README shows what to try");

    let demo = Gateway::demo();
    let outputs = run(&scripts, &demo.url(""));
    let mut outputs = outputs.iter();
    for (index, _) in blocks.iter().enumerate().filter(|(_, block)| block.0 == "sh") {
        let output = outputs.next().unwrap();
        match blocks.get(index + 1) {
            Some((language, told)) if language == "json" => holds_json(output, told),
            Some((language, told)) if language == "text" => holds_lines(output, told),
            Some(_) | None => {}
        }
    }
}

#[test]
fn what_the_demo_says_to_try_can_be_tried() {
    let said = Gateway::demo().stop().said;
    let (_, hints) =
        said.split_once("Try it in another terminal:").expect("the demo says what to try");
    let (hints, _) = hints.split_once("Ctrl-C").unwrap();
    let port = hints.split("localhost:").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    let script = hints.replace(&format!("localhost:{port}"), "localhost:8000");
    let demo = Gateway::demo();
    let output = run(&[&script], &demo.url("")).concat();
    for part in [r#"{"summary":"A lighthouse"#, r#"{"actions":["#, r#"{"status":"healthy"}"#] {
        assert!(output.contains(part), "{part}: {script}\n{output}");
    }
}

/// Runs scripts in one shell, one after the other, against another address than port 8000.
fn run(scripts: &[&str], url: &str) -> Vec<String> {
    const MARK: &str = "---- next ----";
    let mark = format!("\necho; echo '{MARK}'\n");
    let script = scripts.join(&mark).replace("http://localhost:8000", url);
    assert!(!script.contains("8000"), "{script}");
    let run =
        Command::new("bash").args(["-eu", "-c", &script]).env("no_proxy", "*").output().unwrap();
    let said = String::from_utf8(run.stdout).unwrap();
    let outputs: Vec<_> = said.split(&format!("\n{MARK}\n")).map(str::to_owned).collect();
    // A script without its token stops at once, and says nothing.
    assert!(outputs.len() == scripts.len(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    outputs
}

/// Every line that the README shows is there.
#[track_caller]
fn holds_lines(output: &str, told: &str) {
    let output = output.replace('\r', "");
    for line in told.lines() {
        assert!(output.contains(line), "the README shows `{line}`, and there is:\n{output}");
    }
}

/// Every member that the README shows is there; `…` stands for what it leaves out.
#[track_caller]
fn holds_json(output: &str, told: &str) {
    let answer: Value = serde_json::from_str(output.lines().last().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {output}"));
    holds(&answer, &serde_json::from_str(told).unwrap());
}

#[track_caller]
fn holds(answer: &Value, told: &Value) {
    match (answer, told) {
        (Value::Object(answer), Value::Object(told)) => {
            for (name, told) in told {
                let answer = answer.get(name);
                holds(answer.unwrap_or_else(|| panic!("the README shows `{name}`")), told);
            }
        }
        (Value::Array(answer), Value::Array(told)) => {
            assert_eq!(answer.len(), told.len());
            answer.iter().zip(told).for_each(|(answer, told)| holds(answer, told));
        }
        (Value::String(answer), Value::String(told)) => {
            let (begins, ends) = told.split_once('…').unwrap_or((told, told));
            assert!(answer.starts_with(begins) && answer.ends_with(ends), "`{answer}`: `{told}`");
        }
        _ => assert_eq!(answer, told),
    }
}

/// The commands of the gateway's part, in their order, in a folder like the one it talks of.
#[tokio::test]
async fn the_commands_of_the_readme_are_commands() {
    let folder = folder();
    let configuration = std::fs::read_to_string(root().join("bartizan.yaml")).unwrap();
    std::fs::write(folder.path().join("bartizan.yaml"), configuration).unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/main.py"), "mail = 'alice@example.org'\n").unwrap();
    let all = blocks_of("console").join("\n");
    let commands = all.lines().filter_map(|line| line.strip_prefix("bartizan "));
    let mut count = 0;
    for command in commands {
        let words: Vec<_> = command.split('#').next().unwrap().split_whitespace().collect();
        count += 1;
        if words == ["run"] {
            let gateway = Gateway::in_folder(&folder, &[]);
            assert_eq!(ask("GET", "/health").at(gateway.address).await.status, 200);
            assert!(gateway.stop().status.success());
            continue;
        }
        let run = ran(folder.path(), &words);
        let said = String::from_utf8_lossy(&[run.stdout, run.stderr].concat()).into_owned();
        // A checklist and a scanner may find something.
        let finds = command.contains("--profile") || command.starts_with("pii scan");
        let code = run.status.code().unwrap();
        assert!(code == 0 || finds && code == 1, "bartizan {command}: {code}\n{said}");
    }
    assert!(count > 5, "{all}");
}

#[tokio::test]
async fn the_configuration_of_the_readme_is_sound_and_serves() {
    let upstream = origin::start().await;
    let shown = blocks_of("yaml").concat();
    assert!(shown.contains("http://127.0.0.1:9000"), "{shown}");
    let shown = shown.replace("http://127.0.0.1:9000", &format!("http://{upstream}"));
    let folder = folder_with(&shown);
    std::fs::create_dir(folder.path().join("schemas")).unwrap();
    let schema = r#"{"type":"object","required":["document_id"]}"#;
    std::fs::write(folder.path().join("schemas/summarize.json"), schema).unwrap();
    let mut check = program(folder.path());
    let check = check.arg("check").output().unwrap();
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));

    let make = ["keys", "create", "ci", "--scopes", "data:read", "--format", "json"];
    let made: Value = serde_json::from_slice(&ran(folder.path(), &make).stdout).unwrap();
    let gateway = Gateway::in_folder(&folder, &[]);
    let asked = ask("POST", "/document").bearer(made["key"].as_str().unwrap());
    let answer = asked.json(&serde_json::json!({"document_id": "a"})).at(gateway.address).await;
    assert_eq!(answer.json()["headers"]["x-agis-method"], "SUMMARIZE", "{}", answer.text());
}
