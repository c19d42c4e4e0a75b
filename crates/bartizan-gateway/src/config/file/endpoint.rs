//! The keys below `endpoints`: what is served, to whom, and from where.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::super::decode::Located;
use super::credential::Credential;
use super::leaf::{Count, Fraction, Size, Source, Span, Word};
use super::personal::Pii;

/// What is served at a path. One of `public`, `authenticated`, `scopes` and `roles` must be
/// written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The path; `{name}` stands for one segment, `{*rest}` at the end for the rest.
    pub path: Located<Word>,
    /// The verbs: any HTTP token, as `GET` or `SUMMARIZE`. Where no `protocol` is spoken, `GET` answers
    /// `HEAD` as well, unless that is named. Default: with `protocol` the protocol's own, else
    /// required.
    pub verbs: Option<Located<Vec<Located<Word>>>>,
    /// Verbs that mean another verb of this endpoint, as `POST: SUMMARIZE`.
    #[serde(default)]
    pub aliases: BTreeMap<String, Located<Word>>,
    /// What kind of action it is, for agents.
    pub category: Option<Located<Category>>,
    /// What it does, in a sentence.
    pub description: Option<Located<Word>>,
    /// What must hold before, for agents.
    #[serde(default)]
    pub preconditions: Vec<Located<Word>>,
    /// How far its effects reach, for agents.
    pub intent_impact: Option<Located<Word>>,
    /// What it changes, for agents.
    #[serde(default)]
    pub side_effects: Vec<Located<Word>>,
    /// How much it weighs among alternatives, for agents.
    pub intent_weighting: Option<Located<Fraction>>,
    /// `true`: everybody may call it, without a credential.
    pub public: Option<Located<bool>>,
    /// `true`: everybody with a good credential may call it.
    pub authenticated: Option<Located<bool>>,
    /// The caller needs all of these scopes.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// The caller needs one of these roles.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
    /// One of the caller's roles must permit this resource.
    pub resource: Option<Located<Word>>,
    /// What is done to the resource. Default: the verb in lower case.
    pub action: Option<Located<Word>>,
    /// Where requests name a tenant, which must be the caller's own.
    pub tenant: Option<Located<Tenant>>,
    /// The JSON Schema (2020-12) of a request's body: written here, or `{ file: PATH }`.
    pub schema: Option<Located<SchemaSource>>,
    /// Where requests go.
    pub upstream: Option<Located<Upstream>>,
    /// What answers instead of an upstream.
    pub handler: Option<Located<Handler>>,
    /// What is spoken. Default: `http`.
    pub protocol: Option<Located<Protocol>>,
    /// Rights of single tools, by name or pattern: those that are called (MCP), and those that
    /// are offered to a model (`openai`, `anthropic`). Tools that are not listed are denied. Default
    /// for MCP: none may be called; for models: all may be offered.
    #[serde(default)]
    pub tools: BTreeMap<String, Located<Tool>>,
    /// Rights of single resources of MCP, by address or pattern. Those that are not listed are denied.
    #[serde(default)]
    pub resources: BTreeMap<String, Located<Right>>,
    /// Rights of single prompts of MCP, by name or pattern. Those that are not listed are denied.
    #[serde(default)]
    pub prompts: BTreeMap<String, Located<Right>>,
    /// What a server of MCP may ask of its clients, by method or pattern: `sampling/createMessage`,
    /// `elicitation/create`, `roots/list`. What is not listed is denied.
    #[serde(default)]
    pub server_requests: BTreeMap<String, Located<Right>>,
    /// What else is laid down where MCP is spoken.
    pub mcp: Option<Located<Mcp>>,
    /// What becomes of a call that offers a model a tool to which its caller has no right. Default:
    /// `refuse`.
    pub on_denied_tool: Option<Located<OnDeniedTool>>,
    /// Rights of single models, by name or pattern. Models that are not listed are denied. Default:
    /// all may be used.
    #[serde(default)]
    pub models: BTreeMap<String, Located<Model>>,
    /// Rights of single methods (`a2a`), by their names of version 1.0 or a pattern, as `CancelTask` or
    /// `Get*`. Methods that are not listed are denied. Default: all may be called.
    #[serde(default)]
    pub methods: BTreeMap<String, Located<Right>>,
    /// Rights of single skills of an agent (`a2a`), by name or pattern. Skills that are not listed are
    /// denied, and not on the card; a message that names none needs the rights to all. Default: all
    /// may be asked for.
    #[serde(default)]
    pub skills: BTreeMap<String, Located<Right>>,
    /// Where an agent (`a2a`) may send push notifications: hosts, as `hooks.example.com`,
    /// `*.example.com:8443` or, without TLS, `http://127.0.0.1:9000`. Default: nowhere.
    #[serde(default)]
    pub push_hosts: Vec<Located<Word>>,
    /// Whether a person must agree first.
    pub approval: Option<Located<Approval>>,
    /// The largest request body. Default: the server's.
    pub max_request_size: Option<Located<Size>>,
    /// How messages of a WebSocket are read. They are where texts are masked, where messages are
    /// counted or looked at by a hook, and where this stands; else its bytes pass unread.
    pub websocket: Option<Located<WebSocket>>,
    /// How long to wait for what. Default: the server's.
    pub timeouts: Option<Located<EndpointTimeouts>>,
    /// What happens to a call whose caller hung up. Default: `cancel`.
    pub on_disconnect: Option<Located<OnDisconnect>>,
    /// Personal data. Default: the gateway's.
    pub pii: Option<Located<Pii>>,
    /// `false`: `X-AGIS-Method` is refused here. Default: `true`.
    pub method_override: Option<Located<bool>>,
    /// The most tokens of an answer; put into requests that name none.
    pub max_output_tokens: Option<Located<Count>>,
    /// The most tokens of a prompt that is not seen whole (conversations and files that the provider
    /// keeps, its own tools): reserved for such calls. Default: they are refused where tokens or
    /// money are counted.
    pub max_input_tokens: Option<Located<Count>>,
}

/// What kind of action an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// It gets something.
    Acquire,
    /// It works something out.
    Compute,
    /// It changes something.
    Transact,
    /// It tells somebody.
    Communicate,
    /// It leads others.
    Orchestrate,
}

/// What answers instead of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Handler {
    /// `{"status":"healthy"}`.
    Health,
    /// A proxy in front sends the calls on, and asks here whether they may pass: nginx, Caddy and
    /// Traefik at `/auth/verify`, Envoy there or as `ext_authz` by gRPC. Only those in
    /// `server.trusted_proxies` may ask.
    #[serde(rename = "forward_auth")]
    ForwardAuth,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// HTTP, and nothing known about its bodies.
    Http,
    /// OpenAI's API.
    Openai,
    /// Anthropic's API.
    Anthropic,
    /// The Model Context Protocol.
    Mcp,
    /// Agent to Agent.
    A2a,
}

/// How messages of a WebSocket are read.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSocket {
    /// The largest message, in both directions. Default: `1MB`.
    pub max_message_size: Option<Located<Size>>,
    /// What becomes of binary messages where texts are masked. Default: `refuse`.
    pub binary: Option<Located<BinaryMessages>>,
}

/// What becomes of binary messages where texts are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BinaryMessages {
    /// The connection is closed: nobody can say what they hold.
    Refuse,
    /// They pass unread.
    Pass,
}

/// What happens to a call whose caller hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDisconnect {
    /// It runs on: it costs money anyway.
    Finish,
    /// It is broken off.
    Cancel,
}

/// Whether a person must agree first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Somebody must.
    Required,
}

/// Where requests name a tenant: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// In this parameter of the path, as `org` of `/orgs/{org}/files`.
    pub path: Option<Located<Word>>,
    /// In this header field, which must stand there once.
    pub header: Option<Located<Word>>,
}

/// A section that says where a server is and what it is shown, before fields of its own. Serde's
/// `flatten` would lose the places of the keys, and take keys that nobody knows.
macro_rules! servers {
    ($($(#[$attribute:meta])* pub struct $name:ident { $($own:tt)* })*) => {$(
        $(#[$attribute])*
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The address. Without a path requests keep theirs; with one it stands for the endpoint's
            /// path up to the first `{`.
            pub url: Located<Source>,
            /// How verbs of one's own go on. Default: `post`.
            pub verbs: Option<Located<UpstreamVerbs>>,
            /// `prior` speaks HTTP/2 to an `http://` address without asking. Default: HTTP/1.1; to an
            /// `https://` address what the upstream prefers.
            pub http2: Option<Located<UpstreamHttp2>>,
            /// What the gateway itself shows to the upstream, as a bearer token; with
            /// `protocol: anthropic` a secret goes into `x-api-key`. Environment: `OPENAI_API_KEY`, for
            /// `https://api.openai.com`, and `ANTHROPIC_API_KEY`, for `https://api.anthropic.com`.
            pub credential: Option<Located<Credential>>,
            /// The models that it serves, by name or pattern. Default: all.
            #[serde(default)]
            pub serves: Vec<Located<Word>>,
            $($own)*
        }

        impl $name {
            /// What it says of the server.
            pub fn one(&self) -> One<'_> {
                One {
                    url: &self.url,
                    verbs: self.verbs.as_ref(),
                    http2: self.http2.as_ref(),
                    credential: self.credential.as_ref(),
                    serves: &self.serves,
                }
            }
        }
    )*};
}

/// What a section says of a server.
#[derive(Clone, Copy, Debug)]
pub struct One<'a> {
    /// Its address.
    pub url: &'a Located<Source>,
    /// How verbs of one's own go on.
    pub verbs: Option<&'a Located<UpstreamVerbs>>,
    /// Whether HTTP/2 is spoken without asking.
    pub http2: Option<&'a Located<UpstreamHttp2>>,
    /// What it is shown.
    pub credential: Option<&'a Located<Credential>>,
    /// The models that it serves.
    pub serves: &'a [Located<Word>],
}

servers! {
    /// Where requests go.
    pub struct Upstream {
        /// How often it is asked again where no connection came about, or where it answered 429 or 5xx
        /// to a call of a model or to a method that may be repeated. Default: 0.
        pub retries: Option<Located<Count>>,
        /// When it is left alone because it fails. Default: never.
        pub breaker: Option<Located<Breaker>>,
        /// Who is asked, in this order, where it does not answer.
        #[serde(default)]
        pub fallbacks: Vec<Located<Fallback>>,
    }

    /// Another upstream of an endpoint.
    pub struct Fallback {
        /// The model to ask for there, in place of the one that was asked. Default: the same.
        pub model: Option<Located<Word>>,
    }
}

/// When an upstream is left alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    /// After so many failures in a row. Default: 5.
    pub failures: Option<Located<Count>>,
    /// For so long. Default: `10s`.
    pub pause: Option<Located<Span>>,
    /// How many may ask at the same time after that, until one of them has an answer. Default: 1.
    pub probes: Option<Located<Count>>,
}

/// How long to wait for what, at this endpoint.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointTimeouts {
    /// For a request's body that is read whole, and between the parts of one that passes in chunks.
    /// Default: as under `server`.
    pub body: Option<Located<Span>>,
    /// For the upstream's answer to begin, and between its parts.
    pub upstream: Option<Located<Span>>,
    /// For the answer of each single upstream to begin. Default: as `upstream`.
    pub first_byte: Option<Located<Span>>,
    /// For the whole of an answer. Default: as long as something comes.
    pub total: Option<Located<Span>>,
}

/// How verbs of one's own go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamVerbs {
    /// As POST with `X-AGIS-Method`.
    Post,
    /// As they are.
    Native,
}

/// When HTTP/2 is spoken to a plain upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpstreamHttp2 {
    /// Always, with prior knowledge (RFC 9113 section 3.3).
    Prior,
}

/// Rights of one tool.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// The caller needs all of these scopes.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// The caller needs one of these roles.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
    /// Whether a person must agree first.
    pub approval: Option<Located<Approval>>,
    /// The JSON Schema (2020-12) of what an MCP tool is called with: written here, or `{ file: PATH }`.
    pub schema: Option<Located<SchemaSource>>,
    /// The same of parts of that, by JSON Pointer, as `/amount: { maximum: 100 }`. A part that is not
    /// there does not fit.
    #[serde(default)]
    pub arguments: BTreeMap<String, Located<SchemaSource>>,
    /// What an MCP tool of this name must be: `sha256:` and 64 digits, as the audit log tells them.
    /// Default: what it is when it is seen first.
    pub pin: Option<Located<Word>>,
}

/// Rights of one resource, prompt, request, method or skill.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Right {
    /// The caller needs all of these scopes.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// The caller needs one of these roles.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
}

/// What is laid down where MCP is spoken.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mcp {
    /// Web pages from which calls may come, as `https://app.example.com`. Default: none.
    #[serde(default)]
    pub origins: Vec<Located<Word>>,
    /// Names by which callers reach the gateway, beside that of `server.public_url`, as
    /// `gateway.internal`. Calls to other names are refused where `public_url` is written, and where the
    /// gateway listens on a loopback address. Default: none.
    #[serde(default)]
    pub hosts: Vec<Located<Word>>,
    /// What becomes of a tool whose description or schema changes. Default: `alert`.
    pub on_change: Option<Located<OnChange>>,
    /// With what sessions are bound to their callers, at least 32 bytes: the same for gateways that
    /// share them. Default: made anew at each start.
    pub session_key: Option<Located<Source>>,
}

/// What becomes of a tool that is not what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnChange {
    /// The log is told.
    Alert,
    /// The log is told, and nobody sees or calls it any more.
    Block,
}

/// What becomes of a call that offers a tool without a right to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnDeniedTool {
    /// It is refused.
    Refuse,
    /// The tool is taken out of the offer.
    Remove,
}

/// Rights of one model.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The caller needs all of these scopes.
    #[serde(default)]
    pub scopes: Vec<Located<Word>>,
    /// The caller needs one of these roles.
    #[serde(default)]
    pub roles: Vec<Located<Word>>,
    /// The name stands for this model.
    pub stands_for: Option<Located<Word>>,
}

/// A JSON Schema, written here or in a file.
#[derive(Clone, Debug)]
pub enum SchemaSource {
    /// It stands here.
    Inline(Value),
    /// It stands in this file.
    File(String),
}

impl<'de> Deserialize<'de> for SchemaSource {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        // No keyword of JSON Schema is called `file`, so the two cannot be taken for one another.
        Ok(match value.get("file").and_then(Value::as_str) {
            Some(path) => SchemaSource::File(path.to_owned()),
            None => SchemaSource::Inline(value),
        })
    }
}

impl JsonSchema for SchemaSource {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SchemaSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-expects": "a JSON Schema or `{ file: PATH }`",
            "type": "object",
            "if": { "required": ["file"] },
            "then": { "properties": { "file": { "type": "string", "minLength": 1 } }, "additionalProperties": false },
        })
    }
}
