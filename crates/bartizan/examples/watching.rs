//! What happened, and what else shall be checked? The audit log, and hooks of one's own.
//!
//! ```sh
//! cargo run --example watching
//! curl http://127.0.0.1:8000/echo -H 'Content-Type: application/json' -d '{"text":"hello"}'
//! cat logs/audit.jsonl
//! ```

use std::env;
use std::error::Error;

use bartizan::audit::Durability;
use bartizan::core::limit::BoxFuture;
use bartizan::core::refusal::Objection;
use bartizan::hook::{Hook, Look, Opinion};
use bartizan::works::Audit;
use bartizan::{App, Json, Problem, agent_endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, Serialize, JsonSchema)]
struct Text {
    text: String,
}

/// Says again what it is told.
#[agent_endpoint(verb = "POST", path = "/echo", public)]
async fn echo(input: Text) -> Result<Json<Text>, Problem> {
    Ok(Json(Text { text: input.text.replace("please", "password") }))
}

/// A check before a call departs, and another before its answer goes out.
#[derive(Debug)]
struct NoOrders;

impl Hook for NoOrders {
    fn name(&self) -> &str {
        "no-orders"
    }

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        let text = String::from_utf8_lossy(call.body).to_lowercase();
        Box::pin(async move {
            if text.contains("ignore all previous instructions") {
                let detail = "this looks like an order to the model".into();
                return Err(Objection { detail, ..Objection::default() });
            }
            Ok(Opinion::Pass)
        })
    }

    fn looks_at_answers(&self) -> bool {
        true
    }

    fn after<'a>(&'a self, answer: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        let leaks = String::from_utf8_lossy(answer.body).contains("password");
        Box::pin(async move { if leaks { Err(Objection::default()) } else { Ok(Opinion::Pass) } })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let audit = Audit::to("file://logs/audit.jsonl").durability(Durability::Sync).events([
        "AUTH_SUCCESS",
        "AUTH_FAILURE",
        "ACCESS_DENIED",
        "PII_DETECTED",
        "SECURITY_ALERT",
    ]);
    let app = App::builder("Watched").audit(audit).hook(NoOrders).endpoint(echo).build().await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.serve(&address).await?;
    Ok(())
}
