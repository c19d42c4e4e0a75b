//! Where is an upstream, and which of its paths does a request mean?

use std::str::FromStr as _;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The URL of an upstream, as it stands in the configuration.
///
/// A URL without a path takes requests at the path they were decided on. One with a path has it
/// stand *in place of the fixed part of the endpoint's path*: everything up to the first segment
/// with a parameter.
///
/// | endpoint | url | request | goes to |
/// |---|---|---|---|
/// | `/document` | `http://h:9000` | `/document` | `/document` |
/// | `/mcp` | `http://h:3001/rpc` | `/mcp` | `/rpc` |
/// | `/v1/{*rest}` | `https://h` | `/v1/chat` | `/v1/chat` |
/// | `/ai/{*rest}` | `https://h/v1` | `/ai/chat` | `/v1/chat` |
/// | `/users/{id}/notes` | `http://h/api` | `/users/7/notes` | `/api/7/notes` |
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    scheme: Scheme,
    authority: Authority,
    /// The path of the URL; `None` where it has none, or only a slash.
    path: Option<Box<str>>,
}

/// Why a text is no address of an upstream.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Credentials in a URL end up in logs.
    #[error("the url must not hold a user name or password; write `credential`")]
    Credentials,
    /// A query would mix with those of the requests.
    #[error("the url of an upstream must not have a query")]
    Query,
    /// Neither `http` nor `https`.
    #[error("the url must begin with http:// or https://")]
    Scheme,
    /// No URL at all.
    #[error("this is no url; write one such as `http://127.0.0.1:9000`")]
    Unreadable,
}

impl Address {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`AddressError`] where it is none, or says more than where the upstream is.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let uri = Uri::from_str(url.trim()).map_err(|_| AddressError::Unreadable)?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or(AddressError::Scheme)?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err(AddressError::Scheme);
        }
        let authority = parts.authority.filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or(AddressError::Unreadable)?;
        if authority.as_str().contains('@') {
            return Err(AddressError::Credentials);
        }
        let target = parts.path_and_query;
        if target.as_ref().is_some_and(|target| target.query().is_some()) {
            return Err(AddressError::Query);
        }
        let path = target.filter(|target| target.path() != "/").map(|target| target.path().into());
        Ok(Self { scheme, authority, path })
    }

    /// Host and port, as they stand in it.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether it is reached over TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The URL for a request for `target` at the endpoint whose path is `template`. `None` where
    /// `target` does not belong to that endpoint; on the road that does not happen.
    pub(super) fn place(&self, template: &str, target: &Uri) -> Option<Uri> {
        let asked = target.path_and_query()?;
        let target = match &self.path {
            None => asked.clone(),
            Some(base) => graft(base, template, asked)?,
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).ok()
    }
}

/// `base` in place of the fixed part of `template`.
fn graft(base: &str, template: &str, asked: &PathAndQuery) -> Option<PathAndQuery> {
    let query = asked.query().map(|query| format!("?{query}")).unwrap_or_default();
    let text = match template.split_once('{') {
        None if asked.path() == template => format!("{base}{query}"),
        None => return None,
        Some((before, _)) => {
            let (fixed, _) = before.rsplit_once('/')?;
            let rest = asked.path().strip_prefix(fixed)?.strip_prefix('/')?;
            format!("{}/{rest}{query}", base.trim_end_matches('/'))
        }
    };
    PathAndQuery::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str, template: &str, target: &str) -> String {
        let address = Address::parse(url).unwrap();
        let placed = address.place(template, &target.parse().unwrap());
        placed.map_or_else(|| "none".into(), |uri| uri.to_string())
    }

    #[test]
    fn the_path_of_the_url_stands_in_place_of_the_fixed_part_of_the_endpoints() {
        for (url, template, target, placed) in [
            ("http://h:9000", "/document", "/document?a=1", "http://h:9000/document?a=1"),
            ("http://h:9000/", "/document", "/document", "http://h:9000/document"),
            ("http://h:3001/rpc", "/mcp", "/mcp?s=2", "http://h:3001/rpc?s=2"),
            ("http://h/rpc/", "/mcp", "/mcp", "http://h/rpc/"),
            ("https://h", "/v1/{*rest}", "/v1/chat/x", "https://h/v1/chat/x"),
            ("https://h/v1", "/ai/{*rest}", "/ai/chat/x?y", "https://h/v1/chat/x?y"),
            ("https://h/v1/", "/ai/{*rest}", "/ai/chat", "https://h/v1/chat"),
            ("http://h/api", "/users/{id}/notes", "/users/7/notes", "http://h/api/7/notes"),
            ("http://h/api", "/{*rest}", "/a/b", "http://h/api/a/b"),
            ("http://h/api", "/x/file-{id}", "/x/file-7", "http://h/api/file-7"),
        ] {
            assert_eq!(place(url, template, target), placed, "{url} {template} {target}");
        }
    }

    #[test]
    fn a_path_of_another_endpoint_leads_nowhere() {
        assert_eq!(place("http://h/rpc", "/mcp", "/mcp2"), "none");
        assert_eq!(place("http://h/rpc", "/v1/{*rest}", "/v2/x"), "none");
    }

    #[test]
    fn a_url_says_where_and_nothing_else() {
        for (url, error) in [
            ("ftp://h", AddressError::Scheme),
            ("/path", AddressError::Scheme),
            ("http://user:pass@h", AddressError::Credentials),
            ("http://h/?key=1", AddressError::Query),
            ("http://", AddressError::Unreadable),
            ("", AddressError::Unreadable),
        ] {
            assert_eq!(Address::parse(url), Err(error), "{url}");
        }
    }
}
