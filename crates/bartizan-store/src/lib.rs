//! The memory: meters and identities, in memory, in SQLite and in PostgreSQL.

pub mod durable;
pub mod memory;
pub mod postgres;
pub mod sqlite;
