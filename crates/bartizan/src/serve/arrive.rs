//! The request as it arrives, in the one form that the road reads.

use http::header::{HOST, HeaderValue};
use http::{Request, Version};

/// Writes the authority of an HTTP/2 request (RFC 9113 section 8.3.1) where an HTTP/1.1 request
/// has it, so that no later reader needs two ways.
pub(super) fn arrive<B>(mut request: Request<B>) -> Request<B> {
    if request.version() == Version::HTTP_2
        && !request.headers().contains_key(HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(version: Version, uri: &str, host: Option<&str>) -> Option<String> {
        let mut request = Request::builder().version(version).uri(uri);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let request = arrive(request.body(()).unwrap());
        let host = request.headers().get(HOST)?;
        Some(host.to_str().unwrap().to_owned())
    }

    #[test]
    fn an_authority_becomes_a_host_and_never_replaces_one() {
        let uri = "http://gate.example:8443/x";
        assert_eq!(host(Version::HTTP_2, uri, None).unwrap(), "gate.example:8443");
        assert_eq!(host(Version::HTTP_2, uri, Some("other")).unwrap(), "other");
        assert_eq!(host(Version::HTTP_11, uri, None), None);
    }
}
