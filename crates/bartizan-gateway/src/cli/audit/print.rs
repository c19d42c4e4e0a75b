//! How is a record shown to people?

use std::io::Write;

use bartizan_core::audit::record::Record;

use super::Format;

/// Writes one record. A broken pipe is the caller's error like any other.
pub(super) fn record(
    line: &[u8],
    record: &Record,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match format {
        Format::Json => out.write_all(line)?,
        Format::Text => writeln!(out, "{}", text(record))?,
    }
    Ok(())
}

fn text(record: &Record) -> String {
    let issuer = record.text(&["principal", "issuer"]);
    let id = record.text(&["principal", "id"]);
    let who = match (issuer, id) {
        ("", _) => "-".to_owned(),
        (issuer, "") => issuer.to_owned(),
        (issuer, id) => format!("{issuer}:{id}"),
    };
    let parts = [
        record.text(&["time"]),
        record.text(&["event"]),
        record.text(&["outcome"]),
        &who,
        record.text(&["client", "ip"]),
        record.text(&["action", "verb"]),
        record.text(&["action", "path"]),
        &named(record, "tool", &["action", "tool"]),
        &named(record, "model", &["action", "model"]),
        record.text(&["details", "action"]),
        &changed(record),
        record.text(&["request_id"]),
        record.text(&["reason"]),
    ];
    let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    visible(&said.join(" "))
}

/// What a record of a command says was changed: members of `details`, as far as they are texts.
const CHANGED: [&str; 13] = [
    "budget",
    "subject",
    "measure",
    "limit",
    "id",
    "username",
    "client_id",
    "tenant",
    "expires",
    "jti",
    "kid",
    "approval_id",
    "decided_by",
];

fn changed(record: &Record) -> String {
    if record.text(&["details", "action"]).is_empty()
        && record.text(&["details", "approval_id"]).is_empty()
    {
        return String::new();
    }
    let told = CHANGED.iter().map(|member| named(record, member, &["details", member]));
    told.filter(|told| !told.is_empty()).collect::<Vec<_>>().join(" ")
}

/// `tool=search`, or nothing.
fn named(record: &Record, name: &str, at: &[&str]) -> String {
    match record.text(at) {
        "" => String::new(),
        text => format!("{name}={text}"),
    }
}

/// What a client wrote must not move the cursor of whoever reads it.
fn visible(text: &str) -> String {
    let show = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.into() };
    text.chars().map(show).collect()
}
