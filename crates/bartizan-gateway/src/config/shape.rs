//! Has the file the right shape? Unknown keys, missing keys and wrong types, all at once.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use jsonschema::error::{ValidationError, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, Validator};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::file::File;
use super::file::leaf::EXPECTS;
use super::findings::{Finding, Findings, Severity};
use super::tree::{Kind, Node, Place, Scalar, member, tokens};

/// How often what leans on a removed value is removed in turn: more than the file form is deep.
const MAX_ROUNDS: usize = 16;

/// The JSON Schema (draft 2020-12) of `bartizan.yaml`.
pub fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>();
        let mut schema = root.to_value();
        without_null(&mut schema);
        schema
    })
}

/// How what stands in for a missing text begins. It is a path, and sound as nothing else: what is
/// said of it is no news.
pub const STAND_IN: &str = "/stand-in-";

/// Tells what is out of shape, and takes it out of the tree so that the rest can be understood; for a
/// key that must be there something stands in, so that the section around it can be. Returns the
/// pointers of what was taken out, stands in, or was probably meant by an unknown key; `None` when
/// nothing useful remains.
pub fn check(tree: &mut Node, findings: &mut Findings) -> Option<BTreeSet<String>> {
    let Ok(validator) = validator() else {
        findings.error(&Place::start(), "the schema of the configuration does not compile");
        return None;
    };
    let mut removed = BTreeSet::new();
    for round in 0..MAX_ROUNDS {
        let value = tree.to_value();
        let wrong: Vec<Wrong> = validator
            .iter_errors(&value)
            .flat_map(|error| Wrong::from_error(&error, tree))
            .collect();
        if wrong.is_empty() {
            return Some(removed);
        }
        let (mut gone, mut stand_ins) = (BTreeSet::new(), Vec::new());
        for wrong in wrong {
            // Later rounds only see what leans on something that was told already.
            if round == 0 {
                findings.push(wrong.finding);
            }
            match wrong.mend {
                Mend::Remove(pointer) if pointer.is_empty() => return None,
                Mend::Remove(pointer) => {
                    gone.insert(pointer);
                }
                Mend::RemoveUnknown { pointer, meant } => {
                    gone.insert(pointer);
                    removed.extend(meant);
                }
                Mend::StandIn { section, key, value } => {
                    stand_ins.push((section, key, value));
                }
            }
        }
        // These first: what is taken out of a list moves what stands behind it.
        for (section, key, value) in stand_ins {
            removed.extend(stand_in(tree, &section, key, &value));
        }
        take_out(tree, &gone);
        removed.extend(gone);
    }
    None
}

/// Puts something into a section where a key is missing; its pointer.
fn stand_in(tree: &mut Node, section: &str, key: String, value: &Value) -> Option<String> {
    let node = tree.get_mut(section)?;
    let pointer = member(&node.place.pointer, &key);
    let place = Place { pointer: pointer.clone(), ..node.key.clone() };
    let kind = match value {
        Value::Array(_) => Kind::List(Vec::new()),
        other => {
            let text = other.as_str().unwrap_or_default().to_owned();
            Kind::Scalar(Scalar { written: text.clone(), text, value: other.clone() })
        }
    };
    match &mut node.kind {
        Kind::Map(entries) => entries.push((key, Node { place: place.clone(), key: place, kind })),
        Kind::List(_) | Kind::Scalar(_) => return None,
    }
    Some(pointer)
}

/// Whether the file may have a key at this JSON Pointer, as far as that can be said without what
/// stands there.
pub fn is_known(pointer: &str) -> bool {
    let mut here = schema();
    for token in tokens(pointer) {
        if let Some(reference) = here.get("$ref").and_then(Value::as_str) {
            let Some(named) = schema().pointer(reference.trim_start_matches('#')) else {
                return true;
            };
            here = named;
        }
        let Some(properties) = here.get("properties") else { return true };
        let Some(next) = properties.get(&token) else { return false };
        here = next;
    }
    true
}

/// Takes every node out whose place has one of these pointers.
pub fn take_out(node: &mut Node, pointers: &BTreeSet<String>) {
    match &mut node.kind {
        Kind::Scalar(_) => {}
        Kind::List(items) => {
            items.retain(|item| !pointers.contains(&item.place.pointer));
            items.iter_mut().for_each(|item| take_out(item, pointers));
        }
        Kind::Map(entries) => {
            entries.retain(|(_, item)| !pointers.contains(&item.place.pointer));
            entries.iter_mut().for_each(|(_, item)| take_out(item, pointers));
        }
    }
}

/// The one of `known` that was probably meant by `word`.
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().min(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn validator() -> &'static Result<Validator, String> {
    static VALIDATOR: OnceLock<Result<Validator, String>> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .offline()
            .build(schema())
            .map_err(|error| error.to_string())
    })
}

/// `Option` becomes "or null" in schemars; in the file a key without a value is a mistake, not an
/// absent key.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(options)) = object.get_mut("enum") {
                options.retain(|option| !option.is_null());
            }
            if object.get("default").is_some_and(|default| default.is_null() || is_hollow(default))
            {
                object.remove("default");
            }
            lift_only_choice(object);
            object.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

/// `anyOf: [X, null]` becomes X itself: errors inside an `anyOf` would lose their place.
fn lift_only_choice(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else { return };
    choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
    if choices.len() != 1 {
        return;
    }
    let Some(Value::Object(only)) = choices.pop() else { return };
    object.remove("anyOf");
    for (key, value) in only {
        object.entry(key).or_insert(value);
    }
}

fn is_hollow(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

/// A finding, and what is done for the rest to be understood.
struct Wrong {
    finding: Finding,
    mend: Mend,
}

/// What is done about something that is out of shape.
enum Mend {
    /// What stands at this pointer goes.
    Remove(String),
    /// An unknown key goes; the pointer of the one that was meant, where it is missing.
    RemoveUnknown { pointer: String, meant: Option<String> },
    /// Something stands in for a key that is missing.
    StandIn { section: String, key: String, value: Value },
}

impl Wrong {
    fn from_error(error: &ValidationError<'_>, tree: &Node) -> Vec<Wrong> {
        let pointer = error.instance_path().as_str();
        let Some(node) = tree.get(pointer) else { return Vec::new() };
        let remove = || Mend::Remove(node.place.pointer.clone());
        let wrong = |finding: Finding| vec![Wrong { finding, mend: remove() }];
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unexpected.iter().filter_map(|key| Wrong::unknown(error, node, key)).collect()
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let finding = told(&node.key, format!("{} lacks the key `{key}`", subject(node)));
                let value = schema_of(error).and_then(|schema| substitute(schema, key, node));
                let section = pointer.to_owned();
                let mend = value.map(|value| Mend::StandIn { section, key: key.to_owned(), value });
                vec![Wrong { finding, mend: mend.unwrap_or_else(remove) }]
            }
            _ => wrong(expected(error, node)),
        }
    }

    fn unknown(error: &ValidationError<'_>, node: &Node, key: &str) -> Option<Wrong> {
        let place = match &node.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node.key.clone())?
            }
            _ => return None,
        };
        let here = schema_of(error);
        let known: Vec<&str> = here
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object)
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let meant = meant(key, known.iter().copied());
        let finding = match meant {
            Some(candidate) => {
                told(&place, format!("unknown key `{key}`; did you mean `{candidate}`?"))
            }
            None => told(&place, format!("unknown key `{key}`"))
                .help(format!("known here: {}", listed(&known))),
        };
        let has = |key: &str| match &node.kind {
            Kind::Map(entries) => entries.iter().any(|(name, _)| name == key),
            Kind::List(_) | Kind::Scalar(_) => false,
        };
        let at = |key: &str| member(&node.place.pointer, key);
        let meant = meant.filter(|meant| !has(meant)).map(at);
        Some(Wrong { finding, mend: Mend::RemoveUnknown { pointer: at(key), meant } })
    }
}

fn told(place: &Place, message: String) -> Finding {
    Finding::new(Severity::Error, place, message)
}

/// "`x` must be …" for everything that is neither an unknown nor a missing key.
fn expected(error: &ValidationError<'_>, node: &Node) -> Finding {
    let name = subject(node);
    let schema = schema_of(error);
    if matches!(&node.kind, Kind::Scalar(scalar) if scalar.value.is_null()) {
        return told(&node.key, format!("{name} has no value: give it one, or remove the key"));
    }
    let choices = schema.map(words).unwrap_or_default();
    if !choices.is_empty() {
        let finding = told(&node.place, format!("{name} must be {}", alternatives(&choices)));
        let near = error
            .instance()
            .as_str()
            .and_then(|text| meant(text, choices.iter().map(String::as_str)));
        return match near {
            Some(word) => finding.help(format!("did you mean `{word}`?")),
            None => finding,
        };
    }
    let in_words = schema.and_then(|schema| schema.get(EXPECTS)).and_then(Value::as_str);
    let what = match (in_words, error.kind()) {
        (Some(words), _) => words.to_owned(),
        (None, ValidationErrorKind::Type { .. }) => {
            schema.and_then(|schema| schema.get("type")).map_or_else(
                || "of another type".to_owned(),
                |kind| {
                    kind.as_str().map_or_else(
                        || "of another type".to_owned(),
                        |kind| type_name(kind).to_owned(),
                    )
                },
            )
        }
        (None, kind) => format!("something else (`{}` of its schema)", kind.keyword()),
    };
    told(&node.place, format!("{name} must be {what}, not {}", found(node)))
}

/// What may stand for a missing key of a section: a word of those that are known, or a text.
fn substitute(schema: &'static Value, key: &str, section: &Node) -> Option<Value> {
    let mut here = schema.get("properties")?.get(key)?;
    if let Some(reference) = here.get("$ref").and_then(Value::as_str) {
        here = self::schema().pointer(reference.trim_start_matches('#'))?;
    }
    if let Some(word) = words(here).into_iter().next() {
        return Some(word.into());
    }
    let is = |schema: &Value, name: &str| match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        kind => kind.is_some_and(|kind| kind == name),
    };
    let choices = here.get("anyOf").and_then(Value::as_array);
    let text = is(here, "string") || choices.is_some_and(|all| all.iter().any(|s| is(s, "string")));
    match (text, is(here, "array")) {
        // No two are alike: they would be taken for the same thing said twice.
        (true, _) => {
            Some(format!("{STAND_IN}{}-{}", section.place.line, section.place.column).into())
        }
        (false, true) => Some(Value::Array(Vec::new())),
        (false, false) => None,
    }
}

/// The schema that holds the keyword which failed.
fn schema_of(error: &ValidationError<'_>) -> Option<&'static Value> {
    let path = error.schema_path().as_str();
    let (holder, _) = path.rsplit_once('/')?;
    schema().pointer(holder)
}

/// The words that a schema of constants allows.
fn words(schema: &'static Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (schema.get("oneOf"), schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(choices)), _, _) => choices.iter().flat_map(words_of_choice).collect(),
        (_, Some(Value::Array(choices)), _) => choices.iter().filter_map(text).collect(),
        (_, _, Some(only)) => text(only).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn words_of_choice(choice: &Value) -> Vec<String> {
    let listed = choice.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    let single = choice.get("const").cloned();
    listed
        .iter()
        .chain(single.iter())
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// What the node is called in a sentence: its key, or "entry n of `list`".
fn subject(node: &Node) -> String {
    let tokens = tokens(&node.place.pointer);
    match tokens.as_slice() {
        [] => "the file".to_owned(),
        [.., list, last] if last.bytes().all(|byte| byte.is_ascii_digit()) => {
            match last.parse::<usize>() {
                Ok(index) => format!("entry {} of `{list}`", index + 1),
                Err(_) => format!("`{last}`"),
            }
        }
        [.., last] => format!("`{last}`"),
    }
}

fn type_name(kind: &str) -> &str {
    match kind {
        "boolean" => "`true` or `false`",
        "string" => "text",
        "array" => "a list",
        "object" => "a section of keys",
        "integer" => "a whole number",
        "number" => "a number",
        other => other,
    }
}

fn found(node: &Node) -> &'static str {
    match &node.kind {
        Kind::List(_) => "a list",
        Kind::Map(_) => "a section of keys",
        Kind::Scalar(scalar) => match &scalar.value {
            Value::Bool(_) => "`true` or `false`",
            Value::Number(_) => "a number",
            Value::Null => "nothing",
            _ => "text",
        },
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn alternatives(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]
mod tests {
    use super::super::findings::Paint;
    use super::super::tree::parse;
    use super::*;

    fn told_of(text: &str) -> (String, Value) {
        let (mut tree, _) = parse(text).unwrap();
        let mut findings = Findings::default();
        check(&mut tree, &mut findings);
        findings.sort();
        (findings.to_text("f", Paint::Plain), tree.to_value())
    }

    #[test]
    fn the_schema_is_one_that_editors_can_use() {
        let schema = schema();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(jsonschema::draft202012::meta::is_valid(schema));
        assert!(!schema.to_string().contains("\"null\""));
        assert!(validator().is_ok());
    }

    #[test]
    fn every_key_of_the_schema_is_described() {
        fn undescribed(at: &str, schema: &Value, names: &mut Vec<String>) {
            let Some(object) = schema.as_object() else { return };
            for (key, property) in
                object.get("properties").and_then(Value::as_object).into_iter().flatten()
            {
                if property.get("description").is_none()
                    && !at.contains("anyOf")
                    && !at.contains("then")
                {
                    names.push(format!("{at}/{key}"));
                }
            }
            for (key, inner) in object {
                undescribed(&format!("{at}/{key}"), inner, names);
            }
        }
        let mut names = Vec::new();
        undescribed("", schema(), &mut names);
        names.retain(|name| !name.starts_with("/$defs/Source/"));
        assert!(names.is_empty(), "{names:?}");
    }

    #[test]
    fn all_mistakes_at_once_and_the_rest_survives() {
        let (text, rest) = told_of(
            "titel: x\nlimits:\n  - { name: a, by: ip, rpm: 1 }\n  - { by: ip, rpm: [1] }\n  - { name: c, by: ip }\n\
             audit: { durability: synch }\npii: { log_detections: yes }\nserver:\n",
        );
        assert_eq!(
            text,
            "f:1:1: error: unknown key `titel`; did you mean `title`?\n\
             f:4:5: error: entry 2 of `limits` lacks the key `name`\n\
             f:4:20: error: `rpm` must be a whole number, not a list\n\
             f:6:22: error: `durability` must be `sync` or `batch`\n    help: did you mean `sync`?\n\
             f:7:24: error: `log_detections` must be `true` or `false`, not text\n\
             f:8:1: error: `server` has no value: give it one, or remove the key\n\
             f: 6 errors\n"
        );
        let names: Vec<_> =
            rest["limits"].as_array().unwrap().iter().map(|limit| limit["name"].clone()).collect();
        // Of the one without a name the rest is still looked at.
        assert_eq!(names, ["a", "/stand-in-4-5", "c"]);
    }

    #[test]
    fn a_misplaced_secret_is_not_repeated() {
        let (text, _) = told_of(
            "auth: { tokens: { signing_key: { fiel: hunter2 } } }\nserver: hunter2\naudit: {durability: hunter2}",
        );
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("`signing_key` must be text, `{ env: NAME }`, `{ file: PATH }` or"),
            "{text}"
        );
    }

    #[test]
    fn suggestions_know_near_from_far() {
        assert_eq!(meant("scpoes", ["roles", "scopes"]), Some("scopes"));
        assert_eq!(meant("max-request-size", ["max_request_size"]), Some("max_request_size"));
        assert_eq!(meant("foo", ["roles", "scopes"]), None);
    }
}
