//! Who is at the other end of the connection? What the listener knows before a byte is read.

use std::net::SocketAddr;
use std::sync::Arc;

/// The other end of a connection. A listener puts it into the extensions of each request; the
/// road believes it, and nothing that a client writes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Its address. Behind a proxy this is the proxy's.
    pub address: SocketAddr,
    /// What was agreed on in the TLS handshake; `None` on a plain connection.
    pub tls: Option<Arc<Tls>>,
}

/// What was agreed on in the TLS handshake.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// The name that the client asked for (RFC 6066 section 3), in lower case.
    pub server_name: Option<Arc<str>>,
}

impl Peer {
    /// The other end of a plain connection.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// Whether the client asked TLS for another host than it asks HTTP for: the certificate it
    /// checked says nothing about `host` (RFC 9110 section 7.4). A name with or without a port.
    #[must_use]
    pub fn misdirects(&self, host: &str) -> bool {
        let Some(name) = self.tls.as_ref().and_then(|tls| tls.server_name.as_deref()) else {
            return false;
        };
        let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
        !host.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_was_checked_for_another_host_does_not_count() {
        let server_name = Some(Arc::from("gate.example"));
        let peer =
            Peer { address: ([127, 0, 0, 1], 9).into(), tls: Some(Arc::new(Tls { server_name })) };
        for host in ["gate.example", "GATE.example:8443", "gate.example."] {
            assert!(!peer.misdirects(host), "{host}");
        }
        for host in ["other.example", "gate.example.evil", "10.0.0.1:443", "[::1]:443", ""] {
            assert!(peer.misdirects(host), "{host}");
        }
        assert!(!Peer::plain(peer.address).misdirects("other.example"));
    }
}
