//! The commands beside `run`.

use serde_json::Value;

use crate::program::{Program, command};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

#[tokio::test]
async fn a_key_is_shown_once_opens_at_once_and_does_not_after_it_was_taken_back() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let file = program.file().display().to_string();
    let keys = |arguments: &[&str]| {
        let (code, out, error) =
            command(&[&["keys"], arguments, &["--config", &file, "--format", "json"]].concat(), "");
        assert_eq!(code, 0, "{error}");
        out
    };
    let made: Value =
        serde_json::from_str(&keys(&["create", "bot", "--scopes", "data:read"])).unwrap();
    let key = made["key"].as_str().unwrap();
    let bearer = format!("Authorization: Bearer {key}");
    assert_eq!(status(&ask(program.address, "GET /guarded", &[&bearer]).await), 200);

    let listed = keys(&["list"]);
    assert!(listed.contains("\"id\":\"bot\"") && !listed.contains(key), "{listed}");

    // Rotated with overlap, both count.
    let made: Value = serde_json::from_str(&keys(&["rotate", "bot", "--overlap", "1h"])).unwrap();
    let rotated = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    for bearer in [&bearer, &rotated] {
        assert_eq!(status(&ask(program.address, "GET /guarded", &[bearer]).await), 200);
    }
    keys(&["revoke", "bot"]);
    let (code, _, error) = command(&["keys", "revoke", "bot", "--config", &file], "");
    assert_eq!(code, 2, "{error}");
}

#[tokio::test]
async fn a_role_that_nothing_defines_is_a_typing_error() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let file = program.file().display().to_string();
    let create = ["keys", "create", "bot", "--roles", "usr", "--config", &file];
    let (code, _, error) = command(&create, "");
    assert_eq!(code, 2);
    assert!(error.contains("`usr`") && error.contains("`user`"), "{error}");
}

#[test]
fn personal_data_is_found_on_standard_input() {
    let (code, out, _) = command(&["pii", "scan", "--format", "json"], "mail jane@example.com");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["findings"][0]["entity"]), (1, &"EMAIL_ADDRESS".into()));
    assert_eq!(command(&["pii", "scan"], "nothing").0, 0);
    let masked = command(&["pii", "scan", "--mask"], "mail jane@example.com");
    assert_eq!(masked.1, "mail ****************");
    assert_eq!(command(&["pii", "scan", "/nowhere/at/all"], "").0, 2);
}

#[test]
fn the_demo_keeps_to_loopback() {
    let (code, _, error) = command(&["run", "--demo", "--host", "0.0.0.0"], "");
    assert_eq!(code, 2);
    assert!(error.contains("loopback"), "{error}");
}

#[test]
fn a_configuration_that_is_not_sound_does_not_start_and_says_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bartizan.yaml");
    std::fs::write(&file, "sever: {}\nendpoints:\n  - path: /x\n    verbz: [GET]\n").unwrap();
    let (code, _, error) = command(&["run", "--config", file.to_str().unwrap()], "");
    assert_eq!(code, 2);
    assert!(error.contains("sever") && error.contains("verbz"), "{error}");
}

#[tokio::test]
async fn a_decision_is_explained_beside_the_running_gateway() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let file = program.file().display().to_string();
    let explain = |arguments: &[&str], input: &str| {
        command(&[&["explain"], arguments, &["--config", &file]].concat(), input)
    };
    let (code, out, error) = explain(&["--as", "key:ci", "GET", "/guarded"], "");
    assert_eq!((code, out.lines().next()), (0, Some("allow  GET /guarded")), "{error}");
    assert!(out.contains("yes the scope `data:read` is needed"), "{out}");

    for (wrong, said) in [
        (&["--as", "nosuch:ann", "GET", "/open/x"][..], "`local:…`, `client:…`, `key:…`"),
        (&["--as", "key:ci", "--scopes", "x", "GET", "/guarded"], "leave out `--scopes`"),
        (&["--as", "key:ci", "--tenant", "x", "GET", "/guarded"], "leave out `--scopes`"),
        (&["GET", "open/x"], "`/` at its beginning"),
    ] {
        let (code, _, error) = explain(wrong, "");
        assert!(code == 2 && error.contains(said), "{code} {error}");
    }
    assert_eq!(explain(&["--key", "-", "GET", "/guarded"], crate::program::KEY).0, 0);
    assert_eq!(explain(&["--key", "wrong", "GET", "/guarded"], "").0, 1);
    assert_eq!(explain(&["GET", "/open/../x"], "").0, 1);
    assert_eq!(explain(&["--as", "nobody", "GET", "/guarded"], "").0, 2);

    let (code, out, _) = explain(&["POST", "/schema", "--body", "-"], "[]");
    assert_eq!(code, 1);
    assert!(out.contains("the body at ``"), "{out}");
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn the_description_holds_every_endpoint() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let file = program.file().display().to_string();
    let (code, out, error) = command(&["openapi", "--config", &file], "");
    assert_eq!(code, 0, "{error}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["openapi"], "3.2.0");
    assert!(document["paths"]["/native"]["additionalOperations"]["SUMMARIZE"].is_object());
}

#[test]
fn a_budget_that_nobody_has_is_a_typing_error_and_one_that_nobody_drew_on_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (file, at) = (folder.path().join("bartizan.yaml"), folder.path().display());
    let text = format!(
        "store: {{ durable: \"sqlite:{at}/b.db\" }}\naudit: {{ destination: \"file://{at}/audit.jsonl\" }}\n\
         budgets: [{{ name: daily, by: user, usd: 100.00, period: day }}]\n"
    );
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let budgets =
        |arguments: &[&str]| command(&[&["budgets"], arguments, &["--config", &file]].concat(), "");
    for wrong in [&["list", "dayly"][..], &["show", "dayly"], &["set", "dayly", "--usd", "1.00"]] {
        let (code, out, error) = budgets(wrong);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains("did you mean `daily`?"), "{error}");
    }
    let (code, out, _) = budgets(&["list", "daily"]);
    assert_eq!((code, out.trim()), (0, "no call has drawn on `daily` yet"));
    // A limit may be set before the first call; a misspelt subject is noticed.
    let (code, out, error) = budgets(&["set", "daily", "local:ann", "--usd", "5.00"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("the limit of `daily` for `local:ann` is 5"), "{out}");
    assert!(error.contains("no call has drawn on `daily` for `local:ann` yet"), "{error}");
}

#[tokio::test]
async fn what_is_made_stands_alone_on_standard_output() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let file = program.file().display().to_string();
    let (code, out, error) = command(&["keys", "create", "ci", "--config", &file], "");
    assert_eq!((code, out.lines().count()), (0, 1), "{out}{error}");
    assert!(out.starts_with("btz_") && error.contains("It is shown once"), "{out}{error}");
}

#[test]
fn a_dated_model_is_shown_by_the_row_that_it_is_charged_by() {
    let list = ["prices", "list", "gpt-4o-2031-01-31"];
    let (code, out, _) = command(&list, "");
    assert_eq!(code, 0);
    assert!(out.contains("charged as `gpt-4o`"), "{out}");
}

#[test]
fn a_misspelt_member_or_entity_is_not_taken_for_nothing_found() {
    let (code, _, error) =
        command(&["pii", "scan", "--jsonl", "nope"], "{\"text\":\"a@b.example\"}\n");
    assert_eq!(code, 2);
    assert!(error.contains("no line has a text at `nope`"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let key = key.display().to_string();
    let decrypt = ["pii", "decrypt", "--key-file", &key, "--digits", "CREDIT_CRAD"];
    let (code, _, error) = command(&decrypt, "4111111111111111\n");
    assert_eq!(code, 0, "a name of one's own may be meant");
    assert!(error.contains("did you mean `CREDIT_CARD`?"), "{error}");
    // What stays encrypted is no success.
    let other = folder.path().join("other");
    std::fs::write(&other, "fedcba9876543210fedcba9876543210\n").unwrap();
    let mask = ["pii", "scan", "--mask", "--action", "encrypt", "--key-file", &key];
    let (_, masked, _) = command(&mask, "mail jane@example.com");
    let other = other.display().to_string();
    let (code, out, error) = command(&["pii", "decrypt", "--key-file", &other], &masked);
    assert_eq!((code, out), (1, masked), "{error}");
}
