//! Which web pages may call, and read what is answered? The CORS protocol of the Fetch standard.
//!
//! A page is known by its origin, exactly; there are no patterns and no `*`. What is let in so is no
//! caller yet: every call shows its own credential.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};

/// The pages that may call.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Vec<Arc<str>>,
    headers: HeaderValue,
    credentials: bool,
}

/// What pages may send where nobody says it: what the gate itself reads, and its protocols.
const SENT: &str = "authorization, content-type, dpop, last-event-id, mcp-method, mcp-name, \
    mcp-protocol-version, mcp-session-id, traceparent, tracestate, x-action, x-agis-method, \
    x-api-key, x-approval-id";

/// What pages may read beside what every page may.
const READ: &str = "dpop-nonce, location, mcp-session-id, ratelimit, ratelimit-policy, retry-after, \
    www-authenticate, x-request-id";

/// For how long a browser need not ask again, in seconds.
const MAX_AGE: u16 = 600;

impl Cors {
    /// Pages of these origins, each written as browsers write it (`https://app.example.com`), may send
    /// these header fields; those that the gate itself reads where none is named. With `credentials`
    /// they may have the browser send cookies and certificates.
    #[must_use]
    pub fn new(origins: Vec<Arc<str>>, headers: &[HeaderName], credentials: bool) -> Self {
        let names: Vec<&str> = headers.iter().map(HeaderName::as_str).collect();
        let named = HeaderValue::from_str(&names.join(", ")).ok().filter(|_| !names.is_empty());
        let headers = named.unwrap_or_else(|| HeaderValue::from_static(SENT));
        Self { origins, headers, credentials }
    }

    /// The page that a request comes from, where it is one of those that may call.
    #[must_use]
    pub fn page<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = once(headers, &ORIGIN)?;
        let known = self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        known.then_some(origin)
    }

    /// The verb of the call that a browser asks about, where this is such a question and of a page
    /// that may call: a preflight (Fetch section 4.8).
    #[must_use]
    pub fn asks_about(&self, head: &Parts) -> Option<Method> {
        if head.method != Method::OPTIONS {
            return None;
        }
        let verb = once(&head.headers, &ACCESS_CONTROL_REQUEST_METHOD)?;
        self.page(&head.headers)?;
        Method::from_bytes(verb.as_bytes()).ok()
    }

    /// Tells a browser that the call of `verb` may be made that it asks about.
    pub fn permit(&self, verb: &Method, headers: &mut HeaderMap) {
        if let Ok(verb) = HeaderValue::from_str(verb.as_str()) {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, verb);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE.into());
        headers.append(VARY, HeaderValue::from_static("access-control-request-method"));
    }

    /// Tells a browser which page may read an answer; `page` is what [`Cors::page`] said of its
    /// request. An upstream has no say in it: two answers to that question are none.
    pub fn sign(&self, page: Option<HeaderValue>, headers: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            headers.remove(name);
        }
        // Also where no page asks: a cache must not show this answer to one.
        headers.append(VARY, HeaderValue::from_static("origin"));
        let Some(page) = page else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(READ));
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// A field that stands there exactly once.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use http::Request;

    use super::*;

    fn cors(credentials: bool) -> Cors {
        Cors::new(vec!["https://app.example".into()], &[], credentials)
    }

    fn page(origins: &[&str]) -> bool {
        let named = origins.iter().map(|origin| (ORIGIN, HeaderValue::from_str(origin).unwrap()));
        cors(false).page(&HeaderMap::from_iter(named)).is_some()
    }

    #[test]
    fn a_page_is_known_by_its_whole_origin_and_no_part_of_it() {
        assert!(page(&["https://app.example"]));
        for other in [
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil.test",
            "https://evil.app.example",
            "https://APP.example",
            "https://app.example/",
            "null",
            "*",
            "",
        ] {
            assert!(!page(&[other]), "{other}");
        }
        assert!(!page(&[]));
        let mut twice = HeaderMap::new();
        twice.append(ORIGIN, HeaderValue::from_static("https://app.example"));
        twice.append(ORIGIN, HeaderValue::from_static("https://evil.test"));
        assert!(cors(false).page(&twice).is_none());
    }

    #[test]
    fn only_a_question_of_a_known_page_is_one() {
        let asks = |method: &str, origin: &str, wanted: &[&str]| {
            let mut request = Request::builder().method(method).uri("/").header(ORIGIN, origin);
            for verb in wanted {
                request = request.header(ACCESS_CONTROL_REQUEST_METHOD, *verb);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            cors(false).asks_about(&head).map(|verb| verb.to_string())
        };
        let page = "https://app.example";
        assert_eq!(asks("OPTIONS", page, &["SUMMARIZE"]).unwrap(), "SUMMARIZE");
        assert_eq!(asks("OPTIONS", page, &[]), None);
        assert_eq!(asks("OPTIONS", page, &["GET", "PUT"]), None);
        assert_eq!(asks("OPTIONS", page, &["not a verb"]), None);
        assert_eq!(asks("GET", page, &["GET"]), None);
        assert_eq!(asks("OPTIONS", "https://evil.test", &["GET"]), None);
    }

    #[test]
    fn the_gate_alone_says_who_may_read_and_cookies_come_only_where_it_is_written() {
        for credentials in [false, true] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            let mut unknown = headers.clone();
            cors(credentials).sign(None, &mut unknown);
            assert_eq!(unknown.len(), 1, "{unknown:?}");
            assert_eq!(unknown[VARY], "origin");
            let page = HeaderValue::from_static("https://app.example");
            cors(credentials).sign(Some(page.clone()), &mut headers);
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], page);
            assert_eq!(headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS), credentials);
        }
    }
}
