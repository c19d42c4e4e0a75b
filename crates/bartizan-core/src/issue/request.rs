//! What is asked for, and by which client? RFC 6749 sections 2.3, 4.3, 4.4 and 6.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Refused;
use super::form::{Form, decode};

/// A sort of grant.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum GrantType {
    /// A program for itself (section 4.4).
    ClientCredentials,
    /// Name and password of a user (section 4.3): simple, and deprecated since OAuth 2.1.
    Password,
    /// A session goes on (section 6).
    RefreshToken,
}

impl GrantType {
    /// Every sort there is.
    pub const ALL: [Self; 3] = [Self::ClientCredentials, Self::Password, Self::RefreshToken];

    /// The `grant_type` of it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// A `grant_type` that is not spoken here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the grant `{0}` is not known; there are client_credentials, password and refresh_token")]
pub struct UnknownGrant(pub String);

impl FromStr for GrantType {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        let found = Self::ALL.into_iter().find(|grant| grant.as_str() == text);
        found.ok_or_else(|| UnknownGrant(text.to_owned()))
    }
}

impl fmt::Display for GrantType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What stands behind a request for a token.
#[derive(Debug)]
pub enum Grant {
    /// The client's own rights.
    ClientCredentials,
    /// A user's.
    Password {
        /// The name of the user.
        username: String,
        /// Their password.
        password: SecretString,
    },
    /// Those of a session.
    RefreshToken(SecretString),
}

/// A request for a token that can be read; nothing in it is proved yet.
#[derive(Debug)]
pub struct TokenRequest {
    /// What stands behind it.
    pub grant: Grant,
    /// The scopes that are asked for; none means all.
    pub scopes: Option<Vec<String>>,
    /// The client that sends it, if it names one.
    pub client: Option<Presented>,
}

/// A client, as it presents itself.
#[derive(Debug)]
pub struct Presented {
    /// Who it says it is.
    pub id: String,
    /// What is to prove it.
    pub secret: Option<SecretString>,
}

impl TokenRequest {
    /// Reads a request, of which only `offered` grants are answered.
    ///
    /// # Errors
    /// [`Refused`] where something is missing, doubled or not offered.
    pub fn read(headers: &HeaderMap, form: &Form, offered: &[GrantType]) -> Result<Self, Refused> {
        let sort = form.get("grant_type").ok_or(MISSING_GRANT_TYPE)?;
        let sort: GrantType = sort.parse().map_err(|_| Refused::UnsupportedGrantType)?;
        if !offered.contains(&sort) {
            return Err(Refused::UnsupportedGrantType);
        }
        let grant = match sort {
            GrantType::ClientCredentials => Grant::ClientCredentials,
            GrantType::Password => {
                let username = form.get("username").map(ToOwned::to_owned);
                let both = username.zip(form.secret("password"));
                let (username, password) = both.ok_or(MISSING_PASSWORD)?;
                Grant::Password { username, password }
            }
            GrantType::RefreshToken => {
                Grant::RefreshToken(form.secret("refresh_token").ok_or(MISSING_REFRESH_TOKEN)?)
            }
        };
        let scopes = form.get("scope").map(|s| s.split(' ').filter(|s| !s.is_empty()));
        let scopes = scopes.map(|all| all.map(ToOwned::to_owned).collect());
        Ok(Self { grant, scopes, client: Presented::read(headers, form)? })
    }
}

const MISSING_GRANT_TYPE: Refused = Refused::InvalidRequest("grant_type is missing");
const MISSING_PASSWORD: Refused = Refused::InvalidRequest("username or password is missing");
const MISSING_REFRESH_TOKEN: Refused = Refused::InvalidRequest("refresh_token is missing");

impl Presented {
    /// Finds the client in the Basic header or in the form; in both is once too often (section
    /// 2.3).
    ///
    /// # Errors
    /// [`Refused`] where it cannot be read, or stands in two places.
    pub fn read(headers: &HeaderMap, form: &Form) -> Result<Option<Self>, Refused> {
        let in_form = form
            .get("client_id")
            .map(|id| Self { id: id.to_owned(), secret: form.secret("client_secret") });
        let Some(in_header) = basic(headers)? else {
            if in_form.is_none() && form.get("client_secret").is_some() {
                return Err(Refused::InvalidRequest("client_id is missing"));
            }
            return Ok(in_form);
        };
        // Repeating the id is harmless, and some clients do it; a second secret or another id
        // is not.
        let doubled = form.get("client_secret").is_some()
            || in_form.is_some_and(|in_form| in_form.id != in_header.id);
        if doubled {
            return Err(Refused::InvalidRequest("the client authenticates in two ways"));
        }
        Ok(Some(in_header))
    }
}

/// The client of `Authorization: Basic`; name and secret are form-encoded in it (section 2.3.1).
fn basic(headers: &HeaderMap) -> Result<Option<Presented>, Refused> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::InvalidRequest("more than one Authorization header"));
    }
    let read = || {
        let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
        let credentials = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
        let (id, secret) = std::str::from_utf8(&credentials).ok()?.split_once(':')?;
        scheme.eq_ignore_ascii_case("basic").then_some((decode(id)?, decode(secret)?))
    };
    let (id, secret) = read().ok_or(Refused::InvalidClient)?;
    match (id.is_empty(), secret.is_empty()) {
        // Swagger UI sends this for a client that was left blank.
        (true, true) => Ok(None),
        (true, false) => Err(Refused::InvalidClient),
        (false, blank) => {
            let secret = (!blank).then(|| SecretString::from(secret.as_str()));
            Ok(Some(Presented { id: id.to_string(), secret }))
        }
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(authorization: Option<&str>, body: &str) -> Result<TokenRequest, Refused> {
        let mut headers = HeaderMap::new();
        let kind = "application/x-www-form-urlencoded";
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let form = Form::read(&headers, body.as_bytes())?;
        TokenRequest::read(&headers, &form, &GrantType::ALL)
    }

    fn client(authorization: Option<&str>, fields: &str) -> Result<Option<String>, Refused> {
        let request = read(authorization, &format!("grant_type=client_credentials&{fields}"))?;
        Ok(request
            .client
            .map(|c| format!("{}/{}", c.id, c.secret.as_ref().map_or("-", |s| s.expose_secret()))))
    }

    #[test]
    fn the_guides_own_request_is_understood() {
        let request = read(None, "grant_type=password&username=agent1&password=secret").unwrap();
        assert!(matches!(request.grant, Grant::Password { username, .. } if username == "agent1"));
        assert!(request.scopes.is_none() && request.client.is_none());
    }

    #[test]
    fn what_is_missing_or_not_offered_is_named() {
        for (body, expected) in [
            ("", MISSING_GRANT_TYPE),
            ("grant_type=password&username=a", MISSING_PASSWORD),
            ("grant_type=refresh_token", MISSING_REFRESH_TOKEN),
            ("grant_type=authorization_code&code=a", Refused::UnsupportedGrantType),
            ("grant_type=PASSWORD&username=a&password=b", Refused::UnsupportedGrantType),
        ] {
            assert_eq!(read(None, body).unwrap_err(), expected, "{body}");
        }
        let form = {
            let mut headers = HeaderMap::new();
            let kind = "application/x-www-form-urlencoded";
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            Form::read(&headers, b"grant_type=password&username=a&password=b").unwrap()
        };
        let refused = TokenRequest::read(&HeaderMap::new(), &form, &[GrantType::RefreshToken]);
        assert_eq!(refused.unwrap_err(), Refused::UnsupportedGrantType);
    }

    #[test]
    fn a_client_shows_itself_in_one_place() {
        let basic = |text: &str| Some(format!("Basic {}", STANDARD.encode(text)));
        let get = |header: Option<String>, fields: &str| client(header.as_deref(), fields);
        assert_eq!(get(None, "").unwrap(), None);
        assert_eq!(get(None, "client_id=&client_secret=").unwrap(), None);
        assert_eq!(get(None, "client_id=a&client_secret=b").unwrap().unwrap(), "a/b");
        assert_eq!(get(basic("a%3A1:b%20c+d"), "").unwrap().unwrap(), "a:1/b c d");
        assert_eq!(get(basic("a:b"), "client_id=a").unwrap().unwrap(), "a/b");
        for (header, fields) in [
            (basic("a:b"), "client_id=x"),
            (basic("a:b"), "client_id=a&client_secret=b"),
            (None, "client_secret=b"),
        ] {
            assert!(matches!(get(header, fields), Err(Refused::InvalidRequest(_))), "{fields}");
        }
        assert_eq!(get(basic(":"), "").unwrap(), None);
        for header in ["Basic !", "Basic YQ==", "Basic OmE=", "Bearer abc", "Basic"] {
            assert_eq!(
                get(Some(header.into()), "").unwrap_err(),
                Refused::InvalidClient,
                "{header}"
            );
        }
    }
}
