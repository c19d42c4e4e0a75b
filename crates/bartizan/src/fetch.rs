//! What does this address say? One bounded request, for keys, metadata and word on tokens.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bartizan_core::authenticate::freshness;
use bartizan_core::json;
use bartizan_core::limit::BoxFuture;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tower_service::Service;

/// Whoever can read an address.
pub trait Fetch: Send + Sync + fmt::Debug {
    /// Reads what stands at `url`: at most `most` bytes, in at most `patience`, without following
    /// redirects.
    fn get<'a>(
        &'a self,
        url: &'a str,
        most: usize,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>>;

    /// Sends a form, and reads the answer under the same bounds.
    fn post<'a>(
        &'a self,
        form: Form<'a>,
        most: usize,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>>;
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The body.
    pub body: Bytes,
    /// How long it is good for, as its sender says; none where it does not say.
    pub life: Option<Duration>,
}

/// A form to send.
pub struct Form<'a> {
    /// Where to.
    pub url: &'a str,
    /// `application/x-www-form-urlencoded`.
    pub body: String,
    /// What proves who sends it.
    pub authorization: Option<HeaderValue>,
}

/// A form is a credential, and in most cases a second one.
impl fmt::Debug for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why an address could not be read. For the operator; no client sees it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an address that is read: no `https`, nor plain `http` to this machine.
    #[error("`{0}` is not read: it must be https, or http on loopback")]
    Scheme(String),
    /// It leads into a private network, and nobody wrote it there by hand.
    #[error(
        "`{0}` lies in a private network; if that is right, write the address itself in the configuration, such as `jwks_uri`"
    )]
    Private(String),
    /// Another answer than 200.
    #[error("`{0}` answered {1}")]
    Status(String, StatusCode),
    /// A no in the words of OAuth (RFC 6749 section 5.2).
    #[error("`{0}` answered {1}: {2}")]
    Denied(String, StatusCode, String),
    /// No connection, or it broke, or the answer was too long.
    #[error("`{0}` could not be read: {1}")]
    Broken(String, String),
    /// Not in time.
    #[error("`{0}` did not answer in time")]
    TooSlow(String),
    /// This machine has no certificates to trust.
    #[error("no root certificates to check others by: {0}; install `ca-certificates`")]
    Roots(rustls::Error),
}

/// Reads addresses over the network, by TLS with the roots of this machine.
#[derive(Clone)]
pub struct HttpFetch {
    client: Client<HttpsConnector<HttpConnector<Guarded>>, Full<Bytes>>,
    by_hand: Arc<[String]>,
}

impl HttpFetch {
    /// Trusts the roots of this machine. `by_hand` are hosts that an operator wrote down: they
    /// may lie in a private network, and others, to which a document points, may not.
    ///
    /// # Errors
    /// [`FetchError::Roots`] where there are none.
    pub fn new(by_hand: Vec<String>) -> Result<Self, FetchError> {
        Self::keeping(by_hand, 1)
    }

    /// The same, and keeps so many connections to each host open for a while.
    ///
    /// # Errors
    /// As [`HttpFetch::new`].
    pub fn keeping(by_hand: Vec<String>, idle: usize) -> Result<Self, FetchError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(FetchError::Roots)?
            .try_with_platform_verifier()
            .map_err(FetchError::Roots)?
            .with_no_client_auth();
        Ok(Self::connecting(config, by_hand, idle))
    }

    /// Trusts what `config` trusts.
    #[must_use]
    pub fn with_tls(config: ClientConfig, by_hand: Vec<String>) -> Self {
        Self::connecting(config, by_hand, 1)
    }

    fn connecting(config: ClientConfig, by_hand: Vec<String>, idle: usize) -> Self {
        let by_hand: Arc<[String]> = by_hand.into();
        let resolver = Guarded { resolver: GaiResolver::new(), by_hand: Arc::clone(&by_hand) };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        let https = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http();
        let connector = https.enable_http1().enable_http2().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .pool_max_idle_per_host(idle)
            .build(connector);
        Self { client, by_hand }
    }

    /// Sends a message to an address that somebody wrote down by hand, and takes any success for
    /// an answer.
    ///
    /// # Errors
    /// [`FetchError`] says why it did not arrive.
    pub async fn deliver(
        &self,
        message: Request<Bytes>,
        patience: Duration,
    ) -> Result<(), FetchError> {
        let url = place(message.uri());
        self.check(message.uri(), &url)?;
        let sent = self.client.request(message.map(Full::new));
        match tokio::time::timeout(patience, sent).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(FetchError::Status(url, answer.status())),
            Ok(Err(error)) => Err(FetchError::Broken(url, error.to_string())),
            Err(_elapsed) => Err(FetchError::TooSlow(url)),
        }
    }

    async fn read(&self, url: &str, most: usize) -> Result<Fetched, FetchError> {
        self.ask(Request::get(url), url, Bytes::new(), most).await
    }

    async fn send(&self, form: Form<'_>, most: usize) -> Result<Fetched, FetchError> {
        let mut request = Request::post(form.url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(mut authorization) = form.authorization {
            authorization.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.ask(request, form.url, form.body.into(), most).await
    }

    /// Sends a request, and reads its answer; the time it takes is the caller's to bound. What goes
    /// wrong is told of `url`.
    pub(crate) async fn ask(
        &self,
        request: http::request::Builder,
        url: &str,
        body: Bytes,
        most: usize,
    ) -> Result<Fetched, FetchError> {
        let broken = |error: &dyn fmt::Display| FetchError::Broken(url.into(), error.to_string());
        let request = request.header(header::ACCEPT, "application/json").body(Full::new(body));
        let request = request.map_err(|error| broken(&error))?;
        self.check(request.uri(), url)?;
        let answer = self.client.request(request).await.map_err(|error| {
            broken(
                &std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string),
            )
        })?;
        let status = answer.status();
        if matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
            let body = Limited::new(answer.into_body(), MAX_DENIAL).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            return Err(match denial(&body) {
                Some(code) => FetchError::Denied(url.into(), status, code),
                None => FetchError::Status(url.into(), status),
            });
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status(url.into(), status));
        }
        let life = freshness::lifetime(answer.headers());
        let body = Limited::new(answer.into_body(), most).collect().await;
        Ok(Fetched { body: body.map_err(|error| broken(&error))?.to_bytes(), life })
    }

    /// The scheme, and an address that stands in the URL itself: no resolver is asked for that.
    pub(crate) fn check(&self, uri: &Uri, url: &str) -> Result<(), FetchError> {
        let host = uri.host().unwrap_or_default();
        let address = literal(host);
        let here = host == "localhost" || address.is_some_and(|ip| ip.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if here => {}
            _ => return Err(FetchError::Scheme(url.into())),
        }
        let allowed = self.by_hand.iter().any(|one| one.eq_ignore_ascii_case(host));
        if !allowed && address.is_some_and(|ip| !is_public(ip)) {
            return Err(FetchError::Private(url.into()));
        }
        Ok(())
    }
}

impl Fetch for HttpFetch {
    fn get<'a>(
        &'a self,
        url: &'a str,
        most: usize,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async move {
            let read = tokio::time::timeout(patience, self.read(url, most)).await;
            read.unwrap_or_else(|_| Err(FetchError::TooSlow(url.into())))
        })
    }

    fn post<'a>(
        &'a self,
        form: Form<'a>,
        most: usize,
        patience: Duration,
    ) -> BoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(async move {
            let url = form.url;
            let sent = tokio::time::timeout(patience, self.send(form, most)).await;
            sent.unwrap_or_else(|_| Err(FetchError::TooSlow(url.into())))
        })
    }
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch").field("by_hand", &self.by_hand).finish_non_exhaustive()
    }
}

/// Scheme, host and port of an address whose path or query may be a secret: what is told of it.
#[must_use]
pub fn place(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}", uri.scheme_str().unwrap_or_default())
}

/// The longest no that is read, in bytes.
const MAX_DENIAL: usize = 16 * 1024;

/// The code of a no, where it has the form of one: what else such an answer says may hold anything.
fn denial(body: &[u8]) -> Option<String> {
    let body = json::object(body, 8).ok()?;
    let code = body.get("error")?.as_str()?;
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    ((1..=64).contains(&code.len()) && code.bytes().all(plain)).then(|| code.to_owned())
}

/// The host of a URL, if it is an address.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

/// A resolver that finds no private addresses for names that nobody wrote down by hand. It looks
/// at what is connected to, so a name that resolves differently the second time gains nothing.
#[derive(Clone)]
struct Guarded {
    resolver: GaiResolver,
    by_hand: Arc<[String]>,
}

impl Service<Name> for Guarded {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        self.resolver.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allowed = self.by_hand.iter().any(|one| one.eq_ignore_ascii_case(name.as_str()));
        let resolving = self.resolver.call(name);
        Box::pin(async move {
            let found: Vec<SocketAddr> = resolving.await?.collect();
            let fitting: Vec<_> =
                found.into_iter().filter(|address| allowed || is_public(address.ip())).collect();
            if fitting.is_empty() {
                let refused = "no address outside of private networks; if that is right, write the address itself in the configuration, such as `jwks_uri`";
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, refused));
            }
            Ok(fitting.into_iter())
        })
    }
}

/// Whether an address is one of the open Internet (the registries of RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let assigned = a == 192 && b == 0 && c == 0;
            let benchmark = a == 198 && (18..20).contains(&b);
            !(a == 0
                || a >= 224
                || shared
                || assigned
                || benchmark
                || v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation())
        }
        IpAddr::V6(v6) => {
            // Global unicast is 2000::/3; the tunnels in it that hold an IPv4 address are not
            // taken apart but refused.
            let [first, second, ..] = v6.segments();
            first & 0xe000 == 0x2000
                && first != 0x2002
                && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        let public = |text: &str| is_public(text.parse().unwrap());
        for text in ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"] {
            assert!(public(text), "{text}");
        }
        for text in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!public(text), "{text}");
        }
    }

    #[tokio::test]
    async fn addresses_that_nobody_wrote_down_are_not_read() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let fetch = HttpFetch::with_tls(config, vec!["127.0.0.1".into()]);
        let read = async |url: &str| {
            fetch.get(url, 10, Duration::from_secs(5)).await.unwrap_err().to_string()
        };
        for url in ["http://example.org/", "ftp://127.0.0.1/", "/x", "http://10.0.0.1/"] {
            assert!(read(url).await.contains("must be https"), "{url}");
        }
        for url in ["https://169.254.169.254/", "https://[::1]/", "http://[::1]:1/"] {
            assert!(read(url).await.contains("private network"), "{url}");
        }
        // A name is judged by what it resolves to.
        assert!(read("https://localhost:1/").await.contains("could not be read"));
        assert!(read("http://127.0.0.1:1/").await.contains("could not be read"));
    }
}
