//! The memory: meters and identities, in memory and in SQLite.

pub mod memory;
pub mod sqlite;
