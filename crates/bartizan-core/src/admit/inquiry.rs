//! About which request does a proxy ask? Read off the fields in which nginx, Caddy, Traefik and Envoy name it.

use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::Misdirected;

/// Where a proxy asks by HTTP. Below it stands the path that it asks about, as Envoy sends it.
pub const VERIFY: &str = "/auth/verify";

/// Why a request is on the road.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Purpose {
    /// To be answered here.
    #[default]
    Call,
    /// A proxy asks whether it may pass, and sends it on itself.
    Inquiry,
    /// A proxy asks so that nobody knows about what, or is none whose word counts.
    Unsound(Misdirected),
}

static ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
static ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
static ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
static ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-original-host");
static FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
static FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What names the request that is asked about. A client may have written each of them, too.
static NAMING: [&HeaderName; 5] =
    [&ORIGINAL_METHOD, &ORIGINAL_URI, &ORIGINAL_URL, &FORWARDED_METHOD, &FORWARDED_URI];

/// What belongs to the request by which is asked, and not to the one that is asked about.
static OF_THE_QUESTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Whether somebody asks here, instead of calling.
#[must_use]
pub fn is_inquiry(path: &str) -> bool {
    path.strip_prefix(VERIFY).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Turns the request by which a proxy asks into the one that it asks about, which has no body.
///
/// # Errors
/// [`Misdirected::Inquiry`] where that can be understood in two ways: the fields of one kind of
/// proxy reach us through the other kind as its client wrote them.
pub fn take(head: &mut Parts) -> Result<(), Misdirected> {
    let asked = match head.uri.path().strip_prefix(VERIFY) {
        Some("") => named(&head.headers)?,
        Some(_) => below(head)?,
        None => return Err(Misdirected::Inquiry),
    };
    put(head, asked);
    Ok(())
}

/// A request that is asked about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Its path and query.
    pub target: Uri,
    /// Its host, where that is not the one of the question.
    pub host: Option<HeaderValue>,
}

/// Makes `head` that of the request that is asked about.
pub fn put(head: &mut Parts, asked: Asked) {
    let Asked { method, target, host } = asked;
    head.method = method;
    head.uri = target;
    if let Some(host) = host {
        head.headers.insert(header::HOST, host);
    }
    let names = NAMING.into_iter().chain([&ORIGINAL_HOST, &FORWARDED_HOST]);
    for name in names.chain(&OF_THE_QUESTION) {
        head.headers.remove(name);
    }
}

/// A path and query as they stood in a request line.
///
/// # Errors
/// [`Misdirected::Inquiry`] where they could not stand there.
pub fn target(text: &str) -> Result<Uri, Misdirected> {
    // A reader of URLs would end it there, and one of request lines would not.
    let sound = text.starts_with('/') && !text.contains('#');
    let target = text.parse::<PathAndQuery>().ok().filter(|_| sound);
    target.map(Uri::from).ok_or(Misdirected::Inquiry)
}

/// nginx writes `X-Original-…`; Caddy and Traefik write `X-Forwarded-…`.
fn named(headers: &HeaderMap) -> Result<Asked, Misdirected> {
    let any = |names: &[&HeaderName]| names.iter().any(|name| headers.contains_key(*name));
    let forwarded = any(&[&FORWARDED_METHOD, &FORWARDED_URI]);
    let original = any(&[&ORIGINAL_METHOD, &ORIGINAL_URI, &ORIGINAL_URL]);
    match (original, forwarded) {
        (true, false) => original_of(headers),
        (false, true) => {
            let target = target(text(headers, &FORWARDED_URI)?)?;
            let host = optional(headers, &FORWARDED_HOST)?.cloned();
            Ok(Asked { method: method(headers, &FORWARDED_METHOD)?, target, host })
        }
        (true, true) | (false, false) => Err(Misdirected::Inquiry),
    }
}

fn original_of(headers: &HeaderMap) -> Result<Asked, Misdirected> {
    let method = method(headers, &ORIGINAL_METHOD)?;
    let host = optional(headers, &ORIGINAL_HOST)?.cloned();
    let uri = optional(headers, &ORIGINAL_URI)?;
    let Some(url) = optional(headers, &ORIGINAL_URL)? else {
        let target = target(text(headers, &ORIGINAL_URI)?)?;
        return Ok(Asked { method, target, host });
    };
    let url = url.to_str().ok().filter(|url| uri.is_none() && !url.contains('#'));
    let url = url.and_then(|url| url.parse::<Uri>().ok()).ok_or(Misdirected::Inquiry)?;
    let (Some(authority), Some(path)) = (url.authority(), url.path_and_query()) else {
        return Err(Misdirected::Inquiry);
    };
    let named = HeaderValue::from_str(authority.as_str()).map_err(|_| Misdirected::Inquiry)?;
    Ok(Asked { method, target: target(path.as_str())?, host: host.or(Some(named)) })
}

/// Envoy asks with the method, the host and, below ours, the path that it asks about.
fn below(head: &Parts) -> Result<Asked, Misdirected> {
    // Another proxy whose address for questions ends in a slash would ask about `/` each time.
    if NAMING.iter().any(|name| head.headers.contains_key(*name)) {
        return Err(Misdirected::Inquiry);
    }
    let whole = head.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let target = target(whole.strip_prefix(VERIFY).unwrap_or_default())?;
    Ok(Asked { method: head.method.clone(), target, host: None })
}

fn method(headers: &HeaderMap, name: &HeaderName) -> Result<Method, Misdirected> {
    Method::from_bytes(text(headers, name)?.as_bytes()).map_err(|_| Misdirected::Inquiry)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Misdirected> {
    let value = optional(headers, name)?.ok_or(Misdirected::Inquiry)?;
    value.to_str().map_err(|_| Misdirected::Inquiry)
}

/// A field that stands once or not at all: of two, one is the client's.
fn optional<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Misdirected> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Misdirected::Inquiry),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;

    /// The request that is asked about, as one line; nothing where it is refused.
    fn asked(method: &str, uri: &str, fields: &[(&'static str, &'static str)]) -> Option<String> {
        let mut request = http::Request::builder().method(method).uri(uri).header("host", "gate");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        take(&mut head).ok()?;
        assert!(NAMING.iter().all(|name| !head.headers.contains_key(*name)));
        Some(format!("{} {} {}", head.method, head.uri, head.headers["host"].to_str().unwrap()))
    }

    #[test]
    fn each_proxy_is_understood_in_its_own_words() {
        let nginx = [
            ("x-original-method", "POST"),
            ("x-original-uri", "/reports/7?full=1"),
            ("x-original-host", "shop.example"),
        ];
        assert_eq!(asked("GET", VERIFY, &nginx).unwrap(), "POST /reports/7?full=1 shop.example");
        let ingress = [
            ("x-original-method", "GET"),
            ("x-original-url", "https://shop.example/reports/7?full=1"),
        ];
        assert_eq!(asked("GET", VERIFY, &ingress).unwrap(), "GET /reports/7?full=1 shop.example");
        let caddy = [
            ("x-forwarded-method", "SUMMARIZE"),
            ("x-forwarded-uri", "/document"),
            ("x-forwarded-host", "shop.example"),
        ];
        assert_eq!(asked("GET", VERIFY, &caddy).unwrap(), "SUMMARIZE /document shop.example");
        let below = "/auth/verify/reports/7?full=1";
        assert_eq!(asked("DELETE", below, &[]).unwrap(), "DELETE /reports/7?full=1 gate");
        assert_eq!(asked("GET", "/auth/verify/", &[]).unwrap(), "GET / gate");
    }

    #[test]
    fn what_the_client_of_a_proxy_wrote_is_never_taken_for_the_proxys_word() {
        let nginx = [("x-original-method", "DELETE"), ("x-original-uri", "/admin")];
        let caddy = [("x-forwarded-method", "DELETE"), ("x-forwarded-uri", "/admin")];
        for forged in [
            ("x-forwarded-uri", "/public"),
            ("x-forwarded-method", "GET"),
            ("x-original-uri", "/public"),
            ("x-original-method", "GET"),
            ("x-original-url", "http://gate/public"),
        ] {
            for own in [nginx, caddy] {
                let fields = [own.as_slice(), &[forged]].concat();
                assert_eq!(asked("GET", VERIFY, &fields), None, "{fields:?}");
            }
            assert_eq!(asked("GET", "/auth/verify/admin", &[forged]), None, "{forged:?}");
        }
        let two =
            [nginx.as_slice(), &[("x-original-host", "a"), ("x-original-host", "b")]].concat();
        assert_eq!(asked("GET", VERIFY, &two), None);
    }

    #[test]
    fn a_question_without_a_whole_request_is_none() {
        for fields in [
            [].as_slice(),
            &[("x-original-method", "GET")],
            &[("x-original-uri", "/a")],
            &[("x-forwarded-method", "GET")],
            &[("x-forwarded-uri", "/a"), ("x-forwarded-method", "G T")],
            &[("x-forwarded-uri", "a"), ("x-forwarded-method", "GET")],
            &[("x-forwarded-uri", "http://h/a"), ("x-forwarded-method", "GET")],
            &[("x-forwarded-uri", "/a#/../b"), ("x-forwarded-method", "GET")],
            &[("x-original-url", "/a"), ("x-original-method", "GET")],
        ] {
            assert_eq!(asked("GET", VERIFY, fields), None, "{fields:?}");
        }
    }

    #[test]
    fn only_this_path_asks() {
        for path in ["/auth/verify", "/auth/verify/", "/auth/verify/a"] {
            assert!(is_inquiry(path), "{path}");
        }
        for path in ["/", "/auth", "/auth/verified", "/Auth/verify", "//auth/verify"] {
            assert!(!is_inquiry(path), "{path}");
        }
    }
}
