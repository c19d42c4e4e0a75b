//! How does a record look in the Common Event Format (ArcSight, version 0)?

use std::fmt::Write as _;

use bartizan_core::audit::record::Record;

/// One line, without its end.
pub(super) fn line(record: &Record) -> String {
    let event = record.text(&["event"]);
    let name = event.to_ascii_lowercase().replace('_', " ");
    let severity = match record.text(&["severity"]) {
        "info" => 1,
        "notice" => 3,
        "warning" => 6,
        _ => 9,
    };
    let (event, name) = (header(event), header(&name));
    let version = env!("CARGO_PKG_VERSION");
    let mut line = format!("CEF:0|Bartizan|bartizan|{version}|{event}|{name}|{severity}|");
    let mut extension = Extension { line: &mut line, first: true };
    extension.time(record.text(&["time"]));
    extension.address(record.text(&["client", "ip"]));
    extension.principal(record);
    for (key, path) in PLAIN {
        extension.field(key, record.text(path));
    }
    for (number, path) in LABELLED.iter().enumerate() {
        let label = path.last().copied().unwrap_or_default();
        extension.labelled(&format!("cs{}", number + 1), label, record.text(path));
    }
    let hash = record.hash.to_string();
    extension.labelled("cs6", "hash", &hash);
    extension.labelled("cn1", "seq", &record.seq.to_string());
    line
}

/// What the dictionary of extensions has a key for.
const PLAIN: &[(&str, &[&str])] = &[
    ("externalId", &["request_id"]),
    ("outcome", &["outcome"]),
    ("reason", &["reason"]),
    ("requestMethod", &["action", "verb"]),
    ("request", &["action", "path"]),
    ("requestClientApplication", &["client", "user_agent"]),
    ("dvchost", &["gateway"]),
];

/// What goes into custom strings, `cs1` and on, labelled with the last word.
const LABELLED: &[&[&str]] = &[
    &["action", "endpoint"],
    &["action", "tool"],
    &["action", "model"],
    &["principal", "tenant"],
    &["chain"],
];

struct Extension<'a> {
    line: &'a mut String,
    first: bool,
}

impl Extension<'_> {
    fn field(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let space = if self.first { "" } else { " " };
        self.first = false;
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{space}{key}={}", escaped(value));
    }

    fn labelled(&mut self, key: &str, label: &str, value: &str) {
        if !value.is_empty() {
            self.field(key, value);
            self.field(&format!("{key}Label"), label);
        }
    }

    /// Milliseconds since the epoch: the one form of time that every reader takes.
    fn time(&mut self, time: &str) {
        if let Ok(at) = time.parse::<jiff::Timestamp>() {
            self.field("rt", &at.as_millisecond().to_string());
        }
    }

    /// `src` holds IPv4 only.
    fn address(&mut self, ip: &str) {
        if ip.contains(':') {
            self.labelled("c6a2", "Source IPv6 Address", ip);
        } else {
            self.field("src", ip);
        }
    }

    fn principal(&mut self, record: &Record) {
        let issuer = record.text(&["principal", "issuer"]);
        let id = record.text(&["principal", "id"]);
        if !id.is_empty() {
            self.field("suser", &format!("{issuer}:{id}"));
        }
    }
}

/// In the header a pipe ends a field, and there are no lines.
fn header(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace(['\r', '\n'], " ")
}

/// In the extension an equals sign ends a key.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('=', "\\=");
    text.replace('\n', "\\n").replace('\r', "\\r")
}
