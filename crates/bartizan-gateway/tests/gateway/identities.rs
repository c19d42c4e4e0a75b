//! Keys, users, clients and tokens from the command line: beside a running gateway, on the record,
//! and in force on every gateway at once.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Program, command};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

/// Runs a command on the store of a program, and gives its one line of JSON.
fn order(program: &Program, arguments: &[&str]) -> Value {
    let file = program.file().display().to_string();
    let (code, out, error) =
        command(&[arguments, &["--config", &file, "--format", "json"]].concat(), "");
    assert_eq!(code, 0, "{error}");
    serde_json::from_str(out.lines().next().unwrap_or("null")).unwrap()
}

fn ledger(program: &Program) -> Vec<Value> {
    let log = fs::read_to_string(program.folder.path().join("audit.admin.jsonl")).unwrap();
    log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_change_of_an_identity_is_on_the_record_and_no_secret_is() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let key = order(&program, &["keys", "create", "bot", "--scopes", "data:read"]);
    let rotated = order(&program, &["keys", "rotate", "bot"]);
    order(&program, &["keys", "revoke", "bot"]);
    let user = order(&program, &["users", "add", "ann"]);
    order(&program, &["users", "remove", "ann"]);
    let client = order(&program, &["clients", "add", "app"]);
    order(&program, &["clients", "remove", "app"]);
    order(&program, &["tokens", "rotate-key"]);
    order(&program, &["keys", "list"]);
    let file = program.file().display().to_string();
    assert_eq!(command(&["keys", "revoke", "nobody", "--config", &file], "").0, 2);

    let actions: Vec<String> = ledger(&program)
        .iter()
        .map(|record| {
            assert_eq!(record["event"], "ADMIN_ACTION");
            assert!(record["details"]["uid"].is_u64(), "{record}");
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!("{} {}", text(&record["details"]["action"]), text(&record["outcome"]))
        })
        .collect();
    let expected = [
        "keys.create allow",
        "keys.rotate allow",
        "keys.revoke allow",
        "users.add allow",
        "users.remove allow",
        "clients.add allow",
        "clients.remove allow",
        "tokens.rotate-key allow",
        "keys.revoke allow",
        "keys.revoke error",
    ];
    assert_eq!(actions, expected);
    let log = program.folder.path().join("audit.admin.jsonl").display().to_string();
    let (code, out, error) = command(&["audit", "verify", &log], "");
    assert_eq!(code, 0, "{out}{error}");
    let text = fs::read_to_string(&log).unwrap();
    for secret in [&key["key"], &rotated["key"], &user["password"], &client["client_secret"]] {
        assert!(!text.contains(secret.as_str().unwrap()), "{text}");
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    fs::create_dir(program.folder.path().join("audit.admin.jsonl")).unwrap();
    let file = program.file().display().to_string();
    let (code, out, error) = command(&["keys", "create", "bot", "--config", &file], "");
    assert!(code == 2 && out.is_empty(), "{out}");
    assert!(error.contains("nothing is changed that cannot be recorded"), "{error}");
    assert_eq!(order(&program, &["keys", "list"]), Value::Null);
}

#[test]
fn variables_of_other_parts_need_not_be_set_to_work_on_keys() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bartizan.yaml");
    let text = "auth: { tokens: { issuer: '${BARTIZAN_TEST_UNSET}' } }\n\
        store: { shared: '${BARTIZAN_TEST_UNSET}' }\n\
        audit: { destination: 'file://audit.jsonl', events: ['${BARTIZAN_TEST_UNSET}'] }\n\
        access: { roles: { user: { permissions: [] } }, assign: { '${BARTIZAN_TEST_UNSET}': [] } }\n\
        endpoints:\n\
        - path: /x\n  verbs: [GET]\n  public: true\n  nonsense: 1\n\
        \x20 upstream: { url: '${BARTIZAN_TEST_UNSET}', credential: { env: BARTIZAN_TEST_UNSET } }\n";
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let keys = |arguments: &[&str]| command(&[arguments, &["--config", &file]].concat(), "");
    assert_eq!(keys(&["run"]).0, 2, "the gateway itself does not start");
    let (code, _, error) = keys(&["keys", "create", "bot", "--roles", "user"]);
    assert_eq!(code, 0, "{error}");
    for list in ["keys", "users", "clients"] {
        assert_eq!(keys(&[list, "list"]).0, 0, "{list}");
    }
    assert_eq!(keys(&["tokens", "rotate-key"]).0, 0);
    // What the command does need is still asked for.
    let (code, _, error) = keys(&["keys", "create", "other", "--roles", "usr"]);
    assert!(code == 2 && error.contains("`user`"), "{error}");
    fs::write(folder.path().join("bartizan.yaml"), "store: { durable: '${BARTIZAN_TEST_UNSET}' }")
        .unwrap();
    let (code, _, error) = keys(&["keys", "list"]);
    assert!(code == 2 && error.contains("BARTIZAN_TEST_UNSET"), "{error}");
    // A key that was made in another store than the one that was meant would open nothing.
    for (text, meant) in [("store: { durabel: 'sqlite:a.db' }", "durable"), ("stores: {}", "store")]
    {
        fs::write(folder.path().join("bartizan.yaml"), text).unwrap();
        let (code, out, error) = keys(&["keys", "create", "bot"]);
        assert!(code == 2 && out.is_empty(), "{out}");
        assert!(error.contains(&format!("did you mean `{meant}`?")), "{error}");
    }
}

#[tokio::test]
async fn a_revoked_key_ends_within_a_second_on_every_gateway_that_shares_the_store() {
    let upstream = Upstream::start().await;
    let first = Program::start(upstream.address);
    let store = first.folder.path().join("bartizan.db").display().to_string();
    let second = Program::with(upstream.address, &[], |configuration| {
        let (before, rest) = configuration.split_once("durable: \"sqlite:").unwrap();
        let (_, after) = rest.split_once('"').unwrap();
        format!("{before}durable: \"sqlite:{store}\"{after}")
    });
    let made = order(&first, &["keys", "create", "bot", "--scopes", "data:read"]);
    let bearer = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    let asked =
        async |program: &Program| status(&ask(program.address, "GET /guarded", &[&bearer]).await);
    for program in [&first, &second] {
        assert_eq!(asked(program).await, 200);
    }
    order(&first, &["keys", "revoke", "bot"]);
    let revoked = Instant::now();
    for program in [&first, &second] {
        while asked(program).await != 401 {
            assert!(revoked.elapsed() < Duration::from_secs(1), "it still opens");
        }
    }
    assert!(revoked.elapsed() < Duration::from_secs(1), "{:?}", revoked.elapsed());
}

#[tokio::test]
async fn a_key_of_another_environment_opens_nothing_and_a_rotated_one_ends_with_its_overlap() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        configuration.replacen("api_keys:\n", "api_keys:\n    environment: live\n", 1)
    });
    let asked = async |made: &Value| {
        let bearer = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
        status(&ask(program.address, "GET /guarded", &[&bearer]).await)
    };
    let create = |id: &str, environment: &str| {
        let scopes = ["--scopes", "data:read", "--environment", environment];
        order(&program, &[&["keys", "create", id], &scopes[..]].concat())
    };
    assert_eq!(asked(&create("staged", "test")).await, 401);
    let old = create("bot", "live");
    assert_eq!(asked(&old).await, 200);
    let new = order(&program, &["keys", "rotate", "bot", "--overlap", "1s"]);
    let rotated = Instant::now();
    assert_eq!(asked(&new).await, 200);
    while asked(&old).await != 401 {
        assert!(rotated.elapsed() < Duration::from_secs(3), "the old key does not end");
    }
    assert_eq!(asked(&new).await, 200);
}
