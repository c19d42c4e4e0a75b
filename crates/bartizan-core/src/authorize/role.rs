//! What do roles permit? Actions on resources, with wildcards by segment.

use std::collections::HashMap;
use std::sync::Arc;

/// An action on a resource; in a role both may be patterns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permission {
    /// What it is done to: `document`, `tools/search`.
    pub resource: Arc<str>,
    /// What is done: `summarize`.
    pub action: Arc<str>,
}

/// What each role permits.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    permissions: HashMap<Arc<str>, Vec<Permission>>,
}

impl Roles {
    /// Each role with what it permits.
    #[must_use]
    pub fn new(permissions: HashMap<Arc<str>, Vec<Permission>>) -> Self {
        Self { permissions }
    }

    /// Whether a role of that name is defined.
    #[must_use]
    pub fn defines(&self, role: &str) -> bool {
        self.permissions.contains_key(role)
    }

    /// Whether any of `roles` permits `action` on `resource`. A role that is not defined permits
    /// nothing.
    #[must_use]
    pub fn permit(&self, roles: &[Arc<str>], resource: &str, action: &str) -> bool {
        let permissions = roles.iter().filter_map(|role| self.permissions.get(role)).flatten();
        permissions.into_iter().any(|permission| {
            matches(&permission.resource, resource) && matches(&permission.action, action)
        })
    }
}

/// Whether `name` falls under `pattern`: a lone `*` is everything; `*` within a segment stands
/// for any run of characters of that segment; a last segment `*` stands for one or more
/// segments. `tools/*` does not match `tools_internal/x`, nor `tools`.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (mut patterns, mut names) = (pattern.split('/').peekable(), name.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some("*"), Some(first)) if patterns.peek().is_none() => {
                return !first.is_empty() && names.all(|segment| !segment.is_empty());
            }
            (Some(pattern), Some(segment)) if segment_matches(pattern, segment) => {}
            _ => return false,
        }
    }
}

/// One segment; each `*` takes as little as it may, so the time is linear in practice and
/// quadratic at worst, on strings that an operator wrote.
fn segment_matches(pattern: &str, segment: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = segment.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.split_once(middle) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
    }
    last.map_or(rest.is_empty(), |end| rest.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_their_segment() {
        for (pattern, name) in [
            ("*", "anything/at/all"),
            ("tools/*", "tools/search"),
            ("tools/*", "tools/search/deep"),
            ("tools/delete_*", "tools/delete_all"),
            ("tools/*/run", "tools/x/run"),
            ("a*b*c", "a-b-c"),
            ("document", "document"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("tools/*", "tools_internal/x"),
            ("tools/*", "tools"),
            ("tools/*", "tools/"),
            ("tools/delete_*", "tools/delete_x/y"),
            ("tools/*/run", "tools/x/y/run"),
            ("document", "documents"),
            ("document", "Document"),
            ("a*b*c", "a-c-b"),
            ("ab*ba", "aba"),
            ("", "x"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn an_undefined_role_permits_nothing() {
        let roles = Roles::default();
        assert!(!roles.permit(&[Arc::from("admin")], "document", "read"));
    }
}
