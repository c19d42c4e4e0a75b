//! Where in a token's claims is what we need, and how much of it may its issuer say?

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Rejection;
use crate::json::{self, Member, Unsound};

/// The longest subject, in bytes.
pub(super) const MAX_SUBJECT: usize = 256;

/// The most roles, or scopes, that a token may list.
pub const MAX_TEXTS: usize = 256;

/// The claims of a token, or of what stands for one: an object of which each member stands once, in
/// the order in which it was written. It is read often, never changed, and shared for nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Arc<[Member]>);

impl Claims {
    /// Reads an object that has one reading, in which objects and arrays nest at most `depth` deep.
    ///
    /// # Errors
    /// [`Unsound`] for anything else.
    pub fn parse(bytes: &[u8], depth: usize) -> Result<Self, Unsound> {
        Ok(Self(json::members(bytes, depth)?.into()))
    }

    /// A single claim.
    pub(super) fn of_one(name: &str, value: Value) -> Self {
        Self(Arc::new([(name.to_owned(), value)]))
    }

    /// What stands under `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Whether something stands under `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Every claim by its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The member that `path` names as it stands (`https://example.com/roles` holds dots), else the
    /// one to which its parts lead (`realm_access.roles`).
    pub(crate) fn find(&self, path: &str) -> Option<&Value> {
        self.get(path).or_else(|| {
            let (first, rest) = path.split_once('.')?;
            within(self.get(first)?.as_object()?, rest)
        })
    }
}

/// [`Claims::find`], further in.
fn within<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    object.get(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        within(object.get(first)?.as_object()?, rest)
    })
}

impl From<Map<String, Value>> for Claims {
    fn from(object: Map<String, Value>) -> Self {
        Self(object.into_iter().collect())
    }
}

/// Where things stand in the claims: a member's name, or names joined by dots that lead inwards.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimPaths {
    /// Who it is: the first of these that stands there and is not null; by default `sub`. Some
    /// providers name a program that acts for itself by `client_id` alone.
    pub subject: Vec<String>,
    /// To which tenant they belong; by default nowhere.
    pub tenant: Option<String>,
    /// Their roles, an array or a text with spaces; by default `roles`.
    pub roles: String,
    /// Their scopes, an array or a text with spaces; by default `scope` (RFC 8693 section 4.2).
    pub scopes: String,
}

impl Default for ClaimPaths {
    fn default() -> Self {
        let [subject, roles, scopes] = ["sub", "roles", "scope"].map(String::from);
        Self { subject: vec![subject], tenant: None, roles, scopes }
    }
}

impl ClaimPaths {
    pub(super) fn subject(&self, claims: &Claims) -> Result<Arc<str>, Rejection> {
        let mut there = self.subject.iter().filter_map(|path| claims.find(path));
        let subject = there.find(|value| !value.is_null()).and_then(Value::as_str);
        subject.filter(|text| is_name(text)).map(Arc::from).ok_or(Rejection::Malformed)
    }

    pub(super) fn tenant(&self, claims: &Claims) -> Result<Option<Arc<str>>, Rejection> {
        match self.tenant.as_deref().and_then(|path| claims.find(path)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(tenant)) if is_name(tenant) => Ok(Some(tenant.as_str().into())),
            Some(_) => Err(Rejection::Malformed),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_SUBJECT).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The texts at `path`: an array of texts, or one text with spaces between; none where nothing
/// stands there.
pub(super) fn texts(claims: &Claims, path: &str) -> Result<Vec<Arc<str>>, Rejection> {
    let texts: Vec<Arc<str>> = match claims.find(path) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split_ascii_whitespace().map(Arc::from).collect(),
        Some(Value::Array(array)) => {
            let texts = array.iter().map(|text| text.as_str().map(Arc::from));
            texts.collect::<Option<_>>().ok_or(Rejection::Malformed)?
        }
        Some(_) => return Err(Rejection::Malformed),
    };
    if texts.len() > MAX_TEXTS { Err(Rejection::Malformed) } else { Ok(texts) }
}

/// Which roles and scopes an issuer may assert. What it says beyond them is not heard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grants {
    /// Patterns of roles: a name, or the beginning of one with `*` behind it.
    pub roles: Vec<String>,
    /// Patterns of scopes, likewise.
    pub scopes: Vec<String>,
}

/// All scopes, no roles: scopes say what a token is for, roles who somebody is with us.
impl Default for Grants {
    fn default() -> Self {
        Self { roles: Vec::new(), scopes: vec!["*".into()] }
    }
}

impl Grants {
    /// Every role and every scope.
    #[must_use]
    pub fn everything() -> Self {
        Self { roles: vec!["*".into()], scopes: vec!["*".into()] }
    }

    /// Whether the role may be asserted.
    #[must_use]
    pub fn allows_role(&self, role: &str) -> bool {
        self.roles.iter().any(|pattern| matches(pattern, role))
    }

    /// Whether the scope may be asserted.
    #[must_use]
    pub fn allows_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|pattern| matches(pattern, scope))
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(claims: &str) -> Claims {
        Claims::parse(claims.as_bytes(), 4).unwrap()
    }

    fn read(claims: &str, path: &str) -> Result<Vec<String>, Rejection> {
        Ok(texts(&given(claims), path)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_are_read_however_providers_write_them() {
        let two = vec!["a".to_owned(), "b:c".to_owned()];
        assert_eq!(read(r#"{"scope":"a  b:c"}"#, "scope").unwrap(), two);
        assert_eq!(read(r#"{"scp":["a","b:c"]}"#, "scp").unwrap(), two);
        assert_eq!(
            read(r#"{"realm_access":{"roles":["a","b:c"]}}"#, "realm_access.roles").unwrap(),
            two
        );
        assert_eq!(
            read(r#"{"https://x.example/roles":"a b:c"}"#, "https://x.example/roles").unwrap(),
            two
        );
        assert!(read("{}", "scope").unwrap().is_empty());
    }

    #[test]
    fn a_program_that_acts_for_itself_is_named_where_its_provider_names_it() {
        let paths =
            ClaimPaths { subject: vec!["sub".into(), "client_id".into()], ..ClaimPaths::default() };
        let subject = |claims: &str| paths.subject(&given(claims));
        assert_eq!(&*subject(r#"{"sub":"a","client_id":"b"}"#).unwrap(), "a");
        assert_eq!(&*subject(r#"{"sub":null,"client_id":"b"}"#).unwrap(), "b");
        assert_eq!(&*subject(r#"{"client_id":"b"}"#).unwrap(), "b");
        // One that is there and is none is not passed over: it may be an attempt.
        for claims in [r#"{"sub":"","client_id":"b"}"#, r#"{"sub":7,"client_id":"b"}"#, "{}"] {
            assert_eq!(subject(claims), Err(Rejection::Malformed), "{claims}");
        }
    }

    #[test]
    fn a_list_that_is_none_is_refused_rather_than_taken_for_empty() {
        for claims in [r#"{"scope":7}"#, r#"{"scope":["a",7]}"#, r#"{"scope":{"a":1}}"#] {
            assert_eq!(read(claims, "scope"), Err(Rejection::Malformed), "{claims}");
        }
        let many = serde_json::json!({ "scope": vec!["a"; MAX_TEXTS + 1] }).to_string();
        assert_eq!(read(&many, "scope"), Err(Rejection::Malformed));
    }

    #[test]
    fn a_pattern_ends_in_a_star_or_means_itself() {
        let grants = Grants { roles: vec!["user".into()], scopes: vec!["data:*".into()] };
        assert!(grants.allows_role("user") && !grants.allows_role("users"));
        assert!(grants.allows_scope("data:read") && !grants.allows_scope("database:read"));
        assert!(!Grants::default().allows_role("admin"));
    }
}
