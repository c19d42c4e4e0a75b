//! An axum service that exists already, and the road in front of it.
//!
//! ```sh
//! cargo run --example axum_layer
//! curl http://127.0.0.1:8000/reports/7 -H 'X-API-Key: web-0123456789abcdef0123456789abcdef'
//! ```

use std::env;
use std::error::Error;

use axum::extract::Path;
use axum::routing::get;
use axum::{Extension, Router};
use bartizan::limits::{self, By};
use bartizan::pii::Pii;
use bartizan::works::ApiKey;
use bartizan::{App, Caller, endpoint};
use tower_layer::Layer as _;

/// The service knows nothing of keys and scopes: who calls stands among the extensions.
async fn report(Path(id): Path<u32>, Extension(caller): Extension<Caller>) -> String {
    format!("report {id} for {}; questions to ann@example.org", caller.principal())
}

const WEB: &str = "sha256:a5aa0cde9430ce042ba92071bcea41f883cfdee610001501066fa392e19f6b89";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let service = Router::new()
        .route("/reports/{id}", get(report))
        .route("/health", get(|| async { "healthy" }))
        .route("/debug", get(|| async { "what nobody should see" }));
    // What is not declared here is not reachable: `/debug` is 404, and 401 to strangers.
    let guard = App::builder("Reports")
        .endpoint(endpoint("GET", "/reports/{id}").scope("reports:read"))
        .endpoint(endpoint("GET", "/health").public())
        .api_key(ApiKey::new("web", WEB).scopes(&["reports:read"]))
        .limit(limits::rpm("per-user", 60, By::User))
        .pii(&Pii::new().detect(["EMAIL"]).responses_only())
        .layer()
        .await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    guard.layer(service).serve(&address).await?;
    Ok(())
}
