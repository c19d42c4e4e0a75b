//! Which credential does a request show? One, in one of few places; why it is turned away stands here, too.

use std::fmt;

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::dpop::Nonce;

/// The header of the contract in which a key may stand beside `Authorization`.
pub static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The longest credential that is looked at, in bytes.
pub const MAX_CREDENTIAL: usize = 16 * 1024;

/// In which headers a credential may stand, beside `Authorization: Bearer`.
#[derive(Clone, Debug)]
pub struct Places {
    /// Whether `Authorization: Bearer` may carry an API key.
    pub key_as_bearer: bool,
    /// Headers whose whole value is an API key.
    pub key_headers: Vec<HeaderName>,
    /// Whether `Authorization: DPoP` is spoken (RFC 9449).
    pub dpop: bool,
}

impl Default for Places {
    fn default() -> Self {
        Self { key_as_bearer: true, key_headers: vec![X_API_KEY.clone()], dpop: false }
    }
}

/// What a request shows at the gate, unverified.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Credential<'a> {
    /// A key from one of the key headers.
    ApiKey(&'a str),
    /// A bearer token (RFC 6750 section 2.1): a JWT, or a key where [`Places`] allows it.
    Bearer(&'a str),
    /// A token that comes with a proof of the key that it is bound to (RFC 9449 section 7.1).
    Dpop(&'a str),
}

impl<'a> Credential<'a> {
    /// Finds the one credential in `head`.
    ///
    /// # Errors
    /// Two are refused, for nobody can say which of them counts; so is a token in the query
    /// (RFC 6750 section 5.3), a scheme that is not spoken here, and what cannot be read.
    pub fn find(head: &'a Parts, places: &Places) -> Result<Option<Self>, Rejection> {
        Self::none_in(&head.uri)?;
        let mut found = authorization(&head.headers, places)?;
        for name in &places.key_headers {
            let mut values = head.headers.get_all(name).iter();
            let Some(value) = values.next() else { continue };
            if found.is_some() || values.next().is_some() {
                return Err(Rejection::Ambiguous);
            }
            let key = value.to_str().map_err(|_| Rejection::Malformed)?.trim();
            found = Some(Self::ApiKey(bounded(key)?));
        }
        Ok(found)
    }
}

impl Credential<'_> {
    /// Looks whether a target shows a credential in its query.
    ///
    /// # Errors
    /// [`Rejection::InQuery`] where it does.
    pub fn none_in(target: &http::Uri) -> Result<(), Rejection> {
        match target.query() {
            Some(query) if shows_token(query) => Err(Rejection::InQuery),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey(_) => "ApiKey(***)",
            Self::Bearer(_) => "Bearer(***)",
            Self::Dpop(_) => "Dpop(***)",
        })
    }
}

/// The token of `Authorization: Bearer` or `DPoP`; the scheme's case does not matter (RFC 9110
/// section 11.1).
fn authorization<'a>(
    headers: &'a HeaderMap,
    places: &Places,
) -> Result<Option<Credential<'a>>, Rejection> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Rejection::Ambiguous);
    }
    let value = value.to_str().map_err(|_| Rejection::Malformed)?;
    let (scheme, token) = value.split_once(' ').ok_or(Rejection::Malformed)?;
    let token = || bounded(token.trim());
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(Some(Credential::Bearer(token()?)))
    } else if places.dpop && scheme.eq_ignore_ascii_case("dpop") {
        Ok(Some(Credential::Dpop(token()?)))
    } else {
        Err(Rejection::Scheme)
    }
}

fn bounded(credential: &str) -> Result<&str, Rejection> {
    match credential.len() {
        1..=MAX_CREDENTIAL => Ok(credential),
        _ => Err(Rejection::Malformed),
    }
}

/// Whether a query names a credential, in whatever way it is percent-encoded.
fn shows_token(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        ["access_token", "api_key", "apikey"].iter().any(|taboo| name.eq_ignore_ascii_case(taboo))
    })
}

/// Why a credential was turned away. The caller must show another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// More than one credential: which of them counts?
    #[error(
        "more than one credential was presented, as a token beside a key, or one of them twice: send \
         exactly one"
    )]
    Ambiguous,
    /// The credential's time is over.
    #[error("the credential has expired")]
    Expired,
    /// The signature is not the issuer's.
    #[error("the signature does not verify")]
    Forged,
    /// A token in the query would stand in every log on its way (RFC 6750 section 5.3).
    #[error("a credential in the query is not accepted; use the Authorization header")]
    InQuery,
    /// Not a credential by its form.
    #[error("the credential could not be read")]
    Malformed,
    /// None at all, where one is needed.
    #[error("no credential was presented")]
    Missing,
    /// A key or a certificate, where the caller's token is needed to get another one for it.
    #[error(
        "the service behind this endpoint is called in the caller's name: a token is needed, for which \
         another one can be got; a key or a certificate cannot be exchanged"
    )]
    NotExchangeable,
    /// The proof must hold this, which the server chooses (RFC 9449 section 8).
    #[error("the proof must hold a nonce of this server")]
    Nonce(Nonce),
    /// Its time has not come.
    #[error("the credential is not valid yet")]
    NotYetValid,
    /// The proof of possession is not one (RFC 9449 section 4.3).
    #[error("the DPoP proof is not valid: {0}")]
    Proof(&'static str),
    /// It was taken back.
    #[error("the credential has been revoked")]
    Revoked,
    /// An authentication scheme that is not spoken here.
    #[error("the authentication scheme is not supported; use Bearer")]
    Scheme,
    /// A key or a key id that is not known.
    #[error("the credential is not known here")]
    Unknown,
    /// Well signed perhaps, but not for us, not by whom we trust, or not of this use.
    #[error("the token was not issued for this use: {0}")]
    Untrusted(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> String {
        let (head, ()) = build(http::Request::builder().uri("/x")).body(()).unwrap().into_parts();
        match Credential::find(&head, &Places::default()) {
            Ok(None) => "none".into(),
            Ok(Some(Credential::ApiKey(key))) => format!("key {key}"),
            Ok(Some(Credential::Bearer(token))) => format!("bearer {token}"),
            Ok(Some(Credential::Dpop(token))) => format!("dpop {token}"),
            Err(rejection) => format!("{rejection:?}"),
        }
    }

    #[test]
    fn exactly_one_credential_is_found_wherever_it_may_stand() {
        assert_eq!(find(|r| r), "none");
        assert_eq!(find(|r| r.header("authorization", "bearer abc")), "bearer abc");
        assert_eq!(find(|r| r.header("x-api-key", "abc")), "key abc");
        assert_eq!(find(|r| r.header("authorization", "Basic YTpi")), "Scheme");
        assert_eq!(find(|r| r.header("authorization", "DPoP abc")), "Scheme");
        assert_eq!(find(|r| r.header("authorization", "Bearer ")), "Malformed");
        assert_eq!(find(|r| r.header("authorization", "Bearer")), "Malformed");
    }

    #[test]
    fn two_credentials_are_as_bad_as_none() {
        let two = |a: (&str, &str), b: (&str, &str)| find(|r| r.header(a.0, a.1).header(b.0, b.1));
        assert_eq!(two(("authorization", "Bearer a"), ("authorization", "Bearer a")), "Ambiguous");
        assert_eq!(two(("authorization", "Bearer a"), ("x-api-key", "a")), "Ambiguous");
        assert_eq!(two(("x-api-key", "a"), ("x-api-key", "b")), "Ambiguous");
    }

    #[test]
    fn a_token_in_the_query_is_refused_however_it_is_spelt() {
        for query in ["access_token=a", "x=1&ACCESS_TOKEN=a", "access%5Ftoken=a", "api_key=k"] {
            assert_eq!(find(|r| r.uri(format!("/x?{query}"))), "InQuery", "{query}");
        }
        assert_eq!(find(|r| r.uri("/x?my_access_token_count=3")), "none");
    }
}
