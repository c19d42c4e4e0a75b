//! How is written what lasts? Once for both databases, and money quickly: many calls in one
//! transaction.
//!
//! Identities, approvals and what commands ask of budgets are statements that an
//! `Engine` runs, and each kind of row is described once, in `record`.
//!
//! A database commits a few hundred times a second and takes thousands of rows in each. So calls
//! do not write by themselves: they stand in a queue, and one worker takes all that wait, lets the
//! rules decide on them one after the other in a [`Book`](bartizan_core::limit::Book), and writes
//! what became of them, with the ledger, in one transaction. No call is answered before that is
//! committed, and none waits longer than the patience.

mod approval;
pub(crate) mod engine;
mod identity;
mod page;
mod record;
pub(crate) mod rows;
mod treasury;
mod turns;

use std::time::Duration;

pub use approval::DurableApprovals;
pub use identity::DurableIdentities;
pub(crate) use page::{Before, Call, Done, Touched, Written, forgotten};
pub use treasury::DurableTreasury;
pub use turns::DurableMeter;
pub(crate) use turns::{Pages, Turns};

/// How long a call waits for the store, all in all: who waits longer is refused, and in less than
/// a second knows it.
pub const PATIENCE: Duration = Duration::from_millis(800);

/// Whose clock decides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Clock {
    /// That of whoever calls.
    Callers,
    /// That of the store: gateways whose clocks differ share a budget.
    Own,
}
