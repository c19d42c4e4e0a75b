//! A pipeline that forgets to validate.

use bartizan::authorize::Authorize;
use bartizan::body::Body;
use bartizan::core::exchange::{Authenticated, Exchange, Permitted, Refused};
use bartizan::limit::Limit;
use bartizan::stage::Stage;

async fn pass(
    authorize: &Authorize,
    limit: &Limit,
    exchange: Exchange<Authenticated<Body>>,
) -> Result<Exchange<Permitted<Body>>, Refused> {
    let exchange = authorize.pass(exchange).await?;
    limit.pass(exchange).await
}

fn main() {}
