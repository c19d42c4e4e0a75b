//! What does `server` mean? Addresses, certificates, bounds.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bartizan::core::admit::Cors;
use bartizan::validate::MAX_BODY_MEMORY;
use http::HeaderName;
use ipnet::IpNet;

use crate::tls::Pair;

use super::super::decode::Located;
use super::super::file::leaf::{Listen, Network, Source};
use super::super::file::server as file;
use super::super::substitute::Missing;
use super::super::tree::Place;
use super::mcp;
use super::oidc;
use super::resolver::Resolver;

/// How the gateway is reached.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub listen: SocketAddr,
    /// By which address callers reach it, where that was written.
    pub public_url: Option<Arc<str>>,
    /// Its certificate; `None` speaks plain HTTP.
    pub tls: Option<Tls>,
    /// The largest request body where an endpoint says nothing else, in bytes.
    pub max_request_size: u64,
    /// From whom forwarded addresses are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which web pages may call.
    pub cors: Option<Cors>,
    /// How long to wait for what, where an endpoint says nothing else.
    pub timeouts: Timeouts,
    /// Where health, readiness and metrics are.
    pub admin: SocketAddr,
    /// Whether somebody wrote that plain HTTP off loopback is wanted.
    pub danger_allow_plaintext: bool,
    /// Bounds of the protocol.
    pub http: Http,
}

/// A certificate and its key, as paths: they are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The chain, PEM.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
    /// The authorities of client certificates, PEM.
    pub client_ca: Option<PathBuf>,
    /// Whether a client may show none.
    pub client_optional: bool,
}

impl Tls {
    /// The same, to be read.
    #[must_use]
    pub fn pair(&self) -> Pair {
        let Self { cert, key, client_ca, client_optional } = self.clone();
        Pair { cert, key, client_ca, client_optional }
    }
}

/// How long to wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a request's head.
    pub header: Duration,
    /// For a request's body.
    pub body: Duration,
    /// For the upstream's answer to begin, and between its parts.
    pub upstream: Duration,
    /// For the next request on a connection.
    pub idle: Duration,
    /// For requests under way when the gateway stops.
    pub drain: Duration,
    /// For a call to be settled, beyond `upstream`.
    pub settle: Duration,
}

/// Bounds of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http {
    /// The largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// The most header lines.
    pub max_headers: usize,
    /// The most HTTP/2 streams on one connection.
    pub max_streams: u32,
    /// The most connections.
    pub max_connections: usize,
    /// The most connections of one address.
    pub max_connections_per_address: Option<usize>,
    /// The room for bodies that are read whole, in bytes.
    pub max_body_memory: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            header: Duration::from_secs(10),
            body: Duration::from_secs(30),
            upstream: Duration::from_mins(5),
            idle: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            settle: bartizan::SETTLE_TIMEOUT,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http {
            max_header_bytes: 32_768,
            max_headers: 100,
            max_streams: 100,
            max_connections: 10_000,
            max_connections_per_address: None,
            max_body_memory: MAX_BODY_MEMORY,
        }
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    server: Option<&Located<file::Server>>,
) -> Option<Server> {
    let empty = file::Server::default();
    let file = server.map_or(&empty, |server| &server.value);
    let listen = listen(resolver, file.listen.as_ref(), 8000);
    let listen = listen.map(|(address, place)| (with_flags(resolver, address), place));
    let tls = tls(resolver, file.tls.as_ref());
    let danger = file.danger_allow_plaintext.as_ref().is_some_and(|danger| danger.value);
    let wanted =
        file.tls.is_some() || resolver.overrides.tls.is_some() || resolver.lost("/server/tls");
    let plain = tls.is_none() && !wanted;
    if let Some((address, place)) =
        listen.as_ref().filter(|(address, _)| plain && !danger && !address.ip().is_loopback())
    {
        let message = format!("plain HTTP on `{address}`, which others can reach");
        resolver.error(place, message, "write `tls: { cert: …, key: … }`; or `danger_allow_plaintext: true` behind something that speaks TLS");
    }
    let admin = admin(resolver, file.admin.as_ref(), listen.as_ref().map(|(address, _)| *address));
    let public_url = file.public_url.as_ref().and_then(|source| public_url(resolver, source));
    Some(Server {
        public_url,
        tls,
        max_request_size: max_request_size(resolver, file),
        trusted_proxies: networks(resolver, &file.trusted_proxies),
        timeouts: timeouts(resolver, file.timeouts.as_ref(), Timeouts::default()),
        danger_allow_plaintext: danger,
        http: http(resolver, file.http.as_ref()),
        cors: file.cors.as_ref().and_then(|cors| self::cors(resolver, cors)),
        listen: listen?.0,
        admin: admin?,
    })
}

fn cors(resolver: &mut Resolver<'_>, file: &Located<file::Cors>) -> Option<Cors> {
    if file.origins.is_empty() && !resolver.lost("/server/cors/origins") {
        let help = "name them under `origins`, or remove `cors`";
        resolver.error(&file.key, "no web page may call", help);
    }
    let origins: Vec<_> =
        file.origins.iter().filter_map(|text| mcp::origin(resolver, text)).collect();
    let headers = file.headers.iter().filter_map(|name| {
        let parsed = HeaderName::from_bytes(name.value.0.as_bytes());
        resolver.take(&name.place, parsed)
    });
    let headers: Vec<_> = headers.collect();
    let credentials = file.credentials.as_ref().is_some_and(|credentials| credentials.value);
    (!origins.is_empty()).then(|| Cors::new(origins, &headers, credentials))
}

/// An origin: without path, query or user.
fn public_url(resolver: &mut Resolver<'_>, source: &Located<Source>) -> Option<Arc<str>> {
    let text = resolver.text(source)?;
    let url = text.trim_end_matches('/');
    if !oidc::secure_url(resolver, &source.place, "public_url", url) {
        return None;
    }
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    if rest.is_empty() || rest.contains(['/', '?', '#', '@', '"', '\\', ' ']) {
        let help = "write scheme and host alone, as `https://gate.example.com`";
        resolver.error(&source.place, "`public_url` is no address of a gateway", help);
        return None;
    }
    Some(url.into())
}

/// The file's timeouts over `base`.
pub(super) fn timeouts(
    resolver: &mut Resolver<'_>,
    file: Option<&Located<file::Timeouts>>,
    base: Timeouts,
) -> Timeouts {
    let Some(file) = file else { return base };
    Timeouts {
        header: resolver.span(file.header.as_ref(), base.header),
        body: resolver.span(file.body.as_ref(), base.body),
        upstream: resolver.span(file.upstream.as_ref(), base.upstream),
        idle: resolver.span(file.idle.as_ref(), base.idle),
        drain: resolver.span(file.drain.as_ref(), base.drain),
        settle: resolver.span(file.settle.as_ref(), base.settle),
    }
}

fn listen(
    resolver: &mut Resolver<'_>,
    text: Option<&Located<Listen>>,
    port: u16,
) -> Option<(SocketAddr, Place)> {
    let Some(text) = text else { return Some((SocketAddr::new(LOOPBACK, port), Place::start())) };
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = local.map(|port| SocketAddr::new(LOOPBACK, port)).or_else(|| text.parse().ok());
    if address.is_none() {
        let help =
            "write an IP address and a port, as `127.0.0.1:8000`, `0.0.0.0:8443` or `[::1]:8000`";
        resolver.error(&text.place, "`listen` is no address with a port", help);
    }
    address.map(|address| (address, text.place.clone()))
}

fn with_flags(resolver: &Resolver<'_>, mut address: SocketAddr) -> SocketAddr {
    if let Some(host) = resolver.overrides.host {
        address.set_ip(host);
    }
    if let Some(port) = resolver.overrides.port {
        address.set_port(port);
    }
    address
}

fn admin(
    resolver: &mut Resolver<'_>,
    admin: Option<&Located<file::Admin>>,
    public: Option<SocketAddr>,
) -> Option<SocketAddr> {
    let (mut address, place) =
        listen(resolver, admin.and_then(|admin| admin.listen.as_ref()), 8001)?;
    if let Some(port) = resolver.overrides.admin_port {
        address.set_port(port);
    }
    if !address.ip().is_loopback() {
        let help = "listen on 127.0.0.1, and let the collector of metrics run beside the gateway";
        resolver.error(
            &place,
            format!("the admin listener on `{address}` has no protection of its own"),
            help,
        );
    }
    if address.port() != 0 && public.is_some_and(|public| same_socket(public, address)) {
        resolver.error(
            &place,
            format!("`{address}` is taken by `server.listen` already"),
            "choose another port",
        );
    }
    Some(address)
}

fn same_socket(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && (one.ip() == other.ip() || one.ip().is_unspecified())
}

fn tls(resolver: &mut Resolver<'_>, tls: Option<&Located<file::Tls>>) -> Option<Tls> {
    let clients = client_ca(resolver, tls);
    if let Some((cert, key)) = resolver.overrides.tls.clone() {
        let place = Place::start();
        let sound = pem(resolver, &place, "--ssl-certfile", &cert, "CERTIFICATE")
            & pem(resolver, &place, "--ssl-keyfile", &key, "PRIVATE KEY");
        let (client_ca, client_optional) = clients?;
        let tls = sound.then_some(Tls { cert, key, client_ca, client_optional })?;
        return loads(resolver, &place, tls);
    }
    let tls = tls?;
    let (cert, key) = (resolver.outside.path(&tls.cert), resolver.outside.path(&tls.value.key));
    let sound = pem(resolver, &tls.cert.place, "cert", &cert, "CERTIFICATE")
        & pem(resolver, &tls.value.key.place, "key", &key, "PRIVATE KEY");
    let (client_ca, client_optional) = clients?;
    let read = sound.then_some(Tls { cert, key, client_ca, client_optional })?;
    loads(resolver, &tls.value.key.place, read)
}

/// Whether the gateway can show it: that is found out before it starts.
fn loads(resolver: &mut Resolver<'_>, place: &Place, tls: Tls) -> Option<Tls> {
    match tls.pair().load() {
        Ok(_) => Some(tls),
        Err(error) => {
            let help = "name a certificate and its own key; `openssl pkey -in KEY -out PLAIN` decrypts one";
            resolver.error(place, error.to_string(), help);
            None
        }
    }
}

/// The authorities of client certificates, and whether a client may show none; `None` where that
/// cannot be known, and nobody may be let in by mistake.
fn client_ca(
    resolver: &mut Resolver<'_>,
    tls: Option<&Located<file::Tls>>,
) -> Option<(Option<PathBuf>, bool)> {
    let Some(tls) = tls else { return Some((None, false)) };
    let optional = tls.client_auth.as_ref().is_some_and(|a| a.value == file::ClientAuth::Optional);
    let Some(text) = &tls.client_ca else {
        if let Some(auth) = &tls.client_auth {
            let help = "name the authorities of the certificates as `client_ca`";
            resolver.error(&auth.place, "`client_auth` without `client_ca`", help);
        }
        return Some((None, false));
    };
    let path = resolver.outside.path(text);
    pem(resolver, &text.place, "client_ca", &path, "CERTIFICATE").then_some((Some(path), optional))
}

/// Whether the file is there and holds a PEM block of that kind (RFC 7468). `name` is the key, or
/// the option of the command line.
fn pem(resolver: &mut Resolver<'_>, place: &Place, name: &str, path: &Path, label: &str) -> bool {
    let begins = |line: &str| {
        line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{label}-----"))
    };
    match resolver.outside.seen.read(path) {
        Ok(text) if text.lines().any(begins) => true,
        Ok(_) => {
            let message =
                format!("`{name}`: the file `{}` holds no PEM block `{label}`", path.display());
            let help = format!("name a file with `-----BEGIN {label}-----` in it");
            resolver.error(place, message, help);
            false
        }
        Err(error) if name.starts_with("--") => {
            let missing = Missing::File(path.to_owned(), error.kind());
            let help = "mend the path on the command line: it begins at the folder where the gateway is started";
            resolver.error(place, format!("`{name}`: {missing}"), help);
            false
        }
        Err(error) => {
            resolver.missing(place, &Missing::File(path.to_owned(), error.kind()));
            false
        }
    }
}

/// The largest body; told where one could never be read whole.
fn max_request_size(resolver: &mut Resolver<'_>, file: &file::Server) -> u64 {
    let size = resolver.size(file.max_request_size.as_ref(), 1_000_000);
    let written = file.http.as_ref().and_then(|http| http.max_body_memory.as_ref());
    let room = resolver.size(written, MAX_BODY_MEMORY);
    let places =
        [written.map(|text| &text.place), file.max_request_size.as_ref().map(|s| &s.place)];
    if let Some(place) = places.into_iter().flatten().next().filter(|_| room / 2 < size) {
        let message = format!(
            "bodies of more than {} bytes, half of `max_body_memory`, are refused where something must inspect them",
            room / 2
        );
        let help = format!(
            "write `http: {{ max_body_memory: {} }}` or more, or a smaller `max_request_size`",
            size.saturating_mul(4)
        );
        resolver.warn(place, message, help);
    }
    size
}

fn networks(resolver: &mut Resolver<'_>, texts: &[Located<Network>]) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for text in texts {
        let network =
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        match network {
            Some(network) if network.prefix_len() == 0 => {
                let help = "name the addresses of your proxies: whoever is listed may claim any client address";
                resolver.error(
                    &text.place,
                    format!("`{network}` trusts every address there is"),
                    help,
                );
            }
            Some(network) => networks.push(network.trunc()),
            None => {
                let help = "write an address and the length of its prefix, as `10.0.0.0/8` or `2001:db8::/32`";
                resolver.error(
                    &text.place,
                    format!("`{}` is no range of addresses", text.value.0),
                    help,
                );
            }
        }
    }
    networks
}

fn http(resolver: &mut Resolver<'_>, file: Option<&Located<file::Http>>) -> Http {
    let Some(file) = file else { return Http::default() };
    let base = Http::default();
    let bytes = resolver.size(file.max_header_bytes.as_ref(), base.max_header_bytes as u64);
    // hyper refuses to read heads into less.
    if let Some(text) =
        file.max_header_bytes.as_ref().filter(|_| !(8_192..=1_048_576).contains(&bytes))
    {
        resolver.wrong(&text.place, "`max_header_bytes` must be from 8192 to 1048576");
    }
    let headers = resolver.count(file.max_headers.as_ref(), base.max_headers as u64, 16..=1_000);
    let streams =
        resolver.count(file.max_streams.as_ref(), u64::from(base.max_streams), 1..=10_000);
    let connections =
        resolver.count(file.max_connections.as_ref(), base.max_connections as u64, 1..=1_000_000);
    let each = file.max_connections_per_address.as_ref();
    let each = each.map(|count| resolver.count(Some(count), connections, 1..=connections));
    Http {
        max_connections_per_address: each.and_then(|each| usize::try_from(each).ok()),
        max_body_memory: resolver.size(file.max_body_memory.as_ref(), base.max_body_memory),
        max_header_bytes: usize::try_from(bytes).unwrap_or(base.max_header_bytes),
        max_headers: usize::try_from(headers).unwrap_or(base.max_headers),
        max_streams: u32::try_from(streams).unwrap_or(base.max_streams),
        max_connections: usize::try_from(connections).unwrap_or(base.max_connections),
    }
}
