//! How does a JSON Schema read as a page for people?

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;

use serde_json::Value;

const HEAD: &str = "\
# Configuration

<!-- Written by `cargo xtask pages` from `bartizan config schema`. Change the code, not this page. -->

Every key of `bartizan.yaml` (the same keys in JSON). Unknown keys are errors. `${NAME}`, `${NAME:-default}`,
`{ env: NAME }` and `{ file: PATH }` are understood wherever a secret or an address stands.
`bartizan config schema` prints the JSON Schema from which this page is written: editors understand it.
";

/// Deeper nesting than any configuration has: the end of a schema that contains itself.
const DEEPEST: usize = 8;

/// The page: one table for every object, from the outside in.
pub(super) fn page(schema: &Value) -> String {
    let mut page = HEAD.to_owned();
    let mut waiting = VecDeque::from([(String::new(), schema)]);
    // By where it stands in the schema: the same object in two places is described once.
    let mut told: BTreeMap<*const Value, String> = BTreeMap::new();
    while let Some((path, object)) = waiting.pop_front() {
        match told.get(&std::ptr::from_ref(object)) {
            Some(first) => {
                let _ = write!(page, "\n## `{path}`\n\nThe keys are those of `{first}`.\n");
            }
            None => {
                table(&mut page, schema, &path, object, &mut waiting);
                told.insert(object, path);
            }
        }
    }
    page
}

/// Writes the table of one object and puts the objects inside it in the queue.
fn table<'a>(
    page: &mut String,
    schema: &'a Value,
    path: &str,
    object: &'a Value,
    waiting: &mut VecDeque<(String, &'a Value)>,
) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
    let title = if path.is_empty() { "The file" } else { path };
    let _ = write!(
        page,
        "\n## {}\n\n",
        if path.is_empty() { title.to_owned() } else { format!("`{title}`") }
    );
    if let (false, Some(text)) = (path.is_empty(), described(object)) {
        let _ = write!(page, "{text}\n\n");
    }
    page.push_str("| key | value | default | |\n|---|---|---|---|\n");
    for (name, property) in properties {
        let needed = list(object, "required").iter().any(|required| *required == name.as_str());
        let text = described(property).or_else(|| described(resolve(schema, property)));
        let (text, worded) = without_default(cell(&text.unwrap_or_default()));
        let default = match property.get("default") {
            Some(Value::Null) | None => {
                if needed {
                    "required".to_owned()
                } else {
                    worded
                }
            }
            Some(value) => format!("`{value}`"),
        };
        let value = cell(&kind(schema, property, 0));
        let _ = writeln!(page, "| `{name}` | {value} | {} | {} |", cell(&default), text);
        let inside = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if inside.matches('.').count() < DEEPEST {
            objects(schema, property, &inside, waiting);
        }
    }
}

/// Finds the objects with keys of their own inside a property.
fn objects<'a>(
    schema: &'a Value,
    property: &'a Value,
    path: &str,
    found: &mut VecDeque<(String, &'a Value)>,
) {
    let property = resolve(schema, property);
    if property.get("properties").is_some() && wrapped(property).is_none() {
        found.push_back((path.to_owned(), property));
    }
    if let Some(items) = property.get("items") {
        objects(schema, items, &format!("{path}[]"), found);
    }
    if let Some(values @ Value::Object(_)) = property.get("additionalProperties") {
        objects(schema, values, &format!("{path}.*"), found);
    }
    for form in forms(property) {
        objects(schema, form, path, found);
    }
}

/// What may stand there, in words.
fn kind(schema: &Value, property: &Value, depth: usize) -> String {
    let property = resolve(schema, property);
    if depth > DEEPEST {
        return "…".to_owned();
    }
    if let Some(constant) = property.get("const") {
        return format!("`{constant}`");
    }
    let values = list(property, "enum");
    if !values.is_empty() {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(", ");
    }
    let mut kinds: Vec<String> = Vec::new();
    for form in forms(property) {
        let kind = kind(schema, form, depth + 1);
        if kind != "null" && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let names = match property.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name.as_str()],
        _ => Vec::new(),
    };
    let several = names.len() > 1;
    for name in names.into_iter().filter(|name| !(several && *name == "null")) {
        kinds.push(named(schema, property, name, depth));
    }
    if kinds.is_empty() { "anything".to_owned() } else { kinds.join(" or ") }
}

fn named(schema: &Value, property: &Value, name: &str, depth: usize) -> String {
    match name {
        "array" => match property.get("items") {
            Some(items) => format!("list of {}", kind(schema, items, depth + 1)),
            None => "list".to_owned(),
        },
        "object" if property.get("properties").is_none() => {
            match property.get("additionalProperties") {
                Some(values @ Value::Object(_)) => {
                    format!("map to {}", kind(schema, values, depth + 1))
                }
                _ => "map".to_owned(),
            }
        }
        "object" => {
            wrapped(property).map_or_else(|| "keys".to_owned(), |name| format!("`{{ {name}: … }}`"))
        }
        "string" => "text".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        other => other.to_owned(),
    }
}

/// The only key of an object that says nothing about it: `{ env: NAME }` needs no table.
fn wrapped(object: &Value) -> Option<&str> {
    let mut properties = object.get("properties").and_then(Value::as_object)?.iter();
    match (properties.next(), properties.next()) {
        (Some((name, inside)), None) if described(inside).is_none() => Some(name),
        _ => None,
    }
}

/// The alternatives of a property.
fn forms(property: &Value) -> Vec<&Value> {
    // What depends on a condition, where nothing is said that holds in both cases.
    let both = property.get("type").is_none();
    let either = ["then", "else"].iter().filter(|_| both).filter_map(|form| property.get(form));
    let listed = ["oneOf", "anyOf", "allOf"].iter().flat_map(|form| list(property, form));
    listed.chain(either).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Follows references to where the schema stands.
fn resolve<'a>(schema: &'a Value, mut property: &'a Value) -> &'a Value {
    for _ in 0..DEEPEST {
        let reference = property.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|r| r.strip_prefix('#')).and_then(|r| schema.pointer(r));
        match target {
            Some(target) => property = target,
            None => break,
        }
    }
    property
}

fn described(value: &Value) -> Option<String> {
    value.get("description").and_then(Value::as_str).map(str::to_owned)
}

/// A description, and the default that its last sentence names: `Default: X.`
fn without_default(text: String) -> (String, String) {
    match text.rsplit_once("Default: ") {
        Some((before, default)) if !default.trim_end_matches('.').contains(". ") => {
            (before.trim_end().to_owned(), default.trim_end().trim_end_matches('.').to_owned())
        }
        _ => (text, String::new()),
    }
}

/// Text as one cell of a table takes it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row_and_every_object_a_table() {
        let schema = serde_json::json!({
            "properties": {
                "title": {"type": ["string", "null"], "description": "A | B\nC."},
                "limits": {"type": "array", "items": {"$ref": "#/$defs/Limit"}},
                "roles": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Limit"}},
                "key": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"env": {"type": "string"}}}]},
                "size": {"type": "string", "description": "How large. Default: `1MB`."},
            },
            "$defs": {"Limit": {
                "type": "object",
                "properties": {"rpm": {"type": "integer", "default": 5}, "by": {"enum": ["ip", "user"]}},
                "required": ["by"],
            }},
        });
        let page = page(&schema);
        for part in [
            "| `title` | text |  | A \\| B C. |",
            "| `limits` | list of keys |",
            "## `limits[]`",
            "## `roles.*`\n\nThe keys are those of `limits[]`.",
            "| `key` | text or `{ env: … }` |",
            "| `size` | text | `1MB` | How large. |",
            "| `rpm` | integer | `5` |",
            "| `by` | `\"ip\"`, `\"user\"` | required |",
        ] {
            assert!(page.contains(part), "`{part}` is not in\n{page}");
        }
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let schema = serde_json::json!({"properties": {"then": {"$ref": "#"}}});
        assert!(page(&schema).len() < 100_000);
    }
}
