//! What gets in and out? Validated input of bounded size, and no personal data.
//!
//! ```sh
//! cargo run --example personal_data
//! curl http://127.0.0.1:8000/contact -H 'Content-Type: application/json' \
//!     -d '{"name":"Ann","message":"I am ann@example.org","urgency":2}'
//! ```

use std::env;
use std::error::Error;

use bartizan::pii::{Action, Pii};
use bartizan::{App, Json, Problem, agent_endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a body must look like; everything that does not is answered with 422, and with a JSON
/// Pointer to each violation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Contact {
    #[schemars(length(min = 1, max = 50))]
    name: String,
    #[schemars(length(max = 2000))]
    message: String,
    #[serde(default)]
    #[schemars(range(min = 0, max = 3))]
    urgency: u8,
}

#[derive(Serialize, JsonSchema)]
struct Receipt {
    /// The message as the agent was given it.
    received: String,
    urgency: u8,
    answer: String,
}

/// Takes a message. The function never sees an e-mail address.
#[agent_endpoint(verb = "POST", path = "/contact", public, max_request_size = "4KB")]
async fn contact(input: Contact) -> Result<Json<Receipt>, Problem> {
    let answer = format!("Thank you, {}. Call +1 (415) 555-0132 for more.", input.name);
    Ok(Json(Receipt { received: input.message, urgency: input.urgency, answer }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().init();
    let pii = Pii::new()
        .detect(["EMAIL", "PHONE", "SSN", "CREDIT_CARD"])
        .custom("CUSTOMER_ID", "CUST-[0-9]{6}")
        .requests(Action::MASK)
        .responses(Action::Replace)
        .mask_character('#')
        .min_confidence(0.5)
        .allow(["support@example.com"])
        .log_detections(true);
    let app = App::builder("Contact").pii(&pii).endpoint(contact).build().await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.serve(&address).await?;
    Ok(())
}
