//! How many are under way?

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::room::Room;
use crate::time::Timestamp;

/// Places that are held while a call is under way.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Concurrency {
    limit: u64,
    held: u64,
}

/// A place may come free at any moment: ask again after this.
const SOON: Duration = Duration::from_secs(1);

impl Concurrency {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, held: 0 }
    }

    pub(super) fn fit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(super) fn room(&self, amount: u64, now: Timestamp) -> Room {
        if amount > self.limit {
            Room::Never
        } else if self.held.saturating_add(amount) <= self.limit {
            Room::Free
        } else {
            Room::At(now.plus(SOON))
        }
    }

    pub(super) fn take(&mut self, amount: u64) {
        self.held = self.held.saturating_add(amount);
    }

    /// Whatever the call was: it is over.
    pub(super) fn release(&mut self, amount: u64) {
        self.held = self.held.saturating_sub(amount);
    }

    /// The most that may be under way.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many are under way.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held
    }
}
