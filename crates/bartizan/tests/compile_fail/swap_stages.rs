//! A pipeline that masks before it limits.

use bartizan::body::Body;
use bartizan::core::exchange::{Exchange, Masked, Refused, Validated};
use bartizan::limit::Limit;
use bartizan::mask::Mask;
use bartizan::stage::Stage;

async fn pass(
    limit: &Limit,
    mask: &Mask,
    exchange: Exchange<Validated<Body>>,
) -> Result<Exchange<Masked<Body>>, Refused> {
    let exchange = mask.pass(exchange).await?;
    limit.pass(exchange).await
}

fn main() {}
