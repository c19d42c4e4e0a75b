//! Fakes, and the conformance suites that every store runs.

pub mod approval;
pub mod identity;
pub mod meter;
pub mod redis;
