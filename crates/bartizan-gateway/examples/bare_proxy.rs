//! What does a proxy cost that has no duty? The gateway's accept loop and its kind of client, and nothing between.
//!
//! `cargo run --release --example bare_proxy -- LISTEN UPSTREAM`; `bench/gateway` measures it
//! beside the gateway, so that the share of every duty is known.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use bartizan::body::Body;
use bartizan::peer::Peer;
use bartizan::serve::{Options, Workers, serve};
use http::uri::{Authority, Scheme};
use http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: bare_proxy LISTEN UPSTREAM");
    };
    let upstream: Authority = upstream.parse().context("UPSTREAM is no host and port")?;
    let listen: SocketAddr = listen.parse().context("LISTEN is no address and port")?;
    let answer = move |request: Request<Incoming>, _: Peer| {
        let (client, upstream) = (CLIENT.with(Client::clone), upstream.clone());
        async move { forward(&client, upstream, request).await }
    };
    let workers = Some(Arc::new(Workers::start(Workers::cores())?));
    let options = Options { workers, ..Options::default() };
    serve(TcpListener::bind(listen).await?, answer, options, CancellationToken::new()).await;
    Ok(())
}

thread_local! {
    /// Of each worker its own, as in the gateway.
    static CLIENT: Client<HttpConnector, Body> = {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Client::builder(TokioExecutor::new()).build(connector)
    };
}

async fn forward(
    client: &Client<HttpConnector, Body>,
    upstream: Authority,
    request: Request<Incoming>,
) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let mut uri = std::mem::take(&mut head.uri).into_parts();
    (uri.scheme, uri.authority) = (Some(Scheme::HTTP), Some(upstream));
    head.headers.remove(http::header::HOST);
    head.uri = Uri::from_parts(uri).unwrap_or_default();
    match client.request(Request::from_parts(head, Body::from(body))).await {
        Ok(response) => response.map(Body::from),
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}
