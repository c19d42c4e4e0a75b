//! What does `access` mean? Scopes that imply others, roles that permit, and who has which.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bartizan_core::authenticate::Principal;
use bartizan_core::authorize::role::RoleError;
use bartizan_core::authorize::{Permission, Roles, Scopes};

use super::super::decode::Located;
use super::super::file::access as file;
use super::super::substitute::Missing;
use super::super::tree::Place;
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
    /// Cedar's policies.
    pub cedar: Vec<CedarFile>,
    /// Who acts in which roles; the key is the principal in full, `local:agent1`.
    pub assigned: HashMap<String, Vec<Arc<str>>>,
}

/// A file of Cedar's policies.
#[derive(Clone, Debug)]
pub struct CedarFile {
    /// As it is named in the configuration.
    pub name: String,
    /// What stands in it.
    pub text: String,
    /// Where it is named.
    pub place: Place,
}

/// The largest file of Cedar's policies, in bytes.
const MAX_CEDAR: usize = 1 << 20;

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
    rules.roles = roles(resolver, access, &rules);
    rules.cedar =
        access.cedar.as_ref().map(|cedar| cedar_files(resolver, cedar)).unwrap_or_default();
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

/// The roles, closed over inheritance; what is wrong with it is told of each role.
fn roles(
    resolver: &mut Resolver<'_>,
    access: &Located<file::Access>,
    rules: &AccessRules,
) -> Roles {
    let (mut own, mut parents) = (HashMap::new(), HashMap::new());
    for (name, role) in &access.roles {
        let name: Arc<str> = Arc::from(name.as_str());
        let from = resolver.roles(&role.inherits, rules);
        // What is not defined has been told.
        let from = from.into_iter().filter(|parent| rules.names.contains(parent)).collect();
        parents.insert(Arc::clone(&name), from);
        own.insert(name, permissions(resolver, role));
    }
    match Roles::inheriting(&own, &parents) {
        Ok(roles) => roles,
        Err(error) => {
            let guilty = match &error {
                RoleError::Circle(steps) => steps.first(),
                RoleError::TooDeep(role) | RoleError::Undefined { role, .. } => Some(role),
                RoleError::TooMany => None,
            };
            let role = guilty.and_then(|role| access.roles.get(&**role));
            let place = role.map_or(&access.key, |role| &role.key);
            resolver.error(place, error.to_string(), "take one of the `inherits` away");
            Roles::new(own)
        }
    }
}

/// The texts of Cedar's files, each with where it is named.
fn cedar_files(resolver: &mut Resolver<'_>, cedar: &Located<file::Cedar>) -> Vec<CedarFile> {
    if cedar.policies.is_empty() {
        resolver.error(&cedar.key, "`cedar` names no policies", "name a file, or remove the key");
    }
    let read = cedar.policies.iter().filter_map(|file| {
        let path = resolver.outside.path(&file.value.0);
        let text = match resolver.outside.seen.read(&path).and_then(|text| match text.len() {
            length if length > MAX_CEDAR => Err(std::io::ErrorKind::FileTooLarge.into()),
            _ => Ok(text),
        }) {
            Ok(text) => text,
            Err(error) => {
                resolver.missing(&file.place, &Missing::File(path, error.kind()));
                return None;
            }
        };
        Some(CedarFile { name: file.value.0.clone(), text, place: file.place.clone() })
    });
    read.collect()
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
