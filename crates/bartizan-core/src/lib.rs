//! The rules of the road: every decision, and no I/O.
//!
//! The stages stand in the order in which a request meets them. A stage may use what the stages
//! before it established, and knows nothing of those that follow. None of them knows that there
//! is a road: [`exchange`] alone knows the order. Nothing here reads a clock, opens a socket or
//! waits: what a rule needs is handed to it, the time included.

pub mod admit;
pub mod authenticate;
pub mod authorize;
pub mod validate;
pub mod limit;
pub mod mask;
pub mod settle;

pub mod audit;
pub mod refusal;
pub mod problem;
pub mod exchange;

pub mod issue;
pub mod obtain;
pub mod describe;
pub mod chain;

pub mod decimal;
pub mod id;
pub mod json;
pub mod seam;
pub mod sse;
pub mod time;
