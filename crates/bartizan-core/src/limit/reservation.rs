//! What does a reservation remember?

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::counter::{Counter, Mark};
use super::meter::Charge;
use super::{Kind, Measure, MeterKey, OnCrash};
use crate::time::Timestamp;

/// What one reservation holds, or held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reservation {
    /// Until when it waits to be settled.
    pub deadline: Timestamp,
    /// How far it has come.
    pub state: State,
    /// What it took; nothing once it is settled.
    pub takes: Vec<Take>,
}

/// How far a reservation has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It expired after its call had departed, and was charged in full.
    Charged,
    /// Its call has departed.
    Departed,
    /// It expired before its call departed, and was given back.
    GivenBack,
    /// Its call has not departed yet.
    Held,
    /// It is settled.
    Settled,
}

/// One draw that was taken.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Take {
    /// From which counter.
    pub key: MeterKey,
    /// The rule's name.
    #[serde(with = "shared")]
    pub name: Arc<str>,
    /// What is counted.
    pub measure: Measure,
    /// Which kind of promise the rule makes.
    pub kind: Kind,
    /// How much of it is still reserved.
    pub amount: u64,
    /// How much was charged already, while it stayed open.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub used: u64,
    /// Where the counter finds it again.
    pub mark: Mark,
    /// What it costs when its deadline passes after the call has departed.
    #[serde(default)]
    pub on_crash: OnCrash,
}

impl Take {
    /// How much of it stands against its counter, in that state of the reservation.
    pub(super) fn stands(&self, state: State) -> u64 {
        match (state, self.on_crash) {
            (State::GivenBack, _) | (State::Charged, OnCrash::GiveBack) => 0,
            _ => self.amount,
        }
    }

    /// Charges its counter what was used so far, from the beginning, and keeps the rest reserved.
    pub(super) fn charge_part(
        &mut self,
        counter: &mut Counter,
        used: u64,
        at: Timestamp,
    ) -> Option<Charge> {
        let more = used.checked_sub(self.used).filter(|more| *more > 0)?;
        let part = Self { amount: more.min(self.amount), ..self.clone() };
        let charge = part.charge(counter, State::Departed, more, at);
        (self.amount, self.used) = (self.amount - part.amount, used);
        charge
    }

    /// Charges its counter `actual`; what of it is told.
    pub(super) fn charge(
        &self,
        counter: &mut Counter,
        was: State,
        actual: u64,
        at: Timestamp,
    ) -> Option<Charge> {
        let stands = self.stands(was);
        // What has left the window since it was looked at last is not spent any more.
        counter.room(0, at);
        let (before, first) = match was {
            State::Held | State::Departed => (counter.spent_before(self.mark, stands), true),
            State::Charged | State::GivenBack | State::Settled => (counter.spent(self.mark), false),
        };
        if first {
            counter.settle(self.mark, stands, actual, at);
        } else {
            counter.correct(self.mark, stands, actual, at);
        }
        let after = counter.spent(self.mark);
        let charged = if first { self.amount > 0 || actual > 0 } else { before != after };
        let overdrawn = actual > stands && counter.overdrawn(self.mark);
        ((self.kind == Kind::Budget && charged) || overdrawn).then(|| Charge {
            key: self.key.clone(),
            name: self.name.clone(),
            measure: self.measure,
            kind: self.kind,
            limit: counter.limit(),
            reserved: self.amount,
            actual,
            before,
            after,
            period: self.mark.period().unwrap_or(at),
        })
    }
}

impl Reservation {
    /// Does it wait to be settled?
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Held | State::Departed)
    }
}

impl State {
    /// The word for it in stores.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Charged => "charged",
            Self::Departed => "departed",
            Self::GivenBack => "given_back",
            Self::Held => "held",
            Self::Settled => "settled",
        }
    }

    /// The state of that word.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Charged, Self::Departed, Self::GivenBack, Self::Held, Self::Settled]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

fn is_nothing(amount: &u64) -> bool {
    *amount == 0
}

/// A shared text is written as a text.
mod shared {
    use super::{Arc, Deserialize as _};

    pub(super) fn serialize<S: serde::Serializer>(
        text: &Arc<str>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        source: D,
    ) -> Result<Arc<str>, D::Error> {
        Ok(String::deserialize(source)?.into())
    }
}
