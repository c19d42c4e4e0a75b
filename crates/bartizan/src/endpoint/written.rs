//! What does an endpoint say in texts? Rates, prices and words for agents, as a program writes them.

use std::sync::Arc;

use bartizan_core::limit::NanoUsd;
use bartizan_core::limit::price::BadAmount;

use super::Draft;
use crate::limits::{self, BadLimit, By, Limits};
use crate::pii::{BadPii, Pii};

/// A text or a number that cannot be used. The developer must mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// What a call costs cannot be read.
    #[error("`cost_usd`: {0}")]
    Cost(#[from] BadAmount),
    /// A limit or budget.
    #[error(transparent)]
    Limit(#[from] BadLimit),
    /// What must not pass.
    #[error(transparent)]
    Pii(#[from] BadPii),
}

impl<P> Draft<P> {
    /// Limits or budgets of its own, beside those of the app.
    #[must_use]
    pub fn limit(mut self, limits: impl Into<Limits>) -> Self {
        match limits.into().0 {
            Ok(limits) => self.sketch.limits.extend(limits.into_iter().map(Arc::new)),
            Err(wrong) => self.sketch.flaws.push(wrong.into()),
        }
        self
    }

    /// A rate of its own, such as `5/minute`, and who shares a counter.
    #[must_use]
    pub fn rate(self, rate: &str, by: By) -> Self {
        let name = format!("{} {}", self.sketch.verb, self.sketch.path);
        self.limit(limits::rate(&name, rate, by))
    }

    /// What a call costs at the most, in US dollars such as `0.05`, and what it is charged where
    /// it reports nothing.
    #[must_use]
    pub fn cost_usd(mut self, usd: &str) -> Self {
        match NanoUsd::parse_usd(usd) {
            Ok(NanoUsd(nano)) => self.sketch.cost.usd_nano = nano,
            Err(wrong) => self.sketch.flaws.push(wrong.into()),
        }
        self
    }

    /// What must not pass, where it is not what the app says.
    #[must_use]
    pub fn pii(mut self, pii: &Pii) -> Self {
        match pii.profile() {
            Ok(profile) => self.sketch.profile = Some(profile),
            Err(wrong) => self.sketch.flaws.push(wrong.into()),
        }
        self
    }

    /// Something that must be true before it is called, for agents to read.
    #[must_use]
    pub fn precondition(mut self, condition: &str) -> Self {
        self.sketch.about.preconditions.push(condition.into());
        self
    }

    /// Something that it changes in the world, for agents to read.
    #[must_use]
    pub fn side_effect(mut self, effect: &str) -> Self {
        self.sketch.about.side_effects.push(effect.into());
        self
    }

    /// How far its effects reach, for agents to read.
    #[must_use]
    pub fn intent_impact(mut self, impact: &str) -> Self {
        self.sketch.about.intent_impact = Some(impact.into());
        self
    }

    /// How much an agent should favour it, in thousandths: at most 1000.
    #[must_use]
    pub fn intent_weighting(mut self, thousandths: u16) -> Self {
        self.sketch.about.intent_weighting = Some(thousandths.min(1000));
        self
    }
}
