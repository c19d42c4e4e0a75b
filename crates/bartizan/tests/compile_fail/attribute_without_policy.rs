//! Endpoints of which nobody has said who may use them.

use bartizan::{App, Json, Problem, agent_endpoint};

#[agent_endpoint(verb = "GET", path = "/a")]
async fn silent() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(verb = "GET", path = "/b", scopes = [], roles = [])]
async fn empty() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(verb = "GET", path = "/c", public, scopes = ["data:read"])]
async fn torn() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

fn main() {
    let _ = App::builder("Open").endpoint(silent).endpoint(empty).endpoint(torn);
}
