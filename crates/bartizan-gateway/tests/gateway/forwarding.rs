//! What an upstream gets of a request, and a client of an answer.

use bartizan::serve::Workers;
use http::{Request, Version};
use tokio::io::AsyncWriteExt as _;

use crate::program::{KEY, Program};
use crate::upstream::Upstream;
use crate::wire::{ask, h2, raw, read_until, status};

#[tokio::test]
async fn verbs_of_ones_own_travel_over_both_versions_of_http() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    assert_eq!(status(&ask(program.address, "SUMMARIZE /open/x", &[]).await), 200);
    assert_eq!(status(&ask(program.address, "SUMMARIZE /native", &[]).await), 200);
    let over = ["X-AGIS-Method: SUMMARIZE", "Content-Length: 0"];
    assert_eq!(status(&ask(program.address, "POST /open/x", &over).await), 200);
    let uri = format!("http://{}/native", program.address);
    let request = Request::builder().method("SUMMARIZE").uri(uri).body("text").unwrap();
    let answer = h2(program.address, request).await;
    assert_eq!((answer.status().as_u16(), answer.body().as_str()), (200, "4 bytes"));
    let seen: Vec<_> = upstream
        .seen()
        .iter()
        .map(|seen| {
            let verb = seen.headers.get("x-agis-method").map_or("-", |v| v.to_str().unwrap());
            format!("{} {verb}", seen.method)
        })
        .collect();
    assert_eq!(seen, ["POST SUMMARIZE", "SUMMARIZE -", "POST SUMMARIZE", "SUMMARIZE -"]);
}

#[tokio::test]
async fn the_callers_credential_stays_here_and_their_name_goes_on() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let bearer = format!("Authorization: Bearer {KEY}");
    let forged = ["X-Bartizan-Subject: root", "x_bartizan_roles: admin", "X-Bartizan-Tenant: x"];
    let fields = [&[bearer.as_str()], &forged[..]].concat();
    assert_eq!(status(&ask(program.address, "GET /guarded", &fields).await), 200);
    let seen = upstream.only();
    assert_eq!(seen.headers["x-bartizan-subject"], "key:ci");
    assert_eq!(seen.headers["x-bartizan-scopes"], "data:read");
    assert_eq!(seen.headers["x-bartizan-roles"], "user");
    for name in ["authorization", "x-api-key", "x-bartizan-tenant", "x_bartizan_roles"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    let all = format!("{seen:?}{}{:?}", program.log(), program.records());
    assert!(!all.contains(KEY));
}

#[tokio::test]
async fn the_gates_own_credential_is_shown_to_the_upstream_alone() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let answer = ask(program.address, "POST /rpc?x=1", &["Content-Length: 0"]).await;
    assert_eq!(status(&answer), 200);
    let seen = upstream.only();
    assert_eq!(seen.headers["authorization"], "Bearer upstream-secret");
    assert_eq!(seen.target, "/mcp?x=1");
    assert!(!answer.contains("upstream-secret") && !program.log().contains("upstream-secret"));
}

#[tokio::test]
async fn the_path_of_an_upstream_stands_in_place_of_the_endpoints() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    assert_eq!(status(&ask(program.address, "GET /api/users/7?full", &[]).await), 200);
    assert_eq!(upstream.only().target, "/v1/users/7?full");
}

#[tokio::test]
async fn nothing_that_means_one_connection_passes_in_either_direction() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let request = "GET /open/hops HTTP/1.1\r\nHost: gate\r\nConnection: close, x-drop\r\nX-Drop: 1\r\n\
                   Keep-Alive: timeout=5\r\nTE: gzip\r\nProxy-Authorization: Basic eDp5\r\n\
                   Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nX-Keep: 1\r\n\r\n";
    let answer = raw(program.address, request).await.to_ascii_lowercase();
    let seen = upstream.only();
    for name in ["x-drop", "keep-alive", "te", "proxy-authorization", "upgrade", "http2-settings"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
    assert_eq!(seen.headers["x-keep"], "1");
    for name in ["x-once:", "keep-alive:", "alt-svc:"] {
        assert!(!answer.contains(name), "{answer}");
    }
    assert!(answer.contains("set-cookie: a=b") && answer.contains("x-request-id:"), "{answer}");
}

#[tokio::test]
async fn the_tenant_that_was_decided_on_is_the_one_that_is_sent() {
    let upstream = Upstream::start().await;
    let program = Program::with(upstream.address, &[], |configuration| {
        let own = format!(
            "  - {{ path: /files, verbs: [GET, POST], authenticated: true, tenant: {{ header: X-Tenant }}, \
             upstream: {{ url: \"http://{}\" }} }}\n",
            upstream.address
        );
        let configuration = configuration.replace("id: ci,", "id: ci, tenant: acme,");
        assert!(configuration.contains("tenant: acme"), "{configuration}");
        configuration.replacen("endpoints:\n", &format!("endpoints:\n{own}"), 1)
    });
    let key = format!("X-API-Key: {KEY}");
    let call = async |fields: &[&str]| {
        let fields = [&[key.as_str()], fields].concat();
        status(&ask(program.address, "GET /files", &fields).await)
    };
    assert_eq!(call(&["X-Tenant: acme"]).await, 200);
    assert_eq!(upstream.only().headers["x-tenant"], "acme");
    for fields in [
        &["X-Tenant: globex"][..],
        &["X-Tenant: acme", "Connection: X-Tenant"],
        &["X-Tenant: acme", "Connection: x-tenant", "X_Tenant: globex"],
        &["X-Tenant: acme", "X_Tenant: globex"],
        &["X-Tenant: acme", "X.Tenant: globex"],
        &["X_Tenant: acme"],
    ] {
        assert_eq!(call(fields).await, 403, "{fields:?}");
    }
    assert_eq!(upstream.seen().len(), 1, "nothing of it was sent");
}

#[tokio::test]
async fn what_connection_names_is_not_there_for_whoever_decides() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let key = format!("X-API-Key: {KEY}");
    let named = ["X-API-Key", "x-api-key, close", "keep-alive, X-Api-Key;q=1"];
    for named in named {
        let fields = [key.as_str(), &format!("Connection: {named}")];
        let answer = ask(program.address, "GET /guarded", &fields).await;
        assert_eq!(status(&answer), 401, "{named}");
    }
}

#[tokio::test]
async fn where_a_request_came_from_is_ours_to_say() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let forged = [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "X-Original-URL: /guarded",
    ];
    assert_eq!(status(&ask(program.address, "GET /open/x", &forged).await), 200);
    let seen = upstream.only();
    assert_eq!(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen.headers["x-forwarded-proto"], "http");
    assert_eq!(seen.headers["x-forwarded-host"], program.address.to_string());
    assert_eq!(seen.headers["host"], upstream.address.to_string());
    for name in ["forwarded", "x-real-ip", "x-original-url"] {
        assert!(!seen.headers.contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn an_exchange_has_one_name_on_both_sides_and_in_the_log() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let forged = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let field = format!("X-Request-Id: {forged}");
    let answer = ask(program.address, "GET /open/x", &[&field]).await;
    let name = upstream.only().headers["x-request-id"].to_str().unwrap().to_owned();
    assert_ne!(name, forged);
    assert!(answer.contains(&format!("x-request-id: {name}")), "{answer}");
    crate::program::until(
        || program.records().iter().any(|record| record["request_id"] == name.as_str()),
        || format!("{:?}", program.records()),
    );
}

#[tokio::test]
async fn a_redirect_is_the_clients_to_follow() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let answer = ask(program.address, "GET /open/redirect", &[]).await;
    assert_eq!(status(&answer), 302);
    assert!(answer.contains("location: /open/elsewhere"), "{answer}");
    upstream.only();
}

#[tokio::test]
async fn an_answer_that_is_read_is_asked_for_without_compression() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    let answer = ask(program.address, "GET /masked", &["Accept-Encoding: gzip"]).await;
    assert!(answer.contains("write to ****************"), "{answer}");
    assert!(!upstream.only().headers.contains_key("accept-encoding"));
}

#[tokio::test]
async fn connections_to_the_upstream_are_used_again() {
    let upstream = Upstream::start().await;
    let program = Program::start(upstream.address);
    // Each worker has connections of its own.
    let workers = Workers::cores().get();
    for _ in 0..4 * workers {
        assert_eq!(status(&ask(program.address, "GET /open/x", &[]).await), 200);
    }
    assert!(upstream.connections() <= workers, "{}", upstream.connections());
    assert!(upstream.seen().iter().all(|seen| seen.version == Version::HTTP_11));
}

#[tokio::test]
async fn an_upstream_that_is_not_there_or_does_not_answer_is_told_apart() {
    let upstream = Upstream::start().await;
    let faster = |configuration: String| configuration.replace("upstream: 5s", "upstream: 1s");
    let program = Program::with(upstream.address, &[], faster);
    let answer = ask(program.address, "GET /open/wait", &[]).await;
    assert_eq!(status(&answer), 504, "{answer}");

    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let program = Program::start(nobody);
    let answer = ask(program.address, "GET /open/x", &[]).await;
    assert_eq!(status(&answer), 502, "{answer}");
    assert!(!answer.contains(&nobody.port().to_string()), "nothing of the inside: {answer}");
}

/// An old server's version is its own: told to the client, it would end the client's connection, too.
#[tokio::test]
async fn the_version_of_an_upstream_is_not_told_to_the_client() {
    let old = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let program = Program::start(old.local_addr().unwrap());
    let answers = async {
        let (mut socket, _) = old.accept().await.unwrap();
        read_until(&mut socket, "\r\n\r\n").await;
        socket.write_all(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    };
    let asks = async { ask(program.address, "GET /open/x", &[]).await };
    let (answer, ()) = tokio::join!(asks, answers);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
}
