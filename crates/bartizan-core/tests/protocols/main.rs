//! Are the protocols of models, tools (MCP) and agents (A2A) read for what they say, in calls and in answers, and only as
//! far as the caller's grant reaches?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod a2a;
mod calls;
mod forms;
mod mcp;
mod place;
mod price;
mod restored;
mod seams;
mod spread;
mod streams;
mod usage;
