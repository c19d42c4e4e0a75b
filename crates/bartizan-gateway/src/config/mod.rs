//! What does the configuration say? Twice: as it is written (`file`), and as it is meant (`settings`).

pub mod units;
pub mod findings;
pub mod tree;
pub mod substitute;
pub mod unsupported;
pub mod decode;
pub mod file;
pub mod shape;
