//! Is this a request at all, and is there room at the door? Before any credential is looked at.

pub mod target;
pub mod fields;
pub mod address;
pub mod inquiry;
pub mod cors;
pub mod envoy;

pub use address::{ClientAddress, Proxies};
pub use cors::Cors;
pub use inquiry::Purpose;
pub use target::{ServerName, Target};

/// Why a request is turned away at the door. The client must send another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Misdirected {
    /// The certificate that the client checked is not that of the host it asks for.
    #[error("the host is not the one that was asked for in the TLS handshake")]
    ServerName,
    /// No `Host`, several, or one that differs from the request line (RFC 9112 section 3.2).
    #[error("exactly one Host is needed, and it must equal the authority of the request")]
    Host,
    /// A path that could mean different things to different readers.
    #[error(
        "the path is not in canonical form: no encoded slash, backslash, dot segment, empty \
         segment or control character, and no other spelling of another endpoint's path (capitals, \
         what stands behind `;`, a slash, dot or format at the end)"
    )]
    Path,
    /// A method that equals a known one but for its case: somebody hopes that a check differs
    /// from a handler.
    #[error("the method differs from a known one only in case; methods are case-sensitive")]
    MethodCase,
    /// A method that no endpoint may have: it would open a tunnel or echo credentials.
    #[error("the method is not served")]
    MethodRefused,
    /// `X-AGIS-Method` used where it does not count.
    #[error(
        "X-AGIS-Method counts once, on POST, and names a verb of the endpoint that is no \
         standard method"
    )]
    Override,
    /// `Content-Length` and `Transfer-Encoding` together, or a transfer coding other than a single
    /// `chunked`.
    #[error("the length of the body is ambiguous; send Content-Length, or chunked alone")]
    Framing,
    /// Somebody asks about a call of others who is no proxy of ours.
    #[error("only a proxy in `server.trusted_proxies` may ask about the calls of others")]
    Asker,
    /// A proxy asks so that nobody knows about what.
    #[error(
        "the call that is asked about is not named once: by X-Original-Method and X-Original-URI, by \
         X-Forwarded-Method and X-Forwarded-Uri, or below the path"
    )]
    Inquiry,
    /// No request of HTTP/1.1 (RFC 9112): its first line, a header field, or what it says of the length
    /// of its body.
    #[error(
        "this is no request that can be read: mend its first line, its header fields, or the length \
         of its body"
    )]
    Unreadable,
    /// More header fields, or longer ones, than the server takes.
    #[error("the header section is too large")]
    HeadTooLarge,
    /// The request was not complete in time.
    #[error("the request was not complete in time")]
    TooSlow,
}
