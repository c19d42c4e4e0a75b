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

#[test]
fn a_hash_for_the_configuration_is_made_without_one_and_opens_by_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, error) = command(&["users", "hash", "--password-stdin"], "correct horse\n");
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    let hash: bartizan_core::authenticate::password::PasswordHash = out.trim().parse().unwrap();
    let password = secrecy::SecretString::from("correct horse");
    assert!(bartizan_core::authenticate::password::verify(Some(&hash), &password));

    let (code, out, error) = command(&["users", "hash"], "");
    assert!(code == 0 && out.starts_with("$argon2id$") && error.contains("It is shown once"));
    let (code, out, _) = command(&["users", "hash", "--format", "json"], "");
    let made: Value = serde_json::from_str(&out).unwrap();
    let (hash, password) = (made["password_hash"].as_str(), made["password"].as_str());
    let password = secrecy::SecretString::from(password.unwrap());
    let hash = hash.unwrap().parse().unwrap();
    assert!(code == 0 && bartizan_core::authenticate::password::verify(Some(&hash), &password));
    assert_eq!(command(&["users", "hash", "--password-stdin"], "short\n").0, 2);

    let file = folder.path().join("bartizan.yaml");
    let wrong = "auth: { tokens: { users: [{ username: ann, password_hash: secret }] } }\n";
    std::fs::write(&file, wrong).unwrap();
    let (_, out, _) = command(&["--config", file.to_str().unwrap(), "check"], "");
    assert!(out.contains("`bartizan users hash`"), "{out}");
}

#[test]
fn a_bare_name_is_a_local_user_where_users_are_counted_and_nothing_else_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (file, at) = (folder.path().join("bartizan.yaml"), folder.path().display());
    let text = format!(
        "store: {{ durable: \"sqlite:{at}/b.db\" }}\naudit: {{ destination: \"file://{at}/audit.jsonl\" }}\n\
         budgets:\n  - {{ name: daily, by: user, usd: 100.00, period: day }}\n  - {{ name: firm, by: tenant, usd: 100.00, period: day }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    for (arguments, whose) in [
        (["set", "daily", "bob"], "`local:bob`"),
        (["set", "daily", "corp:bob"], "`corp:bob`"),
        (["set", "firm", "acme"], "`acme`"),
    ] {
        let line = [&["--config", &file, "budgets"][..], &arguments, &["--usd", "5.00"]].concat();
        let (code, out, error) = command(&line, "");
        assert!(code == 0 && out.contains(&format!("for {whose} is 5")), "{out}{error}");
    }
    // Whoever reads the log sees what was changed, and for whom.
    let log = folder.path().join("audit.admin.jsonl").display().to_string();
    let (_, out, error) = command(&["audit", "tail", &log], "");
    assert!(out.contains("budgets.set budget=daily subject=local:bob"), "{out}{error}");
}

#[test]
fn a_decision_about_a_tool_or_a_model_needs_no_body_and_says_why_somebody_must_agree() {
    let folder = tempfile::tempdir().unwrap();
    let (file, at) = (folder.path().join("bartizan.yaml"), folder.path().display());
    let text = format!(
        "store: {{ durable: \"sqlite:{at}/b.db\" }}\naudit: {{ destination: \"file://{at}/audit.jsonl\" }}\n\
         access: {{ roles: {{ user: {{}} }}, assign: {{ \"corp:ann\": [user] }} }}\n\
         auth: {{ oidc: [{{ name: corp, issuer: \"https://id.example.com\", audience: api }}] }}\n\
         approvals: {{ roles: [user] }}\nserver: {{ public_url: \"https://gate.example.com\" }}\n\
         endpoints:\n\
         \x20 - {{ path: /mcp, verbs: [POST], authenticated: true, protocol: mcp, upstream: {{ url: \"http://127.0.0.1:9\" }}, tools: {{ pay: {{ approval: required }}, look: {{}} }} }}\n\
         \x20 - {{ path: \"/v1/{{*rest}}\", verbs: [POST, GET], authenticated: true, protocol: openai, upstream: {{ url: \"http://127.0.0.1:9\" }}, models: {{ \"gpt-5*\": {{}} }} }}\n\
         \x20 - {{ path: /plain, verbs: [POST], authenticated: true, upstream: {{ url: \"http://127.0.0.1:9\" }} }}\n"
    );
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let explain = |arguments: &[&str]| {
        let line = [&["--config", &file, "explain", "--as", "corp:ann", "POST"], arguments];
        command(&line.concat(), "")
    };
    let (code, out, error) = explain(&["/mcp", "--tool", "look"]);
    assert!(code == 0 && out.starts_with("allow"), "{out}{error}");
    let (code, out, error) = explain(&["/mcp", "--tool", "pay"]);
    assert!(code == 1 && out.starts_with("approval"), "{out}{error}");
    assert!(out.contains("somebody must agree first: `tools` asks for it for `pay`"), "{out}");
    let (code, out, error) = explain(&["/mcp", "--tool", "drop"]);
    assert!(code == 1 && out.starts_with("deny"), "{out}{error}");
    for path in
        ["/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/images/generations"]
    {
        let (code, out, error) = explain(&[path, "--model", "gpt-5-mini"]);
        assert!(code == 0 && out.starts_with("allow"), "{path} {out}{error}");
        let (code, out, error) = explain(&[path, "--model", "other"]);
        assert!(code == 1 && out.starts_with("deny"), "{path} {out}{error}");
    }
    let (code, _, error) = explain(&["/plain", "--tool", "look"]);
    assert!(code == 2 && error.contains("`protocol: mcp`"), "{error}");
}

#[test]
fn a_store_that_everybody_can_read_is_told_by_the_checklist() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (folder.path().join("bartizan.yaml"), folder.path().join("bartizan.db"));
    let text = "endpoints: [{ path: /x, verbs: [GET], public: true, upstream: { url: \"http://127.0.0.1:9\" } }]\n";
    std::fs::write(&file, text).unwrap();
    std::fs::write(&store, "").unwrap();
    let told = |mode: u32| {
        std::fs::set_permissions(&store, std::fs::Permissions::from_mode(mode)).unwrap();
        let check = ["check", "--profile", "production", "--config", file.to_str().unwrap()];
        command(&check, "").1
    };
    assert!(told(0o644).contains("bartizan.db`, which holds secrets"), "{}", told(0o644));
    assert!(!told(0o640).contains("which holds secrets"), "{}", told(0o640));
}

#[test]
fn a_folder_is_no_log_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, error) = command(&["audit", "verify", folder.path().to_str().unwrap()], "");
    assert!(code == 2 && error.contains("is a folder"), "{error}");
    assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
}
