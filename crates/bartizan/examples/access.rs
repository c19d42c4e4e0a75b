//! Who may do what? API keys, scopes that imply others and one that everything asks for, and roles with
//! permissions.
//!
//! ```sh
//! cargo run --example access
//! curl -H 'X-API-Key: reader-0123456789abcdef0123456789abcdef' http://127.0.0.1:8000/documents
//! ```

use std::env;
use std::error::Error;

use bartizan::works::ApiKey;
use bartizan::{App, Caller, Json, Problem, agent_endpoint};

/// Lists documents. Whoever may write may read.
#[agent_endpoint(verb = "GET", path = "/documents", scopes = ["documents:read"])]
async fn list() -> Result<Json<Vec<&'static str>>, Problem> {
    Ok(Json(vec!["harbour", "lighthouse"]))
}

/// Summarises documents: some role must permit `summarize` on `document`.
#[agent_endpoint(
    verb = "SUMMARIZE",
    path = "/documents",
    authenticated,
    resource = "document",
    aliases = ["POST"]
)]
async fn summarize(caller: Caller) -> Result<Json<String>, Problem> {
    Ok(Json(format!("a summary for {}", caller.principal())))
}

/// Changes documents: the scope is needed, and the role as well.
#[agent_endpoint(verb = "PUT", path = "/documents", scopes = ["documents:write"], roles = ["editor"])]
async fn change() -> Result<Json<bool>, Problem> {
    Ok(Json(true))
}

/// Forgets everything: for administrators alone.
#[agent_endpoint(verb = "DELETE", path = "/documents", roles = ["admin"])]
async fn purge() -> Result<Json<bool>, Problem> {
    Ok(Json(true))
}

/// Of keys that stand in this file a digest is all that an app knows. Keys of your own:
/// `printf %s "$KEY" | sha256sum`, and at least 128 bits of randomness.
const READER: &str = "sha256:11a21445dab18a8dac92c165872b754196685f769b926c9424c4311956011abc";
const WRITER: &str = "sha256:9a5dd072cabfe42aebf8c97567a806c66b219fd029696398ec79576670891a8e";
const EDITOR: &str = "sha256:8c029e3e761d225d385e5f2063b1bade28b817b3532f968eed62bf59e8b23005";
const STRANGER: &str = "sha256:6e76f22bf8236c0e18f9761c4390f0a08e1f101dd90c053e6a19391cb50f86c5";
const ADMIN: &str = "sha256:8f0becd4e2d8bbda113b8b4dc9613712c3a3f6c7cdca39922a4e4ef529a414f1";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let app = App::builder("Documents")
        .required_scopes(&["app:use"])
        .api_key(ApiKey::new("reader", READER).scopes(&["app:use", "documents:read"]))
        .api_key(ApiKey::new("writer", WRITER).scopes(&["documents:write"]).roles(&["user"]))
        .api_key(ApiKey::new("editor", EDITOR).scopes(&["documents:write"]).roles(&["editor"]))
        .api_key(ApiKey::new("admin", ADMIN).scopes(&["app:use"]).roles(&["admin"]))
        .api_key(ApiKey::new("stranger", STRANGER).scopes(&["documents:read"]))
        .scope_implies("documents:write", &["documents:read", "app:use"])
        .role("user", &[("document", "summarize"), ("chat", "*")])
        .role("editor", &[("document", "*")])
        .role("admin", &[("*", "*")])
        .assign("key:reader", &["guest"])
        .role("guest", &[("lobby", "enter")])
        .endpoint(list)
        .endpoint(summarize)
        .endpoint(change)
        .endpoint(purge)
        .build()
        .await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.serve(&address).await?;
    Ok(())
}
