//! Where do the definitions of an embedded schema go? Under `components`, where its references find
//! them: in a document `#` is the document, and no longer the schema.

use serde_json::{Map, Value, json};

/// The schemas of a document that are referred to by name (OpenAPI 3.2, Components Object).
#[derive(Debug, Default)]
pub(super) struct Components {
    schemas: Map<String, Value>,
    /// Schemas that have been taken in: what they define, and under which names.
    known: Vec<(Value, Names)>,
}

/// By what an embedded schema calls it, how the document does; the schema itself is `""`.
type Names = Map<String, Value>;

/// The keywords that hold definitions: of JSON Schema 2020-12, and of what came before.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// Keywords whose values are data, where `$ref` means nothing.
const DATA: [&str; 5] = ["const", "default", "enum", "example", "examples"];

impl Components {
    /// Keeps a schema under this name, which nothing else has yet.
    pub(super) fn keep(&mut self, name: &str, schema: Value) {
        self.schemas.insert(name.to_owned(), schema);
    }

    /// A schema as it stands in the document. What it defines is kept here; one that defines nothing
    /// and does not refer to itself stays as it is, and so does one that has a name of its own.
    pub(super) fn embed(&mut self, schema: &Value) -> Value {
        let refers_home = refers_home(schema);
        let defines = DEFINITIONS.iter().any(|keyword| schema.get(keyword).is_some());
        if schema.get("$id").is_some() || !(defines || refers_home) {
            return schema.clone();
        }
        let known = self.known.iter().find(|(known, _)| known == schema);
        let names = known.map(|(_, names)| names.clone());
        let names = names.unwrap_or_else(|| self.take_in(schema, refers_home));
        match names.get("").and_then(Value::as_str) {
            Some(name) => json!({ "$ref": reference(name) }),
            None => bare(schema, &names),
        }
    }

    /// Keeps what a schema defines, and the schema itself where something in it refers to it.
    fn take_in(&mut self, schema: &Value, refers_home: bool) -> Names {
        let mut names = Names::new();
        let defined = || DEFINITIONS.iter().filter_map(|keyword| schema.get(keyword)?.as_object());
        for (name, _) in defined().flatten() {
            names.insert(name.clone(), self.reserve(name).into());
        }
        if refers_home {
            let title = schema.get("title").and_then(Value::as_str).unwrap_or("Schema");
            let name = self.reserve(title);
            names.insert(String::new(), name.clone().into());
            self.schemas.insert(name, bare(schema, &names));
        }
        for (name, definition) in defined().flatten() {
            if let Some(name) = names.get(name).and_then(Value::as_str) {
                self.schemas.insert(name.to_owned(), rewritten(definition, &names));
            }
        }
        self.known.push((schema.clone(), names.clone()));
        names
    }

    /// A name like this one that is free, in the letters that names of components have.
    fn reserve(&mut self, like: &str) -> String {
        let letter = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let like: String = like.chars().map(letter).collect();
        let numbered = (2_u64..).map(|number| format!("{like}_{number}"));
        let mut names = std::iter::once(like.clone()).chain(numbered);
        let free = names.find(|name| !self.schemas.contains_key(name)).unwrap_or(like);
        self.schemas.insert(free.clone(), Value::Bool(true));
        free
    }

    /// All of them.
    pub(super) fn into_schemas(self) -> Map<String, Value> {
        self.schemas
    }
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

/// Whether something in a schema refers to the schema, or to a part of it that is no definition.
fn refers_home(schema: &Value) -> bool {
    let home = |to: &str| to.starts_with('#') && definition_of(to).is_none();
    match schema {
        Value::Object(members) => members.iter().any(|(name, value)| match value {
            Value::String(to) => name == "$ref" && home(to),
            value => !DATA.contains(&name.as_str()) && refers_home(value),
        }),
        Value::Array(items) => items.iter().any(refers_home),
        _ => false,
    }
}

/// The name of a definition that is referred to, and the way on from there.
fn definition_of(to: &str) -> Option<(&str, &str)> {
    let rest = DEFINITIONS
        .iter()
        .find_map(|keyword| to.strip_prefix("#/")?.strip_prefix(keyword)?.strip_prefix('/'))?;
    Some(rest.find('/').map_or((rest, ""), |end| rest.split_at(end)))
}

/// The schema without its definitions.
fn bare(schema: &Value, names: &Names) -> Value {
    let mut schema = rewritten(schema, names);
    if let Some(members) = schema.as_object_mut() {
        members.retain(|name, _| !DEFINITIONS.contains(&name.as_str()));
    }
    schema
}

/// A part of a schema whose references lead into the document.
fn rewritten(part: &Value, names: &Names) -> Value {
    match part {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let value = match value {
                    Value::String(to) if name == "$ref" => leads(to, names).into(),
                    data if DATA.contains(&name.as_str()) => data.clone(),
                    value => rewritten(value, names),
                };
                (name.clone(), value)
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => items.iter().map(|item| rewritten(item, names)).collect(),
        other => other.clone(),
    }
}

fn leads(to: &str, names: &Names) -> String {
    let (name, way) = match (definition_of(to), to.strip_prefix('#')) {
        (Some((name, way)), _) => (name, way),
        (None, Some(way)) => ("", way),
        (None, None) => return to.to_owned(),
    };
    let name = names.get(&name.replace("~1", "/").replace("~0", "~")).and_then(Value::as_str);
    name.map_or_else(|| to.to_owned(), |name| reference(name) + way)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every reference of `value` that leads nowhere in `document`.
    fn dangling(value: &Value, document: &Value) -> Vec<String> {
        match value {
            Value::Object(members) => {
                let own = members.get("$ref").and_then(Value::as_str);
                let own = own.filter(|to| {
                    to.strip_prefix('#').and_then(|to| document.pointer(to)).is_none()
                });
                let below = members.values().flat_map(|value| dangling(value, document));
                own.map(str::to_owned).into_iter().chain(below).collect()
            }
            Value::Array(items) => items.iter().flat_map(|v| dangling(v, document)).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_reference_of_an_embedded_schema_leads_somewhere() {
        let mut components = Components::default();
        let shape = |of: &str| {
            json!({
                "properties": { "shape": { "$ref": "#/$defs/Shape" }, "next": { "$ref": "#/$defs/a~1b/items" } },
                "default": { "$ref": "#/$defs/data" },
                "$defs": { "Shape": { "enum": [of] }, "a/b": { "items": { "$ref": "#/$defs/Shape" } } },
            })
        };
        let tree = json!({
            "title": "A tree",
            "properties": { "left": { "$ref": "#" }, "leaf": { "$ref": "#/properties/name" }, "name": {} },
        });
        let schemas = [shape("round"), shape("square"), shape("round"), tree];
        let embedded: Vec<_> = schemas.iter().map(|schema| components.embed(schema)).collect();
        assert_eq!(embedded[0], embedded[2], "what is the same is kept once");
        assert_eq!(embedded[0]["default"], json!({ "$ref": "#/$defs/data" }), "data stays");
        let document = json!({
            "components": { "schemas": components.into_schemas() },
            "paths": embedded.iter().map(|e| e["properties"].clone()).collect::<Vec<_>>(),
            "tree": embedded[3],
        });
        assert_eq!(dangling(&document, &document), Vec::<String>::new(), "{document:#}");
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["a_b"]["items"]["$ref"], "#/components/schemas/Shape");
        assert_eq!(schemas["a_b_2"]["items"]["$ref"], "#/components/schemas/Shape_2");
        assert_eq!(schemas["A_tree"]["properties"]["left"]["$ref"], "#/components/schemas/A_tree");
    }

    #[test]
    fn a_schema_that_refers_to_nothing_stays_as_it_is() {
        for schema in [json!(true), json!({ "type": "object" }), json!({ "$id": "x", "$defs": {} })]
        {
            assert_eq!(Components::default().embed(&schema), schema);
        }
    }
}
