//! One counter, whatever its shape.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::budget::Budget;
use super::concurrency::Concurrency;
use super::gcra::{Gcra, Place};
use super::period::Period;
use super::queue::Queue;
use super::room::Room;
use super::window::Window;
use super::{Numbers, Rule, Shape, Standing};
use crate::time::Timestamp;

/// The state behind one [`super::MeterKey`]. A store keeps it as one value. What most keys have is a
/// window of few draws: that one stands in place, and what is larger or rarer in a box of its own.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Counter {
    /// Of [`Shape::Budget`] by the calendar.
    Budget(Box<Budget>),
    /// Of [`Shape::Concurrency`].
    Concurrency(Concurrency),
    /// Of [`Shape::Gcra`].
    Gcra(Queue),
    /// Of [`Shape::Window`], and of budgets that roll.
    Window(Window),
}

/// Where a counter finds a draw again.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Mark {
    /// The start of the period it was reserved in.
    Budget(Timestamp),
    /// Places need no finding.
    Concurrency,
    /// Its place in the queue.
    Gcra(Place),
    /// The entry it was counted in.
    Window(Timestamp),
}

impl Mark {
    /// The start of the period it was reserved in; where a budget rolls, its entry.
    #[must_use]
    pub fn period(self) -> Option<Timestamp> {
        match self {
            Self::Budget(start) | Self::Window(start) => Some(start),
            Self::Concurrency | Self::Gcra(_) => None,
        }
    }
}

impl Counter {
    /// A counter that has counted nothing.
    #[must_use]
    pub fn new(shape: &Shape, now: Timestamp) -> Self {
        match shape {
            Shape::Budget { limit, period: Period::Rolling(length) } => {
                Self::Window(Window::new(*limit, *length))
            }
            Shape::Budget { limit, period } => {
                Self::Budget(Box::new(Budget::new(*limit, period, now)))
            }
            Shape::Concurrency { limit } => Self::Concurrency(Concurrency::new(*limit)),
            Shape::Gcra { limit, length, burst } => {
                Self::Gcra(Gcra::new(*limit, *length, *burst).into())
            }
            Shape::Window { limit, length } => Self::Window(Window::new(*limit, *length)),
        }
    }

    /// Takes over the rule as it is now; limits may have been reloaded. What was counted stays,
    /// unless the shape is another: then counting starts anew.
    pub fn fit(&mut self, shape: &Shape, now: Timestamp) {
        match (self, shape) {
            (
                Self::Window(window),
                Shape::Window { limit, length }
                | Shape::Budget { limit, period: Period::Rolling(length) },
            ) => window.fit(*limit, *length),
            (
                Self::Budget(budget),
                Shape::Budget { limit, period: period @ Period::Calendar(..) },
            ) => {
                budget.fit(*limit, period, now);
            }
            (Self::Concurrency(places), Shape::Concurrency { limit }) => places.fit(*limit),
            (Self::Gcra(gcra), Shape::Gcra { limit, length, burst }) => {
                gcra.with(|gcra| gcra.fit(*limit, *length, *burst));
            }
            (other, shape) => *other = Self::new(shape, now),
        }
    }

    /// Is there room for `amount`?
    pub fn room(&mut self, amount: u64, now: Timestamp) -> Room {
        match self {
            Self::Budget(budget) => budget.room(amount, now),
            Self::Concurrency(places) => places.room(amount, now),
            Self::Gcra(gcra) => gcra.with(|gcra| gcra.room(amount, now)),
            Self::Window(window) => window.room(amount, now),
        }
    }

    /// Takes `amount`. Ask for room first: this does not.
    pub fn take(&mut self, amount: u64, now: Timestamp) -> Mark {
        match self {
            Self::Budget(budget) => Mark::Budget(budget.take(amount)),
            Self::Concurrency(places) => {
                places.take(amount);
                Mark::Concurrency
            }
            Self::Gcra(gcra) => Mark::Gcra(gcra.with(|gcra| gcra.take(amount, now))),
            Self::Window(window) => Mark::Window(window.take(amount, now)),
        }
    }

    /// Takes `amount` for good. Ask for room first: this does not.
    pub fn spend(&mut self, amount: u64, now: Timestamp) {
        match self {
            // What was taken from a window or a queue stays there as it is.
            Self::Window(window) => _ = window.take(amount, now),
            Self::Gcra(gcra) => _ = gcra.with(|gcra| gcra.take(amount, now)),
            Self::Budget(_) | Self::Concurrency(_) => {
                let mark = self.take(amount, now);
                self.settle(mark, amount, amount, now);
            }
        }
    }

    /// Counts one call for good, where that is simple, and how it stands then; none where it is not, and
    /// then nothing is done. `at` is the store's clock, `now` the caller's.
    #[inline(always)]
    pub(super) fn spend_one(
        &mut self,
        shape: &Shape,
        at: Timestamp,
        now: Timestamp,
    ) -> Option<Numbers> {
        match (self, shape) {
            (Self::Window(window), Shape::Window { limit, length }) => {
                let (held, reset) = window.take_one(*limit, *length, at)?;
                let remaining = limit.saturating_sub(held);
                Some(Numbers { window: *length, remaining, reset: reset.since(now) })
            }
            _ => None,
        }
    }

    /// What was reserved at `mark` was really `actual`. A mark of another shape is of a rule that
    /// is no more, and changes nothing.
    pub fn settle(&mut self, mark: Mark, reserved: u64, actual: u64, now: Timestamp) {
        match (self, mark) {
            (Self::Budget(budget), Mark::Budget(start)) => budget.settle(start, reserved, actual),
            (Self::Concurrency(places), Mark::Concurrency) => places.release(reserved),
            (Self::Gcra(gcra), Mark::Gcra(place)) => {
                gcra.with(|gcra| gcra.settle(place, reserved, actual, now));
            }
            (Self::Window(window), Mark::Window(at)) => window.settle(at, reserved, actual, now),
            _ => {}
        }
    }

    /// What was `charged` when the reservation expired was really `actual`.
    pub fn correct(&mut self, mark: Mark, charged: u64, actual: u64, now: Timestamp) {
        match (self, mark) {
            (Self::Budget(budget), Mark::Budget(start)) => {
                budget.correct(start, charged, actual, now);
            }
            (Self::Gcra(gcra), Mark::Gcra(place)) => {
                gcra.with(|gcra| gcra.settle(place, charged, actual, now));
            }
            (Self::Window(window), Mark::Window(at)) => window.settle(at, charged, actual, now),
            // Expiry has freed the place already.
            _ => {}
        }
    }

    /// May it be forgotten? A new one would say the same.
    pub fn is_idle(&mut self, now: Timestamp) -> bool {
        match self {
            Self::Budget(budget) => budget.is_idle(now),
            Self::Concurrency(places) => places.held() == 0,
            Self::Gcra(gcra) => gcra.with(|gcra| gcra.is_idle(now)),
            Self::Window(window) => window.is_idle(now),
        }
    }

    /// The instant from which it may be forgotten if nothing happens until then; none while it
    /// holds something that only settling ends.
    #[must_use]
    pub fn idle_at(&self) -> Option<Timestamp> {
        match self {
            Self::Budget(budget) if budget.is_idle(Timestamp(u64::MAX)) => {
                let ledger = budget.current();
                Some(if ledger.settled == 0 { ledger.start } else { ledger.end })
            }
            Self::Concurrency(places) if places.held() == 0 => Some(Timestamp(0)),
            Self::Budget(_) | Self::Concurrency(_) => None,
            Self::Gcra(gcra) => Some(gcra.whole().idle_at()),
            Self::Window(window) => Some(window.idle_at()),
        }
    }

    /// How much it allows.
    #[must_use]
    pub fn limit(&self) -> u64 {
        match self {
            Self::Budget(budget) => budget.limit(),
            Self::Concurrency(places) => places.limit(),
            Self::Gcra(gcra) => gcra.whole().limit(),
            Self::Window(window) => window.limit(),
        }
    }

    /// What stands against the limit for good, in the period that `mark` belongs to: what a
    /// budget has settled, what a window holds.
    #[must_use]
    pub fn spent(&self, mark: Mark) -> u64 {
        match (self, mark) {
            (Self::Budget(budget), Mark::Budget(start)) => budget.settled_in(start),
            (Self::Budget(budget), _) => budget.current().settled,
            (Self::Concurrency(places), _) => places.held(),
            (Self::Gcra(gcra), _) => gcra.whole().held(),
            (Self::Window(window), _) => window.total(),
        }
    }

    /// The same before an open reservation of `amount` is settled. Windows count it already, and
    /// so those of others: on a budget that rolls a threshold may be crossed more than once.
    pub(super) fn spent_before(&self, mark: Mark, amount: u64) -> u64 {
        match self {
            Self::Budget(_) => self.spent(mark),
            Self::Concurrency(_) | Self::Gcra(_) | Self::Window(_) => {
                self.spent(mark).saturating_sub(amount)
            }
        }
    }

    /// Has more been settled than the rule allows?
    #[must_use]
    pub fn overdrawn(&self, mark: Mark) -> bool {
        match self {
            Self::Gcra(gcra) => gcra.whole().overdrawn(),
            _ => self.spent(mark) > self.limit(),
        }
    }

    /// How it stands. Ask for room first: that brings it to `now`.
    #[must_use]
    pub fn standing(&self, rule: &Rule, now: Timestamp) -> Standing {
        self.numbers(&rule.shape, now).of(rule)
    }

    /// The same in numbers.
    pub(super) fn numbers(&self, shape: &Shape, now: Timestamp) -> Numbers {
        let (window, remaining, reset) = match self {
            Self::Budget(budget) => {
                let ledger = budget.current();
                (ledger.length(), budget.remaining(), ledger.end)
            }
            Self::Concurrency(places) => {
                (Duration::ZERO, places.limit().saturating_sub(places.held()), now)
            }
            Self::Gcra(gcra) => {
                let gcra = gcra.whole();
                (gcra.length(), gcra.remaining(), gcra.reset())
            }
            Self::Window(window) => {
                let remaining = window.limit().saturating_sub(window.total());
                (shape.length(), remaining, window.reset())
            }
        };
        Numbers { window, remaining, reset: reset.since(now) }
    }
}

impl Shape {
    /// The length of a window; zero where the calendar decides, and for concurrency.
    fn length(&self) -> Duration {
        match self {
            Self::Budget { period: Period::Rolling(length), .. }
            | Self::Gcra { length, .. }
            | Self::Window { length, .. } => *length,
            Self::Budget { .. } | Self::Concurrency { .. } => Duration::ZERO,
        }
    }
}
