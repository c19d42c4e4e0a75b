//! What was really used of what was reserved?

use super::{Draw, Measure};

/// What one call used, in the measures that are only known afterwards.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Tokens, in and out together.
    pub tokens: u64,
    /// Nano-dollars.
    pub usd_nano: u64,
}

/// What the reserved draws really were. A call stays a call, tokens and money become what they
/// were, and a place is free again.
#[must_use]
pub fn actual_draws(reserved: &[Draw], used: Usage) -> Vec<Draw> {
    let amount = |draw: &Draw| match draw.rule.measure {
        Measure::Concurrent => 0,
        Measure::NanoUsd => used.usd_nano,
        Measure::Messages | Measure::Requests => draw.amount,
        Measure::Tokens => used.tokens,
    };
    reserved.iter().map(|draw| Draw { amount: amount(draw), ..draw.clone() }).collect()
}

/// The same where more may have been used than anybody here knows: what was reserved of tokens and
/// money, or what is known where that is more.
#[must_use]
pub fn no_less(reserved: &[Draw], actual: Vec<Draw>) -> Vec<Draw> {
    let most = |(draw, reserved): (Draw, &Draw)| match draw.rule.measure {
        Measure::NanoUsd | Measure::Tokens => {
            Draw { amount: draw.amount.max(reserved.amount), ..draw }
        }
        Measure::Concurrent | Measure::Messages | Measure::Requests => draw,
    };
    actual.into_iter().zip(reserved).map(most).collect()
}

/// What stays of the draws of a call that was let through and then not sent: a rate has counted it,
/// so that nothing can be tried without end; tokens, money and places go back.
#[must_use]
pub fn not_sent(reserved: &[Draw]) -> Vec<Draw> {
    let amount = |draw: &Draw| if draw.rule.counts_calls() { draw.amount } else { 0 };
    reserved.iter().map(|draw| Draw { amount: amount(draw), ..draw.clone() }).collect()
}

/// The draws of a call that was never made: everything goes back.
#[must_use]
pub fn nothing_used(reserved: &[Draw]) -> Vec<Draw> {
    reserved.iter().map(|draw| Draw { amount: 0, ..draw.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::limit::{Rule, Shape};

    #[test]
    fn a_call_stays_a_call_and_tokens_become_what_they_were() {
        let draw = |measure, amount| {
            let shape = Shape::Window { limit: 9, length: Duration::from_secs(1) };
            Draw::new(Arc::new(Rule::new("limit", measure, shape)), "ann", amount)
        };
        let reserved = [
            draw(Measure::Requests, 1),
            draw(Measure::Tokens, 500),
            draw(Measure::NanoUsd, 900),
            draw(Measure::Concurrent, 1),
        ];
        let amounts = |draws: Vec<Draw>| draws.iter().map(|draw| draw.amount).collect::<Vec<_>>();
        let used = Usage { tokens: 120, usd_nano: 7 };
        assert_eq!(amounts(actual_draws(&reserved, used)), [1, 120, 7, 0]);
        let more = no_less(&reserved, actual_draws(&reserved, used));
        assert_eq!(amounts(more), [1, 500, 900, 0], "what is not known costs what was reserved");
        let most = Usage { tokens: 600, usd_nano: 1000 };
        let more = no_less(&reserved, actual_draws(&reserved, most));
        assert_eq!(amounts(more), [1, 600, 1000, 0], "what was seen beyond it counts, too");
        assert_eq!(amounts(not_sent(&reserved)), [1, 0, 0, 0]);
        assert_eq!(amounts(nothing_used(&reserved)), [0, 0, 0, 0]);
    }
}
