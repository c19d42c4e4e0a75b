//! Types that an endpoint cannot take, or give.

use bartizan::{Json, Problem, agent_endpoint};

#[derive(serde::Deserialize)]
struct Unschemed {
    _text: String,
}

#[agent_endpoint(verb = "GET", path = "/a", public)]
async fn takes(_input: Unschemed) -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

struct Opaque;

#[agent_endpoint(verb = "GET", path = "/b", public)]
async fn gives() -> Result<Opaque, Problem> {
    Ok(Opaque)
}

fn main() {}
