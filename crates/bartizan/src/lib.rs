//! The road, and the face of the library: App, stages, tower layers.

pub mod app;
pub mod endpoint;
pub mod reply;
pub mod hook;
pub mod actions;

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

pub mod handler;
mod typed;
pub mod upstream;
pub mod audit;
pub mod body;
pub mod peer;
mod paced;
pub mod redact;
pub mod clock;

pub use app::App;
pub use bartizan_core as core;
pub use bartizan_core::authenticate::Caller;
pub use endpoint::endpoint;
pub use reply::{Json, Metered, Problem};
