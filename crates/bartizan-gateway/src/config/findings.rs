//! What is wrong with the configuration, where, and what mends it?

use std::fmt::Write as _;

use serde::Serialize;

use super::tree::Place;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The gateway does not start.
    Error,
    /// The gateway starts; somebody should look.
    Warning,
    /// Worth knowing; no mistake.
    Note,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The JSON Pointer of what it is about; empty for the file as a whole.
    pub pointer: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// How grave.
    pub severity: Severity,
    /// The row of a profile's checklist that found it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<&'static str>,
    /// What is wrong. Never holds a value that may be secret.
    pub message: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// All that is wrong with one file, in the order of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    items: Vec<Finding>,
    unusable: bool,
}

/// Colours or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// With the colours of a terminal.
    Terminal,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

impl Finding {
    /// A finding at a place.
    pub fn new(severity: Severity, place: &Place, message: impl Into<String>) -> Self {
        Finding {
            pointer: place.pointer.clone(),
            line: place.line,
            column: place.column,
            severity,
            check: None,
            message: printable(message.into()),
            help: None,
        }
    }

    /// The same, and what mends it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Findings {
    /// The file could not be read at all.
    pub fn unusable(finding: Finding) -> Self {
        Findings { items: vec![finding], unusable: true }
    }

    /// Adds one.
    pub fn push(&mut self, finding: Finding) {
        if !self.items.contains(&finding) {
            self.items.push(finding);
        }
    }

    /// Adds an error.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.push(Finding::new(Severity::Error, place, message));
    }

    /// Adds an error and what mends it.
    pub fn error_help(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Finding::new(Severity::Error, place, message).help(help));
    }

    /// Adds a warning and what mends it.
    pub fn warn(&mut self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.push(Finding::new(Severity::Warning, place, message).help(help));
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: Findings) {
        self.unusable |= other.unusable;
        other.items.into_iter().for_each(|finding| self.push(finding));
    }

    /// Puts them into the order of the file.
    pub fn sort(&mut self) {
        self.items.sort_by(|a, b| {
            (a.line, a.column, a.severity, &a.message)
                .cmp(&(b.line, b.column, b.severity, &b.message))
        });
    }

    /// Drops those for which `keep` says no.
    pub fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.items.retain(keep);
    }

    /// Every finding.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.items.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.items.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether the gateway must not start.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// The exit code of `check`: 0 sound, 1 findings, 2 unusable. Unusable is what the gateway does
    /// not start with; a finding is what a line of a checklist finds, and notes are none. What it
    /// starts with, and warns of, is sound.
    pub fn exit_code(&self) -> u8 {
        let grave = |finding: &&Finding| finding.severity == Severity::Error;
        let met = |finding: &Finding| finding.check.is_none() || finding.severity == Severity::Note;
        if self.unusable || self.items.iter().filter(grave).any(|one| one.check.is_none()) {
            2
        } else {
            u8::from(!self.items.iter().all(met))
        }
    }

    /// `FILE:LINE:COLUMN: error: message`, a line of help below where there is one, and a count at
    /// the end.
    pub fn to_text(&self, file: &str, paint: Paint) -> String {
        let mut text = String::new();
        for finding in &self.items {
            let _ = writeln!(
                text,
                "{}: {}: {}",
                paint.bold(&format!("{file}:{}:{}", finding.line, finding.column)),
                paint.severity(finding.severity),
                finding.message
            );
            if let Some(help) = &finding.help {
                let _ = writeln!(text, "    {} {help}", paint.bold("help:"));
            }
        }
        let _ = writeln!(text, "{}", self.summary(file));
        text
    }

    /// `{"file", "sound", "errors", "warnings", "notes", "findings": [{"pointer", "line", "column",
    /// "severity", "check"?, "message", "help"?}]}`.
    pub fn to_json(&self, file: &str) -> serde_json::Value {
        serde_json::json!({
            "file": file,
            "sound": self.exit_code() == 0,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "notes": self.count(Severity::Note),
            "findings": self.items,
        })
    }

    fn summary(&self, file: &str) -> String {
        let counted = |count: usize, name: &str| match count {
            0 => None,
            1 => Some(format!("1 {name}")),
            _ => Some(format!("{count} {name}s")),
        };
        let severities = [Severity::Error, Severity::Warning, Severity::Note];
        let parts: Vec<_> =
            severities.iter().filter_map(|s| counted(self.count(*s), s.name())).collect();
        if parts.is_empty() {
            format!("{file}: sound")
        } else {
            format!("{file}: {}", parts.join(", "))
        }
    }
}

/// The file's own words may hold control characters, which must not reach a terminal.
fn printable(message: String) -> String {
    if message.contains(char::is_control) {
        message
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect()
    } else {
        message
    }
}

impl Paint {
    pub(super) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn severity(self, severity: Severity) -> String {
        let colour = match severity {
            Severity::Error => "1;31",
            Severity::Warning => "1;33",
            Severity::Note => "1;36",
        };
        self.wrap(colour, severity.name())
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Terminal => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32) -> Place {
        Place { pointer: "/a".to_owned(), line, column: 3 }
    }

    #[test]
    fn unusable_is_what_the_gateway_does_not_start_with_and_nothing_else() {
        let mut findings = Findings::default();
        assert_eq!(findings.exit_code(), 0);
        findings.push(Finding::new(Severity::Note, &place(1), "n"));
        assert_eq!(findings.exit_code(), 0);
        findings.warn(&place(1), "w", "h");
        assert_eq!((findings.exit_code(), findings.has_errors()), (0, false));
        let hit = Finding::new(Severity::Error, &place(1), "c");
        findings.push(Finding { check: Some("plaintext"), ..hit });
        assert_eq!(findings.exit_code(), 1);
        let mut wrong = findings.clone();
        wrong.error(&place(2), "e");
        assert_eq!(wrong.exit_code(), 2);
        findings.extend(Findings::unusable(Finding::new(Severity::Error, &place(1), "e")));
        assert_eq!(findings.exit_code(), 2);
    }

    #[test]
    fn text_is_in_the_order_of_the_file_and_says_each_thing_once() {
        let mut findings = Findings::default();
        findings.error(&place(9), "late");
        findings.error_help(&place(2), "early", "do this");
        findings.error(&place(9), "late");
        findings.sort();
        let text = findings.to_text("b.yaml", Paint::Plain);
        assert_eq!(
            text,
            "b.yaml:2:3: error: early\n    help: do this\nb.yaml:9:3: error: late\nb.yaml: 2 errors\n"
        );
        assert!(findings.to_text("b.yaml", Paint::Terminal).contains("\u{1b}[1;31merror"));
    }
}
