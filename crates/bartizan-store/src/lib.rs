//! The memory: meters and identities, in memory, in SQLite and in Redis.

pub mod fallback;
pub mod leased;
pub mod memory;
pub mod redis;
pub mod sqlite;
