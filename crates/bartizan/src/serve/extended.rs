//! A WebSocket over HTTP/2 (RFC 8441), read as the upgrade of HTTP/1.1 that it means.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::ext::Protocol;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Marks a request that asked for a WebSocket by an extended CONNECT.
#[derive(Clone, Debug)]
pub(crate) struct Extended {
    /// Keeps the connection for as long as the WebSocket is open.
    pub(crate) hold: Hold,
    /// What the upstream must answer to the key that was made for it.
    pub(crate) accept: String,
}

/// A share in a connection that others use as well.
#[derive(Clone)]
pub(crate) struct Hold {
    #[expect(dead_code, reason = "held, not read")]
    under_way: Arc<dyn Any + Send + Sync>,
    closing: CancellationToken,
}

impl Hold {
    pub(super) fn new(under_way: impl Any + Send + Sync, closing: CancellationToken) -> Self {
        Self { under_way: Arc::new(under_way), closing }
    }

    /// Is cancelled when the server stops: the connection waits for its streams.
    pub(crate) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

/// Whether a request is one that this file reads.
pub(super) fn is_extended<B>(request: &Request<B>) -> bool {
    request.version() == Version::HTTP_2
        && *request.method() == Method::CONNECT
        && request
            .extensions()
            .get::<Protocol>()
            .is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

/// Writes it as the road reads it. A key is made for it, which HTTP/2 does not need.
pub(super) fn rewrite<B>(request: &mut Request<B>, hold: Hold) {
    let key = STANDARD.encode(clock::chance().to_be_bytes());
    let accept = derive_accept_key(key.as_bytes());
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(key) = HeaderValue::from_str(&key) {
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
    }
    request.extensions_mut().insert(Extended { hold, accept });
}

/// What belongs to HTTP/1.1 alone.
const OF_THE_UPGRADE: [HeaderName; 3] =
    [header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT];

/// The answer as HTTP/2 has it: 200 opens the WebSocket.
pub(super) fn answer<B>(mut response: Response<B>) -> Response<B> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        *response.status_mut() = StatusCode::OK;
    }
    for name in OF_THE_UPGRADE {
        response.headers_mut().remove(name);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_websocket_is_read_and_it_is_read_as_an_upgrade() {
        let connect = |protocol: Option<&'static str>, version| {
            let mut request = Request::builder().method("CONNECT").version(version);
            if let Some(protocol) = protocol {
                request = request.extension(Protocol::from_static(protocol));
            }
            request.uri("http://a/socket").body(()).unwrap()
        };
        assert!(!is_extended(&connect(None, Version::HTTP_2)));
        assert!(!is_extended(&connect(Some("connect-udp"), Version::HTTP_2)));
        assert!(!is_extended(&connect(Some("websocket"), Version::HTTP_11)));
        let mut request = connect(Some("websocket"), Version::HTTP_2);
        assert!(is_extended(&request));
        rewrite(&mut request, Hold::new((), CancellationToken::new()));
        assert_eq!(
            (request.method(), &request.headers()["upgrade"]),
            (&Method::GET, &HeaderValue::from_static("websocket"))
        );
        let key = request.headers()["sec-websocket-key"].as_bytes();
        assert_eq!(request.extensions().get::<Extended>().unwrap().accept, derive_accept_key(key));
    }
}
