//! What is served, as OpenAPI: 3.2 with `additionalOperations`, or 3.1 for older readers.

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value, json};

use super::components::Components;
use super::extensions;
use crate::authorize::{Access, Endpoint};
use crate::validate::Protocol;

/// Which OpenAPI the reader understands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Version {
    /// OpenAPI 3.1: verbs of our own stand under `x-additionalOperations`.
    V3_1,
    /// OpenAPI 3.2: verbs of our own stand under `additionalOperations`.
    #[default]
    V3_2,
}

/// The document for some endpoints. An alias is described like its verb, so that a reader who
/// knows only HTTP's own methods sees every action that has one.
#[must_use]
pub fn document<'a>(
    title: &str,
    version: Version,
    endpoints: impl Iterator<Item = &'a Arc<Endpoint>>,
) -> Value {
    let (mut paths, mut names) = (Map::new(), HashSet::new());
    let mut components = Components::default();
    components.keep("Problem", problem());
    for endpoint in endpoints {
        let (path, parameters) = template(&endpoint.path);
        let item = paths.entry(path).or_insert_with(|| Value::Object(Map::new()));
        let Some(item) = item.as_object_mut() else { continue };
        if !parameters.is_empty() {
            item.insert("parameters".into(), parameters.into());
        }
        for verb in std::iter::once(&endpoint.verb).chain(&endpoint.aliases) {
            let name = unlike(operation_id(verb, &endpoint.path), &mut names);
            place(item, version, verb, operation(endpoint, verb, &name, &mut components));
        }
    }
    json!({
        "openapi": match version { Version::V3_1 => "3.1.1", Version::V3_2 => "3.2.0" },
        "info": { "title": title, "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "securitySchemes": schemes(), "schemas": components.into_schemas() },
    })
}

/// Puts an operation where this version of OpenAPI looks for it.
fn place(item: &mut Map<String, Value>, version: Version, verb: &Method, operation: Value) {
    if is_fixed(verb, version) {
        item.insert(verb.as_str().to_ascii_lowercase(), operation);
        return;
    }
    let field = match version {
        Version::V3_1 => "x-additionalOperations",
        Version::V3_2 => "additionalOperations",
    };
    let additional = item.entry(field).or_insert_with(|| Value::Object(Map::new()));
    if let Some(additional) = additional.as_object_mut() {
        additional.insert(verb.as_str().to_owned(), operation);
    }
}

/// Whether this version of OpenAPI has a field for this method: then it may stand nowhere else.
fn is_fixed(verb: &Method, version: Version) -> bool {
    const FIXED: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];
    FIXED.contains(&verb.as_str()) || (version == Version::V3_2 && verb.as_str() == "QUERY")
}

fn operation(endpoint: &Endpoint, verb: &Method, name: &str, components: &mut Components) -> Value {
    let about = &endpoint.about;
    let mut operation = json!({
        "operationId": name,
        "x-action": endpoint.verb.as_str(),
        "responses": responses(endpoint, components),
        "security": security(&endpoint.access),
    });
    let Some(members) = operation.as_object_mut() else { return operation };
    if let Some(description) = &about.description {
        members.insert("description".into(), json!(description));
    }
    if let Some(category) = &about.category {
        members.insert("x-category".into(), json!(category));
    }
    if !about.preconditions.is_empty() {
        members.insert("x-preconditions".into(), json!(about.preconditions));
    }
    members.extend(extensions(endpoint));
    members.remove("x-alias-for");
    if *verb != endpoint.verb {
        let meant = format!("{} {}", endpoint.verb, endpoint.path);
        members.insert("x-alias-for".into(), meant.into());
    }
    if let Some(body) = request_body(endpoint, components) {
        members.insert("requestBody".into(), body);
    }
    operation
}

fn request_body(endpoint: &Endpoint, components: &mut Components) -> Option<Value> {
    if matches!(endpoint.verb, Method::GET | Method::HEAD) {
        return None;
    }
    let (media, schema) = match (&endpoint.schema, endpoint.protocol) {
        (Some(schema), _) => ("application/json", components.embed(schema.source())),
        (None, Protocol::OAuth) => {
            ("application/x-www-form-urlencoded", json!({ "type": "object" }))
        }
        (None, Protocol::OpenAi | Protocol::Anthropic | Protocol::Mcp | Protocol::A2a) => {
            ("application/json", json!({ "type": "object" }))
        }
        (None, Protocol::Http) => return None,
    };
    Some(json!({ "required": true, "content": { media: { "schema": schema } } }))
}

fn responses(endpoint: &Endpoint, components: &mut Components) -> Value {
    let schema = endpoint.about.response_schema.as_deref();
    let schema = schema.map_or_else(|| json!(true), |schema| components.embed(schema));
    let problem = json!({
        "description": "A problem (RFC 9457)",
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" }
        } },
    });
    json!({
        "200": {
            "description": "The answer",
            "content": { "application/json": { "schema": schema } },
        },
        "default": problem,
    })
}

/// RFC 9457, as far as every problem has it.
fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string", "format": "uri" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "request_id": { "type": "string" },
        },
    })
}

fn security(access: &Access) -> Value {
    match access {
        Access::Public => json!([]),
        Access::Authenticated => json!([{ "bearer": [] }, { "apiKey": [] }]),
        Access::Held { scopes, .. } => json!([{ "bearer": scopes }, { "apiKey": [] }]),
    }
}

fn schemes() -> Value {
    json!({
        "bearer": { "type": "http", "scheme": "bearer" },
        "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
    })
}

/// The path as OpenAPI writes it, and its parameters: `/v1/{*rest}` becomes `/v1/{rest}`.
fn template(path: &str) -> (String, Vec<Value>) {
    let mut parameters = Vec::new();
    let segment = |segment: &str| match segment.strip_prefix('{') {
        Some(name) => {
            let name = name.trim_start_matches('*').trim_end_matches('}').to_owned();
            parameters.push(json!({
                "name": name, "in": "path", "required": true, "schema": { "type": "string" },
            }));
            format!("{{{name}}}")
        }
        None => segment.to_owned(),
    };
    let path = path.split('/').map(segment).collect::<Vec<_>>().join("/");
    (path, parameters)
}

/// A name that no other operation has (OpenAPI 3.2, Operation Object): two paths may differ in nothing but
/// marks.
fn unlike(name: String, names: &mut HashSet<String>) -> String {
    let numbered = (2_u64..).map(|number| format!("{name}_{number}"));
    let mut all = std::iter::once(name.clone()).chain(numbered);
    let free = all.find(|name| !names.contains(name)).unwrap_or(name);
    names.insert(free.clone());
    free
}

fn operation_id(verb: &Method, path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("_");
    format!(
        "{}_{}",
        verb.as_str().to_ascii_lowercase(),
        if name.is_empty() { "root" } else { &name }
    )
}
