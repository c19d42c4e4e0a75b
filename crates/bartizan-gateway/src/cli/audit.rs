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
use bartizan_core::audit::chain::{Broken, Head, Verifier, Why};
use bartizan_core::audit::record::{Malformed, Record};
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
    /// The log; where parts of it were moved away, all of them, the oldest first.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How the result is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Arguments of `audit query`. A record is shown when all of them match.
#[derive(Args, Clone, Debug)]
pub struct Query {
    /// The log, or several parts of it.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
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
    /// The log, or several parts of it.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
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
    /// Open Cybersecurity Schema Framework: not built, and so told by name.
    #[value(hide = true)]
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
    let mut verifier = Verifier::default();
    let mut broken = None;
    for file in &args.files {
        verifier.next_file();
        if let Some(first) = verify_file(file, &mut verifier)? {
            broken = Some((file, first));
            break;
        }
    }
    match args.format {
        Format::Text => print_verdict(&verifier, broken, args.files.len(), out)?,
        Format::Json => {
            let Head { hash, .. } = verifier.head();
            let broken = broken.map(|(file, broken)| {
                let (file, why) = (file.display().to_string(), broken.why.to_string());
                json!({ "file": file, "line": broken.line, "seq": broken.seq, "why": why })
            });
            let (hash, records, chains) = (hash.to_string(), verifier.records(), verifier.chains());
            let sound = broken.is_none();
            let verdict = json!({
                "sound": sound, "records": records, "chains": chains, "head": hash, "broken": broken
            });
            writeln!(out, "{verdict}")?;
        }
    }
    Ok(u8::from(broken.is_some()))
}

/// The first record of a file that does not continue what came before.
fn verify_file(file: &Path, verifier: &mut Verifier) -> anyhow::Result<Option<Broken>> {
    let mut lines = open(file)?;
    while let Some(line) = lines.next()? {
        if let Err(broken) = verifier.feed(line) {
            // While the gateway writes, the last line may be half there.
            return Ok((!lines.is_being_written()?).then_some(broken));
        }
    }
    Ok(None)
}

fn print_verdict(
    verifier: &Verifier,
    broken: Option<(&PathBuf, Broken)>,
    files: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (records, chains, hash) = (verifier.records(), verifier.chains(), verifier.head().hash);
    let Some((file, broken)) = broken else {
        let chains = if chains > 1 { format!(" in {chains} chains") } else { String::new() };
        writeln!(out, "sound: {records} records{chains}, the last has the hash {hash}")?;
        return Ok(());
    };
    let place = if files > 1 { format!("`{}`, ", file.display()) } else { String::new() };
    writeln!(out, "broken: {place}{broken}")?;
    writeln!(out, "The {records} records before it are sound.")?;
    if broken.line == 1 && matches!(broken.why, Why::Missing { .. }) {
        writeln!(
            out,
            "Where parts of the log were moved away, name all of them, the oldest first."
        )?;
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
    let mut last = VecDeque::new();
    let limit = args.limit.unwrap_or(usize::MAX);
    let unsound = each(&args.files, &mut |line, record| {
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
    complain(unsound)
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
        let moved = lines.has_moved(&args.file);
        lines.each(|line, record| print::record(line, &record, args.format, out))?;
        if moved {
            lines = open(&args.file)?;
        }
    }
    complain(Unsound::of(&args.file, &lines))
}

/// Writes all records in another format.
///
/// # Errors
/// As [`query`], and for a format that this version does not have.
pub fn export(args: &Export, out: &mut dyn Write) -> anyhow::Result<()> {
    if args.format == ExportFormat::Ocsf {
        bail!("the format `ocsf` is not supported by this version; use `jsonl` or `cef`");
    }
    let unsound = each(&args.files, &mut |line, record| {
        match args.format {
            ExportFormat::Cef => writeln!(out, "{}", cef::line(&record))?,
            ExportFormat::Jsonl | ExportFormat::Ocsf => out.write_all(line)?,
        }
        Ok(())
    })?;
    complain(unsound)
}

/// Hands every sound record of the files to `to`. Returns what was wrong with the first line that is none.
fn each(
    files: &[PathBuf],
    to: &mut dyn FnMut(&[u8], Record) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Unsound>> {
    let mut unsound = None;
    for file in files {
        let mut lines = open(file)?;
        lines.each(&mut *to)?;
        unsound = unsound.or_else(|| Unsound::of(file, &lines));
    }
    Ok(unsound)
}

/// A line that is no sound record.
struct Unsound {
    file: PathBuf,
    line: u64,
    why: Malformed,
}

impl Unsound {
    fn of(file: &Path, lines: &Lines) -> Option<Self> {
        let (line, why) = lines.first_unsound()?;
        Some(Self { file: file.to_owned(), line, why })
    }
}

fn open(path: &Path) -> anyhow::Result<Lines> {
    if path.is_dir() {
        bail!("`{}` is a folder: name the file in it that holds the log", path.display());
    }
    Lines::open(path).with_context(|| format!("the log `{}` cannot be read", path.display()))
}

fn complain(unsound: Option<Unsound>) -> anyhow::Result<()> {
    match unsound {
        None => Ok(()),
        Some(Unsound { file, line, why }) => {
            bail!("`{}`, line {line}: {why}; see `bartizan audit verify`", file.display())
        }
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
