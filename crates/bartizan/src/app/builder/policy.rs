//! What do the words of a program come to, and what of them cannot be? A policy, or all mistakes.

use std::sync::Arc;

use bartizan_core::authorize::approval::Approvals;
use bartizan_core::authorize::role::RoleError;
use bartizan_core::authorize::{
    Effect, Endpoint, Policy, Roles, RouteError, Scopes, Statement, Statements,
};
use bartizan_core::validate::Protocol;
use bartizan_store::memory::MemoryApprovals;

use super::AppBuilder;
use crate::actions::approvals::{self, Book};
use crate::actions::{self, Live};
use crate::endpoint::{BadEndpoint, Flaw, Served, Sketch};
use crate::handler::Handler;
/// Everything that is wrong with an app, at once. The developer must mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the app cannot start:{}", .0.iter().map(|e| format!("\n  {e}")).collect::<String>())]
pub struct BadApp(pub Vec<BadPart>);

/// One thing that is wrong with an app.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadPart {
    /// An endpoint that cannot be served.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// Two endpoints that cannot stand beside each other.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A text or a number that cannot be used.
    #[error(transparent)]
    Flaw(Flaw),
    /// Something that it works with: a store, an issuer, a key, the audit log.
    #[error("{what}: {why}")]
    Works {
        /// What of it.
        what: String,
        /// Why it cannot be used, and what to do about it.
        why: String,
    },
    /// Roles that cannot inherit so.
    #[error(transparent)]
    Roles(#[from] RoleError),
    /// Approvals are asked for, and nobody may give them.
    #[error(
        "`{0}` asks for approvals, and nobody may give them: name roles or scopes with `approvers`"
    )]
    NoApprovers(String),
    /// A role that no endpoint can be reached with, since nothing defines it.
    #[error("`{endpoint}` asks for the role `{role}`, which nothing defines")]
    Role {
        /// Verb and path.
        endpoint: String,
        /// The role.
        role: Arc<str>,
    },
}

impl AppBuilder {
    /// What is wrong with what is written so far.
    pub(crate) fn mistakes(&self) -> Vec<BadPart> {
        let nowhere: Arc<dyn Approvals> = Arc::<MemoryApprovals>::default();
        let policy = self.policy(&Live::new(&self.title), &nowhere);
        policy.err().map_or_else(Vec::new, |BadApp(wrong)| wrong)
    }

    /// The policy, and the handlers by the index of their endpoint.
    pub(super) fn policy(
        &self,
        live: &Live,
        book: &Arc<dyn Approvals>,
    ) -> Result<(Policy, Vec<Arc<dyn Handler>>), BadApp> {
        let mut wrong = self.flaws.clone();
        let mut policy = self.without_routes(&mut wrong);
        let (mut handlers, mut kinds) = (Vec::new(), Vec::new());
        let prices = Arc::new(self.prices.clone());
        let built_in = actions::endpoints(self.actions, self.resources.as_ref(), live);
        let built_in = built_in.into_iter().chain(self.book(live, book));
        for Served { draft, handler } in self.served.iter().cloned().chain(built_in) {
            let Some(mut endpoint) = self.endpoint_of(draft, &policy.roles, &mut wrong) else {
                continue;
            };
            endpoint.cost.prices = Arc::clone(&prices);
            endpoint.seen_as = self.seen_as(&endpoint, &mut kinds);
            match policy.routes.add(endpoint) {
                Ok(_) => handlers.push(handler),
                Err(error) => wrong.push(error.into()),
            }
        }
        wrong.extend(self.unapproved(&policy));
        wrong.extend(self.undefined(&policy));
        policy.statements = Statements::compile(self.statements.clone(), &policy.routes);
        if wrong.is_empty() { Ok((policy, handlers)) } else { Err(BadApp(wrong)) }
    }

    /// What scopes and roles mean, before any endpoint asks for them.
    fn without_routes(&self, wrong: &mut Vec<BadPart>) -> Policy {
        let roles = Roles::inheriting(&self.roles, &self.parents);
        wrong.extend(roles.as_ref().err().cloned().map(BadPart::from));
        let compiled = || (Scopes::new(&self.implies), roles.unwrap_or_default());
        let (scopes, roles) = self.rules.clone().unwrap_or_else(compiled);
        Policy {
            scopes,
            roles,
            assigned: self.assigned.clone(),
            resources: self.resources.clone(),
            cors: self.cors.clone(),
            #[cfg(feature = "cedar")]
            cedar: self.cedar.clone(),
            ..Policy::default()
        }
    }

    /// An endpoint as it is drafted, with what the whole app adds to it.
    fn endpoint_of(
        &self,
        draft: Sketch,
        roles: &Roles,
        wrong: &mut Vec<BadPart>,
    ) -> Option<Endpoint> {
        wrong.extend(draft.flaws(self.in_front).into_iter().map(BadPart::from));
        let mut endpoint = match draft.finish(&self.defaults) {
            Ok(endpoint) => endpoint,
            Err(error) => {
                wrong.push(error.into());
                return None;
            }
        };
        endpoint.profile.inspected |= self.hooks.iter().any(|hook| hook.reads(&endpoint));
        if self.hooks.iter().any(|hook| hook.looks_at_answers()) {
            endpoint.messages.get_or_insert_default();
        }
        wrong.extend(self.unasked(&endpoint).map(BadPart::from));
        let undefined = endpoint.access.roles().iter().filter(|role| !roles.defines(role));
        wrong.extend(undefined.map(|role| BadPart::Role {
            endpoint: format!("{} {}", endpoint.verb, endpoint.path),
            role: Arc::clone(role),
        }));
        Some(endpoint)
    }

    /// Which of the kinds that hooks tell apart an endpoint is; of each the first one is kept.
    fn seen_as(&self, endpoint: &Endpoint, kinds: &mut Vec<Endpoint>) -> usize {
        let apart =
            |kind: &Endpoint| self.hooks.iter().any(|hook| hook.tells_apart(kind, endpoint));
        kinds.iter().position(|kind| !apart(kind)).unwrap_or_else(|| {
            kinds.push(endpoint.clone());
            kinds.len() - 1
        })
    }

    /// The endpoints at which calls wait, where somebody may decide about them.
    fn book(&self, live: &Live, book: &Arc<dyn Approvals>) -> Vec<Served> {
        if self.approvers.is_empty() {
            return Vec::new();
        }
        let approvers = Arc::clone(&self.approvers);
        let book = Book { live: live.clone(), book: Arc::clone(book), approvers };
        approvals::endpoints(&book).into()
    }

    /// Why nobody can be told whether calls to an endpoint may pass that a proxy sends on.
    fn unasked(&self, endpoint: &Endpoint) -> Option<BadEndpoint> {
        let name = || format!("{} {}", endpoint.verb, endpoint.path);
        let profile = &endpoint.profile;
        let sees = endpoint.schema.is_some()
            || endpoint.protocol != Protocol::Http
            || endpoint.approval
            || profile.inspected
            || profile.request.is_some()
            || profile.response.is_some();
        match endpoint.elsewhere {
            true if sees => Some(BadEndpoint::Unseen(name())),
            true if self.proxies.is_empty() => Some(BadEndpoint::NoAsker(name())),
            true | false => None,
        }
    }

    /// Roles of statements that nothing defines: one that denies would never hold.
    fn undefined(&self, policy: &Policy) -> Vec<BadPart> {
        let of = |statement: &Statement| {
            let conditions = std::iter::once(&statement.when).chain(&statement.unless);
            let roles: Vec<_> = conditions.flat_map(|c| &c.roles).cloned().collect();
            (statement.name.to_string(), roles)
        };
        let approvers = ("approvers".to_owned(), self.approvers.roles.clone());
        let all = self.statements.iter().map(of).chain([approvers]);
        let undefined = all.flat_map(|(endpoint, roles)| {
            let undefined = roles.into_iter().filter(|role| !policy.roles.defines(role));
            undefined.map(move |role| BadPart::Role { endpoint: endpoint.clone(), role })
        });
        undefined.collect()
    }

    /// What asks for approvals that nobody may give.
    fn unapproved(&self, policy: &Policy) -> Option<BadPart> {
        if !self.approvers.is_empty() {
            return None;
        }
        let endpoint = policy.routes.endpoints().find(|endpoint| endpoint.approval);
        let endpoint = endpoint.map(|endpoint| format!("{} {}", endpoint.verb, endpoint.path));
        let asks = |statement: &&Statement| statement.effect == Effect::RequireApproval;
        let statement = self.statements.iter().find(asks);
        let name = endpoint.or_else(|| statement.map(|statement| statement.name.to_string()));
        name.map(BadPart::NoApprovers)
    }
}
