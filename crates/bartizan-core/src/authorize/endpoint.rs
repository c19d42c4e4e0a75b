//! What is an endpoint? One verb at one path, and everything that is decided about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::Method;

use super::named::{self, Names};
use super::role::Permission;
use super::tenant::TenantAt;
use crate::authenticate::Caller;
use crate::limit::price::Price;
use crate::limit::{Measure, Rule};
use crate::mask::Profile;
use crate::validate::a2a::Agent;
use crate::validate::mcp;
use crate::validate::protocol::Protocol;
use crate::validate::schema::Schema;
use crate::validate::websocket::Messages;

/// One verb at one path.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Where it stands among all endpoints: what a handler is found by.
    pub index: usize,
    /// The verb, one of HTTP's or any other token.
    pub verb: Method,
    /// The path template, `/document/{id}` or `/v1/{*rest}`.
    pub path: Arc<str>,
    /// Other verbs that mean this one: `POST` for `SUMMARIZE`.
    pub aliases: Vec<Method>,
    /// Whether `X-AGIS-Method` may name its verb on a POST.
    pub method_override: bool,
    /// Who may use it.
    pub access: Access,
    /// What some role of the caller must permit besides.
    pub permission: Option<Permission>,
    /// Where its requests name a tenant, which must be the caller's own.
    pub tenant: Option<TenantAt>,
    /// Whether somebody must agree to each call first.
    pub approval: bool,
    /// Which tools and models its calls may name.
    pub names: Names,
    /// What the bodies look like.
    pub protocol: Protocol,
    /// What is laid down for one that speaks MCP.
    pub mcp: Option<Arc<mcp::Rules>>,
    /// What is known of the agent behind it, where one is spoken to.
    pub agent: Option<Arc<Agent>>,
    /// What is laid down for the messages of a WebSocket; nothing where they need not be read.
    pub messages: Option<Messages>,
    /// What a body must conform to.
    pub schema: Option<Arc<Schema>>,
    /// The largest request body, in bytes.
    pub max_request_size: u64,
    /// Limits at the door and on the road.
    pub limits: Vec<Arc<Limit>>,
    /// What a call costs at the most, where the protocol does not say it.
    pub cost: Cost,
    /// What must not pass.
    pub profile: Profile,
    /// How long an answer may take to begin, and how long a stream may stand still.
    pub timeout: Duration,
    /// How long a body may take that is read whole, and how long another may stand still.
    pub body_timeout: Duration,
    /// What becomes of a call whose client hangs up.
    pub on_disconnect: OnDisconnect,
    /// Whether a proxy in front sends its calls on, and asks here whether they may pass.
    pub elsewhere: bool,
    /// Whether its upstream is shown a token that is got in exchange for the caller's (RFC 8693), so
    /// that there must be one.
    pub exchanges: bool,
    /// As what hooks see it: those of one number are treated alike by all of them.
    pub seen_as: usize,
    /// What `DISCOVER`, OpenAPI and people are told about it.
    pub about: About,
}

/// Who may use an endpoint. There is no default: it must be written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everybody, with or without a credential.
    Public,
    /// Everybody with a valid credential.
    Authenticated,
    /// Whoever holds all of the scopes and any of the roles.
    Held {
        /// All of these.
        scopes: Vec<Arc<str>>,
        /// Any of these; none where empty.
        roles: Vec<Arc<str>>,
    },
}

/// What becomes of a call that has departed when its client hangs up.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnDisconnect {
    /// It is cancelled, and charged for what was reserved unless its usage is known.
    #[default]
    Cancel,
    /// It runs to its end, and is charged for what it used.
    Finish,
}

/// What a call costs at the most, and what a handler or upstream that reports nothing is
/// charged.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Cost {
    /// Nano-dollars for each call.
    pub usd_nano: u64,
    /// Tokens for each call.
    pub tokens: u64,
    /// Prices by model, for protocols that name one.
    pub prices: Arc<BTreeMap<String, Price>>,
    /// What `max_tokens` is taken to be where a call does not say it.
    pub max_output_tokens: u64,
    /// The most tokens of a prompt of which not everything is seen; nought where nobody said.
    pub max_input_tokens: u64,
    /// Models that may be asked for in place of the one that a call names.
    pub replacements: Vec<Arc<str>>,
}

/// A limit or budget as it applies to endpoints: how much, and who shares it.
#[derive(Clone, Debug)]
pub struct Limit {
    /// How much.
    pub rule: Arc<Rule>,
    /// Who shares one counter.
    pub by: By,
    /// Which calls alone it counts; all where nothing is said.
    pub only: Option<Arc<Only>>,
}

/// Which calls a limit counts, of those to its endpoints: those that fit every list. An empty list
/// fits every call; a call without a tenant, a model or a tool fits no list of them. Each is a name
/// or a pattern with `*`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Only {
    /// Callers in one of these roles.
    pub roles: Vec<Arc<str>>,
    /// Callers of one of these tenants.
    pub tenants: Vec<Arc<str>>,
    /// Calls of one of these models.
    pub models: Vec<Arc<str>>,
    /// Calls of one of these tools.
    pub tools: Vec<Arc<str>>,
}

/// What of a call decides whether a limit counts it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits<'a> {
    /// The roles of its caller.
    pub roles: &'a [Arc<str>],
    /// The tenant of its caller.
    pub tenant: Option<&'a Arc<str>>,
    /// The model that it names.
    pub model: Option<&'a Arc<str>>,
    /// The tool that it names.
    pub tool: Option<&'a Arc<str>>,
}

/// Who shares one counter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum By {
    /// A claim of the token.
    Claim(Arc<str>),
    /// All callers of one endpoint.
    Endpoint,
    /// All requests from one address; decided at the door.
    Ip,
    /// One API key.
    Key,
    /// One model.
    Model,
    /// One role: callers share the counter of their first role.
    Role,
    /// One tenant.
    Tenant,
    /// One tool.
    Tool,
    /// One principal; an anonymous one counts by address.
    User,
    /// One verb.
    Verb,
    /// Everybody.
    Everybody,
}

/// What `DISCOVER`, OpenAPI and people are told about an endpoint.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// `acquire`, `compute`, `transact`, `communicate` or `orchestrate`.
    pub category: Option<Arc<str>>,
    /// One sentence.
    pub description: Option<Arc<str>>,
    /// What must be true before it is called.
    pub preconditions: Vec<Arc<str>>,
    /// What it changes in the world.
    pub side_effects: Vec<Arc<str>>,
    /// How far its effects reach.
    pub intent_impact: Option<Arc<str>>,
    /// How much an agent should favour it, 0 to 1, in thousandths.
    pub intent_weighting: Option<u16>,
    /// The JSON Schema of its answers.
    pub response_schema: Option<Arc<serde_json::Value>>,
    /// Whether it is one of the gateway's own (`/actions`, `/openapi.json`).
    pub built_in: bool,
}

impl Access {
    /// The scopes that are asked for; none for the other kinds.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        match self {
            Self::Held { scopes, .. } => scopes,
            Self::Public | Self::Authenticated => &[],
        }
    }

    /// The roles of which one is asked for; none for the other kinds.
    #[must_use]
    pub fn roles(&self) -> &[Arc<str>] {
        match self {
            Self::Held { roles, .. } => roles,
            Self::Public | Self::Authenticated => &[],
        }
    }

    /// The same, and these scopes besides; whoever needs no credential needs no scope either.
    #[must_use]
    pub fn and_scopes(self, more: &[Arc<str>]) -> Self {
        let more = more.iter().cloned();
        match self {
            Self::Authenticated if more.len() > 0 => {
                Self::Held { scopes: more.collect(), roles: Vec::new() }
            }
            Self::Held { scopes, roles } => {
                Self::Held { scopes: scopes.into_iter().chain(more).collect(), roles }
            }
            Self::Public | Self::Authenticated => self,
        }
    }

    /// Whether nobody needs a credential.
    #[must_use]
    pub fn is_public(&self) -> bool {
        *self == Self::Public
    }
}

impl Only {
    /// Whether a call is counted.
    #[must_use]
    pub fn counts(&self, call: Traits<'_>) -> bool {
        one_fits(&self.roles, call.roles)
            && one_fits(&self.tenants, call.tenant)
            && one_fits(&self.models, call.model)
            && one_fits(&self.tools, call.tool)
    }

    /// Whether it says nothing, and so fits every call.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

fn one_fits<'a>(patterns: &[Arc<str>], texts: impl IntoIterator<Item = &'a Arc<str>>) -> bool {
    let fits = |text: &Arc<str>| patterns.iter().any(|pattern| named::fits(pattern, text));
    patterns.is_empty() || texts.into_iter().any(fits)
}

impl Limit {
    /// A limit that counts all calls.
    #[must_use]
    pub fn new(rule: Arc<Rule>, by: By) -> Self {
        Self { rule, by, only: None }
    }

    /// Whether it counts a call.
    #[must_use]
    pub fn counts(&self, call: Traits<'_>) -> bool {
        self.only.as_ref().is_none_or(|only| only.counts(call))
    }

    /// Whether it counts what calls cost.
    #[must_use]
    pub fn counts_money(&self) -> bool {
        self.rule.measure == Measure::NanoUsd
    }

    /// Whether it counts tokens.
    #[must_use]
    pub fn counts_tokens(&self) -> bool {
        self.rule.measure == Measure::Tokens
    }

    /// Whether it counts the messages of a WebSocket, and no calls.
    #[must_use]
    pub fn of_messages(&self) -> bool {
        self.rule.measure == Measure::Messages
    }

    /// Whether it is decided at the door, before any credential is looked at.
    #[must_use]
    pub fn at_the_door(&self) -> bool {
        self.by == By::Ip
    }
}

impl By {
    /// Reads the word of the configuration.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "endpoint" => Self::Endpoint,
            "global" => Self::Everybody,
            "ip" => Self::Ip,
            "key" => Self::Key,
            "model" => Self::Model,
            "role" => Self::Role,
            "tenant" => Self::Tenant,
            "tool" => Self::Tool,
            "user" => Self::User,
            "verb" => Self::Verb,
            _ => Self::Claim(word.strip_prefix("claim:").filter(|name| !name.is_empty())?.into()),
        })
    }

    /// The words that [`By::parse`] reads.
    pub const WORDS: &'static str =
        "ip, user, key, role, tenant, endpoint, verb, tool, model, global, claim:NAME";
}

impl Endpoint {
    /// How the messages of a WebSocket must be read here; `None` where its bytes may pass unread.
    #[must_use]
    pub fn reads_messages(&self) -> Option<Messages> {
        let masks = self.profile.request.is_some() || self.profile.response.is_some();
        let counts = self.limits.iter().any(|limit| limit.of_messages());
        self.messages
            .or_else(|| (masks || counts || self.profile.inspected).then(Messages::default))
    }

    /// Whether a protocol says which methods there are.
    #[must_use]
    pub fn speaks_a_protocol(&self) -> bool {
        self.protocol != Protocol::Http
    }

    /// The action that a role must permit where none is written: the verb in lower case.
    #[must_use]
    pub fn default_action(verb: &Method) -> Arc<str> {
        verb.as_str().to_ascii_lowercase().into()
    }

    /// Whether `caller` being anonymous is fine here.
    #[must_use]
    pub fn welcomes(&self, caller: &Caller) -> bool {
        self.access.is_public() || !caller.is_anonymous()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<Arc<str>> {
        words.iter().map(|word| Arc::from(*word)).collect()
    }

    #[test]
    fn a_limit_counts_the_calls_that_fit_every_list_and_no_others() {
        let only = Only {
            roles: words(&["guest", "trial"]),
            tenants: words(&["acme"]),
            models: words(&["gpt-5*", "o3"]),
            tools: Vec::new(),
        };
        let counts = |roles: &[&str], tenant: Option<&str>, model: Option<&str>| {
            let (tenant, model) = (tenant.map(Arc::from), model.map(Arc::from));
            let (tenant, model) = (tenant.as_ref(), model.as_ref());
            only.counts(Traits { roles: &words(roles), tenant, model, tool: None })
        };
        assert!(counts(&["user", "trial"], Some("acme"), Some("gpt-5-mini")));
        assert!(counts(&["guest"], Some("acme"), Some("o3")));
        assert!(!counts(&["user"], Some("acme"), Some("o3")));
        assert!(!counts(&[], Some("acme"), Some("o3")));
        assert!(!counts(&["trial"], Some("acme-2"), Some("o3")));
        assert!(!counts(&["trial"], None, Some("o3")));
        assert!(!counts(&["trial"], Some("acme"), Some("o3-mini")));
        assert!(!counts(&["trial"], Some("acme"), None));
        assert!(Only::default().counts(Traits::default()), "without lists it counts all");
    }
}
