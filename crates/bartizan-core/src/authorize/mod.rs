//! What may they do here? [`Caller`] in, [`Grant`] out.

pub mod endpoint;
pub mod role;
pub mod route;
pub mod scope;

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

pub use endpoint::{Access, Endpoint};
pub use role::{Permission, Roles};
pub use route::{Route, RouteError, Routes};
pub use scope::Scopes;

use crate::authenticate::{Caller, Principal, Rejection};

/// What one caller may do at one endpoint: the authority left to be checked against the call.
///
/// It owns the caller on whose behalf it was given.
#[derive(Clone, Debug)]
pub struct Grant {
    caller: Caller,
    endpoint: Arc<Endpoint>,
    roles: Vec<Arc<str>>,
}

/// The policy in force, precompiled.
#[derive(Debug, Default)]
pub struct Policy {
    /// Which endpoint answers which verb at which path.
    pub routes: Routes,
    /// Which scopes imply which.
    pub scopes: Scopes,
    /// What the roles permit.
    pub roles: Roles,
    /// Roles given by the operator to principals, beside those of their credentials. The key is
    /// the principal as written, `local:agent1`.
    pub assigned: HashMap<String, Vec<Arc<str>>>,
}

/// Why a caller may not do it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denial {
    /// No role of the caller permits the action on the resource.
    #[error("no role of the caller permits `{action}` on `{resource}`")]
    NotPermitted {
        /// The endpoint's resource.
        resource: Arc<str>,
        /// The endpoint's action.
        action: Arc<str>,
    },
    /// None of the roles that the endpoint asks for.
    #[error("the caller has none of the roles {}", list(.0))]
    Role(Vec<Arc<str>>),
    /// Not all of the scopes that the endpoint asks for.
    #[error("the caller lacks one of the scopes {}", list(.0))]
    Scope(Vec<Arc<str>>),
    /// `X-AGIS-Method` names a verb that may not be named so at this path.
    #[error("`X-AGIS-Method` names no verb of this path that may be named so")]
    Override,
    /// Nothing is served at this path.
    #[error("nothing is served at this path")]
    UnknownPath,
    /// Something is served at this path, and not under this verb.
    #[error("the path does not serve this verb")]
    UnknownVerb(Vec<Method>),
}

/// Denied, or asked to say first who is calling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Denied {
    /// The caller is known, and may not.
    Forbidden(Denial),
    /// The caller is not known; these scopes would be needed.
    Unauthenticated(Rejection, Vec<Arc<str>>),
}

impl Policy {
    /// Decides what `caller` may do on `route`. Deny is the default.
    ///
    /// # Errors
    /// [`Denied::Unauthenticated`] where showing a credential might help, also on unknown paths
    /// beside guarded ones, so that they cannot be told apart from outside;
    /// [`Denied::Forbidden`] otherwise.
    pub fn decide(&self, caller: Caller, route: &Route) -> Result<Grant, Denied> {
        let endpoint = match route {
            Route::Found(endpoint) => Arc::clone(endpoint),
            Route::Missing { guarded, denial } => {
                return Err(if *guarded && caller.is_anonymous() {
                    Denied::Unauthenticated(Rejection::Missing, Vec::new())
                } else {
                    Denied::Forbidden(denial.clone())
                });
            }
        };
        let roles = self.roles_of(&caller);
        match self.denial(&caller, &endpoint, &roles) {
            None => Ok(Grant { caller, endpoint, roles }),
            Some(_) if caller.is_anonymous() => {
                let needed = endpoint.access.scopes().to_vec();
                Err(Denied::Unauthenticated(Rejection::Missing, needed))
            }
            Some(denial) => Err(Denied::Forbidden(denial)),
        }
    }

    /// The endpoints that `caller` may use, in the order in which they were written.
    pub fn usable(&self, caller: &Caller) -> impl Iterator<Item = &Arc<Endpoint>> {
        let roles = self.roles_of(caller);
        let usable =
            move |endpoint: &&Arc<Endpoint>| self.denial(caller, endpoint, &roles).is_none();
        self.routes.endpoints().filter(usable)
    }

    /// The roles a caller really has: those of the credential and those assigned to them.
    #[must_use]
    pub fn roles_of(&self, caller: &Caller) -> Vec<Arc<str>> {
        let mut roles = caller.roles().to_vec();
        if !self.assigned.is_empty() && !caller.is_anonymous() {
            roles.extend(self.assigned_to(caller.principal()).iter().cloned());
        }
        roles
    }

    fn assigned_to(&self, principal: &Principal) -> &[Arc<str>] {
        self.assigned.get(&principal.to_string()).map_or(&[], Vec::as_slice)
    }

    fn denial(&self, caller: &Caller, endpoint: &Endpoint, roles: &[Arc<str>]) -> Option<Denial> {
        match &endpoint.access {
            Access::Public => return None,
            Access::Authenticated | Access::Held { .. } if caller.is_anonymous() => {
                return Some(Denial::Scope(endpoint.access.scopes().to_vec()));
            }
            Access::Authenticated => {}
            Access::Held { scopes, roles: any_of } => {
                if !scopes.iter().all(|scope| self.scopes.hold(caller.scopes(), scope)) {
                    return Some(Denial::Scope(scopes.clone()));
                }
                if !any_of.is_empty() && !any_of.iter().any(|role| roles.contains(role)) {
                    return Some(Denial::Role(any_of.clone()));
                }
            }
        }
        let Permission { resource, action } = endpoint.permission.as_ref()?;
        let permitted = self.roles.permit(roles, resource, action);
        let denial =
            || Denial::NotPermitted { resource: Arc::clone(resource), action: Arc::clone(action) };
        (!permitted).then(denial)
    }
}

impl Grant {
    /// On whose behalf.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// At which endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The roles the caller has here, assigned ones included.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        &self.roles
    }
}

fn list(words: &[Arc<str>]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
