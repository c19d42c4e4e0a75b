//! When does a statement count? Conditions on the caller, their address, and the time.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use ipnet::IpNet;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

use super::{Roles, Scopes};
use crate::authenticate::{Caller, Method};
use crate::time::Timestamp;

/// What is known of a request beside its caller and where it leads.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// When it arrived.
    pub now: Timestamp,
    /// From which address.
    pub address: IpAddr,
    /// Its path in canonical form; none where a caller asks what they might call.
    pub path: Option<&'a str>,
    /// Its header fields; none likewise.
    pub headers: Option<&'a HeaderMap>,
}

/// Everything that must hold at once; what is empty asks for nothing.
#[derive(Clone, Debug, Default)]
pub struct Conditions {
    /// One of these patterns fits the principal in full, `corp:ann`; `*` stands for any text.
    pub principals: Vec<Arc<str>>,
    /// They were recognised by one of these.
    pub methods: Vec<Method>,
    /// They have one of these roles, or one that inherits from it.
    pub roles: Vec<Arc<str>>,
    /// They hold all of these scopes.
    pub scopes: Vec<Arc<str>>,
    /// They belong to one of these tenants. Whoever has none belongs to none of them.
    pub tenants: Vec<Arc<str>>,
    /// Claims of their token, each with the values of which it must have one.
    pub claims: Vec<Claim>,
    /// They call from one of these networks.
    pub addresses: Vec<IpNet>,
    /// They call at these times.
    pub hours: Option<Hours>,
}

/// A claim, and what it must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// Where it stands: a member's name, or names joined by dots that lead inwards.
    pub path: Arc<str>,
    /// It is one of these, or a list that holds one of them; numbers and booleans are compared by
    /// how JSON writes them.
    pub values: Vec<Arc<str>>,
}

/// Times of the week.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// On these days; on all where empty. With hours over midnight the day on which they begin
    /// counts.
    pub days: Vec<Weekday>,
    /// From this time on.
    pub from: Time,
    /// Before this time; where it is not after `from`, on the following day.
    pub until: Time,
    /// Whose time.
    pub zone: TimeZone,
}

/// Whom a condition is asked about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) caller: &'a Caller,
    /// With the assigned ones.
    pub(super) held: &'a [Arc<str>],
    pub(super) roles: &'a Roles,
    pub(super) scopes: &'a Scopes,
    pub(super) circumstances: &'a Circumstances<'a>,
}

impl Conditions {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { principals, methods, roles, scopes, tenants, claims, addresses, hours } = self;
        principals.is_empty()
            && methods.is_empty()
            && roles.is_empty()
            && scopes.is_empty()
            && tenants.is_empty()
            && claims.is_empty()
            && addresses.is_empty()
            && hours.is_none()
    }

    /// Whether all of it holds.
    pub(super) fn hold(&self, asked: &Asked<'_>) -> bool {
        let caller = asked.caller;
        any(&self.methods, |method| caller.method() == *method)
            && any(&self.roles, |role| asked.roles.hold(asked.held, role))
            && self.scopes.iter().all(|scope| asked.scopes.hold(caller.scopes(), scope))
            && any(&self.tenants, |tenant| caller.tenant() == Some(tenant))
            && self.claims.iter().all(|claim| claim.holds(caller))
            && any(&self.addresses, |net| net.contains(&asked.circumstances.address.to_canonical()))
            && self.hours.as_ref().is_none_or(|hours| hours.contain(asked.circumstances.now))
            && self.is_principal(caller)
    }

    /// What of it does not hold, in words for the operator.
    pub(super) fn missed(&self, asked: &Asked<'_>) -> Vec<String> {
        let Asked { caller, held, .. } = asked;
        let mut missed = Vec::new();
        let mut must = |holds: bool, what: &dyn Fn() -> String| {
            if !holds {
                missed.push(what());
            }
        };
        let principal = caller.principal();
        must(self.is_principal(caller), &|| format!("`{principal}` is none of its `principals`"));
        let (methods, method) = (&self.methods, caller.method());
        must(any(methods, |one| method == *one), &|| {
            format!("the caller was recognised by `{}`", method.as_str())
        });
        must(any(&self.roles, |role| asked.roles.hold(held, role)), &|| {
            format!("the caller has none of the roles `{}`", self.roles.join("`, `"))
        });
        for scope in &self.scopes {
            let holds = asked.scopes.hold(caller.scopes(), scope);
            must(holds, &|| format!("the caller lacks the scope `{scope}`"));
        }
        must(any(&self.tenants, |tenant| caller.tenant() == Some(tenant)), &|| {
            format!("the caller belongs to none of the tenants `{}`", self.tenants.join("`, `"))
        });
        for claim in &self.claims {
            must(claim.holds(caller), &|| claim.missed(caller));
        }
        let address = asked.circumstances.address.to_canonical();
        must(any(&self.addresses, |net| net.contains(&address)), &|| {
            format!("`{address}` is in none of its `addresses`")
        });
        let now = asked.circumstances.now;
        must(self.hours.as_ref().is_none_or(|hours| hours.contain(now)), &|| {
            "it is not one of its `hours`".to_owned()
        });
        missed
    }

    fn is_principal(&self, caller: &Caller) -> bool {
        if self.principals.is_empty() {
            return true;
        }
        let name = caller.principal().to_string();
        self.principals.iter().any(|pattern| super::role::segment_matches(pattern, &name))
    }
}

/// An empty list asks for nothing.
fn any<T>(list: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(holds)
}

impl Claim {
    fn holds(&self, caller: &Caller) -> bool {
        use serde_json::Value;
        let is = |value: &Value| match value {
            Value::String(text) => self.values.iter().any(|wanted| **wanted == **text),
            Value::Bool(_) | Value::Number(_) => {
                let text = value.to_string();
                self.values.iter().any(|wanted| **wanted == *text)
            }
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        };
        match caller.claims().find(&self.path) {
            Some(Value::Array(items)) => items.iter().any(is),
            Some(value) => is(value),
            None => false,
        }
    }

    /// Why it does not hold. What the caller's token says is shown: the operator has it in hand.
    fn missed(&self, caller: &Caller) -> String {
        let Self { path, values } = self;
        let wanted = values.join("` or `");
        match caller.claims().find(path) {
            Some(value) => {
                let is = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                format!("the claim `{path}` is `{is}`, and must be `{wanted}`")
            }
            None => format!("there is no claim `{path}`, which must be `{wanted}`"),
        }
    }
}

impl Hours {
    /// Whether the instant is among them. One that no calendar has is not.
    #[must_use]
    pub fn contain(&self, now: Timestamp) -> bool {
        let micros = i64::try_from(now.0).unwrap_or(i64::MAX);
        let Ok(instant) = jiff::Timestamp::from_microsecond(micros) else { return false };
        let local = self.zone.to_datetime(instant);
        let (time, today) = (local.time(), local.weekday());
        let on = |day: Weekday| self.days.is_empty() || self.days.contains(&day);
        if self.from < self.until {
            return on(today) && self.from <= time && time < self.until;
        }
        (on(today) && self.from <= time) || (on(today.previous()) && time < self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let instant: jiff::Timestamp = text.parse().unwrap();
        Timestamp(u64::try_from(instant.as_microsecond()).unwrap())
    }

    #[test]
    fn hours_are_those_of_their_own_zone_and_may_pass_midnight() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let time = |hour, minute| Time::new(hour, minute, 0, 0).unwrap();
        let day = Hours { days: vec![Weekday::Friday], from: time(8, 0), until: time(18, 0), zone };
        // A Friday; Berlin is an hour ahead in winter.
        assert!(day.contain(at("2026-11-20T07:00:00Z")));
        assert!(!day.contain(at("2026-11-20T06:59:59Z")));
        assert!(!day.contain(at("2026-11-20T17:00:00Z")));
        assert!(!day.contain(at("2026-11-21T12:00:00Z")));
        let night = Hours { from: time(22, 0), until: time(6, 0), ..day };
        assert!(night.contain(at("2026-11-20T22:00:00Z")));
        assert!(night.contain(at("2026-11-21T04:00:00Z")), "it began on Friday");
        assert!(!night.contain(at("2026-11-20T04:00:00Z")), "it began on Thursday");
    }
}
