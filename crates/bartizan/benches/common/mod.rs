//! An app that is asked without a network: a cached token, one rate limit, a body of 1 KB that is
//! checked by a schema, no search for personal data.

#![allow(dead_code, reason = "each benchmark uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot be set up may panic"
)]

use std::sync::Arc;

use bartizan::app::AppBuilder;
use bartizan::body::Body;
use bartizan::core::audit::{Entry, Event, Receipt, Trail};
use bartizan::limits::{self, By};
use bartizan::peer::Peer;
use bartizan::pii::Pii;
use bartizan::works::Tokens;
use bartizan::{App, Json, endpoint};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Takes every entry and keeps none: what is measured is the road, not a disk.
#[derive(Debug)]
pub(crate) struct Discard;

impl Trail for Discard {
    fn append(&self, _: &Entry) -> Receipt {
        Receipt::Done
    }

    fn keeps(&self, _: Event) -> bool {
        true
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    document_id: String,
    #[schemars(length(max = 2000))]
    text: String,
    #[schemars(range(min = 1, max = 1000))]
    max_words: u32,
    tags: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Summary {
    words: usize,
}

/// Of `secret`.
const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
    MDEyMzQ1Njc4OWFiY2RlZg$8qPpaWig0H31wvibKAgpght2Ry2M8rtRQYtZ93ooMus";

/// An app, and a token that it has seen.
pub(crate) struct Bench {
    pub(crate) app: App,
    pub(crate) authorization: String,
    pub(crate) body: Bytes,
    pub(crate) peer: Peer,
}

fn guarded() -> AppBuilder {
    App::builder("Bench")
        .tokens(Tokens::new("https://gate.test").user("ann", PASSWORD_HASH, &["data:read"], &[]))
        .trail(Arc::new(Discard))
        .endpoint(
            endpoint("GET", "/bare").public().call(|_| async { Ok(Json(Summary { words: 0 })) }),
        )
        .endpoint(
            endpoint("GET", "/known")
                .scope("data:read")
                .call(|_| async { Ok(Json(Summary { words: 0 })) }),
        )
        .endpoint(
            endpoint("GET", "/limited")
                .scope("data:read")
                .limit(limits::rpm("plenty", 1_000_000_000, By::User))
                .call(|_| async { Ok(Json(Summary { words: 0 })) }),
        )
        .endpoint(order("SUMMARIZE"))
        .endpoint(order("SCREENED").pii())
}

struct Drafted(bartizan::endpoint::Draft<bartizan::endpoint::Policed>);

fn order(verb: &str) -> Drafted {
    let limit = limits::rpm("plenty", 1_000_000_000, By::User);
    Drafted(endpoint(verb, "/document").scope("data:read").limit(limit))
}

impl Drafted {
    fn pii(self) -> Self {
        Self(self.0.pii(&Pii::new()))
    }
}

impl From<Drafted> for bartizan::endpoint::Served {
    fn from(Drafted(draft): Drafted) -> Self {
        // The handler itself does as good as nothing.
        draft.json(|_, Order { document_id, text, max_words, tags }: Order| async move {
            let words = document_id.len() + text.len() + tags.len();
            Ok(Json(Summary { words: words.min(max_words as usize) }))
        })
    }
}

impl Bench {
    pub(crate) async fn build() -> Self {
        let app = guarded().build().await.unwrap();
        let peer = Peer::plain(([192, 0, 2, 1], 4711).into());
        let body = json!({
            "document_id": "doc_001",
            "text": "The harbour lies still in the morning. ".repeat(24),
            "max_words": 120,
            "tags": ["harbour", "morning", "still"],
        });
        let body = Bytes::from(body.to_string());
        assert!((1000..1100).contains(&body.len()), "{}", body.len());
        let form = "grant_type=password&username=ann&password=secret";
        let login = Request::post("/token")
            .header("host", "gate.test")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::full(form))
            .unwrap();
        let given = app.handle(login, peer.clone()).await;
        let given = given.into_body().collect().await.unwrap().to_bytes();
        let given: Value = serde_json::from_slice(&given).unwrap();
        let authorization = format!("Bearer {}", given["access_token"].as_str().unwrap());
        Self { app, authorization, body, peer }
    }

    /// A request as a listener hands it over: parsed, with its body still to be read.
    pub(crate) fn request(&self, verb: &str, path: &str) -> Request<Body> {
        let mut request = Request::builder()
            .method(verb)
            .uri(path)
            .header("host", "gate.test")
            .header("user-agent", "bench/1.0")
            .header("accept", "*/*");
        if path != "/bare" {
            request = request.header("authorization", &self.authorization);
        }
        if path != "/document" {
            return request.body(Body::empty()).unwrap();
        }
        let request = request
            .header("content-type", "application/json")
            .header("content-length", self.body.len());
        request.body(Body::full(self.body.clone())).unwrap()
    }

    pub(crate) async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let answer = self.app.handle(request, self.peer.clone()).await;
        assert_eq!(answer.status(), 200);
        answer
    }
}

/// What is measured: each adds a duty to the one before.
pub(crate) const ROADS: [(&str, &str, &str); 5] = [
    ("public, no body", "GET", "/bare"),
    ("+ cached token, scope", "GET", "/known"),
    ("+ one rate limit", "GET", "/limited"),
    ("+ 1 KB checked by schema", "SUMMARIZE", "/document"),
    ("+ personal data searched", "SCREENED", "/document"),
];
