//! How long is an answer good for? `Cache-Control` and `Expires` (RFC 9111), read without trust.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

/// How long the sender says that the answer with these fields is good for; none where it does not
/// say. What it says in two ways counts in the shorter one.
#[must_use]
pub fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get_all(header::CACHE_CONTROL).iter();
    let directives = directives.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let mut life = None;
    for directive in directives.map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let says = if name.eq_ignore_ascii_case("max-age") {
            value.trim_matches('"').parse().ok()
        } else {
            let none = ["no-cache", "no-store"].iter().any(|no| name.eq_ignore_ascii_case(no));
            none.then_some(0u64)
        };
        life = life.into_iter().chain(says).min();
    }
    let life = life.map(Duration::from_secs).or_else(|| expires(headers))?;
    let age = text(headers, &header::AGE).and_then(|age| age.trim().parse().ok());
    Some(life.saturating_sub(Duration::from_secs(age.unwrap_or(0))))
}

/// `Expires` counts from the sender's own `Date`, so that the clocks need not agree.
fn expires(headers: &HeaderMap) -> Option<Duration> {
    let until = text(headers, &header::EXPIRES)?;
    // An invalid one, `0` above all, means that it is over (RFC 9111 section 5.3).
    let Some(until) = date(until) else { return Some(Duration::ZERO) };
    let sent = date(text(headers, &header::DATE)?)?;
    Some(Duration::from_secs(until.saturating_sub(sent)))
}

/// Seconds since 1970 of an HTTP date (RFC 9110 section 5.6.7).
fn date(text: &str) -> Option<u64> {
    let parsed = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(parsed.timestamp().as_second()).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn life(fields: &[(HeaderName, &'static str)]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, HeaderValue::from_static(value));
        }
        lifetime(&headers).map(|life| life.as_secs())
    }

    #[test]
    fn what_a_provider_says_of_its_keys_is_read_as_it_is_written() {
        use header::{AGE, CACHE_CONTROL, DATE, EXPIRES};
        const SENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(life(&[]), None);
        assert_eq!(life(&[(CACHE_CONTROL, "public")]), None);
        assert_eq!(life(&[(CACHE_CONTROL, "public, Max-Age=300")]), Some(300));
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=\"300\"")]), Some(300));
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=300"), (AGE, "100")]), Some(200));
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=300, no-cache")]), Some(0));
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=300"), (CACHE_CONTROL, "no-store")]), Some(0));
        assert_eq!(life(&[(CACHE_CONTROL, "max-age=-1")]), None);
        let later = (EXPIRES, "Sun, 06 Nov 1994 08:59:37 GMT");
        assert_eq!(life(&[(DATE, SENT), later.clone()]), Some(600));
        assert_eq!(life(std::slice::from_ref(&later)), None);
        assert_eq!(life(&[(DATE, SENT), (EXPIRES, "0")]), Some(0));
        let both = [(DATE, SENT), later, (CACHE_CONTROL, "max-age=5")];
        assert_eq!(life(&both), Some(5), "Cache-Control counts before Expires");
    }
}
