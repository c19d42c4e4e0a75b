//! The memory: meters and identities, in memory, in SQLite, in PostgreSQL and in Redis.

pub mod database;
pub mod durable;
pub mod fallback;
pub mod leased;
pub mod memory;
pub mod postgres;
pub mod redis;
pub mod split;
pub mod sqlite;

pub use database::Database;
pub use split::SplitMeter;
