//! What becomes of answers that the protocol of their endpoint does not know?

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::http::{Answer, ask};

const CANARY: &str = "canary-ann@example.org";

/// An upstream that answers as its caller says: `X-Status` and `X-Type`.
async fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let say = service_fn(|request: Request<Incoming>| async move {
                let said = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
                let status: u16 = said("x-status").parse().unwrap();
                let mut answer = Response::builder().status(status);
                if said("x-type") != "none" {
                    answer = answer.header("content-type", said("x-type"));
                }
                let usage = json!({ "prompt_tokens": 7, "completion_tokens": 9 });
                let choice =
                    json!({ "index": 0, "message": { "role": "assistant", "content": CANARY } });
                let error = json!({ "code": -32000, "message": CANARY });
                let said = json!({ "jsonrpc": "2.0", "id": 1, "error": error, "usage": usage, "choices": [choice] });
                Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(said.to_string()))).unwrap())
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), say));
        }
    });
    address
}

async fn gateway() -> Gateway {
    let upstream = parrot().await;
    Gateway::configured(&format!(
        r#"
endpoints:
  - {{ path: "/v1/{{*rest}}", protocol: openai, public: true, upstream: {{ url: "http://{upstream}" }} }}
  - {{ path: "/anthropic/v1/{{*rest}}", protocol: anthropic, public: true, upstream: {{ url: "http://{upstream}" }} }}
  - {{ path: /mcp, protocol: mcp, public: true, tools: {{ "*": {{}} }}, upstream: {{ url: "http://{upstream}" }} }}
  - {{ path: "/pages/{{page}}", verbs: [GET], public: true, handler: health }}
  - {{ path: /pages/admin, verbs: [GET], authenticated: true, handler: health }}
"#
    ))
}

async fn post(gateway: &Gateway, path: &str, body: &Value, status: u16, kind: &str) -> Answer {
    let asked = ask("POST", path).header("x-status", status.to_string()).header("x-type", kind);
    let asked = asked.header("accept", "application/json, text/event-stream");
    asked.json(body).at(gateway.address).await
}

#[tokio::test]
async fn a_model_s_answer_of_a_kind_that_nobody_reads_does_not_pass() {
    let gateway = gateway().await;
    let call =
        json!({ "model": "m", "max_tokens": 5, "messages": [{ "role": "user", "content": "x" }] });
    for path in ["/v1/chat/completions", "/anthropic/v1/messages"] {
        let good = post(&gateway, path, &call, 200, "application/json; charset=utf-8").await;
        assert_eq!(good.status, 200, "{path}: {}", good.text());
        for kind in
            ["application/octet-stream", "text/html", "image/png", "application/x-ndjson", "none"]
        {
            let answer = post(&gateway, path, &call, 200, kind).await;
            assert_eq!(answer.status, 502, "{path} {kind}: {}", answer.text());
            assert!(!answer.text().contains(CANARY));
        }
        // An error of whoever stands before the provider tells its client what happened.
        let error = post(&gateway, path, &call, 503, "text/html").await;
        assert_eq!(error.status, 503);
    }
    let sound = json!({ "model": "m", "input": "x", "voice": "y" });
    assert_eq!(post(&gateway, "/v1/audio/speech", &sound, 200, "audio/mpeg").await.status, 200);
    assert_eq!(post(&gateway, "/v1/audio/speech", &sound, 200, "text/html").await.status, 502);
    assert_eq!(post(&gateway, "/v1/embeddings", &sound, 200, "text/plain").await.status, 502);
}

#[tokio::test]
async fn of_an_mcp_server_s_error_that_is_no_message_nothing_passes_but_its_status() {
    let gateway = gateway().await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "x", "arguments": {} } });
    for status in [400, 404, 500, 503] {
        for kind in ["text/html", "text/plain", "application/octet-stream", "none"] {
            let answer = post(&gateway, "/mcp", &call, status, kind).await;
            assert_eq!((answer.status, answer.text()), (status, ""), "{kind}");
            assert!(answer.headers.get("content-type").is_none());
        }
        let told = post(&gateway, "/mcp", &call, status, "application/json").await;
        assert_eq!(told.status, status);
        assert!(told.text().contains("-32000"), "{}", told.text());
    }
}

#[tokio::test]
async fn a_parameter_of_a_path_does_not_lead_past_a_more_guarded_endpoint() {
    let gateway = gateway().await;
    assert_eq!(ask("GET", "/pages/one;v=2").at(gateway.address).await.status, 200);
    assert_eq!(ask("GET", "/pages/admin").at(gateway.address).await.status, 401);
    for path in ["/pages/admin;x", "/pages/admin;", "/pages/admin%3bx", "/pages/%61dmin;x=1"] {
        let problem =
            ask("GET", path).at(gateway.address).await.is_problem(400, "malformed-request");
        assert!(problem["detail"].as_str().unwrap().contains("`;`"), "{problem}");
    }
}
