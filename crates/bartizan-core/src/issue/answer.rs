//! What does a client of the token endpoint read? RFC 6749 section 5, the dialect of this endpoint.
//!
//! As `problem` does for the rest of the road, this file alone knows the statuses of this dialect.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::request::ACCESS_TOKEN;
use crate::authenticate::claims::Claims;

/// Why there is no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The request cannot be read.
    #[error("{0}")]
    InvalidRequest(&'static str),
    /// The client did not prove who it is; why not is for the log. One text for every reason: whoever
    /// asks with other names and secrets learns nothing of which there are.
    #[error("the client is not known, or did not prove who it is")]
    InvalidClient(&'static str),
    /// The password or the refresh token is not right. One text for every reason.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// The client may not use this grant.
    #[error("the client may not use this grant")]
    UnauthorizedClient,
    /// A grant that is not offered.
    #[error("this grant is not offered")]
    UnsupportedGrantType,
    /// More scopes than are held.
    #[error("a scope was asked for that is not held")]
    InvalidScope,
    /// For something that is not guarded here, or not what the session is for.
    #[error("the resource is not guarded here, or not by this token")]
    InvalidTarget,
    /// Too many wrong guesses.
    #[error("too many failed attempts; try again later")]
    Throttled(Duration),
    /// More logins are under way than may be.
    #[error("too many logins are under way; try again")]
    Busy,
    /// A store or a key is out of reach.
    #[error("tokens cannot be issued at the moment; try again")]
    Unavailable,
}

/// The guide's own words, whatever it was that did not fit.
pub const WRONG_PASSWORD: Refused = Refused::InvalidGrant("Incorrect username or password");

impl Refused {
    /// The `error` of it. `slow_down` is RFC 8628's, `temporarily_unavailable` section 4.1.2.1's,
    /// `invalid_target` RFC 8707's.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient(_) => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::Throttled(_) => "slow_down",
            Self::Busy | Self::Unavailable => "temporarily_unavailable",
        }
    }

    /// What the log has of it: also what the client is not told.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::InvalidClient(why) => format!("{self}: {why}"),
            _ => self.to_string(),
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::InvalidRequest(_)
            | Self::InvalidGrant(_)
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget => StatusCode::BAD_REQUEST,
            Self::InvalidClient(_) => StatusCode::UNAUTHORIZED,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The answer.
    #[must_use]
    pub fn answer(&self) -> Response<Bytes> {
        let body = json!({ "error": self.code(), "error_description": self.to_string() });
        let mut answer = json_answer(self.status(), &body);
        let headers = answer.headers_mut();
        match self {
            Self::InvalidClient(_) => {
                let challenge =
                    HeaderValue::from_static("Basic realm=\"token\", charset=\"UTF-8\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::Throttled(wait) => {
                // Rounded up: who waits as long as told must not be told again.
                let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                headers.insert(RETRY_AFTER, secs.max(1).into());
            }
            Self::Busy | Self::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        answer
    }
}

/// A token and what belongs to it.
#[derive(Debug)]
pub struct Granted {
    /// The access token.
    pub access: SecretString,
    /// How long it counts.
    pub ttl: Duration,
    /// The scopes that it has.
    pub scopes: Vec<std::sync::Arc<str>>,
    /// What continues the session, if there is one.
    pub refresh: Option<SecretString>,
    /// Whether it was got in exchange for another token.
    pub exchanged: bool,
}

impl Granted {
    /// The answer (section 5.1).
    #[must_use]
    pub fn answer(&self) -> Response<Bytes> {
        let mut body = json!({
            "access_token": self.access.expose_secret(),
            "token_type": "bearer",
            "expires_in": self.ttl.as_secs(),
            "scope": self.scopes.join(" "),
        });
        if let Some(body) = body.as_object_mut() {
            if let Some(refresh) = &self.refresh {
                body.insert("refresh_token".into(), refresh.expose_secret().into());
            }
            if self.exchanged {
                // RFC 8693 section 2.2.1.
                body.insert("issued_token_type".into(), ACCESS_TOKEN.into());
            }
        }
        json_answer(StatusCode::OK, &body)
    }
}

/// The answer to a revocation, whether or not there was anything to revoke (RFC 7009 section 2.2).
#[must_use]
pub fn revoked() -> Response<Bytes> {
    let mut answer = Response::new(Bytes::new());
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The answer to an introspection (RFC 7662 section 2.2): the claims of a token that counts, and
/// of one that does not nothing but that.
#[must_use]
pub fn introspected(claims: Option<&Claims>) -> Response<Bytes> {
    let mut body = json!({ "active": claims.is_some() });
    if let (Some(claims), Some(body)) = (claims, body.as_object_mut()) {
        let told = [
            "scope",
            "client_id",
            "exp",
            "iat",
            "sub",
            "aud",
            "iss",
            "jti",
            "tenant",
            "roles",
            "act",
        ];
        let told = told.into_iter().filter_map(|name| Some((name, claims.get(name)?)));
        body.extend(told.map(|(name, value)| (name.to_owned(), value.clone())));
        body.insert("token_type".into(), "bearer".into());
    }
    json_answer(StatusCode::OK, &body)
}

/// The answer where people would log in, in a house that has no such page: what a client reads
/// that was sent there by mistake (RFC 6749 section 4.1.2.1).
#[must_use]
pub fn no_login_page() -> Response<Bytes> {
    let why = "nobody logs in here; use a grant of the token endpoint";
    let body = json!({ "error": "unsupported_response_type", "error_description": why });
    json_answer(StatusCode::BAD_REQUEST, &body)
}

/// A document that anybody may read and keep for a while.
#[must_use]
pub fn document(body: &Value) -> Response<Bytes> {
    let mut answer = json_answer(StatusCode::OK, body);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(body.to_string()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(answer: &Response<Bytes>) -> String {
        let header = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
        let told: Vec<_> = [WWW_AUTHENTICATE, RETRY_AFTER].into_iter().filter_map(header).collect();
        assert_eq!(header(CACHE_CONTROL), Some("no-store"));
        let body = std::str::from_utf8(answer.body()).unwrap();
        format!("{} {} {body}", answer.status().as_u16(), told.join(", ")).replace("  ", " ")
    }

    #[test]
    fn refusals_read_as_the_standard_and_the_guide_have_them() {
        for (refused, expected) in [
            (
                WRONG_PASSWORD,
                r#"400 {"error":"invalid_grant","error_description":"Incorrect username or password"}"#,
            ),
            (
                Refused::InvalidClient("no client has this id"),
                r#"401 Basic realm="token", charset="UTF-8" {"error":"invalid_client","error_description":"the client is not known, or did not prove who it is"}"#,
            ),
            (
                Refused::InvalidScope,
                r#"400 {"error":"invalid_scope","error_description":"a scope was asked for that is not held"}"#,
            ),
            (
                Refused::Throttled(Duration::from_millis(1500)),
                r#"429 2 {"error":"slow_down","error_description":"too many failed attempts; try again later"}"#,
            ),
            (
                Refused::UnsupportedGrantType,
                r#"400 {"error":"unsupported_grant_type","error_description":"this grant is not offered"}"#,
            ),
        ] {
            assert_eq!(shown(&refused.answer()), expected);
        }
    }

    #[test]
    fn a_token_is_handed_over_as_the_contract_has_it() {
        let granted = Granted {
            access: SecretString::from("a.b.c"),
            ttl: Duration::from_secs(900),
            scopes: vec!["data:read".into(), "notify:send".into()],
            refresh: Some(SecretString::from("btr_x")),
            exchanged: false,
        };
        assert_eq!(
            shown(&granted.answer()),
            r#"200 {"access_token":"a.b.c","token_type":"bearer","expires_in":900,"scope":"data:read notify:send","refresh_token":"btr_x"}"#
        );
        assert!(!format!("{granted:?}").contains("a.b.c"));
    }

    #[test]
    fn an_introspection_tells_nothing_of_what_does_not_count() {
        assert_eq!(shown(&introspected(None)), r#"200 {"active":false}"#);
        let claims = json!({ "sub": "a", "exp": 1, "sid": "secret-session", "kind": "user" });
        assert_eq!(
            shown(&introspected(claims.as_object().cloned().map(Claims::from).as_ref())),
            r#"200 {"active":true,"exp":1,"sub":"a","token_type":"bearer"}"#
        );
    }
}
