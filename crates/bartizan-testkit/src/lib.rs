//! Fakes, and the conformance suites that every store runs.

pub mod approval;
pub mod fleet;
pub mod identity;
pub mod meter;
#[cfg(unix)]
pub mod postgres;
pub mod redis;
