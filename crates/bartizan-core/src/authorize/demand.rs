//! Does one endpoint ask for all that another asks for? Then whoever may call the one may call the
//! other, and it matters little which of them a laxer reader takes a path for.
//!
//! What cannot be compared counts as another demand.

use std::sync::Arc;

use super::endpoint::{Access, By, Endpoint, Limit};

impl Endpoint {
    /// Whether a call that fulfils what this endpoint demands, and is treated as it says, leaves nothing
    /// out that `other` demands of the same call. How long either waits for an answer is no demand.
    pub(super) fn demands_all_of(&self, other: &Self) -> bool {
        // Written out, so that nobody adds a member without asking whether it is a demand.
        let Self {
            access,
            permission,
            tenant,
            approval,
            max_request_size,
            limits,
            cost,
            // Compared below.
            path: _,
            protocol: _,
            names: _,
            mcp: _,
            agent: _,
            messages: _,
            schema: _,
            elsewhere: _,
            profile: _,
            seen_as: _,
            // None.
            index: _,
            verb: _,
            aliases: _,
            method_override: _,
            timeout: _,
            body_timeout: _,
            on_disconnect: _,
            exchanges: _,
            about: _,
        } = other;
        let is_drawn = |limit: &Arc<Limit>| self.limits.iter().any(|own| own.is_shared(limit));
        self.access.implies(access)
            && (permission.is_none() || self.permission == *permission)
            && (tenant.is_none() || self.tenant == *tenant)
            && (self.approval || !approval)
            && self.max_request_size <= *max_request_size
            && limits.iter().all(is_drawn)
            && self.cost == *cost
            && self.is_within_reach_of(other)
            && self.reads_as(other)
            && self.hides_what(other)
    }

    /// Whether a token that is meant for this endpoint is meant for the other one: tokens may be
    /// bound to a path and what lies below it.
    fn is_within_reach_of(&self, other: &Self) -> bool {
        let fixed = self.path.split('{').next().unwrap_or_default();
        let fixed = fixed.rsplit_once('/').map_or("", |(parents, _)| parents);
        other.path.strip_prefix(fixed).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Whether calls are read alike: by the same protocol, and held to the same names and shapes.
    fn reads_as(&self, other: &Self) -> bool {
        self.protocol == other.protocol
            && self.names == other.names
            && self.messages == other.messages
            && self.elsewhere == other.elsewhere
            && same(self.mcp.as_ref(), other.mcp.as_ref())
            && same(self.agent.as_ref(), other.agent.as_ref())
            && (other.schema.is_none() || same(self.schema.as_ref(), other.schema.as_ref()))
    }

    /// Whether what must not pass the other one does not pass here.
    fn hides_what(&self, other: &Self) -> bool {
        let (own, others) = (&self.profile, &other.profile);
        let guards = |own: Option<_>, others: Option<_>| others.is_none() || same(own, others);
        guards(own.request.as_ref(), others.request.as_ref())
            && guards(own.response.as_ref(), others.response.as_ref())
            && (own.log_detections || !others.log_detections)
            && (own.inspected || !others.inspected)
            && self.seen_as == other.seen_as
    }
}

impl Access {
    /// Whether everybody who may come in here may come in there.
    fn implies(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Public) => true,
            (Self::Public, _) => false,
            (_, Self::Authenticated) => true,
            (Self::Authenticated, Self::Held { .. }) => false,
            (
                Self::Held { scopes, roles },
                Self::Held { scopes: other_scopes, roles: other_roles },
            ) => {
                let any = !roles.is_empty() && roles.iter().all(|role| other_roles.contains(role));
                other_scopes.iter().all(|scope| scopes.contains(scope))
                    && (other_roles.is_empty() || any)
            }
        }
    }
}

impl Limit {
    /// Whether calls at either endpoint draw on one counter.
    fn is_shared(&self, other: &Self) -> bool {
        let same = self.rule == other.rule && self.by == other.by && self.only == other.only;
        same && self.by != By::Endpoint
    }
}

/// Whether two are one; equal ones are not looked for.
fn same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, Some(_)) | (Some(_), None) => false,
    }
}
