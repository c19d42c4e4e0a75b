//! What do roles permit? Actions on resources, with wildcards by segment.

use std::collections::HashMap;
use std::sync::Arc;

use super::lookup::{Set, Table};

/// An action on a resource; in a role both may be patterns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permission {
    /// What it is done to: `document`, `tools/search`.
    pub resource: Arc<str>,
    /// What is done: `summarize`.
    pub action: Arc<str>,
}

/// What each role permits and contains, closed over inheritance.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    reach: Table<Reach>,
}

/// What one role permits, with what it inherits.
#[derive(Clone, Debug, Default)]
struct Reach {
    /// How many steps the longest way of its inheritance has.
    steps: usize,
    /// The roles that it inherits from, over any number of steps.
    contains: Set,
    /// The actions, by the resources that are named in full.
    exact: Table<Vec<Arc<str>>>,
    /// The permissions whose resource is a pattern.
    patterns: Vec<Permission>,
}

/// Why roles cannot inherit so. The operator must mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RoleError {
    /// A role that inherits from itself, over these steps.
    #[error("the roles {} inherit from one another in a circle", steps(.0))]
    Circle(Vec<Arc<str>>),
    /// More steps than anybody could follow.
    #[error("the role `{0}` inherits over more than {MAX_STEPS} steps")]
    TooDeep(Arc<str>),
    /// More permissions than a gateway should hold.
    #[error("the roles inherit more than {MAX_INHERITED} permissions together")]
    TooMany,
    /// A role that nothing defines.
    #[error("the role `{role}` inherits from `{parent}`, which nothing defines")]
    Undefined {
        /// The one that inherits.
        role: Arc<str>,
        /// From whom.
        parent: Arc<str>,
    },
}

/// The most steps of inheritance.
pub const MAX_STEPS: usize = 32;

/// The most permissions and roles that all roles hold together, inherited ones counted each time.
pub const MAX_INHERITED: usize = 1_000_000;

type Permissions = HashMap<Arc<str>, Vec<Permission>>;

/// Each role with those it inherits from.
pub type Parents = HashMap<Arc<str>, Vec<Arc<str>>>;

impl Roles {
    /// Each role with what it permits; none inherits.
    #[must_use]
    pub fn new(permissions: Permissions) -> Self {
        let reach = permissions.into_iter().map(|(role, own)| {
            let mut reach = Reach::default();
            own.into_iter().for_each(|permission| reach.add(permission));
            (role, reach)
        });
        Self { reach: reach.collect() }
    }

    /// Each role with what it permits, and from whom it inherits all that those permit.
    ///
    /// # Errors
    /// [`RoleError`] where a role inherits from itself, from nothing, or too much.
    pub fn inheriting(permissions: &Permissions, parents: &Parents) -> Result<Self, RoleError> {
        let mut closure =
            Closure { permissions, parents, left: MAX_INHERITED, reach: Table::default() };
        for role in permissions.keys() {
            closure.reach(role, &mut Vec::new())?;
        }
        Ok(Self { reach: closure.reach })
    }

    /// Whether a role of that name is defined.
    #[must_use]
    pub fn defines(&self, role: &str) -> bool {
        self.reach.contains_key(role)
    }

    /// Whether one of `held` is `role`, or inherits from it.
    #[must_use]
    pub fn hold(&self, held: &[Arc<str>], role: &str) -> bool {
        held.iter().any(|own| {
            &**own == role || self.reach.get(own).is_some_and(|reach| reach.contains.contains(role))
        })
    }

    /// Whether any of `roles` permits `action` on `resource`. A role that is not defined permits
    /// nothing.
    #[must_use]
    pub fn permit(&self, roles: &[Arc<str>], resource: &str, action: &str) -> bool {
        roles.iter().filter_map(|role| self.reach.get(role)).any(|reach| {
            let exact = reach
                .exact
                .get(resource)
                .is_some_and(|actions| actions.iter().any(|pattern| matches(pattern, action)));
            exact
                || reach.patterns.iter().any(|permission| {
                    matches(&permission.resource, resource) && matches(&permission.action, action)
                })
        })
    }
}

impl Reach {
    fn add(&mut self, permission: Permission) {
        let Permission { resource, action } = permission;
        if resource.contains('*') {
            let permission = Permission { resource, action };
            if !self.patterns.contains(&permission) {
                self.patterns.push(permission);
            }
            return;
        }
        let actions = self.exact.entry(resource).or_default();
        if !actions.contains(&action) {
            actions.push(action);
        }
    }

    fn take_over(&mut self, parent: &Self) {
        self.contains.extend(parent.contains.iter().cloned());
        for (resource, actions) in &parent.exact {
            for action in actions {
                self.add(Permission { resource: Arc::clone(resource), action: Arc::clone(action) });
            }
        }
        parent.patterns.iter().for_each(|permission| self.add(permission.clone()));
    }

    fn size(&self) -> usize {
        self.contains.len() + self.patterns.len() + self.exact.values().map(Vec::len).sum::<usize>()
    }
}

/// The inheritance while it is followed.
struct Closure<'a> {
    permissions: &'a Permissions,
    parents: &'a Parents,
    /// How much more the roles may hold together.
    left: usize,
    reach: Table<Reach>,
}

impl Closure<'_> {
    /// Works out the reach of `role`; `open` are the roles on the way to it.
    fn reach(&mut self, role: &Arc<str>, open: &mut Vec<Arc<str>>) -> Result<(), RoleError> {
        if let Some(at) = open.iter().position(|open| open == role) {
            let mut circle: Vec<_> = open.drain(at..).collect();
            // Told alike, wherever the walk has met it.
            let first = circle.iter().enumerate().min_by_key(|(_, role)| *role).map(|(at, _)| at);
            circle.rotate_left(first.unwrap_or(0));
            circle.extend(circle.first().cloned());
            return Err(RoleError::Circle(circle));
        }
        if self.reach.contains_key(role) {
            return Ok(());
        }
        // So that the walk itself stays short, however long the way is.
        if open.len() > MAX_STEPS {
            return Err(RoleError::TooDeep(Arc::clone(open.first().unwrap_or(role))));
        }
        open.push(Arc::clone(role));
        let mut reach = Reach::default();
        self.permissions.get(role).into_iter().flatten().cloned().for_each(|own| reach.add(own));
        for parent in self.parents.get(role).into_iter().flatten() {
            if !self.permissions.contains_key(parent) {
                let (role, parent) = (Arc::clone(role), Arc::clone(parent));
                return Err(RoleError::Undefined { role, parent });
            }
            self.reach(parent, open)?;
            reach.contains.insert(Arc::clone(parent));
            if let Some(inherited) = self.reach.get(parent) {
                reach.take_over(inherited);
                reach.steps = reach.steps.max(inherited.steps + 1);
            }
            // Counted and not only walked: a way that was followed from its middle is as long.
            if reach.steps > MAX_STEPS {
                return Err(RoleError::TooDeep(Arc::clone(role)));
            }
            if reach.size() > self.left {
                return Err(RoleError::TooMany);
            }
        }
        self.left = self.left.checked_sub(reach.size()).ok_or(RoleError::TooMany)?;
        open.pop();
        self.reach.insert(Arc::clone(role), reach);
        Ok(())
    }
}

fn steps(roles: &[Arc<str>]) -> String {
    roles.iter().map(|role| format!("`{role}`")).collect::<Vec<_>>().join(" → ")
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
pub(super) fn segment_matches(pattern: &str, segment: &str) -> bool {
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

    fn arc(text: &str) -> Arc<str> {
        text.into()
    }

    fn permission(resource: &str, action: &str) -> Permission {
        Permission { resource: arc(resource), action: arc(action) }
    }

    fn inherit(rows: &[(&str, &[&str])]) -> Result<Roles, RoleError> {
        let own = |role: &str| vec![permission(&format!("of/{role}"), "use")];
        let permissions = rows.iter().map(|(role, _)| (arc(role), own(role))).collect();
        let parents = rows
            .iter()
            .map(|(role, parents)| (arc(role), parents.iter().map(|parent| arc(parent)).collect()));
        Roles::inheriting(&permissions, &parents.collect())
    }

    #[test]
    fn a_role_permits_what_it_inherits_and_never_what_inherits_from_it() {
        let roles = inherit(&[("admin", &["editor"]), ("editor", &["reader"]), ("reader", &[])]);
        let roles = roles.unwrap();
        for (role, of, permitted) in [
            ("admin", "of/reader", true),
            ("editor", "of/reader", true),
            ("editor", "of/admin", false),
            ("reader", "of/editor", false),
        ] {
            assert_eq!(roles.permit(&[arc(role)], of, "use"), permitted, "{role} {of}");
        }
        assert!(roles.hold(&[arc("admin")], "reader"));
        assert!(!roles.hold(&[arc("reader")], "admin"));
        assert!(!roles.hold(&[arc("admins")], "admin"), "a role is its whole name");
    }

    #[test]
    fn a_circle_of_roles_is_refused_and_named() {
        let circle = inherit(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])]).unwrap_err();
        assert!(matches!(&circle, RoleError::Circle(steps) if steps.len() == 3), "{circle}");
        let own = inherit(&[("a", &["a"])]).unwrap_err();
        assert_eq!(own.to_string(), "the roles `a` → `a` inherit from one another in a circle");
        let nobody = inherit(&[("a", &["b"])]).unwrap_err();
        assert_eq!(nobody.to_string(), "the role `a` inherits from `b`, which nothing defines");
    }

    #[test]
    fn inheritance_is_bounded_in_steps_wherever_the_walk_begins() {
        let chain = |roles: usize| {
            let name = |n: usize| -> Arc<str> { Arc::from(format!("r{n:03}")) };
            let parents = |n: usize| if n + 1 < roles { vec![name(n + 1)] } else { Vec::new() };
            let permissions: Permissions = (0..roles).map(|n| (name(n), Vec::new())).collect();
            Roles::inheriting(&permissions, &(0..roles).map(|n| (name(n), parents(n))).collect())
        };
        // Each map has an order of its own, so the walk begins elsewhere each time.
        for _ in 0..50 {
            assert!(chain(MAX_STEPS + 1).is_ok());
            assert!(matches!(chain(MAX_STEPS + 2), Err(RoleError::TooDeep(_))));
            assert!(matches!(chain(10 * MAX_STEPS), Err(RoleError::TooDeep(_))));
        }
    }

    #[test]
    fn an_undefined_role_permits_nothing() {
        let roles = Roles::default();
        assert!(!roles.permit(&[Arc::from("admin")], "document", "read"));
    }
}
