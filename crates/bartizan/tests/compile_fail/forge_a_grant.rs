//! A grant that no policy gave.

use std::sync::Arc;

use bartizan::core::authenticate::Caller;
use bartizan::core::authorize::{Endpoint, Grant};

fn grant(caller: Caller, endpoint: Arc<Endpoint>) -> Grant {
    Grant { caller, endpoint, roles: None }
}

fn main() {}
