//! The road, and the face of the library: App, stages, tower layers.

pub mod pipeline;
pub mod stage;
pub mod admit;
pub mod authenticate;
pub mod authorize;
pub mod validate;
pub mod limit;
pub mod mask;
pub mod forward;
pub mod settle;
pub mod answer;

pub mod body;
pub mod handler;
pub mod redact;
pub mod clock;

pub use bartizan_core as core;
