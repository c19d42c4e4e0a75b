//! What does `bartizan pii scan` print? One object for each input, or one line for each finding.

use std::fmt::Write;

use serde::Serialize;

use crate::{Finding, Masker, Scanner};

/// The unit in which places are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offsets {
    /// Bytes.
    #[default]
    Bytes,
    /// Unicode code points.
    Chars,
}

/// What was found in one input.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The name of the input: a file, or `-`.
    pub source: String,
    /// The line of the input, from 1, where each line is a document of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The findings, in the order of the text.
    pub findings: Vec<Finding>,
}

/// A line is not what was announced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of `{source_name}` is no JSON object")]
pub struct LineError {
    /// The name of the input.
    pub source_name: String,
    /// The line, from 1.
    pub line: u64,
}

/// Scans a whole input.
pub fn text(scanner: &Scanner, source: &str, input: &[u8], offsets: Offsets) -> Report {
    of(source, input, scanner.scan_bytes(input), offsets)
}

/// What was found in a whole input, by a scanner or by something else: `findings` in bytes.
pub fn of(source: &str, input: &[u8], findings: Vec<Finding>, offsets: Offsets) -> Report {
    let findings = count_in(input, findings, offsets);
    Report { source: source.to_owned(), line: None, findings }
}

/// Scans the member `field` of each line of an input in JSON lines. A line without the member, or
/// with another value than a string there, holds nothing; empty lines are passed over.
///
/// # Errors
/// A line that is no JSON object gives an error in its place; the others are not affected.
pub fn json_lines<'i>(
    scanner: &'i Scanner,
    source: &'i str,
    input: &'i [u8],
    field: &'i str,
    offsets: Offsets,
) -> impl Iterator<Item = Result<Report, LineError>> + 'i {
    json_lines_by(|text| Ok(scanner.scan(text)), source, input, field, offsets)
}

/// The same, where `find` finds what is in a text, in bytes.
///
/// # Errors
/// As [`json_lines`], and what `find` says.
pub fn json_lines_by<'i, E: From<LineError>>(
    find: impl Fn(&str) -> Result<Vec<Finding>, E> + 'i,
    source: &'i str,
    input: &'i [u8],
    field: &'i str,
    offsets: Offsets,
) -> impl Iterator<Item = Result<Report, E>> + 'i {
    let numbered = (1..).zip(input.split(|byte| *byte == b'\n'));
    numbered.filter(|(_, line)| !line.trim_ascii().is_empty()).map(move |(number, line)| {
        let Ok(object) = serde_json::from_slice::<serde_json::Map<String, _>>(line) else {
            return Err(LineError { source_name: source.to_owned(), line: number }.into());
        };
        let value = object.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
        let findings = count_in(value.as_bytes(), find(value)?, offsets);
        Ok(Report { source: source.to_owned(), line: Some(number), findings })
    })
}

/// Masks a whole input, which need not be UTF-8; the second value says whether it was cut off by
/// [`Action::Block`](crate::Action::Block).
pub fn mask(masker: &Masker, input: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(input.len());
    let mut stream = masker.stream();
    stream.feed(input, &mut out);
    stream.finish(&mut out);
    (out, stream.is_blocked())
}

impl Report {
    /// The object as one line of JSON, without a line end.
    ///
    /// # Errors
    /// None that can happen: names and numbers are always JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// One line for each finding, `source:line:column: ENTITY score`, like a grep. The value itself
    /// is not shown: the terminal and its log are not the place for it. Line and column count from
    /// 1, the column in characters. `input` is what was scanned, with offsets in bytes.
    pub fn to_text(&self, input: &[u8]) -> String {
        let mut out = String::new();
        for (finding, place) in self.findings.iter().zip(self.places(input)) {
            let Finding { entity, score, .. } = finding;
            let Place { line, column, .. } = place;
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{}:{line}:{column}: {entity} {score:.2}", self.source);
        }
        out
    }

    /// Where the findings stand in `input`, which is what was scanned, with offsets in bytes. Where
    /// each line is a document, all of it counts as that line.
    pub fn places(&self, input: &[u8]) -> Vec<Place> {
        let (mut line, mut start, mut at) = (self.line.unwrap_or(1), 0, 0);
        let mut go_to = |to: usize| {
            let passed = input.get(at..to).unwrap_or_default();
            if self.line.is_none() {
                line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
                let last = passed.iter().rposition(|byte| *byte == b'\n');
                start = last.map_or(start, |last| at + last + 1);
            }
            at = to;
            (line, characters(input.get(start..at).unwrap_or_default()) + 1)
        };
        let place = |finding: &Finding| {
            let (line, column) = go_to(finding.start);
            let (end_line, end_column) = go_to(finding.end);
            Place { line, column, end_line, end_column }
        };
        self.findings.iter().map(place).collect()
    }
}

/// Where a finding stands in its input, in lines from 1 and columns from 1, these in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line of its first character.
    pub line: u64,
    /// The column of its first character.
    pub column: usize,
    /// The line of its last character.
    pub end_line: u64,
    /// The column behind its last character.
    pub end_column: usize,
}

fn count_in(input: &[u8], mut findings: Vec<Finding>, offsets: Offsets) -> Vec<Finding> {
    if offsets == Offsets::Chars {
        let (mut bytes, mut chars) = (0, 0);
        for finding in &mut findings {
            for place in [&mut finding.start, &mut finding.end] {
                chars += characters(input.get(bytes..*place).unwrap_or_default());
                bytes = *place;
                *place = chars;
            }
        }
    }
    findings
}

fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Config};

    const INPUT: &str = "grüße an\njane@example.com, é 10.0.0.1\n";

    fn scanner() -> Scanner {
        Scanner::new(&Config::default()).expect("the default is sound")
    }

    #[test]
    fn the_object_has_the_contracts_members() {
        let report = text(&scanner(), "a.txt", INPUT.as_bytes(), Offsets::Bytes);
        let json = report.to_json().expect("a report is JSON");
        assert_eq!(
            json,
            r#"{"source":"a.txt","findings":[{"entity":"EMAIL_ADDRESS","start":11,"end":27,"score":1.0},{"entity":"IP_ADDRESS","start":32,"end":40,"score":0.6}]}"#
        );
        assert_eq!(
            report.to_text(INPUT.as_bytes()),
            "a.txt:2:1: EMAIL_ADDRESS 1.00\na.txt:2:21: IP_ADDRESS 0.60\n"
        );
    }

    #[test]
    fn places_can_be_counted_in_code_points() {
        let report = text(&scanner(), "-", INPUT.as_bytes(), Offsets::Chars);
        let places: Vec<_> = report.findings.iter().map(|f| (f.start, f.end)).collect();
        assert_eq!(places, [(9, 25), (29, 37)]);
    }

    #[test]
    fn json_lines_are_numbered_and_a_bad_one_does_not_stop_the_others() {
        let input = b"{\"m\":\"a@b.example\"}\nnonsense\n\n{\"m\":7}\n";
        let scanner = scanner();
        let reports: Vec<_> = json_lines(&scanner, "x", input, "m", Offsets::Bytes).collect();
        let found: Vec<_> = reports
            .iter()
            .map(|r| r.as_ref().map(|r| r.findings.len()).map_err(|e| e.line))
            .collect();
        assert_eq!(found, [Ok(1), Err(2), Ok(0)]);
    }

    #[test]
    fn an_input_that_is_not_utf8_is_masked_all_the_same() {
        let masker = Masker::new(scanner().into(), Action::MASK);
        let (out, _) = mask(&masker, b"\xff a@b.example \xfe");
        assert_eq!(out, b"\xff *********** \xfe");
    }
}
