//! What may a handler answer? JSON, anything else, or a problem of its own.

use bartizan_core::id::RequestId;
use bartizan_core::problem;
use bartizan_core::settle::Reported;
use http::{HeaderValue, Response, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::body::Body;
use crate::handler::Answer;

/// What a handler's function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no reply that an endpoint can give",
    note = "return `Json<T>` where `T` is `Serialize` and `JsonSchema`, a `serde_json::Value`, a \
            `String`, a `Response<Body>`, or `Metered<R>` around one of them"
)]
pub trait Reply: Send {
    /// The answer, and what it cost.
    fn answer(self) -> Answer;

    /// The JSON Schema of the answer, where it has one.
    #[must_use]
    fn schema() -> Option<Value>
    where
        Self: Sized,
    {
        None
    }
}

/// A value that goes out as JSON.
#[derive(Clone, Debug)]
pub struct Json<T>(pub T);

/// A reply, and what it cost: tokens, dollars, the model that answered.
#[derive(Clone, Debug)]
pub struct Metered<R> {
    /// The reply.
    pub reply: R,
    /// What it used.
    pub used: Reported,
}

/// Why a handler has no answer: RFC 9457, in the handler's own words.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{title}: {detail}")]
pub struct Problem {
    status: StatusCode,
    name: &'static str,
    title: &'static str,
    detail: String,
}

impl Problem {
    /// A problem of any kind. `name` is the last part of `urn:bartizan:problem:NAME`.
    #[must_use]
    pub fn new(
        status: StatusCode,
        name: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self { status, name, title, detail: detail.into() }
    }

    /// 404: what the call names does not exist.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// 422: the call is well formed and makes no sense.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "Body does not conform", detail)
    }

    /// 500: the handler failed. The reason goes to the operator's log, and not to the client.
    #[must_use]
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        tracing::error!(%reason, "a handler failed");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self::new(status, "internal", "Internal error", "the request failed")
    }

    /// What the client gets.
    #[must_use]
    pub fn answer(&self) -> Answer {
        self.worded(None)
    }

    /// What the client gets, with the name of its request.
    pub(crate) fn answer_to(&self, request: RequestId) -> Answer {
        self.worded(Some(request))
    }

    fn worded(&self, request: Option<RequestId>) -> Answer {
        let mut body = problem::document(self.name, self.title, self.status, &self.detail);
        if let (Some(id), Some(members)) = (request, body.as_object_mut()) {
            members.insert("request_id".into(), id.to_string().into());
        }
        let mut answer = Answer::new(json(&body));
        *answer.response.status_mut() = self.status;
        let media = HeaderValue::from_static("application/problem+json");
        answer.response.headers_mut().insert(header::CONTENT_TYPE, media);
        answer
    }
}

impl<T: Serialize + JsonSchema + Send> Reply for Json<T> {
    fn answer(self) -> Answer {
        match serde_json::to_vec(&self.0) {
            Ok(text) => Answer::new(written(text)),
            Err(error) => Problem::internal(error).answer(),
        }
    }

    fn schema() -> Option<Value> {
        Some(schemars::schema_for!(T).to_value())
    }
}

/// JSON whose shape nobody has written down.
impl Reply for Value {
    fn answer(self) -> Answer {
        Answer::new(json(&self))
    }
}

impl<R: Reply> Reply for Metered<R> {
    fn answer(self) -> Answer {
        Answer { used: Some(self.used), ..self.reply.answer() }
    }

    fn schema() -> Option<Value> {
        R::schema()
    }
}

/// Whatever else HTTP can carry.
impl Reply for Response<Body> {
    fn answer(self) -> Answer {
        Answer::new(self)
    }
}

/// A text.
impl Reply for String {
    fn answer(self) -> Answer {
        let mut response = Response::new(Body::full(self));
        let media = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        Answer::new(response)
    }
}

/// A response with this value as its JSON body.
pub(crate) fn json(value: &Value) -> Response<Body> {
    written(value.to_string().into_bytes())
}

fn written(json: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::full(json));
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
