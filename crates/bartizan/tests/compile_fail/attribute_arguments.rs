//! Everything that can be written wrongly between the brackets.

use bartizan::{Json, Problem, agent_endpoint};

#[agent_endpoint(verb = "GET", path = "/a", scope = ["data:read"], public)]
async fn unknown() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(verb = "", path = "a", public)]
async fn nothing() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(verb = "SUM MARIZE", path = "/b", aliases = ["post", "TRACE"], public)]
async fn no_verb() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(public)]
async fn nowhere() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

#[agent_endpoint(
    verb = "GET",
    path = "/c",
    public = true,
    public,
    roles = "admin",
    category = "comput",
    max_request_size = "1 megabyte",
    intent_weighting = 2,
    by = "usr",
    action = "read",
    timeout = 30,
    on_disconnect = "finnish"
)]
async fn many() -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

fn main() {}
