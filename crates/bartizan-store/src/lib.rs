//! The memory: meters and identities, in memory, in SQLite, in PostgreSQL and in Redis.

pub mod database;
pub mod durable;
pub mod fallback;
pub mod leased;
mod login;
pub mod memory;
pub mod postgres;
pub mod redis;
pub mod split;
pub mod sqlite;
mod told;

pub use database::Database;
pub use split::SplitMeter;
