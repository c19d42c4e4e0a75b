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
use bartizan::{App, Caller, Json, Problem, agent_endpoint, endpoint};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a body must look like; everything that does not is answered with 422, and with a JSON
/// Pointer to each violation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Contact {
    #[schemars(length(min = 1, max = 50))]
    name: String,
    /// The JSON Schema bounds it; its type cleans it, and refuses what is empty then.
    #[schemars(length(max = 2000))]
    message: Clean,
    #[serde(default)]
    #[schemars(range(min = 0, max = 3))]
    urgency: u8,
}

/// A text without control characters, and without spaces around it.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "String")]
struct Clean(String);

impl TryFrom<String> for Clean {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let seen: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        match seen.trim() {
            "" => Err("it must not be empty"),
            text => Ok(Self(text.to_owned())),
        }
    }
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
    Ok(Json(Receipt { received: input.message.0, urgency: input.urgency, answer }))
}

/// Keeps a message as it is: what is found in it stands in the audit log, by kind and by number.
async fn keep(_: Caller, input: Contact) -> Result<Json<String>, Problem> {
    Ok(Json(input.message.0))
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
    let watched = Pii::new().requests(Action::Detect).responses(Action::Detect);
    let journal = endpoint("POST", "/journal").public().pii(&watched).json(keep);
    let app = App::builder("Contact").pii(&pii).endpoint(contact).endpoint(journal).build().await?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8000".into());
    app.serve(&address).await?;
    Ok(())
}
