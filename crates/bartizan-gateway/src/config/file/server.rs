//! The keys below `server`: how the gateway is reached.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::decode::Located;
use super::leaf::{Count, Listen, Network, Size, Source, Span, Word};

/// How the gateway is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The address and port to listen on. Flags: `--host`, `--port`. Default: `127.0.0.1:8000`.
    pub listen: Option<Located<Listen>>,
    /// The address by which callers reach the gateway, as `https://gate.example.com`. It stands in
    /// protected resource metadata (RFC 9728) and in the challenges that lead there; without one
    /// there is no metadata. Default: that of `auth.tokens.issuer`.
    pub public_url: Option<Located<Source>>,
    /// The certificate. Without it the gateway speaks plain HTTP, off loopback only with
    /// `danger_allow_plaintext`.
    pub tls: Option<Located<Tls>>,
    /// The largest request body. Default: `1MB`.
    pub max_request_size: Option<Located<Size>>,
    /// Forwarded addresses are believed only from these ranges. Default: none.
    #[serde(default)]
    pub trusted_proxies: Vec<Located<Network>>,
    /// How long to wait for what.
    pub timeouts: Option<Located<Timeouts>>,
    /// The listener for health, readiness and metrics.
    pub admin: Option<Located<Admin>>,
    /// `true` serves plain HTTP on an address that others can reach. Write it only behind something
    /// that speaks TLS.
    pub danger_allow_plaintext: Option<Located<bool>>,
    /// Bounds of the protocol.
    pub http: Option<Located<Http>>,
    /// Which web pages may call. Default: none.
    pub cors: Option<Located<Cors>>,
}

/// The certificate of the gateway.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, PEM, the server's own first. Flag: `--ssl-certfile`.
    pub cert: Located<Word>,
    /// The private key, PEM. Flag: `--ssl-keyfile`.
    pub key: Located<Word>,
    /// The authorities of client certificates, PEM; with it a client needs a certificate.
    pub client_ca: Option<Located<Word>>,
    /// `optional` lets clients in that show none; what they show must be good all the same.
    /// Default: `required`.
    pub client_auth: Option<Located<ClientAuth>>,
}

/// Whether a client must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Without one there is no connection.
    #[default]
    Required,
    /// Without one there is.
    Optional,
}

/// How long to wait for what.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeouts {
    /// For a request's head. Default: `10s`.
    pub header: Option<Located<Span>>,
    /// For a request's body that is read whole, and between the parts of one that passes in chunks.
    /// Default: `30s`.
    pub body: Option<Located<Span>>,
    /// For the upstream's answer to begin, and between its parts. Default: `5m`.
    pub upstream: Option<Located<Span>>,
    /// For the next request on a connection, and for a client that takes nothing of its answer. Pings are
    /// neither. Default: `60s`.
    pub idle: Option<Located<Span>>,
    /// For requests under way when the gateway stops. Default: `30s`.
    pub drain: Option<Located<Span>>,
    /// For a call to be settled, beyond the time that `upstream` gives its answer to begin: then
    /// what was reserved for it is charged. What a gateway that was killed had reserved stands that
    /// long; a call that lives is given more time as often as it needs. Default: `10m`.
    pub settle: Option<Located<Span>>,
}

/// The listener for health, readiness and metrics.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Its address and port. Flag: `--admin-port`. Default: `127.0.0.1:8001`.
    pub listen: Option<Located<Listen>>,
    /// Its certificate.
    pub tls: Option<Located<Tls>>,
    /// The token that its callers must bring.
    pub auth: Option<Located<Source>>,
}

/// Bounds of the protocol.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The largest head of a request. Default: `32KiB`.
    pub max_header_bytes: Option<Located<Size>>,
    /// The most header lines. Default: 100.
    pub max_headers: Option<Located<Count>>,
    /// The most HTTP/2 streams on one connection. Default: 100.
    pub max_streams: Option<Located<Count>>,
    /// The most connections; further ones wait. Reaching it is told in the log, once a minute at the
    /// most, and counted in `bartizan_connection_bounds_reached_total`. Where the process may not open twice as
    /// many files and sockets (`ulimit -n`, which is raised to its hard limit), it is less, and that is told.
    /// Default: 10000.
    pub max_connections: Option<Located<Count>>,
    /// The most connections of one address, of IPv6 of a /64; further ones are closed at once, and
    /// that is told and counted likewise. Behind a load balancer, whose address all connections have, write
    /// the number of `max_connections`. Default: as many as are left for all others, alone half of them.
    pub max_connections_per_address: Option<Located<Count>>,
    /// The room for bodies that are read whole, since something must inspect them, until the last byte of
    /// them has gone. An address, of IPv6 a /64, has at most as much of it as is left for all others: alone
    /// half, of two each a third. Bodies beyond it are answered 503 with `Retry-After`; that is told in the log,
    /// once a minute at the most, and counted in `bartizan_bodies_without_room_total`. Bodies of up to 4 KiB
    /// are not counted; one that is larger than half of it is answered 413. Default: `128MiB`.
    pub max_body_memory: Option<Located<Size>>,
}

/// Which web pages may call, by CORS. Where this is written, upstreams have no say in it: the gateway
/// answers preflights, and says who may read an answer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// The origins, exactly as browsers write them: `https://app.example.com`, with a port where it is
    /// not that of the scheme.
    #[serde(default)]
    pub origins: Vec<Located<Word>>,
    /// The request headers that they may send. Default: those that the gateway itself and its protocols
    /// read, such as `Authorization`, `X-API-Key`, `Content-Type` and `Mcp-Session-Id`.
    #[serde(default)]
    pub headers: Vec<Located<Word>>,
    /// Whether they may have browsers send cookies and client certificates. Default: `false`.
    pub credentials: Option<Located<bool>>,
}
