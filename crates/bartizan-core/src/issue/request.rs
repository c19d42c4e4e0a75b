//! What is asked for, and by which client? RFC 6749 sections 2.3, 4.3, 4.4 and 6, RFC 8693, RFC 8707.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::form::{Form, decode};
use super::{Refused, assertion};

/// A sort of grant.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum GrantType {
    /// A program for itself (section 4.4).
    ClientCredentials,
    /// Name and password of a user (section 4.3): simple, and deprecated since OAuth 2.1.
    Password,
    /// A session goes on (section 6).
    RefreshToken,
    /// A client acts for somebody whose token it was given (RFC 8693).
    TokenExchange,
}

impl GrantType {
    /// Every sort there is.
    pub const ALL: [Self; 4] =
        [Self::ClientCredentials, Self::Password, Self::RefreshToken, Self::TokenExchange];

    /// The `grant_type` of it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::RefreshToken => "refresh_token",
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    /// Whether it is worth nothing without a client that proves who it is.
    #[must_use]
    pub fn needs_proof(self) -> bool {
        matches!(self, Self::ClientCredentials | Self::TokenExchange)
    }
}

/// A `grant_type` that is not spoken here.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the grant `{0}` is not known; there are client_credentials, password, refresh_token and \
     token-exchange"
)]
pub struct UnknownGrant(pub String);

impl GrantType {
    /// The sort of this `grant_type`, to the letter.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == text)
    }
}

impl FromStr for GrantType {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Self, UnknownGrant> {
        // At a command line the last word of the long name will do.
        let short = |grant: &Self| grant.as_str().rsplit(':').next() == Some(text);
        let found = Self::named(text).or_else(|| Self::ALL.into_iter().find(short));
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
    /// Those of the token's subject, for whom the client acts.
    TokenExchange(SecretString),
}

impl Grant {
    /// Of which sort it is.
    #[must_use]
    pub fn sort(&self) -> GrantType {
        match self {
            Self::ClientCredentials => GrantType::ClientCredentials,
            Self::Password { .. } => GrantType::Password,
            Self::RefreshToken(_) => GrantType::RefreshToken,
            Self::TokenExchange(_) => GrantType::TokenExchange,
        }
    }
}

/// A request for a token that can be read; nothing in it is proved yet.
#[derive(Debug)]
pub struct TokenRequest {
    /// What stands behind it.
    pub grant: Grant,
    /// The scopes that are asked for; none means all.
    pub scopes: Option<Vec<String>>,
    /// The resource that it is to be for; none means all that is guarded here.
    pub resource: Option<String>,
    /// The client that sends it, if it names one.
    pub client: Option<Presented>,
}

/// A client, as it presents itself.
#[derive(Debug)]
pub struct Presented {
    /// Who it says it is.
    pub id: String,
    /// What is to prove it.
    pub shown: Shown,
}

/// By what a client proves who it is.
#[derive(Debug)]
pub enum Shown {
    /// By nothing: it may be anybody.
    Nothing,
    /// By its secret (RFC 6749 section 2.3.1).
    Secret(SecretString),
    /// By a statement that it signed (RFC 7523 section 2.2).
    Assertion(SecretString),
}

impl TokenRequest {
    /// Reads a request, of which only `offered` grants are answered.
    ///
    /// # Errors
    /// [`Refused`] where something is missing, doubled or not offered.
    pub fn read(headers: &HeaderMap, form: &Form, offered: &[GrantType]) -> Result<Self, Refused> {
        let sort = form.get("grant_type").ok_or(MISSING_GRANT_TYPE)?;
        let sort = GrantType::named(sort).ok_or(Refused::UnsupportedGrantType)?;
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
            GrantType::TokenExchange => Grant::TokenExchange(subject(form)?),
        };
        let scopes = form.get("scope").map(|s| s.split(' ').filter(|s| !s.is_empty()));
        let scopes = scopes.map(|all| all.map(ToOwned::to_owned).collect());
        let resource = resource(form, sort)?;
        Ok(Self { grant, scopes, resource, client: Presented::read(headers, form)? })
    }
}

/// The `resource` (RFC 8707), or in an exchange the `audience` (RFC 8693 section 2.1), which here
/// are the same.
fn resource(form: &Form, sort: GrantType) -> Result<Option<String>, Refused> {
    let audience = form.get("audience").filter(|_| sort == GrantType::TokenExchange);
    match (form.get("resource"), audience) {
        (Some(resource), Some(audience)) if resource != audience => Err(Refused::InvalidTarget),
        (one, other) => Ok(one.or(other).map(ToOwned::to_owned)),
    }
}

/// The token of the one for whom the client wants to act (RFC 8693 section 2.1).
fn subject(form: &Form) -> Result<SecretString, Refused> {
    let token = form.secret("subject_token").ok_or(MISSING_SUBJECT_TOKEN)?;
    match form.get("subject_token_type") {
        Some(ACCESS_TOKEN | JWT) => {}
        Some(_) => return Err(SUBJECT_TOKEN_TYPE),
        None => return Err(Refused::InvalidRequest("subject_token_type is missing")),
    }
    if !matches!(form.get("requested_token_type"), None | Some(ACCESS_TOKEN | JWT)) {
        return Err(Refused::InvalidRequest("only access tokens are issued in exchange"));
    }
    if form.get("actor_token").is_some() {
        // A second identity in one request: somebody would take the one for the other.
        return Err(Refused::InvalidRequest(
            "the actor is the client that authenticates; leave actor_token out",
        ));
    }
    Ok(token)
}

/// The type of access tokens (RFC 8693 section 3).
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The type of JWTs; ours are both.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

const MISSING_SUBJECT_TOKEN: Refused = Refused::InvalidRequest("subject_token is missing");
const SUBJECT_TOKEN_TYPE: Refused =
    Refused::InvalidRequest("the subject_token must be an access token");

const MISSING_GRANT_TYPE: Refused = Refused::InvalidRequest("grant_type is missing");
const MISSING_PASSWORD: Refused = Refused::InvalidRequest("username or password is missing");
const MISSING_REFRESH_TOKEN: Refused = Refused::InvalidRequest("refresh_token is missing");

impl Presented {
    /// Finds the client in the Basic header or in the form; two ways are one too many (section
    /// 2.3).
    ///
    /// # Errors
    /// [`Refused`] where it cannot be read, or stands in two places.
    pub fn read(headers: &HeaderMap, form: &Form) -> Result<Option<Self>, Refused> {
        let in_form = Self::in_form(form)?;
        let Some(in_header) = basic(headers)? else { return Ok(in_form) };
        // Repeating the id is harmless, and some clients do it; a second proof or another id is
        // not.
        let doubled = in_form.is_some_and(|in_form| {
            in_form.id != in_header.id || !matches!(in_form.shown, Shown::Nothing)
        });
        if doubled { Err(TWO_WAYS) } else { Ok(Some(in_header)) }
    }

    fn in_form(form: &Form) -> Result<Option<Self>, Refused> {
        let id = form.get("client_id").map(ToOwned::to_owned);
        let shown = match (form.secret("client_secret"), form.secret("client_assertion")) {
            (Some(_), Some(_)) => return Err(TWO_WAYS),
            (Some(secret), None) => Shown::Secret(secret),
            (None, Some(assertion)) => Shown::Assertion(assertion),
            (None, None) => Shown::Nothing,
        };
        let kind = form.get("client_assertion_type");
        let shown = match shown {
            Shown::Assertion(assertion) if kind == Some(assertion::TYPE) => {
                let signed = assertion::unverified_client(&assertion)?;
                // RFC 7521 section 4.2: a client_id must be that of the assertion.
                if id.is_some_and(|id| id != signed) {
                    return Err(Refused::InvalidClient(
                        "`client_id` is another one than the `iss` of its assertion",
                    ));
                }
                return Ok(Some(Self { id: signed, shown: Shown::Assertion(assertion) }));
            }
            Shown::Assertion(_) => {
                return Err(Refused::InvalidRequest("this client_assertion_type is not known"));
            }
            Shown::Nothing | Shown::Secret(_) if kind.is_some() => {
                return Err(Refused::InvalidRequest("client_assertion is missing"));
            }
            other => other,
        };
        match (id, shown) {
            (Some(id), shown) => Ok(Some(Self { id, shown })),
            (None, Shown::Nothing) => Ok(None),
            (None, _) => Err(Refused::InvalidRequest("client_id is missing")),
        }
    }
}

const TWO_WAYS: Refused = Refused::InvalidRequest("the client authenticates in two ways");

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
    let (id, secret) =
        read().ok_or(Refused::InvalidClient("`Authorization` is no name and secret of `Basic`"))?;
    match (id.is_empty(), secret.is_empty()) {
        // Swagger UI sends this for a client that was left blank.
        (true, true) => Ok(None),
        (true, false) => Err(Refused::InvalidClient("it showed a secret, and no id")),
        (false, blank) => {
            let secret = || Shown::Secret(SecretString::from(secret.as_str()));
            let shown = if blank { Shown::Nothing } else { secret() };
            Ok(Some(Presented { id: id.to_string(), shown }))
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
        let shown = |shown: &Shown| match shown {
            Shown::Nothing => "-".to_owned(),
            Shown::Secret(secret) => secret.expose_secret().to_owned(),
            Shown::Assertion(_) => "signed".to_owned(),
        };
        Ok(request.client.map(|c| format!("{}/{}", c.id, shown(&c.shown))))
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
            ("grant_type=token-exchange&subject_token=a", Refused::UnsupportedGrantType),
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
    fn only_an_access_token_says_for_whom_a_client_acts() {
        let exchange = |fields: &str| {
            let sort = GrantType::TokenExchange;
            read(None, &format!("grant_type={sort}&subject_token=t&{fields}"))
        };
        let kind =
            |name: &str| format!("subject_token_type=urn:ietf:params:oauth:token-type:{name}");
        for good in ["access_token", "jwt"] {
            assert!(matches!(exchange(&kind(good)).unwrap().grant, Grant::TokenExchange(_)));
        }
        for bad in ["id_token", "refresh_token", "saml2", "", "ACCESS_TOKEN"] {
            assert_eq!(exchange(&kind(bad)).unwrap_err(), SUBJECT_TOKEN_TYPE, "{bad}");
        }
        let access = kind("access_token");
        for fields in [
            String::new(),
            format!("{access}&actor_token=t"),
            format!("{access}&requested_token_type=urn:ietf:params:oauth:token-type:refresh_token"),
        ] {
            assert!(matches!(exchange(&fields), Err(Refused::InvalidRequest(_))), "{fields}");
        }
        let target = exchange(&format!("{access}&audience=a&resource=b"));
        assert_eq!(target.unwrap_err(), Refused::InvalidTarget);
        let target = exchange(&format!("{access}&audience=a")).unwrap();
        assert_eq!(target.resource.as_deref(), Some("a"));
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
            (None, "client_id=a&client_secret=b&client_assertion=c"),
            (None, "client_id=a&client_assertion=c"),
            (None, "client_id=a&client_assertion_type=urn:x&client_assertion=c"),
            (None, "client_id=a&client_assertion_type=urn:x"),
        ] {
            assert!(matches!(get(header, fields), Err(Refused::InvalidRequest(_))), "{fields}");
        }
        assert_eq!(get(basic(":"), "").unwrap(), None);
        for header in ["Basic !", "Basic YQ==", "Basic OmE=", "Bearer abc", "Basic"] {
            let refused = get(Some(header.into()), "").unwrap_err();
            assert!(matches!(refused, Refused::InvalidClient(_)), "{header}");
        }
    }
}
