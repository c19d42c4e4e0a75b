//! A permit that no meter gave, and a caller whom nobody has verified.

use std::sync::Arc;

use bartizan::core::authenticate::{Caller, Identity, Method};
use bartizan::core::authorize::Grant;
use bartizan::core::limit::permit::{Demand, Permit, Returns};
use bartizan::core::limit::{ReservationId, Verdict};

fn permit(grant: Grant, till: Arc<dyn Returns>) -> Permit {
    let taken = Verdict::Taken { standings: Vec::new().into() };
    Permit::issue(grant, ReservationId(1), Demand::ForGood(Vec::new()), taken, till).unwrap().0
}

fn caller(identity: Identity) -> Caller {
    Caller::verified(identity, Method::Jwt)
}

fn main() {}
