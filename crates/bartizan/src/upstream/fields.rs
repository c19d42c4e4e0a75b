//! Which header fields may pass from one connection to the next?

use bartizan_core::exchange::claims_identity;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that mean one connection only (RFC 9110 section 7.6.1). `te` is among them; its one
/// value that may pass is set anew.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that a client may not set, beside those that claim an identity: where it comes from,
/// which verb it means, and a path other than the one that was decided on.
const OURS_TO_SAY: [&str; 15] = [
    "cf-connecting-ip",
    "forwarded",
    "true-client-ip",
    "x-agis-method",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
    "x-forwarded",
];

/// Fields that this side writes anew, or that it has answered already.
const WRITTEN_ANEW: [&str; 4] = ["authorization", "content-length", "expect", "host"];

/// What of a client's fields may reach an upstream.
pub(super) fn clean_request(headers: &mut HeaderMap) {
    let trailers = wants_trailers(headers);
    remove_listed(headers);
    remove_where(headers, |name| {
        is_hop_by_hop(name) || WRITTEN_ANEW.contains(&name.as_str()) || is_ours_to_say(name)
    });
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    join_cookies(headers);
}

/// A client may send each cookie in a field of its own over HTTP/2; whoever is sent them over
/// HTTP/1.1 must find one field (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<_> =
        headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return;
    }
    if let Ok(all) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(header::COOKIE, all);
    }
}

/// What of an upstream's fields may reach a client.
pub(super) fn clean_answer(headers: &mut HeaderMap) {
    remove_listed(headers);
    // `Alt-Svc` would show clients a way around the gate.
    remove_where(headers, |name| is_hop_by_hop(name) || *name == header::ALT_SVC);
}

/// The protocols that a message wants to change to: those of `Upgrade`, if `Connection` says so.
pub(super) fn upgrade_of(headers: &HeaderMap) -> Option<&HeaderValue> {
    let asked = tokens(headers, &header::CONNECTION).any(|t| t.eq_ignore_ascii_case("upgrade"));
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let protocol = protocols.next().filter(|_| asked)?;
    protocols.next().is_none().then_some(protocol)
}

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(&name.as_str())
}

/// In any spelling: some servers cannot tell `_` from `-`.
fn is_ours_to_say(name: &HeaderName) -> bool {
    let ours = |name: &str| name.starts_with("x-forwarded-") || OURS_TO_SAY.contains(&name);
    let plain = name.as_str();
    claims_identity(name) || ours(plain) || (plain.contains('_') && ours(&plain.replace('_', "-")))
}

/// Removes what `Connection` declares to be of this connection only.
fn remove_listed(headers: &mut HeaderMap) {
    let names: Vec<_> = tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let names: Vec<_> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &header::TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// The elements of a comma-separated list, without their parameters.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|token| token.split(';').next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn nothing_that_means_one_connection_passes() {
        let mut headers = map(&[
            ("connection", "close, X-Once"),
            ("connection", "keep-alive"),
            ("x-once", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "gzip, trailers;q=1"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("proxy-authorization", "Basic eDp5"),
            ("expect", "100-continue"),
            ("x-kept", "1"),
        ]);
        clean_request(&mut headers);
        assert_eq!(names(&headers), ["te", "x-kept"]);
        assert_eq!(headers["te"], "trailers");
    }

    #[test]
    fn a_client_cannot_say_who_it_is_or_what_was_decided() {
        let mut headers = map(&[
            ("x-bartizan-subject", "root"),
            ("x_bartizan_roles", "admin"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-forwarded-prefix", "/admin"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("x-agis-method", "DELETE"),
            ("x_agis_method", "DELETE"),
            ("x-original-url", "/admin"),
            ("authorization", "Bearer t"),
            ("host", "evil"),
            ("cookie", "a=b"),
        ]);
        clean_request(&mut headers);
        assert_eq!(names(&headers), ["cookie"]);
    }

    #[test]
    fn the_cookies_of_a_client_are_one_field_for_an_upstream() {
        let mut headers = map(&[("cookie", "a=1"), ("cookie", "session=2")]);
        clean_request(&mut headers);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; session=2"]);
    }

    #[test]
    fn an_upgrade_needs_both_fields_and_one_protocol() {
        let upgrade = |fields: &[_]| upgrade_of(&map(fields)).is_some();
        assert!(upgrade(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!upgrade(&[("connection", "keep-alive"), ("upgrade", "websocket")]));
        assert!(!upgrade(&[("connection", "upgrade")]));
        assert!(!upgrade(&[
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("upgrade", "h2c")
        ]));
    }

    #[test]
    fn an_upstream_cannot_show_a_way_around_the_gate() {
        let mut headers = map(&[
            ("alt-svc", "h3=\":443\""),
            ("connection", "close"),
            ("content-length", "5"),
            ("set-cookie", "a=b"),
        ]);
        clean_answer(&mut headers);
        assert_eq!(names(&headers), ["content-length", "set-cookie"]);
    }
}
