//! What is forgotten when the process ends.

mod identity;
mod meter;

pub use identity::MemoryIdentities;
pub use meter::MemoryMeter;
