//! Do the examples of the AgenticAPI guide work as they are written there, with curl?

use serde_json::{Value, json};

use crate::curl::curl;
use crate::gateway::{Gateway, folder_with, ran};
use crate::http::Answer;

const SUMMARIZE: &str = r#"{"document_id":"doc_001","format":"text"}"#;

/// The guide's token request, with more fields.
fn log_in(gateway: &Gateway, name: &str, password: &str, more: &[&str]) -> Answer {
    let url = gateway.url("/token");
    let (name, password) = (format!("username={name}"), format!("password={password}"));
    let mut args = vec![&*url, "-d", "grant_type=password", "-d", &*name, "-d", &*password];
    args.extend(more.iter().flat_map(|field| ["-d", field]));
    curl(&args)
}

fn access_token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// `curl -X VERB URL -H "Authorization: Bearer TOKEN" -H "Content-Type: application/json" -d BODY`
fn call(gateway: &Gateway, verb: &str, path: &str, token: &str, body: &str) -> Answer {
    let (url, bearer) = (gateway.url(path), format!("Authorization: Bearer {token}"));
    let media = "Content-Type: application/json";
    curl(&["-X", verb, &url, "-H", &bearer, "-H", media, "-d", body])
}

fn words(answer: &Answer) -> usize {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["summary"].as_str().unwrap().split_whitespace().count()
}

#[test]
fn a_password_buys_a_token_and_the_token_a_summary() {
    let demo = Gateway::demo();
    let bought = log_in(&demo, "agent1", "secret", &[]);
    assert_eq!(bought.header("cache-control"), "no-store");
    let answer = bought.json();
    assert_eq!(answer["token_type"], "bearer");
    assert_eq!(answer["expires_in"], 900);
    assert_eq!(answer["scope"], "data:read notify:send");
    let token = access_token(&bought);
    assert_eq!(token.split('.').count(), 3, "a signed token, and not a word: {token}");

    let summary = call(&demo, "SUMMARIZE", "/document", &token, SUMMARIZE);
    assert!(words(&summary) > 20, "{}", summary.text());
    assert!(summary.json()["summary"].as_str().unwrap().contains("lighthouse"));
}

#[test]
fn without_a_good_token_nothing_is_summarised() {
    let demo = Gateway::demo();
    let url = demo.url("/document");
    let media = "Content-Type: application/json";
    let without = curl(&["-X", "SUMMARIZE", &url, "-H", media, "-d", SUMMARIZE]);
    without.is_problem(401, "unauthenticated");
    let challenge = without.header("www-authenticate");
    assert!(challenge.starts_with("Bearer ") && !challenge.contains("error"), "{challenge}");

    let good = access_token(&log_in(&demo, "agent1", "secret", &[]));
    let mut parts: Vec<&str> = good.split('.').collect();
    let signature = parts[2].chars().rev().collect::<String>();
    parts[2] = &signature;
    let forged = parts.join(".");
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    for bad in ["valid-token", "", &forged, &unsigned, &format!("{good}x")] {
        let answer = call(&demo, "SUMMARIZE", "/document", bad, SUMMARIZE);
        answer.is_problem(401, "unauthenticated");
        let challenge = answer.header("www-authenticate");
        assert!(challenge.starts_with("Bearer "), "{bad}: {challenge}");
        assert!(challenge.contains(r#"error="invalid_token""#), "{bad}: {challenge}");
    }
}

#[test]
fn a_token_without_the_scope_is_not_enough() {
    let demo = Gateway::demo();
    let narrow = log_in(&demo, "agent1", "secret", &["scope=notify:send"]);
    assert_eq!(narrow.json()["scope"], "notify:send");
    let token = access_token(&narrow);
    let answer = call(&demo, "SUMMARIZE", "/document", &token, SUMMARIZE);
    let problem = answer.is_problem(403, "forbidden");
    assert_eq!(problem["detail"], "Not authorized");
    let challenge = answer.header("www-authenticate");
    assert!(challenge.contains(r#"error="insufficient_scope""#), "{challenge}");
    assert!(challenge.contains(r#"scope="data:read""#), "{challenge}");

    let wide = log_in(&demo, "agent1", "secret", &["scope=data:read data:write"]);
    assert_eq!((wide.status, &wide.json()["error"]), (400, &json!("invalid_scope")));
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_told_the_same() {
    let demo = Gateway::demo();
    for (name, password) in [("agent1", "wrong"), ("nobody", "secret"), ("nobody", "wrong")] {
        let answer = log_in(&demo, name, password, &[]);
        assert_eq!(answer.status, 400, "{name} {password}");
        assert_eq!(answer.header("cache-control"), "no-store");
        let expected = json!({"error": "invalid_grant", "error_description": "Incorrect username or password"});
        assert_eq!(answer.json(), expected, "{name} {password}");
    }
}

#[test]
fn health_is_asked_five_times_a_minute() {
    let demo = Gateway::demo();
    for _ in 0..5 {
        let answer = curl(&[&demo.url("/health")]);
        assert_eq!((answer.status, answer.json()), (200, json!({"status": "healthy"})));
    }
    let answer = curl(&[&demo.url("/health")]);
    answer.is_problem(429, "rate-limited");
    let wait: u32 = answer.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert!(answer.header("ratelimit").contains(r#""health";r=0"#));
    assert!(answer.header("ratelimit-policy").contains(r#""health";q=5;w=60"#));
    // The others are not held up by it.
    log_in(&demo, "agent1", "secret", &[]).json();
}

#[test]
fn a_summary_has_the_form_and_the_length_that_were_asked_for() {
    let demo = Gateway::demo();
    let token = access_token(&log_in(&demo, "agent1", "secret", &[]));
    let summarize = |body: Value| call(&demo, "SUMMARIZE", "/document", &token, &body.to_string());

    let short = summarize(json!({"document_id": "doc_002", "max_words": 40}));
    assert!((1..=40).contains(&words(&short)), "{}", short.text());
    let long = summarize(json!({"document_id": "doc_002", "max_words": 200}));
    assert!((41..=200).contains(&words(&long)), "{}", long.text());
    let bullets = summarize(json!({"document_id": "doc_002", "format": "bullets"})).json();
    let lines: Vec<_> = bullets["summary"].as_str().unwrap().lines().collect();
    assert!(lines.len() > 1 && lines.iter().all(|line| line.starts_with("- ")), "{lines:?}");

    summarize(json!({"document_id": "doc_999"})).is_problem(404, "not-found");
    for (body, pointer) in [
        (json!({"document_id": "doc_001", "max_words": 0}), "/max_words"),
        (json!({"document_id": "doc_001", "format": "pdf"}), "/format"),
        (json!({"format": "text"}), ""),
    ] {
        let problem = summarize(body.clone()).is_problem(422, "invalid-body");
        assert_eq!(problem["violations"][0]["pointer"], pointer, "{body}: {problem}");
    }
}

#[test]
fn clients_that_know_only_post_get_the_same() {
    let demo = Gateway::demo();
    let token = access_token(&log_in(&demo, "agent1", "secret", &[]));
    let real = call(&demo, "SUMMARIZE", "/document", &token, SUMMARIZE);
    let alias = call(&demo, "POST", "/document", &token, SUMMARIZE);
    assert_eq!((alias.status, alias.json()), (200, real.json()));
    let (url, bearer) = (demo.url("/document"), format!("Authorization: Bearer {token}"));
    let media = "Content-Type: application/json";
    let with = |verb: &str, body: &str| {
        let named = format!("X-AGIS-Method: {verb}");
        curl(&[&url, "-H", &bearer, "-H", media, "-H", &named, "-d", body])
    };
    assert_eq!(with("SUMMARIZE", SUMMARIZE).json(), real.json());
    let fetched = with("FETCH", r#"{"document_id":"doc_001"}"#).json();
    assert!(fetched["text"].as_str().unwrap().len() > 5000);
    with("DELETE", SUMMARIZE).is_problem(400, "malformed-request");
    with("TRANSLATE", SUMMARIZE).is_problem(400, "malformed-request");
}

#[test]
fn a_refresh_token_works_once_and_its_second_use_ends_its_family() {
    let demo = Gateway::demo();
    let url = demo.url("/token");
    let refresh = |token: &Value| {
        let field = format!("refresh_token={}", token.as_str().unwrap());
        curl(&[&url, "-d", "grant_type=refresh_token", "-d", &field])
    };
    let first = log_in(&demo, "agent1", "secret", &[]).json();
    let second = refresh(&first["refresh_token"]);
    assert_eq!(second.status, 200, "{}", second.text());
    let token = access_token(&second);
    assert_eq!(call(&demo, "SUMMARIZE", "/document", &token, SUMMARIZE).status, 200);
    let second = second.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);

    for used in [&first["refresh_token"], &second["refresh_token"]] {
        let answer = refresh(used);
        assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_grant")));
    }
}

#[test]
fn guessing_is_throttled_for_a_right_password_too_and_for_nobody_else() {
    let folder = folder_with(
        "auth: { tokens: { issuer: \"http://127.0.0.1:8000\", grants: [password] } }
endpoints: [{ path: /health, verbs: [GET], public: true, handler: health }]
",
    );
    let alice = add_user(folder.path(), "alice");
    let bob = add_user(folder.path(), "bob");
    let gateway = Gateway::in_folder(&folder, &[]);
    for _ in 0..10 {
        assert_eq!(log_in(&gateway, "alice", "wrong", &[]).status, 400);
    }
    let wrong = log_in(&gateway, "alice", "wrong", &[]);
    let right = log_in(&gateway, "alice", &alice, &[]);
    for answer in [&wrong, &right] {
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    }
    assert_eq!(wrong.text(), right.text());
    let names = |answer: &Answer| answer.headers.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&wrong), names(&right));
    access_token(&log_in(&gateway, "bob", &bob, &[]));
}

/// Adds a user and returns the password that was made.
fn add_user(folder: &std::path::Path, name: &str) -> String {
    let added = ran(folder, &["users", "add", name, "--scopes", "data:read", "--format", "json"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let shown: Value = serde_json::from_slice(&added.stdout).unwrap();
    shown["password"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned()
}
