//! The configuration as it is written: every key of `bartizan.yaml`, and what it is.
//!
//! Nothing is decided here. Sizes, durations and addresses are still text;
//! [`settings`](super::settings) gives them their meaning. `bartizan config schema` prints these
//! types as JSON Schema.

pub mod leaf;
pub mod server;
pub mod auth;
pub mod access;
pub mod policy;
pub mod spending;
pub mod personal;
pub mod hook;
pub mod credential;
pub mod endpoint;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::decode::Located;
use leaf::{Count, Size, Span, Word};

/// The configuration of the gateway `bartizan`.
///
/// `${NAME}` and `${NAME:-default}` are understood in every text, except in patterns and in JSON
/// Schemas; where a secret or an address stands also `{ env: NAME }`, `{ file: PATH }` and
/// `{ secret: NAME }`. Relative paths begin at the folder of the file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "bartizan.yaml")]
pub struct File {
    /// Where the JSON Schema of this file is, for editors. Ignored.
    #[serde(rename = "$schema")]
    pub schema: Option<String>,
    /// The name of the service, shown in `/openapi.json` and in challenges. Default: `Bartizan`.
    pub title: Option<Located<Word>>,
    /// A folder of mounted secrets, one file each, as Kubernetes and Docker make it: `{ secret: NAME }`
    /// is the file `NAME` in it. Environment: `CREDENTIALS_DIRECTORY` (systemd sets it). Secrets are
    /// read again when they change.
    pub secrets: Option<Located<Word>>,
    /// How the gateway is reached.
    pub server: Option<Located<server::Server>>,
    /// Where the gateway remembers.
    pub store: Option<Located<Store>>,
    /// Who may be believed: issuers, keys, and the token endpoint.
    pub auth: Option<Located<auth::Auth>>,
    /// What scopes and roles mean.
    pub access: Option<Located<access::Access>>,
    /// How often, and how much at a time.
    #[serde(default)]
    pub limits: Vec<Located<spending::Limit>>,
    /// How much money, how many tokens or requests in a period.
    #[serde(default)]
    pub budgets: Vec<Located<spending::Budget>>,
    /// Prices of models in US dollars, beside the built-in table. The row `"*"` is what a model
    /// without a price is charged at; without that row such a call is refused where money is
    /// counted.
    #[serde(default)]
    pub prices: BTreeMap<String, Located<spending::Price>>,
    /// Personal data: what is looked for, and what happens to it.
    pub pii: Option<Located<personal::Pii>>,
    /// What is remembered of every request.
    pub audit: Option<Located<personal::Audit>>,
    /// What is served: the order does not matter, the most specific path wins.
    #[serde(default)]
    pub endpoints: Vec<Located<endpoint::Endpoint>>,
    /// The description of the service at `/openapi.json`.
    pub openapi: Option<Located<OpenApi>>,
    /// `DISCOVER /actions` and `TEST /action`.
    pub actions: Option<Located<Actions>>,
    /// `POST /chain`.
    pub chain: Option<Located<Chain>>,
    /// Where the gateway itself may connect to.
    pub egress: Option<Located<Egress>>,
    /// Ordered policies that allow, deny or ask for approval.
    #[serde(default)]
    pub policies: Vec<Located<policy::Policy>>,
    /// Who may agree to calls that need an approval.
    pub approvals: Option<Located<policy::Approvals>>,
    /// Services that have a say in what may pass, in the order in which they are asked.
    #[serde(default)]
    pub hooks: Vec<Located<hook::Hook>>,
    /// Whom to tell, beside the audit log, when a budget runs out.
    pub alerts: Option<Located<spending::Alerts>>,
    /// Metrics, traces and logs.
    pub telemetry: Option<serde_json::Value>,
}

/// Where the gateway remembers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// Identities, keys and grants: `sqlite:FILE` or `postgres://…`. Environment: `DATABASE_URL`.
    /// Default: `sqlite:bartizan.db`.
    pub durable: Option<Located<leaf::Source>>,
    /// Counters that several gateways share: `memory`, `redis://USER:PASSWORD@HOST:PORT/DB`,
    /// `redis+cluster://HOST:PORT,HOST:PORT` or `redis+sentinel://HOST:PORT,HOST:PORT/NAME`, each
    /// also as `rediss` for TLS; `?tag=NAME` keeps deployments on one server apart. Environment:
    /// `REDIS_URL`. Default: `memory`, which no other gateway sees.
    pub shared: Option<Located<leaf::Source>>,
}

/// The description of the service at `/openapi.json`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenApi {
    /// Who sees what. Default: `filtered`.
    pub access: Option<OpenApiAccess>,
}

/// Who sees what in `/openapi.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OpenApiAccess {
    /// Each caller sees the endpoints that they may use.
    Filtered,
    /// Everybody sees every endpoint.
    Public,
    /// There is none.
    Off,
}

/// `DISCOVER /actions` and `TEST /action`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// `false` takes `/actions`, `/action` and `/chain` away and frees their paths. Default:
    /// `true`.
    pub enabled: Option<bool>,
}

/// `POST /chain`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The most steps of one chain. Default: 16.
    pub max_steps: Option<Located<Count>>,
    /// The most that one step may answer. Default: `1MB`.
    pub max_result_bytes: Option<Located<Size>>,
    /// How long a whole chain may take. Default: `5m`.
    pub deadline: Option<Located<Span>>,
}

/// Where the gateway itself may connect to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Private address ranges that discovery and key documents may lie in.
    #[serde(default)]
    pub allow: Vec<Located<leaf::Network>>,
}
