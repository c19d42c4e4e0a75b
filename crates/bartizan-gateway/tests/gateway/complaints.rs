//! What users of other gateways suffered at their doors: none of it happens here.

use serde_json::Value;

use crate::program::{KEY, Program, command};
use crate::upstream::Upstream;
use crate::wire::{ask, raw, status};

/// What is tried against a look-up that pastes a credential into a query or a path.
const INJECTIONS: &[&str] = &[
    "' OR '1'='1",
    "' OR 1=1 --",
    "\" OR \"\"=\"",
    "'; DROP TABLE api_keys; --",
    "'; INSERT INTO api_keys (id, hash) VALUES ('x','y'); --",
    "x' UNION SELECT id, hash, NULL, NULL, id, '[\"*\"]', '[]', NULL, NULL, NULL, NULL, NULL FROM api_keys --",
    "admin'/**/OR/**/1=1#",
    "%27%20OR%201=1",
    "btz_live_' OR 1=1 --_0000000000000000000000000000000000000000000000000a",
    "btz_live_bot'--_0000000000000000000000000000000000000000000000000a",
    "$ne",
    "{\"$gt\":\"\"}",
    "*)(uid=*))(|(uid=*",
    "../../../../etc/passwd",
    "${jndi:ldap://127.0.0.1/a}",
    "bot\u{0}",
];

/// CVE-2026-42208: SQL through the Authorization header, before anybody was authenticated.
#[tokio::test]
async fn no_text_in_a_credential_reaches_the_database_as_anything_but_text() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let file = program.file().display().to_string();
    let keys = |arguments: &[&str]| {
        let (code, out, error) =
            command(&[&["keys"], arguments, &["--config", &file]].concat(), "");
        assert_eq!(code, 0, "{error}");
        out
    };
    let key = keys(&["create", "bot", "--scopes", "data:read"]);
    let key = key.lines().next().unwrap();
    let before = keys(&["list"]);
    for injection in INJECTIONS {
        let fields = [
            format!("Authorization: Bearer {injection}"),
            format!("Authorization: {injection}"),
            format!("Authorization: Basic {injection}"),
            format!("X-API-Key: {injection}"),
        ];
        for field in &fields {
            // 429 comes to whoever shows too many bad ones.
            let answer = ask(program.address, "GET /guarded", &[field]).await;
            assert!([400, 401, 429].contains(&status(&answer)), "{field}: {answer}");
        }
    }
    assert!(upstream.seen().is_empty());
    assert_eq!(keys(&["list"]), before);
    let wait = || async {
        let bearer = format!("Authorization: Bearer {key}");
        status(&ask(program.address, "GET /guarded", &[&bearer]).await)
    };
    assert_eq!(wait().await, 200, "the honest key still opens");
}

/// Wrong keys that people typed stood in clear in errors and in the audit log of others.
#[tokio::test]
async fn a_key_that_was_mistyped_is_repeated_nowhere() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let typed = [
        "sk-canary-0a1b2c3d4e5f60718293a4b5c6d7e8f9",
        "btz_live_bot_canaryCanaryCanaryCanaryCanaryCanaryCanary00",
        "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOiJjYW5hcnkifQ.Y2FuYXJ5",
    ];
    for key in typed {
        for field in [format!("Authorization: Bearer {key}"), format!("X-API-Key: {key}")] {
            let answer = ask(program.address, "GET /guarded", &[&field]).await;
            assert!(status(&answer) == 401 && !answer.contains(key), "{answer}");
        }
        let target = format!("GET /guarded?api_key={key}");
        let answer = ask(program.address, &target, &[]).await;
        assert!(status(&answer) == 401 && !answer.contains(key), "{answer}");
    }
    let records: String = program.records().iter().map(Value::to_string).collect();
    let metrics = ask(program.admin, "GET /metrics", &[]).await;
    for key in typed {
        for (place, text) in [("log", &program.log()), ("audit", &records), ("metrics", &metrics)] {
            assert!(!text.contains(key), "in the {place}: {text}");
        }
    }
}

/// CVE-2026-49468: a Host header that looked like the inside opened the routes for operators.
#[tokio::test]
async fn no_host_and_no_forwarded_header_takes_the_place_of_a_credential() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    for host in ["localhost", "127.0.0.1", "localhost:8001", "internal", "admin.local", "[::1]"] {
        for more in [
            "",
            "X-Forwarded-Host: localhost\r\n",
            "X-Forwarded-For: 127.0.0.1\r\n",
            "Forwarded: for=127.0.0.1;host=localhost\r\n",
            "X-Original-URL: /open/x\r\n",
            "X-Rewrite-URL: /open/x\r\n",
            "X-Bartizan-Subject: key:ci\r\nX-Bartizan-Scopes: data:read\r\n",
        ] {
            let head =
                format!("GET /guarded HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n");
            let answer = raw(program.address, head).await;
            assert_eq!(status(&answer), 401, "{host} {more}: {answer}");
        }
    }
    assert!(upstream.seen().is_empty());
}

/// A gateway whose own pages for operators asked nobody who they were.
#[tokio::test]
async fn what_the_gateway_serves_itself_asks_who_is_calling() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    for line in ["TEST /action", "POST /chain", "CHAIN /request", "GET /approvals/x", "GET /keys"] {
        let answer = ask(program.address, line, &[]).await;
        assert_eq!(status(&answer), 401, "{line}: {answer}");
    }
    for line in ["GET /metrics", "GET /livez", "GET /readyz", "POST /key/generate"] {
        let answer = ask(program.address, line, &[]).await;
        assert!([401, 404].contains(&status(&answer)), "{line}: {answer}");
    }
    // What says what there is says nothing of what one may not use.
    let actions = ask(program.address, "GET /actions", &[]).await;
    assert!(status(&actions) == 200 && !actions.contains("/guarded"), "{actions}");
}

/// A 401 to a verb that is merely not served made clients throw their whole login away.
#[tokio::test]
async fn a_verb_that_is_not_served_is_no_reason_to_log_in_again() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let bearer = format!("Authorization: Bearer {KEY}");
    for verb in ["DELETE", "PUT", "PATCH"] {
        let answer = ask(program.address, &format!("{verb} /guarded"), &[&bearer]).await;
        assert_eq!(status(&answer), 405, "{answer}");
        assert!(!answer.to_lowercase().contains("www-authenticate"), "{answer}");
    }
}

/// Which of two credentials counts, nobody who reads a log afterwards could say.
#[tokio::test]
async fn two_credentials_open_less_than_one() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let (bearer, key) = (format!("Authorization: Bearer {KEY}"), format!("X-API-Key: {KEY}"));
    assert_eq!(status(&ask(program.address, "GET /guarded", &[&bearer]).await), 200);
    for two in [[&*bearer, &*key], [&*bearer, &*bearer], [&*key, &*key], [&*bearer, "X-API-Key: x"]]
    {
        let answer = ask(program.address, "GET /guarded", &two).await;
        assert!(status(&answer) == 400 && answer.contains("ambiguous-credential"), "{answer}");
    }
    let query = format!("GET /guarded?access_token={KEY}");
    assert_eq!(status(&ask(program.address, &query, &[]).await), 401);
    assert_eq!(status(&ask(program.address, &query, &[&bearer]).await), 401);
    assert_eq!(upstream.seen().len(), 1);
}
