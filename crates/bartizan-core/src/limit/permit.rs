//! What does a call draw on, and what holds it while it is away? Grant and call in, draws out.

use std::net::IpAddr;
use std::sync::Arc;

use super::price::{self, Price};
use super::{Draw, Exhausted, Measure, ReservationId, Standing, Verdict, not_sent};
use crate::admit::ClientAddress;
use crate::authenticate::{Caller, Kind};
use crate::authorize::endpoint::{By, Limit, Traits};
use crate::authorize::{Endpoint, Grant};
use crate::validate::{Call, Estimate};

/// What a call draws before it may pass, all of it or none.
#[derive(Debug)]
pub enum Demand {
    /// Rates count the call, and nothing else does: taken for good, at once
    /// ([`Meter::spend`](super::Meter::spend)). Empty where nothing counts.
    ForGood(Vec<Draw>),
    /// What some of it comes to is only known afterwards: reserved, and settled later
    /// ([`Meter::reserve`](super::Meter::reserve)).
    Reserved(Vec<Draw>),
}

impl Demand {
    fn of(draws: Vec<Draw>) -> Self {
        if draws.iter().all(|draw| draw.rule.counts_calls()) {
            Self::ForGood(draws)
        } else {
            Self::Reserved(draws)
        }
    }

    fn draws(&self) -> &[Draw] {
        match self {
            Self::ForGood(draws) | Self::Reserved(draws) => draws,
        }
    }

    /// What is to be settled afterwards.
    fn settled_later(self) -> Vec<Draw> {
        match self {
            Self::ForGood(_) => Vec::new(),
            Self::Reserved(draws) => draws,
        }
    }
}

/// Leave to go on: the grant, and what was reserved under it.
///
/// One that is dropped before its call departs, because the client hung up or a stage panicked,
/// gives back what was reserved.
#[derive(Debug)]
pub struct Permit {
    grant: Grant,
    id: ReservationId,
    draws: Vec<Draw>,
    /// Absent where nothing is reserved, or where somebody else settles it by now.
    returns_to: Option<Arc<dyn Returns>>,
}

/// Who takes back what was reserved for a call that never departs. It must not block: it is
/// called where an exchange is dropped.
pub trait Returns: std::fmt::Debug + Send + Sync {
    /// Takes back what `draws` leave of the reservation.
    fn take_back(&self, id: ReservationId, draws: Vec<Draw>);
}

/// A model without a price, where money is counted: it is refused and never taken for free.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the model `{0}` has no price here: use another one, or ask the operator to write its price"
)]
pub struct Unpriced(pub Arc<str>);

impl Permit {
    /// Turns a verdict into leave to go on, and into how the counters stand.
    ///
    /// # Errors
    /// [`Exhausted`] where the meter had no room.
    pub(crate) fn issue(
        grant: Grant,
        id: ReservationId,
        demand: Demand,
        verdict: Verdict,
        returns_to: Arc<dyn Returns>,
    ) -> Result<(Self, Vec<Standing>), Exhausted> {
        let standings = match verdict {
            Verdict::Taken { standings } => standings.of(demand.draws()),
            Verdict::Short(exhausted) => return Err(exhausted),
        };
        let draws = demand.settled_later();
        let returns_to = (!draws.is_empty()).then_some(returns_to);
        Ok((Self { grant, id, draws, returns_to }, standings))
    }

    /// Somebody else settles it from here on.
    pub(crate) fn hand_over(&mut self) {
        self.returns_to = None;
    }

    /// What it was given under.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The reservation.
    #[must_use]
    pub fn id(&self) -> ReservationId {
        self.id
    }

    /// What was reserved and is to be settled.
    #[must_use]
    pub fn draws(&self) -> &[Draw] {
        &self.draws
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(returns_to) = &self.returns_to {
            returns_to.take_back(self.id, not_sent(&self.draws));
        }
    }
}

/// What a request draws at the door: the limits by address.
#[must_use]
pub fn at_the_door(endpoint: &Endpoint, client: ClientAddress) -> Vec<Draw> {
    let by_address =
        endpoint.limits.iter().filter(|limit| limit.at_the_door() && !limit.of_messages());
    let bucket = client.bucket();
    by_address.map(|limit| Draw::new(Arc::clone(&limit.rule), &bucket.to_string(), 1)).collect()
}

/// What a call demands on the road, of all limits and budgets but those of the door.
///
/// # Errors
/// [`Unpriced`] where a budget counts money and the call names a model without a price.
pub fn on_the_road<B>(
    grant: &Grant,
    call: &Call<B>,
    client: ClientAddress,
) -> Result<Demand, Unpriced> {
    let endpoint = grant.endpoint();
    let mut draws = Vec::with_capacity(endpoint.limits.len());
    let (roles, tenant) = (grant.roles(), grant.caller().tenant());
    let traits = |model| Traits { roles, tenant, model, tool: call.tool() };
    let counting = |limit: &&Arc<Limit>| !limit.at_the_door() && !limit.of_messages();
    for limit in endpoint.limits.iter().filter(counting) {
        // Which of its models answers is not known yet: it counts as a call of each.
        let others = call.other_models().iter().map(Some);
        for model in std::iter::once(call.model()).chain(others) {
            if !limit.counts(traits(model)) {
                continue;
            }
            // A call of which nobody knows what it costs draws nothing yet: an overdraft stops it
            // all the same, and what its handler reports afterwards is charged.
            let amount = amount(endpoint, call, limit.rule.measure)?;
            let subject = subject(grant, traits(model), client.bucket(), &limit.by);
            draws.push(Draw::new(Arc::clone(&limit.rule), &subject, amount));
            if limit.by != By::Model {
                break;
            }
        }
    }
    Ok(Demand::of(draws))
}

/// What each message draws that a client sends over a WebSocket under this grant.
#[must_use]
pub fn of_a_message(grant: &Grant, client: ClientAddress) -> Vec<Draw> {
    let (roles, tenant) = (grant.roles(), grant.caller().tenant());
    let traits = Traits { roles, tenant, model: None, tool: None };
    let of_messages = grant.endpoint().limits.iter().filter(|limit| limit.of_messages());
    let draw = |limit: &Arc<Limit>| {
        let subject = subject(grant, traits, client.bucket(), &limit.by);
        Draw::new(Arc::clone(&limit.rule), &subject, 1)
    };
    of_messages.filter(|limit| limit.counts(traits)).map(draw).collect()
}

fn amount<B>(endpoint: &Endpoint, call: &Call<B>, measure: Measure) -> Result<u64, Unpriced> {
    match measure {
        Measure::Concurrent | Measure::Messages | Measure::Requests => Ok(1),
        Measure::Tokens => Ok(call.estimate().tokens().max(endpoint.cost.tokens)),
        Measure::NanoUsd => cost(endpoint, call),
    }
}

/// The worst case in nano-dollars: of all models that may answer, the dearest.
fn cost<B>(endpoint: &Endpoint, call: &Call<B>) -> Result<u64, Unpriced> {
    let Some(model) = call.model() else { return Ok(endpoint.cost.usd_nano) };
    let Estimate { tokens_in, tokens_out, asks } = call.estimate();
    let others = call.other_models().iter().chain(&endpoint.cost.replacements);
    std::iter::once(model).chain(others).try_fold(endpoint.cost.usd_nano, |most, model| {
        let prices = &endpoint.cost.prices;
        // A model that is paid for by the piece has no price for a call of another kind.
        let rows = [price::find(prices, model), prices.get(price::CEILING)];
        let cost = |price: &Price| price.worst_case(tokens_in, tokens_out, asks);
        let cost = rows.into_iter().flatten().find_map(cost);
        Ok(most.max(cost.ok_or_else(|| Unpriced(Arc::clone(model)))?))
    })
}

/// Whose counter it is. An attribute that the caller lacks is one shared bucket, never none.
fn subject(grant: &Grant, traits: Traits<'_>, bucket: IpAddr, by: &By) -> String {
    const NOBODY: &str = "-";
    let caller = grant.caller();
    // A name that the caller chose, as it may stand in a store. Those that may not share a counter.
    let named = |name| grant.endpoint().profile.told(name).to_string();
    match by {
        By::Claim(name) => claim(caller, name).unwrap_or_else(|| NOBODY.into()),
        By::Endpoint => format!("{} {}", grant.endpoint().verb, grant.endpoint().path),
        By::Everybody => NOBODY.into(),
        By::Ip => bucket.to_string(),
        By::Key if caller.principal().kind == Kind::Key => caller.principal().name(),
        By::Key => NOBODY.into(),
        By::Model => traits.model.map_or_else(|| NOBODY.into(), named),
        By::Role => grant.roles().first().map_or_else(|| NOBODY.into(), |role| role.to_string()),
        By::Tenant => caller.tenant().map_or_else(|| NOBODY.into(), |tenant| tenant.to_string()),
        By::Tool => traits.tool.map_or_else(|| NOBODY.into(), named),
        By::User if caller.is_anonymous() => format!("ip:{bucket}"),
        By::User => caller.principal().name(),
        By::Verb => grant.endpoint().verb.to_string(),
    }
}

fn claim(caller: &Caller, name: &str) -> Option<String> {
    match caller.claims().get(name)? {
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
