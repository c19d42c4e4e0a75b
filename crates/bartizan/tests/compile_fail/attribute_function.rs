//! Functions that cannot be endpoints.

use bartizan::{Caller, Json, Problem, agent_endpoint};

#[agent_endpoint(verb = "GET", path = "/a", public)]
fn not_async() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(verb = "GET", path = "/b", public)]
async fn silent() {}

#[agent_endpoint(verb = "GET", path = "/c", public)]
async fn greedy(_: Caller, _: u8, _: u8) -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(verb = "GET", path = "/d", public)]
async fn generic<T>(_: T) -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

fn main() {}
