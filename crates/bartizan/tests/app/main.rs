//! What does an app do with real requests? Everything but the network is the real thing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod house;

mod discover;
mod approvals;
mod rehearse;
mod inquiry;
mod chain;
mod hooks;
mod webhooks;
mod prompts;
mod masking;
mod restoring;
mod spending;
mod words;
mod beside;
mod legible;
mod behind;
