//! Who may have a token? A token endpoint of one's own, custom verbs, and what they ask for.
//!
//! ```sh
//! cargo run --example tokens
//! curl http://127.0.0.1:8000/token -d 'grant_type=password&username=agent1&password=secret'
//! curl -X SUMMARIZE http://127.0.0.1:8000/document -H "Authorization: Bearer $TOKEN" \
//!     -H 'Content-Type: application/json' -d '{"document_id":"doc_001","format":"text"}'
//! ```

use std::env;
use std::error::Error;

use bartizan::works::Tokens;
use bartizan::{App, Json, Problem, agent_endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Order {
    document_id: String,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Text,
    Bullets,
}

#[derive(Serialize, JsonSchema)]
struct Summary {
    summary: String,
}

/// Summarises a document.
#[agent_endpoint(
    verb = "SUMMARIZE",
    path = "/document",
    scopes = ["data:read"],
    aliases = ["POST"],
    category = "compute"
)]
async fn summarize(input: Order) -> Result<Json<Summary>, Problem> {
    let sentences = match &*input.document_id {
        "doc_001" => ["The harbour is old.", "Its light still burns."],
        _ => return Err(Problem::not_found("there is no such document")),
    };
    let summary = match input.format {
        Format::Text => sentences.join(" "),
        Format::Bullets => sentences.map(|sentence| format!("- {sentence}")).join("\n"),
    };
    Ok(Json(Summary { summary }))
}

/// Notifies somebody, whom a token without the scope does not reach.
#[agent_endpoint(verb = "NOTIFY", path = "/user", scopes = ["notify:send"], category = "communicate")]
async fn notify() -> Result<Json<bool>, Problem> {
    Ok(Json(true))
}

/// Of `secret`. Make your own with `bartizan users hash`.
const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$\
    MDEyMzQ1Njc4OWFiY2RlZg$8qPpaWig0H31wvibKAgpght2Ry2M8rtRQYtZ93ooMus";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let tokens =
        Tokens::new("http://127.0.0.1:8000").user("agent1", PASSWORD_HASH, &["data:read"], &[]);
    let app = App::builder("Documents")
        .tokens(tokens)
        .store("sqlite:tokens.db")
        .endpoint(summarize)
        .endpoint(notify)
        .build()
        .await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.serve(&address).await?;
    Ok(())
}
