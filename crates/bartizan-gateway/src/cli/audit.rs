//! What does the log say, and is it whole? `bartizan audit verify|query|tail|export|costs`.

mod cef;
mod costs;
mod file;
mod print;

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bartizan_core::audit::Event;
use bartizan_core::audit::chain::{Broken, Head, Verifier};
use bartizan_core::audit::record::Record;
use bartizan_core::authenticate::Principal;
use bartizan_core::time::Timestamp;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

pub use self::costs::Costs;
use self::file::Lines;
use crate::config::units;

/// How often a followed log is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Reads the audit log.
#[derive(Clone, Debug, Subcommand)]
pub enum Audit {
    /// Checks that no record was altered, removed, inserted or moved.
    Verify(Verify),
    /// Shows the records that match.
    Query(Query),
    /// Shows the last records.
    Tail(Tail),
    /// Writes all records in the format of another tool.
    Export(Export),
    /// Adds up what calls cost: by model, user, tenant, endpoint or run, and by period. Calls that were
    /// turned away are counted apart, and those that were only asked about (`TEST /action`) not at all.
    Costs(Costs),
}

/// Arguments of `audit verify`.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// The log.
    pub file: PathBuf,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `audit query`. A record is shown when all of them match.
#[derive(Args, Clone, Debug)]
pub struct Query {
    /// The log.
    pub file: PathBuf,
    /// Only this event, such as `ACCESS_DENIED`; may be given several times.
    #[arg(long = "event", value_name = "EVENT", value_parser = event)]
    pub events: Vec<Event>,
    /// Only this principal: `issuer:subject`, or the name of a local one.
    #[arg(long)]
    pub subject: Option<String>,
    /// Only from this time on: an instant of RFC 3339, or how long ago, such as `15m`.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only this request.
    #[arg(long, value_name = "ID")]
    pub request: Option<String>,
    /// Only the last N that match.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// How records are written.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `audit tail`.
#[derive(Args, Clone, Debug)]
pub struct Tail {
    /// The log.
    pub file: PathBuf,
    /// How many records.
    #[arg(short = 'n', long, default_value_t = 10)]
    pub lines: usize,
    /// Waits for more, until it is interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// How records are written.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `audit export`.
#[derive(Args, Clone, Debug)]
pub struct Export {
    /// The log.
    pub file: PathBuf,
    /// The format.
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
}

/// How a command writes its result.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line; a record is shown as it stands in the log.
    Json,
}

/// Formats of other tools.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum ExportFormat {
    /// The records as they are.
    #[default]
    Jsonl,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
    /// Common Event Format.
    Cef,
}

/// Runs one of the commands and returns its exit code: 0, or 1 where `verify` found the chain
/// broken.
///
/// # Errors
/// The log cannot be read, an argument means nothing, or `out` cannot be written: exit code 2.
pub fn run(command: &Audit, now: Timestamp, out: &mut dyn Write) -> anyhow::Result<u8> {
    match command {
        Audit::Verify(args) => verify(args, out),
        Audit::Query(args) => query(args, now, out).map(|()| 0),
        Audit::Tail(args) => tail(args, out, &mut || true).map(|()| 0),
        Audit::Export(args) => export(args, out).map(|()| 0),
        Audit::Costs(args) => costs::costs(args, now, out).map(|()| 0),
    }
}

/// Checks the chain from its first record on. 0: it is sound; 1: it is broken, and `out` says
/// where it breaks first.
///
/// # Errors
/// The log cannot be read.
pub fn verify(args: &Verify, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut lines = open(&args.file)?;
    let mut verifier = Verifier::default();
    let mut broken = None;
    while let Some(line) = lines.next()? {
        if let Err(first) = verifier.feed(line) {
            broken = Some(first);
            break;
        }
    }
    // While the gateway writes, the last line may be half there.
    if broken.is_some() && lines.is_being_written()? {
        broken = None;
    }
    match args.format {
        Format::Text => print_verdict(verifier.head(), broken, out)?,
        Format::Json => {
            let Head { seq, hash } = verifier.head();
            let broken = broken.map(|broken| {
                json!({ "line": broken.line, "seq": broken.seq, "why": broken.why.to_string() })
            });
            let hash = hash.to_string();
            let verdict = json!({
                "sound": broken.is_none(), "records": seq, "head": hash, "broken": broken
            });
            writeln!(out, "{verdict}")?;
        }
    }
    Ok(u8::from(broken.is_some()))
}

fn print_verdict(head: Head, broken: Option<Broken>, out: &mut dyn Write) -> anyhow::Result<()> {
    let Head { seq, hash } = head;
    match broken {
        None => writeln!(out, "sound: {seq} records, the last has the hash {hash}")?,
        Some(broken) => {
            writeln!(out, "broken: {broken}")?;
            writeln!(out, "The {seq} records before it are sound.")?;
        }
    }
    Ok(())
}

/// Shows the records that match.
///
/// # Errors
/// The log cannot be read, or holds lines that are no sound records: what matches among the
/// others is shown all the same.
pub fn query(args: &Query, now: Timestamp, out: &mut dyn Write) -> anyhow::Result<()> {
    let filter = Filter::new(args, now)?;
    let mut lines = open(&args.file)?;
    let mut last = VecDeque::new();
    let limit = args.limit.unwrap_or(usize::MAX);
    lines.each(|line, record| {
        if !filter.matches(&record) {
            return Ok(());
        }
        if args.limit.is_none() {
            return print::record(line, &record, args.format, out);
        }
        last.push_back((line.to_vec(), record));
        if last.len() > limit {
            last.pop_front();
        }
        Ok(())
    })?;
    for (line, record) in &last {
        print::record(line, record, args.format, out)?;
    }
    complain(&lines)
}

/// What a record must be like.
struct Filter<'a> {
    events: Vec<&'static str>,
    subject: Option<Principal>,
    /// As it is written in records: all times have one form, so their order is that of the text.
    since: Option<String>,
    request: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn new(args: &'a Query, now: Timestamp) -> anyhow::Result<Self> {
        let since = args.since.as_deref().map(|text| instant(text, now)).transpose()?;
        Ok(Self {
            events: args.events.iter().map(|event| event.as_str()).collect(),
            subject: args.subject.as_deref().map(Principal::parse),
            since: since.map(|instant| instant.to_string()),
            request: args.request.as_deref(),
        })
    }

    fn matches(&self, record: &Record) -> bool {
        let is = |subject: &Principal| {
            record.text(&["principal", "id"]) == &*subject.subject
                && record.text(&["principal", "issuer"]) == &*subject.issuer
        };
        (self.events.is_empty() || self.events.contains(&record.text(&["event"])))
            && self.subject.as_ref().is_none_or(is)
            && self.since.as_ref().is_none_or(|since| record.text(&["time"]) >= since.as_str())
            && self.request.is_none_or(|id| record.text(&["request_id"]).eq_ignore_ascii_case(id))
    }
}

/// Shows the last records, and with `follow` those that are added while `go_on` says so.
///
/// # Errors
/// As [`query`].
pub fn tail(
    args: &Tail,
    out: &mut dyn Write,
    go_on: &mut dyn FnMut() -> bool,
) -> anyhow::Result<()> {
    let mut lines = open(&args.file)?;
    let mut last = VecDeque::new();
    lines.each(|line, record| {
        last.push_back((line.to_vec(), record));
        if last.len() > args.lines {
            last.pop_front();
        }
        Ok(())
    })?;
    for (line, record) in &last {
        print::record(line, record, args.format, out)?;
    }
    while args.follow && go_on() {
        out.flush()?;
        std::thread::sleep(POLL);
        lines.each(|line, record| print::record(line, &record, args.format, out))?;
    }
    complain(&lines)
}

/// Writes all records in another format.
///
/// # Errors
/// As [`query`], and for a format that this version does not have.
pub fn export(args: &Export, out: &mut dyn Write) -> anyhow::Result<()> {
    if args.format == ExportFormat::Ocsf {
        bail!("the format `ocsf` is not supported by this version; use `jsonl` or `cef`");
    }
    let mut lines = open(&args.file)?;
    lines.each(|line, record| {
        match args.format {
            ExportFormat::Cef => writeln!(out, "{}", cef::line(&record))?,
            ExportFormat::Jsonl | ExportFormat::Ocsf => out.write_all(line)?,
        }
        Ok(())
    })?;
    complain(&lines)
}

fn open(path: &Path) -> anyhow::Result<Lines> {
    Lines::open(path).with_context(|| format!("the log `{}` cannot be read", path.display()))
}

fn complain(lines: &Lines) -> anyhow::Result<()> {
    match lines.first_unsound() {
        None => Ok(()),
        Some((line, why)) => bail!("line {line}: {why}; see `bartizan audit verify`"),
    }
}

fn event(word: &str) -> Result<Event, String> {
    Event::parse(&word.to_ascii_uppercase()).ok_or_else(|| {
        let known: Vec<&str> = Event::ALL.iter().map(|event| event.as_str()).collect();
        format!("no such event; known are {}", known.join(", "))
    })
}

/// An instant of RFC 3339, or how long ago.
fn instant(text: &str, now: Timestamp) -> anyhow::Result<Timestamp> {
    if let Ok(ago) = units::duration(text) {
        return Ok(now.minus(ago));
    }
    let at = text.parse::<jiff::Timestamp>().ok();
    let at = at.and_then(|at| u64::try_from(at.as_microsecond()).ok());
    at.map(Timestamp).with_context(|| {
        format!("`{text}` is no time; write `2027-01-01T00:00:00Z`, or `15m` for as long ago")
    })
}

#[cfg(test)]
mod tests;
