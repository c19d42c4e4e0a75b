//! How much may be spent, and who shares it? Budgets as a program writes them.
//!
//! ```
//! use bartizan::budgets::{self, Calendar};
//! use bartizan::limits::By;
//!
//! let daily = budgets::usd("daily", "100.00", Calendar::Day, By::User);
//! let monthly = budgets::tokens("monthly", 5_000_000, Calendar::Month, By::Tenant);
//! ```
//!
//! A budget is never overspent by what is admitted: the most that a call can cost is reserved
//! before it departs, and what it did not use goes back when it has ended.

pub use bartizan_core::limit::{Calendar, Period};
use bartizan_core::limit::{Measure, NanoUsd, Shape};

use crate::limits::{BadLimit, By, Limits};

/// So many US dollars, written as decimals: `100.00`. What a call costs is what its
/// [`Metered`](crate::Metered) reply says, the price of its model, or the endpoint's `cost_usd`.
pub fn usd(name: &str, limit: &str, period: impl Into<Period>, by: By) -> Limits {
    match NanoUsd::parse_usd(limit) {
        Ok(NanoUsd(limit)) => of(name, Measure::NanoUsd, limit, period.into(), by),
        Err(error) => Limits(Err(BadLimit::Amount(name.into(), error))),
    }
}

/// So many tokens of language models.
pub fn tokens(name: &str, limit: u64, period: impl Into<Period>, by: By) -> Limits {
    of(name, Measure::Tokens, limit, period.into(), by)
}

/// So many requests.
pub fn requests(name: &str, limit: u64, period: impl Into<Period>, by: By) -> Limits {
    of(name, Measure::Requests, limit, period.into(), by)
}

fn of(name: &str, measure: Measure, limit: u64, period: Period, by: By) -> Limits {
    Limits::of(name, measure, Shape::Budget { limit, period }, by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_that_cannot_be_read_is_no_budget() {
        for amount in ["", "0", "0.00", "-5", "1e9", "a hundred", "0.0000000001"] {
            assert!(usd("daily", amount, Calendar::Day, By::User).0.is_err(), "{amount}");
        }
        assert!(requests("by address", 5, Calendar::Day, By::Ip).0.is_err());
    }
}
