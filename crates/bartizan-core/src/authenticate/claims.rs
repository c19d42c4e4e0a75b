//! Where in a token's claims is what we need, and how much of it may its issuer say?

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Rejection;

/// The longest subject, in bytes.
pub(super) const MAX_SUBJECT: usize = 256;

/// The most roles, or scopes, that a token may list.
pub const MAX_TEXTS: usize = 256;

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
    pub(super) fn subject(&self, claims: &Map<String, Value>) -> Result<Arc<str>, Rejection> {
        let mut there = self.subject.iter().filter_map(|path| find(claims, path));
        let subject = there.find(|value| !value.is_null()).and_then(Value::as_str);
        subject.filter(|text| is_name(text)).map(Arc::from).ok_or(Rejection::Malformed)
    }

    pub(super) fn tenant(
        &self,
        claims: &Map<String, Value>,
    ) -> Result<Option<Arc<str>>, Rejection> {
        match self.tenant.as_deref().and_then(|path| find(claims, path)) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(tenant)) if is_name(tenant) => Ok(Some(tenant.as_str().into())),
            Some(_) => Err(Rejection::Malformed),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_SUBJECT).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The member that `path` names as it stands (`https://example.com/roles` holds dots), else the
/// one to which its parts lead (`realm_access.roles`).
pub(crate) fn find<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    claims.get(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        find(claims.get(first)?.as_object()?, rest)
    })
}

/// The texts at `path`: an array of texts, or one text with spaces between; none where nothing
/// stands there.
pub(super) fn texts(claims: &Map<String, Value>, path: &str) -> Result<Vec<Arc<str>>, Rejection> {
    let texts: Vec<Arc<str>> = match find(claims, path) {
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

    fn read(claims: &str, path: &str) -> Result<Vec<String>, Rejection> {
        let claims: Map<String, Value> = serde_json::from_str(claims).unwrap();
        Ok(texts(&claims, path)?.iter().map(ToString::to_string).collect())
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
        let subject = |claims: &str| paths.subject(&serde_json::from_str(claims).unwrap());
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
