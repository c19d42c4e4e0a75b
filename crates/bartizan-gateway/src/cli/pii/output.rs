//! How are findings written? As text, as JSON, and as a log of SARIF 2.1.0 (OASIS).

use std::collections::BTreeSet;
use std::io::Write;

use bartizan_pii::Entity;
use bartizan_pii::report::{Offsets, Report};
use serde_json::{Value, json};

use super::{Format, Unit};

/// Writes what every input gave, in their order.
pub(super) struct Output<'o> {
    format: Format,
    out: &'o mut dyn Write,
    /// The entities that were found, for the rules of SARIF.
    entities: BTreeSet<Entity>,
    is_first: bool,
}

/// What is written of one report, and which entities stand in it.
#[derive(Default)]
pub(super) struct Piece {
    text: String,
    results: Vec<Value>,
    entities: BTreeSet<Entity>,
}

impl Format {
    /// Lines and columns are made from bytes.
    pub(super) fn offsets(self, unit: Unit) -> Offsets {
        match (self, unit) {
            (Self::Json, Unit::Chars) => Offsets::Chars,
            (Self::Text | Self::Sarif, _) | (Self::Json, Unit::Bytes) => Offsets::Bytes,
        }
    }

    /// What is written of a report on `input`.
    pub(super) fn piece(self, report: &Report, input: &[u8]) -> anyhow::Result<Piece> {
        let mut piece = Piece::default();
        match self {
            Self::Text => piece.text = report.to_text(input),
            Self::Json => piece.text = format!("{}\n", report.to_json()?),
            Self::Sarif => {
                piece.results = results(report, input);
                piece.entities = report.findings.iter().map(|f| f.entity.clone()).collect();
            }
        }
        Ok(piece)
    }
}

impl<'o> Output<'o> {
    pub(super) fn new(format: Format, out: &'o mut dyn Write) -> anyhow::Result<Self> {
        if format == Format::Sarif {
            let schema = "https://json.schemastore.org/sarif-2.1.0.json";
            write!(
                out,
                "{{\"$schema\":\"{schema}\",\"version\":\"2.1.0\",\"runs\":[{{\"columnKind\":\"unicodeCodePoints\",\"results\":["
            )?;
        }
        Ok(Self { format, out, entities: BTreeSet::new(), is_first: true })
    }

    pub(super) fn write(&mut self, piece: Piece) -> anyhow::Result<()> {
        self.out.write_all(piece.text.as_bytes())?;
        for result in piece.results {
            write!(self.out, "{}\n{result}", if self.is_first { "" } else { "," })?;
            self.is_first = false;
        }
        self.entities.extend(piece.entities);
        Ok(())
    }

    pub(super) fn finish(self) -> anyhow::Result<()> {
        if self.format == Format::Sarif {
            let rule = |entity: &Entity| {
                let text = format!("{entity} in a text");
                json!({ "id": entity.as_str(), "shortDescription": { "text": text } })
            };
            let rules: Vec<Value> = self.entities.iter().map(rule).collect();
            let version = env!("CARGO_PKG_VERSION");
            let driver = json!({ "name": "bartizan", "semanticVersion": version, "rules": rules });
            writeln!(self.out, "\n],\"tool\":{{\"driver\":{driver}}}}}]}}")?;
        }
        Ok(self.out.flush()?)
    }
}

/// The findings of a report as results of SARIF. The value itself is in none of them.
fn results(report: &Report, input: &[u8]) -> Vec<Value> {
    let places = report.places(input);
    let result = |(finding, place): (&bartizan_pii::Finding, &bartizan_pii::report::Place)| {
        let region = match report.line {
            // Where each line is a document, a column would be one of its member.
            Some(line) => json!({ "startLine": line }),
            None => json!({
                "startLine": place.line, "startColumn": place.column,
                "endLine": place.end_line, "endColumn": place.end_column,
                "byteOffset": finding.start, "byteLength": finding.end - finding.start,
            }),
        };
        let location = json!({
            "physicalLocation": {
                "artifactLocation": { "uri": uri(&report.source) },
                "region": region,
            },
        });
        json!({
            "ruleId": finding.entity.as_str(),
            "level": if finding.entity.is_secret() { "error" } else { "warning" },
            "message": { "text": format!("{} found", finding.entity) },
            "locations": [location],
            // As it is printed: in 32 bits, 0.6 is 0.6000000238.
            "properties": { "score": format!("{:.2}", finding.score) },
        })
    };
    report.findings.iter().zip(&places).map(result).collect()
}

/// A path as a reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.trim_start_matches("./").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
