//! Does a document conform to its schema? JSON Schema 2020-12, every violation at once.

use std::fmt;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// The most violations that are reported for one document.
pub const MAX_VIOLATIONS: usize = 32;

/// The largest schema that is compiled, in bytes.
pub const MAX_SCHEMA: usize = 256 * 1024;

/// A compiled schema. It reads nothing from the network or from files, and its patterns run in
/// linear time.
pub struct Schema {
    validator: Validator,
    source: Value,
}

/// Where a document differs from its schema, and how; never with what stands there.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Violation {
    /// JSON Pointer (RFC 6901) to the offending value; empty for the whole document.
    pub pointer: String,
    /// What is asked for there.
    pub detail: String,
}

/// A schema that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the JSON Schema cannot be used: {0}")]
pub struct SchemaError(String);

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`SchemaError`] where it is no valid 2020-12 schema, refers to what is not in it, has a
    /// pattern that needs backtracking, or is larger than [`MAX_SCHEMA`].
    pub fn compile(source: &Value) -> Result<Self, SchemaError> {
        let size = source.to_string().len();
        if size > MAX_SCHEMA {
            return Err(SchemaError(format!(
                "it has {size} bytes, at most {MAX_SCHEMA} are taken"
            )));
        }
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex());
        match options.build(source) {
            Ok(validator) => Ok(Self { validator, source: source.clone() }),
            Err(error) => Err(SchemaError(error.to_string())),
        }
    }

    /// The schema as it was written.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Every difference, at most [`MAX_VIOLATIONS`] of them.
    #[must_use]
    pub fn check(&self, document: &Value) -> Vec<Violation> {
        if self.validator.is_valid(document) {
            return Vec::new();
        }
        let errors = self.validator.iter_errors(document).take(MAX_VIOLATIONS);
        let violation = |error: jsonschema::ValidationError<'_>| Violation {
            pointer: error.instance_path().to_string(),
            detail: self.wording(error.kind(), error.schema_path().as_str()),
        };
        errors.map(violation).collect()
    }

    /// What is asked for at `place` of the schema.
    fn wording(&self, kind: &Kind, place: &str) -> String {
        match kind {
            Kind::OneOfNotValid { .. } | Kind::AnyOf { .. } => self.choices(place),
            _ => wording(kind),
        }
    }

    /// The constants that a list of alternatives names, where each of them is one.
    fn choices(&self, place: &str) -> String {
        let alternatives = self.source.pointer(place).and_then(Value::as_array);
        let constant = |alternative: &Value| alternative.get("const").map(Value::to_string);
        match alternatives.and_then(|all| all.iter().map(constant).collect::<Option<Vec<_>>>()) {
            Some(constants) => format!("must be one of {}", constants.join(", ")),
            None => "must conform to one of the alternatives".into(),
        }
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({} bytes)", self.source.to_string().len())
    }
}

/// What is asked for, in words that come from the schema and never from the document.
fn wording(kind: &Kind) -> String {
    match kind {
        Kind::AdditionalItems { limit } => format!("must have at most {limit} items"),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "has a member that is not allowed".into()
        }
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Enum { options } => format!("must be one of {options}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::Format { format } => format!("must be of format {format}"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} members"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MinProperties { limit } => format!("must have at least {limit} members"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::Pattern { pattern } => format!("must match {pattern}"),
        Kind::Required { property } => format!("must have the member {property}"),
        Kind::Type { kind } => format!("must be {}", types(kind)),
        Kind::UniqueItems => "must not hold the same item twice".into(),
        _ => "does not conform".into(),
    }
}

fn types(kind: &jsonschema::error::TypeKind) -> String {
    match kind {
        jsonschema::error::TypeKind::Single(kind) => format!("of type {kind}"),
        jsonschema::error::TypeKind::Multiple(kinds) => {
            let names: Vec<_> = kinds.iter().map(|kind| kind.to_string()).collect();
            format!("of one of the types {}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_violation_is_told_with_its_pointer_and_without_its_value() {
        let schema = Schema::compile(&json!({
            "type": "object",
            "required": ["document_id"],
            "properties": {
                "format": { "enum": ["text", "bullets"] },
                "max_words": { "type": "integer", "minimum": 1 },
                "deep": { "items": { "type": "string", "maxLength": 3 } }
            },
            "additionalProperties": false
        }))
        .unwrap();
        let secret = "s3cr3t-value";
        let violations = schema.check(&json!({
            "format": secret, "max_words": 0, "deep": ["ok", secret], "more": secret
        }));
        let told: Vec<_> =
            violations.iter().map(|v| format!("{} {}", v.pointer, v.detail)).collect();
        for expected in [
            r#" must have the member "document_id""#,
            r#"/format must be one of ["text","bullets"]"#,
            "/max_words must be at least 1",
            "/deep/1 must have at most 3 characters",
            " has a member that is not allowed",
        ] {
            assert!(told.iter().any(|t| t == expected), "{expected:?} in {told:?}");
        }
        assert!(!format!("{violations:?}").contains(secret));
    }

    #[test]
    fn alternatives_that_are_constants_are_named() {
        let schema = Schema::compile(&json!({
            "properties": { "format": { "$ref": "#/$defs/Shape" }, "any": { "anyOf": [{}, false] } },
            "$defs": { "Shape": { "oneOf": [{ "const": "text" }, { "const": "bullets" }] } }
        }))
        .unwrap();
        let told = schema.check(&json!({ "format": "secret" }));
        assert_eq!(told[0].detail, r#"must be one of "text", "bullets""#, "{told:?}");
    }

    #[test]
    fn a_schema_cannot_reach_the_network_files_or_a_backtracking_engine() {
        for source in [
            json!({ "$ref": "https://example.com/schema.json" }),
            json!({ "$ref": "file:///etc/passwd" }),
            json!({ "pattern": "(a+)+\\1" }),
            json!({ "type": "strnig" }),
        ] {
            assert!(Schema::compile(&source).is_err(), "{source}");
        }
    }
}
