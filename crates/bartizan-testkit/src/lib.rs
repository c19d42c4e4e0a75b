//! Fakes, and the conformance suites that every store runs.

pub mod identity;
pub mod meter;
