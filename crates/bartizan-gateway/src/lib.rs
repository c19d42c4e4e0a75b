//! The house: everything around the road that makes it a program.

pub mod admin;
mod agents;
pub mod alerts;
pub mod assemble;
pub mod cli;
pub mod config;
pub mod demo;
pub mod descriptors;
pub mod reload;
mod mcp;
pub mod shared;
pub mod tls;
pub mod telemetry;

pub use bartizan::serve;
