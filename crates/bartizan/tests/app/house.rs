//! An app with callers, a log in a temporary folder, and a way to ask it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use bartizan::App;
use bartizan::app::AppBuilder;
use bartizan::body::Body;
use bartizan::core::authenticate::api_key::Hash;
use bartizan::works::{ApiKey, Audit};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub(crate) struct House {
    pub(crate) app: App,
    folder: TempDir,
}

/// What a client saw.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

/// A key whose digest an app may know.
pub(crate) fn key(id: &str) -> ApiKey {
    ApiKey::new(id, &Hash::of(&format!("the key of {id}"), None).to_string())
}

/// A request of the holder of that key; of nobody, where there is none.
pub(crate) fn request(who: &str, verb: &str, path: &str, body: &Value) -> Request<Body> {
    let mut request = Request::builder().method(verb).uri(path).header("host", "gate.test");
    if !who.is_empty() {
        request = request.header("x-api-key", format!("the key of {who}"));
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        request = request.header("content-type", "application/json");
        Body::full(body.to_string())
    };
    request.body(body).unwrap()
}

impl House {
    /// Builds the app, with a log of its own.
    pub(crate) async fn build(builder: AppBuilder) -> Self {
        let folder = TempDir::new().unwrap();
        let log = format!("file://{}/audit.jsonl", folder.path().display());
        let app = builder.audit(Audit::to(&log)).build().await.unwrap();
        Self { app, folder }
    }

    /// A folder for an app that is built elsewhere, and the destination of its log.
    pub(crate) fn folder() -> (TempDir, Audit) {
        let folder = TempDir::new().unwrap();
        let log = format!("file://{}/audit.jsonl", folder.path().display());
        (folder, Audit::to(&log))
    }

    pub(crate) fn of(app: App, folder: TempDir) -> Self {
        Self { app, folder }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<Body> {
        let answer: Result<_, Infallible> = self.app.clone().oneshot(request).await;
        answer.unwrap()
    }

    pub(crate) async fn ask(&self, who: &str, verb: &str, path: &str, body: &Value) -> Seen {
        see(self.send(request(who, verb, path, body)).await).await
    }

    /// Everything on record so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.path().join("audit.jsonl")).unwrap();
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The terminal records, after every exchange has ended; each has exactly one.
    pub(crate) async fn ends(&self, exchanges: usize) -> Vec<Value> {
        let is_end = |record: &Value| {
            matches!(record["event"].as_str(), Some("REQUEST_END" | "REQUEST_ERROR"))
        };
        let ends = || self.records().into_iter().filter(is_end).collect::<Vec<_>>();
        let waited = tokio::time::timeout(Duration::from_secs(10), async {
            while ends().len() < exchanges {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waited.await.unwrap_or_else(|_| panic!("{} ends, not {exchanges}", ends().len()));
        let ends = ends();
        let mut by_exchange: HashMap<&str, u32> = HashMap::new();
        for end in &ends {
            *by_exchange.entry(end["request_id"].as_str().unwrap()).or_default() += 1;
        }
        assert!(by_exchange.values().all(|count| *count == 1), "{by_exchange:?}");
        assert_eq!(ends.len(), exchanges);
        ends
    }

    /// The records of one event.
    pub(crate) fn events(&self, event: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["event"] == event).collect()
    }
}

/// Reads an answer to its end.
pub(crate) async fn see(response: Response<Body>) -> Seen {
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let text = || String::from_utf8(bytes.to_vec()).unwrap().into();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
    Seen { status, body }
}
