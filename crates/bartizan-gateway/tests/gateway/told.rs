//! Does whoever must act learn what is the matter and what to do?

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::program::{Program, command, until, with_endpoints};
use crate::wire::{ask, read_until, status};

/// An upstream that says this to everybody.
async fn saying(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                read_until(&mut socket, "\r\n\r\n").await;
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

fn stores(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "store: {{ durable: \"sqlite:{at}/b.db\" }}\naudit: {{ destination: \"file://{at}/audit.jsonl\" }}\n"
    )
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_withheld_with_its_media_type_for_the_operator_alone() {
    let upstream = saying(
        "HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: 4\r\nConnection: close\r\n\r\n%PDF",
    )
    .await;
    let program = Program::with(upstream, &[], |usual| {
        with_endpoints(
            &usual,
            &format!(
                "endpoints:\n  - path: /report\n    verbs: [GET]\n    public: true\n    pii: {{ response: {{ detect: [EMAIL] }} }}\n    upstream: {{ url: \"http://{upstream}\" }}\n"
            ),
        )
    });
    let answer = ask(program.address, "GET /report", &[]).await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(!answer.contains("pdf") && answer.contains("response-blocked"), "{answer}");
    let reason = |record: &Value| record["reason"].as_str().unwrap_or_default().to_owned();
    let told = || program.records().iter().map(reason).find(|reason| reason.contains("withheld"));
    until(|| told().is_some(), || program.log());
    let reason = told().unwrap();
    assert!(reason.contains("`application/pdf`") && reason.contains("`pii.response`"), "{reason}");
    assert!(reason.contains("an endpoint of its own"), "{reason}");
}

#[test]
fn a_caller_by_name_has_the_token_that_is_exchanged_and_a_key_has_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bartizan.yaml");
    let text = format!(
        r#"{}
auth:
  oidc: [{{ name: corp, issuer: "https://id.example", audience: "https://gate.example" }}]
  api_keys: {{ keys: [{{ id: ci, hash: "sha256:{}" }}] }}
policies:
  - {{ name: no tokens there, effect: deny, match: {{ paths: [/people], methods: [jwt] }} }}
endpoints:
  - path: /mail
    verbs: [GET]
    authenticated: true
    upstream:
      url: "http://127.0.0.1:9"
      credential: {{ token_exchange: {{ issuer: "https://id.example", client_id: g, client_secret: {{ env: PATH }} }} }}
  - {{ path: /people, verbs: [GET], authenticated: true, upstream: {{ url: "http://127.0.0.1:9" }} }}
"#,
        stores(folder.path()),
        "0".repeat(64)
    );
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let explain = |who: &str, path: &str| {
        command(&["explain", "--as", who, "GET", path, "--config", &file], "")
    };
    let (code, out, error) = explain("corp:ann", "/mail");
    assert_eq!((code, out.lines().next()), (0, Some("allow  GET /mail")), "{out}{error}");
    assert!(out.contains("in exchange for the caller's"), "{out}");
    let (code, out, _) = explain("key:ci", "/mail");
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("a token is needed"), "{out}");
    // A policy that speaks of tokens speaks of whoever comes with one.
    assert_eq!(explain("corp:ann", "/people").0, 1);
    assert_eq!(explain("key:ci", "/people").0, 0);
}

#[test]
fn a_limit_that_was_set_before_the_first_call_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bartizan.yaml");
    let budgets = "budgets: [{ name: daily, by: user, usd: 100.00, period: day }]\n";
    std::fs::write(&file, stores(folder.path()) + budgets).unwrap();
    let file = file.display().to_string();
    let budgets = |arguments: &[&str]| {
        let (code, out, error) =
            command(&[&["budgets"], arguments, &["--config", &file]].concat(), "");
        assert_eq!(code, 0, "{error}");
        (out, error)
    };
    budgets(&["set", "daily", "local:ann", "--usd", "5.00"]);
    let (_, error) = budgets(&["set", "daily", "local:bob", "--usd", "0"]);
    assert!(error.contains("0 allows nothing"), "{error}");
    let (out, _) = budgets(&["list", "--format", "json"]);
    let rows: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        rows.iter().map(|row| (row["subject"].as_str().unwrap(), &row["limit"])).collect();
    assert_eq!(told, [("local:ann", &"5.00".into()), ("local:bob", &"0.00".into())], "{out}");
    let (out, _) = budgets(&["list", "daily"]);
    assert!(out.contains("local:ann") && out.contains("set by hand"), "{out}");
    budgets(&["set", "daily", "local:ann", "--configured"]);
    let (out, _) = budgets(&["list"]);
    assert!(!out.contains("local:ann"), "{out}");
}

#[test]
fn a_key_that_would_never_open_anything_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bartizan.yaml");
    std::fs::write(&file, stores(folder.path())).unwrap();
    let file = file.display().to_string();
    let create = |arguments: &[&str]| {
        command(&[&["keys", "create", "ci"], arguments, &["--config", &file]].concat(), "")
    };
    for (arguments, what) in [
        (["--scopes", "data:read, notify:send"], "--scopes data:read,notify:send"),
        (["--scopes", ""], "none is empty"),
        (["--expires", "2020-01-01T00:00:00Z"], "is over already"),
        (["--expires", "0s"], "is over already"),
        (["--expires", "tomorrow"], "as `90d`, `12h` or `30m`, or an instant with its offset"),
    ] {
        let (code, out, error) = create(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {error}");
        assert!(error.contains(what), "{arguments:?}: {error}");
    }
    assert_eq!(command(&["keys", "list", "--config", &file], "").1, "");
    assert_eq!(create(&["--scopes", "data:read,notify:send", "--expires", "90d"]).0, 0);
}

#[test]
fn prices_of_a_configuration_that_is_not_there_are_an_error_and_no_other_prices() {
    let (code, out, error) = command(&["prices", "list", "--config", "nowhere/nope.yaml"], "");
    assert_eq!((code, out.as_str()), (2, ""), "{error}");
    assert!(error.contains("nope.yaml") && error.contains("cannot be read"), "{error}");
    assert_eq!(command(&["prices", "list", "gpt-4o"], "").0, 0);
}

#[tokio::test]
async fn a_budget_that_never_allows_a_call_says_so_and_names_no_time_to_wait() {
    let upstream =
        saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let program = Program::with(upstream, &[], |usual| {
        with_endpoints(
            &usual,
            &format!(
                "budgets: [{{ name: tiny, by: global, tokens: 10, period: day }}]\nendpoints:\n  - path: \"/v1/{{*rest}}\"\n    protocol: openai\n    public: true\n    upstream: {{ url: \"http://{upstream}\" }}\n"
            ),
        )
    });
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
    let length = format!("Content-Length: {}", body.len());
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{length}\r\nConnection: close\r\n\r\n{body}"
    );
    let answer = crate::wire::raw(program.address, request).await;
    assert_eq!(status(&answer), 429, "{answer}");
    assert!(answer.contains("`tiny` never allows as much as this call may take"), "{answer}");
    let head = answer.to_lowercase();
    assert!(!head.contains("retry-after") && head.contains("x-should-retry: false"), "{answer}");
}

#[tokio::test]
async fn whoever_may_decide_in_another_tenant_alone_is_told_so() {
    let upstream =
        saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let program = Program::with(upstream, &[], |usual| {
        with_endpoints(
            &usual,
            &format!(
                "approvals: {{ roles: [user] }}\nendpoints:\n  - {{ path: /pay, verbs: [POST], authenticated: true, approval: required, upstream: {{ url: \"http://{upstream}\" }} }}\n"
            ),
        )
    });
    let file = program.file().display().to_string();
    let key = |id: &str, more: &[&str]| {
        let made = command(&[&["keys", "create", id, "--config", &file], more].concat(), "");
        assert_eq!(made.0, 0, "{}", made.2);
        made.1.trim().to_owned()
    };
    let asking = key("ann", &["--tenant", "acme"]);
    key("boss", &["--roles", "user"]);
    let asked = ask(program.address, "POST /pay", &[&format!("X-API-Key: {asking}")]).await;
    assert_eq!(status(&asked), 202, "{asked}");
    let id = asked.split("\"approval_id\":\"").nth(1).unwrap().split('"').next().unwrap();
    let decide = ["approvals", "decide", id, "approve", "--by", "key:boss", "--config", &file];
    let (code, _, error) = command(&decide, "");
    assert_eq!(code, 2);
    assert!(error.contains("the call is of the tenant `acme`"), "{error}");
    assert!(error.contains("`key:boss` is of no tenant"), "{error}");
}
