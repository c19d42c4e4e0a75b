//! What is forgotten when the process ends.

mod meter;

pub use meter::MemoryMeter;
