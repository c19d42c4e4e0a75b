//! Who is at the other end of the connection? What the listener knows before a byte is read.

use std::net::SocketAddr;
use std::sync::Arc;

use bartizan_core::authenticate::certificate::Certificate;

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
    /// The certificate of the client, where it showed one that an authority of ours signed.
    pub certificate: Option<Arc<Certificate>>,
}

impl Peer {
    /// The other end of a plain connection.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// The certificate of the client, if it has one that counts.
    #[must_use]
    pub fn certificate(&self) -> Option<&Arc<Certificate>> {
        self.tls.as_ref()?.certificate.as_ref()
    }

    /// `https` or `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}
