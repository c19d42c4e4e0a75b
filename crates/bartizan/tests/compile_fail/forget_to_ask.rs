//! A pipeline that sends a call without asking whether somebody must agree.

use bartizan::body::Body;
use bartizan::core::exchange::{Exchange, Masked};
use bartizan::forward::Forward;

async fn send(forward: &Forward, exchange: Exchange<Masked<Body>>) {
    let _ = forward.send(exchange).await;
}

fn main() {}
