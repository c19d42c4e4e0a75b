//! Who is calling? Tokens of an identity provider, and what they open.
//!
//! ```sh
//! OIDC_ISSUER=https://auth.example.com OIDC_AUDIENCE=your-api-audience cargo run --example oidc
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:8000/profile
//! ```

use std::env;
use std::error::Error;

use bartizan::{App, Caller, Json, Problem, agent_endpoint};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
struct Profile {
    principal: String,
    scopes: Vec<String>,
}

/// Says who the caller is.
#[agent_endpoint(verb = "GET", path = "/profile", authenticated)]
async fn profile(caller: Caller) -> Result<Json<Profile>, Problem> {
    let scopes = caller.scopes().iter().map(ToString::to_string).collect();
    Ok(Json(Profile { principal: caller.principal().to_string(), scopes }))
}

/// Reads what only those may read whose token holds the scope.
#[agent_endpoint(verb = "GET", path = "/data", scopes = ["data:read"])]
async fn data() -> Result<Json<&'static str>, Problem> {
    Ok(Json("the data"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let app = App::builder("Secure Agent")
        .oidc(&env::var("OIDC_ISSUER")?, &env::var("OIDC_AUDIENCE")?)
        .endpoint(profile)
        .endpoint(data)
        .build()
        .await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.serve(&address).await?;
    Ok(())
}
