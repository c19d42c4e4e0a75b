//! What does an agent say about itself, as seen through the gate? Its addresses are the gate's, so is
//! what is asked of callers, and of its skills those remain that the caller may use.

use std::sync::Arc;

use http::Uri;
use serde_json::{Map, Value, json};

use super::place::ROOT;
use super::{Agent, Method};
use crate::authorize::Grant;

/// A way in which callers show the gate who they are, for the card.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// A key in this header field.
    ApiKey(Arc<str>),
    /// `Authorization: Bearer`.
    Bearer,
    /// A client certificate.
    MutualTls,
    /// A token of the provider that describes itself at this address.
    OpenId(Arc<str>),
}

/// The most interfaces, and the most skills, that a card may name.
const MOST: usize = 1000;

type Members = Map<String, Value>;

/// Rewrites a card. `None` where it is none that can be used here: it names no interface of the
/// agent's that the gate can read.
pub(super) fn rewrite(mut card: Members, agent: &Agent, grant: &Grant) -> Option<Members> {
    other_spellings(&mut card);
    card.get("name").and_then(Value::as_str)?;
    let (old, new) = (card.contains_key("url"), card.contains_key("supportedInterfaces"));
    let own = authorities(&card, agent);
    if new {
        let interfaces = interfaces(card.get("supportedInterfaces"), "protocolBinding", agent)?;
        card.insert("supportedInterfaces".into(), interfaces.into());
    }
    if old {
        address(&mut card, agent)?;
    }
    if !old && !new {
        return None;
    }
    skills(&mut card, grant)?;
    capabilities(&mut card, agent, grant);
    provider(&mut card, agent, &own);
    card.retain(|_, value| !leads_past(value, &own));
    card.values_mut().for_each(|value| take_out(value, &own));
    security(&mut card, agent, grant, (old, new));
    // They would be over another text.
    card.remove("signatures");
    Some(card)
}

/// Who provides an agent must have an address: the gate's, where it would be the agent's own.
fn provider(card: &mut Members, agent: &Agent, own: &[String]) {
    let provider = card.get_mut("provider").and_then(|provider| provider.get_mut("url"));
    if let Some(url) = provider.filter(|url| leads_past(url, own)) {
        *url = agent.url.to_string().into();
    }
}

/// Members that say where an agent is, or what it asks of callers. JSON of Protocol Buffers is read in
/// two spellings, and other readers take no heed of case.
const MEANT: [&str; 14] = [
    "additionalInterfaces",
    "capabilities",
    "documentationUrl",
    "iconUrl",
    "name",
    "preferredTransport",
    "provider",
    "security",
    "securityRequirements",
    "securitySchemes",
    "signatures",
    "skills",
    "supportedInterfaces",
    "url",
];

/// Removes what another reader would take for one of those, and was not read here.
fn other_spellings(card: &mut Members) {
    let plain = |name: &str| name.replace(['_', '-'], "").to_ascii_lowercase();
    card.retain(|name, _| {
        MEANT.contains(&name.as_str()) || !MEANT.iter().any(|meant| plain(meant) == plain(name))
    });
}

/// Whether it is an address at which the agent is reached without the gate.
fn leads_past(value: &Value, own: &[String]) -> bool {
    authority(Some(value)).is_some_and(|host| own.contains(&host))
}

/// Takes such addresses out, wherever they stand.
fn take_out(value: &mut Value, own: &[String]) {
    match value {
        Value::Array(elements) => {
            elements.retain(|element| !leads_past(element, own));
            elements.iter_mut().for_each(|element| take_out(element, own));
        }
        Value::Object(members) => {
            members.retain(|_, member| !leads_past(member, own));
            members.values_mut().for_each(|member| take_out(member, own));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The interfaces that can be read here, at the gate's address.
fn interfaces(list: Option<&Value>, binding: &str, agent: &Agent) -> Option<Vec<Value>> {
    let list = list?.as_array().filter(|list| list.len() <= MOST)?;
    let mut kept = Vec::new();
    for interface in list {
        let mut interface = interface.as_object()?.clone();
        let spoken = interface.get(binding).and_then(Value::as_str)?;
        let url = interface.get("url").and_then(Value::as_str)?;
        let Some(url) = public(url, spoken, agent) else { continue };
        // In any spelling there is one address, and it is the gate's.
        interface.retain(|name, _| !name.eq_ignore_ascii_case("url"));
        interface.insert("url".into(), url.into());
        kept.push(Value::Object(interface));
    }
    (!kept.is_empty()).then_some(kept)
}

/// The address as version 0.3 has it: the preferred one, and others beside.
fn address(card: &mut Members, agent: &Agent) -> Option<()> {
    let url = card.get("url").and_then(Value::as_str)?;
    let spoken = card.get("preferredTransport").and_then(Value::as_str).unwrap_or("JSONRPC");
    let own = public(url, spoken, agent);
    let others = match card.get("additionalInterfaces") {
        None | Some(Value::Null) => None,
        list => interfaces(list, "transport", agent),
    };
    match (own, others.as_deref().and_then(<[Value]>::first).cloned()) {
        (Some(url), _) => {
            card.insert("url".into(), url.into());
        }
        (None, Some(other)) => {
            card.insert("url".into(), other.get("url")?.clone());
            card.insert("preferredTransport".into(), other.get("transport")?.clone());
        }
        (None, None) => return None,
    }
    match others {
        Some(others) => card.insert("additionalInterfaces".into(), others.into()),
        None => card.remove("additionalInterfaces"),
    };
    Some(())
}

/// Where an interface is reached through the gate; `None` where it cannot be read here, or lies
/// beside the agent's own address.
fn public(url: &str, binding: &str, agent: &Agent) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    uri.authority()?;
    let rest = uri.path().strip_prefix(&*agent.path)?;
    if !(rest.is_empty() || rest.starts_with('/')) || uri.query().is_some() {
        return None;
    }
    let root = rest.trim_end_matches('/').is_empty();
    match binding {
        "JSONRPC" if root && agent.below => Some(format!("{}/{ROOT}", agent.url)),
        "JSONRPC" if root => Some(agent.url.to_string()),
        "JSONRPC" => Some(format!("{}{rest}", agent.url)),
        "HTTP+JSON" => Some(format!("{}{}", agent.url, rest.trim_end_matches('/'))),
        _ => None,
    }
}

/// The hosts at which the agent is reached without the gate.
fn authorities(card: &Members, agent: &Agent) -> Vec<String> {
    let lists = ["supportedInterfaces", "additionalInterfaces"];
    let listed = lists.iter().filter_map(|list| card.get(*list)?.as_array()).flatten();
    // By whatever name an interface has its address.
    let members = listed.filter_map(Value::as_object).flat_map(Members::values);
    let urls = members.chain(card.get("url"));
    let gate = authority(Some(&Value::String(agent.url.to_string())));
    let urls = urls.filter_map(|url| authority(Some(url)));
    urls.filter(|host| Some(host) != gate.as_ref()).collect()
}

fn authority(url: Option<&Value>) -> Option<String> {
    let uri: Uri = url?.as_str()?.parse().ok()?;
    // A single word reads as the name of a host.
    let address = uri.scheme().is_some() || uri.port().is_some();
    Some(uri.authority().filter(|_| address)?.as_str().to_ascii_lowercase())
}

/// Leaves the skills that the caller may use. What an agent asks for them is the gate's to ask.
fn skills(card: &mut Members, grant: &Grant) -> Option<()> {
    let skills = match card.get_mut("skills") {
        None | Some(Value::Null) => return Some(()),
        Some(Value::Array(skills)) if skills.len() <= MOST => skills,
        Some(_) => return None,
    };
    if grant.endpoint().names.skills.is_some() {
        skills.retain(|skill| {
            skill.get("id").and_then(Value::as_str).is_some_and(|id| grant.skill(id))
        });
    }
    for skill in skills.iter_mut().filter_map(Value::as_object_mut) {
        skill.remove("security");
        skill.remove("securityRequirements");
    }
    Some(())
}

fn capabilities(card: &mut Members, agent: &Agent, grant: &Grant) {
    let extended = grant.method(Method::GetExtendedAgentCard.name());
    let notifies =
        !agent.push.is_empty() && grant.method(Method::CreateTaskPushNotificationConfig.name());
    let clear = |within: Option<&mut Members>, member: &str| {
        if let Some(flag) = within.and_then(|members| members.get_mut(member)) {
            *flag = Value::Bool(false);
        }
    };
    let mut capabilities = card.get_mut("capabilities").and_then(Value::as_object_mut);
    if !notifies {
        clear(capabilities.as_deref_mut(), "pushNotifications");
    }
    if !extended {
        clear(capabilities, "extendedAgentCard");
        clear(Some(card), "supportsAuthenticatedExtendedCard");
    }
}

/// What callers are asked for, in the words of the versions that the card speaks.
fn security(card: &mut Members, agent: &Agent, grant: &Grant, (old, new): (bool, bool)) {
    for member in ["security", "securityRequirements", "securitySchemes"] {
        card.remove(member);
    }
    if agent.schemes.is_empty() {
        return;
    }
    let scopes = grant.endpoint().access.scopes();
    let (mut schemes, mut each_old, mut each_new) = (Map::new(), Vec::new(), Vec::new());
    for (name, scheme) in names(&agent.schemes) {
        let scopes: Vec<&str> = match scheme {
            Scheme::OpenId(_) => scopes.iter().map(|scope| &**scope).collect(),
            Scheme::ApiKey(_) | Scheme::Bearer | Scheme::MutualTls => Vec::new(),
        };
        schemes.insert(name.clone(), described(scheme, old, new));
        each_new.push(json!({ "schemes": { name.clone(): { "list": scopes } } }));
        each_old.push(json!({ name: scopes }));
    }
    card.insert("securitySchemes".into(), Value::Object(schemes));
    if old {
        card.insert("security".into(), each_old.into());
    }
    if new {
        card.insert("securityRequirements".into(), each_new.into());
    }
}

fn names(schemes: &[Scheme]) -> impl Iterator<Item = (String, &Scheme)> {
    schemes.iter().enumerate().map(|(at, scheme)| {
        let name = match scheme {
            Scheme::ApiKey(_) => "apiKey".to_owned(),
            Scheme::Bearer => "bearer".to_owned(),
            Scheme::MutualTls => "mutualTLS".to_owned(),
            Scheme::OpenId(_) => format!("openId{at}"),
        };
        (name, scheme)
    })
}

fn described(scheme: &Scheme, old: bool, new: bool) -> Value {
    let (kind, wrapped, mut words, own) = match scheme {
        Scheme::ApiKey(header) => (
            "apiKey",
            "apiKeySecurityScheme",
            json!({ "in": "header", "name": header.to_string() }),
            json!({ "location": "header", "name": header.to_string() }),
        ),
        Scheme::Bearer => {
            let words = json!({ "scheme": "bearer" });
            ("http", "httpAuthSecurityScheme", words.clone(), words)
        }
        Scheme::MutualTls => ("mutualTLS", "mtlsSecurityScheme", json!({}), json!({})),
        Scheme::OpenId(url) => {
            let words = json!({ "openIdConnectUrl": url.to_string() });
            ("openIdConnect", "openIdConnectSecurityScheme", words.clone(), words)
        }
    };
    if !old {
        return json!({ wrapped: own });
    }
    if let Some(words) = words.as_object_mut() {
        words.insert("type".into(), kind.into());
        if new {
            words.insert(wrapped.into(), own);
        }
    }
    words
}
