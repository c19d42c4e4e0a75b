//! The meter in Redis, against real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod redis {
    mod arithmetic;
    mod failures;
    mod leases;
    mod promises;
}
