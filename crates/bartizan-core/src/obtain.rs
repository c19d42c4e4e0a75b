//! How does the gate get a token for another service? The form that asks for one, and what is answered.
//!
//! Two grants: of the gate for itself (RFC 6749 section 4.4), and in exchange for the token of a
//! caller (RFC 8693). Who sends the form, and keeps what comes back, stands elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::authenticate::Subject;
use crate::issue::GrantType;
use crate::issue::assertion;
use crate::issue::request::ACCESS_TOKEN;
use crate::issue::signing::SigningKey;
use crate::json;
use crate::time::Timestamp;

/// As whom a token is asked for, and what it must be good for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The client that the gate is to the issuer.
    pub client: String,
    /// What proves that.
    pub proof: Proof,
    /// The scopes to ask for; what the issuer thinks right where there are none.
    pub scopes: Vec<Arc<str>>,
    /// The services it is meant for, by address (RFC 8707).
    pub resources: Vec<Arc<str>>,
    /// The same by name (RFC 8693 section 2.1).
    pub audiences: Vec<Arc<str>>,
}

/// How a client proves that it is itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By a secret in `Authorization: Basic` (`client_secret_basic`).
    Basic(SecretString),
    /// By a secret in the form (`client_secret_post`).
    Form(SecretString),
    /// By what it signs (`private_key_jwt`, RFC 7523 section 2.2).
    Signed(Arc<SigningKey>),
}

/// For whom a token is asked.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// For the gate itself.
    Own,
    /// For somebody who showed this one.
    Caller(&'a Subject),
}

/// A form that is ready to be sent. It holds credentials, so it prints as `***`.
pub struct Sealed {
    /// `application/x-www-form-urlencoded`.
    pub body: String,
    /// What proves who sends it, where that does not stand in the form.
    pub authorization: Option<HeaderValue>,
}

/// A token for another service.
#[derive(Clone)]
pub struct Obtained {
    /// `Authorization` as that service wants it.
    pub authorization: HeaderValue,
    /// When to ask for the next one, while this one still counts.
    pub due: Timestamp,
    /// When it is shown no more: shortly before its end.
    pub ends: Timestamp,
}

/// Why there is no token in an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// Not the JSON of RFC 6749 section 5.1.
    #[error("the answer of the token endpoint holds no `access_token`")]
    Unread,
    /// It must be shown in another way than is spoken here.
    #[error("the token endpoint issues no bearer tokens")]
    Type,
    /// No header field can carry it.
    #[error("the token holds characters that no header field can carry")]
    Characters,
    /// It is over before it could be shown.
    #[error("the token is over already")]
    Over,
    /// What is to be signed could not be.
    #[error("the proof of the client could not be made")]
    Proof,
}

/// How long a token counts of which nobody says it: RFC 6749 section 5.1 only recommends that.
pub const UNSAID: Duration = Duration::from_mins(5);

/// The longest that one is believed to count.
const LONGEST: Duration = Duration::from_hours(24);

/// The longest that it is put away before its end: clocks differ, and the call needs its time.
const MARGIN: Duration = Duration::from_secs(30);

/// The shortest, unless that is half of its life: `exp` counts whole seconds, and loses a part of one.
const TICK: Duration = Duration::from_secs(1);

/// How long what the client signs counts.
const SIGNED_FOR: Duration = Duration::from_mins(1);

/// The longest token, in bytes.
const MAX_TOKEN: usize = 16 * 1024;

/// What is not written as it is in a form (RFC 6749 appendix B).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

impl Wish {
    /// The form for the token endpoint that is called `audience`. `nonce` makes what is signed
    /// different from everything signed before.
    ///
    /// # Errors
    /// [`Unusable::Proof`].
    pub fn form(
        &self,
        whose: Whose<'_>,
        audience: &str,
        now: Timestamp,
        nonce: u128,
    ) -> Result<Sealed, Unusable> {
        let mut fields = Fields::default();
        match whose {
            Whose::Own => fields.add("grant_type", GrantType::ClientCredentials.as_str()),
            Whose::Caller(subject) => {
                fields.add("grant_type", GrantType::TokenExchange.as_str());
                fields.add("subject_token", subject.token());
                fields.add("subject_token_type", ACCESS_TOKEN);
                fields.add("requested_token_type", ACCESS_TOKEN);
            }
        }
        if !self.scopes.is_empty() {
            fields.add("scope", &self.scopes.join(" "));
        }
        self.resources.iter().for_each(|resource| fields.add("resource", resource));
        self.audiences.iter().for_each(|name| fields.add("audience", name));
        let authorization = self.prove(&mut fields, audience, now, nonce)?;
        Ok(Sealed { body: fields.0, authorization })
    }

    fn prove(
        &self,
        fields: &mut Fields,
        audience: &str,
        now: Timestamp,
        nonce: u128,
    ) -> Result<Option<HeaderValue>, Unusable> {
        match &self.proof {
            Proof::Basic(secret) => return basic(&self.client, secret).map(Some),
            Proof::Form(secret) => {
                fields.add("client_id", &self.client);
                fields.add("client_secret", secret.expose_secret());
            }
            Proof::Signed(key) => {
                let claims = json!({
                    "iss": self.client,
                    "sub": self.client,
                    "aud": audience,
                    "jti": format!("{nonce:032x}"),
                    "iat": now.as_secs(),
                    "exp": now.plus(SIGNED_FOR).as_secs(),
                });
                fields.add("client_id", &self.client);
                fields.add("client_assertion_type", assertion::TYPE);
                let signed = key.sign("JWT", &claims).map_err(|_| Unusable::Proof)?;
                fields.add("client_assertion", &signed);
            }
        }
        Ok(None)
    }
}

impl Obtained {
    /// Reads the answer of a token endpoint. It counts no longer than until `latest`.
    ///
    /// # Errors
    /// [`Unusable`] where there is no token in it that can be shown.
    pub fn read(
        answer: &[u8],
        now: Timestamp,
        latest: Option<Timestamp>,
    ) -> Result<Self, Unusable> {
        let answer = json::object(answer, 8).map_err(|_| Unusable::Unread)?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let token = text("access_token").filter(|token| (1..=MAX_TOKEN).contains(&token.len()));
        let token = token.ok_or(Unusable::Unread)?;
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(Unusable::Type);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Unusable::Characters);
        }
        let said = match answer.get("expires_in") {
            None | Some(Value::Null) => UNSAID,
            // Some send it as text; a fraction of a second is none.
            Some(Value::String(text)) => seconds(text.parse().ok())?,
            Some(number) => seconds(number.as_f64())?,
        };
        let mut life = said.min(LONGEST);
        if let Some(latest) = latest {
            life = life.min(latest.since(now));
        }
        if life.is_zero() {
            return Err(Unusable::Over);
        }
        let margin = (life / 10).clamp(TICK.min(life / 2), MARGIN);
        let mut authorization =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Unusable::Characters)?;
        authorization.set_sensitive(true);
        let ends = now.plus(life - margin);
        Ok(Self { authorization, due: now.plus((life - margin) * 4 / 5), ends })
    }
}

/// `Authorization: Basic` of a client: encoded twice over, as in a form, and then in Base64 (RFC
/// 6749 section 2.3.1).
///
/// # Errors
/// [`Unusable::Proof`] where no header field can carry it.
pub fn basic(client: &str, secret: &SecretString) -> Result<HeaderValue, Unusable> {
    let (client, secret) = (encoded(client), encoded(secret.expose_secret()));
    let basic = format!("Basic {}", STANDARD.encode(format!("{client}:{secret}")));
    let mut basic = HeaderValue::from_str(&basic).map_err(|_| Unusable::Proof)?;
    basic.set_sensitive(true);
    Ok(basic)
}

/// A name or a value as it stands in a form.
#[must_use]
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, FORM).to_string()
}

#[derive(Default)]
struct Fields(String);

impl Fields {
    fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, FORM));
    }
}

fn seconds(number: Option<f64>) -> Result<Duration, Unusable> {
    let number = number.filter(|number| number.is_finite() && *number > 0.0);
    let number = number.ok_or(Unusable::Over)?.min(LONGEST.as_secs_f64());
    Duration::try_from_secs_f64(number).map_err(|_| Unusable::Over)
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(***)")
    }
}

impl fmt::Debug for Obtained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Obtained")
            .field("due", &self.due)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn wish(proof: Proof) -> Wish {
        Wish {
            client: "gate way".into(),
            proof,
            scopes: vec!["read".into(), "write".into()],
            resources: vec!["https://api.example/v1".into(), "https://b.example/".into()],
            audiences: vec!["api".into()],
        }
    }

    fn subject() -> Subject {
        Subject::assert("caller&token".into(), None)
    }

    #[test]
    fn the_forms_are_those_of_the_standards() {
        let basic = wish(Proof::Basic("s:cret".into()));
        let form = basic.form(Whose::Own, "https://id.example", NOW, 1).unwrap();
        assert_eq!(
            form.body,
            "grant_type=client_credentials&scope=read%20write\
             &resource=https%3A%2F%2Fapi.example%2Fv1&resource=https%3A%2F%2Fb.example%2F\
             &audience=api"
        );
        // gate%20way:s%3Acret
        assert_eq!(form.authorization.unwrap(), "Basic Z2F0ZSUyMHdheTpzJTNBY3JldA==");
        let form = wish(Proof::Form("x".into()));
        let form = form.form(Whose::Caller(&subject()), "https://id.example", NOW, 1).unwrap();
        assert!(form.authorization.is_none());
        assert!(form.body.starts_with(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &subject_token=caller%26token\
             &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&"
        ));
        assert!(form.body.ends_with("&client_id=gate%20way&client_secret=x"));
    }

    #[test]
    fn what_a_client_signs_is_what_our_own_token_endpoint_takes_and_only_once() {
        use crate::authenticate::jwks::KeySet;

        let key = SigningKey::from_pkcs8(&SigningKey::generate_pkcs8().unwrap()).unwrap();
        let keys = json!({ "keys": [key.public_jwk()] }).to_string();
        let keys = KeySet::parse(keys.as_bytes()).unwrap();
        let wish = wish(Proof::Signed(Arc::new(key)));
        let signed = |nonce| {
            let form = wish.form(Whose::Own, "https://id.example", NOW, nonce).unwrap();
            let (_, signed) = form.body.split_once("client_assertion=").unwrap();
            SecretString::from(signed)
        };
        let verify = |signed: &SecretString| {
            assertion::verify(signed, "gate way", &keys, &["https://id.example"], NOW).unwrap()
        };
        assert_ne!(verify(&signed(1)), verify(&signed(2)));
    }

    #[test]
    fn a_token_is_put_away_before_it_ends_and_renewed_before_that() {
        let read = |text: &str| Obtained::read(text.as_bytes(), NOW, None);
        let life = |text: &str| {
            let Obtained { due, ends, .. } = read(text).unwrap();
            (due.since(NOW).as_secs(), ends.since(NOW).as_secs())
        };
        let of = |life: &str| {
            format!(r#"{{"access_token":"t","token_type":"bearer","expires_in":{life}}}"#)
        };
        assert_eq!(life(&of("3600")), (2856, 3570));
        assert_eq!(life(&of("\"100\"")), (72, 90));
        assert_eq!(read(&of("2")).unwrap().ends.since(NOW), Duration::from_secs(1));
        assert_eq!(read(&of("1")).unwrap().ends.since(NOW), Duration::from_millis(500));
        assert_eq!(life(&of("1e30")).1, 24 * 3600 - 30);
        assert_eq!(life(r#"{"access_token":"t","token_type":"Bearer"}"#), (216, 270));
        for over in ["0", "-5", "\"soon\"", "true"] {
            assert_eq!(read(&of(over)).unwrap_err(), Unusable::Over, "{over}");
        }
        let soon = NOW.plus(Duration::from_secs(20));
        let bounded = Obtained::read(of("3600").as_bytes(), NOW, Some(soon)).unwrap();
        assert_eq!(bounded.ends.since(NOW).as_secs(), 18);
        let past = NOW.minus(Duration::from_secs(1));
        assert!(Obtained::read(of("3600").as_bytes(), NOW, Some(past)).is_err());
    }

    #[test]
    fn what_cannot_be_shown_is_no_token() {
        for (text, why) in [
            ("", Unusable::Unread),
            (r#"{"access_token":7,"token_type":"Bearer"}"#, Unusable::Unread),
            (r#"{"access_token":"","token_type":"Bearer"}"#, Unusable::Unread),
            (r#"{"access_token":"t"}"#, Unusable::Type),
            (r#"{"access_token":"t","token_type":"DPoP"}"#, Unusable::Type),
            (r#"{"access_token":"t","token_type":"N_A"}"#, Unusable::Type),
            (r#"{"access_token":"t\r\nx: y","token_type":"Bearer"}"#, Unusable::Characters),
            (r#"{"access_token":"t t","token_type":"Bearer"}"#, Unusable::Characters),
        ] {
            assert_eq!(Obtained::read(text.as_bytes(), NOW, None).unwrap_err(), why, "{text}");
        }
    }

    #[test]
    fn nothing_of_it_is_printed() {
        let wish = wish(Proof::Form("hunter2".into()));
        let form = wish.form(Whose::Caller(&subject()), "x", NOW, 1).unwrap();
        let answer = br#"{"access_token":"hunter3","token_type":"bearer"}"#;
        let got = Obtained::read(answer, NOW, None).unwrap();
        let printed = format!("{wish:?} {form:?} {got:?} {:?} {:?}", subject(), got.authorization);
        assert!(!printed.contains("hunter") && !printed.contains("caller&token"), "{printed}");
    }
}
