//! The pooled connections to all upstreams: one set for each worker of the gateway.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bartizan_core::admit::Proxies;
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tower_service::Service;

use super::tunnel::Tunnels;
use crate::body::Body;
use crate::serve::here;

/// How upstreams are reached.
#[derive(Clone, Debug)]
pub struct Network {
    /// How long a name look-up, a connection and its TLS handshake may take together.
    pub connect_timeout: Duration,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// How many upgraded connections may stand at a time.
    pub max_tunnels: usize,
    /// Whose word on a client's address is passed on.
    pub proxies: Proxies,
    /// How many workers serve, each of which has connections of its own; see
    /// [`Workers`](crate::serve::Workers).
    pub workers: usize,
}

/// Whose certificates an upstream may show.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// Nobody's: there is no upstream with an `https` address.
    #[default]
    Nobody,
    /// Those that the operating system trusts.
    Platform,
    /// Those of these authorities, and no others.
    Roots(RootCertStore),
}

/// Why TLS to upstreams cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("the certificates that this machine trusts cannot be read: {0}; install ca-certificates")]
pub struct TrustError(#[source] io::Error);

impl Default for Network {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            trust: Trust::default(),
            max_tunnels: 1024,
            proxies: Proxies::default(),
            workers: 0,
        }
    }
}

/// Pooled connections. Cheap to clone; every clone shares the pool.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    /// By the number of the worker; the first is everybody else's.
    pools: Box<[Pools]>,
    tunnels: Tunnels,
    proxies: Proxies,
}

struct Pools {
    plain: Client<Timed<HttpConnector>, Body>,
    prior: Client<Timed<HttpConnector>, Body>,
    tls: Option<TlsPools>,
}

struct TlsPools {
    /// HTTP/2 or HTTP/1.1, as the upstream likes (ALPN).
    negotiated: Client<Timed<HttpsConnector<HttpConnector>>, Body>,
    /// HTTP/1.1 only: what can be upgraded.
    one: Client<Timed<HttpsConnector<HttpConnector>>, Body>,
}

/// Which of the pools a request takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// Cleartext HTTP/1.1.
    Plain,
    /// Cleartext HTTP/2 with prior knowledge (RFC 9113 section 3.3).
    Prior,
    /// TLS, whatever ALPN yields.
    Tls,
    /// TLS and HTTP/1.1.
    TlsOne,
}

/// Uvicorn and Node close a connection that was idle for five seconds. A request that meets such
/// a close on its way is lost, since it is never sent twice; so we close first.
const IDLE_PLAIN: Duration = Duration::from_secs(4);

/// A TLS handshake is worth keeping, and the servers that speak TLS are patient.
const IDLE_TLS: Duration = Duration::from_secs(45);

/// The most idle connections to one upstream.
const MAX_IDLE: usize = 256;

/// The largest head of an answer, in bytes.
const MAX_HEAD: usize = 128 * 1024;

impl Connections {
    /// Pools without a connection yet.
    ///
    /// # Errors
    /// [`TrustError`] where the platform's certificates are to be trusted and cannot be read.
    pub fn new(network: &Network) -> Result<Self, TrustError> {
        let tls = tls_config(&network.trust)?;
        let pools = (0..=network.workers).map(|_| Pools::new(network, tls.as_ref())).collect();
        let tunnels = Tunnels::new(network.max_tunnels);
        let proxies = network.proxies.clone();
        Ok(Self(Arc::new(Shared { pools, tunnels, proxies })))
    }

    /// Those of the worker that asks.
    fn pools(&self) -> Option<&Pools> {
        let pools = &self.0.pools;
        pools.get(here()).or_else(|| pools.first())
    }

    /// Whether upstreams with an `https` address can be reached at all.
    pub(super) fn speak_tls(&self) -> bool {
        self.pools().is_some_and(|pools| pools.tls.is_some())
    }

    /// Sends a request. `None` where TLS is needed and not spoken.
    pub(super) fn send(&self, way: Way, request: http::Request<Body>) -> Option<ResponseFuture> {
        let Pools { plain, prior, tls } = self.pools()?;
        Some(match way {
            Way::Plain => plain.request(request),
            Way::Prior => prior.request(request),
            Way::Tls => tls.as_ref()?.negotiated.request(request),
            Way::TlsOne => tls.as_ref()?.one.request(request),
        })
    }

    pub(super) fn tunnels(&self) -> &Tunnels {
        &self.0.tunnels
    }

    pub(super) fn proxies(&self) -> &Proxies {
        &self.0.proxies
    }

    /// Closes every tunnel, and waits until they are closed. No new one opens.
    pub async fn close_tunnels(&self) {
        self.0.tunnels.close().await;
    }
}

impl Pools {
    fn new(network: &Network, tls: Option<&ClientConfig>) -> Self {
        let limit = network.connect_timeout;
        let timed = |inner| Timed { inner, limit };
        let plain = builder(IDLE_PLAIN).build(timed(tcp()));
        let prior = builder(IDLE_TLS).http2_only(true).build(timed(tcp()));
        let tls = tls.map(|config| {
            let connector = || HttpsConnectorBuilder::new().with_tls_config(config.clone());
            let negotiated = connector().https_only().enable_http1().enable_http2();
            let one = connector().https_only().enable_http1();
            let build = |inner| builder(IDLE_TLS).build(Timed { inner, limit });
            let negotiated = build(negotiated.wrap_connector(tcp()));
            TlsPools { negotiated, one: build(one.wrap_connector(tcp())) }
        });
        Self { plain, prior, tls }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").field("tls", &self.speak_tls()).finish_non_exhaustive()
    }
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp
}

fn builder(idle: Duration) -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_idle_timeout(idle)
        .pool_max_idle_per_host(MAX_IDLE)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http1_max_buf_size(MAX_HEAD)
        .http2_max_header_list_size(MAX_HEAD as u32)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        // A call may cost money: it is sent once, or not at all.
        .retry_canceled_requests(false);
    builder
}

fn tls_config(trust: &Trust) -> Result<Option<ClientConfig>, TrustError> {
    use hyper_rustls::ConfigBuilderExt as _;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError(io::Error::other(error)))?;
    let builder = match trust {
        Trust::Nobody => return Ok(None),
        Trust::Platform => builder
            .try_with_platform_verifier()
            .map_err(|error| TrustError(io::Error::other(error)))?,
        Trust::Roots(roots) => builder.with_root_certificates(roots.clone()),
    };
    Ok(Some(builder.with_no_client_auth()))
}

/// A connector that gives up in time, whatever it waits for: a name, a connection, a handshake.
#[derive(Clone)]
struct Timed<C> {
    inner: C,
    limit: Duration,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri>,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
    C::Response: Send,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(uri));
        Box::pin(async { connecting.await?.map_err(Into::into) })
    }
}
