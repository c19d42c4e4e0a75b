//! Calls from web pages: may a page call that the operator has named, and no other?

use crate::program::{KEY, Program, until};
use crate::upstream::Upstream;
use crate::wire::{ask, status};

const PAGE: &str = "https://app.example";

/// A gateway that page may call.
fn program(upstream: &Upstream) -> Program {
    Program::with(upstream.address, &[], |usual| {
        let cors = format!("server:\n  cors: {{ origins: [\"{PAGE}\"] }}\n");
        let limits = "limits: [{ name: door, by: ip, rate: 2/minute, match: { path: /native } }]\n";
        usual.replacen("server:\n", &cors, 1) + limits
    })
}

/// What a browser asks before a page of `origin` may call.
async fn preflight(program: &Program, path: &str, verb: &str, origin: &str) -> String {
    let fields = [
        &*format!("Origin: {origin}"),
        &*format!("Access-Control-Request-Method: {verb}"),
        "Access-Control-Request-Headers: authorization,content-type",
    ];
    ask(program.address, &format!("OPTIONS {path}"), &fields).await.to_lowercase()
}

#[tokio::test]
async fn a_browser_is_told_what_a_page_may_call_and_no_upstream_hears_of_it() {
    let upstream = Upstream::start().await;
    let program = program(&upstream);
    // Without a credential: browsers send none with their question.
    for (path, verb) in [("/guarded", "POST"), ("/open/x", "SUMMARIZE"), ("/schema", "POST")] {
        let answer = preflight(&program, path, verb, PAGE).await;
        assert_eq!(status(&answer), 204, "{path} {answer}");
        for field in [
            &format!("access-control-allow-origin: {PAGE}\r\n"),
            &format!("access-control-allow-methods: {}\r\n", verb.to_lowercase()),
            "vary: access-control-request-method\r\n",
            "vary: origin\r\n",
            "access-control-max-age: 600\r\n",
            "x-request-id: ",
        ] {
            assert!(answer.contains(field), "{field} {answer}");
        }
        assert!(answer.contains("access-control-allow-headers: authorization, content-type"));
        assert!(!answer.contains("allow-credentials"), "{answer}");
    }
    assert!(upstream.seen().is_empty());
    let ends = || {
        let records = program.records().into_iter();
        let of = |record: &serde_json::Value| record["action"]["verb"] == "OPTIONS";
        records.filter(of).map(|record| record["event"].clone()).collect::<Vec<_>>()
    };
    until(|| ends().len() == 3, || format!("{:?}", program.records()));
    assert!(ends().iter().all(|event| event == "REQUEST_END"), "{:?}", ends());
}

#[tokio::test]
async fn nobody_learns_more_by_asking_than_by_calling() {
    let upstream = Upstream::start().await;
    let program = program(&upstream);
    for (path, verb, origin) in [
        ("/guarded", "POST", "https://evil.example"),
        ("/guarded", "POST", "null"),
        ("/guarded", "DELETE", PAGE),
        ("/nowhere", "GET", PAGE),
        ("/open/../guarded", "GET", PAGE),
        ("/guarded", "no verb", PAGE),
    ] {
        let answer = preflight(&program, path, verb, origin).await;
        assert!((400..500).contains(&status(&answer)), "{path} {verb} {origin}: {answer}");
        assert!(!answer.contains("access-control-allow-methods"), "{answer}");
    }
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn a_page_reads_answers_and_refusals_and_other_pages_read_neither() {
    let upstream = Upstream::start().await;
    let program = program(&upstream);
    let bearer = format!("Authorization: Bearer {KEY}");
    let (page, evil) = (format!("Origin: {PAGE}"), "Origin: https://evil.example".to_owned());
    for (fields, expected) in [(vec![&*bearer], 200), (vec![], 401)] {
        for (origin, readable) in [(&page, true), (&evil, false)] {
            let fields = [&fields[..], &[&**origin]].concat();
            let answer = ask(program.address, "GET /guarded", &fields).await;
            assert_eq!(status(&answer), expected, "{answer}");
            let allowed = format!("access-control-allow-origin: {PAGE}\r\n");
            assert_eq!(answer.contains(&allowed), readable, "{answer}");
            assert!(answer.contains("vary: origin\r\n"), "{answer}");
        }
    }
}

#[tokio::test]
async fn questions_draw_on_the_limit_of_the_call() {
    let upstream = Upstream::start().await;
    let program = program(&upstream);
    for expected in [204, 204, 429] {
        let answer = preflight(&program, "/native", "SUMMARIZE", PAGE).await;
        assert_eq!(status(&answer), expected, "{answer}");
    }
}

#[tokio::test]
async fn where_no_page_is_named_none_is_answered_for() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let answer = preflight(&program, "/open/x", "GET", PAGE).await;
    assert_eq!(status(&answer), 405, "{answer}");
    let answer = ask(program.address, "GET /open/x", &[&format!("Origin: {PAGE}")]).await;
    assert!(status(&answer) == 200 && !answer.contains("access-control"), "{answer}");
}
