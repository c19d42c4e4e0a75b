//! Does the real program keep its promises on real sockets? Each test starts one, in front of an upstream of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod program;
mod upstream;
mod wire;

mod attacks;
mod authorization;
mod commands;
mod complaints;
mod databases;
mod failover;
mod forwarding;
mod guessing;
mod identities;
mod issuer;
mod leases;
mod life;
mod mutual;
mod outbound;
mod overspending;
mod pages;
mod secrets;
mod shared;
mod spoken;
mod streams;
mod tls;
mod told;
mod tokens;
mod tunnels;
mod unread;
