//! Which keys of the contract is this version not able to keep? Told, for silence is a hole.
//!
//! One row a key; whoever builds the function deletes the row.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::Value;

use super::findings::Findings;
use super::tree::{Kind, Node};

/// What stands in the file and is not built.
struct Row {
    /// Where: tokens of the pointer, `*` for any one.
    at: &'static str,
    /// Which texts of it; `None` for any value.
    when: Option<fn(&str) -> bool>,
    /// What to do instead.
    help: &'static str,
}

const REMOVE: &str = "remove the key";
const MATCH: &str = "match by `path`, `verb`, `role`, `tenant`, `model` or `tool`";

const ROWS: &[Row] = &[
    #[cfg(not(feature = "cedar"))]
    Row {
        at: "/access/cedar",
        when: None,
        help: "install a gateway that is built with it: `cargo build --release --features cedar`",
    },
    #[cfg(not(feature = "names"))]
    Row {
        at: "/hooks/*/builtin",
        when: Some(is_names),
        help: "install a gateway that is built with it: `cargo build --release --features names`",
    },
    Row { at: "/telemetry", when: None, help: REMOVE },
    Row { at: "/egress", when: None, help: REMOVE },
    Row { at: "/server/admin/tls", when: None, help: "keep the admin listener on loopback" },
    Row { at: "/server/admin/auth", when: None, help: "keep the admin listener on loopback" },
    Row {
        at: "/audit/destination",
        when: Some(is_postgres),
        help: "use `file://PATH` or `stdout:`",
    },
    Row { at: "/limits/*/match/host", when: None, help: MATCH },
    Row { at: "/budgets/*/match/host", when: None, help: MATCH },
];

fn is_postgres(text: &str) -> bool {
    text.starts_with("postgres:") || text.starts_with("postgresql:")
}

#[cfg(not(feature = "names"))]
fn is_names(text: &str) -> bool {
    text == "names"
}

/// Tells every key that is not built, and returns their pointers.
pub fn check(tree: &mut Node, findings: &mut Findings) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    tree.walk_mut(&mut |node| {
        let Some(row) = ROWS.iter().find(|row| row.fits(node)) else { return };
        findings.error_help(&node.key, row.message(), row.help);
        found.insert(node.place.pointer.clone());
    });
    found
}

/// The message for a value that came from the environment and not from the file.
pub fn from_environment(at: &str, text: &str) -> Option<(String, &'static str)> {
    let row = ROWS.iter().find(|row| row.at == at && row.when.is_some_and(|when| when(text)))?;
    Some((row.message(), row.help))
}

/// The JSON Schema (draft 2020-12) of what this version keeps, for editors and people: without the
/// keys that it refuses whatever stands there.
pub fn schema_of_what_is_built() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut schema = super::shape::schema().clone();
        // What only another build keeps is no news of this version.
        let never = ROWS.iter().filter(|row| row.when.is_none() && !row.at.contains("cedar"));
        for row in never {
            let Some((section, key)) = row.at.rsplit_once('/') else { continue };
            let Some(section) = section_of(&schema, section) else { continue };
            if let Some(object) = schema.pointer_mut(&section).and_then(Value::as_object_mut) {
                object.get_mut("properties").and_then(Value::as_object_mut).map(|p| p.remove(key));
            }
        }
        schema
    })
}

/// Where in the schema the object is described that stands at `at` in a file.
fn section_of(schema: &Value, at: &str) -> Option<String> {
    let mut here = String::new();
    for token in at.split('/').skip(1) {
        here = followed(schema, here)?;
        let items = || schema.pointer(&here)?.get("items").map(|_| format!("{here}/items"));
        here = match token {
            "*" => items().unwrap_or_else(|| format!("{here}/additionalProperties")),
            token => format!("{here}/properties/{token}"),
        };
    }
    followed(schema, here)
}

/// Where a reference leads.
fn followed(schema: &Value, pointer: String) -> Option<String> {
    let reference = schema.pointer(&pointer)?.get("$ref").and_then(Value::as_str);
    Some(reference.map_or(pointer, |reference| reference.trim_start_matches('#').to_owned()))
}

impl Row {
    fn fits(&self, node: &Node) -> bool {
        let pointer = &node.place.pointer;
        let same = pointer.split('/').count() == self.at.split('/').count()
            && pointer
                .split('/')
                .zip(self.at.split('/'))
                .all(|(have, want)| want == "*" || have == want);
        same && match (self.when, &node.kind) {
            (None, _) => true,
            (Some(when), Kind::Scalar(scalar)) => when(&scalar.text),
            (Some(_), _) => false,
        }
    }

    fn message(&self) -> String {
        let key = self.at.rsplit('/').find(|token| *token != "*").unwrap_or_default();
        match self.when {
            None => format!("`{key}` is not supported by this version"),
            Some(_) => format!("this value of `{key}` is not supported by this version"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::shape::schema;
    use super::super::tree::parse;
    use super::*;

    #[test]
    fn what_is_not_built_is_told_and_not_ignored() {
        let text = "telemetry: {}\naudit: { destination: 'postgres://u:pw@h/d' }\n";
        let (mut tree, _) = parse(text).unwrap();
        let mut findings = Findings::default();
        let found = check(&mut tree, &mut findings);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["/audit/destination", "/telemetry"]);
        assert!(findings.iter().all(|finding| !finding.message.contains("pw")));
    }

    #[test]
    fn editors_do_not_recommend_what_is_refused() {
        let built = schema_of_what_is_built();
        for row in ROWS.iter().filter(|row| row.when.is_none() && !row.at.contains("cedar")) {
            let (section, key) = row.at.rsplit_once('/').unwrap();
            let section = section_of(built, section).unwrap();
            let properties = built.pointer(&section).unwrap().get("properties").unwrap();
            assert!(properties.get(key).is_none(), "{}", row.at);
            assert!(!properties.as_object().unwrap().is_empty(), "{}", row.at);
        }
    }

    #[test]
    fn every_row_names_a_key_that_the_file_form_has() {
        for row in ROWS {
            let mut here = schema();
            for token in row.at.split('/').skip(1) {
                if let Some(reference) = here.get("$ref").and_then(|r| r.as_str()) {
                    here = schema().pointer(reference.trim_start_matches('#')).unwrap();
                }
                let next = if token == "*" {
                    here.get("items").or_else(|| here.get("additionalProperties"))
                } else {
                    here.get("properties").and_then(|properties| properties.get(token))
                };
                here = next.unwrap_or_else(|| panic!("{}: no `{token}`", row.at));
            }
        }
    }
}
