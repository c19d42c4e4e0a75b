//! The road, and the face of the library: App, stages, tower layers.

pub mod app;
pub mod works;
pub mod endpoint;
pub mod limits;
pub mod budgets;
pub mod pii;
pub mod reply;
pub mod hook;
pub mod actions;
mod inquiry;
pub mod layer;
pub mod serve;

pub mod pipeline;
pub mod stage;
pub mod admit;
pub mod authenticate;
pub mod authorize;
pub mod validate;
pub mod limit;
pub mod mask;
pub mod approve;
pub mod forward;
pub mod settle;
pub mod answer;

pub mod handler;
mod typed;
mod within;
pub mod fetch;
pub mod token;
pub mod upstream;
pub mod audit;
pub mod body;
pub mod peer;
mod aside;
mod owed;
mod paced;
mod presence;
mod resting;
pub mod redact;
pub mod clock;

pub use app::{App, SETTLE_TIMEOUT};
pub use bartizan_core as core;
pub use bartizan_core::authenticate::Caller;
pub use bartizan_macros::agent_endpoint;
pub use endpoint::endpoint;
pub use reply::{Json, Metered, Problem};
