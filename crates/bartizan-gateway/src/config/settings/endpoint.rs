//! What does an entry of `endpoints` mean? Who may do what there, and where it goes.

use std::sync::Arc;

use bartizan::upstream::TokenSettings;
use bartizan_core::authorize::endpoint::{About, Access, OnDisconnect};
use bartizan_core::authorize::tenant::TenantAt;
use bartizan_core::authorize::{Names, Permission};
use bartizan_core::validate::Protocol;
use bartizan_core::validate::a2a::PushHost;
use bartizan_core::validate::schema::{MAX_SCHEMA, Schema};
use bartizan_core::validate::websocket::{Binary, MAX_MESSAGE, Messages};
use http::Method;

use super::super::decode::Located;
use super::super::file::endpoint::{self as file, Handler, SchemaSource};
use super::super::file::{File, OpenApiAccess};
use super::super::substitute::Missing;
use super::super::tree::Place;
use super::auth::Tokens;
use super::credential::Credential;
use super::mcp::Mcp;
use super::resolver::{Resolver, shared, words};
use super::route::{self, Table};
use super::server::{Server, Timeouts};
use super::upstream::{Target, Upstream, target};
use super::{AccessRules, Pii, agent, mcp, names, personal};

/// One entry of `endpoints`: one path, several verbs.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The path template.
    pub path: Arc<str>,
    /// The verbs that it serves.
    pub verbs: Vec<Method>,
    /// Verbs that mean another one: alias first.
    pub aliases: Vec<(Method, Method)>,
    /// Whether `X-AGIS-Method` counts here.
    pub method_override: bool,
    /// Who may use it.
    pub access: Access,
    /// What some role of the caller must permit.
    pub resource: Option<Arc<str>>,
    /// What is done to the resource; `None`: the verb in lower case.
    pub action: Option<Arc<str>>,
    /// Where requests name a tenant.
    pub tenant: Option<TenantAt>,
    /// Whether somebody must agree to each call.
    pub approval: bool,
    /// Which tools and models calls may name.
    pub names: Names,
    /// What is spoken.
    pub protocol: Protocol,
    /// What is laid down for one that speaks MCP.
    pub mcp: Option<Arc<Mcp>>,
    /// Where an agent may send notifications.
    pub push: Vec<PushHost>,
    /// What is laid down for the messages of a WebSocket.
    pub messages: Option<Messages>,
    /// What a body must conform to.
    pub schema: Option<Arc<Schema>>,
    /// The largest request body, in bytes.
    pub max_request_size: u64,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// What becomes of a call whose caller hung up.
    pub on_disconnect: OnDisconnect,
    /// What must not pass.
    pub pii: Arc<Pii>,
    /// The most tokens of an answer, where a request says nothing; 0: the model's own.
    pub max_output_tokens: u64,
    /// The most tokens of a prompt that is not seen whole.
    pub max_input_tokens: u64,
    /// What answers.
    pub target: Target,
    /// What agents and people are told about it.
    pub about: About,
}

/// What endpoints fall back to.
pub(super) struct Base<'a> {
    pub(super) server: &'a Option<Server>,
    pub(super) access: &'a AccessRules,
    pub(super) pii: &'a Arc<Pii>,
    pub(super) tokens: Option<&'a Tokens>,
}

impl Endpoint {
    /// The tokens that its upstreams want.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenSettings> {
        let upstream = match &self.target {
            Target::Upstream(upstream) => Some(&**upstream),
            Target::Health | Target::ForwardAuth => None,
        };
        upstream.into_iter().flat_map(Upstream::all).filter_map(|one| match &one.credential {
            Some(Credential::Obtained(settings)) => Some(&**settings),
            Some(Credential::Stored(_)) | None => None,
        })
    }

    /// What some role must permit for `verb`.
    pub fn permission(&self, verb: &Method) -> Option<Permission> {
        let resource = Arc::clone(self.resource.as_ref()?);
        let action =
            self.action.clone().unwrap_or_else(|| verb.as_str().to_ascii_lowercase().into());
        Some(Permission { resource, action })
    }
}

/// The endpoints. Of one with a mistake the rest is there, so that what is said about all of them can
/// be said at once; then `whole` is false, and nothing may run on them.
pub(super) struct Endpoints {
    pub(super) all: Vec<Endpoint>,
    pub(super) whole: bool,
}

pub(super) fn resolve(resolver: &mut Resolver<'_>, file: &File, base: &Base<'_>) -> Endpoints {
    let openapi =
        file.openapi.as_ref().and_then(|openapi| openapi.access) != Some(OpenApiAccess::Off);
    let mut table =
        Table::new(base.tokens, super::actions(file), openapi, file.approvals.is_some());
    if file.endpoints.iter().any(|entry| is_asked(entry)) {
        table.keep_for_proxies();
    }
    if file.endpoints.is_empty() {
        resolver.error(
            &Place::start(),
            "there are no `endpoints`: the gateway would refuse everything",
            "add one: `- { path: …, verbs: […], scopes: […], upstream: { url: … } }`",
        );
    }
    let mut whole = true;
    let mut one = |entry| {
        let (endpoint, sound) = endpoint(resolver, entry, file, base, &mut table);
        whole &= sound;
        endpoint
    };
    let all = file.endpoints.iter().map(&mut one).collect();
    Endpoints { all, whole }
}

/// An endpoint, and whether it is whole.
fn endpoint(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    file: &File,
    base: &Base<'_>,
    table: &mut Table,
) -> (Endpoint, bool) {
    let path: Arc<str> = Arc::from(&*entry.path.value);
    let protocol = protocol(entry);
    let verbs = verbs(resolver, entry, protocol);
    let aliases = aliases(resolver, entry, &verbs);
    let named: Vec<_> =
        verbs.iter().chain(aliases.iter().map(|(alias, _)| alias)).cloned().collect();
    table.take(resolver, &path, &entry.path.place, &named);
    let access = access(resolver, entry, base.access);
    let target = target(resolver, entry, protocol);
    let schema = entry.schema.as_ref().map(|source| schema(resolver, source));
    let (known, compiled) = (target.is_some(), schema.as_ref().is_none_or(Option::is_some));
    let whole = known && compiled && access.is_some();
    let timeouts = base.server.as_ref().map(|server| server.timeouts).unwrap_or_default();
    let size = base.server.as_ref().map_or(1_000_000, |server| server.max_request_size);
    let endpoint = Endpoint {
        aliases: aliases.into_iter().map(|((alias, _), verb)| (alias, verb)).collect(),
        verbs: verbs.into_iter().map(|(verb, _)| verb).collect(),
        method_override: entry.method_override.as_ref().is_none_or(|allowed| allowed.value),
        resource: shared(entry.resource.as_ref()),
        action: shared(entry.action.as_ref()),
        tenant: entry.tenant.as_ref().and_then(|tenant| self::tenant(resolver, entry, tenant)),
        approval: entry.approval.is_some(),
        names: names::resolve(resolver, entry, protocol, base.access),
        mcp: mcp::resolve(resolver, entry, protocol),
        push: agent::push(resolver, entry),
        protocol,
        messages: messages(resolver, entry, protocol),
        max_request_size: resolver.size(entry.max_request_size.as_ref(), size),
        timeouts: self::timeouts(resolver, entry, timeouts),
        on_disconnect: on_disconnect(entry),
        pii: match &entry.pii {
            Some(own) => Arc::new(personal::pii(resolver, Some(own), file.pii.as_ref())),
            None => Arc::clone(base.pii),
        },
        max_output_tokens: resolver.count(entry.max_output_tokens.as_ref(), 0, 1..=100_000_000),
        max_input_tokens: resolver.count(entry.max_input_tokens.as_ref(), 0, 1..=100_000_000),
        about: about(resolver, entry),
        access: access.unwrap_or(Access::Authenticated),
        target: target.unwrap_or(Target::Health),
        schema: schema.flatten(),
        path,
    };
    permitted(resolver, entry, &endpoint, base.access);
    exchanged(resolver, entry, &endpoint);
    if matches!(endpoint.target, Target::ForwardAuth) {
        asked(resolver, entry, &endpoint, base.server.as_ref());
    }
    if known {
        agent::check(resolver, entry, &endpoint, base);
    }
    (endpoint, whole)
}

fn is_asked(entry: &file::Endpoint) -> bool {
    entry.handler.as_ref().is_some_and(|handler| handler.value == Handler::ForwardAuth)
}

/// What a proxy that asks does not show, it cannot be told about: it would pass unread.
fn asked(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    endpoint: &Endpoint,
    server: Option<&Server>,
) {
    let help = "take it away, or put the gateway in the way of the call: `upstream: { url: … }`";
    let schema = entry.schema.as_ref().map(|schema| (&schema.key, "`schema`"));
    let spoken = entry.protocol.as_ref().filter(|_| endpoint.protocol != Protocol::Http);
    let protocol = spoken.map(|protocol| (&protocol.key, "`protocol`"));
    let approval = entry.approval.as_ref().map(|approval| (&approval.key, "`approval`"));
    for (place, what) in [schema, protocol, approval].into_iter().flatten() {
        let message =
            format!("{what} needs the call itself, and this endpoint is only asked about");
        resolver.error(place, message, help);
    }
    if endpoint.pii.request.is_some() || endpoint.pii.response.is_some() {
        let place = entry.pii.as_ref().map_or(&entry.key, |pii| &pii.key);
        resolver.error(
            place,
            "`pii` needs the call itself, and this endpoint is only asked about",
            "write `pii: { request: { detect: [] }, response: { detect: [] } }` here, or put the gateway in the way of the call",
        );
    }
    if server.is_some_and(|server| server.trusted_proxies.is_empty()) {
        let place = entry.handler.as_ref().map_or(&entry.key, |handler| &handler.place);
        let help =
            "write the addresses of your proxies: `server: { trusted_proxies: [10.0.0.0/8] }`";
        resolver.error(place, "nobody may ask about this endpoint", help);
    }
}

/// What `websocket` means. Only texts can be read: what else is known of bodies says nothing of
/// messages.
fn messages(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    protocol: Protocol,
) -> Option<Messages> {
    let file = entry.websocket.as_ref()?;
    let schema = entry.schema.is_some().then_some("`schema`");
    let spoken = (protocol != Protocol::Http).then_some("`protocol`");
    for what in schema.into_iter().chain(spoken) {
        let help = "give WebSockets an endpoint of their own";
        let message = format!("`websocket` does not go with {what}, which knows no messages");
        resolver.error(&file.key, message, help);
    }
    let binary = match file.binary.as_ref().map(|binary| binary.value) {
        Some(file::BinaryMessages::Pass) => Binary::Pass,
        Some(file::BinaryMessages::Refuse) | None => Binary::Refuse,
    };
    Some(Messages { max_size: resolver.size(file.max_message_size.as_ref(), MAX_MESSAGE), binary })
}

fn protocol(entry: &Located<file::Endpoint>) -> Protocol {
    match entry.protocol.as_ref().map(|protocol| protocol.value) {
        Some(file::Protocol::Openai) => Protocol::OpenAi,
        Some(file::Protocol::Anthropic) => Protocol::Anthropic,
        Some(file::Protocol::Mcp) => Protocol::Mcp,
        Some(file::Protocol::A2a) => Protocol::A2a,
        Some(file::Protocol::Http) | None => Protocol::Http,
    }
}

fn verbs(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    protocol: Protocol,
) -> Vec<(Method, Place)> {
    let at = |methods: &[Method]| {
        methods.iter().map(|method| (method.clone(), entry.path.place.clone())).collect()
    };
    match &entry.verbs {
        Some(texts) if texts.value.is_empty() => {
            resolver.error(
                &texts.place,
                "`verbs` is empty: nothing would be served",
                "name the verbs, as `[GET]`",
            );
            Vec::new()
        }
        Some(texts) => texts
            .value
            .iter()
            .filter_map(|text| {
                route::verb(resolver, &text.place, text).map(|verb| (verb, text.place.clone()))
            })
            .collect(),
        None if protocol.is_spoken() => at(&[Method::GET, Method::POST, Method::DELETE]),
        None if entry.handler.is_some() => at(&[Method::GET]),
        None => {
            resolver.lacking(
                &entry.key,
                &["verbs", "protocol", "handler"],
                format!("{} lacks the key `verbs`", resolver.called("the endpoint", &entry.path)),
                "name the verbs that it serves, as `[GET]` or `[SUMMARIZE]`",
            );
            Vec::new()
        }
    }
}

type Alias = ((Method, Place), Method);

fn aliases(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    verbs: &[(Method, Place)],
) -> Vec<Alias> {
    let mut aliases = Vec::new();
    for (word, target) in &entry.aliases {
        let alias = route::verb(resolver, &target.key, word);
        let target_verb = verbs
            .iter()
            .map(|(verb, _)| verb)
            .find(|verb| verb.as_str() == &*target.value)
            .cloned();
        if target_verb.is_none() && !resolver.lost(&format!("{}/verbs", entry.place.pointer)) {
            resolver.error(
                &target.place,
                format!("`{}` is no verb of this endpoint", target.value.0),
                "an alias leads to one of `verbs`",
            );
        }
        if let (Some(alias), Some(verb)) = (alias, target_verb) {
            aliases.push(((alias, target.key.clone()), verb));
        }
    }
    aliases
}

fn access(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    rules: &AccessRules,
) -> Option<Access> {
    let public = entry.public.as_ref().filter(|public| public.value);
    let authenticated =
        entry.authenticated.as_ref().is_some_and(|authenticated| authenticated.value);
    let (scopes, roles) = (resolver.scopes(&entry.scopes), resolver.roles(&entry.roles, rules));
    let held = !scopes.is_empty() || !roles.is_empty();
    if let (Some(_), Some(approval)) = (public, &entry.approval) {
        let help = "say who may call the endpoint: whoever has no name cannot be agreed to";
        resolver.error(&approval.key, "`approval` contradicts `public: true`", help);
    }
    if let Some(public) = public.filter(|_| held || authenticated || entry.resource.is_some()) {
        let help = "remove `public: true`, or what is asked of callers";
        resolver.error(
            &public.key,
            "`public: true` contradicts what the endpoint asks of its callers",
            help,
        );
        return None;
    }
    match (public.is_some(), held, authenticated) {
        (true, ..) => Some(Access::Public),
        (_, true, _) => Some(Access::Held { scopes, roles }),
        (_, _, true) => Some(Access::Authenticated),
        (false, false, false) => {
            let endpoint = resolver.called("the endpoint", &entry.path);
            resolver.lacking(
                &entry.key,
                &["scopes", "roles", "authenticated", "public"],
                format!("{endpoint} does not say who may call it"),
                "write `scopes`, `roles`, `authenticated: true` or `public: true`",
            );
            None
        }
    }
}

/// Where requests name a tenant.
fn tenant(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    tenant: &Located<file::Tenant>,
) -> Option<TenantAt> {
    if entry.public.as_ref().is_some_and(|public| public.value) {
        let help = "remove `tenant`, or say who may call the endpoint";
        resolver.error(&tenant.key, "`public: true` knows of no tenant", help);
        return None;
    }
    match (&tenant.path, &tenant.header) {
        (Some(name), None) => {
            let at = TenantAt::in_path(&entry.path.value, &name.value);
            if at.is_none() {
                let message = format!("no segment of the path is `{{{}}}`", name.value.0);
                resolver.error(&name.place, message, "name a parameter of `path`");
            }
            at
        }
        (None, Some(name)) => {
            let header = name.value.parse::<http::HeaderName>().ok();
            if header.is_none() {
                resolver.wrong(&name.place, format!("`{}` is no name of a header", name.value.0));
            }
            header.map(TenantAt::Header)
        }
        (Some(_), Some(_)) | (None, None) => {
            resolver.error(
                &tenant.key,
                "`tenant` stands in one place",
                "write `{ path: NAME }` or `{ header: NAME }`",
            );
            None
        }
    }
}

/// Whoever shows nothing has nothing to be exchanged.
fn exchanged(resolver: &mut Resolver<'_>, entry: &Located<file::Endpoint>, endpoint: &Endpoint) {
    let Target::Upstream(upstream) = &endpoint.target else { return };
    if let (true, true, Some(written)) =
        (upstream.exchanges(), endpoint.access.is_public(), &entry.upstream)
    {
        resolver.error(
            &written.key,
            "`token_exchange` needs the token of a caller, and `public: true` asks for none",
            "ask for a credential, or call the upstream with `client_credentials`",
        );
    }
}

/// A resource that no role permits is a door without a key.
fn permitted(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    endpoint: &Endpoint,
    rules: &AccessRules,
) {
    if let (Some(action), None) = (&entry.action, &entry.resource) {
        resolver.error(
            &action.key,
            "`action` needs a `resource` beside it",
            "write what it is done to",
        );
    }
    let Some(resource) = &entry.resource else { return };
    let names: Vec<_> = rules.names.iter().cloned().collect();
    for permission in endpoint.verbs.iter().filter_map(|verb| endpoint.permission(verb)) {
        if !rules.roles.permit(&names, &permission.resource, &permission.action) {
            let message = format!(
                "no role permits `{}` on `{}`: nobody can pass",
                permission.action, permission.resource
            );
            resolver.warn(
                &resource.place,
                message,
                "permit it to a role under `access: { roles: … }`",
            );
        }
    }
}

pub(super) fn schema(
    resolver: &mut Resolver<'_>,
    source: &Located<SchemaSource>,
) -> Option<Arc<Schema>> {
    let value = match &source.value {
        SchemaSource::Inline(value) => value.clone(),
        SchemaSource::File(path) => read_schema(resolver, &source.place, path)?,
    };
    match Schema::compile(&value) {
        Ok(schema) => Some(Arc::new(schema)),
        Err(error) => {
            resolver.wrong(&source.place, error.to_string());
            None
        }
    }
}

fn read_schema(
    resolver: &mut Resolver<'_>,
    place: &Place,
    path: &str,
) -> Option<serde_json::Value> {
    let path = resolver.outside.path(path);
    let text = match resolver.outside.seen.read(&path).and_then(|text| match text.len() {
        length if length > MAX_SCHEMA => Err(std::io::ErrorKind::FileTooLarge.into()),
        _ => Ok(text),
    }) {
        Ok(text) => text,
        Err(error) => {
            resolver.missing(place, &Missing::File(path, error.kind()));
            return None;
        }
    };
    match serde_json::from_str(&text) {
        Ok(value) => Some(value),
        Err(error) => {
            let at = format!("{}:{}:{}", path.display(), error.line(), error.column());
            resolver.wrong(place, format!("the schema is no JSON: see `{at}`"));
            None
        }
    }
}

fn timeouts(
    resolver: &mut Resolver<'_>,
    entry: &Located<file::Endpoint>,
    base: Timeouts,
) -> Timeouts {
    let Some(file) = &entry.timeouts else { return base };
    Timeouts {
        body: resolver.span(file.body.as_ref(), base.body),
        upstream: resolver.span(file.upstream.as_ref(), base.upstream),
        ..base
    }
}

fn on_disconnect(entry: &Located<file::Endpoint>) -> OnDisconnect {
    match entry.on_disconnect.as_ref().map(|on_disconnect| on_disconnect.value) {
        Some(file::OnDisconnect::Finish) => OnDisconnect::Finish,
        Some(file::OnDisconnect::Cancel) | None => OnDisconnect::Cancel,
    }
}

fn about(resolver: &mut Resolver<'_>, entry: &Located<file::Endpoint>) -> About {
    let weighting = entry.intent_weighting.as_ref().and_then(|text| resolver.fraction(text));
    About {
        category: entry.category.as_ref().map(|category| category_name(category.value).into()),
        description: shared(entry.description.as_ref()),
        preconditions: words(&entry.preconditions),
        side_effects: words(&entry.side_effects),
        intent_impact: shared(entry.intent_impact.as_ref()),
        intent_weighting: weighting.map(thousandths),
        response_schema: None,
        built_in: false,
    }
}

fn thousandths(fraction: f32) -> u16 {
    (0..=1000).rev().find(|n| f32::from(*n) / 1000.0 <= fraction + f32::EPSILON).unwrap_or(0)
}

pub(super) fn category_name(category: file::Category) -> &'static str {
    match category {
        file::Category::Acquire => "acquire",
        file::Category::Compute => "compute",
        file::Category::Transact => "transact",
        file::Category::Communicate => "communicate",
        file::Category::Orchestrate => "orchestrate",
    }
}
