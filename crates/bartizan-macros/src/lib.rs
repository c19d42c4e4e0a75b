//! `#[agent_endpoint]`: an async function becomes an endpoint with a policy.

mod argument;
mod endpoint;
mod expand;
mod unit;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

use argument::Listed;
use endpoint::Endpoint;

/// Makes an endpoint of an async function.
///
/// ```text
/// /// Summarises a document.
/// #[agent_endpoint(verb = "SUMMARIZE", path = "/document", scopes = ["data:read"])]
/// async fn summarize(caller: Caller, input: Order) -> Result<Json<Summary>, Problem> { … }
///
/// let app = App::builder("Secure Agent").endpoint(summarize);
/// let answer = summarize::call(caller, order).await; // without the road: for its own tests
/// ```
///
/// The function takes a `Caller` (recognised by that name), one input, both in either order, or
/// neither. The input's type implements `serde::Deserialize` and `schemars::JsonSchema`: bodies
/// are checked against its schema before the function sees them. It returns
/// `Result<R, Problem>`, where `R` is a `Reply`. What stands in its place afterwards is a unit
/// struct of the same name that becomes a `Served`.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | `verb = "SUMMARIZE"` | a method of HTTP's, or any other token; needed |
/// | `path = "/document/{id}"` | the path template; needed |
/// | `scopes = ["data:read"]` | the caller holds all of these |
/// | `roles = ["admin"]` | the caller has any of these |
/// | `authenticated` | any valid credential will do |
/// | `public` | no credential is needed |
/// | `resource = "document"`, `action = "…"` | some role permits the action on the resource; the action is the verb in lower case unless it is written |
/// | `aliases = ["POST"]` | other verbs that mean this one |
/// | `category = "compute"` | acquire, compute, transact, communicate or orchestrate |
/// | `description = "…"` | for `DISCOVER` and OpenAPI; the doc comment's first paragraph unless it is written |
/// | `preconditions = ["…"]`, `side_effects = ["…"]`, `intent_impact = "…"`, `intent_weighting = 0.5` | what agents are told besides |
/// | `max_request_size = "1MB"` | the largest body; a number is bytes |
/// | `rate = "5/minute"`, `by = "user"` | a limit of its own, and who shares a counter |
/// | `cost_usd = "0.05"` | what a call costs at the most, and what it is charged where it reports nothing |
/// | `timeout = "30s"` | how long an answer may take to begin |
/// | `on_disconnect = "finish"` | the call runs on when its client hangs up; `"cancel"` unless it is written |
///
/// One of `scopes`, `roles`, `authenticated` and `public` must be written; empty lists count as
/// absent. An endpoint without a policy does not compile.
#[proc_macro_attribute]
pub fn agent_endpoint(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let listed = parse_macro_input!(arguments as Listed);
    let function = parse_macro_input!(item as ItemFn);
    let expanded = match (Endpoint::read(listed), expand::Shape::of(&function)) {
        (Ok(endpoint), Ok(shape)) => Ok(expand::expand(&endpoint, &function, &shape)),
        (Err(mut wrong), Err(more)) => {
            wrong.combine(more);
            Err(wrong)
        }
        (Err(wrong), Ok(_)) | (Ok(_), Err(wrong)) => Err(wrong),
    };
    // The name stays defined, so that one mistake does not become many.
    expanded.unwrap_or_else(|wrong| expand::stand_in(&function, &wrong)).into()
}
