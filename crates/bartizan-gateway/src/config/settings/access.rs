//! What does `access` mean? Scopes that imply others, roles that permit, and who has which.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bartizan_core::authenticate::Principal;
use bartizan_core::authorize::{Permission, Roles, Scopes};

use super::super::decode::Located;
use super::super::file::access as file;
use super::resolver::{Resolver, words};

/// What scopes and roles mean.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// Which scopes imply which.
    pub scopes: Scopes,
    /// What the roles permit.
    pub roles: Roles,
    /// The names of the roles.
    pub names: BTreeSet<Arc<str>>,
    /// Who acts in which roles; the key is the principal in full, `local:agent1`.
    pub assigned: HashMap<String, Vec<Arc<str>>>,
}

pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    access: Option<&Located<file::Access>>,
) -> AccessRules {
    let Some(access) = access else { return AccessRules::default() };
    let mut rules = AccessRules {
        names: access.roles.keys().map(|name| Arc::from(name.as_str())).collect(),
        ..AccessRules::default()
    };
    let mut implies = Vec::new();
    for (name, scope) in &access.scopes {
        resolver.scope(&scope.key, name);
        implies.push((Arc::from(name.as_str()), resolver.scopes(&scope.implies)));
    }
    rules.scopes = Scopes::new(&implies);
    let permissions = access
        .roles
        .iter()
        .map(|(name, role)| (Arc::from(name.as_str()), permissions(resolver, role)));
    rules.roles = Roles::new(permissions.collect());
    for (principal, roles) in &access.assign {
        if principal.is_empty() || principal.starts_with(':') || principal.ends_with(':') {
            let help =
                "write `corp:alice`, `key:ci`, or a bare name for somebody of the token endpoint";
            resolver.error(&roles.key, format!("`{principal}` is no principal"), help);
        }
        let roles = resolver.roles(roles, &rules);
        rules.assigned.entry(Principal::parse(principal).to_string()).or_default().extend(roles);
    }
    rules
}

fn permissions(resolver: &mut Resolver<'_>, role: &Located<file::Role>) -> Vec<Permission> {
    let mut permissions = Vec::new();
    for permission in &role.permissions {
        if permission.actions.is_empty() {
            resolver.error(
                &permission.key,
                "a permission without `actions` permits nothing",
                "name the actions, or `\"*\"`",
            );
        }
        let resource: Arc<str> = Arc::from(&**permission.resource);
        let actions = words(&permission.actions);
        permissions.extend(
            actions
                .into_iter()
                .map(|action| Permission { resource: Arc::clone(&resource), action }),
        );
    }
    permissions
}
