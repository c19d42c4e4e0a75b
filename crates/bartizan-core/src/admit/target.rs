//! What is asked for, in the one form in which it is decided and forwarded?

use std::borrow::Cow;
use std::sync::Arc;

use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, header};

use super::Misdirected;

/// The name that a client asked for in the TLS handshake (RFC 6066 section 3). A listener puts it
/// into the extensions of each request of the connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerName(pub Arc<str>);

/// The longest path and query that is served, in bytes.
pub const MAX_TARGET: usize = 8 * 1024;

/// The longest method that is served, in bytes.
pub const MAX_METHOD: usize = 32;

/// A request target that every reader reads alike: what the policy decides on is, byte for
/// byte, what the upstream gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    host: &'a str,
    path: Cow<'a, str>,
}

impl<'a> Target<'a> {
    /// Checks the target of `head` and brings it into canonical form.
    ///
    /// # Errors
    /// [`Misdirected`] where host, path or method can be read in two ways.
    pub fn parse(head: &'a Parts) -> Result<Self, Misdirected> {
        check_method(&head.method)?;
        check_framing(&head.headers)?;
        let host = authority(head)?;
        if head.extensions.get().is_some_and(|name| misdirects(name, host)) {
            return Err(Misdirected::ServerName);
        }
        let path = canonical(head.uri.path())?;
        if head.uri.query().is_some_and(|query| query.len() + path.len() > MAX_TARGET) {
            return Err(Misdirected::Path);
        }
        Ok(Self { host, path })
    }

    /// Host and port as the client wrote them.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host
    }

    /// The path, starting with a slash, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path, where it is not written as the client wrote it.
    #[must_use]
    pub fn into_rewritten(self) -> Option<String> {
        match self.path {
            Cow::Borrowed(_) => None,
            Cow::Owned(path) => Some(path),
        }
    }
}

const KNOWN: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

fn check_method(method: &Method) -> Result<(), Misdirected> {
    let name = method.as_str();
    if matches!(name, "TRACE" | "CONNECT") || name.len() > MAX_METHOD {
        return Err(Misdirected::MethodRefused);
    }
    let twin = KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known) && name != *known);
    if twin { Err(Misdirected::MethodCase) } else { Ok(()) }
}

/// One length, and no coding but `chunked` (RFC 9112 sections 6.1 and 6.3): what another reader
/// would have to undo before it sees the body has not been undone here.
fn check_framing(headers: &HeaderMap) -> Result<(), Misdirected> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    let chunked = coding.to_str().is_ok_and(|name| name.trim().eq_ignore_ascii_case("chunked"));
    let alone = codings.next().is_none() && !headers.contains_key(header::CONTENT_LENGTH);
    if chunked && alone { Ok(()) } else { Err(Misdirected::Framing) }
}

/// Exactly one authority: of the request target, of `Host`, or of both where they agree
/// (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
fn authority(head: &Parts) -> Result<&str, Misdirected> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().map(|value| value.to_str().map_err(|_| Misdirected::Host));
    let host = host.transpose()?;
    if hosts.next().is_some() {
        return Err(Misdirected::Host);
    }
    let named = head.uri.authority().map(Authority::as_str);
    let authority = match (named, host) {
        (Some(named), Some(host)) if named.eq_ignore_ascii_case(host) => host,
        (Some(named), None) => named,
        (None, Some(host)) => host,
        (Some(_), Some(_)) | (None, None) => return Err(Misdirected::Host),
    };
    let parses = || authority.parse::<Authority>().is_ok_and(|a| !a.host().is_empty());
    let sound = is_plain(authority) || (parses() && !authority.contains('@'));
    if sound { Ok(authority) } else { Err(Misdirected::Host) }
}

/// Whether it is a name or an IPv4 address with or without a port, as nearly all are: what needs
/// no parser.
fn is_plain(authority: &str) -> bool {
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !host.is_empty() && host.bytes().all(name) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether the certificate that a client checked says nothing about `host`, a name with or without
/// a port (RFC 9110 section 7.4).
fn misdirects(ServerName(name): &ServerName, host: &str) -> bool {
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
    !host.trim_end_matches('.').eq_ignore_ascii_case(name.trim_end_matches('.'))
}

/// A path that has one reading: percent-encodings are valid, with capital digits; what need not
/// be encoded is not; no byte that a reader further on may take for a separator or a step up.
fn canonical(path: &str) -> Result<Cow<'_, str>, Misdirected> {
    if !path.starts_with('/') || path.len() > MAX_TARGET {
        return Err(Misdirected::Path);
    }
    let path = decoded(path)?;
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let inner = segments.peek().is_some();
        // Servlet containers cut `;…` off before they look for `..`.
        let name = segment.split(';').next().unwrap_or_default();
        if matches!(name, "." | "..") || (segment.is_empty() && inner) {
            return Err(Misdirected::Path);
        }
    }
    Ok(path)
}

/// The path with what needs to be encoded encoded, and nothing else.
fn decoded(path: &str) -> Result<Cow<'_, str>, Misdirected> {
    let refused = |byte: u8| matches!(byte, b'\\' | 0..=b' ' | 0x7f..);
    if path.bytes().any(refused) {
        return Err(Misdirected::Path);
    }
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut out = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => decode(&mut bytes, &mut out)?,
            _ => out.push(char::from(byte)),
        }
    }
    // What says the same in canonical form stays as it is: nothing needs to be written anew.
    Ok(if out == path { Cow::Borrowed(path) } else { Cow::Owned(out) })
}

fn decode(bytes: &mut impl Iterator<Item = u8>, out: &mut String) -> Result<(), Misdirected> {
    let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
    let (Some(high), Some(low)) = (digit(), digit()) else { return Err(Misdirected::Path) };
    let byte = u8::try_from(high * 16 + low).map_err(|_| Misdirected::Path)?;
    match byte {
        b'/' | b'\\' | 0..=0x1f | 0x7f => return Err(Misdirected::Path),
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            out.push(char::from(byte));
        }
        // A percent sign that stands for itself: decoded twice it could become anything.
        b'%' => return Err(Misdirected::Path),
        _ => out.push_str(&format!("%{byte:02X}")),
    }
    Ok(())
}

static X_AGIS_METHOD: HeaderName = HeaderName::from_static("x-agis-method");

/// Headers that name a method elsewhere, and never here.
static OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Whether a header names a method, here or elsewhere.
#[must_use]
pub fn names_a_method(headers: &HeaderMap) -> bool {
    OVERRIDES.iter().chain([&X_AGIS_METHOD]).any(|name| headers.contains_key(name))
}

/// Removes every header by which a client might name a method, and reads the one that counts,
/// `X-AGIS-Method`.
///
/// # Errors
/// [`Misdirected::Override`] where it is there more than once, not on `POST`, or names a
/// standard method.
pub fn take_override(
    method: &Method,
    headers: &mut HeaderMap,
) -> Result<Option<Method>, Misdirected> {
    // Most requests have no field of this kind at all, and each look into the map costs as much as
    // this one over all names.
    if !headers.keys().any(|name| name.as_str().starts_with("x-")) {
        return Ok(None);
    }
    for other in &OVERRIDES {
        headers.remove(other);
    }
    let mut values = headers.get_all(&X_AGIS_METHOD).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || method != Method::POST {
        return Err(Misdirected::Override);
    }
    let verb = Method::from_bytes(value.as_bytes()).map_err(|_| Misdirected::Override)?;
    let standard = KNOWN.iter().any(|known| verb.as_str().eq_ignore_ascii_case(known));
    if standard || verb.as_str().len() > MAX_METHOD {
        return Err(Misdirected::Override);
    }
    headers.remove(&X_AGIS_METHOD);
    Ok(Some(verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_was_checked_for_another_host_does_not_count() {
        let name = ServerName("gate.example".into());
        for host in ["gate.example", "GATE.example:8443", "gate.example."] {
            assert!(!misdirects(&name, host), "{host}");
        }
        for host in ["other.example", "gate.example.evil", "10.0.0.1:443", "[::1]:443", ""] {
            assert!(misdirects(&name, host), "{host}");
        }
    }

    #[test]
    fn a_path_with_two_readings_is_refused() {
        for path in [
            "/a/../b",
            "/a/..",
            "/./a",
            "/a/%2e%2e/b",
            "/a%2Fb",
            "/a%2fb",
            "/a\\b",
            "/a%5cb",
            "/a%00",
            "/a%0d%0a",
            "//a",
            "/a//b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%252e",
            "/..;/a",
            "/a/..;x=1/b",
            "a",
            "*",
            "/a b",
        ] {
            assert_eq!(canonical(path), Err(Misdirected::Path), "{path}");
        }
    }

    #[test]
    fn paths_that_mean_the_same_become_the_same() {
        assert_eq!(canonical("/%64ocument").unwrap(), "/document");
        assert_eq!(canonical("/a%e2%82%ac").unwrap(), "/a%E2%82%AC");
        assert_eq!(canonical("/v1/models/").unwrap(), "/v1/models/");
        assert_eq!(canonical("/a..b/...").unwrap(), "/a..b/...");
        assert_eq!(canonical("/").unwrap(), "/");
    }

    #[test]
    fn methods_that_differ_from_a_known_one_only_in_case_are_refused() {
        let check = |m: &str| check_method(&Method::from_bytes(m.as_bytes()).unwrap());
        assert_eq!(check("post"), Err(Misdirected::MethodCase));
        assert_eq!(check("Get"), Err(Misdirected::MethodCase));
        assert_eq!(check("TRACE"), Err(Misdirected::MethodRefused));
        assert_eq!(check("CONNECT"), Err(Misdirected::MethodRefused));
        assert_eq!(check("SUMMARIZE"), Ok(()));
        assert_eq!(check("summarize"), Ok(()));
    }

    #[test]
    fn a_body_is_framed_in_one_way_only() {
        let check = |fields: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers
                    .append(header::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
            check_framing(&headers)
        };
        let te = "transfer-encoding";
        for sound in [&[][..], &[("content-length", "3")], &[(te, "Chunked ")]] {
            assert_eq!(check(sound), Ok(()), "{sound:?}");
        }
        for fields in [
            &[(te, "gzip, chunked")][..],
            &[(te, "identity")],
            &[(te, "chunked"), (te, "chunked")],
            &[(te, "chunked, chunked")],
            &[(te, "chunked"), ("content-length", "3")],
        ] {
            assert_eq!(check(fields), Err(Misdirected::Framing), "{fields:?}");
        }
    }

    #[test]
    fn host_and_authority_must_be_one() {
        let host = |uri: &str, hosts: &[&str]| {
            let mut request = http::Request::builder().uri(uri);
            for host in hosts {
                request = request.header("host", *host);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            Target::parse(&head).map(|t| t.host().to_owned())
        };
        assert_eq!(host("/", &["Example.org"]).unwrap(), "Example.org");
        assert_eq!(host("http://a/", &["a"]).unwrap(), "a");
        assert_eq!(host("http://a/", &[]).unwrap(), "a");
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a", "a"]),
            ("http://a/", &["b"]),
            ("/", &[""]),
            ("/", &["a@b"]),
            ("/", &["a b"]),
        ] {
            assert_eq!(host(uri, hosts), Err(Misdirected::Host), "{uri} {hosts:?}");
        }
    }

    #[test]
    fn an_override_counts_only_once_on_post_and_for_a_custom_verb() {
        let take = |method: Method, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-agis-method", value.parse().unwrap());
            }
            headers.insert("x-http-method-override", "DELETE".parse().unwrap());
            let verb = take_override(&method, &mut headers);
            assert!(!headers.contains_key("x-http-method-override"));
            verb
        };
        assert_eq!(take(Method::POST, &[]), Ok(None));
        let summarize = Method::from_bytes(b"SUMMARIZE").unwrap();
        assert_eq!(take(Method::POST, &["SUMMARIZE"]), Ok(Some(summarize)));
        for (method, values) in [
            (Method::GET, &["SUMMARIZE"][..]),
            (Method::POST, &["SUMMARIZE", "SUMMARIZE"]),
            (Method::POST, &["DELETE"]),
            (Method::POST, &["delete"]),
            (Method::POST, &["SUM MARIZE"]),
        ] {
            assert_eq!(take(method, values), Err(Misdirected::Override), "{values:?}");
        }
    }
}
