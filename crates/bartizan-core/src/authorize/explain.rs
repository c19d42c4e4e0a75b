//! Why is it so? Everything that a decision looks at, for the operator.

use super::approval::Need;
use super::{Access, Asked, Circumstances, Denial, ENDPOINT, Effect, Endpoint, Policy, Statement};
use crate::authenticate::Caller;

/// One thing that was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// Whether it speaks for the call.
    pub holds: bool,
    /// What it is, in words.
    pub what: String,
}

/// What is looked at, in the order in which it is; and last what would decide otherwise unseen.
pub(super) fn reasons(
    policy: &Policy,
    caller: &Caller,
    endpoint: &Endpoint,
    circumstances: &Circumstances<'_>,
) -> Vec<Reason> {
    let held = policy.roles_of(caller);
    let asked = policy.asked(caller, &held, circumstances);
    let mut told = Told(Vec::new());
    told.endpoint(policy, endpoint, &asked);
    if let Some(tenant) = &endpoint.tenant {
        told.add(
            tenant.is_own(caller, circumstances),
            "the request must name the caller's own tenant",
        );
    }
    for (statement, holds) in policy.statements.look(endpoint, &asked) {
        told.statement(&statement, holds, &asked);
    }
    match policy.judge(caller, endpoint, &held, circumstances) {
        Ok(Some(need)) => told.need(&need),
        Ok(None) => {}
        Err(denial @ (Denial::NotAllowed | Denial::Cedar(_))) => {
            told.add(false, denial.to_string())
        }
        Err(_) => {}
    }
    told.0
}

struct Told(Vec<Reason>);

impl Told {
    fn add(&mut self, holds: bool, what: impl Into<String>) {
        self.0.push(Reason { holds, what: what.into() });
    }

    fn endpoint(&mut self, policy: &Policy, endpoint: &Endpoint, asked: &Asked<'_>) {
        let caller = asked.caller;
        match &endpoint.access {
            Access::Public => self.add(true, "the endpoint is public"),
            Access::Authenticated => self.add(!caller.is_anonymous(), "a credential is needed"),
            Access::Held { scopes, roles } => {
                for scope in scopes {
                    let held = policy.scopes.hold(caller.scopes(), scope);
                    self.add(held, format!("the scope `{scope}` is needed"));
                }
                if !roles.is_empty() {
                    let held = roles.iter().any(|role| policy.roles.hold(asked.held, role));
                    self.add(held, format!("one of the roles `{}` is needed", roles.join("`, `")));
                }
            }
        }
        if let Some(permission) = &endpoint.permission {
            let (resource, action) = (&permission.resource, &permission.action);
            let held = policy.roles.permit(asked.held, resource, action);
            self.add(held, format!("some role must permit `{action}` on `{resource}`"));
        }
    }

    fn statement(&mut self, statement: &Statement, holds: bool, asked: &Asked<'_>) {
        let Statement { name, effect, .. } = statement;
        let (speaks_for, what) = match (effect, holds) {
            (Effect::Deny, true) => (false, "denies it"),
            (Effect::Deny, false) => (true, "does not deny it"),
            (Effect::Allow, true) => (true, "allows it"),
            (Effect::Allow, false) => (false, "would allow it, and does not hold"),
            (Effect::RequireApproval, true) => (true, "asks for an approval"),
            (Effect::RequireApproval, false) => (true, "asks for no approval"),
        };
        let mut told = format!("the policy `{name}` {what}");
        let missed = if holds { Vec::new() } else { statement.missed(asked) };
        if !missed.is_empty() {
            told = format!("{told}: {}", missed.join("; "));
        }
        self.add(speaks_for, told);
    }

    fn need(&mut self, Need { because, .. }: &Need) {
        let what = match &**because {
            ENDPOINT => "somebody must agree first: the endpoint says so".to_owned(),
            because => format!("somebody must agree first: the policy `{because}` says so"),
        };
        self.add(true, what);
    }
}
