//! A state that nobody has earned.

use bartizan::body::Body;
use bartizan::core::authenticate::Caller;
use bartizan::core::authorize::Route;
use bartizan::core::exchange::{Authenticated, Exchange};

fn authenticated(caller: Caller, route: Route, body: Body) -> Authenticated<Body> {
    Authenticated { caller, route, body }
}

type Known = Exchange<Authenticated<Body>>;

fn replace(exchange: Known, state: Authenticated<Body>) -> Known {
    Exchange { state, ..exchange }
}

fn main() {}
