//! What did it really cost? The worst case was reserved; what was used is charged.

use std::sync::Arc;

use crate::audit;
use crate::authorize::Endpoint;
use crate::limit::permit::Permit;
use crate::limit::{Draw, Kind, Measure, Usage, actual_draws, not_sent, price};
pub use crate::validate::Reported;

/// How a call ended, as far as money is concerned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Spent {
    /// It never departed: nothing, but for the rates that have counted it.
    Nothing,
    /// It departed, and nobody said what it used: everything that was reserved.
    Unknown,
    /// It departed, and this is what it used.
    Reported(Reported),
}

/// What of each draw was really used.
#[must_use]
pub fn actual(permit: &Permit, asked: Option<&Arc<str>>, spent: &Spent) -> Vec<Draw> {
    match spent {
        Spent::Nothing => not_sent(permit.draws()),
        Spent::Unknown => permit.draws().iter().map(in_full).collect(),
        Spent::Reported(reported) => {
            let tokens = reported.tokens_in.saturating_add(reported.tokens_out);
            let usd_nano = cost(permit, asked, reported);
            actual_draws(permit.draws(), Usage { tokens, usd_nano })
        }
    }
}

/// What the audit record says was used.
#[must_use]
pub fn recorded(permit: &Permit, asked: Option<&Arc<str>>, spent: &Spent) -> audit::Usage {
    match spent {
        Spent::Nothing => audit::Usage::default(),
        Spent::Unknown => audit::Usage { usd_nano: reserved(permit), ..audit::Usage::default() },
        Spent::Reported(reported) => {
            let Reported { tokens_in, tokens_out, tokens_cached, .. } = *reported;
            let usd_nano = cost(permit, asked, reported);
            audit::Usage { tokens_in, tokens_out, tokens_cached, usd_nano }
        }
    }
}

/// A draw as charged in full; what counts calls under way counts this one no more.
fn in_full(draw: &Draw) -> Draw {
    let over = draw.rule.kind() == Kind::Concurrency;
    Draw { amount: if over { 0 } else { draw.amount }, ..draw.clone() }
}

/// The most that any budget holds for the call, in nano-dollars.
fn reserved(permit: &Permit) -> u64 {
    let money = permit.draws().iter().filter(|draw| draw.rule.measure == Measure::NanoUsd);
    money.map(|draw| draw.amount).max().unwrap_or(0)
}

/// What it cost in nano-dollars: as reported, or by the price of the model that answered, else
/// of the one that was asked; everything that was reserved where there is no price.
fn cost(permit: &Permit, asked: Option<&Arc<str>>, reported: &Reported) -> u64 {
    let endpoint: &Endpoint = permit.grant().endpoint();
    let by_model = |model: &Arc<str>| price::find(&endpoint.cost.prices, model);
    let price = reported.model.as_ref().and_then(by_model).or_else(|| asked.and_then(by_model));
    // Only a call that names a model was reserved at the ceiling.
    let named = asked.is_some() || reported.model.is_some();
    let ceiling = || endpoint.cost.prices.get(price::CEILING).filter(|_| named);
    let price = price.or_else(ceiling);
    let priced =
        price.map(|price| price.cost(reported.tokens_in, reported.tokens_out, reported.kinds()));
    reported.usd_nano.or(priced).unwrap_or_else(|| reserved(permit))
}
