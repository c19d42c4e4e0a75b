//! Which header fields can be decided on? Those that go on, in the one spelling in which they are looked for.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};

/// Fields that mean one connection only (RFC 9110 section 7.6.1), `te` among them.
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

/// Whether a field, in small letters, means one connection only.
#[must_use]
pub fn is_hop_by_hop(name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
}

/// Takes out what `Connection` declares to be of this connection only (RFC 9110 section 7.6.1).
///
/// To be done before anything is decided: a field that is looked at here and taken out afterwards
/// would be decided on by us and by nobody behind us.
pub fn take_out_listed(headers: &mut HeaderMap) {
    // What frames the message, what a proxy in front has written, and what is read with the
    // connection: none of it goes on as it stands, and none is the client's to take away.
    let stays = |token: &str| {
        let name = token.to_ascii_lowercase();
        is_hop_by_hop(&name) || name == "content-length" || name.starts_with("x-forwarded-")
    };
    let names: Vec<_> = elements(headers, &header::CONNECTION)
        .filter(|token| !is_about_itself(token) && !stays(token))
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// What nearly every `Connection` says, and what names no field that could be taken out.
fn is_about_itself(token: &str) -> bool {
    ["keep-alive", "close", "upgrade"].iter().any(|word| token.eq_ignore_ascii_case(word))
}

/// The elements of a comma-separated list, without their parameters.
pub fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|token| token.split(';').next().unwrap_or_default().trim())
}

/// A field's name as servers know it that know letters, digits and one sign alone: CGI, WSGI and
/// their like, to which `X_Tenant`, and to some `X.Tenant`, is `X-Tenant`.
#[must_use]
pub fn plain(name: &HeaderName) -> Cow<'_, str> {
    let odd = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'-';
    let name = name.as_str();
    if name.bytes().any(odd) {
        Cow::Owned(name.replace(|sign: char| !sign.is_ascii_alphanumeric(), "-"))
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// The names that are left of these fields.
    fn left(fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        take_out_listed(&mut headers);
        headers.keys().map(ToString::to_string).filter(|name| name != "connection").collect()
    }

    #[test]
    fn what_connection_names_is_gone_however_it_is_written() {
        for says in ["X-Tenant", "x-tenant", "close, X-TENANT", "keep-alive ,x-tenant ;q=1,"] {
            assert!(left(&[("connection", says), ("x-tenant", "acme")]).is_empty(), "{says}");
        }
        let two = [("connection", "close"), ("x-tenant", "acme"), ("connection", "x-tenant")];
        assert!(left(&two).is_empty());
    }

    #[test]
    fn nobody_takes_away_the_frame_the_upgrade_or_what_a_proxy_says() {
        let kept = [
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        let all = "Content-Length, Transfer-Encoding, TE, Upgrade, X-Forwarded-For";
        assert_eq!(left(&[&[("connection", all)], &kept[..]].concat()).len(), kept.len());
    }

    #[test]
    fn a_name_is_known_in_every_spelling() {
        for name in ["x-tenant", "x_tenant", "x.tenant", "x~tenant"] {
            assert_eq!(plain(&HeaderName::from_static(name)), "x-tenant");
        }
    }
}
