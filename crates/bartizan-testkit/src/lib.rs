//! Fakes, and the conformance suites that every store runs.

pub mod approval;
#[cfg(unix)]
pub mod clock;
#[cfg(unix)]
mod disk;
pub mod fleet;
pub mod identity;
pub mod meter;
#[cfg(unix)]
pub mod postgres;
pub mod proxy;
pub mod redis;
