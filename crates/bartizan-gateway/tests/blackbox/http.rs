//! A small client: one connection for each request, and nothing that it does by itself.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// How long an answer may take before the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    verb: Method,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A request without fields and body.
pub(crate) fn ask(verb: &str, target: &str) -> Ask {
    let verb = Method::from_bytes(verb.as_bytes()).unwrap();
    Ask { verb, target: target.to_owned(), headers: Vec::new(), body: Bytes::new() }
}

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn body(mut self, media: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", media)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn form(self, body: &str) -> Self {
        self.body("application/x-www-form-urlencoded", body.to_owned())
    }

    /// Sends it over HTTP/1.1.
    pub(crate) async fn at(self, address: SocketAddr) -> Answer {
        self.try_at(address).await.unwrap()
    }

    /// Sends it over HTTP/1.1 to somebody who may be gone.
    pub(crate) async fn try_at(self, address: SocketAddr) -> Result<Answer, String> {
        let request = self.request(&self.target).header("host", address.to_string());
        let request = request.body(Full::new(self.body)).unwrap();
        let work = async {
            let stream = TcpStream::connect(address).await.map_err(|e| e.to_string())?;
            let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            whole(send.send_request(request).await).await
        };
        tokio::time::timeout(PATIENCE, work).await.expect("an answer in time")
    }

    /// Sends it over HTTP/2 without asking first.
    pub(crate) async fn at_h2(self, address: SocketAddr) -> Answer {
        let uri = format!("http://{address}{}", self.target);
        let request = self.request(&uri).version(Version::HTTP_2);
        let request = request.body(Full::new(self.body)).unwrap();
        let work = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let connection = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (mut send, connection) = connection.unwrap();
            tokio::spawn(connection);
            whole(send.send_request(request).await).await
        };
        tokio::time::timeout(PATIENCE, work).await.expect("an answer in time").unwrap()
    }

    fn request(&self, uri: &str) -> http::request::Builder {
        let request = Request::builder().method(self.verb.clone()).uri(uri);
        self.headers.iter().fold(request, |request, (name, value)| request.header(name, &**value))
    }
}

async fn whole(
    response: hyper::Result<http::Response<hyper::body::Incoming>>,
) -> Result<Answer, String> {
    let (head, body) = response.map_err(|error| error.to_string())?.into_parts();
    let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}

impl Answer {
    /// The only value of a field; empty where it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().unwrap());
        assert!(values.next().is_none(), "more than one {name}: {:?}", self.headers);
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// Asserts that it is a problem of this name and status.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, name: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:bartizan:problem:{name}"), "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["request_id"], self.header("x-request-id"), "{problem}");
        problem
    }
}

/// What the token endpoint answers to this name and password.
pub(crate) async fn tokens(address: SocketAddr, name: &str, password: &str) -> Value {
    let form = format!("grant_type=password&username={name}&password={password}");
    let answer = ask("POST", "/token").form(&form).at(address).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}
