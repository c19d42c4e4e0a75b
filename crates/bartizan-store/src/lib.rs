//! The memory: meters and identities, in memory, in SQLite and in PostgreSQL.

pub mod database;
pub mod durable;
pub mod memory;
pub mod postgres;
pub mod split;
pub mod sqlite;

pub use database::Database;
pub use split::SplitMeter;
