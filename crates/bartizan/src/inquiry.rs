//! May this call pass that somebody else sends on? Proxies ask, and the road answers.
//!
//! The request that is asked about travels the whole road, in the name of its own caller. What
//! answers at its end is [`Pass`], so that nothing is decided, reserved or recorded in another way
//! than for a call of our own.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bartizan_core::admit::envoy::{self, CHECK, MAX_QUESTION, Question};
use bartizan_core::admit::inquiry::{is_inquiry, put, take};
use bartizan_core::admit::{Misdirected, Purpose, ServerName};
use bartizan_core::exchange::{Departure, IDENTITY_PREFIX};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};

use crate::body::Body;
use crate::handler::{Answer, Handler, Work};
use crate::peer::Peer;
use crate::pipeline::Road;
use crate::upstream::{IDENTITY, identity};

/// How somebody asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// By HTTP: the status is the answer.
    Http,
    /// By gRPC, as Envoy's `ext_authz` does.
    Grpc,
}

impl Way {
    /// How a request asks, if it does.
    pub(crate) fn of(request: &Request<Body>) -> Option<Self> {
        let path = request.uri().path();
        if is_inquiry(path) {
            return Some(Self::Http);
        }
        (path == CHECK).then_some(Self::Grpc)
    }
}

/// Lets a call pass, and says who is calling.
#[derive(Debug)]
pub(crate) struct Pass;

impl Handler for Pass {
    fn answer(&self, departure: Departure<Body>) -> Work {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        identity(&departure.caller, &departure.roles, headers);
        // Also where there is nothing to say: a proxy that copies only what is there would leave
        // what its client wrote.
        for name in IDENTITY {
            headers.entry(name).or_insert(HeaderValue::from_static(""));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Box::pin(std::future::ready(Ok(Answer::new(response))))
    }
}

/// Answers whoever asks.
pub(crate) async fn answer(
    road: &Road,
    way: Way,
    request: Request<Body>,
    peer: IpAddr,
) -> Response<Body> {
    match way {
        Way::Http => verify(road, request, peer).await,
        Way::Grpc => check(road, request, peer).await,
    }
}

async fn verify(road: &Road, request: Request<Body>, peer: IpAddr) -> Response<Body> {
    let (mut head, _unread) = request.into_parts();
    let taken = if road.trusts(peer) { take(&mut head) } else { Err(Misdirected::Asker) };
    // What the proxy shows of itself on its connection is nothing that its clients have.
    head.extensions.remove::<ServerName>();
    if let Some(peer) = head.extensions.get_mut::<Peer>() {
        peer.tls = None;
    }
    let purpose = taken.map_or_else(Purpose::Unsound, |()| Purpose::Inquiry);
    let request = Request::from_parts(head, Body::empty());
    road.run(road.open(request, peer, None, false, purpose), None).await
}

async fn check(road: &Road, request: Request<Body>, peer: IpAddr) -> Response<Body> {
    let (head, body) = request.into_parts();
    let read =
        if road.trusts(peer) { read(body, road.patience()).await } else { Err(Misdirected::Asker) };
    let exchange = match read {
        Ok(Question { source, asked, headers }) => {
            let (mut head, body) = Request::new(Body::empty()).into_parts();
            head.headers = headers;
            put(&mut head, asked);
            let source = source.unwrap_or(peer);
            head.extensions.insert(Peer::plain(SocketAddr::new(source, 0)));
            let request = Request::from_parts(head, body);
            road.open(request, source, None, false, Purpose::Inquiry)
        }
        Err(wrong) => {
            let request = Request::from_parts(head, Body::empty());
            road.open(request, peer, None, false, Purpose::Unsound(wrong))
        }
    };
    told(road, road.run(exchange, None).await).await
}

async fn read(body: Body, patience: Duration) -> Result<Question, Misdirected> {
    let whole = Limited::new(body, MAX_QUESTION).collect();
    let whole = tokio::time::timeout(patience, whole).await.map_err(|_| Misdirected::TooSlow)?;
    Question::parse(&whole.map_err(|_| Misdirected::Inquiry)?.to_bytes())
}

/// The answer of the road, as Envoy is told it.
async fn told(road: &Road, answer: Response<Body>) -> Response<Body> {
    let (head, body) = answer.into_parts();
    let message = if head.status == StatusCode::OK {
        let (mut set, mut for_client, mut remove) =
            (HeaderMap::new(), HeaderMap::new(), road.credentials());
        for (name, value) in &head.headers {
            match name.as_str() {
                own if own.starts_with(IDENTITY_PREFIX) && value.is_empty() => {
                    remove.push(name.clone());
                }
                own if own.starts_with(IDENTITY_PREFIX) => {
                    set.append(name, value.clone());
                }
                "ratelimit" | "ratelimit-policy" | "x-request-id" => {
                    for_client.append(name, value.clone());
                }
                _ => {}
            }
        }
        envoy::passes(&set, &remove, &for_client)
    } else {
        // A refusal is short, and here already.
        let body = body.whole().unwrap_or_default();
        envoy::refuses(&Response::from_parts(head, body))
    };
    grpc(message)
}

fn grpc(message: Bytes) -> Response<Body> {
    let done = HeaderMap::from_iter([(
        header::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::new(message).with_trailers(std::future::ready(Some(Ok(done))));
    let mut response = Response::new(Body::new(body));
    let media = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}
