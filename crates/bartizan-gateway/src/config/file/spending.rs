//! The keys below `limits`, `budgets` and `prices`: how often, how much, and what it costs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::decode::Located;
use super::leaf::{Amount, Count, OneOrMany, RateText, Source, Word};

/// A limit on how often, or how much at a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Its name in `RateLimit` headers and in the audit log.
    pub name: Located<Word>,
    /// What is counted together: `ip`, `user`, `key`, `role`, `tenant`, `endpoint`, `verb`, `tool`,
    /// `model` or `claim:NAME`. `ip` is decided at the door, before any credential is looked at.
    pub by: Located<Word>,
    /// Requests in any minute.
    pub rpm: Option<Located<Count>>,
    /// Tokens in any minute.
    pub tpm: Option<Located<Count>>,
    /// Requests in a window of one's own, as `5/minute`.
    pub rate: Option<Located<RateText>>,
    /// Messages that a client sends over a WebSocket, as `60/minute`. One that finds no room ends
    /// the connection.
    pub messages: Option<Located<RateText>>,
    /// How many may come at once beyond the rate; with it the limit is smooth (GCRA), without it a
    /// sliding window.
    pub burst: Option<Located<Count>>,
    /// Requests at the same time.
    pub concurrency: Option<Located<Count>>,
    /// What happens while the shared store is down: `closed`, `local` or `open`. Default: `closed`.
    /// A call passes only if none of its limits and budgets is closed; budgets always are.
    pub on_failure: Option<Located<OnFailure>>,
    /// `true`: each gateway takes small slices of it ahead and asks the shared store seldom. The
    /// total stays exact; near the limit a slice of another gateway cannot be used for a second,
    /// and a window is a second longer. Not with `burst`. Default: `false`.
    pub lease: Option<Located<bool>>,
    /// To which requests it applies. Default: all.
    #[serde(rename = "match")]
    pub matches: Option<Located<Match>>,
}

/// What happens when a store is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// Nobody passes.
    Closed,
    /// Each gateway counts alone: N of them may admit N times the limit.
    Local,
    /// Everybody passes.
    Open,
}

/// To which requests a limit or a budget applies: those that fit every key. With `by: ip` only
/// `path` and `verb`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Paths; `*` at the end stands for the rest.
    pub path: Option<OneOrMany>,
    /// Verbs.
    pub verb: Option<OneOrMany>,
    /// Hosts.
    pub host: Option<OneOrMany>,
    /// Callers in one of these roles.
    pub role: Option<OneOrMany>,
    /// Callers of one of these organisations.
    pub tenant: Option<OneOrMany>,
    /// One of these models; `*` at the end stands for the rest of the name.
    pub model: Option<OneOrMany>,
    /// One of these tools.
    pub tool: Option<OneOrMany>,
}

/// How much in a period.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Its name in refusals, alerts and the audit log.
    pub name: Located<Word>,
    /// Who shares it: `global`, `tenant`, `user`, `key`, `role`, `endpoint` or `model`. Default:
    /// `global`.
    pub by: Option<Located<Word>>,
    /// Dollars.
    pub usd: Option<Located<Amount>>,
    /// Tokens, in and out.
    pub tokens: Option<Located<Count>>,
    /// Requests.
    pub requests: Option<Located<Count>>,
    /// How long a period is.
    pub period: Located<Period>,
    /// Where a day begins, as `Europe/Berlin`. Default: `UTC`.
    pub timezone: Option<Located<Word>>,
    /// `true`: any time span of that length, not the calendar's. Default: `false`.
    pub rolling: Option<Located<bool>>,
    /// `true`: what passes the limit is told, not refused. Default: `false`.
    pub soft_limit: Option<Located<bool>>,
    /// Tell when so many percent are used.
    #[serde(default)]
    pub alert_at: Vec<Located<Count>>,
    /// What a call costs whose gateway crashed while it was away. Default: `charge`.
    pub on_crash: Option<Located<OnCrash>>,
    /// `true`: each gateway takes small slices of it ahead and asks the shared store seldom. The
    /// total stays exact; a gateway that is killed is charged its slices in full. Default: `false`.
    pub lease: Option<Located<bool>>,
    /// To which requests it applies. Default: all.
    #[serde(rename = "match")]
    pub matches: Option<Located<Match>>,
}

/// Whom to tell when a budget reaches a percentage of its `alert_at`, or is overdrawn.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Where a message is posted, once for each alert; what does not arrive is tried again for a
    /// day.
    #[serde(default)]
    pub webhooks: Vec<Located<Webhook>>,
}

/// An address that takes messages as the Standard Webhooks specification has them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where to: `https`, or `http` on loopback.
    pub url: Located<Source>,
    /// What messages are signed with (HMAC-SHA256): at least 24 characters, or `whsec_` and base64.
    pub secret: Located<Source>,
}

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first of a month to the last.
    Month,
}

/// What a call costs whose gateway crashed while it was away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnCrash {
    /// What was reserved.
    Charge,
    /// Nothing.
    GiveBack,
}

/// What a model costs, in US dollars: its tokens, both in and out, or one kind of what it makes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A million tokens in.
    pub input_per_million: Option<Located<Amount>>,
    /// A million tokens out.
    pub output_per_million: Option<Located<Amount>>,
    /// A picture that is drawn (`images/generations`), in place of tokens: the dearest size and quality.
    pub per_image: Option<Located<Amount>>,
    /// A million letters that are read aloud (`audio/speech`), in place of tokens.
    pub per_million_characters: Option<Located<Amount>>,
    /// A verdict (`moderations`), in place of tokens.
    pub per_moderation: Option<Located<Amount>>,
    /// A million tokens in that the provider had in its cache. Default: the price of input.
    pub cached_input_per_million: Option<Located<Amount>>,
    /// A million tokens in that it wrote into its cache. Default: the price of input.
    pub cache_write_per_million: Option<Located<Amount>>,
    /// Those that it keeps there for an hour. Default: what other writing costs.
    pub cache_write_1h_per_million: Option<Located<Amount>>,
    /// A million tokens in that are sound. Default: the price of input.
    pub input_audio_per_million: Option<Located<Amount>>,
    /// A million tokens out that are sound. Default: the price of output.
    pub output_audio_per_million: Option<Located<Amount>>,
    /// What tokens cost in service tiers: `batch`, `fast`, `flex` or `priority`. Default: the same.
    #[serde(default)]
    pub tiers: BTreeMap<Tier, Located<Rates>>,
}

/// How a provider serves a call, as its answer says in `service_tier` or `speed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// Some hours later.
    Batch,
    /// With more tokens a second.
    Fast,
    /// When there is room.
    Flex,
    /// Before others.
    Priority,
}

/// What tokens cost in a service tier, in US dollars.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// A million tokens in.
    pub input_per_million: Located<Amount>,
    /// A million tokens out.
    pub output_per_million: Located<Amount>,
    /// A million tokens in that the provider had in its cache. Default: the price of input.
    pub cached_input_per_million: Option<Located<Amount>>,
}
