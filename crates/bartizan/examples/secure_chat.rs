//! Everything at once: a chat agent that can be put before strangers.
//!
//! ```sh
//! cargo run --example secure_chat
//! curl -X CHAT http://127.0.0.1:8000/chat -H 'X-API-Key: web-0123456789abcdef0123456789abcdef' \
//!     -H 'Content-Type: application/json' -d '{"message":"Who keeps the light?"}'
//! ```

use std::env;
use std::error::Error;

use bartizan::budgets::{self, Calendar};
use bartizan::core::limit::BoxFuture;
use bartizan::core::refusal::Objection;
use bartizan::core::settle::Reported;
use bartizan::hook::{Hook, Look, Opinion};
use bartizan::limits::{self, By};
use bartizan::pii::Pii;
use bartizan::works::{ApiKey, Audit};
use bartizan::{App, Caller, Json, Metered, Problem, agent_endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Message {
    #[schemars(length(min = 1, max = 2000))]
    message: String,
    /// The conversation that it belongs to.
    #[serde(default)]
    #[schemars(regex(pattern = "^[a-z0-9-]{1,36}$"))]
    conversation: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Reply {
    reply: String,
    conversation: String,
}

/// Answers a message. The agent sees it without personal data, and so does whoever reads the
/// answer.
#[agent_endpoint(
    verb = "CHAT",
    path = "/chat",
    aliases = ["POST"],
    scopes = ["chat:write"],
    resource = "chat",
    category = "communicate",
    max_request_size = "16KB",
    cost_usd = "0.02",
    timeout = "30s",
    on_disconnect = "finish",
    side_effects = ["the conversation is remembered by nobody"],
    intent_impact = "low",
    intent_weighting = 0.8
)]
async fn chat(caller: Caller, input: Message) -> Result<Metered<Json<Reply>>, Problem> {
    let words = input.message.split_whitespace().count();
    let reply = format!("{}, you said in {words} words: {}", caller.principal(), input.message);
    let tokens = words as u64;
    let used = Reported {
        tokens_in: tokens,
        tokens_out: tokens + 6,
        usd_nano: Some(tokens * 1_000_000),
        ..Reported::default()
    };
    let conversation = input.conversation.unwrap_or_else(|| "new".into());
    Ok(Metered { reply: Json(Reply { reply, conversation }), used })
}

/// Says how it is.
#[agent_endpoint(verb = "GET", path = "/health", public, rate = "5/minute", by = "ip")]
async fn health() -> Result<Json<&'static str>, Problem> {
    Ok(Json("healthy"))
}

#[derive(Debug)]
struct NoOrders;

impl Hook for NoOrders {
    fn name(&self) -> &str {
        "no-orders"
    }

    fn before<'a>(&'a self, call: Look<'a>) -> BoxFuture<'a, Result<Opinion, Objection>> {
        let orders = String::from_utf8_lossy(call.body).contains("ignore your instructions");
        let detail = "this looks like an order to the model".into();
        Box::pin(async move {
            if orders {
                Err(Objection { detail, ..Objection::default() })
            } else {
                Ok(Opinion::Pass)
            }
        })
    }
}

const WEB: &str = "sha256:a5aa0cde9430ce042ba92071bcea41f883cfdee610001501066fa392e19f6b89";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let mut app = App::builder("Secure Chat")
        .api_key(ApiKey::new("web", WEB).scopes(&["chat:write"]).roles(&["user"]))
        .role("user", &[("chat", "*")])
        .role("admin", &[("*", "*")])
        .store("sqlite:chat.db")
        .pii(&Pii::new().detect(["EMAIL", "PHONE", "SSN", "CREDIT_CARD"]).log_detections(true))
        .limit(limits::rpm("per-user", 60, By::User))
        .limit(limits::tpm("tokens", 100_000, By::User))
        .limit(budgets::usd("daily", "5.00", Calendar::Day, By::User))
        .hook(NoOrders)
        .audit(Audit::to("file://logs/audit.jsonl"))
        .endpoint(chat)
        .endpoint(health);
    if let (Ok(issuer), Ok(audience)) = (env::var("OIDC_ISSUER"), env::var("OIDC_AUDIENCE")) {
        app = app.oidc(&issuer, &audience);
    }
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.build().await?.serve(&address).await?;
    Ok(())
}
