//! Endpoints of which nobody has said who may use them.

use bartizan::{App, Caller, Json, Problem, endpoint};

async fn answer(_: Caller) -> Result<Json<u8>, Problem> {
    Ok(Json(1))
}

fn main() {
    let _ = App::builder("Open").endpoint(endpoint("GET", "/a").call(answer));
    let _ = App::builder("Open").endpoint(endpoint("GET", "/b").alias("HEAD"));
}
