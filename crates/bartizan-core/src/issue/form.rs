//! What stands in the form? `application/x-www-form-urlencoded`, each name once.

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::Refused;

/// The longest form that is read, in bytes.
pub const MAX_FORM: usize = 16 * 1024;

/// The most fields that a form may have.
const MAX_FIELDS: usize = 64;

/// The fields of a form. Values may be secrets: they are wiped, and never printed.
pub struct Form(BTreeMap<String, Zeroizing<String>>);

impl Form {
    /// Reads the body of a request to the token endpoint or one of its neighbours.
    ///
    /// # Errors
    /// [`Refused::InvalidRequest`] where it is no form, is too large, or a field stands twice
    /// (RFC 6749 section 3.2).
    pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refused> {
        if !is_form(headers) {
            return Err(Refused::InvalidRequest(
                "the body must be application/x-www-form-urlencoded",
            ));
        }
        if body.len() > MAX_FORM {
            return Err(Refused::InvalidRequest("the form is too large"));
        }
        let text = std::str::from_utf8(body).ok();
        Self::parse(text.ok_or(Refused::InvalidRequest("the form cannot be read"))?)
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let mut fields = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let unreadable = Refused::InvalidRequest("the form cannot be read");
            let (name, value) = decode(name).zip(decode(value)).ok_or(unreadable)?;
            if fields.len() == MAX_FIELDS {
                return Err(Refused::InvalidRequest("the form has too many fields"));
            }
            if fields.insert(name.to_string(), value).is_some() {
                return Err(Refused::InvalidRequest("a field stands twice"));
            }
        }
        // Section 3.2: a field without a value counts as left out.
        fields.retain(|_, value: &mut Zeroizing<String>| !value.is_empty());
        Ok(Self(fields))
    }

    /// The value of a field, if it has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.as_str())
    }

    /// The value of a field that is a secret.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(SecretString::from)
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Undoes the encoding of a name or a value.
pub(super) fn decode(text: &str) -> Option<Zeroizing<String>> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    let bytes = Zeroizing::new(percent_decode_str(&spaced).collect::<Vec<u8>>());
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_stands_twice_is_refused_even_when_encoded_or_empty() {
        for text in ["scope=a&scope=b", "scope=a&sc%6fpe=b", "scope=&scope=a", "a=1&a=1"] {
            assert!(matches!(Form::parse(text), Err(Refused::InvalidRequest(_))), "{text}");
        }
    }

    #[test]
    fn values_are_what_was_typed() {
        let form = Form::parse("username=a+b%2B%26%C3%A9&password=&x&=1").unwrap();
        assert_eq!(form.get("username"), Some("a b+&é"));
        assert_eq!(form.get("password"), None);
        assert_eq!(form.get("x"), None);
        assert!(Form::parse("a=%ff").is_err());
    }

    #[test]
    fn another_media_type_or_size_is_refused() {
        let read = |kind: &str, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            Form::read(&headers, body).is_ok()
        };
        assert!(read("application/x-www-form-urlencoded; charset=UTF-8", b"a=1"));
        assert!(!read("application/json", b"{}"));
        assert!(!read("application/x-www-form-urlencoded", &[b'a'; MAX_FORM + 1]));
        assert!(Form::read(&HeaderMap::new(), b"a=1").is_err());
        let many = (0..=MAX_FIELDS).map(|i| format!("f{i}=1")).collect::<Vec<_>>().join("&");
        assert!(!read("application/x-www-form-urlencoded", many.as_bytes()));
    }
}
