//! How much may be used, and who shares it? Limits as a program writes them.
//!
//! ```
//! use bartizan::limits::{self, By};
//!
//! let per_user = limits::rpm("per-user", 60, By::User);
//! let health = limits::rate("health", "5/minute", By::Ip);
//! let smooth = limits::rpm("smooth", 600, By::Key).burst(20);
//! ```

use std::sync::Arc;
use std::time::Duration;

pub use bartizan_core::authorize::endpoint::By;
use bartizan_core::authorize::endpoint::Limit;
use bartizan_core::limit::price::BadAmount;
use bartizan_core::limit::rate::{BadRate, Rate};
use bartizan_core::limit::{Measure, Rule, Shape};

/// One or several rules under one name, and who shares their counters. What is wrong with them is
/// said when the app is built.
#[derive(Clone, Debug)]
#[must_use = "a limit that no app is given limits nothing"]
pub struct Limits(pub(crate) Result<Vec<Limit>, BadLimit>);

/// A limit or budget that cannot be counted. The developer must mend it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadLimit {
    /// An amount of money that cannot be read.
    #[error("the budget `{0}`: {1}")]
    Amount(Arc<str>, BadAmount),
    /// At the door nobody knows yet what a call takes.
    #[error(
        "`{0}` counts tokens, money or calls under way by address, where only requests can be \
         counted: use `By::User` or `By::Key`"
    )]
    AtTheDoor(Arc<str>),
    /// A burst of something that does not come at a rate.
    #[error("`{0}` has a burst and no rate of requests: use `rpm` or `rate`")]
    Burst(Arc<str>),
    /// A rate that cannot be read.
    #[error("the limit `{0}`: {1}")]
    Rate(Arc<str>, BadRate),
    /// It would refuse everything.
    #[error("`{0}` allows nothing: write a number of at least 1")]
    Zero(Arc<str>),
}

const MINUTE: Duration = Duration::from_mins(1);

/// So many requests in any minute.
pub fn rpm(name: &str, requests: u64, by: By) -> Limits {
    let shape = Shape::Window { limit: requests, length: MINUTE };
    Limits::of(name, Measure::Requests, shape, by)
}

/// So many tokens of language models in any minute.
pub fn tpm(name: &str, tokens: u64, by: By) -> Limits {
    Limits::of(name, Measure::Tokens, Shape::Window { limit: tokens, length: MINUTE }, by)
}

/// Requests at a rate such as `5/minute`, or at several: `10/minute; 100/day`.
pub fn rate(name: &str, rate: &str, by: By) -> Limits {
    Limits::at(name, Measure::Requests, rate, by)
}

/// Messages that a client sends over a WebSocket, at a rate such as `60/minute`, or at several.
/// One that finds no room ends the connection.
pub fn messages(name: &str, rate: &str, by: By) -> Limits {
    Limits::at(name, Measure::Messages, rate, by)
}

/// So many calls under way at once.
pub fn concurrency(name: &str, calls: u64, by: By) -> Limits {
    Limits::of(name, Measure::Concurrent, Shape::Concurrency { limit: calls }, by)
}

impl Limits {
    fn at(name: &str, measure: Measure, rate: &str, by: By) -> Self {
        let name: Arc<str> = name.into();
        let rates = match Rate::parse(rate) {
            Ok(rates) => rates,
            Err(error) => return Self(Err(BadLimit::Rate(name, error))),
        };
        let limit = |(Rate { limit, length }, by): (Rate, By)| {
            let shape = Shape::Window { limit, length };
            let rule = Rule::new(Arc::clone(&name), measure, shape);
            Limit::new(Arc::new(rule), by)
        };
        let shared_by = std::iter::repeat_n(by, rates.len());
        Self(Ok(rates.into_iter().zip(shared_by).map(limit).collect()))
    }

    /// One rule, if it can be counted.
    pub(crate) fn of(name: &str, measure: Measure, shape: Shape, by: By) -> Self {
        let name: Arc<str> = name.into();
        if shape.limit() == 0 {
            return Self(Err(BadLimit::Zero(name)));
        }
        if by == By::Ip && (measure != Measure::Requests || matches!(shape, Shape::Budget { .. })) {
            return Self(Err(BadLimit::AtTheDoor(name)));
        }
        Self(Ok(vec![Limit::new(Arc::new(Rule::new(name, measure, shape)), by)]))
    }

    /// Lets so many requests come early, and smooths the rest to the rate: no window holds more
    /// than the limit and `burst` together.
    pub fn burst(self, burst: u64) -> Self {
        let Ok(limits) = self.0 else { return self };
        let smooth = |limit: &Limit| match limit.rule.shape {
            Shape::Window { limit: most, length } if is_rate(limit) => {
                let shape = Shape::Gcra { limit: most, length, burst };
                let rule = Rule::new(Arc::clone(&limit.rule.name), limit.rule.measure, shape);
                Ok(Limit { rule: Arc::new(rule), ..limit.clone() })
            }
            _ => Err(BadLimit::Burst(Arc::clone(&limit.rule.name))),
        };
        Self(limits.iter().map(smooth).collect())
    }
}

fn is_rate(limit: &Limit) -> bool {
    matches!(limit.rule.measure, Measure::Messages | Measure::Requests)
}

impl From<Limit> for Limits {
    fn from(limit: Limit) -> Self {
        Self(Ok(vec![limit]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(limits: Limits) -> String {
        limits.0.unwrap_err().to_string()
    }

    #[test]
    fn what_could_not_be_counted_is_said_and_not_counted_wrongly() {
        assert!(wrong(rpm("a", 0, By::User)).contains("`a` allows nothing"));
        assert!(wrong(rate("b", "5/fortnight", By::Ip)).contains("`5/minute`"));
        assert!(wrong(tpm("c", 1000, By::Ip)).contains("By::User"));
        assert!(wrong(concurrency("d", 2, By::Ip)).contains("By::User"));
        assert!(wrong(tpm("e", 1000, By::User).burst(3)).contains("no rate"));
    }

    #[test]
    fn a_burst_turns_every_window_of_requests_into_a_smooth_rate() {
        let limits = rate("a", "10/minute; 100/day", By::Ip).burst(5).0.unwrap();
        let smooth = |limit: &Limit| matches!(limit.rule.shape, Shape::Gcra { burst: 5, .. });
        assert!(limits.len() == 2 && limits.iter().all(smooth));
    }
}
