//! Does the program do what its pages promise? The real binary, over real sockets, seen from outside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod a2a;
mod access;
mod canaille;
mod credential;
mod crash;
mod curl;
mod fastapi;
mod gateway;
mod guide;
mod http;
mod inquiry;
mod llm;
mod mcp;
mod mcp_rights;
mod money;
mod oauth;
mod oidc;
mod openapi;
mod origin;
mod provider;
mod python;
mod readme;
mod sarif;
mod search;
mod secrets;
mod talks;
mod unread;
mod verbs;
mod websocket;
