//! A request of which nothing is known but its head, on its way to a handler.

use std::sync::Arc;

use bartizan::body::Body;
use bartizan::core::audit::Trail;
use bartizan::core::exchange::{Arrival, Exchange};
use bartizan::forward::Forward;

async fn send(
    forward: &Forward,
    request: http::Request<Body>,
    arrival: Arrival,
    trail: Arc<dyn Trail>,
) {
    let stranger = Exchange::open(request, arrival, trail);
    let _ = forward.send(stranger).await;
}

fn main() {}
