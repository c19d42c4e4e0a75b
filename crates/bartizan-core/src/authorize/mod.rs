//! What may they do here? [`Caller`] in, [`Grant`] out.

pub mod endpoint;
pub mod scope;
pub mod named;
pub mod role;
pub mod tenant;
pub mod condition;
pub mod statement;
pub mod approval;
#[cfg(feature = "cedar")]
pub mod cedar;
pub mod route;
mod laxer;
mod demand;
mod lookup;

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use approval::{Lapse, Need};
use condition::Asked;
pub use condition::Circumstances;
pub use endpoint::{Access, Endpoint};
use named::{Held, Right};
pub use named::{NameRule, Named, Names, OnDeniedTool};
pub use role::{Permission, Roles};
pub use route::{Route, RouteError, Routes};
pub use scope::Scopes;
use statement::Said;
pub use statement::{Effect, Statement, Statements};

use crate::admit::Cors;
use crate::authenticate::{Caller, Principal, Rejection, Scheme};
use crate::describe::resource::Resources;

/// What one caller may do at one endpoint: the authority left to be checked against the call.
///
/// It owns the caller on whose behalf it was given.
#[derive(Clone, Debug)]
pub struct Grant {
    caller: Caller,
    endpoint: Arc<Endpoint>,
    /// With the assigned ones, where there are any; else those of the caller are all.
    roles: Option<Box<[Arc<str>]>>,
    /// What it still waits for.
    approval: Option<Box<Need>>,
    /// What may be named under it; absent where the endpoint says nothing about names.
    held: Option<Box<Held>>,
}

/// The policy in force, precompiled.
#[derive(Debug, Default)]
pub struct Policy {
    /// Which endpoint answers which verb at which path.
    pub routes: Routes,
    /// Which web pages may call.
    pub cors: Option<Arc<Cors>>,
    /// Which scopes imply which.
    pub scopes: Scopes,
    /// What the roles permit.
    pub roles: Roles,
    /// Roles given by the operator to principals, beside those of their credentials. The key is
    /// the principal as written, `local:agent1`.
    pub assigned: HashMap<String, Vec<Arc<str>>>,
    /// The addresses for which tokens may be meant.
    pub resources: Option<Arc<Resources>>,
    /// What is laid down beside the endpoints; compiled from the routes as they are now.
    pub statements: Statements,
    /// Cedar's say in it.
    #[cfg(feature = "cedar")]
    pub cedar: Option<cedar::Cedar>,
}

/// Why a caller may not do it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Denial {
    /// The path is one of the protocol's that nobody here can read, at an endpoint that is not
    /// written for it.
    #[error("this part of the API needs an endpoint of its own")]
    Api,
    /// The tool may be called, and not with these arguments.
    #[error("the tool `{tool}` may not be called with these arguments")]
    Arguments {
        /// The tool.
        tool: Arc<str>,
        /// Where they differ from what is laid down: JSON Pointers.
        pointers: Vec<Arc<str>>,
    },
    /// The approval that was shown cannot be used.
    #[error(transparent)]
    Approval(#[from] Lapse),
    /// Cedar's policies forbid it, or none of them permits it.
    #[error("cedar: {0}")]
    Cedar(Arc<str>),
    /// The call was sent to a name that is not ours: a web page may have made its own one mean our address.
    #[error("this is not the host that was asked for")]
    Host,
    /// A method to which the caller has no right.
    #[error("the method `{0}` is not granted")]
    Method(Arc<str>),
    /// A model to which the caller has no right.
    #[error("the model `{0}` is not granted")]
    Model(Arc<str>),
    /// Statements that allow speak of the endpoint, and none of them holds.
    #[error("no policy that allows holds")]
    NotAllowed,
    /// The call comes from a web page from which none may come.
    #[error("calls from this origin are not allowed")]
    Origin,
    /// A prompt to which the caller has no right.
    #[error("the prompt `{0}` is not granted")]
    Prompt(Arc<str>),
    /// A resource to which the caller has no right.
    #[error("the resource `{0}` is not granted")]
    Resource(Arc<str>),
    /// A session that is not the caller's, or none.
    #[error("the session is not one of this caller")]
    Session,
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
    #[error("the caller lacks one of the scopes {}", list(.scopes))]
    Scope {
        /// What the endpoint asks for.
        scopes: Vec<Arc<str>>,
        /// By which the caller showed a token, and would show one that has them.
        scheme: Scheme,
    },
    /// Nobody may be notified past the gate.
    #[error("push notifications are not allowed here")]
    Notifications,
    /// A skill to which the caller has no right; `*` where all would be needed.
    #[error("{}", skill(.0))]
    Skill(Arc<str>),
    /// A statement denies it.
    #[error("the policy `{0}` denies it")]
    Statement(Arc<str>),
    /// Notifications may not go there.
    #[error("push notifications may not go to this host")]
    Target,
    /// A task that is not the caller's, or none at all: nobody can tell which.
    #[error("the task is not known")]
    Task,
    /// A tool to which the caller has no right.
    #[error("the tool `{0}` is not granted")]
    Tool(Arc<str>),
    /// The request is about the data of a tenant that is not the caller's.
    #[error("the request is not about the caller's own tenant")]
    Tenant,
    /// `X-AGIS-Method` names a verb that may not be named so at this path.
    #[error("`X-AGIS-Method` names no verb of this path that may be named so")]
    Override,
    /// Nothing is served at this path.
    #[error("nothing is served at this path")]
    UnknownPath,
    /// A proxy asks about a call, and what is asked of the call cannot be seen without it.
    #[error(
        "a proxy that asks does not show what this endpoint must see: body, answer or approval"
    )]
    Unseen,
    /// Something is served at this path, and not under this verb.
    #[error("the path does not serve this verb")]
    UnknownVerb(Vec<Method>),
}

fn skill(name: &str) -> String {
    match name {
        "*" => "the message names no skill, and not all skills are granted: name one by `skillId`"
            .into(),
        name => format!("the skill `{name}` is not granted"),
    }
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
    pub fn decide(
        &self,
        caller: Caller,
        route: &Route,
        circumstances: &Circumstances<'_>,
    ) -> Result<Grant, Denied> {
        let endpoint = match route {
            Route::Found(endpoint) => Arc::clone(endpoint),
            Route::Missing { guarded, denial } => {
                return Err(if *guarded && caller.is_anonymous() {
                    Denied::Unauthenticated(Rejection::Missing, Vec::new())
                } else {
                    Denied::Forbidden(Denial::clone(denial))
                });
            }
        };
        if !self.is_for(&caller, &endpoint) {
            let rejection = Rejection::Untrusted("it is meant for another address");
            return Err(Denied::Unauthenticated(rejection, endpoint.access.scopes().to_vec()));
        }
        let roles = self.with_assigned(&caller);
        let all = roles.as_deref().unwrap_or_else(|| caller.roles());
        match self.judge(&caller, &endpoint, all, circumstances) {
            // Nobody can be held to what they were allowed who has no name.
            Ok(Some(_)) if caller.is_anonymous() => Err(self.stranger(&endpoint)),
            Ok(approval) => {
                let held = self.held(&caller, &endpoint, all);
                Ok(Grant { caller, endpoint, roles, approval, held })
            }
            Err(_) if caller.is_anonymous() && !endpoint.access.is_public() => {
                Err(self.stranger(&endpoint))
            }
            Err(denial) => Err(Denied::Forbidden(denial)),
        }
    }

    /// Whether it may be left open which of its readings a canonical path has: see
    /// [`Routes::reads_alike`].
    #[must_use]
    pub fn reads_alike(&self, verb: &Method, overridden: Option<&Method>, path: &str) -> bool {
        #[cfg(feature = "cedar")]
        let comparable = self.cedar.is_none();
        #[cfg(not(feature = "cedar"))]
        let comparable = true;
        let covers = |one: &Endpoint, other: &Endpoint| {
            comparable && one.demands_all_of(other) && self.statements.treat_alike(one, other)
        };
        self.routes.reads_alike(verb, overridden, path, covers)
    }

    /// What of the names that the endpoint knows the caller may use.
    fn held(&self, caller: &Caller, endpoint: &Endpoint, roles: &[Arc<str>]) -> Option<Box<Held>> {
        let Names { tools, models, resources, prompts, server_requests, methods, skills, .. } =
            &endpoint.names;
        let all = [tools, models, resources, prompts, server_requests, methods, skills];
        if all.iter().all(|named| named.is_none()) {
            return None;
        }
        let held = |named: &Option<Arc<Named>>| {
            let scopes = (&self.scopes, caller.scopes());
            let held = named.as_ref().map(|named| named.held(scopes, (&self.roles, roles)));
            held.unwrap_or_default()
        };
        Some(Box::new(Held {
            tools: held(tools),
            models: held(models),
            resources: held(resources),
            prompts: held(prompts),
            server_requests: held(server_requests),
            methods: held(methods),
            skills: held(skills),
        }))
    }

    /// Whether the caller's credential is meant for this endpoint: for the path that it was issued
    /// for (RFC 8707), and for one of the addresses in its `aud` where those are ours (RFC 9728).
    fn is_for(&self, caller: &Caller, endpoint: &Endpoint) -> bool {
        caller.reaches(&endpoint.path)
            && self.resources.as_ref().is_none_or(|all| all.admit(caller, endpoint, &self.routes))
    }

    fn stranger(&self, endpoint: &Endpoint) -> Denied {
        Denied::Unauthenticated(Rejection::Missing, endpoint.access.scopes().to_vec())
    }

    /// The endpoints that `caller` may use, in the order in which they were written.
    pub fn usable(
        &self,
        caller: &Caller,
        circumstances: &Circumstances<'_>,
    ) -> impl Iterator<Item = &Arc<Endpoint>> {
        let roles = self.roles_of(caller);
        // No call is made yet: what a path or a field would say is left open.
        let circumstances = Circumstances { path: None, headers: None, ..*circumstances };
        let usable = move |endpoint: &&Arc<Endpoint>| {
            let judged = self.judge(caller, endpoint, &roles, &circumstances);
            self.is_for(caller, endpoint)
                && judged.is_ok_and(|need| need.is_none() || !caller.is_anonymous())
        };
        self.routes.endpoints().filter(usable)
    }

    /// Everything that is looked at for a call of `caller` at `endpoint`, each with whether it
    /// holds. For the operator only.
    #[must_use]
    pub fn reasons(
        &self,
        caller: &Caller,
        endpoint: &Endpoint,
        circumstances: &Circumstances<'_>,
    ) -> Vec<Reason> {
        explain::reasons(self, caller, endpoint, circumstances)
    }

    /// The roles a caller really has: those of the credential and those assigned to them.
    #[must_use]
    pub fn roles_of(&self, caller: &Caller) -> Vec<Arc<str>> {
        self.with_assigned(caller).map_or_else(|| caller.roles().to_vec(), <[_]>::into_vec)
    }

    /// The same, where any are assigned to them.
    fn with_assigned(&self, caller: &Caller) -> Option<Box<[Arc<str>]>> {
        if self.assigned.is_empty() || caller.is_anonymous() {
            return None;
        }
        let assigned = self.assigned_to(caller.principal());
        (!assigned.is_empty()).then(|| caller.roles().iter().chain(assigned).cloned().collect())
    }

    fn assigned_to(&self, principal: &Principal) -> &[Arc<str>] {
        self.assigned.get(&principal.to_string()).map_or(&[], Vec::as_slice)
    }

    /// What an approval is needed for, if one is; or why not even that would help.
    fn judge(
        &self,
        caller: &Caller,
        endpoint: &Endpoint,
        roles: &[Arc<str>],
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Box<Need>>, Denial> {
        if let Some(denial) = self.denial(caller, endpoint, roles) {
            return Err(denial);
        }
        if let Some(tenant) = &endpoint.tenant
            && !tenant.is_own(caller, circumstances)
        {
            return Err(Denial::Tenant);
        }
        let asked = self.asked(caller, roles, circumstances);
        let said = self.statements.ask(endpoint, &asked)?;
        #[cfg(feature = "cedar")]
        let said = match (&self.cedar, said) {
            (Some(cedar), said) => said.or(cedar.ask(endpoint, &asked)?),
            (None, said) => said,
        };
        let because = match said {
            Said::Ask(statement) => Some(Arc::clone(statement)),
            Said::Pass => endpoint.approval.then(|| ENDPOINT.into()),
        };
        Ok(because.map(|because| Box::new(Need { because, digest: None })))
    }

    fn asked<'a>(
        &'a self,
        caller: &'a Caller,
        held: &'a [Arc<str>],
        circumstances: &'a Circumstances<'a>,
    ) -> Asked<'a> {
        Asked { caller, held, roles: &self.roles, scopes: &self.scopes, circumstances }
    }

    /// Why the endpoint itself is shut for the caller, if it is.
    fn denial(&self, caller: &Caller, endpoint: &Endpoint, roles: &[Arc<str>]) -> Option<Denial> {
        match &endpoint.access {
            Access::Public => {}
            Access::Authenticated | Access::Held { .. } if caller.is_anonymous() => {
                return Some(lacking(caller, endpoint.access.scopes()));
            }
            Access::Authenticated => {}
            Access::Held { scopes, roles: any_of } => {
                if !scopes.iter().all(|scope| self.scopes.hold(caller.scopes(), scope)) {
                    return Some(lacking(caller, scopes));
                }
                if !any_of.is_empty() && !any_of.iter().any(|role| self.roles.hold(roles, role)) {
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

fn lacking(caller: &Caller, scopes: &[Arc<str>]) -> Denial {
    Denial::Scope { scopes: scopes.to_vec(), scheme: caller.scheme() }
}

/// What an endpoint that asks for an approval itself is called in reasons.
const ENDPOINT: &str = "endpoint";

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

    /// The caller's right to a tool of that name: `None` where there is none, `Some` also where the
    /// endpoint says nothing about tools.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<Right<'_>> {
        let Some(tools) = &self.endpoint.names.tools else { return Some(Right::default()) };
        let right = tools.right(name, &self.held.as_ref()?.tools)?;
        // Nobody can be held to what they were allowed who has no name.
        (!right.approval || !self.caller.is_anonymous()).then_some(right)
    }

    /// The caller's right to a model of that name, as [`Grant::tool`].
    #[must_use]
    pub fn model(&self, name: &str) -> Option<Right<'_>> {
        let Some(models) = &self.endpoint.names.models else { return Some(Right::default()) };
        models.right(name, &self.held.as_ref()?.models)
    }

    /// The models that the caller may ask for by another name than they have behind the gate: that
    /// name, and what it stands for. Patterns are no names.
    pub fn model_aliases(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let rules = self.endpoint.names.models.iter().flat_map(|models| models.rules());
        let names = rules.map(|rule| &rule.pattern).filter(|pattern| !pattern.contains('*'));
        names.filter_map(|name| Some((name, self.model(name)?.stands_for?)))
    }

    /// The patterns by which the right to a tool of that name is decided.
    pub fn tool_patterns<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Arc<str>> {
        let tools = self.endpoint.names.tools.as_deref();
        tools.into_iter().flat_map(move |tools| tools.patterns(name))
    }

    /// The caller's right to a resource of that address: `None` where there is none, also where the
    /// endpoint says nothing about resources.
    #[must_use]
    pub fn resource(&self, uri: &str) -> Option<Right<'_>> {
        self.right(self.endpoint.names.resources.as_ref()?, &self.held.as_ref()?.resources, uri)
    }

    /// The caller's right to a prompt of that name, as [`Grant::resource`].
    #[must_use]
    pub fn prompt(&self, name: &str) -> Option<Right<'_>> {
        self.right(self.endpoint.names.prompts.as_ref()?, &self.held.as_ref()?.prompts, name)
    }

    /// The right of servers to ask this of the caller, as [`Grant::resource`].
    #[must_use]
    pub fn server_request(&self, method: &str) -> Option<Right<'_>> {
        let named = self.endpoint.names.server_requests.as_ref()?;
        self.right(named, &self.held.as_ref()?.server_requests, method)
    }

    fn right<'a>(&self, named: &'a Named, held: &[bool], name: &str) -> Option<Right<'a>> {
        let right = named.right(name, held)?;
        (!right.approval || !self.caller.is_anonymous()).then_some(right)
    }

    /// Whether the caller may call a method of that name.
    #[must_use]
    pub fn method(&self, name: &str) -> bool {
        let Some(methods) = &self.endpoint.names.methods else { return true };
        self.held.as_ref().is_some_and(|held| methods.right(name, &held.methods).is_some())
    }

    /// Whether the caller may ask for a skill of that name.
    #[must_use]
    pub fn skill(&self, name: &str) -> bool {
        let Some(skills) = &self.endpoint.names.skills else { return true };
        self.held.as_ref().is_some_and(|held| skills.right(name, &held.skills).is_some())
    }

    /// Whether the caller may ask for every skill that is written.
    #[must_use]
    pub fn every_skill(&self) -> bool {
        let all = |held: &Held| held.skills.iter().all(|held| *held);
        self.endpoint.names.skills.is_none() || self.held.as_deref().is_some_and(all)
    }

    /// Somebody must agree besides, because of what the call names.
    pub(crate) fn asks_for(&mut self, because: Arc<str>, digest: approval::CallDigest) {
        let need = || Box::new(Need { because, digest: Some(digest) });
        self.approval.get_or_insert_with(need);
    }

    /// Says which call it is that somebody must agree to.
    pub(crate) fn is_for(&mut self, digest: approval::CallDigest) {
        if let Some(need) = &mut self.approval {
            need.digest = Some(digest);
        }
    }

    /// The roles the caller has here, assigned ones included.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        self.roles.as_deref().unwrap_or_else(|| self.caller.roles())
    }
}

fn list(words: &[Arc<str>]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

mod explain;
pub use explain::Reason;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod reference;
