//! Are the protocols of language models, and MCP, read for what they say, in calls and in answers, and only as
//! far as the caller's grant reaches?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod calls;
mod mcp;
mod place;
mod streams;
