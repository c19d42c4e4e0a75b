//! What did it really cost? The worst case was reserved; what was used is charged.

use std::sync::Arc;

use crate::audit;
use crate::authorize::Endpoint;
use crate::limit::permit::Permit;
use crate::limit::price::Price;
use crate::limit::{Draw, Kind, Measure, Usage, actual_draws, no_less, not_sent, price};
use crate::validate::Models;
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
pub fn actual(permit: &Permit, asked: &Models, spent: &Spent) -> Vec<Draw> {
    match spent {
        Spent::Nothing => not_sent(permit.draws()),
        Spent::Unknown => permit.draws().iter().map(in_full).collect(),
        Spent::Reported(reported) => {
            let tokens = reported.tokens_in.saturating_add(reported.tokens_out);
            let usd_nano = cost(permit, asked, reported);
            let actual = actual_draws(permit.draws(), Usage { tokens, usd_nano });
            if reported.at_least { no_less(permit.draws(), actual) } else { actual }
        }
    }
}

/// What the audit record says was used.
#[must_use]
pub fn recorded(permit: &Permit, asked: &Models, spent: &Spent) -> audit::Usage {
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
/// of the dearest that may have answered; everything that was reserved where there is no price.
fn cost(permit: &Permit, asked: &Models, reported: &Reported) -> u64 {
    let endpoint: &Endpoint = permit.grant().endpoint();
    let prices = &endpoint.cost.prices;
    let cost =
        |price: &Price| price.cost(reported.tokens_in, reported.tokens_out, reported.kinds());
    let answered = reported.model.as_ref();
    // What is paid for by the piece was counted when it was asked for.
    let by_piece =
        |model: &Arc<str>| price::find(prices, model).is_some_and(|price| price.piece.is_some());
    if reported.usd_nano.is_none() && asked.all().chain(answered).any(by_piece) {
        return reserved(permit);
    }
    let priced = || {
        let known = answered.and_then(|model| price::find(prices, model)).map(cost);
        let by_asked = || {
            let all = asked.all().filter_map(|model| price::find_or_ceiling(prices, model));
            all.map(cost).max()
        };
        // Only a call that names a model was reserved at the ceiling.
        let ceiling = || prices.get(price::CEILING).filter(|_| answered.is_some()).map(cost);
        known.or_else(by_asked).or_else(ceiling)
    };
    let cost = reported.usd_nano.or_else(priced).unwrap_or_else(|| reserved(permit));
    if reported.at_least { cost.max(reserved(permit)) } else { cost }
}
