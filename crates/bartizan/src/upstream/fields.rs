//! Which header fields may pass from one connection to the next?

use std::borrow::Cow;

use bartizan_core::admit::fields::{elements, is_hop_by_hop, plain, take_out_listed};
use bartizan_core::exchange::claims_identity;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

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

/// Fields that something is decided on, and the beginnings of such: in another spelling they would
/// be read by the upstream alone.
const DECIDED_ON: [&str; 12] = [
    "a2a-",
    "accept-encoding",
    "content-encoding",
    "content-range",
    "content-type",
    "if-range",
    "last-event-id",
    "mcp-",
    "sec-websocket-",
    "x-api-key",
    "x-approval-id",
    "x-request-id",
];

/// What of a client's fields may reach an upstream. What its `Connection` names went when it
/// arrived, and has no say in what is written here.
pub(super) fn clean_request(headers: &mut HeaderMap) {
    let trailers = elements(headers, &header::TE).any(|te| te.eq_ignore_ascii_case("trailers"));
    remove_where(headers, |name| {
        is_of_one_connection(name)
            || WRITTEN_ANEW.contains(&name.as_str())
            || is_ours_to_say(name)
            || is_misspelt(name)
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
    take_out_listed(headers);
    // `Alt-Svc` would show clients a way around the gate.
    remove_where(headers, |name| is_of_one_connection(name) || *name == header::ALT_SVC);
}

/// Sets a field of ours, and takes every other spelling of it away.
pub(super) fn set_alone(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    remove_where(headers, |other| plain(other) == plain(&name));
    headers.insert(name, value);
}

/// The protocols that a message wants to change to: those of `Upgrade`, if `Connection` says so.
pub(super) fn upgrade_of(headers: &HeaderMap) -> Option<&HeaderValue> {
    let asked = elements(headers, &header::CONNECTION).any(|t| t.eq_ignore_ascii_case("upgrade"));
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let protocol = protocols.next().filter(|_| asked)?;
    protocols.next().is_none().then_some(protocol)
}

fn is_of_one_connection(name: &HeaderName) -> bool {
    is_hop_by_hop(name.as_str())
}

/// In any spelling: some servers cannot tell `_` from `-`.
fn is_ours_to_say(name: &HeaderName) -> bool {
    let plain = plain(name);
    claims_identity(name) || plain.starts_with("x-forwarded-") || OURS_TO_SAY.contains(&&*plain)
}

/// Whether it is a field that is read or written here, to a server that cannot tell `_` from `-`.
fn is_misspelt(name: &HeaderName) -> bool {
    let Cow::Owned(plain) = plain(name) else { return false };
    let decided = |field: &str| match field.strip_suffix('-') {
        Some(_) => plain.starts_with(field),
        None => plain == field,
    };
    is_hop_by_hop(&plain)
        || WRITTEN_ANEW.contains(&plain.as_str())
        || DECIDED_ON.into_iter().any(decided)
}

fn remove_where(headers: &mut HeaderMap, unwanted: impl Fn(&HeaderName) -> bool) {
    let names: Vec<_> = headers.keys().filter(|name| unwanted(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
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
            ("connection", "close, X-Kept"),
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
    fn what_is_decided_on_reaches_nobody_in_another_spelling() {
        let mut headers = map(&[
            ("content_type", "text/html"),
            ("content_encoding", "gzip"),
            ("transfer_encoding", "chunked"),
            ("content_length", "5"),
            ("accept.encoding", "gzip"),
            ("mcp_session_id", "s"),
            ("last_event_id", "7"),
            ("x_api_key", "k"),
            ("serve_multiplexed_model_id", "m"),
        ]);
        clean_request(&mut headers);
        assert_eq!(names(&headers), ["serve_multiplexed_model_id"]);
    }

    #[test]
    fn a_field_of_ours_stands_alone() {
        let mut headers = map(&[("x_vendor_key", "theirs"), ("x-vendor-key", "theirs")]);
        let (name, value) = (HeaderName::from_static("x-vendor-key"), "ours");
        set_alone(&mut headers, name, HeaderValue::from_static(value));
        assert_eq!(names(&headers), ["x-vendor-key"]);
        assert_eq!(headers["x-vendor-key"], "ours");
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
