//! Do the fields that mirror arguments of a tool (`Mcp-Param-…`) say what the body says, also where something
//! was taken out of it? (2026-07-28, Streamable HTTP, Custom Headers from Tool Parameters.)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::headers::{decoded, mismatch, one};
use super::pins::MAX_TOOLS;
use crate::validate::jsonrpc::Fault;

/// What the names of the fields begin with.
const PREFIX: &str = "mcp-param-";

/// What in the schema of a tool says that an argument is mirrored, and in which field.
const ANNOTATION: &str = "x-mcp-header";

/// How many arguments of one tool may be mirrored, and how many fields of one call are read.
const MOST_FIELDS: usize = 64;

/// How deep an argument may lie that is mirrored.
const MAX_DEPTH: usize = 16;

/// In how many places the value of a field may stand, where nobody knows which of them it mirrors.
const MOST_PLACES: usize = 16;

/// Where an argument lies: the names of the objects it is in, and its own.
type Place = Vec<String>;

/// Which arguments of which tools are mirrored, as the server has last said in its list. It knows no more than
/// [`MAX_TOOLS`] tools.
#[derive(Debug, Default)]
pub struct Mirrors(Mutex<HashMap<Arc<str>, Declared>>);

/// What is mirrored of one tool, and by which fields.
type Declared = Arc<[(HeaderName, Place)]>;

/// A field that mirrors an argument of a call.
#[derive(Clone, Debug)]
pub struct Mirror {
    field: HeaderName,
    /// Where its value stands: in one place where the list of tools says so, and else wherever it is found.
    places: Vec<Place>,
}

impl Mirrors {
    /// Learns what a server says of a tool.
    pub(super) fn learn(&self, name: &str, tool: &Value) {
        let mut declared = Vec::new();
        if let Some(schema) = tool.get("inputSchema") {
            gather(schema, &mut Vec::new(), &mut declared);
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_TOOLS || known.contains_key(name) {
            known.insert(name.into(), declared.into());
        }
    }

    fn of(&self, name: &str) -> Option<Declared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Holds the fields of a call of the tool `name` against its arguments. A field that the server has not
    /// asked for mirrors nothing, and is not among what comes out.
    pub(super) fn check(
        &self,
        headers: &HeaderMap,
        name: &str,
        arguments: &Map<String, Value>,
    ) -> Result<Vec<Mirror>, Fault> {
        let shown = shown(headers)?;
        if shown.is_empty() {
            return Ok(Vec::new());
        }
        let Some(declared) = self.of(name) else { return found(shown, arguments) };
        let declared = |(field, said): (HeaderName, String)| {
            let (_, place) = declared.iter().find(|(name, _)| *name == field)?;
            let same = at(arguments, place).is_some_and(|value| says(value, &said));
            let places = vec![place.clone()];
            Some(if same { Ok(Mirror { field, places }) } else { Err(mismatch(field.as_str())) })
        };
        shown.into_iter().filter_map(declared).collect()
    }
}

impl Mirror {
    /// The field, and what it says of these arguments. `None` where nobody can know what it should say: then it
    /// must not go on.
    pub(super) fn of(&self, arguments: &Map<String, Value>) -> (HeaderName, Option<HeaderValue>) {
        let known = self.places.len() <= MOST_PLACES;
        let mut values = self.places.iter().map(|place| at(arguments, place).and_then(field));
        let first = values.next().flatten().filter(|_| known);
        let value = first.filter(|first| values.all(|value| value.as_ref() == Some(first)));
        (self.field.clone(), value)
    }
}

/// The fields of a message that mirror something, or nothing.
pub(super) fn names(headers: &HeaderMap) -> impl Iterator<Item = &HeaderName> {
    headers.keys().filter(|name| name.as_str().starts_with(PREFIX))
}

/// Whether this is the field of one of them.
pub(super) fn hold(mirrors: &[Mirror], name: &HeaderName) -> bool {
    mirrors.iter().any(|mirror| mirror.field == *name)
}

/// What the fields of a call say.
fn shown(headers: &HeaderMap) -> Result<Vec<(HeaderName, String)>, Fault> {
    let mut shown = Vec::new();
    for name in names(headers) {
        let said = one(headers, name)?.and_then(decoded);
        let said = said.filter(|_| shown.len() < MOST_FIELDS);
        shown.push((name.clone(), said.ok_or_else(|| mismatch(name.as_str()))?));
    }
    Ok(shown)
}

/// Where no list has been seen, a field may mirror whatever says the same; it cannot be one that nothing says.
fn found(
    shown: Vec<(HeaderName, String)>,
    arguments: &Map<String, Value>,
) -> Result<Vec<Mirror>, Fault> {
    let mirror = |(field, said)| (Mirror { field, places: Vec::new() }, said);
    let mut mirrors: Vec<(Mirror, String)> = shown.into_iter().map(mirror).collect();
    search(arguments, &mut Vec::new(), &mut mirrors);
    let checked = mirrors.into_iter().map(|(mirror, _)| match mirror.places.is_empty() {
        true => Err(mismatch(mirror.field.as_str())),
        false => Ok(mirror),
    });
    checked.collect()
}

fn search(members: &Map<String, Value>, path: &mut Place, mirrors: &mut [(Mirror, String)]) {
    for (name, value) in members {
        path.push(name.clone());
        match value {
            Value::Object(members) if path.len() < MAX_DEPTH => search(members, path, mirrors),
            value => {
                for (mirror, said) in mirrors.iter_mut() {
                    if mirror.places.len() <= MOST_PLACES && says(value, said) {
                        mirror.places.push(path.clone());
                    }
                }
            }
        }
        path.pop();
    }
}

/// Which arguments are mirrored. They lie in `properties` of `properties` and nowhere else.
fn gather(schema: &Value, path: &mut Place, found: &mut Vec<(HeaderName, Place)>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, property) in properties {
        path.push(name.clone());
        let field = property.get(ANNOTATION).and_then(Value::as_str);
        let field = field.and_then(|field| format!("{PREFIX}{field}").parse().ok());
        found
            .extend(field.filter(|_| found.len() < MOST_FIELDS).map(|field| (field, path.clone())));
        if path.len() < MAX_DEPTH {
            gather(property, path, found);
        }
        path.pop();
    }
}

fn at<'a>(arguments: &'a Map<String, Value>, place: &[String]) -> Option<&'a Value> {
    let (last, path) = place.split_last()?;
    let mut members = arguments;
    for name in path {
        members = members.get(name)?.as_object()?;
    }
    members.get(last)
}

/// Whether a field with this text mirrors the argument. Numbers are compared as numbers: 42.0 is 42.
fn says(value: &Value, text: &str) -> bool {
    match value {
        Value::String(said) => said == text,
        Value::Bool(said) => text == if *said { "true" } else { "false" },
        Value::Number(said) => {
            let said = said.to_string();
            let whole = said.parse::<i128>().ok().zip(text.parse::<i128>().ok());
            let same = || said.parse::<f64>().ok().is_some_and(|said| text.parse() == Ok(said));
            whole.map_or_else(same, |(said, text)| said == text)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// How an argument is written in a field (Value Encoding).
fn field(value: &Value) -> Option<HeaderValue> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    let text = if plain { text } else { format!("=?base64?{}?=", STANDARD.encode(text)) };
    HeaderValue::from_str(&text).ok()
}
