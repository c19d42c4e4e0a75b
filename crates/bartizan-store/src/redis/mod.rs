//! The meter that several gates share: counters in Redis or Valkey, one script a decision.
//!
//! What a call draws on is taken whole or not at all by one script, on the clock of the server.
//! All keys carry one hash tag, so that they are in one slot: a Cluster makes the counters
//! available, and no faster than one of its servers.

mod address;
mod line;
mod meter;
mod script;
mod wire;

pub use address::{Address, BadAddress};
pub use meter::{Health, RedisMeter};
