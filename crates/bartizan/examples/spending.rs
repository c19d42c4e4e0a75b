//! How much may be used? Requests and tokens by the minute, dollars by the day.
//!
//! ```sh
//! cargo run --example spending
//! curl -X ASK http://127.0.0.1:8000/agent -H 'X-API-Key: ann-0123456789abcdef0123456789abcdef'
//! ```

use std::env;
use std::error::Error;

use bartizan::budgets::{self, Calendar};
use bartizan::core::settle::Reported;
use bartizan::limits::{self, By};
use bartizan::works::ApiKey;
use bartizan::{App, Json, Metered, Problem, agent_endpoint};

/// Asks an agent. Ten cents are reserved for each call; what it did not cost goes back.
#[agent_endpoint(verb = "ASK", path = "/agent", authenticated, cost_usd = "0.10")]
async fn ask() -> Result<Metered<Json<&'static str>>, Problem> {
    let used = Reported {
        tokens_in: 900,
        tokens_out: 100,
        usd_nano: Some(4_000_000),
        ..Reported::default()
    };
    Ok(Metered { reply: Json("forty-two"), used })
}

/// Says nothing about its cost, and is charged what was reserved.
#[agent_endpoint(verb = "RENDER", path = "/picture", authenticated, cost_usd = "0.45")]
async fn render() -> Result<Json<&'static str>, Problem> {
    Ok(Json("a picture"))
}

/// Says how it is, five times a minute to each address.
#[agent_endpoint(verb = "GET", path = "/health", public, rate = "5/minute", by = "ip")]
async fn health() -> Result<Json<&'static str>, Problem> {
    Ok(Json("healthy"))
}

const ANN: &str = "sha256:d99beba193bab267149a475648404827d44a6863517faeb7478f77fe40edc3af";
const BOB: &str = "sha256:d299290865a76d16a240989c5fb0896ca9930c230d54c6b7b3318de40a9b7cf0";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let app = App::builder("Spending")
        .api_key(ApiKey::new("ann", ANN))
        .api_key(ApiKey::new("bob", BOB))
        .limit(limits::rpm("requests", 20, By::User))
        .limit(limits::tpm("tokens", 100_000, By::User))
        .limit(budgets::usd("daily", "1.00", Calendar::Day, By::User))
        .limit(budgets::tokens("monthly", 5_000_000, Calendar::Month, By::Tenant))
        .endpoint(ask)
        .endpoint(render)
        .endpoint(health)
        .build()
        .await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.serve(&address).await?;
    Ok(())
}
