//! An upstream that shows what reached it.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// Starts one. It ends with the test's runtime.
pub(crate) async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serve =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(show));
            tokio::spawn(serve);
        }
    });
    address
}

/// `{"method","target","headers","body"}`
async fn show(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut headers = Map::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let before = headers.get(name.as_str()).and_then(Value::as_str);
        let value = before.map_or_else(|| value.clone(), |before| format!("{before}, {value}"));
        headers.insert(name.to_string(), value.into());
    }
    let shown = json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    });
    let answer = Response::builder().header("content-type", "application/json");
    Ok(answer.body(Full::from(shown.to_string())).unwrap())
}
