//! What is forgotten when the process ends.

mod approval;
mod identity;
mod meter;

pub use approval::MemoryApprovals;
pub use identity::MemoryIdentities;
pub use meter::MemoryMeter;
